package store

import (
	"encoding/json"
	"os"
	"sync"
)

// defaultOpen is how many files of indices stay open: each has a few file descriptors and some memory. What is in use stays open in any
// case.
const defaultOpen = 256

// stamp is how a file was when it was closed. One that is so still has not been written to since.
type stamp struct {
	size, modified int64
	whole          bool // the file is all there is: SQLite keeps no log beside it
}

func stampOf(path string) stamp {
	f, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	log, err := os.Stat(path + "-wal")
	return stamp{f.Size(), f.ModTime().UnixNano(), os.IsNotExist(err) || err == nil && log.Size() == 0}
}

// notes are what is to be written to the catalog, but not at once.
type notes struct {
	mu      sync.Mutex
	closed  map[*index]bool // the indices that were closed: what is known about them
	deleted []entry         // see unname
}

// note has what is known about an index, which has been closed, written to the catalog.
func (s *Store) note(ix *index) {
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	if s.notes.closed == nil {
		s.notes.closed = make(map[*index]bool)
	}
	s.notes.closed[ix] = true
}

// keepNotes writes to the catalog what is known about indices that were closed, so that they need not be opened to be listed when the
// store is opened again.
func (s *Store) keepNotes() {
	s.notes.mu.Lock()
	all := s.notes.closed
	s.notes.closed = nil
	s.notes.mu.Unlock()
	if len(all) == 0 {
		return
	}
	if err := s.catalog.keep(all); err != nil {
		s.log.Debug("cannot keep what is known about indices: they will be opened to be listed", "error", err)
	}
}

func (c *catalog) keep(all map[*index]bool) error {
	tx, err := c.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for ix := range all {
		ix.state.RLock()
		known, at := ix.known, ix.stamp
		ix.state.RUnlock()
		if !at.whole {
			continue
		}
		info, err := json.Marshal(known)
		if err != nil {
			return err
		}
		_, err = tx.Exec("INSERT OR REPLACE INTO known SELECT uuid, ?, ?, ? FROM entry WHERE uuid=?", at.size, at.modified, string(info), ix.uuid)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// recall reads what was kept about indices. What does not fit to their files is passed over.
func (s *Store) recall() error {
	rows, err := s.catalog.db.Query("SELECT uuid, size, modified, info FROM known")
	if err != nil {
		return err
	}
	defer rows.Close()
	byUUID := make(map[string]*index, len(s.indices))
	for _, ix := range s.indices {
		byUUID[ix.uuid] = ix
	}
	for rows.Next() {
		var uuid, info string
		at := stamp{whole: true}
		if err := rows.Scan(&uuid, &at.size, &at.modified, &info); err != nil {
			return err
		}
		ix := byUUID[uuid]
		var known Info
		if ix == nil || stampOf(ix.path) != at || json.Unmarshal([]byte(info), &known) != nil || known.UUID != uuid {
			continue
		}
		ix.known, ix.stamp = known, at
	}
	return rows.Err()
}

// closeSurplus closes files while too many are open, those first that were not used for longest, and of these first those that have
// nothing left to put into blocks.
func (s *Store) closeSurplus() {
	for s.opens.Load() > s.mostOpen {
		s.mu.Lock()
		ix := s.idlest()
		// Who comes now waits in open until the file is closed, and opens it again.
		if ix == nil || !ix.write.TryLock() {
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		err := ix.close()
		ix.write.Unlock()
		if err != nil {
			s.log.Error("cannot close an index", "index", ix.name, "error", err)
			return
		}
	}
}

// idlest is the index to close: nil if all that are open are in use. The store's mutex is held.
func (s *Store) idlest() *index {
	var best *index
	bestDue := false
	for _, ix := range s.indices {
		if ix.refs > 0 || !ix.state.TryRLock() { // who is changing it is using it
			continue
		}
		open, due := ix.db != nil, len(ix.chunks) > 0
		ix.state.RUnlock()
		if open && (best == nil || bestDue && !due || bestDue == due && ix.used.Before(best.used)) {
			best, bestDue = ix, due
		}
	}
	return best
}
