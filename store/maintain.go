package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
	var ids []uint64 // their hashes
	var c block.Checker
	for _, p := range v.parts {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		what := "the newest documents"
		if p.block != nil {
			r.Blocks++
			what = fmt.Sprintf("block %d", p.block.id)
		}
		segment, err := v.fresh(p)
		if err == nil {
			for _, err := range segment.Verify() {
				r.problem("%s: %v", what, err)
			}
			ids, err = r.look(segment, what, ids, &c)
		}
		if err != nil {
			r.problem("%s: %v", what, err)
		}
	}
	slices.Sort(ids)
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			r.problem("two documents have one id, whose hash is %016x", ids[i])
		}
	}
	return r, nil
}

// fresh opens a part of a view, and not by the segment that searches use: everything will be read from the disk.
func (v *View) fresh(p viewPart) (*block.Segment, error) {
	if p.block == nil {
		return p.chunk.open(p.docs, p.deadRows)
	}
	load := v.ix.loader(p.block)
	first, err := load(0)
	if err != nil {
		return nil, err
	}
	segment, err := block.Open(first, load)
	if err != nil {
		return nil, err
	}
	if low, high := segment.Times(); segment.Len() != p.block.rows || low != p.low || high != p.high {
		return nil, errors.New("it is not as the table of blocks says")
	}
	return segment.Without(p.dead), nil
}

// look reads all of a segment, and adds the hashes of its ids.
func (r *Report) look(s *block.Segment, what string, ids []uint64, c *block.Checker) ([]uint64, error) {
	docs, err := s.Docs()
	if err != nil {
		return ids, err
	}
	for _, path := range s.Paths() {
		s.Column(path).MayHave("")
	}
	low, high := s.Times()
	for _, d := range docs {
		if err := c.Check(d.Source); err != nil {
			r.problem("%s, document %q: %v", what, d.ID, err)
		}
		if d.Time < low || d.Time > high {
			r.problem("%s, document %q: its time is outside of the block's", what, d.ID)
		}
		ids = append(ids, idHash(d.ID))
	}
	r.Docs += len(docs)
	return ids, s.Err()
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
// anew, for which twice the room is needed that it takes afterwards. Writers wait for the last part.
func (s *Store) Compact(ctx context.Context, name string) error {
	ix, err := s.acquire(name)
	if err != nil {
		return err
	}
	defer s.release(ix)
	if err := ix.flushAll(); err != nil {
		return err
	}
	ix.state.RLock()
	most := 2*len(ix.blocks) + 1 // who writes meanwhile could keep it going for ever
	ix.state.RUnlock()
	for again := true; again && most > 0; most-- {
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
