package elasticsearch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/prepared"
)

// An item is one event on its way.
type item struct {
	event     *publisher.Event
	at        int // of the parcels that fill was given
	index, id string
	why       *reason // of a refused or suspect item

	// raw[start:end] of its bulk are the lines it is sent as, raw[source:end] the document alone.
	start, source, end int

	op      opType
	outcome outcome
}

type opType uint8

const (
	opCreate opType = iota
	opIndex
	opDelete
)

func (o opType) String() string { return [...]string{"create", "index", "delete"}[o] }

// An outcome is what has become of an item.
type outcome uint8

const (
	unsent    outcome = iota
	pending           // it is to be sent again
	delivered         // Elasticsearch has it now
	duplicate         // Elasticsearch had it already
	refused           // Elasticsearch will never have it: a dead letter to be
	suspect           // a whole request of this item alone was answered 400
	buried            // the dead letter has it
	dropped           // thrown away, as non_indexable_policy wants it
)

// idempotent says whether sending it again is harmless.
func (it *item) idempotent() bool { return it.op == opCreate && it.id != "" }

// classify decides on the evidence of an item's own status. none says that nothing in the same
// request got in: then what may be the fault of the cluster or of the configuration is not the event's.
func classify(it *item, status int, why *reason, hasError, none bool) outcome {
	switch {
	case status < 300:
		return delivered
	case status == 409 && it.idempotent():
		return duplicate
	case status == 404 && it.op == opDelete && !hasError: // it is not there, as was asked
		return delivered
	case status == 429 || status >= 500:
		return pending
	case why.blocked(), none && why.misdirected():
		return pending
	}
	return refused
}

// A bulk is a request body and the items in it.
type bulk struct {
	raw   []byte
	lent  bool // the transport may still read raw
	items []item

	unsendable []item // items that did not become part of raw, all refused

	answered bool   // a part of it got a proper bulk answer
	suspects int    // items with that outcome
	tooMany  int    // items answered 429
	retried  int    // items that their own status says to try again
	retry    reason // of one of them: of the last that somebody has to do something about, if there is such a one
}

// size returns how many bytes items, a run of b's, take.
func (b *bulk) size(items []item) int { return items[len(items)-1].end - items[0].start }

// retriedError tells of the items to try again, and whether somebody has to act first.
func (b *bulk) retriedError() (err error, loud bool) {
	s := b.retry.advice()
	return fmt.Errorf("%d of %d events are refused for now, one because of %v%s", b.retried, len(b.items), b.retry, s), s != ""
}

func (b *bulk) reset(limit int) {
	if b.lent || cap(b.raw) > 4*limit+1<<20 { // give back what one huge event took
		b.raw = nil
	}
	clear(b.items)
	clear(b.unsendable)
	*b = bulk{raw: b.raw[:0], items: b.items[:0], unsendable: b.unsendable[:0]}
}

// fill encodes the events of parcels into b until limit bytes are reached, and returns how many it took: one at
// least. What cannot be encoded or has nowhere to go is taken too and stands in unsendable.
func (l *lane) fill(b *bulk, parcels []parcel, limit int) int {
	b.reset(limit)
	for i := range parcels {
		it := item{event: parcels[i].event(), at: i, start: len(b.raw)}
		raw, err := l.appendItem(b.raw, &it)
		if err != nil {
			b.raw = raw[:it.start]
			it.start, it.source, it.end = 0, 0, 0 // it.index is "" if that is what is missing
			it.outcome, it.why = refused, &reason{0, "not_sendable", bounded(err.Error(), maxReason)}
			b.unsendable = append(b.unsendable, it)
			continue
		}
		if len(raw) > limit && len(b.items) > 0 {
			b.raw = raw[:it.start]
			return i
		}
		b.raw = raw
		it.end = len(raw)
		b.items = append(b.items, it)
	}
	return len(parcels)
}

var (
	errNoIndex    = errors.New("no index is selected for it")
	errDeleteNoID = errors.New("op_type delete without an _id")
)

