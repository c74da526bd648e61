/* config/reload.h -- the configuration read again while the program runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_RELOAD_H
#define CONFIG_RELOAD_H

#include "config/config.h"

/* One option whose value is another one now. The texts are lent; what is secret reads "(secret)". */
struct config_difference {
    const char *option;
    const char *before, *after;
    bool at_once; /* it is in force from now on; else it needs a restart */
};

/* Take `fresh`, which was read while `current` is in force, and return what is in force from now on:
 * `fresh` where an option can change while the program runs, `current` for the rest. Calls `on_difference`
 * for each option that differs. */
struct config *config_merge(const struct config *current, struct config *fresh,
                            void (*on_difference)(void *arg, const struct config_difference *d),
                            void *arg);

#endif
