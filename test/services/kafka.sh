#!/bin/bash
# kafka.sh start|stop|status|run [PORT] [DATADIR]
# One real Kafka broker (KRaft, no ZooKeeper) on loopback; its controller listens on PORT+1. It keeps messages
# of any age: podbeat gives them the time of the event. The environment's KAFKA_CONF has further lines of
# server.properties, of which the last of one name counts, and in which PORT is the port.
set -u
name=kafka
port=${2:-9092}
dir=$(realpath -m "${3:-${TMPDIR:-/tmp}/podbeat-services/kafka-$port}")
. "$(dirname "$0")/common.sh"

ready() {
  grep -qs 'Kafka Server started' "$log" && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

start() {
  local java conf=${KAFKA_CONF:-}
  jars kafka
  cat >"$dir/server.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=CLIENT://127.0.0.1:$port
inter.broker.listener.name=CLIENT
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
log.retention.ms=-1
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
${conf//PORT/$port}
CONF
  cat >"$dir/log4j.properties" <<'LOG'
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %-5p %c{1} %m%n
LOG
  java=("${JAVA:-java}" -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true
    -Dlog4j.configuration="file:$dir/log4j.properties" -cp "$home/*")
  : >"$log"
  [ -f "$dir/data/meta.properties" ] || "${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t PodbeatTestKafka00000w \
    -c "$dir/server.properties" >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  launch "${java[@]}" kafka.Kafka "$dir/server.properties"
}

main "${1:-}"
