# What the service manager reads. The paths of the programs are put in when it is installed, so that
# `make install prefix=...` is right as well.
SYSTEMD_UNITS = systemd/etcd.service.in systemd/etcd@.service.in systemd/etcd-ready.service.in \
	systemd/etcd-backup.service.in systemd/etcd-backup@.service.in
dist_systemdsystemunit_DATA = systemd/etcd.target systemd/etcd.socket systemd/etcd@.socket \
	systemd/etcd-peer.socket systemd/etcd-peer@.socket \
	systemd/etcd-backup.timer systemd/etcd-backup@.timer
catalogdir = $(prefix)/lib/systemd/catalog
dist_catalog_DATA = systemd/etcd.catalog
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

EXTRA_DIST += $(SYSTEMD_UNITS) systemd/etcd-service.in systemd/etcd.sysusers systemd/etcd.tmpfiles

SYSTEMD_FILL = sed -e 's,[@]bindir@,$(bindir),g' -e 's,[@]pkglibexecdir@,$(pkglibexecdir),g'

install-data-local: install-systemd
install-systemd:
	$(MKDIR_P) $(DESTDIR)$(systemdsystemunitdir) $(DESTDIR)$(pkglibexecdir) \
		$(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	for unit in $(SYSTEMD_UNITS); do \
		name=$$(basename $$unit .in) && \
		$(SYSTEMD_FILL) $(srcdir)/$$unit >$(DESTDIR)$(systemdsystemunitdir)/$$name && \
		chmod 644 $(DESTDIR)$(systemdsystemunitdir)/$$name || exit 1; \
	done
	$(SYSTEMD_FILL) $(srcdir)/systemd/etcd-service.in >$(DESTDIR)$(pkglibexecdir)/etcd-service
	chmod 755 $(DESTDIR)$(pkglibexecdir)/etcd-service
	$(INSTALL_DATA) $(srcdir)/systemd/etcd.sysusers $(DESTDIR)$(sysusersdir)/etcd.conf
	$(INSTALL_DATA) $(srcdir)/systemd/etcd.tmpfiles $(DESTDIR)$(tmpfilesdir)/etcd.conf

uninstall-local: uninstall-systemd
uninstall-systemd:
	for unit in $(SYSTEMD_UNITS); do \
		rm -f $(DESTDIR)$(systemdsystemunitdir)/$$(basename $$unit .in); \
	done
	rm -f $(DESTDIR)$(pkglibexecdir)/etcd-service $(DESTDIR)$(sysusersdir)/etcd.conf \
		$(DESTDIR)$(tmpfilesdir)/etcd.conf
.PHONY: install-systemd uninstall-systemd
