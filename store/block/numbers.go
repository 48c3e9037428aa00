package block

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// form says how integers are written as tokens.
type form struct {
	kind   formKind
	width  int    // decimal and hex: digits, 0 for as many as it takes; stamp: digits behind the point
	prefix string // decimal and hex: what stands before the digits in a string
}

type formKind uint8

const (
	number  formKind = iota // a JSON number: 17
	decimal                 // a string that ends in a number: "id-17"
	hex                     // a string that ends in a number of hexadecimal digits, all of one width: "id-00ff"
	stamp                   // a string that is a time: "2026-11-21T17:09:03.000Z"
)

// parse reads a token of this form. What it accepts is what append writes.
func (f form) parse(s string) (int64, bool) {
	if f.kind == number {
		return parseInt(s)
	}
	if f.kind == stamp {
		ns, digits, ok := parseStamp(s)
		return ns, ok && digits == f.width
	}
	rest, ok := strings.CutPrefix(s, f.prefix)
	if !ok || len(rest) == 0 || f.width > 0 && len(rest) != f.width {
		return 0, false
	}
	var n int64
	for i := range len(rest) {
		c := rest[i]
		switch {
		case c-'0' < 10:
			c -= '0'
		case c-'a' < 6 && f.kind == hex:
			c -= 'a' - 10
		default:
			return 0, false
		}
		if f.kind == hex {
			n = n<<4 | int64(c)
		} else {
			n = n*10 + int64(c)
		}
	}
	return n, len(rest) <= maxDigits && (f.width > 0 || rest[0] != '0' || len(rest) == 1)
}

// maxDigits is how many digits a number in a string may have, so that it fits in 63 bits.
const maxDigits = 15

// append writes n as parse has read it.
func (f form) append(to []byte, n int64) []byte {
	switch f.kind {
	case number:
		return strconv.AppendInt(to, n, 10)
	case stamp:
		return appendStamp(to, n, f.width)
	}
	base := 10
	if f.kind == hex {
		base = 16
	}
	to = append(to, f.prefix...)
	var buf [24]byte
	digits := strconv.AppendInt(buf[:0], n, base)
	for i := len(digits); i < f.width; i++ {
		to = append(to, '0')
	}
	return append(to, digits...)
}

// parseInt reads an integer that is written as strconv writes it: no leading zero, no -0, no exponent.
func parseInt(s string) (int64, bool) {
	digits := s
	if len(s) > 0 && s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	var n int64
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, true
}

// parseStamp reads a time as 2006-01-02T15:04:05Z, with or without a fraction of up to nine digits, in nanoseconds since
// 1970 and the digits of the fraction.
func parseStamp(s string) (ns int64, digits int, ok bool) {
	if len(s) < 20 || len(s) > 30 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		return 0, 0, false
	}
	ok = true
	num := func(from, to int) int {
		n := 0
		for i := from; i < to; i++ {
			c := s[i] - '0'
			ok = ok && c < 10
			n = n*10 + int(c)
		}
		return n
	}
	year, month, day := num(0, 4), num(5, 7), num(8, 10)
	hour, minute, second := num(11, 13), num(14, 16), num(17, 19)
	if len(s) > 20 {
		if s[19] != '.' || len(s) == 21 {
			return 0, 0, false
		}
		digits = len(s) - 21
		ns = int64(num(20, len(s)-1))
		for i := digits; i < 9; i++ {
			ns *= 10
		}
	}
	// The years that fit in nanoseconds of 64 bits, whole.
	if !ok || year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, 0, false
	}
	return (daysTo(year, month, day)*86400+int64(hour*3600+minute*60+second))*1e9 + ns, digits, true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysTo is the number of days from 1970-01-01 to a date; years are counted from March.
func daysTo(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year+year/4-year/100+year/400+(153*(month-3)+2)/5+day) - 719469
}

