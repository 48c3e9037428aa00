package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/store/block"
)

// index is one SQLite file and what is in memory of it.
type index struct {
	store *Store
	path  string

	// The store's mutex guards these.
	entry
	refs    int
	deleted bool
	used    time.Time // when it was acquired last

	// write is held by who changes the file, and guards what only writers use.
	write      sync.Mutex
	conn       *sql.Conn // for transactions; nil while the file is not open
	ids        *idTable  // nil until somebody asks for an id
	rowsOf     rowCache
	seq        int64 // of the next write
	nextBlock  int64
	nextRecord int64
	merging    sync.Mutex // held by who makes blocks of others

	// state guards what writers change and readers read.
	state     sync.RWMutex
	db        *sql.DB
	partQuery *sql.Stmt
	blocks    []*stored // in the order of their numbers
	gone      []*stored // replaced by others, but not removed yet
	chunks    []*chunk  // what is in no block, in the order it came
	tail      tail
	written   time.Time // when a document was written last
	stuck     error     // why blocks cannot be made at the moment
	drained   chan struct{}
	known     Info // as it was when the file was closed
	stamp     stamp

	queue requests

	complained time.Time // when the background has logged an error last; only it uses this
}

const indexSchema = `
CREATE TABLE IF NOT EXISTS info(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block(id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
	size INTEGER NOT NULL, parts INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS part(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead(block INTEGER PRIMARY KEY, rows BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS recent(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version=1`

// partBits are the bits of a part's id that tell which part of its block it is.
const partBits = 20

// stored is a block in the file.
type stored struct {
	id        int64
	rows      int
	low, high int64 // of the documents' times
	size      int64 // of the documents' sources
	parts     int

	// The index's state guards these.
	dead     *block.Bitmap // nil for none; never changed, but replaced
	deadN    int
	refs     int  // views that use it
	replaced bool // it is among the index's gone

	mu      sync.Mutex
	segment *block.Segment
}

func newIndex(s *Store, e entry) *index {
	return &index{store: s, entry: e, path: indexPath(s.dir, e.uuid), drained: make(chan struct{})}
}

// create makes the file.
func (ix *index) create() error {
	db, err := openDatabase(ix.path, indexSchema, true)
	if err != nil {
		return err
	}
	for key, value := range map[string]string{"name": ix.name, "uuid": ix.uuid, "created": strconv.FormatInt(ix.created.UnixMilli(), 10)} {
		if _, err := db.Exec("INSERT INTO info VALUES(?,?)", key, value); err != nil {
			return errors.Join(err, db.Close(), removeDatabase(ix.path))
		}
	}
	ix.write.Lock()
	defer ix.write.Unlock()
	return ix.load(db)
}

// identify reads which index a file is.
func identify(path string) (entry, error) {
	db, err := openDatabase(path, "", false)
	if err != nil {
		return entry{}, err
	}
	defer db.Close()
	var e entry
	var created int64
	err = db.QueryRow(`SELECT (SELECT value FROM info WHERE key='name'), (SELECT value FROM info WHERE key='uuid'),
		(SELECT value FROM info WHERE key='created')`).Scan(&e.name, &e.uuid, &created)
	e.created = time.UnixMilli(created).UTC()
	return e, err
}

// open reads the file, unless it is open.
func (ix *index) open() error {
	ix.write.Lock()
	defer ix.write.Unlock()
	if ix.conn != nil {
		return nil
	}
	return ix.store.urgent(ix.openFile)
}

func (ix *index) openFile() error {
	db, err := openDatabase(ix.path, "", false)
	if err != nil {
		return err
	}
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != 1 {
		return errors.Join(fmt.Errorf("cannot read %s: version %d of the file, not 1", ix.path, version), err, db.Close())
	}
	return ix.load(db)
}

// load reads what is in the file; write is held. It closes db when it fails.
func (ix *index) load(db *sql.DB) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
			ix.conn = nil
			ix.store.tails.Add(-int64(ix.tail.size))
			ix.tail = tail{}
			return
		}
		ix.store.opens.Add(1)
	}()
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	query, err := db.Prepare("SELECT data FROM part WHERE id=?")
	if err != nil {
		return err
	}
	ix.state.Lock()
	defer ix.state.Unlock()
	ix.db, ix.conn, ix.partQuery = db, conn, query
	ix.blocks, ix.gone, ix.chunks, ix.tail, ix.ids, ix.rowsOf = nil, nil, nil, tail{}, nil, rowCache{}
	ix.written = ix.store.now()
	if err := ix.loadBlocks(); err != nil {
		return err
	}
	return ix.loadRecent()
}

