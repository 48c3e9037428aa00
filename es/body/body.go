// Package body reads and writes JSON as strictly as it can be read: bodies of requests to Elasticsearch, and
// documents. What two parsers could take differently is refused: a name twice in one object, comments, NaN,
// text after the value, invalid UTF-8, half of a surrogate pair, nesting beyond [MaxDepth]. What is accepted
// keeps the order of its members and the text of its numbers, so that it is written again as it was meant.
package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth bounds how deep objects and arrays may lie in each other.
const MaxDepth = 1000

// Kind says what a value or token is. The kinds of values are named by their first character, as in JSON.
type Kind byte

const (
	Null        Kind = 'n'
	Bool        Kind = 't'
	String      Kind = '"'
	Number      Kind = '0'
	Object      Kind = '{'
	Array       Kind = '['
	EndOfObject Kind = '}' // a token only
	EndOfArray  Kind = ']' // a token only
)

// String returns the kind's name as Elasticsearch has it in errors.
func (k Kind) String() string {
	switch k {
	case Null:
		return "VALUE_NULL"
	case Bool:
		return "VALUE_BOOLEAN"
	case String:
		return "VALUE_STRING"
	case Number:
		return "VALUE_NUMBER"
	case Object:
		return "START_OBJECT"
	case Array:
		return "START_ARRAY"
	case EndOfObject:
		return "END_OBJECT"
	case EndOfArray:
		return "END_ARRAY"
	}
	return "END_OF_INPUT"
}

// An Error says what is wrong with a JSON text, and where.
type Error struct {
	Offset int // bytes before what is wrong
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// A Value is a JSON value.
type Value struct {
	Kind    Kind
	Text    string   // of a string, unescaped; of a number, as it was written; of a boolean, true or false
	Items   []Value  // of an array
	Members []Member // of an object, in their order
	Offset  int      // bytes before it in the text it was read from
}

// A Member is a name of an object with its value.
type Member struct {
	Name  string
	Value Value
}

// Parse reads the one value that data holds. An error is an *[Error].
func Parse(data []byte) (Value, error) {
	var r Reader
	r.Reset(data)
	t, err := r.Next()
	if err != nil {
		return Value{}, err
	}
	v, err := r.value(t)
	if err != nil {
		return Value{}, err
	}
	return v, r.End()
}

// value reads the value that begins with t.
func (r *Reader) value(t Token) (Value, error) {
	v := Value{Kind: t.Kind, Offset: t.Offset}
	switch t.Kind {
	case Object:
		for {
			name, err := r.Next()
			if err != nil || name.Kind == EndOfObject {
				return v, err
			}
			m := Member{Name: name.Text()}
			t, err := r.Next()
			if err != nil {
				return v, err
			}
			if m.Value, err = r.value(t); err != nil {
				return v, err
			}
			v.Members = append(v.Members, m)
		}
	case Array:
		for {
			t, err := r.Next()
			if err != nil || t.Kind == EndOfArray {
				return v, err
			}
			item, err := r.value(t)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, item)
		}
	case Null:
	default:
		v.Text = t.Text()
	}
	return v, nil
}

// Get returns the object's member of that name.
func (v Value) Get(name string) (Value, bool) {
	for _, m := range v.Members {
		if m.Name == name {
			return m.Value, true
		}
	}
	return Value{}, false
}

// Scalar says whether v is no object and no array.
func (v Value) Scalar() bool { return v.Kind != Object && v.Kind != Array }

// Append appends v as compact JSON.
func (v Value) Append(to []byte) []byte {
	switch v.Kind {
	case Object:
		to = append(to, '{')
		for i, m := range v.Members {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(AppendString(to, m.Name), ':')
			to = m.Value.Append(to)
		}
		return append(to, '}')
	case Array:
		to = append(to, '[')
		for i, item := range v.Items {
			if i > 0 {
				to = append(to, ',')
			}
			to = item.Append(to)
		}
		return append(to, ']')
	case String:
		return AppendString(to, v.Text)
	case Number, Bool:
		return append(to, v.Text...)
	}
	return append(to, "null"...)
}

// String returns v as compact JSON.
func (v Value) String() string { return string(v.Append(nil)) }

