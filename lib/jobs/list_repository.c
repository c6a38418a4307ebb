/*
 * The images of a repository: see list.h.  Only files in .metadata are read; flat trees need only
 * exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "jobs/list.h"
#include "jobs/targets.h"
#include "repo/target.h"

/*
 * The original ducc publishes no config, and writes a manifest of its own, whose digest may be
 * another one than in the registry.
 */
static int read_foreign(struct list *list, struct listed *image, ducc_error **err)
{
	const char *label = image->published->label;
	struct published published = {NULL};
	int found = published_read(&published, &list->repository, label, err);

	if (!found) {
		AUTO_FREE char *path = image_metadata(label, "manifest.json");

		error_set(err, "%s is missing or damaged", path);
	} else if (found > 0) {
		image->config = published.flat;
		for (size_t i = 0; i < published.n_layers; i++)
			list_add_layer(image, &published.layers[i], published.sizes[i]);
	}
	published_free(&published);
	return found > 0 ? 0 : -1;
}

static int read_ours(struct listed *image, int root, ducc_error **err)
{
	struct stored_image stored = {.manifest_json = NULL};
	int result = stored_image_read_published(&stored, root, image->published->label, err);

	if (!result) {
		image->platform = platform_format(&stored.config.platform);
		image->manifest = stored.digest;
		list_take(image, &stored.manifest);
	}
	stored_image_free(&stored);
	return result;
}

/* Also sets the time of publication, that of the manifest, and why the image could not be read. */
static void read_documents(struct list *list, struct listed *image, int root)
{
	const char *label = image->published->label;
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");
	AUTO_CLOSE int fd = path_open(root, manifest, O_PATH, 0);
	ducc_error *error = NULL;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st))
		image->since = st.st_mtime;
	if ((path_exists(root, listing) ? read_ours(image, root, &error)
					: read_foreign(list, image, &error)) < 0)
		image->damaged = xstrdup(ducc_error_message(error));
	ducc_error_free(error);
}

/* True if the flat tree to which the name leads certainly does not exist. */
static bool leads_nowhere(const struct list *list, const struct published *published)
{
	AUTO_FREE char *flat = flat_directory(&published->linked);

	return !list->repository.metadata_only && repository_lacks(&list->repository, flat);
}

/* A link through $(CVMFS_ARCH) leads elsewhere; it is enough that it is there. */
static void check_link(const struct list *list, struct listed *image)
{
	const struct published *published = image->published;

	if (image->damaged)
		return;
	if (repository_lacks(&list->repository, published->label))
		image->damaged = xstrdup("the name is missing");
	else if (*published->linked.hex && !digest_equal(&published->linked, &image->config))
		image->damaged = xstrdup("the name leads to another image");
	else if (*published->linked.hex && leads_nowhere(list, published))
		image->damaged = xstrdup("the name leads to files that do not exist");
}

static void read_image(struct list *list, struct listed *image)
{
	AUTO_CLOSE int root = repository_root(&list->repository);

	if (!image->published)
		return;
	if (root < 0) {
		image->damaged = xstrdup(strerror(errno));
		return;
	}
	read_documents(list, image, root);
	check_link(list, image);
}

/* No record has a field repo= here, and an operand may have been meant as the repository. */
static int no_repository(const struct list *list, ducc_error **err)
{
	for (size_t i = 0; i < list->options.n_images; i++) {
		const char *name = list->options.images[i];
		struct stat st;

		if (!stat(name, &st) && S_ISDIR(st.st_mode))
			return error_set_kind(err, DUCC_USAGE,
					      "no repository: %s is an image here; did you mean "
					      "-r %s%s?",
					      name, strchr(name, '/') ? "" : "./", name);
	}
	return error_set_kind(err, DUCC_USAGE, "no repository: use -r or $DUCC_REPO");
}

static int open_repository(struct list *list, ducc_error **err)
{
	const char *name = list->session->repository;
	int found;

	if (!name)
		return no_repository(list, err);
	found = targets_open(&list->repository, name, list->session->store_path, err);
	if (found < 0)
		return -1;
	if (!found && list->repository.target->created)
		return targets_need_published(&list->repository, err);
	if (!found)
		return targets_unmounted(name, err);
	return 0;
}

/* An error is reported after the images: those to be removed look like all others. */
static void read_schedule(struct list *list)
{
	ducc_error **error = &list->trouble;
	int damaged = schedule_read(&list->schedule, &list->repository, error);

	if (damaged > 0)
		error_set_kind(error, DUCC_CORRUPT,
			       REPO_SCHEDULE " is damaged, or not written by ducc");
	error_wrap(error, "repository %s", list->repository.name);
	error_advise(error, "images to be removed are unknown");
}

int list_repository(struct list *list, ducc_error **err)
{
	const struct inventory *inventory = &list->inventory;
	if (open_repository(list, err) < 0 ||
	    inventory_read_names(&list->inventory, &list->repository, err) < 0)
		return -1;
	if (list->repository.metadata_only ||
	    !targets_need_published(&list->repository, &list->trouble))
		read_schedule(list);
	list->read = read_image;
	for (size_t i = 0; i < inventory->n_images; i++)
		list_add(list, inventory->images[i].name)->published = &inventory->images[i];
	return 0;
}
