/* Fuzz target: any bytes as a YAML file, laid over the defaults and checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    if (!path[0])
        snprintf(path, sizeof(path), "/tmp/yaml_fuzz.%ld", (long)getpid());
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        return 0;
    char *argv[] = {(char[]){"etcd"}, (char[]){"--config-file"}, path, NULL};
    struct config_input in = {.argc = 3, .argv = argv, .env_file_default = ""};
    struct config *c = NULL;
    struct config_outcome out;
    enum config_result r = config_load(&in, &c, &out);
    invariant((r == CONFIG_RUN) == (c != NULL));
    invariant((r == CONFIG_ERROR) == (out.error[0] != '\0'));
    config_free(c);
    config_outcome_fini(&out);
    unlink(path);
    return 0;
}