// appendItem appends the lines of it.event and sets what it is about.
func (l *lane) appendItem(b []byte, it *item) ([]byte, error) {
	ev := &it.event.Content
	if d := prepared.Of(ev); d != nil {
		if out, ok := l.appendDocument(b, it, d); ok {
			return out, nil
		}
		d.Fill(ev)
	}
	it.id, _ = ev.Meta[events.FieldMetaID].(string)
	pipeline, err := l.aim(it, ev)
	if err != nil {
		return b, err
	}
	if it.op == opDelete && it.id == "" {
		return b, errDeleteNoID
	}
	b = l.appendAction(b, it, pipeline)
	it.source = len(b)
	if it.op == opDelete {
		return b, nil
	}
	if b, err = l.enc.Event(b, ev); err != nil {
		return b, err
	}
	return append(b, '\n'), nil
}

// appendDocument is appendItem for a document of whose kind everything is known. If it is not ok, d has to be
// treated as an ordinary event.
func (l *lane) appendDocument(b []byte, it *item, d *prepared.Document) (out []byte, ok bool) {
	at := it.event.Content.Timestamp
	a := l.actionOf(d, at)
	if a == nil || a.op == opDelete {
		return b, false
	}
	start := len(b)
	it.id, it.index, it.op = d.ID, a.index, a.op
	b = append(l.enc.String(append(b, a.text...), d.ID), "}}\n"...)
	it.source = len(b)
	b, err := d.AppendJSON(b, l.enc, at)
	if err != nil {
		*it = item{event: it.event, at: it.at, start: it.start}
		return b[:start], false
	}
	return append(b, '\n'), true
}

// aim sets an item's operation and index, and returns its pipeline. The choices are libbeat's, but for the configured
// pipeline, which libbeat forgets as soon as an event has any metadata.
func (l *lane) aim(it *item, ev *beat.Event) (pipeline string, err error) {
	it.op = l.opType(ev, it.id)
	if it.index, err = l.index.Select(ev); err != nil {
		return "", fmt.Errorf("cannot select index: %w", err)
	}
	if it.index == "" { // Elasticsearch answers 500, as if it were worth another try
		return "", errNoIndex
	}
	return l.pipelineOf(ev)
}

// holdUnindexed keeps events without an index as long as this output has not selected one for any:
// then the configuration is to blame, and would send all that comes to the dead letter. Later it
// is the event, and must not hold up the others.
func (l *lane) holdUnindexed(b *bulk) *failure {
	switch {
	case l.indexed.Load():
		return nil
	case len(b.items) > 0:
		l.indexed.Store(true)
		return nil
	}
	n := 0
	for i := range b.unsendable {
		if it := &b.unsendable[i]; it.index == "" {
			it.outcome = pending
			n++
		}
	}
	if n == 0 {
		return nil
	}
	counters.retriedItems.Add(uint64(n))
	err := fmt.Errorf("no index is selected for any of %d events (check index and indices of output.elasticsearch; nothing is dropped)", n)
	return &failure{err: err, loud: true}
}

func (l *lane) opType(ev *beat.Event, id string) opType {
	switch op := events.GetOpType(*ev); {
	case op == events.OpTypeDelete:
		return opDelete
	case op == events.OpTypeIndex, id == "" && l.dialect.indexWithoutID:
		return opIndex
	}
	return opCreate
}

func (l *lane) pipelineOf(ev *beat.Event) (string, error) {
	if v, ok := ev.Meta[events.FieldMetaPipeline]; ok {
		name, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("@metadata.pipeline is %T, not a string", v)
		}
		return strings.ToLower(name), nil
	}
	if l.pipeline.IsEmpty() {
		return "", nil
	}
	name, err := l.pipeline.Select(ev)
	if err != nil {
		return "", fmt.Errorf("cannot select pipeline: %w", err)
	}
	return name, nil
}

func (l *lane) appendAction(b []byte, it *item, pipeline string) []byte {
	b = append(b, `{"`...)
	b = append(b, it.op.String()...)
	b = append(b, `":{"_index":`...)
	b = l.enc.String(b, it.index)
	if l.dialect.withType {
		b = append(b, `,"_type":"doc"`...)
	}
	if pipeline != "" {
		b = append(b, `,"pipeline":`...)
		b = l.enc.String(b, pipeline)
	}
	if it.id != "" {
		b = append(b, `,"_id":`...)
		b = l.enc.String(b, it.id)
	}
	return append(b, "}}\n"...)
}
