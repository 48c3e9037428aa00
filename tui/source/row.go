package source

import (
	"cmp"
	"encoding/json"
	"time"
)

// A Row is one document, with the fields that were asked for.
type Row struct {
	Index, ID string
	Time      time.Time // of the time field, as precise as the index keeps it; zero: it has none
	Tie       int64     // orders documents of one time, see Names.Tie
	Level     Level     // of the level field
	Source    []byte    // the document, as JSON of one object
	Late      bool      // it became visible after newer ones had been shown

	ties []int64           // the values of the tie fields, math.MaxInt64 where there is none; nil of rows that no search gave
	sort []json.RawMessage // its place among so many of one time and tie that they are not put in order by key; else nil
}

// Key tells documents apart.
func (r *Row) Key() string { return r.Index + "\x00" + r.ID }

// untimed says that the document has no time.
func (r *Row) untimed() bool { return r != nil && r.Time.IsZero() }

// Compare orders rows as they are listed: by time, then by tie, then by key.
func Compare(a, b *Row) int {
	return cmp.Or(a.Time.Compare(b.Time), compareTies(a, b), cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
}

// A Direction is one along time.
type Direction int8

// The two of them.
const (
	Older Direction = -1
	Newer Direction = 1
)

// A Page is some rows that follow each other.
type Page struct {
	Rows []*Row // oldest first, whatever the direction that was asked for
	End  bool   // there is nothing beyond them in that direction
	Meta
}

// Meta is what an answer says of itself, and what was asked.
type Meta struct {
	Took    time.Duration // the server's
	Elapsed time.Duration // until the answer was here
	Shards  struct{ Total, Skipped, Failed int }
	Partial string // why there may be more than the answer says; "" if it is whole
	Failed  bool   // it is because something failed, and not what the indices are like
	Method  string
	Path    string // with the query of the URL
	Request []byte // the body, JSON
}

// and is m with what is to be said of another answer to the same.
func (m Meta) and(other Meta) Meta {
	m.Took, m.Elapsed = m.Took+other.Took, m.Elapsed+other.Elapsed
	if m.Partial == "" || other.Failed && !m.Failed {
		m.Partial, m.Failed = other.Partial, other.Failed
	}
	return m
}

// A Count is a number of documents.
type Count struct {
	N    int64
	Kind CountKind
}

// CountKind says how much a count says.
type CountKind uint8

// Kinds of counts.
const (
	Exact   CountKind = iota
	AtLeast           // shown with ≥
	About             // estimated from a sample; shown with ≈
)
