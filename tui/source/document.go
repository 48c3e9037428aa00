package source

import (
	"encoding/json"
	"strings"
	"unicode"
)

// members are those of a document, or of an object in it.
type members map[string]json.RawMessage

func parse(doc json.RawMessage) members {
	var m members
	if len(doc) > 0 && doc[0] == '{' && json.Unmarshal(doc, &m) != nil {
		return nil
	}
	return m
}

// find returns the value of a field, of names within each other, with dots, or both; nil if there is none.
func (m members) find(path string) json.RawMessage {
	if raw, ok := m[path]; ok {
		return raw
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := m[path[:i]]; ok {
			if raw := parse(inner).find(path[i+1:]); raw != nil {
				return raw
			}
		}
	}
	return nil
}

// text is that of a field: of several values the first one, of what is no text, number or truth value "".
func (m members) text(path string) string {
	raw := m.find(path)
	var several []json.RawMessage
	for json.Unmarshal(raw, &several) == nil && len(several) > 0 {
		raw, several = several[0], nil
	}
	var text string
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
		return ""
	case raw[0] != '"':
		return string(raw)
	case json.Unmarshal(raw, &text) != nil:
		return ""
	}
	return text
}

// printable is a server's text on one line, without what a terminal would obey.
func printable(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)), " ")
}
