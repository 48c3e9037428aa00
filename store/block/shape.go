package block

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A shape is a document's text with a mark in place of each scalar.
type shape struct {
	text  string
	gaps  []string // what stands before, between and behind the scalars: one more than slots
	slots []int    // the column of each scalar
}

// newShape finds out where the scalars of text belong; column gives the index of a path's column.
// It refuses an object with two members of one name. Text that is no shape is an error, not a panic: it may come from a
// damaged block.
func newShape(text string, column func(path string) int) (*shape, error) {
	r := shapeReader{shape: &shape{text: text}, column: column}
	r.space()
	if r.peek() != '{' {
		return nil, errShape
	}
	if err := r.value(0); err != nil {
		return nil, err
	}
	if r.at != len(text) {
		return nil, errShape
	}
	r.shape.gaps = append(r.shape.gaps, text[r.from:])
	return r.shape, nil
}

var errShape = errors.New("cannot read a shape")

type shapeReader struct {
	*shape
	column   func(string) int
	at, from int
	path     []byte
}

func (r *shapeReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\n\r", r.text[r.at]) >= 0 {
		r.at++
	}
}

func (r *shapeReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// value reads a value and the white space behind it.
func (r *shapeReader) value(depth int) error {
	if depth > MaxDepth {
		return errShape
	}
	r.space()
	var err error
	switch r.peek() {
	case mark:
		r.gaps = append(r.gaps, r.text[r.from:r.at])
		r.slots = append(r.slots, r.column(string(r.path)))
		r.at++
		r.from = r.at
	case '{':
		err = r.members(depth)
	case '[':
		err = r.elements(depth)
	default:
		err = errShape
	}
	r.space()
	return err
}

func (r *shapeReader) elements(depth int) error {
	r.at++
	r.space()
	for r.peek() != ']' {
		if err := r.value(depth + 1); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.at++
		case ']':
		default:
			return errShape
		}
	}
	r.at++
	return nil
}

func (r *shapeReader) members(depth int) error {
	r.at++
	r.space()
	above := len(r.path)
	names := make(map[string]bool)
	for r.peek() != '}' {
		name, ok := r.name()
		if !ok {
			return errShape
		}
		if names[name] {
			return fmt.Errorf("cannot read the document: %q is there twice in one object", name)
		}
		names[name] = true
		if above > 0 {
			r.path = append(r.path, '.')
		}
		r.path = append(r.path, name...)
		if err := r.value(depth + 1); err != nil {
			return err
		}
		r.path = r.path[:above]
		switch r.peek() {
		case ',':
			r.at++
			r.space()
		case '}':
		default:
			return errShape
		}
	}
	r.at++
	return nil
}

// name reads a member's name and the colon.
func (r *shapeReader) name() (string, bool) {
	if r.peek() != '"' {
		return "", false
	}
	r.at++
	for start := r.at; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			name := r.text[start:r.at]
			r.at++
			r.space()
			if r.peek() != ':' {
				return "", false
			}
			r.at++
			if strings.IndexByte(name, '\\') >= 0 {
				name = unescape(name)
			}
			return name, true
		}
	}
	return "", false
}

// byShape is the rows of a block by their shapes.
type byShape struct {
	shapes []*shape
	of     []uint32 // the shape of each row; nil if all have the first
	n      int      // rows

	sorting sync.Once
	rows    []uint32       // the rows, sorted by shape
	first   []uint32       // of each shape, its first row in rows, and the end
	has     map[int][]used // by column, the shapes that have it
}

// used says how many scalars of a shape belong to a column.
type used struct{ shape, n int }

func newByShape(shapes []*shape, of []uint32, rows int) *byShape {
	return &byShape{shapes: shapes, of: of, n: rows}
}

// at is the shape of a row.
func (b *byShape) at(row int) *shape {
	if b.of == nil {
		return b.shapes[0]
	}
	return b.shapes[b.of[row]]
}

// sort fills rows, first and has.
func (b *byShape) sort() {
	of := b.of
	if of == nil {
		of = make([]uint32, b.n)
	}
	b.rows, b.first, b.has = make([]uint32, b.n), make([]uint32, len(b.shapes)+1), make(map[int][]used)
	for _, s := range of {
		b.first[s+1]++
	}
	for i := range b.shapes {
		b.first[i+1] += b.first[i]
	}
	next := slices.Clone(b.first)
	for row, s := range of {
		b.rows[next[s]] = uint32(row)
		next[s]++
	}
	for i, s := range b.shapes {
		for _, column := range s.slots {
			list := b.has[column]
			if n := len(list); n > 0 && list[n-1].shape == i {
				list[n-1].n++
			} else {
				b.has[column] = append(list, used{i, 1})
			}
		}
	}
}

// placement finds out which values each row has of a column with n values.
func (b *byShape) placement(column, n int) placement {
	b.sorting.Do(b.sort)
	each, rows, single := make(map[uint32]uint32), 0, true
	for _, u := range b.has[column] {
		each[uint32(u.shape)] = uint32(u.n)
		rows += int(b.first[u.shape+1] - b.first[u.shape])
		single = single && u.n == 1
	}
	if single && rows == b.n && n == rows {
		return placement{single: true}
	}
	valued := make([]uint32, 0, rows)
	for _, u := range b.has[column] {
		valued = append(valued, b.rows[b.first[u.shape]:b.first[u.shape+1]]...)
	}
	slices.Sort(valued)
	p := placement{valued: valued, start: make([]uint32, 1, len(valued)+1)}
	end := uint32(0)
	for _, row := range valued {
		shape := uint32(0)
		if b.of != nil {
			shape = b.of[row]
		}
		end += each[shape]
		p.start = append(p.start, end)
	}
	return p
}