// AppendString appends s as a JSON string; what is not UTF-8 in it becomes U+FFFD.
func AppendString(to []byte, s string) []byte {
	to, _ = jsontext.AppendQuote(to, s) // its error says that it has replaced something
	return to
}

// Text returns a string value.
func Text(s string) Value { return Value{Kind: String, Text: s} }

// Int returns a number.
func Int(n int64) Value { return Value{Kind: Number, Text: strconv.FormatInt(n, 10)} }

// Boolean returns true or false.
func Boolean(b bool) Value { return Value{Kind: Bool, Text: strconv.FormatBool(b)} }

// A Reader hands out the tokens of a JSON text one by one, without building its value. Its zero value is
// ready for Reset, and it may be used again and again.
type Reader struct {
	dec *jsontext.Decoder
	buf bytes.Buffer
}

// A Token is the begin or end of an object or array, a scalar, or a member's name (a String where a name is due).
type Token struct {
	Kind   Kind
	Raw    []byte // as it was written, with quotes and escapes; good until the next call of Next
	Offset int    // bytes before it in the text
}

// Reset lets r begin with data, which must not change while it is read.
func (r *Reader) Reset(data []byte) {
	r.buf = *bytes.NewBuffer(data)
	if r.dec == nil {
		r.dec = jsontext.NewDecoder(&r.buf)
		return
	}
	r.dec.Reset(&r.buf)
}

// Next returns the next token. An error is an *[Error].
func (r *Reader) Next() (Token, error) {
	switch k := r.dec.PeekKind(); k {
	case '{', '}', '[', ']':
		if _, err := r.dec.ReadToken(); err != nil {
			return Token{}, r.explain(err)
		}
		if r.dec.StackDepth() > MaxDepth {
			return Token{}, &Error{int(r.dec.InputOffset()) - 1, fmt.Sprintf("more than %d objects and arrays in each other", MaxDepth)}
		}
		return Token{Kind: Kind(k), Offset: int(r.dec.InputOffset()) - 1}, nil
	default:
		raw, err := r.dec.ReadValue()
		if err != nil {
			return Token{}, r.explain(err)
		}
		if k == 'f' {
			k = 't'
		}
		return Token{Kind: Kind(k), Raw: raw, Offset: int(r.dec.InputOffset()) - len(raw)}, nil
	}
}

// Skip passes over the value that is due, whatever it is.
func (r *Reader) Skip() error {
	if err := r.dec.SkipValue(); err != nil {
		return r.explain(err)
	}
	return nil
}

// Peek returns the kind of the token that is due; of false it is Bool, at the end or where the text is wrong none of
// those above.
func (r *Reader) Peek() Kind {
	k := Kind(r.dec.PeekKind())
	if k == 'f' {
		k = Bool
	}
	return k
}

// Value reads the whole value that begins with t, the token that Next returned last.
func (r *Reader) Value(t Token) (Value, error) { return r.value(t) }

// Offset returns the bytes that were read so far.
func (r *Reader) Offset() int { return int(r.dec.InputOffset()) }

// End checks that nothing but white space is left.
func (r *Reader) End() error {
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &Error{int(r.dec.InputOffset()), "text after the value"}
	}
	return nil
}

func (r *Reader) explain(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		reason := syntactic.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			reason = "Duplicate field '" + syntactic.JSONPointer.LastToken() + "'"
		}
		return &Error{int(syntactic.ByteOffset), reason}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{int(r.dec.InputOffset()), "unexpected end"}
	}
	return &Error{int(r.dec.InputOffset()), err.Error()}
}

// Text returns the token's text: of a string unescaped, of any other scalar as it was written.
func (t Token) Text() string {
	if raw, ok := t.Plain(); ok {
		return string(raw)
	}
	text, _ := jsontext.AppendUnquote(nil, t.Raw) // Next has found it valid
	return string(text)
}

// Plain returns what Text does without copying it, if the string holds no escape.
func (t Token) Plain() (text []byte, ok bool) {
	if t.Kind != String {
		return t.Raw, true
	}
	if bytes.IndexByte(t.Raw, '\\') >= 0 {
		return nil, false
	}
	return t.Raw[1 : len(t.Raw)-1], true
}
