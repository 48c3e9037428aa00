package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/store/block"
)

// Writers wait while more than this is in no block: half as much again as makes one.
const (
	maxTailDocs  = blockDocs * 3 / 2
	maxTailBytes = blockBytes * 3 / 2
)

// waitForRoom waits while blocks are made more slowly than documents come.
func (ix *index) waitForRoom(ctx context.Context) error {
	for {
		ix.state.RLock()
		full := ix.tail.docs > maxTailDocs || ix.tail.size > maxTailBytes
		stuck, drained := ix.stuck, ix.drained
		ix.state.RUnlock()
		if !full {
			return nil
		}
		if stuck != nil {
			return fmt.Errorf("cannot write to index %s: too many documents wait for being put into a block: %w", ix.name, stuck)
		}
		ix.store.nudge()
		select {
		case <-drained:
		case <-ix.store.stop:
			return errStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wantsFlush says whether a block is to be made of the tail. With idle, what has not been written to for a while is due, however little there is.
func (ix *index) wantsFlush(idle bool) bool {
	ix.state.RLock()
	defer ix.state.RUnlock()
	if ix.tail.docs >= blockDocs || ix.tail.size >= blockBytes {
		return true
	}
	return idle && len(ix.chunks) > 0 && ix.store.now().Sub(ix.written) >= ix.store.opts.FlushAfter
}

// flush makes a block of what is oldest in the tail. The index is acquired.
func (ix *index) flush() error {
	ix.merging.Lock()
	defer ix.merging.Unlock()
	ix.state.Lock()
	var chunks []*chunk
	var docs []block.Doc
	size := 0
	for _, c := range ix.chunks {
		if len(chunks) > 0 && (len(docs)+len(c.docs) > blockDocs || size+c.size > blockBytes) {
			break
		}
		c.closed = true
		chunks = append(chunks, c)
		docs = append(docs, c.live()...)
		size += c.size
	}
	ix.state.Unlock()
	if len(chunks) == 0 {
		return nil
	}
	m := &making{last: chunks[len(chunks)-1].last, chunks: chunks}
	if err := m.encode(docs); err != nil {
		return fmt.Errorf("cannot make a block of index %s: %w", ix.name, err)
	}
	if err := ix.exchange(m); err != nil {
		return fmt.Errorf("cannot write a block of index %s: %w", ix.name, err)
	}
	return nil
}

// making is a block that takes the place of something else.
type making struct {
	chunks []*chunk // that it is made of, the first of the tail
	last   int64    // the number of the last record of chunks
	blocks []*stored
	seen   map[*stored]*block.Bitmap // the dead rows of blocks that were left out

	block   *stored // nil if there is no document left
	parts   [][]byte
	segment *block.Segment
}

func (m *making) encode(docs []block.Doc) error {
	if len(docs) == 0 {
		return nil
	}
	parts, err := block.Encode(docs)
	if err != nil {
		return err
	}
	m.parts = parts
	m.segment, err = block.Open(parts[0], func(part int) ([]byte, error) { return parts[part], nil })
	if err != nil {
		return err
	}
	low, high := m.segment.Times()
	m.block = &stored{rows: len(docs), low: low, high: high, parts: len(parts)}
	for _, d := range docs {
		m.block.size += int64(len(d.Source))
	}
	return nil
}

// exchange writes a block and takes out what it replaces, in one transaction.
func (ix *index) exchange(m *making) error {
	ix.write.Lock()
	defer ix.write.Unlock()
	if ix.conn == nil {
		return errStopped
	}
	if m.block != nil {
		if m.block.id = ix.nextBlock; m.block.id > maxBlock {
			return fmt.Errorf("the index has had %d blocks", m.block.id)
		}
		// What was deleted while the block was made is dead in it.
		dead, err := ix.deadIn(m)
		if err != nil {
			return err
		}
		if dead != nil {
			m.block.dead, m.block.deadN = dead, dead.Count()
		}
	}
	err := transact(ix.conn, func(tx *sql.Tx) error { return ix.writeExchange(tx, m) })
	if err == nil || m.block != nil && exists(ix.conn, "SELECT count(*) FROM block WHERE id=?", m.block.id) {
		ix.applyExchange(m)
	}
	return err
}

func (ix *index) writeExchange(tx *sql.Tx, m *making) error {
	if b := m.block; b != nil {
		for i, p := range m.parts {
			if _, err := tx.Exec("INSERT INTO part VALUES(?,?)", b.id<<partBits|int64(i), p); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("INSERT INTO block VALUES(?,?,?,?,?,?,0)", b.id, b.rows, b.low, b.high, b.size, b.parts); err != nil {
			return err
		}
		if b.dead != nil {
			if err := putDead(tx, map[*stored]*block.Bitmap{b: b.dead}); err != nil {
				return err
			}
		}
	}
	for _, b := range m.blocks {
		if _, err := tx.Exec("UPDATE block SET gone=1 WHERE id=?", b.id); err != nil {
			return err
		}
	}
	if len(m.chunks) == 0 {
		return nil
	}
	if _, err := tx.Exec("DELETE FROM recent WHERE id<=?", m.last); err != nil {
		return err
	}
	_, err := tx.Exec("INSERT INTO info VALUES('seq',?) ON CONFLICT DO UPDATE SET value=excluded.value", strconv.FormatInt(ix.seq, 10))
	return err
}

// deadIn are the rows of a new block whose documents were deleted since they were read; nil for none.
func (ix *index) deadIn(m *making) (*block.Bitmap, error) {
	var killed []int64
	for _, c := range m.chunks {
		for _, row := range c.dead {
			killed = append(killed, c.docs[row].Seq)
		}
	}
	for _, b := range m.blocks {
		if b.dead == m.seen[b] {
			continue
		}
		segment, err := b.open(ix)
		if err != nil {
			return nil, err
		}
		seqs := segment.Seqs()
		for row := range b.dead.Rows {
			killed = append(killed, seqs[row])
		}
		if err := segment.Err(); err != nil {
			return nil, err
		}
	}
	if len(killed) == 0 {
		return nil, nil
	}
	rows := make(map[int64]int)
	for row, seq := range m.segment.Seqs() {
		rows[seq] = row
	}
	var dead *block.Bitmap
	for _, seq := range killed {
		// Most were dead before the block was made, and are not in it.
		if row, ok := rows[seq]; ok {
			if dead == nil {
				dead = block.NewBitmap(m.block.rows)
			}
			dead.Set(row)
		}
	}
	return dead, nil
}

// applyExchange makes readers see the new block instead of what it replaces; write is held.
func (ix *index) applyExchange(m *making) {
	var hashes []uint64
	if m.block != nil && ix.ids != nil {
		var err error
		if hashes, err = idHashes(m.segment); err != nil {
			ix.ids = nil // made anew when it is needed
		}
	}
	ix.rowsOf.drop(m.blocks)
	ix.state.Lock()
	defer ix.state.Unlock()
	for _, c := range m.chunks {
		ix.tail.docs -= len(c.docs)
		ix.tail.size -= c.size
		ix.store.tails.Add(-int64(c.size))
		for row, d := range c.docs {
			if ix.tail.where[d.ID] == (place{c, row}) {
				delete(ix.tail.where, d.ID)
			}
		}
	}
	ix.chunks = slices.Clone(ix.chunks[len(m.chunks):])
	ix.blocks = slices.DeleteFunc(slices.Clone(ix.blocks), func(b *stored) bool { return slices.Contains(m.blocks, b) })
	for _, b := range m.blocks {
		b.replaced = true
	}
	ix.gone = append(ix.gone, m.blocks...)
	if m.block != nil {
		ix.nextBlock++
		ix.blocks = append(ix.blocks, m.block)
		for _, h := range hashes {
			ix.moveID(h, m)
		}
	}
	if ix.ids != nil && ix.ids.n > 2*ix.rows()+1024 {
		ix.ids = nil // too much in it is of the past
	}
	ix.stuck = nil
	close(ix.drained)
	ix.drained = make(chan struct{})
}

// wake tells those who wait for room that there will be none.
func (ix *index) wake(why error) {
	ix.state.Lock()
	defer ix.state.Unlock()
	ix.stuck = why
	close(ix.drained)
	ix.drained = make(chan struct{})
}

// moveID notes where a document of a new block is.
func (ix *index) moveID(hash uint64, m *making) {
	from := int64(0)
	ix.ids.find(hash, func(number int64) bool {
		for _, b := range m.blocks {
			if b.id == number {
				from = number
				return false
			}
		}
		return true
	})
	if from == 0 {
		ix.ids.add(hash, m.block.id)
	} else {
		ix.ids.move(hash, from, m.block.id)
	}
}

// rows are all rows of blocks; state is held.
func (ix *index) rows() int {
	n := 0
	for _, b := range ix.blocks {
		n += b.rows
	}
	return n
}

// mergeMin is how many small blocks are worth being put together.
const mergeMin = 8

// chooseMerge gives the blocks to make one of: those of which a third is deleted, one at a time; then small neighbours. With all, however few
// they are and however little is deleted. Blocks are neighbours in the order of writing.
func chooseMerge(blocks []*stored, all bool) []*stored {
	least, share := mergeMin, 3
	if all {
		least, share = 2, 1<<30
	}
	for _, b := range blocks {
		if b.deadN > 0 && b.deadN*share >= b.rows {
			return []*stored{b}
		}
	}
	var run []*stored
	rows, size := 0, int64(0)
	for i, b := range blocks {
		live := b.rows - b.deadN
		small := live < blockDocs/2 && b.size < blockBytes/2
		fits := rows+live <= blockDocs && size+b.size <= blockBytes
		if !small || !fits {
			if len(run) >= least {
				return run
			}
			run, rows, size = nil, 0, 0
		}
		if small {
			run = append(run, b)
			rows += live
			size += b.size
		}
		if i == len(blocks)-1 && len(run) >= least {
			return run
		}
	}
	return nil
}

// merge makes one block of some, and says whether there were any. The index is acquired.
func (ix *index) merge(all bool) (bool, error) {
	ix.merging.Lock()
	defer ix.merging.Unlock()
	ix.state.RLock()
	m := &making{blocks: chooseMerge(ix.blocks, all), seen: make(map[*stored]*block.Bitmap)}
	for _, b := range m.blocks {
		m.seen[b] = b.dead
	}
	ix.state.RUnlock()
	if len(m.blocks) == 0 {
		return false, nil
	}
	var docs []block.Doc
	for _, b := range m.blocks {
		segment, err := b.open(ix)
		if err == nil {
			var some []block.Doc
			some, err = segment.Without(m.seen[b]).Docs()
			docs = append(docs, some...)
		}
		if err != nil {
			return false, fmt.Errorf("cannot merge blocks of index %s: %w", ix.name, err)
		}
	}
	if err := m.encode(docs); err != nil {
		return false, fmt.Errorf("cannot merge blocks of index %s: %w", ix.name, err)
	}
	if err := ix.exchange(m); err != nil {
		return false, fmt.Errorf("cannot merge blocks of index %s: %w", ix.name, err)
	}
	return true, nil
}

// sweep removes the blocks that were replaced and that no view uses any more.
func (ix *index) sweep() error {
	ix.write.Lock()
	defer ix.write.Unlock()
	ix.state.Lock()
	var free []int64
	ix.gone = slices.DeleteFunc(ix.gone, func(b *stored) bool {
		if b.refs == 0 {
			free = append(free, b.id)
		}
		return b.refs == 0
	})
	ix.state.Unlock()
	if len(free) == 0 || ix.conn == nil {
		return nil
	}
	return transact(ix.conn, func(tx *sql.Tx) error { return removeBlocks(tx, free) })
}

// background makes blocks, merges them, deletes what is too old and closes what is not used, until the store is closed.
func (s *Store) background() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	s.retain()
	retained := s.now()
	for {
		idle := false
		select {
		case <-s.stop:
			return
		case <-s.wake:
		case <-tick.C:
			idle = true
		}
		if idle {
			s.space.check()
			s.finishDeletes()
			s.keepNotes()
		}
		all := s.opened()
		largest := largestTail(all, s.tails.Load() > s.most)
		for _, ix := range all {
			err := ix.tidy(idle, ix == largest)
			// It is tried again each second, but not each time said.
			if err != nil && s.now().Sub(ix.complained) > time.Minute {
				ix.complained = s.now()
				s.log.Error("cannot put documents into blocks, trying again", "index", ix.name, "error", err)
			}
		}
		if s.now().Sub(retained) >= time.Minute {
			retained = s.now()
			s.retain()
		}
	}
}

// largestTail is the index of which most waits for being put into a block; nil unless the tails are too large.
func largestTail(all []*index, tooLarge bool) *index {
	var largest *index
	most := 0
	for _, ix := range all {
		ix.state.RLock()
		size := ix.tail.size
		ix.state.RUnlock()
		if tooLarge && size > most {
			largest, most = ix, size
		}
	}
	return largest
}

// closeAfter is how long an index stays open without being used.
const closeAfter = 5 * time.Minute

// tidy does what is to be done with an index that is open. With all, everything in its tail is put into blocks.
func (ix *index) tidy(idle, all bool) error {
	s := ix.store
	s.mu.Lock()
	ix.state.RLock()
	open := ix.db != nil
	ix.state.RUnlock()
	if !open || ix.deleted || s.stopped {
		s.mu.Unlock()
		return nil
	}
	unused := ix.refs == 0 && s.now().Sub(ix.used) > closeAfter
	ix.refs++
	s.mu.Unlock()
	defer s.release(ix)
	err := ix.makeBlocks(idle)
	if err == nil && all {
		err = ix.flushAll()
		s.nudge() // there may be more to do
	}
	if err != nil {
		ix.wake(err)
		return err
	}
	if !unused {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ix.refs > 1 || s.now().Sub(ix.used) <= closeAfter {
		return nil
	}
	ix.write.Lock()
	defer ix.write.Unlock()
	return ix.close()
}

// makeBlocks makes and merges what is due.
func (ix *index) makeBlocks(idle bool) error {
	s, flushed := ix.store, false
	for ix.wantsFlush(idle) && !s.stopping() {
		if err := ix.flush(); err != nil {
			return err
		}
		flushed = true
	}
	for again := true; again && !s.stopping(); {
		var err error
		if again, err = ix.merge(false); err != nil {
			return err
		}
	}
	if err := ix.sweep(); err != nil {
		return fmt.Errorf("cannot remove blocks of index %s: %w", ix.name, err)
	}
	if idle {
		ix.forgetIDs()
	}
	if idle && flushed {
		return ix.checkpoint()
	}
	return nil
}

// checkpoint writes the write-ahead log back, and makes it empty if nobody reads from it.
func (ix *index) checkpoint() error {
	ix.write.Lock()
	defer ix.write.Unlock()
	if ix.conn == nil {
		return nil
	}
	if _, err := ix.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("cannot write the log of index %s back: %w", ix.name, err)
	}
	return nil
}

// forgetIDs frees the table of ids of an index that is not written to any more.
func (ix *index) forgetIDs() {
	ix.state.RLock()
	past := ix.store.now().Sub(ix.written) > closeAfter
	ix.state.RUnlock()
	if past {
		ix.write.Lock()
		ix.ids, ix.rowsOf = nil, rowCache{}
		ix.write.Unlock()
	}
}

func (s *Store) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}
