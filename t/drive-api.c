/* Uses the library as any program may: with ducc.h alone. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ducc.h"

static const char *const kinds[] = {
	[DUCC_OTHER] = "other",         [DUCC_NOT_FOUND] = "not found",
	[DUCC_DENIED] = "denied",       [DUCC_TRANSIENT] = "transient",
	[DUCC_CORRUPT] = "corrupt",     [DUCC_BUSY] = "busy",
	[DUCC_CANCELLED] = "cancelled", [DUCC_NO_SPACE] = "no space",
	[DUCC_USAGE] = "usage",         [DUCC_LIMIT] = "limit",
	[DUCC_SYSTEM] = "system",       [DUCC_ARTIFACT] = "artifact",
	[DUCC_DAMAGED] = "damaged",
};

static int say(ducc_error *err)
{
	printf("%s\n", err ? kinds[ducc_error_kind(err)] : "no error");
	if (err)
		fprintf(stderr, "%s\n", ducc_error_message(err));
	ducc_error_free(err);
	return 0;
}

static bool at_once(void *ctx)
{
	(void)ctx;
	return true;
}

/* kind STORE REPOSITORY LIMIT JOB IMAGE: what becomes of one job, with a limit on layers. */
static int kind(char **args)
{
	struct ducc_limits limits = {.size = sizeof(limits), .layer = strtoull(args[2], NULL, 10)};
	struct ducc_options options = {.size = sizeof(options),
				       .store = args[0],
				       .repository = args[1],
				       .limits = &limits,
				       .wait = 1};
	const char *job = args[3];
	ducc_error *err = NULL;
	ducc_session *session;
	ducc_record *record;

	if (!strcmp(job, "cancelled"))
		options.cancelled = at_once;
	session = ducc_open(&options, &err);
	record = session ? ducc_record_new(args[4], &err) : NULL;
	if (record && !strcmp(job, "fetch"))
		ducc_fetch(session, record, &err);
	else if (record && !strcmp(job, "unpack"))
		ducc_unpack(session, record, &err);
	else if (record && !strcmp(job, "thin"))
		ducc_thin(session, record, "thin", &err);
	else if (record)
		ducc_publish(session, &record, 1, &err);
	ducc_record_free(record);
	ducc_close(session);
	return say(err);
}

/* record LINE: makes the same record again, field by field. */
static int record(char **args)
{
	ducc_error *err = NULL;
	ducc_record *read = ducc_record_parse(args[0], &err), *made, *copy;
	const char *key, *value;
	char *text;

	if (!read)
		return say(err);
	made = ducc_record_new(ducc_record_reference(read), &err);
	for (size_t i = 0; ducc_record_field(read, i, &key, &value); i++)
		ducc_record_set(made, key, value, &err);
	copy = ducc_record_copy(made);
	ducc_record_free(read);
	ducc_record_free(made);
	text = ducc_record_format(copy);
	puts(text);
	free(text);
	ducc_record_free(copy);
	return 0;
}

/* options: their size, as an older and a newer program would give it. */
static int options(char **args)
{
	struct {
		struct ducc_options known;
		char unknown[16];
	} newer = {.known = {.size = sizeof(newer), .store = args[0]}};
	struct ducc_options unset = {.store = args[0]};
	struct ducc_options older = {.size = offsetof(struct ducc_options, repository),
				     .store = args[0],
				     .repository = "not\nseen"};
	ducc_error *err = NULL;

	ducc_close(ducc_open(&unset, &err));
	say(err);
	err = NULL;
	ducc_close(ducc_open(&older, &err));
	say(err);
	err = NULL;
	ducc_close(ducc_open(&newer.known, &err));
	say(err);
	err = NULL;
	newer.unknown[3] = 1;
	ducc_close(ducc_open(&newer.known, &err));
	return say(err);
}

static bool print_difference(void *ctx, const struct ducc_difference *difference)
{
	char *line = ducc_difference_format(difference);

	(void)ctx;
	puts(line);
	free(line);
	return true;
}

/* check STORE: what is wrong in it. */
static int check(char **args)
{
	struct ducc_options given = {.size = sizeof(given), .store = args[0]};
	struct ducc_store_check_options what = {.size = sizeof(what),
						.difference = print_difference};
	ducc_session *session = ducc_open(&given, NULL);
	ducc_error *err = NULL;
	int result = ducc_store_check(session, &what, &err);

	if (result < 0)
		say(err);
	ducc_close(session);
	return result;
}

static bool take(void *ctx, ducc_record *one, ducc_error *err)
{
	int *left = ctx;

	printf("%s\n", one ? ducc_record_reference(one) : ducc_error_message(err));
	ducc_record_free(one);
	ducc_error_free(err);
	return --*left > 0;
}

/* wish N LIST, hook N: takes only the first N. */
static int wish(char **args)
{
	struct ducc_options given = {.size = sizeof(given)};
	const char *list = args[1];
	int left = atoi(args[0]);
	ducc_session *session = ducc_open(&given, NULL);

	printf("%d\n", ducc_wish(session, &list, 1, NULL, take, &left));
	ducc_close(session);
	return 0;
}

static int hook(char **args)
{
	struct ducc_options given = {.size = sizeof(given)};
	int left = atoi(args[0]);
	ducc_session *session = ducc_open(&given, NULL);

	printf("%d\n", ducc_hook(session, 0, NULL, take, &left, NULL));
	ducc_close(session);
	return 0;
}

/* threads N STORE REPOSITORY IMAGE: N sessions do the same work at the same time. */
static void *work(void *ctx)
{
	char **args = ctx;
	struct ducc_options given = {
		.size = sizeof(given), .store = args[1], .repository = args[2]};
	ducc_error *err = NULL;
	ducc_session *session = ducc_open(&given, &err);
	ducc_record *image = session ? ducc_record_new(args[3], &err) : NULL;

	if (image && !ducc_fetch(session, image, &err) && !ducc_unpack(session, image, &err))
		ducc_publish(session, &image, 1, &err);
	ducc_record_free(image);
	ducc_close(session);
	return err;
}

static int threads(char **args)
{
	pthread_t all[16];
	int n = atoi(args[0]), failed = 0;

	for (int i = 0; i < n; i++)
		if (pthread_create(&all[i], NULL, work, args))
			abort();
	for (int i = 0; i < n; i++) {
		void *err;

		pthread_join(all[i], &err);
		if (err)
			say(err);
		failed += err != NULL;
	}
	return failed;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(char **args);
	} commands[] = {
		{"kind", 5, kind},   {"record", 1, record}, {"options", 1, options},
		{"wish", 2, wish},   {"hook", 1, hook},     {"threads", 4, threads},
		{"check", 1, check},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name) && argc == commands[i].args + 2)
			return commands[i].run(argv + 2);
	fprintf(stderr, "wrong usage\n");
	return 2;
}
