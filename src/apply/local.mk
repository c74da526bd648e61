noinst_LIBRARIES += src/apply/libapply.a
src_apply_libapply_a_SOURCES = \
	src/apply/apply.c src/apply/apply.h src/apply/apply_priv.h \
	src/apply/entry.c src/apply/entry.h \
	src/apply/kv.c \
	src/apply/txn.c \
	src/apply/v2.c
