package source

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es"
)

// A View is the documents of a query, as of one point in time where the server has such. It may be used by several goroutines.
type View struct {
	source  *Source
	query   Query
	loose   bool // without a point in time: for what is asked once
	untimed bool // with the documents without a time

	mu      sync.Mutex // of what follows
	pit     string
	opening chan struct{} // closed when the point in time that is being opened is there, or will not be; nil: none is
	opened  int           // how many points in time there were
	ended   int           // how often they were ended
	used    time.Time     // when the point in time was last asked
	faulty  bool          // some shards failed from the beginning
	timed   bool          // there are no documents without a time
	apart   time.Duration // between rows of the last page; 0: not known
}

// keepAlive is for how long the server holds a point in time that is not asked.
const keepAlive = 2 * time.Minute

// View returns the documents of q. It sends nothing.
func (s *Source) View(q Query) *View { return &View{source: s, query: q, untimed: q.always()} }

// Query is what the view was made of.
func (v *View) Query() Query { return v.query }

// Renew makes the next page come from a new point in time. Rows of older ones stay places to go on from.
func (v *View) Renew() { go v.end(context.Background(), v.forget()) }

// Close ends the point in time. The view can be used again.
func (v *View) Close(ctx context.Context) { v.end(ctx, v.forget()) }

func (v *View) forget() (pit string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	pit, v.pit, v.timed = v.pit, "", false
	v.ended++
	return pit
}

// end tells the server that it can let go of a point in time. It would by itself, later: nobody waits long for it.
func (v *View) end(ctx context.Context, pit string) {
	if pit == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	v.source.client.Once().Do(ctx, http.MethodDelete, "/_pit", nil, map[string]any{"id": pit}, nil)
}

// open returns the point in time and its number, from 1; "" and 0 where the server has none. fresh says that it was opened just now.
func (v *View) open(ctx context.Context) (pit string, number int, fresh bool, err error) {
	if v.loose || !v.source.has(pointInTime) {
		return "", 0, false, nil
	}
	v.mu.Lock()
	for v.opening != nil {
		opening := v.opening
		v.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
			return "", 0, false, ctx.Err()
		}
		v.mu.Lock()
	}
	if v.pit != "" && time.Since(v.used) < keepAlive {
		defer v.mu.Unlock()
		v.used = time.Now()
		return v.pit, v.opened, false, nil
	}
	v.opening = make(chan struct{})
	ended := v.ended
	v.mu.Unlock()
	pit, err = v.hold(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.opening)
	v.opening = nil
	if ended != v.ended { // meanwhile: it is for nobody
		go v.end(context.WithoutCancel(ctx), pit)
		return "", 0, false, err
	}
	if pit == "" || err != nil {
		return "", 0, false, err
	}
	v.pit, v.used = pit, time.Now()
	v.opened++
	return pit, v.opened, true, nil
}

// hold asks for a point in time; "" is that there is none, and no reason not to search.
func (v *View) hold(ctx context.Context) (pit string, err error) {
	query := v.source.matching()
	query.Del("allow_no_indices")
	query.Set("keep_alive", alive())
	var answer struct{ ID string }
	err = v.source.client.Do(ctx, http.MethodPost, es.Path(v.source.pattern(v.query), "_pit"), query, nil, &answer)
	switch status := es.Status(err); status {
	case 0, http.StatusUnauthorized:
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		v.source.lack(pointInTime)
		err = nil
	default: // there is nothing to hold, or no room, or no right to: a search without tells, if it does not answer as well
		err = nil
	}
	return answer.ID, err
}

func alive() string { return fmt.Sprintf("%ds", int(keepAlive.Seconds())) }

// search asks with the point in time, or a new one if that has ended. make gives the body for one, told by its
// number, or for none, 0.
func (v *View) search(ctx context.Context, make func(pit int) map[string]any) (*answer, error) {
	for {
		pit, number, fresh, err := v.open(ctx)
		if err != nil {
			return nil, err
		}
		body := make(number)
		if pit == "" {
			return v.source.search(ctx, v.source.pattern(v.query), body)
		}
		body["pit"] = map[string]any{"id": pit, "keep_alive": alive()}
		a, err := v.source.search(ctx, "", body)
		if !v.renews(number, fresh, a, err) {
			return a, err
		}
	}
}

// renews says whether what was answered to the point in time of this number has to be asked anew of another one: shards that
// went away answer again there, if they do.
func (v *View) renews(number int, fresh bool, a *answer, err error) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	failed := err == nil && a.Shards.Failed > 0
	if v.opened != number || v.pit == "" { // another goroutine has renewed it
		return !fresh && (failed || err != nil && ended(err))
	}
	switch {
	case err != nil && ended(err), failed && !fresh && !v.faulty:
		v.pit = ""
		return !fresh
	case err != nil:
		return false
	case a.Shards.Total == 0: // it is of no index, and will be of none
		go v.end(context.Background(), v.pit)
		v.pit = ""
		return !fresh
	case a.PIT != "":
		v.pit = a.PIT
	}
	v.faulty = failed
	return false
}

// ended says whether an error may be that of a point in time that the server, or one between, does not know any more.
func ended(err error) bool {
	switch es.Status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return true
	}
	return false
}
