package elasticsearch

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/elastic/beats/v7/libbeat/publisher"
)

// A failure stops a batch: what is not settled by then is given back, and the client waits.
type failure struct {
	err       error
	reconnect bool          // make the connection anew; with several hosts another one is tried
	after     time.Duration // the least to wait, as the server has it
	items     int           // how many items were refused for now, 0 if it was a whole request
	loud      bool          // waiting alone won't help: somebody has to act
}

// A tally counts what has become of a batch.
type tally struct {
	delivered, duplicates, buried, dropped, tooMany int
}

func (t *tally) progress() bool { return t.delivered+t.duplicates+t.buried+t.dropped > 0 }

// Publish sends batch and settles it once: ACK when all of it has left for good, else the rest is
// handed back, for this or another client to send. Only then does it wait. It returns an error
// when the connection is to be made anew.
func (c *client) Publish(ctx context.Context, batch publisher.Batch) error {
	if c.closed() {
		batch.Cancelled()
		return errClosed
	}
	events := batch.Events()
	total := len(events)
	c.observer.NewBatch(total)
	rest, t, fail := c.publish(ctx, events)
	c.count(t, len(rest))
	switch {
	case len(rest) == 0:
		batch.ACK()
	case c.closed(): // not the events' fault: it does not count as a try
		batch.CancelledEvents(rest)
	default:
		batch.RetryEvents(rest)
	}
	if t.progress() {
		c.backoff.reset()
	}
	if fail == nil {
		return nil
	}
	d := c.backoff.next()
	if fail.items > 0 && t.progress() { // few were refused: a short wait
		d = d * time.Duration(fail.items) / time.Duration(total)
	}
	d = max(d, fail.after)
	switch {
	case fail.reconnect || c.closed(): // the pipeline logs what is returned
	case fail.loud:
		c.log.Errorf("%v; trying again in %v", fail.err, d)
	default:
		c.log.Warnf("%v; trying again in %v", fail.err, d)
	}
	c.wait(d)
	if fail.reconnect {
		return fail.err
	}
	return nil
}

// publish returns the events that have to be sent again.
func (c *client) publish(ctx context.Context, events []publisher.Event) (rest []publisher.Event, t tally, fail *failure) {
	var forNow failure // what single items say
	b := &c.bulk
	defer func() { b.reset(c.limit); c.letters.reset(c.limit) }() // lets go of the events
	for len(events) > 0 && fail == nil {
		n := c.fill(b, events, c.limit)
		if fail = c.holdUnindexed(b); fail == nil {
			fail = c.deliver(ctx, b, b.items)
		}
		if f := c.settleSuspects(b); fail == nil {
			fail = f
		}
		if f := c.bury(ctx, b); fail == nil {
			fail = f
		}
		for _, items := range [][]item{b.unsendable, b.items} {
			for i := range items {
				if it := &items[i]; !t.add(it.outcome) {
					rest = append(rest, *it.event)
				}
			}
		}
		t.tooMany += b.tooMany
		if b.retried > 0 {
			forNow.items += b.retried
			forNow.err, forNow.loud = b.retriedError()
			if b.retried == len(b.items) && fail == nil { // nothing got in: do not press on
				fail = &forNow
			}
		}
		events = events[n:]
	}
	if fail == nil && forNow.items > 0 {
		fail = &forNow
	}
	return append(rest, events...), t, fail
}

// add counts an item and says whether it has left for good.
func (t *tally) add(o outcome) bool {
	switch o {
	case delivered:
		t.delivered++
	case duplicate:
		t.duplicates++
	case buried:
		t.buried++
	case dropped:
		t.dropped++
	default:
		return false
	}
	return true
}

func (c *client) count(t tally, rest int) {
	counters.delivered.Add(uint64(t.delivered))
	counters.duplicates.Add(uint64(t.duplicates))
	counters.deadLetter.Add(uint64(t.buried))
	counters.dropped.Add(uint64(t.dropped))
	c.observer.Acked(t.delivered + t.buried)
	c.observer.Duplicate(t.duplicates)
	c.observer.Dropped(t.dropped)
	c.observer.Failed(rest)
	c.observer.ErrTooMany(t.tooMany)
}

// deliver sends items, a run of b's, and sets their outcomes. Those it leaves pending are to be
// sent again, and a failure says that there is no use in going on now.
func (c *client) deliver(ctx context.Context, b *bulk, items []item) *failure {
	switch {
	case len(items) == 0:
		return nil
	case c.closed():
		return &failure{err: errClosed, reconnect: true}
	}
	status, header, body, err := c.send(ctx, b, items)
	if err != nil {
		counters.retriesRequest.Inc()
		c.learnFromCut(b, items)
		return &failure{err: err, reconnect: true}
	}
	c.cuts = 0
	switch {
	case status >= 200 && status < 300:
		return c.accept(b, items, body)
	case status == http.StatusRequestEntityTooLarge && len(items) > 1:
		counters.split413.Inc()
		c.ceiling = min(c.ceiling, max(1, b.size(items)/2))
		c.limit = min(c.limit, c.ceiling)
		return c.halve(ctx, b, items)
	case status == http.StatusRequestEntityTooLarge:
		items[0].outcome = refused
		items[0].why = reason{status, "content_too_long_exception", fmt.Sprintf("request of %d bytes with this event alone is too large", b.size(items))}
		return nil
	case status == http.StatusBadRequest && len(items) > 1:
		counters.split400.Inc()
		return c.halve(ctx, b, items)
	case status == http.StatusBadRequest:
		return c.suspect(b, &items[0], body)
	}
	counters.retriesRequest.Inc()
	if status == http.StatusTooManyRequests {
		b.tooMany += len(items)
	}
	return &failure{
		err:       fmt.Errorf("%v answers %s%s", c, describe(status, header, body), readError(status, body).advice()),
		reconnect: status != http.StatusTooManyRequests,
		after:     retryAfter(header, time.Now()),
	}
}

