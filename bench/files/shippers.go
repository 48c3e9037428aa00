package main

import "github.com/podbeat/podbeat/bench/peer"

const podbeatConfig = `
podbeat.inputs:
- type: emptydir
  id: pods
  paths: ["${PODS}/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"]
` + beatOutput

const filebeatConfig = `
filebeat.inputs:
- type: filestream
  id: pods
  paths: ["${PODS}/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"]
` + beatOutput

const (
	beatOutput = `output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`
	large = `output.elasticsearch.bulk_max_size: 2048
queue.mem: {events: 16384, flush.min_events: 2048, flush.timeout: 1s}
`
	plain = `output.elasticsearch.compression_level: 0
`
	gzip = `output.elasticsearch.compression_level: 1
`
)

const rsyslogConfig = `
global(workDirectory="${HOME}")
module(load="imfile")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="path" name="$!metadata!filename" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
input(type="imfile" file="${PODS}/*/volumes/kubernetes.io~empty-dir/applog-*/*.log" tag="applog" addMetadata="on")
action(type="omelasticsearch" server="127.0.0.1" serverport="${PORT}" template="document" searchIndex="rsyslog" searchType=""
  bulkmode="on" action.resumeRetryCount="-1")
`

const rsyslogTuned = `
main_queue(queue.size="50000" queue.dequeueBatchSize="2048" queue.minDequeueBatchSize="2048" queue.minDequeueBatchSize.timeout="1000"
  queue.workerThreads="2" queue.workerThreadMinimumMessages="8192")
`

// With inotify syslog-ng takes an instance for each directory, of which a user has 128 by default.
func syslogNGConfig(source, destination string) string {
	return `
@version: 3.38
@include "${SCL}/elasticsearch/elastic-http.conf"
options { stats-freq(0); };
source files {
  wildcard-file(base-dir("${PODS}") filename-pattern("*.log") recursive(yes) monitor-method("poll") flags(no-parse)` + source + `);
};
destination elasticsearch {
  elasticsearch-http(url("${SINK}/_bulk") index("syslog-ng") type("") retries(1000000)` + destination + `
    template("$(format-json @timestamp=${ISODATE} path=${FILE_NAME} message=${MESSAGE})"));
};
log { source(files); destination(elasticsearch); flags(flow-control); };
`
}

// Buffer_Size is the room for an answer: by default there is too little for that to many small documents, and they are sent again for ever.
func fluentBitConfig(input string) string {
	return `
[SERVICE]
    Flush        1
    Log_Level    warn
[INPUT]
    Name         tail
    Path         ${PODS}/*/volumes/kubernetes.io~empty-dir/applog-*/*.log
    Path_Key     path
    Read_from_Head On
    DB           ${HOME}/position.db
` + input + `[OUTPUT]
    Name         es
    Match        *
    Host         127.0.0.1
    Port         ${PORT}
    Index        fluent-bit
    Suppress_Type_Name On
    Buffer_Size  8M
    Retry_Limit  no_limits
`
}

// shippers are all there are. The first is what the others are compared with.
func shippers(lines int) (all []peer.Shipper) {
	podbeat, filebeat := peer.Podbeat(), peer.Filebeat()
	rsyslog, syslogNG, fluentBit := peer.Rsyslog(), peer.SyslogNG(), peer.FluentBit()
	for _, s := range []peer.Shipper{
		{Label: "podbeat: defaults", Program: podbeat, Config: podbeatConfig},
		{Label: "podbeat: no compression", Program: podbeat, Config: podbeatConfig + plain},
		{Label: "podbeat: gzip 1", Program: podbeat, Config: podbeatConfig + gzip},
		{Label: "filebeat 7.17.29 filestream: defaults", Program: filebeat, Config: filebeatConfig},
		{Label: "filebeat: bulk 2048", Program: filebeat, Config: filebeatConfig + large},
		{Label: "filebeat: bulk 2048 without gzip", Program: filebeat, Config: filebeatConfig + large + plain},
		{Label: "rsyslog imfile", Program: rsyslog, Config: rsyslogConfig},
		{Label: "rsyslog imfile: tuned", Program: rsyslog, Config: rsyslogTuned + rsyslogConfig},
		{Label: "syslog-ng wildcard-file", Program: syslogNG, Config: syslogNGConfig("", "")},
		{Label: "syslog-ng wildcard-file: tuned", Program: syslogNG, Config: syslogNGConfig(" log-fetch-limit(1000) log-iw-size(100000)",
			" batch-lines(2048) batch-timeout(1000) workers(2) log-fifo-size(120000)")},
		{Label: "fluent-bit tail", Program: fluentBit, Config: fluentBitConfig("")},
		{Label: "fluent-bit tail: Mem_Buf_Limit 50M", Program: fluentBit, Config: fluentBitConfig("    Mem_Buf_Limit 50M\n")},
	} {
		s.Docs, s.Tokens = int64(lines), lines
		all = append(all, s)
	}
	return all
}
