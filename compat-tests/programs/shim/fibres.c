/*
 * The fibre layer by itself: csrc/fibre.c is compiled and linked with this, without the rest of
 * the library. tests/check_shim.rs builds it in every way, with several compilers, for this
 * machine, for aarch64 and for riscv64, with glibc and with musl.
 *
 * With glibc it is linked with --wrap for getcontext, setcontext and swapcontext, so that each can
 * be made to fail. The argument is the name that ossl_async_switch_method must return. With
 * "miss-landing-pad" instead, the program makes a jump that faults only if the machine checks
 * landing pads.
 */
#define _GNU_SOURCE 1

#include "checkers.h"
#include "fibre.h"
#include "registers_kept.h"

#include <fenv.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#ifdef OSSL_ASYNC_ASAN
# include <sanitizer/asan_interface.h>
#endif
#ifdef OSSL_ASYNC_TSAN
# define THREAD_SANITIZER 1
#else
# define THREAD_SANITIZER 0
#endif

#define STACK (128 * 1024)
#define FIBRES 7

static int failures;
static const char *case_name;

#define CHECK(EXPRESSION) ((EXPRESSION) ? (void)0 : failed(__LINE__, #EXPRESSION))

static void failed(int line, const char *expression)
{
    if (failures++ < 20)
        printf("not ok %s: line %d: %s\n", case_name, line, expression);
}

/* ------------------------------------------------------------------------------- fibres; main is one too */

struct fibre {
    void *context; /* where it is suspended */
    void *low;     /* its memory, STACK bytes */
    char *stack;
    size_t size;
    void (*run)(void);
    unsigned long random;
    long result;
};

static struct fibre fibres[FIBRES], thread;
static struct fibre *current = &thread;

unsigned long kept_entry_stack;

static unsigned long next_random(struct fibre *who)
{
    who->random = who->random * 6364136223846793005UL + 1442695040888963407UL;
    return who->random >> 33;
}

/* Values that are different in each call. */
static void fill(struct kept *call, struct fibre *who)
{
    memset(call, 0, sizeof(*call));
    for (int i = 0; i < KEPT_REGISTERS; i++)
        call->values[i] = next_random(who) << 32 | next_random(who);
}

/*
 * Switches from the current fibre to another, with known registers, and checks them when it is
 * resumed.
 */
static void leave_for(struct fibre *to)
{
    struct fibre *me = current;
    struct kept call;

    fill(&call, me);
    call.function = next_random(me) % 2 ? (void *)ossl_async_fibre_switch : (void *)ossl_async_fibre_leave;
    call.arguments[0] = &me->context;
    call.arguments[1] = to->context;
    current = to;
    CHECK(kept_call(&call) == 1);
    CHECK(call.wrong == 0);
    CHECK(current == me);
}

/* Enters a fibre on its stack. Returns what ossl_async_fibre_enter returns. */
static long enter(struct fibre *fresh, void (*run)(void))
{
    struct fibre *me = current;
    struct kept call;
    long entered;

    fresh->run = run;
    fill(&call, me);
    call.function = (void *)ossl_async_fibre_enter;
    call.arguments[0] = &me->context;
    call.arguments[1] = fresh->stack;
    call.arguments[2] = (void *)fresh->size;
    call.arguments[3] = (void *)kept_entry;
    current = fresh;
    entered = kept_call(&call);
    if (!entered)
        current = me;
    CHECK(call.wrong == 0);
    CHECK(current == me);
    return entered;
}

/* The bottom of every fibre. kept_entry jumps here. */
void fibre_main(void)
{
    current->run();
    for (;;)
        leave_for(&thread);
}

static void make_fibres(void)
{
    for (int i = 0; i < FIBRES; i++) {
        fibres[i].size = STACK;
        fibres[i].stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fibres[i].stack == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
        fibres[i].random = (unsigned long)i + 1;
        fibres[i].low = fibres[i].stack;
        ossl_async_job_register(fibres[i].low, STACK, &fibres[i], sizeof(fibres[i]));
    }
}

/*
 * The fibre is never resumed, and its stack becomes plain memory again. The library does this with
 * a job that it frees.
 */
