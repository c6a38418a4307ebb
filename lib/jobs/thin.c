/*
 * The job of ducc-thin: writing the thin image of a published image to a registry, or into
 * an OCI image layout (ducc.h).
 *
 * It needs only .metadata of the repository.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/place.h"
#include "format/repo_paths.h"
#include "jobs/dry_run.h"
#include "jobs/events.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "jobs/targets.h"
#include "jobs/thin_image.h"
#include "net/network.h"
#include "net/registry.h"
#include "repo/public_names.h"
#include "repo/repository.h"
#include "repo/target.h"
#include "source/source.h"
#include "store/index.h"
#include "store/staged.h"
#include "store/store.h"

#define MULTIARCH REPO_METADATA "/" REPO_MULTIARCH

struct push {
	ducc_session *session;
	struct repository repository;
	struct reference reference;  /* of the image */
	struct reference target;     /* of the thin image; registry NULL: not in the record */
	char *name;                  /* REGISTRY/REPOSITORY:TAG of the image */
	char *target_name;           /* the same of the thin image, or `name` */
	struct stored_image *images; /* published under the name */
	size_t n, capacity;
	struct thin *thins;     /* of these images */
	struct thin_part index; /* if there are several */
	struct span span;
};

/* --- published images ------------------------------------------------- */

static int read_published(const struct push *push, int root, const char *label,
			  struct stored_image *image, ducc_error **err)
{
	if (stored_image_read_published(image, root, label, err) < 0)
		return -1;
	for (size_t i = 0; i < image->manifest.n; i++) {
		const struct digest *layer = &image->manifest.layers[i].digest;

		int found = repository_find_layer(&push->repository, layer, err);

		if (found < 0)
			return -1;
		if (!found)
			return error_set(err, "layer " PRI_DIGEST ": not published", layer->hex);
	}
	return 0;
}

static int add_published(struct push *push, int root, const char *label, ducc_error **err)
{
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");

	/* The public name is a link of the same path. */
	if (path_is_absent(root, manifest) || path_is_absent(root, label))
		return 0;
	GROW(push->images, push->n, push->capacity);
	push->images[push->n] = (struct stored_image){.manifest_json = NULL};
	return read_published(push, root, label, &push->images[push->n++], err);
}

/* Adds the images with the same name for other platforms. */
static int add_platforms(struct push *push, int root, ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(root, MULTIARCH);
	const char *platform;

	while ((platform = entries_next(&entries))) {
		AUTO_FREE char *label = platform_label(platform, push->name);

		if (platform[0] != '.' && add_published(push, root, label, err) < 0)
			return -1;
	}
	if (entries.error && entries.error != ENOENT)
		return error_errno(err, entries.error, MULTIARCH);
	return 0;
}

/* A thin image must not refer to an image that is not published (yet). */
static int check_is_published(const struct push *push, ducc_error **err)
{
	size_t i = 0;

	if (reference_is_pinned(&push->reference))
		while (i < push->n &&
		       !digest_equal(&push->images[i].digest, &push->reference.digest))
			i++;
	if (i == push->n)
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "not published in %s (run ducc-publish first)",
				      push->repository.name);
	return 0;
}

static int read_all(struct push *push, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(&push->repository);

	if (root < 0)
		return error_errno(err, errno, "repository %s", push->repository.name);
	if (add_published(push, root, push->name, err) < 0 || add_platforms(push, root, err) < 0)
		return -1;
	return check_is_published(push, err);
}

/* --- building --------------------------------------------------------- */

static bool is_docker(const struct stored_image *image)
{
	AUTO_FREE char *oci = manifest_to_oci(image->manifest_json, image->manifest_len);

	return oci != NULL;
}

/* The reference of the image, without a digest that ducc-fetch has added to its tag. */
static char *origin_of(const struct reference *reference)
{
	struct reference origin = *reference;

	if (origin.tag)
		origin.digest = (struct digest){""};
	return reference_format(&origin);
}

static int compare_platforms(const void *a, const void *b)
{
	AUTO_FREE char *x = platform_format(&((const struct thin *)a)->platform);
	AUTO_FREE char *y = platform_format(&((const struct thin *)b)->platform);

	return strcmp(x, y);
}

static int build(struct push *push, bool oci, ducc_error **err)
{
	AUTO_FREE char *base = push->repository.target->url(&push->repository, err);
	AUTO_FREE char *origin = origin_of(&push->reference);

	if (!base)
		return -1;
	/* An index has manifests of one kind, and Docker can read both. */
	for (size_t i = 0; i < push->n; i++)
		oci |= !is_docker(&push->images[i]);
	push->thins = xcalloc(push->n, sizeof(*push->thins));
	for (size_t i = 0; i < push->n; i++) {
		const struct stored_image *image = &push->images[i];
		struct thin_source source = {.origin = origin,
					     .base = base,
					     .manifest = &image->manifest,
					     .platform = &image->config.platform,
					     .config_json = image->config_json,
					     .config_len = image->config_len};

		if (thin_build(&push->thins[i], &source, oci, err) < 0)
			return -1;
	}
	qsort(push->thins, push->n, sizeof(*push->thins), compare_platforms);
	if (push->n > 1)
		thin_build_index(&push->index, push->thins, push->n);
	return 0;
}

