package observe

import "strings"

// A kind is what Prometheus has to know of a figure.
type kind int

const (
	counter kind = iota // only grows, but begins anew with the process, or with its input
	gauge
)

// A name says how one of libbeat's or podbeat's figures is called in Prometheus.
type name struct {
	// Its path in /stats. What a `*` stands for becomes the value of label. Of figures that inputs have, it is
	// the part behind `podbeat.<type>.<id>.`, and the types are in types.
	path, label string
	name, help  string
	kind        kind
	per         float64 // what the figure is divided by, to come to seconds; 0: it is as it is
}

// global are the figures that podbeat has once.
var global = []name{
	{"libbeat.config.module.running", "", "podbeat_inputs_running", "Inputs that run.", gauge, 0},
	{"libbeat.config.module.starts", "", "podbeat_inputs_started_total", "Times an input was started.", counter, 0},
	{"libbeat.config.module.stops", "", "podbeat_inputs_stopped_total", "Times an input was stopped.", counter, 0},
	{"libbeat.config.reloads", "", "podbeat_libbeat_config_reloads_total", "Reloads by libbeat's own reloader, which podbeat does not use.", counter, 0},
	{"libbeat.config.scans", "", "podbeat_libbeat_config_scans_total", "Scans by libbeat's own reloader, which podbeat does not use.", counter, 0},

	{"libbeat.pipeline.clients", "", "podbeat_pipeline_clients", "Connections of inputs to the queue.", gauge, 0},
	{"libbeat.pipeline.events.active", "", "podbeat_queue_events", "Events in the queue, those included that the output has and has not acknowledged.", gauge, 0},
	{"libbeat.pipeline.events.total", "", "podbeat_pipeline_events_total", "Events that came to libbeat.", counter, 0},
	{"libbeat.pipeline.events.published", "", "podbeat_pipeline_events_published_total", "Events that the queue has taken.", counter, 0},
	{"libbeat.pipeline.events.filtered", "", "podbeat_pipeline_events_filtered_total", "Events dropped by processors.", counter, 0},
	{"libbeat.pipeline.events.failed", "", "podbeat_pipeline_events_failed_total", "Events not taken, as when podbeat is stopping. They are read again.", counter, 0},
	{"libbeat.pipeline.events.dropped", "", "podbeat_pipeline_events_dropped_total", "Events given up by libbeat after retries. podbeat's inputs want every event delivered, so that it stays 0.", counter, 0},
	{"libbeat.pipeline.events.retry", "", "podbeat_pipeline_events_retried_total", "Events that an output gave back, given to it once more. Elasticsearch's sends again by itself: see podbeat_output_events_failed_total.", counter, 0},
	{"libbeat.pipeline.queue.acked", "", "podbeat_queue_events_acked_total", "Events that have left the queue for good. The queue on disk counts those written to it.", counter, 0},
	{"libbeat.pipeline.queue.max_events", "", "podbeat_queue_events_max", "Events the queue has room for.", gauge, 0},

	{"libbeat.output.events.batches", "", "podbeat_output_batches_total", "Batches given to the output.", counter, 0},
	{"libbeat.output.events.total", "", "podbeat_output_events_total", "Events given to the output, each as often as it was tried.", counter, 0},
	{"libbeat.output.events.acked", "", "podbeat_output_events_acked_total", "Events that have left for good; dead letters are among them.", counter, 0},
	{"libbeat.output.events.failed", "", "podbeat_output_events_failed_total", "Events that have to be sent again.", counter, 0},
	{"libbeat.output.events.active", "", "podbeat_output_events_active", "Events the output is working on.", gauge, 0},
	{"libbeat.output.events.duplicates", "", "podbeat_output_events_duplicates_total", "Events the server had already.", counter, 0},
	{"libbeat.output.events.dropped", "", "podbeat_output_events_dropped_total", "Events thrown away by the output, as non_indexable_policy.drop wants it.", counter, 0},
	{"libbeat.output.events.toomany", "", "podbeat_output_events_too_many_total", "Events answered with 429.", counter, 0},
	{"libbeat.output.write.bytes", "", "podbeat_output_written_bytes_total", "Bytes written to the network by the output. Some outputs do not count them.", counter, 0},
	{"libbeat.output.write.errors", "", "podbeat_output_write_errors_total", "Errors while writing to the network.", counter, 0},
	{"libbeat.output.read.bytes", "", "podbeat_output_read_bytes_total", "Bytes of answers.", counter, 0},
	{"libbeat.output.read.errors", "", "podbeat_output_read_errors_total", "Errors while reading answers.", counter, 0},

	{"podbeat.output.delivered", "", "podbeat_elasticsearch_events_delivered_total", "Events Elasticsearch has stored.", counter, 0},
	{"podbeat.output.duplicates", "", "podbeat_elasticsearch_events_duplicates_total", "Events Elasticsearch had already.", counter, 0},
	{"podbeat.output.dead_letter", "", "podbeat_elasticsearch_dead_letters_total", "Events refused by Elasticsearch for good, and put aside.", counter, 0},
	{"podbeat.output.dropped", "", "podbeat_elasticsearch_events_dropped_total", "Events refused by Elasticsearch for good, and thrown away as non_indexable_policy.drop wants it.", counter, 0},
	{"podbeat.output.split_413", "", "podbeat_elasticsearch_splits_413_total", "Requests halved because they were too large.", counter, 0},
	{"podbeat.output.split_400", "", "podbeat_elasticsearch_splits_400_total", "Requests halved to find the event that spoils them.", counter, 0},
	{"podbeat.output.retried_items", "", "podbeat_elasticsearch_events_retried_total", "Events refused for now although their request went through.", counter, 0},
	{"podbeat.output.retries_request", "", "podbeat_elasticsearch_requests_failed_total", "Requests that failed as a whole.", counter, 0},
	{"podbeat.output.backoff_ms", "", "podbeat_elasticsearch_backoff_seconds_total", "Time spent waiting before the next try.", counter, 1000},
	{"podbeat.output.bytes_raw", "", "podbeat_elasticsearch_request_bytes_total", "Bodies of requests before they were compressed.", counter, 0},
	{"podbeat.output.bytes_sent", "", "podbeat_elasticsearch_sent_bytes_total", "Bodies of requests as they were sent.", counter, 0},
	{"podbeat.output.dead_letter_discarded", "", "podbeat_dead_letters_discarded_total", "Dead letters LOST with the oldest file, which made room.", counter, 0},
	{"podbeat.output.kafka.dead_letter", "", "podbeat_kafka_dead_letters_total", "Events that Kafka can not take, put aside.", counter, 0},
	{"podbeat.output.kafka.split", "", "podbeat_kafka_splits_total", "Requests sent again in parts since a message in them was refused.", counter, 0},

	{"podbeat.queue.dead_letter", "", "podbeat_queue_dead_letters_total", "Events too large for queue.disk, put aside.", counter, 0},

	{"podbeat.reload.applied", "", "podbeat_reload_applied_total", "Configurations applied while running.", counter, 0},
	{"podbeat.reload.refused", "", "podbeat_reload_refused_total", "Configurations refused while running.", counter, 0},

	{"podbeat.k8sname.cache.hits", "", "podbeat_k8sname_cache_hits_total", "Events whose container was looked up by its name.", counter, 0},
	{"podbeat.k8sname.cache.misses", "", "podbeat_k8sname_cache_misses_total", "Names of containers that were parsed.", counter, 0},
	{"podbeat.k8sname.conflicts", "", "podbeat_k8sname_conflicts_total", "Events that said something else than their container's name.", counter, 0},
	{"podbeat.k8sname.missing", "", "podbeat_k8sname_missing_total", "Events without the name of a container.", counter, 0},
	{"podbeat.k8sname.parsed.*", "form", "podbeat_k8sname_parsed_total", "Names parsed, by their form.", counter, 0},
	{"podbeat.k8sname.unparsed.*", "reason", "podbeat_k8sname_unparsed_total", "Names that are no Kubernetes container's, by reason.", counter, 0},
	{"podbeat.pausedrop.dropped", "", "podbeat_pausedrop_dropped_total", "Events of pause containers dropped.", counter, 0},
}

