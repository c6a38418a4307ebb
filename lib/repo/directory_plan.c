/* The plan of a commit into a directory: see directory_plan.h. */
#include "repo/directory_plan.h"

#include <errno.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/digest.h"

#define PLAN_LIMIT ((size_t)1 << 30)
#define NAME_LIMIT 40 /* digits */
#define MODE_DIGITS 4

static const char *const verbs[] = {"rename", "complete", "remove", "chmod"};

void plan_add(struct plan *plan, enum plan_verb verb, const char *name, const char *path)
{
	GROW(plan->steps, plan->n, plan->capacity);
	plan->steps[plan->n++] = (struct plan_step){verb, xstrdup(name), xstrdup(path)};
}

void plan_drop(struct plan *plan)
{
	struct plan_step *step = &plan->steps[--plan->n];

	free(step->name);
	free(step->path);
}

void plan_free(struct plan *plan)
{
	while (plan->n)
		plan_drop(plan);
	free(plan->steps);
	*plan = (struct plan){NULL};
}

/* The directory of the transaction itself is never the target of a step. */
static bool is_own(const char *path)
{
	return strcspn(path, "/") == strlen(DIRECTORY_TRANSACTION) &&
	       !strncmp(path, DIRECTORY_TRANSACTION, strlen(DIRECTORY_TRANSACTION));
}

static bool is_well_formed(const struct plan_step *step)
{
	size_t digits = strspn(step->name, "0123456789");

	if (!digits || digits > NAME_LIMIT || step->name[digits])
		return false;
	if (step->verb == PLAN_CHMOD &&
	    (digits != MODE_DIGITS || strspn(step->name, "01234567") != MODE_DIGITS))
		return false;
	if (step->verb == PLAN_COMPLETE)
		return digest_is_hex(step->path);
	return path_is_clean(step->path) && !is_own(step->path);
}

char *plan_print(const struct plan *plan, ducc_error **err)
{
	AUTO_BUFFER text = {0};

	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (!is_well_formed(step)) {
			error_set(err, "invalid path in a repository: %s", step->path);
			return NULL;
		}
		buffer_addf(&text, "%s %s ", verbs[step->verb], step->name);
		text_add_escaped(&text, step->path, "");
		buffer_addc(&text, '\n');
	}
	return buffer_steal(&text);
}

/* One line, without its newline. */
static bool parse_step(struct plan *plan, char *line)
{
	char *next = line;
	const char *verb = strsep(&next, " "), *name = strsep(&next, " ");

	for (size_t i = 0; name && next && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verb, verbs[i]) != 0)
			continue;
		if (!text_undo_escapes(next, ""))
			return false;
		plan_add(plan, (enum plan_verb)i, name, next);
		return true;
	}
	return false;
}

int plan_parse(struct plan *plan, const char *text, size_t len, ducc_error **err)
{
	AUTO_FREE char *copy = xstrndup(text, len), *again = NULL;
	char *next = copy;

	*plan = (struct plan){NULL};
	while (*next && parse_step(plan, strsep(&next, "\n")) && next)
		;
	/* Valid only if these steps print as exactly this text. */
	again = plan_print(plan, NULL);
	if (again && strlen(again) == len && !memcmp(again, text, len))
		return 0;
	error_set(err,
		  "damaged after %zu step%s: repair it, or remove " DIRECTORY_TRANSACTION
		  " to abandon the transaction",
		  plan->n, text_plural(plan->n));
	plan_free(plan);
	return -1;
}

int plan_read(struct plan *plan, int repository, const char *path, ducc_error **err)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (path_read(repository, path, PLAN_LIMIT, &text, &len, err) < 0)
		return -1;
	return plan_parse(plan, text, len, err) < 0 ? error_wrap(err, "%s", path) : 0;
}

int plan_write(const struct plan *plan, int repository, const char *path, ducc_error **err)
{
	AUTO_FREE char *text = plan_print(plan, err);
	const char *name;
	AUTO_CLOSE int parent = text ? path_open_parent(repository, path, &name) : -1;

	if (!text)
		return -1;
	if (parent < 0 || file_replace(parent, name, text, strlen(text)) < 0)
		return error_errno(err, errno, "%s", path);
	return 0;
}
