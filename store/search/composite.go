package search

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// compositeSpec is composite.
type compositeSpec struct {
	size    int
	sources []compositeSource
	after   *body.Value
}

func (compositeSpec) many() bool { return true }

// A compositeSource is one value of the keys: a term, or the interval that a date or a number is in.
type compositeSource struct {
	name, kind, field, format string
	desc, missing, first      bool // missing: documents without a value have the key null; first: which comes first
	rounding                  rounding
	histogram                 histogramSpec
}

func parseComposite(p *parser, v body.Value) spec {
	s := compositeSpec{size: 10}
	for _, m := range v.Members {
		switch m.Name {
		case "size":
			if s.size = p.int(m.Name, m.Value, 0, maxBuckets); s.size == 0 {
				p.fail(illegal("[size] must be greater than 0."))
			}
		case "sources":
			list := m.Value.Items
			if m.Value.Kind == body.Object {
				list = []body.Value{m.Value}
			}
			for _, item := range list {
				for _, one := range item.Members {
					s.sources = append(s.sources, p.compositeSource(one.Name, one.Value))
				}
			}
		case "after":
			s.after = &m.Value
		default:
			p.fail(malformed("[composite] unknown field [%s]", clip(m.Name)))
		}
	}
	if len(s.sources) == 0 || len(s.sources) > 32 {
		p.fail(illegal("Composite [sources] must have 1 to 32 sources"))
	}
	return s
}

func (p *parser) compositeSource(name string, v body.Value) compositeSource {
	s := compositeSource{name: name, rounding: rounding{zone: time.UTC}}
	if len(v.Members) != 1 {
		p.fail(malformed("composite source [%s] must have one type", clip(name)))
		return s
	}
	s.kind = v.Members[0].Name
	if s.kind != "terms" && s.kind != "date_histogram" && s.kind != "histogram" {
		p.fail(malformed("invalid source type: %s", clip(s.kind)))
	}
	nullFirst := ""
	for _, m := range v.Members[0].Value.Members {
		switch m.Name {
		case "field":
			s.field = p.text(m.Name, m.Value)
		case "order":
			s.desc = p.order(m.Value)
		case "missing_bucket":
			s.missing = p.flag(m.Name, m.Value)
		case "missing_order":
			nullFirst = p.text(m.Name, m.Value)
		case "value_type":
		case "format":
			s.format = p.text(m.Name, m.Value)
		case "time_zone":
			s.rounding.zone = p.zone(m.Value)
		case "calendar_interval", "fixed_interval", "interval":
			if s.kind == "histogram" {
				if s.histogram.interval = p.float(m.Name, m.Value); !(s.histogram.interval > 0) {
					p.fail(illegal("[interval] must be greater than 0 for [histogram] source"))
				}
			} else {
				p.interval(m.Name, m.Value, &s.rounding)
			}
		default:
			p.fail(malformed("[%s] with [%s] is not served here", s.kind, clip(m.Name)))
		}
	}
	// Without a wish null is less than anything else.
	if s.first = !s.desc; nullFirst != "" {
		s.first = nullFirst == "first" || nullFirst == "default" && !s.desc
	}
	p.needField(s.field)
	if s.kind == "date_histogram" && s.rounding.unit == "" && s.rounding.millis == 0 || s.kind == "histogram" && s.histogram.interval == 0 {
		p.fail(illegal("Required [interval]"))
	}
	return s
}

func (s compositeSpec) collector(x *running, a *Aggregation) (collector, error) {
	c := &composite{spec: s, of: make(map[string]int32)}
	for _, src := range s.sources {
		f, err := x.field(src.field, src.format)
		if err != nil {
			return nil, err
		}
		if src.kind == "histogram" && f.is(mapping.Boolean) {
			return nil, illegal("Field [%s] of type [boolean] is not supported for aggregation [histogram]", clip(src.field))
		}
		if src.kind != "terms" && f.kind == texts || src.kind == "date_histogram" && f.kind != unmapped && !f.dates() {
			return nil, illegal("invalid source, expected a numeric or date field for [%s]", clip(src.name))
		}
		c.parts = append(c.parts, &part{compositeSource: src, f: f})
	}
	var err error
	if c.buckets, err = x.newBuckets(a); err == nil && s.after != nil {
		err = c.setAfter(*s.after)
	}
	return c, err
}

// composite has a bucket for each combination of values.
type composite struct {
	buckets
	spec  compositeSpec
	parts []*part
	after []mixed
	of    map[string]int32
	keys  [][]mixed
	room  []mixed
	name  []byte
}

// mixed is one value of a key.
type mixed struct {
	key
	null bool
}

// part is one source at work.
type part struct {
	compositeSource
	f *field

	values []mixed // of the row at hand
	ints   []int64
	nums   []float64
	texts  []string
}

func (c *composite) setAfter(v body.Value) error {
	for _, p := range c.parts {
		one, ok := v.Get(p.name)
		if !ok || len(v.Members) != len(c.parts) {
			return illegal("[after] has %d value(s) but [sources] has %d", len(v.Members), len(c.parts))
		}
		if one.Kind == body.Null {
			c.after = append(c.after, mixed{null: true})
			continue
		}
		src := p.f.first
		if src.kind = p.f.kind; p.kind == "histogram" {
			src.kind = floats
		}
		if src.kind == unmapped && one.Kind == body.Number {
			src.kind = floats
		}
		format := p.f.format
		if p.format == "" {
			format = nil
		}
		k, err := src.parseKey(one, format, p.rounding.zone, c.x.now)
		if err != nil {
			return err
		}
		if p.kind == "histogram" {
			k = key{n: p.histogram.place(k.number() + p.histogram.interval/2)}
		}
		c.after = append(c.after, mixed{key: k})
	}
	return nil
}

