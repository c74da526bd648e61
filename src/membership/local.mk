noinst_LIBRARIES += src/membership/libmembership.a
src_membership_libmembership_a_SOURCES = \
	src/membership/cluster.c src/membership/cluster.h src/membership/cluster_priv.h \
	src/membership/member.c src/membership/member.h \
	src/membership/v2_tree.c src/membership/v2_tree.h
