package query

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// between makes a range query for a field.
func between(f *mapping.Field, q Range, now time.Time) (node, error) {
	if q.Zone != "" && !f.Type.Dates() {
		return nil, fmt.Errorf("Field [%s] of type [%s] does not support custom time zones", f.Path, f.Type) //nolint:staticcheck // Elasticsearch's words
	}
	if q.Format != "" && !f.Type.Dates() {
		return nil, fmt.Errorf("Field [%s] of type [%s] does not support DISJOINT ranges", f.Path, f.Type) //nolint:staticcheck
	}
	if !f.Index && f.Type != mapping.ConstantKeyword {
		return nil, notIndexed(f)
	}
	if q.From.Kind == body.Null && q.To.Kind == body.Null {
		return exists(f), nil
	}
	switch {
	case f.Type.Dates():
		return dates(f, q, now)
	case f.Type.Integers():
		return integers(f, q)
	case f.Type.Floats():
		return floats(f, q)
	case f.Type == mapping.IP:
		return addresses(f, q)
	case f.Type == mapping.Boolean:
		return booleans(f, q)
	case f.Type == mapping.ConstantKeyword:
		return constant(f, q.texts(f)), nil
	case f.Type.Keywords():
		if f.Type == mapping.Flattened && !f.Keyed && f.Null != nil {
			return nil, fmt.Errorf("[range] on field [%s] of type [flattened] is not served here", f.Path)
		}
		in := q.texts(f)
		l := newLeaf(f, cheap, func(_ body.Kind, s string) bool {
			t, ok := f.Term(s)
			return ok && in(t)
		})
		return l, nil
	case f.Type.Analyzed():
		in := q.texts(f)
		a := f.Analyzer
		l := newLeaf(f, word, func(_ body.Kind, s string) bool { return anyTerm(a, s, in) })
		l.mark = marking(a, in)
		return l, nil
	}
	return nil, fmt.Errorf("Field [%s] of type [%s] does not support range queries", f.Path, f.Type) //nolint:staticcheck // Elasticsearch's words
}

// texts says which terms are in the range, by their bytes.
func (q Range) texts(f *mapping.Field) func(string) bool {
	from, to := q.From.Text, q.To.Text
	if f.Lowercase {
		from, to = mapping.Standard.Fold(from), mapping.Standard.Fold(to)
	}
	return func(s string) bool {
		if q.From.Kind != body.Null && (s < from || s == from && !q.WithFrom) {
			return false
		}
		return q.To.Kind == body.Null || s < to || s == to && q.WithTo
	}
}

// dates makes a range of moments. A bound that leaves something open means its first moment or its last, so
// that the range takes in all of a bound that belongs to it and nothing of one that does not.
func dates(f *mapping.Field, q Range, now time.Time) (node, error) {
	format, zone := f.Format, time.UTC
	if q.Format != "" {
		var err error
		if format, err = mapping.ParseFormat(q.Format); err != nil {
			return nil, err
		}
	}
	if q.Zone != "" {
		var err error
		if zone, err = mapping.ParseZone(q.Zone); err != nil {
			return nil, err
		}
	}
	r := &span{low: math.MinInt64, high: math.MaxInt64}
	if f.Type == mapping.DateNanos {
		r.low = 0
	}
	if q.From.Kind != body.Null {
		t, err := format.ParseMath(q.From.Text, now, !q.WithFrom, zone)
		if err != nil {
			return nil, err
		}
		if r.low, err = f.Moment(t); err != nil {
			return nil, err
		}
		if !q.WithFrom {
			if r.low == math.MaxInt64 {
				return none{}, nil
			}
			r.low++
		}
	}
	if q.To.Kind != body.Null {
		t, err := format.ParseMath(q.To.Text, now, q.WithTo, zone)
		if err != nil {
			return nil, err
		}
		if r.high, err = f.Moment(t); err != nil {
			return nil, err
		}
		if !q.WithTo {
			if r.high == math.MinInt64 {
				return none{}, nil
			}
			r.high--
		}
	}
	if r.low > r.high {
		return none{}, nil
	}
	return numbers(f, r), nil
}

var limits = map[mapping.Type][2]int64{
	mapping.Long: {math.MinInt64, math.MaxInt64}, mapping.Integer: {math.MinInt32, math.MaxInt32},
	mapping.Short: {math.MinInt16, math.MaxInt16}, mapping.Byte: {math.MinInt8, math.MaxInt8},
}

// integers makes a range of whole numbers. A bound beyond what the type can hold is as good as none.
func integers(f *mapping.Field, q Range) (node, error) {
	limit := limits[f.Type]
	r := &span{low: limit[0], high: limit[1]}
	bound := func(v body.Value, up bool) (n int64, fraction bool, out int, err error) {
		x, err := exact(v)
		if err != nil {
			return 0, false, 0, err
		}
		whole := new(big.Int).Quo(x.Num(), x.Denom())
		fraction = !x.IsInt()
		if fraction && (x.Sign() > 0) == up { // away from zero where Quo went towards it
			whole.Add(whole, big.NewInt(int64(x.Sign())))
		}
		switch {
		case whole.Cmp(big.NewInt(limit[0])) < 0:
			return 0, fraction, -1, nil
		case whole.Cmp(big.NewInt(limit[1])) > 0:
			return 0, fraction, 1, nil
		}
		return whole.Int64(), fraction, 0, nil
	}
	if q.From.Kind != body.Null {
		n, fraction, out, err := bound(q.From, true)
		switch {
		case err != nil:
			return nil, err
		case out > 0:
			return none{}, nil
		case out == 0:
			r.low = n
			if !q.WithFrom && !fraction {
				if n == limit[1] {
					return none{}, nil
				}
				r.low++
			}
		}
	}
	if q.To.Kind != body.Null {
		n, fraction, out, err := bound(q.To, false)
		switch {
		case err != nil:
			return nil, err
		case out < 0:
			return none{}, nil
		case out == 0:
			r.high = n
			if !q.WithTo && !fraction {
				if n == limit[0] {
					return none{}, nil
				}
				r.high--
			}
		}
	}
	if r.low > r.high {
		return none{}, nil
	}
	return numbers(f, r), nil
}

