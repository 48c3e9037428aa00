package search

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// segments splits the path of u, as it was sent, into its segments. Names of routes are compared in this form,
// as Elasticsearch compares them; what a client chooses is decoded once (see decode).
func segments(u *url.URL) ([]string, error) {
	path := u.EscapedPath()
	if path == "" || path == "/" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || len(path) > maxPath {
		return nil, illegal("the path must begin with / and have at most 8 KiB")
	}
	parts := strings.Split(rest, "/")
	for _, part := range parts {
		if part == "" {
			return nil, illegal("the path has an empty segment, which Elasticsearch would take for every index")
		}
	}
	return parts, nil
}

const maxPath = 8 << 10

// decode percent-decodes a segment once.
func decode(segment string) (string, error) {
	s, err := url.PathUnescape(segment)
	if err != nil || !utf8.ValidString(s) || strings.ContainsFunc(s, isControl) {
		return "", illegal("cannot decode " + quote(segment) + " in the path")
	}
	return s, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// escape encodes a segment so that no server can read anything else in it.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~*,", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// like says whether s is what pattern stands for, in which * is any text.
func like(pattern, s string) bool { return covers(pattern, s) }

// covers says whether outer stands for all that inner stands for. Where it says no, they may still overlap.
func covers(outer, inner string) bool {
	o, i := 0, 0
	star, from := -1, 0 // the last * of outer, and where what it stands for ends in inner
	for i < len(inner) {
		switch {
		case o < len(outer) && outer[o] == '*':
			star, from = o, i
			o++
		case o < len(outer) && outer[o] == inner[i] && inner[i] != '*':
			o++
			i++
		case star >= 0:
			from++
			o, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(outer[o:], "*") == ""
}

func likeAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if like(p, s) {
			return true
		}
	}
	return false
}

// element is one part of an index expression: a name, a pattern, or what is to be left out of the patterns before.
type element struct {
	text string
	not  bool
}

func (e element) wild() bool { return strings.Contains(e.text, "*") }

const (
	maxElements   = 256  // in one expression
	maxCut        = 2000 // in all of a request's
	maxExpression = 4 << 10
)

// parseIndices reads an index expression, in which empty stands for every index and _all is a *.
func parseIndices(s string) ([]element, error) {
	if s == "" || s == "_all" {
		return nil, nil
	}
	if len(s) > maxExpression {
		return nil, illegal("an index expression must have at most 4 KiB")
	}
	parts := strings.Split(s, ",")
	if len(parts) > maxElements {
		return nil, illegal("an index expression must have at most 256 names")
	}
	var elements []element
	for i, part := range parts {
		e := element{text: part}
		if i > 0 {
			e.text, e.not = strings.CutPrefix(part, "-")
		}
		name := e.text
		if e.not { // what is left out may be the system's own
			name = strings.TrimLeft(name, ".")
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		elements = append(elements, e)
	}
	return elements, nil
}

// checkName refuses names of indices that stand for something else to Elasticsearch, or that are not for clients.
func checkName(name string) error {
	switch {
	case name == "":
		return illegal("an index expression has an empty name, which Elasticsearch would take for every index")
	case isDateMath(name):
		return nil
	case len(name) > 255:
		return illegal("the name of an index is longer than 255 bytes")
	case strings.Contains(name, ":"):
		return forbidden("the index " + quote(name) + " is of another cluster: only this one is served")
	case name[0] == '.':
		return forbidden("the index " + quote(name) + " begins with a dot: those are the system's own")
	case strings.IndexByte("-+_", name[0]) >= 0, strings.ContainsAny(name, "\\/?\"<>|#% ,;"), !utf8.ValidString(name), strings.ContainsFunc(name, isControl):
		return illegal("invalid index name " + quote(name))
	}
	return nil
}

// isDateMath says whether name is a date math expression with a fixed beginning: <logs-{now/d{yyyy.MM.dd}}>.
func isDateMath(name string) bool {
	inner, ok := strings.CutPrefix(name, "<")
	inner, closed := strings.CutSuffix(inner, ">")
	fixed, math, found := strings.Cut(inner, "{now")
	if !ok || !closed || !found || fixed == "" || strings.IndexByte("-+_.", fixed[0]) >= 0 || len(name) > 255 {
		return false
	}
	for _, c := range fixed {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	depth := 1
	for _, c := range math {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("+-/._:|*", c)):
			return false
		}
		if depth < 0 || depth > 2 {
			return false
		}
	}
	return depth == 0
}
