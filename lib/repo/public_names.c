/* The public names of images: see public_names.h. */
#include "repo/public_names.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "repo/inventory.h"
#include "repo/schedule.h"
#include "repo/target.h"

#define UNKNOWN "unknown"
#define VARIANT_LINK REPO_MULTIARCH "/$(CVMFS_ARCH:-amd64)/%s"

/* The directory in .multiarch. */
static char *platform_directory(const char *architecture, const char *variant)
{
	if (!variant)
		variant = platform_usual_variant(architecture);
	return format("%s%s%s", architecture, variant ? ":" : "", variant ? variant : "");
}

char *names_platform(const struct platform *platform)
{
	return platform_directory(platform->architecture ? platform->architecture : UNKNOWN,
				  platform->variant);
}

int names_check(const struct repository *repository, const struct naming *naming, ducc_error **err)
{
	AUTO_FREE char *other = platform_label(naming->platform, naming->name);
	AUTO_FREE char *metadata = image_metadata(naming->name, "");

	if (!path_is_clean(naming->name))
		return error_set(err, "name too long: more than %d bytes between slashes",
				 NAME_MAX);
	if (!strncmp(metadata, REPO_SCHEDULE "/", strlen(REPO_SCHEDULE "/")))
		return error_set(err, "its metadata would replace %s", REPO_SCHEDULE);
	if (naming->replaces)
		return 0;
	if (repository_check_type(repository, naming->name, S_IFLNK, err) < 0)
		return -1;
	return repository_check_type(repository, other, S_IFLNK, err);
}

/*
 * The platform, allocated, and config of the published image with this name; NULL if there is none,
 * or its documents are damaged.
 */
static int published_platform(const struct repository *repository, const char *name,
			      char **platform, struct digest *config, ducc_error **err)
{
	AUTO_FREE char *path = image_metadata(name, "config.json"), *data = NULL;
	struct published image = {NULL};
	AUTO_CONFIG parsed = {.n = 0};
	ducc_error *error = NULL;
	AUTO_CLOSE int root = repository_root(repository);
	size_t len;
	int found = repository_read(repository, path, JSON_LIMIT, &data, &len, &error);

	*platform = NULL;
	if (found <= 0)
		return error ? error_pass_failure(err, error) : 0;
	if (config_parse(&parsed, data, len, NULL) < 0)
		return 0;
	if (published_read_platform(&parsed.platform, root, name, &error) < 0)
		return error_pass_failure(err, error);
	*config = digest_of(data, len);
	found = published_read(&image, repository, name, err);
	published_free(&image);
	if (found > 0 && digest_equal(config, &image.flat))
		*platform = names_platform(&parsed.platform);
	return found < 0 ? -1 : 0;
}

/* The images of one name. */
struct group {
	const struct names *names;
	const struct naming *first;
	struct naming **members; /* one for each platform */
	size_t n;
};

/* A link at `path` to `to`, which is relative to the root of the repository. */
static int link_to(const struct group *group, const char *path, const char *to, ducc_error **err)
{
	AUTO_BUFFER target = {0};

	for (const char *p = path; (p = strchr(p, '/')); p++)
		buffer_adds(&target, "../");
	buffer_adds(&target, to);
	return group->names->link(group->names->ctx, path, target.data, err);
}

static int link_flat(const struct group *group, const char *path, const struct digest *config,
		     ducc_error **err)
{
	AUTO_FREE char *flat = flat_directory(config);

	return link_to(group, path, flat, err);
}

/* Aliases of the directory: other names of the architecture, such as that of uname(1). */
static int add_aliases(struct group *group, const char *platform, bool *added, ducc_error **err)
{
	for (size_t i = 0; i < MACHINE_NAMES; i++) {
		const struct machine_name *machine = &machine_names[i];
		AUTO_FREE char *path = format(REPO_MULTIARCH "/%s", machine->name), *meant = NULL;

		meant = platform_directory(machine->architecture, machine->variant);
		if (added[i] || strcmp(meant, platform) != 0)
			continue;
		added[i] = true;
		if (group->names->link(group->names->ctx, path, platform, err) < 0)
			return -1;
	}
	return 0;
}

