/* Extracting a tree of files into a directory: see extract.h. */
#include "content/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "content/entry.h"
#include "content/layer_tar.h"
#include "content/listing.h"
#include "format/repo_paths.h"

/* A file with more links is not linked to again: file systems have limits. */
#define LINKS_MAX 30000

/* A name of a file to extract from a layer. */
struct want {
	const struct node *node;
	atomic_bool done; /* or a thread is about to do it */
};

/* What a thread works with; all share the tree and what is wanted. */
struct extraction {
	struct tree *tree;
	struct beneath to;
	int (*find)(void *ctx, const struct digest *layer, struct extract_source *source,
		    ducc_error **err);
	void *ctx;
	struct extract_report *report;
	const struct digest *known_layer; /* of the last known file, or NULL ... */
	struct beneath known;             /* ... and its directory */
	bool no_clones;                   /* the file system cannot share blocks */
	struct want *wants;               /* sorted by layer and origin */
	size_t n, capacity;
	struct buffer path;        /* of the current node */
	const atomic_bool *failed; /* in any thread */
};

/* What is wanted from one layer. */
struct part {
	struct want *first, *end;
	atomic_bool done; /* nothing is left to help with */
};

static int fail(struct extraction *x, const struct node *node, ducc_error **err)
{
	int code = errno;

	node_path(node, &x->path);
	error_start_errno(err, code, "%s", x->path.len ? x->path.data : "/");
	if (code == ENOSYS)
		error_advise(err, "/proc is required");
	return -1;
}

/* --- one node --------------------------------------------------------- */

static int open_target(struct extraction *x, const struct node *node, const char **name)
{
	node_path(node, &x->path);
	return beneath_parent(&x->to, x->path.data, name);
}

/* Creates an empty regular file; the caller writes it and sets its metadata. */
static int create(struct extraction *x, const struct node *node)
{
	const char *name;
	int parent = open_target(x, node, &name);

	if (parent < 0)
		return -1;
	return openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      node->file->mode & 0777);
}

static int fail_whiteout(struct extraction *x, const struct node *node, ducc_error **err)
{
	bool refused = errno == EPERM;

	fail(x, node, err);
	return refused ? error_wrap(err, "an overlay file system takes no whiteouts") : -1;
}

/* Creates anything except a regular file. */
static int make_special(struct extraction *x, const struct node *node, ducc_error **err)
{
	const struct file *file = node->file;
	const char *name;
	int parent = open_target(x, node, &name), result = 0;

	if (parent < 0)
		return fail(x, node, err);
	if (!file)
		return make_whiteout(parent, name) < 0 ? fail_whiteout(x, node, err) : 0;
	switch (file->mode & S_IFMT) {
	case S_IFDIR: /* metadata are set last, once it is filled */
		return mkdirat(parent, name, 0700) < 0 && errno != EEXIST ? fail(x, node, err) : 0;
	case S_IFLNK:
		result = symlinkat(file->target, parent, name);
		break;
	case S_IFIFO:
		result = mkfifoat(parent, name, 0600);
		break;
	default:
		result = mknodat(parent, name, (file->mode & S_IFMT) | 0600,
				 makedev(file->major, file->minor));
		if (result < 0 && not_permitted(errno)) {
			x->report->devices++;
			return 0;
		}
	}
	if (result < 0 || set_metadata_at(parent, name, file, x->report) < 0)
		return fail(x, node, err);
	return 0;
}

static int make_text(struct extraction *x, const struct node *node, ducc_error **err)
{
	AUTO_CLOSE int fd = create(x, node);

	if (fd < 0 || write_all(fd, node->file->text, strlen(node->file->text)) < 0 ||
	    set_metadata(fd, node->file, x->report) < 0)
		return fail(x, node, err);
	return 0;
}

/* Creates directories, and everything that does not come from a layer's files. */
static int make_skeleton(struct extraction *x, ducc_error **err)
{
	struct node *root = tree_root(x->tree);

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		const struct file *file = node->file;

		if (file && file->text) {
			if (make_text(x, node, err) < 0)
				return -1;
			continue;
		}
		if (file && file->layer && !S_ISDIR(file->mode)) {
			GROW(x->wants, x->n, x->capacity);
			x->wants[x->n++] = (struct want){.node = node};
			continue;
		}
		if (!file && (!node_is_whiteout(node) || node->flags & NODE_VOID))
			continue;
		if (make_special(x, node, err) < 0)
			return -1;
	}
	return 0;
}

