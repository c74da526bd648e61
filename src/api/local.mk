noinst_LIBRARIES += src/api/libapi.a
src_api_libapi_a_SOURCES = \
	src/api/api.c src/api/api.h \
	src/api/api_loop.c src/api/api_loop.h \
	src/api/call.c src/api/call.h \
	src/api/check.c src/api/check.h \
	src/api/check_txn.c \
	src/api/contest.c src/api/contest.h \
	src/api/election_service.c \
	src/api/errand.c src/api/errand.h \
	src/api/gateway.c src/api/gateway.h \
	src/api/grpc_port.c src/api/grpc_port.h \
	src/api/health.c src/api/health.h \
	src/api/health_service.c \
	src/api/http_port.c src/api/http_port.h \
	src/api/json.c src/api/json.h \
	src/api/json_scan.c src/api/json_scan.h \
	src/api/keepalive.c \
	src/api/lock_service.c \
	src/api/methods.c src/api/methods.h \
	src/api/observe.c \
	src/api/range.c src/api/range.h \
	src/api/range_stream.c \
	src/api/services.h \
	src/api/snapshot_service.c \
	src/api/stats.c src/api/stats.h \
	src/api/status_pages.c src/api/status_pages.h \
	src/api/unary.c \
	src/api/watch_service.c \
	src/api/watch_wire.c src/api/watch_wire.h \
	src/api/web.c src/api/web.h \
	src/api/wire.c src/api/wire.h
