package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// histogramSpec is date_histogram and histogram.
type histogramSpec struct {
	date, keyed      bool
	field, format    string
	rounding         rounding // of dates
	interval, offset float64  // of numbers
	least            int64
	order            []order
	missing          *body.Value
	extended, hard   *bounds
}

type bounds struct{ low, high body.Value }

func (histogramSpec) many() bool { return true }

func parseDateHistogram(p *parser, v body.Value) spec {
	s := histogramSpec{date: true, rounding: rounding{zone: time.UTC}, order: []order{{"_key", false}}}
	for _, m := range v.Members {
		switch m.Name {
		case "interval", "calendar_interval", "fixed_interval":
			p.interval(m.Name, m.Value, &s.rounding)
		case "time_zone":
			s.rounding.zone = p.zone(m.Value)
		case "offset":
			text := p.text(m.Name, m.Value)
			back := strings.HasPrefix(text, "-")
			d, err := ParseDuration(strings.TrimLeft(text, "+-"))
			if err != nil {
				p.fail(illegal("failed to parse [offset] with value [%s] as a time value", clip(text)))
			}
			if s.rounding.offset = d.Milliseconds(); back {
				s.rounding.offset = -s.rounding.offset
			}
		case "format":
			s.format = p.text(m.Name, m.Value)
		default:
			p.histogramOption(&s, "date_histogram", m)
		}
	}
	p.needField(s.field)
	if s.rounding.unit == "" && s.rounding.millis == 0 {
		p.fail(illegal("Invalid interval specified, must be non-null and non-empty"))
	}
	return s
}

func parseHistogram(p *parser, v body.Value) spec {
	s := histogramSpec{order: []order{{"_key", false}}}
	for _, m := range v.Members {
		switch m.Name {
		case "interval":
			s.interval = p.float(m.Name, m.Value)
		case "offset":
			s.offset = p.float(m.Name, m.Value)
		default:
			p.histogramOption(&s, "histogram", m)
		}
	}
	p.needField(s.field)
	if !(s.interval > 0) || math.IsInf(s.interval, 0) {
		p.fail(illegal("[interval] must be >0 for histogram aggregation"))
	}
	return s
}

func (p *parser) histogramOption(s *histogramSpec, kind string, m body.Member) {
	switch m.Name {
	case "field":
		s.field = p.text(m.Name, m.Value)
	case "keyed":
		s.keyed = p.flag(m.Name, m.Value)
	case "min_doc_count":
		s.least = int64(p.int(m.Name, m.Value, 0, 1<<31-1))
	case "order":
		s.order = p.orders(m.Value)
	case "missing":
		s.missing = &m.Value
	case "extended_bounds":
		s.extended = p.bounds(m.Value)
	case "hard_bounds":
		s.hard = p.bounds(m.Value)
	default:
		p.fail(malformed("[%s] with [%s] is not served here", kind, clip(m.Name)))
	}
}

func (p *parser) bounds(v body.Value) *bounds {
	b := &bounds{}
	for _, m := range v.Members {
		switch m.Name {
		case "min":
			b.low = m.Value
		case "max":
			b.high = m.Value
		default:
			p.fail(malformed("[bounds] unknown field [%s]", clip(m.Name)))
		}
	}
	return b
}

func (s histogramSpec) collector(x *running, a *Aggregation) (collector, error) {
	f, err := x.fieldOr(s.field, s.missing, s.format, true)
	if err != nil {
		return nil, err
	}
	if s.date && f.kind == floats && f.first.kind != unmapped {
		return nil, notServed("[date_histogram] of numbers with a fraction")
	}
	if f.kind == texts && f.first.kind == texts {
		return nil, illegal("Field [%s] is not supported for aggregation [%s]", clip(s.field), a.Kind)
	}
	if f.kind == texts { // of a value for what is missing
		f.kind = unmapped
	}
	c := &histogram{spec: s, field: f, ords: ordinals{x: x}, hardLow: math.MinInt64, hardHigh: math.MaxInt64, from: math.MaxInt64, to: math.MinInt64}
	if s.extended != nil {
		if err := c.setBounds(s.extended, &c.from, &c.to, x); err != nil {
			return nil, err
		}
	}
	if s.hard != nil {
		if err := c.setBounds(s.hard, &c.hardLow, &c.hardHigh, x); err != nil {
			return nil, err
		}
	}
	if c.buckets, err = x.newBuckets(a); err != nil {
		return nil, err
	}
	return c, c.check(s.order)
}

