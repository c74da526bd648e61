/* ctlv2/proxy.c -- see proxy.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

/* ---- addresses --------------------------------------------------------------------------- */

/* One of version 4 stands in the last four bytes, behind the prefix that maps it. */
struct ip {
    uint8_t bytes[16];
};

enum { V4_BITS = 96 }; /* where it begins */

static bool ip_is_v4(const struct ip *ip)
{
    static const uint8_t mapped[V4_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip->bytes, mapped, sizeof mapped) == 0;
}

static bool ip_read(const char *text, struct ip *ret)
{
    *ret = (struct ip){.bytes = {[10] = 0xff, [11] = 0xff}};
    return inet_pton(AF_INET, text, ret->bytes + V4_BITS / 8) == 1 ||
           inet_pton(AF_INET6, text, ret->bytes) == 1;
}

static bool ip_is_loopback(const struct ip *ip)
{
    static const struct ip six = {.bytes = {[15] = 1}};
    return ip_is_v4(ip) ? ip->bytes[V4_BITS / 8] == 127 : memcmp(ip, &six, sizeof six) == 0;
}

static bool ip_is_in(const struct ip *ip, const struct ip *net, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return ip_is_v4(ip) == ip_is_v4(net) && memcmp(ip->bytes, net->bytes, whole) == 0 &&
           (rest == 0 || (ip->bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0);
}

/* Take "10.0.0.0/8" apart, at its slash. */
static bool net_read(char *text, struct ip *ret_net, unsigned *ret_bits)
{
    char *slash = strchr(text, '/');
    if (slash == NULL)
        return false;
    const char *digits = slash + 1;
    size_t n = strlen(digits);
    *slash = '\0';
    bool is_net = ip_read(text, ret_net) && n >= 1 && n <= 3 && strspn(digits, "0123456789") == n;
    bool is_v4 = strchr(text, ':') == NULL;
    *slash = '/';
    *ret_bits = is_net ? (unsigned)strtoul(digits, NULL, 10) + (is_v4 ? V4_BITS : 0) : 0;
    return is_net && *ret_bits <= 128;
}

/* ---- NO_PROXY ---------------------------------------------------------------------------- */

struct server {
    const char *name, *port; /* the name in small letters */
    struct ip ip;
    bool has_ip;
};

static bool text_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool name_fits(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2) == 0)
        pattern++;
    if (pattern[0] == '.')
        return text_ends_with(name, pattern);
    size_t n = strlen(name), m = strlen(pattern);
    return text_ends_with(name, pattern) && (n == m || name[n - m - 1] == '.');
}

/* Cut the port of "host:port" off, and the brackets. An address of version 6 alone has none. */
static char *cut_port(char **host)
{
    char *colon = strrchr(*host, ':'), *end = *host + strlen(*host);
    bool bracket = (*host)[0] == '[';
    if (colon != NULL && (bracket ? colon[-1] == ']' : strchr(*host, ':') == colon))
        *colon++ = '\0';
    else
        colon = NULL;
    if (bracket && (*host)[strlen(*host) - 1] == ']') {
        (*host)[strlen(*host) - 1] = '\0';
        ++*host;
    }
    return colon != NULL ? colon : end;
}

/* `entry` is one of the list, and is taken apart. */
static bool entry_fits(char *entry, const struct server *s)
{
    struct ip ip;
    unsigned bits;
    if (entry[0] == '\0' || strcmp(entry, "*") == 0)
        return entry[0] != '\0';
    if (net_read(entry, &ip, &bits))
        return s->has_ip && ip_is_in(&s->ip, &ip, bits);
    const char *port = cut_port(&entry);
    if (entry[0] == '\0' || (port[0] != '\0' && strcmp(port, s->port) != 0))
        return false;
    if (ip_read(entry, &ip))
        return s->has_ip && memcmp(&ip, &s->ip, sizeof ip) == 0;
    return name_fits(entry, s->name);
}

static char *lower_case(const char *text, size_t n)
{
    char *s = xstrndup(text, n);
    for (char *p = s; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return s;
}

/* Return one entry without the spaces around it, in small letters. */
static char *entry_dup(const char *text, size_t n)
{
    while (n != 0 && isspace((unsigned char)text[n - 1]))
        n--;
    while (n != 0 && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    return lower_case(text, n);
}

bool proxy_is_passed_by(const char *list, const char *host, const char *port)
{
    char *name = lower_case(host, strlen(host));
    struct server s = {.name = name, .port = port};
    s.has_ip = ip_read(host, &s.ip);
    bool fits = strcmp(host, "localhost") == 0 || (s.has_ip && ip_is_loopback(&s.ip));
    while (!fits && *list != '\0') {
        size_t n = strcspn(list, ",");
        char *entry = entry_dup(list, n);
        fits = entry_fits(entry, &s);
        free(entry);
        list += n + (list[n] == ',');
    }
    free(name);
    return fits;
}

/* ---- the proxy --------------------------------------------------------------------------- */

static const char *variable(const char *name, const char *small)
{
    const char *text = getenv(name);
    if (text == NULL || text[0] == '\0')
        text = getenv(small);
    return text != NULL ? text : "";
}

/* "host:port" does without a scheme. What is no URL either way is none, to Go too. */
static void read_proxy(const char *text, struct uri *ret)
{
    static const char *const schemes[] = {"http", "https", "socks5", "socks5h"};
    struct why why;
    bool known = false;
    if (uri_parse(text, ret, &why) == ERR_OK)
        for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
            known = known || strcmp(ret->scheme, schemes[i]) == 0;
    if (known)
        return;
    char *url = xasprintf("http://%s", text);
    uri_fini(ret);
    if (uri_parse(url, ret, &why) != ERR_OK)
        uri_fini(ret);
    free(url);
}

static bool is_passed_by(const struct uri *u)
{
    char *host, *port;
    uri_address(u, &host, &port);
    bool yes = proxy_is_passed_by(variable("NO_PROXY", "no_proxy"), host, port);
    free(host);
    free(port);
    return yes;
}

bool proxy_find(const struct uri *u, struct uri *ret_proxy, struct trouble *t)
{
    bool http = strcmp(u->scheme, "http") == 0, https = strcmp(u->scheme, "https") == 0;
    const char *text = http    ? variable("HTTP_PROXY", "http_proxy")
                       : https ? variable("HTTPS_PROXY", "https_proxy")
                               : "";
    *ret_proxy = (struct uri){0};
    if (text[0] == '\0' || is_passed_by(u))
        return true;
    if (http && variable("REQUEST_METHOD", "REQUEST_METHOD")[0] != '\0')
        return trouble_set(t, "refusing to use HTTP_PROXY value in CGI environment; see "
                              "golang.org/s/cgihttpproxy");
    read_proxy(text, ret_proxy);
    if (ret_proxy->host == NULL || strcmp(ret_proxy->scheme, "http") == 0)
        return true;
    trouble_set(t, "a proxy of %s is not supported, only one of http", ret_proxy->scheme);
    uri_fini(ret_proxy);
    return false;
}