/* Gives the owner all permissions of the directory, if the report asks for that. */
static int keep_open(struct extract_report *report, int fd, const struct file *file,
		     const char *path)
{
	mode_t mode = file->mode & 07777;

	if (!report->open || (mode & S_IRWXU) == S_IRWXU)
		return 0;
	GROW(report->closed, report->n_closed, report->closed_capacity);
	report->closed[report->n_closed++] =
		(struct closed_directory){.path = xstrdup(path), .mode = mode};
	return fchmod(fd, mode | S_IRWXU);
}

static int finish_directories(struct extraction *x, ducc_error **err)
{
	struct node *root = tree_root(x->tree);

	/* Bottom-up: without privileges, setting a mode may make a directory inaccessible. */
	for (struct node *node = tree_bottom(root); node; node = tree_next_up(root, node)) {
		if (!node_is_dir(node))
			continue;
		node_path(node, &x->path);
		AUTO_CLOSE int fd = path_open(x->to.root, x->path.data, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0 || set_metadata(fd, node->file, x->report) < 0 ||
		    keep_open(x->report, fd, node->file, x->path.data) < 0)
			return fail(x, node, err);
	}
	return 0;
}

/* --- files of a layer ------------------------------------------------- */

static int compare_key(const struct file *a, const struct digest *layer, const char *origin)
{
	int order = strcmp(a->layer->hex, layer->hex);

	return order ? order : strcmp(a->origin, origin);
}

static int compare_wants(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return compare_key(x->node->file, y->node->file->layer, y->node->file->origin);
}

/* The first name for a layer and origin, or NULL; its other names follow it. */
static struct want *find_want(const struct extraction *x, const struct digest *layer,
			      const char *origin)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_key(x->wants[middle].node->file, layer, origin) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < x->n && !compare_key(x->wants[low].node->file, layer, origin))
		return &x->wants[low];
	return NULL;
}

static bool same_file(const struct extraction *x, const struct want *want, const struct want *first)
{
	return want < x->wants + x->n && !compare_wants(want, first);
}

/* Links the other names of a file that exists under its first name. */
static int link_others(struct extraction *x, struct want *first, ducc_error **err)
{
	const char *from_name, *name;
	AUTO_CLOSE int from = -1;

	first->done = true;
	if (!same_file(x, first + 1, first))
		return 0;
	node_path(first->node, &x->path);
	AUTO_FREE char *from_path = xstrdup(x->path.data);
	from = path_open_parent(x->to.root, from_path, &from_name);
	if (from < 0)
		return fail(x, first->node, err);
	for (struct want *want = first + 1; same_file(x, want, first); want++) {
		int parent = open_target(x, want->node, &name);
		mode_t mode = want->node->file->mode;

		want->done = true;
		if (parent >= 0 && !linkat(from, from_name, parent, name, 0))
			continue;
		/* A device may have been left out. */
		if (parent < 0 || errno != ENOENT || !(S_ISCHR(mode) || S_ISBLK(mode)))
			return fail(x, want->node, err);
		x->report->devices++;
	}
	return 0;
}

/* --- known files ------------------------------------------------------ */

static void close_known(struct extraction *x)
{
	beneath_close(&x->known);
	cleanup_close(&x->known.root);
	x->known = (struct beneath)BENEATH(-1);
}

/* Opens the directory of the known file in its layer; -1: it cannot be used. */
static int open_known(struct extraction *x, const struct known_file *known, const char **name)
{
	if (x->known_layer != known->layer) {
		struct extract_source source = {.fd = -1};

		close_known(x);
		x->known_layer = known->layer;
		x->find(x->ctx, known->layer, &source, NULL);
		x->known.root = source.fd;
	}
	return x->known.root < 0 ? -1 : beneath_parent(&x->known, known->path, name);
}

