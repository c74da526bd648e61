# Completions: those of the tools are printed by the tools, so they are there unless the build is for
# another machine than this one.
COMPLETED = etcdctl etcdutl etcd-benchmark
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_bashcompletion_DATA = packaging/completions/etcd
dist_zshcompletion_DATA = packaging/completions/_etcd
dist_fishcompletion_DATA = packaging/completions/etcd.fish
if !CROSS_COMPILING
MADE_BASH = $(COMPLETED:%=packaging/completions/bash/%)
MADE_ZSH = $(COMPLETED:%=packaging/completions/zsh/_%)
MADE_FISH = $(COMPLETED:%=packaging/completions/fish/%.fish)
nodist_bashcompletion_DATA = $(MADE_BASH)
nodist_zshcompletion_DATA = $(MADE_ZSH)
nodist_fishcompletion_DATA = $(MADE_FISH)
CLEANFILES += $(MADE_BASH) $(MADE_ZSH) $(MADE_FISH)
$(MADE_BASH): packaging/completions/bash/%: %$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./$< completion bash >$@
$(MADE_ZSH): packaging/completions/zsh/_%: %$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./$< completion zsh >$@
$(MADE_FISH): packaging/completions/fish/%.fish: %$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./$< completion fish >$@
endif
