/*
 * An image, whatever its documents and its files say, is published under its own name or
 * not at all: one record in, at most one record out, with the same name, and nothing else
 * in the repository has changed.
 *
 * An input is a row of pieces that end with \1: a letter, which says where the rest goes.
 */
#include <fts.h>
#include <sys/stat.h>

#include "format/image.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "fuzz.h"

#define NAME "localhost/evil/app:v1"
#define VICTIM "localhost/victim/app:v1"
#define PLAIN "l1\1" /* a file called 1 */

static const char *const seeds[] = {
	PLAIN "alinux\1bamd64\1cv2\1",
	PLAIN "bamd64\nhttps://h.org/x:1@sha256:00\tplatform=linux/amd64\1",
	PLAIN "bamd64\tq=y x\nremove 9 " VICTIM "\nrename 0 " VICTIM "\1",
	PLAIN "dPATH=/bin\1nsh -c 'a'\1eme\1",
	PLAIN "oamd64\1plinux\1",
	PLAIN "f" MEDIA_OCI_CONFIG "\1g" MEDIA_OCI_LAYER "\1i" MEDIA_OCI_MANIFEST "\1",
	PLAIN "jorg.example.key\1q2026-11-25T00:00:00Z\1",
	"ldir/file\1m/etc/passwd\1l.wh.x\1l.wh..wh..opq\1",
};

static const char *const words[] = {
	"\n",
	"\t",
	"\r",
	"\x1b[2J",
	"\xc2\x9b",
	"\xff",
	"..",
	"../",
	"/",
	" ",
	"\\012",
	"=",
	"-",
	".",
	"%s",
	"$(id)",
	"'",
	"\"",
	"\1b",
	"\1a",
	"\1c",
	"\1d",
	"\1e",
	"\1f",
	"\1g",
	"\1h",
	"\1i",
	"\1j",
	"\1l",
	"\1m",
	"\1n",
	"\1o",
	"\1p",
	"\1q",
	VICTIM,
	"remove 1 ",
	"rename 1 ",
	"\trepo=/elsewhere",
	"\nlocalhost/victim/app:v1",
	".wh.",
	"@sha256:",
};

static char directory[] = "/tmp/ducc-fuzz.XXXXXX";
static ducc_session *session;
static size_t tried, published;

/* --- the layout -------------------------------------------------------- */

struct pieces {
	char *of[26];
	struct buffer tar;
};

static void write_file(const char *name, const void *data, size_t len)
{
	AUTO_FREE char *path = format("%s/layout/%s", directory, name);
	FILE *file = fopen(path, "w");

	FUZZ_CHECK(file && fwrite(data, 1, len, file) == len && !fclose(file));
}

/* Writes a blob; its descriptor, with the digest that a piece may say in its place. */
static cJSON *add_blob(const void *data, size_t len, const char *media_type, const char *digest)
{
	struct digest actual = digest_of(data, len);
	AUTO_FREE char *name = format("blobs/sha256/%s", actual.hex);
	AUTO_FREE char *text = format(PRI_DIGEST, actual.hex);
	cJSON *descriptor = json_object();

	write_file(name, data, len);
	json_set_string(descriptor, "mediaType", media_type);
	json_set_string(descriptor, "digest", digest ? digest : text);
	json_set_size(descriptor, "size", len);
	return descriptor;
}

static cJSON *add_json(const cJSON *json, const char *media_type)
{
	AUTO_FREE char *text = json_print(json, false);

	return add_blob(text, strlen(text), media_type, NULL);
}

static const char *piece(const struct pieces *pieces, char letter, const char *otherwise)
{
	const char *text = pieces->of[letter - 'a'];

	return text ? text : otherwise;
}

/* A file, or with a target a symbolic link; of what can't be in a header of ustar, the beginning. */
static void add_header(struct buffer *tar, const char *name, const char *target)
{
	char block[512] = "";
	unsigned sum = 0;

	memcpy(block, name, strnlen(name, 100));
	memcpy(block + 100, "0000644\0000000000\0000000000\00000000000000\00000000000000", 48);
	block[156] = target ? '2' : '0';
	if (target)
		memcpy(block + 157, target, strnlen(target, 100));
	memcpy(block + 257, "ustar\00000", 8);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	buffer_add(tar, block, sizeof(block));
}

