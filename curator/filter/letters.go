package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// classes are the kinds of letters, for a place within brackets: in ASCII, in ASCII with (?a), and in Unicode.
var classes = map[rune]struct{ fast, ascii, unicode string }{
	'd': {`0-9`, `0-9`, `\d`},
	'w': {`0-9A-Za-z_`, `0-9A-Za-z_`, `\p{L}\p{N}_`},
	's': {`\t-\r\x1c-\x1f `, `\t-\r `, `\s\x1c-\x1f\x85`},
	'D': {`\x00-/:-\x7f`, `\x00-/:-` + last, `\D`},
	'W': {`\x00-/:-@\[-\^\x60{-\x7f`, `\x00-/:-@\[-\^\x60{-` + last, `\W`},
	'S': {`\x00-\x08\x0e-\x1b!-\x7f`, `\x00-\x08\x0e-\x1f!-` + last, `\S`},
}

const last = "\U0010ffff"

// classOf is one of classes for regexp and for regexp2.
func (t *translation) classOf(c rune) (fast, slow string) {
	kind := classes[c]
	switch {
	case t.ascii && c == 's':
		return kind.ascii, kind.ascii
	case t.ascii && c == 'S':
		return `\x00-\x08\x0e-\x1f!-\x7f`, kind.ascii
	case t.ascii:
		return kind.fast, kind.ascii
	}
	return kind.fast, kind.unicode
}

// escape reads behind a backslash, outside of a class.
func (t *translation) escape() (before, error) {
	if !t.more() {
		return atom, errEnd
	}
	c := t.in[t.at]
	switch c {
	case 'A':
		t.at++
		t.put(`\A`)
		return anchor, nil
	case 'Z':
		t.at++
		t.put(`\z`)
		return anchor, nil
	case 'b', 'B':
		t.at++
		_, word := t.classOf('w')
		word = "[" + word + "]"
		edge := `(?:(?<=` + word + `)(?!` + word + `)|(?<!` + word + `)(?=` + word + `))`
		if c == 'B' {
			edge = `(?:(?<=` + word + `)(?=` + word + `)|(?<!` + word + `)(?!` + word + `))`
		}
		t.put2(`\`+string(c), edge)
		return anchor, nil
	case 'd', 'w', 's', 'D', 'W', 'S':
		t.at++
		lower := unicode.ToLower(c)
		not := ""
		if lower != c {
			not = "^"
		}
		fast, slow := t.classOf(lower)
		t.put2("["+not+fast+"]", "["+not+slow+"]")
		return atom, nil
	}
	if c >= '1' && c <= '9' {
		if octal := t.octal(3); octal >= 0 {
			t.put(letter(rune(octal)))
			return atom, nil
		}
		n := int(c - '0')
		t.at++
		if t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '9' {
			n = n*10 + int(t.in[t.at]-'0')
			t.at++
		}
		return atom, t.refer(n)
	}
	r, err := t.code()
	t.put(letter(r))
	return atom, err
}

// letter writes a letter so that it stands for itself, in brackets too.
func letter(c rune) string {
	switch {
	case c < ' ' || c == 0x7f:
		return fmt.Sprintf(`\x%02x`, c)
	case c < 0x80 && c != '_' && (unicode.IsPunct(c) || unicode.IsSymbol(c)):
		return `\` + string(c)
	}
	return string(c)
}

// octal reads exactly n octal digits; -1: there are none.
func (t *translation) octal(n int) int {
	if len(t.in)-t.at < n {
		return -1
	}
	v, err := strconv.ParseUint(string(t.in[t.at:t.at+n]), 8, 32)
	if err != nil || v > 0o377 {
		return -1
	}
	t.at += n
	return int(v)
}

// code reads the letter that an escape stands for.
func (t *translation) code() (rune, error) {
	if !t.more() {
		return 0, errEnd
	}
	c := t.in[t.at]
	t.at++
	if i := strings.IndexRune("abfnrtv", c); i >= 0 {
		return rune("\a\b\f\n\r\t\v"[i]), nil
	}
	switch n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]; {
	case n > 0:
		if len(t.in)-t.at < n {
			return 0, errEnd
		}
		v, err := strconv.ParseUint(string(t.in[t.at:t.at+n]), 16, 32)
		if err != nil || v > unicode.MaxRune || v >= 0xd800 && v < 0xe000 {
			return 0, fmt.Errorf(`\%c is followed by %d hexadecimal digits`, c, n)
		}
		t.at += n
		return rune(v), nil
	case c == '0':
		v := rune(0)
		for range 2 {
			if t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '7' {
				v = v*8 + t.in[t.at] - '0'
				t.at++
			}
		}
		return v, nil
	case c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c)):
		return 0, fmt.Errorf(`the escape \%c means nothing`, c)
	}
	return c, nil
}

// class reads behind an opening bracket.
func (t *translation) class() error {
	t.put("[")
	if t.take("^") {
		t.put("^")
	}
	for first := true; ; first = false {
		if !t.more() {
			return errors.New("an opening bracket without a closing one")
		}
		if !first && t.take("]") {
			t.put("]")
			return nil
		}
		low, set, err := t.member()
		if err != nil {
			return err
		}
		ranged := len(t.in)-t.at >= 2 && t.in[t.at] == '-' && t.in[t.at+1] != ']'
		if !ranged {
			if !set {
				t.put(letter(low))
			}
			continue
		}
		t.at++
		high, alsoSet, err := t.member()
		if err != nil {
			return err
		}
		if set || alsoSet || high < low {
			return errors.New("a range in brackets whose end is before its beginning, or no letter")
		}
		t.put2(letter(low)+"-"+letter(high), end(low)+"-"+end(high))
	}
}

// end writes the end of a range for regexp2, which takes an escaped hyphen there for something else.
func end(c rune) string {
	if c < 0x80 {
		return fmt.Sprintf(`\x%02x`, c)
	}
	return string(c)
}

// member reads one letter of a class, or writes a set such as \d.
func (t *translation) member() (c rune, set bool, err error) {
	c = t.in[t.at]
	if c != '\\' {
		t.at++
		return c, false, nil
	}
	t.at++
	if !t.more() {
		return 0, false, errEnd
	}
	c = t.in[t.at]
	if _, ok := classes[c]; ok {
		t.at++
		t.put2(t.classOf(c))
		return c, true, nil
	}
	if c >= '1' && c <= '9' {
		if octal := t.octal(3); octal >= 0 {
			return rune(octal), false, nil
		}
		return 0, false, fmt.Errorf(`the escape \%c means nothing in brackets`, c)
	}
	c, err = t.code()
	return c, false, err
}
