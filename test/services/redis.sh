#!/bin/bash
# redis.sh start|stop|status|run [PORT] [DATADIR]
# One real Redis server on loopback, without persistence.
set -u
name=redis
port=${2:-6379}
dir=$(realpath -m "${3:-${TMPDIR:-/tmp}/podbeat-services/redis-$port}")
. "$(dirname "$0")/common.sh"

ready() {
  grep -qs 'Ready to accept connections' "$log" && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# Its title is left as it was started, so that `pid` finds the folder in it.
start() {
  need redis-server redis-server
  : >"$log"
  printf '%s\n' "bind 127.0.0.1" "port $port" "dir $dir" 'save ""' "appendonly no" \
    'proc-title-template "{title} {config-file}"' >"$dir/redis.conf"
  launch redis-server "$dir/redis.conf"
}

main "${1:-}"
