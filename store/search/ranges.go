package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/query"
)

// single has one bucket for each of the parent's: filter and missing.
type single struct {
	buckets
	kind  string
	holds func(s *segment) (func(row int) bool, error)
}

func (c *single) collect(s *segment, rows, parents []int32) error {
	holds, err := c.holds(s)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if holds(int(row)) {
			c.put(row, parents[i])
		}
	}
	return c.flush(s)
}

func (c *single) ord(parent int32) int32 { return parent }

func (c *single) write(w *writer, parent int32) error {
	w.name("doc_count").int(c.count(parent))
	if err := c.x.writeAll(w, c.subs, parent); err != nil {
		return err
	}
	return c.written(w)
}

func (c *single) value(parent int32, property string) (float64, bool) {
	return float64(c.count(parent)), property == "" || property == "_count" || property == "doc_count"
}

func (c *single) typed() string { return c.kind }

// missingSpec is missing.
type missingSpec struct{ field string }

func (missingSpec) many() bool { return false }

func parseMissing(p *parser, v body.Value) spec {
	var s missingSpec
	for _, m := range v.Members {
		switch m.Name {
		case "field":
			s.field = p.text(m.Name, m.Value)
		default:
			p.fail(malformed("[missing] with [%s] is not served here", clip(m.Name)))
		}
	}
	p.needField(s.field)
	return s
}

func (s missingSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.field(s.field, "")
	if err != nil {
		return nil, err
	}
	b, err := x.newBuckets(a)
	return &single{b, "missing", func(s *segment) (func(int) bool, error) {
		v := f.on(s)
		return func(row int) bool { return !v.has(row) }, nil
	}}, err
}

// A filter is a query whose rows are found once for each segment.
type filter struct {
	n     int           // its place among the search's
	plans []*query.Plan // by index
}

func (x *running) filter(q query.Query) (*filter, error) {
	f := &filter{n: len(x.filters)}
	for _, ix := range x.indices {
		plan, err := x.compile(ix, q)
		if err != nil {
			return nil, err
		}
		f.plans = append(f.plans, plan)
	}
	x.filters = append(x.filters, f)
	return f, nil
}

func (f *filter) on(s *segment) *block.Bitmap { return s.filtered[f.n] }

type filterSpec struct{ query query.Query }

func (filterSpec) many() bool { return false }

func parseFilter(p *parser, v body.Value) spec {
	q, err := query.Parse(v)
	p.fail(err)
	return filterSpec{q}
}

func (s filterSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.filter(s.query)
	if err != nil {
		return nil, err
	}
	b, err := x.newBuckets(a)
	return &single{b, "filter", func(s *segment) (func(int) bool, error) { return f.on(s).Has, nil }}, err
}

// filtersSpec is filters.
type filtersSpec struct {
	names   []string // none: the filters have no names
	queries []query.Query
	other   string // the name of the bucket of the rest; "" is none
}

func (filtersSpec) many() bool { return true }

func parseFilters(p *parser, v body.Value) spec {
	var s filtersSpec
	with := false
	for _, m := range v.Members {
		switch m.Name {
		case "filters":
			for _, one := range m.Value.Members {
				s.names = append(s.names, one.Name)
			}
			slices.Sort(s.names)
			list := m.Value.Items
			for _, name := range s.names {
				one, _ := m.Value.Get(name)
				list = append(list, one)
			}
			for _, one := range list {
				q, err := query.Parse(one)
				p.fail(err)
				s.queries = append(s.queries, q)
			}
		case "other_bucket":
			with = p.flag(m.Name, m.Value)
		case "other_bucket_key":
			s.other = p.text(m.Name, m.Value)
		default:
			p.fail(malformed("[filters] with [%s] is not served here", clip(m.Name)))
		}
	}
	if with && s.other == "" {
		s.other = "_other_"
	}
	if len(s.queries) == 0 {
		p.fail(illegal("[filters] cannot be empty."))
	}
	if len(s.queries) > 1000 {
		p.fail(illegal("[filters] has more than 1000 filters"))
	}
	return s
}

func (s filtersSpec) collector(x *running, a *Aggregation) (collector, error) {
	c := &filtered{spec: s}
	for _, q := range s.queries {
		f, err := x.filter(q)
		if err != nil {
			return nil, err
		}
		c.filters = append(c.filters, f)
	}
	var err error
	c.buckets, err = x.newBuckets(a)
	return c, err
}

