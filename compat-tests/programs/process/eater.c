/* A library that takes some of the room for thread-locals of the kind whose place is known at once. */
static __thread char eaten[BYTES] __attribute__((tls_model("initial-exec")));

char *eat(void);

char *eat(void)
{
    return eaten;
}
