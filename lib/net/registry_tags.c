/*
 * A repository of a registry, listing its tags: see registry.h.
 *
 * Registries paginate in different ways: with a Link to the next page; without one, so that
 * the client requests the tags after the last; or not at all, whatever page size was
 * requested.  After a list without a Link, one more request distinguishes the latter two.
 */
#include "base/mem.h"
#include "format/url.h"
#include "net/endpoint.h"
#include "net/registry.h"

#define PAGE_TAGS 1000
#define PAGE_LIMIT ((size_t)4 << 20) /* bytes of one page */
#define MAX_PAGES 10000
#define MAX_TAGS 1000000

struct taglist {
	struct endpoint *home;
	struct http *http;
	struct strset *tags;
	size_t on_page, news; /* on the last page: tags, and new ones among them */
	char *next;           /* URL of the next page, or NULL */
	struct strset linked; /* URLs that pages have linked to */
};

static int add(struct taglist *list, const char *tag, ducc_error **err)
{
	/* Invalid tags cannot be requested, and would be ambiguous in a reference. */
	if (!tag_is_valid(tag) || !strset_add(list->tags, tag))
		return 0;
	list->news++;
	return list->tags->n > MAX_TAGS ? error_set(err, "more than %d tags", MAX_TAGS) : 0;
}

/*
 * The tags of a page, of which a repository without any may have null.  Without this member
 * it is no page, whatever its status, and must not count as the last one.
 */
static int find_tags(const cJSON *json, const cJSON **tags, ducc_error **err)
{
	const cJSON *errors = json_member(json, "errors");

	if (errors && (!cJSON_IsArray(errors) || cJSON_GetArraySize(errors)))
		return error_set(err, "the server reports errors instead of tags");
	if (!json_has_folded(json, "tags"))
		return error_set(err, "\"tags\" is missing");
	return json_find_array(json, "tags", tags, err);
}

static int read_page(struct taglist *list, const struct buffer *body, ducc_error **err)
{
	AUTO_JSON *json = json_parse(body->data, body->len, "tag list", err);
	const cJSON *tags, *tag;

	if (!json || find_tags(json, &tags, err) < 0)
		return -1;
	list->on_page = list->news = 0;
	cJSON_ArrayForEach(tag, tags)
	{
		if (!cJSON_IsString(tag))
			return error_set(err, "tag list: tag is not a string");
		list->on_page++;
		if (add(list, tag->valuestring, err) < 0)
			return -1;
	}
	return 0;
}

static int get_page(struct taglist *list, const char *url, ducc_error **err)
{
	struct http_request request = {.url = url, .limit = PAGE_LIMIT};
	struct http_response response = {0};
	bool missing = false;
	int result = endpoint_request(list->home, list->http, &request, &response, &missing, err);

	if (!result && missing)
		result = error_set_kind(err, DUCC_NOT_FOUND, "no such repository (404)");
	if (!result && response.bad_link)
		result = error_set(err, "malformed Link header: the list may be truncated");
	if (!result)
		result = http_refuse_page(&response, err);
	if (!result)
		result = read_page(list, &response.body, err);
	if (!result) {
		free(list->next);
		/* Registries behind a proxy often do not know their own name. */
		list->next = response.next ? url_moved(response.next, list->home->base) : NULL;
	}
	http_response_free(&response);
	return result;
}

/*
 * Requests the tags after the last one; without new tags, the list is complete.  If the same
 * page is returned, the registry ignores `last`: then the list is complete only if the
 * registry ignores the page size as well.
 */
static int get_page_after_last(struct taglist *list, ducc_error **err)
{
	AUTO_FREE char *last = url_escape(list->tags->list[list->tags->n - 1]);
	AUTO_FREE char *url = endpoint_url(list->home, "/tags/list?n=%d&last=%s", PAGE_TAGS, last);
	AUTO_FREE char *one = NULL;
	size_t before = list->on_page;

	if (get_page(list, url, err) < 0)
		return -1;
	if (list->news || list->on_page != before || before != PAGE_TAGS)
		return 0;
	one = endpoint_url(list->home, "/tags/list?n=1");
	if (get_page(list, one, err) < 0)
		return -1;
	return list->on_page < PAGE_TAGS
		       ? error_set(err, "list is truncated after %d tags", PAGE_TAGS)
		       : 0;
}

static int get_all(struct taglist *list, ducc_error **err)
{
	AUTO_FREE char *first = endpoint_url(list->home, "/tags/list?n=%d", PAGE_TAGS);
	bool links = false; /* the registry links to next pages */

	if (get_page(list, first, err) < 0)
		return -1;
	for (int page = 1; page < MAX_PAGES; page++) {
		AUTO_FREE char *next = STEAL(list->next);

		if (next && (!strset_add(&list->linked, next) ||
			     (page > 1 && list->on_page && !list->news)))
			return error_set(err, "pages link in a loop");
		if (!next && (links || !list->news || list->on_page > PAGE_TAGS))
			return 0;
		links = next != NULL;
		if (context_check(http_context(list->http), err) < 0 ||
		    (next ? get_page(list, next, err) : get_page_after_last(list, err)) < 0)
			return -1;
	}
	return error_set(err, "more than %d pages", MAX_PAGES);
}

int registry_list_tags(struct registry *registry, struct http *http, struct strset *tags,
		       ducc_error **err)
{
	struct taglist list = {.home = registry_home(registry, http), .http = http, .tags = tags};
	int result = get_all(&list, err);

	free(list.next);
	strset_free(&list.linked);
	return result < 0 ? error_wrap(err, "tag list") : 0;
}
