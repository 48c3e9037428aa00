package search

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// An Aggregation is one of a request.
type Aggregation struct {
	Name string
	Kind string // terms, avg …
	Meta *body.Value
	Subs []Aggregation

	spec spec
}

// A spec is what a kind of aggregation was asked for.
type spec interface {
	// collector makes what collects for it; subs are to be made for each of its buckets.
	collector(x *running, a *Aggregation) (collector, error)
}

// A collector counts rows. Its own buckets have numbers, as has the bucket of the parent that a row is in: the
// parent of what is asked for first is 0.
type collector interface {
	// collect takes rows of a segment, the i-th for the parent's bucket parents[i].
	collect(s *segment, rows, parents []int32) error
	// write writes the members of the answer for a bucket of the parent; -1 is one without rows.
	write(w *writer, parent int32) error
	// value is what an order by the aggregation, or by one value of it, goes by. ok is false if there is no such.
	value(parent int32, property string) (x float64, ok bool)
	// typed is the prefix of the name with typed_keys.
	typed() string
}

type namedCollector struct {
	*Aggregation
	collector
}

// maxBuckets bounds the buckets of an answer, as search.max_buckets does.
const maxBuckets = 65536

// maxCollected bounds the buckets that are kept while counting.
const maxCollected = 1 << 21

// maxNesting bounds aggregations in aggregations.
const maxNesting = 20

var kinds map[string]func(p *parser, v body.Value) spec

func init() { // not in the declaration, as top_hits leads back to parsing
	kinds = map[string]func(p *parser, v body.Value) spec{
		"terms": parseTerms, "date_histogram": parseDateHistogram, "histogram": parseHistogram,
		"range": parseRange, "date_range": parseDateRange, "filter": parseFilter, "filters": parseFilters, "missing": parseMissing,
		"min": metric("min"), "max": metric("max"), "avg": metric("avg"), "sum": metric("sum"), "stats": metric("stats"),
		"value_count": metric("value_count"), "cardinality": parseCardinality,
		"composite": parseComposite, "top_hits": parseTopHits,
	}
}

func (p *parser) aggregations(v body.Value, depth int) []Aggregation {
	if v.Kind != body.Object {
		p.fail(malformed("Expected [START_OBJECT] but found [%s]", v.Kind))
	}
	if depth > maxNesting {
		p.fail(illegal("aggregations are nested too deep: more than %d", maxNesting))
		return nil
	}
	var out []Aggregation
	for _, m := range v.Members {
		if m.Name == "" || strings.ContainsAny(m.Name, "[]>") {
			p.fail(malformed("Invalid aggregation name [%s]. Aggregation names can contain any character except '[', ']', and '>'", clip(m.Name)))
		}
		out = append(out, p.aggregation(m.Name, m.Value, depth))
	}
	if len(out) > 500 {
		p.fail(illegal("too many aggregations: more than 500"))
	}
	return out
}

func (p *parser) aggregation(name string, v body.Value, depth int) Aggregation {
	a := Aggregation{Name: name}
	for _, m := range v.Members {
		switch m.Name {
		case "aggs", "aggregations":
			a.Subs = p.aggregations(m.Value, depth+1)
		case "meta":
			a.Meta = &m.Value
		default:
			read, ok := kinds[m.Name]
			switch {
			case a.Kind != "":
				p.fail(malformed("Found two aggregation type definitions in [%s]: [%s] and [%s]", clip(name), a.Kind, clip(m.Name)))
			case !ok:
				e := malformed("Unknown aggregation type [%s], or it is not served here", clip(m.Name))
				e.Cause = &Error{Type: "named_object_not_found_exception", Reason: fmt.Sprintf("unknown field [%s]", clip(m.Name))}
				p.fail(e)
			case m.Value.Kind != body.Object:
				p.fail(malformed("Expected [START_OBJECT] under [%s], but got a [%s] in [%s]", m.Name, m.Value.Kind, clip(name)))
			default:
				a.Kind, a.spec = m.Name, read(p, m.Value)
			}
		}
		if p.err != nil {
			return a
		}
	}
	if a.Kind == "" {
		p.fail(malformed("Missing definition for aggregation [%s]", clip(name)))
		return a
	}
	if _, bucket := a.spec.(bucketing); len(a.Subs) > 0 && !bucket {
		p.fail(&Error{Type: "aggregation_initialization_exception", Reason: fmt.Sprintf("Aggregator [%s] of type [%s] cannot accept sub-aggregations", clip(name), a.Kind)})
	}
	return a
}

// bucketing marks the specs that can have aggregations in their buckets.
type bucketing interface{ many() bool }