static void take_pieces(struct pieces *pieces, char *text)
{
	static const char end[1024];

	for (char *next = text; next;) {
		char *one = strsep(&next, "\1");

		if (*one == 'l') {
			add_header(&pieces->tar, one + 1, NULL);
		} else if (*one == 'm') {
			add_header(&pieces->tar, "link", one + 1);
		} else if (*one >= 'a' && *one <= 'z') {
			free(pieces->of[*one - 'a']);
			pieces->of[*one - 'a'] = xstrdup(one + 1);
		}
	}
	buffer_add(&pieces->tar, end, sizeof(end));
}

static void set_piece(cJSON *object, const char *key, const struct pieces *pieces, char letter)
{
	if (pieces->of[letter - 'a'])
		json_set_string(object, key, pieces->of[letter - 'a']);
}

static cJSON *strings(const char *text)
{
	cJSON *array = json_array();

	if (text)
		json_append(array, cJSON_CreateString(text));
	return array;
}

static cJSON *make_config(const struct pieces *pieces)
{
	struct digest digest = digest_of(pieces->tar.data, pieces->tar.len);
	AUTO_FREE char *diff_id = format(PRI_DIGEST, digest.hex);
	AUTO_JSON *config = json_object();
	cJSON *run = json_object(), *rootfs = json_object();

	json_set_string(config, "architecture", piece(pieces, 'b', "amd64"));
	json_set_string(config, "os", piece(pieces, 'a', "linux"));
	set_piece(config, "variant", pieces, 'c');
	set_piece(config, "author", pieces, 'e');
	set_piece(config, "created", pieces, 'q');
	json_set(run, "Env", strings(pieces->of['d' - 'a']));
	json_set(run, "Entrypoint", strings(pieces->of['n' - 'a']));
	json_set(config, "config", run);
	json_set(rootfs, "diff_ids", strings(diff_id));
	json_set(config, "rootfs", rootfs);
	return add_json(config, piece(pieces, 'f', MEDIA_OCI_CONFIG));
}

/* What index.json names: the manifest, or an index in between if a platform is said there. */
static cJSON *make_top(const struct pieces *pieces)
{
	AUTO_JSON *manifest = json_object(), *index = json_object();
	cJSON *layers = json_array(), *annotations = json_object(), *manifests = json_array();
	cJSON *descriptor, *platform;

	json_append(layers, add_blob(pieces->tar.data, pieces->tar.len,
				     piece(pieces, 'g', MEDIA_OCI_LAYER), pieces->of['h' - 'a']));
	json_set_size(manifest, "schemaVersion", 2);
	set_piece(manifest, "mediaType", pieces, 'i');
	json_set(manifest, "config", make_config(pieces));
	json_set(manifest, "layers", layers);
	json_set_string(annotations, piece(pieces, 'j', "key"), piece(pieces, 'j', "value"));
	json_set(manifest, "annotations", annotations);
	descriptor = add_json(manifest, MEDIA_OCI_MANIFEST);
	if (!pieces->of['o' - 'a']) {
		cJSON_Delete(manifests);
		return descriptor;
	}
	platform = json_object();
	json_set_string(platform, "os", piece(pieces, 'p', "linux"));
	set_piece(platform, "architecture", pieces, 'o');
	json_set(descriptor, "platform", platform);
	json_append(manifests, descriptor);
	json_set_size(index, "schemaVersion", 2);
	json_set(index, "manifests", manifests);
	return add_json(index, MEDIA_OCI_INDEX);
}

static void write_layout(const char *text, const char *name)
{
	struct pieces pieces = {.tar = {0}};
	AUTO_FREE char *copy = xstrdup(text), *printed = NULL;
	AUTO_JSON *index = json_object();
	cJSON *manifests = json_array(), *top, *annotations = json_object();

	take_pieces(&pieces, copy);
	top = make_top(&pieces);
	json_set_string(annotations, "org.opencontainers.image.ref.name", name);
	json_set(top, "annotations", annotations);
	json_append(manifests, top);
	json_set_size(index, "schemaVersion", 2);
	json_set(index, "manifests", manifests);
	printed = json_print(index, false);
	write_file("index.json", printed, strlen(printed));
	for (size_t i = 0; i < ARRAY_LEN(pieces.of); i++)
		free(pieces.of[i]);
	buffer_free(&pieces.tar);
}

/* --- the pipeline ------------------------------------------------------ */

