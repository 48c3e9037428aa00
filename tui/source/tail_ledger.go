package source

import (
	"cmp"
	"slices"
	"sort"
)

// A ledger is which documents are known, in order of time: 16 bytes each.
type ledger struct {
	known []entry
	gone  []entry // those of known that the server has no more, or not at the moment
}

// An entry is one document.
type entry struct {
	at  int64  // milliseconds since 1970, rounded down as servers do that count
	doc uint64 // of its key
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.doc, b.doc))
}

// span are the entries from one time until before another.
func span(entries []entry, from, to int64) []entry {
	i := sort.Search(len(entries), func(i int) bool { return entries[i].at >= from })
	n := sort.Search(len(entries)-i, func(n int) bool { return entries[i+n].at >= to })
	return entries[i : i+n]
}

// count is how many documents the server should have in [from, to).
func (l *ledger) count(from, to int64) int64 {
	return int64(len(span(l.known, from, to)) - len(span(l.gone, from, to)))
}

// has says whether a document is known. One that was gone is here again.
func (l *ledger) has(e entry) bool {
	if _, ok := slices.BinarySearchFunc(l.known, e, compareEntries); !ok {
		return false
	}
	if i, ok := slices.BinarySearchFunc(l.gone, e, compareEntries); ok {
		l.gone = slices.Delete(l.gone, i, i+1)
	}
	return true
}

// add puts in documents, in any order, again or for the first time.
func (l *ledger) add(entries []entry) { l.known = insert(l.known, entries) }

// leave says that of the documents in [from, to) the server has these alone.
func (l *ledger) leave(from, to int64, here []entry) {
	slices.SortFunc(here, compareEntries)
	var gone []entry
	for _, e := range span(l.known, from, to) {
		if _, ok := slices.BinarySearchFunc(here, e, compareEntries); !ok {
			gone = append(gone, e)
		}
	}
	l.gone = insert(l.gone, gone)
}

// insert merges more, which it sorts, into sorted, from behind so that only what is newer than the oldest of more is moved.
func insert(sorted, more []entry) []entry {
	slices.SortFunc(more, compareEntries)
	more = slices.Compact(more)
	more = slices.DeleteFunc(more, func(e entry) bool {
		_, ok := slices.BinarySearchFunc(sorted, e, compareEntries)
		return ok
	})
	old := len(sorted) - 1
	sorted = append(sorted, more...)
	for to, next := len(sorted)-1, len(more)-1; next >= 0; to-- {
		if old >= 0 && compareEntries(sorted[old], more[next]) > 0 {
			sorted[to] = sorted[old]
			old--
		} else {
			sorted[to] = more[next]
			next--
		}
	}
	return sorted
}

// trim forgets what is older than a time. The room is used again when half of it is free.
func (l *ledger) trim(before int64) {
	for _, entries := range []*[]entry{&l.known, &l.gone} {
		i := sort.Search(len(*entries), func(i int) bool { return (*entries)[i].at >= before })
		if i > len(*entries)/2 {
			*entries = append((*entries)[:0], (*entries)[i:]...)
		}
	}
}
