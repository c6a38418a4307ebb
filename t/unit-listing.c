/* Listings: what is written is read again, and damage is noticed. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "content/listing.h"
#include "tap.h"

#define LAYER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIFF "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OTHER "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define SUM "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define HEAD "#mtree\n# layer=" LAYER " diff-id=" DIFF " size=12 unpacked=34\n"
#define DIRECTORY " type=dir mode=0755 uid=0 gid=0 time=0.000000000"
#define WHITEOUT " type=char mode=0000 uid=0 gid=0 time=0.000000000 device=native,0,0"
#define SIZES " size=7 sha256digest=" SUM
#define CONTENTS_A " contents=.layers/aa/" LAYER "/layerfs/a"
#define FILE_HEAD " type=file mode=4755 uid=1 gid=4294967294 time=-2.500000000"

static const char listing[] =
	HEAD "." DIRECTORY " tags=implied\n"
	     "./a" FILE_HEAD " nlink=2 size=7 sha256digest=" SUM " contents=.layers/aa/" LAYER
	     "/layerfs/z\\012\\134\\377\n"
	     "./b" FILE_HEAD " size=7 sha256digest=" SUM " contents=.layers/cc/" OTHER
	     "/layerfs/x hardlink=x\n"
	     "./d" DIRECTORY " tags=opaque\n"
	     "./d/gone type=char mode=0000 uid=0 gid=0 time=0.000000000 device=native,0,0\n"
	     "./d/later type=char mode=0000 uid=0 gid=0 time=0.000000000 device=native,0,0"
	     " tags=implied\n"
	     "./d/null type=char mode=0666 uid=0 gid=0 time=0.000000000 device=native,1,3\n"
	     "./d/s type=link mode=0777 uid=0 gid=0 time=5.000000001 link=a\\040b\n"
	     "./e" DIRECTORY " xattr.user.x\\040y=AAEC xattr.user.x\\075y=\n"
	     "./f/nothing type=char mode=0000 uid=0 gid=0 time=0.000000000 device=native,0,0"
	     " tags=void\n"
	     "./z\\012\\134\\377" FILE_HEAD " nlink=2 size=7 sha256digest=" SUM
	     " contents=.layers/aa/" LAYER "/layerfs/z\\012\\134\\377\n";

static int file_with(const char *text)
{
	int fd = memfd_create("listing", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	return fd;
}

static bool is_read(const char *text, size_t len)
{
	struct listing_head head;
	AUTO_CLOSE int fd = memfd_create("listing", MFD_CLOEXEC);
	AUTO_TREE *tree = NULL;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	tree = listing_read(fd, &head, NULL);
	return tree != NULL;
}

/* Whatever changes in a listing with a digest, it is noticed. */
static void changed(char *text)
{
	size_t len = strlen(text), flipped = 0, truncated = 0;

	ok(is_read(text, len), "what was written is read");
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		flipped += is_read(text, len);
		text[i] ^= 1;
		truncated += is_read(text, i);
	}
	ok(!flipped, "... but not with another byte anywhere");
	ok(!truncated, "... nor with less at the end");
}

static void round_trip(void)
{
	struct listing_head head = {.size = 0};
	AUTO_CLOSE int in = file_with(listing);
	AUTO_CLOSE int out = memfd_create("out", MFD_CLOEXEC);
	AUTO_TREE *tree = listing_read(in, &head, NULL);
	const struct node *a, *z;
	struct digest id = {""};
	char again[sizeof(listing) + 1024] = "";

	ok(tree != NULL, "a listing without a digest is read");
	if (!tree)
		return;
	is_string(head.layer.hex, LAYER, "... with the layer it is of");
	ok(head.size == 12 && head.unpacked == 34, "... and its sizes");
	a = tree_find(tree, "a");
	z = tree_find(tree, "z\n\\\377");
	ok(a && z && a->file == z->file, "names with the same contents are hard links");
	ok(a && a->file && a->file->mtime == -2 && a->file->mtime_nsec == 500000000,
	   "a time before 1970");
	ok(node_is_whiteout(tree_find(tree, "d/gone")), "a device 0:0 is a whiteout");
	ok(!node_is_whiteout(tree_find(tree, "d/null")), "a device 1:3 is none");
	ok(node_is_opaque(tree_find(tree, "d")), "an opaque directory");
	ok(tree_find(tree, "f") && !tree_find(tree, "f")->file, "a parent that is not listed");
	tree_count_links(tree);
	ok(!listing_write(out, &head, tree), "it is written");
	ok(pread(out, again, sizeof(again) - 1, 0) > 0, "... to a file");
	ok(!strncmp(again, "#mtree\n# sha256=", 16), "... with a digest");
	is_string(again + LISTING_START, listing + strlen("#mtree\n"), "... as it was");
	ok(listing_id(out, &id) && !strncmp(again + 16, id.hex, DIGEST_HEX_LEN),
	   "... that is found");
	ok(!listing_id(in, &id), "... if there is one");
	changed(again);
}

