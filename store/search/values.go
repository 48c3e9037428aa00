package search

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// A kind says how the values of a field are compared.
type kind uint8

const (
	unmapped kind = iota
	ints          // whole numbers, booleans as 0 and 1, dates
	floats
	texts // of ip, the 16 bytes of the address
)

func kindOf(t mapping.Type) kind {
	switch {
	case t.Integers(), t.Dates(), t == mapping.Boolean:
		return ints
	case t.Floats():
		return floats
	case t.Keywords(), t == mapping.IP:
		return texts
	}
	return unmapped
}

// A source is where a field's values are, in one index.
type source struct {
	kind   kind
	field  *mapping.Field // nil: a metadata field, or none of that name
	meta   string
	index  string
	nanos  bool // dates in nanoseconds; else in milliseconds
	absent *key // what stands for a row without values; nil is nothing
}

// source finds the field as sorts (nanos: dates of date_nanos as such) and aggregations read it.
func (ix *indexed) source(name string, nanos bool) (source, error) {
	s := source{index: ix.View.Index()}
	switch name {
	case "_id", "_index":
		s.kind, s.meta = texts, name
		return s, nil
	case "_seq_no", "_version":
		s.kind, s.meta = ints, name
		return s, nil
	}
	f, ok := ix.Mapping.Field(name)
	if !ok {
		return s, nil
	}
	switch {
	case f.Type.Analyzed():
		return s, illegal("Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [%s] in order to load field data by uninverting the inverted index. Note that this can use significant memory.", f.Path)
	case f.Type == mapping.Flattened && !f.Keyed:
		return s, notServed("field [%s] of type [flattened] in a sort or an aggregation", f.Path)
	case kindOf(f.Type) == unmapped:
		return s, illegal("Fielddata is not supported on field [%s] of type [%s]", f.Path, f.Type)
	case !f.DocValues:
		return s, illegal("Can't load fielddata on [%s] because fielddata is unsupported on fields of type [%s]. Use doc values instead.", f.Path, f.Type)
	}
	s.field, s.kind = f, kindOf(f.Type)
	s.nanos = nanos && f.Type == mapping.DateNanos
	return s, nil
}

// single says whether the field's numbers are of 32 bits or fewer: they are sorted by and shown as such.
func (s source) single() bool {
	return s.field != nil && (s.field.Type == mapping.Float || s.field.Type == mapping.HalfFloat)
}

// apart says that the field is of 32 bits in one index and of 64 in another, so that a sort value means two numbers.
func (s source) apart(other source) bool {
	return s.field != nil && other.field != nil && s.single() != other.single()
}

// near makes a number what a hit's is when hits are sorted by it.
func (s source) near(k key) key {
	if s.single() {
		k.x = float64(float32(k.x))
	}
	return k
}

// values are what a source has in one segment. They are numbered as in the column. Number -1 is what stands for a
// row without values.
type values struct {
	col      *block.Column // nil: each row has the value of its number, or all the first, or none has any
	whole    bool          // without a column: each row has the value of its number
	constant bool          // without a column: each row has value 0

	few   bool        // what follows is by code
	codes block.Codes // none: all are 0

	ints   []int64
	scale  int64 // what ints are divided by
	floats []float64
	texts  []string
	text   func(i int) (string, bool) // where texts is nil
	ok     []bool                     // nil: all
	all    bool                       // every row has one value
	absent *key
}

// read makes the values of a segment.
func (s source) read(seg *block.Segment) *values {
	v := &values{scale: 1, absent: s.absent}
	switch {
	case s.meta == "_index":
		v.constant, v.few, v.texts = true, true, []string{s.index}
	case s.meta == "_id":
		v.col = seg.Column(block.ID)
		v.plain(func(x block.Value) (string, bool) { return x.Text, true })
	case s.meta == "_seq_no":
		v.whole, v.ints = true, seg.Seqs()
	case s.meta == "_version":
		v.whole, v.ints = true, seg.Versions()
	case s.field == nil:
	case s.field.Type == mapping.ConstantKeyword && s.field.Value != nil:
		v.constant, v.few, v.texts = true, true, []string{*s.field.Value}
	default:
		if v.col = seg.Column(s.field.Column); v.col != nil {
			s.column(v)
		}
	}
	v.all = v.whole || v.constant || v.col != nil && v.ok == nil && v.col.Single() && v.text == nil
	return v
}

