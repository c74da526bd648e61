/* etcd/explain.c -- why the daemon does not start, or ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcd/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "sysd/journal.h"
#include "sysd/notify.h"

static const struct reason {
    enum err err;
    enum message message;
    int status;
    int number; /* the nearest errno */
} reasons[] = {
    {ERR_REMOVED, MSG_REMOVED_SELF, 0, 0},
    {ERR_FOREIGN_DATA, MSG_FOREIGN_DATA, EXIT_BAD_DATA, EMEDIUMTYPE},
    {ERR_NEWER_SCHEMA, MSG_CANNOT_START, EXIT_BAD_DATA, EMEDIUMTYPE},
    {ERR_DAMAGED, MSG_DATA_DAMAGED, EXIT_BAD_DATA, EUCLEAN},
    {ERR_DISK_FULL, MSG_CANNOT_START, EXIT_FAILED, ENOSPC},
    {ERR_LOCKED, MSG_CANNOT_START, EXIT_FAILED, EBUSY},
    {ERR_INVALID, MSG_CANNOT_START, EXIT_FAILED, EINVAL},
};

static const char damaged_action[] =
    "in a cluster, let this member join anew: 'etcdctl member remove', an empty data directory,"
    " 'etcdctl member add'; alone, restore a backup: 'etcdutl snapshot restore'";

/* Return why nothing can be made at `path`: an errno, or 0. */
static int unusable(const char *path)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, path);
    while (access(buf_cstr(&b), F_OK) != 0 && errno == ENOENT && memrchr(b.p, '/', b.n) != NULL)
        b.n = (size_t)((uint8_t *)memrchr(b.p, '/', b.n) - b.p); /* it would be made in there */
    if (b.n == 0)
        buf_add_str(&b, path[0] == '/' ? "/" : ".");
    return access(buf_cstr(&b), W_OK | X_OK) == 0 ? 0 : errno;
}

static struct reason reason_of(enum err e, const struct config *cfg)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].err == e)
            return reasons[i];
    /* Of all that fails while a file is opened, this is what an administrator can mend at once. */
    int number = unusable(cfg->data_dir);
    if (number == EROFS || number == EACCES || number == EPERM)
        return (struct reason){e, MSG_DATA_DIR_UNUSABLE, EXIT_FAILED, number};
    return (struct reason){e, MSG_CANNOT_START, EXIT_FAILED, EIO};
}

int explain_start_failure(const struct config *cfg, enum err e, const struct why *why)
{
    struct reason r = reason_of(e, cfg);
    if (e == ERR_DAMAGED)
        log_fatal("the member cannot start", LOG_MESSAGE(r.message), LOG_STR("error", why->text),
                  LOG_STR("data-dir", cfg->data_dir), LOG_STR("action", damaged_action));
    else
        log_fatal("the member cannot start", LOG_MESSAGE(r.message), LOG_STR("error", why->text),
                  LOG_STR("data-dir", cfg->data_dir));
    if (r.status == 0) { /* systemd takes an end before the service is ready for a failure */
        notify_ready(why->text);
        notify_stopping(why->text);
        return 0;
    }
    notify_status(why->text);
    notify_errno(r.number);
    return r.status;
}

int explain_listen_failure(const struct why *why)
{
    log_fatal("the member cannot start", LOG_MESSAGE(MSG_CANNOT_START),
              LOG_STR("error", why->text));
    notify_status(why->text);
    notify_errno(EADDRNOTAVAIL);
    return EXIT_FAILED;
}

int explain_config_error(const char *text, int status)
{
    if (journal_has_stderr()) {
        log_set_journal(journal_write, true);
        const char *outputs[] = {"default"};
        (void)log_set_outputs(outputs, 1, NULL);
        log_fatal("the configuration has a mistake", LOG_MESSAGE(MSG_CONFIG_ERROR),
                  LOG_STR("error", text));
    } else {
        fprintf(stderr, "%s\n", text);
    }
    if (!notify_is_wanted())
        return status;
    notify_status(text);
    notify_errno(EINVAL);
    return EXIT_CONFIG;
}
