/* config/options.c -- the table of options, and the names by which each is found.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/options.h"

#include <ctype.h>
#include <strings.h>

#include "config/gates.h"

#define FIELD(f) offsetof(struct config, f)

// clang-format off
const struct option options[] = {
    {"name", SECT_MEMBER, OPT_STRING, USE_NORMAL, FIELD(name), "default", NULL, NULL, "Human-readable name for this member."},
    {"data-dir", SECT_MEMBER, OPT_STRING, USE_NORMAL, FIELD(data_dir), "", NULL, NULL, "Path to the data directory."},
    {"wal-dir", SECT_MEMBER, OPT_STRING, USE_NORMAL, FIELD(wal_dir), "", NULL, NULL, "Path to a directory for the log alone."},
    {"snapshot-count", SECT_MEMBER, OPT_UINT, USE_NORMAL, FIELD(snapshot_count), "10000", NULL, NULL, "Number of committed transactions after which the log is cut."},
    {"heartbeat-interval", SECT_MEMBER, OPT_UINT, USE_NORMAL, FIELD(heartbeat_interval_ms), "100", NULL, NULL, "Time (in milliseconds) of a heartbeat interval."},
    {"election-timeout", SECT_MEMBER, OPT_UINT, USE_NORMAL, FIELD(election_timeout_ms), "1000", NULL, NULL, "Time (in milliseconds) for an election to timeout."},
    {"initial-election-tick-advance", SECT_MEMBER, OPT_BOOL, USE_NORMAL, FIELD(initial_election_tick_advance), "true", NULL, NULL, "Whether to fast-forward the first election timeout after a start."},
    {"listen-peer-urls", SECT_MEMBER, OPT_URLS, USE_NORMAL, FIELD(listen_peer_urls), "http://localhost:2380", NULL, NULL, "List of URLs to listen on for peer traffic."},
    {"listen-client-urls", SECT_MEMBER, OPT_URLS, USE_NORMAL, FIELD(listen_client_urls), "http://localhost:2379", NULL, NULL, "List of URLs to listen on for client gRPC traffic, and for HTTP as long as --listen-client-http-urls is not given."},
    {"listen-client-http-urls", SECT_MEMBER, OPT_URLS, USE_NORMAL, FIELD(listen_client_http_urls), "", NULL, NULL, "List of URLs to listen on for client HTTP traffic alone. HTTP is then not served on --listen-client-urls."},
    {"max-snapshots", SECT_MEMBER, OPT_UINT, USE_NO_EFFECT, FIELD(max_snapshots), "5", NULL, NULL, "Maximum number of snapshot files to keep."},
    {"max-wals", SECT_MEMBER, OPT_UINT, USE_NO_EFFECT, FIELD(max_wals), "5", NULL, NULL, "Maximum number of log files to keep."},
    {"memory-mlock", SECT_MEMBER, OPT_BOOL, USE_NO_EFFECT, FIELD(memory_mlock), "false", NULL, NULL, "Keep the pages of the database in RAM."},
    {"quota-backend-bytes", SECT_MEMBER, OPT_INT, USE_NORMAL, FIELD(quota_backend_bytes), "0", NULL, NULL, "Size of the database at which an alarm is raised and writes are refused. 0 is the default of 2GiB, a negative number no limit."},
    {"backend-bbolt-freelist-type", SECT_MEMBER, OPT_STRING, USE_NO_EFFECT, FIELD(backend_bbolt_freelist_type), "map", NULL, NULL, "Type of the freelist of a bbolt database."},
    {"backend-batch-interval", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(backend_batch_interval), "0s", NULL, NULL, "Longest time before a batch of writes is committed (0 is the default)."},
    {"backend-batch-limit", SECT_MEMBER, OPT_INT, USE_NORMAL, FIELD(backend_batch_limit), "0", NULL, NULL, "Most writes in a batch before it is committed (0 is the default)."},
    {"max-txn-ops", SECT_MEMBER, OPT_UINT, USE_NORMAL, FIELD(max_txn_ops), "128", NULL, NULL, "Maximum number of operations in a transaction."},
    {"max-request-bytes", SECT_MEMBER, OPT_UINT, USE_NORMAL, FIELD(max_request_bytes), "1572864", NULL, NULL, "Maximum size in bytes of a client request."},
    {"max-concurrent-streams", SECT_MEMBER, OPT_UINT32, USE_NORMAL, FIELD(max_concurrent_streams), "4294967295", NULL, NULL, "Maximum number of streams that a client connection may have open."},
    {"grpc-keepalive-min-time", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(grpc_keepalive_min_time), "5s", NULL, NULL, "Shortest interval between the pings of a client."},
    {"grpc-keepalive-interval", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(grpc_keepalive_interval), "2h0m0s", NULL, NULL, "Interval of the pings from server to client (0 to disable)."},
    {"grpc-keepalive-timeout", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(grpc_keepalive_timeout), "20s", NULL, NULL, "Time to wait for the answer to a ping before the connection is closed (0 to disable)."},
    {"socket-reuse-port", SECT_MEMBER, OPT_BOOL, USE_NORMAL, FIELD(socket_reuse_port), "false", "socket-options.reuse-port", NULL, "Set SO_REUSEPORT on listeners, so that a port in use can be bound again."},
    {"socket-reuse-address", SECT_MEMBER, OPT_BOOL, USE_NORMAL, FIELD(socket_reuse_address), "false", "socket-options.reuse-address", NULL, "Set SO_REUSEADDR on listeners, so that an address in TIME_WAIT can be bound."},
    {"enable-grpc-gateway", SECT_MEMBER, OPT_BOOL, USE_NORMAL, FIELD(enable_grpc_gateway), "true", NULL, NULL, "Serve the JSON gateway."},
    {"raft-read-timeout", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(raft_read_timeout), "5s", NULL, NULL, "Read timeout of a connection between members."},
    {"raft-write-timeout", SECT_MEMBER, OPT_DURATION, USE_NORMAL, FIELD(raft_write_timeout), "5s", NULL, NULL, "Write timeout of a connection between members."},
    {"feature-gates", SECT_MEMBER, OPT_GATES, USE_NORMAL, FIELD(feature_gates), "", NULL, NULL, "Comma separated NAME=true|false pairs that switch features. Options are:" CONFIG_GATES_HELP},
    {"initial-advertise-peer-urls", SECT_CLUSTERING, OPT_URLS, USE_NORMAL, FIELD(initial_advertise_peer_urls), "http://localhost:2380", NULL, NULL, "List of this member's peer URLs to advertise to the rest of the cluster."},
    {"initial-cluster", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(initial_cluster), "default=http://localhost:2380", NULL, NULL, "Members of the new cluster, or of the one to join: NAME=URL, separated by commas. Ignored on later starts."},
    {"initial-cluster-state", SECT_CLUSTERING, OPT_ENUM, USE_NORMAL, FIELD(initial_cluster_state), "new", NULL, "new existing", "'new' for the first start of a new cluster, 'existing' to join one. Ignored on later starts."},
    {"initial-cluster-token", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(initial_cluster_token), "etcd-cluster", NULL, NULL, "Token of a new cluster; it keeps clusters apart that have members of the same names."},
    {"advertise-client-urls", SECT_CLUSTERING, OPT_URLS, USE_NORMAL, FIELD(advertise_client_urls), "http://localhost:2379", NULL, NULL, "List of this member's client URLs to advertise. Clients must be able to reach them."},
    {"discovery", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery), "", NULL, NULL, "v2 discovery: URL used to bootstrap the cluster."},
    {"discovery-token", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_token), "", "discovery-config.token", NULL, "v3 discovery: token of the cluster to be bootstrapped."},
    {"discovery-endpoints", SECT_CLUSTERING, OPT_STRINGS, USE_NORMAL, FIELD(discovery_endpoints), "", "discovery-config.client.endpoints", NULL, "v3 discovery: list of endpoints of the discovery service."},
    {"discovery-dial-timeout", SECT_CLUSTERING, OPT_DURATION, USE_NORMAL, FIELD(discovery_dial_timeout), "2s", "discovery-config.client.dial-timeout", NULL, "v3 discovery: timeout to connect."},
    {"discovery-request-timeout", SECT_CLUSTERING, OPT_DURATION, USE_NORMAL, FIELD(discovery_request_timeout), "5s", "discovery-config.client.request-timeout", NULL, "v3 discovery: timeout of a request."},
    {"discovery-keepalive-time", SECT_CLUSTERING, OPT_DURATION, USE_NORMAL, FIELD(discovery_keepalive_time), "2s", "discovery-config.client.keepalive-time", NULL, "v3 discovery: interval of pings."},
    {"discovery-keepalive-timeout", SECT_CLUSTERING, OPT_DURATION, USE_NORMAL, FIELD(discovery_keepalive_timeout), "6s", "discovery-config.client.keepalive-timeout", NULL, "v3 discovery: timeout of a ping."},
    {"discovery-insecure-transport", SECT_CLUSTERING, OPT_BOOL, USE_NORMAL, FIELD(discovery_insecure_transport), "true", "discovery-config.client.secure.insecure-transport", NULL, "v3 discovery: connect without TLS."},
    {"discovery-insecure-skip-tls-verify", SECT_CLUSTERING, OPT_BOOL, USE_NORMAL, FIELD(discovery_insecure_skip_tls_verify), "false", "discovery-config.client.secure.insecure-skip-tls-verify", NULL, "v3 discovery: do not verify the certificate of the server."},
    {"discovery-cert", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_cert), "", "discovery-config.client.secure.cert", NULL, "v3 discovery: client certificate file."},
    {"discovery-key", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_key), "", "discovery-config.client.secure.key", NULL, "v3 discovery: client key file."},
    {"discovery-cacert", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_cacert), "", "discovery-config.client.secure.cacert", NULL, "v3 discovery: CA certificates that verify the server."},
    {"discovery-user", SECT_CLUSTERING, OPT_STRING, USE_SECRET, FIELD(discovery_user), "", "discovery-config.client.auth.username", NULL, "v3 discovery: USER[:PASSWORD]."},
    {"discovery-password", SECT_CLUSTERING, OPT_STRING, USE_SECRET, FIELD(discovery_password), "", "discovery-config.client.auth.password", NULL, "v3 discovery: password."},
    {"discovery-fallback", SECT_CLUSTERING, OPT_ENUM, USE_NORMAL, FIELD(discovery_fallback), "exit", NULL, "exit proxy", "What to do when discovery fails: 'exit'."},
    {"discovery-proxy", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_proxy), "", NULL, NULL, "HTTP proxy to use for traffic to the v2 discovery service."},
    {"discovery-srv", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_srv), "", NULL, NULL, "DNS domain whose SRV records name the members."},
    {"discovery-srv-name", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(discovery_srv_name), "", NULL, NULL, "Suffix to the name of the SRV records."},
    {"strict-reconfig-check", SECT_CLUSTERING, OPT_BOOL, USE_NORMAL, FIELD(strict_reconfig_check), "true", NULL, NULL, "Refuse changes of the membership that would lose the quorum."},
    {"pre-vote", SECT_CLUSTERING, OPT_BOOL, USE_NORMAL, FIELD(pre_vote), "true", NULL, NULL, "Ask for votes before an election, so that a member that was cut off disturbs nobody when it returns."},
    {"auto-compaction-retention", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(auto_compaction_retention), "0", NULL, NULL, "How much history automatic compaction keeps. 0 means no automatic compaction."},
    {"auto-compaction-mode", SECT_CLUSTERING, OPT_STRING, USE_NORMAL, FIELD(auto_compaction_mode), "periodic", NULL, NULL, "'periodic': the retention is a time such as '5m', or a number of hours. 'revision': it is a number of revisions."},
    {"max-learners", SECT_CLUSTERING, OPT_UINT, USE_NORMAL, FIELD(max_learners), "1", NULL, NULL, "Maximum number of learners in the cluster. The same for all members."},
    {"enable-v2", SECT_CLUSTERING, OPT_BOOL, USE_NORMAL, FIELD(enable_v2), "false", NULL, NULL, "Serve the v2 API."},
    {"proxy", SECT_CLUSTERING, OPT_ENUM, USE_NORMAL, FIELD(proxy), "off", NULL, "off readonly on", "v2 proxy: 'off', 'readonly' or 'on'."},
    {"proxy-failure-wait", SECT_OLD, OPT_UINT, USE_NO_EFFECT, OPT_NO_FIELD, "5000", NULL, NULL, NULL},
    {"proxy-refresh-interval", SECT_OLD, OPT_UINT, USE_NO_EFFECT, OPT_NO_FIELD, "30000", NULL, NULL, NULL},
    {"proxy-dial-timeout", SECT_OLD, OPT_UINT, USE_NO_EFFECT, OPT_NO_FIELD, "1000", NULL, NULL, NULL},
    {"proxy-write-timeout", SECT_OLD, OPT_UINT, USE_NO_EFFECT, OPT_NO_FIELD, "5000", NULL, NULL, NULL},
    {"proxy-read-timeout", SECT_OLD, OPT_UINT, USE_NO_EFFECT, OPT_NO_FIELD, "0", NULL, NULL, NULL},
    {"cert-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.cert_file), "", "client-transport-security.cert-file", NULL, "Path to the client TLS certificate file."},
    {"key-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.key_file), "", "client-transport-security.key-file", NULL, "Path to the client TLS key file."},
    {"client-cert-auth", SECT_SECURITY, OPT_BOOL, USE_NORMAL, FIELD(client_tls.client_cert_auth), "false", "client-transport-security.client-cert-auth", NULL, "Demand a certificate of each client."},
    {"client-cert-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.client_cert_file), "", "client-transport-security.client-cert-file", NULL, "Path to the certificate used in the role of a client, if it is another."},
    {"client-key-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.client_key_file), "", "client-transport-security.client-key-file", NULL, "Path to the key used in the role of a client, if it is another."},
    {"client-crl-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.crl_file), "", "", NULL, "Path to the list of revoked client certificates."},
    {"client-cert-allowed-hostname", SECT_SECURITY, OPT_STRINGS, USE_NORMAL, FIELD(client_tls.allowed_hostname), "", "client-transport-security.allowed-hostname", NULL, "Host names that a client certificate may have."},
    {"trusted-ca-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(client_tls.trusted_ca_file), "", "client-transport-security.trusted-ca-file", NULL, "Path to the CA certificates that client certificates are checked against."},
    {"auto-tls", SECT_SECURITY, OPT_BOOL, USE_NORMAL, FIELD(client_tls.auto_tls), "false", "client-transport-security.auto-tls", NULL, "Client TLS with certificates made at the start."},
    {"peer-cert-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.cert_file), "", "peer-transport-security.cert-file", NULL, "Path to the peer TLS certificate file."},
    {"peer-key-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.key_file), "", "peer-transport-security.key-file", NULL, "Path to the peer TLS key file."},
    {"peer-client-cert-auth", SECT_SECURITY, OPT_BOOL, USE_NORMAL, FIELD(peer_tls.client_cert_auth), "false", "peer-transport-security.client-cert-auth", NULL, "Demand a certificate of each peer."},
    {"peer-client-cert-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.client_cert_file), "", "peer-transport-security.client-cert-file", NULL, "Path to the certificate used in the role of a client, if it is another."},
    {"peer-client-key-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.client_key_file), "", "peer-transport-security.client-key-file", NULL, "Path to the key used in the role of a client, if it is another."},
    {"peer-crl-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.crl_file), "", "", NULL, "Path to the list of revoked peer certificates."},
    {"peer-cert-allowed-cn", SECT_SECURITY, OPT_STRINGS, USE_NORMAL, FIELD(peer_tls.allowed_cn), "", "peer-transport-security.allowed-cn", NULL, "Common names that a peer certificate may have."},
    {"peer-cert-allowed-hostname", SECT_SECURITY, OPT_STRINGS, USE_NORMAL, FIELD(peer_tls.allowed_hostname), "", "peer-transport-security.allowed-hostname", NULL, "Host names that a peer certificate may have."},
    {"peer-trusted-ca-file", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(peer_tls.trusted_ca_file), "", "peer-transport-security.trusted-ca-file", NULL, "Path to the CA certificates that peer certificates are checked against."},
    {"peer-auto-tls", SECT_SECURITY, OPT_BOOL, USE_NORMAL, FIELD(peer_tls.auto_tls), "false", "peer-transport-security.auto-tls", NULL, "Peer TLS with certificates made at the start."},
    {"peer-skip-client-san-verification", SECT_SECURITY, OPT_BOOL, USE_NORMAL, FIELD(peer_tls.skip_client_san_verification), "false", "peer-transport-security.skip-client-san-verification", NULL, "Do not check the SAN field of the certificates of peers."},
    {"self-signed-cert-validity", SECT_SECURITY, OPT_UINT, USE_NORMAL, FIELD(self_signed_cert_validity), "1", NULL, NULL, "Years that certificates made by --auto-tls and --peer-auto-tls are valid."},
    {"cipher-suites", SECT_SECURITY, OPT_STRINGS, USE_NORMAL, FIELD(cipher_suites), "", NULL, NULL, "Comma separated list of TLS cipher suites."},
    {"tls-min-version", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(tls_min_version), "TLS1.2", NULL, NULL, "Lowest TLS version: TLS1.2 or TLS1.3."},
    {"tls-max-version", SECT_SECURITY, OPT_STRING, USE_NORMAL, FIELD(tls_max_version), "", NULL, NULL, "Highest TLS version: TLS1.2 or TLS1.3."},
    {"cors", SECT_SECURITY, OPT_ORIGINS, USE_NORMAL, FIELD(cors), "*", NULL, NULL, "Comma separated list of origins for CORS (empty or * means any)."},
    {"host-whitelist", SECT_SECURITY, OPT_STRINGS, USE_NORMAL, FIELD(host_whitelist), "*", NULL, NULL, "Host names that HTTP requests without TLS may ask for (empty or * means any)."},
    {"auth-token", SECT_AUTH, OPT_STRING, USE_NORMAL, FIELD(auth_token), "simple", NULL, NULL, "Type of the authentication token, and its options: 'simple' or 'jwt'."},
    {"bcrypt-cost", SECT_AUTH, OPT_UINT, USE_NORMAL, FIELD(bcrypt_cost), "10", NULL, NULL, "Cost of hashing a password with bcrypt, from 4 to 31."},
    {"auth-token-ttl", SECT_AUTH, OPT_UINT, USE_NORMAL, FIELD(auth_token_ttl_s), "300", NULL, NULL, "Time (in seconds) that a simple token lives."},
    {"enable-pprof", SECT_MONITORING, OPT_BOOL, USE_NORMAL, FIELD(enable_pprof), "false", NULL, NULL, "Serve runtime profiling data below the client URL at /debug/pprof/."},
    {"metrics", SECT_MONITORING, OPT_STRING, USE_NORMAL, FIELD(metrics), "basic", NULL, NULL, "Detail of the metrics: 'basic', or 'extensive' for histograms of gRPC calls."},
    {"listen-metrics-urls", SECT_MONITORING, OPT_URLS, USE_NORMAL, FIELD(listen_metrics_urls), "", NULL, NULL, "List of URLs to listen on for /metrics and /health."},
    {"logger", SECT_LOGGING, OPT_STRING, USE_NORMAL, FIELD(logger), "zap", NULL, NULL, "Form of the log. Only 'zap'."},
    {"log-outputs", SECT_LOGGING, OPT_STRINGS, USE_NORMAL, FIELD(log_outputs), "default", NULL, NULL, "Comma separated list of 'default', 'stdout', 'stderr', 'systemd/journal' and file paths."},
    {"log-level", SECT_LOGGING, OPT_STRING, USE_NORMAL, FIELD(log_level), "info", NULL, NULL, "debug, info, warn, error, panic or fatal."},
    {"log-format", SECT_LOGGING, OPT_STRING, USE_NORMAL, FIELD(log_format), "json", NULL, NULL, "json or console."},
    {"enable-log-rotation", SECT_LOGGING, OPT_BOOL, USE_NO_EFFECT, FIELD(enable_log_rotation), "false", NULL, NULL, "Rotate a single file of --log-outputs."},
    {"log-rotation-config-json", SECT_LOGGING, OPT_STRING, USE_NO_EFFECT, FIELD(log_rotation_config_json), "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}", NULL, NULL, "How a log file is rotated."},
    {"warning-unary-request-duration", SECT_LOGGING, OPT_DURATION, USE_NORMAL, FIELD(warning_unary_request_duration), "300ms", NULL, NULL, "A request that takes longer is logged."},
    {"enable-distributed-tracing", SECT_TRACING, OPT_BOOL, USE_NO_EFFECT, FIELD(enable_distributed_tracing), "false", NULL, NULL, "Trace requests."},
    {"distributed-tracing-address", SECT_TRACING, OPT_STRING, USE_NO_EFFECT, FIELD(distributed_tracing_address), "localhost:4317", NULL, NULL, "Address of the collector."},
    {"distributed-tracing-service-name", SECT_TRACING, OPT_STRING, USE_NO_EFFECT, FIELD(distributed_tracing_service_name), "etcd", NULL, NULL, "Name of the service, the same for all members."},
    {"distributed-tracing-instance-id", SECT_TRACING, OPT_STRING, USE_NO_EFFECT, FIELD(distributed_tracing_instance_id), "", NULL, NULL, "Name of the instance, another for each member."},
    {"distributed-tracing-sampling-rate", SECT_TRACING, OPT_INT, USE_NO_EFFECT, FIELD(distributed_tracing_sampling_rate), "0", NULL, NULL, "Samples taken of a million spans."},
    {"corrupt-check-time", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(corrupt_check_time), "12h0m0s", NULL, NULL, "Interval of the comparisons of the data between members (0 to disable)."},
    {"compact-hash-check-time", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(compact_hash_check_time), "1m0s", NULL, NULL, "Least time between two comparisons of the data after a compaction."},
    {"compaction-batch-limit", SECT_FEATURES, OPT_INT, USE_NORMAL, FIELD(compaction_batch_limit), "0", NULL, NULL, "Most revisions deleted in a batch of a compaction (0 is 1000)."},
    {"compaction-sleep-interval", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(compaction_sleep_interval), "0s", NULL, NULL, "Pause between the batches of a compaction (0 is 10ms)."},
    {"watch-progress-notify-interval", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(watch_progress_notify_interval), "0s", NULL, NULL, "Interval of the progress notifications of a watch (0 is 10m)."},
    {"warning-apply-duration", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(warning_apply_duration), "100ms", NULL, NULL, "A request whose application takes longer is logged."},
    {"bootstrap-defrag-threshold-megabytes", SECT_FEATURES, OPT_UINT, USE_NO_EFFECT, FIELD(bootstrap_defrag_threshold_megabytes), "0", NULL, NULL, "Defragment at the start if that frees this much or more (0 to disable)."},
    {"downgrade-check-time", SECT_FEATURES, OPT_DURATION, USE_NORMAL, FIELD(downgrade_check_time), "5s", NULL, NULL, "Interval of the checks of a downgrade."},
    {"snapshot-catchup-entries", SECT_FEATURES, OPT_UINT, USE_NORMAL, FIELD(snapshot_catchup_entries), "5000", NULL, NULL, "Entries that the log keeps behind a cut, for slow followers."},
    {"force-new-cluster", SECT_UNSAFE, OPT_BOOL, USE_NORMAL, FIELD(force_new_cluster), "false", NULL, NULL, "Make a new cluster of one member out of the data."},
    {"unsafe-no-fsync", SECT_UNSAFE, OPT_BOOL, USE_NORMAL, FIELD(unsafe_no_fsync), "false", NULL, NULL, "Do not wait for the disk. A crash loses data."},
    {"config-file", SECT_PROGRAM, OPT_STRING, USE_NORMAL, FIELD(config_file), "", "", NULL, "Path to a YAML or JSON file of options."},
    {"env-file", SECT_PROGRAM, OPT_STRING, USE_NORMAL, FIELD(env_file), CONFIG_ENV_FILE_DEFAULT, "", NULL, "Path to a file of ETCD_ variables; none if empty."},
    {"client-threads", SECT_PROGRAM, OPT_UINT, USE_NORMAL, FIELD(client_threads), "0", NULL, NULL, "Threads that serve clients, 1 to 8 (0 is one a core)."},
    {"check-config", SECT_PROGRAM, OPT_ACTION, USE_NORMAL, OPT_NO_FIELD, "false", "", NULL, "Print each effective value and where it comes from, and exit."},
    {"version", SECT_PROGRAM, OPT_ACTION, USE_NORMAL, OPT_NO_FIELD, "false", "", NULL, "Print the version and exit."},
    {"v2-deprecation", SECT_OLD, OPT_ENUM, USE_NO_EFFECT, FIELD(v2_deprecation), "write-only", NULL, "not-yet write-only write-only-skip-check write-only-drop-data gone", NULL},
    {"log-package-levels", SECT_OLD, OPT_STRING, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"next-cluster-version-compatible", SECT_OLD, OPT_BOOL, USE_NO_EFFECT, OPT_NO_FIELD, "false", NULL, NULL, NULL},
    {"experimental-enable-v2v3", SECT_OLD, OPT_STRING, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"experimental-v3demo", SECT_OLD, OPT_BOOL, USE_NO_EFFECT, OPT_NO_FIELD, "false", NULL, NULL, NULL},
    {"experimental-gRPC-addr", SECT_OLD, OPT_STRING, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"experimental-wait-cluster-ready-timeout", SECT_OLD, OPT_DURATION, USE_NO_EFFECT, OPT_NO_FIELD, "5s", NULL, NULL, NULL},
    {"experimental-initial-corrupt-check", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.initial_corrupt_check), "true", NULL, NULL, NULL},
    {"experimental-compact-hash-check-enabled", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.compact_hash_check), "true", NULL, NULL, NULL},
    {"experimental-enable-lease-checkpoint", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.lease_checkpoint), "false", NULL, NULL, NULL},
    {"experimental-enable-lease-checkpoint-persist", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.lease_checkpoint_persist), "false", NULL, NULL, NULL},
    {"experimental-stop-grpc-service-on-defrag", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.stop_grpc_service_on_defrag), "false", NULL, NULL, NULL},
    {"experimental-txn-mode-write-with-shared-buffer", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.txn_mode_write_with_shared_buffer), "true", NULL, NULL, NULL},
    {"experimental-set-member-localaddr", SECT_OLD, OPT_BOOL, USE_NORMAL, FIELD(gates.set_member_local_addr), "false", NULL, NULL, NULL},
    {"snapshot-counter", SECT_OLD, OPT_STRING, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"peers", SECT_OLD, OPT_GONE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, "--initial-cluster"},
    {"peers-file", SECT_OLD, OPT_GONE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, "--initial-cluster"},
    {"cluster-active-size", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"cluster-remove-delay", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"cluster-sync-interval", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"config", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"force", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"max-result-buffer", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"max-retry-attempts", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"peer-heartbeat-interval", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"peer-election-timeout", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"retry-interval", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"snapshot", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"v", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"vv", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"test.coverprofile", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
    {"test.outputdir", SECT_OLD, OPT_BARE, USE_NO_EFFECT, OPT_NO_FIELD, "", NULL, NULL, NULL},
};

const struct option_alias option_aliases[] = {
    {"addr", "advertise-client-urls", TURN_HOST_TO_URL, NULL},
    {"bind-addr", "listen-client-urls", TURN_HOST_TO_URL, NULL},
    {"peer-addr", "initial-advertise-peer-urls", TURN_HOST_TO_URL, NULL},
    {"peer-bind-addr", "listen-peer-urls", TURN_HOST_TO_URL, NULL},
    {"ca-file", "trusted-ca-file", TURN_NONE, "client-transport-security.ca-file"},
    {"peer-ca-file", "peer-trusted-ca-file", TURN_NONE, "peer-transport-security.ca-file"},
    {"debug", "log-level", TURN_DEBUG, NULL},
    {"log-output", "log-outputs", TURN_NONE, NULL},
    {"experimental-auto-compaction-retention", "auto-compaction-retention", TURN_NONE, NULL},
    {"experimental-backend-bbolt-freelist-type", "backend-bbolt-freelist-type", TURN_NONE, NULL},
    {"experimental-bootstrap-defrag-threshold-megabytes", "bootstrap-defrag-threshold-megabytes", TURN_NONE, NULL},
    {"experimental-compact-hash-check-time", "compact-hash-check-time", TURN_NONE, NULL},
    {"experimental-compaction-batch-limit", "compaction-batch-limit", TURN_NONE, NULL},
    {"experimental-compaction-sleep-interval", "compaction-sleep-interval", TURN_NONE, NULL},
    {"experimental-corrupt-check-time", "corrupt-check-time", TURN_NONE, NULL},
    {"experimental-distributed-tracing-address", "distributed-tracing-address", TURN_NONE, NULL},
    {"experimental-distributed-tracing-instance-id", "distributed-tracing-instance-id", TURN_NONE, NULL},
    {"experimental-distributed-tracing-sampling-rate", "distributed-tracing-sampling-rate", TURN_NONE, NULL},
    {"experimental-distributed-tracing-service-name", "distributed-tracing-service-name", TURN_NONE, NULL},
    {"experimental-downgrade-check-time", "downgrade-check-time", TURN_NONE, NULL},
    {"experimental-enable-distributed-tracing", "enable-distributed-tracing", TURN_NONE, NULL},
    {"experimental-max-learners", "max-learners", TURN_NONE, NULL},
    {"experimental-memory-mlock", "memory-mlock", TURN_NONE, NULL},
    {"experimental-peer-skip-client-san-verification", "peer-skip-client-san-verification", TURN_NONE, NULL},
    {"experimental-snapshot-catchup-entries", "snapshot-catchup-entries", TURN_NONE, NULL},
    {"experimental-warning-apply-duration", "warning-apply-duration", TURN_NONE, NULL},
    {"experimental-warning-unary-request-duration", "warning-unary-request-duration", TURN_NONE, NULL},
    {"experimental-watch-progress-notify-interval", "watch-progress-notify-interval", TURN_NONE, NULL},
};
// clang-format on

const size_t options_n = ARRAY_LEN(options);
const size_t option_aliases_n = ARRAY_LEN(option_aliases);
_Static_assert(ARRAY_LEN(options) < OPTIONS_MAX, "more options than settings");

const char *const option_section_titles[SECT_COUNT_] = {
    [SECT_MEMBER] = "Member",
    [SECT_CLUSTERING] = "Clustering",
    [SECT_SECURITY] = "Security",
    [SECT_AUTH] = "Auth",
    [SECT_MONITORING] = "Profiling and Monitoring",
    [SECT_LOGGING] = "Logging",
    [SECT_TRACING] = "Distributed tracing",
    [SECT_FEATURES] = "Features",
    [SECT_UNSAFE] = "Unsafe feature",
    [SECT_PROGRAM] = "Program",
    [SECT_OLD] = "Names of older versions, still understood",
};

static const struct option *option_by_name(const char *name)
{
    for (size_t i = 0; i < options_n; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

/* Find the first option, or else alias, whose name matches `key`. */
static const struct option *
option_match(const void *key, bool (*matches)(const void *key, const char *name, const char *yaml),
             const struct option_alias **ret_alias)
{
    *ret_alias = NULL;
    for (size_t i = 0; i < options_n; i++) {
        if (matches(key, options[i].name, options[i].yaml))
            return &options[i];
    }
    for (size_t i = 0; i < option_aliases_n; i++) {
        const struct option_alias *a = &option_aliases[i];
        if (!matches(key, a->name, a->yaml))
            continue;
        *ret_alias = a;
        return option_by_name(a->option);
    }
    return NULL;
}

