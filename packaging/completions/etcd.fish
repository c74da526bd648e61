# fish completion for etcd: its flags are those that `etcd --help` lists.
# SPDX-License-Identifier: Apache-2.0
for flag in (etcd --help 2>&1 | string match -r --groups-only '^ *--([a-z0-9-]+)')
    complete -c etcd -l $flag
end