// histogram has a bucket for each interval in each of the parent's. An interval's key is the moment it begins, or for
// numbers its place among the intervals from 0.
type histogram struct {
	buckets
	spec              histogramSpec
	field             *field
	ords              ordinals
	from, to          int64 // keys to show though nothing is there; from > to: none
	hardLow, hardHigh int64 // keys to count

	low, high, key int64 // of dates: the interval that was found last
	nums           []float64
	ints           []int64
}

func (c *histogram) setBounds(b *bounds, low, high *int64, x *running) error {
	for _, one := range []struct {
		v  body.Value
		to *int64
	}{{b.low, low}, {b.high, high}} {
		if one.v.Kind == 0 || one.v.Kind == body.Null {
			continue
		}
		src := c.field.first
		if src.kind == unmapped {
			if src.kind = floats; c.spec.date {
				continue
			}
		}
		k, err := src.parseKey(one.v, c.field.format, c.spec.rounding.zone, x.now)
		if err != nil {
			return err
		}
		if c.spec.date {
			*one.to = c.spec.rounding.floor(k.n)
		} else {
			*one.to = c.spec.place(k.number())
		}
	}
	return nil
}

// place is the number of the interval that x is in.
func (s *histogramSpec) place(x float64) int64 {
	n := math.Floor((x - s.offset) / s.interval)
	return int64(max(-1<<62, min(n, 1<<62)))
}

func (c *histogram) collect(s *segment, rows, parents []int32) error {
	v := c.field.on(s)
	if !c.spec.date {
		return c.collectNumbers(s, v, rows, parents)
	}
	if c.field.kind == unmapped {
		return nil
	}
	if list, scale, ok := v.direct(); ok {
		return c.collectDirect(s, list, scale, rows, parents)
	}
	for i, row := range rows {
		c.ints = v.wholes(int(row), c.ints[:0])
		for j, n := range c.ints {
			k := c.interval(n)
			if j > 0 && k == c.interval(c.ints[j-1]) {
				continue
			}
			if err := c.add(row, parents[i], k); err != nil {
				return err
			}
		}
	}
	return c.flush(s)
}

// interval is the beginning of the interval that a moment is in.
func (c *histogram) interval(n int64) int64 {
	if c.low <= n && n < c.high {
		return c.key
	}
	c.key = c.spec.rounding.floor(n)
	c.low, c.high = n, n+1
	if c.spec.rounding.zone == time.UTC { // elsewhere an interval can be in pieces
		c.low, c.high = c.key, c.spec.rounding.next(c.key)
	}
	return c.key
}

// collectDirect is collect where each row has one date, which is to be divided by scale.
func (c *histogram) collectDirect(s *segment, list []int64, scale int64, rows, parents []int32) error {
	var low, high int64 // the interval that was found last, by the dates in list
	last, parent := int32(-1), int32(-1)
	kept, into := c.room(len(rows))
	n := 0
	for i, row := range rows {
		at := list[row]
		if at < low || at >= high || parents[i] != parent {
			key := c.interval(floorDiv(at, scale))
			low, high, parent = at, at, parents[i]
			if c.high < math.MaxInt64/scale && c.low > math.MinInt64/scale {
				low, high = c.low*scale, c.high*scale
			}
			if last = -1; !c.outside(key) {
				var err error
				if last, err = c.ords.get(parent, key); err != nil {
					return err
				}
			}
		}
		kept[n], into[n] = row, last
		if last >= 0 {
			n++
		}
	}
	c.rows, c.into = kept[:n], into[:n]
	return c.flush(s)
}

// outside says whether an interval is not to be counted.
func (c *histogram) outside(key int64) bool {
	return key < c.hardLow || key > c.hardHigh || key == c.hardHigh && c.spec.date
}

func (c *histogram) collectNumbers(s *segment, v *values, rows, parents []int32) error {
	for i, row := range rows {
		c.nums = v.numbers(int(row), c.nums[:0])
		for j, x := range c.nums {
			k := c.spec.place(x)
			if j > 0 && k == c.spec.place(c.nums[j-1]) {
				continue
			}
			if err := c.add(row, parents[i], k); err != nil {
				return err
			}
		}
	}
	return c.flush(s)
}

func (c *histogram) add(row, parent int32, key int64) error {
	if c.outside(key) {
		return nil
	}
	ord, err := c.ords.get(parent, key)
	if err == nil {
		c.put(row, ord)
	}
	return err
}