func (c *client) halve(ctx context.Context, b *bulk, items []item) *failure {
	half := len(items) / 2
	if fail := c.deliver(ctx, b, items[:half]); fail != nil {
		return fail
	}
	return c.deliver(ctx, b, items[half:])
}

// accept reads the answer to a request that went through.
func (c *client) accept(b *bulk, items []item, body []byte) *failure {
	var err error
	if c.results, err = parseBulk(c.results[:0], body, len(items)); err != nil {
		counters.retriesRequest.Inc()
		return &failure{err: fmt.Errorf("cannot tell what %v has stored of %d events: %w", c, len(items), err), reconnect: true}
	}
	b.answered = true
	c.answered.Store(true)
	c.limit = min(c.limit+c.ceiling/64+1, c.ceiling)
	got := false
	for _, r := range c.results {
		got = got || r.status < 300 || r.status == http.StatusConflict
	}
	for i, r := range c.results {
		it, why := &items[i], reason{}
		if r.status >= 300 {
			why = readReason(r.status, r.err)
		}
		it.outcome = classify(it, r.status, why, len(r.err) > 0, !got)
		if it.outcome == pending && b == &c.letters && why.advice() != "" {
			it.outcome = refused // it need not wait for somebody: the file can have it
		}
		switch it.outcome {
		case refused:
			it.why = why
		case pending:
			counters.retriedItems.Inc()
			if b.retried++; b.retried == 1 || b.retry.advice() == "" || why.advice() != "" {
				b.retry = why
			}
			if r.status == http.StatusTooManyRequests {
				b.tooMany++
			}
		}
	}
	return nil
}

// maxSuspects ends the search for what spoils a request when nothing is accepted meanwhile.
const maxSuspects = 8

// suspect notes that a request of it alone is answered 400. Is it the event, or would any request
// be? A wrong option "parameters" has that effect too, and must not send every event to the dead
// letter. So the verdict waits for settleSuspects.
func (c *client) suspect(b *bulk, it *item, body []byte) *failure {
	it.outcome, it.why = suspect, readError(http.StatusBadRequest, body)
	if b.suspects++; b.suspects < maxSuspects || b.answered {
		return nil
	}
	return c.refusesAll(it.why)
}

func (c *client) refusesAll(why reason) *failure {
	counters.retriesRequest.Inc()
	return &failure{err: fmt.Errorf("%v refuses requests as a whole, of single events even: %v%s", c, why, advice(why.status)), reconnect: true}
}

// settleSuspects finds the suspects of b guilty if another request has been accepted: one of the
// same bulk, or any since the last verdict. Otherwise they are tried again, and so a server that
// comes to refuse everything costs maxSuspects events their place at most, not all of them.
func (c *client) settleSuspects(b *bulk) *failure {
	if b.suspects == 0 {
		return nil
	}
	verdict := pending
	if b.answered || c.answered.Swap(false) {
		verdict = refused
	}
	var last reason
	for i := range b.items {
		if it := &b.items[i]; it.outcome == suspect {
			it.outcome, last = verdict, it.why
		}
	}
	if verdict == pending {
		return c.refusesAll(last)
	}
	return nil
}

// learnFromCut makes requests smaller when several in a row got no answer at all: some servers cut
// the connection where they should say 413. accept lets them grow again.
func (c *client) learnFromCut(b *bulk, items []item) {
	const smallest = 64 << 10
	if c.cuts++; c.cuts >= 3 && len(items) > 1 {
		c.limit = min(c.limit, max(b.size(items)/2, smallest))
	}
}

// describe repeats the status and the begin of what was said with it.
func describe(status int, h http.Header, body []byte) string {
	s := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if to := h.Get("Location"); to != "" {
		s += fmt.Sprintf(" to %q", bounded(to, 256))
	}
	if len(body) > 0 {
		s += fmt.Sprintf(": %q", bounded(string(body), 512))
	}
	return s
}

// advice names what to check when waiting alone will not help.
func advice(status int) string {
	switch {
	case status == http.StatusBadRequest:
		return " (check parameters, path and hosts of output.elasticsearch; nothing is dropped)"
	case status == http.StatusUnauthorized:
		return " (check username and password, or api_key, of output.elasticsearch; nothing is dropped)"
	case status == http.StatusForbidden:
		return " (check that the user or API key of output.elasticsearch may create documents and indices of this name; nothing is dropped)"
	case status == http.StatusProxyAuthRequired:
		return " (check proxy_url and proxy_headers of output.elasticsearch; nothing is dropped)"
	case status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return " (check hosts, path and protocol of output.elasticsearch: is it Elasticsearch that answers? nothing is dropped)"
	}
	return ""
}