func (p *part) compare(a, b mixed) int {
	switch {
	case a.null && b.null:
		return 0
	case a.null == p.first && (a.null || b.null):
		return -1
	case a.null || b.null:
		return 1
	}
	n := cmp.Or(cmp.Compare(a.n, b.n), compareFloats(a.key.x, b.key.x), strings.Compare(a.s, b.s))
	if p.desc {
		return -n
	}
	return n
}

func (c *composite) compare(a, b []mixed) int {
	for i, p := range c.parts {
		if n := p.compare(a[i], b[i]); n != 0 {
			return n
		}
	}
	return 0
}

// read gets the distinct values of a row. Of histograms and fractions it gets all: as in Elasticsearch a row is counted for each.
func (p *part) read(s *segment, row int) {
	v := p.f.on(s)
	p.values = p.values[:0]
	add := func(k key) {
		if p.kind == "histogram" || p.f.kind == floats || !slices.Contains(p.values, mixed{key: k}) {
			p.values = append(p.values, mixed{key: k})
		}
	}
	switch {
	case p.kind == "histogram":
		p.nums = v.numbers(row, p.nums[:0])
		for _, x := range p.nums {
			add(key{n: p.histogram.place(x)})
		}
	case p.f.kind == ints:
		p.ints = v.wholes(row, p.ints[:0])
		for _, n := range p.ints {
			if p.kind == "date_histogram" {
				n = p.rounding.floor(n)
			}
			add(key{n: n})
		}
	case p.f.kind == floats:
		p.nums = v.numbers(row, p.nums[:0])
		for _, x := range p.nums {
			add(key{x: x})
		}
	default:
		p.texts = v.strings(row, p.texts[:0])
		for _, t := range p.texts {
			add(key{s: t})
		}
	}
	if len(p.values) == 0 && p.missing {
		p.values = append(p.values, mixed{null: true})
	}
}

func (c *composite) collect(s *segment, rows, parents []int32) error {
	for _, row := range rows {
		complete := true
		for _, p := range c.parts {
			p.read(s, int(row))
			complete = complete && len(p.values) > 0
		}
		if complete {
			c.room = c.room[:0]
			if err := c.combine(row, 0); err != nil {
				return err
			}
		}
	}
	return c.flush(s)
}

// combine puts the row into the bucket of each combination of values, from the i-th source on.
func (c *composite) combine(row int32, i int) error {
	if i < len(c.parts) {
		for _, v := range c.parts[i].values {
			c.room = append(c.room[:i], v)
			if err := c.combine(row, i+1); err != nil {
				return err
			}
		}
		return nil
	}
	if c.after != nil && c.compare(c.room, c.after) <= 0 {
		return nil
	}
	c.name = c.name[:0]
	for _, v := range c.room {
		c.name = append(c.name, byte(btoi(v.null)))
		c.name = binary.AppendVarint(c.name, v.n)
		c.name = binary.AppendUvarint(c.name, math.Float64bits(v.key.x))
		c.name = binary.AppendUvarint(c.name, uint64(len(v.s)))
		c.name = append(c.name, v.s...)
	}
	ord, ok := c.of[string(c.name)]
	if !ok {
		if c.x.ords++; c.x.ords > maxCollected {
			return &Error{Type: "circuit_breaking_exception", Reason: "the aggregations have too many buckets: ask for fewer, with a filter or a shorter time"}
		}
		ord = int32(len(c.keys))
		c.of[string(c.name)] = ord
		kept := slices.Clone(c.room)
		for i := range kept {
			kept[i].s = strings.Clone(kept[i].s)
		}
		c.keys = append(c.keys, kept)
	}
	c.put(row, ord)
	return nil
}

func (c *composite) write(w *writer, parent int32) error {
	list := make([]int32, len(c.keys))
	for i := range list {
		list[i] = int32(i)
	}
	if parent < 0 {
		list = nil
	}
	slices.SortFunc(list, func(a, b int32) int { return c.compare(c.keys[a], c.keys[b]) })
	list = list[:min(len(list), c.spec.size)]
	if len(list) > 0 {
		w.name("after_key")
		c.writeKey(w, c.keys[list[len(list)-1]])
	}
	w.name("buckets").open('[')
	for _, ord := range list {
		w.open('{')
		w.name("key")
		c.writeKey(w, c.keys[ord])
		if err := c.rest(w, ord); err != nil {
			return err
		}
	}
	w.close(']')
	return nil
}

func (c *composite) writeKey(w *writer, k []mixed) {
	w.open('{')
	for i, p := range c.parts {
		w.name(p.name)
		switch v := k[i]; {
		case v.null:
			w.null()
		case p.kind == "histogram":
			w.float(p.histogram.number(v.n))
		case p.f.kind == floats:
			w.float(v.key.x)
		case p.f.kind == ints && p.f.is(mapping.Boolean):
			w.flag(v.n != 0)
		case p.f.kind == ints && p.f.dates() && p.format != "":
			w.text(p.f.format.Print(time.UnixMilli(v.n).In(p.rounding.zone)))
		case p.f.kind == ints:
			w.int(v.n)
		case p.f.is(mapping.IP):
			w.text(showAddress(v.s))
		default:
			w.text(v.s)
		}
	}
	w.close('}')
}

func (c *composite) value(int32, string) (float64, bool) { return 0, false }
func (c *composite) typed() string                       { return "composite" }
