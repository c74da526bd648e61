noinst_LIBRARIES += src/config/libconfig.a
src_config_libconfig_a_SOURCES = \
	src/config/cluster.c \
	src/config/config.c src/config/config.h \
	src/config/derive.c \
	src/config/environ.c \
	src/config/envfile.c src/config/envfile.h \
	src/config/file.c src/config/file.h \
	src/config/flags.c \
	src/config/gates.c src/config/gates.h \
	src/config/loader.c src/config/loader.h \
	src/config/options.c src/config/options.h \
	src/config/reload.c src/config/reload.h \
	src/config/report.c \
	src/config/resolve.c \
	src/config/supported.c \
	src/config/text.h \
	src/config/url.c src/config/url.h \
	src/config/validate.c \
	src/config/value.c \
	src/config/yaml.c
