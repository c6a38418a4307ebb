/* The configuration of a CernVM-FS repository: see config.h. */
#include "cvmfs/config.h"

#include <fcntl.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "cvmfs/mount.h"

#define CONFIG_LIMIT ((size_t)1 << 20)

/* The file as text, which the caller frees; NULL: there is none. */
static char *read_config(const struct repository *repository)
{
	AUTO_FREE char *path = mount_config(repository, "server.conf");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len;

	return fd < 0 || read_file(fd, CONFIG_LIMIT, &text, &len, NULL) < 0 ? NULL : text;
}

/* A line of a shell script, maybe exported, its value maybe in quotes; the last one counts. */
char *config_value(const struct repository *repository, const char *key)
{
	AUTO_FREE char *text = read_config(repository);
	size_t len = strlen(key);
	char *value = NULL;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, " \t\n");
		if (!strncmp(line, "export ", 7))
			line += 7;
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		line += len + 1;
		line += *line == '"' || *line == '\'';
		free(value);
		value = xstrndup(line, strcspn(line, "\"'; \t\n"));
	}
	return value;
}

bool config_exists(const struct repository *repository)
{
	AUTO_FREE char *text = read_config(repository);

	return text != NULL;
}

bool config_has_gateway(const struct repository *repository)
{
	AUTO_FREE char *storage = config_value(repository, "CVMFS_UPSTREAM_STORAGE");

	return storage && !strncmp(storage, "gw,", 3);
}