static bool matches_name(const void *key, const char *name, const char *yaml)
{
    (void)yaml;
    return slice_is(*(const struct slice *)key, name);
}

static bool matches_yaml(const void *key, const char *name, const char *yaml)
{
    return strcasecmp(key, yaml ? yaml : name) == 0;
}

static char env_char(char c)
{
    return c == '-' ? '_' : (char)toupper((unsigned char)c);
}

static bool matches_env(const void *key, const char *name, const char *yaml)
{
    (void)yaml;
    const struct slice *var = key;
    if (var->n != strlen(name) + 5 || memcmp(var->p, "ETCD_", 5) != 0)
        return false;
    for (size_t i = 5; i < var->n; i++) {
        if ((char)var->p[i] != env_char(name[i - 5]))
            return false;
    }
    return true;
}

const struct option *option_find(struct slice name, const struct option_alias **ret_alias)
{
    return option_match(&name, matches_name, ret_alias);
}

const struct option *option_find_yaml(const char *path, const struct option_alias **ret_alias)
{
    return *path ? option_match(path, matches_yaml, ret_alias) : NULL;
}

const struct option *option_find_env(struct slice var, const struct option_alias **ret_alias)
{
    const struct option *o = option_match(&var, matches_env, ret_alias);
    return o && o->kind == OPT_ACTION ? NULL : o;
}

bool option_yaml_is_parent(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < options_n; i++) {
        const char *y = options[i].yaml;
        if (y && strncasecmp(y, path, n) == 0 && y[n] == '.')
            return true;
    }
    return false;
}

char *option_env_name(const char *name)
{
    char *var = xasprintf("ETCD_%s", name);
    for (char *p = var + 5; *p; p++)
        *p = env_char(*p);
    return var;
}

bool option_is_bare(const struct option *o)
{
    return o->kind == OPT_BOOL || o->kind == OPT_ACTION || o->kind == OPT_BARE;
}
