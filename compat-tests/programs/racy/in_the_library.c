/*
 * Two threads have the library write to one variable. ThreadSanitizer must see what the library
 * does, and report it.
 */
#include <openssl/async.h>
#include <pthread.h>
#include <stddef.h>

static OSSL_ASYNC_STATS shared;

static void *ask(void *unused)
{
    OSSL_ASYNC_process_stats(&shared, sizeof(shared));
    return unused;
}

int main(void)
{
    pthread_t other;

    if (pthread_create(&other, NULL, ask, NULL) != 0)
        return 1;
    ask(NULL);
    pthread_join(other, NULL);
    return 0;
}