/* True if a published file still has the metadata that the file would get. */
static bool has_metadata(int directory, const char *name, const struct file *file)
{
	/* Others than root cannot set these. */
	unsigned ignored = geteuid() ? FILE_MODE | FILE_OWNER | FILE_XATTRS : 0;
	struct stat st;
	struct file *found = entry_read(directory, name, &st);
	bool same = found && !entry_read_xattrs(found, directory, name) &&
		    !(file_differences(found, file) & ~ignored);

	file_unref(found);
	return same;
}

/* Creates a file that shares the blocks of another one. */
static bool clone_file(struct extraction *x, int from, const char *from_name,
		       const struct node *node)
{
	const char *name;
	AUTO_CLOSE int in = path_open_file(from, from_name);
	AUTO_CLOSE int out = in < 0 ? -1 : create(x, node);
	int parent;

	if (out < 0)
		return false;
	x->no_clones = ioctl(out, FICLONE, in) < 0;
	if (!x->no_clones && !set_metadata(out, node->file, x->report))
		return true;
	parent = open_target(x, node, &name);
	if (parent >= 0)
		unlinkat(parent, name, 0);
	return false;
}

/* True if a published file still has the content that its listing says. */
static bool has_content(int directory, const char *name, const struct file *file)
{
	AUTO_CLOSE int fd = path_open_file(directory, name);
	uint8_t sha256[SHA256_SIZE];

	return fd >= 0 && !digest_file(fd, file->size, sha256) &&
	       !memcmp(sha256, file->sha256, sizeof(sha256));
}

/*
 * Creates a file from the known file with its content.  Whatever prevents that is no error:
 * the tar has the content, too.  Under another path, the same inode could be in an image
 * twice, which would make hard links of separate files.
 */
static bool use_known(struct extraction *x, const struct node *node)
{
	const struct file *file = node->file;
	const struct known_file *known = file->known;
	const char *from_name, *name;
	int from = open_known(x, known, &from_name), parent;
	struct stat st;

	if (from < 0 || fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->size ||
	    !has_content(from, from_name, file))
		return false;
	if (known->same && known->same_names && !strcmp(known->path, file->origin) &&
	    st.st_nlink < LINKS_MAX && has_metadata(from, from_name, file)) {
		parent = open_target(x, node, &name);
		if (parent >= 0 && !linkat(from, from_name, parent, name, 0))
			return true;
	}
	return !x->no_clones && clone_file(x, from, from_name, node);
}

/* --- files from a tar ------------------------------------------------- */

static int extract_entry(struct extraction *x, struct layer_tar *tar, struct want *first,
			 ducc_error **err)
{
	AUTO_CLOSE int fd = create(x, first->node);

	if (fd < 0)
		return fail(x, first->node, err);
	if (layer_tar_copy(tar, first->node->file, file_sink, &fd, err) < 0) {
		node_path(first->node, &x->path);
		return error_wrap(err, "%s", x->path.data);
	}
	if (set_metadata(fd, first->node->file, x->report) < 0)
		return fail(x, first->node, err);
	amount_add(&x->report->sent, (struct amount){1, first->node->file->size});
	return link_others(x, first, err);
}

/* True if nothing from *next on is to be taken from the tar; *next becomes the first that is. */
static bool is_complete(const struct extraction *x, const struct part *part, struct want **next)
{
	struct want *want = *next;

	while (want < part->end && (atomic_load(&want->done) || !S_ISREG(want->node->file->mode) ||
				    (want > part->first && same_file(x, want, want - 1))))
		want++;
	*next = want;
	return want == part->end;
}

/*
 * Reads no further than necessary.  A helper leaves known files to the thread that links or clones
 * them: it comes here if it cannot.
 */
