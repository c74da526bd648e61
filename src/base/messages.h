/* base/messages.h -- what the program says that an administrator can look up.
 *
 * Each such sentence has a 128-bit id, which goes with the record to the journal as MESSAGE_ID, and an
 * entry in systemd/etcd.catalog that explains it and says what to do (`journalctl -x`). The lint checks
 * that ids and entries are the same, and that each is said somewhere, by a program or by
 * systemd/etcd-service. An id never changes its meaning;
 * new ones come from `journalctl --new-id128`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MESSAGES_H
#define BASE_MESSAGES_H

#define MESSAGE_TABLE(X)                                                                           \
    X(MSG_STARTING, "95f9d3fc38a44680b8673852f457e864")                                            \
    X(MSG_READY, "80b5ec36d22445b1989e087caa20629f")                                               \
    X(MSG_READY_WITHOUT_QUORUM, "0a0cbcddcec54425b706e292535eb12b")                                \
    X(MSG_STOPPING, "32cdc8146b5440bc9033b1c409e37ba9")                                            \
    X(MSG_LEADER_ELECTED, "e75cf6155a9148a8938fcdc30851d535")                                      \
    X(MSG_LEADER_LOST, "355c8bfd9a964e4598776b8b0bb75afc")                                         \
    X(MSG_WAITING_FOR_PEERS, "66116e68906c4314a4090b70fb24cfe6")                                   \
    X(MSG_MEMBER_ADDED, "887cfe8b74bd424f80cc14dc72343258")                                        \
    X(MSG_LEARNER_ADDED, "4f81f30f95e14b8c944b2c709b44b9bb")                                       \
    X(MSG_LEARNER_PROMOTED, "d087fbb7d5fa44a6979d36bde822428c")                                    \
    X(MSG_MEMBER_REMOVED, "e0c25eb228cf4133891895cef0597ba7")                                      \
    X(MSG_REMOVED_SELF, "1f644c8c395146739724dcb5e0fc19fb")                                        \
    X(MSG_CONFIG_IGNORED, "749af342e2964ddb9b7d4fc90c0c097b")                                      \
    X(MSG_CONFIG_ERROR, "107ad229254a43bea989c65892b50272")                                        \
    X(MSG_SETTING_OVERRIDDEN, "12abdc6b9a484545b36623d59ac1a057")                                  \
    X(MSG_SETTING_WITHOUT_EFFECT, "c59997d413bf400eaf96e1d43ea61bc4")                              \
    X(MSG_VARIABLE_UNKNOWN, "3e49fa83e2004218974acb69ab9f4b62")                                    \
    X(MSG_RELOADED, "7de4d68a6d57479ea23d61407bfc4491")                                            \
    X(MSG_RELOAD_FAILED, "86667e9591b944e2838844fef7723add")                                       \
    X(MSG_FOREIGN_DATA, "20f2ff0197a641609a6e6f6a891ff686")                                        \
    X(MSG_DATA_DIR_UNUSABLE, "ad84c9b02a2c4b23ba716e196911e975")                                   \
    X(MSG_DATA_DAMAGED, "483b4ccaced4456b94e818ae98a5b646")                                        \
    X(MSG_CANNOT_START, "f4a95020852f4cb0b901ec0a93748c9b")                                        \
    X(MSG_MEMBER_FAILED, "d7edd49c9a90458abb40c422d5ea22e1")                                       \
    X(MSG_INSECURE_LISTENER, "ba7a2428624e48cf96214ca7c1352d40")                                   \
    X(MSG_FSYNC_SLOW, "cc1e47647eba4d1b9af69ef425f197fd")                                          \
    X(MSG_DISK_HANGS, "8abb0bf4f3bb4c82a22cdebf9c69dc74")                                          \
    X(MSG_WATCHDOG_HELD_BACK, "f0af7e1599934b2aa36afd0d9b4fb1fe")                                  \
    X(MSG_REQUEST_SLOW, "f3c2116697a04a7986e7c64bc29ea1a5")                                        \
    X(MSG_SPACE_LOW, "60a5b83767544fcd9d6172f881c95d78")                                           \
    X(MSG_NOSPACE_RAISED, "00d9852883f440cebae6a5da2a061b1c")                                      \
    X(MSG_NOSPACE_CLEARED, "5638d754c8d0487892cb45a00987b1ed")                                     \
    X(MSG_COMPACTED, "ef3a8e37c41a47f49eca42b726e541c3")                                           \
    X(MSG_VACUUMED, "a2a1279c61de41b787c3cc652975b190")                                            \
    X(MSG_SNAPSHOT_SENT, "164ea46458d54c4bb2f2df70373e645b")                                       \
    X(MSG_SNAPSHOT_RECEIVED, "9ca92463ca63432cac5467249223affc")                                   \
    X(MSG_SNAPSHOT_SAVED, "4e03c4c825d842b1b60bcf1766ac7716")                                      \
    X(MSG_HASH_MISMATCH, "009a445d961b406c915738295dafbbda")                                       \
    X(MSG_RECOVERY_FORCED, "bf95ac51a7874fd09d5b660cd16daf30")                                     \
    X(MSG_RATE_LIMITED, "b30d8394204e44b184691d7e6258dcce")                                        \
    X(MSG_BACKUP_VERIFIED, "c72e97c0a2164f3e9d2d41b7c896ef0c")                                     \
    X(MSG_BACKUP_FAILED, "95cf6703f77c415d85f762d5981f9479")

enum message {
    MSG_NONE,
#define X(name, id) name,
    MESSAGE_TABLE(X)
#undef X
};

/* Return the 32 hexadecimal digits, or NULL for MSG_NONE. */
const char *message_id(enum message m);

#endif