static void damaged(const char *text, const char *title)
{
	AUTO_CLOSE int fd = file_with(text);
	struct listing_head head;
	ducc_error *err = NULL;
	struct tree *tree = listing_read(fd, &head, &err);

	ok(!tree, "%s", title);
	tree_free(tree);
	says(&err, "listing is damaged", "... is damage");
}

/* A file system that has a bad moment proves nothing; a directory fails in the same way. */
static void unreadable(void)
{
	AUTO_CLOSE int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ducc_error *err = NULL;

	ok(!listing_read(fd, NULL, &err) && ducc_error_kind(err) == DUCC_SYSTEM,
	   "what cannot be read is not damaged");
	says(&err, "listing: Is a directory", "... and the cause is named");
	ok(listing_check(fd, &err) < 0 && ducc_error_kind(err) == DUCC_SYSTEM,
	   "... nor if only its digest is checked");
	says(&err, "listing: Is a directory", "... for which the cause is the same");
}

static void images(void)
{
	AUTO_CLOSE int fd = memfd_create("listing", MFD_CLOEXEC);
	struct listing_image image = {.manifest = {LAYER}, .layers = {DIFF}}, again;
	AUTO_TREE *tree = tree_new();
	const off_t word =
		(off_t)(LISTING_START + strlen("# manifest= layers=") + 2 * DIGEST_HEX_LEN);

	node_set_file(tree_root(tree), file_new(S_IFDIR | 0755));
	for (int exact = 0; exact < 2; exact++) {
		image.exact = exact;
		ok(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
			   listing_write_image(fd, &image, tree) == 0 &&
			   listing_image_of(fd, &again) && again.exact == image.exact &&
			   digest_equal(&again.manifest, &image.manifest) &&
			   digest_equal(&again.layers, &image.layers),
		   "the header of an image is read%s", exact ? ", also that it is exact" : "");
	}
	ok(pwrite(fd, " exacT", 6, word) == 6 && !listing_image_of(fd, &again),
	   "... but no other word");
}

