package block

import "strings"

// Doc puts the document of a row together again.
func (s *Segment) Doc(row int) (Doc, error) {
	if s.docs != nil {
		return s.docs[row], nil
	}
	a, err := s.assemble()
	if err != nil {
		return Doc{}, err
	}
	d := a.doc(row)
	return d, s.Err()
}

// Docs puts all documents that are live together again, in the order of rows.
func (s *Segment) Docs() ([]Doc, error) { return s.DocsOf(s.Rows()) }

// DocsOf puts the documents of a set of rows together again, in the order of rows. That takes much less than Doc for each.
func (s *Segment) DocsOf(rows *Bitmap) ([]Doc, error) {
	docs := make([]Doc, 0, rows.Count())
	err := s.EachDoc(rows, func(d Doc) error {
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return docs, nil
}

// EachDoc puts the documents of a set of rows together again, one after the other in the order of rows, until f has an error.
func (s *Segment) EachDoc(rows *Bitmap, f func(Doc) error) error {
	if s.docs != nil {
		for row := range rows.Rows {
			if err := f(s.docs[row]); err != nil {
				return err
			}
		}
		return nil
	}
	a, err := s.assemble()
	if err != nil {
		return err
	}
	for row := range rows.Rows {
		if err := f(a.doc(row)); err != nil {
			return err
		}
	}
	return s.Err()
}

// assembly is what it takes to put documents together.
type assembly struct {
	core                  *core
	by                    *byShape
	columns               []*Column
	chunks                []*chunk // of each column, the text chunk used last
	times, seqs, versions []int64
	buf                   []byte
	used                  []int // of each column, how many values of the row are used up
}

func (s *Segment) assemble() (*assembly, error) {
	a := &assembly{core: s.core, columns: make([]*Column, len(s.columns)), chunks: make([]*chunk, len(s.columns)), used: make([]int, len(s.columns))}
	var err error
	if a.by, err = s.shaped(); err != nil {
		return nil, err
	}
	a.times, a.seqs, a.versions = s.RowTimes(), s.Seqs(), s.Versions()
	return a, s.Err()
}

func (a *assembly) doc(row int) Doc {
	d := Doc{ID: strings.Clone(a.next(row, 0).text), Time: a.times[row], Seq: a.seqs[row], Version: a.versions[row]}
	a.used[0] = 0
	shape := a.by.at(row)
	source := make([]byte, 0, 2*len(shape.text))
	for i, slot := range shape.slots {
		source = append(source, shape.gaps[i]...)
		source = a.next(row, slot).append(source)
	}
	for _, slot := range shape.slots {
		a.used[slot] = 0
	}
	d.Source = append(source, shape.gaps[len(shape.gaps)-1]...)
	return d
}

// next is the next value of a row in a column.
func (a *assembly) next(row, column int) token {
	c := a.columns[column]
	if c == nil {
		c = a.core.column(column)
		c.decode()
		a.columns[column] = c
		a.chunks[column] = scratch()
	}
	first, end := c.Range(row)
	if first += a.used[column]; first >= end {
		return token{} // of a damaged block
	}
	a.used[column]++
	return c.at(first, &a.buf, &a.chunks[column])
}

// IDs yields the ids of all documents, dead ones too, by row. What it yields is valid until the next.
func (s *Segment) IDs(yield func(row int, id string) bool) {
	c := s.column(0)
	c.decode()
	var buf []byte
	last := scratch()
	for row := range s.rows {
		if !yield(row, c.at(row, &buf, &last).text) {
			return
		}
	}
}

// RowTimes are the documents' times by row, in nanoseconds since 1970.
func (s *Segment) RowTimes() []int64 {
	if s.times.size > 0 || s.docs != nil || s.rows == 0 {
		return s.list(&s.timesList, s.times)
	}
	if c := s.Column(timePath); c != nil {
		if times, ok := c.Times(); ok && len(times) == s.rows {
			return times
		}
	}
	s.fail(errDamaged)
	return make([]int64, s.rows)
}

// Seqs are the documents' places among all writes, by row.
func (s *Segment) Seqs() []int64 { return s.list(&s.seqsList, s.seqs) }

// Versions are the documents' versions, by row.
func (s *Segment) Versions() []int64 { return s.list(&s.versionsList, s.versions) }

// list reads a list of numbers, one for each row.
func (c *core) list(to *[]int64, at extent) []int64 {
	c.mu.Lock()
	have := *to
	c.mu.Unlock()
	if have != nil || c.rows == 0 {
		return have
	}
	b, err := c.read(at)
	r := reader{b: b}
	ints, ok := readDeltas(r.packed(), c.rows)
	if err != nil || !ok {
		if err == nil {
			err = errDamaged
		}
		c.fail(err)
		return make([]int64, c.rows)
	}
	c.mu.Lock()
	*to = ints
	c.mu.Unlock()
	c.used.Add(int64(8 * len(ints)))
	return ints
}