func (s source) column(v *values) {
	f := s.field
	switch s.kind {
	case texts:
		v.plain(func(x block.Value) (string, bool) { return term(f, x) })
		return
	case floats:
		if f.Type == mapping.Double {
			if list, ok := v.col.Floats(); ok && !slices.ContainsFunc(list, func(x float64) bool { return math.IsInf(x, 0) }) {
				v.floats = list
				return
			}
		}
		v.floats, v.ok = convert(v, func(x block.Value) (float64, bool) {
			kind, text, ok := scalar(f, x)
			if !ok {
				return 0, false
			}
			return docValue(f, kind, text)
		})
		return
	}
	if d, _ := v.col.Distinct(); d == nil {
		if f.Type.Integers() {
			if list, ok := v.col.Ints(); ok {
				v.ints = list
				return
			}
		}
		if f.Type.Dates() && f.ISO() {
			if list, ok := v.col.Times(); ok {
				if v.ints = list; !s.nanos {
					v.scale = int64(time.Millisecond)
				}
				return
			}
		}
	}
	v.ints, v.ok = convert(v, func(x block.Value) (int64, bool) {
		kind, text, ok := scalar(f, x)
		if !ok {
			return 0, false
		}
		n, ok := f.Int(kind, text)
		if f.Type == mapping.DateNanos && !s.nanos {
			n = floorDiv(n, int64(time.Millisecond))
		}
		return n, ok
	})
}

// docValue is what a field with fractions has of a scalar beside the document: of scaled_float the whole number that is kept
// times what a step of it is, which may be a last digit away from that number over the factor.
func docValue(f *mapping.Field, kind body.Kind, text string) (float64, bool) {
	if f.Type != mapping.ScaledFloat {
		return f.Float(kind, text)
	}
	n, ok := f.Int(kind, text)
	return float64(n) * (1 / f.Factor), ok
}

// compareFloats orders numbers as Java does: -0 is less than 0.
func compareFloats(a, b float64) int {
	if a == 0 && b == 0 {
		return cmp.Compare(btoi(math.Signbit(b)), btoi(math.Signbit(a)))
	}
	return cmp.Compare(a, b)
}

// scalar is what a field makes its value of; null stands for something only where the mapping says so.
func scalar(f *mapping.Field, v block.Value) (body.Kind, string, bool) {
	switch v.Kind {
	case block.String:
		return body.String, v.Text, true
	case block.Number:
		return body.Number, v.Text, true
	case block.Bool:
		return body.Bool, v.Text, true
	}
	if f.Null == nil {
		return body.Null, "", false
	}
	return f.Null.Kind, f.Null.Text, true
}

func term(f *mapping.Field, v block.Value) (string, bool) {
	_, text, ok := scalar(f, v)
	if !ok {
		return "", false
	}
	if f.Type == mapping.IP {
		a, ok := f.Address(text)
		return packAddress(a), ok
	}
	return f.Term(text)
}

func packAddress(a netip.Addr) string {
	b := a.As16()
	return string(b[:])
}

// convert fills a list with all values of the column, or its distinct ones.
func convert[T any](v *values, f func(block.Value) (T, bool)) (list []T, ok []bool) {
	distinct, codes := v.col.Distinct()
	n, at := v.col.Len(), v.col.At
	if distinct != nil {
		v.few, v.codes = true, codes
		n, at = len(distinct), func(i int) block.Value { return distinct[i] }
	}
	list, ok = make([]T, n), make([]bool, n)
	every := true
	for i := range n {
		list[i], ok[i] = f(at(i))
		every = every && ok[i]
	}
	if every {
		ok = nil
	}
	return list, ok
}

// plain makes texts, one by one where they are many.
func (v *values) plain(f func(block.Value) (string, bool)) {
	if v.col == nil {
		return
	}
	if distinct, _ := v.col.Distinct(); distinct != nil {
		v.texts, v.ok = convert(v, f)
		return
	}
	v.text = func(i int) (string, bool) { return f(v.col.At(i)) }
}

func (v *values) span(row int) (first, end int) {
	switch {
	case v.all && !v.constant:
		return row, row + 1
	case v.col != nil:
		return v.col.Range(row)
	case v.whole:
		return row, row + 1
	case v.constant:
		return 0, 1
	}
	return 0, 0
}

// code is the place of a value in the lists.
func (v *values) code(i int) int {
	switch {
	case !v.few:
		return i
	case v.codes.None():
		return 0
	}
	return v.codes.At(i)
}

func (v *values) int(i int) (int64, bool) {
	c := v.code(i)
	if v.ok != nil && !v.ok[c] {
		return 0, false
	}
	if v.scale != 1 {
		return floorDiv(v.ints[c], v.scale), true
	}
	return v.ints[c], true
}

func (v *values) float(i int) (float64, bool) {
	c := v.code(i)
	if v.ok != nil && !v.ok[c] {
		return 0, false
	}
	return v.floats[c], true
}

func (v *values) string(i int) (string, bool) {
	if v.texts == nil {
		return v.text(i)
	}
	c := v.code(i)
	if v.ok != nil && !v.ok[c] {
		return "", false
	}
	return v.texts[c], true
}

// numbers adds the values of a row, in ascending order.
func (v *values) numbers(row int, to []float64) []float64 {
	n := len(to)
	first, end := v.span(row)
	for i := first; i < end; i++ {
		if v.floats != nil {
			if x, ok := v.float(i); ok {
				to = append(to, x)
			}
		} else if x, ok := v.int(i); ok {
			to = append(to, float64(x))
		}
	}
	if len(to) == n && v.absent != nil {
		return append(to, v.absent.number())
	}
	if len(to) > n+1 {
		slices.SortFunc(to[n:], compareFloats)
	}
	return to
}

