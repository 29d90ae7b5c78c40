#!/usr/bin/env bash
# In the guest: the docker command line as a client of the API. tests/vm/vm tests/clients/docker_cli.sh PRESET
# Needs docker (any version from 1.24's API on) on the build machine. Prints one line a check; exit status 1 when one failed.
set -u
bin=build/$1/bin
failed=0
check() { # NAME EXPECTED-STATUS EXPECTED-OUTPUT(glob) COMMAND...
  local name=$1 status=$2 want=$3 output code
  shift 3
  output=$(timeout 180 "$@" 2>&1)
  code=$?
  # shellcheck disable=SC2053
  if [ "$code" = "$status" ] && [[ $output == $want ]]; then
    echo "ok   $name"
  else
    echo "FAIL $name: exit status $code (want $status): $output (want $want)"
    failed=1
  fi
}

tree=$(mktemp -d)
mkdir -p "$tree"/{bin,proc,sys,dev,tmp,etc}
cp /bin/busybox "$tree/bin/"
for name in sh sleep cat echo ls id seq hostname head tail wc stty dd env; do ln -s busybox "$tree/bin/$name"; done
echo 'root:x:0:0::/root:/bin/sh' >"$tree/etc/passwd"
echo 'not a program' >"$tree/etc/data"
tar -C "$tree" -cf /tmp/image.tar .

export DOCKER_HOST=unix:///run/docker-test.sock
mkfifo /tmp/hold
exec 7<>/tmp/hold
start_daemon() {
  "$bin/docker_daemon" /run/docker-test.sock "$bin/plimsoll-runtime" </tmp/hold >/tmp/daemon.out 2>/tmp/daemon.err &
  daemon=$!
  for _ in $(seq 300); do grep -q ready /tmp/daemon.out && return; sleep 0.1; done
  echo "FAIL the daemon did not start: $(cat /tmp/daemon.err)"; exit 1
}
start_daemon

check import 0 'sha256:*' docker import -c 'CMD ["echo","default"]' -c 'ENV COLOUR=blue' /tmp/image.tar demo
check images 0 'demo:latest' docker images --format '{{.Repository}}:{{.Tag}}'
check tag 0 '' docker tag demo team/other:2
check untag 0 'Untagged: team/other:2' docker rmi team/other:2
check 'the default command' 0 default docker run --rm demo
check 'both streams, exit code' 7 $'out\nerr' docker run --rm demo sh -c 'echo out; echo err >&2; exit 7'
check 'environment' 0 'blue green' docker run --rm -e SHAPE=green demo sh -c 'echo $COLOUR $SHAPE'
check 'standard input, half closed' 0 '100000' bash -c 'seq 100000 | docker run --rm -i demo wc -l'
check 'a lot of output' 0 '*200000' bash -c 'docker run --rm demo seq 200000 | tail -1'
check 'terminal' 0 '*a terminal*' script -qec "docker run --rm -it demo sh -c '[ -t 0 ] && [ -t 1 ] && echo a terminal'" /dev/null
check 'no such program' 127 '*executable file not found*' docker run --rm demo nothing
check 'no such path' 127 '*' docker run --rm demo /bin/nothing
check 'no program' 126 '*' docker run --rm demo /etc/data
check 'no such image' 125 '*No such image*' docker run --rm nope
check 'what cannot be held' 125 '*bridge network*' docker run --rm -p 80:80 demo
check 'too little memory' 125 '*6 MiB*' docker run --rm -m 1m demo
check 'memory limit' 0 '67108864' docker run --rm -m 64m demo cat /sys/fs/cgroup/memory.max
check 'out of memory' 137 '*' docker run --name hog -m 32m demo sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1'
check 'OOMKilled' 0 'true' docker inspect -f '{{.State.OOMKilled}}' hog
check 'removed' 0 'hog' docker rm hog

check 'detached' 0 '????????????????????????????????????????????????????????????????' \
  docker run -d --name web -l app=web demo sh -c 'trap "exit 5" TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2; done'
check ps 0 'web Up*' docker ps --format '{{.Names}} {{.Status}}' --filter label=app=web
check 'ps of another label' 0 '' docker ps -q --filter label=app=other
check exec 3 'in web' docker exec web sh -c 'echo in web; exit 3'
check 'exec with input' 0 hi bash -c 'echo hi | docker exec -i web cat'
check 'exec of nothing' 127 '*not found*' docker exec web nothing
check top 0 '*sh -c trap*' docker top web
check stats 0 'web *%' docker stats --no-stream --format '{{.Name}} {{.CPUPerc}}' web
check 'name taken' 125 '*already in use*' docker run -d --name web demo
check 'image in use' 1 '*is using it*' docker rmi demo
check 'rm of a running one' 1 '*running*' docker rm web

kill -9 "$daemon"
wait "$daemon" 2>/dev/null
start_daemon
check 'found again' 0 'web Up*' docker ps --format '{{.Names}} {{.Status}}'
check 'no log line lost' 0 $'line 0\nline 1\nline 2' bash -c 'docker logs web | head -3'
check 'stopped' 0 web docker stop web
check 'its own exit code' 0 'exited 5' docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' web
check 'logs follow to the end' 0 'line *' bash -c 'docker logs -f --tail 1 web'
check 'wait for one that ended' 0 5 docker wait web
check rename 0 '' docker rename web site
check 'started again' 0 site docker start site
check 'killed' 0 site docker kill site
check 'events' 0 '*die*' docker events --since 1h --until 0s --filter container=site --filter event=die --format '{{.Action}}'
check 'rm' 0 site docker rm -f site
check 'nothing left' 0 '' docker ps -aq
check 'version' 0 '1.47' docker version -f '{{.Server.APIVersion}}'
check 'info' 0 '0 2' docker info -f '{{.Containers}} {{.CgroupVersion}}'

left=$(find /sys/fs/cgroup/plimsoll -mindepth 1 -type d; grep /var/lib/plimsoll/ /proc/mounts; ls /var/lib/plimsoll/containers)
[ -z "$left" ] && echo "ok   no cgroup, mount or folder left" || { echo "FAIL left behind: $left"; failed=1; }
[ -s /tmp/daemon.err ] && { echo "the daemon said:"; cat /tmp/daemon.err; }
exec 7>&-
exit $failed
