// Package store keeps documents as an Elasticsearch index does, on one machine: one SQLite file for each index, whose rows are columnar
// blocks (see package block).
//
//	Bulk ──1 check──▶ 2 record (table recent, one synced transaction) ──▶ 3 tail (in memory)
//	                                                                          │ 16,384 documents, or idle
//	View ◀── segments ◀── blocks (tables block, part) ◀── 4 flush, 5 merge ◀──┘
//
// What Bulk has acknowledged is on the disk. The catalog says which indices there are; a file that it does not name is
// removed when the store is opened, so creating and deleting an index are one transaction each. Deleting an index is deleting its
// file.
//
// An index is opened when it is first used, and closed when it has not been used for a while, or when 256 others are open. Of an index that is written to with ids of the
// writer's choosing, a table of 8 to 16 bytes a document is in memory that tells where an id may be.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/option"
)

// Options are the settings of a store.
type Options struct {
	// Delete an index when its newest document is older than this; 0 keeps it.
	Retention time.Duration `config:"retention"`
	// Delete the oldest indices while all of them are larger than this on the disk; 0 is no limit. The newest is never deleted.
	MaxSize option.Bytes `config:"max_size"`
	// Refuse documents when less than this is free on the disk. 8 MiB more are kept in a file, so that on a full disk indices can be read and
	// deleted; without them documents are refused, too.
	MinFree option.Bytes `config:"min_free" default:"512MiB"`
	// How much memory the blocks that were read may take.
	Cache option.Bytes `config:"cache" default:"48MiB"`
	// How long after the last write to an index its newest documents are put into a block.
	FlushAfter time.Duration `config:"flush_after" default:"30s"`

	// Log gets what happens in the background; nil is slog's default.
	Log *slog.Logger `config:"-"`
}

// What a zero stands for where it would be of no use; the same as above.
const (
	defaultCache      = 48 << 20
	defaultFlushAfter = 30 * time.Second
)

// GCPercent is what a program whose memory is mostly a store's gives to debug.SetGCPercent. With 100 there is as much garbage as there are
// documents on their way and blocks in the cache: bench/store had 344 MiB at most while it wrote a million documents and searched as
// many. With 50, and a smaller cache, it had 226, for 1 to 2 CPU seconds more. A limit (GOMEMLIMIT) would have to grow with the number of ids.
const GCPercent = 50

// Validate refuses what makes no sense.
func (o Options) Validate() error {
	if o.Retention < 0 || o.FlushAfter < 0 || o.MaxSize < 0 || o.MinFree < 0 || o.Cache < 0 {
		return errors.New("cannot use a negative setting of the store")
	}
	return nil
}

// What callers tell apart.
var (
	ErrNoIndex = errors.New("no such index")
	ErrExists  = errors.New("the index already exists")
	ErrClosed  = errors.New("the index is closed")
	ErrFull    = errors.New("the disk is nearly full")
	ErrHeld    = errors.New("another process has the store open")
	errStopped = errors.New("the store is closed")
)

// A Store is a directory of indices. Its methods may be called by several goroutines.
type Store struct {
	dir      string
	opts     Options
	log      *slog.Logger
	catalog  *catalog
	ids      idMaker
	cache    cache
	space    spaceGuard
	tails    atomic.Int64 // bytes of documents that are in no block, of all indices
	most     int64        // of tails
	changes  atomic.Int64 // of indices, see Entries
	opens    atomic.Int64 // files of indices that are open
	mostOpen int64
	notes    notes

	mu      sync.Mutex
	indices map[string]*index
	stopped bool

	wake   chan struct{}  // something is to be done in the background
	stop   chan struct{}  // closed by Close
	worker sync.WaitGroup // the goroutine that Open starts
}

