package journal

import (
	"fmt"
	"slices"
	"strings"
)

// A Filter says which entries are wanted, as libsystemd's matches do: an entry passes if it passes
// every group (conjunction); a group, if any of its terms (disjunction, journalctl's +); a term, if for every field
// it names one of that field's matches holds. The empty Filter passes everything.
type Filter []Group

// A Group passes what any of its terms passes.
type Group []Term

// A Term holds matches, FIELD=value each.
type Term []string

// Check says what is wrong with the matches.
func (f Filter) Check() error {
	for _, g := range f {
		for _, t := range g {
			for _, m := range t {
				if name, _, ok := strings.Cut(m, "="); !ok || !isFieldName(name) {
					return fmt.Errorf("cannot use match %q: want FIELD=value, with a field name of A-Z, 0-9 and _", clip(m))
				}
			}
		}
	}
	return nil
}

// isFieldName says whether libsystemd takes s as the name of a field to match.
func isFieldName(s string) bool {
	if s == "" || strings.HasPrefix(s, "__") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// A filter is a Filter made ready for one file. A match is a data object, so an entry has it if it has that one's offset.
type filter struct {
	matches []match
	groups  [][][][]int // groups of terms of fields of indexes of matches
	early   bool        // all is known by offset; otherwise fields are compared
	none    bool        // the file has not all that it takes to pass
	bloom   uint64
	has     []bool
}

type match struct {
	text string
	off  uint64 // 0: the file does not have it
}

// Match narrows what Next and Previous yield, from where the file stands on.
func (f *File) Match(fl Filter) error {
	if err := fl.Check(); err != nil {
		return err
	}
	f.filter = nil
	want := &filter{}
	for _, g := range fl {
		var terms [][][]int
		for _, t := range g {
			var fields [][]int
			names := map[string]int{}
			for _, m := range t {
				name, _, _ := strings.Cut(m, "=")
				k, ok := names[name]
				if !ok {
					k = len(fields)
					names[name] = k
					fields = append(fields, nil)
				}
				fields[k] = append(fields[k], len(want.matches))
				want.matches = append(want.matches, match{text: m})
			}
			if len(fields) > 0 {
				terms = append(terms, fields)
			}
		}
		if len(terms) > 0 {
			want.groups = append(want.groups, terms)
		}
	}
	if len(want.groups) == 0 {
		return nil
	}
	want.has = make([]bool, len(want.matches))
	f.filter = want
	want.resolve(f)
	return nil
}

// resolve finds the matches' data in the file. Where its hash table is damaged, fields must be compared.
func (l *filter) resolve(f *File) {
	l.early, l.bloom = true, 0
	clear(l.has)
	for i := range l.matches {
		m := &l.matches[i]
		off, _, err := f.lookup(m.text)
		if err != nil {
			l.early = false
		} else if m.off = off; off != 0 {
			l.bloom |= bloomBit(off)
			l.has[i] = true
		}
	}
	l.none = l.early && !l.evaluate()
}

func bloomBit(off uint64) uint64 { return 1 << (off * 0x9e3779b97f4a7c15 >> 58) }

// passes says whether an entry with these items is wanted.
func (l *filter) passes(f *File, items []byte) bool {
	clear(l.has)
	for ; uint64(len(items)) >= f.itemSize; items = items[f.itemSize:] {
		off := f.offset(items)
		if l.bloom&bloomBit(off) == 0 {
			continue
		}
		for i := range l.matches {
			if l.matches[i].off == off {
				l.has[i] = true
			}
		}
	}
	return l.evaluate()
}

// passesFields says the same by what the entry has.
func (l *filter) passesFields(e *Entry) bool {
	clear(l.has)
	for i := range e.Fields {
		fl := &e.Fields[i]
		for k, m := range l.matches {
			if n := len(fl.Name); len(m.text) == n+1+len(fl.Value) && m.text[:n] == fl.Name && m.text[n+1:] == fl.Value {
				l.has[k] = true
			}
		}
	}
	return l.evaluate()
}

func (l *filter) evaluate() bool {
	anyOf := func(field []int) bool { return slices.ContainsFunc(field, func(m int) bool { return l.has[m] }) }
	term := func(t [][]int) bool {
		for _, field := range t {
			if !anyOf(field) {
				return false
			}
		}
		return true
	}
	for _, g := range l.groups {
		if !slices.ContainsFunc(g, term) {
			return false
		}
	}
	return true
}
