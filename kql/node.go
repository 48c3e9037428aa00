package kql

import (
	"fmt"
	"strings"
	"unicode"
)

// A node is a query: and, or, not, nested, leaf.
type node any

type (
	and []node // at least two, none of them and
	or  []node // at least two, none of them or
	not struct{ node }

	// nested holds for documents with an object below path for which all of node holds. The names in node are whole.
	nested struct {
		path string
		node node
	}

	// A leaf asks something of one field.
	leaf struct {
		field term // without pieces: the default fields
		is    operator
		value term
		re    *regex // of matches
	}
)

// An operator is what a leaf asks.
type operator byte

const (
	has     operator = iota // the value, in which * may stand
	exists                  // any value
	matches                 // a text in which the regular expression is found
	below                   // < value
	atMost                  // <= value
	above                   // > value
	atLeast                 // >= value
)

var signs = [...]string{below: "<", atMost: "<=", above: ">", atLeast: ">="}

// A term is a value or a field's name: the pieces between its *, so more than one if there is any.
type term struct {
	pieces []string
	quoted bool // * is no sign in it
}

// none says whether there is no term.
func (t term) none() bool    { return len(t.pieces) == 0 }
func (t term) pattern() bool { return len(t.pieces) > 1 }

// any says whether the term is * alone.
func (t term) any() bool { return len(t.pieces) == 2 && t.pieces[0] == "" && t.pieces[1] == "" }

// text is the term with its *, for what knows no pieces.
func (t term) text() string { return strings.Join(t.pieces, "*") }

// under returns the name below a path.
func (t term) under(path string) term {
	if path == "" {
		return t
	}
	pieces := append([]string{path + "." + t.pieces[0]}, t.pieces[1:]...)
	return term{pieces: pieces, quoted: t.quoted}
}

// join makes and or or of nodes, without one in itself.
func join[T ~[]node](nodes []node) node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	var all T
	for _, n := range nodes {
		if same, ok := n.(T); ok {
			all = append(all, same...)
		} else {
			all = append(all, n)
		}
	}
	return node(all)
}

// negate makes not, without one in itself.
func negate(n node) node {
	if inner, ok := n.(not); ok {
		return inner.node
	}
	return not{n}
}

// depth is how many compounds stand in each other.
func depth(n node) int {
	switch n := n.(type) {
	case and:
		return 1 + deepest(n)
	case or:
		return 1 + deepest(n)
	case not:
		return 1 + depth(n.node)
	case nested:
		return 1 + depth(n.node)
	}
	return 0
}

func deepest(nodes []node) int {
	most := 0
	for _, n := range nodes {
		most = max(most, depth(n))
	}
	return most
}

// each calls f with every leaf, and whether it stands below an odd number of nots.
func each(n node, negative bool, f func(l leaf, negative bool)) {
	switch n := n.(type) {
	case and:
		for _, part := range n {
			each(part, negative, f)
		}
	case or:
		for _, part := range n {
			each(part, negative, f)
		}
	case not:
		each(n.node, !negative, f)
	case nested:
		each(n.node, negative, f)
	case leaf:
		f(n, negative)
	}
}

// write returns a node as a text. path is that of the object it stands in; binds is how tightly what is around it binds: or 1, and 2, not 3.
func write(n node, path string, binds int) string {
	var text string
	own := 4
	switch n := n.(type) {
	case or:
		own, text = 1, writeAll(n, " or ", path, 1)
	case and:
		own, text = 2, writeAll(n, " and ", path, 2)
	case not:
		own, text = 3, "not "+write(n.node, path, 3)
	case nested:
		text = writeField(relative(term{pieces: []string{n.path}}, path)) + ": { " + write(n.node, n.path, 0) + " }"
	case leaf:
		text = writeLeaf(n, path)
	}
	if own < binds {
		return "(" + text + ")"
	}
	return text
}

func writeAll(nodes []node, between, path string, binds int) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = write(n, path, binds)
	}
	return strings.Join(texts, between)
}

func relative(t term, path string) term {
	if path == "" {
		return t
	}
	pieces := append([]string{strings.TrimPrefix(t.pieces[0], path+".")}, t.pieces[1:]...)
	return term{pieces: pieces, quoted: t.quoted}
}

func writeLeaf(l leaf, path string) string {
	value := "*"
	switch {
	case l.is == matches:
		value = l.re.text
	case l.is != exists:
		value = writeTerm(l.value)
	}
	if l.field.none() {
		return value
	}
	name := writeField(relative(l.field, path))
	if l.is >= below {
		return name + " " + signs[l.is] + " " + value
	}
	return name + ": " + value
}

// writeField returns a name; what a name may not hold without quotes is quoted, unless there is a * in it.
func writeField(t term) string {
	if !t.pattern() {
		name := t.text()
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || special(r) || !unicode.IsPrint(r) }) ||
			keyword(name) || strings.EqualFold(name, "lucene") || name[0] == '/' {
			return quoted(name)
		}
	}
	return strings.ReplaceAll(writeTerm(term{pieces: t.pieces}), " ", `\u0020`)
}

func writeTerm(t term) string {
	if t.quoted {
		return quoted(t.text())
	}
	pieces := make([]string, len(t.pieces))
	for i, piece := range t.pieces {
		pieces[i] = escaped(piece)
	}
	return edges(strings.Join(pieces, "*"))
}

// escaped writes a piece of a term without quotes.
func escaped(piece string) string {
	var b strings.Builder
	for _, r := range piece {
		switch {
		case special(r):
			b.WriteRune('\\')
			b.WriteRune(r)
		case r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r)):
			b.WriteString(unicoded(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// edges escapes in a term what would be taken for something else: white space around it, words that are signs, and a / at its beginning.
func edges(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if keyword(word) {
			words[i] = `\` + word
		}
	}
	text = strings.Join(words, " ")
	inner := strings.TrimLeft(text, " ")
	text = strings.Repeat(`\u0020`, len(text)-len(inner)) + inner
	inner = strings.TrimRight(text, " ")
	text = inner + strings.Repeat(`\u0020`, len(text)-len(inner))
	if strings.HasPrefix(text, "/") {
		return `\` + text
	}
	return text
}

func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			b.WriteString(unicoded(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func unicoded(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// keyword says whether a word is and, or, not.
func keyword(word string) bool {
	return strings.EqualFold(word, "and") || strings.EqualFold(word, "or") || strings.EqualFold(word, "not")
}

// special says whether a character must be escaped in a term without quotes.
func special(r rune) bool { return strings.ContainsRune(`\():<>"*{}`, r) }
