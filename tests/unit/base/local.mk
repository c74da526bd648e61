# unit tests of src/base
check_PROGRAMS += tests/unit/base/hashmap_test
tests_unit_base_hashmap_test_SOURCES = tests/unit/base/hashmap_test.c
tests_unit_base_hashmap_test_LDADD = $(LIB_BASE) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/base/sort_test
tests_unit_base_sort_test_SOURCES = tests/unit/base/sort_test.c
tests_unit_base_sort_test_LDADD = $(LIB_BASE) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/base/base_test
tests_unit_base_base_test_SOURCES = tests/unit/base/base_test.c
tests_unit_base_base_test_LDADD = $(LIB_BASE) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/base/duration_test
tests_unit_base_duration_test_SOURCES = tests/unit/base/duration_test.c
tests_unit_base_duration_test_LDADD = $(LIB_BASE) $(UNIT_LIBS)
