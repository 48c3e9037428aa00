package elasticsearch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// A lane sends the events that are dealt to it in their order: the next request when the one before is settled.
// Its goroutine alone calls everything but add.
type lane struct {
	*client
	home       int // of the hosts
	host       *host
	connection int // host's, see failed
	dialect    dialect

	mu    sync.Mutex
	queue []parcel
	over  bool          // nobody reads queue any more
	wake  chan struct{} // of one: there is something in queue

	todo  []parcel // taken from the queue, not settled
	again int      // so many of them from the front on have been sent before, and go before all others

	backoff backoff // of this lane alone; it outlives connections
	limit   int     // of bytes in a request: bulk_max_bytes, or what a 413 has taught
	ceiling int     // up to which limit grows back after cut connections
	cuts    int     // requests in a row that got no answer
	bulk    bulk
	letters bulk
	zip     compressor
	zipped  *bytes.Buffer
	answer  bytes.Buffer
	results []result
}

func newLane(c *client, home int) *lane {
	return &lane{
		client: c, home: home, host: c.hosts[home], wake: make(chan struct{}, 1),
		backoff: backoff{init: c.Backoff.Init, max: c.Backoff.Max},
		limit:   int(c.BulkMaxBytes), ceiling: int(c.BulkMaxBytes), zipped: new(bytes.Buffer),
		zip: newCompressor(c.Compression, c.CompressionLevel),
	}
}

