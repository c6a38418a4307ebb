/* Certificates for TLS: see tls.h. */
#include "net/tls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/home.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/reference.h"

#define PEM_LIMIT ((size_t)16 << 20)

/* The certificate directory of this registry, or NULL. */
static char *find_directory(const char *authority)
{
	AUTO_FREE char *home = home_directory();
	const struct {
		const char *parent, *suffix;
	} places[] = {
		{home, "/.config/containers/certs.d"},
		{"", "/etc/containers/certs.d"},
		{"", "/etc/docker/certs.d"},
	};

	/* A redirect may supply the authority: it must not escape the directory. */
	for (size_t i = 0; registry_is_valid(authority) && i < ARRAY_LEN(places); i++) {
		struct stat st;
		char *path;

		if (!places[i].parent)
			continue;
		path = format("%s%s/%s", places[i].parent, places[i].suffix, authority);
		if (!stat(path, &st) && S_ISDIR(st.st_mode))
			return path;
		free(path);
	}
	return NULL;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && !strcmp(name + len - n, suffix);
}

static int add_file(struct buffer *pem, const char *path, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *data = NULL;
	size_t len;

	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (read_file(fd, PEM_LIMIT, &data, &len, err) < 0)
		return error_wrap(err, "%s", path);
	buffer_add(pem, data, len);
	buffer_addc(pem, '\n');
	return 0;
}

static int take_file(struct tls *tls, const char *directory, const char *name, ducc_error **err)
{
	AUTO_FREE char *path = format("%s/%s", directory, name), *key = NULL;

	if (ends_with(name, ".crt"))
		return add_file(&tls->authorities, path, err);
	if (!ends_with(name, ".cert") || tls->certificate)
		return 0;
	key = format("%.*s.key", (int)(strlen(path) - strlen(".cert")), path);
	if (access(key, R_OK) < 0)
		return error_errno(err, errno, "%s", key);
	tls->certificate = STEAL(path);
	tls->key = STEAL(key);
	return 0;
}

int tls_find(struct tls *tls, const char *authority, const char *system, ducc_error **err)
{
	struct dirent **names;
	int n, result = 0;

	*tls = (struct tls){.directory = find_directory(authority)};
	if (!tls->directory)
		return 0;
	n = scandir(tls->directory, &names, NULL, alphasort);
	if (n < 0) {
		error_errno(err, errno, "%s", tls->directory);
		tls_free(tls);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (!result)
			result = take_file(tls, tls->directory, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	if (!result && tls->authorities.len && system)
		result = add_file(&tls->authorities, system, err);
	if (result < 0)
		tls_free(tls);
	return result;
}

void tls_free(struct tls *tls)
{
	buffer_free(&tls->authorities);
	free(tls->directory);
	free(tls->certificate);
	free(tls->key);
	*tls = (struct tls){0};
}
