/* etcdctl/session.c -- from the global flags to a client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/err.h"
#include "cli/env.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "etcdctl/discovery.h"
#include "etcdctl/globals.h"
#include "etcdctl/os_error.h"
#include "etcdctl/settings_file.h"

/* What etcdctl takes from the environment and is no flag. */
static const char *const known_env[] = {"ETCDCTL_API", SETTINGS_FILE_VARIABLE,
                                        "ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END", NULL};

/* ---- configuration --------------------------------------------------------------------------- */

static int64_t to_ms(int64_t ns)
{
    int64_t ms = duration_ms(ns);
    return ms > 0 ? ms : 1;
}

static void debug_line(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "%s\n", text);
}

static void show_flags(struct cli_program *p)
{
    for (const struct cli_flag *f = p->root->persistent; f->name; f++) {
        AUTO(buf) struct buf b = BUF_INIT;
        env_add_name(&b, "ETCDCTL", f->name);
        buf_add_byte(&b, '=');
        flag_add_value(&b, f);
        fprintf(stderr, "%s\n", buf_cstr(&b));
    }
}

static char *trimmed(const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return xstrndup(s, n);
}

static int set_endpoints(struct session_config *c)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    if (*globals.discovery_srv) {
        if (!discovery_find(globals.discovery_srv, globals.discovery_srv_name,
                            globals.insecure_discovery, &c->endpoints, &c->n_endpoints, &problem))
            return cli_fail(CLI_ERROR, "%s", buf_cstr(&problem));
    }
    if (c->n_endpoints == 0) {
        free(c->endpoints);
        c->n_endpoints = globals.endpoints.n;
        c->endpoints = xcalloc(c->n_endpoints + 1, sizeof(*c->endpoints));
        for (size_t i = 0; i < c->n_endpoints; i++)
            c->endpoints[i] = trimmed(globals.endpoints.v[i]);
    }
    c->client.endpoints = (const char *const *)c->endpoints;
    c->client.n_endpoints = c->n_endpoints;
    return CLI_OK;
}

/* Said here in upstream's words; the client would say it in its own. */
static int check_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return CLI_OK;
    }
    char *why = os_error(errno);
    int code = cli_fail(CLI_BAD_ARGS, "open %s: %s", path, why);
    free(why);
    return code;
}

static int check_files(const struct etcd_client_config *c)
{
    int code = CLI_OK;
    if (c->cert_file && c->key_file) {
        code = check_file(c->cert_file);
        code = code == CLI_OK ? check_file(c->key_file) : code;
    }
    bool lone = !c->cert_file != !c->key_file; /* which is a mistake of another kind */
    return code == CLI_OK && c->ca_file && !lone ? check_file(c->ca_file) : code;
}

static int set_tls(struct session_config *c, struct cli_command *cmd)
{
    const struct {
        const char *name, *value, **to;
    } files[] = {{"cert", globals.cert, &c->client.cert_file},
                 {"key", globals.key, &c->client.key_file},
                 {"cacert", globals.cacert, &c->client.ca_file}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (*files[i].value)
            *files[i].to = files[i].value;
        else if (cli_changed(cmd, files[i].name))
            return cli_fail(CLI_BAD_ARGS, "empty string is passed to --%s option", files[i].name);
    }
    c->client.tls = !globals.insecure_transport;
    c->client.insecure_skip_verify = globals.insecure_skip_tls_verify;
    if (*globals.discovery_srv && !globals.insecure_discovery)
        c->client.server_name = globals.discovery_srv;
    return check_files(&c->client);
}

static int set_user(struct session_config *c)
{
    if (*globals.auth_jwt_token) {
        c->client.token = globals.auth_jwt_token;
        return CLI_OK;
    }
    if (!*globals.user)
        return CLI_OK;
    const char *colon = strchr(globals.user, ':');
    if (*globals.password) {
        c->user = xstrdup(globals.user);
        c->password = xstrdup(globals.password);
    } else if (colon) {
        c->user = xstrndup(globals.user, (size_t)(colon - globals.user));
        c->password = xstrdup(colon + 1);
    } else {
        c->user = xstrdup(globals.user);
        c->password = terminal_ask_secret("Password: ");
        if (!c->password)
            return cli_fail(CLI_ERROR, "failed during password entry: EOF");
    }
    c->client.user = c->user;
    c->client.password = c->password;
    return CLI_OK;
}

