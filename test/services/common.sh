# Sourced by elasticsearch.sh, kafka.sh and redis.sh, which set name, port and dir and define `start` and `ready`.
#
#   start   start the server unless it is up, wait until it answers; data in DATADIR survive stop and kill -9
#   stop    end it, by the pid that start wrote
#   status  say whether it is up (exit 3 if not)
#   run     start, print "ready", stop when stdin ends (so when the caller dies, however it dies) and remove DATADIR
#
# shellcheck shell=bash disable=SC2034,SC2154
cache=${SERVICES_CACHE:-$HOME/.cache/podbeat-services}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pidfile=$dir/$name.pid
log=$dir/$name.log

# need COMMAND PACKAGE: ends with the command to type if COMMAND is missing.
need() {
  command -v "$1" >/dev/null && return
  echo "$name: $1 is missing; install it: apt-get install -y $2" >&2
  exit 1
}

# pid: prints the server's process id, if the pid file names a live process that this script started.
pid() {
  local p
  p=$(cat "$pidfile" 2>/dev/null) && [ -n "$p" ] && grep -qsF -- "$dir/" "/proc/$p/cmdline" && echo "$p"
}

# jars PROFILE FILE...: sets home to the cached folder of PROFILE's jars, filling it from Maven unless an
# earlier run has done so. The folder's name holds a hash of the FILEs that decide what is in it.
jars() {
  local part
  need java openjdk-17-jdk-headless
  home=$cache/$1-$(cd "$here" && cat pom.xml "${@:2}" | sha256sum | cut -c1-12)
  [ -d "$home" ] && return
  need javac openjdk-17-jdk-headless
  need mvn maven
  part=$home.$$
  echo "$name: fetching its jars to $home" >&2
  mvn -B -q -ntp -Dstyle.color=never -f "$here/pom.xml" -P "$1" process-resources -Dout="$part" >&2 || exit 1
  if declare -F arrange >/dev/null; then arrange "$part" || exit 1; fi
  mv -T "$part" "$home" 2>/dev/null || rm -rf "$part" # another start was faster
}

# launch COMMAND...: starts it in the background, detached, and waits until `ready` succeeds.
launch() {
  local p t0=$SECONDS
  if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "$name: something else listens on 127.0.0.1:$port" >&2
    exit 1
  fi
  setsid "$@" >>"$log" 2>&1 </dev/null &
  p=$!
  echo $p >"$pidfile"
  until ready; do
    if ! kill -0 $p 2>/dev/null || [ $((SECONDS - t0)) -ge "${SERVICES_WAIT:-300}" ]; then
      echo "$name: did not start; the end of $log:" >&2
      tail -n 20 "$log" >&2
      stop >&2
      exit 1
    fi
    sleep 0.2
  done
  echo "$name: up on 127.0.0.1:$port, pid $p, log $log"
}

stop() {
  local p i
  p=$(pid) || { rm -f "$pidfile"; echo "$name: not running"; return; }
  kill "$p"
  for ((i = 0; i < 150; i++)); do
    pid >/dev/null || break
    sleep 0.2
  done
  ! pid >/dev/null || kill -9 "$p"
  rm -f "$pidfile"
  echo "$name: stopped"
}

status() {
  local p
  if p=$(pid) && ready; then echo "$name: up on 127.0.0.1:$port, pid $p"; return; fi
  echo "$name: not running"
  return 3
}

run() {
  trap 'stop >&2; rm -rf "$dir"' EXIT
  trap 'exit 1' INT TERM HUP
  mkdir -p "$dir"
  start >&2
  echo ready
  while read -r; do :; done # unlike cat, this does not hold up the traps
}

main() {
  case $1 in
    start) if pid >/dev/null; then status; else mkdir -p "$dir" && start; fi ;;
    stop | status | run) "$1" ;;
    *) echo "usage: $0 start|stop|status|run [PORT] [DATADIR]" >&2; return 2 ;;
  esac
}
