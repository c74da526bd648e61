/* etcdctl/resident.c -- see resident.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/resident.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/quote.h"
#include "ctlv2/cluster.h"
#include "etcdctl/globals.h"

static const char metric[] = "process_resident_memory_bytes";

/* Find the line of the metric and read its number. 0: printed. */
static double find(const char *text)
{
    const char *line = text;
    while (line && strncmp(line, metric, strlen(metric)) != 0) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line) {
        printf("could not find: %s\n", metric);
        return 0;
    }
    line += strlen(metric);
    line += strspn(line, " \t");
    char *number = xstrndup(line, strcspn(line, " \t\r\n"));
    AUTO(buf) struct buf problem = BUF_INIT;
    double bytes = 0;
    if (!number_parse_float(number, &bytes, &problem))
        printf("parse error: %s\n", buf_cstr(&problem));
    free(number);
    return bytes;
}

static char *metrics_url(const char *endpoint)
{
    bool has_scheme = strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0;
    return xasprintf("%s%s/metrics", has_scheme ? "" : "http://", endpoint);
}

double resident_bytes(const struct session_config *config)
{
    struct cluster_config plain = {
        .connect_timeout_ms = config->client.dial_timeout_ms,
        .tls = {.cert_file = config->client.cert_file,
                .key_file = config->client.key_file,
                .ca_file = config->client.ca_file,
                .skip_verify = config->client.insecure_skip_verify,
                .alpn = "http/1.1"},
        .tls_name = config->client.server_name,
    };
    AUTO(cluster) struct cluster *cluster = v2_cluster_new(&plain);
    AUTO(answer) struct answer answer = {0};
    AUTO(trouble) struct trouble trouble = TROUBLE_INIT;
    char *url = metrics_url(config->endpoints[0]);
    bool there = v2_cluster_get_url(cluster, url, &answer, &trouble);
    free(url);
    if (!there) {
        printf("fetch error: %s\n", buf_cstr(&trouble.text));
        return 0;
    }
    return find(buf_cstr(&answer.body));
}