func (x *running) collectors(list []Aggregation) ([]namedCollector, error) {
	var out []namedCollector
	for i := range list {
		a := &list[i]
		for _, sub := range a.Subs {
			if outer, ok := a.spec.(bucketing); ok && sub.Kind == "composite" && outer.many() {
				return nil, illegal("[composite] aggregation cannot be used with a parentAggregation of type: [%s]", a.Kind)
			}
		}
		c, err := a.spec.collector(x, a)
		if err != nil {
			return nil, err
		}
		out = append(out, namedCollector{a, c})
	}
	return out, nil
}

// aggregations writes the answer of all.
func (x *running) aggregations() ([]byte, error) {
	if x.aggs == nil {
		return nil, nil
	}
	w := &writer{}
	w.open('{')
	if err := x.writeAll(w, x.aggs, 0); err != nil {
		return nil, err
	}
	w.close('}')
	return w.b, nil
}

func (x *running) writeAll(w *writer, list []namedCollector, parent int32) error {
	for _, a := range list {
		name := a.Name
		if x.request.TypedKeys {
			name = a.typed() + "#" + name
		}
		w.name(name).open('{')
		if a.Meta != nil {
			w.name("meta").value(*a.Meta)
		}
		if err := a.write(w, parent); err != nil {
			return err
		}
		w.close('}')
	}
	return nil
}

// buckets are the buckets of a collector, and what is collected in each.
type buckets struct {
	x      *running
	subs   []namedCollector
	counts []int64

	rows, into []int32 // rows, and the buckets that they are in
}

func (x *running) newBuckets(a *Aggregation) (buckets, error) {
	subs, err := x.collectors(a.Subs)
	return buckets{x: x, subs: subs}, err
}

// put notes that a row is in a bucket.
func (b *buckets) put(row, ord int32) {
	b.rows = append(b.rows, row)
	b.into = append(b.into, ord)
}

// room is where to note n rows at once.
func (b *buckets) room(n int) (rows, into []int32) {
	b.rows, b.into = slices.Grow(b.rows[:0], n), slices.Grow(b.into[:0], n)
	return b.rows[:n], b.into[:n]
}

// tally counts rows of a bucket.
func (b *buckets) tally(ord int32, rows int64) {
	if int(ord) >= len(b.counts) {
		b.counts = append(b.counts, make([]int64, int(ord)+1-len(b.counts))...)
	}
	b.counts[ord] += rows
}

// flush counts what was put, and hands it on.
func (b *buckets) flush(s *segment) error {
	for i := 0; i < len(b.into); {
		first := i
		for i < len(b.into) && b.into[i] == b.into[first] {
			i++
		}
		b.tally(b.into[first], int64(i-first))
	}
	for _, sub := range b.subs {
		if len(b.rows) == 0 {
			break
		}
		if err := sub.collect(s, b.rows, b.into); err != nil {
			return err
		}
	}
	b.rows, b.into = b.rows[:0], b.into[:0]
	return nil
}

func (b *buckets) count(ord int32) int64 {
	if ord < 0 || int(ord) >= len(b.counts) {
		return 0
	}
	return b.counts[ord]
}

// rest writes a bucket's count and what was collected in it, and ends it.
func (b *buckets) rest(w *writer, ord int32) error {
	w.name("doc_count").int(b.count(ord))
	if err := b.x.writeAll(w, b.subs, ord); err != nil {
		return err
	}
	w.close('}')
	return b.written(w)
}

func (b *buckets) written(w *writer) error {
	if w.buckets++; w.buckets > maxBuckets {
		return &Error{Type: "too_many_buckets_exception", Reason: fmt.Sprintf("Trying to create too many buckets. Must be less than or equal to: [%d] but this number of buckets was exceeded. This limit can be set by changing the [search.max_buckets] cluster level setting.", maxBuckets)}
	}
	return nil
}

// find follows a path as "sub>other.avg" to a value of a bucket.
func (b *buckets) find(ord int32, path string) (float64, bool) {
	first, rest, deeper := strings.Cut(path, ">")
	name, property := first, ""
	if !deeper {
		if i := strings.LastIndexByte(first, '.'); i >= 0 && !slices.ContainsFunc(b.subs, func(c namedCollector) bool { return c.Name == first }) {
			name, property = first[:i], first[i+1:]
		}
		if strings.HasSuffix(name, "]") {
			if i := strings.LastIndexByte(name, '['); i >= 0 {
				name, property = name[:i], name[i+1:len(name)-1]
			}
		}
	}
	for _, sub := range b.subs {
		if sub.Name != name {
			continue
		}
		if !deeper {
			return sub.value(ord, property)
		}
		if single, ok := sub.collector.(*single); ok {
			return single.find(single.ord(ord), rest)
		}
	}
	return 0, false
}

// ordinals number the buckets of a collector by the parent's bucket and a key.
type ordinals struct {
	x      *running
	dense  [][]int32 // by parent and key: small keys; what is there is one more than the number
	sparse map[[2]int64]int32
	of     [][]int32 // by parent, its buckets
	keys   []int64
}

