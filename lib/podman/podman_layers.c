/* The layers of an image in Podman's store: see podman_layers.h. */
#include "podman/podman_layers.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "podman/podman_links.h"

struct digest podman_chain_id(const char *parent, const struct digest *diff_id)
{
	AUTO_FREE char *chain = format("%s+%s", parent, diff_id->hex);

	return *parent ? digest_of(chain, strlen(chain)) : *diff_id;
}

static const cJSON *entry_of(const struct podman *podman, const struct digest *id)
{
	const struct listed_layer *layer = strmap_get(&podman->layers.by_id, id->hex);

	return layer->entry;
}

/*
 * The layers below layer i, the uppermost first.  Of several occurrences of a layer, only
 * the uppermost is listed: it hides the others completely, and overlayfs does not accept a
 * directory twice.
 */
static char *lower_text(const struct podman *podman, const struct podman_image *image, size_t i,
			const struct digest *ids)
{
	const struct digest *diff_ids = image->config->diff_ids;
	struct buffer lower = {0};

	for (size_t j = i; j-- > 0;) {
		AUTO_FREE char *text =
			podman_links_lower(&podman->links, entry_of(podman, &ids[j]));
		size_t above = j + 1;

		while (above <= i && !digest_equal(&diff_ids[above], &diff_ids[j]))
			above++;
		if (above > i)
			buffer_addf(&lower, "%s%s", lower.len ? ":" : "", text);
	}
	return buffer_steal(&lower);
}

/* True if all entries of the layer have this base, and its files are those of the blob. */
static bool is_layer(const struct listed_layer *layer, const char *parent, const char *diff_digest,
		     const struct digest *blob)
{
	const char *of = podman_list_text(layer->entry, PODMAN_BLOB);

	/* The original ducc does not record the blob of a layer's files. */
	if (*of && strcmp(of, blob->hex) != 0)
		return false;
	for (; layer; layer = layer->same)
		if (strcmp(podman_list_text(layer->entry, "parent"), parent) != 0 ||
		    strcmp(podman_list_text(layer->entry, "diff-digest"), diff_digest) != 0)
			return false;
	return true;
}

/*
 * The ID of layer i; while another layer has that ID, it is chained once more.  A layer that is
 * listed keeps its ID, also when the other layer has been removed.
 */
static struct digest choose_id(const struct podman *podman, const char *parent,
			       const struct digest *diff_id, const struct digest *blob)
{
	AUTO_FREE char *diff_digest = format(PRI_DIGEST, diff_id->hex);
	struct digest id = podman_chain_id(parent, diff_id);
	const struct listed_layer *layer;

	for (int i = 0; i < PODMAN_CHAINED; i++) {
		if ((layer = strmap_get(&podman->layers.by_id, id.hex)) &&
		    is_layer(layer, parent, diff_digest, blob))
			return id;
		id = podman_chain_id(id.hex, diff_id);
	}
	id = podman_chain_id(parent, diff_id);
	while ((layer = strmap_get(&podman->layers.by_id, id.hex)) &&
	       !is_layer(layer, parent, diff_digest, blob))
		id = podman_chain_id(id.hex, diff_id);
	return id;
}

/*
 * Lists a layer, without the digest of its blob: Podman would use the files for that blob on
 * any other base, but they are correct only on this one (whiteouts replace opaque
 * directories).  PODMAN_BLOB is for our own use.
 */
static void list_layer(struct podman *podman, const struct podman_image *image, size_t i,
		       const struct digest *ids, const char *created)
{
	AUTO_FREE char *diff_digest = format(PRI_DIGEST, image->config->diff_ids[i].hex);
	cJSON *entry = json_object();

	json_set_string(entry, "id", ids[i].hex);
	if (i)
		json_set_string(entry, "parent", ids[i - 1].hex);
	json_set_string(entry, "created", created);
	json_set_string(entry, "diff-digest", diff_digest);
	json_set_string(entry, PODMAN_BLOB, image->manifest->layers[i].digest.hex);
	if (image->unpacked && image->unpacked[i])
		json_set_size(entry, "diff-size", image->unpacked[i]);
	podman_links_name(&podman->links, entry);
	podman_append_layer(podman, entry);
}

/* The links that `lower` relies on.  A listed layer may have another one, created by others. */
static void link_layer(struct podman *podman, const struct digest *id)
{
	struct listed_layer *layer = strmap_get(&podman->layers.by_id, id->hex);
	AUTO_FREE char *name = podman_links_file(layer->entry);
	AUTO_FREE char *target = format("../%s/diff", id->hex);

	if (!podman->linked && json_member(layer->entry, PODMAN_LINK)) {
		podman_add_link(podman, xstrdup(REPO_PODMAN_LINKS), PODMAN_OVERLAY "/l");
		podman->linked = true;
	}
	if (!layer->linked)
		podman_add_link(podman, format(PODMAN_OVERLAY "/l/%s", name), target);
	layer->linked = true;
}

static void add_layer_files(struct podman *podman, const struct podman_image *image, size_t i,
			    const struct digest *ids)
{
	/* With relative links, Podman runs images, but cannot build on, commit or compare them. */
	const char *root = podman->links.root ? podman->links.root : "../../..";
	AUTO_FREE char *directory = format(PODMAN_OVERLAY "/%s", ids[i].hex);
	AUTO_FREE char *layerfs = layer_path(&image->manifest->layers[i].digest, "");
	AUTO_FREE char *target = format("%s/%s", root, layerfs);
	AUTO_FREE char *link = podman_links_link(&podman->links, entry_of(podman, &ids[i]));
	AUTO_FREE char *lower = lower_text(podman, image, i, ids);

	podman_add_link(podman, format("%s/diff", directory), target);
	podman_add_file(podman, format("%s/link", directory), link, strlen(link));
	if (*lower)
		podman_add_file(podman, format("%s/lower", directory), lower, strlen(lower));
}