// direct gives the whole numbers by row, if each row has one; what is in them is to be divided by scale.
func (v *values) direct() (list []int64, scale int64, ok bool) {
	return v.ints, v.scale, v.all && !v.few && v.ints != nil
}

// coded gives the distinct texts and which of them each row has, if each has one; no codes: the first.
func (v *values) coded() (distinct []string, codes block.Codes, ok bool) {
	return v.texts, v.codes, v.all && v.few && v.texts != nil
}

// wholes adds the whole numbers of a row, in ascending order.
func (v *values) wholes(row int, to []int64) []int64 {
	n := len(to)
	first, end := v.span(row)
	for i := first; i < end; i++ {
		if x, ok := v.int(i); ok {
			to = append(to, x)
		}
	}
	if len(to) == n && v.absent != nil {
		return append(to, v.absent.n)
	}
	if len(to) > n+1 {
		slices.Sort(to[n:])
	}
	return to
}

// strings adds the distinct texts of a row, in ascending order.
func (v *values) strings(row int, to []string) []string {
	n := len(to)
	first, end := v.span(row)
	for i := first; i < end; i++ {
		if x, ok := v.string(i); ok {
			to = append(to, x)
		}
	}
	if len(to) == n && v.absent != nil {
		return append(to, v.absent.s)
	}
	if len(to) > n+1 {
		slices.Sort(to[n:])
		to = append(to[:n], slices.Compact(to[n:])...)
	}
	return to
}

// has says whether a row has a value.
func (v *values) has(row int) bool {
	if v.all || v.absent != nil {
		return true
	}
	first, end := v.span(row)
	for i := first; i < end; i++ {
		ok := true
		switch {
		case v.text != nil:
			_, ok = v.text(i)
		case v.ok != nil:
			ok = v.ok[v.code(i)]
		}
		if ok {
			return true
		}
	}
	return false
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// whole cuts off the fraction of a number; what is beyond an int64 becomes the last of them.
func whole(x float64) int64 {
	switch {
	case x >= 1<<63:
		return math.MaxInt64
	case x < -1<<63:
		return math.MinInt64
	}
	return int64(x)
}

// A key is a value to compare: the number n, the number x or the text s, as the kind says.
type key struct {
	n    int64
	x    float64
	s    string
	none bool // of texts: there is none
}

// number is the key of a source of numbers as a floating-point number.
func (k key) number() float64 {
	if k.n != 0 {
		return float64(k.n)
	}
	return k.x
}

// parseKey reads a value of a request as a field's values are. Dates may have the format given, or the field's.
func (s source) parseKey(v body.Value, format *mapping.Format, zone *time.Location, now time.Time) (key, error) {
	switch {
	case !v.Scalar():
		return key{}, illegal("a value must be a scalar, not [%s]", v.Kind)
	case s.kind == texts && s.field != nil && s.field.Type == mapping.IP:
		a, ok := s.field.Address(v.Text)
		if !ok {
			return key{}, illegal("'%s' is not an IP string literal.", clip(v.Text))
		}
		return key{s: packAddress(a)}, nil
	case s.kind == texts || s.kind == unmapped:
		return key{s: v.Text}, nil
	case s.field != nil && s.field.Type.Dates():
		return s.parseDate(v, format, zone, now)
	case s.kind == ints && (v.Kind == body.Bool || s.field != nil && s.field.Type == mapping.Boolean && (v.Text == "true" || v.Text == "false")):
		if v.Text == "true" {
			return key{n: 1}, nil
		}
		return key{}, nil
	}
	if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil && s.kind == ints {
		return key{n: n}, nil
	}
	x, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || x != x {
		return key{}, &Error{Type: "number_format_exception", Reason: "For input string: " + strconv.Quote(clip(v.Text))}
	}
	if s.kind == ints {
		return key{n: whole(x)}, nil
	}
	return key{x: x}, nil
}

func (s source) parseDate(v body.Value, format *mapping.Format, zone *time.Location, now time.Time) (key, error) {
	// A whole number is the moment as the field keeps it, unless the format reads it otherwise.
	if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil && (format == nil || v.Kind == body.Number || !strings.Contains(format.String(), "epoch")) {
		return key{n: n}, nil
	}
	if format == nil {
		format = s.field.Format
	}
	if zone == nil {
		zone = time.UTC
	}
	t, err := format.ParseMath(v.Text, now, false, zone)
	if err != nil {
		return key{}, illegal("failed to parse date field [%s] with format [%s]", clip(v.Text), format)
	}
	if s.nanos {
		return key{n: t.UnixNano()}, nil
	}
	return key{n: t.UnixMilli()}, nil
}

// moment is the time of a whole number of a date field.
func (s source) moment(n int64) time.Time {
	if s.nanos {
		return time.Unix(0, n).UTC()
	}
	return time.UnixMilli(n).UTC()
}

// showAddress is the text of packed bytes.
func showAddress(s string) string {
	a, ok := netip.AddrFromSlice([]byte(s))
	if !ok {
		return s
	}
	return a.Unmap().String()
}