static void forget(struct fibre *fibre)
{
    ossl_async_fibre_forget(fibre->context);
    fibre->context = NULL;
    ossl_async_job_deregister(0, fibre->low, STACK, fibre, sizeof(*fibre));
    ossl_async_job_register(fibre->low, STACK, fibre, sizeof(*fibre));
}

static void forget_all(void)
{
    for (int i = 0; i < FIBRES; i++)
        forget(&fibres[i]);
}

/* --------------------------------------------------------------------------------- functions that can be made to fail */

/* Which of them fail: a sum. */
#define GETCONTEXT 1
#define SETCONTEXT 2
#define SWAPCONTEXT 4
static int contexts_fail;

#ifdef __GLIBC__
int __real_getcontext(ucontext_t *context);
int __wrap_getcontext(ucontext_t *context);
int __real_setcontext(const ucontext_t *context);
int __wrap_setcontext(const ucontext_t *context);
int __real_swapcontext(ucontext_t *from, const ucontext_t *to);
int __wrap_swapcontext(ucontext_t *from, const ucontext_t *to);

/* makecontext replaces what it records of this frame. */
int __wrap_getcontext(ucontext_t *context)
{
    return contexts_fail & GETCONTEXT ? -1 : __real_getcontext(context);
}

int __wrap_setcontext(const ucontext_t *context)
{
    return contexts_fail & SETCONTEXT ? -1 : __real_setcontext(context);
}

int __wrap_swapcontext(ucontext_t *from, const ucontext_t *to)
{
    return contexts_fail & SWAPCONTEXT ? -1 : __real_swapcontext(from, to);
}
#endif

/* -------------------------------------------------------------------------------------------------------- cases */

static const char *expected_way;

static int by(const char *way)
{
    return strcmp(expected_way, way) == 0;
}

/* Which of these functions an entry calls. */
static int calls_of_an_entry(void)
{
    return by("registers") ? 0 : by("setjmp") ? GETCONTEXT | SETCONTEXT : GETCONTEXT | SWAPCONTEXT;
}

/* Rules: F2, F13 */
static void the_way_is_the_one_that_was_compiled(void)
{
    CHECK(ossl_async_fibre_capable() == 1);
    CHECK(by(ossl_async_switch_method()));
}

static void do_nothing(void)
{
}

/*
 * Where on the fibre's stack the frame is that has a suspended fibre's context. AddressSanitizer
 * may keep the frame's locals on the heap (detect_stack_use_after_return), and knows which frame
 * they belong to.
 */
static uintptr_t frame_of(void *context)
{
#ifdef OSSL_ASYNC_ASAN
    void *begin, *end;
    void *frame = __asan_addr_is_in_fake_stack(((struct ossl_async_side *)context)->fake_stack, context, &begin, &end);

    if (frame != NULL)
        return (uintptr_t)frame;
#endif
    return (uintptr_t)context;
}

/* Rules: F1, F2 */
static void a_stack_is_aligned_at_the_entry_and_lies_in_its_memory(void)
{
    struct fibre *odd = &fibres[0];
    char *stack = odd->stack;

    for (size_t shift = 0; shift < 64; shift += 8) {
        for (size_t cut = 0; cut < 64; cut += 4) {
            odd->stack = stack + shift;
            odd->size = STACK - shift - cut;
            CHECK(enter(odd, do_nothing) == 1);
            CHECK(KEPT_ENTRY_ALIGNED);
            CHECK(kept_entry_stack >= (uintptr_t)odd->stack + odd->size - 512);
            CHECK(kept_entry_stack <= (uintptr_t)odd->stack + odd->size);
            CHECK(frame_of(odd->context) >= (uintptr_t)odd->stack);
            CHECK(frame_of(odd->context) < kept_entry_stack);
            forget(odd);
        }
    }
    odd->stack = stack;
    odd->size = STACK;
}

#define WALK_STEPS 20000
static long steps;
static volatile sig_atomic_t signal_soon;

/*
 * One signal, some microseconds from now. The next is requested when it has arrived, however slow
 * the machine is.
 */
static void ask_for_signal(void)
{
    struct itimerval soon = {{0, 0}, {0, 1 + (long)(next_random(current) % 100)}};

    signal_soon = 0;
    setitimer(ITIMER_REAL, &soon, NULL);
}

