/*
 * Registers a stack with valgrind, without the library. A report about that is not about the
 * library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

int main(void)
{
    char *stack = malloc(65536);

    if (stack == NULL)
        return 1;
    VALGRIND_STACK_DEREGISTER(VALGRIND_STACK_REGISTER(stack, stack + 65536));
    free(stack);
    printf("end of main\n");
    return 0;
}
