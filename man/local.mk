# The manual pages: written by hand (man/*.scd), but for what the programs know of themselves, which
# stands in place of @GENERATED@. A release has them built, for who has no scdoc.
MAN_PAGES = man/etcd.1 man/etcd.conf.5 man/etcd-benchmark.1 man/etcdctl.1 man/etcdctl-v2.1 \
	man/etcdutl.1 man/libetcdclient.3 man/etcd.systemd.7
EXTRA_DIST += man/etcd.1.scd man/etcd.conf.5.scd man/etcd-benchmark.1.scd man/etcdctl.1.scd \
	man/etcdctl-v2.1.scd man/etcdutl.1.scd man/libetcdclient.3.scd man/etcd.systemd.7.scd \
	man/options.awk man/v2-commands

if HAVE_MAN_PAGES
dist_man_MANS += $(MAN_PAGES)
endif

if HAVE_SCDOC
CLEANFILES += $(MAN_PAGES)
MAN_GENERATED = man/etcd.gen man/etcd.conf.gen man/etcd-benchmark.gen man/etcdctl.gen \
	man/etcdctl-v2.gen man/etcdutl.gen
CLEANFILES += $(MAN_GENERATED)
MAN_PAGE = $(AM_V_GEN)$(MKDIR_P) man && sed -e '/^@GENERATED@$$/{' -e "r $(@:.$(1)=.gen)" -e d -e '}' \
	$(srcdir)/$@.scd | $(SCDOC) >$@.tmp && mv $@.tmp $@

man/etcd.gen: etcd$(EXEEXT) man/options.awk
	$(AM_V_GEN)$(MKDIR_P) man && ./etcd --help | awk -v STYLE=flag -f $(srcdir)/man/options.awk >$@
man/etcd.conf.gen: etcd$(EXEEXT) man/options.awk
	$(AM_V_GEN)$(MKDIR_P) man && ./etcd --help | awk -v STYLE=variable -f $(srcdir)/man/options.awk >$@
man/etcdctl-v2.gen: etcdctl$(EXEEXT) man/v2-commands
	$(AM_V_GEN)$(MKDIR_P) man && $(SHELL) $(srcdir)/man/v2-commands ./etcdctl >$@
man/etcdctl.gen: etcdctl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./etcdctl __manual >$@
man/etcdutl.gen: etcdutl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./etcdutl __manual >$@
man/etcd-benchmark.gen: etcd-benchmark$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./etcd-benchmark __manual >$@

man/etcd.1: man/etcd.1.scd man/etcd.gen
	$(call MAN_PAGE,1)
man/etcd.conf.5: man/etcd.conf.5.scd man/etcd.conf.gen
	$(call MAN_PAGE,5)
man/etcdctl.1: man/etcdctl.1.scd man/etcdctl.gen
	$(call MAN_PAGE,1)
man/etcdctl-v2.1: man/etcdctl-v2.1.scd man/etcdctl-v2.gen
	$(call MAN_PAGE,1)
man/etcdutl.1: man/etcdutl.1.scd man/etcdutl.gen
	$(call MAN_PAGE,1)
man/etcd-benchmark.1: man/etcd-benchmark.1.scd man/etcd-benchmark.gen
	$(call MAN_PAGE,1)
man/libetcdclient.3 man/etcd.systemd.7: %: %.scd
	$(AM_V_GEN)$(MKDIR_P) man && $(SCDOC) <$< >$@
endif