/* Switches from fibre to fibre in random order, the thread among them. */
static void walk(void)
{
    while (steps < WALK_STEPS) {
        struct fibre *next = &fibres[next_random(current) % FIBRES];

        steps++;
        if (signal_soon)
            ask_for_signal();
        if (next != current)
            leave_for(next_random(current) % 16 == 0 && current != &thread ? &thread : next);
    }
}


/*
 * The fibre that was entered switches back at once, so that all exist before any switches to
 * another.
 */
static void walk_later(void)
{
    leave_for(&thread);
    walk();
}

/* Rules: F2, F3, F4 */
static void every_register_survives_thousands_of_switches_in_any_order(void)
{
    steps = 0;
    for (int i = 0; i < FIBRES; i++)
        CHECK(enter(&fibres[i], walk_later) == 1);
    walk();
    CHECK(steps >= WALK_STEPS);
    forget_all();
}

/* Rules: F2 */
static void a_return_by_a_jump_keeps_registers_and_returns_the_value(void)
{
    static const int results[] = {0, 1, 2, 0x7fffffff, -1};
    struct kept call;

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        fill(&call, current);
        call.function = (void *)ossl_async_fibre_return;
        call.arguments[0] = (void *)(intptr_t)results[i];
        CHECK(kept_call(&call) == results[i]);
        CHECK(call.wrong == 0);
    }
}

static volatile sig_atomic_t signals;

/* Writes to the stack below the code that runs. */
static void on_signal(int signal)
{
    volatile char below[2048];

    memset((char *)below, 0x5a, sizeof(below));
    signals += signal == SIGALRM;
    signal_soon = 1;
}

/* Rules: F2, F4 */
static void signals_at_any_moment_of_a_switch_change_nothing(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGALRM, &action, NULL);
    signal_soon = 1;
    do {
        every_register_survives_thousands_of_switches_in_any_order();
        /* ThreadSanitizer holds signals back until the program makes a system call. */
    } while (!THREAD_SANITIZER && signals < 10 && failures == 0);
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_IGN);
    signal_soon = 0;
}

/*
 * Uses the stack down to the last few KiB, switches there, and checks all frames on the way back.
 */
static unsigned long dig(long depth, unsigned long seed)
{
    volatile unsigned long frame[128];
    unsigned long sum = 0;

    for (int i = 0; i < 128; i++)
        frame[i] = seed + (unsigned long)i;
    if (depth == 0)
        leave_for(&thread);
    else
        sum = dig(depth - 1, seed + 1);
    for (int i = 0; i < 128; i++)
        CHECK(frame[i] == seed + (unsigned long)i);
    return sum + seed;
}

static void dig_deep(void)
{
    long depth = (STACK - 40 * 1024) / 1280;

    current->result = dig(depth, current->random) != 0;
}

/* Rules: F1, F2 */
static void deep_stacks_of_several_fibres_keep_what_is_on_them(void)
{
    for (int i = 0; i < FIBRES; i++) {
        fibres[i].result = 0;
        CHECK(enter(&fibres[i], dig_deep) == 1);
    }
    for (int i = FIBRES; i-- > 0;) {
        leave_for(&fibres[i]);
        CHECK(fibres[i].result == 1);
    }
    forget_all();
}

static void enter_the_next(void)
{
    long next = current - fibres + 1;

    if (next < FIBRES) {
        struct fibre *before = current;

        CHECK(enter(&fibres[next], enter_the_next) == 1);
        CHECK(current == before);
        before->result = next;
    }
    if (current == &fibres[0])
        return;
    leave_for(current - 1);
}

/* Rules: F2 */
static void a_fibre_can_be_entered_from_a_fibre(void)
{
    CHECK(enter(&fibres[0], enter_the_next) == 1);
    for (int i = 0; i < FIBRES - 1; i++)
        CHECK(fibres[i].result == i + 1);
    forget_all();
}

static void leave_for_good(void)
{
    volatile char mark[512];

    memset((char *)mark, (int)current->random, sizeof(mark));
    leave_for(&thread);
    failed(__LINE__, "this fibre must not be resumed");
}

