package query

import (
	"cmp"
	"math"
	"slices"

	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// A Plan is a query on the fields of one index at one moment. It may be used by several goroutines.
type Plan struct{ root node }

// A node selects rows.
type node interface {
	// selectRows returns those rows of among that the node holds for. It may return among itself, which it does not change.
	selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap
	// cost orders what must hold together: the cheap first.
	cost() int
	// bounds are the times that rows can have, in nanoseconds since 1970.
	bounds() (from, to int64)
	// leaves calls f with what looks for something that a row has, and so not with what must not be.
	leaves(f func(*leaf))
}

// Select returns the live rows of a segment that the query holds for; if among is not nil, only such of among.
// What the segment could not read counts as missing: ask its Err afterwards.
func (p *Plan) Select(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	rows := s.Rows()
	if among != nil {
		rows.And(among)
	}
	from, to := p.root.bounds()
	if earliest, latest := s.Times(); latest < from || earliest > to {
		return block.NewBitmap(s.Len())
	}
	if rows.Empty() {
		return rows
	}
	return p.root.selectRows(s, rows)
}

// Bounds returns the times that hits can have, as [block.Doc] has them: segments of other times need not be
// opened.
func (p *Plan) Bounds() (from, to int64) { return p.root.bounds() }

// Everything says whether every document is a hit, so that counting needs no look at them.
func (p *Plan) Everything() bool { return p.root == all{} }

// Nothing says whether no document can be a hit.
func (p *Plan) Nothing() bool { return p.root == none{} }

type all struct{}

func (all) selectRows(_ *block.Segment, among *block.Bitmap) *block.Bitmap { return among }
func (all) cost() int                                                      { return 0 }
func (all) bounds() (int64, int64)                                         { return math.MinInt64, math.MaxInt64 }
func (all) leaves(func(*leaf))                                             {}

type none struct{}

func (none) selectRows(s *block.Segment, _ *block.Bitmap) *block.Bitmap {
	return block.NewBitmap(s.Len())
}
func (none) cost() int              { return 0 }
func (none) bounds() (int64, int64) { return math.MaxInt64, math.MinInt64 }
func (none) leaves(func(*leaf))     {}

// and holds where all of them do.
type and []node

func (a and) selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	for _, n := range a {
		among = n.selectRows(s, among)
		if among.Empty() {
			break
		}
	}
	return among
}

func (a and) cost() int {
	sum := 0
	for _, n := range a {
		sum += n.cost()
	}
	return sum
}

func (a and) bounds() (int64, int64) {
	from, to := all{}.bounds()
	for _, n := range a {
		f, t := n.bounds()
		from, to = max(from, f), min(to, t)
	}
	return from, to
}

func (a and) leaves(f func(*leaf)) {
	for _, n := range a {
		n.leaves(f)
	}
}

// allOf returns what holds where all of nodes do.
func allOf(nodes []node) node {
	var kept and
	for _, n := range nodes {
		switch n := n.(type) {
		case all:
		case none:
			return none{}
		case and:
			kept = append(kept, n...)
		default:
			kept = append(kept, n)
		}
	}
	switch len(kept) {
	case 0:
		return all{}
	case 1:
		return kept[0]
	}
	slices.SortStableFunc(kept, func(a, b node) int { return cmp.Compare(a.cost(), b.cost()) })
	return kept
}

// some holds where at least that many of them do.
type some struct {
	least int
	nodes []node
}

func (o some) selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	if o.least == 1 {
		found := block.NewBitmap(s.Len())
		rest := among.Clone()
		for _, n := range o.nodes {
			hits := n.selectRows(s, rest)
			found.Or(hits)
			if hits == rest {
				break
			}
			rest.AndNot(hits)
			if rest.Empty() {
				break
			}
		}
		return found
	}
	// counted[i] has the rows that more than i of the nodes hold for.
	counted := make([]*block.Bitmap, o.least)
	for i := range counted {
		counted[i] = block.NewBitmap(s.Len())
	}
	for _, n := range o.nodes {
		hits := n.selectRows(s, among)
		for i := o.least - 1; i > 0; i-- {
			counted[i].Or(counted[i-1].Clone().And(hits))
		}
		counted[0].Or(hits)
	}
	return counted[o.least-1]
}