int main(void)
{
	images();
	unreadable();
	round_trip();
	damaged("#mtree\n. type=dir\n", "no head");
	damaged(HEAD "/etc" DIRECTORY "\n", "an absolute name");
	damaged(HEAD "./a/../b" DIRECTORY "\n", "a name with ..");
	damaged(HEAD "./a//b" DIRECTORY "\n", "an empty component");
	damaged(HEAD "./a\\000" DIRECTORY "\n", "a NUL");
	damaged(HEAD "./a\\9" DIRECTORY "\n", "an escape that is none");
	damaged(HEAD "./a" DIRECTORY "\n./a" DIRECTORY "\n", "a name twice");
	damaged(HEAD "./a/b" DIRECTORY "\n./a" FILE_HEAD "\n", "something beneath a file");
	damaged(HEAD "./a mode=0644\n", "no type");
	damaged(HEAD "./a type=door mode=0644\n", "an unknown type");
	damaged(HEAD "./a type=link mode=0777\n", "a link without a target");
	damaged(HEAD "./a type=dir mode=99999\n", "a mode that is none");
	damaged(HEAD "./a type=dir uid=-1\n", "a negative owner");
	damaged(HEAD "./a type=file contents=../../etc/passwd\n", "contents outside of a layer");
	damaged(HEAD "./a" FILE_HEAD SIZES " contents=.layers/cc/" OTHER "/layerfs/../x\n",
		"contents that climb");
	damaged(HEAD "./a" FILE_HEAD SIZES " contents=.layers/aa/" OTHER "/layerfs/x\n",
		"contents in the wrong place");
	damaged("", "nothing at all");
	damaged("." DIRECTORY "\n", "no first line");
	damaged(HEAD "./a" DIRECTORY, "a last line without its end");
	damaged(HEAD "./a" DIRECTORY "\n\n", "an empty line");
	damaged(HEAD "./a" DIRECTORY "\n# comment\n", "a comment");
	damaged(HEAD "./a" DIRECTORY "\n" HEAD, "a second head");
	damaged("#mtree\n# layer=" LAYER " diff-id=" DIFF " size=-1 unpacked=34\n",
		"a negative size");
	damaged("#mtree\n# layer=" LAYER " diff-id=" DIFF " size=1 unpacked=34 \n",
		"a head that goes on");
	damaged(HEAD "./b" DIRECTORY "\n./a" DIRECTORY "\n", "names out of order");
	damaged(HEAD "./a.b" DIRECTORY "\n./a/b" DIRECTORY "\n", "a directory that comes back");
	damaged(HEAD "./a" WHITEOUT "\n./a/b" DIRECTORY "\n", "something beneath a whiteout");
	damaged(HEAD "./a" WHITEOUT "\n./a" WHITEOUT "\n", "a whiteout twice");
	damaged(HEAD "./a" DIRECTORY " color=red\n", "an unknown keyword");
	damaged(HEAD "./a" DIRECTORY " uid=0\n", "a keyword twice");
	damaged(HEAD "./a type=dir uid=0 mode=0755 gid=0 time=0.000000000\n",
		"keywords out of order");
	damaged(HEAD "./a  type=dir mode=0755 uid=0 gid=0 time=0.000000000\n", "two blanks");
	damaged(HEAD "./a type=dir mode=0755 uid=0 gid=0\n", "no time");
	damaged(HEAD "./a type=dir mode=0755 uid=00 gid=0 time=0.000000000\n",
		"a number with a zero too many");
	damaged(HEAD "./a type=dir mode=0755 uid=0 gid=0 time=-0.000000000\n", "a negative zero");
	damaged(HEAD "./a type=dir mode=0755 uid=0 gid=0 time=0.0\n", "a time cut short");
	damaged(HEAD "./a" DIRECTORY " size=1\n", "a directory with a size");
	damaged(HEAD "./a" FILE_HEAD " size=1\n", "a file without a digest");
	damaged(HEAD "./a type=dir\n", "a directory that says nothing");
	damaged(HEAD "./a" FILE_HEAD SIZES "\n", "a file whose content is nowhere");
	damaged(HEAD "./a" FILE_HEAD SIZES " hardlink=b\n", "... nor that of a hard link");
	damaged(HEAD "." WHITEOUT " tags=implied\n", "a root that is a whiteout");
	damaged(HEAD ". type=link mode=0777 uid=0 gid=0 time=0.000000000 link=a\n",
		"a root that is a link");
	damaged(HEAD ". type=file hardlink=a\n", "a root that is a hard link");
	damaged(HEAD "./a" DIRECTORY " tags=opaque,implied,opaque\n", "a tag twice");
	damaged(HEAD "./a" DIRECTORY " tags=void\n", "a directory of nothing");
	damaged(HEAD "./a" DIRECTORY " xattr.user.b= xattr.user.a=\n", "attributes out of order");
	damaged(HEAD "./a" DIRECTORY " xattr.user.a= xattr.user.a=\n", "an attribute twice");
	damaged(HEAD "./a" DIRECTORY " xattr.user.a=b=AAEC\n",
		"an attribute's name that ends too early");
	damaged(HEAD "./a" DIRECTORY " xattr.=\n", "an attribute without a name");
	damaged(HEAD "./a" FILE_HEAD SIZES CONTENTS_A "\n./b type=file mode=0644 uid=0 gid=0 "
		     "time=0.000000000" SIZES CONTENTS_A "\n",
		"hard links that differ");
	return done_testing();
}
