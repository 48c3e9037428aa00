// Package cluster learns what is in an Elasticsearch or OpenSearch cluster, and does to it what an action says.
//
// What is learnt takes few requests, however many indices there are (facts.go). What is done is done to the
// names it is given and to nothing else: no name is sent that Elasticsearch could read as a pattern. One index
// that cannot be acted on does not keep the others from it; what went wrong with it is in the error, at the end.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// A Cluster is one as an action sees it. Its methods may not be used at the same time.
type Cluster struct {
	ES  *es.Client
	Log *slog.Logger // gets Curator's lines

	// Progress, unless nil, is told of long work now and then: what it is, as "snapshot curator-1", and
	// how many bytes, documents or shards of all are done. A total of 0 is not known.
	Progress func(what string, done, total int64)

	// Now is the clock for names with a date; nil: time.Now.
	Now func() time.Time

	// Before, unless nil, is asked before each request that changes something, and while one is waited for. Its
	// error ends the action, with what is in hand done and reported.
	Before func(context.Context) error

	// Begins, unless nil, is told of an index or snapshot before the request that deletes it. Its error ends the action
	// before that.
	Begins func(filter.Item) error

	end context.CancelCauseFunc // of the action that is being done
}

// A Selection is what an action acts on. Add and Remove are of an alias action, in place of Items.
type Selection struct {
	Items       []filter.Item
	Add, Remove []filter.Item
}

// A Result is what has become of one index or snapshot.
type Result struct {
	Name, UUID string
	Err        error
	Took       time.Duration // of the request that did it, which other names may have shared
}

// An Error is an action that failed, or that found nothing to do. Class is the name of Curator's exception:
// FailedExecution, NoIndices, NoSnapshots, ActionError, ConfigurationError, CuratorException,
// SnapshotInProgress, RepositoryException or ValueError.
type Error struct {
	Class string
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func failf(class, format string, args ...any) error {
	return &Error{class, fmt.Errorf(format, args...)}
}

// failed is how Curator reports an error of Elasticsearch, or any other, in the middle of an action.
func failed(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) && known.Class == "FailedExecution" {
		return err
	}
	return failf("FailedExecution", "Exception encountered.  Rerun with loglevel DEBUG and/or check Elasticsearch logs for more information. Exception: %w", err)
}

func (c *Cluster) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Cluster) progress(what string, done, total int64) {
	if c.Progress != nil {
		c.Progress(what, done, total)
	}
}

// Short names for requests.
func (c *Cluster) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.ES.Do(ctx, http.MethodGet, path, query, nil, out)
}

// before asks Before. Its no ends the action: the context of all that it still asks is done.
func (c *Cluster) before(ctx context.Context) error {
	if c.Before == nil {
		return nil
	}
	err := c.Before(ctx)
	if err != nil && c.end != nil {
		c.end(err)
	}
	return err
}

// begins tells Begins of items. Its no ends the action as that of Before does.
func (c *Cluster) begins(items ...filter.Item) error {
	if c.Begins == nil {
		return nil
	}
	for _, item := range items {
		if err := c.Begins(item); err != nil {
			c.end(err)
			return err
		}
	}
	return nil
}

func (c *Cluster) post(ctx context.Context, path string, query url.Values, body, out any) error {
	if err := c.before(ctx); err != nil {
		return err
	}
	return c.ES.Do(ctx, http.MethodPost, path, query, body, out)
}

func (c *Cluster) put(ctx context.Context, path string, query url.Values, body, out any) error {
	if err := c.before(ctx); err != nil {
		return err
	}
	return c.ES.Do(ctx, http.MethodPut, path, query, body, out)
}

func (c *Cluster) delete(ctx context.Context, path string, query url.Values) error {
	if err := c.before(ctx); err != nil {
		return err
	}
	return c.ES.Do(ctx, http.MethodDelete, path, query, nil, nil)
}

// with makes a query of names and values in turn.
func with(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return query
}

// maxNames bounds the bytes of the names in one request, as Curator does.
const maxNames = 3 << 10

// plain reports whether Elasticsearch takes name for one index or snapshot, and for no pattern, list or
// date math.
func plain(name string) bool {
	return name != "" && len(name) <= 255 && name != "." && name != ".." && name != "_all" &&
		!strings.ContainsAny(name, "*?,<>|\"\\/# \t\r\n") && !strings.ContainsAny(name[:1], "-+_")
}

// allPlain fails unless every name is plain.
func allPlain(items []filter.Item) error {
	for _, item := range items {
		if !plain(item.Name) {
			return failf("ActionError", "cannot act on %q: it is not the name of one index or snapshot", item.Name)
		}
	}
	return nil
}

// patience is how long a wait goes on although the cluster does not answer.
const patience = 5 * time.Minute

// wait asks check again and again until it says that action is done, first after one second, then after
// twice as long each time until interval. It fails after max; negative: never. A cluster that is away for a
// while does not end it.
func (c *Cluster) wait(ctx context.Context, action string, interval, max time.Duration, check func() (bool, error)) error {
	began, answered := time.Now(), time.Now()
	for pause := time.Second; ; pause *= 2 {
		if err := c.before(ctx); err != nil {
			return err
		}
		done, err := check()
		if done {
			return err
		}
		switch {
		case err == nil:
			answered = time.Now()
		case !away(err) || time.Since(answered) > patience:
			return err
		default:
			c.Log.Warn(fmt.Sprintf("Waiting for action %q goes on: %v", action, err))
		}
		elapsed := time.Since(began)
		if max >= 0 && elapsed >= max {
			c.Log.Error(fmt.Sprintf(`Unable to complete action "%s" within max_wait (%.0f) seconds.`, action, max.Seconds()))
			return failf("ActionTimeout", `Action "%s" failed to complete in the max_wait period of %.0f seconds`, action, max.Seconds())
		}
		pause = min(pause, interval)
		if max >= 0 {
			pause = min(pause, max-elapsed)
		}
		c.Log.Debug(fmt.Sprintf(`Action "%s" not yet complete, %.0f total seconds elapsed. Checking again in %v.`, action, elapsed.Seconds(), pause))
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// away reports whether err may go away by itself: the cluster cannot be reached, or is too busy.
func away(err error) bool {
	status := es.Status(err)
	return lost(err) || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// lost reports whether err leaves open if the server has done what it was asked, or does it now.
func lost(err error) bool {
	var known *Error
	switch es.Status(err) {
	case 0:
		return err != nil && !errors.As(err, &known) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// sleep waits, and asks Before meanwhile.
func (c *Cluster) sleep(ctx context.Context, d time.Duration) error {
	for until := time.Now().Add(d); ; {
		if err := c.before(ctx); err != nil {
			return err
		}
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, min(left, time.Second)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func names(items []filter.Item) []string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = item.Name
	}
	return list
}
