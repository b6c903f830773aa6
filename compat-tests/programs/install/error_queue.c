/*
 * A program without OpenSSL that uses the error queue: it prints the text of the error that a
 * refused call leaves.
 */
#include <stdio.h>

#include <openssl/async.h>
#include <openssl/err.h>

int main(void)
{
    char text[256];

    ASYNC_start_job(NULL, NULL, NULL, NULL, 0);
    ERR_load_ASYNC_strings();
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    puts(text);
    return 0;
}
