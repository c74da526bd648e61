/* ctlv2/rest.h -- requests to /v2/members and /v2/auth: JSON there and back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_REST_H
#define CTLV2_REST_H

#include "ctlv2/cluster.h"

/* Send `body` (NULL: none) to the path. */
MUST_USE bool rest_do(struct cluster *c, const char *method, const char *path,
                      const struct buf *body, msec deadline, struct answer *ret_answer,
                      struct trouble *t);
/* Set `t` to the message in a body that tells of an error. Return false. */
bool rest_fail(const struct answer *a, struct trouble *t);
/* Say that the body is no JSON, or not the right one. Return false. */
bool rest_fail_json(struct slice body, struct trouble *t);

/* Print the `field` of each object in the array `list`, one a line. Return the status to exit with.
 */
int print_name_list(struct slice body, const char *list, const char *field);

#endif
