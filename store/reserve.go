package store

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// reserveBytes are kept on the disk in a file of their own, which is given up when there is no other room for what must go on: opening
// the files of indices, each with 32 KiB of shared memory, and writing to the catalog that an index is gone.
const reserveBytes = 8 << 20

func reservePath(dir string) string { return filepath.Join(dir, "reserve") }

// makeReserve writes the reserve, unless it is there.
func makeReserve(dir string) error {
	if f, err := os.Stat(reservePath(dir)); err == nil && f.Size() == reserveBytes {
		return nil
	}
	b := make([]byte, reserveBytes) // of chance: zeros would take no room where files are packed
	rand.Read(b)
	err := os.WriteFile(reservePath(dir), b, 0o600)
	if err != nil {
		err = errors.Join(err, os.Remove(reservePath(dir)))
	}
	return err
}

// give gives up the reserve, and says whether there was one.
func (g *spaceGuard) give() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept = false
	return os.Remove(reservePath(g.dir)) == nil
}

// urgent does what must go on when the disk is full: what finds no room is done once more, with the room of the reserve.
func (s *Store) urgent(do func() error) error {
	err := do()
	if isFull(err) && s.space.give() {
		s.log.Warn("the disk is full: the room that was reserved is used now", "dir", s.dir)
		err = do()
	}
	return s.explain(err)
}

// explain makes an error say that the disk is full where that is so.
func (s *Store) explain(err error) error {
	if isFull(err) && !errors.Is(err, ErrFull) {
		return &fullError{dir: s.dir, cause: err}
	}
	return err
}

// deletedMark says in a file's name that an index is deleted whose name the catalog still has, as there was no room to write it.
const deletedMark = ".deleted"

func markPath(dir, uuid string) string { return filepath.Join(dir, "indices", uuid+deletedMark) }

// unname takes an index out of the catalog. Where there is no room for that, an empty file says that it is deleted: then its own
// file can go, which makes room.
func (s *Store) unname(ctx context.Context, e entry) error {
	err := s.urgent(func() error { return s.catalog.remove(ctx, e) })
	if !errors.Is(err, ErrFull) {
		return err
	}
	f, failed := os.OpenFile(markPath(s.dir, e.uuid), os.O_CREATE|os.O_WRONLY, 0o600)
	if failed == nil {
		failed = errors.Join(f.Close(), syncDir(filepath.Join(s.dir, "indices")))
	}
	if failed != nil {
		return errors.Join(err, failed)
	}
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	s.notes.deleted = append(s.notes.deleted, e)
	return nil
}

// withoutDeleted leaves out the indices whose files say that they are deleted.
func (s *Store) withoutDeleted(all []entry) []entry {
	marks, _ := filepath.Glob(markPath(s.dir, "*")) // the pattern is well formed
	marked := make(map[string]bool, len(marks))
	for _, m := range marks {
		marked[strings.TrimSuffix(filepath.Base(m), deletedMark)] = true
	}
	var kept []entry
	for _, e := range all {
		if marked[e.uuid] {
			s.notes.deleted = append(s.notes.deleted, e)
			delete(marked, e.uuid)
		} else {
			kept = append(kept, e)
		}
	}
	for uuid := range marked { // the catalog does not have it any more
		s.notes.deleted = append(s.notes.deleted, entry{uuid: uuid})
	}
	return kept
}

// finishDeletes takes out of the catalog what could not be before.
func (s *Store) finishDeletes() {
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	for len(s.notes.deleted) > 0 {
		e := s.notes.deleted[0]
		err := s.catalog.remove(context.Background(), e)
		if err == nil {
			err = os.Remove(markPath(s.dir, e.uuid))
		}
		if err != nil && !os.IsNotExist(err) {
			s.log.Debug("cannot take a deleted index out of the catalog, trying again", "index", e.name, "error", err)
			return
		}
		s.notes.deleted = s.notes.deleted[1:]
	}
}
