/* config/config.h -- flags, environment and files become one immutable `struct config`.
 *
 * A value comes from the first of these that has it:
 *
 *   command line > YAML or JSON file > environment > etcd.conf > default
 *
 * The room neither logs nor prints nor exits: what is to be said goes back as notes, an error
 * text and an exit status. Durations are nanoseconds (base/duration.h). Strings are never NULL:
 * what is unset is "". A variable of the environment that stands in etcd.conf with the same text counts
 * as one of etcd.conf: whoever started the program has read it from there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/duration.h"
#include "config/url.h"

#define CONFIG_ENV_FILE_DEFAULT "/etc/etcd/etcd.conf"

enum {
    CONFIG_FILE_MAX = 1 << 20, /* bytes of a configuration file, either kind */
    CONFIG_NOTES_MAX = 256,    /* notes of one load; later ones are counted, not kept */
    CONFIG_CLIENT_THREADS_MAX = 8,
};

struct str_list {
    char **items;
    size_t n;
};

/* One member of --initial-cluster; a name given several times is one member with all its URLs. */
struct config_member {
    char *name;
    struct url_list peer_urls;
};

enum config_compaction_mode {
    CONFIG_COMPACT_OFF,
    CONFIG_COMPACT_PERIODIC,
    CONFIG_COMPACT_REVISION
};

/* TLS of one side, client or peer. Parsed; a build that has no TLS refuses to start with it. */
struct config_tls {
    char *cert_file;
    char *key_file;
    char *client_cert_file;
    char *client_key_file;
    char *trusted_ca_file;
    char *crl_file;
    struct str_list allowed_cn;
    struct str_list allowed_hostname;
    bool client_cert_auth;
    bool auto_tls;
    bool skip_client_san_verification;
};

struct config_feature_gates {
    bool stop_grpc_service_on_defrag;
    bool txn_mode_write_with_shared_buffer;
    bool initial_corrupt_check;
    bool compact_hash_check;
    bool lease_checkpoint;
    bool lease_checkpoint_persist;
    bool set_member_local_addr;
    bool fast_lease_keep_alive;
    bool priority_request;
};

struct config {
    /* ---- member ---- */
    char *name;
    char *data_dir; /* never empty: "NAME.etcd" where none was given */
    char *wal_dir;
    uint64_t snapshot_count;
    uint64_t snapshot_catchup_entries;
    uint64_t heartbeat_interval_ms;
    uint64_t election_timeout_ms;
    bool initial_election_tick_advance;
    struct url_list listen_peer_urls;
    struct url_list listen_client_urls;
    struct url_list listen_client_http_urls; /* if not empty, HTTP is served only there */
    struct url_list listen_metrics_urls;
    uint64_t max_snapshots;
    uint64_t max_wals;
    int64_t quota_backend_bytes; /* as given; see quota_bytes below */
    nsec backend_batch_interval; /* 0: the store's own default */
    int64_t backend_batch_limit; /* 0: the store's own default */
    uint64_t max_txn_ops;
    uint64_t max_request_bytes;
    uint64_t max_concurrent_streams; /* fits 32 bits */
    nsec grpc_keepalive_min_time;
    nsec grpc_keepalive_interval; /* 0: off */
    nsec grpc_keepalive_timeout;  /* 0: off */
    bool socket_reuse_port;
    bool socket_reuse_address;
    bool enable_grpc_gateway;
    bool memory_mlock;
    nsec raft_read_timeout;  /* at least 5 s */
    nsec raft_write_timeout; /* at least 5 s */
    uint64_t client_threads; /* 1..CONFIG_CLIENT_THREADS_MAX; 0: one a core, at most that many */

    /* ---- clustering ---- */
    struct url_list initial_advertise_peer_urls;
    struct url_list advertise_client_urls;
    char *initial_cluster;       /* the text; see members below */
    char *initial_cluster_state; /* "new" or "existing" */
    char *initial_cluster_token;
    bool strict_reconfig_check;
    bool pre_vote;
    bool force_new_cluster;
    char *discovery;
    char *discovery_fallback;
    char *discovery_proxy;
    char *discovery_srv;
    char *discovery_srv_name;
    char *discovery_token;
    struct str_list discovery_endpoints;
    nsec discovery_dial_timeout;
    nsec discovery_request_timeout;
    nsec discovery_keepalive_time;
    nsec discovery_keepalive_timeout;
    bool discovery_insecure_transport;
    bool discovery_insecure_skip_tls_verify;
    char *discovery_cert;
    char *discovery_key;
    char *discovery_cacert;
    char *discovery_user;
    char *discovery_password;
    uint64_t max_learners;
    nsec downgrade_check_time;

    /* ---- security ---- */
    struct config_tls client_tls;
    struct config_tls peer_tls;
    uint64_t self_signed_cert_validity; /* years */
    struct str_list cipher_suites;
    char *tls_min_version;
    char *tls_max_version;
    struct str_list cors;           /* origins; "*" or none: any */
    struct str_list host_whitelist; /* names; "*" or none: any */

    /* ---- auth ---- */
    char *auth_token;
    uint64_t auth_token_ttl_s;
    uint64_t bcrypt_cost;

