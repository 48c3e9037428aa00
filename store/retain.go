package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/option"
)

// chooseExpired gives the indices to delete: those whose newest document is older than maxAge, and, while all together are larger than maxSize,
// those whose newest document is oldest. The index with the newest document stays in any case, and so do empty ones younger than
// maxAge, and those whose names begin with a dot: they hold no logs, but what programs keep for themselves.
func chooseExpired(all []Info, now time.Time, maxAge time.Duration, maxSize int64) []string {
	newest := func(i Info) time.Time {
		if i.Docs+i.Deleted == 0 {
			return i.Created
		}
		return time.Unix(0, i.Latest)
	}
	total := int64(0)
	for _, i := range all {
		total += i.Bytes
	}
	all = slices.DeleteFunc(slices.Clone(all), func(i Info) bool { return strings.HasPrefix(i.Name, ".") })
	slices.SortFunc(all, func(a, b Info) int { return cmp.Or(newest(a).Compare(newest(b)), cmp.Compare(a.Name, b.Name)) })
	var names []string
	for n, i := range all {
		old := maxAge > 0 && now.Sub(newest(i)) > maxAge
		if n == len(all)-1 || !old && (maxSize == 0 || total <= maxSize) {
			break
		}
		total -= i.Bytes
		names = append(names, i.Name)
	}
	return names
}

// retain deletes what is too old or too much.
func (s *Store) retain() {
	if s.opts.Retention == 0 && s.opts.MaxSize == 0 {
		return
	}
	var all []Info
	for _, name := range s.Names() {
		if s.stopping() {
			return
		}
		i, err := s.Info(name)
		if err == nil {
			all = append(all, i)
		} else if !errors.Is(err, ErrNoIndex) {
			s.log.Error("cannot tell how old an index is, keeping it", "index", name, "error", err)
		}
	}
	for _, name := range chooseExpired(all, s.now(), s.opts.Retention, int64(s.opts.MaxSize)) {
		if err := s.Delete(context.Background(), name); err != nil {
			s.log.Error("cannot delete an index that is too old", "index", name, "error", err)
			continue
		}
		s.log.Info("deleted an index by retention", "index", name)
	}
}

// spaceGuard says when the disk is nearly full.
type spaceGuard struct {
	dir   string
	least int64

	mu     sync.Mutex
	looked time.Time
	err    error
	kept   bool // the reserve is there
}

// Space is how large the disk is that the store is on, and how much of it is free, in bytes.
func (s *Store) Space() (total, free int64, err error) { return diskSpace(s.dir) }

// check is ErrFull while less than the least is free. It looks once a second.
func (g *spaceGuard) check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.looked) >= time.Second {
		g.looked, g.err = now, g.look()
	}
	return g.err
}

func (g *spaceGuard) look() error {
	_, free, err := diskSpace(g.dir)
	if err != nil {
		return err
	}
	if !g.kept && free >= 2*reserveBytes {
		g.kept = makeReserve(g.dir) == nil
		free -= reserveBytes
	}
	if free < g.least || !g.kept {
		return &fullError{g.dir, option.Bytes(free), option.Bytes(max(g.least, 2*reserveBytes)), nil}
	}
	return nil
}

// Full is ErrFull while documents are refused because too little is free on the store's disk.
func (s *Store) Full() error { return s.space.check() }

// fullError is ErrFull with the figures, or with what has found no room.
type fullError struct {
	dir         string
	free, least option.Bytes
	cause       error
}

func (e *fullError) Unwrap() error { return e.cause }

func (e *fullError) Error() string {
	if e.cause != nil {
		return "the disk of " + e.dir + " is full: delete an index, or make room: " + e.cause.Error()
	}
	return "cannot write to " + e.dir + ": " + e.free.String() + " are free there, and " + e.least.String() +
		" must stay so (min_free): delete an index, or make room"
}

func (e *fullError) Is(target error) bool { return target == ErrFull }
