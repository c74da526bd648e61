/* metrics/process.c -- the process_* families, from /proc/self.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics/metrics.h"

/* Seconds are counted in hundredths. */
static struct metric cpu_seconds =
    METRIC_INIT("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                METRIC_TYPE_COUNTER, .per = 100);
static struct metric start_time =
    METRIC_INIT("process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.", METRIC_TYPE_GAUGE,
                .per = 100);
static struct metric open_fds =
    METRIC_GAUGE("process_open_fds", "Number of open file descriptors.");
static struct metric max_fds =
    METRIC_GAUGE("process_max_fds", "Maximum number of open file descriptors.");
static struct metric resident_memory =
    METRIC_GAUGE("process_resident_memory_bytes", "Resident memory size in bytes.");
static struct metric virtual_memory =
    METRIC_GAUGE("process_virtual_memory_bytes", "Virtual memory size in bytes.");

static void collect_cpu(void)
{
    struct rusage ru;
    if (getrusage(RUSAGE_SELF, &ru) == -1)
        return;
    metric_set(&cpu_seconds, (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 100 +
                                 (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 10000);
}

static void collect_memory(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return;
    int64_t size, resident, page = sysconf(_SC_PAGESIZE);
    if (fscanf(f, "%" SCNd64 " %" SCNd64, &size, &resident) == 2) {
        metric_set(&virtual_memory, size * page);
        metric_set(&resident_memory, resident * page);
    }
    fclose(f);
}

static void collect_fds(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metric_set(&max_fds, (int64_t)limit.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    int64_t n = -3; /* ".", ".." and the descriptor of this very listing */
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    metric_set(&open_fds, n);
}

/* Field 22 of stat: clock ticks from the start of the machine. Field 2 may hold anything but its
 * closing bracket is the last one. */
static int64_t start_ticks(void)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    int64_t ticks = 0;
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p == NULL || sscanf(p, " %" SCNd64, &ticks) != 1)
        return 0;
    return ticks;
}

static int64_t hundredths(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 100 + ts.tv_nsec / 10000000;
}

static void collect(void *arg)
{
    (void)arg;
    collect_cpu();
    collect_memory();
    collect_fds();
}

void metrics_add_process(struct metrics *r)
{
    static struct metric *const families[] = {
        &cpu_seconds, &start_time, &open_fds, &max_fds, &resident_memory, &virtual_memory,
    };
    int64_t booted = hundredths(CLOCK_REALTIME) - hundredths(CLOCK_BOOTTIME);
    metric_set(&start_time, booted + start_ticks() * 100 / sysconf(_SC_CLK_TCK));
    metrics_add(r, families, ARRAY_LEN(families));
    metrics_add_collector(r, collect, NULL);
}