/* Rules: F1, F11 */
static void a_fibre_that_is_left_for_good_leaves_a_stack_that_can_be_entered_again(void)
{
    for (int i = 0; i < 1000; i++) {
        CHECK(enter(&fibres[i % 2], leave_for_good) == 1);
        forget(&fibres[i % 2]);
        if (i % 3 == 0)
            memset(fibres[i % 2].stack, 0, STACK);
    }
}

static void must_not_run(void)
{
    failed(__LINE__, "a fibre that was not entered must not run");
}

/* Rules: F6, D30 */
static void a_context_that_cannot_be_entered_is_reported_and_nothing_has_run(void)
{
    for (int i = 0; i < 100; i++) {
        for (int function = GETCONTEXT; function <= SWAPCONTEXT; function *= 2) {
            contexts_fail = function;
            if (calls_of_an_entry() & function)
                CHECK(enter(&fibres[0], must_not_run) == 0);
        }
        contexts_fail = ~calls_of_an_entry();
        CHECK(enter(&fibres[0], do_nothing) == 1);
        contexts_fail = 0;
        leave_for(&fibres[0]);
        forget_all();
    }
}

/* The work of fibres[0], with the thread to return to. */
static struct ossl_async_work work;

static int count_down_and_leave_at_each(void *count)
{
    int leaves = *(int *)count;

    for (int *left = count; *left > 0; --*left)
        leave_for(&thread);
    current = &thread;
    return 1000 + leaves;
}

static int twice(void *value)
{
    current = &thread;
    return 2 * *(int *)value;
}

static void serve(void)
{
    ossl_async_fibre_run(&work, &thread.context);
    failed(__LINE__, "serving must not return");
}

/* Begins its work or resumes it, until it switches back or has ended. */
static void begin_work(int (*function)(void *), void *argument)
{
    work.func = function;
    work.funcargs = argument;
    work.ret = -1;
    fibres[0].context = work.context;
    if (work.context == NULL)
        CHECK(enter(&fibres[0], serve) == 1);
    else
        leave_for(&fibres[0]);
}

static void resume_work(void)
{
    CHECK(work.ret == -1);
    leave_for(&fibres[0]);
}

static void forget_work(void)
{
    fibres[0].context = work.context;
    forget_all();
    memset(&work, 0, sizeof(work));
}

/* Rules: F2, F3 */
static void a_fibre_that_serves_works_again_and_again_with_and_without_leaving(void)
{
    for (int i = 0; i < 200; i++) {
        int leaves = i % 4, left = leaves, value = i;
        /* Only speed depends on this value. Sometimes it is false. */
        int truth = i % 7 != 0;

        work.resumed = !truth;
        begin_work(count_down_and_leave_at_each, &left);
        work.resumed = truth;
        for (; leaves > 0; leaves--) {
            CHECK(left == leaves);
            resume_work();
        }
        CHECK(left == 0 && work.ret == 1000 + i % 4);

        work.resumed = 0;
        begin_work(twice, &value);
        CHECK(work.ret == 2 * i && work.funcargs == &value);
    }
    forget_work();
}

static void change_modes(void)
{
    sigset_t set;

    fesetround(FE_DOWNWARD);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    leave_for(&thread);
    current->result = fegetround();
}

