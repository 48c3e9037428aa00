package store

import (
	"slices"
	"sort"
	"sync"

	"github.com/podbeat/podbeat/store/block"
)

// Documents are put into a block when there are this many, or this many bytes of them.
const (
	blockDocs  = 16384
	blockBytes = 16 << 20
)

// maxTails is how many bytes of documents of all indices may be in no block: then those of the index with most are put into one, be it small.
const maxTails = 64 << 20

// A chunk is at most as large as this before the next record begins another. A record is never larger.
const (
	chunkDocs  = 2048
	chunkBytes = 4 << 20
)

// chunk is some documents that are in no block, from whole records.
type chunk struct {
	docs      []block.Doc // appended to, never changed
	dead      []int32     // rows of docs that are deleted or replaced: appended to, never changed
	low, high int64       // of the documents' times
	size      int         // of their sources
	last      int64       // the number of its last record
	closed    bool        // nothing is added any more

	mu      sync.Mutex
	segment *block.Segment // of the first rows of docs
}

// tail is what the chunks are together.
type tail struct {
	docs, size int
	where      map[string]place // the live documents by id
}

type place struct {
	chunk *chunk
	row   int
}

// append adds a record's documents to the tail; state is held for writing.
func (ix *index) append(id int64, docs []block.Doc) {
	if ix.tail.where == nil {
		ix.tail.where = make(map[string]place)
	}
	size := 0
	for _, d := range docs {
		size += len(d.Source)
	}
	var c *chunk
	if n := len(ix.chunks); n > 0 {
		c = ix.chunks[n-1]
	}
	if c == nil || c.closed || len(c.docs)+len(docs) > chunkDocs || c.size+size > chunkBytes {
		c = &chunk{}
		ix.chunks = append(ix.chunks, c)
	}
	for _, d := range docs {
		if len(c.docs) == 0 {
			c.low, c.high = d.Time, d.Time
		}
		c.low, c.high = min(c.low, d.Time), max(c.high, d.Time)
		ix.tail.where[d.ID] = place{c, len(c.docs)}
		c.docs = append(c.docs, d)
	}
	c.last = id
	c.size += size
	ix.tail.docs += len(docs)
	ix.tail.size += size
	ix.store.tails.Add(int64(size))
}

// kill takes a document out of the tail; state is held for writing.
func (ix *index) kill(p place) {
	p.chunk.dead = append(p.chunk.dead, int32(p.row))
	if id := p.chunk.docs[p.row].ID; ix.tail.where[id] == p {
		delete(ix.tail.where, id)
	}
}

// killSeq takes the document with a seq out of the tail, if it is there.
func (ix *index) killSeq(seq int64) {
	for _, c := range ix.chunks {
		row := sort.Search(len(c.docs), func(i int) bool { return c.docs[i].Seq >= seq })
		if row < len(c.docs) && c.docs[row].Seq == seq {
			ix.kill(place{c, row})
			return
		}
	}
}

// live are the documents of a chunk that are not dead; state is held.
func (c *chunk) live() []block.Doc {
	if len(c.dead) == 0 {
		return c.docs
	}
	dead := slices.Clone(c.dead)
	slices.Sort(dead)
	var docs []block.Doc
	for row, d := range c.docs {
		if _, ok := slices.BinarySearch(dead, int32(row)); !ok {
			docs = append(docs, d)
		}
	}
	return docs
}

// open gives the first rows of the chunk to read from, those without which dead says. What it is given was read with the
// index's state held.
func (c *chunk) open(docs []block.Doc, dead []int32) (*block.Segment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	segment := c.segment
	if segment == nil || segment.Len() != len(docs) {
		var err error
		if segment, err = block.Of(docs); err != nil {
			return nil, err
		}
		if c.segment == nil || c.segment.Len() < len(docs) {
			c.segment = segment
		}
	}
	if len(dead) == 0 {
		return segment, nil
	}
	rows := block.NewBitmap(len(docs))
	for _, row := range dead {
		rows.Set(int(row))
	}
	return segment.Without(rows), nil
}
