package mapping

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
)

// errNone says that a scalar stands for no value, as "" does for a number.
var errNone = errors.New("no value")

// maxTermBytes is what Lucene takes for one term.
const maxTermBytes = 32766

// Int returns what an integer, boolean or date field keeps of a scalar: the number, 0 or 1, milliseconds or
// (date_nanos) nanoseconds since 1970; of scaled_float the number times its factor, rounded. ok is false for
// a value that does not fit.
func (f *Field) Int(kind body.Kind, text string) (n int64, ok bool) {
	n, err := f.int(kind, text)
	return n, err == nil
}

func (f *Field) int(kind body.Kind, text string) (int64, error) {
	switch {
	case f.Type.Dates():
		t, err := f.Format.Parse(text, false, time.UTC)
		if err != nil {
			return 0, err
		}
		return f.Moment(t)
	case f.Type == Boolean:
		return boolean(kind, text)
	case f.Type == ScaledFloat:
		x, err := f.float(kind, text)
		if err != nil {
			return 0, err
		}
		return nearestWhole(x * f.Factor), nil
	}
	return f.integer(kind, text)
}

// Moment returns t as a date field keeps it. It fails for what date_nanos cannot hold.
func (f *Field) Moment(t time.Time) (int64, error) {
	if f.Type == Date {
		return t.UnixMilli(), nil
	}
	if t.Unix() < 0 {
		return 0, fmt.Errorf("date[%s] is before the epoch in 1970 and cannot be stored in nanosecond resolution", t.UTC().Format(time.RFC3339Nano))
	}
	if t.After(time.Unix(0, math.MaxInt64)) {
		return 0, fmt.Errorf("date[%s] is after 2262-04-11T23:47:16.854775807 and cannot be stored in nanosecond resolution", t.UTC().Format(time.RFC3339Nano))
	}
	return t.UnixNano(), nil
}

func boolean(kind body.Kind, text string) (int64, error) {
	switch {
	case kind == body.Number:
		return 0, because("Current token (VALUE_NUMBER) not of boolean type")
	case text == "true":
		return 1, nil
	case text == "false", text == "":
		return 0, nil
	}
	return 0, because("Failed to parse value [%s] as only [true] or [false] are allowed.", text)
}

// integer reads a whole number as Elasticsearch coerces it: a fraction is cut off, text is read.
func (f *Field) integer(kind body.Kind, text string) (int64, error) {
	switch kind {
	case body.Bool:
		return 0, because("Current token (VALUE_%s) not numeric, can not use numeric value accessors", strings.ToUpper(text))
	case body.String:
		if text == "" && f.Coerce {
			return 0, errNone
		}
		if !f.Coerce {
			return 0, because("%s value passed as String", title(f.Type))
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		if n, err = cutFraction(kind, text); err != nil {
			return 0, err
		}
		if !f.Coerce {
			return 0, fmt.Errorf("%s cannot be converted to %s without data loss", text, title(f.Type))
		}
	}
	bits := map[Type]int{Long: 64, Integer: 32, Short: 16, Byte: 8}[f.Type]
	if n < -1<<(bits-1) || n > 1<<(bits-1)-1 {
		if f.Type == Integer && kind == body.Number {
			return 0, because("Numeric value (%s) out of range of int (-2147483648 - 2147483647)", text)
		}
		if f.Type == Short && kind == body.Number {
			return 0, because("Numeric value (%s) out of range of Java short", text)
		}
		article := "a"
		if f.Type == Integer {
			article = "an"
		}
		return 0, because("Value [%s] is out of range for %s %s", text, article, f.Type)
	}
	return n, nil
}

func title(t Type) string { return strings.ToUpper(string(t[:1])) + string(t[1:]) }

// cutFraction reads a number that is no plain int64.
func cutFraction(kind body.Kind, text string) (int64, error) {
	outOfRange := because("Value [%s] is out of range for a long", text)
	if kind == body.Number {
		outOfRange = because("Numeric value (%s) out of range of long (-9223372036854775808 - 9223372036854775807)", text)
	}
	if !strings.ContainsAny(text, ".eE") {
		if kind == body.Number {
			return 0, outOfRange
		}
		if _, ok := new(big.Int).SetString(text, 10); ok && len(text) < 1000 {
			return 0, outOfRange
		}
		return 0, because("For input string: %q", text)
	}
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case math.IsInf(x, 0):
		return 0, outOfRange
	case err != nil || strings.ContainsAny(text, "xXpP_"):
		return 0, because("For input string: %q", text)
	case kind == body.String && math.Abs(x) >= 1<<53 && math.Abs(x) < 1e19 && len(text) < 1000: // text is read exactly, a number as a double
		if r, ok := new(big.Rat).SetString(text); ok {
			if n := new(big.Int).Quo(r.Num(), r.Denom()); n.IsInt64() {
				return n.Int64(), nil
			}
		}
		return 0, outOfRange
	case math.Abs(x) >= 1<<63:
		return 0, outOfRange
	}
	return int64(x), nil
}

// Integer returns what Int does of an integer field, or what Elasticsearch finds wrong with the value.
func (f *Field) Integer(kind body.Kind, text string) (int64, error) { return f.integer(kind, text) }

// Number returns a number asked of a float field, not rounded, or what Elasticsearch finds wrong with it.
func (f *Field) Number(kind body.Kind, text string) (float64, error) { return f.float(kind, text) }

// Float returns what a double, float, half_float or scaled_float field keeps of a scalar: the nearest number
// that it can hold. ok is false for a value that does not fit.
func (f *Field) Float(kind body.Kind, text string) (x float64, ok bool) {
	x, err := f.float(kind, text)
	if err != nil {
		return 0, false
	}
	return f.Nearest(x), true
}

