package text

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of documents: what lies deeper, or comes after so many, is not read.
const (
	depthMax  = 64
	leavesMax = 10000
)

// Get returns a field of a JSON document as text. The path's names may be nested objects, keys with dots, or both mixed, as
// Elasticsearch has it; if several stand for the path, the first one counts. Values of arrays are joined with ", ", objects are
// compact JSON. Null is no value. It reads only what it must; what is not JSON has no fields.
func Get(doc []byte, path string) (value string, ok bool) {
	var more []string
	find(doc, path, 0, false, func(raw []byte) bool {
		part, has := render(raw, 0)
		switch {
		case !has:
		case !ok:
			value, ok = part, true
		default:
			more = append(more, part)
		}
		return has
	})
	if more != nil {
		value += ", " + strings.Join(more, ", ")
	}
	return value, ok
}

// Values returns all values of a field: string, json.Number and bool, those of arrays one by one. Objects and nulls are left out.
func Values(doc []byte, path string) []any {
	var all []any
	var add func(raw []byte, depth int)
	add = func(raw []byte, depth int) {
		switch raw[0] {
		case '{':
		case '[':
			for e := inside(raw); depth < depthMax && e.next(); {
				add(e.value, depth+1)
			}
		default:
			if v := scalar(raw); v != nil {
				all = append(all, v)
			}
		}
	}
	find(doc, path, 0, true, func(raw []byte) bool { add(raw, 0); return true })
	return all
}

// A Field is one value of a document.
type Field struct {
	Path  string // names joined with dots
	Value any    // string, json.Number, bool, nil; of an array without objects []any of these; else json.RawMessage
	JSON  string // as the document has it
}

// Flatten returns the fields of a document in its order, at most 10,000 and those of at most 64 levels. Arrays that have objects
// are gone into: their fields have the same path. Empty objects and what lies deeper come as JSON.
func Flatten(doc []byte) []Field {
	var all []Field
	var walk func(path string, raw []byte, depth int)
	walk = func(path string, raw []byte, depth int) {
		switch {
		case len(all) == leavesMax:
			return
		case raw[0] == '{' && depth < depthMax:
			e, n := inside(raw), 0
			for ; e.next(); n++ {
				walk(join(path, e.name()), e.value, depth+1)
			}
			if n > 0 || depth == 0 {
				return
			}
		case raw[0] == '[' && depth < depthMax:
			values, objects := []any{}, false
			for e := inside(raw); e.next(); {
				objects = objects || e.value[0] == '{' || e.value[0] == '['
				values = append(values, scalar(e.value))
			}
			if !objects {
				all = append(all, Field{path, values, string(raw)})
				return
			}
			for e := inside(raw); e.next(); {
				walk(path, e.value, depth+1)
			}
			return
		case raw[0] != '{' && raw[0] != '[':
			all = append(all, Field{path, scalar(raw), string(raw)})
			return
		}
		all = append(all, Field{path, json.RawMessage(bytes.Clone(raw)), string(raw)})
	}
	if raw := value(doc); raw != nil && raw[0] == '{' {
		walk("", raw, 0)
	}
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// find calls emit with the raw values that path stands for in the object doc: all of them, or those of its first way only on which
// emit says that it is one. It tells whether there was one.
func find(doc []byte, path string, depth int, all bool, emit func(raw []byte) bool) bool {
	found := false
	for e := inside(doc); e.next(); {
		if e.array {
			if (e.value[0] == '{' || e.value[0] == '[') && depth < depthMax {
				found = find(e.value, path, depth+1, all, emit) || found
			}
			continue
		}
		key := e.key
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(e.name())
		}
		if len(key) > len(path) || string(key) != path[:len(key)] {
			continue
		}
		here := false
		switch {
		case len(key) == len(path):
			here = emit(e.value)
		case path[len(key)] == '.' && (e.value[0] == '{' || e.value[0] == '[') && depth < depthMax:
			here = find(e.value, path[len(key)+1:], depth+1, all, emit)
		}
		if here && !all {
			return true
		}
		found = found || here
	}
	return found
}