// add copies parcels into the queue.
func (l *lane) add(parts ...[]parcel) {
	l.mu.Lock()
	over, before := l.over, len(l.queue)
	if !over {
		for _, part := range parts {
			l.queue = append(l.queue, part...)
		}
	}
	none := before == len(l.queue)
	l.mu.Unlock()
	if over {
		for _, part := range parts {
			l.handBack(part)
		}
	}
	if none {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run() {
	for l.fetch() && l.ready(l) {
		l.step()
	}
	l.mu.Lock()
	l.over = true
	rest := append(l.todo, l.queue...)
	l.todo, l.queue = nil, nil
	l.mu.Unlock()
	l.handBack(rest)
}

// handBack returns what is not settled when the output is closed.
func (l *lane) handBack(parcels []parcel) {
	l.observer.Cancelled(len(parcels))
	for i := range parcels {
		parcels[i].handBack(parcels[i].at)
	}
	l.free(len(parcels))
}

// fetch waits until there is something to do. It returns false once the output is closed.
func (l *lane) fetch() bool {
	for !l.closed() {
		if l.again == 0 && len(l.todo) < l.BulkMaxSize {
			l.mu.Lock()
			n := min(len(l.queue), l.BulkMaxSize-len(l.todo))
			l.todo = append(l.todo, l.queue[:n]...)
			l.queue = slices.Delete(l.queue, 0, n)
			l.mu.Unlock()
		}
		if len(l.todo) > 0 {
			return true
		}
		select {
		case <-l.wake:
		case <-l.done:
		}
	}
	return false
}

// step sends one request of what is to do, and what it takes to settle it. What is not settled then stays
// to be done, and step waits if there is a reason to, other than the host's.
func (l *lane) step() *failure {
	n := len(l.todo)
	if l.again > 0 {
		n = l.again
	}
	tried, t, fail := l.publish(l.life, l.todo[:n])
	if l.closed() { // what is cut off then is no fault of the events'
		fail = nil
	} else {
		t.dropped += l.giveUp(l.todo[:tried])
	}
	l.count(t)
	if failed := l.settle(tried); failed > 0 && !l.closed() { // they wait, and so stay active
		l.observer.Failed(failed)
		l.observer.NewBatch(failed)
	}
	if t.progress() {
		l.backoff.reset()
		l.worked(l.host)
	}
	if fail == nil {
		return nil
	}
	d := l.backoff.next()
	if fail.reconnect {
		l.failed(l, fail)
		return fail
	}
	if fail.items > 0 && t.progress() { // few were refused: a short wait
		d = d * time.Duration(fail.items) / time.Duration(tried)
	}
	d = max(d, fail.after)
	log := l.log.Warnf
	if fail.loud {
		log = l.log.Errorf
	}
	log("%v; trying again in %v", fail.err, d)
	l.wait(d)
	if fail.items == 0 && !fail.loud && l.LoadBalance { // this host is too busy
		l.home = (l.home + 1) % len(l.hosts)
	}
	return fail
}

// publish makes a request of the first parcels, as many as go into one, and returns how many it has taken. Their states say
// what has become of them.
func (l *lane) publish(ctx context.Context, parcels []parcel) (n int, t tally, fail *failure) {
	b := &l.bulk
	defer func() { b.reset(l.limit); l.letters.reset(l.limit) }() // lets go of the events
	n = l.fill(b, parcels, l.limit)
	if fail = l.holdUnindexed(b); fail == nil {
		fail = l.deliver(ctx, b, b.items)
	}
	if f := l.settleSuspects(b); fail == nil {
		fail = f
	}
	if f := l.bury(ctx, b); fail == nil {
		fail = f
	}
	for _, items := range [][]item{b.unsendable, b.items} {
		for i := range items {
			switch p := &parcels[items[i].at]; {
			case t.add(items[i].outcome):
				p.state = left
			case items[i].outcome != unsent:
				p.state = unsettled
			}
		}
	}
	t.tooMany = b.tooMany
	if b.retried > 0 && fail == nil {
		fail = &failure{items: b.retried}
		fail.err, fail.loud = b.retriedError()
	}
	return n, t, fail
}

// giveUp counts a try of those that have been sent in vain, and lets go of those that are not worth another.
func (l *lane) giveUp(parcels []parcel) (dropped int) {
	for i := range parcels {
		p := &parcels[i]
		if p.state != unsettled {
			continue
		}
		if p.tries++; l.MaxRetries >= 0 && int(p.tries) > l.MaxRetries && !p.event().Guaranteed() {
			deadletter.NoteDropped(&p.event().Content)
			p.state = left
			dropped++
		}
	}
	return dropped
}

// settle takes what has left of the first n out of what is to do. It returns how many of them are to be sent again.
func (l *lane) settle(n int) (failed int) {
	later := l.again - n // of those sent before, too many for the request
	l.again = 0
	rest := l.todo[:0]
	var of *shipment
	gone, all := 0, 0
	for i := range n {
		p := l.todo[i]
		if p.state != left {
			rest = append(rest, p)
			if p.state == unsettled {
				failed++
				l.again = len(rest)
			}
			continue
		}
		if p.shipment != of {
			if of != nil {
				of.leave(gone)
			}
			of, gone = p.shipment, 0
		}
		gone++
		all++
	}
	if of != nil {
		of.leave(gone)
	}
	if later > 0 {
		l.again = len(rest) + later
	}
	rest = append(rest, l.todo[n:]...)
	clear(l.todo[len(rest):])
	l.todo = rest
	if all > 0 {
		l.free(all)
	}
	return failed
}

func (l *lane) count(t tally) {
	counters.delivered.Add(uint64(t.delivered))
	counters.duplicates.Add(uint64(t.duplicates))
	counters.deadLetter.Add(uint64(t.buried))
	counters.dropped.Add(uint64(t.dropped))
	l.observer.Acked(t.delivered + t.buried)
	l.observer.Duplicate(t.duplicates)
	l.observer.Dropped(t.dropped)
	l.observer.ErrTooMany(t.tooMany)
}

// send posts items, a run of b's, and returns the answer, whose body is good until the next send.
// An error means that there was no whole answer.
func (l *lane) send(ctx context.Context, b *bulk, items []item, encoding string) (status int, h http.Header, body []byte, err error) {
	payload := b.raw[items[0].start:items[len(items)-1].end]
	counters.bytesRaw.Add(uint64(len(payload)))
	largest := 1<<20 + 16<<10*len(items) + 4*len(payload) // an error may quote what it refuses
	if encoding != "" {
		l.zipped.Reset()
		if err := l.zip.compress(l.zipped, payload, encoding); err != nil {
			return 0, nil, nil, fmt.Errorf("cannot compress %d bytes: %w", len(payload), err)
		}
		payload = l.zipped.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.host.url, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = l.host.header.Clone()
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	req.Host = req.Header.Get("Host")
	var open atomic.Int32
	req.ContentLength = int64(len(payload))
	req.GetBody = func() (io.ReadCloser, error) {
		open.Add(1)
		return &requestBody{Reader: bytes.NewReader(payload), open: &open}, nil
	}
	req.Body, _ = req.GetBody()
	if allIdempotent(items) {
		req.Header["Idempotency-Key"] = nil // net/http then repeats it by itself on a connection gone stale
	}
	counters.bytesSent.Add(uint64(len(payload)))
	resp, err := l.host.http.Do(req)
	if err == nil {
		l.answer.Reset()
		var n int64
		n, err = l.answer.ReadFrom(io.LimitReader(resp.Body, int64(largest)+1))
		if err == nil && n > int64(largest) && resp.StatusCode < 300 {
			err = fmt.Errorf("answer is longer than %d bytes", largest)
		}
		resp.Body.Close()
	}
	if open.Load() > 0 { // answered before it was read: the transport keeps the buffer
		b.lent = b.lent || encoding == ""
		l.zipped = new(bytes.Buffer)
	}
	if err != nil {
		return 0, nil, nil, fmt.Errorf("cannot send %d events: %w", len(items), err)
	}
	return resp.StatusCode, resp.Header, l.answer.Bytes(), nil
}

func allIdempotent(items []item) bool {
	for i := range items {
		if !items[i].idempotent() {
			return false
		}
	}
	return true
}
