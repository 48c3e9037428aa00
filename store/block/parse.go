package block

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deep objects and arrays may be in each other.
const MaxDepth = 1000

// mark stands for a scalar in a shape. It cannot be in JSON text: strings escape it, and it is no white space.
const mark = 1

// A parser cuts documents into shape and scalars. What it has found is valid until the next document.
type parser struct {
	src   []byte
	at    int
	from  int // of what has not been copied into text yet
	depth int
	doc   uint32
	text  []byte // of the shape
	spans []span // the scalars

	shapes map[string]*shape
	bytes  int       // of the texts in shapes
	recent [4]*shape // the shapes of the last documents, the last one first

	column  func(path string) int
	forgets bool // it may forget shapes
}

// span is where a scalar stands: in which document, from which byte, and its size with its class in the two upper bits.
type span struct{ doc, from, size uint32 }

const spanBits = 30

func (s span) token(docs []Doc) token {
	return token{view(docs[s.doc].Source[s.from:][:s.size&(1<<spanBits-1)]), class(s.size >> spanBits)}
}

// maxShapes is how many bytes of shapes a parser remembers.
const maxShapes = 8 << 20

// cut cuts one document, the doc'th, and gives its shape.
func (p *parser) cut(doc int, src []byte) (*shape, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("cannot read the document: it is not UTF-8")
	}
	p.src, p.doc = src, uint32(doc)
	// Most documents are like one of the last.
	for i, s := range p.recent {
		if s != nil && p.follow(s) {
			copy(p.recent[1:i+1], p.recent[:i])
			p.recent[0] = s
			return s, nil
		}
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	s := p.shapes[string(p.text)]
	if s == nil {
		text := string(p.text)
		var err error
		if s, err = newShape(text, p.column); err != nil {
			return nil, err
		}
		if p.bytes += len(text); p.shapes == nil || p.bytes > maxShapes && p.forgets {
			p.shapes, p.bytes = make(map[string]*shape), len(text)
		}
		p.shapes[text] = s
	}
	copy(p.recent[1:], p.recent[:])
	p.recent[0] = s
	return s, nil
}

// follow reads the document as one of a shape, if it is one: then it is made of the shape's gaps and of scalars.
func (p *parser) follow(s *shape) bool {
	p.at, p.spans = 0, p.spans[:0]
	for i, gap := range s.gaps {
		if len(p.src)-p.at < len(gap) || string(p.src[p.at:p.at+len(gap)]) != gap {
			return false
		}
		p.at += len(gap)
		if i < len(s.slots) && p.scalar() != nil {
			return false
		}
	}
	return p.at == len(p.src)
}

// parse reads a document: a JSON object in UTF-8 and nothing behind it. Repeated members are found where the shape is
// looked at.
func (p *parser) parse() error {
	p.at, p.from, p.depth, p.text, p.spans = 0, 0, 0, p.text[:0], p.spans[:0]
	p.space()
	if p.peek() != '{' {
		return errors.New("cannot read the document: it is no JSON object")
	}
	err := p.object()
	if err == nil {
		p.space()
		if p.at < len(p.src) {
			err = p.unexpected("the end")
		}
	}
	if err != nil {
		return fmt.Errorf("cannot read the document at byte %d: %w", p.at, err)
	}
	p.text = append(p.text, p.src[p.from:]...)
	return nil
}

func (p *parser) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) peek() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

func (p *parser) unexpected(want string) error {
	if p.at >= len(p.src) {
		return fmt.Errorf("it ends where %s is expected", want)
	}
	return fmt.Errorf("%q where %s is expected", p.src[p.at], want)
}

func (p *parser) object() error {
	if p.depth++; p.depth > MaxDepth {
		return fmt.Errorf("objects and arrays are more than %d deep", MaxDepth)
	}
	p.at++
	p.space()
	for first := true; p.peek() != '}' || !first; first = false {
		if p.peek() != '"' {
			return p.unexpected("a name")
		}
		if _, err := p.quoted(); err != nil {
			return err
		}
		p.space()
		if p.peek() != ':' {
			return p.unexpected("a colon")
		}
		p.at++
		if err := p.value(); err != nil {
			return err
		}
		if p.peek() == '}' {
			break
		}
		if p.peek() != ',' {
			return p.unexpected("a comma or }")
		}
		p.at++
		p.space()
	}
	p.at++
	p.depth--
	return nil
}