// elements goes over the members of an object or the elements of an array. It ends at the first thing that is not JSON.
type elements struct {
	doc   []byte
	at    int
	array bool
	key   []byte // as it stands between its quotes
	value []byte // never empty
}

func inside(doc []byte) elements {
	at := blank(doc, 0)
	if at == len(doc) || doc[at] != '{' && doc[at] != '[' {
		return elements{}
	}
	return elements{doc: doc, at: at + 1, array: doc[at] == '['}
}

func (e *elements) next() bool {
	at := blank(e.doc, e.at)
	if at < len(e.doc) && e.doc[at] == ',' {
		at = blank(e.doc, at+1)
	}
	if at >= len(e.doc) {
		return false
	}
	if !e.array {
		end := quoted(e.doc, at)
		if end < 0 {
			return false
		}
		e.key = e.doc[at+1 : end-1]
		if at = blank(e.doc, end); at == len(e.doc) || e.doc[at] != ':' {
			return false
		}
		at = blank(e.doc, at+1)
	}
	end := skip(e.doc, at)
	if end < 0 {
		return false
	}
	e.value, e.at = e.doc[at:end], end
	return true
}

func (e *elements) name() string { return unquote(e.key) }

func blank(doc []byte, at int) int {
	for at < len(doc) && (doc[at] == ' ' || doc[at] == '\n' || doc[at] == '\t' || doc[at] == '\r') {
		at++
	}
	return at
}

// quoted is where the string ends that begins at at, with its quotes; -1 if there is none.
func quoted(doc []byte, at int) int {
	if at >= len(doc) || doc[at] != '"' {
		return -1
	}
	i := at + 1
	for end := min(i+24, len(doc)); i < end; i++ { // most are short
		switch doc[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	for first := i; ; {
		if i >= len(doc) {
			return -1
		}
		n := bytes.IndexByte(doc[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		back := i
		for back > first && doc[back-1] == '\\' {
			back--
		}
		i++
		if (i-1-back)%2 == 0 {
			return i
		}
	}
}

// skip is where the value ends that begins at at; -1 if there is none.
func skip(doc []byte, at int) int {
	if at >= len(doc) {
		return -1
	}
	switch doc[at] {
	case '"':
		return quoted(doc, at)
	case '{', '[':
		for depth, i := 0, at; i < len(doc); i++ {
			switch doc[i] {
			case '"':
				end := quoted(doc, i)
				if end < 0 {
					return -1
				}
				i = end - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return -1
	}
	i := at
	for i < len(doc) && (doc[i] >= '0' && doc[i] <= '9' || doc[i] >= 'a' && doc[i] <= 'z' || doc[i] == '-' || doc[i] == '+' || doc[i] == '.' || doc[i] == 'E') {
		i++
	}
	if i == at {
		return -1
	}
	return i
}

// value is the document without the space around it; nil if there is none.
func value(doc []byte) []byte {
	at := blank(doc, 0)
	end := skip(doc, at)
	if end < 0 {
		return nil
	}
	return doc[at:end]
}

// scalar is a value that is no object and no array.
func scalar(raw []byte) any {
	switch raw[0] {
	case '"':
		return unquote(raw[1 : len(raw)-1])
	case 't':
		return true
	case 'f':
		return false
	case 'n', '{', '[':
		return nil
	}
	return json.Number(raw)
}

// unquote reads a string as it stands between its quotes. What is not right in it becomes �.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	in := make([]byte, 0, len(raw)+2)
	in = append(append(append(in, '"'), raw...), '"')
	out, _ := jsontext.AppendUnquote(make([]byte, 0, len(raw)), in)
	return string(out)
}

func render(raw []byte, depth int) (text string, ok bool) {
	switch raw[0] {
	case '"':
		return unquote(raw[1 : len(raw)-1]), true
	case 'n':
		return "", false
	case '{':
		var out bytes.Buffer
		if json.Compact(&out, raw) != nil {
			return string(raw), true
		}
		return out.String(), true
	case '[':
		var parts []string
		for e := inside(raw); depth < depthMax && e.next(); {
			if part, ok := render(e.value, depth+1); ok {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, ", "), len(parts) > 0
	}
	return string(raw), true
}
