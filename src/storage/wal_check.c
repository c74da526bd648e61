/* storage/wal_check.c -- see wal_check.h.
 *
 * The file (sqlite.org/fileformat2.html#walformat), all numbers big-endian:
 *   header  magic | version | page size | sequence | salt, 8 bytes | sum, 8 bytes
 *   frame   page number | pages of the database if this commits, else 0 | salt | sum | the page
 * A sum goes on from that of the frame before; it is over the header, or the first 8 bytes of a frame and
 * its page. Its words are of the byte order that the last bit of the magic tells (1: big-endian).
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/wal_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    HEADER_SIZE = 32,
    FRAME_HEADER_SIZE = 24,
    PAGE_SIZE = 4096,
    FRAME_SIZE = FRAME_HEADER_SIZE + PAGE_SIZE,
    SALT_SIZE = 8,
};

static const uint32_t magic = 0x377f0682;

static uint32_t word(const uint8_t *p, bool is_big)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return is_big == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) ? v : __builtin_bswap32(v);
}

struct sum {
    uint32_t a, b;
};

static struct sum sum_stored(const uint8_t *p)
{
    return (struct sum){word(p, true), word(p + 4, true)};
}

static void sum_add(struct sum *s, const uint8_t *p, size_t n, bool is_big)
{
    for (const uint8_t *end = p + n; p < end; p += 8) {
        s->a += word(p, is_big) + s->b;
        s->b += word(p + 4, is_big) + s->a;
    }
}

static bool sum_is(struct sum s, const uint8_t *stored)
{
    return s.a == word(stored, true) && s.b == word(stored + 4, true);
}

/* What is known of the frames up to here. */
struct scan {
    uint8_t header[HEADER_SIZE];
    bool is_big;
    struct sum before; /* as the frame before has it */
    int64_t frames;
    int64_t broken; /* the first frame that is not sound; -1: none yet */
    bool commits;   /* the frame before is sound, behind the broken one, and a commit */
    bool is_damaged;
};

static bool header_is_sound(struct scan *sc)
{
    struct sum s = {0};
    uint32_t m = word(sc->header, true);
    sc->is_big = m & 1;
    sum_add(&s, sc->header, HEADER_SIZE - 8, sc->is_big);
    sc->before = s;
    return (m & ~1u) == magic && word(sc->header + 8, true) == PAGE_SIZE &&
           sum_is(s, sc->header + HEADER_SIZE - 8);
}

static void scan_frame(struct scan *sc, const uint8_t *frame)
{
    const uint8_t *salt = frame + 8, *stored = salt + SALT_SIZE;
    struct sum s = sc->before;
    sum_add(&s, frame, 8, sc->is_big);
    sum_add(&s, frame + FRAME_HEADER_SIZE, PAGE_SIZE, sc->is_big);
    bool is_sound = sum_is(s, stored) && memcmp(salt, sc->header + 16, SALT_SIZE) == 0;
    if (sc->broken == -1 && !is_sound)
        sc->broken = sc->frames;
    if (is_sound && sc->commits)
        sc->is_damaged = true;
    sc->commits = is_sound && sc->broken != -1 && word(frame + 4, true) != 0;
    sc->before = sum_stored(stored);
    sc->frames++;
}

/* Read up to `n` bytes; fewer at the end of the file; -1 with errno. */
static ssize_t read_full(int fd, uint8_t *p, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = read(fd, p + got, n - got);
        if (k == -1 && errno == EINTR)
            continue;
        if (k == -1)
            return -1;
        if (k == 0)
            break;
        got += (size_t)k;
    }
    return (ssize_t)got;
}

static enum err scan_file(int fd, const char *path, struct why *why)
{
    static const uint8_t zeros[HEADER_SIZE];
    struct scan sc = {.broken = -1};
    uint8_t frame[FRAME_SIZE];
    ssize_t n = read_full(fd, sc.header, HEADER_SIZE);
    if (n == HEADER_SIZE && memcmp(sc.header, zeros, HEADER_SIZE) != 0) {
        if (!header_is_sound(&sc))
            return why_set(why, ERR_DAMAGED, "'%s-wal' is damaged: its header is not sound", path);
        while (!sc.is_damaged && (n = read_full(fd, frame, FRAME_SIZE)) == FRAME_SIZE)
            scan_frame(&sc, frame);
    }
    if (n == -1)
        return why_set(why, ERR_IO, "read '%s-wal': %s", path, strerror(errno));
    if (sc.is_damaged)
        return why_set(why, ERR_DAMAGED,
                       "'%s-wal' is damaged: frame %lld is not sound, and others were committed behind it",
                       path, (long long)sc.broken + 1);
    return ERR_OK;
}

enum err wal_check(const char *path, struct why *why)
{
    char *wal = xasprintf("%s-wal", path);
    int fd = open(wal, O_RDONLY | O_CLOEXEC);
    enum err e = ERR_OK;
    if (fd != -1)
        e = scan_file(fd, path, why);
    else if (errno != ENOENT)
        e = why_set(why, ERR_IO, "open '%s': %s", wal, strerror(errno));
    if (fd != -1)
        close(fd);
    free(wal);
    return e;
}
