/* etcdctl/settings_file.h -- settings that hold for each call on this machine: /etc/etcd/etcdctl.conf.
 *
 * Lines of ETCDCTL_NAME=VALUE, as in an EnvironmentFile of systemd. They join the environment, so
 * that all that reads it knows them, in etcdctl-v2 too; what the environment has already stays.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_SETTINGS_FILE_H
#define ETCDCTL_SETTINGS_FILE_H

/* Names another file; if it is empty, none is read. */
#define SETTINGS_FILE_VARIABLE "ETCDCTL_CONF"
/* Where the units have it too, whatever the prefix. */
#define SETTINGS_FILE_DEFAULT "/etc/etcd/etcdctl.conf"

/* Read the file. What is wrong in it gets a line on stderr each, and that is all; so does a file that
 * cannot be read, if it was named. */
void settings_file_apply(void);

#endif
