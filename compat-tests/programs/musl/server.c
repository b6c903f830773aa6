/*
 * A program of the stand-in for libssl (libssl.c). It prints what it sees: whether there are jobs,
 * what each call wants, the result, and how often the libcrypto without jobs was called.
 */
#include <stdio.h>

struct connection {
    void *job;
    void *ctx;
};

int standin_is_capable(void);
int standin_read(struct connection *connection, int *result);
void standin_free(struct connection *connection);
extern int null_libcrypto_calls;

int main(void)
{
    static const char *const wants[] = {"done", "async", "async job", "failed"};
    struct connection connection = {NULL, NULL};
    int result = 0, want, calls = 0;

    printf("capable %d\n", standin_is_capable());
    do {
        want = standin_read(&connection, &result);
        printf("%s\n", wants[want]);
    } while (want == 1 && ++calls < 5);
    printf("result %d\n", result);
    standin_free(&connection);
    printf("calls of libcrypto %d\n", null_libcrypto_calls);
    return 0;
}
