/* The platform of an image, and whether it is the wanted one: see fetch.h. */
#include "jobs/fetch.h"
#include "jobs/repair.h"
#include "store/index.h"

const char *fetch_wanted_platform(const struct fetch *fetch, const ducc_record *record)
{
	const ducc_session *session = fetch->session;

	return session->platform ? session->platform : ducc_record_get(record, "platform");
}

/* Replaces the platform of the config by that of the index. */
static void use_platform(struct fetch *fetch, const struct platform *of_index)
{
	struct platform *have = &fetch->image.config.platform;
	AUTO_FREE char *of_config = platform_format(have), *text = NULL;

	if (platform_overrule(have, of_index))
		return;
	text = platform_format(have);
	context_notice(&fetch->session->context, DUCC_WARNING,
		       "the image is for %s according to the index, which counts, but for %s "
		       "according to its config",
		       text, of_config);
}

/*
 * True if the image was chosen for that platform before, although its config does not say so: it is
 * published or in the store as such, or the record names this very image.
 */
static bool was_chosen(const struct fetch *fetch, const ducc_record *record,
		       const struct platform *platform, bool agrees)
{
	AUTO_FREE char *listed = NULL;

	if (!fetch->session->platform && reference_is_pinned(&fetch->source.reference) &&
	    (repair_has_names(record) || agrees))
		return true;
	listed = store_platform(&fetch->store, &fetch->source.reference,
				&fetch->resolution.document.digest, platform);
	return listed;
}

/*
 * Checks the image against the platform of -p or the record, which add what its config lacks: an
 * image for another platform is rejected, unless it was chosen for this one before.
 */
static int match_platform(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	struct platform *have = &fetch->image.config.platform, wanted, chosen = {NULL};
	AUTO_FREE char *text = NULL;
	bool agrees, matches;

	if (platform_parse(&wanted, fetch_wanted_platform(fetch, record), err) < 0)
		return -1;
	platform_complete(have, &wanted);
	platform_complete(&chosen, have);
	agrees = platform_overrule(&chosen, &wanted);
	matches = platform_rank(&wanted, have) > 0;
	if (!platform_same(have, &wanted) && was_chosen(fetch, record, &wanted, agrees)) {
		platform_free(have);
		*have = chosen;
		chosen = (struct platform){NULL};
		matches = true;
	}
	platform_free(&chosen);
	platform_free(&wanted);
	text = platform_format(have);
	return matches ? 0
		       : error_set(err, "the image is for %s, not for %s", text,
				   fetch_wanted_platform(fetch, record));
}

int fetch_check_platform(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	const struct platform *of_index = &fetch->resolution.platform;

	if (of_index->os)
		use_platform(fetch, of_index);
	else if (fetch_wanted_platform(fetch, record))
		return match_platform(fetch, record, err);
	return 0;
}
