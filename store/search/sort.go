package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// What a sort can name beside fields.
const (
	byScore  = "_score"
	byDoc    = "_doc"
	shardDoc = "_shard_doc"
)

// A Sort is one thing that hits are sorted by.
type Sort struct {
	Field        string
	Desc         bool
	MissingFirst bool
	Missing      *body.Value // what counts for a hit without values; nil: it is last, or first
	Unmapped     string      // the type of the field where an index has none of that name
	Mode         string      // which of several values: min, max, sum, avg, median
	Format       *mapping.Format
	Numeric      string // numeric_type: date (of date_nanos milliseconds) or long
}

func (p *parser) sorts(v body.Value) []Sort {
	if v.Kind != body.Array {
		v = body.Value{Kind: body.Array, Items: []body.Value{v}}
	}
	var out []Sort
	for _, item := range v.Items {
		if item.Kind != body.Object {
			name := p.text("sort", item)
			out = append(out, Sort{Field: name, Desc: name == byScore})
			continue
		}
		for _, m := range item.Members {
			out = append(out, p.sort(m.Name, m.Value))
		}
	}
	if len(out) > 32 {
		p.fail(illegal("cannot sort by %d fields: at most 32", len(out)))
	}
	return out
}

func (p *parser) sort(field string, v body.Value) Sort {
	s := Sort{Field: field, Desc: field == byScore}
	if v.Scalar() {
		s.Desc = p.order(v)
		return s
	}
	for _, m := range v.Members {
		switch m.Name {
		case "order":
			s.Desc = p.order(m.Value)
		case "missing":
			switch {
			case m.Value.Text == "_first":
				s.MissingFirst = true
			case m.Value.Text != "_last":
				s.Missing = &m.Value
			}
		case "unmapped_type":
			s.Unmapped = p.text(m.Name, m.Value)
		case "mode":
			s.Mode = strings.ToLower(p.text(m.Name, m.Value))
			if !slices.Contains([]string{"min", "max", "sum", "avg", "median"}, s.Mode) {
				p.fail(illegal("Unknown SortMode [%s]", clip(m.Value.Text)))
			}
		case "format":
			s.Format = p.format(m.Value)
		case "ignore_unmapped":
			if p.flag(m.Name, m.Value) {
				s.Unmapped = "long"
			}
		case "numeric_type":
			if s.Numeric = strings.ToLower(p.text(m.Name, m.Value)); s.Numeric != "date" && s.Numeric != "long" {
				p.fail(notServed("[numeric_type] [%s] of a sort", clip(s.Numeric)))
			}
		default:
			p.fail(&Error{Type: "x_content_parse_exception", Reason: fmt.Sprintf("[field_sort] unknown field [%s]", clip(m.Name))})
		}
	}
	return s
}

func (p *parser) order(v body.Value) (desc bool) {
	switch strings.ToLower(p.text("order", v)) {
	case "asc":
		return false
	case "desc":
		return true
	}
	p.fail(&Error{Type: "x_content_parse_exception", Reason: "[field_sort] failed to parse field [order]",
		Cause: illegal("No enum constant org.elasticsearch.search.sort.SortOrder.%s", clip(strings.ToUpper(v.Text)))})
	return false
}

func (p *parser) format(v body.Value) *mapping.Format {
	f, err := mapping.ParseFormat(p.text("format", v))
	if err != nil {
		p.fail(illegal("%s", err))
	}
	return f
}

// A sorter compares hits by one Sort.
type sorter struct {
	Sort
	kind    kind
	sources []source // by index; nil for what is no field
	missing []key    // by index
	after   []key    // by index: of the hit to go on behind; nil is none
}

