/* The configuration of a CernVM-FS repository: see config.h. */
#include "cvmfs/config.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "cvmfs/mount.h"

#define CONFIG_LIMIT ((size_t)1 << 20)

int config_read(const struct repository *repository, char **text, ducc_error **err)
{
	AUTO_FREE char *path = mount_config(repository, "server.conf");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len;

	*text = NULL;
	if (fd < 0)
		return is_absence(errno) ? 0 : error_errno(err, errno, "%s", path);
	return read_file(fd, CONFIG_LIMIT, text, &len, err) < 0 ? error_wrap(err, "%s", path) : 1;
}

/* A line of a shell script, maybe exported, its value maybe in quotes; the last one counts. */
char *config_find(const char *text, const char *key)
{
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

int config_value(const struct repository *repository, const char *key, char **value,
		 ducc_error **err)
{
	AUTO_FREE char *text = NULL;
	int result = config_read(repository, &text, err);

	*value = config_find(text, key);
	return result < 0 ? -1 : *value != NULL;
}

int config_has_gateway(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *storage = NULL;
	int result = config_value(repository, "CVMFS_UPSTREAM_STORAGE", &storage, err);

	return result > 0 ? !strncmp(storage, "gw,", 3) : result;
}
