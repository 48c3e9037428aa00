package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Segment is a number of documents, by column. What a method finds missing or damaged in a block it leaves out, and Err says so:
// who has searched asks for it before the result is used.
type Segment struct {
	*core
	dead *Bitmap // nil for none
}

// core is what the segments of one block share.
type core struct {
	rows         int
	low, high    int64 // of the times
	load         func(part int) ([]byte, error)
	parts        []part // [0] is the directory itself
	shapeTexts   extent
	shapeCodes   extent
	times        extent // size 0: @timestamp says it
	seqs         extent
	versions     extent
	columns      []info       // by path; the first is the ids'
	docs         []Doc        // of Of: the documents, as rows
	used         atomic.Int64 // bytes of memory
	last         atomic.Int64 // when a column was asked for last
	failed       atomic.Pointer[error]
	mu           sync.Mutex // for what follows
	open         map[int]*Column
	small        map[int][]byte // parts with several columns
	byShape      *byShape
	timesList    []int64
	seqsList     []int64
	versionsList []int64
}

// part is what the directory says about a part.
type part struct {
	size int
	sum  uint32
}

// info is what the directory says about a column.
type info struct {
	path   string
	n      int // values
	how    byte
	single bool // each row has one value
	data   extent
	filter extent
	pieces []extent // of text
	spans  []span   // of Of: the values
}

// Open reads the directory of a block, which is its first part. load gives one of the other parts, by its index among what Encode
// has returned; what it gives must not change. It may be called by several goroutines.
func Open(first []byte, load func(part int) ([]byte, error)) (*Segment, error) {
	if len(first) < 8 || string(first[:4]) != magic {
		return nil, errDamaged
	}
	if crc32.Checksum(first[8:], castagnoli) != binary.LittleEndian.Uint32(first[4:]) {
		return nil, errDamaged
	}
	outer := reader{b: first[8:]}
	r := reader{b: outer.packed()}
	c := &core{load: load, open: make(map[int]*Column), small: make(map[int][]byte)}
	c.parts = make([]part, r.count(len(r.b))+1)
	for i := range c.parts[1:] {
		c.parts[i+1].size = r.count(maxUnpacked)
		if sum := r.take(4); sum != nil {
			c.parts[i+1].sum = binary.LittleEndian.Uint32(sum)
		}
	}
	c.rows = r.count(MaxRows)
	c.low, c.high = r.varint(), r.varint()
	c.shapeTexts, c.shapeCodes = c.extent(&r), c.extent(&r)
	n := r.count(len(r.b))
	c.columns = make([]info, 1, n+1)
	for i := range n {
		c.columns = append(c.columns, c.info(&r, string(r.bytes())))
		if i > 0 && c.columns[i].path >= c.columns[i+1].path {
			r.fail()
		}
	}
	c.columns[0] = c.info(&r, ID)
	c.times, c.seqs, c.versions = c.extent(&r), c.extent(&r), c.extent(&r)
	if r.bad || outer.bad || len(r.b) > 0 || c.columns[0].n != c.rows {
		return nil, errDamaged
	}
	c.used.Store(int64(len(first) + 100*len(c.columns)))
	return &Segment{core: c}, nil
}

func (c *core) extent(r *reader) extent {
	at := extent{r.count(len(c.parts) - 1), r.count(maxUnpacked), r.count(maxUnpacked)}
	if at.size > 0 && (at.part == 0 || at.from+at.size > c.parts[at.part].size) {
		r.fail()
	}
	return at
}

func (c *core) info(r *reader, path string) info {
	i := info{path: path, n: r.count(maxUnpacked)}
	if i.n == 0 {
		return i
	}
	i.how = r.byte()
	i.single = i.how&oneEach != 0
	if i.how &^= oneEach; i.how > encText || i.single && i.n != c.rows {
		r.fail()
	}
	if i.how == encText {
		i.filter = c.extent(r)
	}
	i.data = c.extent(r)
	if i.how == encText {
		for range r.count(len(r.b)) {
			i.pieces = append(i.pieces, c.extent(r))
		}
	}
	return i
}

// Of gives documents in memory the API of a block. Rows are in the order of docs. An error says that a document is none that
// Checker allows.
func Of(docs []Doc) (*Segment, error) {
	t, err := newTable(docs, false)
	if err != nil {
		return nil, err
	}
	c := &core{rows: len(docs), docs: docs, open: make(map[int]*Column)}
	c.timesList, c.seqsList, c.versionsList = make([]int64, len(docs)), make([]int64, len(docs)), make([]int64, len(docs))
	for _, s := range t.shapes {
		for i := range s.slots {
			s.slots[i]++ // the ids' column is the first
		}
	}
	c.byShape = newByShape(t.shapes, t.rows, len(docs))
	for i, d := range docs {
		c.timesList[i], c.seqsList[i], c.versionsList[i] = d.Time, d.Seq, d.Version
		if i == 0 || d.Time < c.low {
			c.low = d.Time
		}
		if i == 0 || d.Time > c.high {
			c.high = d.Time
		}
	}
	size := 100 * len(docs)
	c.columns = append(make([]info, 0, len(t.paths)+1), info{path: ID, n: len(docs), single: true})
	for i, path := range t.paths {
		c.columns = append(c.columns, info{path: path, n: len(t.spans[i]), single: t.single(i), spans: t.spans[i]})
		size += 12 * len(t.spans[i])
	}
	c.used.Store(int64(size))
	return &Segment{core: c}, nil
}

