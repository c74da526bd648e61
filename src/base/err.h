/* base/err.h -- the one table of errors.
 *
 * `enum err` is what functions return; ERR_OK is 0. Each error has a gRPC status code
 * and the exact text that clients match on. These texts are typed nowhere else.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/* gRPC status codes (grpc/statuscodes). */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* X(name, code, text). The first group is upstream's rpctypes, word for word; the second is
 * what only this program's own code and journal see. */
#define ERR_TABLE(X)                                                                               \
    X(ERR_OK, GRPC_OK, "")                                                                         \
    X(ERR_EMPTY_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided")                     \
    X(ERR_KEY_NOT_FOUND, GRPC_INVALID_ARGUMENT, "etcdserver: key not found")                       \
    X(ERR_VALUE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: value is provided")                  \
    X(ERR_LEASE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: lease is provided")                  \
    X(ERR_TOO_MANY_OPS, GRPC_INVALID_ARGUMENT, "etcdserver: too many operations in txn request")   \
    X(ERR_DUPLICATE_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request")  \
    X(ERR_INVALID_API_VERSION, GRPC_INVALID_ARGUMENT, "etcdserver: invalid client api version")    \
    X(ERR_INVALID_SORT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid sort option")                  \
    X(ERR_COMPACTED, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")  \
    X(ERR_FUTURE_REV, GRPC_OUT_OF_RANGE,                                                           \
      "etcdserver: mvcc: required revision is a future revision")                                  \
    X(ERR_NO_SPACE, GRPC_RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")          \
    X(ERR_LEASE_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: requested lease not found")                \
    X(ERR_LEASE_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: lease already exists")              \
    X(ERR_LEASE_TTL_TOO_LARGE, GRPC_OUT_OF_RANGE, "etcdserver: too large lease TTL")               \
    X(ERR_MEMBER_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: member ID already exist")          \
    X(ERR_PEER_URL_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: Peer URLs already exists")       \
    X(ERR_MEMBER_NOT_ENOUGH_STARTED, GRPC_FAILED_PRECONDITION,                                     \
      "etcdserver: re-configuration failed due to not enough started members")                     \
    X(ERR_MEMBER_BAD_URLS, GRPC_INVALID_ARGUMENT, "etcdserver: given member URLs are invalid")     \
    X(ERR_MEMBER_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: member not found")                        \
    X(ERR_MEMBER_NOT_LEARNER, GRPC_FAILED_PRECONDITION,                                            \
      "etcdserver: can only promote a learner member")                                             \
    X(ERR_LEARNER_NOT_READY, GRPC_FAILED_PRECONDITION,                                             \
      "etcdserver: can only promote a learner member which is in sync with leader")                \
    X(ERR_TOO_MANY_LEARNERS, GRPC_FAILED_PRECONDITION,                                             \
      "etcdserver: too many learner members in cluster")                                           \
    X(ERR_CLUSTER_ID_MISMATCH, GRPC_FAILED_PRECONDITION, "etcdserver: cluster ID mismatch")        \
    X(ERR_REQUEST_TOO_LARGE, GRPC_INVALID_ARGUMENT, "etcdserver: request is too large")            \
    X(ERR_TOO_MANY_REQUESTS, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests")             \
    X(ERR_ROOT_USER_NOT_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: root user does not exist")   \
    X(ERR_ROOT_ROLE_NOT_EXIST, GRPC_FAILED_PRECONDITION,                                           \
      "etcdserver: root user does not have root role")                                             \
    X(ERR_USER_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: user name already exists")           \
    X(ERR_USER_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: user name is empty")                     \
    X(ERR_USER_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: user name not found")             \
    X(ERR_ROLE_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: role name already exists")           \
    X(ERR_ROLE_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: role name not found")             \
    X(ERR_ROLE_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: role name is empty")                     \
    X(ERR_AUTH_FAILED, GRPC_INVALID_ARGUMENT,                                                      \
      "etcdserver: authentication failed, invalid user ID or password")                            \
    X(ERR_PERMISSION_NOT_GIVEN, GRPC_INVALID_ARGUMENT, "etcdserver: permission not given")         \
    X(ERR_PERMISSION_DENIED, GRPC_PERMISSION_DENIED, "etcdserver: permission denied")              \
    X(ERR_ROLE_NOT_GRANTED, GRPC_FAILED_PRECONDITION,                                              \
      "etcdserver: role is not granted to the user")                                               \
    X(ERR_PERMISSION_NOT_GRANTED, GRPC_FAILED_PRECONDITION,                                        \
      "etcdserver: permission is not granted to the role")                                         \
    X(ERR_AUTH_NOT_ENABLED, GRPC_FAILED_PRECONDITION, "etcdserver: authentication is not enabled") \
    X(ERR_INVALID_AUTH_TOKEN, GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token")              \
    X(ERR_INVALID_AUTH_MGMT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid auth management")         \
    X(ERR_AUTH_OLD_REVISION, GRPC_INVALID_ARGUMENT,                                                \
      "etcdserver: revision of auth store is old")                                                 \
    X(ERR_NO_LEADER, GRPC_UNAVAILABLE, "etcdserver: no leader")                                    \
    X(ERR_NOT_LEADER, GRPC_FAILED_PRECONDITION, "etcdserver: not leader")                          \
    X(ERR_LEADER_CHANGED, GRPC_UNAVAILABLE, "etcdserver: leader changed")                          \
    X(ERR_NOT_CAPABLE, GRPC_FAILED_PRECONDITION, "etcdserver: not capable")                        \
    X(ERR_STOPPED, GRPC_UNAVAILABLE, "etcdserver: server stopped")                                 \
    X(ERR_TIMEOUT, GRPC_UNAVAILABLE, "etcdserver: request timed out")                              \
    X(ERR_TIMEOUT_LEADER_FAIL, GRPC_UNAVAILABLE,                                                   \
      "etcdserver: request timed out, possibly due to previous leader failure")                    \
    X(ERR_TIMEOUT_CONN_LOST, GRPC_UNAVAILABLE,                                                     \
      "etcdserver: request timed out, possibly due to connection lost")                            \
    X(ERR_TIMEOUT_WAIT_APPLIED, GRPC_UNAVAILABLE,                                                  \
      "etcdserver: request timed out, waiting for the applied index took too long")                \
    X(ERR_TIMEOUT_TRANSFER, GRPC_UNKNOWN,                                                          \
      "etcdserver: request timed out, leader transfer took too long")                              \
    X(ERR_UNHEALTHY, GRPC_UNAVAILABLE, "etcdserver: unhealthy cluster")                            \
    X(ERR_CORRUPT, GRPC_DATA_LOSS, "etcdserver: corrupt cluster")                                  \
    X(ERR_NOT_SUPPORTED_FOR_LEARNER, GRPC_FAILED_PRECONDITION,                                     \
      "etcdserver: rpc not supported for learner")                                                 \
    X(ERR_BAD_LEADER_TRANSFEREE, GRPC_FAILED_PRECONDITION, "etcdserver: bad leader transferee")    \
    X(ERR_NO_CLUSTER_VERSION, GRPC_FAILED_PRECONDITION,                                            \
      "etcdserver: cluster version not found during downgrade")                                    \
    X(ERR_DOWNGRADE_BAD_FORMAT, GRPC_INVALID_ARGUMENT,                                             \
      "etcdserver: wrong downgrade target version format")                                         \
    X(ERR_DOWNGRADE_BAD_TARGET, GRPC_INVALID_ARGUMENT,                                             \
      "etcdserver: invalid downgrade target version")                                              \
    X(ERR_DOWNGRADE_IN_PROGRESS, GRPC_FAILED_PRECONDITION,                                         \
      "etcdserver: cluster has a downgrade job in progress")                                       \
    X(ERR_UNKNOWN_METHOD, GRPC_UNKNOWN, "etcdserver: unknown method")                              \
    X(ERR_CANCELED, GRPC_CANCELED, "etcdserver: request canceled")                                 \
    X(ERR_DEADLINE, GRPC_DEADLINE_EXCEEDED, "etcdserver: context deadline exceeded")               \
    X(ERR_WATCH_CANCELED, GRPC_CANCELED, "etcdserver: watch canceled")                             \
    X(ERR_ELECTION_NO_LEADER, GRPC_UNKNOWN, "election: no leader")                                 \
    X(ERR_ELECTION_NOT_LEADER, GRPC_UNKNOWN, "election: not leader")                               \
    X(ERR_ELECTION_LEADER_FIELD, GRPC_UNKNOWN, "\"leader\" field must be provided")                \
    X(ERR_SESSION_EXPIRED, GRPC_UNKNOWN, "mutex: session is expired")                              \
    X(ERR_STREAM_SORT, GRPC_UNIMPLEMENTED, "RangeStream does not support custom sort orders")      \
    X(ERR_STREAM_FILTER, GRPC_UNIMPLEMENTED, "RangeStream does not support revision filters")      \
    /* this program's own */                                                                       \
    X(ERR_INVALID, GRPC_INVALID_ARGUMENT, "invalid argument")                                      \
    X(ERR_IO, GRPC_INTERNAL, "input/output error")                                                 \
    X(ERR_DISK_FULL, GRPC_RESOURCE_EXHAUSTED, "no space left on device")                           \
    X(ERR_LOCKED, GRPC_UNAVAILABLE, "in use by another process")                                   \
    X(ERR_NEWER_SCHEMA, GRPC_FAILED_PRECONDITION, "written by a newer version")                    \
    X(ERR_FOREIGN_DATA, GRPC_FAILED_PRECONDITION, "data of another program")                       \
    X(ERR_DAMAGED, GRPC_DATA_LOSS, "stored data is damaged")                                       \
    X(ERR_NOT_FOUND, GRPC_NOT_FOUND, "not found")                                                  \
    X(ERR_EXISTS, GRPC_ALREADY_EXISTS, "already exists")                                           \
    X(ERR_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED, "too large")                                         \
    X(ERR_MALFORMED, GRPC_INVALID_ARGUMENT, "malformed")                                           \
    X(ERR_BUSY, GRPC_UNAVAILABLE, "busy")                                                          \
    X(ERR_CLOSED, GRPC_UNAVAILABLE, "closed")                                                      \
    X(ERR_REMOVED, GRPC_FAILED_PRECONDITION,                                                       \
      "the member has been permanently removed from the cluster")                                  \
    X(ERR_PROPOSAL_DROPPED, GRPC_UNAVAILABLE, "raft proposal dropped")                             \
    X(ERR_STEP_LOCAL, GRPC_INTERNAL, "raft: cannot step raft local message")                       \
    X(ERR_STEP_PEER_NOT_FOUND, GRPC_INTERNAL, "raft: cannot step as peer not found")

enum err {
#define X(name, code, text) name,
    ERR_TABLE(X)
#undef X
        ERR_COUNT_
};

/* Return the text of `e`, a static string. */
const char *err_text(enum err e);

/* Return the gRPC status code of `e`. */
enum grpc_code err_grpc_code(enum err e);

#endif
