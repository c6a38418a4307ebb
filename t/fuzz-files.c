/*
 * Files that ducc finds on disk, in a repository, a store or a system: Podman's lists, index.json,
 * published manifests, credentials, mirrors, server.conf and the journal.  Each is read or refused,
 * with a message.
 *
 * The first byte of an input says which file the rest is.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/context.h"
#include "base/path.h"
#include "cvmfs/config.h"
#include "cvmfs/journal.h"
#include "fuzz.h"
#include "net/credentials.h"
#include "net/mirrors.h"
#include "podman/podman.h"
#include "repo/inventory.h"
#include "store/index.h"
#include "store/index_recovery.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const seeds[] = {
	"l[{\"id\":\"" HEX "\",\"names\":[\"localhost/a:1\"],\"layer\":\"" HEX
	"\",\"big-data-names\":[\"sha256:" HEX "\"],\"big-data-sizes\":{\"manifest\":7},"
	"\"big-data-digests\":{\"manifest\":\"sha256:" HEX "\"}}]",
	"L[{\"id\":\"" HEX "\",\"parent\":\"" HEX "\",\"diff-digest\":\"sha256:" HEX
	"\",\"compressed-diff-digest\":\"sha256:" HEX "\"}]",
	"i{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:" HEX
	"\",\"size\":7,\"annotations\":{\"org.opencontainers.image.ref.name\":\"localhost/a:1\","
	"\"org.ducc.manifest\":\"sha256:" HEX "\"},\"platform\":{\"os\":\"linux\"}}]}",
	"m{\"config\":{\"digest\":\"sha256:" HEX "\"},\"layers\":[{\"digest\":\"sha256:" HEX
	"\",\"size\":7}]}",
	"a{\"auths\":{\"h.org/a\":{\"auth\":\"dTpw\"},\"h.org\":{\"identitytoken\":\"t\"}},"
	"\"credHelpers\":{\"h.org\":\"none\"},\"credsStore\":\"none\"}",
	"r[[registry]]\nprefix = \"*.org\"\nlocation = \"h.org\"\ninsecure = true\n"
	"[[registry.mirror]]\nlocation = \"m.org/x\"\npull-from-mirror = \"digest-only\"\n",
	"sexport "
	"CVMFS_UPSTREAM_STORAGE=\"gw,/srv,http://h:4929/api/v1\"\nCVMFS_STRATUM0=http://h/r\n",
	"jboot=0123 group=42 edit transaction=1:2:3",
};

static const char *const words[] = {
	"\"",    ":",  "=",        "{",          "}",          "[",        "]",       "null",
	"true",  "-1", "1e309",    "\\u0000",    "\\n",        "\xff",     "../",     "/",
	"names", "[[", "#",        "export ",    "'",          "\n",       " ",       "4294967296",
	"h.org", "*.", "blocked=", "mirror-by=", "short-name", "location", "sha256:", "group=",
};

static char directory[] = "/tmp/fuzz-files.XXXXXX";
static struct repository repository = {.path = directory};
static struct store store = {.fd = -1};

/* Where each file is, beneath the directory. */
static const struct {
	unsigned char letter;
	const char *path;
} files[] = {
	{'l', PODMAN_IMAGES},
	{'L', PODMAN_LAYERS},
	{'i', "index.json"},
	{'m', ".metadata/localhost/a:1/manifest.json"},
	{'a', "auth.json"},
	{'r', "registries.conf"},
	{'s', "etc/cvmfs/repositories.d/fuzz/server.conf"},
	{'j', "var/spool/cvmfs/fuzz/ducc.transaction"},
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void end(void)
{
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void set(const char *variable, const char *file)
{
	AUTO_FREE char *path = format("%s/%s", directory, file);

	setenv(variable, path, 1);
}

/* No helper for credentials is found, and no other file than those here. */
static void begin(void)
{
	FUZZ_CHECK(mkdtemp(directory));
	atexit(end);
	store.path = directory;
	store.fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store.keep = true;
	repository.name = xstrdup("fuzz");
	set("PATH", "none");
	set("HOME", "none");
	set("XDG_CONFIG_HOME", "none");
	set("DOCKER_CONFIG", "none");
	set("REGISTRY_AUTH_FILE", "auth.json");
	set("CONTAINERS_REGISTRIES_CONF", "registries.conf");
	setenv("DUCC_SYSROOT", directory, 1);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *parent = format("%s", files[i].path);
		char *slash = strrchr(parent, '/');

		if (slash)
			*slash = '\0';
		FUZZ_CHECK(!slash || !path_mkdirs(store.fd, parent));
	}
}

static void read_lists(ducc_error **err)
{
	struct podman *podman = podman_read(&repository, err);

	FUZZ_CHECK(!podman == (*err != NULL));
	podman_free(podman);
}

static void read_index(ducc_error **err)
{
	cJSON *manifests = NULL, *entry;
	AUTO_JSON *index = store_index_read(&store, &manifests, err);
	struct digest listed, manifest;

	cJSON_ArrayForEach(entry, manifests)
	{
		if (index_digests(entry, &listed, &manifest))
			FUZZ_CHECK(digest_is_hex(listed.hex) && digest_is_hex(manifest.hex));
	}
	FUZZ_CHECK(!index == (*err != NULL));
}

static void read_inventory(ducc_error **err)
{
	AUTO_INVENTORY inventory = {NULL};

	FUZZ_CHECK(!inventory_read(&inventory, &repository, err));
	for (size_t i = 0; i < inventory.n_images; i++)
		for (size_t k = 0; k < inventory.images[i].n_layers; k++)
			FUZZ_CHECK(digest_is_hex(inventory.images[i].layers[k].hex));
}

static void read_credentials(const struct reference *reference, ducc_error **err)
{
	struct keyring *keyring = keyring_new(NULL);
	AUTO_CREDENTIALS credentials = {NULL};

	keyring_find(keyring, reference, &credentials, err);
	keyring_free(keyring);
}

static void read_mirrors(const struct reference *reference, ducc_error **err)
{
	struct mirrors *mirrors = mirrors_load(err);
	struct place *places = NULL;
	size_t n = 0;

	if (mirrors && !mirrors_find(mirrors, reference, false, &places, &n, err))
		places_free(places, n);
	mirrors_free(mirrors);
}

static void read_system(ducc_error **err)
{
	AUTO_FREE char *value = NULL;
	struct journal journal = {.transaction = NULL};

	config_value(&repository, "CVMFS_STRATUM0", &value, NULL);
	FUZZ_CHECK(!value || !strpbrk(value, "\"'; \t\n"));
	if (journal_read(&repository, &journal, err) > 0)
		FUZZ_CHECK(journal.group.id >= 0);
	free(journal.transaction);
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_REFERENCE reference = {NULL};
	ducc_error *err = NULL;

	if (store.fd < 0)
		begin();
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_CLOSE int fd = -1;

		unlinkat(store.fd, files[i].path, 0);
		if (!len || data[0] != files[i].letter)
			continue;
		fd = path_open(store.fd, files[i].path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		FUZZ_CHECK(fd >= 0 && write(fd, data + 1, len - 1) == (ssize_t)(len - 1));
	}
	FUZZ_CHECK(!reference_parse(&reference, "https://h.org/a/b:1", NULL));
	read_lists(&err);
	fuzz_message(&err);
	read_index(&err);
	fuzz_message(&err);
	read_inventory(&err);
	fuzz_message(&err);
	read_credentials(&reference, &err);
	fuzz_message(&err);
	read_mirrors(&reference, &err);
	fuzz_message(&err);
	read_system(&err);
	fuzz_message(&err);
}

FUZZ_MAIN(seeds, words, 1000)