/* The document that gets the name: the index, or the manifest of the only image. */
static const struct thin_part *top(const struct push *push, const char **media_type)
{
	*media_type = push->n > 1 ? thin_index_type(push->thins) : thin_manifest_type(push->thins);
	return push->n > 1 ? &push->index : &push->thins[0].manifest;
}

/* --- into a layout ---------------------------------------------------- */

static int write_part(struct store *layout, const struct thin_part *part, ducc_error **err)
{
	struct digest digest;

	return store_write_blob(layout, part->data, part->len, &digest, err);
}

static int write_all_parts(const struct push *push, struct store *layout, ducc_error **err)
{
	AUTO_JSON *descriptor = NULL;
	const struct thin_part *part;
	const char *media_type;

	for (size_t i = 0; i < push->n; i++)
		if (write_part(layout, &push->thins[i].layer, err) < 0 ||
		    write_part(layout, &push->thins[i].config, err) < 0 ||
		    write_part(layout, &push->thins[i].manifest, err) < 0)
			return -1;
	part = top(push, &media_type);
	if (push->n > 1 && write_part(layout, part, err) < 0)
		return -1;
	descriptor = descriptor_to_json(media_type, &part->digest, part->len);
	return store_tag(layout, push->target_name, descriptor, err) < 0 ? -1 : 0;
}

/* Fails if the path is that of the session's store: a name would have several images there. */
static int check_layout(const struct push *push, const char *path, ducc_error **err)
{
	struct stat layout, store;

	if (stat(path, &layout) < 0 || stat(push->session->store_path, &store) < 0 ||
	    !file_is_same(&layout, &store))
		return 0;
	return error_set_kind(err, DUCC_USAGE, "image layout %s: this is the store", path);
}

static int write_layout(const struct push *push, const char *path, ducc_error **err)
{
	struct store layout = {.fd = -1};
	int result;

	if (check_layout(push, path, err) < 0)
		return -1;
	context_notice(&push->session->context, DUCC_INFO, "%s %s in %s",
		       push->session->dry_run ? "would write" : "writing", push->target_name, path);
	if (push->session->dry_run)
		return 0;
	if (store_open_layout(&layout, path, err) < 0)
		return -1;
	result = write_all_parts(push, &layout, err);
	store_close(&layout);
	return result;
}

/* --- into a registry -------------------------------------------------- */

struct upload {
	ducc_session *session;
	const struct reference *target;
	struct registry *registry;
	struct http *http;
};

static struct registry *open_registry(const struct push *push, const ducc_record *record,
				      ducc_error **err)
{
	struct login login = {.push = true, .password = getenv("DUCC_OUTPUT_REGISTRY_PASS")};

	if (login.password && *login.password) {
		login.user = ducc_record_get(record, "user");
		if (!login.user)
			login.user = getenv("DUCC_OUTPUT_REGISTRY_USER");
		if (!login.user || !*login.user) {
			error_set(err, "$DUCC_OUTPUT_REGISTRY_PASS without a user: set "
				       "$DUCC_OUTPUT_REGISTRY_USER or user=");
			return NULL;
		}
	}
	return network_registry(push->session->network, &push->target, &login, err);
}

/* Pushes a blob, unless the registry has it, here or in a repository to which we pushed it. */
static int upload_blob(const struct upload *upload, const struct thin_part *part, ducc_error **err)
{
	return registry_put_blob(
		upload->registry, upload->http, part->data, part->len, &part->digest,
		session_pushed(upload->session, upload->target->registry, &part->digest), err);
}

static int upload_image(const struct upload *upload, const struct thin *thin, const char *name,
			ducc_error **err)
{
	if (upload_blob(upload, &thin->config, err) < 0 ||
	    upload_blob(upload, &thin->layer, err) < 0)
		return -1;
	return registry_put_manifest(upload->registry, upload->http, name, thin_manifest_type(thin),
				     thin->manifest.data, thin->manifest.len, err);
}

static int upload_all(const struct push *push, const struct upload *upload, ducc_error **err)
{
	if (push->n == 1)
		return upload_image(upload, &push->thins[0], push->target.tag, err);
	for (size_t i = 0; i < push->n; i++) {
		AUTO_FREE char *name = format(PRI_DIGEST, push->thins[i].manifest.digest.hex);

		if (upload_image(upload, &push->thins[i], name, err) < 0)
			return -1;
	}
	return registry_put_manifest(upload->registry, upload->http, push->target.tag,
				     thin_index_type(push->thins), push->index.data,
				     push->index.len, err);
}

