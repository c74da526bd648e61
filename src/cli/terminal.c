/* cli/terminal.c -- prompts, lines, progress.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    PROGRESS_EVERY_MS = 100,
};

bool terminal_read_line(FILE *in, struct buf *line)
{
    size_t start = line->n;
    for (int c; (c = getc(in)) != EOF;) {
        if (line->n - start >= TERMINAL_LINE_MAX)
            return false;
        buf_add_byte(line, (uint8_t)c);
        if (c == '\n')
            return true;
    }
    return line->n > start;
}

bool terminal_read_all(int fd, struct buf *b)
{
    enum { PIECE = 64 * 1024 };
    size_t start = b->n;
    for (;;) {
        ssize_t n = read(fd, buf_reserve(b, PIECE), PIECE);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || b->n - start > TERMINAL_INPUT_MAX)
            return false;
        b->n += (size_t)n;
    }
}

/* ---- secrets ------------------------------------------------------------------------------- */

/* What the terminal was like before its echo went; for the handler. */
static struct termios loud;

static void on_signal(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &loud);
    raise(number); /* its action is the default again: SA_RESETHAND */
}

static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
static struct sigaction before[sizeof fatal / sizeof *fatal];

/* Whatever ends the program before echo_on() gives the echo back. False: it is no terminal. */
static bool echo_off(void)
{
    if (tcgetattr(STDIN_FILENO, &loud) != 0)
        return false;
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
        sigaction(fatal[i], &sa, &before[i]);
    struct termios quiet = loud;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
    return true;
}

static void echo_on(void)
{
    tcsetattr(STDIN_FILENO, TCSADRAIN, &loud);
    for (size_t i = 0; i < ARRAY_LEN(fatal); i++)
        sigaction(fatal[i], &before[i], NULL);
}

/* One byte after the other, so that nothing behind the line is taken. Blanks around it are not part
 * of it. */
static char *read_secret(void)
{
    AUTO(buf) struct buf line = BUF_INIT;
    uint8_t c;
    ssize_t n;
    while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (line.n >= TERMINAL_LINE_MAX)
            return NULL;
        if (line.n > 0 || !isspace(c))
            buf_add_byte(&line, c);
    }
    if (n != 1 && line.n == 0)
        return NULL;
    while (line.n && isspace(line.p[line.n - 1]))
        line.n--;
    return buf_take_cstr(&line);
}

char *terminal_ask_secret(const char *prompt)
{
    bool quiet = echo_off(); /* before the prompt: who answers at once is not seen either */
    fputs(prompt, stdout);
    fflush(stdout);
    char *secret = read_secret();
    if (quiet)
        echo_on();
    if (secret)
        fputc('\n', stdout);
    return secret;
}

/* ---- progress ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_init(struct progress *p)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

void progress_show(struct progress *p, const char *fmt, ...)
{
    if (!p->terminal || now_ms() < p->next_ms)
        return;
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "\r\033[K");
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    fwrite(b.p, 1, b.n, stderr);
    p->next_ms = now_ms() + PROGRESS_EVERY_MS;
    p->shown = true;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
