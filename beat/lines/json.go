package lines

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/common"
)

// A parser reads JSON that anybody may have written. Objects become MapStr, lists []any, numbers int64,
// float64 or, where these or Elasticsearch's types do not hold them, json.Number; null members are left out.
type parser struct {
	maxDepth int // most levels, dots in keys counted
	maxKeys  int // most keys, and a tenth of the most elements of lists

	in    []byte
	at    int
	buf   []byte // texts that had escapes
	depth int
	keys  int
	items int
	names map[string]string // keys that were met before

	nulls     bool // there were null members …
	keepNulls bool // … which are not to be left out
}

// maxNames bounds a parser's names.
const maxNames = 256

var (
	errDepth = errors.New("it has too many levels (max_depth)")
	errKeys  = errors.New("it has too many keys (max_keys)")
)

// begin makes the parser read in.
func (p *parser) begin(in []byte) {
	p.in, p.at, p.buf, p.depth, p.keys, p.items, p.nulls = in, 0, p.buf[:0], 0, 0, 0, false
}

// parse reads one object and nothing else.
func (p *parser) parse(in []byte) (common.MapStr, error) {
	p.begin(in)
	if p.blank() != '{' {
		return nil, p.wrong("an object")
	}
	v, err := p.object()
	if err != nil {
		return nil, err
	}
	if p.blank() != 0 || p.at < len(p.in) {
		return nil, fmt.Errorf("byte %d is behind the end of the object", p.at)
	}
	return v, nil
}

func (p *parser) wrong(want string) error {
	if p.at >= len(p.in) {
		return fmt.Errorf("it ends where %s should be", want)
	}
	return fmt.Errorf("byte %d is not %s", p.at, want)
}

// blank skips white space and returns the byte behind it, 0 at the end.
func (p *parser) blank() byte {
	for ; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// members reads an object and calls do at the value of each member, which must read it.
func (p *parser) members(do func(key []byte) error) error {
	p.at++ // {
	if p.blank() == '}' {
		p.at++
		return nil
	}
	for {
		if p.blank() != '"' {
			return p.wrong("a key")
		}
		key, err := p.text()
		if err != nil {
			return err
		}
		if p.blank() != ':' {
			return p.wrong("a colon")
		}
		p.at++
		if err := do(key); err != nil {
			return err
		}
		switch p.blank() {
		case '}':
			p.at++
			return nil
		case ',':
			p.at++
		default:
			return p.wrong("a comma")
		}
	}
}

func (p *parser) object() (common.MapStr, error) {
	m := common.MapStr{}
	err := p.members(func(key []byte) error {
		if p.keys++; p.keys > p.maxKeys {
			return errKeys
		}
		levels := 1
		for _, c := range key {
			if c == '.' {
				levels++
			}
		}
		name := p.name(key)
		if p.depth += levels; p.depth > p.maxDepth {
			return errDepth
		}
		v, err := p.value()
		p.depth -= levels
		p.nulls = p.nulls || v == nil
		if v == nil && !p.keepNulls {
			delete(m, name) // of two members of the same name the last one counts
		} else {
			m[name] = v
		}
		return err
	})
	return m, err
}

// name returns key as a string, one and the same where it was met before.
func (p *parser) name(key []byte) string {
	if s, ok := p.names[string(key)]; ok {
		return s
	}
	s := string(key)
	if len(s) <= 64 && len(p.names) < maxNames {
		if p.names == nil {
			p.names = map[string]string{}
		}
		p.names[s] = s
	}
	return s
}

func (p *parser) list() (any, error) {
	p.at++ // [
	list := []any{}
	if p.blank() == ']' {
		p.at++
		return list, nil
	}
	if p.depth++; p.depth > p.maxDepth {
		return nil, errDepth
	}
	for {
		if p.items++; p.items > 10*p.maxKeys {
			return nil, errKeys
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch p.blank() {
		case ']':
			p.at++
			p.depth--
			return list, nil
		case ',':
			p.at++
		default:
			return nil, p.wrong("a comma")
		}
	}
}

func (p *parser) value() (any, error) {
	switch c := p.blank(); {
	case c == '"':
		s, err := p.text()
		return string(s), err
	case c == '{':
		return p.object()
	case c == '[':
		return p.list()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	}
	return nil, p.wrong("a value")
}

func (p *parser) word(want string) error {
	if len(p.in)-p.at < len(want) || string(p.in[p.at:p.at+len(want)]) != want {
		return p.wrong("a value")
	}
	p.at += len(want)
	return nil
}

func (p *parser) number() (any, error) {
	start, whole := p.at, true
	digits := func() bool {
		from := p.at
		for p.at < len(p.in) && p.in[p.at]-'0' <= 9 {
			p.at++
		}
		return p.at > from
	}
	next := func(any string) bool {
		for i := range len(any) {
			if p.at < len(p.in) && p.in[p.at] == any[i] {
				p.at++
				return true
			}
		}
		return false
	}
	next("-")
	if !next("0") && !digits() {
		return nil, p.wrong("a digit")
	}
	if next(".") {
		whole = false
		if !digits() {
			return nil, p.wrong("a digit")
		}
	}
	if next("eE") {
		whole = false
		next("+-")
		if !digits() {
			return nil, p.wrong("a digit")
		}
	}
	s := string(p.in[start:p.at])
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		return json.Number(s), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) <= math.MaxFloat32 {
		return f, nil
	}
	return json.Number(s), nil
}

// text reads a string. What it returns is part of in, or of buf.
func (p *parser) text() ([]byte, error) {
	start := p.at + 1
	for i := start; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			p.at = i + 1
			return p.in[start:i], nil
		case c == '\\':
			p.at = i
			return p.escaped(start)
		case c < ' ':
			p.at = i
			return nil, p.wrong("allowed in a text")
		}
	}
	p.at = len(p.in)
	return nil, p.wrong("the end of a text")
}

// escaped is text for one that has an escape, the first at the place that is read.
func (p *parser) escaped(start int) ([]byte, error) {
	n := len(p.buf)
	p.buf = append(p.buf, p.in[start:p.at]...)
	for p.at < len(p.in) {
		c := p.in[p.at]
		switch {
		case c == '"':
			p.at++
			return p.buf[n:], nil
		case c == '\\':
			if err := p.escape(); err != nil {
				return nil, err
			}
			continue
		case c < ' ':
			return nil, p.wrong("allowed in a text")
		}
		p.buf = append(p.buf, c)
		p.at++
	}
	return nil, p.wrong("the end of a text")
}

// escapes are the characters that stand for others behind a backslash.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) escape() error {
	p.at++
	if p.at >= len(p.in) {
		return p.wrong("the end of a text")
	}
	if c := escapes[p.in[p.at]]; c != 0 {
		p.buf = append(p.buf, c)
		p.at++
		return nil
	}
	r, ok := p.hex()
	if !ok {
		return p.wrong("an escape")
	}
	if utf16.IsSurrogate(r) {
		at := p.at
		r2 := rune(-1)
		if p.at < len(p.in) && p.in[p.at] == '\\' {
			p.at++
			if r2, ok = p.hex(); !ok {
				r2 = -1
			}
		}
		if r = utf16.DecodeRune(r, r2); r == utf8.RuneError {
			p.at = at
		}
	}
	p.buf = utf8.AppendRune(p.buf, r)
	return nil
}

// hex reads uXXXX.
func (p *parser) hex() (rune, bool) {
	if len(p.in)-p.at < 5 || p.in[p.at] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.in[p.at+1 : p.at+5] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.at += 5
	return r, true
}
