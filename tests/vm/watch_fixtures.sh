#!/usr/bin/env bash
# Takes the fixture trees of tests/unit/fixtures/cgroup-* from a running kernel:
#   tests/vm/vm -k 6.12 -o FOLDER tests/vm/watch_fixtures.sh    # the tree is then FOLDER/tree
# Three cgroups do real work first, so that the files hold real numbers: one of ours with every limit set, that throttles,
# writes to a disk and is hit by an out-of-memory kill; a Docker container without limits; a systemd service.
set -eu
cgroups=/sys/fs/cgroup tree=/out/tree
rm -rf $tree
ours=$cgroups/plimsoll/1111111111111111111111111111111111111111111111111111111111111111
docker=$cgroups/system.slice/docker-2222222222222222222222222222222222222222222222222222222222222222.scope
service=$cgroups/system.slice/cron.service
for module in loop veth; do modprobe $module || true; done
echo 4 >/proc/sys/vm/nr_hugepages

for folder in $cgroups $cgroups/plimsoll $cgroups/system.slice; do
  mkdir -p $folder
  for controller in cpuset cpu io memory hugetlb pids; do echo +$controller >$folder/cgroup.subtree_control; done
done
mkdir $ours $docker $service
truncate -s 64M /tmp/disk
loop=$(losetup --show -f /tmp/disk)
device=$(cat /sys/block/"${loop#/dev/}"/dev)

echo "50000 100000" >$ours/cpu.max; echo 10000 >$ours/cpu.max.burst; echo 50 >$ours/cpu.weight
echo 64M >$ours/memory.max; echo 48M >$ours/memory.high; echo 0 >$ours/memory.swap.max; echo 4M >$ours/memory.low
echo 100 >$ours/pids.max; echo 0-1 >$ours/cpuset.cpus; echo "$device rbps=52428800 wiops=500" >$ours/io.max

inside() { sh -c 'echo 0 >"$0"/cgroup.procs; exec "$@"' "$@"; } # inside FOLDER COMMAND...
inside $ours unshare -n sh -c 'ip link add eth0 type veth peer name peer0; ip link set lo up; ip link set eth0 up
  ip link set peer0 up; exec sleep 1000' &
inside $docker sleep 1000 &
inside $service sleep 1000 &
inside $ours timeout 4 sh -c 'while :; do :; done' || true
inside $ours dd if=/dev/zero of="$loop" bs=64k count=64 oflag=direct status=none
inside $ours dd if="$loop" of=/dev/null bs=64k count=32 iflag=direct status=none
inside $docker dd if=/dev/urandom of=/tmp/file bs=1M count=8 status=none
echo max >$ours/memory.high
inside $ours python3 -c 'x = bytearray(200 << 20)' || true

copy() { # copy FROM-FOLDER TO-FOLDER: every file that can be read
  mkdir -p "$2"
  for file in "$1"/*; do
    case $file in *numa_stat* | *.rsvd.* | *misc.* | *rdma.* | *.local | *cgroup.max.*) continue ;; esac  # nobody reads these
    if [ -f "$file" ] && ! cat "$file" >"$2/${file##*/}" 2>/dev/null; then rm -f "$2/${file##*/}"; fi
  done
}
for folder in $cgroups $ours $docker $service; do copy $folder $tree/cgroup${folder#"$cgroups"}; done
for folder in $cgroups/plimsoll $cgroups/system.slice; do
  mkdir -p $tree/cgroup${folder#"$cgroups"}
  cat $folder/cgroup.controllers >$tree/cgroup${folder#"$cgroups"}/cgroup.controllers
done
mkdir -p $tree/proc/pressure $tree/proc/sys/kernel/random $tree/sys
for file in stat meminfo partitions cpuinfo pressure/cpu pressure/memory pressure/io sys/kernel/osrelease sys/kernel/random/boot_id; do
  cat /proc/$file >$tree/proc/$file
done
mkdir -p $tree/proc/self; cat /proc/self/mounts >$tree/proc/self/mounts
for pid in $(cat $ours/cgroup.procs) $(cat $docker/cgroup.procs); do
  mkdir -p $tree/proc/"$pid"/net; cat /proc/"$pid"/net/dev >$tree/proc/"$pid"/net/dev
done
echo "taken on $(uname -r)" >$tree/README
ls $tree/cgroup/plimsoll/1*; cat $ours/io.stat $ours/memory.events $ours/cpu.stat
