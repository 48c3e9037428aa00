package block

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Stream are the paths that tell which stream of events a document belongs to, as podbeat and the Beats write them. Rows are sorted
// by what stands there first. Others would do: only the size of a block depends on them.
var Stream = []string{"host.name", "kubernetes.node.name", "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.container.name",
	"container.id", "log.file.path", "systemd.unit", "log.syslog.appname", "service.name"}

// A Checker says whether documents can be kept. It remembers shapes it has seen, and is not safe for concurrent use.
type Checker struct{ parser parser }

// Check says why source cannot be kept: it must be one JSON object in UTF-8, without an object that has two members of
// one name, and at most MaxDepth deep.
func (c *Checker) Check(source []byte) error {
	if len(source) > MaxBytes {
		return fmt.Errorf("cannot keep a document of more than %d bytes", MaxBytes)
	}
	c.parser.column, c.parser.forgets = func(string) int { return 0 }, true
	_, err := c.parser.cut(0, source)
	c.parser.src = nil
	return err
}

// table is documents cut into columns, in memory.
type table struct {
	docs   []Doc
	shapes []*shape
	rows   []uint32 // the shape of each document
	paths  []string
	spans  [][]span // of each column, in the order of rows

	column map[string]int
	first  []int  // of each document, its first scalar in all
	all    []span // of all documents, in the order they came
}

// newTable cuts documents. With sorted, the rows are in the order of a block; docs itself is left alone.
func newTable(docs []Doc, sorted bool) (*table, error) {
	if len(docs) > MaxRows {
		return nil, fmt.Errorf("cannot make a block of %d documents: %d is the most", len(docs), MaxRows)
	}
	t := &table{docs: docs, rows: make([]uint32, len(docs)), column: make(map[string]int), first: make([]int, len(docs)+1)}
	known := make(map[*shape]uint32)
	p := parser{column: t.columnOf}
	size := 0
	for i, d := range docs {
		if size += len(d.Source) + len(d.ID); size > MaxBytes {
			return nil, fmt.Errorf("cannot make a block of more than %d bytes", MaxBytes)
		}
		s, err := p.cut(i, d.Source)
		if err != nil {
			return nil, err
		}
		n, ok := known[s]
		if !ok {
			n = uint32(len(t.shapes))
			known[s] = n
			t.shapes = append(t.shapes, s)
		}
		t.rows[i] = n
		if cap(t.all)-len(t.all) < len(p.spans) {
			// As many as there will be if the others are like those so far.
			t.all = slices.Grow(t.all, max(len(p.spans), (len(t.all)+len(p.spans))/(i+1)*(len(docs)-i)*9/8))
		}
		t.all = append(t.all, p.spans...)
		t.first[i+1] = len(t.all)
	}
	order := make([]int, len(docs))
	for i := range order {
		order[i] = i
	}
	if sorted {
		t.sort(order)
	}
	t.distribute(order)
	t.column, t.first, t.all = nil, nil, nil
	return t, nil
}

func (t *table) columnOf(path string) int {
	i, ok := t.column[path]
	if !ok {
		i = len(t.paths)
		t.column[path] = i
		t.paths = append(t.paths, path)
	}
	return i
}

// sort puts the documents of a stream together, by time.
func (t *table) sort(order []int) {
	slots := make([][]int, len(t.shapes)) // of each shape, where the stream's values are
	for _, path := range Stream {
		column, ok := t.column[path]
		if !ok {
			continue
		}
		for i, s := range t.shapes {
			slots[i] = append(slots[i], slices.Index(s.slots, column))
		}
	}
	streams := make(map[string]int)
	of := make([]int, len(order))
	var key []byte
	for i := range order {
		key = key[:0]
		for _, slot := range slots[t.rows[i]] {
			if slot >= 0 {
				key = append(key, t.all[t.first[i]+slot].token(t.docs).text...)
			}
			key = append(key, 0)
		}
		n, ok := streams[string(key)]
		if !ok {
			n = len(streams)
			streams[string(key)] = n
		}
		of[i] = n
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(of[a], of[b]); c != 0 {
			return c
		}
		if c := cmp.Compare(t.docs[a].Time, t.docs[b].Time); c != 0 {
			return c
		}
		return cmp.Compare(t.docs[a].Seq, t.docs[b].Seq)
	})
}

// distribute fills the columns in the order of rows, and sorts the columns by path.
func (t *table) distribute(order []int) {
	docs, rows := make([]Doc, len(order)), make([]uint32, len(order))
	counts := make([]int, len(t.paths))
	for i, from := range order {
		docs[i], rows[i] = t.docs[from], t.rows[from]
		for _, c := range t.shapes[rows[i]].slots {
			counts[c]++
		}
	}
	t.docs, t.rows = docs, rows
	columns := make([][]span, len(t.paths))
	room := make([]span, len(t.all))
	for i, n := range counts {
		columns[i], room = room[:0:n], room[n:]
	}
	for i, from := range order {
		spans := t.all[t.first[from]:t.first[from+1]]
		for j, c := range t.shapes[rows[i]].slots {
			columns[c] = append(columns[c], span{uint32(i), spans[j].from, spans[j].size})
		}
	}

	by := make([]int, len(t.paths)) // the columns by path
	for i := range by {
		by[i] = i
	}
	slices.SortFunc(by, func(a, b int) int { return strings.Compare(t.paths[a], t.paths[b]) })
	paths, to := make([]string, len(by)), make([]int, len(by))
	t.spans = make([][]span, len(by))
	for i, from := range by {
		paths[i], t.spans[i], to[from] = t.paths[from], columns[from], i
	}
	t.paths = paths
	for _, s := range t.shapes {
		for i, c := range s.slots {
			s.slots[i] = to[c]
		}
	}
}

// single says whether each row has one value in a column.
func (t *table) single(column int) bool {
	spans := t.spans[column]
	if len(spans) != len(t.docs) {
		return false
	}
	for i, s := range spans {
		if int(s.doc) != i {
			return false
		}
	}
	return true
}

// tokens adds the tokens that spans stand for.
func tokens(to []token, spans []span, docs []Doc) []token {
	for _, s := range spans {
		to = append(to, s.token(docs))
	}
	return to
}
