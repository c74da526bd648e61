/* cli/completion.c -- what a shell may offer, and the scripts that ask for it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/flags.h"

/* ---- answers -------------------------------------------------------------------------------- */

enum {
    FILES_ARE_FINE = 0,
    NO_FILES = 4,
};

static void add_line(struct buf *b, const char *before, struct slice word, const char *text)
{
    buf_addf(b, "%s%.*s", before, (int)word.n, (const char *)word.p);
    if (text && *text)
        buf_addf(b, "\t%.*s", (int)strcspn(text, "\n"), text);
    buf_add_byte(b, '\n');
}

static void offer(struct buf *b, const char *before, const char *word, const char *typed,
                  const char *text)
{
    if (strncmp(word, typed, strlen(typed)) == 0)
        add_line(b, before, slice_str(word), text);
}

static void offer_flag(struct buf *b, const struct cli_flag *f, const char *typed)
{
    char word[128];
    bool hidden = f->hidden && strlen(typed) < 3; /* help leaves it out, yet it can be typed */
    if (hidden || f->deprecated)
        return;
    snprintf(word, sizeof(word), "--%s", f->name);
    offer(b, "", word, typed, f->usage);
    if (f->shorthand && strlen(typed) < 2) {
        snprintf(word, sizeof(word), "-%c", f->shorthand);
        offer(b, "", word, typed, f->usage);
    }
}

static void offer_flags(struct buf *b, struct cli_command *cmd, const char *typed)
{
    CLI_FLAG_FOREACH(f, cmd)
        offer_flag(b, f, typed);
    offer_flag(b, &cli_help_flag, typed);
}

static void offer_commands(struct buf *b, struct cli_command *cmd, const char *typed)
{
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        struct slice name = cli_name(child);
        if (!child->hidden && slice_starts_with(name, slice_str(typed)))
            add_line(b, "", name, child->summary);
    }
}

/* What may stand as the value of `f`; `before` is "--name=" or nothing. */
static int offer_values(struct buf *b, const struct cli_flag *f, const char *before,
                        const char *typed)
{
    static const char *const bools[] = {"true", "false", NULL};
    const char *const *v = f->type == CLI_BOOL ? bools : f->values;
    for (; v && *v; v++)
        offer(b, before, *v, typed, NULL);
    return f->type == CLI_STRING && !f->values ? FILES_ARE_FINE : NO_FILES;
}

/* The flag whose value the last word is; *ret_before lends "--name=" where it is in the same word. */
static const struct cli_flag *value_of(struct cli_command *cmd, const char *previous,
                                       const char *last, struct buf *before)
{
    const char *equals = strchr(last, '=');
    AUTO(buf) struct buf name = BUF_INIT;
    if (strncmp(last, "--", 2) == 0 && equals) {
        buf_add(before, last, (size_t)(equals - last) + 1);
        buf_add(&name, last + 2, (size_t)(equals - last) - 2);
        return cli_flag_find(cmd, buf_cstr(&name));
    }
    if (!previous || previous[0] != '-' || strchr(previous, '='))
        return NULL;
    CLI_FLAG_FOREACH(f, cmd) {
        bool is_long = previous[1] == '-' && strcmp(previous + 2, f->name) == 0;
        bool is_short = previous[1] == f->shorthand && f->shorthand && previous[2] == '\0';
        if ((is_long || is_short) && !flag_bare(f))
            return f;
    }
    return NULL;
}

void completion_add_answer(struct buf *b, struct cli_program *p, int argc, char **argv)
{
    if (argc < 1) {
        buf_add_str(b, ":0\n");
        return;
    }
    AUTO(buf) struct buf problem = BUF_INIT;
    AUTO(buf) struct buf before = BUF_INIT;
    const char *last = argv[argc - 1];
    const char *previous = argc > 1 ? argv[argc - 2] : NULL;
    int n = argc - 1;
    char **words = xcalloc((size_t)argc + 1, sizeof(*words));
    memcpy(words, argv, (size_t)n * sizeof(*words));
    struct cli_command *cmd = cli_find(p, &n, words, &problem);

    int directive = NO_FILES;
    const struct cli_flag *f = cmd ? value_of(cmd, previous, last, &before) : NULL;
    if (!cmd) {
        directive = FILES_ARE_FINE;
    } else if (f) {
        directive = offer_values(b, f, buf_cstr(&before), last + before.n);
    } else if (last[0] == '-') {
        offer_flags(b, cmd, last);
    } else {
        offer_commands(b, cmd, last);
        for (const char *const *v = n == 0 ? cmd->valid_args : NULL; v && *v; v++)
            offer(b, "", *v, last, NULL);
        directive = cmd->commands || cmd->valid_args ? NO_FILES : FILES_ARE_FINE;
    }
    buf_addf(b, ":%d\n", directive);
    free(words);
}

/* ---- scripts: NAME stands for the program's name ------------------------------------------- */

