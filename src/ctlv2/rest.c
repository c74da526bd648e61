/* ctlv2/rest.c -- requests to /v2/members and /v2/auth.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/rest.h"

#include <stdio.h>

#include "ctlv2/read_json.h"

bool rest_do(struct cluster *c, const char *method, const char *path, const struct buf *body,
             msec deadline, struct answer *ret_answer, struct trouble *t)
{
    const struct action a = {.method = method,
                             .path = path,
                             .content_type = body != NULL ? "application/json" : NULL,
                             .body = body};
    return v2_cluster_do(c, &a, deadline, ret_answer, t);
}

bool rest_fail_json(struct slice body, struct trouble *t)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    read_json_complain(body, &problem);
    return trouble_set(t, "%s", buf_cstr(&problem));
}

bool rest_fail(const struct answer *a, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(buf_slice(&a->body));
    AUTO(buf) struct buf message = BUF_INIT;
    if (!read_is_object(object) || !read_text(object, "message", &message))
        return rest_fail_json(buf_slice(&a->body), t);
    return trouble_set(t, "%s", buf_cstr(&message));
}

int print_name_list(struct slice body, const char *list, const char *field)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    AUTO(buf) struct buf out = BUF_INIT, name = BUF_INIT;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    const struct json_t *array = read_field(object, list);
    bool ok = read_is_object(object) && (array == NULL || read_is_array(array));
    for (size_t i = 0; ok && i < read_count(array); i++) {
        buf_clear(&name);
        ok = read_is_object(read_item(array, i)) && read_text(read_item(array, i), field, &name);
        buf_add_slice(&out, buf_slice(&name));
        buf_add_byte(&out, '\n');
    }
    if (!ok) {
        rest_fail_json(body, &t);
        return trouble_fail_plain(&t);
    }
    print_bytes(stdout, &out);
    return 0;
}