    /* ---- monitoring and log ---- */
    bool enable_pprof;
    char *metrics; /* "basic" or "extensive" */
    char *logger;
    struct str_list log_outputs;
    char *log_level;
    char *log_format;
    bool enable_log_rotation;
    char *log_rotation_config_json;
    bool enable_distributed_tracing;
    char *distributed_tracing_address;
    char *distributed_tracing_service_name;
    char *distributed_tracing_instance_id;
    int64_t distributed_tracing_sampling_rate;

    /* ---- behaviour ---- */
    char *auto_compaction_mode;      /* as given; see compaction_mode below */
    char *auto_compaction_retention; /* as given */
    nsec corrupt_check_time;         /* 0: off */
    nsec compact_hash_check_time;
    int64_t compaction_batch_limit;      /* 0: 1000 */
    nsec compaction_sleep_interval;      /* 0: 10 ms */
    nsec watch_progress_notify_interval; /* 0: 10 min; at least 100 ms */
    nsec warning_apply_duration;
    nsec warning_unary_request_duration;
    uint64_t bootstrap_defrag_threshold_megabytes;
    char *feature_gates; /* as given; see gates below */
    bool unsafe_no_fsync;
    bool enable_v2;
    char *proxy;
    char *v2_deprecation;
    char *backend_bbolt_freelist_type;

    /* ---- of the program itself ---- */
    char *config_file; /* "" if none was read */
    char *env_file;    /* the etcd.conf that was read or looked for; "" if none */

    /* ---- what follows from the above ---- */
    struct config_member *members; /* of initial_cluster, sorted by name; where there are data,
                                    * perhaps none */
    size_t n_members;
    enum config_compaction_mode compaction_mode;
    msec compaction_period_ms;    /* for periodic */
    int64_t compaction_revisions; /* for revision */
    int64_t quota_bytes;          /* the effective quota; 0: no limit */
    bool metrics_extensive;
    enum log_level log_level_value;
    bool log_json;
    bool log_format_is_given;
    struct config_feature_gates gates;
};

/* ---- what a load has to say ---------------------------------------------------------------- */

struct config_note {
    enum log_level level; /* LOG_DEBUG_, LOG_INFO_ or LOG_WARN_ */
    enum message message; /* MSG_NONE: none */
    char *text;
};

enum config_result {
    CONFIG_RUN,           /* *ret_cfg is set: start the server */
    CONFIG_PRINT_VERSION, /* --version: print it, exit 0 */
    CONFIG_PRINT_HELP,    /* --help: print config_add_help(), exit 0 */
    CONFIG_CHECKED_OK,    /* --check-config: print out->report, exit 0 */
    CONFIG_USAGE_ERROR, /* print out->error and config_add_usage() to stderr, exit out->exit_code */
    CONFIG_ERROR,       /* print out->error to stderr, exit out->exit_code */
};

struct config_outcome {
    int exit_code;
    char *error;  /* one sentence without a newline; "" if none */
    char *report; /* --check-config: each effective value with its source; else "" */
    struct config_note *notes;
    size_t n_notes;
    size_t n_notes_dropped;
    struct str_list from_file; /* variables of the environment that stand in etcd.conf word for word:
                                * whoever started us has read it (systemd's EnvironmentFile=) */
};

void config_outcome_fini(struct config_outcome *out);

/* Return the address of the interface that has the default route, owned by the caller, or NULL. It
 * becomes the advertised host of a member that listens on 0.0.0.0 and advertises the default. */
typedef char *config_default_host_fn(void *arg);

struct config_input {
    int argc;
    char *const *argv;                    /* argv[0] is the program */
    char *const *envp;                    /* NULL-terminated; NULL is an empty environment */
    const struct str_list *env_passed_over; /* names in `envp` that came from etcd.conf when the program
                                             * started: it is etcd.conf that counts now. NULL: none */
    const char *env_file_default;         /* NULL: CONFIG_ENV_FILE_DEFAULT; "": none */
    config_default_host_fn *default_host; /* NULL: none is known */
    void *default_host_arg;
};

/* Read everything and check it. Set `out` in every case (config_outcome_fini it), and `*ret_cfg`
 * on CONFIG_RUN only. What must hold of --initial-cluster is not asked of a member whose data
 * folder holds "member" already. */
MUST_USE enum config_result config_load(const struct config_input *in, struct config **ret_cfg,
                                        struct config_outcome *out);
void config_free(struct config *c); /* NULL is fine */

/* Return the member of --initial-cluster that has our name, or NULL. */
const struct config_member *config_self(const struct config *c);

/* Check what must hold of --initial-cluster when a member without data makes a cluster, or joins
 * one: that it is there, that `c->name` is in it with the advertised URLs, and that no URL is given
 * twice. Fail with ERR_INVALID. */
MUST_USE enum err config_check_bootstrap(const struct config *c, struct why *why);

/* The same for whoever only writes the members down: whether this build can talk to them is not
 * asked. */
MUST_USE enum err config_check_members(const struct config *c, struct why *why);

/* Append the text of --help, of the usage after a wrong flag, or each effective value of `c`. */
void config_add_help(struct buf *b);
void config_add_usage(struct buf *b);

#endif