/* bash cuts words at = and :, so they are put together again first. */
static const char bash_script[] =
    "# bash completion for NAME                               -*- shell-script -*-\n"
    "\n"
    "__NAME_complete()\n"
    "{\n"
    "    local words=() joined='' word line out\n"
    "    for word in \"${COMP_WORDS[@]:0:COMP_CWORD+1}\"; do\n"
    "        if [[ -n $joined || $word == [=:]* ]] && ((${#words[@]} > 1)); then\n"
    "            words[${#words[@]}-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        joined=''\n"
    "        [[ $word == *[=:] ]] && joined=1\n"
    "    done\n"
    "    local last=${words[${#words[@]}-1]}\n"
    "    out=$(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null) || return\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        [[ $line == :* ]] && break\n"
    "        word=${line%%$'\\t'*}\n"
    "        [[ $last == --*=* ]] && word=${word#*=}\n"
    "        COMPREPLY+=(\"$word\")\n"
    "    done <<<\"$out\"\n"
    "    if [[ ${out##*:} == 4 ]]; then\n"
    "        compopt +o default 2>/dev/null\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -o default -F __NAME_complete NAME\n";

static const char zsh_script[] =
    "#compdef NAME\n"
    "# zsh completion for NAME                                -*- shell-script -*-\n"
    "\n"
    "_NAME()\n"
    "{\n"
    "    local -a lines offers\n"
    "    local line directive\n"
    "    lines=(\"${(@f)$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "    for line in \"${lines[@]}\"; do\n"
    "        if [[ $line == :* ]]; then\n"
    "            directive=${line#:}\n"
    "        elif [[ $line == *$'\\t'* ]]; then\n"
    "            offers+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "        elif [[ -n $line ]]; then\n"
    "            offers+=(\"${line//:/\\\\:}\")\n"
    "        fi\n"
    "    done\n"
    "    if (( ${#offers} )); then\n"
    "        _describe completions offers\n"
    "    elif [[ $directive != 4 ]]; then\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "\n"
    "if [ \"$funcstack[1]\" = \"_NAME\" ]; then\n"
    "    _NAME\n"
    "else\n"
    "    compdef _NAME NAME\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for NAME                               -*- shell-script -*-\n"
    "\n"
    "function __NAME_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l last (commandline -ct)\n"
    "    set -l answer ($words[1] __complete $words[2..-1] \"$last\" 2>/dev/null)\n"
    "    set -l directive $answer[-1]\n"
    "    set -e answer[-1]\n"
    "    if test (count $answer) -gt 0\n"
    "        printf '%s\\n' $answer\n"
    "    else if test \"$directive\" != ':4'\n"
    "        __fish_complete_path \"$last\"\n"
    "    end\n"
    "end\n"
    "\n"
    "complete -c NAME -e\n"
    "complete -c NAME -f -a '(__NAME_complete)'\n";

static const char powershell_script[] =
    "# powershell completion for NAME                         -*- shell-script -*-\n"
    "\n"
    "Register-ArgumentCompleter -Native -CommandName 'NAME' -ScriptBlock {\n"
    "    param($wordToComplete, $commandAst, $cursorPosition)\n"
    "    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | "
    "ForEach-Object { \"$_\" })\n"
    "    if ($wordToComplete -eq '') { $words += '\"\"' }\n"
    "    & $commandAst.CommandElements[0].Value __complete @words 2>$null | "
    "Where-Object { $_ -notmatch '^:' } | ForEach-Object {\n"
    "        $name, $text = $_ -split \"`t\", 2\n"
    "        if (-not $text) { $text = $name }\n"
    "        [System.Management.Automation.CompletionResult]::new($name, $name, "
    "'ParameterValue', $text)\n"
    "    }\n"
    "}\n";

bool completion_add_script(struct buf *b, const struct cli_program *p, const char *shell)
{
    const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script},
                   {"zsh", zsh_script},
                   {"fish", fish_script},
                   {"powershell", powershell_script}};
    size_t i = 0;
    while (i < ARRAY_LEN(scripts) && strcmp(scripts[i].shell, shell) != 0)
        i++;
    if (i == ARRAY_LEN(scripts))
        return false;
    for (const char *c = scripts[i].script; *c;) {
        const char *name = strstr(c, "NAME");
        size_t plain = name ? (size_t)(name - c) : strlen(c);
        buf_add(b, c, plain);
        c += plain;
        if (*c) {
            buf_add_slice(b, cli_name(p->root));
            c += strlen("NAME");
        }
    }
    return true;
}

/* ---- a command for programs without one of their own ----------------------------------------- */

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(buf) struct buf b = BUF_INIT;
    AUTO(buf) struct buf shell = BUF_INIT;
    buf_add_slice(&shell, cli_name(cmd));
    completion_add_script(&b, cmd->program, buf_cstr(&shell));
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

#define SHELL(name_)                                                                               \
    (&(struct cli_command){.use = name_,                                                           \
                           .summary = "Generate the autocompletion script for " name_,             \
                           .args = CLI_ARGS_NONE,                                                  \
                           .run = run})

struct cli_command cli_completion_command = {
    .use = "completion",
    .summary = "Generate the autocompletion script for the specified shell",
    .commands = (struct cli_command *const[]){SHELL("bash"), SHELL("fish"), SHELL("powershell"),
                                              SHELL("zsh"), NULL},
};