// filtered has a bucket for each filter, and one for the rest, in each of the parent's.
type filtered struct {
	buckets
	spec    filtersSpec
	filters []*filter
}

// width is how many buckets there are in each of the parent's.
func (c *filtered) width() int32 { return int32(len(c.filters)) + 1 }

func (c *filtered) collect(s *segment, rows, parents []int32) error {
	for i, row := range rows {
		first, found := parents[i]*c.width(), false
		for n, f := range c.filters {
			if f.on(s).Has(int(row)) {
				c.put(row, first+int32(n))
				found = true
			}
		}
		if !found && c.spec.other != "" {
			c.put(row, first+c.width()-1)
		}
	}
	return c.flush(s)
}

func (c *filtered) write(w *writer, parent int32) error {
	w.name("buckets")
	keyed := c.spec.names != nil
	names := c.spec.names
	n := len(c.filters)
	if c.spec.other != "" {
		n, names = n+1, append(slices.Clip(names), c.spec.other)
	}
	w.open("[{"[btoi(keyed)])
	for i := range n {
		ord := int32(-1)
		if parent >= 0 {
			ord = parent*c.width() + int32(i)
		}
		if keyed {
			w.name(names[i])
		}
		w.open('{')
		if err := c.rest(w, ord); err != nil {
			return err
		}
	}
	w.close("]}"[btoi(keyed)])
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *filtered) value(int32, string) (float64, bool) { return 0, false }
func (c *filtered) typed() string                       { return "filters" }

// rangeSpec is range and date_range.
type rangeSpec struct {
	date, keyed   bool
	field, format string
	zone          *time.Location
	missing       *body.Value
	ranges        []rangeAsked
}

type rangeAsked struct {
	key      string
	from, to body.Value // of kind Null or 0: open
}

func (rangeSpec) many() bool { return true }

func parseRange(p *parser, v body.Value) spec     { return p.ranges(v, "range") }
func parseDateRange(p *parser, v body.Value) spec { return p.ranges(v, "date_range") }

func (p *parser) ranges(v body.Value, kind string) spec {
	s := rangeSpec{date: kind == "date_range", zone: time.UTC}
	for _, m := range v.Members {
		switch m.Name {
		case "field":
			s.field = p.text(m.Name, m.Value)
		case "keyed":
			s.keyed = p.flag(m.Name, m.Value)
		case "format":
			s.format = p.text(m.Name, m.Value)
		case "missing":
			s.missing = &m.Value
		case "time_zone":
			s.zone = p.zone(m.Value)
		case "ranges":
			for _, one := range m.Value.Items {
				s.ranges = append(s.ranges, p.rangeAsked(one))
			}
		default:
			p.fail(malformed("[%s] with [%s] is not served here", kind, clip(m.Name)))
		}
	}
	p.needField(s.field)
	if len(s.ranges) == 0 || len(s.ranges) > 1000 {
		p.fail(illegal("No [ranges] specified for the aggregation, or more than 1000"))
	}
	return s
}

func (p *parser) rangeAsked(v body.Value) rangeAsked {
	var r rangeAsked
	for _, m := range v.Members {
		switch m.Name {
		case "key":
			r.key = p.text(m.Name, m.Value)
		case "from":
			r.from = m.Value
		case "to":
			r.to = m.Value
		default:
			p.fail(malformed("[range] unknown field [%s]", clip(m.Name)))
		}
	}
	return r
}

func (p *parser) zone(v body.Value) *time.Location {
	zone, err := mapping.ParseZone(p.text("time_zone", v))
	if err != nil {
		p.fail(illegal("%s", err))
		return time.UTC
	}
	return zone
}

// A span has the values from low to before high.
type span struct {
	key              string
	low, high        float64
	asked, askedHigh float64 // low and high as they were asked for
}

