/* ctlv2/trouble.c -- what went wrong with a request.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/trouble.h"

#include "ctlv2/command.h"

void trouble_fini(struct trouble *t)
{
    buf_fini(&t->text);
    buf_fini(&t->detail);
    *t = TROUBLE_INIT;
}

bool trouble_set(struct trouble *t, const char *fmt, ...)
{
    va_list ap;
    trouble_fini(t);
    va_start(ap, fmt);
    buf_vaddf(&t->text, fmt, ap);
    va_end(ap);
    return false;
}

void print_bytes(FILE *f, const struct buf *b)
{
    if (b->n != 0)
        fwrite(b->p, 1, b->n, f);
}

static void print_error(struct buf *b)
{
    fflush(stdout);
    print_bytes(stderr, b);
    fputc('\n', stderr);
}

int trouble_fail(struct trouble *t, int status)
{
    fflush(stdout);
    fputs("Error:  ", stderr);
    print_error(&t->text);
    if (t->kind == TROUBLE_CLUSTER)
        print_error(&t->detail);
    return status;
}

int trouble_fail_plain(struct trouble *t)
{
    print_error(&t->text);
    return EXIT_BAD_ARGS;
}

int fail_error(int status, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "Error:  %s\n", text);
    return status;
}

int fail_plain(const char *fmt, ...)
{
    AUTO(buf) struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    print_error(&text);
    return EXIT_BAD_ARGS;
}
