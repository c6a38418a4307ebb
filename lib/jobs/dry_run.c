/* Dry runs of a pipeline: see dry_run.h. */
#include "jobs/dry_run.h"

#include "base/mem.h"
#include "base/text.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/stored_image.h"
#include "repo/public_names.h"

#define FIELD "dry-run"

int dry_run_mark(ducc_record *record, ducc_error **err)
{
	return ducc_record_set(record, FIELD, "yes", err);
}

void dry_run_unmark(ducc_record *record)
{
	record_unset(record, FIELD);
}

static bool is_marked(const ducc_record *record)
{
	return text_equal(ducc_record_get(record, FIELD), "yes");
}

int dry_run_check(const ducc_session *session, const ducc_record *record, ducc_error **err)
{
	if (session->dry_run || !is_marked(record))
		return 0;
	return error_set(err, "this record is of a dry run: use -n here, too, or run ducc-fetch "
			      "without -n");
}

bool dry_run_excuses(ducc_session *session, const ducc_record *record, const char *would,
		     ducc_error **error)
{
	if (!session->dry_run || !is_marked(record) || ducc_error_kind(*error) != DUCC_NOT_FOUND)
		return false;
	ducc_error_free(STEAL(*error));
	context_notice(&session->context, DUCC_INFO, "would %s", would);
	return true;
}

/* Compares the image with the one that has the label. */
static const char *state_under(const struct repository *repository, const char *label,
			       const struct reference *reference, const struct platform *platform)
{
	AUTO_CLOSE int root = repository_root(repository);
	struct stored_image stored = {.manifest_json = NULL};
	const char *state = "added";

	if (root >= 0 && !stored_image_read_published(&stored, root, label, NULL)) {
		if (digest_equal(&stored.digest, &reference->digest))
			state = "unchanged";
		else if (!platform || platform_same(&stored.config.platform, platform))
			state = "updated";
	}
	stored_image_free(&stored);
	return state;
}

const char *dry_run_state(const struct repository *repository, const ducc_record *record,
			  const struct digest *manifest)
{
	AUTO_FREE char *name = NULL, *label = NULL, *architecture = NULL;
	const char *wanted = ducc_record_get(record, "platform"), *state;
	struct platform platform = {NULL};
	AUTO_REFERENCE reference = {NULL};

	if (reference_parse(&reference, ducc_record_reference(record), NULL) < 0)
		return "added";
	if (*manifest->hex)
		reference.digest = *manifest;
	name = reference_name(&reference);
	if (wanted && platform_parse(&platform, wanted, NULL) < 0)
		return "added";
	state = state_under(repository, name, &reference, wanted ? &platform : NULL);
	if (wanted && !strcmp(state, "added")) {
		architecture = names_platform(&platform);
		label = platform_label(architecture, name);
		state = state_under(repository, label, &reference, &platform);
	}
	platform_free(&platform);
	return state;
}
