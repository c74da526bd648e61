check_PROGRAMS += \
	tests/unit/config/envfile_test \
	tests/unit/config/etc_test \
	tests/unit/config/load_test \
	tests/unit/config/options_test \
	tests/unit/config/reload_test \
	tests/unit/config/url_test \
	tests/unit/config/yaml_test
tests_unit_config_envfile_test_SOURCES = tests/unit/config/envfile_test.c
tests_unit_config_envfile_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_etc_test_SOURCES = tests/unit/config/etc_test.c
tests_unit_config_etc_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_load_test_SOURCES = \
	tests/unit/config/load_test.c tests/unit/config/fixture.h
tests_unit_config_load_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_options_test_SOURCES = tests/unit/config/options_test.c
tests_unit_config_options_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_reload_test_SOURCES = \
	tests/unit/config/reload_test.c tests/unit/config/fixture.h
tests_unit_config_reload_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_url_test_SOURCES = tests/unit/config/url_test.c
tests_unit_config_url_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_config_yaml_test_SOURCES = \
	tests/unit/config/yaml_test.c tests/unit/config/fixture.h
tests_unit_config_yaml_test_LDADD = $(LIB_CONFIG) $(LIB_BASE) $(UNIT_LIBS)
