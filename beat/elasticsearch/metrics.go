package elasticsearch

import (
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// counters are podbeat.output in the statistics, for all clients together. libbeat.output.events
// beside it counts as libbeat does: acked are events that left for good, dead letters among them.
var counters = struct {
	delivered      *monitoring.Uint // events Elasticsearch has stored
	duplicates     *monitoring.Uint // events it already had
	deadLetter     *monitoring.Uint // events written to the dead-letter index or file
	dropped        *monitoring.Uint // events thrown away by non_indexable_policy.drop
	split413       *monitoring.Uint // requests halved because they were too large
	split400       *monitoring.Uint // requests halved to find the event that spoils them
	retriedItems   *monitoring.Uint // events to be sent again although their request went through
	retriesRequest *monitoring.Uint // requests that failed as a whole
	backoffMillis  *monitoring.Uint // time spent waiting
	bytesRaw       *monitoring.Uint // request bodies before compression
	bytesSent      *monitoring.Uint // request bodies as they were sent
}{
	delivered:      newCounter("delivered"),
	duplicates:     newCounter("duplicates"),
	deadLetter:     newCounter("dead_letter"),
	dropped:        newCounter("dropped"),
	split413:       newCounter("split_413"),
	split400:       newCounter("split_400"),
	retriedItems:   newCounter("retried_items"),
	retriesRequest: newCounter("retries_request"),
	backoffMillis:  newCounter("backoff_ms"),
	bytesRaw:       newCounter("bytes_raw"),
	bytesSent:      newCounter("bytes_sent"),
}

func newCounter(name string) *monitoring.Uint {
	return monitoring.NewUint(monitoring.Default, "podbeat.output."+name)
}

func logger() *logp.Logger { return logp.NewLogger("elasticsearch") }