func (o some) cost() int {
	sum := 0
	for _, n := range o.nodes {
		sum += n.cost()
	}
	return sum
}

func (o some) bounds() (int64, int64) {
	from, to := none{}.bounds()
	for _, n := range o.nodes {
		f, t := n.bounds()
		from, to = min(from, f), max(to, t)
	}
	return from, to
}

func (o some) leaves(f func(*leaf)) {
	for _, n := range o.nodes {
		n.leaves(f)
	}
}

// someOf returns what holds where at least that many of nodes do.
func someOf(least int, nodes []node) node {
	var kept []node
	for _, n := range nodes {
		switch n.(type) {
		case all:
			if least--; least <= 0 {
				return all{}
			}
		case none:
		default:
			kept = append(kept, n)
		}
	}
	switch {
	case least <= 0:
		return all{}
	case least > len(kept):
		return none{}
	case least == len(kept):
		return allOf(kept)
	}
	slices.SortStableFunc(kept, func(a, b node) int { return cmp.Compare(a.cost(), b.cost()) })
	return some{least, kept}
}

// not holds where the other does not.
type not struct{ node }

func (n not) selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	return among.Clone().AndNot(n.node.selectRows(s, among))
}

func (not) bounds() (int64, int64) { return all{}.bounds() }
func (not) leaves(func(*leaf))     {}

func notOf(n node) node {
	switch n := n.(type) {
	case all:
		return none{}
	case none:
		return all{}
	case not:
		return n.node
	}
	return not{n}
}

// ids holds for documents of these ids.
type ids map[string]bool

func (n ids) selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	c := s.Column(block.ID)
	if c == nil {
		return block.NewBitmap(s.Len())
	}
	if len(n) <= 100 {
		may := false
		for id := range n {
			may = may || c.MayHave(id)
		}
		if !may {
			return block.NewBitmap(s.Len())
		}
	}
	return c.Select(among, nil, func(v block.Value) bool { return n[v.Text] })
}

func (ids) cost() int              { return 5 }
func (ids) bounds() (int64, int64) { return all{}.bounds() }
func (ids) leaves(func(*leaf))     {}

// A leaf holds for rows with some value of a field.
type leaf struct {
	field  *mapping.Field
	test   func(v block.Value) bool // whether the value is such; null only where it stands for something
	effort int

	// What lets a whole column be passed over, each unless it is nil:
	values []string // one of them must be among the values
	tokens []string // all of them must be among the words of values, or be values

	together func(texts string) bool // whether some of many values may be such, see block.Column's Select

	numbers *span // the test for a column of numbers or times
	exists  bool  // every value but null will do

	// What of a text the leaf holds for, to highlight it.
	mark func(text string) []Span
}

// A span of numbers: milliseconds or nanoseconds for dates.
type span struct {
	low, high           int64
	floatLow, floatHigh float64 // both ends belong to it
}

func (l *leaf) cost() int            { return l.effort }
func (l *leaf) leaves(f func(*leaf)) { f(l) }

// bounds knows of @timestamp alone, which is what a document's time is.
func (l *leaf) bounds() (int64, int64) {
	from, to := all{}.bounds()
	if l.numbers == nil || l.field.Column != "@timestamp" || !l.field.Type.Dates() || l.field.Null != nil {
		return from, to
	}
	if l.field.Type == mapping.DateNanos {
		return l.numbers.low, l.numbers.high
	}
	return l.numbers.nanos()
}

// nanos returns the first and the last nanosecond of a span of milliseconds, within what an int64 holds.
func (r *span) nanos() (low, high int64) {
	const perMilli, most = 1_000_000, math.MaxInt64/1_000_000 - 1
	low, high = math.MinInt64, math.MaxInt64
	switch {
	case r.low > most:
		low = math.MaxInt64
	case r.low > -most:
		low = r.low * perMilli
	}
	switch {
	case r.high < -most:
		high = math.MinInt64
	case r.high < most:
		high = r.high*perMilli + perMilli - 1
	}
	return low, high
}

