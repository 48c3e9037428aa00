package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/store/block"
)

// OpKind is what is to be done.
type OpKind uint8

// What can be done with a document.
const (
	Create OpKind = iota // add it, unless there is one with its id
	Index                // add it, in place of the one with its id if there is one
	Delete               // delete the one with its id
)

// An Op is one write.
type Op struct {
	Kind   OpKind
	ID     string // "" for one that the store makes; Delete needs one
	Source []byte // not of Delete. It is copied.
	Time   int64  // nanoseconds since 1970: of @timestamp, or of now
	IfSeq  *int64 // write only when the document there has this Seq; nil for any, or none
}

// A Result says what has become of an Op.
type Result struct {
	ID      string
	Seq     int64
	Version int64
	// Created says that there was no document with the id; of Delete, NotFound says so.
	Created, NotFound bool
	// Conflict says that nothing was written: there is a document with the id already, or, with IfSeq, it is another. Seq and Version
	// are those of the one that is there.
	Conflict bool
	// Err says why this document cannot be kept; nothing was written.
	Err error
}

// maxID is the longest id in bytes, as Elasticsearch has it.
const maxID = 512

// maxSource is the longest document in bytes: 100 MiB, as Elasticsearch takes requests.
const maxSource = 100 << 20

// checkers remember shapes, so they are used again.
var checkers = sync.Pool{New: func() any { return new(block.Checker) }}

// Bulk writes to one index, in the order of ops and in one transaction. When it returns without an error, what the results say is on the
// disk, and in every View made from then on. With an error nothing was written, or, if the disk failed, it is not known what was.
// Requests that come at the same time share a transaction.
func (s *Store) Bulk(ctx context.Context, name string, ops []Op) ([]Result, error) {
	return s.BulkTo(ctx, name, "", ops)
}

// BulkTo is Bulk to the index with that UUID: one that has taken its name meanwhile is not written to.
func (s *Store) BulkTo(ctx context.Context, name, uuid string, ops []Op) ([]Result, error) {
	if err := s.space.check(); err != nil {
		return nil, err
	}
	ix, err := s.acquire(name)
	if err != nil {
		return nil, err
	}
	defer s.release(ix)
	if uuid != "" && ix.uuid != uuid {
		return nil, fmt.Errorf("%w [%s/%s]", ErrNoIndex, name, uuid)
	}
	r := s.prepare(ops)
	if err := ix.waitForRoom(ctx); err != nil {
		return nil, err
	}
	if err := ix.submit(r); err != nil {
		return nil, fmt.Errorf("cannot write to index %s: %w", name, err)
	}
	if ix.wantsFlush(false) || s.tails.Load() > s.most {
		s.nudge()
	}
	return r.results, nil
}

// prepare checks what can be checked without knowing the index, and copies what will be kept.
func (s *Store) prepare(ops []Op) *request {
	r := &request{ops: slices.Clone(ops), results: make([]Result, len(ops))}
	c := checkers.Get().(*block.Checker)
	defer checkers.Put(c)
	size := 0
	for i := range r.ops {
		op := &r.ops[i]
		switch {
		case len(op.ID) > maxID:
			r.results[i].Err = fmt.Errorf("id is too long, must be no longer than %d bytes but was: %d", maxID, len(op.ID))
		case op.Kind == Delete && op.ID == "":
			r.results[i].Err = errors.New("cannot delete a document without its id")
		case len(op.Source) > maxSource:
			r.results[i].Err = fmt.Errorf("cannot keep a document of %d bytes: %d is the most", len(op.Source), maxSource)
		case op.Kind != Delete:
			r.results[i].Err = c.Check(op.Source)
			size += len(op.Source)
		}
	}
	kept := make([]byte, 0, size)
	for i := range r.ops {
		op := &r.ops[i]
		if r.results[i].Err != nil || op.Kind == Delete {
			continue
		}
		kept = append(kept, op.Source...)
		op.Source = kept[len(kept)-len(op.Source) : len(kept) : len(kept)]
		if op.ID == "" {
			r.made = append(r.made, i)
			op.ID = s.ids.next()
		}
	}
	return r
}

