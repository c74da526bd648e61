# What the service manager reads. The paths of the programs are put in, the rest is installed as it is.
SYSTEMD_MADE = systemd/etcd.service systemd/etcd@.service systemd/etcd-ready.service \
	systemd/etcd-backup.service systemd/etcd-backup@.service systemd/etcd-service
SYSTEMD_IN = $(SYSTEMD_MADE:=.in)
SYSTEMD_PLAIN = systemd/etcd.target systemd/etcd.socket systemd/etcd@.socket \
	systemd/etcd-peer.socket systemd/etcd-peer@.socket \
	systemd/etcd-backup.timer systemd/etcd-backup@.timer

nodist_systemdsystemunit_DATA = $(filter %.service,$(SYSTEMD_MADE))
dist_systemdsystemunit_DATA = $(SYSTEMD_PLAIN)
nodist_pkglibexec_SCRIPTS = systemd/etcd-service
catalogdir = $(prefix)/lib/systemd/catalog
dist_catalog_DATA = systemd/etcd.catalog

EXTRA_DIST += $(SYSTEMD_IN) systemd/etcd.sysusers systemd/etcd.tmpfiles
CLEANFILES += $(SYSTEMD_MADE)

$(SYSTEMD_MADE): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's,[@]bindir@,$(bindir),g' -e 's,[@]pkglibexecdir@,$(pkglibexecdir),g' $< >$@

install-data-hook: install-systemd-named
uninstall-hook: uninstall-systemd-named
# sysusers.d and tmpfiles.d want names of their own.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
install-systemd-named:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(INSTALL_DATA) $(srcdir)/systemd/etcd.sysusers $(DESTDIR)$(sysusersdir)/etcd.conf
	$(INSTALL_DATA) $(srcdir)/systemd/etcd.tmpfiles $(DESTDIR)$(tmpfilesdir)/etcd.conf
uninstall-systemd-named:
	rm -f $(DESTDIR)$(sysusersdir)/etcd.conf $(DESTDIR)$(tmpfilesdir)/etcd.conf
.PHONY: install-systemd-named uninstall-systemd-named
