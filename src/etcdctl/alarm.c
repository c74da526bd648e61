/* etcdctl/alarm.c -- etcdctl alarm list, alarm disarm.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "etcdctl/commands.h"
#include "etcdctl/session.h"

static int ask_for_all(struct session *s, struct cli_command *cmd)
{
    Etcdserverpb__AlarmRequest request = ETCDSERVERPB__ALARM_REQUEST__INIT;
    request.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET;
    return session_ask(s, cmd, &etcd_rpc_alarm, &request);
}

static int list_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "alarm list command accepts no arguments");
    AUTO(session) struct session s;
    int code = ask_for_all(&s, cmd);
    return code == CLI_OK ? print_alarm(&s.printer, s.answer) : code;
}

/* What is disarmed one by one, shown as one answer. */
struct disarmed {
    Etcdserverpb__AlarmResponse all;
    Etcdserverpb__AlarmResponse **answers;
    size_t n;
};

static int disarm(struct session *s, const Etcdserverpb__AlarmMember *m, struct disarmed *d)
{
    Etcdserverpb__AlarmRequest request = ETCDSERVERPB__ALARM_REQUEST__INIT;
    request.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE;
    request.memberid = m->memberid;
    request.alarm = m->alarm;
    Etcdserverpb__AlarmResponse *r;
    int code = session_call(s, &etcd_rpc_alarm, &request, (void **)&r);
    if (code != CLI_OK)
        return code;
    d->answers[d->n++] = r;
    Etcdserverpb__AlarmResponse *all = &d->all;
    all->alarms = xrealloc(all->alarms, (all->n_alarms + r->n_alarms + 1) * sizeof(*all->alarms));
    for (size_t i = 0; i < r->n_alarms; i++)
        all->alarms[all->n_alarms++] = r->alarms[i];
    return CLI_OK;
}

static int disarm_all(struct session *s, const Etcdserverpb__AlarmResponse *alarms)
{
    struct disarmed d = {.all = ETCDSERVERPB__ALARM_RESPONSE__INIT};
    d.answers = xcalloc(alarms->n_alarms + 1, sizeof(struct Etcdserverpb__AlarmResponse *));
    int code = CLI_OK;
    for (size_t i = 0; i < alarms->n_alarms && code == CLI_OK; i++)
        code = disarm(s, alarms->alarms[i], &d);
    if (code == CLI_OK)
        code = print_alarm(&s->printer, &d.all);
    for (size_t i = 0; i < d.n; i++)
        etcd_response_free(d.answers[i]);
    free(d.answers);
    free(d.all.alarms);
    return code;
}

static int disarm_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "alarm disarm command accepts no arguments");
    AUTO(session) struct session s;
    int code = ask_for_all(&s, cmd);
    return code == CLI_OK ? disarm_all(&s, s.answer) : code;
}

static struct cli_command cmd_disarm = {
    .use = "disarm", .summary = "Disarms all alarms", .run = disarm_run};
static struct cli_command cmd_list = {
    .use = "list", .summary = "Lists all alarms", .run = list_run};

struct cli_command cmd_alarm = {
    .use = "alarm <subcommand>",
    .summary = "Alarm related commands. Use `etcdctl alarm --help` to see subcommands",
    .details = "Alarm related commands",
    .group = GROUP_CLUSTER,
    .commands = (struct cli_command *const[]){&cmd_disarm, &cmd_list, NULL},
};
