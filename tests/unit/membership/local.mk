check_PROGRAMS += tests/unit/membership/member_test tests/unit/membership/cluster_test \
	tests/unit/membership/v2_tree_test
tests_unit_membership_member_test_SOURCES = tests/unit/membership/member_test.c
tests_unit_membership_member_test_LDADD = $(LIB_MEMBERSHIP) $(LIB_BASE) $(OPENSSL_LIBS) $(UNIT_LIBS)
tests_unit_membership_cluster_test_SOURCES = tests/unit/membership/cluster_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_membership_cluster_test_LDADD = $(LIB_MEMBERSHIP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_membership_v2_tree_test_SOURCES = tests/unit/membership/v2_tree_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_membership_v2_tree_test_LDADD = $(LIB_MEMBERSHIP) $(LIB_BASE) $(UNIT_LIBS)
