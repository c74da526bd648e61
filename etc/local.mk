# The commented templates, where no configuration is yet: `make install` never overwrites one.
etcdconfdir = $(sysconfdir)/etcd
install-data-local: install-etcd-conf
install-etcd-conf:
	$(MKDIR_P) $(DESTDIR)$(etcdconfdir)
	for name in etcd.conf etcdctl.conf; do \
		test -e $(DESTDIR)$(etcdconfdir)/$$name || \
		$(INSTALL_DATA) $(srcdir)/etc/$$name $(DESTDIR)$(etcdconfdir)/$$name || exit 1; \
	done

# Only what nobody has changed.
uninstall-local: uninstall-etcd-conf
uninstall-etcd-conf:
	for name in etcd.conf etcdctl.conf; do \
		! cmp -s $(srcdir)/etc/$$name $(DESTDIR)$(etcdconfdir)/$$name || \
		rm -f $(DESTDIR)$(etcdconfdir)/$$name || exit 1; \
	done
.PHONY: install-etcd-conf uninstall-etcd-conf
