/* ctlv2/session.c -- the cluster that the options and the environment name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/quote.h"
#include "cli/terminal.h"
#include "ctlv2/members.h"
#include "discover/srv.h"
#include "loop/clock.h"

enum { DIAL_TIMEOUT_S = 30 };

static const char default_endpoints[] = "http://127.0.0.1:2379,http://127.0.0.1:4001";

/* ---- settings ---------------------------------------------------------------------------- */

const char *v2_session_setting(const struct context *c, const char *option, const char *variable)
{
    const char *text = option != NULL ? args_text(c->globals, option) : "";
    if (text[0] == '\0')
        text = getenv(variable);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *endpoints_setting(const struct context *c)
{
    const char *text = v2_session_setting(c, "endpoints", "ETCDCTL_ENDPOINTS");
    if (text == NULL)
        text = v2_session_setting(c, "endpoint", "ETCDCTL_ENDPOINT");
    if (text == NULL)
        text = v2_session_setting(c, "peers", "ETCDCTL_PEERS");
    return text != NULL ? text : default_endpoints;
}

static const char *domain_setting(const struct context *c)
{
    return v2_session_setting(c, "discovery-srv", "ETCDCTL_DISCOVERY_SRV");
}

static bool discovery_may_be_insecure(const struct context *c)
{
    return args_bool(c->globals, "insecure-discovery") ||
           v2_session_setting(c, NULL, "ETCDCTL_INSECURE_DISCOVERY") != NULL;
}

msec v2_session_deadline(const struct context *c)
{
    nsec span = args_number(c->globals, "total-timeout");
    return clock_now_ms() + (span > 0 ? span / NSEC_MS : 0);
}

/* ---- passwords --------------------------------------------------------------------------- */

static char *read_password(const char *prompt)
{
    AUTO(buf) struct buf line = BUF_INIT;
    fputs(prompt, stdout);
    fflush(stdout);
    terminal_read_line(stdin, &line);
    fputc('\n', stdout);
    if (line.n != 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n != 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return buf_take_cstr(&line);
}

char *v2_session_ask_password(const char *prompt)
{
    char *password = isatty(STDIN_FILENO) ? terminal_ask_secret(prompt) : read_password(prompt);
    return password != NULL ? password : xstrdup("");
}

void v2_session_split_user(const char *text, const char *prompt, char **ret_name,
                           char **ret_password)
{
    const char *colon = strchr(text, ':');
    *ret_name = colon != NULL ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
    *ret_password = colon != NULL ? xstrdup(colon + 1) : v2_session_ask_password(prompt);
}

/* ---- endpoints --------------------------------------------------------------------------- */

struct urls {
    char **at;
    size_t n;
};

static void urls_auto(struct urls *u)
{
    for (size_t i = 0; i < u->n; i++)
        free(u->at[i]);
    free(u->at);
}

static void urls_add(struct urls *u, char *url)
{
    u->at = xrealloc(u->at, (u->n + 1) * sizeof *u->at);
    u->at[u->n++] = url;
}

static void urls_add_list(struct urls *u, const char *list)
{
    for (const char *end; (end = strchr(list, ',')) != NULL; list = end + 1)
        urls_add(u, xstrndup(list, (size_t)(end - list)));
    urls_add(u, xstrdup(list));
}

/* Add the endpoints of --discovery-srv, if that is given. */
static bool urls_add_discovered(struct urls *u, const struct context *c, struct trouble *t)
{
    AUTO(buf) struct buf found = BUF_INIT;
    struct why why;
    const char *domain = domain_setting(c);
    const char *suffix = v2_session_setting(c, NULL, "ETCDCTL_DISCOVERY_SRV_NAME");
    if (domain == NULL)
        return true;
    if (srv_client_endpoints(domain, suffix != NULL ? suffix : "", &found, &why) != ERR_OK)
        return trouble_set(t, "%s", why.text);
    for (size_t i = 0; i < found.n; i += strlen((char *)found.p + i) + 1) {
        const char *url = (char *)found.p + i;
        if (discovery_may_be_insecure(c) || strncmp(url, "http://", 7) != 0)
            urls_add(u, xstrdup(url));
        else
            fprintf(stderr, "ignoring discovered insecure endpoint \"%s\"\n", url);
    }
    return true;
}

/* Give each a scheme, and the form that is printed. */
static bool urls_complete(struct urls *u, struct trouble *t)
{
    for (size_t i = 0; i < u->n; i++) {
        AUTO(buf) struct buf text = BUF_INIT;
        struct uri uri;
        struct why why;
        if (uri_parse(u->at[i], &uri, &why) != ERR_OK)
            return trouble_set(t, "%s", why.text);
        if (uri.scheme[0] == '\0') {
            free(uri.scheme);
            uri.scheme = xstrdup("http");
        }
        uri_format(&uri, &text);
        uri_fini(&uri);
        free(u->at[i]);
        u->at[i] = buf_take_cstr(&text);
    }
    return true;
}

static bool set_endpoints(const struct context *c, struct cluster *cluster, struct trouble *t)
{
    AUTO(urls) struct urls urls = {0};
    if (!urls_add_discovered(&urls, c, t))
        return false;
    if (urls.n == 0)
        urls_add_list(&urls, endpoints_setting(c));
    return urls_complete(&urls, t) && v2_cluster_set_endpoints(cluster, urls.at, urls.n, t);
}

/* ---- opening ----------------------------------------------------------------------------- */

static bool tls_files_fit(const struct tls_config *tls, struct trouble *t)
{
    if ((tls->cert_file == NULL) == (tls->key_file == NULL))
        return true;
    return trouble_set(t, "KeyFile and CertFile must both be present[key: %s, cert: %s]",
                       tls->key_file != NULL ? tls->key_file : "",
                       tls->cert_file != NULL ? tls->cert_file : "");
}

static msec connect_timeout(const struct context *c)
{
    nsec total = args_number(c->globals, "total-timeout");
    return total > 0 && total < DIAL_TIMEOUT_S * NSEC_S ? duration_ms(total)
                                                        : DIAL_TIMEOUT_S * 1000;
}

static struct tls_config tls_settings(const struct context *c)
{
    return (struct tls_config){.cert_file = v2_session_setting(c, "cert-file", "ETCDCTL_CERT_FILE"),
                               .key_file = v2_session_setting(c, "key-file", "ETCDCTL_KEY_FILE"),
                               .ca_file = v2_session_setting(c, "ca-file", "ETCDCTL_CA_FILE"),
                               .alpn = "http/1.1"};
}

static struct cluster *new_cluster(const struct context *c)
{
    nsec timeout = args_number(c->globals, "timeout");
    const struct cluster_config config = {
        .header_timeout_ms = timeout > 0 ? duration_ms(timeout) : 0,
        .connect_timeout_ms = connect_timeout(c),
        .debug = args_bool(c->globals, "debug"),
        .tls = tls_settings(c),
        .tls_name = discovery_may_be_insecure(c) ? NULL : domain_setting(c),
    };
    return v2_cluster_new(&config);
}

static bool file_can_be_read(const char *path, struct trouble *t)
{
    if (path == NULL)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd != -1) {
        close(fd);
        return true;
    }
    return trouble_set(t, "open %s: %s", path, errno_text(errno).text);
}

bool v2_session_check_tls(const struct context *c, struct trouble *t)
{
    struct tls_config tls = tls_settings(c);
    struct tls_context *context = NULL;
    struct why why;
    if (!tls_files_fit(&tls, t) || !file_can_be_read(tls.cert_file, t) ||
        !file_can_be_read(tls.key_file, t) || !file_can_be_read(tls.ca_file, t))
        return false;
    if (tls.cert_file == NULL && tls.ca_file == NULL)
        return true;
    enum err e = tls_context_new(&tls, &context, &why);
    tls_context_free(context);
    return e == ERR_OK || trouble_set(t, "%s", why.text);
}

bool v2_session_open_unsynced(const struct context *c, struct cluster **ret_cluster,
                              struct trouble *t)
{
    AUTO(cluster) struct cluster *cluster = new_cluster(c);
    char *name = NULL, *password = NULL;
    if (!set_endpoints(c, cluster, t) || !v2_session_check_tls(c, t))
        return false;
    const char *user = v2_session_setting(c, "username", "ETCDCTL_USERNAME");
    if (user != NULL) {
        v2_session_split_user(user, "Password: ", &name, &password);
        v2_cluster_set_credentials(cluster, name, password);
        free(name);
        free(password);
    }
    *ret_cluster = cluster;
    cluster = NULL;
    return true;
}

/* ---- learning the endpoints -------------------------------------------------------------- */

static bool sync_endpoints(struct cluster *cluster, msec deadline, struct trouble *t)
{
    AUTO(members) struct members m = {0};
    AUTO(urls) struct urls urls = {0};
    if (!members_list(cluster, deadline, &m, t))
        return false;
    for (size_t i = 0; i < m.n; i++) {
        for (size_t k = 0; k < m.at[i].client_urls.n; k++)
            urls_add(&urls, xstrdup(m.at[i].client_urls.at[k]));
    }
    if (urls.n != 0 && urls.n <= ENDPOINTS_MAX &&
        v2_cluster_has_endpoints(cluster, urls.at, urls.n))
        return true;
    return v2_cluster_set_endpoints(cluster, urls.at, urls.n, t);
}

static void print_debug(const struct cluster *cluster, const char *before, const char *separator,
                        const char *after)
{
    AUTO(buf) struct buf text = BUF_INIT;
    v2_cluster_format_endpoints(cluster, separator, &text);
    fprintf(stderr, "%s%s%s\n", before, buf_cstr(&text), after);
}

/* Return 0 if it is all right to go on, which it is also when what came was no member list. */
static int sync_cluster(const struct context *c, struct cluster *cluster)
{
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    if (sync_endpoints(cluster, v2_session_deadline(c), &t))
        return 0;
    if (t.kind == TROUBLE_NO_ENDPOINTS) {
        fprintf(stderr, "etcd cluster has no published client endpoints.\n");
        print_debug(cluster,
                    "Try '--no-sync' if you want to access non-published client endpoints(", ",",
                    ").");
        return trouble_fail(&t, EXIT_SERVER);
    }
    return t.connection ? trouble_fail(&t, EXIT_BAD_CONNECTION) : 0;
}

void v2_session_print_endpoints(const struct context *c, const struct cluster *cluster)
{
    if (args_bool(c->globals, "debug"))
        print_debug(cluster, "Cluster-Endpoints: ", ", ", "");
}

int v2_session_open(const struct context *c, struct cluster **ret_cluster)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    bool debug = args_bool(c->globals, "debug");
    if (!v2_session_open_unsynced(c, &cluster, &t))
        return trouble_fail_plain(&t);
    if (!args_bool(c->globals, "no-sync")) {
        if (debug)
            print_debug(cluster, "start to sync cluster using endpoints(", ",", ")");
        int status = sync_cluster(c, cluster);
        if (status != 0)
            return status;
        if (debug)
            print_debug(cluster, "got endpoints(", ",", ") after sync");
    }
    v2_session_print_endpoints(c, cluster);
    *ret_cluster = cluster;
    cluster = NULL;
    return 0;
}

int v2_session_open_for(const struct context *c, int argc, const char *usage,
                        struct cluster **ret_cluster)
{
    return c->argc == argc ? v2_session_open(c, ret_cluster) : fail_plain("%s", usage);
}