/* 1 if the manifest is that of a thin image; 0, or -1. */
static int is_thin_manifest(struct source *source, const char *data, size_t len, ducc_error **err)
{
	AUTO_FREE char *config_data = NULL;
	AUTO_MANIFEST manifest = {.n = 0};
	AUTO_CONFIG config = {.n = 0};
	size_t config_len;

	if (manifest_parse(&manifest, data, len, NULL) < 0)
		return 0;
	if (source_read_config(source, &manifest.config, &config_data, &config_len, err) < 0)
		return -1;
	return !config_parse(&config, config_data, config_len, NULL) &&
	       is_thin_image(&manifest, &config);
}

/* The same for an image of an index. */
static int is_thin_entry(struct source *source, const struct entry *entry, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	size_t len;

	if (source->kind->manifest(source, &entry->descriptor.digest, &data, &len, err) < 0)
		return -1;
	return is_thin_manifest(source, data, len, err);
}

/* A failure of the registry may end, and then the image may turn out to be no thin one. */
static int give_unknown(ducc_error **err, ducc_error *error, const struct entry *entry)
{
	error_give(err, error);
	return error_wrap(err,
			  "not replaced, because its image " PRI_DIGEST
			  " cannot be read (if this lasts, delete it, or choose another name)",
			  entry->descriptor.digest.hex);
}

/* The same for all images of an index that can be pulled.  A sparse one names others, too. */
static int is_thin_index(struct source *source, const struct index *index, ducc_error **err)
{
	ducc_error *missing = NULL;
	int result = -1;

	for (size_t i = 0; i < index->n; i++) {
		ducc_error *error = NULL;
		int thin = is_thin_entry(source, &index->entries[i], &error);

		if (thin > 0) {
			result = 1;
		} else if (thin < 0 && ducc_error_kind(error) == DUCC_NOT_FOUND) {
			ducc_error_free(missing);
			missing = error;
		} else {
			ducc_error_free(missing);
			return thin < 0 ? give_unknown(err, error, &index->entries[i]) : 0;
		}
	}
	if (result < 0)
		return error_give(err, missing);
	ducc_error_free(missing);
	return result;
}

/* The same for what has the name. */
static int is_thin(struct source *source, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	AUTO_INDEX index = {NULL};
	AUTO_JSON *json = NULL;
	size_t len;

	if (source->kind->manifest(source, NULL, &data, &len, err) < 0)
		return -1;
	json = json_parse(data, len, "manifest", NULL);
	if (!json || !manifest_is_index(json))
		return is_thin_manifest(source, data, len, err);
	if (index_parse(&index, json, NULL) < 0 || !index.n)
		return 0;
	return is_thin_index(source, &index, err);
}

/* Only a thin image may be replaced, or what cannot be pulled in any case. */
static int check_replaced(const struct push *push, const struct upload *upload, ducc_error **err)
{
	struct source source = {.kind = &source_registry,
				.network = push->session->network,
				.data = upload->registry,
				.reference = push->target};
	ducc_error *error = NULL;
	int thin = is_thin(&source, &error);

	if (!thin)
		return error_set_kind(
			err, DUCC_USAGE,
			"an image that is no thin image has this name: delete it, or choose "
			"another name");
	if (thin < 0 && ducc_error_kind(error) != DUCC_NOT_FOUND)
		return error_give(err, error);
	ducc_error_free(error);
	return 0;
}

/* Sets *there to whether the registry has exactly this under the name. */
static int find_target(const struct push *push, const struct upload *upload, bool *there,
		       ducc_error **err)
{
	const char *media_type;
	struct digest digest;
	int found =
		registry_head_manifest(upload->registry, upload->http, push->target.tag, &digest);

	*there = found > 0 && digest_equal(&digest, &top(push, &media_type)->digest);
	return found && !*there ? check_replaced(push, upload, err) : 0;
}

/* Other hosts need not have a directory, so warns of each that thin images refer to, once. */
static int warn_of_directory(const struct push *push, ducc_error **err)
{
	AUTO_FREE char *url = push->repository.target->url(&push->repository, err);
	ducc_session *session = push->session;
	bool first;

	if (!url)
		return -1;
	pthread_mutex_lock(&session->mutex);
	first = strset_add(&session->local, url);
	pthread_mutex_unlock(&session->mutex);
	if (first)
		context_notice(&session->context, DUCC_WARNING,
			       "%s: usable only on hosts with the directory %s", push->target_name,
			       url + strlen("file://"));
	return 0;
}