// types are the figures of inputs, by the inputs' type.
var types = map[string][]name{
	"journal": {
		{"read", "", "podbeat_journal_entries_read_total", "Entries read from the journal.", counter, 0},
		{"bytes", "", "podbeat_journal_read_bytes_total", "Bytes of their fields.", counter, 0},
		{"filtered", "", "podbeat_journal_entries_filtered_total", "Entries left out by exclude_matches.", counter, 0},
		{"joined", "", "podbeat_journal_entries_joined_total", "Entries that became a further part of another's event.", counter, 0},
		{"again", "", "podbeat_journal_entries_again_total", "Entries read again after a start, which had come out before: a message that waited for its next part was older than they.", counter, 0},
		{"published", "", "podbeat_journal_events_published_total", "Events given to libbeat.", counter, 0},
		{"acked", "", "podbeat_journal_events_acked_total", "Events that have left for good.", counter, 0},
		{"skipped.*", "reason", "podbeat_journal_entries_skipped_total", "Entries LOST since they could not be read (corrupt) or had no field or were beyond a bound (other).", counter, 0},
		{"now.files.unreadable", "", "podbeat_journal_files_unreadable", "Journal files that are left out now.", gauge, 0},
		{"files.unreadable", "", "podbeat_journal_files_unreadable_total", "Journal files left out: no right to open them, or of a format that is not known.", counter, 0},
		{"files.corrupt", "", "podbeat_journal_files_corrupt_total", "Journal files left out, whole or from some point on, since they are damaged.", counter, 0},
		{"gaps.seqnum", "", "podbeat_journal_gaps_total", "Entries LOST: sequence numbers never seen, removed before they were read or unreadable.", counter, 0},
		{"gaps.ordinal", "", "podbeat_journal_container_gaps_total", "Lines of containers LOST: ordinals never seen.", counter, 0},
		{"gaps.available", "", "podbeat_journal_gaps_known", "1 if gaps can be told; 0 if a filter or missing rights hide entries.", gauge, 0},
		{"journald.suppressed", "", "podbeat_journald_suppressed_total", "Messages that journald says it dropped by its rate limit.", counter, 0},
		{"journald.missed", "", "podbeat_journald_missed_total", "Messages that journald says it missed.", counter, 0},
		{"cut", "", "podbeat_journal_messages_cut_total", "Messages or fields cut at max_message_bytes.", counter, 0},
		{"binary", "", "podbeat_journal_messages_binary_total", "Messages with bytes that are no UTF-8.", counter, 0},
		{"truncated", "", "podbeat_journal_messages_truncated_total", "Joined messages sent before their last part, or in pieces.", counter, 0},
		{"reopened", "", "podbeat_journal_reopened_total", "Times the journal was opened anew.", counter, 0},
		{"errors", "", "podbeat_journal_errors_total", "Errors survived.", counter, 0},
		{"behind.seconds", "", "podbeat_journal_behind_seconds", "Age of the newest entry read while there are more, or while reading waits for the output, else 0.", gauge, 0},
	},
	"kafka": {
		{"read", "", "podbeat_consumer_messages_read_total", "Messages read from Kafka.", counter, 0},
		{"bytes", "", "podbeat_consumer_read_bytes_total", "Bytes of their values.", counter, 0},
		{"published", "", "podbeat_consumer_events_published_total", "Events given to libbeat.", counter, 0},
		{"acked", "", "podbeat_consumer_events_acked_total", "Events that have left for good.", counter, 0},
		{"filtered", "", "podbeat_consumer_events_filtered_total", "Events dropped by processors.", counter, 0},
		{"dead_letter", "", "podbeat_consumer_dead_letters_total", "Messages that are no events, put aside.", counter, 0},
		{"skipped.*", "reason", "podbeat_consumer_messages_skipped_total", "Messages with nothing in them to ship.", counter, 0},
		{"late", "", "podbeat_consumer_events_late_total", "Events acknowledged when their partition was somebody else's already. They are read again there.", counter, 0},
		{"replaced.*", "field", "podbeat_consumer_fields_replaced_total", "Events whose @timestamp or _id was wrong and is the message's.", counter, 0},
		{"committed", "", "podbeat_consumer_messages_committed_total", "Messages that will not be read again.", counter, 0},
		{"gaps.deleted", "", "podbeat_consumer_gaps_total", "Messages LOST: Kafka deleted them before they were read.", counter, 0},
		{"rebalances", "", "podbeat_consumer_rebalances_total", "Times the group has shared its partitions anew.", counter, 0},
		{"pauses", "", "podbeat_consumer_pauses_total", "Times a partition paused.", counter, 0},
		{"errors", "", "podbeat_consumer_errors_total", "Errors survived.", counter, 0},
		{"partitions", "", "podbeat_consumer_partitions", "Partitions this podbeat reads.", gauge, 0},
		{"paused", "", "podbeat_consumer_partitions_paused", "Of them, those that pause since too much of theirs is in flight.", gauge, 0},
		{"waiting", "", "podbeat_consumer_partitions_waiting", "Of them, those that wait since a dead letter cannot be written.", gauge, 0},
		{"stalled", "", "podbeat_consumer_partitions_stalled", "Of them, those that have messages, do not pause, and of which nothing could be read for two session timeouts, at most a minute.", gauge, 0},
		{"in_flight.events", "", "podbeat_consumer_events_in_flight", "Events that wait for their acknowledgement.", gauge, 0},
		{"in_flight.bytes", "", "podbeat_consumer_in_flight_bytes", "Bytes of their messages.", gauge, 0},
		{"lag", "", "podbeat_consumer_lag_messages", "Messages of this podbeat's partitions that are not read.", gauge, 0},
		{"behind.seconds", "", "podbeat_consumer_behind_seconds", "Age of the oldest message that is not read or not settled, else 0.", gauge, 0},
		{"partition_lag.*", "partition", "podbeat_consumer_partition_lag_messages", "The same by topic and partition, of at most 200.", gauge, 0},
	},
	"emptydir": files,
	"podlogs":  files,
	"push": {
		{"bytes", "", "podbeat_push_body_bytes_total", "Bodies, inflated.", counter, 0},
		{"connections", "", "podbeat_push_connections", "Open connections.", gauge, 0},
		{"listening", "", "podbeat_push_listening", "1 if it listens; 0 while the address or the keys are not to be had.", gauge, 0},
		{"entries.received", "", "podbeat_push_entries_received_total", "Entries of requests that were not refused.", counter, 0},
		{"entries.acked", "", "podbeat_push_entries_acked_total", "Entries delivered.", counter, 0},
		{"entries.filtered", "", "podbeat_push_entries_filtered_total", "Entries dropped by processors.", counter, 0},
		{"entries.failed", "", "podbeat_push_entries_failed_total", "Entries not taken after all. Their client is told.", counter, 0},
		{"in_flight.entries", "", "podbeat_push_entries_in_flight", "Entries that wait for their acknowledgement.", gauge, 0},
		{"in_flight.bytes", "", "podbeat_push_in_flight_bytes", "Bodies that are being read or wait for their acknowledgement.", gauge, 0},
		{"requests.repeated", "", "podbeat_push_requests_repeated_total", "Requests told to be repeated by their Idempotency-Key.", counter, 0},
		{"requests.abandoned", "", "podbeat_push_requests_abandoned_total", "Requests whose client was gone before the answer.", counter, 0},
		{"requests.refused.*", "reason", "podbeat_push_requests_refused_total", "Requests that were not taken, by reason.", counter, 0},
		{"requests.*", "code", "podbeat_push_requests_total", "Requests, by the status of their answer.", counter, 0},
	},
}

