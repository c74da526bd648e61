# The commented template, where no configuration is yet: `make install` never overwrites one.
etcdconfdir = $(sysconfdir)/etcd
install-data-local: install-etcd-conf
install-etcd-conf:
	$(MKDIR_P) $(DESTDIR)$(etcdconfdir)
	test -e $(DESTDIR)$(etcdconfdir)/etcd.conf || \
		$(INSTALL_DATA) $(srcdir)/etc/etcd.conf $(DESTDIR)$(etcdconfdir)/etcd.conf

# Only what nobody has changed.
uninstall-local: uninstall-etcd-conf
uninstall-etcd-conf:
	! cmp -s $(srcdir)/etc/etcd.conf $(DESTDIR)$(etcdconfdir)/etcd.conf || \
		rm -f $(DESTDIR)$(etcdconfdir)/etcd.conf
.PHONY: install-etcd-conf uninstall-etcd-conf
