# All but main is in a library, which the unit tests link too.
noinst_LIBRARIES += src/benchmark/libbenchmark.a
src_benchmark_libbenchmark_a_SOURCES = \
	src/benchmark/answers.h \
	src/benchmark/common.c src/benchmark/globals.h \
	src/benchmark/fleet.c src/benchmark/fleet.h \
	src/benchmark/lease.c \
	src/benchmark/load.c src/benchmark/load.h \
	src/benchmark/mvcc.c \
	src/benchmark/perfdash.c src/benchmark/perfdash.h \
	src/benchmark/put.c \
	src/benchmark/range.c \
	src/benchmark/report.c src/benchmark/report.h \
	src/benchmark/samples.c src/benchmark/samples.h \
	src/benchmark/stm.c src/benchmark/stm.h \
	src/benchmark/stm_lock.c \
	src/benchmark/txn.c \
	src/benchmark/watch.c \
	src/benchmark/watch_get.c \
	src/benchmark/watch_latency.c

bin_PROGRAMS += etcd-benchmark
etcd_benchmark_SOURCES = src/benchmark/main.c
etcd_benchmark_LDADD = $(LIB_BENCHMARK) $(LIB_MVCC) $(LIB_STORAGE) $(LIB_CLI) $(LIB_CLIENT) \
	$(LIB_GRPC) $(LIB_HTTP) $(LIB_TLS) $(LIB_LOOP) $(LIB_CONFIG) $(LIB_PB) $(LIB_BASE) \
	$(OPENSSL_LIBS) -lresolv -lm