static int add_platform(struct group *group, const char *platform, const struct digest *config,
			bool *added, ducc_error **err)
{
	AUTO_FREE char *path = platform_label(platform, group->first->name);

	if (link_flat(group, path, config, err) < 0)
		return -1;
	return add_aliases(group, platform, added, err);
}

/* Sets `several` if the name has a link for this platform. */
static int find_link(const struct group *group, const char *platform, bool *several,
		     ducc_error **err)
{
	AUTO_FREE char *path = platform_label(platform, group->first->name);
	int found = repository_find(group->names->repository, path);

	if (found < 0 && !is_wrong_type(errno)) /* there is a link in place of a directory */
		return error_errno(err, errno, "%s", path);
	*several |= found > 0;
	return 0;
}

/* 1 if an image is published under that label, 0, or -1. */
static int find_label(const struct group *group, const char *label, const char *file,
		      ducc_error **err)
{
	AUTO_FREE char *path = image_metadata(label, file);
	int found = repository_find(group->names->repository, path);

	return found < 0 ? error_errno(err, errno, "%s", path) : found;
}

static bool is_for(const struct group *group, const char *platform)
{
	for (size_t i = 0; i < group->n; i++)
		if (!strcmp(group->members[i]->platform, platform))
			return true;
	return false;
}

/* True if an earlier version would have published the image as one for that platform. */
static bool was_for(const struct naming *naming, const char *platform)
{
	return !strcmp(platform, UNKNOWN) ||
	       (naming->of_config && !strcmp(naming->of_config, platform));
}

