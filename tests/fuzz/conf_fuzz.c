/* Fuzz target: any bytes as an etcd.conf.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "config/envfile.h"
#include "config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err on_variable(void *arg, const char *name, const char *value, int line)
{
    const struct option_alias *alias;
    struct why why;
    const struct option *o = option_find_env(slice_str(name), &alias);
    invariant(*name != '\0' && line > 0);
    if (o && option_check(o, value, &why) != ERR_OK)
        ++*(size_t *)arg;
    return ERR_OK;
}

static void on_oddity(void *arg, enum envfile_oddity what, int line)
{
    (void)arg;
    (void)what;
    invariant(line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t refused = 0;
    struct why why;
    const struct envfile_handler h = {&refused, on_variable, on_oddity};
    enum err e = envfile_parse(slice_make(data, size), &h, &why);
    invariant(e == ERR_OK || e == ERR_MALFORMED);
    return 0;
}