// exact reads a number of any size up to what a double holds.
func exact(v body.Value) (*big.Rat, error) {
	bad := fmt.Errorf("For input string: %q", v.Text) //nolint:staticcheck // Java's words
	if len(v.Text) > 400 || strings.ContainsAny(v.Text, "/xXpP_oObB") {
		return nil, bad
	}
	if i := strings.IndexAny(v.Text, "eE"); i >= 0 && len(v.Text)-i > 5 {
		return nil, bad
	}
	x, ok := new(big.Rat).SetString(v.Text)
	if !ok {
		return nil, bad
	}
	return x, nil
}

// floats makes a range of numbers. The bounds are rounded as values are, but never so that they take in more.
func floats(f *mapping.Field, q Range) (node, error) {
	r := &span{floatLow: math.Inf(-1), floatHigh: math.Inf(1)}
	read := func(v body.Value) (float64, error) {
		wide := *f
		wide.Type = mapping.Double
		return number64(&wide, v)
	}
	if q.From.Kind != body.Null {
		x, err := read(q.From)
		if err != nil {
			return nil, err
		}
		r.floatLow = f.Nearest(x)
		switch {
		case f.Type == mapping.ScaledFloat:
			r.floatLow = scaled(f, x, q.WithFrom, true)
		case !q.WithFrom:
			r.floatLow = next(f, r.floatLow, 1)
		}
	}
	if q.To.Kind != body.Null {
		x, err := read(q.To)
		if err != nil {
			return nil, err
		}
		r.floatHigh = f.Nearest(x)
		switch {
		case f.Type == mapping.ScaledFloat:
			r.floatHigh = scaled(f, x, q.WithTo, false)
		case !q.WithTo:
			r.floatHigh = next(f, r.floatHigh, -1)
		}
	}
	return numbers(f, r), nil
}

// scaled returns the first number from x up, or down, that a scaled_float can hold.
func scaled(f *mapping.Field, x float64, with, up bool) float64 {
	at := x * f.Factor
	if up {
		n := math.Ceil(at)
		if !with && n == at {
			n++
		}
		return n / f.Factor
	}
	n := math.Floor(at)
	if !with && n == at {
		n--
	}
	return n / f.Factor
}

// next returns the number beside x that the field can hold.
func next(f *mapping.Field, x float64, direction int) float64 {
	to := math.Inf(direction)
	switch f.Type {
	case mapping.Float:
		return float64(math.Nextafter32(float32(x), float32(to)))
	case mapping.HalfFloat:
		if math.IsInf(x, 0) {
			return x
		}
		step := math.Ldexp(1, -24)
		if a := math.Abs(x); a >= math.Ldexp(1, -14) {
			_, e := math.Frexp(a)
			step = math.Ldexp(1, e-11)
		}
		return x + float64(direction)*step/2 // no number of 16 bits lies between
	}
	return math.Nextafter(x, to)
}

func addresses(f *mapping.Field, q Range) (node, error) {
	read := func(v body.Value) (netip.Addr, error) {
		a, ok := f.Address(v.Text)
		if !ok {
			return a, fmt.Errorf("'%s' is not an IP string literal.", v.Text) //nolint:staticcheck // Elasticsearch's words
		}
		return a, nil
	}
	var from, to netip.Addr
	var err error
	if q.From.Kind != body.Null {
		if from, err = read(q.From); err != nil {
			return nil, err
		}
	}
	if q.To.Kind != body.Null {
		if to, err = read(q.To); err != nil {
			return nil, err
		}
	}
	return newLeaf(f, cheap, func(_ body.Kind, s string) bool {
		a, ok := f.Address(s)
		if !ok {
			return false
		}
		if q.From.Kind != body.Null {
			if c := a.Compare(from); c < 0 || c == 0 && !q.WithFrom {
				return false
			}
		}
		if q.To.Kind != body.Null {
			if c := a.Compare(to); c > 0 || c == 0 && !q.WithTo {
				return false
			}
		}
		return true
	}), nil
}

func booleans(f *mapping.Field, q Range) (node, error) {
	low, high := int64(0), int64(1)
	if q.From.Kind != body.Null {
		n, err := boolean(q.From)
		if err != nil {
			return nil, err
		}
		low = n
		if !q.WithFrom {
			low++
		}
	}
	if q.To.Kind != body.Null {
		n, err := boolean(q.To)
		if err != nil {
			return nil, err
		}
		high = n
		if !q.WithTo {
			high--
		}
	}
	if low > high {
		return none{}, nil
	}
	return truth(f, low, high), nil
}
