/* tests/unit/http/h2_far.h -- an HTTP/2 server whose frames are up to the test.
 *
 * It listens on a port of its own and is turned by the rig's loop. What comes is kept as a list of
 * frames; or connections are handed to the rig's server.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_H2_FAR_H
#define TESTS_UNIT_HTTP_H2_FAR_H

#include "unit/http/rig.h"

#define FRAMES_MAX 2048

struct frame {
    uint8_t type, flags;
    uint32_t id, code; /* `code`: the first four bytes of the payload */
    size_t n;
};

extern struct far {
    struct rig rig;
    int listen_fd, fd; /* -1: none */
    char port[8];
    bool serve; /* connections go to the rig's server */
    bool deaf;  /* nothing is read */
    struct buf in;
    bool magic; /* the client's first words came */
    struct frame frames[FRAMES_MAX];
    size_t frame_n, body_n;
    unsigned reads; /* those that found something */
} far;

/* Start, with the rig running. */
void far_start(void);
void far_listen(void);
void far_hang_up(void);
void far_stop(void); /* the rig, too */

void say(const void *p, size_t n);
void say_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n);
void say_code(uint8_t type, uint32_t id, uint32_t code);
void say_settings(void);
void say_streams_max(uint32_t n); /* and be sure that the client knows */
void say_goaway(uint32_t last, uint32_t code, const char *words);
void say_headers(uint32_t id, const char *status, bool end);
void say_data(uint32_t id, const char *text, bool end);

/* Append a field that is not indexed to a header block; both texts are short. */
void add_field(struct buf *b, const char *name, const char *value);

/* Return the last frame of its kind, or NULL. */
const struct frame *far_find(uint8_t type, uint32_t id);
/* Run until such a frame came; return it. */
const struct frame *hear(uint8_t type, uint32_t id);

#endif