func (l *leaf) selectRows(s *block.Segment, among *block.Bitmap) *block.Bitmap {
	if l.field.Type == mapping.Flattened && !l.keyed() {
		found := block.NewBitmap(s.Len())
		prefix := l.field.Column + "."
		for _, path := range s.Paths() {
			if len(path) > len(prefix) && path[:len(prefix)] == prefix {
				found.Or(l.column(s, s.Column(path), among))
			}
		}
		return found
	}
	return l.column(s, s.Column(l.field.Column), among)
}

// keyed says whether the field is one below a flattened one.
func (l *leaf) keyed() bool { return l.field.Keyed }

func (l *leaf) column(s *block.Segment, c *block.Column, among *block.Bitmap) *block.Bitmap {
	if c == nil || !l.may(c) {
		return block.NewBitmap(s.Len())
	}
	if l.exists {
		return c.Exists().Clone().And(among)
	}
	if l.numbers != nil {
		if found := l.numeric(s, c, among); found != nil {
			return found
		}
	}
	return c.Select(among, l.together, l.test)
}

// may says whether the column may have what the leaf looks for.
func (l *leaf) may(c *block.Column) bool {
	for _, t := range l.tokens {
		if !c.MayHaveToken([]byte(t)) {
			return false
		}
	}
	if l.values == nil {
		return true
	}
	return slices.ContainsFunc(l.values, c.MayHave)
}

// numeric selects by the column's numbers; nil if it has other values too.
func (l *leaf) numeric(s *block.Segment, c *block.Column, among *block.Bitmap) *block.Bitmap {
	if distinct, _ := c.Distinct(); distinct != nil {
		return nil // which Select is better at
	}
	r := l.numbers
	if found := l.outside(s, c, among); found != nil {
		return found
	}
	switch t := l.field.Type; {
	case t.Dates() && l.field.ISO():
		values, ok := c.Times()
		if !ok {
			return nil
		}
		low, high := r.low, r.high
		if t == mapping.Date {
			low, high = r.nanos()
		}
		return within(s, c, among, values, low, high, same)
	case t == mapping.Long || t == mapping.Integer || t == mapping.Short || t == mapping.Byte:
		if values, ok := c.Ints(); ok {
			return within(s, c, among, values, r.low, r.high, same)
		}
	case t == mapping.Double:
		if values, ok := c.Floats(); ok {
			return within(s, c, among, values, r.floatLow, r.floatHigh, order)
		}
	}
	return nil
}

// outside answers by what the block says of the least and the greatest of the column's numbers; nil if that does not tell.
func (l *leaf) outside(s *block.Segment, c *block.Column, among *block.Bitmap) *block.Bitmap {
	least, greatest, ok := c.MinMax()
	if !ok {
		return nil
	}
	low, high := l.numbers.low, l.numbers.high
	switch t := l.field.Type; {
	case t == mapping.Date && l.field.ISO() && c.Stamps():
		low, high = l.numbers.nanos()
	case t == mapping.DateNanos && l.field.ISO() && c.Stamps():
	case (t == mapping.Long || t == mapping.Integer || t == mapping.Short || t == mapping.Byte) && !c.Stamps():
	default:
		return nil
	}
	switch {
	case greatest < low || least > high:
		return block.NewBitmap(s.Len())
	case low <= least && greatest <= high && c.Single():
		return among
	}
	return nil
}

func same(n int64) int64 { return n }

// within selects the rows with a value from low to high in the given order.
func within[T any](s *block.Segment, c *block.Column, among *block.Bitmap, values []T, from, to T, order func(T) int64) *block.Bitmap {
	found := block.NewBitmap(s.Len())
	low, high := order(from), order(to)
	if c.Single() {
		for row := range among.Rows {
			if n := order(values[row]); low <= n && n <= high {
				found.Set(row)
			}
		}
		return found
	}
	for row := range among.Rows {
		first, end := c.Range(row)
		for _, v := range values[first:end] {
			if n := order(v); low <= n && n <= high {
				found.Set(row)
				break
			}
		}
	}
	return found
}
