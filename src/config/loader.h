/* config/loader.h -- the steps of config_load, and what they share.
 *
 * Each source fills its layer of settings: one text an option, checked as it comes in. The layers
 * are then laid over each other, what follows from the values is worked out, and the whole is
 * checked. Only files of this room include this header.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "config/config.h"
#include "config/options.h"

/* From the weakest to the strongest. */
enum config_source { SRC_DEFAULT, SRC_ENV_FILE, SRC_ENV, SRC_YAML, SRC_FLAG, SRC_COUNT_ };

struct setting {
    char *text;                       /* NULL: not set here */
    const struct option_alias *alias; /* NULL: set by its own name */
    int line;                         /* in the file, from 1; 0 where there are no lines */
};

struct loader {
    const struct config_input *in;
    struct config *cfg;
    struct config_outcome *out;
    struct why why;
    const char *blame; /* the option that a failed check is about, or NULL */
    struct setting set[SRC_COUNT_][OPTIONS_MAX];
    enum config_source winner[OPTIONS_MAX];
    const char *env_file;    /* lent by a setting or by `in` */
    const char *config_file; /* lent by a setting; "" if none */
    struct str_list file_variables; /* of etcd.conf, "NAME=VALUE" */
    int yaml_nodes;          /* visited so far */
    bool want_help, want_version, want_check;
    bool has_data; /* the data folder is there: the configuration says nothing of the cluster */
};

void note_say(struct loader *l, enum log_level level, enum message message, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The same for what the catalog does not explain. */
#define note_add(l, level, ...) note_say(l, level, MSG_NONE, __VA_ARGS__)

/* Append how the setting is named in its source: "--data-dir", "ETCD_DATA_DIR", "data-dir". */
void setting_add_name(struct buf *b, enum config_source src, const struct option *o,
                      const struct option_alias *alias);
/* Append where it stands: "command line", "environment", "/etc/etcd/etcd.conf:12". */
void setting_add_place(const struct loader *l, struct buf *b, enum config_source src, int line);

/* The same for the setting that won. */
void setting_add_place_of(const struct loader *l, struct buf *b, const char *name);

/* Check `text` and put it into the layer, in place of an earlier one. An empty text from the
 * environment or its file is no value. On a failure the sentence of that source is in l->why. */
MUST_USE enum err setting_put(struct loader *l, enum config_source src, const struct option *o,
                              const struct option_alias *alias, const char *text, int line);

/* Return the setting of an option by name, or NULL where the source does not set it. */
const char *setting_get(const struct loader *l, enum config_source src, const char *name);
/* Return which source gave the value. */
enum config_source setting_source(const struct loader *l, const char *name);
static inline bool setting_is_default(const struct loader *l, const char *name)
{
    return setting_source(l, name) == SRC_DEFAULT;
}

/* ---- the sources -------------------------------------------------------------------------- */

/* flags.c: read the command line. ERR_INVALID is a wrong flag; ERR_MALFORMED a word that is none.
 */
MUST_USE enum err flags_read(struct loader *l);
/* True if --check-config is on the command line, even beside a mistake. */
bool flags_want_check(const struct config_input *in);

/* environ.c: the file of variables, and then the environment. */
MUST_USE enum err env_file_read(struct loader *l);
MUST_USE enum err environ_read(struct loader *l);
/* Return the value of --env-file in the environment, or NULL. */
const char *environ_env_file(const struct loader *l);

/* yaml.c */
MUST_USE enum err yaml_read(struct loader *l, const char *path);
/* The same from memory. */
MUST_USE enum err yaml_parse(struct loader *l, struct slice text);

/* ---- the whole ---------------------------------------------------------------------------- */

/* resolve.c: lay the layers over each other into l->cfg, and note what lost, what is old and what
 * has no effect. */
void settings_resolve(struct loader *l);

/* derive.c: work out what follows from the values. */
MUST_USE enum err config_derive(struct loader *l);

/* cluster.c: "NAME=URL,..." becomes members, sorted by name. */
MUST_USE enum err cluster_parse(const char *text, struct config_member **ret_members, size_t *ret_n,
                                struct why *why);
void initial_cluster_free(struct config_member *members, size_t n);

/* validate.c: check what the values must be among each other. */
MUST_USE enum err config_validate(struct loader *l);

/* supported.c: fail on what this build does not have; the second for the members' URLs. */
MUST_USE enum err config_check_supported(struct loader *l);
MUST_USE enum err members_check_supported(const struct config *c, struct why *why);

/* report.c: append each effective value with its source. */
void config_add_effective(const struct loader *l, struct buf *b);

#endif
