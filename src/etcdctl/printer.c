/* etcdctl/printer.c -- an answer goes to its format.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/printer.h"

#include "etcdctl/printer_priv.h"

static const struct printer_format *const formats[] = {
    &printer_simple, &printer_fields, &printer_json, &printer_protobuf, &printer_table};

bool printer_init(struct printer *p, const char *format, bool hex, FILE *out, FILE *err)
{
    *p = (struct printer){.out = out, .err = err, .hex = hex};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i]->name, format) == 0)
            p->format = formats[i];
    }
    return p->format != NULL;
}

bool printer_is_simple(const struct printer *p)
{
    return p->format == &printer_simple;
}

bool printer_is_fields(const struct printer *p)
{
    return p->format == &printer_fields;
}

bool printer_is_json(const struct printer *p)
{
    return p->format == &printer_json;
}

int printer_unsupported(struct printer *p)
{
    fflush(p->out);
    fprintf(p->err, "Error: %s not supported as output format\n", p->format->name);
    return CLI_BAD_FEATURE;
}

#define X(answer, params, args)                                                                    \
    int print_##answer params                                                                      \
    {                                                                                              \
        return p->format->answer ? p->format->answer args : p->format->message(p, &r->base);       \
    }
PRINTER_ANSWERS(X)
#undef X

bool printer_op(struct printer *p, const Etcdserverpb__ResponseOp *op)
{
    switch (op->response_case) {
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE:
        return print_del(p, op->response_delete_range) == CLI_OK;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT:
        return print_put(p, op->response_put) == CLI_OK;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE:
        return print_get(p, op->response_range) == CLI_OK;
    case ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN:
        return print_txn(p, op->response_txn) == CLI_OK;
    default:
        return false;
    }
}

int print_endpoint_health(struct printer *p, const struct ep_health *v, size_t n)
{
    return p->format->endpoint_health ? p->format->endpoint_health(p, v, n)
                                      : printer_unsupported(p);
}

int print_endpoint_status(struct printer *p, const struct ep_answer *v, size_t n)
{
    return p->format->endpoint_status ? p->format->endpoint_status(p, v, n)
                                      : printer_unsupported(p);
}

int print_endpoint_hashkv(struct printer *p, const struct ep_answer *v, size_t n)
{
    return p->format->endpoint_hashkv ? p->format->endpoint_hashkv(p, v, n)
                                      : printer_unsupported(p);
}