/* Drops the link for a platform that no image has; sets `several` if there is one for another. */
static int drop_platform(const struct group *group, const char *platform, bool *several,
			 ducc_error **err)
{
	const struct names *names = group->names;
	AUTO_FREE char *own = platform_label(platform, group->first->name);
	AUTO_STRSET paths = {NULL};

	if (names_for_platforms(names->repository, group->first->name, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++) {
		int found = repository_find(names->repository, paths.list[i]);

		if (found < 0)
			return error_errno(err, errno, "%s", paths.list[i]);
		if (strcmp(paths.list[i], own) != 0)
			*several |= found > 0;
		else if (found && names->drop && names->drop(names->ctx, own, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * An earlier version knew only the platform in the config of an image, and published no
 * platform.json.  If no image is for that platform, it may be that of any image with such a config
 * that is not published under another label.
 */
static int guess_platform(const struct group *group, char **platform, bool *several,
			  ducc_error **err)
{
	int found = find_label(group, group->first->name, PLATFORM_FILE, err);

	if (found || is_for(group, *platform))
		return found < 0 ? -1 : 0;
	for (size_t i = 0; i < group->n; i++) {
		const struct naming *member = group->members[i];
		AUTO_FREE char *label = platform_label(member->platform, member->name);

		if (!was_for(member, *platform))
			continue;
		found = find_label(group, label, "manifest.json", err);
		if (found < 0)
			return -1;
		if (found)
			continue;
		if (drop_platform(group, *platform, several, err) < 0)
			return -1;
		free(*platform);
		*platform = xstrdup(member->platform);
		break;
	}
	return 0;
}

static int add_group(struct group *group, bool *added, ducc_error **err)
{
	const struct repository *repository = group->names->repository;
	struct digest published;
	const struct digest *config = &published;
	AUTO_FREE char *first = NULL, *variant = NULL;
	bool several = group->n > 1;

	if (published_platform(repository, group->first->name, &first, &published, err) < 0)
		return -1;
	if (first && guess_platform(group, &first, &several, err) < 0)
		return -1;
	if (!first) {
		config = group->first->config;
		first = xstrdup(group->first->platform);
	}
	if (find_link(group, first, &several, err) < 0)
		return -1;
	for (size_t i = 0; i < group->n; i++) {
		struct naming *member = group->members[i];

		if (!strcmp(member->platform, first)) {
			config = member->config;
			member->label = xstrdup(group->first->name);
		} else {
			several = true;
			member->label = platform_label(member->platform, group->first->name);
		}
	}
	if (!several)
		return link_flat(group, group->first->name, config, err);
	if (add_platform(group, first, config, added, err) < 0)
		return -1;
	for (size_t i = 0; i < group->n; i++)
		if (strcmp(group->members[i]->platform, first) != 0 &&
		    add_platform(group, group->members[i]->platform, group->members[i]->config,
				 added, err) < 0)
			return -1;
	if (!repository->target->variants)
		return link_flat(group, group->first->name, config, err);
	variant = format(VARIANT_LINK, group->first->name);
	return link_to(group, group->first->name, variant, err);
}

/* True if a later one has the same name and platform. */
static bool comes_again(const struct naming *namings, size_t n, size_t i)
{
	for (size_t later = i + 1; later < n; later++)
		if (!strcmp(namings[later].name, namings[i].name) &&
		    !strcmp(namings[later].platform, namings[i].platform))
			return true;
	return false;
}

static bool came_before(const struct naming *namings, size_t i)
{
	for (size_t earlier = 0; earlier < i; earlier++)
		if (!strcmp(namings[earlier].name, namings[i].name))
			return true;
	return false;
}

int names_each(const struct names *names, struct naming *namings, size_t n, ducc_error **err)
{
	AUTO_FREE struct naming **members = xcalloc(n, sizeof(struct naming *));
	bool added[MACHINE_NAMES] = {false};

	for (size_t i = 0; i < n; i++) {
		struct group group = {names, &namings[i], members, 0};
		size_t before = names->steps ? *names->steps : 0;

		if (came_before(namings, i))
			continue;
		for (size_t k = i; k < n; k++)
			if (!strcmp(namings[k].name, namings[i].name) &&
			    !comes_again(namings, n, k))
				members[group.n++] = &namings[k];
		if (add_group(&group, added, err) < 0)
			return error_wrap(err, "%s", group.first->name);
		for (size_t k = 0; k < group.n; k++)
			members[k]->linked = names->steps && *names->steps != before;
	}
	return 0;
}

static int add_link(void *ctx, const char *path, const char *target, ducc_error **err)
{
	return transaction_add_symlink(ctx, path, target, err);
}

static int drop_link(void *ctx, const char *path, ducc_error **err)
{
	struct transaction *transaction = ctx;

	if (repository_check_type(transaction->repository, path, S_IFLNK, err) < 0)
		return -1;
	transaction->steps++;
	return transaction->target->clear(transaction, path, err);
}

int names_add(struct transaction *transaction, struct naming *namings, size_t n, ducc_error **err)
{
	const struct names names = {transaction->repository, add_link, drop_link, transaction,
				    &transaction->steps};

	return names_each(&names, namings, n, err);
}

/* A name is a symbolic link; nothing else is removed. */
static int remove_link(struct transaction *transaction, const char *path, ducc_error **err)
{
	if (repository_check_type(transaction->repository, path, S_IFLNK, err) < 0)
		return -1;
	return transaction_remove(transaction, path, err);
}

int names_for_platforms(const struct repository *repository, const char *name, struct strset *paths,
			ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_ENTRIES entries = entries_open(root, REPO_MULTIARCH);
	const char *platform;

	while ((platform = entries_next(&entries))) {
		AUTO_FREE char *path = platform_label(platform, name);

		if (platform[0] != '.' && entries_type(&entries, platform) == DT_DIR)
			strset_add(paths, path);
	}
	if (entries.error && !is_absence(entries.error) && !is_wrong_type(entries.error))
		return error_errno(err, entries.error, REPO_MULTIARCH);
	return 0;
}

int names_remove(struct transaction *transaction, const char *name, ducc_error **err)
{
	AUTO_STRSET paths = {NULL};

	if (remove_link(transaction, name, err) < 0 ||
	    names_for_platforms(transaction->repository, name, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++)
		if (remove_link(transaction, paths.list[i], err) < 0)
			return -1;
	return 0;
}