func (r *running) sorters(sorts []Sort) ([]*sorter, error) {
	var out []*sorter
	for _, by := range sorts {
		s := &sorter{Sort: by, kind: ints}
		if by.Field == byScore || by.Field == byDoc || by.Field == shardDoc {
			out = append(out, s)
			continue
		}
		if err := r.bind(s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// bind finds the field in each index.
func (r *running) bind(s *sorter) error {
	s.kind = unmapped
	for _, ix := range r.indices {
		src, err := ix.source(s.Field, true)
		if err != nil {
			return err
		}
		if src.kind == unmapped {
			if s.Unmapped == "" {
				return &Error{Type: "query_shard_exception", Reason: "No mapping found for [" + clip(s.Field) + "] in order to sort on"}
			}
			if src.kind = kindOf(mapping.Type(s.Unmapped)); src.kind == unmapped {
				return illegal("No mapper found for type [%s]", clip(s.Unmapped))
			}
		}
		if s.Numeric == "date" {
			src.nanos = false
		}
		switch {
		case s.Numeric != "" && src.kind == texts:
			return illegal("[numeric_type] option cannot be set on a non-numeric field [%s]", clip(s.Field))
		case s.Numeric != "" && src.kind == floats:
			return notServed("[numeric_type] of a sort by numbers with a fraction")
		case s.kind != unmapped && s.kind != src.kind, slices.ContainsFunc(s.sources, src.apart):
			return illegal("Can't sort on field [%s]; the field has incompatible sort types across shards", clip(s.Field))
		}
		s.kind = src.kind
		if s.kind == texts && s.Mode != "" && s.Mode != "min" && s.Mode != "max" {
			return illegal("we only support AVG, MEDIAN and SUM on number based fields")
		}
		s.sources = append(s.sources, src)
		m, err := s.absent(src, r.now)
		if err != nil {
			return err
		}
		s.missing = append(s.missing, m)
	}
	return nil
}

// absent is the key of a hit without values.
func (s *sorter) absent(src source, now time.Time) (key, error) {
	if s.Missing != nil {
		if src.field != nil && src.field.Type.Dates() {
			src.field = nil // of a date only its number can be given
		}
		k, err := src.parseKey(*s.Missing, nil, nil, now)
		return src.near(k), err
	}
	low := s.Desc != s.MissingFirst // as the least value there is
	switch {
	case s.kind == texts:
		return key{none: true}, nil
	case s.kind == floats && low:
		return key{x: math.Inf(-1)}, nil
	case s.kind == floats:
		return key{x: math.Inf(1)}, nil
	case low && src.nanos && s.Numeric == "":
		return key{}, nil
	case low:
		return key{n: math.MinInt64}, nil
	}
	return key{n: math.MaxInt64}, nil
}

// compare says which of two keys comes first.
func (s *sorter) compare(a, b key) int {
	c := 0
	switch s.kind {
	case ints:
		c = cmp.Compare(a.n, b.n)
	case floats:
		c = compareFloats(a.x, b.x)
	case texts:
		if a.none || b.none {
			switch {
			case a.none && b.none:
				return 0
			case a.none == s.MissingFirst:
				return -1
			}
			return 1
		}
		c = strings.Compare(a.s, b.s)
	}
	if s.Desc {
		return -c
	}
	return c
}

// keys returns what gives the keys of a segment's rows.
func (s *sorter) keys(seg *segment) func(row int) key {
	switch s.Field {
	case byScore:
		return func(int) key { return key{} }
	case byDoc:
		seqs := seg.Seqs()
		return func(row int) key { return key{n: seqs[row]} }
	case shardDoc:
		seqs := seg.Seqs()
		return func(row int) key { return key{n: place(seg.index.position, seqs[row])} }
	}
	src, missing := s.sources[seg.index.position], s.missing[seg.index.position]
	v := src.read(seg.Segment)
	high := s.Mode == "max" || s.Mode == "" && s.Desc
	switch s.kind {
	case ints:
		return func(row int) key {
			first, end := v.span(row)
			if end-first == 1 {
				if n, ok := v.int(first); ok {
					return key{n: n}
				}
				return missing
			}
			list := v.wholes(row, nil)
			if len(list) == 0 {
				return missing
			}
			return key{n: pickWhole(list, s.Mode, high)}
		}
	case floats:
		return func(row int) key {
			list := v.numbers(row, nil)
			if len(list) == 0 {
				return missing
			}
			return src.near(key{x: pick(list, s.Mode, high)})
		}
	}
	return func(row int) key {
		first, end := v.span(row)
		if end-first == 1 {
			if t, ok := v.string(first); ok {
				return key{s: t}
			}
			return missing
		}
		list := v.strings(row, nil)
		switch {
		case len(list) == 0:
			return missing
		case high:
			return key{s: list[len(list)-1]}
		}
		return key{s: list[0]}
	}
}

// place is a document's number among all of a search.
func place(index int, seq int64) int64 { return int64(index)<<40 | seq }

func pickWhole(list []int64, mode string, high bool) int64 {
	n, sum := len(list), int64(0)
	for _, x := range list {
		sum += x
	}
	switch {
	case mode == "sum":
		return sum
	case mode == "avg":
		return int64(math.Floor(float64(sum)/float64(n) + 0.5))
	case mode == "median" && n%2 == 0:
		return int64(math.Floor(float64(list[n/2-1]+list[n/2])/2 + 0.5))
	case mode == "median":
		return list[n/2]
	case high:
		return list[n-1]
	}
	return list[0]
}

func pick(list []float64, mode string, high bool) float64 {
	n, sum := len(list), 0.0
	for _, x := range list {
		sum += x
	}
	switch {
	case mode == "sum":
		return sum
	case mode == "avg":
		return sum / float64(n)
	case mode == "median" && n%2 == 0:
		return (list[n/2-1] + list[n/2]) / 2
	case mode == "median":
		return list[n/2]
	case high:
		return list[n-1]
	}
	return list[0]
}

// setAfter reads search_after.
func (r *running) setAfter(by []*sorter, after []body.Value) error {
	for i, v := range after {
		if i == len(by) { // the place of a point in time, behind what was sorted by
			n, err := source{kind: ints}.parseKey(v, nil, nil, r.now)
			if err != nil {
				return err
			}
			r.afterPlace = &n.n
			return nil
		}
		for n := range r.indices {
			src := source{kind: by[i].kind}
			if by[i].sources != nil {
				src = by[i].sources[n]
			}
			k, err := r.afterKey(by[i], src, v)
			if err != nil {
				return illegal("Failed to parse search_after value for field [%s].", clip(by[i].Field))
			}
			by[i].after = append(by[i].after, k)
		}
	}
	return nil
}

// afterKey reads a value of search_after as an index has it.
func (r *running) afterKey(s *sorter, src source, v body.Value) (key, error) {
	switch {
	case s.Field == byScore:
		score, err := strconv.ParseFloat(v.Text, 32)
		if err != nil || !v.Scalar() {
			return key{}, illegal("no score")
		}
		return key{n: int64(cmp.Compare(float32(score), float32(r.request.score)))}, nil // the hits' is 0, as all have the same
	case v.Kind == body.Null && s.kind == texts:
		return key{none: true}, nil
	case v.Kind == body.Null:
		return key{}, illegal("no value")
	}
	k, err := src.parseKey(v, s.Format, nil, r.now)
	if err == nil && s.kind == floats && strings.HasSuffix(v.Text, "Infinity") {
		k.x = math.Inf(1 - 2*strings.Count(v.Text[:1], "-"))
	}
	return src.near(k), err
}

// resume goes on behind a hit.
func (r *running) resume(by []*sorter, last *hit) {
	for i, s := range by {
		s.after = slices.Repeat(last.keys[i:i+1], len(r.indices))
	}
	n := place(last.seg.index.position, last.seq)
	r.afterPlace = &n
}

// show writes a sort value.
func (s *sorter) show(w *writer, k key, index int, score float64) {
	switch {
	case s.Field == byScore:
		w.float(score)
	case k.none:
		w.null()
	case s.kind == floats && !math.IsInf(k.x, 0) && s.sources[index].field != nil:
		w.raw([]byte(shortFloat(s.sources[index].field, k.x)))
	case s.kind == floats:
		w.float(k.x)
	case s.kind == texts && s.sources[index].field != nil && s.sources[index].field.Type == mapping.IP:
		w.text(showAddress(k.s))
	case s.kind == texts:
		w.text(k.s)
	case s.Format != nil && s.sources != nil && s.sources[index].field != nil && s.sources[index].field.Type.Dates():
		w.text(s.Format.Print(s.sources[index].moment(k.n)))
	default:
		w.int(k.n)
	}
}

// A hit is a row that was found.
type hit struct {
	keys []key
	seg  *segment
	row  int
	seq  int64
}

// A top keeps the best hits: a heap with the worst first.
type top struct {
	by    []*sorter
	limit int
	hits  []hit
}

func (t *top) full() bool { return len(t.hits) >= t.limit }

// compare orders hits: by their keys, then by index and place among its writes.
func (t *top) compare(a, b *hit) int {
	for i, s := range t.by {
		if c := s.compare(a.keys[i], b.keys[i]); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.seg.index.position, b.seg.index.position), cmp.Compare(a.seq, b.seq))
}

// A taker offers rows of one segment to a top.
type taker struct {
	top  *top
	seg  *segment
	keys []func(row int) key
	seqs []int64
	room []key
	r    *running
}

func (t *top) on(r *running, seg *segment) *taker {
	k := &taker{top: t, seg: seg, seqs: seg.Seqs(), room: make([]key, len(t.by)), r: r}
	for _, s := range t.by {
		k.keys = append(k.keys, s.keys(seg))
	}
	return k
}

func (k *taker) offer(row int) {
	t := k.top
	if t.limit == 0 {
		return
	}
	known := 0
	if len(t.by) > 0 && t.full() {
		// Most rows lose by their first key.
		k.room[0] = k.keys[0](row)
		known = 1
		if t.by[0].compare(k.room[0], t.hits[0].keys[0]) > 0 {
			return
		}
	}
	for i := known; i < len(k.keys); i++ {
		k.room[i] = k.keys[i](row)
	}
	h := hit{k.room, k.seg, row, k.seqs[row]}
	if !k.r.behind(t, &h) || t.full() && t.compare(&h, &t.hits[0]) > 0 {
		return
	}
	h.keys = slices.Clone(k.room)
	t.push(h)
}

// behind says whether the hit comes after what search_after names.
func (r *running) behind(t *top, h *hit) bool {
	for i, s := range t.by {
		if s.after == nil {
			return true
		}
		if c := s.compare(h.keys[i], s.after[h.seg.index.position]); c != 0 {
			return c > 0
		}
	}
	if r.afterPlace != nil && t == r.best {
		return place(h.seg.index.position, h.seq) > *r.afterPlace
	}
	return len(t.by) == 0
}

func (t *top) push(h hit) {
	if !t.full() {
		t.hits = append(t.hits, h)
		for i := len(t.hits) - 1; i > 0; {
			parent := (i - 1) / 2
			if t.compare(&t.hits[i], &t.hits[parent]) <= 0 {
				break
			}
			t.hits[i], t.hits[parent] = t.hits[parent], t.hits[i]
			i = parent
		}
		return
	}
	t.hits[0] = h
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.hits); child++ {
			if t.compare(&t.hits[child], &t.hits[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.hits[i], t.hits[worst] = t.hits[worst], t.hits[i]
		i = worst
	}
}

// sorted are the hits, the best first.
func (t *top) sorted() []hit {
	out := slices.Clone(t.hits)
	slices.SortFunc(out, func(a, b hit) int { return t.compare(&a, &b) })
	return out
}

// beyond says whether no row of the segment can be among the best: its times are those of @timestamp.
func (t *top) beyond(low, high int64) bool {
	if !t.full() || t.limit == 0 {
		return t.limit == 0
	}
	s, k := t.by[0], t.hits[0].keys[0]
	best := low
	if s.Desc {
		best = high
	}
	return s.compare(key{n: s.timeKey(best)}, k) > 0
}

// byTime says whether hits are sorted by @timestamp first, so that a segment's times tell where its rows are.
func byTime(by []*sorter) bool {
	if len(by) == 0 || by[0].Field != "@timestamp" || by[0].MissingFirst || by[0].Missing != nil || by[0].Mode == "sum" {
		return false
	}
	for _, src := range by[0].sources {
		if src.field == nil || !src.field.Type.Dates() || src.field.Null != nil || src.nanos != by[0].sources[0].nanos {
			return false
		}
	}
	return true
}

// timeKey is the key of a moment in nanoseconds.
func (s *sorter) timeKey(ns int64) int64 {
	if s.sources[0].nanos {
		return ns
	}
	return floorDiv(ns, int64(time.Millisecond))
}

// segment is a segment of one of the indices.
type segment struct {
	*block.Segment
	index *indexed

	ready    chan struct{} // closed when the rest is there
	rows     *block.Bitmap // that the query holds for
	hits     *block.Bitmap // of those, what is left by post_filter
	taker    *taker        // of hits, where they can be among the best
	values   []*values     // of what aggregations read, by the field's number
	filtered []*block.Bitmap
}

// forget frees what is not needed when the segment has been collected; a hit may keep the segment.
func (s *segment) forget() { s.rows, s.hits, s.taker, s.values, s.filtered = nil, nil, nil, nil, nil }