const denseKeys = 512

func (o *ordinals) get(parent int32, key int64) (int32, error) {
	if key >= 0 && int(parent) < len(o.dense) && key < int64(len(o.dense[parent])) {
		if ord := o.dense[parent][key]; ord > 0 {
			return ord - 1, nil
		}
	}
	ord := int32(0)
	small := key >= 0 && key < denseKeys && parent < 1<<12
	if small {
		for int(parent) >= len(o.dense) {
			o.dense = append(o.dense, nil)
		}
		for int(key) >= len(o.dense[parent]) {
			o.dense[parent] = append(o.dense[parent], 0)
		}
		ord = o.dense[parent][key]
	} else {
		ord = o.sparse[[2]int64{int64(parent), key}]
	}
	if ord == 0 {
		if o.x.ords++; o.x.ords > maxCollected {
			return 0, &Error{Type: "circuit_breaking_exception", Reason: fmt.Sprintf("the aggregations have more than %d buckets: ask for fewer, with a filter or a shorter time", maxCollected)}
		}
		o.keys = append(o.keys, key)
		ord = int32(len(o.keys))
		if small {
			o.dense[parent][key] = ord
		} else {
			if o.sparse == nil {
				o.sparse = make(map[[2]int64]int32)
			}
			o.sparse[[2]int64{int64(parent), key}] = ord
		}
		for int(parent) >= len(o.of) {
			o.of = append(o.of, nil)
		}
		o.of[parent] = append(o.of[parent], ord-1)
	}
	return ord - 1, nil
}

// list are the buckets of a parent's bucket.
func (o *ordinals) list(parent int32) []int32 {
	if parent < 0 || int(parent) >= len(o.of) {
		return nil
	}
	return o.of[parent]
}

// A field is what an aggregation reads, in all indices.
type field struct {
	n       int // its place among the search's
	name    string
	kind    kind
	sources []source // by index
	first   source   // of the first index that has it
	format  *mapping.Format
}

// field finds what an aggregation reads.
func (x *running) field(name, format string) (*field, error) {
	f := &field{n: len(x.fields), name: name}
	x.fields = append(x.fields, f)
	for _, ix := range x.indices {
		s, err := ix.source(name, false)
		if err != nil {
			return nil, err
		}
		f.sources = append(f.sources, s)
		switch {
		case s.kind == unmapped || s.kind == f.kind:
		case f.kind == unmapped:
			f.kind, f.first = s.kind, s
		case s.kind != texts && f.kind != texts:
			f.kind = floats // of whole numbers here and others there
		default:
			return nil, illegal("field [%s] is text in one index and a number in another, and cannot be aggregated", clip(name))
		}
	}
	if format != "" {
		if f.kind != unmapped && !f.dates() {
			return nil, notServed("[format] of an aggregation on a field that is no date")
		}
		parsed, err := mapping.ParseFormat(format)
		if err != nil {
			return nil, illegal("%s", err)
		}
		f.format = parsed
	} else if f.dates() {
		f.format = f.first.field.Format
	}
	return f, nil
}

// fieldOr finds what an aggregation reads, with a value for documents that have none; nil is nothing.
func (x *running) fieldOr(name string, absent *body.Value, format string, numeric bool) (*field, error) {
	f, err := x.field(name, format)
	if err == nil && absent != nil {
		err = f.setAbsent(*absent, numeric, x)
	}
	return f, err
}

// setAbsent sets what stands for documents without values. Where no index has the field it is a text, unless numeric.
func (f *field) setAbsent(v body.Value, numeric bool, x *running) error {
	if f.kind == unmapped {
		f.kind = texts
		if v.Kind == body.Number && numeric {
			f.kind, f.first.kind = floats, floats
		}
	}
	src := f.first
	src.kind = f.kind
	k, err := src.parseKey(v, f.format, nil, x.now)
	if err != nil {
		return err
	}
	for i := range f.sources {
		f.sources[i].absent = &k
	}
	return nil
}

func (f *field) dates() bool { return f.first.field != nil && f.first.field.Type.Dates() }

// text is how a number of the field is shown, where that is not the number itself: of dates and booleans.
func (f *field) text(x float64, zone *time.Location) (text string, ok bool) {
	switch {
	case f.dates():
		return f.format.Print(source{}.moment(whole(x)).In(zone)), true
	case f.is(mapping.Boolean):
		return strconv.FormatBool(x != 0), true
	}
	return mapping.JavaText(x), false
}

func (f *field) is(t mapping.Type) bool { return f.first.field != nil && f.first.field.Type == t }

// on are the field's values in a segment.
func (f *field) on(s *segment) *values { return s.values[f.n] }