struct digest podman_add_layers(struct podman *podman, const struct podman_image *image,
				const char *created)
{
	AUTO_FREE struct digest *ids = xcalloc(image->manifest->n, sizeof(*ids));

	for (size_t i = 0; i < image->manifest->n; i++) {
		const char *parent = i ? ids[i - 1].hex : "";
		const struct listed_layer *layer;

		ids[i] = choose_id(podman, parent, &image->config->diff_ids[i],
				   &image->manifest->layers[i].digest);
		layer = strmap_get(&podman->layers.by_id, ids[i].hex);
		if (!layer)
			list_layer(podman, image, i, ids, created);
		if (!layer || (image->again && !layer->linked))
			add_layer_files(podman, image, i, ids);
		link_layer(podman, &ids[i]);
	}
	return ids[image->manifest->n - 1];
}

/* --- layers that are listed already ----------------------------------- */

/* Sets the IDs of the listed layers from `top` down; false if they are not those of the image. */
static bool find_ids(const struct podman *podman, const struct podman_image *image, const char *top,
		     const char **ids)
{
	for (size_t i = image->manifest->n; i-- > 0;) {
		AUTO_FREE char *diff_digest = format(PRI_DIGEST, image->config->diff_ids[i].hex);
		const struct listed_layer *layer = strmap_get(&podman->layers.by_id, top);
		const char *parent = layer ? podman_list_text(layer->entry, "parent") : NULL;

		if (!layer ||
		    !is_layer(layer, parent, diff_digest, &image->manifest->layers[i].digest))
			return false;
		ids[i] = top;
		top = parent;
	}
	return !*top;
}

/* True if the symbolic link leads there. */
static bool leads_to(struct podman *podman, const char *path, const char *target)
{
	AUTO_FREE char *there = podman_read_link(podman, path);

	return there && link_matches(there, target);
}

/* True if overlay/l/NAME leads to the layer. */
static bool is_short_name(struct podman *podman, const char *name, const char *id)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/l/%s", name);
	AUTO_FREE char *target = format("../%s/diff", id);

	return leads_to(podman, path, target);
}

/*
 * True if a text for the layer is as ducc writes it, or has the given prefix and a short name: in
 * those of the original ducc, any of the layer's.
 */
static bool is_text(struct podman *podman, const char *text, const char *own, const char *prefix,
		    const char *id)
{
	const struct listed_layer *layer = strmap_get(&podman->layers.by_id, id);
	AUTO_FREE char *name = podman_links_file(layer->entry);
	bool numbered = json_member(layer->entry, PODMAN_LINK);

	if (!strcmp(text, own))
		return is_short_name(podman, name, id) &&
		       (!numbered || leads_to(podman, REPO_PODMAN_LINKS, PODMAN_OVERLAY "/l"));
	return !numbered && !strncmp(text, prefix, strlen(prefix)) &&
	       is_short_name(podman, text + strlen(prefix), id);
}

/*
 * Reads a file of a layer's directory; NULL if it does not exist, or must be written again for its
 * mode or owner, and after a failure.  The caller frees it.
 */
static char *read_text(struct podman *podman, const char *id, const char *name)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/%s/%s", id, name);
	ducc_error *error = NULL;
	char *text = NULL;
	size_t len;

	if (repository_is_altered(podman->repository, path))
		return NULL;
	if (repository_read(podman->repository, path, JSON_LIMIT, &text, &len, &error) < 0)
		error_pass_failure(&podman->error, error);
	return text;
}

static bool has_link(struct podman *podman, const char *id)
{
	const struct listed_layer *layer = strmap_get(&podman->layers.by_id, id);
	AUTO_FREE char *text = read_text(podman, id, "link");
	AUTO_FREE char *own = podman_links_link(&podman->links, layer->entry);

	return text && is_text(podman, text, own, "", id);
}

/* True if the file `lower' names the layers below layer i, the uppermost first. */
static bool has_lower(struct podman *podman, const char *const *ids, size_t i)
{
	AUTO_FREE char *text = i ? read_text(podman, ids[i], "lower") : NULL;
	char *next = text, *name;

	while ((name = strsep(&next, ":"))) {
		const struct listed_layer *layer;
		AUTO_FREE char *own = NULL;

		if (!i--)
			return false;
		layer = strmap_get(&podman->layers.by_id, ids[i]);
		own = podman_links_lower(&podman->links, layer->entry);
		if (!is_text(podman, name, own, "l/", ids[i]))
			return false;
	}
	return !i;
}

/* True if the link `diff' of the layer leads to its files. */
static bool has_diff(struct podman *podman, const char *id, const struct digest *layer)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/%s/diff", id);
	AUTO_FREE char *layerfs = layer_path(layer, "");
	AUTO_FREE char *relative = format("../../../%s", layerfs);
	AUTO_FREE char *absolute =
		format("%s/%s", podman->links.root ? podman->links.root : "", layerfs);
	AUTO_FREE char *there = podman_read_link(podman, path);

	return there && (link_matches(there, relative) || link_matches(there, absolute));
}

bool podman_has_layers(struct podman *podman, const struct podman_image *image, const char *top)
{
	AUTO_FREE const char **ids = xcalloc(image->manifest->n, sizeof(*ids));

	if (!find_ids(podman, image, top, ids))
		return false;
	for (size_t i = 0; i < image->manifest->n; i++)
		if (!has_link(podman, ids[i]) || !has_lower(podman, ids, i) ||
		    !has_diff(podman, ids[i], &image->manifest->layers[i].digest))
			return false;
	return true;
}
