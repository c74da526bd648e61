noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES = \
	src/loop/clock.c src/loop/clock.h \
	src/loop/loop.c src/loop/loop.h \
	src/loop/mailbox.c src/loop/mailbox.h \
	src/loop/resolve.c src/loop/resolve.h
