/*
 * Locked memory, for programs that plain users run too: mlockall, and for how many jobs there is
 * space then.
 */
#ifndef OSSL_ASYNC_LOCKED_H
#define OSSL_ASYNC_LOCKED_H

#include <stddef.h>
#include <sys/mman.h>

/* The most locked memory that a job takes: its stack alone, and with its guard. */
#define STACK_LOCKED ((size_t)140 * 1024)
#define GUARD_LOCKED ((size_t)224 * 1024)
/* What is left for a thread, the heap and a guard that is not unlocked yet. */
#define NOT_FOR_JOBS ((size_t)512 * 1024)

/* The first stacks of a process, this many, have guards of another kind than the later ones. */
#define IN_MAPPINGS 256

/*
 * Locks memory. Returns for how many of the wanted jobs there is space, with stacks of the default
 * size. Returns 0 if memory may not be locked, or too little for two jobs. It asks the kernel for
 * the space, because root has no limit.
 */
static int lock_memory(int flags, int wanted, size_t job)
{
    if (mlockall(flags) != 0)
        return 0;
    for (int jobs = wanted; jobs > 1; jobs--) {
        size_t size = NOT_FOR_JOBS + (size_t)jobs * job;
        void *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (room != MAP_FAILED) {
            munmap(room, size);
            return jobs;
        }
    }
    munlockall();
    return 0;
}

#endif
