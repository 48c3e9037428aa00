package kql

import (
	"strings"
	"unicode"
)

// A Place is what stands at the cursor, and what may stand there.
type Place struct {
	Kind   PlaceKind
	Field  string // of a value or an operator: the field's whole name
	Path   string // of a field: that of the object it is to be in, as items in items: { na; "" of none
	Prefix string // what is written up to the cursor, without quotes and escapes
	From   int    // characters From to To (from 0) are what a completion replaces
	To     int
	Quoted bool // it begins with a quotation mark
}

// A PlaceKind says what is to stand at a place.
type PlaceKind byte

// What is to stand at a place. A Field may as well be a word without one, not, or an opening parenthesis; behind an Operator's field there
// may be a Conjunction as well, if it was a word without a field.
const (
	Nowhere     PlaceKind = iota // nothing can be said, as in Lucene's syntax
	Field                        // a field's name
	Operator                     // : < <= > >=
	Value                        // a value, or an opening parenthesis
	Conjunction                  // and, or
)

// Complete says what stands at the cursor, which is behind that many characters. The text may be wrong, and end anywhere.
func Complete(text string, cursor int) Place {
	if trimmed := strings.TrimSpace(text); len(trimmed) >= len(luceneMark) && strings.EqualFold(trimmed[:len(luceneMark)], luceneMark) {
		return Place{From: cursor, To: cursor}
	}
	c := completer{in: []rune(text), kind: Field}
	cursor = max(0, min(cursor, len(c.in)))
	for pos := 0; ; {
		for pos < cursor && unicode.IsSpace(c.in[pos]) {
			pos++
		}
		if pos >= cursor {
			return c.place(Place{Kind: c.kind, From: cursor, To: cursor})
		}
		end := c.token(pos)
		word := end > pos+1 || !special(c.in[pos]) || c.in[pos] == '"' || c.in[pos] == '*'
		sign := word && (c.in[pos] == '<' || c.in[pos] == '>')
		if word && !sign && end >= cursor {
			prefix, quoted := unescaped(c.in[pos:cursor])
			kind := c.kind
			if kind == Operator { // behind a word without a field stands no other field
				kind = Conjunction
			}
			return c.place(Place{Kind: kind, Prefix: prefix, From: pos, To: end, Quoted: quoted})
		}
		c.take(c.in[pos:end])
		pos = end
	}
}

// A completer follows a text token by token.
type completer struct {
	in    []rune
	kind  PlaceKind // of what is expected next
	field string    // the last that was read, without its path
	opens []open
}

// An open is a parenthesis that is not closed yet: with the field whose values stand in it, or the path of whose objects fields do.
type open struct {
	field, path string
}

// place adds to a place what is around it.
func (c *completer) place(p Place) Place {
	switch p.Kind {
	case Field:
		p.Path = c.path()
	case Value, Operator:
		p.Field = c.whole(c.field)
	}
	return p
}

func (c *completer) path() string {
	if len(c.opens) == 0 {
		return ""
	}
	return c.opens[len(c.opens)-1].path
}

func (c *completer) whole(field string) string {
	if path := c.path(); path != "" {
		return path + "." + field
	}
	return field
}

// token returns the end of the token that begins at a position.
func (c *completer) token(pos int) int {
	switch r := c.in[pos]; {
	case r == '"':
		for pos++; pos < len(c.in) && c.in[pos] != '"'; pos++ {
			if c.in[pos] == '\\' {
				pos++
			}
		}
		return min(pos+1, len(c.in))
	case (r == '<' || r == '>') && pos+1 < len(c.in) && c.in[pos+1] == '=':
		return pos + 2
	case special(r) && r != '*' && r != '\\':
		return pos + 1
	}
	for pos < len(c.in) && !unicode.IsSpace(c.in[pos]) && (!special(c.in[pos]) || c.in[pos] == '*' || c.in[pos] == '\\') {
		if c.in[pos] == '\\' {
			pos++
		}
		pos++
	}
	return min(pos, len(c.in))
}

// take goes on by one token.
func (c *completer) take(token []rune) {
	word := string(token)
	switch {
	case word == "(":
		in := open{path: c.path()}
		if c.kind == Value {
			in.field = c.field
		}
		c.opens = append(c.opens, in)
	case word == "{":
		c.opens = append(c.opens, open{path: c.whole(c.field)})
		c.kind = Field
	case word == ")" || word == "}":
		if len(c.opens) > 0 {
			c.opens = c.opens[:len(c.opens)-1]
		}
		c.kind = Conjunction
	case word == ":" || word[0] == '<' || word[0] == '>':
		c.kind = Value
	case keyword(word):
		c.kind = Field
		if n := len(c.opens); n > 0 && c.opens[n-1].field != "" {
			c.kind, c.field = Value, c.opens[n-1].field
		}
	case c.kind == Field:
		c.field, _ = unescaped(token)
		c.kind = Operator
	default:
		c.kind = Conjunction
	}
}

// unescaped returns what a token, of which the end may be missing, stands for.
func unescaped(token []rune) (text string, quoted bool) {
	if len(token) > 0 && token[0] == '"' {
		quoted = true
		token = token[1:]
		if n := len(token); n > 0 && token[n-1] == '"' && (n == 1 || token[n-2] != '\\') {
			token = token[:n-1]
		}
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] == '\\' && i+1 < len(token) {
			i++
		}
		b.WriteRune(token[i])
	}
	return b.String(), quoted
}
