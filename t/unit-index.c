/* The list of images in a store: threads that add to it at once. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "store/index.h"
#include "tap.h"

#define THREADS 8
#define NO_DIGEST "sha256:%064d"

static char root[] = "/tmp/ducc-index.XXXXXX";
static struct store store;
static atomic_int waiting, locked = 1, failed;
static atomic_bool fails;
static _Thread_local bool has_waited;

/* Instead of that of the C library: counts the threads that wait. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	(void)condition;
	if (!has_waited)
		atomic_fetch_add(&waiting, 1);
	has_waited = true;
	pthread_mutex_unlock(mutex);
	sched_yield();
	pthread_mutex_lock(mutex);
	return 0;
}

/* Nor does a thread wait for others to come before it writes: the first one is always alone. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	(void)condition;
	(void)mutex;
	(void)until;
	return ETIMEDOUT;
}

/* The first to lock the store gets the lock when all others wait. */
int flock(int fd, int operation)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) /* a file being written */
		return (int)syscall(SYS_flock, fd, operation);
	if (!atomic_fetch_add(&locked, 1))
		while (atomic_load(&waiting) < THREADS - 1)
			sched_yield();
	if (atomic_load(&fails)) {
		errno = ENOLCK;
		return -1;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static void *add(void *number)
{
	AUTO_FREE char *name = format("registry/image:%d", *(int *)number);
	AUTO_FREE char *digest = format(NO_DIGEST, *(int *)number);
	AUTO_JSON *descriptor = json_object();
	ducc_error *err = NULL;

	json_set_string(descriptor, "digest", digest);
	if (store_tag(&store, name, descriptor, &err) < 0 && err)
		atomic_fetch_add(&failed, 1);
	ducc_error_free(err);
	return NULL;
}

/* Adds images from `first` in so many threads at once. */
static void add_at_once(int first)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	waiting = locked = failed = 0;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = first + i;
		if (pthread_create(&threads[i], NULL, add, &numbers[i]))
			exit(1);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static int count_found(int first)
{
	int found = 0;

	for (int i = first; i < first + THREADS; i++) {
		AUTO_FREE char *name = format("registry/image:%d", i);
		AUTO_FREE char *digest = format(NO_DIGEST, i);
		struct digest manifest;

		found += !store_find(&store, name, NULL, &manifest, NULL) &&
			 !strcmp(manifest.hex, strchr(digest, ':') + 1);
	}
	return found;
}

/* True if index.json is what its JSON would be if it were printed now. */
static bool is_printed(void)
{
	cJSON *manifests;
	AUTO_JSON *index = store_index_read(&store, &manifests, NULL);
	AUTO_FREE char *text = json_print(index, true), *path = format("%s/index.json", root);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *data = NULL;
	size_t len;

	return fd >= 0 && !read_file(fd, 1000000, &data, &len, NULL) && len == strlen(text) &&
	       !memcmp(data, text, len);
}

/* Lists image 1 with another digest. */
static void replace(void)
{
	AUTO_FREE char *digest = format(NO_DIGEST, THREADS + 1);
	AUTO_JSON *descriptor = json_object();

	json_set_string(descriptor, "digest", digest);
	store_tag(&store, "registry/image:1", descriptor, NULL);
}

int main(void)
{
	AUTO_CLOSE int parent = -1;

	if (!mkdtemp(root) || store_open(&store, root, NULL) < 0)
		return 1;
	store.index = store_index_new();
	add_at_once(1);
	ok(!failed && count_found(1) == THREADS, "all images are listed");
	ok(locked == 2, "those that wait are added together");
	add_at_once(1);
	ok(!locked && !failed, "what is listed needs no lock");
	fails = true;
	add_at_once(THREADS + 1);
	ok(failed == THREADS, "an error is that of each");
	fails = false;
	ok(!count_found(THREADS + 1) && count_found(1) == THREADS, "then nothing is added");
	add_at_once(2 * THREADS + 1);
	ok(count_found(1) == THREADS && count_found(2 * THREADS + 1) == THREADS,
	   "more can be added");
	ok(is_printed(), "... whose text is as if all was printed");
	replace();
	ok(count_found(1) == THREADS - 1 && is_printed(), "... and if one is replaced");
	store_index_free(store.index);
	store_close(&store);
	parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return path_remove(parent, strrchr(root, '/') + 1) < 0 || done_testing();
}