func appendStamp(to []byte, ns int64, digits int) []byte {
	t := time.Unix(0, ns).UTC()
	to = t.AppendFormat(to, "2006-01-02T15:04:05")
	if digits > 0 {
		fraction := strconv.AppendInt(nil, int64(t.Nanosecond())+1e9, 10)
		to = append(append(to, '.'), fraction[1:1+digits]...)
	}
	return append(to, 'Z')
}

// formOf finds the form in which all tokens can be kept as integers.
func formOf(tokens []token) (form, []int64, bool) {
	how := tokens[0].class
	if how == escaped {
		return form{}, nil, false
	}
	var candidates []form
	if how == bare {
		candidates = []form{{kind: number}}
	} else if _, digits, ok := parseStamp(tokens[0].text); ok {
		candidates = []form{{kind: stamp, width: digits}}
	} else {
		candidates = prefixForms(tokens)
	}
	ints := make([]int64, len(tokens))
next:
	for _, f := range candidates {
		for i, t := range tokens {
			n, ok := f.parse(t.text)
			if !ok || t.class != how {
				continue next
			}
			ints[i] = n
		}
		return f, ints, true
	}
	return form{}, nil, false
}

// prefixForms are the forms of strings that begin alike and end in a number.
func prefixForms(tokens []token) []form {
	prefix := tokens[0].text
	width := len(prefix)
	for _, t := range tokens {
		n := 0
		for n < len(prefix) && n < len(t.text) && prefix[n] == t.text[n] {
			n++
		}
		if prefix = prefix[:n]; len(t.text) != width {
			width = 0
		}
		if n == 0 && len(t.text) > maxDigits {
			return nil
		}
	}
	// What all have in common may end in the first digits of the numbers.
	isDecimal := func(r rune) bool { return r >= '0' && r <= '9' }
	forms := []form{}
	head := strings.TrimRightFunc(prefix, isDecimal)
	if width == 0 {
		return []form{{kind: decimal, prefix: head}}
	}
	if n := width - len(head); n <= maxDigits {
		forms = append(forms, form{kind: decimal, prefix: head, width: n})
	} else {
		forms = append(forms, form{kind: decimal, prefix: prefix, width: width - len(prefix)})
	}
	if n := width - len(prefix); n > 0 && n <= maxDigits {
		forms = append(forms, form{kind: hex, prefix: prefix, width: n})
	}
	return forms
}

// appendDeltas writes integers as what each differs from the one before.
func appendDeltas(to []byte, ints []int64) []byte {
	last := int64(0)
	for _, n := range ints {
		to = binary.AppendVarint(to, n-last)
		last = n
	}
	return to
}

// readDeltas reads n integers that appendDeltas has written.
func readDeltas(b []byte, n int) ([]int64, bool) {
	if n > len(b) {
		return nil, false
	}
	ints := make([]int64, n)
	last := int64(0)
	at := 0
	for i := range ints {
		u, size := uint64(0), 0
		if at < len(b) && b[at] < 0x80 {
			u, size = uint64(b[at]), 1
		} else if u, size = varint(b[at:]); size == 0 {
			return nil, false
		}
		at += size
		last += int64(u>>1) ^ -int64(u&1)
		ints[i] = last
	}
	return ints, at == len(b)
}

// varint is binary.Uvarint, which takes one byte after the other; size is 0 when there is none.
func varint(b []byte) (u uint64, size int) {
	if len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		if end := ^x & 0x8080808080808080; end != 0 { // the upper bit of the last byte
			x &= end ^ (end - 1)
			x &= 0x7f7f7f7f7f7f7f7f
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
			return x, bits.TrailingZeros64(end)/8 + 1
		}
	}
	if u, size = binary.Uvarint(b); size < 0 {
		size = 0
	}
	return u, size
}

// unit is what all integers of a form are multiples of: of times in milliseconds a million.
func (f form) unit() int64 {
	unit := int64(1)
	if f.kind == stamp {
		for i := f.width; i < 9; i++ {
			unit *= 10
		}
	}
	return unit
}