static int extract_tar(struct extraction *x, struct part *part, const struct extract_source *source,
		       bool helps, ducc_error **err)
{
	const struct digest *layer = part->first->node->file->layer;
	struct want *next = part->first;
	AUTO_LAYER_TAR tar;
	const char *path;
	int result = 1;

	layer_tar_open(&tar, source->fd, layer);
	if (source->context)
		layer_tar_report(&tar, source->context, source->activity);
	while (result > 0 && (source->whole || !is_complete(x, part, &next)) &&
	       (result = layer_tar_next(&tar, &path, err)) > 0) {
		struct want *want = tar.has_content ? find_want(x, layer, path) : NULL;
		struct node *node;

		if (source->whole && layer_tar_node(&tar, x->tree, path, &node, err) < 0)
			return error_wrap(err, "%s", path);
		if (want && !(helps && want->node->file->known) &&
		    !atomic_exchange(&want->done, true) && extract_entry(x, &tar, want, err) < 0)
			result = -1;
		if (atomic_load(x->failed))
			return result < 0 ? -1 : 0;
	}
	if (!result && source->whole)
		return layer_tar_check_end(x->tree, err);
	return result < 0 ? -1 : 0;
}

/* Creates whatever does not need the tar. */
static int make_others(struct extraction *x, const struct part *part, ducc_error **err)
{
	for (struct want *want = part->first; want < part->end; want++) {
		const struct file *file = want->node->file;

		if (want->done || (want > part->first && same_file(x, want, want - 1)))
			continue;
		if (!S_ISREG(file->mode)) {
			if (make_special(x, want->node, err) < 0)
				return -1;
		} else {
			if (!file->known || atomic_exchange(&want->done, true))
				continue;
			want->done = use_known(x, want->node);
			if (!want->done)
				continue;
			amount_add(&x->report->linked, (struct amount){1, file->size});
		}
		if (link_others(x, want, err) < 0)
			return -1;
	}
	return 0;
}

/* --- files from a directory ------------------------------------------- */

/* Copies the content of the layer's file for the first of its names. */
static int copy_file(struct extraction *x, struct beneath *from, struct want *first,
		     ducc_error **err)
{
	const struct file *file = first->node->file;
	const char *name;
	int parent = beneath_parent(from, file->origin, &name);
	AUTO_CLOSE int in = parent < 0 ? -1 : path_open_file(parent, name);
	AUTO_CLOSE int out = in < 0 ? -1 : create(x, first->node);

	if (out < 0 || file_copy(in, out, file->size) < 0 || set_metadata(out, file, x->report) < 0)
		return fail(x, first->node, err);
	return 0;
}

/*
 * Hard-links the layer's own file; returns 1 if it has too many links, or is a device
 * that could not be created there.
 */
static int link_file(struct extraction *x, struct beneath *from, const struct want *want,
		     ducc_error **err)
{
	const char *from_name, *name;
	int there = beneath_parent(from, want->node->file->origin, &from_name);
	int parent = there < 0 ? -1 : open_target(x, want->node, &name);

	if (parent >= 0 && !linkat(there, from_name, parent, name, 0))
		return 0;
	if (parent >= 0 &&
	    (errno == EMLINK || (errno == ENOENT && !S_ISREG(want->node->file->mode))))
		return 1;
	return fail(x, want->node, err);
}

/* Extracts the files of one layer from its directory. */
static int extract_directory(struct extraction *x, const struct part *part,
			     const struct extract_source *source, ducc_error **err)
{
	struct beneath from = BENEATH(source->fd);
	int result = 0;

	for (struct want *want = part->first; want < part->end && !result; want++) {
		if (want->done)
			continue;
		want->done = true;
		if (source->how == EXTRACT_LINK)
			result = link_file(x, &from, want, err);
		else
			result = 1;
		if (result == 1) {
			result = S_ISREG(want->node->file->mode) ? copy_file(x, &from, want, err)
								 : make_special(x, want->node, err);
			if (!result)
				result = link_others(x, want, err);
		}
	}
	beneath_close(&from);
	return result;
}

/* --- layers, side by side --------------------------------------------- */

/*
 * First each layer is an item; then they are again, as often as there are threads: whoever has no
 * other layer reads the tar of one that is not done as well, and extracts the files to which it
 * comes first.
 */
struct work {
	int root;
	const struct extraction *first; /* copied by each item */
	struct part *parts;
	size_t n;
	atomic_bool failed;
	pthread_mutex_t mutex; /* of the report */
	struct extract_report *report;
};

