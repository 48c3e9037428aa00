package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/query"
)

// An order is one thing that buckets are sorted by: _count, _key or a path to a value in them.
type order struct {
	by   string
	desc bool
}

func (p *parser) orders(v body.Value) []order {
	items := v.Items
	if v.Kind == body.Object {
		items = []body.Value{v}
	}
	var out []order
	for _, item := range items {
		for _, m := range item.Members {
			by := m.Name
			if by == "_term" || by == "_time" {
				by = "_key"
			}
			out = append(out, order{by, p.order(m.Value)})
		}
	}
	if len(out) == 0 {
		p.fail(malformed("Must specify at least one field for [order]"))
	}
	return out
}

// sort sorts buckets; byKey compares two by their keys, which decides where nothing else does.
func (b *buckets) sort(list []int32, by []order, byKey func(a, b int32) int) error {
	var values [][]float64 // by order, and place in list
	at := make(map[int32]int, len(list))
	for i, ord := range list {
		at[ord] = i
	}
	for _, o := range by {
		if o.by == "_count" || o.by == "_key" {
			values = append(values, nil)
			continue
		}
		of := make([]float64, len(list))
		for i, ord := range list {
			x, ok := b.find(ord, o.by)
			if !ok {
				x = math.NaN()
			}
			of[i] = x
		}
		values = append(values, of)
	}
	slices.SortFunc(list, func(x, y int32) int {
		for i, o := range by {
			c := 0
			switch o.by {
			case "_count":
				c = cmp.Compare(b.count(x), b.count(y))
			case "_key":
				c = byKey(x, y)
			default:
				u, v := values[i][at[x]], values[i][at[y]]
				switch { // what has no value is last, whatever the order
				case u != u && v != v:
				case u != u:
					return 1
				case v != v:
					return -1
				default:
					c = cmp.Compare(u, v)
				}
			}
			if o.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return byKey(x, y)
	})
	return nil
}

// check refuses an order by what is not there.
func (b *buckets) check(by []order) error {
	for _, o := range by {
		if o.by == "_count" || o.by == "_key" {
			continue
		}
		if _, ok := b.find(-1, o.by); ok {
			continue
		}
		first, _, _ := strings.Cut(o.by, ">")
		if i := slices.IndexFunc(b.subs, func(c namedCollector) bool {
			return c.Name == first || strings.HasPrefix(first, c.Name+".") || strings.HasPrefix(first, c.Name+"[")
		}); i >= 0 && b.subs[i].Kind != "terms" && b.subs[i].Kind != "top_hits" {
			continue
		}
		return &Error{Type: "aggregation_execution_exception", Reason: "Invalid aggregator order path [" + clip(o.by) + "]. The provided aggregation [" + clip(first) + "] either does not exist, or is a pipeline aggregation and cannot be used to sort the buckets."}
	}
	return nil
}

// termsSpec is terms.
type termsSpec struct {
	field, format    string
	size, shard      int // shard: shard_size, or -1
	least            int64
	order            []order
	missing          *body.Value
	include, exclude *chosen
	errors           bool // show_term_doc_count_error
}

func (termsSpec) many() bool { return true }

// sent is how many terms a shard of Elasticsearch sends on. Of those only, it does not count as others what min_doc_count leaves out.
func (s termsSpec) sent() int {
	n := s.shard
	if n < 0 && s.order[0].by == "_key" {
		n = s.size
	} else if n < 0 {
		n = s.size + s.size/2 + 10
	}
	return max(n, s.size)
}

// chosen says which terms are meant: those of a list, or what a regular expression covers.
type chosen struct {
	list []body.Value
	test func(string) bool
}

func parseTerms(p *parser, v body.Value) spec {
	s := termsSpec{size: 10, shard: -1, least: 1, order: []order{{"_count", true}}}
	for _, m := range v.Members {
		switch m.Name {
		case "field":
			s.field = p.text(m.Name, m.Value)
		case "size":
			if s.size = p.int(m.Name, m.Value, 0, 1<<31-1); s.size == 0 {
				p.fail(illegal("[size] must be greater than 0. Found [0] in [terms]"))
			}
		case "min_doc_count":
			if s.least = int64(p.int(m.Name, m.Value, 0, 1<<31-1)); s.least == 0 {
				p.fail(notServed("[min_doc_count] 0 of [terms]"))
			}
		case "order":
			s.order = p.orders(m.Value)
		case "missing":
			s.missing = &m.Value
		case "format":
			s.format = p.text(m.Name, m.Value)
		case "include":
			s.include = p.chosen(m.Name, m.Value)
		case "exclude":
			s.exclude = p.chosen(m.Name, m.Value)
		case "show_term_doc_count_error":
			s.errors = p.flag(m.Name, m.Value)
		case "shard_size":
			s.shard = p.int(m.Name, m.Value, -1, 1<<31-1)
		case "shard_min_doc_count", "execution_hint", "collect_mode", "value_type":
			p.text(m.Name, m.Value) // how, and not what: counts are exact
		default:
			p.fail(malformed("[terms] with [%s] is not served here", clip(m.Name)))
		}
	}
	p.needField(s.field)
	return s
}

func (p *parser) chosen(name string, v body.Value) *chosen {
	switch v.Kind {
	case body.Array:
		if len(v.Items) > 65536 {
			p.fail(illegal("[%s] has more than 65536 terms", name))
		}
		return &chosen{list: v.Items}
	case body.String:
		test, err := query.Regexp(v.Text)
		if err != nil {
			p.fail(illegal("%s", err))
		}
		return &chosen{test: test}
	}
	p.fail(notServed("[%s] of [terms] that is no regular expression and no list", name))
	return nil
}

func (s termsSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.fieldOr(s.field, s.missing, s.format, false)
	if err != nil {
		return nil, err
	}
	c := &terms{spec: s, field: f, ords: ordinals{x: x}, ids: make(map[string]int64)}
	if c.admit, err = s.admit(f, x); err != nil {
		return nil, err
	}
	if c.buckets, err = x.newBuckets(a); err != nil {
		return nil, err
	}
	return c, c.check(s.order)
}

// admit makes of include and exclude a test for keys; nil admits all.
func (s termsSpec) admit(f *field, x *running) (func(k key) bool, error) {
	if s.include == nil && s.exclude == nil {
		return nil, nil
	}
	makeTest := func(c *chosen) (func(key) bool, error) {
		switch {
		case c == nil:
			return nil, nil
		case c.test != nil && f.kind != texts && f.kind != unmapped:
			return nil, illegal("Aggregation cannot support regular expression style include/exclude settings as they can only be applied to string fields. Use an array of values for include/exclude clauses")
		case c.test != nil:
			return func(k key) bool { return c.test(k.s) }, nil
		}
		set := make(map[key]bool)
		src := f.first
		src.kind = f.kind
		for _, v := range c.list {
			k, err := src.parseKey(v, f.format, nil, x.now)
			if err != nil {
				return nil, err
			}
			set[k] = true
		}
		return func(k key) bool { return set[k] }, nil
	}
	in, err := makeTest(s.include)
	if err != nil {
		return nil, err
	}
	out, err := makeTest(s.exclude)
	if err != nil {
		return nil, err
	}
	return func(k key) bool { return (in == nil || in(k)) && (out == nil || !out(k)) }, nil
}

// terms has a bucket for each term in each of the parent's.
type terms struct {
	buckets
	spec  termsSpec
	field *field
	ords  ordinals
	admit func(k key) bool

	// Of texts the key in ords is the place in names.
	ids   map[string]int64
	names []string

	seg   *segment
	known []int64 // of the segment's distinct texts, one more than their places; 0 where not known yet, refused where not admitted
	texts []string
	nums  []float64
	ints  []int64
}

// refused stands for a term that is not admitted.
const refused = -1

func (c *terms) id(text string) int64 {
	if id, ok := c.ids[text]; ok {
		return id
	}
	text = strings.Clone(text)
	id := int64(len(c.names))
	if c.admit != nil && !c.admit(key{s: text}) {
		id = refused
	} else {
		c.names = append(c.names, text)
	}
	c.ids[text] = id
	return id
}

func (c *terms) collect(s *segment, rows, parents []int32) error {
	v := c.field.on(s)
	if c.seg != s {
		c.seg, c.known = s, nil
		if v.texts != nil {
			c.known = make([]int64, len(v.texts))
		}
	}
	if distinct, codes, ok := v.coded(); ok && c.field.kind == texts {
		if err := c.collectCoded(distinct, codes, rows, parents); err != nil {
			return err
		}
		return c.flush(s)
	}
	for i, row := range rows {
		if err := c.row(v, row, parents[i]); err != nil {
			return err
		}
	}
	return c.flush(s)
}

// collectCoded is collect where each row has one of a few texts.
func (c *terms) collectCoded(distinct []string, codes block.Codes, rows, parents []int32) error {
	if narrow := codes.Narrow(); narrow != nil && len(c.subs) == 0 {
		return c.countCoded(distinct, narrow, rows, parents)
	}
	code := 0
	for i, row := range rows {
		if !codes.None() {
			code = codes.At(int(row))
		}
		id := c.place(code, distinct)
		if id == refused {
			continue
		}
		ord, err := c.ords.get(parents[i], id)
		if err != nil {
			return err
		}
		c.put(row, ord)
	}
	return nil
}

// place is the place in names of a segment's distinct text.
func (c *terms) place(code int, distinct []string) int64 {
	id := c.known[code]
	if id == 0 {
		if id = c.id(distinct[code]) + 1; id == 0 {
			id = refused
		}
		c.known[code] = id
	}
	if id == refused {
		return refused
	}
	return id - 1
}

// countCoded is collectCoded where nothing is in the buckets but their counts: rows that follow each other in one of the parent's
// buckets are counted by code first.
func (c *terms) countCoded(distinct []string, codes []uint8, rows, parents []int32) error {
	var counts [1 << 8]int32
	for first := 0; first < len(rows); {
		end, parent := first, parents[first]
		for ; end < len(rows) && parents[end] == parent; end++ {
			counts[codes[rows[end]]]++
		}
		for code := range distinct {
			n := counts[code]
			if counts[code] = 0; n == 0 {
				continue
			}
			id := c.place(code, distinct)
			if id == refused {
				continue
			}
			ord, err := c.ords.get(parent, id)
			if err != nil {
				return err
			}
			c.tally(ord, int64(n))
		}
		first = end
	}
	return nil
}

func (c *terms) row(v *values, row, parent int32) error {
	switch c.field.kind {
	case ints:
		c.ints = v.wholes(int(row), c.ints[:0])
		for i, n := range c.ints {
			if i > 0 && n == c.ints[i-1] || c.admit != nil && !c.admit(key{n: n}) {
				continue
			}
			if err := c.add(row, parent, n); err != nil {
				return err
			}
		}
		return nil
	case floats:
		c.nums = v.numbers(int(row), c.nums[:0])
		for i, x := range c.nums {
			if i > 0 && compareFloats(x, c.nums[i-1]) == 0 || c.admit != nil && !c.admit(key{x: x}) {
				continue
			}
			if err := c.add(row, parent, int64(math.Float64bits(x))); err != nil {
				return err
			}
		}
		return nil
	}
	c.texts = v.strings(int(row), c.texts[:0])
	for _, t := range c.texts {
		if id := c.id(t); id != refused {
			if err := c.add(row, parent, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *terms) add(row, parent int32, key int64) error {
	ord, err := c.ords.get(parent, key)
	if err == nil {
		c.put(row, ord)
	}
	return err
}

// byKey compares two buckets by their terms.
func (c *terms) byKey(a, b int32) int {
	x, y := c.ords.keys[a], c.ords.keys[b]
	switch c.field.kind {
	case ints:
		return cmp.Compare(x, y)
	case floats:
		return compareFloats(math.Float64frombits(uint64(x)), math.Float64frombits(uint64(y)))
	}
	return strings.Compare(c.names[x], c.names[y])
}

func (c *terms) write(w *writer, parent int32) error {
	all := slices.Clone(c.ords.list(parent))
	if err := c.sort(all, c.spec.order, c.byKey); err != nil {
		return err
	}
	var list []int32
	others := int64(0)
	for i, ord := range all {
		switch n := c.count(ord); {
		case n >= c.spec.least && len(list) < c.spec.size:
			list = append(list, ord)
		case n >= c.spec.least || i >= c.spec.sent():
			others += n
		}
	}
	w.name("doc_count_error_upper_bound").int(0)
	w.name("sum_other_doc_count").int(others)
	w.name("buckets").open('[')
	for _, ord := range list {
		w.open('{')
		c.writeKey(w, c.ords.keys[ord])
		if c.spec.errors {
			w.name("doc_count_error_upper_bound").int(0)
		}
		if err := c.rest(w, ord); err != nil {
			return err
		}
	}
	w.close(']')
	return nil
}

func (c *terms) writeKey(w *writer, k int64) {
	switch {
	case c.field.kind == floats:
		w.name("key").float(math.Float64frombits(uint64(k)))
	case c.field.kind == ints:
		w.name("key").int(k)
		if c.field.dates() {
			w.name("key_as_string").text(c.field.format.Print(source{}.moment(k)))
		} else if c.field.is(mapping.Boolean) {
			w.name("key_as_string").text(strconv.FormatBool(k != 0))
		}
	case c.field.is(mapping.IP):
		w.name("key").text(showAddress(c.names[k]))
	default:
		w.name("key").text(c.names[k])
	}
}

func (c *terms) value(int32, string) (float64, bool) { return 0, false }

func (c *terms) typed() string {
	switch {
	case c.field.kind == floats:
		return "dterms"
	case c.field.kind == ints:
		return "lterms"
	case c.field.kind == unmapped:
		return "umterms"
	}
	return "sterms"
}