// Nearest returns the number that the field keeps for x.
func (f *Field) Nearest(x float64) float64 {
	switch f.Type {
	case Float:
		return float64(float32(x))
	case HalfFloat:
		return half(x)
	case ScaledFloat:
		return float64(nearestWhole(x*f.Factor)) / f.Factor
	}
	return x
}

// nearestWhole rounds to the nearest whole number, a half up; what is beyond those of 64 bits becomes the last of them.
func nearestWhole(x float64) int64 {
	n := math.Round(x)
	switch {
	case n-x == -0.5:
		n++
	case n >= 1<<63:
		return math.MaxInt64
	case n < -1<<63:
		return math.MinInt64
	}
	return int64(n)
}

func (f *Field) float(kind body.Kind, text string) (float64, error) {
	switch {
	case kind == body.Bool:
		return 0, because("Current token (VALUE_%s) not numeric, can not use numeric value accessors", strings.ToUpper(text))
	case kind == body.String && !f.Coerce:
		return 0, because("Float value passed as String")
	case text == "":
		return 0, errNone
	}
	x, err := javaFloat(text)
	if err != nil {
		return 0, err
	}
	kept := x
	if f.Type != ScaledFloat { // which keeps the greatest whole number it can
		kept = f.Nearest(x)
	}
	if math.IsInf(kept, 0) || math.IsNaN(kept) {
		if f.Type == HalfFloat && !math.IsInf(x, 0) {
			kept = x
		}
		words := "supports only"
		if f.Type == ScaledFloat {
			words = "only supports"
		}
		return 0, fmt.Errorf("[%s] %s finite values, but got [%s]", f.Type, words, javaText(kept))
	}
	return x, nil
}

// javaFloat reads a number as Java does: with white space around it and a suffix f or d.
func javaFloat(text string) (float64, error) {
	s := strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	if n := len(s); n > 1 && strings.IndexByte("fFdD", s[n-1]) >= 0 && !strings.HasPrefix(strings.TrimLeft(s, "+-"), "0x") {
		s = s[:n-1]
	}
	switch strings.TrimLeft(s, "+-") {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(x, 0) || strings.ContainsAny(s, "_nN") { // inf, nan and 1_0 are Go's
		return 0, because("For input string: %q", text)
	}
	return x, nil
}

func javaText(x float64) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case math.IsInf(x, 1):
		return "Infinity"
	case math.IsInf(x, -1):
		return "-Infinity"
	case x == math.Trunc(x) && math.Abs(x) < 1e7:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case math.Abs(x) >= 1e-3 && math.Abs(x) < 1e7:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// half rounds to the nearest number of 16 bits, ties to even.
func half(x float64) float64 {
	a := math.Abs(x)
	if a >= 65520 {
		return math.Inf(int(math.Copysign(1, x)))
	}
	step := math.Ldexp(1, -24) // of what is below 2^-14
	if a >= math.Ldexp(1, -14) {
		_, e := math.Frexp(a)
		step = math.Ldexp(1, e-11)
	}
	return math.Copysign(math.RoundToEven(a/step)*step, x)
}

// Address returns what an ip field keeps of a scalar, an IPv4 address as the IPv6 one it is mapped to.
func (f *Field) Address(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(a.As16()), true
}

// Term returns the one term that a keyword, constant_keyword, wildcard or flattened field makes of a
// scalar's text, if the field does not ignore it.
func (f *Field) Term(text string) (term string, ok bool) {
	if len(text) > f.IgnoreAbove && units(text) > f.IgnoreAbove {
		return "", false
	}
	if f.Lowercase {
		text = lower(text)
	}
	return text, true
}

// units counts the UTF-16 units of s, which is what Java calls length.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}

// check says what Elasticsearch finds wrong with a scalar of the field.
func (f *Field) check(kind body.Kind, text func() string, length int) error {
	switch {
	case f.Type.Analyzed(), f.Type == Binary:
		return nil
	case f.Type == ConstantKeyword:
		if f.Value != nil && *f.Value != text() {
			return fmt.Errorf("[constant_keyword] field [%s] only accepts values that are equal to the value defined in the mappings [%s], but got [%s]", f.Path, *f.Value, text())
		}
		return nil
	case f.Type.Keywords():
		if length <= maxTermBytes || length > 6*f.IgnoreAbove && f.IgnoreAbove < math.MaxInt32 {
			return nil
		}
		if term, ok := f.Term(text()); ok && len(term) > maxTermBytes && f.Index && f.Type != Wildcard {
			return errImmense
		}
		return nil
	case f.Type == IP:
		s := text()
		if _, ok := f.Address(s); !ok {
			return because("'%s' is not an IP string literal.", s)
		}
		return nil
	case f.Type.Floats() && f.Type != ScaledFloat:
		_, err := f.float(kind, text())
		return err
	}
	_, err := f.int(kind, text())
	return err
}

// errImmense is told of the whole document, not of a value.
var errImmense = errors.New("immense term")

func immense(f *Field, text string) *Error {
	prefix := []byte(text[:30])
	numbers := make([]string, len(prefix))
	for i, c := range prefix {
		numbers[i] = strconv.Itoa(int(int8(c)))
	}
	reason := fmt.Sprintf("Document contains at least one immense term in field=%q (whose UTF8 encoding is longer than the max length %d), all of which were skipped.  Please correct the analyzer to not produce such terms.  The prefix of the first immense term is: '[%s]...', original message: bytes can be at most %d in length; got %d",
		f.Path, maxTermBytes, strings.Join(numbers, ", "), maxTermBytes, len(text))
	return &Error{Type: "illegal_argument_exception", Reason: reason}
}

// clip shortens what a document brought for a message.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
