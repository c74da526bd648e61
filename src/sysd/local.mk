noinst_LIBRARIES += src/sysd/libsysd.a
src_sysd_libsysd_a_SOURCES = \
	src/sysd/journal.c src/sysd/journal.h \
	src/sysd/notify.c src/sysd/notify.h \
	src/sysd/passed.c src/sysd/passed.h \
	src/sysd/watchdog.c src/sysd/watchdog.h
