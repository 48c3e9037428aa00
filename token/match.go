package token

import (
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Base is where an API is: what {mscp_api_url} stands for in the URLs of a token.
type Base struct {
	prefix []string // the segments that the paths of its requests begin with
	origin string   // of its public URL; empty: there is none
	public []string // the segments of its public URL
}

// NewBase makes a Base of the path that the API's requests begin with here ("" or "/api") and of the URL under which
// clients know it ("https://logs.example.com/api"). Without a public URL, no absolute URL in a
// token opens anything. The two paths differ behind a proxy that changes them.
func NewBase(prefix, public string) (Base, error) {
	var b Base
	var err error
	if strings.ContainsAny(prefix, "?#") {
		return Base{}, fmt.Errorf("cannot use prefix %q: want a path, without a query or a fragment", prefix)
	}
	if b.prefix, err = literal(prefix); err != nil {
		return Base{}, fmt.Errorf("cannot use prefix %q: %w", prefix, err)
	}
	if public == "" {
		return b, nil
	}
	origin, path, ok := splitOrigin(public)
	if !ok || origin == "http://" || origin == "https://" || strings.ContainsAny(origin, "@\\ ") || strings.ContainsAny(public, "?#") {
		return Base{}, fmt.Errorf("cannot use public URL %q: want http:// or https://, a host and no more than a path", public)
	}
	b.origin = origin
	if b.public, err = literal(path); err != nil {
		return Base{}, fmt.Errorf("cannot use public URL %q: %w", public, err)
	}
	return b, nil
}

// literal returns the segments of a path without wildcards.
func literal(path string) ([]string, error) {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil, nil
	}
	return split(path)
}

// Allows says whether the token opens u, a URL of an API at b, to method. It looks at the path only, as it was
// sent: segment by segment, each percent-decoded once. A path that Segments refuses is never open.
func (c *Claims) Allows(b Base, method string, u *url.URL) bool {
	for range c.opening(b, method, u) {
		return true
	}
	return false
}

// Opens returns the access entries of the token that open u to method, as Allows has it: what they hold beside methods and URLs
// says what else has to be looked at. Each of them opens it by itself.
func (c *Claims) Opens(b Base, method string, u *url.URL) []Access {
	return slices.Collect(c.opening(b, method, u))
}

func (c *Claims) opening(b Base, method string, u *url.URL) iter.Seq[Access] {
	return func(yield func(Access) bool) {
		path, err := Segments(u)
		if err != nil || !isMethod(method) || method == "*" {
			return
		}
		for _, a := range c.Access {
			if a.opens(b, method, path) && !yield(a) {
				return
			}
		}
	}
}

func (a Access) opens(b Base, method string, path []string) bool {
	if !slices.Contains(a.Method, method) && !slices.Contains(a.Method, "*") {
		return false
	}
	return slices.ContainsFunc(a.URL, func(text string) bool {
		p, err := parsePattern(text)
		return err == nil && p.matches(b, path)
	})
}