// Open opens the store in dir, which it makes if there is none. One process can have it open.
func Open(dir string, o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "indices"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	s := &Store{dir: dir, opts: o, log: o.Log, most: maxTails, mostOpen: defaultOpen, indices: make(map[string]*index), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.opts.Cache == 0 {
		s.opts.Cache = defaultCache
	}
	if s.opts.FlushAfter == 0 {
		s.opts.FlushAfter = defaultFlushAfter
	}
	s.cache.limit = int64(s.opts.Cache)
	s.space = spaceGuard{dir: dir, least: int64(o.MinFree)}
	s.ids = newIDMaker()
	files, err := filepath.Glob(filepath.Join(dir, "indices", "*.db"))
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	_, noCatalog := os.Stat(filepath.Join(dir, "catalog.db"))
	err = s.urgent(func() (err error) {
		s.catalog, err = openCatalog(dir)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	if noCatalog != nil && len(files) > 0 {
		s.log.Warn("the catalog is gone: making one of the index files, without mappings and settings", "indices", len(files))
		err = s.catalog.adopt(files)
	}
	var entries []entry
	if err == nil {
		entries, err = s.catalog.list()
	}
	if err == nil {
		entries = s.withoutDeleted(entries)
		for _, e := range entries {
			s.indices[e.name] = newIndex(s, e)
		}
		err = errors.Join(s.removeStrays(files, entries), s.recall())
	}
	if err != nil {
		s.catalog.close()
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	s.finishDeletes()
	s.space.check()
	s.worker.Go(s.background)
	return s, nil
}

// removeStrays deletes the files of indices that the catalog does not name: their creation was not finished, or their
// deletion.
func (s *Store) removeStrays(files []string, known []entry) error {
	keep := make(map[string]bool)
	for _, e := range known {
		keep[indexPath(s.dir, e.uuid)] = true
	}
	for _, f := range files {
		if !keep[f] {
			s.log.Info("deleting a file of no index", "file", filepath.Base(f))
			if err := removeDatabase(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Dir is the folder that was opened.
func (s *Store) Dir() string { return s.dir }

func indexPath(dir, uuid string) string { return filepath.Join(dir, "indices", uuid+".db") }

// Close waits for what is being written and closes all files. Views that are still open are of no use afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	s.stopped = true
	close(s.stop)
	var all []*index
	for _, ix := range s.indices {
		all = append(all, ix)
	}
	s.mu.Unlock()
	s.worker.Wait()
	var err error
	for _, ix := range all {
		ix.write.Lock()
		err = errors.Join(err, ix.close())
		ix.write.Unlock()
	}
	s.keepNotes()
	return errors.Join(err, s.catalog.close())
}

// acquire gives an index that is open, and stays so until it is released.
func (s *Store) acquire(name string) (*index, error) {
	s.mu.Lock()
	ix := s.indices[name]
	switch {
	case s.stopped:
		s.mu.Unlock()
		return nil, errStopped
	case ix == nil:
		s.mu.Unlock()
		return nil, fmt.Errorf("%w [%s]", ErrNoIndex, name)
	case ix.closed:
		s.mu.Unlock()
		return nil, fmt.Errorf("%w [%s]", ErrClosed, name)
	}
	ix.refs++
	ix.used = s.now()
	s.mu.Unlock()
	if err := ix.open(); err != nil {
		s.release(ix)
		return nil, fmt.Errorf("cannot open index %s: %w", name, err)
	}
	return ix, nil
}

// release ends what acquire has begun. The file of an index that was deleted meanwhile goes with its last user.
func (s *Store) release(ix *index) {
	s.mu.Lock()
	ix.refs--
	last := ix.refs == 0 && ix.deleted
	s.mu.Unlock()
	if last {
		ix.discard()
	}
	s.closeSurplus()
}

func (s *Store) now() time.Time { return time.Now() }

// nudge makes the background look whether something is to be done.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Create makes an empty index, with what is known about it from the beginning; its name need not be set in known. Which names are allowed
// is the caller's to decide.
func (s *Store) Create(ctx context.Context, name string, known ...Meta) error {
	if name == "" || len(name) > 255 {
		return fmt.Errorf("cannot create index %q: its name must have 1 to 255 bytes", name)
	}
	if err := s.space.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	if s.indices[name] != nil {
		return fmt.Errorf("%w [%s]", ErrExists, name)
	}
	s.finishDeletes()
	e := entry{name: name, uuid: newUUID(), created: s.now().UTC().Truncate(time.Millisecond)}
	ix := newIndex(s, e)
	if err := ix.create(); err != nil {
		return fmt.Errorf("cannot create index %s: %w", name, s.explain(err))
	}
	if err := s.catalog.add(ctx, e, known); err != nil {
		return fmt.Errorf("cannot create index %s: %w", name, s.explain(errors.Join(err, ix.close(), removeDatabase(ix.path))))
	}
	s.indices[name] = ix
	s.changes.Add(1)
	return nil
}

// Delete deletes an index. Views of it stay readable until they are released.
func (s *Store) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	ix := s.indices[name]
	if ix == nil || s.stopped {
		s.mu.Unlock()
		return fmt.Errorf("%w [%s]", ErrNoIndex, name)
	}
	if err := s.unname(ctx, ix.entry); err != nil {
		s.mu.Unlock()
		return fmt.Errorf("cannot delete index %s: %w", name, err)
	}
	delete(s.indices, name)
	s.changes.Add(1)
	ix.deleted = true
	unused := ix.refs == 0
	s.mu.Unlock()
	ix.wake(fmt.Errorf("%w [%s]", ErrNoIndex, name))
	if unused {
		ix.discard()
	}
	return nil
}

// SetClosed closes an index, so that it can neither be written nor read, or opens it again. What runs is not disturbed.
func (s *Store) SetClosed(ctx context.Context, name string, closed bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := s.indices[name]
	if ix == nil {
		return fmt.Errorf("%w [%s]", ErrNoIndex, name)
	}
	if err := s.urgent(func() error { return s.catalog.setClosed(ctx, ix.entry, closed) }); err != nil {
		return fmt.Errorf("cannot change index %s: %w", name, err)
	}
	ix.closed = closed
	s.changes.Add(1)
	return nil
}
