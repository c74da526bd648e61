/* api/check.c -- the checks of single requests; transactions have their own file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/check.h"

enum err check_range(const Etcdserverpb__RangeRequest *r)
{
    if (r->key.len == 0)
        return ERR_EMPTY_KEY;
    if ((unsigned)r->sort_order > ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND ||
        (unsigned)r->sort_target > ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE)
        return ERR_INVALID_SORT;
    return ERR_OK;
}

enum err check_range_stream(const Etcdserverpb__RangeRequest *r)
{
    enum err e = check_range(r);
    if (e != ERR_OK)
        return e;
    if (r->sort_target != ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY ||
        r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND)
        return ERR_STREAM_SORT;
    if (r->min_mod_revision != 0 || r->max_mod_revision != 0 || r->min_create_revision != 0 ||
        r->max_create_revision != 0)
        return ERR_STREAM_FILTER;
    return ERR_OK;
}

enum err check_put(const Etcdserverpb__PutRequest *r)
{
    if (r->key.len == 0)
        return ERR_EMPTY_KEY;
    if (r->ignore_value && r->value.len != 0)
        return ERR_VALUE_PROVIDED;
    if (r->ignore_lease && r->lease != 0)
        return ERR_LEASE_PROVIDED;
    return ERR_OK;
}

enum err check_delete_range(const Etcdserverpb__DeleteRangeRequest *r)
{
    return r->key.len == 0 ? ERR_EMPTY_KEY : ERR_OK;
}
