/* config/options.h -- the one table of options, and how the text of one becomes a value.
 *
 * Flags, variables, YAML keys, --help and the print-out of --check-config all follow from this
 * table. Only files of this room include this header.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"
#include "config/config.h"

enum option_section {
    SECT_MEMBER,
    SECT_CLUSTERING,
    SECT_SECURITY,
    SECT_AUTH,
    SECT_MONITORING,
    SECT_LOGGING,
    SECT_TRACING,
    SECT_FEATURES,
    SECT_UNSAFE,
    SECT_PROGRAM,
    SECT_OLD, /* understood, and named in --help without a word */
    SECT_COUNT_
};

enum option_kind {
    OPT_STRING,
    OPT_BOOL,
    OPT_INT,    /* int64_t */
    OPT_UINT,   /* uint64_t */
    OPT_UINT32, /* uint64_t that fits 32 bits */
    OPT_DURATION,
    OPT_ENUM,    /* char *, one of `choices` */
    OPT_URLS,    /* struct url_list; empty text means the default */
    OPT_STRINGS, /* struct str_list */
    OPT_ORIGINS, /* struct str_list of URLs, or "*" */
    OPT_GATES,   /* char *, "NAME=bool,..." */
    OPT_ACTION,  /* bool, on the command line only */
    OPT_BARE,    /* needs no value, takes any, keeps none */
    OPT_GONE,    /* always an error: `help` names what to use instead */
};

enum option_use {
    USE_NORMAL,
    USE_NO_EFFECT, /* read and checked; one warning when it is given */
    USE_SECRET,    /* as normal, and never printed */
};

#define OPT_NO_FIELD ((size_t)-1)

struct option {
    const char *name;
    enum option_section section;
    enum option_kind kind;
    enum option_use use;
    size_t offset;       /* of the field in struct config, or OPT_NO_FIELD */
    const char *initial; /* the default, as text */
    const char *yaml;    /* dotted path; NULL: the name; "": not in the file */
    const char *choices; /* OPT_ENUM: separated by blanks */
    const char *help;
};

/* How the value of an old name becomes one of the new. */
enum alias_turn {
    TURN_NONE,
    TURN_HOST_TO_URL, /* "1.2.3.4:2379" is "http://1.2.3.4:2379" */
    TURN_DEBUG,       /* true is "debug", false is nothing */
};

struct option_alias {
    const char *name;
    const char *option;
    enum alias_turn turn;
    const char *yaml; /* NULL: the name */
};

extern const struct option options[];
extern const size_t options_n;
extern const struct option_alias option_aliases[];
extern const size_t option_aliases_n;
extern const char *const option_section_titles[SECT_COUNT_];

enum { OPTIONS_MAX = 256 }; /* options_n is below it */

/* Return the option called `name`, or NULL. An old name gives its option, and `*ret_alias`. */
const struct option *option_find(struct slice name, const struct option_alias **ret_alias);

/* The same by YAML path, without regard to case. */
const struct option *option_find_yaml(const char *path, const struct option_alias **ret_alias);
/* True if some option's YAML path lies below `path`. */
bool option_yaml_is_parent(const char *path);

/* The same by variable name ("ETCD_DATA_DIR"). */
const struct option *option_find_env(struct slice var, const struct option_alias **ret_alias);

/* Return the variable of an option or alias, owned by the caller. */
char *option_env_name(const char *name);

/* True if the option needs no value on the command line. */
bool option_is_bare(const struct option *o);

/* ---- values ------------------------------------------------------------------------------- */

static inline void *option_field(const struct option *o, struct config *c)
{
    return (char *)c + o->offset;
}

/* Read `text` into the option's field, which holds a value or zeroes. Fail with the reason only
 * ("parse error"); the field is then unchanged. */
MUST_USE enum err option_set(const struct option *o, struct config *c, const char *text,
                             struct why *why);
/* The same, keeping nothing. */
MUST_USE enum err option_check(const struct option *o, const char *text, struct why *why);
void option_fini(const struct option *o, struct config *c);
/* Append the value as it would be given on a command line. */
void option_format(const struct option *o, const struct config *c, struct buf *b);

/* Read true, false, t, f, 1, 0 in the cases Go knows. */
bool bool_parse(struct slice s, bool *ret);
/* The same, perhaps in the double quotes that a container's environment file leaves on. */
bool bool_parse_quoted(const char *text, bool *ret);

/* ---- lists of strings --------------------------------------------------------------------- */

/* Split at commas, dropping blanks around items and items given twice. "" is an empty list. */
MUST_USE enum err str_list_parse(const char *text, struct str_list *ret_list, struct why *why);
void str_list_add(struct str_list *l, struct slice item);
void str_list_fini(struct str_list *l);

#endif