// request is one call of Bulk.
type request struct {
	ops     []Op
	results []Result
	made    []int // the ops whose ids the store has made, ascending
	done    bool
	err     error
}

// requests are those that wait for a transaction.
type requests struct {
	sync.Mutex
	list []*request
}

// submit writes a request, together with those that came while the one before was written.
func (ix *index) submit(r *request) error {
	ix.queue.Lock()
	ix.queue.list = append(ix.queue.list, r)
	ix.queue.Unlock()
	ix.write.Lock()
	defer ix.write.Unlock()
	if !r.done {
		ix.queue.Lock()
		all := ix.queue.list
		ix.queue.list = nil
		ix.queue.Unlock()
		err := ix.commit(all)
		for _, r := range all {
			r.done, r.err = true, err
		}
	}
	return r.err
}

// changes are what a transaction is going to do.
type changes struct {
	seq     int64
	docs    []block.Doc
	pending map[string]int // the live documents among docs by id
	killed  map[string]place
	dead    map[*stored]*block.Bitmap
}

// commit writes requests in one transaction; write is held.
func (ix *index) commit(all []*request) error {
	if ix.conn == nil {
		return errStopped
	}
	c := &changes{seq: ix.seq, pending: make(map[string]int), killed: make(map[string]place), dead: make(map[*stored]*block.Bitmap)}
	for _, r := range all {
		made := r.made
		for i, op := range r.ops {
			isMade := len(made) > 0 && made[0] == i
			if isMade {
				made = made[1:]
			}
			if r.results[i].Err == nil {
				if err := ix.decide(c, op, &r.results[i], isMade); err != nil {
					return err
				}
			}
		}
	}
	if c.seq == ix.seq {
		return nil
	}
	records := c.records()
	room := recordRooms.Get().(*recordRoom)
	defer room.free()
	err := transact(ix.conn, func(tx *sql.Tx) error {
		for i, r := range records {
			if _, err := tx.Exec("INSERT INTO recent VALUES(?,?)", ix.nextRecord+int64(i), r.bytes(room)); err != nil {
				return err
			}
		}
		return putDead(tx, c.dead)
	})
	// What has reached the disk must be in memory too, even when it is not sure to survive a power cut.
	if err == nil || exists(ix.conn, "SELECT count(*) FROM recent WHERE id=?", ix.nextRecord) {
		ix.apply(c, records)
	}
	return ix.store.explain(err)
}

// decide finds out what an op does, and adds it to the changes. An error is the disk's.
func (ix *index) decide(c *changes, op Op, r *Result, made bool) error {
	r.ID = op.ID
	var have found
	if !made {
		var err error
		if have, err = ix.find(c, op.ID); err != nil {
			return err
		}
	}
	wrong := op.IfSeq != nil && (!have.ok || have.seq != *op.IfSeq)
	if wrong || op.Kind == Create && have.ok {
		r.Conflict, r.Seq, r.Version = true, have.seq, have.version
		return nil
	}
	r.Seq, r.Version = c.seq, have.version+1
	c.seq++
	if have.ok {
		c.kill(op.ID, have)
	}
	if op.Kind == Delete {
		r.NotFound = !have.ok
		return nil
	}
	r.Created = !have.ok
	c.pending[op.ID] = len(c.docs)
	c.docs = append(c.docs, block.Doc{ID: op.ID, Source: op.Source, Time: op.Time, Seq: r.Seq, Version: r.Version})
	return nil
}

// found is where a document is.
type found struct {
	ok           bool
	seq, version int64
	pending      int // of changes' docs, if no other is set
	tail         *place
	block        *stored
	row          int
}

