package query

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// kinds are the store's kinds of values as JSON's.
var kinds = [...]body.Kind{block.String: body.String, block.Number: body.Number, block.Bool: body.Bool, block.Null: body.Null}

// What a leaf costs for each value it looks at.
const (
	cheap  = 10 // whole terms, mostly few distinct ones
	number = 5
	word   = 100
	dear   = 300 // phrases, patterns
)

func notIndexed(f *mapping.Field) error {
	return illegal("Cannot search on field [%s] since it is not indexed.", f.Path)
}

// newLeaf makes a leaf of a test for the text of values; null counts as what the field says that it stands for.
func newLeaf(f *mapping.Field, effort int, test func(kind body.Kind, text string) bool) *leaf {
	l := &leaf{field: f, effort: effort}
	l.test = func(v block.Value) bool { return v.Kind != block.Null && test(kinds[v.Kind], v.Text) }
	if f.Null != nil {
		holds := test(f.Null.Kind, f.Null.Text)
		l.test = func(v block.Value) bool {
			if v.Kind == block.Null {
				return holds
			}
			return test(kinds[v.Kind], v.Text)
		}
	}
	return l
}

// looking adds what must be among a column's values or words; null that stands for something is neither.
func (l *leaf) looking(values, tokens []string) *leaf {
	if l.field.Null == nil {
		l.values, l.tokens = values, tokens
	}
	return l
}

// term makes the query for one exact value.
func term(f *mapping.Field, v body.Value, fold bool, now time.Time) (node, error) {
	if !f.Index && f.Type != mapping.ConstantKeyword {
		return nil, notIndexed(f)
	}
	if fold && !f.Type.Keywords() && !f.Type.Analyzed() {
		return nil, fmt.Errorf("[%s] field which is of type [%s], does not support case insensitive term queries", f.Path, f.Type)
	}
	switch {
	case f.Type.Keywords(), f.Type.Analyzed():
		text := v.Text
		if fold {
			return Pattern{Kind: "term", Text: text, Fold: true}.plain(f)
		}
		if f.Lowercase {
			text = mapping.Standard.Fold(text)
		}
		return exactly(f, text), nil
	case f.Type == mapping.Boolean:
		want, err := boolean(v)
		if err != nil {
			return nil, err
		}
		return truth(f, want, want), nil
	case f.Type.Dates():
		return dates(f, Range{From: v, To: v, WithFrom: true, WithTo: true}, now)
	case f.Type == mapping.IP:
		return address(f, v.Text)
	case f.Type.Integers():
		return integer(f, v)
	case f.Type.Floats():
		return float(f, v)
	}
	return nil, illegal("Field [%s] of type [%s] does not support term queries", f.Path, f.Type)
}

// exactly holds for values with this term: all of a keyword, or one of a text's.
func exactly(f *mapping.Field, term string) node {
	switch {
	case f.Type == mapping.ConstantKeyword:
		return constant(f, func(s string) bool { return s == term })
	case f.Type.Keywords():
		if _, ok := f.Term(term); !ok {
			return none{}
		}
		l := newLeaf(f, cheap, func(_ body.Kind, s string) bool { return s == term })
		l.mark = whole(func(s string) bool { return s == term })
		if !f.Lowercase {
			return l.looking([]string{term}, nil)
		}
		same := func(s string) bool { t, ok := f.Term(s); return ok && t == term }
		l = newLeaf(f, cheap, func(_ body.Kind, s string) bool { return same(s) })
		l.mark = whole(same)
		return l
	}
	a := f.Analyzer
	if a == mapping.Standard && isASCII(term) && !isTerm(term) {
		return none{}
	}
	l := newLeaf(f, word, func(_ body.Kind, s string) bool { return hasTerm(a, s, term) })
	l.mark = marking(a, func(s string) bool { return s == term })
	return l.looking(nil, sought(a, term))
}

// sought returns what the column's filter can be asked for a term of the analyzer.
func sought(a mapping.Analyzer, term string) []string {
	if a == mapping.Simple || term == "" { // its terms are parts of words
		return nil
	}
	return []string{term}
}

// constant answers for constant_keyword, whose every document has the mapping's value.
func constant(f *mapping.Field, test func(string) bool) node {
	if f.Value != nil && test(*f.Value) {
		return all{}
	}
	return none{}
}

