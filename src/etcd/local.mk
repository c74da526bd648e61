bin_PROGRAMS += etcd
etcd_SOURCES = src/etcd/main.c
etcd_LDADD = $(LIB_BASE)