func (c *changes) kill(id string, f found) {
	switch {
	case f.tail != nil:
		c.killed[id] = *f.tail
	case f.block != nil:
		dead := c.dead[f.block]
		if dead == nil {
			if dead = block.NewBitmap(f.block.rows); f.block.dead != nil {
				dead = f.block.dead.Clone()
			}
			c.dead[f.block] = dead
		}
		dead.Set(f.row)
	default:
		c.docs[f.pending].ID = "" // never seen by anybody
		delete(c.pending, id)
	}
}

// records are the changes as rows of the table recent.
func (c *changes) records() []*record {
	var all []*record
	r := &record{last: c.seq - 1}
	for _, p := range c.killed {
		r.dead = append(r.dead, p.chunk.docs[p.row].Seq)
	}
	all = append(all, r)
	size := 0
	for _, d := range c.docs {
		if d.ID == "" {
			continue
		}
		if len(r.docs) == chunkDocs || size+len(d.Source) > chunkBytes && len(r.docs) > 0 {
			r = &record{last: c.seq - 1}
			all = append(all, r)
			size = 0
		}
		r.docs = append(r.docs, d)
		size += len(d.Source)
	}
	return all
}

// putDead writes which rows of blocks are dead.
func putDead(tx *sql.Tx, dead map[*stored]*block.Bitmap) error {
	for b, rows := range dead {
		if _, err := tx.Exec("INSERT INTO dead VALUES(?,?) ON CONFLICT DO UPDATE SET rows=excluded.rows", b.id, appendDead(rows)); err != nil {
			return err
		}
	}
	return nil
}

// apply makes readers see what has been committed.
func (ix *index) apply(c *changes, records []*record) {
	ix.state.Lock()
	defer ix.state.Unlock()
	for _, p := range c.killed {
		ix.kill(p)
	}
	for b, rows := range c.dead {
		b.dead, b.deadN = rows, rows.Count()
	}
	for i, r := range records {
		ix.append(ix.nextRecord+int64(i), r.docs)
	}
	ix.nextRecord += int64(len(records))
	ix.seq = c.seq
	ix.written = ix.store.now()
}

// find looks for a document, among the changes first; write is held.
func (ix *index) find(c *changes, id string) (found, error) {
	if i, ok := c.pending[id]; ok {
		return found{ok: true, seq: c.docs[i].Seq, version: c.docs[i].Version, pending: i}, nil
	}
	if p, ok := ix.tail.where[id]; ok {
		if _, killed := c.killed[id]; killed {
			return found{}, nil
		}
		d := p.chunk.docs[p.row]
		return found{ok: true, seq: d.Seq, version: d.Version, tail: &p}, nil
	}
	b, row, err := ix.findStored(id, c.dead)
	if err != nil || b == nil {
		return found{}, err
	}
	segment, err := b.open(ix)
	if err != nil {
		return found{}, err
	}
	f := found{ok: true, seq: segment.Seqs()[row], version: segment.Versions()[row], block: b, row: row}
	return f, segment.Err()
}

// findStored looks for a document in the blocks; dead are rows that are dead beside those of the blocks. write is held.
func (ix *index) findStored(id string, dead map[*stored]*block.Bitmap) (b *stored, row int, err error) {
	if len(ix.blocks) == 0 {
		return nil, 0, nil
	}
	if ix.ids == nil {
		if err := ix.loadIDs(); err != nil {
			return nil, 0, err
		}
	}
	ix.ids.find(idHash(id), func(number int64) bool {
		candidate := ix.block(number)
		if candidate == nil {
			return true
		}
		var rows map[string]int
		if rows, err = ix.rowsOf.get(ix, candidate); err != nil {
			return false
		}
		at, ok := rows[id]
		if !ok || candidate.dead != nil && candidate.dead.Has(at) || dead[candidate] != nil && dead[candidate].Has(at) {
			return true
		}
		b, row = candidate, at
		return false
	})
	return b, row, err
}

