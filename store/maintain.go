package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/podbeat/podbeat/store/block"
)

// A Report says what Verify has found.
type Report struct {
	Index    string
	Docs     int
	Blocks   int
	Problems []string // nothing is wrong when there are none
}

// maxProblems is how many problems a Report lists.
const maxProblems = 100

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify reads all of an index: SQLite's own check, every part and its checksum, every document, and that each id is there once.
// It may run while the index is used.
func (s *Store) Verify(ctx context.Context, name string) (Report, error) {
	r := Report{Index: name}
	v, err := s.View(name)
	if err != nil {
		return r, err
	}
	defer v.Release()
	rows, err := v.ix.db.QueryContext(ctx, "PRAGMA integrity_check(10)")
	if err != nil {
		return r, fmt.Errorf("cannot verify index %s: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var said string
		if err := rows.Scan(&said); err != nil {
			return r, fmt.Errorf("cannot verify index %s: %w", name, err)
		}
		if said != "ok" {
			r.problem("SQLite says: %s", said)
		}
	}
	if err := rows.Err(); err != nil {
		return r, fmt.Errorf("cannot verify index %s: %w", name, err)
	}
	seen := make(map[uint64]bool) // the ids' hashes
	var c block.Checker
	for _, p := range v.parts {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if p.block == nil {
			segment, err := p.chunk.open(p.docs, p.deadRows)
			if err != nil {
				r.problem("the newest documents: %v", err)
				continue
			}
			r.look(segment, "the newest documents", seen, &c)
			continue
		}
		r.Blocks++
		what := fmt.Sprintf("block %d", p.block.id)
		// Not the segment that searches use: everything is read from the disk.
		load := v.ix.loader(p.block)
		first, err := load(0)
		if err != nil {
			r.problem("%s: %v", what, err)
			continue
		}
		segment, err := block.Open(first, load)
		if err != nil {
			r.problem("%s: %v", what, err)
			continue
		}
		if low, high := segment.Times(); segment.Len() != p.block.rows || low != p.low || high != p.high {
			r.problem("%s is not as the table of blocks says", what)
			continue
		}
		r.look(segment.Without(p.dead), what, seen, &c)
	}
	return r, nil
}

// look reads all of a segment.
func (r *Report) look(s *block.Segment, what string, seen map[uint64]bool, c *block.Checker) {
	docs, err := s.Docs()
	if err == nil {
		for _, path := range s.Paths() {
			s.Column(path).MayHave("")
		}
		err = s.Err()
	}
	if err != nil {
		r.problem("%s: %v", what, err)
		return
	}
	low, high := s.Times()
	for _, d := range docs {
		if err := c.Check(d.Source); err != nil {
			r.problem("%s, document %q: %v", what, d.ID, err)
		}
		if d.Time < low || d.Time > high {
			r.problem("%s, document %q: its time is outside of the block's", what, d.ID)
		}
		if h := idHash(d.ID); seen[h] {
			r.problem("%s, document %q: there are two with this id", what, d.ID)
		} else {
			seen[h] = true
		}
	}
	r.Docs += len(docs)
}

// Flush puts all documents of an index into blocks.
func (s *Store) Flush(name string) error {
	ix, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(ix)
	return ix.flushAll()
}

// flushAll makes blocks of what is in the tail now.
func (ix *index) flushAll() error {
	ix.state.RLock()
	until := int64(0)
	if n := len(ix.chunks); n > 0 {
		until = ix.chunks[n-1].last
	}
	ix.state.RUnlock()
	for {
		ix.state.RLock()
		done := len(ix.chunks) == 0 || ix.chunks[0].last > until
		ix.state.RUnlock()
		if done {
			return nil
		}
		if err := ix.flush(); err != nil {
			return err
		}
	}
}

// Compact makes the file of an index as small as it gets: small blocks are put together, what was deleted is left out, and the file is written
// anew, for which as much room is needed as it takes afterwards. Writers wait for the last part.
func (s *Store) Compact(ctx context.Context, name string) error {
	ix, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(ix)
	if err := ix.flushAll(); err != nil {
		return err
	}
	for again := true; again; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if again, err = ix.merge(true); err != nil {
			return err
		}
	}
	if err := ix.sweep(); err != nil {
		return fmt.Errorf("cannot compact index %s: %w", name, err)
	}
	ix.write.Lock()
	defer ix.write.Unlock()
	for _, q := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := ix.conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("cannot compact index %s: %w", name, err)
		}
	}
	return nil
}

// Backup writes a copy of the whole store into dir, which must be empty or missing: a store of its own, that Open opens. Each index is in it as
// it was at one moment; the store may be used meanwhile.
func (s *Store) Backup(ctx context.Context, dir string) (err error) {
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		return fmt.Errorf("cannot back up to %s: it is not empty", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "indices"), 0o700); err != nil {
		return fmt.Errorf("cannot back up: %w", err)
	}
	copied := make(map[string]bool)
	for _, ix := range s.opened() {
		s.mu.Lock()
		gone := ix.deleted || s.stopped
		if !gone {
			ix.refs++
		}
		s.mu.Unlock()
		if gone {
			continue
		}
		err := ix.backup(ctx, indexPath(dir, ix.uuid))
		s.release(ix)
		if err != nil {
			return fmt.Errorf("cannot back up index %s: %w", ix.name, err)
		}
		copied[ix.uuid] = true
	}
	path := filepath.Join(dir, "catalog.db")
	if _, err := s.catalog.db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("cannot back up the catalog: %w", err)
	}
	// Indices made since are not in the copy, so its catalog must not name them. What was deleted since it removes itself.
	c, err := openCatalog(dir)
	if err != nil {
		return fmt.Errorf("cannot back up the catalog: %w", err)
	}
	entries, err := c.list()
	for _, e := range entries {
		if !copied[e.uuid] {
			err = errors.Join(err, c.remove(ctx, e))
		}
	}
	if err = errors.Join(err, c.close(), syncDir(dir), syncDir(filepath.Join(dir, "indices"))); err != nil {
		return fmt.Errorf("cannot back up the catalog: %w", err)
	}
	return nil
}

// backup copies the file as it is at one moment. The index's refs are held.
func (ix *index) backup(ctx context.Context, to string) error {
	if err := ix.open(); err != nil {
		return err
	}
	if _, err := ix.db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