static int extract_from(struct extraction *x, struct part *part,
			const struct extract_source *source, bool helps, ducc_error **err)
{
	if (source->how != EXTRACT_TAR) {
		part->done = true;
		return helps ? 0 : extract_directory(x, part, source, err);
	}
	if (!helps && make_others(x, part, err) < 0)
		return -1;
	return extract_tar(x, part, source, helps, err);
}

static int extract_part(struct extraction *x, struct part *part, bool helps, ducc_error **err)
{
	const struct digest *layer = part->first->node->file->layer;
	struct extract_source source = {.fd = -1};
	int result = x->find(x->ctx, layer, &source, err);

	if (helps) { /* the first one reports its progress, and compares it with the tree */
		source.context = NULL;
		source.whole = false;
	}
	if (!result)
		result = extract_from(x, part, &source, helps, err);
	cleanup_close(&source.fd);
	return result < 0 ? error_wrap(err, "layer " PRI_DIGEST, layer->hex) : 0;
}

static int extract_item(void *ctx, size_t i, ducc_error **err)
{
	struct work *work = ctx;
	struct part *part = &work->parts[i % work->n];
	struct extraction x = *work->first;
	struct extract_report report = {.open = false};
	bool helps = i >= work->n;
	int result;

	if (atomic_load(&work->failed) || (helps && atomic_load(&part->done)))
		return 0;
	x.failed = &work->failed;
	x.report = &report;
	x.to = x.known = (struct beneath)BENEATH(-1);
	x.to.root = work->root;
	x.path = (struct buffer){0};
	result = extract_part(&x, part, helps, err);
	atomic_store(result < 0 ? &work->failed : &part->done, true);
	close_known(&x);
	beneath_close(&x.to);
	buffer_free(&x.path);
	pthread_mutex_lock(&work->mutex);
	extract_report_add(work->report, &report);
	pthread_mutex_unlock(&work->mutex);
	return result;
}

/* Sorts what is wanted, and divides it by layers. */
static size_t divide(struct extraction *x, struct part **parts)
{
	size_t n = 0, capacity = 0;

	if (x->n)
		qsort(x->wants, x->n, sizeof(*x->wants), compare_wants);
	for (size_t i = 0; i < x->n; i++) {
		struct want *want = &x->wants[i];
		struct part *last = n ? &(*parts)[n - 1] : NULL;

		if (!last ||
		    !digest_equal(last->first->node->file->layer, want->node->file->layer)) {
			GROW(*parts, n, capacity);
			last = &(*parts)[n++];
			*last = (struct part){.first = want};
		}
		last->end = want + 1;
	}
	return n;
}

static int check_all_done(const struct extraction *x, ducc_error **err)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct file *file = x->wants[i].node->file;

		if (x->wants[i].done)
			continue;
		error_set_kind(err, DUCC_CORRUPT, "%s: missing from its layer's tar", file->origin);
		return error_wrap(err, "layer " PRI_DIGEST, file->layer->hex);
	}
	return 0;
}

static int extract_files(struct extraction *x, int root, unsigned jobs, ducc_error **err)
{
	AUTO_FREE struct part *parts = NULL;
	struct work work = {.root = root,
			    .first = x,
			    .n = divide(x, &parts),
			    .mutex = PTHREAD_MUTEX_INITIALIZER,
			    .report = x->report};

	work.parts = parts;
	jobs = parallel_jobs(jobs);
	if (parallel_run(work.n * jobs, jobs, extract_item, &work, err) < 0)
		return -1;
	return check_all_done(x, err);
}

int extract(int root, struct tree *tree,
	    int (*find)(void *ctx, const struct digest *layer, struct extract_source *source,
			ducc_error **err),
	    void *ctx, unsigned jobs, struct extract_report *report, ducc_error **err)
{
	struct extraction x = {.tree = tree,
			       .to = BENEATH(root),
			       .find = find,
			       .ctx = ctx,
			       .report = report,
			       .known = BENEATH(-1)};
	int result = make_skeleton(&x, err);

	if (!result)
		result = extract_files(&x, root, jobs, err);
	if (!result)
		result = finish_directories(&x, err);
	beneath_close(&x.to);
	buffer_free(&x.path);
	free(x.wants);
	return result;
}
