#!/bin/bash
# elasticsearch.sh start|stop|status|run [PORT] [DATADIR]
# One real Elasticsearch node on loopback. ES_MAJOR=7 (default) or 8; JAVA names the java, 17 or later.
set -u
name=elasticsearch
port=${2:-9200}
dir=$(realpath -m "${3:-${TMPDIR:-/tmp}/podbeat-services/elasticsearch-$port}")
. "$(dirname "$0")/common.sh"
profile=es${ES_MAJOR:-7}

# module HOME NAME CLASS JAR...: makes modules/NAME of the jars whose names begin so.
module() {
  local to=$1/modules/$2 version j
  version=$(basename "$1"/lib/elasticsearch-[0-9]*.jar .jar)
  version=${version#elasticsearch-}
  mkdir -p "$to"
  for j in "${@:4}"; do mv "$1/lib/$j"-[0-9]*.jar "$to" || return; done
  printf '%s\n' "name=$2" "description=$2" "classname=$3" "version=$version" \
    "elasticsearch.version=$version" java.version=11 >"$to/plugin-descriptor.properties"
}

# arrange HOME: sorts the flat folder of jars into lib/ and modules/, as a distribution has them.
arrange() {
  local netty=(netty-buffer netty-codec netty-codec-http netty-common netty-handler netty-resolver
    netty-transport netty-transport-native-unix-common)
  mkdir "$1/lib" && mv "$1"/*.jar "$1/lib" || return
  case $profile in
    es7)
      module "$1" transport-netty4 org.elasticsearch.transport.Netty4Plugin transport-netty4-client "${netty[@]}" &&
      module "$1" reindex org.elasticsearch.reindex.ReindexPlugin reindex-client elasticsearch-rest-client \
        elasticsearch-ssl-config httpclient httpcore httpcore-nio httpasyncclient commons-codec commons-logging &&
      module "$1" lang-mustache org.elasticsearch.script.mustache.MustachePlugin lang-mustache-client compiler &&
      module "$1" mapper-extras org.elasticsearch.index.mapper.MapperExtrasPlugin mapper-extras-client &&
      module "$1" parent-join org.elasticsearch.join.ParentJoinPlugin parent-join-client ;;
    es8)
      module "$1" transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin transport-netty4 \
        elasticsearch-ssl-config "${netty[@]}" &&
      echo modulename=org.elasticsearch.transport.netty4 >>"$1/modules/transport-netty4/plugin-descriptor.properties" ;;
  esac || return
  javac -nowarn -d "$1/classes" -cp "$1/lib/*" "$here/EsNode.java" &&
  javac -nowarn -d "$1/settable" -cp "$1/lib/*" "$here/Settable.java" &&
  jar cf "$1/lib/settable-0.jar" -C "$1/settable" Settable.class &&
  module "$1" settable Settable settable
}

ready() {
  curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$port/_cluster/health?wait_for_status=yellow&timeout=1s" 2>/dev/null
}

start() {
  local path
  need curl curl
  jars "$profile" EsNode.java Settable.java elasticsearch.sh
  mkdir -p "$dir/config" "$dir/repo" "$dir/tmp"
  cat >"$dir/config/elasticsearch.yml" <<YML
cluster.name: test
node.name: test-$port
discovery.type: single-node
http.host: 127.0.0.1
http.port: $port
transport.host: 127.0.0.1
transport.port: 0
path.data: $dir/data
path.logs: $dir
path.repo: $dir/repo
cluster.routing.allocation.disk.threshold_enabled: false
YML
  cat >"$dir/config/log4j2.properties" <<'LOG'
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c{1.} %m%n%xEx
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
LOG
  case $profile in
    es7) path=(-cp "$home/classes:$home/lib/*") ;;
    es8) path=(-p "$home/lib" --add-modules ALL-MODULE-PATH -cp "$home/classes"
      --add-opens org.elasticsearch.server/org.elasticsearch.node=ALL-UNNAMED) ;;
  esac
  launch "${JAVA:-java}" -Xms256m -Xmx1g -XX:MaxDirectMemorySize=256m -XX:+UseSerialGC \
    -XX:TieredStopAtLevel=1 -Dlog4j2.disable.jmx=true -Djava.io.tmpdir="$dir/tmp" \
    "${path[@]}" EsNode "$home" "$dir/config"
}

main "${1:-}"