// Without returns the segment with some rows dead. The set must not change any more; nil is none.
func (s *Segment) Without(dead *Bitmap) *Segment { return &Segment{s.core, dead} }

// Len is the number of rows, dead ones too.
func (s *Segment) Len() int { return s.rows }

// Times are the earliest and the latest time of the documents, in nanoseconds since 1970.
func (s *Segment) Times() (earliest, latest int64) { return s.low, s.high }

// Live says whether the document of a row has not been deleted or written anew.
func (s *Segment) Live(row int) bool { return s.dead == nil || !s.dead.Has(row) }

// Rows is a new set of the rows that are live.
func (s *Segment) Rows() *Bitmap {
	b := FullBitmap(s.rows)
	if s.dead != nil {
		b.AndNot(s.dead)
	}
	return b
}

// Paths are the paths of all fields with a value, sorted.
func (s *Segment) Paths() []string {
	paths := make([]string, len(s.columns)-1)
	for i, c := range s.columns[1:] {
		paths[i] = c.path
	}
	return paths
}

// Column is the column of a path, or that of the documents' ids for ID. It is nil when no document has a value there.
func (s *Segment) Column(path string) *Column {
	if path == ID {
		return s.column(0)
	}
	i, ok := slices.BinarySearchFunc(s.columns[1:], path, func(c info, path string) int { return strings.Compare(c.path, path) })
	if !ok {
		return nil
	}
	return s.column(i + 1)
}

// Size is about how many bytes of memory the segment takes now.
func (s *Segment) Size() int64 { return s.used.Load() }

// Used is when a column was asked for last.
func (s *Segment) Used() time.Time { return time.Unix(0, s.last.Load()) }

// Trim lets go of what has been loaded from a block. It is loaded again when it is asked for; columns that somebody holds stay valid.
func (s *Segment) Trim() {
	c := s.core
	if c.docs != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.small = make(map[int]*Column), make(map[int][]byte)
	c.byShape, c.timesList, c.seqsList, c.versionsList = nil, nil, nil, nil
	c.used.Store(int64(100 * len(c.columns)))
}

// Err is the first error that a method could not return: a part that could not be loaded, or that is damaged.
func (s *Segment) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *core) fail(err error) { c.failed.CompareAndSwap(nil, &err) }

func (c *core) column(i int) *Column {
	c.last.Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	column := c.open[i]
	if column == nil {
		column = &Column{core: c, info: &c.columns[i], index: i}
		c.open[i] = column
	}
	return column
}

// read gives the bytes of an extent.
func (c *core) read(at extent) ([]byte, error) {
	if at.size == 0 {
		return nil, nil
	}
	c.mu.Lock()
	b, ok := c.small[at.part]
	c.mu.Unlock()
	if !ok {
		var err error
		if b, err = c.whole(at.part); err != nil {
			return nil, err
		}
		if at.size < len(b) {
			c.mu.Lock()
			c.small[at.part] = b
			c.mu.Unlock()
			c.used.Add(int64(len(b)))
		}
	}
	return b[at.from : at.from+at.size : at.from+at.size], nil
}

// whole loads a part that is as it was written.
func (c *core) whole(n int) ([]byte, error) {
	b, err := c.load(n)
	if err != nil {
		return nil, err
	}
	if p := c.parts[n]; len(b) != p.size || crc32.Checksum(b, castagnoli) != p.sum {
		return nil, fmt.Errorf("cannot read part %d: %w", n, errDamaged)
	}
	return b, nil
}

// Verify reads every part, also those that no document needs, and returns an error for each that is not as it was written.
func (s *Segment) Verify() []error {
	var all []error
	for n := 1; n < len(s.parts); n++ {
		if _, err := s.whole(n); err != nil {
			all = append(all, err)
		}
	}
	return all
}

// shaped makes sure that the shapes are there.
func (c *core) shaped() (*byShape, error) {
	c.mu.Lock()
	by := c.byShape
	c.mu.Unlock()
	if by != nil {
		return by, nil
	}
	if c.rows == 0 {
		return newByShape(nil, nil, 0), nil
	}
	texts, err := c.read(c.shapeTexts)
	if err != nil {
		return nil, err
	}
	codes, err := c.read(c.shapeCodes)
	if err != nil {
		return nil, err
	}
	shapes, err := c.readShapes(texts)
	if err != nil {
		return nil, err
	}
	of, err := readShapeCodes(&reader{b: codes}, c.rows, len(shapes))
	if err != nil {
		return nil, err
	}
	by = newByShape(shapes, of, c.rows)
	c.mu.Lock()
	c.byShape = by
	c.mu.Unlock()
	c.used.Add(int64(3*len(texts) + 8*len(of)))
	return by, nil
}

func (c *core) readShapes(b []byte) ([]*shape, error) {
	outer := reader{b: b}
	r := reader{b: outer.packed()}
	shapes := make([]*shape, r.count(len(r.b)))
	unknown := false
	for i := range shapes {
		s, err := newShape(string(r.bytes()), func(path string) int {
			at, ok := slices.BinarySearchFunc(c.columns[1:], path, func(c info, path string) int { return strings.Compare(c.path, path) })
			unknown = unknown || !ok
			return at + 1
		})
		if err != nil || unknown {
			return nil, errDamaged
		}
		shapes[i] = s
	}
	if r.bad || outer.bad || len(shapes) == 0 {
		return nil, errDamaged
	}
	return shapes, nil
}