// files are the figures of inputs that follow files.
var files = []name{
	{"files.found", "", "podbeat_files_found_total", "Files found.", counter, 0},
	{"files.ignored", "", "podbeat_files_ignored_total", "Files too old to be read.", counter, 0},
	{"files.truncated", "", "podbeat_files_truncated_total", "Times a file was truncated.", counter, 0},
	{"files.closed.*", "reason", "podbeat_files_closed_total", "Files closed, by reason.", counter, 0},
	{"read.bytes", "", "podbeat_files_read_bytes_total", "Bytes taken as lines.", counter, 0},
	{"read.messages", "", "podbeat_files_messages_total", "Messages in them.", counter, 0},
	{"published", "", "podbeat_files_events_published_total", "Events given to libbeat.", counter, 0},
	{"acked", "", "podbeat_files_events_acked_total", "Events that have left for good.", counter, 0},
	{"errors", "", "podbeat_files_errors_total", "Errors survived.", counter, 0},
	{"cut", "", "podbeat_files_messages_cut_total", "Messages cut at max_message_bytes.", counter, 0},
	{"binary", "", "podbeat_files_messages_binary_total", "Messages with bytes that are no UTF-8.", counter, 0},
	{"unparsed", "", "podbeat_files_messages_unparsed_total", "Lines that are not of the container runtime's format.", counter, 0},
	{"excluded", "", "podbeat_files_messages_excluded_total", "Messages left out as configured.", counter, 0},
	{"empty", "", "podbeat_files_messages_empty_total", "Empty messages, left out.", counter, 0},
	{"ndjson.errors", "", "podbeat_files_ndjson_errors_total", "Messages that are no JSON although they should.", counter, 0},
	{"ndjson.conflicts", "", "podbeat_files_ndjson_conflicts_total", "Members of JSON messages that were in the way of a field.", counter, 0},
	{"timestamp.errors", "", "podbeat_files_timestamp_errors_total", "Times that could not be read.", counter, 0},
	{"abandoned.bytes", "", "podbeat_files_abandoned_bytes_total", "Bytes LOST: given up before they were read.", counter, 0},
	{"abandoned.reason.*", "reason", "podbeat_files_abandoned_reason_bytes_total", "The same by reason.", counter, 0},
	{"abandoned.files", "", "podbeat_files_abandoned_total", "Files that were not open, were written to or truncated, and deleted before podbeat could look: perhaps their last lines are LOST, of how many bytes cannot be known.", counter, 0},
	{"now.behind.bytes", "", "podbeat_files_behind_bytes", "Bytes not read. A last line without its end is among them.", gauge, 0},
	{"now.behind.seconds", "", "podbeat_files_behind_seconds", "Time since the oldest unread byte was noticed.", gauge, 0},
	{"now.files.following", "", "podbeat_files_following", "Files followed.", gauge, 0},
	{"now.files.open", "", "podbeat_files_open", "Files open.", gauge, 0},
	{"now.files.unreadable", "", "podbeat_files_unreadable", "Files podbeat has no right to read.", gauge, 0},
	{"now.watches", "", "podbeat_files_watches", "inotify watches.", gauge, 0},
	{"now.watches_failed", "", "podbeat_files_watches_failed_total", "Watches the kernel has refused; such directories are looked at now and then.", counter, 0},
	{"now.overflows", "", "podbeat_files_watch_overflows_total", "Times the kernel has lost notices of changes; all directories are then looked at.", counter, 0},
	{"now.scans", "", "podbeat_files_scans_total", "Times all directories were looked at.", counter, 0},
	{"now.directories_unreadable", "", "podbeat_files_directories_unreadable", "Directories podbeat has no right to read.", gauge, 0},
	{"now.links_refused", "", "podbeat_files_links_refused", "Symbolic links that are not followed.", gauge, 0},
	{"now.left_out", "", "podbeat_files_left_out", "Directories and files beyond a bound.", gauge, 0},
	{"pods.*.behind.bytes", "volume", "podbeat_files_pod_behind_bytes", "Bytes not read, of the 20 pods' volumes that lag or have lost most.", gauge, 0},
	{"pods.*.behind.seconds", "volume", "podbeat_files_pod_behind_seconds", "The same, since when.", gauge, 0},
	{"pods.*.abandoned.bytes", "volume", "podbeat_files_pod_abandoned_bytes", "The same, bytes LOST.", gauge, 0},
}