// isMethod says whether s is a method as HTTP registers them, or *.
func isMethod(s string) bool {
	if s == "*" {
		return true
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'A' && c <= 'Z' || c == '-' && i > 0) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Segments returns the segments of u's path, each percent-decoded once; none for "/". It refuses a path that two programs
// could read differently: one with an empty segment (also at its end), with . or .. as a segment, or with
// a segment that holds, once decoded, a slash, a backslash, a percent sign, a control character or what is
// not UTF-8.
func Segments(u *url.URL) ([]string, error) {
	path := u.EscapedPath()
	if u.RawPath != "" && u.RawPath != path {
		return nil, errors.New("the path holds characters that must be percent-encoded")
	}
	if path == "/" {
		return nil, nil
	}
	return split(path)
}

func split(path string) ([]string, error) {
	if len(path) > maxToken {
		return nil, fmt.Errorf("the path has more than %d bytes", maxToken)
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, errors.New("the path does not begin with /")
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		decoded, err := decode(s)
		if err != nil {
			return nil, err
		}
		segments[i] = decoded
	}
	return segments, nil
}

func decode(segment string) (string, error) {
	s, err := url.PathUnescape(segment)
	if err != nil {
		return "", errors.New("the path holds a % that begins no encoded byte")
	}
	switch {
	case s == "":
		return "", errors.New("a segment of the path is empty")
	case s == "." || s == "..":
		return "", fmt.Errorf("a segment of the path is %s", s)
	case !utf8.ValidString(s) || strings.ContainsAny(s, "/\\%") || strings.ContainsFunc(s, isControl):
		return "", errors.New("a segment of the path holds a slash, backslash, percent sign, control character or no UTF-8")
	}
	return s, nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// A pattern is a URL of a token.
type pattern struct {
	origin string // of an absolute URL
	based  bool   // it began with {mscp_api_url}
	parts  []part // of its path
}

type part struct {
	kind kind
	text string // of a literal: decoded
}

type kind int

const (
	exactly kind = iota
	anyOne       // * or {name}
	aUUID        // {name:UUID}
	theRest      // **
)

func parsePattern(s string) (p pattern, err error) {
	if strings.ContainsAny(s, "?#") {
		return p, errors.New("it has a query or a fragment; only paths are compared")
	}
	path := s
	for _, base := range []string{"{mscp_api_url}", "[mscp_api_url]"} {
		if rest, ok := strings.CutPrefix(s, base); ok {
			p.based, path = true, rest
		}
	}
	if origin, rest, ok := splitOrigin(s); ok {
		p.origin, path = origin, rest
	}
	if (p.based || p.origin != "") && path == "" || path == "/" {
		return p, nil
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return p, errors.New("want /…, {mscp_api_url}/… or https://host/…")
	}
	texts := strings.Split(rest, "/")
	for i, text := range texts {
		part, err := parsePart(text)
		if err != nil {
			return pattern{}, err
		}
		if part.kind == theRest && i < len(texts)-1 {
			return pattern{}, errors.New("** is not at its end")
		}
		p.parts = append(p.parts, part)
	}
	return p, nil
}

func parsePart(s string) (part, error) {
	switch {
	case s == "*":
		return part{kind: anyOne}, nil
	case s == "**":
		return part{kind: theRest}, nil
	case strings.ContainsAny(s, "*{}"):
		inner, ok := strings.CutPrefix(s, "{")
		inner, closed := strings.CutSuffix(inner, "}")
		name, typ, typed := strings.Cut(inner, ":")
		if name == "mscp_api_url" {
			return part{}, errors.New("{mscp_api_url} is not at its beginning")
		}
		if !ok || !closed || !isName(name) || typed && typ != "UUID" {
			return part{}, fmt.Errorf("segment %q is none of *, **, {name} and {name:UUID}; a literal * is %%2A", clip(s))
		}
		if typed {
			return part{kind: aUUID}, nil
		}
		return part{kind: anyOne}, nil
	}
	text, err := decode(s)
	return part{exactly, text}, err
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return s != ""
}

// matches says whether p stands for path, whose first segments are b's prefix.
func (p pattern) matches(b Base, path []string) bool {
	parts := p.parts
	if p.origin != "" {
		if p.origin != b.origin || len(parts) < len(b.public) {
			return false
		}
		for i, segment := range b.public {
			if (parts[i] != part{exactly, segment}) {
				return false
			}
		}
		parts = parts[len(b.public):]
	}
	if p.based || p.origin != "" {
		if len(path) < len(b.prefix) || !slices.Equal(path[:len(b.prefix)], b.prefix) {
			return false
		}
		path = path[len(b.prefix):]
	}
	for i, part := range parts {
		if i >= len(path) {
			return false
		}
		switch part.kind {
		case theRest:
			return true
		case exactly:
			if part.text != path[i] {
				return false
			}
		case aUUID:
			if !isUUID(path[i]) {
				return false
			}
		}
	}
	return len(parts) == len(path)
}

// splitOrigin splits an absolute http or https URL into scheme and host, in lower case and without the
// scheme's own port, and its path.
func splitOrigin(s string) (origin, path string, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", "", false
	}
	host := rest
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return scheme + "://" + strings.TrimSuffix(strings.ToLower(host), port), path, true
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
