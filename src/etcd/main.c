/* etcd/main.c -- the daemon: read the configuration, build the member and what serves it, wait for the end.
 *
 * The main thread is the control thread: once the others run it only waits for a signal, or for the
 * member to say that it is ready or cannot go on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stdio.h"
#include "config/config.h"
#include "etcd/default_host.h"
#include "etcd/explain.h"
#include "etcd/reload.h"
#include "etcd/sockets.h"
#include "etcd/supervise.h"
#include "server/server.h"
#include "sysd/journal.h"
#include "sysd/notify.h"

enum {
    DRAIN_MS = 1000, /* connections may finish what they have begun; a watch never does */
    STOP_S = 30,     /* for one step of stopping */
};

extern char **environ;

/* What the member says; read by the control thread after the eventfd woke it. */
struct control {
    int signals; /* signalfd */
    int wake;    /* eventfd */
    bool outlives_terminal; /* it was started with SIGHUP ignored, as nohup(1) does */
    _Atomic bool failed;
    _Atomic int status;
    struct supervision supervision;
    struct configs configs;
    struct sockets sockets;
};

static void wake(struct control *c)
{
    uint64_t one = 1;
    ssize_t n = write(c->wake, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

static void on_ready(void *arg)
{
    struct control *c = arg;
    c->supervision.joined = true;
    wake(c);
}

static void on_fatal(void *arg, int status, const char *text)
{
    struct control *c = arg;
    notify_status(text); /* the member has logged it */
    if (status != 0)
        notify_errno(EIO);
    c->status = status;
    c->failed = true;
    wake(c);
}

static enum err on_peer_sockets(void *arg, struct listen_sockets *ret, struct why *why)
{
    struct control *c = arg;
    enum err e = sockets_open_peers(&c->sockets, why);
    if (e == ERR_OK)
        *ret = sockets_of(&c->sockets, PASSED_PEER);
    return e;
}

static void on_progress(void *arg, const char *doing, uint64_t done)
{
    struct control *c = arg;
    supervise_progress(&c->supervision, doing, done);
}

/* ---- before anything runs ------------------------------------------------------------------- */

static void print_version(void)
{
    struct utsname u;
    bool known = uname(&u) == 0;
    bool amd64 = known && strcmp(u.machine, "x86_64") == 0;
    bool arm64 = known && strcmp(u.machine, "aarch64") == 0;
    printf("etcd Version: %s\nGit SHA: none\nGo Version: none, C (%s)\nGo OS/Arch: linux/%s\n"
           "Package Version: %s\n",
           ETCD_API_VERSION, __VERSION__,
           amd64 ? "amd64" : arm64 ? "arm64" : known ? u.machine : "unknown", PACKAGE_VERSION);
}

static int print_buf(FILE *f, void (*add)(struct buf *b), int status)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add(&b);
    fputs(buf_cstr(&b), f);
    return status;
}

/* Return the exit status for everything but CONFIG_RUN. */
static int say_outcome(enum config_result result, const struct config_outcome *out)
{
    int status;
    switch (result) {
    case CONFIG_PRINT_VERSION:
        print_version();
        return 0;
    case CONFIG_PRINT_HELP:
        return print_buf(stdout, config_add_help, 0);
    case CONFIG_CHECKED_OK:
        if (!journal_has_stderr()) /* a unit that checks before it reloads does not want it in the journal */
            fputs(out->report, stdout);
        return 0;
    case CONFIG_USAGE_ERROR:
        status = explain_config_error(out->error, out->exit_code);
        return journal_has_stderr() ? status : print_buf(stderr, config_add_usage, status);
    default:
        return explain_config_error(out->error, out->exit_code);
    }
}

static enum err start_log(const struct config *cfg, const struct config_outcome *out,
                          struct why *why)
{
    log_set_level(cfg->log_level_value);
    bool for_people = !cfg->log_format_is_given && isatty(STDERR_FILENO);
    log_set_format(cfg->log_json && !for_people ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    if (journal_is_there())
        log_set_journal(journal_write, journal_has_stderr());
    journal_set_member(cfg->name, 0, 0);
    enum err e = log_set_outputs((const char *const *)cfg->log_outputs.items, cfg->log_outputs.n,
                                 why);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < out->n_notes; i++)
        LOG_AT(out->notes[i].level, out->notes[i].text, LOG_MESSAGE(out->notes[i].message));
    log_info("starting etcd", LOG_MESSAGE(MSG_STARTING),
             LOG_STR("etcd-version", ETCD_API_VERSION), LOG_STR("package-version", PACKAGE_VERSION),
             LOG_STR("name", cfg->name), LOG_STR("data-dir", cfg->data_dir),
             LOG_INT("pid", getpid()));
    return ERR_OK;
}

static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_warn("the limit of open files cannot be raised", LOG_STR("error", strerror(errno)));
}

/* As PID 1, where nobody would see the signal, end with 0; else by the signal that came. Also called by
 * a signal. */
static void end_by(int sig)
{
    sigset_t set;
    if (getpid() == 1)
        _exit(0);
    sigemptyset(&set);
    sigaddset(&set, sig);
    signal(sig, SIG_DFL);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static sigset_t end_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

/* SIGHUP waits from the first moment on: whoever rotates logs may send it while we start. */
static void block_hangup(void)
{
    sigset_t hup;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hup, NULL);
}

/* Until the member runs, which may take long, SIGTERM and SIGINT end the process at once: that is as safe as
 * a crash. From then on they are read from c->signals, as SIGHUP is. */
