/* Extracting an unpacked image: the job of ducc-unpack -x (ducc.h). */
#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/place.h"
#include "content/extract.h"
#include "content/unpacked.h"
#include "jobs/unpack.h"

/* Opens the files of a layer: its tar in the store, or the published layer. */
static int find_layer(void *ctx, const struct digest *layer, struct extract_source *source,
		      ducc_error **err)
{
	const struct unpack *unpack = ctx;
	ducc_error *error = NULL;

	source->how = EXTRACT_TAR;
	source->context = &unpack->session->context;
	source->activity = DUCC_EXTRACTING;
	source->fd = unpacked_open_tar(&unpack->store, layer, &error);
	if (source->fd < 0) {
		if (error_pass_failure(err, error) < 0)
			return -1;
		source->how = EXTRACT_COPY;
		source->fd = repository_open_layerfs(&unpack->repository, layer);
	}
	return source->fd < 0 ? error_set(err, "neither unpacked in the store nor published") : 0;
}

static int extract_image(struct unpack *unpack, const ducc_record *record, const char *dir,
			 ducc_error **err)
{
	AUTO_FREE char *name = NULL, *left_out = NULL;
	AUTO_CLOSE int root = -1;
	AUTO_TREE *tree = NULL;
	struct extract_report report = {0};

	if (unpack_open(unpack, record, err) < 0)
		return -1;
	name = store_image_listing_name(&unpack->stored.digest);
	tree = unpacked_read_listing(&unpack->store, name, NULL, err);
	if (!tree)
		return -1;
	if (path_mkdirs_named(dir, 0755, err) < 0)
		return -1;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, errno, "%s", dir);
	if (!directory_is_empty(root, ""))
		return error_set_kind(err, DUCC_USAGE,
				      "%s is not empty: each image needs a directory of its own",
				      dir);
	if (extract(root, tree, find_layer, unpack, unpack->session->jobs, &report, err) < 0)
		return error_wrap(err, "%s", dir);
	left_out = extract_report_text(&report);
	if (left_out)
		context_notice(&unpack->session->context, DUCC_WARNING,
			       "%s: left out, not permitted: %s", dir, left_out);
	return 0;
}

int ducc_extract(ducc_session *session, const ducc_record *record, const char *dir,
		 ducc_error **err)
{
	struct unpack unpack = {.session = session, .record = record, .store = {.fd = -1}};
	const struct subject subject = {.name = ducc_record_reference(record)};
	ducc_error *error = NULL;
	int result;

	context_set_subject(&subject);
	result = extract_image(&unpack, record, dir, &error);
	place_advise(&error, "directory", dir, "use one with more space");
	if (result < 0 && ducc_error_kind(error) == DUCC_CORRUPT && unpack.store.fd >= 0)
		unpacked_verify_all(&unpack.store, &unpack.stored.manifest, &error);
	if (result < 0)
		error_give(err, error);
	unpack_end(&unpack);
	context_set_subject(NULL);
	return result;
}
