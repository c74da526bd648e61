noinst_LIBRARIES += src/membership/libmembership.a
src_membership_libmembership_a_SOURCES =
