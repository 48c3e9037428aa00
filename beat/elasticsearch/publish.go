package elasticsearch

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A failure stops a request: what is not settled by then is tried again after a wait.
type failure struct {
	err       error
	reconnect bool          // make the connection anew; with several hosts another one is tried
	after     time.Duration // the least to wait, as the server has it
	items     int           // how many items were refused for now, 0 if it was a whole request
	loud      bool          // waiting alone won't help: somebody has to act
}

// A tally counts what has become of a request's events.
type tally struct {
	delivered, duplicates, buried, dropped, tooMany int
}

func (t *tally) progress() bool { return t.delivered+t.duplicates+t.buried+t.dropped > 0 }

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

// deliver sends items, a run of b's, and sets their outcomes. Those it leaves pending are to be
// sent again, and a failure says that there is no use in going on now.
func (l *lane) deliver(ctx context.Context, b *bulk, items []item) *failure {
	switch {
	case len(items) == 0:
		return nil
	case l.closed():
		return &failure{err: errClosed, reconnect: true}
	}
	status, header, body, err := l.post(ctx, b, items)
	if err != nil {
		setAll(items, pending)
		counters.retriesRequest.Inc()
		l.learnFromCut(b, items)
		return &failure{err: err, reconnect: true}
	}
	l.cuts = 0
	switch {
	case status >= 200 && status < 300:
		return l.accept(b, items, body)
	case status == http.StatusRequestEntityTooLarge && len(items) > 1:
		counters.split413.Inc()
		l.ceiling = min(l.ceiling, max(1, b.size(items)/2))
		l.limit = min(l.limit, l.ceiling)
		return l.halve(ctx, b, items)
	case status == http.StatusRequestEntityTooLarge:
		items[0].outcome = refused
		items[0].why = &reason{status, "content_too_long_exception", fmt.Sprintf("request of %d bytes with this event alone is too large", b.size(items))}
		return nil
	case status == http.StatusBadRequest && len(items) > 1:
		counters.split400.Inc()
		return l.halve(ctx, b, items)
	case status == http.StatusBadRequest:
		return l.suspect(b, &items[0], body)
	}
	setAll(items, pending)
	counters.retriesRequest.Inc()
	if status == http.StatusTooManyRequests {
		b.tooMany += len(items)
	}
	return &failure{
		err:       fmt.Errorf("%v answers %s%s", l.host, describe(status, header, body), readError(status, body).advice()),
		reconnect: status != http.StatusTooManyRequests,
		after:     retryAfter(header, time.Now()),
	}
}

func setAll(items []item, o outcome) {
	for i := range items {
		items[i].outcome = o
	}
}

func (l *lane) halve(ctx context.Context, b *bulk, items []item) *failure {
	half := len(items) / 2
	if fail := l.deliver(ctx, b, items[:half]); fail != nil || b.retried > 0 { // the other half must not overtake
		return fail
	}
	return l.deliver(ctx, b, items[half:])
}

// accept reads the answer to a request that went through.
func (l *lane) accept(b *bulk, items []item, body []byte) *failure {
	if allCreated(body, items) {
		setAll(items, delivered)
		l.understood(b)
		return nil
	}
	var err error
	if l.results, err = parseBulk(l.results[:0], body, len(items)); err != nil {
		setAll(items, pending)
		counters.retriesRequest.Inc()
		return &failure{err: fmt.Errorf("cannot tell what %v has stored of %d events: %w", l.host, len(items), err), reconnect: true}
	}
	l.understood(b)
	got := false
	for _, r := range l.results {
		got = got || r.status < 300 || r.status == http.StatusConflict
	}
	for i, r := range l.results {
		it, why := &items[i], reason{}
		if r.status >= 300 {
			why = readReason(r.status, r.err)
		}
		it.outcome = classify(it, r.status, &why, len(r.err) > 0, !got)
		if it.outcome == pending && b == &l.letters && why.advice() != "" {
			it.outcome = refused // it need not wait for somebody: the file can have it
		}
		switch it.outcome {
		case refused:
			it.why = &why
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

// understood notes a proper bulk answer.
func (l *lane) understood(b *bulk) {
	b.answered = true
	if !l.answered.Load() { // lanes share it
		l.answered.Store(true)
	}
	l.limit = min(l.limit+l.ceiling/64+1, l.ceiling)
}

// maxSuspects ends the search for what spoils a request when nothing is accepted meanwhile.
const maxSuspects = 8

// suspect notes that a request of it alone is answered 400. Is it the event, or would any request
// be? A wrong option "parameters" has that effect too, and must not send every event to the dead
// letter. So the verdict waits for settleSuspects.
func (l *lane) suspect(b *bulk, it *item, body []byte) *failure {
	why := readError(http.StatusBadRequest, body)
	it.outcome, it.why = suspect, &why
	if b.suspects++; b.suspects < maxSuspects || b.answered {
		return nil
	}
	return l.refusesAll(why)
}

func (l *lane) refusesAll(why reason) *failure {
	counters.retriesRequest.Inc()
	return &failure{err: fmt.Errorf("%v refuses requests as a whole, of single events even: %v%s", l.host, why, advice(why.status)), reconnect: true}
}

// settleSuspects finds the suspects of b guilty if another request has been accepted: one of the
// same bulk, or any since the last verdict. Otherwise they are tried again, and so a server that
// comes to refuse everything costs maxSuspects events their place at most, not all of them.
func (l *lane) settleSuspects(b *bulk) *failure {
	if b.suspects == 0 {
		return nil
	}
	verdict := pending
	if b.answered || l.answered.Swap(false) {
		verdict = refused
	}
	var last reason
	for i := range b.items {
		if it := &b.items[i]; it.outcome == suspect {
			it.outcome, last = verdict, *it.why
		}
	}
	if verdict == pending {
		return l.refusesAll(last)
	}
	return nil
}

// learnFromCut makes requests smaller when several in a row got no answer at all: some servers cut
// the connection where they should say 413. accept lets them grow again.
func (l *lane) learnFromCut(b *bulk, items []item) {
	const smallest = 64 << 10
	if l.cuts++; l.cuts >= 3 && len(items) > 1 {
		l.limit = min(l.limit, max(b.size(items)/2, smallest))
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
