/* Fuzz target: any text as a list of URLs, as members, as a duration. What is read prints as a text
 * that is read as the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "config/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_urls(const char *text)
{
    struct url_list l, again;
    struct why why;
    if (url_list_parse(text, true, &l, &why) != ERR_OK)
        return;
    AUTO(buf) struct buf b = BUF_INIT;
    url_list_format(&b, &l);
    enum err e = url_list_parse(buf_cstr(&b), true, &again, &why);
    invariant(e == ERR_OK && url_list_eq(&l, &again));
    if (url_list_check_bind(&l, &why) == ERR_OK)
        invariant(l.n > 0 && url_bind_host(&l.items[0]) != NULL);
    url_list_fini(&again);
    url_list_fini(&l);
}

static void check_members(const char *text)
{
    struct config_member *members;
    size_t n;
    struct why why;
    if (cluster_parse(text, &members, &n, &why) == ERR_OK)
        initial_cluster_free(members, n);
}

static void check_duration(const char *text)
{
    nsec span, again;
    if (!duration_parse(text, &span))
        return;
    AUTO(buf) struct buf b = BUF_INIT;
    duration_format(&b, span);
    invariant(duration_parse(buf_cstr(&b), &again) && again == span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup(size ? (const char *)data : "", size);
    check_urls(text);
    check_members(text);
    check_duration(text);
    free(text);
    return 0;
}