// levels are the figures of inputs with a queue of their own, below podbeat.delivery.<type>.<id>.
var levels = []name{
	{"buffered.events", "", "podbeat_delivery_buffered_events", "Events in memory that the queue has not got.", gauge, 0},
	{"buffered.bytes", "", "podbeat_delivery_buffered_bytes", "Their size.", gauge, 0},
	{"spilled.events", "", "podbeat_delivery_spilled_events", "Events in the disk buffer that the queue has not got.", gauge, 0},
	{"spilled.bytes", "", "podbeat_delivery_spilled_bytes", "Size of the disk buffer.", gauge, 0},
	{"written", "", "podbeat_delivery_events_written_total", "Events written to the disk buffer.", counter, 0},
	{"resumed", "", "podbeat_delivery_events_resumed_total", "Events found in the disk buffer of an earlier run.", counter, 0},
	{"drained", "", "podbeat_delivery_events_drained_total", "Events that the queue has got from the disk buffer.", counter, 0},
	{"dropped.*", "reason", "podbeat_delivery_events_dropped_total", "Events LOST as the level allows it (full, disk_full), or that cannot be read from the disk buffer (corrupt, unreadable).", counter, 0},
	{"corrupt", "", "podbeat_delivery_records_corrupt_total", "Records of the disk buffer found damaged.", counter, 0},
	{"torn", "", "podbeat_delivery_files_torn_total", "Files of the disk buffer that ended in the middle of a record that was being written.", counter, 0},
	{"aside", "", "podbeat_delivery_files_aside_total", "Files of the disk buffer set aside since they cannot be read.", counter, 0},
	{"unconfirmed", "", "podbeat_delivery_events_unconfirmed_total", "Events the input may forget although the queue still has them, since one behind them was dropped.", counter, 0},
	{"returned", "", "podbeat_delivery_events_returned_total", "Events in memory when the input stopped. It reads them again.", counter, 0},
	{"errors", "", "podbeat_delivery_write_errors_total", "Writes to the disk buffer that failed.", counter, 0},
	{"blocked.seconds", "", "podbeat_delivery_blocked_seconds_total", "Time the input has waited for room.", counter, 0},
}

// An index finds names by paths.
type index struct {
	exact    map[string]*name
	patterns []*name
}

func indexOf(names []name) index {
	x := index{exact: map[string]*name{}}
	for i := range names {
		if n := &names[i]; n.label == "" {
			x.exact[n.path] = n
		} else {
			x.patterns = append(x.patterns, n)
		}
	}
	return x
}

// find returns the name of a path and the value of its label; nil if it has none.
func (x index) find(path string) (n *name, value string) {
	if n := x.exact[path]; n != nil {
		return n, ""
	}
	for _, n := range x.patterns {
		before, after, _ := strings.Cut(n.path, "*")
		if len(path) > len(before)+len(after) && strings.HasPrefix(path, before) && strings.HasSuffix(path, after) {
			return n, path[len(before) : len(path)-len(after)]
		}
	}
	return nil, ""
}

var (
	globalIndex = indexOf(global)
	typeIndex   = func() map[string]index {
		all := map[string]index{}
		for typ, names := range types {
			all[typ] = indexOf(names)
		}
		return all
	}()
	levelIndex = indexOf(levels)
)