func (s rangeSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.fieldOr(s.field, s.missing, s.format, true)
	if err != nil {
		return nil, err
	}
	kind := "range"
	if s.date {
		kind = "date_range"
	}
	if f.kind == texts || s.date && f.kind != unmapped && !f.dates() && f.kind == floats {
		return nil, illegal("Field [%s] is not supported for aggregation [%s]", clip(s.field), kind)
	}
	c := &ranged{spec: s, field: f, kind: kind}
	for _, asked := range s.ranges {
		one := span{key: asked.key}
		if one.asked, err = s.bound(f, asked.from, math.Inf(-1), x); err != nil {
			return nil, err
		}
		if one.askedHigh, err = s.bound(f, asked.to, math.Inf(1), x); err != nil {
			return nil, err
		}
		if one.low, err = f.stored(one.asked); err != nil {
			return nil, err
		}
		if one.high, err = f.stored(one.askedHigh); err != nil {
			return nil, err
		}
		if one.key == "" {
			one.key = c.text(one.asked) + "-" + c.text(one.askedHigh)
		}
		c.spans = append(c.spans, one)
	}
	slices.SortStableFunc(c.spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.high, b.high)) })
	c.buckets, err = x.newBuckets(a)
	return c, err
}

func (s rangeSpec) bound(f *field, v body.Value, open float64, x *running) (float64, error) {
	if v.Kind == 0 || v.Kind == body.Null {
		return open, nil
	}
	if f.dates() {
		k, err := f.first.parseKey(v, f.format, s.zone, x.now)
		return float64(k.n), err
	}
	n, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || n != n {
		return 0, &Error{Type: "number_format_exception", Reason: "For input string: " + strconv.Quote(clip(v.Text))}
	}
	return n, nil
}

// stored is the bound of a range as the field keeps numbers: 0.1 of a float is not that of a double.
func (f *field) stored(x float64) (float64, error) {
	if math.IsInf(x, 0) || f.first.field == nil {
		return x, nil
	}
	switch t := f.first.field.Type; {
	case f.first.single():
		kept := f.first.field.Nearest(x)
		if math.IsInf(kept, 0) {
			return 0, illegal("[%s] supports only finite values, but got [%s]", t, mapping.JavaText(kept))
		}
		return kept, nil
	case t.Integers() && x != math.Trunc(x):
		return 0, illegal("Value [%s] has a decimal part", mapping.JavaText(x))
	case t.Integers():
		read := *f.first.field
		read.Coerce = true
		if _, err := read.Integer(body.String, mapping.JavaText(x)); err != nil {
			return 0, illegal("%s", err)
		}
	}
	return x, nil
}

// ranged has a bucket for each range in each of the parent's.
type ranged struct {
	buckets
	spec  rangeSpec
	kind  string
	field *field
	spans []span
	buf   []float64
}

// text shows a bound.
func (c *ranged) text(x float64) string {
	if math.IsInf(x, 0) {
		return "*"
	}
	text, _ := c.field.text(x, c.spec.zone)
	return text
}

func (c *ranged) collect(s *segment, rows, parents []int32) error {
	v := c.field.on(s)
	width := int32(len(c.spans))
	for i, row := range rows {
		c.buf = v.numbers(int(row), c.buf[:0])
		for n, span := range c.spans {
			for _, x := range c.buf {
				if span.low <= x && x < span.high {
					c.put(row, parents[i]*width+int32(n))
					break
				}
			}
		}
	}
	return c.flush(s)
}

func (c *ranged) write(w *writer, parent int32) error {
	w.name("buckets").open("[{"[btoi(c.spec.keyed)])
	for n, span := range c.spans {
		ord := int32(-1)
		if parent >= 0 {
			ord = parent*int32(len(c.spans)) + int32(n)
		}
		if c.spec.keyed {
			w.name(span.key).open('{')
		} else {
			w.open('{')
			w.name("key").text(span.key)
		}
		for _, bound := range []struct {
			name string
			x    float64
		}{{"from", span.asked}, {"to", span.askedHigh}} {
			if math.IsInf(bound.x, 0) {
				continue
			}
			w.name(bound.name).float(bound.x)
			if c.field.dates() {
				w.name(bound.name + "_as_string").text(c.text(bound.x))
			} else if c.field.is(mapping.Boolean) {
				w.name(bound.name + "_as_string").flag(bound.x != 0)
			}
		}
		if err := c.rest(w, ord); err != nil {
			return err
		}
	}
	w.close("]}"[btoi(c.spec.keyed)])
	return nil
}

func (c *ranged) value(int32, string) (float64, bool) { return 0, false }
func (c *ranged) typed() string                       { return c.kind }
