noinst_LIBRARIES += src/discover/libdiscover.a
src_discover_libdiscover_a_SOURCES = src/discover/srv.c src/discover/srv.h