// block gives the block with a number, nil if it is gone.
func (ix *index) block(number int64) *stored {
	i, ok := slices.BinarySearchFunc(ix.blocks, number, func(b *stored, n int64) int { return int(b.id - n) })
	if !ok {
		return nil
	}
	return ix.blocks[i]
}

// loadIDs makes the table of ids from the blocks; write is held.
func (ix *index) loadIDs() error {
	t := &idTable{}
	for _, b := range ix.blocks {
		segment, err := b.open(ix)
		if err != nil {
			return err
		}
		hashes, err := idHashes(segment)
		if err != nil {
			return err
		}
		for _, h := range hashes {
			t.add(h, b.id)
		}
		segment.Trim()
	}
	ix.ids = t
	return nil
}

// idHashes are the hashes of the ids of all rows.
func idHashes(s *block.Segment) ([]uint64, error) {
	hashes := make([]uint64, 0, s.Len())
	for _, id := range s.IDs {
		hashes = append(hashes, idHash(id))
	}
	return hashes, s.Err()
}

// rowCache remembers where the ids of some blocks are: who sends documents again sends neighbours.
type rowCache struct {
	rows map[int64]map[string]int
	used []int64 // the blocks, the one used last at the end
}

// cachedBlocks are how many blocks a rowCache remembers.
const cachedBlocks = 8

func (c *rowCache) get(ix *index, b *stored) (map[string]int, error) {
	if rows, ok := c.rows[b.id]; ok {
		i := slices.Index(c.used, b.id)
		c.used = append(slices.Delete(c.used, i, i+1), b.id)
		return rows, nil
	}
	segment, err := b.open(ix)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]int, b.rows)
	for row, id := range segment.IDs {
		rows[strings.Clone(id)] = row
	}
	if err := segment.Err(); err != nil {
		return nil, err
	}
	if c.rows == nil {
		c.rows = make(map[int64]map[string]int)
	}
	if len(c.used) == cachedBlocks {
		delete(c.rows, c.used[0])
		c.used = c.used[1:]
	}
	c.rows[b.id] = rows
	c.used = append(c.used, b.id)
	return rows, nil
}

// drop forgets blocks that are gone.
func (c *rowCache) drop(blocks []*stored) {
	for _, b := range blocks {
		delete(c.rows, b.id)
		c.used = slices.DeleteFunc(c.used, func(id int64) bool { return id == b.id })
	}
}

// Get gives the document with an id.
func (s *Store) Get(ctx context.Context, name, id string) (block.Doc, bool, error) {
	ix, err := s.acquire(name)
	if err != nil {
		return block.Doc{}, false, err
	}
	defer s.release(ix)
	ix.write.Lock()
	defer ix.write.Unlock()
	if p, ok := ix.tail.where[id]; ok {
		return p.chunk.docs[p.row], true, nil
	}
	b, row, err := ix.findStored(id, nil)
	if err == nil && b != nil {
		var segment *block.Segment
		if segment, err = b.open(ix); err == nil {
			var d block.Doc
			if d, err = segment.Doc(row); err == nil {
				return d, true, nil
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("cannot read %q of index %s: %w", id, name, err)
	}
	return block.Doc{}, false, err
}

// idMaker makes ids that no other store has made: eight letters for this run of the program, and a number.
type idMaker struct {
	prefix string
	last   *atomic.Uint64
}

func newIDMaker() idMaker {
	var b [6]byte
	rand.Read(b[:])
	m := idMaker{base64.RawURLEncoding.EncodeToString(b[:]), new(atomic.Uint64)}
	m.last.Store(uint64(time.Now().Unix()) << 12 & (1<<48 - 1))
	return m
}

// NewID makes an id as Bulk does for documents that have none.
func (s *Store) NewID() string { return s.ids.next() }

func (m idMaker) next() string { return fmt.Sprintf("%s%012x", m.prefix, m.last.Add(1)) }
