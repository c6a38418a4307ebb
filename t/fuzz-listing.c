/*
 * Listings: what is read is what would be written for it; and whatever names, targets and
 * attributes a tree has, its listing is read as the same tree.
 */
#include <inttypes.h>

#include "base/path.h"
#include "content/listing.h"
#include "fuzz.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HEAD LISTING_MAGIC "\n# layer=" A " diff-id=" C " size=12 unpacked=34\n"
#define DIRECTORY " type=dir mode=0755 uid=0 gid=0 time=0.000000000"
#define FILE_HEAD " type=file mode=4755 uid=1 gid=2 time=-2.500000000"
#define SIZES " size=7 sha256digest=" A

static const char *const seeds[] = {
	HEAD "." DIRECTORY " tags=implied\n./a" FILE_HEAD " nlink=2" SIZES " contents=.layers/aa/" A
	     "/layerfs/a\n./b" FILE_HEAD " nlink=2" SIZES " contents=.layers/aa/" A "/layerfs/a\n",
	HEAD
	"./d" DIRECTORY " tags=opaque\n"
	"./d/gone type=char mode=0000 uid=0 gid=0 time=0.000000000 device=native,0,0 tags=void\n"
	"./d/null type=char mode=0666 uid=0 gid=0 time=0.000000000 device=native,1,3\n",
	LISTING_MAGIC "\n./s type=link mode=0777 uid=0 gid=0 time=5.000000001 link=a\\040b\n"
		      "./t type=fifo mode=0600 uid=0 gid=0 time=1.000000000 xattr.user.a=AAEC\n",
	HEAD "./h type=file hardlink=x/y\n./i" FILE_HEAD SIZES " contents=.layers/cc/" C
	     "/layerfs/x hardlink=x\n./o type=dir tags=opaque\n",
	HEAD "./bin type=link through=usr/bin links=" C "\n./usr/bin/x" FILE_HEAD SIZES
	     " name=bin/x\n",
};

static const char *const words[] = {
	"\n",        " ",
	"=",         "\\040",
	"\\075",     "\\000",
	"\\134",     "#",
	"/",         "./",
	"..",        "a",
	"b",         "\n./",
	" tags=",    "opaque",
	"implied",   "void",
	",",         " xattr.user.b=",
	"AAEC",      "=",
	"\xff",      "\t",
	" type=dir", " type=file",
	" size=",    "0",
	"1",         " hardlink=",
	" link=",    " nlink=",
	HEAD,        "./a" FILE_HEAD SIZES "\n",
	"trusted.",  "%",
	"\x1b",      "*",
	"?",         "[",
	" name=",    " through=",
	"fixed",     " type=link",
	"late",      "fixed,late",
	" links=",
};

static struct tree *read_text(const char *text, size_t len, struct listing_head *head,
			      ducc_error **err)
{
	AUTO_CLOSE int fd = fuzz_file(text, len);

	return listing_read(fd, head, err);
}

static char *print(const struct listing_head *head, struct tree *tree, size_t *len)
{
	char *text;

	tree_count_links(tree);
	FUZZ_CHECK(!listing_print(head, tree, &text, len, NULL));
	return text;
}

/* What follows from the rest is left out: the digest, and how many links a file has. */
static char *essence(const char *text, size_t len)
{
	static const char start[] = LISTING_MAGIC "\n" LISTING_DIGEST;
	struct buffer out = {0};
	const char *end = text + len;

	text += strncmp(text, start, strlen(start)) ? strlen(LISTING_MAGIC "\n") : LISTING_START;
	while (text < end) {
		if (!strncmp(text, " nlink=", 7))
			text += 7 + strspn(text + 7, "0123456789");
		else
			buffer_addc(&out, *text++);
	}
	return buffer_steal(&out);
}

static void try_text(const char *text, size_t len)
{
	struct listing_head head = {.size = 0};
	struct listing_head *wanted = strstr(text, "\n# layer=") ? &head : NULL;
	ducc_error *err = NULL;
	AUTO_TREE *tree = read_text(text, len, wanted, &err);
	AUTO_FREE char *again = NULL, *plain = NULL, *plain_again = NULL;
	size_t again_len;

	FUZZ_CHECK(!tree == (err != NULL));
	fuzz_message(&err);
	if (!tree)
		return;
	again = print(wanted, tree, &again_len);
	plain = essence(text, len);
	plain_again = essence(again, again_len);
	FUZZ_CHECK(!strcmp(plain, plain_again));
}

/* --- a tree ------------------------------------------------------------ */

static struct node *make_node(struct tree *tree, const char *path)
{
	struct node *node = tree_root(tree);

	for (; node; path += strcspn(path, "/") + 1) {
		size_t len = strcspn(path, "/");
		struct node *child = tree_child(tree, node, path, len);

		if (!path[len])
			return child ? NULL : tree_add(tree, node, path, len);
		if (!child) {
			child = tree_add(tree, node, path, len);
			node_set_file(child, file_new(S_IFDIR | 0755));
		}
		node = node_is_dir(child) ? child : NULL;
	}
	return NULL;
}

/* Of a line PATH|TEXT, an entry; what it is depends on the number. */
static void add_entry(struct tree *tree, const struct digest *layer, char *line, size_t number)
{
	static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFBLK, S_IFREG, 0};
	char *next = line;
	const char *path = strsep(&next, "|");
	mode_t type = types[number % ARRAY_LEN(types)];
	struct node *node = path_is_clean(path) ? make_node(tree, path) : NULL;
	struct file *file;

	if (!node)
		return;
	if (!type) {
		node->flags = NODE_WHITEOUT;
		return;
	}
	file = file_new(type | (mode_t)(number * 37 % 010000));
	file->uid = (uint32_t)number;
	file->mtime = (int64_t)number * 1000 - 3000;
	file->mtime_nsec = (uint32_t)(number * 7919 % 1000000000);
	file->major = (uint32_t)number;
	if (type == S_IFLNK)
		file->target = xstrdup(next && *next ? next : "x");
	else if (next && *next)
		file_add_xattr(file, next, path, strlen(path));
	if (type != S_IFDIR) {
		file->layer = tree_intern(tree, layer);
		file->origin = xstrdup(path);
	}
	node_set_file(node, file);
}

static void try_tree(char *text)
{
	struct listing_head head = {.layer = {A}, .diff_id = {C}, .size = 5, .unpacked = 6}, reread;
	AUTO_TREE *tree = tree_new();
	AUTO_TREE *again = NULL;
	AUTO_FREE char *printed = NULL, *printed_again = NULL;
	size_t len, again_len, number = 0;
	ducc_error *err = NULL;

	node_set_file(tree_root(tree), file_new(S_IFDIR | 0755));
	for (char *next = text; next; number++)
		add_entry(tree, &head.layer, strsep(&next, "\n"), number);
	tree_sort(tree);
	printed = print(&head, tree, &len);
	again = read_text(printed, len, &reread, &err);
	if (!again)
		fprintf(stderr, "%s\n%s", ducc_error_message(err), printed);
	FUZZ_CHECK(again);
	printed_again = print(&reread, again, &again_len);
	FUZZ_CHECK(len == again_len && !memcmp(printed, printed_again, len));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);

	/* The reader stops at a NUL, as any line with one is damage. */
	if (strlen(text) == len)
		try_text(text, len);
	try_tree(text);
}

FUZZ_MAIN(seeds, words, 10000)
