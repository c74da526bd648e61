/* etcdctl/completion.c -- etcdctl completion SHELL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <stdio.h>

#include "etcdctl/commands.h"

static const char *const shells[] = {"bash", "zsh", "fish", "powershell", NULL};

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    AUTO(buf) struct buf b = BUF_INIT;
    completion_add_script(&b, cmd->program, argv[0]);
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

struct cli_command cmd_completion = {
    .use = "completion [bash|zsh|fish|powershell]",
    .summary = "Generate completion script",
    .details = "To load completions:\n"
               "\n"
               "Bash:\n"
               "\n"
               "  $ source <(etcdctl completion bash)\n"
               "\n"
               "  # To load completions for each session, execute once:\n"
               "  # Linux:\n"
               "  $ etcdctl completion bash > /etc/bash_completion.d/etcdctl\n"
               "  # macOS:\n"
               "  $ etcdctl completion bash > /usr/local/etc/bash_completion.d/etcdctl\n"
               "\n"
               "Zsh:\n"
               "\n"
               "  # If shell completion is not already enabled in your environment,\n"
               "  # you will need to enable it.  You can execute the following once:\n"
               "\n"
               "  $ echo \"autoload -U compinit; compinit\" >> ~/.zshrc\n"
               "\n"
               "  # To load completions for each session, execute once:\n"
               "  $ etcdctl completion zsh > \"${fpath[1]}/_etcdctl\"\n"
               "\n"
               "  # You will need to start a new shell for this setup to take effect.\n"
               "\n"
               "fish:\n"
               "\n"
               "  $ etcdctl completion fish | source\n"
               "\n"
               "  # To load completions for each session, execute once:\n"
               "  $ etcdctl completion fish > ~/.config/fish/completions/etcdctl.fish\n"
               "\n"
               "PowerShell:\n"
               "\n"
               "  PS> etcdctl completion powershell | Out-String | Invoke-Expression\n"
               "\n"
               "  # To load completions for every new session, run:\n"
               "  PS> etcdctl completion powershell > etcdctl.ps1\n"
               "  # and source this file from your PowerShell profile.\n",
    .group = GROUP_UTILITY,
    .plain_use_line = true,
    .valid_args = shells,
    .args = CLI_ARGS_VALID_ONE,
    .run = run,
};