func boolean(v body.Value) (int64, error) {
	switch v.Text {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	return 0, illegal("Can't parse boolean value [%s], expected [true] or [false]", v.Text)
}

// truth holds for booleans from low to high.
func truth(f *mapping.Field, low, high int64) node {
	return newLeaf(f, cheap, func(kind body.Kind, s string) bool {
		n, ok := f.Int(kind, s)
		return ok && low <= n && n <= high
	})
}

// integer holds for one whole number.
func integer(f *mapping.Field, v body.Value) (node, error) {
	n, whole, err := wholeNumber(f, v)
	if err != nil {
		return nil, err
	}
	if !whole {
		return none{}, nil
	}
	return numbers(f, &span{low: n, high: n}), nil
}

// wholeNumber reads a number asked of an integer field; whole is false if it has a fraction.
func wholeNumber(f *mapping.Field, v body.Value) (n int64, whole bool, err error) {
	read := *f
	read.Coerce = true
	if read.Type != mapping.Long { // a byte or short asked for what it cannot hold is not there, and no error
		read.Type = mapping.Integer
	}
	kind := v.Kind
	if kind == body.Bool {
		kind = body.String
	}
	if v.Text == "" {
		return 0, false, illegal("For input string: %q", "")
	}
	x, err := strconv.ParseFloat(v.Text, 64)
	whole = err != nil || x == math.Trunc(x)
	if !whole { // which nothing is, also where it would be too great
		return 0, false, nil
	}
	n, err = read.Integer(kind, v.Text)
	return n, true, err
}

// numbers holds for what lies in the span.
func numbers(f *mapping.Field, r *span) *leaf {
	l := newLeaf(f, number, func(kind body.Kind, s string) bool {
		n, ok := f.Int(kind, s)
		return ok && r.low <= n && n <= r.high
	})
	if f.Type.Floats() {
		l = newLeaf(f, number, func(kind body.Kind, s string) bool {
			x, ok := f.Float(kind, s)
			return ok && r.holds(x)
		})
	}
	if f.Null == nil {
		l.numbers = r
	}
	return l
}

func float(f *mapping.Field, v body.Value) (node, error) {
	x, err := number64(f, v)
	if err != nil {
		return nil, err
	}
	kept := f.Nearest(x)
	if f.Type == mapping.ScaledFloat {
		at, err := scaled(f, v)
		if err != nil {
			return nil, err
		}
		if at != math.Trunc(at) {
			return none{}, nil
		}
		kept = within64(at) / f.Factor
	}
	return numbers(f, &span{floatLow: kept, floatHigh: kept}), nil
}

func number64(f *mapping.Field, v body.Value) (float64, error) {
	read := *f
	read.Coerce = true
	kind := v.Kind
	if kind == body.Bool {
		kind = body.String
	}
	if v.Text == "" {
		return 0, errors.New("empty String")
	}
	return read.Number(kind, v.Text)
}

// address holds for an address, or those of a network as 10.0.0.0/8.
func address(f *mapping.Field, text string) (node, error) {
	if a, bits, ok := strings.Cut(text, "/"); ok {
		addr, err := netip.ParseAddr(a)
		n, errBits := strconv.Atoi(bits)
		if err != nil {
			return nil, illegal("'%s' is not an IP string literal.", a)
		}
		if errBits != nil || n < 0 || n > addr.BitLen() {
			return nil, fmt.Errorf("illegal prefix length in [%s]. Must be 0-32 for IPv4 ranges, 0-128 for IPv6 ranges", text)
		}
		if addr.Is4() {
			n += 96
		}
		network := netip.PrefixFrom(netip.AddrFrom16(addr.As16()), n).Masked()
		return newLeaf(f, cheap, func(_ body.Kind, s string) bool {
			a, ok := f.Address(s)
			return ok && holds(network, a)
		}), nil
	}
	want, ok := f.Address(text)
	if !ok {
		return nil, illegal("'%s' is not an IP string literal.", text)
	}
	return newLeaf(f, cheap, func(_ body.Kind, s string) bool {
		a, ok := f.Address(s)
		return ok && a == want
	}), nil
}

// holds is Contains for networks and addresses of 16 bytes, IPv4 ones among them.
func holds(network netip.Prefix, a netip.Addr) bool {
	x, y := network.Addr().As16(), a.As16()
	full := network.Bits() / 8
	if !bytes.Equal(x[:full], y[:full]) {
		return false
	}
	rest := network.Bits() % 8
	return rest == 0 || (x[full]^y[full])>>(8-rest) == 0
}

// terms holds for any of the values.
func terms(f *mapping.Field, values []body.Value, now time.Time) (node, error) {
	if !f.Type.Keywords() || f.Type == mapping.ConstantKeyword || !f.Index || len(values) <= 3 {
		var nodes []node
		for _, v := range values {
			n, err := term(f, v, false, now)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		}
		return someOf(1, nodes), nil
	}
	set := make(map[string]bool, len(values))
	list := make([]string, 0, len(values))
	for _, v := range values {
		text := v.Text
		if f.Lowercase {
			text = mapping.Standard.Fold(text)
		}
		if _, ok := f.Term(text); ok && !set[text] {
			set[text] = true
			list = append(list, text)
		}
	}
	has := func(s string) bool { return set[s] }
	if f.Lowercase {
		has = func(s string) bool { t, ok := f.Term(s); return ok && set[t] }
	}
	l := newLeaf(f, cheap, func(_ body.Kind, s string) bool { return has(s) })
	l.mark = whole(has)
	if !f.Lowercase && len(list) <= 100 {
		l.looking(list, nil)
	}
	return l, nil
}

// exists holds for documents with a value of the field.
func exists(f *mapping.Field) node {
	switch {
	case f.Type == mapping.ConstantKeyword:
		return constant(f, func(string) bool { return true })
	case f.Type == mapping.Binary && !f.DocValues:
		return none{}
	case !f.Index && !f.DocValues:
		return none{}
	case f.Type.Analyzed(), f.Type == mapping.Binary:
		return &leaf{field: f, effort: 1, exists: true}
	case f.Type.Keywords() && f.Null == nil && f.IgnoreAbove >= math.MaxInt32:
		return &leaf{field: f, effort: 1, exists: true}
	}
	l := newLeaf(f, cheap, func(kind body.Kind, s string) bool { return kept(f, kind, s) })
	return l
}

// kept says whether the field has something of a scalar: what it ignores it has not.
func kept(f *mapping.Field, kind body.Kind, s string) bool {
	switch {
	case f.Type.Keywords():
		_, ok := f.Term(s)
		return ok
	case f.Type == mapping.IP:
		_, ok := f.Address(s)
		return ok
	case f.Type.Floats():
		_, ok := f.Float(kind, s)
		return ok
	}
	_, ok := f.Int(kind, s)
	return ok
}
