package search

import (
	"hash/maphash"
	"math"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// metricSpec is min, max, avg, sum, stats or value_count.
type metricSpec struct {
	kind, field, format string
	missing             *body.Value
}

func metric(kind string) func(p *parser, v body.Value) spec {
	return func(p *parser, v body.Value) spec {
		s := metricSpec{kind: kind}
		for _, m := range v.Members {
			switch m.Name {
			case "field":
				s.field = p.text(m.Name, m.Value)
			case "missing":
				s.missing = &m.Value
			case "format":
				s.format = p.text(m.Name, m.Value)
			case "value_type":
				p.text(m.Name, m.Value)
			default:
				p.fail(malformed("[%s] with [%s] is not served here", kind, clip(m.Name)))
			}
		}
		p.needField(s.field)
		return s
	}
}

func (p *parser) needField(name string) {
	if name == "" {
		p.fail(illegal("Required one of fields [field, script], but none were specified. "))
	}
}

func (s metricSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.fieldOr(s.field, s.missing, s.format, true)
	if err != nil {
		return nil, err
	}
	if f.kind == texts && s.kind != "value_count" && f.first.kind != unmapped {
		kind := mapping.KeywordType
		if f.first.field != nil {
			kind = f.first.field.Type
		}
		return nil, illegal("Field [%s] of type [%s] is not supported for aggregation [%s]", s.field, kind, s.kind)
	}
	return &measure{spec: s, field: f}, nil
}

// A measure has the numbers of each of the parent's buckets.
type measure struct {
	spec  metricSpec
	field *field
	of    []numbers
	buf   []float64
}

// numbers are what was seen; the sum is kept with what its rounding has lost (Kahan).
type numbers struct {
	count       int64
	least, most float64
	sum, lost   float64
}

func (n *numbers) add(x float64) {
	if n.count == 0 {
		n.least, n.most = x, x
	}
	n.count++
	n.least, n.most = min(n.least, x), max(n.most, x)
	if math.IsInf(x, 0) || math.IsInf(n.sum, 0) {
		n.sum += x
		return
	}
	corrected := x + n.lost
	next := n.sum + corrected
	n.lost = corrected - (next - n.sum)
	n.sum = next
}

func (m *measure) collect(s *segment, rows, parents []int32) error {
	v := m.field.on(s)
	for i, row := range rows {
		for int(parents[i]) >= len(m.of) {
			m.of = append(m.of, numbers{})
		}
		n := &m.of[parents[i]]
		if m.field.kind == texts || m.field.kind == unmapped {
			n.count += int64(v.countTexts(int(row)))
			continue
		}
		m.buf = v.numbers(int(row), m.buf[:0])
		for _, x := range m.buf {
			n.add(x)
		}
	}
	return nil
}

// countTexts is the number of distinct texts of a row.
func (v *values) countTexts(row int) int {
	if v.all {
		return 1
	}
	return len(v.strings(row, nil))
}

func (m *measure) at(parent int32) numbers {
	if parent < 0 || int(parent) >= len(m.of) {
		return numbers{}
	}
	return m.of[parent]
}

func (m *measure) get(n numbers, what string) (x float64, ok bool) {
	switch what {
	case "count", "value_count":
		return float64(n.count), true
	case "sum":
		return n.sum, true
	case "min":
		return n.least, n.count > 0
	case "max":
		return n.most, n.count > 0
	case "avg":
		return n.sum / float64(n.count), n.count > 0
	}
	return 0, false
}

func (m *measure) write(w *writer, parent int32) error {
	n := m.at(parent)
	switch m.spec.kind {
	case "value_count":
		w.name("value").int(n.count)
		return nil
	case "stats":
		w.name("count").int(n.count)
		for _, what := range []string{"min", "max", "avg", "sum"} {
			m.one(w, n, what, what)
		}
		if n.count > 0 && m.shown() {
			for _, what := range []string{"min", "max", "avg", "sum"} {
				m.show(w, n, what, what+"_as_string", true)
			}
		}
		return nil
	}
	m.one(w, n, m.spec.kind, "value")
	if _, ok := m.get(n, m.spec.kind); ok && m.shown() {
		m.show(w, n, m.spec.kind, "value_as_string", false)
	}
	return nil
}

func (m *measure) one(w *writer, n numbers, what, name string) {
	if x, ok := m.get(n, what); ok {
		w.name(name).float(x)
	} else {
		w.name(name).null()
	}
}

// shown says whether numbers have a text beside them.
func (m *measure) shown() bool { return m.field.dates() || m.field.is(mapping.Boolean) }

func (m *measure) show(w *writer, n numbers, what, name string, plain bool) {
	x, _ := m.get(n, what)
	switch {
	case m.field.dates():
		w.name(name).text(m.field.format.Print(source{}.moment(whole(x))))
	case plain:
		w.name(name).flag(x != 0)
	case x != 0:
		w.name(name).text("true")
	default:
		w.name(name).text("false")
	}
}

func (m *measure) value(parent int32, property string) (float64, bool) {
	n := m.at(parent)
	if m.spec.kind == "stats" {
		return m.get(n, property)
	}
	return m.get(n, m.spec.kind)
}

func (m *measure) typed() string { return m.spec.kind }

// cardinalitySpec is cardinality. It is exact.
type cardinalitySpec struct {
	field   string
	missing *body.Value
}

func parseCardinality(p *parser, v body.Value) spec {
	var s cardinalitySpec
	for _, m := range v.Members {
		switch m.Name {
		case "field":
			s.field = p.text(m.Name, m.Value)
		case "missing":
			s.missing = &m.Value
		case "precision_threshold":
			p.int(m.Name, m.Value, 0, 1<<31-1)
		case "rehash", "execution_hint":
		default:
			p.fail(malformed("[cardinality] with [%s] is not served here", clip(m.Name)))
		}
	}
	p.needField(s.field)
	return s
}

func (s cardinalitySpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.fieldOr(s.field, s.missing, "", true)
	return &distinct{x: x, field: f, seed: maphash.MakeSeed()}, err
}

// distinct has the values of each of the parent's buckets: by 64 bits of a hash, so that two of a million count as one
// in one of 40 million searches.
type distinct struct {
	x     *running
	field *field
	seed  maphash.Seed
	of    []map[uint64]struct{}
	all   int

	seg    *segment
	hashes []uint64 // of the segment's distinct texts, 0 where not known yet
	texts  []string
	nums   []float64
	ints   []int64
}

// maxDistinct bounds the values that are kept.
const maxDistinct = 1 << 22

func (d *distinct) collect(s *segment, rows, parents []int32) error {
	v := d.field.on(s)
	if d.seg != s {
		d.seg, d.hashes = s, nil
		if v.texts != nil {
			d.hashes = make([]uint64, len(v.texts))
		}
	}
	for i, row := range rows {
		for int(parents[i]) >= len(d.of) {
			d.of = append(d.of, make(map[uint64]struct{}))
		}
		set := d.of[parents[i]]
		before := len(set)
		d.add(set, v, int(row))
		if d.all += len(set) - before; d.all > maxDistinct {
			return &Error{Type: "circuit_breaking_exception", Reason: "cardinality has more distinct values than are kept: ask for fewer, with a filter or a shorter time"}
		}
	}
	return nil
}

func (d *distinct) add(set map[uint64]struct{}, v *values, row int) {
	switch d.field.kind {
	case ints:
		d.ints = v.wholes(row, d.ints[:0])
		for _, n := range d.ints {
			set[uint64(n)] = struct{}{}
		}
	case floats:
		d.nums = v.numbers(row, d.nums[:0])
		for _, x := range d.nums {
			set[math.Float64bits(x)] = struct{}{}
		}
	default:
		if first, end := v.span(row); d.hashes != nil && end-first == 1 && v.ok == nil {
			c := v.code(first)
			if d.hashes[c] == 0 {
				d.hashes[c] = maphash.String(d.seed, v.texts[c]) | 1
			}
			set[d.hashes[c]] = struct{}{}
			return
		}
		d.texts = v.strings(row, d.texts[:0])
		for _, t := range d.texts {
			set[maphash.String(d.seed, t)|1] = struct{}{}
		}
	}
}

func (d *distinct) value(parent int32, _ string) (float64, bool) {
	if parent < 0 || int(parent) >= len(d.of) {
		return 0, true
	}
	return float64(len(d.of[parent])), true
}

func (d *distinct) write(w *writer, parent int32) error {
	n, _ := d.value(parent, "")
	w.name("value").int(int64(n))
	return nil
}

func (d *distinct) typed() string { return "cardinality" }

// topHitsSpec is top_hits.
type topHitsSpec struct{ request *Request }

func parseTopHits(p *parser, v body.Value) spec {
	r := &Request{Size: 3, TrackTotal: exact}
	for _, m := range v.Members {
		switch m.Name {
		case "from", "size", "sort", "track_scores":
			r.member(p, m.Name, m.Value)
		case "explain":
			p.flag(m.Name, m.Value)
		default:
			if !r.Fetch.member(p, m.Name, m.Value) {
				p.fail(malformed("[top_hits] with [%s] is not served here", clip(m.Name)))
			}
		}
	}
	if r.From+r.Size > 100 {
		p.fail(illegal("Top hits result window is too large, the top hits aggregator's from + size must be less than or equal to: [100] but was [%d]. This limit can be set by changing the [index.max_inner_result_window] index level setting.", r.From+r.Size))
	}
	return topHitsSpec{r}
}

func (s topHitsSpec) collector(x *running, a *Aggregation) (collector, error) {
	by, err := x.sorters(s.request.Sort)
	return &bestOf{x: x, spec: s, by: by}, err
}

// bestOf has the best hits of each of the parent's buckets.
type bestOf struct {
	x      *running
	spec   topHitsSpec
	by     []*sorter
	of     []*top
	counts []int64

	seg   *segment
	taker *taker
}

func (b *bestOf) collect(s *segment, rows, parents []int32) error {
	if b.seg != s {
		b.seg, b.taker = s, (&top{by: b.by}).on(b.x, s)
	}
	for i, row := range rows {
		for int(parents[i]) >= len(b.of) {
			b.of = append(b.of, &top{by: b.by, limit: b.spec.request.From + b.spec.request.Size})
			b.counts = append(b.counts, 0)
		}
		b.counts[parents[i]]++
		b.taker.top = b.of[parents[i]]
		b.taker.offer(int(row))
	}
	return nil
}

func (b *bestOf) write(w *writer, parent int32) error {
	r := b.spec.request
	var hits []hit
	total := int64(0)
	if parent >= 0 && int(parent) < len(b.of) {
		hits, total = b.of[parent].sorted(), b.counts[parent]
		hits = hits[min(r.From, len(hits)):]
	}
	fetched, err := b.x.fetch(hits, &r.Fetch, b.by)
	if err != nil {
		return err
	}
	w.name("hits").open('{')
	w.name("total").open('{')
	w.name("value").int(total)
	w.name("relation").text("eq")
	w.close('}')
	if w.name("max_score"); len(hits) > 0 && len(b.by) == 0 {
		w.float(b.x.request.score)
	} else {
		w.null()
	}
	w.name("hits").raw(fetched)
	w.close('}')
	return nil
}

func (b *bestOf) value(int32, string) (float64, bool) { return 0, false }
func (b *bestOf) typed() string                       { return "top_hits" }
