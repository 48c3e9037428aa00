package push

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A jsonReader reads JSON as RFC 8259 has it, and nothing else. It takes only the values that are asked for
// and descends no deeper than it is asked to, so that what others wrote cannot make it recurse. The
// bytes must be valid UTF-8: who makes a jsonReader has looked.
type jsonReader struct {
	data []byte
	pos  int
}

// A syntaxError is a value that is not what was asked for, or text that is no JSON.
type syntaxError struct {
	field  string // the member it is in, as annotations[2].key; empty: none
	reason string
}

func (e *syntaxError) Error() string {
	if e.field == "" {
		return e.reason
	}
	return e.field + ": " + e.reason
}

func (r *jsonReader) fail(format string, args ...any) error {
	return &syntaxError{reason: fmt.Sprintf(format, args...)}
}

// unexpected says what stands where something else should.
func (r *jsonReader) unexpected(want string) error {
	r.space()
	rest := r.data[r.pos:]
	for _, k := range []struct{ begin, name string }{
		{"{", "an object"}, {"[", "an array"}, {`"`, "a text"}, {"true", "a boolean"}, {"false", "a boolean"}, {"null", "null"},
	} {
		if bytes.HasPrefix(rest, []byte(k.begin)) {
			return r.fail("want %s, not %s (byte %d)", want, k.name, r.pos)
		}
	}
	switch {
	case len(rest) == 0:
		return r.fail("want %s, and the text ends", want)
	case rest[0] == '-' || isDigit(rest[0]):
		return r.fail("want %s, not a number (byte %d)", want, r.pos)
	}
	c, _ := utf8.DecodeRune(rest)
	return r.fail("want %s, not %q (byte %d)", want, c, r.pos)
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// next takes c, which may have space before it, and says whether it was there.
func (r *jsonReader) next(c byte) bool {
	r.space()
	if r.pos < len(r.data) && r.data[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// end refuses anything but space behind the value.
func (r *jsonReader) end() error {
	if r.space(); r.pos < len(r.data) {
		return r.unexpected("nothing behind the value")
	}
	return nil
}

// array reads an array; element reads its i-th element.
func (r *jsonReader) array(want string, element func(i int) error) error {
	if !r.next('[') {
		return r.unexpected(want)
	}
	if r.next(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if r.next(']') {
			return nil
		}
		if !r.next(',') {
			return r.unexpected(", or ]")
		}
	}
}

// object reads an object whose members are all among known; member reads the value of known[i]. A
// member that is there twice is refused, and one that only looks like a known one.
func (r *jsonReader) object(want string, known []string, member func(i int) error) error {
	if !r.next('{') {
		return r.unexpected(want)
	}
	if r.next('}') {
		return nil
	}
	var seen uint
	for {
		if r.space(); r.pos == len(r.data) || r.data[r.pos] != '"' {
			return r.unexpected("the name of a member")
		}
		name, err := r.text()
		if err != nil {
			return err
		}
		i := indexOf(known, name)
		if i < 0 {
			return &syntaxError{field: clip(name), reason: "unknown member; known are " + strings.Join(known, ", ")}
		}
		if seen&(1<<i) != 0 {
			return &syntaxError{field: name, reason: "the member is there twice"}
		}
		seen |= 1 << i
		if !r.next(':') {
			return r.unexpected(":")
		}
		if err := member(i); err != nil {
			return within(known[i], err)
		}
		if r.next('}') {
			return nil
		}
		if !r.next(',') {
			return r.unexpected(", or }")
		}
	}
}

func indexOf(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	return -1
}

// within adds the member or element that an error is in.
func within(name string, err error) error {
	if e, ok := err.(*syntaxError); ok {
		switch {
		case e.field == "":
			e.field = name
		case e.field[0] == '[':
			e.field = name + e.field
		default:
			e.field = name + "." + e.field
		}
	}
	return err
}

// integer reads a whole number, written without an exponent; a fraction of zeros is none.
func (r *jsonReader) integer(want string) (int64, error) {
	r.space()
	begin := r.pos
	for r.pos < len(r.data) && (isDigit(r.data[r.pos]) || strings.IndexByte("+-.eE", r.data[r.pos]) >= 0) {
		r.pos++
	}
	text := string(r.data[begin:min(r.pos, begin+64)])
	if len(text) < r.pos-begin {
		return 0, r.fail("a number of %d characters is out of range", r.pos-begin)
	}
	if whole, zeros, ok := strings.Cut(text, "."); ok && zeros != "" && strings.Trim(zeros, "0") == "" {
		text = whole
	}
	digits := strings.TrimPrefix(text, "-")
	switch {
	case digits == "" || !isDigit(digits[0]):
		r.pos = begin
		return 0, r.unexpected(want)
	case strings.Trim(digits, "0123456789") != "":
		return 0, r.fail("want %s, not %s", want, clip(text))
	case digits[0] == '0' && len(digits) > 1:
		return 0, r.fail("%s is no number in JSON: it begins with 0", clip(text))
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, r.fail("%s is out of range", clip(text))
	}
	return n, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// text reads a text, which shares nothing with data.
func (r *jsonReader) text() (string, error) {
	if !r.next('"') {
		return "", r.unexpected("a text")
	}
	begin := r.pos
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; {
		case c == '"':
			r.pos++
			return string(r.data[begin : r.pos-1]), nil
		case c == '\\':
			return r.escaped(append([]byte(nil), r.data[begin:r.pos]...))
		case c < ' ':
			return "", r.fail("a text holds the control character %U, which JSON wants escaped (byte %d)", c, r.pos)
		}
		r.pos++
	}
	return "", r.fail("a text does not end")
}

// escaped reads on a text that begins with b, from its first escape.
func (r *jsonReader) escaped(b []byte) (string, error) {
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		r.pos++
		switch {
		case c == '"':
			return string(b), nil
		case c < ' ':
			return "", r.fail("a text holds the control character %U, which JSON wants escaped (byte %d)", c, r.pos-1)
		case c != '\\':
			b = append(b, c)
			continue
		}
		if r.pos == len(r.data) {
			break
		}
		c = r.data[r.pos]
		r.pos++
		if c == 'u' {
			char, err := r.hex()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, char)
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return "", r.fail(`a text holds an escape that JSON does not know (byte %d)`, r.pos-2)
		}
		b = append(b, "\"\\/\b\f\n\r\t"[i])
	}
	return "", r.fail("a text does not end")
}

// hex reads what follows \u, and the second half of a surrogate pair.
func (r *jsonReader) hex() (rune, error) {
	first, ok := r.hex4()
	if !ok {
		return 0, r.fail(`a text holds a \u without four hexadecimal digits (byte %d)`, r.pos)
	}
	if !utf16.IsSurrogate(first) {
		return first, nil
	}
	if bytes.HasPrefix(r.data[r.pos:], []byte(`\u`)) {
		r.pos += 2
		if second, ok := r.hex4(); ok {
			if char := utf16.DecodeRune(first, second); char != utf8.RuneError {
				return char, nil
			}
		}
	}
	return 0, r.fail("a text holds half a surrogate pair, which is no character (byte %d)", r.pos)
}

func (r *jsonReader) hex4() (rune, bool) {
	if len(r.data)-r.pos < 4 {
		return 0, false
	}
	n := rune(0)
	for _, c := range r.data[r.pos : r.pos+4] {
		switch {
		case isDigit(c):
			n = n<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	r.pos += 4
	return n, true
}

// clip returns what others wrote in a form and length fit for an answer and a log.
func clip(s string) string {
	const longest = 64
	cut := s
	if len(cut) > longest {
		cut = strings.ToValidUTF8(cut[:longest], "") + "…"
	}
	quoted := strconv.QuoteToASCII(cut)
	if quoted == `"`+s+`"` {
		return s
	}
	return strings.Trim(strconv.Quote(cut), `"`)
}
