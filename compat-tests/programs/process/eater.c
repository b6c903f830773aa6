/* A library that uses some of the space for thread-locals that are found without a call. */
static __thread char eaten[BYTES] __attribute__((tls_model("initial-exec")));

char *eat(void);

char *eat(void)
{
    return eaten;
}
