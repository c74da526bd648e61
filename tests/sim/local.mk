# The simulation; tests/sim/sim.c says how to run it.
noinst_PROGRAMS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/sim/asks.c tests/sim/asks.h \
	tests/sim/events.c tests/sim/events.h \
	tests/sim/faults.c tests/sim/faults.h \
	tests/sim/leases.c tests/sim/leases.h \
	tests/sim/linear.c tests/sim/linear.h \
	tests/sim/net.c tests/sim/net.h \
	tests/sim/operator.c tests/sim/operator.h \
	tests/sim/sim.c \
	tests/sim/tails.c tests/sim/tails.h \
	tests/sim/workers.c tests/sim/workers.h \
	tests/sim/world.c tests/sim/world.h \
	tests/lib/fault_vfs.c tests/lib/fault_vfs.h \
	tests/unit/apply/requests.h
tests_sim_sim_LDADD = $(LIB_SERVER) $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) \
	$(LIB_RAFT) $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_STORAGE) $(LIB_CONFIG) \
	$(LIB_METRICS) $(LIB_PB) $(LIB_BASE) $(JANSSON_LIBS) $(OPENSSL_LIBS)