static int push_to(struct push *push, const struct upload *upload, ducc_error **err)
{
	AUTO_FREE char *root = push->repository.target->root(&push->repository);
	bool there, dry_run = push->session->dry_run;

	if (find_target(push, upload, &there, err) < 0)
		return error_wrap(err, "%s", push->target_name);
	context_notice(&push->session->context, DUCC_INFO, "%s%s",
		       there     ? "unchanged in "
		       : dry_run ? "would push "
				 : "pushing ",
		       push->target_name);
	if (dry_run)
		return 0;
	if (!there)
		span_tell(&push->span);
	if (!there && !root && warn_of_directory(push, err) < 0)
		return -1;
	if (!there && upload_all(push, upload, err) < 0)
		return error_wrap(err, "%s", push->target_name);
	if (!there)
		event(push->session->events, "publish_thin_image", "image", push->name,
		      "thin_image", push->target_name);
	for (size_t i = 0; i < push->n; i++) {
		session_add_pushed(push->session, &push->target, &push->thins[i].config.digest);
		session_add_pushed(push->session, &push->target, &push->thins[i].layer.digest);
	}
	return 0;
}

static int push_image(struct push *push, const ducc_record *record, ducc_error **err)
{
	struct upload upload = {.session = push->session,
				.target = &push->target,
				.registry = open_registry(push, record, err)};
	int result = -1;

	if (upload.registry) {
		upload.http = network_take(push->session->network);
		result = push_to(push, &upload, err);
		network_give(push->session->network, upload.http);
	}
	return result;
}

/* --- the image -------------------------------------------------------- */

static int open_all(struct push *push, const ducc_record *record, ducc_error **err)
{
	const char *thin = ducc_record_get(record, "thin");
	const char *repository = ducc_repository(push->session, record);

	if (dry_run_check(push->session, record, err) < 0)
		return -1;
	if (!repository)
		return session_no_repository(err);
	if (reference_parse(&push->reference, ducc_record_reference(record), err) < 0)
		return -1;
	if (thin && reference_parse(&push->target, thin, err) < 0)
		return error_wrap(err, "thin=%s", thin);
	if (thin && reference_is_pinned(&push->target))
		return error_set_kind(err, DUCC_USAGE,
				      "thin=%s: the digest cannot be known in advance", thin);
	push->name = reference_name(&push->reference);
	push->target_name = thin ? reference_name(&push->target) : xstrdup(push->name);
	if (thin && !strcmp(push->target_name, push->name))
		return error_set_kind(err, DUCC_USAGE,
				      "thin=%s: the thin image would replace the image", thin);
	switch (targets_open(&push->repository, repository, push->session->store_path, err)) {
	case 1:
		return 0;
	case 0:
		return error_set_kind(err, DUCC_NOT_FOUND, "repository %s cannot be read here",
				      repository);
	default:
		return -1;
	}
}

/* An image that a dry run has not fetched: its thin image is not known, but where it would be pushed. */
static bool is_excused(const struct push *push, const ducc_record *record, ducc_error **error)
{
	AUTO_FREE char *would = format("push %s", push->target_name ? push->target_name : "");

	return dry_run_excuses(push->session, record, would, error);
}

static void push_end(struct push *push)
{
	for (size_t i = 0; i < push->n; i++) {
		stored_image_free(&push->images[i]);
		if (push->thins)
			thin_free(&push->thins[i]);
	}
	free(push->images);
	free(push->thins);
	thin_part_free(&push->index);
	reference_free(&push->reference);
	reference_free(&push->target);
	free(push->name);
	free(push->target_name);
	repository_close(&push->repository);
}

/* A record that only passes is not a malformed one. */
static int check_reference(const ducc_record *record, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};

	return reference_parse(&reference, ducc_record_reference(record), err);
}

int ducc_thin(ducc_session *session, const ducc_record *record, const char *layout,
	      ducc_error **err)
{
	struct push push = {.session = session};
	struct subject subject = {.name = ducc_record_reference(record)};
	ducc_error *error = NULL;
	int result;

	if (!layout && !ducc_record_get(record, "thin"))
		return check_reference(record, err);
	context_set_subject(&subject);
	span_begin(&push.span, session->events, "thin_image", ducc_record_reference(record), NULL);
	if (layout)
		span_tell(&push.span);
	result = open_all(&push, record, &error);
	if (!result) {
		subject.name = push.name;
		result = read_all(&push, &error);
	}
	/* An image layout contains OCI manifests. */
	if (!result)
		result = build(&push, layout != NULL, &error);
	if (!result)
		result = layout ? write_layout(&push, layout, &error)
				: push_image(&push, record, &error);
	if (result < 0 && is_excused(&push, record, &error))
		result = 0;
	if (layout)
		place_advise(&error, "image layout", layout, "use one with more space");
	span_end(&push.span, result, 0, &error);
	context_set_subject(NULL);
	push_end(&push);
	return result < 0 ? error_give(err, error) : 0;
}
