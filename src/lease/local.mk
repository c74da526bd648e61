noinst_LIBRARIES += src/lease/liblease.a
src_lease_liblease_a_SOURCES =