// A bar is an interval to show; ord is -1 where nothing is in it.
type bar struct {
	key int64
	ord int32
}

// bars are the intervals to show for one of the parent's buckets, by key.
func (c *histogram) bars(parent int32) ([]bar, error) {
	found := slices.Clone(c.ords.list(parent))
	slices.SortFunc(found, func(a, b int32) int { return cmp.Compare(c.ords.keys[a], c.ords.keys[b]) })
	var out []bar
	if c.spec.least > 0 {
		for _, ord := range found {
			if c.count(ord) >= c.spec.least {
				out = append(out, bar{c.ords.keys[ord], ord})
			}
		}
		return out, nil
	}
	from, to := c.from, c.to
	if from == math.MaxInt64 && len(found) > 0 {
		from = c.ords.keys[found[0]]
	}
	if to == math.MinInt64 && len(found) > 0 {
		to = c.ords.keys[found[len(found)-1]]
	}
	if len(found) > 0 {
		from, to = min(from, c.ords.keys[found[0]]), max(to, c.ords.keys[found[len(found)-1]])
	}
	for key := from; key <= to; {
		b := bar{key, -1}
		for len(found) > 0 && c.ords.keys[found[0]] <= key {
			// A key before the next one is that of an interval that a change of the clocks has cut off.
			if k := c.ords.keys[found[0]]; k < key {
				out = append(out, bar{k, found[0]})
			} else {
				b.ord = found[0]
			}
			found = found[1:]
		}
		out = append(out, b)
		if len(out) > maxBuckets {
			return nil, c.written(&writer{buckets: maxBuckets})
		}
		next := key + 1
		if c.spec.date {
			next = c.spec.rounding.next(key)
		}
		if next <= key {
			break
		}
		key = next
	}
	for _, ord := range found {
		out = append(out, bar{c.ords.keys[ord], ord})
	}
	return out, nil
}

func (c *histogram) write(w *writer, parent int32) error {
	bars, err := c.bars(parent)
	if err != nil {
		return err
	}
	if err := c.arrange(bars); err != nil {
		return err
	}
	w.name("buckets").open("[{"[btoi(c.spec.keyed)])
	for _, b := range bars {
		text, other := c.text(b.key)
		if c.spec.keyed {
			w.name(text)
		}
		w.open('{')
		if other {
			w.name("key_as_string").text(text)
		}
		if c.spec.date {
			w.name("key").int(b.key)
		} else {
			w.name("key").float(c.spec.number(b.key))
		}
		if err := c.rest(w, b.ord); err != nil {
			return err
		}
	}
	w.close("]}"[btoi(c.spec.keyed)])
	return nil
}

// number is the key that is shown of an interval of numbers.
func (s *histogramSpec) number(place int64) float64 { return float64(place)*s.interval + s.offset }

// text is how the key of an interval is shown as text; other says that it is shown beside the number.
func (c *histogram) text(key int64) (text string, other bool) {
	switch {
	case !c.spec.date:
		return c.field.text(c.spec.number(key), time.UTC)
	case c.field.first.kind == unmapped:
		return time.UnixMilli(key).In(c.spec.rounding.zone).Format(time.RFC3339), false
	case c.field.dates():
		return c.field.format.Print(source{}.moment(key).In(c.spec.rounding.zone)), true
	}
	text, other = c.field.text(float64(key), time.UTC)
	if !other {
		text = strconv.FormatInt(key, 10)
	}
	return text, other
}

// arrange sorts the intervals, which are in the order of their keys, as was asked for.
func (c *histogram) arrange(bars []bar) error {
	by := c.spec.order
	if by[0].by == "_key" {
		if by[0].desc {
			slices.Reverse(bars)
		}
		return nil
	}
	// Those without rows have no number to be found by: they get one for the time being.
	list, key := make([]int32, len(bars)), make(map[int32]bar)
	empty := int32(-1)
	for i, b := range bars {
		list[i] = b.ord
		if b.ord < 0 {
			list[i] = empty
			empty--
		}
		key[list[i]] = b
	}
	err := c.sort(list, by, func(a, b int32) int { return cmp.Compare(key[a].key, key[b].key) })
	for i, ord := range list {
		bars[i] = key[ord]
	}
	return err
}

func (c *histogram) value(int32, string) (float64, bool) { return 0, false }

func (c *histogram) typed() string {
	if c.spec.date {
		return "date_histogram"
	}
	return "histogram"
}
