/* Confinement: see confine.h. */
#include "base/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

/* --- files: Landlock -------------------------------------------------- */

/* Version 1 cannot allow a file to be renamed into another directory. */
#define LANDLOCK_MINIMUM 2

#define FS(right) LANDLOCK_ACCESS_FS_##right
#define FS_REFER (1ULL << 13)     /* since version 2 */
#define FS_TRUNCATE (1ULL << 14)  /* since version 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* since version 5 */
#define NET_ALL 3ULL              /* bind and connect TCP; since version 4 */
#define SCOPE_ALL 3ULL            /* abstract sockets and signals; since version 6 */

#define WRITE (FS(WRITE_FILE) | FS_TRUNCATE)
#define CHANGE (WRITE | FS(REMOVE_DIR) | FS(REMOVE_FILE) | FS(MAKE_DIR) | FS(MAKE_REG) | FS_REFER)
#define MAKE_ANY (FS(MAKE_CHAR) | FS(MAKE_BLOCK) | FS(MAKE_FIFO) | FS(MAKE_SOCK) | FS(MAKE_SYM))

/* struct landlock_ruleset_attr, complete whatever the age of the header. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static const uint64_t rights[] = {
	[CONFINE_FILES] = CHANGE,
	[CONFINE_ANY] = CHANGE | MAKE_ANY,
	[CONFINE_UNNAMED] = WRITE,
};

static struct ruleset ruleset_for(int version, bool internet)
{
	struct ruleset ruleset = {.fs = CHANGE | MAKE_ANY | FS(EXECUTE) | FS_IOCTL_DEV};

	if (version < 3)
		ruleset.fs &= ~FS_TRUNCATE;
	if (version < 5)
		ruleset.fs &= ~FS_IOCTL_DEV;
	if (version >= 4 && !internet)
		ruleset.net = NET_ALL;
	if (version >= 6)
		ruleset.scoped = SCOPE_ALL;
	return ruleset;
}

static int restrict_files(const struct confinement *confinement, int version, ducc_error **err)
{
	struct ruleset ruleset = ruleset_for(version, confinement->internet);
	AUTO_CLOSE int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);

	if (fd < 0)
		return error_errno(err, errno, "Landlock ruleset");
	for (size_t i = 0; i < confinement->n; i++) {
		const struct confine_directory *directory = &confinement->directories[i];
		struct landlock_path_beneath_attr beneath = {
			.allowed_access = rights[directory->kind] & ruleset.fs,
			.parent_fd = directory->fd,
		};

		if (directory->fd < 0)
			continue;
		if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
			return error_errno(err, errno, "Landlock rule");
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_errno(err, errno, "Landlock");
	return 0;
}

/* --- system calls: seccomp -------------------------------------------- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

#ifdef ARCHITECTURE

/* Since Linux 6.13 and 6.17; the same number everywhere. */
#define CALL_SETXATTRAT 463
#define CALL_REMOVEXATTRAT 466
#define CALL_FILE_SETATTR 469

#define X32_CALLS 0x40000000 /* numbers of x32, which x86-64 has besides its own */

/* Programs, other ways to make system calls, and the administration of the system. */
static const int forbidden[] = {
	SYS_execve,
	SYS_execveat,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_quotactl,
	SYS_setns,
	SYS_unshare,
	SYS_chroot,
	SYS_add_key,
	SYS_keyctl,
	SYS_request_key,
	SYS_open_by_handle_at,
#ifdef __x86_64__
	SYS_iopl,
	SYS_ioperm,
#endif
};

/* Landlock does not restrict these. */
static const int attributes[] = {
	SYS_fchmod,      SYS_fchmodat,     CALL_FCHMODAT2,   SYS_fchown,         SYS_fchownat,
	SYS_utimensat,   SYS_setxattr,     SYS_lsetxattr,    SYS_fsetxattr,      CALL_SETXATTRAT,
	SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, CALL_REMOVEXATTRAT, CALL_FILE_SETATTR,
#ifdef __x86_64__
	SYS_chmod,       SYS_chown,        SYS_lchown,       SYS_utime,          SYS_utimes,
	SYS_futimesat,
#endif
};

static const int families[] = {AF_INET, AF_INET6, AF_NETLINK};

struct program {
	struct sock_filter code[2 * (ARRAY_LEN(forbidden) + ARRAY_LEN(attributes)) + 24];
	unsigned short n;
};

static void add(struct program *program, struct sock_filter instruction)
{
	program->code[program->n++] = instruction;
}

/* Loads the low half of a member of struct seccomp_data: the architectures are little-endian. */
#define LOAD(program, member)                                                                      \
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,                        \
						  offsetof(struct seccomp_data, member)))

#define REFUSE (SECCOMP_RET_ERRNO | EPERM)

static void answer(struct program *program, uint32_t action)
{
	add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Executes the next `n` instructions only if the loaded value compares so. */
static void when(struct program *program, unsigned short comparison, uint32_t value, uint8_t n)
{
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, n));
}

static void refuse(struct program *program, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		when(program, BPF_JEQ, (uint32_t)calls[i], 1);
		answer(program, REFUSE);
	}
}

static void refuse_sockets(struct program *program, bool internet)
{
	if (!internet) {
		refuse(program, &(int){SYS_socket}, 1);
		return;
	}
	when(program, BPF_JEQ, SYS_socket, 2 * ARRAY_LEN(families) + 2);
	LOAD(program, args[0]);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		when(program, BPF_JEQ, (uint32_t)families[i], 1);
		answer(program, SECCOMP_RET_ALLOW);
	}
	answer(program, REFUSE);
}

static void write_program(struct program *program, const struct confinement *confinement)
{
	program->n = 0;
	LOAD(program, arch);
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
	answer(program, REFUSE);
	LOAD(program, nr);
#ifdef __x86_64__
	when(program, BPF_JGE, X32_CALLS, 1);
	answer(program, REFUSE);
#endif
	refuse(program, forbidden, ARRAY_LEN(forbidden));
	if (!confinement->attributes)
		refuse(program, attributes, ARRAY_LEN(attributes));
	refuse_sockets(program, confinement->internet);
	/* A terminal must not get input that a user seems to have typed. */
	when(program, BPF_JEQ, SYS_ioctl, 3);
	LOAD(program, args[1]);
	when(program, BPF_JEQ, TIOCSTI, 1);
	answer(program, REFUSE);
	answer(program, SECCOMP_RET_ALLOW);
}

static bool restrict_calls(const struct confinement *confinement)
{
	struct program program;
	struct sock_fprog filter = {.filter = program.code};

	write_program(&program, confinement);
	filter.len = program.n;
	return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

#else

static bool restrict_calls(const struct confinement *confinement)
{
	(void)confinement;
	return false;
}

#endif

int confine(const struct confinement *confinement, struct confined *confined, ducc_error **err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*confined = (struct confined){0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return 0;
	if (version >= LANDLOCK_MINIMUM) {
		if (restrict_files(confinement, (int)version, err) < 0)
			return -1;
		confined->landlock = (int)version;
	}
	confined->calls = restrict_calls(confinement);
	return 0;
}
