package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/journalbeat"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// publisher gives finished messages to libbeat, in the order in which they were finished.
type publisher struct {
	ctx       context.Context // the input's run
	client    beat.Client
	converter *converter
	positions *positions
	metrics   *metrics
	done      position // after the last event libbeat has taken
	published uint64
}

// begin notes where reading begins, so that it does so again if podbeat stops before the first event.
func (p *publisher) begin(at position) {
	if at.empty() {
		return
	}
	at.ahead, at.Ahead = p.done.ahead, p.done.Ahead
	p.done = at
	p.positions.mu.Lock()
	defer p.positions.mu.Unlock()
	p.positions.last = at
	if p.positions.newest == nil {
		p.positions.newest = &at
	}
}

// publish sends messages, each with the position that holds once all before it is delivered,
// and says whether to go on: false means that libbeat is closing, or the input ends. It waits while too much is under way:
// see flight.
func (p *publisher) publish(messages []message) bool {
	for i := range messages {
		m := &messages[i]
		if !p.positions.flight.begin(p.ctx, m.size) || !p.send(p.converter.eventOf(m)) {
			return false
		}
		p.done = m.Position
	}
	return true
}

func (p *publisher) send(event beat.Event) bool {
	p.client.Publish(event)
	if p.positions.refused.Load() {
		return false
	}
	p.published++
	p.metrics.published.Inc()
	return true
}

// takeOver reads what journalbeat has left: its position, when podbeat has none of its own, and
// its undelivered events, which are sent before anything else.
func (in *input) takeOver(log *logp.Logger, p *publisher) error {
	if file := in.opts.CursorStateFile; file != "" && p.done.cursor() == "" {
		cursor, err := journalbeat.ReadCursor(file)
		switch {
		case errors.Is(err, os.ErrNotExist):
			log.Infof("journalbeat has left no position at %s.", file)
		case err != nil:
			log.Errorf("Reading starts without journalbeat's position: %v", err)
		default:
			log.Infof("Reading goes on at journalbeat's position %s of %s.", cursor, file)
			p.done = position{Cursor: cursor}
		}
	}
	file := in.opts.PendingQueueFile
	if file == "" {
		return nil
	}
	pending, err := journalbeat.ReadPending(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	switch {
	case err != nil && pending == nil:
		log.Errorf("journalbeat's pending queue stays where it is: %v", err)
		return nil
	case err != nil:
		log.Warnf("Could not read all of the pending queue: %v", err)
	}
	for i := range pending {
		if !p.send(pendingEvent(&pending[i], p.converter)) {
			return nil // stopping: the file is read again
		}
	}
	log.Infof("Sending %d events that journalbeat had left in %s.", len(pending), file)
	p.positions.whenAcked(p.published, func() {
		if err := journalbeat.Retire(file); err != nil {
			log.Errorf("journalbeat's pending queue is delivered, but would be sent again: %v", err)
			return
		}
		log.Infof("journalbeat's pending queue %s is delivered and put aside.", file)
	})
	return nil
}

// pendingEvent is an event as journalbeat would have sent it, under the id that reading the same
// entry gives.
func pendingEvent(q *journalbeat.Pending, c *converter) beat.Event {
	fields := common.MapStr(q.Fields)
	event := beat.Event{Timestamp: time.UnixMicro(int64(q.Realtime)).UTC(), Fields: fields}
	if text, ok := fields["@timestamp"].(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			event.Timestamp = t.UTC()
		}
	}
	delete(fields, "@timestamp")
	delete(fields, "@metadata")
	host := k8sname.Text(fields, "journal.hostname")
	event.Meta = common.MapStr{
		"_id":            fmt.Sprintf("%s-%d", q.SeqnumID, q.Seqnum),
		k8sname.IndexKey: k8sname.IndexName(c.beat, host),
	}
	return event
}
