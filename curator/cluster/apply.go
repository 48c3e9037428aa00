package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// Apply does an action to a selection, with Curator's log lines, and tells done, unless it is nil, what has
// become of each index or snapshot. Its error is an *Error, or that of ctx.
func (c *Cluster) Apply(ctx context.Context, a *action.Action, s Selection, done func(Result)) error {
	if done == nil {
		done = func(Result) {}
	}
	for _, items := range [][]filter.Item{s.Items, s.Add, s.Remove} {
		if err := allPlain(items); err != nil {
			return err
		}
	}
	ctx, c.end = context.WithCancelCause(ctx)
	defer c.end(nil)
	w := &work{Cluster: c, items: s.Items, done: done}
	var err error
	switch o := a.Options.(type) {
	case *action.Alias:
		err = c.alias(ctx, a, o, s, done)
	case *action.Allocation:
		err = w.allocation(ctx, o)
	case *action.Close:
		err = w.close(ctx, o)
	case *action.ClusterRouting:
		err = c.clusterRouting(ctx, o)
	case *action.CreateIndex:
		err = c.createIndex(ctx, o, done)
	case *action.DeleteIndices:
		err = w.deleteIndices(ctx)
	case *action.DeleteSnapshots:
		err = w.deleteSnapshots(ctx, o)
	case *action.ForceMerge:
		err = w.forceMerge(ctx, o)
	case *action.IndexSettings:
		err = w.indexSettings(ctx, o)
	case *action.Open:
		err = w.open(ctx)
	case *action.Reindex:
		err = c.reindex(ctx, o, s.Items, done)
	case *action.Replicas:
		err = w.replicas(ctx, o)
	case *action.Restore:
		err = c.restore(ctx, o, s.Items, done)
	case *action.Rollover:
		err = c.rollover(ctx, o, done)
	case *action.Shrink:
		err = w.shrink(ctx, o)
	case *action.Snapshot:
		err = c.snapshot(ctx, o, s.Items, done)
	default:
		err = fmt.Errorf("there is no action %q", a.Kind)
	}
	var known *Error
	if err != nil && !errors.As(err, &known) && ctx.Err() == nil {
		err = failed(err)
	}
	return err
}

// work is an action on a list.
type work struct {
	*Cluster
	items []filter.Item
	done  func(Result)
	errs  []error // of single items, so far
}

// openOnly takes out the closed indices, which most actions cannot act on, and says so when nothing is left.
func (w *work) openOnly() error {
	w.items = slices.DeleteFunc(slices.Clone(w.items), func(item filter.Item) bool { return item.Closed })
	return w.some()
}

func (w *work) some() error {
	if len(w.items) == 0 {
		return failf("NoIndices", "index_list object is empty.")
	}
	return nil
}

// finish reports one item.
func (w *work) finish(item filter.Item, began time.Time, err error) {
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("%s: %w", item.Name, err))
	}
	w.done(Result{item.Name, item.UUID, err, time.Since(began)})
}

// result is the error about all items that failed. The first ten say why.
func (w *work) result() error {
	if len(w.errs) == 0 {
		return nil
	}
	errs := w.errs
	if len(errs) > 10 {
		errs = append(slices.Clone(errs[:10]), fmt.Errorf("and %d more", len(errs)-10))
	}
	if len(w.items) > 1 {
		errs = append([]error{fmt.Errorf("%d of %d failed", len(w.errs), len(w.items))}, errs...)
	}
	var parts []string
	for _, err := range errs {
		parts = append(parts, err.Error())
	}
	return failed(&several{strings.Join(parts, "; "), w.errs})
}

// several are errors in one line.
type several struct {
	text string
	errs []error
}

func (e *several) Error() string   { return e.text }
func (e *several) Unwrap() []error { return e.errs }

// inChunks does something to all items, as many at a time as a request has room for. If that is refused,
// it is done one by one, so that one index does not keep the others from it. An index that is gone by now
// is passed over.
func (w *work) inChunks(ctx context.Context, do func(target string, items []filter.Item) error) error {
	i := 0
	for _, chunk := range es.Chunks(names(w.items), maxNames) {
		items := w.items[i : i+len(chunk)]
		i += len(chunk)
		began := time.Now()
		err := do(csv(items), items)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			for _, item := range items {
				w.finish(item, began, nil)
			}
			continue
		}
		each := len(items) > 1 && refused(err)
		if each {
			w.Log.Warn(fmt.Sprintf("Not possible for %d indices at once, so one by one: %v", len(items), err))
		}
		for _, item := range items {
			began := time.Now()
			one := err
			if each {
				one = do(item.Name, []filter.Item{item})
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if es.Type(one) == "index_not_found_exception" {
				w.Log.Warn("Index was initially present, but now is not: " + item.Name)
				one = nil
			}
			w.finish(item, began, one)
		}
	}
	return w.result()
}

// refused reports whether the server has said no, perhaps because of one index alone.
func refused(err error) bool {
	return es.Status(err) != 0 && !away(err) || errors.Is(err, errNotClosed)
}

// csv joins names for a request, in alphabetical order.
func csv(items []filter.Item) string {
	list := names(items)
	slices.Sort(list)
	return strings.Join(list, ",")
}

func (w *work) list() string { return python(names(w.items)) }