func (ix *index) loadBlocks() error {
	ctx := context.Background()
	rows, err := ix.conn.QueryContext(ctx, "SELECT b.id, b.rows, b.low, b.high, b.size, b.parts, b.gone, d.rows FROM block b LEFT JOIN dead d ON d.block=b.id ORDER BY b.id")
	if err != nil {
		return err
	}
	defer rows.Close()
	ix.nextBlock = 1
	for rows.Next() {
		b := &stored{}
		var dead []byte
		if err := rows.Scan(&b.id, &b.rows, &b.low, &b.high, &b.size, &b.parts, &b.replaced, &dead); err != nil {
			return err
		}
		ix.nextBlock = b.id + 1
		if b.replaced { // nobody reads it: it goes with the next sweep
			ix.gone = append(ix.gone, b)
			continue
		}
		if dead != nil {
			if b.dead, err = readDead(dead, b.rows); err != nil {
				return fmt.Errorf("cannot read which documents of block %d are deleted: %w", b.id, err)
			}
			b.deadN = b.dead.Count()
		}
		ix.blocks = append(ix.blocks, b)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var seq string
	if err := ix.conn.QueryRowContext(ctx, "SELECT value FROM info WHERE key='seq'").Scan(&seq); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	ix.seq, _ = strconv.ParseInt(seq, 10, 64) // none yet: 0
	return nil
}

// removeBlocks deletes what the file has of blocks.
func removeBlocks(tx *sql.Tx, ids []int64) error {
	for _, id := range ids {
		if _, err := tx.Exec("DELETE FROM part WHERE id>=? AND id<?", id<<partBits, (id+1)<<partBits); err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM dead WHERE block=?", "DELETE FROM block WHERE id=?"} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadRecent puts together the tail from its records.
func (ix *index) loadRecent() error {
	rows, err := ix.conn.QueryContext(context.Background(), "SELECT id, data FROM recent ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	ix.nextRecord = 1
	for rows.Next() {
		var id int64
		var data []byte
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		r, err := readRecord(data)
		if err != nil {
			return fmt.Errorf("cannot read record %d: %w", id, err)
		}
		ix.nextRecord = id + 1
		ix.seq = max(ix.seq, r.last+1)
		for _, seq := range r.dead {
			ix.killSeq(seq)
		}
		ix.append(id, r.docs)
	}
	return rows.Err()
}

// close ends the use of the file; write is held.
func (ix *index) close() error {
	if ix.conn == nil {
		return nil
	}
	known := ix.info()
	ix.state.Lock()
	defer ix.state.Unlock()
	err := errors.Join(ix.partQuery.Close(), ix.conn.Close(), ix.db.Close())
	ix.store.opens.Add(-1)
	ix.known, ix.stamp = known, stampOf(ix.path)
	if ix.known.Bytes = ix.stamp.size; !ix.stamp.whole {
		ix.known.Bytes = known.Bytes
	}
	ix.store.note(ix)
	ix.conn, ix.db, ix.blocks, ix.gone, ix.chunks, ix.ids = nil, nil, nil, nil, nil, nil
	ix.store.tails.Add(-int64(ix.tail.size))
	ix.tail, ix.rowsOf = tail{}, rowCache{}
	return err
}

// discard closes and deletes the file of an index that the catalog does not name any more. Nobody uses it.
func (ix *index) discard() {
	ix.write.Lock()
	err := ix.close()
	ix.write.Unlock()
	if err = errors.Join(err, removeDatabase(ix.path)); err != nil {
		// The file goes when the store is opened again.
		ix.store.log.Error("cannot delete an index's file", "index", ix.name, "error", err)
	}
}

// loader reads the parts of a block.
func (ix *index) loader(b *stored) func(part int) ([]byte, error) {
	return func(part int) ([]byte, error) {
		ix.state.RLock()
		query := ix.partQuery
		open := ix.db != nil
		ix.state.RUnlock()
		if !open {
			return nil, errStopped
		}
		var data []byte
		if err := query.QueryRow(b.id<<partBits | int64(part)).Scan(&data); err != nil {
			return nil, fmt.Errorf("cannot read part %d of block %d of index %s: %w", part, b.id, ix.name, err)
		}
		ix.store.cache.loaded(ix.store, len(data))
		return data, nil
	}
}

// open gives the block to read from.
func (b *stored) open(ix *index) (*block.Segment, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.segment == nil || b.segment.Err() != nil {
		load := ix.loader(b)
		first, err := load(0)
		if err != nil {
			return nil, err
		}
		segment, err := block.Open(first, load)
		if err == nil && segment.Len() != b.rows {
			err = fmt.Errorf("it has %d rows, not %d", segment.Len(), b.rows)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read block %d of index %s: %w", b.id, ix.name, err)
		}
		b.segment = segment
	}
	return b.segment, nil
}

// appendDead adds a set of rows: a checksum, and the rows as a list of what each differs from the one before.
func appendDead(dead *block.Bitmap) []byte {
	b := make([]byte, 4, 64)
	last := 0
	for row := range dead.Rows {
		b = binary.AppendUvarint(b, uint64(row-last))
		last = row
	}
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

func readDead(b []byte, rows int) (*block.Bitmap, error) {
	if len(b) < 4 || crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return nil, errors.New("the list is damaged")
	}
	dead := block.NewBitmap(rows)
	row := uint64(0)
	for b = b[4:]; len(b) > 0; {
		n, size := binary.Uvarint(b)
		if row += n; size <= 0 || n >= uint64(rows) || row >= uint64(rows) {
			return nil, errors.New("the list is damaged")
		}
		dead.Set(int(row))
		b = b[size:]
	}
	return dead, nil
}

// Info is what is known about an index without looking into its documents.
type Info struct {
	Name, UUID string
	Created    time.Time
	Closed     bool
	Docs       int   // that are there
	Deleted    int   // that were deleted or replaced, but still take space
	Bytes      int64 // on the disk
	SourceSize int64 // of the documents' JSON, deleted ones too
	Blocks     int
	// The earliest and the latest time of its documents, in nanoseconds since 1970; both 0 without documents.
	Earliest, Latest int64
	Seq              int64 // of the last write, -1 for none
}

// info is what is known about the index, which is open; write is held.
func (ix *index) info() Info {
	ix.state.RLock()
	defer ix.state.RUnlock()
	i := Info{Name: ix.name, UUID: ix.uuid, Created: ix.created, Seq: ix.seq - 1, Blocks: len(ix.blocks)}
	first := true
	span := func(low, high int64) {
		if first || low < i.Earliest {
			i.Earliest = low
		}
		if first || high > i.Latest {
			i.Latest = high
		}
		first = false
	}
	for _, b := range ix.blocks {
		i.Docs += b.rows - b.deadN
		i.Deleted += b.deadN
		i.SourceSize += b.size
		span(b.low, b.high)
	}
	for _, c := range ix.chunks {
		i.Docs += len(c.docs) - len(c.dead)
		i.Deleted += len(c.dead)
		i.SourceSize += int64(c.size)
		span(c.low, c.high)
	}
	for _, suffix := range []string{"", "-wal"} {
		if f, err := os.Stat(ix.path + suffix); err == nil {
			i.Bytes += f.Size()
		}
	}
	return i
}

// Info tells about one index. A closed one is told about as it was.
func (s *Store) Info(name string) (Info, error) {
	s.mu.Lock()
	ix := s.indices[name]
	if ix == nil || s.stopped {
		s.mu.Unlock()
		return Info{}, fmt.Errorf("%w [%s]", ErrNoIndex, name)
	}
	closed := ix.closed
	ix.refs++
	s.mu.Unlock()
	defer s.release(ix)
	ix.state.RLock()
	i := ix.known
	open := ix.db != nil
	ix.state.RUnlock()
	if open || i.UUID == "" {
		if err := ix.open(); err != nil {
			return Info{}, fmt.Errorf("cannot open index %s: %w", name, err)
		}
		ix.write.Lock()
		i = ix.info()
		ix.write.Unlock()
	}
	i.Closed = closed
	return i, nil
}

// List tells about all indices, by name.
func (s *Store) List() ([]Info, error) {
	s.mu.Lock()
	var names []string
	for name := range s.indices {
		names = append(names, name)
	}
	s.mu.Unlock()
	slices.Sort(names)
	var all []Info
	for _, name := range names {
		i, err := s.Info(name)
		if errors.Is(err, ErrNoIndex) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// Names are the names of all indices, sorted, the closed ones too.
func (s *Store) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.indices))
	for name := range s.indices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// An Entry is an index in the list of all.
type Entry struct {
	Name, UUID string
	Created    time.Time
	Closed     bool
}

// Entries are all indices, by name, and a number that is another after an index was created, deleted, closed or opened: see Changes.
func (s *Store) Entries() (all []Entry, changes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ix := range s.indices {
		all = append(all, Entry{ix.name, ix.uuid, ix.created, ix.closed})
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, s.changes.Load()
}

// Changes is how often an index was created, deleted, closed or opened since the store was opened.
func (s *Store) Changes() int64 { return s.changes.Load() }

// UUID is that of the index.
func (v *View) UUID() string { return v.ix.uuid }
