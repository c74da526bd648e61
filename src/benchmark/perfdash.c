/* benchmark/perfdash.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/perfdash.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Make the folder and those above it. */
static bool make_folders(const char *path)
{
    char *part = xstrdup(path);
    bool good = true;
    for (char *p = part + 1; good; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        good = mkdir(part, 0755) == 0 || errno == EEXIST;
        if (end == '\0')
            break;
        *p = end;
    }
    free(part);
    return good;
}

static bool write_file(const char *path, struct slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd == -1)
        return false;
    bool good = write(fd, text.p, text.n) == (ssize_t)text.n;
    return close(fd) == 0 && good;
}

/* Milliseconds, to four places. */
static void add_ms(struct buf *b, const char *name, double s, const char *end)
{
    buf_addf(b, "        \"%s\": ", name);
    report_add_shortest(b, round(s * 1000 * 10000) / 10000);
    buf_addf(b, "%s\n", end);
}

static void add_json(struct buf *b, const struct report *r)
{
    double at_s[REPORT_PERCENTS];
    report_percentiles(&r->samples, at_s);
    buf_add_str(b, "{\n  \"version\": \"v1\",\n  \"dataItems\": [\n    {\n      \"data\": {\n");
    add_ms(b, "Perc50", at_s[2], ",");
    add_ms(b, "Perc90", at_s[4], ",");
    add_ms(b, "Perc99", at_s[6], "");
    buf_add_str(b, "      },\n      \"labels\": {\n        \"Operation\": \"");
    for (const char *p = r->op; *p; p++)
        buf_add_byte(b, (uint8_t)toupper((unsigned char)*p));
    buf_add_str(b, "\"\n      },\n      \"unit\": \"ms\"\n    }\n  ]\n}");
}

void perfdash_write(const struct report *r)
{
    AUTO(buf) struct buf json = BUF_INIT, path = BUF_INIT;
    const char *folder = getenv("ARTIFACTS");
    if (folder == NULL || *folder == '\0')
        folder = "_artifacts";
    char when[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    add_json(&json, r);
    buf_addf(&path, "%s/EtcdAPI_benchmark_%s_%s.json", folder, r->op, when);
    if (!make_folders(folder))
        printf("Error creating artifacts directory: mkdir %s: %s\n", folder, strerror(errno));
    else if (!write_file(buf_cstr(&path), buf_slice(&json)))
        printf("Error writing to file: open %s: %s\n", buf_cstr(&path), strerror(errno));
    else
        printf("Successfully created a JSON perf report at %s\n", buf_cstr(&path));
}
