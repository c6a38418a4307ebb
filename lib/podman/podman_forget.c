/* Removing from Podman's store: see podman_forget.h. */
#include "podman/podman_forget.h"

#include <search.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "podman/podman_store.h"

#define OVERLAY REPO_PODMAN "/overlay"
#define SHORT_NAME_LIMIT 64 /* bytes */

/* A layer of the list; the original ducc has some of them twice. */
struct known {
	char *id;
	cJSON *entry;
	struct known *same; /* an earlier entry with this ID */
	unsigned marks;
};

enum {
	CANDIDATE = 1, /* of an image that goes */
	USED = 2,      /* of one that stays */
};

struct forget {
	const struct podman_gone *gone;
	struct transaction *transaction;
	cJSON *images, *layers;
	struct known *known;
	size_t n;
	void *by_id; /* tree of struct known */
	bool changed, layers_changed;
};

static int compare(const void *a, const void *b)
{
	const struct known *left = a, *right = b;

	return strcmp(left->id, right->id);
}

static struct known *find(const struct forget *forget, const char *id)
{
	AUTO_FREE char *key = xstrdup(id);
	struct known wanted = {.id = key};
	struct known **node = tfind(&wanted, &forget->by_id, compare);

	return node ? *node : NULL;
}

static void index_layers(struct forget *forget)
{
	cJSON *entry;

	forget->known = xcalloc((size_t)cJSON_GetArraySize(forget->layers), sizeof(struct known));
	cJSON_ArrayForEach(entry, forget->layers)
	{
		struct known *known = &forget->known[forget->n++];
		struct known **node;

		known->id = xstrdup(podman_list_text(entry, "id"));
		known->entry = entry;
		node = xalloc(tsearch(known, &forget->by_id, compare));
		if (*node != known) {
			known->same = *node;
			*node = known;
		}
	}
}

static void mark(const struct forget *forget, const char *id, unsigned as)
{
	struct known *known = find(forget, id);

	if (known)
		known->marks |= as;
}

/*
 * Marks every layer below a marked one.  A layer that is listed several times may have
 * several parents, and parents may form a circle.
 */
static void mark_below(const struct forget *forget, unsigned as)
{
	AUTO_FREE struct known **marked = xcalloc(forget->n, sizeof(struct known *));
	size_t n = 0;

	for (size_t i = 0; i < forget->n; i++)
		if (forget->known[i].marks & as)
			marked[n++] = &forget->known[i];
	/* A layer is added once, when it is marked. */
	while (n) {
		for (const struct known *above = marked[--n]; above; above = above->same) {
			struct known *below =
				find(forget, podman_list_text(above->entry, "parent"));

			if (!below || below->marks & as)
				continue;
			below->marks |= as;
			marked[n++] = below;
		}
	}
}

static bool is_gone(const struct forget *forget, const char *name)
{
	AUTO_FREE char *hub = podman_store_hub_name(name);

	return forget->gone->name(forget->gone->ctx, name) ||
	       (hub && !repository_has(forget->transaction->repository, name) &&
		forget->gone->name(forget->gone->ctx, hub));
}

/* Takes the names that go from an image; true if there were some. */
static bool forget_names(const struct forget *forget, const cJSON *image)
{
	cJSON *names = podman_list_names(image), *next;
	bool any = false;

	for (cJSON *name = names ? names->child : NULL; name; name = next) {
		next = name->next;
		if (!is_gone(forget, name->valuestring))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(names, name));
		any = true;
	}
	return any;
}

static int forget_image(struct forget *forget, cJSON *image, ducc_error **err)
{
	struct podman_target target = podman_store_target(forget->transaction);
	const char *id = podman_list_text(image, "id");
	AUTO_FREE char *directory = format(PODMAN_IMAGE_DIRECTORY "/%s", id);
	bool ours = digest_is_hex(id);
	bool all = ours && forget->gone->config(forget->gone->ctx, podman_list_config(image));

	if (!all && !forget_names(forget, image)) {
		mark(forget, podman_list_text(image, "layer"), USED);
		return 0;
	}
	forget->changed = true;
	if (!all && (podman_list_first_name(image) || podman_list_has_manifest(image))) {
		mark(forget, podman_list_text(image, "layer"), USED);
		return podman_list_mend(image, &target, err);
	}
	mark(forget, podman_list_text(image, "layer"), CANDIDATE);
	cJSON_Delete(cJSON_DetachItemViaPointer(forget->images, image));
	return ours ? transaction_remove(forget->transaction, directory, err) : 0;
}

/* Removes a layer's directory, and the link to it. */
static int forget_layer(struct forget *forget, struct known *known, ducc_error **err)
{
	AUTO_FREE char *directory = format(OVERLAY "/%s", known->id);
	AUTO_FREE char *link = format("%s/link", directory), *name = NULL, *short_link = NULL;
	AUTO_CLOSE int root = repository_root(forget->transaction->repository);
	size_t len = 0;

	if (!digest_is_hex(known->id))
		return 0;
	forget->layers_changed = true;
	if (root >= 0 && path_exists(root, link))
		path_read(root, link, SHORT_NAME_LIMIT, &name, &len, NULL);
	if (len && len == strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) {
		short_link = format(OVERLAY "/l/%s", name);
		if (transaction_remove(forget->transaction, short_link, err) < 0)
			return -1;
	}
	if (transaction_remove(forget->transaction, directory, err) < 0)
		return -1;
	for (; known; known = known->same)
		cJSON_Delete(cJSON_DetachItemViaPointer(forget->layers, known->entry));
	return 0;
}

static int forget_all(struct forget *forget, ducc_error **err)
{
	struct podman_target target = podman_store_target(forget->transaction);
	cJSON *next;

	for (cJSON *image = forget->images->child; image; image = next) {
		next = image->next;
		if (forget_image(forget, image, err) < 0)
			return -1;
	}
	if (forget->changed) {
		mark_below(forget, CANDIDATE);
		mark_below(forget, USED);
	}
	for (size_t i = 0; i < forget->n; i++) {
		struct known *known = &forget->known[i];

		if (known->marks == CANDIDATE && find(forget, known->id) == known &&
		    forget_layer(forget, known, err) < 0)
			return -1;
	}
	if (forget->layers_changed && podman_list_save_layers(forget->layers, &target, err) < 0)
		return -1;
	return forget->changed ? podman_list_save_images(forget->images, &target, err) : 0;
}

static void no_free(void *node)
{
	(void)node;
}

int podman_forget(const struct podman_gone *gone, struct transaction *transaction, ducc_error **err)
{
	struct forget forget = {.gone = gone, .transaction = transaction};
	AUTO_FREE char *images = NULL, *layers = NULL;
	size_t images_len = 0, layers_len = 0;
	int result = -1;

	if (podman_store_read(transaction->repository, PODMAN_IMAGES, &images, &images_len, err) <
		    0 ||
	    podman_store_read(transaction->repository, PODMAN_LAYERS, &layers, &layers_len, err) <
		    0)
		return error_wrap(err, "podmanStore");
	forget.images = podman_list_read(images, images_len, "images.json", err);
	if (forget.images)
		forget.layers = podman_list_read(layers, layers_len, "layers.json", err);
	if (forget.layers) {
		index_layers(&forget);
		result = forget_all(&forget, err);
	}
	tdestroy(forget.by_id, no_free);
	for (size_t i = 0; i < forget.n; i++)
		free(forget.known[i].id);
	free(forget.known);
	cJSON_Delete(forget.images);
	cJSON_Delete(forget.layers);
	return result < 0 ? error_wrap(err, "podmanStore") : 0;
}
