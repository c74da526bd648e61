noinst_LIBRARIES += src/lease/liblease.a
src_lease_liblease_a_SOURCES = src/lease/lessor.c src/lease/lessor.h
