/* The confinement of the jobs that read what others have made (ducc.h). */
#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/confine.h"
#include "base/mem.h"
#include "base/path.h"
#include "jobs/session.h"
#include "source/archive_copy.h"

static void report(ducc_session *session, const struct confined *confined)
{
	AUTO_FREE char *files =
		confined->landlock ? format("files (Landlock %d)", confined->landlock) : NULL;
	const char *calls = "system calls (seccomp)";
	/* A dry run tells what would become of the images. */
	enum ducc_level level = session->dry_run ? DUCC_DEBUG : DUCC_INFO;

	if (files && confined->calls)
		context_notice(&session->context, level, "confined: %s, %s", files, calls);
	else if (files || confined->calls)
		context_notice(&session->context, level,
			       "confined: %s; not supported by the kernel: %s",
			       files ? files : calls, files ? calls : "files (Landlock)");
	else
		context_notice(&session->context, level,
			       "not confined: the kernel supports neither Landlock nor seccomp");
}

/* The store, unless it is only read. */
static int open_store(ducc_session *session, enum ducc_confinement jobs, struct store *store,
		      ducc_error **err)
{
	if (session->dry_run)
		return 0;
	if (jobs == DUCC_CONFINE_UNPACK)
		return session_need_store(session, store, err);
	return session_open_store(session, store, true, err) < 0 ? -1 : 0;
}

/* The directory for temporary files, if it exists, or the one for extracted files, or -1. */
static int open_other(ducc_session *session, enum ducc_confinement jobs, const char *dir, int *fd,
		      ducc_error **err)
{
	if (jobs == DUCC_CONFINE_FETCH)
		dir = archive_copy_directory();
	else if (session->dry_run || !dir)
		return 0;
	else if (path_mkdirs_named(dir, 0755, err) < 0)
		return -1;
	*fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 && jobs == DUCC_CONFINE_UNPACK ? error_errno(err, errno, "%s", dir) : 0;
}

static int confine_jobs(ducc_session *session, enum ducc_confinement jobs, int store, int other,
			ducc_error **err)
{
	bool fetch = jobs == DUCC_CONFINE_FETCH;
	struct confine_directory directories[] = {{store, CONFINE_FILES},
						  {other, fetch ? CONFINE_UNNAMED : CONFINE_ANY}};
	struct confinement confinement = {.directories = directories,
					  .n = ARRAY_LEN(directories),
					  .internet = fetch,
					  .attributes = !fetch && other >= 0};
	struct confined confined;

	if (fetch && network_prepare_confinement(session->network, err) < 0)
		return -1;
	if (confine(&confinement, &confined, err) < 0)
		return error_wrap(err, "confinement");
	report(session, &confined);
	session->confined = true;
	return 0;
}

int ducc_confine(ducc_session *session, enum ducc_confinement jobs, const char *dir,
		 ducc_error **err)
{
	struct store store = {.fd = -1};
	AUTO_CLOSE int other = -1;
	int result;

	if (session->confined)
		return 0;
	result = open_store(session, jobs, &store, err);
	if (result < 0)
		session_advise(session, err);
	if (!result)
		result = open_other(session, jobs, dir, &other, err);
	if (!result)
		result = confine_jobs(session, jobs, store.fd, other, err);
	store_close(&store);
	return result;
}