/* Rules: F4, F7, F13, F20 */
static void rounding_and_signal_mask_are_the_threads_or_with_swapcontext_the_fibres(void)
{
    int by_jumps = !by("swapcontext");
    sigset_t set;

    fesetround(FE_UPWARD);
    CHECK(enter(&fibres[0], change_modes) == 1);
    CHECK(fegetround() == (by_jumps ? FE_DOWNWARD : FE_UPWARD));
    sigprocmask(SIG_BLOCK, NULL, &set);
    CHECK(sigismember(&set, SIGUSR1) == by_jumps);
    fesetround(FE_TOWARDZERO);
    leave_for(&fibres[0]);
    CHECK(fibres[0].result == (by_jumps ? FE_TOWARDZERO : FE_DOWNWARD));
    fesetround(FE_TONEAREST);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    forget_all();
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *count)
{
    (void)context;
    return ++*(int *)count < 1000 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static int frames(void)
{
    int count = 0;
    /* The last frame gives _URC_END_OF_STACK. */
    _Unwind_Reason_Code ended = _Unwind_Backtrace(count_frame, &count);

    CHECK(ended == _URC_END_OF_STACK);
    return count;
}

static __attribute__((noinline)) int frames_from(int depth)
{
    volatile int below = depth > 0 ? frames_from(depth - 1) : frames();

    return below;
}

static void unwind(void)
{
    int first = frames_from(10);

    CHECK(first >= 12 && first < 24);
    leave_for(&thread);
    CHECK(frames_from(10) == first);
    CHECK(frames_from(11) == first + 1);
    current->result = 1;
}

/* Rules: F1 */
static void a_stack_trace_ends_at_the_entry_also_after_a_switch(void)
{
    /* What lies above the first frame must not look like the end. */
    memset(fibres[0].stack, 0x5a, STACK);
    fibres[0].result = 0;
    CHECK(enter(&fibres[0], unwind) == 1);
    leave_for(&fibres[0]);
    CHECK(fibres[0].result == 1);
    forget_all();
}

static int unwind_and_leave(void *first)
{
    int *expected = first, found = frames_from(10);

    CHECK(found >= 12 && found < 24);
    CHECK(*expected == 0 || *expected == found);
    *expected = found;
    leave_for(&thread);
    CHECK(frames_from(10) == found);
    current = &thread;
    return found;
}

/* Rules: F1 */
static void a_stack_trace_inside_the_work_of_a_fibre_that_serves_ends_at_its_entry(void)
{
    int found = 0;

    for (int i = 0; i < 3; i++) {
        work.resumed = 0;
        begin_work(unwind_and_leave, &found);
        work.resumed = 1;
        resume_work();
        CHECK(work.ret == found && found > 0);
    }
    forget_work();
}

#ifdef __ARM_FEATURE_BTI_DEFAULT
extern char __executable_start[], etext[];

/*
 * Makes the machine check landing pads in this program. The linker would do so if libc's own start
 * files had them.
 */
static void check_landing_pads(void)
{
    uintptr_t low = (uintptr_t)__executable_start & ~(uintptr_t)4095;

    if (mprotect((void *)low, (uintptr_t)etext - low, PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */) != 0) {
        perror("PROT_BTI");
        _exit(1);
    }
}
#else
static void check_landing_pads(void)
{
}
#endif

/* An indirect jump to an address without a landing pad. */
static int miss_landing_pad(void)
{
#ifdef __aarch64__
    __asm__ volatile("adr x9, 1f\n br x9\n nop\n 1: nop\n" : : : "x9");
#endif
    printf("landing pads are not checked\n");
    return 0;
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define ENTRY(NAME) {#NAME, NAME}
    ENTRY(the_way_is_the_one_that_was_compiled),
    ENTRY(a_stack_is_aligned_at_the_entry_and_lies_in_its_memory),
    ENTRY(every_register_survives_thousands_of_switches_in_any_order),
    ENTRY(a_return_by_a_jump_keeps_registers_and_returns_the_value),
    ENTRY(signals_at_any_moment_of_a_switch_change_nothing),
    ENTRY(deep_stacks_of_several_fibres_keep_what_is_on_them),
    ENTRY(a_fibre_can_be_entered_from_a_fibre),
    ENTRY(a_fibre_that_is_left_for_good_leaves_a_stack_that_can_be_entered_again),
    ENTRY(a_context_that_cannot_be_entered_is_reported_and_nothing_has_run),
    ENTRY(a_fibre_that_serves_works_again_and_again_with_and_without_leaving),
    ENTRY(a_stack_trace_inside_the_work_of_a_fibre_that_serves_ends_at_its_entry),
    ENTRY(rounding_and_signal_mask_are_the_threads_or_with_swapcontext_the_fibres),
    ENTRY(a_stack_trace_ends_at_the_entry_also_after_a_switch),
};

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    check_landing_pads();
    if (strcmp(argv[1], "miss-landing-pad") == 0)
        return miss_landing_pad();
    expected_way = argv[1];
    setvbuf(stdout, NULL, _IONBF, 0);
    make_fibres();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int before = failures;

        case_name = cases[i].name;
        cases[i].run();
        if (failures == before)
            printf("ok %s\n", case_name);
    }
    fflush(stdout);
    _exit(failures != 0); /* libc's code for the end of a program has no landing pads */
}
