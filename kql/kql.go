// Package kql is Kibana's query language, KQL, in which people look for logs:
//
//	level: error and kubernetes.namespace: (web or shop) and not message: "connection reset"
//
// [Parse] reads it. Of a [Query] come a query for Elasticsearch and whatever speaks its search API ([Query.DSL]), a function that tries
// documents one by one with the same meaning ([Query.Matcher]), and what to highlight in what was found ([Query.Terms]). [Complete]
// says what stands at the cursor while a query is being typed.
//
// The language is written from Kibana's documentation. docs/logtui-query.md describes it, and where it differs.
package kql

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Query is a text that was read. It never changes.
type Query struct {
	root   node   // nil: all documents, or Lucene's syntax
	lucene string // the query in Lucene's syntax
	loose  bool   // or stands in the text outside of parentheses
}

// Fields are those of the documents that are searched. Where they may be nil, nothing is known of them.
type Fields interface {
	// Type is the type that Elasticsearch's mapping gives a field: keyword, text, long, nested …; "" if it is not known, or not the same everywhere.
	Type(field string) string
	// Match returns the fields that a name with * means.
	Match(pattern string) []string
}

// Options say what a query leaves open.
type Options struct {
	Default  []string       // fields of words without one, also with *; none: all
	Location *time.Location // of dates without a zone; nil: UTC
}

// An Error says where a text is wrong.
type Error struct {
	Column int    // of its first character that is wrong, counted in characters from 1; one beyond the text if something is missing there
	Length int    // how many are wrong; 0 if something is missing
	Text   string // what is wrong
	Hint   string // what to type instead, or ""
}

func (e *Error) Error() string {
	text := fmt.Sprintf("cannot read the query at column %d: %s", e.Column, e.Text)
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Caret returns a line that, below the text, points to what is wrong. Every character is taken to be as wide as one cell;
// tabs are kept.
func (e *Error) Caret(text string) string {
	var b strings.Builder
	n := 1
	for _, r := range text {
		if n == e.Column {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return b.String() + strings.Repeat("^", max(1, e.Length))
}

// String returns the query in one form for all texts of the same meaning; Parse of it is the same query.
func (q *Query) String() string {
	switch {
	case q.lucene != "":
		return luceneMark + " " + q.lucene
	case q.root == nil:
		return ""
	}
	return write(q.root, "", 0)
}

// Quote returns a value as it is to be written in a query that looks for just this value: in a text, for its words in their order.
func Quote(value string) string {
	plain := value != "" && !keyword(value)
	for _, r := range value {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' {
			plain = false
		}
	}
	if plain && utf8.ValidString(value) {
		return value
	}
	return quoted(value)
}

// Name returns a field's name as it is to be written in a query.
func Name(field string) string { return writeField(term{pieces: []string{field}}) }

// And returns a text that asks for all of its parts; empty ones ask for nothing. A part that cannot be read, or is in Lucene's syntax,
// is put in as it is.
func And(parts ...string) string {
	var all []string
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	for i, part := range all {
		if q, err := Parse(part); err == nil && q.loose {
			all[i] = "(" + part + ")"
		}
	}
	return strings.Join(all, " and ")
}
