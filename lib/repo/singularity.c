/* Files for Singularity and Apptainer in a root file system: see singularity.h. */
#include "repo/singularity.h"

#include <ctype.h>

#include "base/mem.h"

static const char source_environment[] = "#!/bin/sh\n"
					 "for script in /.singularity.d/env/*.sh; do\n"
					 "\tif [ -f \"$script\" ]; then\n"
					 "\t\t. \"$script\"\n"
					 "\tfi\n"
					 "done\n";

static const struct {
	const char *path, *action;
} actions[] = {
	{".singularity.d/actions/exec", "exec \"$@\"\n"},
	{".singularity.d/actions/run", "exec /.singularity.d/runscript \"$@\"\n"},
	{".singularity.d/actions/shell", "if [ -x /bin/bash ]; then\n"
					 "\texec /bin/bash --norc \"$@\"\n"
					 "fi\n"
					 "exec /bin/sh \"$@\"\n"},
	{".singularity.d/actions/start", "exec /.singularity.d/startscript \"$@\"\n"},
	{".singularity.d/actions/test", "if [ -x /.singularity.d/test ]; then\n"
					"\texec /.singularity.d/test \"$@\"\n"
					"fi\n"},
};

static const struct {
	const char *path, *text;
	mode_t mode;
} files[] = {
	{".singularity.d/env/01-base.sh",
	 "#!/bin/sh\n"
	 ": \"${PATH:=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}\"\n"
	 "export PATH\n",
	 0755},
	{".singularity.d/env/90-environment.sh", "#!/bin/sh\n", 0755},
	{".singularity.d/env/95-apps.sh", "#!/bin/sh\n", 0755},
	{".singularity.d/env/99-base.sh",
	 "#!/bin/sh\n"
	 "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs\n"
	 "export LD_LIBRARY_PATH\n",
	 0755},
	{".singularity.d/startscript", "#!/bin/sh\n", 0755},
	{"etc/hosts", "", 0644},
	{"etc/resolv.conf", "", 0644},
};

static const struct {
	const char *path, *target;
} links[] = {
	{".exec", ".singularity.d/actions/exec"},
	{".run", ".singularity.d/actions/run"},
	{".shell", ".singularity.d/actions/shell"},
	{".test", ".singularity.d/actions/test"},
	{"environment", ".singularity.d/env/90-environment.sh"},
	{"singularity", ".singularity.d/runscript"},
};

static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
	{"dev", 0755},      {"etc", 0755},
	{"home", 0755},     {"proc", 0755},
	{"root", 0700},     {"sys", 0755},
	{"tmp", 01777},     {"var", 0755},
	{"var/tmp", 01777}, {".singularity.d/libs", 0755},
};

/*
 * Adds a file at the path, with its parent directories, unless the path exists in the
 * image or a parent is not a directory.  Takes ownership of the file.
 */
static void add(struct tree *tree, const char *path, struct file *file)
{
	struct node *node = tree_root(tree);

	for (;;) {
		size_t len = strcspn(path, "/");
		struct node *child = tree_child(tree, node, path, len);

		if (child && (!path[len] || !node_is_dir(child))) {
			file_unref(file);
			return;
		}
		if (!child) {
			child = tree_add(tree, node, path, len);
			node_set_file(child, path[len] ? file_new(S_IFDIR | 0755) : file);
		}
		if (!path[len])
			return;
		node = child;
		path += len + 1;
	}
}

static void add_text(struct tree *tree, const char *path, mode_t mode, char *text)
{
	struct file *file = file_new(S_IFREG | mode);
	struct hasher *hasher = hasher_new();

	file->text = text;
	file->size = strlen(text);
	hasher_update(hasher, text, file->size);
	hasher_final(hasher, file->sha256);
	hasher_free(hasher);
	add(tree, path, file);
}

/* Quotes the word for a shell. */
static void add_quoted(struct buffer *script, const char *word)
{
	buffer_addc(script, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buffer_adds(script, "'\\''");
		else
			buffer_addc(script, *word);
	}
	buffer_addc(script, '\'');
}

static void add_words(struct buffer *script, char *const *words)
{
	for (; words && *words; words++) {
		buffer_addc(script, ' ');
		add_quoted(script, *words);
	}
}

/* Arguments replace Cmd; Entrypoint precedes either. */
static char *runscript(const struct config *config)
{
	struct buffer script = {0};
	bool entrypoint = config->entrypoint && config->entrypoint[0];
	bool cmd = config->cmd && config->cmd[0];

	buffer_adds(&script, "#!/bin/sh\n");
	if (cmd || !entrypoint) {
		buffer_adds(&script, "if [ $# -eq 0 ]; then\n\tset --");
		if (cmd)
			add_words(&script, config->cmd);
		else
			buffer_adds(&script, " /bin/sh");
		buffer_adds(&script, "\nfi\n");
	}
	buffer_adds(&script, "exec");
	add_words(&script, config->entrypoint);
	buffer_adds(&script, " \"$@\"\n");
	return buffer_steal(&script);
}

static bool is_variable_name(const char *name, size_t len)
{
	if (!len || isdigit((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isascii((unsigned char)name[i]) ||
		    (!isalnum((unsigned char)name[i]) && name[i] != '_'))
			return false;
	return true;
}

/* Sets the variables of the image, but, except PATH, keeps those that the user has set. */
static char *environment(const struct config *config)
{
	struct buffer script = {0};

	buffer_adds(&script, "#!/bin/sh\n");
	for (char *const *item = config->env; item && *item; item++) {
		const char *name = *item;
		size_t len = strcspn(name, "=");

		if (!is_variable_name(name, len) || !name[len])
			continue;
		if (len == 4 && !memcmp(name, "PATH", 4)) {
			buffer_adds(&script, "PATH=");
			add_quoted(&script, name + len + 1);
		} else {
			buffer_addf(&script, "if [ -z \"${%.*s+set}\" ]; then\n\t%.*s=", (int)len,
				    name, (int)len, name);
			add_quoted(&script, name + len + 1);
			buffer_adds(&script, "\nfi");
		}
		buffer_addf(&script, "\nexport %.*s\n", (int)len, name);
	}
	return buffer_steal(&script);
}

void singularity_add(struct tree *tree, const struct config *config)
{
	for (size_t i = 0; i < ARRAY_LEN(directories); i++)
		add(tree, directories[i].path, file_new(S_IFDIR | directories[i].mode));
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		add_text(tree, files[i].path, files[i].mode, xstrdup(files[i].text));
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		add_text(tree, actions[i].path, 0755,
			 format("%s%s", source_environment, actions[i].action));
	add_text(tree, ".singularity.d/runscript", 0755, runscript(config));
	add_text(tree, ".singularity.d/env/10-docker2singularity.sh", 0755, environment(config));
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct file *link = file_new(S_IFLNK | 0777);

		link->target = xstrdup(links[i].target);
		add(tree, links[i].path, link);
	}
	tree_sort(tree);
}
