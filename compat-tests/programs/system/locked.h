/*
 * Locked memory, for programs that are run by users as well: mlockall, and how many jobs there is room for then.
 */
#ifndef OSSL_ASYNC_LOCKED_H
#define OSSL_ASYNC_LOCKED_H

#include <stddef.h>
#include <sys/mman.h>

/* What a job takes at the most of the memory that may be locked: its stack alone, and with its guard. */
#define STACK_LOCKED ((size_t)140 * 1024)
#define GUARD_LOCKED ((size_t)224 * 1024)
/* What is left for a thread, the heap and a guard that is not unlocked yet. */
#define NOT_FOR_JOBS ((size_t)512 * 1024)

/* So many stacks of a process, the first, have guards of another kind than the later ones. */
#define IN_MAPPINGS 256

/*
 * Locks memory. Answers for how many of the wanted jobs, with stacks of the default size, there is room; 0 if memory may not be
 * locked, or too little for two jobs. The kernel is asked for the room: a user's limit is not one of root's.
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
