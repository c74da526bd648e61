noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	src/base/check.h \
	src/base/crc32c.c src/base/crc32c.h \
	src/base/duration.c src/base/duration.h \
	src/base/err.c src/base/err.h \
	src/base/hashmap.c src/base/hashmap.h \
	src/base/json_text.c src/base/json_text.h \
	src/base/list.h \
	src/base/log.c src/base/log.h \
	src/base/mem.c src/base/mem.h \
	src/base/messages.h \
	src/base/random.h \
	src/base/sort.c src/base/sort.h \
	src/base/stdio.c src/base/stdio.h \
	src/base/types.h src/base/varint.h \
	src/base/why.c src/base/why.h
