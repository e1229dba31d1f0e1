#!/bin/sh
# The guest's first program. Nothing of it happens after the snapshot.
/bin/mount -t proc -o nosuid,nodev,noexec proc /proc
/bin/mount -t sysfs -o nosuid,nodev,noexec,ro sysfs /sys
/bin/mount -t devtmpfs -o nosuid,noexec,mode=0755 devtmpfs /dev
/bin/mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
/bin/mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
for module in /lib/modules/*.ko; do /bin/insmod "$module" || echo "$module is not loaded"; done
# What a tool has no use for. The agent is root and sets nothing back.
for setting in user.max_user_namespaces=0 kernel.unprivileged_bpf_disabled=2 kernel.dmesg_restrict=1 \
    kernel.kptr_restrict=2 kernel.perf_event_paranoid=3 kernel.sysrq=0 kernel.core_pattern= vm.overcommit_memory=0 \
    kernel.modules_disabled=1; do
    /bin/sysctl -q -w "$setting"
done
echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
/bin/mkdir /sys/fs/cgroup/call
/bin/ip link set lo up
/bin/hostname sandbox
exec /usr/bin/python3 -I -S -B -c 'import sys; sys.path.insert(0, "/usr/lib/kelpie"); import agent; agent.main()'
