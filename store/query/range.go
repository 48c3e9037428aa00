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
		if f.Keyed && (q.From.Kind == body.Null || q.To.Kind == body.Null) {
			return nil, illegal("[range] queries on keyed [flattened] fields must include both an upper and a lower bound.")
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
	return nil, illegal("Field [%s] of type [%s] does not support range queries", f.Path, f.Type)
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

// integers makes a range of whole numbers.
func integers(f *mapping.Field, q Range) (node, error) {
	limit := limits[mapping.Long]
	if f.Type != mapping.Long {
		limit = limits[mapping.Integer]
	}
	r := &span{low: limit[0], high: limit[1]}
	if q.From.Kind != body.Null {
		n, fraction, err := wholeBound(f, q.From, limit, true)
		if err != nil {
			return nil, err
		}
		r.low = n
		if !q.WithFrom && !fraction {
			if n == limit[1] {
				return none{}, nil
			}
			r.low++
		}
	}
	if q.To.Kind != body.Null {
		n, fraction, err := wholeBound(f, q.To, limit, false)
		if err != nil {
			return nil, err
		}
		r.high = n
		if !q.WithTo && !fraction {
			if n == limit[0] {
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

// wholeBound reads a bound, rounded up or down to a whole number if it has a fraction.
func wholeBound(f *mapping.Field, v body.Value, limit [2]int64, up bool) (n int64, fraction bool, err error) {
	x, err := exact(v)
	if err != nil {
		return 0, false, err
	}
	rounded := new(big.Int).Quo(x.Num(), x.Denom())
	fraction = !x.IsInt()
	if fraction && (x.Sign() > 0) == up { // away from zero where Quo went towards it
		rounded.Add(rounded, big.NewInt(int64(x.Sign())))
	}
	if rounded.Cmp(big.NewInt(limit[0])) < 0 || rounded.Cmp(big.NewInt(limit[1])) > 0 {
		kind := "a long"
		if f.Type != mapping.Long {
			kind = "an integer"
		}
		return 0, false, illegal("Value [%s] is out of range for %s", v.Text, kind)
	}
	return rounded.Int64(), fraction, nil
}

// exact reads a number of any size up to what a double holds.
func exact(v body.Value) (*big.Rat, error) {
	bad := illegal("For input string: %q", v.Text)
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

// holds says whether x is in the span. As in Elasticsearch, -0 is less than 0.
func (r *span) holds(x float64) bool {
	return order(r.floatLow) <= order(x) && order(x) <= order(r.floatHigh)
}

// order gives numbers that are ordered as the bits of floating-point numbers are.
func order(x float64) int64 {
	n := int64(math.Float64bits(x))
	return n ^ n>>63&math.MaxInt64
}

// floats makes a range of numbers.
func floats(f *mapping.Field, q Range) (node, error) {
	r := &span{floatLow: math.Inf(-1), floatHigh: math.Inf(1)}
	if q.From.Kind != body.Null {
		x, err := edge(f, q.From, q.WithFrom, 1)
		if err != nil {
			return nil, err
		}
		r.floatLow = x
	}
	if q.To.Kind != body.Null {
		x, err := edge(f, q.To, q.WithTo, -1)
		if err != nil {
			return nil, err
		}
		r.floatHigh = x
	}
	return numbers(f, r), nil
}

// edge returns a bound as the first number that belongs to the range, in the direction of the range.
func edge(f *mapping.Field, v body.Value, with bool, direction int) (float64, error) {
	x, err := number64(f, v)
	if err != nil {
		return 0, err
	}
	to := math.Inf(direction)
	switch f.Type {
	case mapping.ScaledFloat:
		at, err := scaled(f, v)
		if err != nil {
			return 0, err
		}
		if !with {
			at = math.Nextafter(at, to)
		}
		at = within64(at)
		if direction > 0 {
			return math.Ceil(at) / f.Factor, nil
		}
		return math.Floor(at) / f.Factor, nil
	}
	if !with && x == 0 && math.Signbit(x) == (direction > 0) { // the next to 0 is -0, and the other way round
		return -x, nil
	}
	switch f.Type {
	case mapping.Float, mapping.HalfFloat: // what is kept in 16 bits is compared with the bound in 32
		x = float64(float32(x))
		if !with {
			x = float64(math.Nextafter32(float32(x), float32(to)))
		}
		return x, nil
	}
	if !with {
		x = math.Nextafter(x, to)
	}
	return x, nil
}

// scaled returns a number asked of a scaled_float times its factor, reckoned in decimals.
func scaled(f *mapping.Field, v body.Value) (float64, error) {
	x, err := exact(v)
	if err != nil {
		return 0, err
	}
	x.Mul(x, new(big.Rat).SetFloat64(f.Factor))
	at, _ := x.Float64()
	return at, nil
}

// within64 is a scaled number within what is kept of such, which is a whole number of 64 bits.
func within64(x float64) float64 { return max(-1<<63, min(x, 1<<63)) }

func addresses(f *mapping.Field, q Range) (node, error) {
	read := func(v body.Value) (netip.Addr, error) {
		a, ok := f.Address(v.Text)
		if !ok {
			return a, illegal("'%s' is not an IP string literal.", v.Text)
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