/* One line: the name, pinned, and its platform. */
static void check_record(const ducc_record *record, const char *name)
{
	AUTO_FREE char *line = ducc_record_format(record);
	AUTO_FREE char *begin = format("http://%s@sha256:", name);
	const char *tab = strchr(line, '\t');

	FUZZ_CHECK(!strncmp(line, begin, strlen(begin)));
	FUZZ_CHECK(tab && !strncmp(tab, "\tplatform=", 10));
	for (const char *p = line; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' || *p == '\t');
}

static bool publish(const char *name)
{
	AUTO_FREE char *source = format("oci:%s/layout", directory);
	ducc_record *record = ducc_record_parse(source, NULL);
	ducc_error *err = NULL;
	int result = ducc_fetch(session, record, &err);

	if (!result) {
		check_record(record, name);
		result = ducc_unpack(session, record, &err);
	}
	if (!result) {
		FUZZ_CHECK(ducc_publish(session, &record, 1, &err) == 1);
		result = err ? -1 : 0;
	}
	FUZZ_CHECK((result < 0) == (err != NULL));
	fuzz_message(&err);
	if (!result)
		check_record(record, name);
	ducc_record_free(record);
	return !result;
}

/* --- the repository ---------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static void check_link(const char *path)
{
	bool platform = !strncmp(path, ".multiarch/", 11);

	if (!strcmp(path, REPO_PODMAN_LINKS) ||
	    (platform && !strchr(path + 11, '/'))) /* another name of a platform */
		return;
	FUZZ_CHECK(platform ? ends_with(path, "/" NAME)
			    : !strcmp(path, NAME) || !strcmp(path, VICTIM));
}

/* Nothing has a name but the two images. */
static void check_repository(void)
{
	AUTO_FREE char *root = format("%s/repo", directory);
	char *const roots[] = {root, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	FUZZ_CHECK(fts);
	while ((entry = fts_read(fts))) {
		const char *path = entry->fts_path + strlen(root) + (entry->fts_level > 0);
		bool ours = !strcmp(path, ".flat") || !strcmp(path, ".layers") ||
			    !strcmp(path, "podmanStore") || !strcmp(path, ".metadata/.flat");

		FUZZ_CHECK(strcmp(path, ".transaction") != 0);
		if (ours && entry->fts_info == FTS_D)
			fts_set(fts, entry, FTS_SKIP);
		else if (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)
			check_link(path);
		else if (entry->fts_info == FTS_F && !strncmp(path, ".metadata/", 10))
			FUZZ_CHECK(strstr(path, "/" NAME "/") || strstr(path, "/" VICTIM "/"));
		else
			FUZZ_CHECK(entry->fts_info == FTS_D || entry->fts_info == FTS_DP);
	}
	fts_close(fts);
}

static char *victim_link(void)
{
	AUTO_FREE char *path = format("%s/repo/" VICTIM, directory);
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target));

	FUZZ_CHECK(n > 0);
	return xstrndup(target, (size_t)n);
}

static void remove_all(void)
{
	AUTO_FREE char *command = format("chmod -R u+rwX %s; rm -rf %s", directory, directory);

	printf("# %zu of %zu images were published\n", published, tried);
	ducc_close(session);
	if (system(command)) /* NOLINT(cert-env33-c): the name is ours */
		perror(command);
}

static void set_up(void)
{
	AUTO_FREE char *store = NULL, *repository = NULL, *blobs = NULL;

	FUZZ_CHECK(mkdtemp(directory));
	store = format("%s/store", directory);
	repository = format("%s/repo", directory);
	blobs = format("mkdir -p %s/layout/blobs/sha256", directory);
	FUZZ_CHECK(!system(blobs)); /* NOLINT(cert-env33-c): likewise */
	write_file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
	session = ducc_open(&(struct ducc_options){.size = sizeof(struct ducc_options),
						   .store = store,
						   .repository = repository},
			    NULL);
	FUZZ_CHECK(session);
	atexit(remove_all);
	write_layout("lvictim\1", VICTIM);
	FUZZ_CHECK(publish(VICTIM));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len), *before = NULL, *after = NULL;

	if (!session)
		set_up();
	before = victim_link();
	write_layout(text, NAME);
	tried++;
	published += publish(NAME);
	check_repository();
	after = victim_link();
	FUZZ_CHECK(!strcmp(before, after));
}

FUZZ_MAIN(seeds, words, 200)
