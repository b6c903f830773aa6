/*
 * older-kernel KIND COMMAND...: runs a command as on another kernel, as far as the library can tell. The kinds:
 *
 *     6.1       Linux without lightweight guards. process_madvise does not know its name for the calling process.
 *     5.4       The same, which does not populate pages either, and has no process_madvise.
 *     emulated  An emulator whose madvise returns 0 for advice that it does not know, and does nothing.
 *
 * All other system calls go to the kernel unchanged.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
# define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
# define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
# error "add this processor"
#endif

#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#define PROCESS_MADVISE 440 /* everywhere */

#define LOAD(FIELD) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, FIELD))
/* The low half: all of these processors are little-endian, and an advice is an int. */
#define LOAD_ADVICE LOAD(args[2])
#define SKIP_UNLESS(VALUE, COUNT) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, VALUE, 0, COUNT)
#define RETURN(RESULT) BPF_STMT(BPF_RET | BPF_K, RESULT)
#define REFUSE(VALUE, ERROR) SKIP_UNLESS(VALUE, 1), RETURN(SECCOMP_RET_ERRNO | (ERROR))

int main(int argc, char **argv)
{
    const char *kind = argc > 2 ? argv[1] : "";
    int is_6_1 = strcmp(kind, "6.1") == 0, is_5_4 = strcmp(kind, "5.4") == 0, is_emulated = strcmp(kind, "emulated") == 0;
    int unknown_advice = is_emulated ? 0 : EINVAL;
    /* 6.1 has both, so the filter compares with a number that is never passed. */
    unsigned populate_read = is_6_1 ? ~0u : MADV_POPULATE_READ, populate_write = is_6_1 ? ~0u : MADV_POPULATE_WRITE;
    struct sock_filter code[] = {
        LOAD(arch),
        SKIP_UNLESS(ARCHITECTURE, 13),
        LOAD(nr),
        REFUSE(PROCESS_MADVISE, is_6_1 ? EBADF : ENOSYS),
        SKIP_UNLESS(__NR_madvise, 9),
        LOAD_ADVICE,
        REFUSE(MADV_GUARD_INSTALL, unknown_advice),
        REFUSE(MADV_GUARD_REMOVE, unknown_advice),
        REFUSE(populate_read, unknown_advice),
        REFUSE(populate_write, unknown_advice),
        RETURN(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (!is_6_1 && !is_5_4 && !is_emulated) {
        fprintf(stderr, "usage: older-kernel 6.1|5.4|emulated COMMAND...\n");
        return 2;
    }
    /*
     * Without privilege a process may install a filter only if set-id programs lose their effect.
     */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0
        && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)) {
        perror("older-kernel: a filter of system calls");
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