int session_config_init(struct session_config *c, struct cli_command *cmd)
{
    *c = (struct session_config){0};
    env_apply(cmd->program, "ETCDCTL", known_env);
    if (globals.debug) {
        show_flags(cmd->program);
        c->client.debug = debug_line;
    }
    c->client.dial_timeout_ms = to_ms(globals.dial_timeout);
    c->client.call_timeout_ms = to_ms(globals.command_timeout);
    c->client.keepalive_time_ms = to_ms(globals.keepalive_time);
    c->client.keepalive_timeout_ms = to_ms(globals.keepalive_timeout);
    c->client.send_max = globals.max_request_bytes > 0 ? (uint32_t)globals.max_request_bytes : 0;
    c->client.recv_max = globals.max_recv_bytes > 0 ? (uint32_t)globals.max_recv_bytes : 0;
    int code = set_endpoints(c);
    if (code == CLI_OK)
        code = set_tls(c, cmd);
    if (code == CLI_OK)
        code = set_user(c);
    struct printer p;
    if (code == CLI_OK && !printer_init(&p, globals.write_out, globals.hex, stdout, stderr))
        code = cli_fail(CLI_BAD_FEATURE, "unsupported output format");
    if (code != CLI_OK)
        session_config_fini(c);
    return code;
}

void session_config_fini(struct session_config *c)
{
    for (size_t i = 0; i < c->n_endpoints; i++)
        free(c->endpoints[i]);
    free(c->endpoints);
    free(c->user);
    if (c->password)
        explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    *c = (struct session_config){0};
}

/* ---- clients --------------------------------------------------------------------------------- */

struct etcd_client *session_dial(const struct session_config *c, const char *endpoint,
                                 int *ret_code)
{
    struct etcd_client_config one = c->client;
    struct etcd_error e;
    if (endpoint) {
        one.endpoints = &endpoint;
        one.n_endpoints = 1;
    }
    struct etcd_client *client = etcd_client_new(&one, &e);
    *ret_code = client ? CLI_OK : session_fail(CLI_BAD_ARGS, &e);
    return client;
}

static int open_session(struct session *s, struct cli_command *cmd, bool require_leader)
{
    *s = (struct session){0};
    struct session_config c;
    int code = session_config_init(&c, cmd);
    if (code != CLI_OK)
        return code;
    bool known = printer_init(&s->printer, globals.write_out, globals.hex, stdout, stderr);
    invariant(known);
    s->timeout_ms = c.client.call_timeout_ms;
    c.client.require_leader = require_leader;
    s->client = session_dial(&c, NULL, &code);
    session_config_fini(&c);
    return code;
}

int session_open(struct session *s, struct cli_command *cmd)
{
    return open_session(s, cmd, false);
}

int session_open_with_leader(struct session *s, struct cli_command *cmd)
{
    return open_session(s, cmd, true);
}

void session_close(struct session *s)
{
    etcd_response_free(s->answer);
    etcd_client_free(s->client);
    *s = (struct session){0};
}

int session_call(struct session *s, const struct etcd_method *m, const void *request,
                 void **ret_response)
{
    struct etcd_error e;
    *ret_response = NULL;
    if (globals.command_timeout < NSEC_MS)
        return cli_fail(CLI_ERROR, "context deadline exceeded"); /* none can be that quick */
    *ret_response = etcd_call(s->client, m, request, s->timeout_ms, &e);
    return *ret_response ? CLI_OK : session_fail(CLI_ERROR, &e);
}

int session_ask(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
                const void *request)
{
    int code = session_open(s, cmd);
    return code == CLI_OK ? session_call(s, m, request, &s->answer) : code;
}

int session_ask_patiently(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
                          const void *request)
{
    int code = session_open(s, cmd);
    s->timeout_ms = -1;
    return code == CLI_OK ? session_call(s, m, request, &s->answer) : code;
}

/* ---- errors ---------------------------------------------------------------------------------- */

bool session_user_is_wrong(const struct etcd_error *e)
{
    return *globals.user && strcmp(e->text, err_text(ERR_AUTH_FAILED)) == 0;
}

int session_fail(int code, const struct etcd_error *e)
{
    if (session_user_is_wrong(e))
        code = CLI_BAD_CONNECTION; /* upstream's client fails so before it is made */
    return cli_fail(code, "%s", e->text);
}
