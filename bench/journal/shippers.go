package main

import (
	"strings"

	"github.com/podbeat/podbeat/bench/nodejournal"
	"github.com/podbeat/podbeat/bench/peer"
)

const podbeatConfig = `
podbeat.inputs:
- type: journal
  id: node
  paths: ["${JOURNAL}"]
  seek: head
processors:
- k8sname: ~
- pausedrop: ~
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const filebeatConfig = `
filebeat.inputs:
- type: journald
  id: node
  paths: ["${JOURNAL}"]
  seek: head
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const beatTuned = `output.elasticsearch.bulk_max_size: 2048
queue.mem: {events: 16384, flush.min_events: 2048, flush.timeout: 1s}
`

// imjournal takes no path: openjournal gives it the journal. Its rate limit would drop entries. What it could not send it repeats for ever.
func rsyslogConfig(queue, journal string) string {
	return queue + `
global(workDirectory="${HOME}")
module(load="imjournal" stateFile="state" ignorePreviousMessages="off" ratelimit.interval="0"` + journal + `)
module(load="omelasticsearch")
template(name="document" type="list") {
  constant(value="{\"@timestamp\":\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\",\"journal\":") property(name="$!all-json-plain") constant(value="}")
}
action(type="omelasticsearch" server="127.0.0.1" serverport="${PORT}" template="document" searchIndex="rsyslog" searchType=""
  bulkmode="on" action.resumeRetryCount="-1")
`
}

const rsyslogQueue = `
main_queue(queue.size="50000" queue.dequeueBatchSize="2048" queue.minDequeueBatchSize="2048" queue.minDequeueBatchSize.timeout="1000"
  queue.workerThreads="2" queue.workerThreadMinimumMessages="8192")
`

func syslogNGConfig(source, destination string) string {
	return `
@version: 3.38
@include "${SCL}/elasticsearch/elastic-http.conf"
options { stats-freq(0); };
source journal { systemd-journal(read-old-records(yes)` + source + `); };
destination elasticsearch {
  elasticsearch-http(url("${SINK}/_bulk") index("syslog-ng") type("") retries(1000000)` + destination + `
    template("$(format-json --scope rfc5424 --key .journald.* --exclude DATE --key ISODATE @timestamp=${ISODATE})"));
};
log { source(journal); destination(elasticsearch); flags(flow-control); };
`
}

// Buffer_Size is the room for an answer: by default there is too little for that to many small documents, and they are sent again for ever.
func fluentBitConfig(input string) string {
	return `
[SERVICE]
    Flush        1
    Log_Level    warn
[INPUT]
    Name         systemd
    Path         ${JOURNAL}
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
func shippers(j *nodejournal.Journal) (all []peer.Shipper) {
	podbeat, withC, filebeat := peer.Podbeat(), peer.PodbeatC(), peer.Filebeat()
	rsyslog, syslogNG, fluentBit := peer.Rsyslog(), peer.SyslogNG(), peer.FluentBit()
	for _, s := range []peer.Shipper{
		{Label: "podbeat: defaults", Program: podbeat, Config: podbeatConfig},
		{Label: "podbeat: no compression", Program: podbeat, Config: podbeatConfig + "output.elasticsearch.compression_level: 0\n"},
		{Label: "podbeat: zstd", Program: podbeat, Config: podbeatConfig + "output.elasticsearch.compression: zstd\n"},
		{Label: "podbeat: reader sdjournal", Program: withC, Config: strings.Replace(podbeatConfig, "  seek: head\n", "  seek: head\n  reader: sdjournal\n", 1)},
		{Label: "podbeat: gzip 1", Program: podbeat, Config: podbeatConfig + "output.elasticsearch.compression_level: 1\n"},
		{Label: "filebeat 7.17.29 journald: defaults", Program: filebeat, Config: filebeatConfig},
		{Label: "filebeat: bulk 2048", Program: filebeat, Config: filebeatConfig + beatTuned},
		{Label: "filebeat: bulk 2048 without gzip", Program: filebeat, Config: filebeatConfig + beatTuned + "output.elasticsearch.compression_level: 0\n"},
		{Label: "rsyslog imjournal", Program: rsyslog, Config: rsyslogConfig("", "")},
		{Label: "rsyslog imjournal: tuned", Program: rsyslog, Config: rsyslogConfig(rsyslogQueue, ` persistStateInterval="1000"`)},
		{Label: "syslog-ng systemd-journal", Program: syslogNG, Config: syslogNGConfig("", "")},
		{Label: "syslog-ng systemd-journal: tuned", Program: syslogNG, Config: syslogNGConfig(" log-fetch-limit(1000) log-iw-size(20000)",
			" batch-lines(2048) batch-timeout(1000) workers(2) log-fifo-size(40000)")},
		{Label: "fluent-bit systemd", Program: fluentBit, Config: fluentBitConfig("")},
		{Label: "fluent-bit systemd: Mem_Buf_Limit 50M", Program: fluentBit, Config: fluentBitConfig("    Mem_Buf_Limit 50M\n")},
	} {
		// Parts of split messages, but the first, have no token. Only podbeat joins them, and drops what pause containers write.
		s.Docs, s.Tokens, s.Untold = int64(j.Messages), j.Messages, int64(j.Entries-j.Messages)
		if s.Program == podbeat || s.Program == withC {
			s.Docs, s.Absent, s.Untold = s.Docs-int64(len(j.Pause)), j.Pause, 0
		}
		all = append(all, s)
	}
	return all
}
