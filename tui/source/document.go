package source

import (
	"encoding/json"
	"strings"
	"unicode"
)

// lookup returns the text of a field of a document: of names within each other, with dots, or both. Of several values it is the
// first; of what is no text or number "".
func lookup(doc json.RawMessage, path string) string {
	var v any
	if raw := find(doc, path); raw != nil && json.Unmarshal(raw, &v) == nil {
		for {
			switch x := v.(type) {
			case string:
				return x
			case []any:
				if len(x) == 0 {
					return ""
				}
				v = x[0]
				continue
			case float64, bool:
				return string(raw)
			}
			return ""
		}
	}
	return ""
}

// find returns the value of a field, nil if there is none.
func find(doc json.RawMessage, path string) json.RawMessage {
	var members map[string]json.RawMessage
	if len(doc) == 0 || doc[0] != '{' || json.Unmarshal(doc, &members) != nil {
		return nil
	}
	if raw, ok := members[path]; ok {
		return raw
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if raw := find(members[path[:i]], path[i+1:]); raw != nil {
			return raw
		}
	}
	return nil
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