static enum err start_signals(struct control *c, struct why *why)
{
    sigset_t set = end_signals();
    sigaddset(&set, SIGHUP);
    c->outlives_terminal = signal(SIGHUP, SIG_DFL) == SIG_IGN;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, end_by);
    signal(SIGINT, end_by);
    c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->signals == -1 || c->wake == -1)
        return why_set(why, ERR_IO, "signalfd or eventfd: %s", strerror(errno));
    return ERR_OK;
}

/* ---- running -------------------------------------------------------------------------------- */

/* Return the signal that came, or 0. Nobody sends the one that a vanished terminal does. */
static int signal_take(struct control *c)
{
    struct signalfd_siginfo info;
    if (read(c->signals, &info, sizeof info) != sizeof info)
        return 0;
    if (info.ssi_signo == SIGHUP && info.ssi_code == SI_KERNEL)
        return c->outlives_terminal ? 0 : SIGTERM;
    return (int)info.ssi_signo;
}

static void reload(struct control *c)
{
    struct supervision *v = &c->supervision;
    if (v->ready_said)
        notify_reloading("reading the configuration again");
    configs_reload(&c->configs, v->server, v->api);
    if (v->ready_said)
        notify_ready(v->status);
}

/* Run until the member has failed, or a signal ends it: its number, else 0. */
static int control_run(struct control *c)
{
    while (!c->failed) {
        struct pollfd fds[] = {{.fd = c->signals, .events = POLLIN},
                               {.fd = c->wake, .events = POLLIN}};
        uint64_t count;
        if (poll(fds, ARRAY_LEN(fds), supervise_run(&c->supervision)) == -1 && errno != EINTR)
            return SIGTERM;
        int sig = signal_take(c);
        if (sig == SIGHUP)
            reload(c);
        else if (sig != 0)
            return sig;
        if (read(c->wake, &count, sizeof count) == -1 && errno != EAGAIN)
            return SIGTERM;
    }
    return 0;
}

/* Serve until the end; return the signal that ended it, or 0 when the member failed. */
static int serve(struct control *c, const struct config *cfg, struct server *s)
{
    struct why why = {""};
    struct api *api = NULL;
    struct api_sockets listen = sockets_for_api(&c->sockets);
    int sig = 0;
    if (api_start(cfg, s, &listen, &api, &why) != ERR_OK) {
        log_fatal("clients cannot be served", LOG_MESSAGE(MSG_CANNOT_START),
                  LOG_STR("error", why.text));
        c->status = EXIT_FAILED;
        c->failed = true;
    } else {
        supervise_begin(&c->supervision, s, api, &c->sockets, (msec)cfg->heartbeat_interval_ms);
        sig = control_run(c);
    }
    if (sig != 0)
        log_info("received signal; shutting down", LOG_MESSAGE(MSG_STOPPING),
                 LOG_STR("signal", strsignal(sig)));
    if (sig == 0 && c->status == 0 && !c->supervision.ready_said)
        notify_ready("ended"); /* by itself, and in order: a restart would not help */
    if (sig != 0 || c->status == 0)
        notify_stopping("shutting down");
    notify_extend(STOP_S);
    if (!c->failed)
        server_hand_over(s);
    if (api != NULL && !c->failed)
        api_drain(api, DRAIN_MS);
    notify_extend(STOP_S);
    server_stop(s);
    if (api != NULL)
        api_stop(api);
    server_free(s);
    api_free(api);
    return sig;
}

static int run_member(struct control *c, const struct config *cfg)
{
    struct why why = {""};
    struct server *s = NULL;
    struct server_events events = {.ready = on_ready,
                                   .fatal = on_fatal,
                                   .arg = c,
                                   .progress = on_progress,
                                   .peer_sockets = on_peer_sockets};
    notify_status("opening the data directory");
    enum err e = server_start(cfg, &events, &s, &why);
    const sigset_t end = end_signals();
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    if (e != ERR_OK)
        return explain_start_failure(cfg, e, &why);
    journal_set_member(NULL, server_member_id(s), server_cluster_id(s));
    int sig = serve(c, cfg, s);
    log_info("closed etcd server", LOG_STR("name", cfg->name));
    if (sig != 0)
        end_by(sig);
    return c->status;
}

static int run_configured(struct control *c, const struct config *cfg,
                          const struct config_outcome *out)
{
    struct why why = {""};
    enum err e = start_log(cfg, out, &why);
    if (e == ERR_OK)
        e = start_signals(c, &why);
    if (e != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        return EXIT_FAILED;
    }
    raise_file_limit();
    e = sockets_open(&c->sockets, cfg, &why);
    return e == ERR_OK ? run_member(c, cfg) : explain_listen_failure(&why);
}

/* Takes `cfg`. */
static int run(const struct config_input *in, struct config *cfg, const struct config_outcome *out)
{
    struct control c = {.signals = -1, .wake = -1};
    configs_init(&c.configs, in, cfg, out);
    int status = run_configured(&c, cfg, out);
    sockets_fini(&c.sockets);
    configs_fini(&c.configs);
    if (c.signals != -1)
        close(c.signals);
    if (c.wake != -1)
        close(c.wake);
    return status;
}

int main(int argc, char **argv)
{
    block_hangup();
    stdio_open();
    /* Small free blocks are merged at once: merged by the million later, they stall a put for tens of
     * milliseconds. */
    mallopt(M_MXFAST, 0);
    /* Buffers of large answers go back to the system when they are sent; the rest of the heap keeps a little. */
    mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 8 * 1024 * 1024);
    struct config *cfg = NULL;
    struct config_outcome out = {0};
    struct config_input in = {
        .argc = argc, .argv = argv, .envp = environ, .default_host = default_host};
    enum config_result result = config_load(&in, &cfg, &out);
    int status = result == CONFIG_RUN ? run(&in, cfg, &out) : say_outcome(result, &out);
    config_outcome_fini(&out);
    return status;
}
