package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/token"
)

// A Narrowing is what a token's access entry narrows a search to: members of its `other`. Each is a list of names in which * stands
// for any characters; nil means that it is not narrowed by it. No list is empty.
type Narrowing struct {
	Indices    []string
	Namespaces []string
	Apps       []string
}

// The members of `other` that are known. Those of texts say where pushed logs are from.
var (
	listNames = []string{"indices", "namespaces", "apps"}
	textNames = []string{"namespace", "region", "zone"}
	allNames  = slices.Concat(listNames, textNames)
)

// Bounds of a narrowing.
const (
	maxNames = 64
	maxName  = 255
)

// ParseNarrowing reads the `other` of an access entry of a token. A namespace that pushed logs are from narrows a search,
// too, if there are no namespaces. Members that mean nothing to a search are left, unless they could be meant for one that does: then, and where
// it holds anything but such lists, the token opens no search.
func ParseNarrowing(other json.RawMessage) (Narrowing, error) {
	said, err := parseOther(other, false)
	if err != nil {
		return Narrowing{}, err
	}
	n := Narrowing{said.lists["indices"], said.lists["namespaces"], said.lists["apps"]}
	if one, ok := said.texts["namespace"]; ok && n.Namespaces == nil {
		n.Namespaces = []string{one}
	}
	return n, nil
}

// others are the members of an `other`.
type others struct {
	lists map[string][]string
	texts map[string]string
}

// parseOther reads an `other`. strict refuses what it does not know.
func parseOther(raw json.RawMessage, strict bool) (o others, err error) {
	o = others{lists: map[string][]string{}, texts: map[string]string{}}
	if len(raw) == 0 {
		return o, nil
	}
	if err := (token.Access{Other: raw}).Check(); err != nil { // a member twice, or nothing but an object
		return o, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return o, errors.New("other is not a JSON object")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		switch value := members[name]; {
		case slices.Contains(listNames, name):
			o.lists[name], err = names(value)
		case slices.Contains(textNames, name):
			o.texts[name], err = word(value)
		case strict || slices.ContainsFunc(allNames, func(known string) bool { return strings.EqualFold(known, name) }):
			return o, option.Unknown("member", "other.", clip(name), allNames)
		}
		if err != nil {
			return o, fmt.Errorf("other.%s %w", name, err)
		}
	}
	return o, nil
}

// names reads a list of names with wildcards.
func names(value json.RawMessage) ([]string, error) {
	var list []string
	if json.Unmarshal(value, &list) != nil || len(list) == 0 {
		return nil, errors.New("is not a list of names; leave it out to narrow nothing")
	}
	if len(list) > maxNames {
		return nil, fmt.Errorf("has more than %d names", maxNames)
	}
	for _, name := range list {
		if !isName(name) {
			return nil, fmt.Errorf("holds %q: want letters, digits, dots, hyphens, underscores, and * for any characters", clip(name))
		}
	}
	return list, nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '*'
		if !plain && (i == 0 || c != '.' && c != '-') { // - and . at the beginning mean something to Elasticsearch
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// word reads the name of one namespace, region or zone.
func word(value json.RawMessage) (s string, err error) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil || !isName(s) || strings.Contains(s, "*") {
		return "", errors.New("is not one name of letters, digits, dots, hyphens and underscores")
	}
	return s, nil
}

// meet returns what an entry that lies inside a grant has as its `other`, and whether it may: what is granted is kept where nothing else is
// wanted, each name that is wanted must be granted, and where pushed logs are from is as granted. Both have been read by parseOther.
func meet(granted, wanted json.RawMessage) (json.RawMessage, bool) {
	has, err := parseOther(granted, true)
	wants, err2 := parseOther(wanted, true)
	if err != nil || err2 != nil {
		return nil, false
	}
	both := map[string]any{}
	for name, list := range has.lists {
		both[name] = list
	}
	for name, list := range wants.lists {
		if within, narrowed := has.lists[name]; narrowed && !allInside(list, within) {
			return nil, false
		}
		both[name] = list
	}
	for name, text := range has.texts {
		both[name] = text
	}
	for name, text := range wants.texts {
		if has.texts[name] != text {
			return nil, false
		}
	}
	if len(both) == 0 {
		return nil, true
	}
	var other bytes.Buffer
	if err := json.NewEncoder(&other).Encode(both); err != nil {
		return nil, false
	}
	return bytes.TrimSpace(other.Bytes()), true
}

// allInside says whether each of names is inside one of patterns.
func allInside(names, patterns []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(patterns, func(p string) bool { return inside(name, p) })
	})
}

// inside says whether whatever name stands for pattern does, too: a * of name is taken as one more letter, which only a * of pattern
// stands for.
func inside(name, pattern string) bool {
	star, from := -1, 0 // the last * of pattern, and how far in name it reaches
	i, j := 0, 0
	for i < len(name) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, from = j, i
			j++
		case j < len(pattern) && pattern[j] == name[i]:
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}

// Covers returns the access of a token for somebody with these grants who wants this access, at an API at b; nil if it is not
// covered: every wanted method and URL, with what `other` narrows it to, must lie inside one grant. What a wanted entry does not narrow itself
// stays as narrow as it is granted.
func Covers(b token.Base, grants, wanted []token.Access) []token.Access {
	return token.Narrow(b, grants, wanted, meet)
}

// clip makes what others wrote fit for an error.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
