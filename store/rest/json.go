package rest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// object makes an object of names and values in turn.
func object(pairs ...any) body.Value {
	v := body.Value{Kind: body.Object}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Members = append(v.Members, body.Member{Name: pairs[i].(string), Value: jsonOf(pairs[i+1])})
	}
	return v
}

func list(items ...body.Value) body.Value { return body.Value{Kind: body.Array, Items: items} }

// jsonOf makes a JSON value of one of Go's.
func jsonOf(v any) body.Value {
	switch v := v.(type) {
	case body.Value:
		return v
	case string:
		return body.Text(v)
	case bool:
		return body.Boolean(v)
	case int:
		return body.Int(int64(v))
	case int64:
		return body.Int(v)
	case uint64:
		return body.Value{Kind: body.Number, Text: strconv.FormatUint(v, 10)}
	case float64:
		return body.Value{Kind: body.Number, Text: mapping.JavaText(v)}
	case []string:
		out := list()
		for _, s := range v {
			out.Items = append(out.Items, body.Text(s))
		}
		return out
	case nil:
		return body.Value{Kind: body.Null}
	}
	panic(fmt.Sprintf("cannot make JSON of %T", v))
}

// indent writes compact JSON as Elasticsearch does with pretty.
func indent(text []byte) []byte {
	out := make([]byte, 0, len(text)*2)
	depth := 0
	line := func() {
		out = append(out, '\n')
		for range depth {
			out = append(out, ' ', ' ')
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(text)-1)
			out = append(out, text[i:end+1]...)
			i = end
		case '{', '[':
			out = append(out, c)
			if i+1 < len(text) && (text[i+1] == '}' || text[i+1] == ']') {
				out = append(out, ' ', text[i+1])
				i++
				continue
			}
			depth++
			line()
		case '}', ']':
			depth--
			line()
			out = append(out, c)
		case ',':
			out = append(out, ',')
			line()
		case ':':
			out = append(out, ' ', ':', ' ')
		case ' ', '\n', '\r', '\t': // of a _source, which is as it came
		default:
			out = append(out, c)
		}
	}
	return append(out, '\n')
}

// A pathFilter is what filter_path asks for.
type pathFilter struct {
	include, exclude [][]string
}

func parseFilter(text string) *pathFilter {
	f := &pathFilter{}
	for path := range strings.SplitSeq(text, ",") {
		path = strings.TrimSpace(path)
		without, excluded := strings.CutPrefix(path, "-")
		switch {
		case without == "":
		case excluded:
			f.exclude = append(f.exclude, strings.Split(without, "."))
		default:
			f.include = append(f.include, strings.Split(path, "."))
		}
	}
	if f.include == nil && f.exclude == nil {
		return nil
	}
	return f
}

// step returns the paths that are left behind a name, and whether one of them ends there.
func step(paths [][]string, name string) (rest [][]string, ends bool) {
	for _, p := range paths {
		if p[0] == "**" {
			rest = append(rest, p)
			if len(p) == 1 {
				ends = true
			} else if r, e := step([][]string{p[1:]}, name); e || r != nil {
				rest, ends = append(rest, r...), ends || e
			}
			continue
		}
		if !mapping.Like(p[0], name) {
			continue
		}
		if len(p) == 1 {
			ends = true
		} else {
			rest = append(rest, p[1:])
		}
	}
	return rest, ends
}

// filtered returns what of v is wanted; ok is false when that is nothing.
func (f *pathFilter) filtered(v body.Value) (body.Value, bool) {
	out, ok := v, true
	if f.include != nil {
		out, ok = included(v, f.include)
	}
	if ok && f.exclude != nil {
		out, ok = excluded(out, f.exclude)
	}
	return out, ok
}

func included(v body.Value, paths [][]string) (body.Value, bool) {
	out := body.Value{Kind: v.Kind}
	switch v.Kind {
	case body.Object:
		for _, m := range v.Members {
			rest, ends := step(paths, m.Name)
			if ends {
				out.Members = append(out.Members, m)
			} else if rest != nil {
				if inner, ok := included(m.Value, rest); ok {
					out.Members = append(out.Members, body.Member{Name: m.Name, Value: inner})
				}
			}
		}
		return out, len(out.Members) > 0
	case body.Array:
		for _, item := range v.Items {
			if inner, ok := included(item, paths); ok {
				out.Items = append(out.Items, inner)
			}
		}
		return out, len(out.Items) > 0
	}
	return out, false
}

func excluded(v body.Value, paths [][]string) (body.Value, bool) {
	out := v
	switch v.Kind {
	case body.Object:
		out.Members = nil
		for _, m := range v.Members {
			rest, ends := step(paths, m.Name)
			if ends {
				continue
			}
			if rest != nil {
				inner, ok := excluded(m.Value, rest)
				if !ok {
					continue
				}
				m.Value = inner
			}
			out.Members = append(out.Members, m)
		}
		return out, len(out.Members) > 0 || len(v.Members) == 0
	case body.Array:
		out.Items = nil
		for _, item := range v.Items {
			if inner, ok := excluded(item, paths); ok {
				out.Items = append(out.Items, inner)
			}
		}
		return out, len(out.Items) > 0 || len(v.Items) == 0
	}
	return v, true
}

// shaped applies filter_path and pretty to an answer.
func (c *call) shaped(text []byte) []byte {
	text = bytes.TrimSpace(text)
	if f := parseFilter(c.params["filter_path"]); f != nil {
		v, err := body.Parse(text)
		if err == nil {
			var ok bool
			if v, ok = f.filtered(v); !ok {
				v = object()
			}
			text = v.Append(nil)
		}
	}
	if c.pretty() {
		text = indent(text)
	}
	return text
}

// clip bounds what others wrote where it is repeated to them or logged.
func clip(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}

// randomName makes 22 letters, as Elasticsearch names nodes and clusters.
func randomName() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
