package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// ParseAccess reads the access entries that somebody asks for: a list of them, as a token has it, or {"access": […]}. It refuses what
// a token must not have, and an entry that would open nothing.
func ParseAccess(data []byte) ([]Access, error) {
	if text := strings.TrimLeft(string(data), " \t\r\n"); strings.HasPrefix(text, "{") {
		asked, err := members(data, "access")
		if err != nil {
			return nil, err
		}
		data = asked["access"]
	}
	data = []byte(strings.Trim(string(data), " \t\r\n"))
	access, err := parseAccess(data)
	if err != nil {
		return nil, fmt.Errorf("access %w", err)
	}
	if len(access) == 0 {
		return nil, errors.New("access is empty: want at least one entry with method and url")
	}
	for i, a := range access {
		if len(a.Method) == 0 || len(a.URL) == 0 {
			return nil, fmt.Errorf("access entry %d opens nothing: want at least one method and one url", i)
		}
		if err := a.Check(); err != nil {
			return nil, fmt.Errorf("access entry %d: %w", i, err)
		}
	}
	return access, nil
}

// Narrow returns the access of a token that opens what is wanted, and nothing that grants do not; nil if they do not cover all
// of it. Each method of a wanted entry with each of its URLs must lie inside one of grants, which must have the URL in one of the
// ways that mean the same at b; the token then has it in this way.
//
// other says what an entry that lies inside a grant has as its Other, given those of the two, or that it may not have the one
// that is wanted. Where several grants cover a wanted entry, there is an entry for each in the result.
func Narrow(b Base, grants, wanted []Access, other func(granted, wanted json.RawMessage) (json.RawMessage, bool)) []Access {
	parsed := make([][]pattern, len(grants))
	for i, g := range grants {
		for _, text := range g.URL {
			if p, err := parsePattern(text); err == nil {
				parsed[i] = append(parsed[i], p)
			}
		}
	}
	var all []Access
	for _, w := range wanted {
		n := narrowing{wanted: w, open: map[[2]int]bool{}}
		for _, text := range w.URL {
			n.forms = append(n.forms, b.forms(text))
		}
		for i, g := range grants {
			n.add(g, parsed[i], other)
		}
		if want := len(w.Method) * len(w.URL); want == 0 || len(n.open) < want {
			return nil
		}
		for _, a := range n.parts {
			if !slices.ContainsFunc(all, func(b Access) bool { return reflect.DeepEqual(a, b) }) {
				all = append(all, a)
			}
		}
	}
	return all
}

// A narrowing is what grants cover of a wanted entry.
type narrowing struct {
	wanted Access
	forms  [][]form        // of each wanted URL
	open   map[[2]int]bool // by the places of a wanted method and URL: they are covered
	parts  []Access
}

// add adds what g covers.
func (n *narrowing) add(g Access, urls []pattern, other func(granted, wanted json.RawMessage) (json.RawMessage, bool)) {
	var part Access
	var methods, at []int // the places of the methods and URLs
	for i, forms := range n.forms {
		k := slices.IndexFunc(forms, func(f form) bool {
			return slices.ContainsFunc(urls, func(p pattern) bool { return p.contains(f.pattern) })
		})
		if k >= 0 {
			at = append(at, i)
			part.URL = append(part.URL, forms[k].text)
		}
	}
	for i, method := range n.wanted.Method {
		if slices.Contains(g.Method, method) || slices.Contains(g.Method, "*") {
			methods = append(methods, i)
			part.Method = append(part.Method, method)
		}
	}
	if len(methods) == 0 || len(at) == 0 {
		return
	}
	var ok bool
	if part.Other, ok = other(g.Other, n.wanted.Other); !ok {
		return
	}
	n.parts = append(n.parts, part)
	for _, i := range methods {
		for _, k := range at {
			n.open[[2]int{i, k}] = true
		}
	}
}

// contains says whether whatever q stands for p does, too, wherever the API is: they must be of one form.
func (p pattern) contains(q pattern) bool {
	if p.based != q.based || p.origin != q.origin {
		return false
	}
	for i, part := range p.parts {
		if i >= len(q.parts) {
			return false
		}
		of := q.parts[i]
		switch part.kind {
		case theRest:
			return true
		case anyOne:
			if of.kind == theRest {
				return false
			}
		case aUUID:
			if of.kind != aUUID && (of.kind != exactly || !isUUID(of.text)) {
				return false
			}
		case exactly:
			if of != part {
				return false
			}
		}
	}
	return len(p.parts) == len(q.parts)
}

// A form is one way to write a URL of a token.
type form struct {
	pattern
	text string
}

// forms returns the ways to write text that mean the same at b, text itself first; none if it is no URL of a token.
func (b Base) forms(text string) []form {
	p, err := parsePattern(text)
	if err != nil {
		return nil
	}
	forms := []form{{p, text}}
	below, ok := b.below(p)
	if !ok {
		return forms
	}
	same := []pattern{{based: true, parts: below}, {parts: slices.Concat(literals(b.prefix), below)}}
	if b.origin != "" {
		same = append(same, pattern{origin: b.origin, parts: slices.Concat(literals(b.public), below)})
	}
	for _, q := range same {
		forms = append(forms, form{q, q.String()})
	}
	return forms
}

// below returns the part of p's path that is below b.
func (b Base) below(p pattern) ([]part, bool) {
	above := b.prefix
	switch {
	case p.based:
		return p.parts, true
	case p.origin != "" && p.origin != b.origin:
		return nil, false
	case p.origin != "":
		above = b.public
	}
	if n := len(above); len(p.parts) >= n && slices.Equal(p.parts[:n], literals(above)) {
		return p.parts[n:], true
	}
	return nil, false
}

func literals(segments []string) []part {
	parts := make([]part, len(segments))
	for i, s := range segments {
		parts[i] = part{exactly, s}
	}
	return parts
}

// String writes p as a URL of a token.
func (p pattern) String() string {
	var s strings.Builder
	s.WriteString(p.origin)
	if p.based {
		s.WriteString("{mscp_api_url}")
	}
	for _, part := range p.parts {
		s.WriteByte('/')
		switch part.kind {
		case anyOne:
			s.WriteByte('*')
		case aUUID:
			s.WriteString("{id:UUID}")
		case theRest:
			s.WriteString("**")
		default:
			s.WriteString(url.PathEscape(part.text))
		}
	}
	if s.Len() == 0 {
		return "/"
	}
	return s.String()
}
