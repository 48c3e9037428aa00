package filter

import "time"

// An Item is an index or a snapshot with what is known of it. What is not known yet is asked for by Run
// (Missing); -1 and nil say so.
type Item struct {
	Name    string
	UUID    string
	Created time.Time // an index's creation date, a snapshot's start; zero: unknown

	// Of an index.
	Closed            bool
	Hidden            bool
	Health            string // green, yellow, red; "" of a closed index
	Shards            int    // primaries
	Replicas          int
	Docs              int64             // -1: unknown, as of closed indices
	Size, PrimarySize int64             // bytes of all copies, and of the primaries; -1: unknown
	Segments          int               // of all copies; -1: not asked
	Settings          map[string]string // flat, as "index.lifecycle.name", which is always asked for; one that was asked for and isn't set is ""
	Aliases           []string          // nil: not asked; empty: it has none
	Fields            map[string]Range  // by field; a missing field was not asked

	// Of a snapshot.
	State   string // SUCCESS, PARTIAL, FAILED, IN_PROGRESS
	Ended   time.Time
	Indices []string
}

// A Range is the least and the greatest value of a date field in an index. Empty means that no document
// has the field.
type Range struct {
	Min, Max time.Time
	Empty    bool
}