func (p *parser) array() error {
	if p.depth++; p.depth > MaxDepth {
		return fmt.Errorf("objects and arrays are more than %d deep", MaxDepth)
	}
	p.at++
	p.space()
	for first := true; p.peek() != ']' || !first; first = false {
		if err := p.value(); err != nil {
			return err
		}
		if p.peek() == ']' {
			break
		}
		if p.peek() != ',' {
			return p.unexpected("a comma or ]")
		}
		p.at++
	}
	p.at++
	p.depth--
	return nil
}

// value reads a value and the white space around it.
func (p *parser) value() error {
	p.space()
	var err error
	switch p.peek() {
	case '{':
		err = p.object()
	case '[':
		err = p.array()
	default:
		start := p.at
		if err = p.scalar(); err == nil {
			p.text = append(append(p.text, p.src[p.from:start]...), mark)
			p.from = p.at
		}
	}
	p.space()
	return err
}

// scalar reads a string, a number or a word.
func (p *parser) scalar() error {
	start := p.at
	var err error
	switch p.peek() {
	case '"':
		var how class
		if how, err = p.quoted(); err == nil {
			p.spans = append(p.spans, span{p.doc, uint32(start + 1), uint32(p.at-start-2) | uint32(how)<<spanBits})
		}
		return err
	case 't':
		err = p.word("true")
	case 'f':
		err = p.word("false")
	case 'n':
		err = p.word("null")
	default:
		err = p.number()
	}
	p.spans = append(p.spans, span{p.doc, uint32(start), uint32(p.at-start) | uint32(bare)<<spanBits})
	return err
}

func (p *parser) word(want string) error {
	if len(p.src)-p.at < len(want) || string(p.src[p.at:p.at+len(want)]) != want {
		return p.unexpected("a value")
	}
	p.at += len(want)
	return nil
}

func (p *parser) number() error {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	switch c := p.peek(); {
	case c == '0':
		p.at++
	case c >= '1' && c <= '9':
		p.digits()
	case p.at == start:
		return p.unexpected("a value")
	default:
		return p.unexpected("a digit")
	}
	if p.peek() == '.' {
		p.at++
		if !p.digits() {
			return p.unexpected("a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return p.unexpected("a digit")
		}
	}
	return nil
}

func (p *parser) digits() bool {
	start := p.at
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.at > start
}

// quoted reads a string, from quote to quote.
func (p *parser) quoted() (class, error) {
	how := plain
	for i := p.at + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '"':
			p.at = i + 1
			return how, nil
		case c == '\\':
			how = escaped
			i++
			n := 0
			if i < len(p.src) {
				n = escapeLength(p.src[i:])
			}
			if n == 0 {
				p.at = i - 1
				return how, errors.New("a backslash that begins no escape")
			}
			i += n - 1
		case c < ' ':
			p.at = i
			return how, fmt.Errorf("a control character (%#x) in a string", c)
		}
	}
	p.at = len(p.src)
	return how, errors.New("a string without an end")
}

// escapeLength is the length of the escape without its backslash, 0 when it is none.
func escapeLength(b []byte) int {
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) >= 5 {
			if _, err := strconv.ParseUint(string(b[1:5]), 16, 16); err == nil {
				return 5
			}
		}
	}
	return 0
}

// unescape returns the text that a string's escapes stand for. Half of a surrogate pair alone is U+FFFD.
func unescape(s string) string { return string(appendUnescaped(make([]byte, 0, len(s)), s)) }

func appendUnescaped(to []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			n := strings.IndexByte(s[i:], '\\')
			if n < 0 {
				return append(to, s[i:]...)
			}
			to = append(to, s[i:i+n]...)
			i += n
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(s) > i+6 && s[i+1] == '\\' && s[i+2] == 'u' {
					pair = utf16.DecodeRune(r, hex4(s[i+3:]))
				}
				if r = pair; pair != utf8.RuneError {
					i += 6
				}
			}
			to = utf8.AppendRune(to, r)
		default:
			to = append(to, s[i])
		}
	}
	return to
}

// hex4 reads the digits that the parser has seen to be there; a damaged block may have others.
func hex4(s string) rune {
	n, err := strconv.ParseUint(s[:min(4, len(s))], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// view is b as a string, without a copy: b must not change any more.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
