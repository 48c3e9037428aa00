package k8sname

import (
	"maps"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
)

// A tree is a set of fields that is put into many events. It never changes once it is built, and
// every event gets maps of its own: what comes later in the pipeline may change them.
type tree struct {
	leaves []leaf
	subs   []sub
	proto  common.MapStr // leaves and subs' names, to be cloned: cheaper than filling a new map
}

type leaf struct {
	key     string
	value   any    // boxed once, here
	replace bool   // a value that the event already has
	instead string // the key to take where the event has an object under key, or ""
}

type sub struct {
	key string
	*tree
}

// put adds the field at a dotted path, unless the value is empty.
func (t *tree) put(path, value string, replace bool) {
	if value != "" {
		t.putAny(path, value, replace)
	}
}

func (t *tree) putAny(path string, value any, replace bool) {
	if t.proto == nil {
		t.proto = common.MapStr{}
	}
	key, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		t.leaves = append(t.leaves, leaf{key: key, value: value, replace: replace})
		t.proto[key] = value
		return
	}
	for _, s := range t.subs {
		if s.key == key {
			s.putAny(rest, value, replace)
			return
		}
	}
	s := sub{key, new(tree)}
	s.putAny(rest, value, replace)
	t.subs = append(t.subs, s)
	t.proto[key] = nil
}

// instead gives the field last put, or the same below other objects, a second choice of key.
func (t *tree) instead(key, second string) {
	for i := range t.leaves {
		if t.leaves[i].key == key {
			t.leaves[i].instead = second
		}
	}
	for _, s := range t.subs {
		s.instead(key, second)
	}
}

func (t *tree) clone() common.MapStr {
	m := maps.Clone(t.proto)
	for _, s := range t.subs {
		m[s.key] = s.clone()
	}
	return m
}

// merge puts the fields into m and returns how many had to stay out, because m has an object
// where the field is a value, or a value where the field is an object: Elasticsearch maps a name
// to one of them only.
func (t *tree) merge(m common.MapStr) (conflicts int) {
	for _, l := range t.leaves {
		switch m[l.key].(type) {
		case nil:
			m[l.key] = l.value
		case common.MapStr, map[string]any:
			if l.instead == "" {
				conflicts++
			} else if m[l.instead] == nil {
				m[l.instead] = l.value
			}
		default:
			if l.replace {
				m[l.key] = l.value
			}
		}
	}
	for _, s := range t.subs {
		switch old := m[s.key].(type) {
		case nil:
			m[s.key] = s.clone()
		case common.MapStr:
			conflicts += s.merge(old)
		case map[string]any:
			conflicts += s.merge(old)
		default:
			conflicts++
		}
	}
	return conflicts
}

// Text returns the text at a dotted path, or nothing. It finds what MapStr.GetValue does, without
// its errors, which cost more than the search.
func Text(m common.MapStr, path string) string {
	for {
		if v, ok := m[path]; ok {
			s, _ := v.(string)
			return s
		}
		i := strings.IndexByte(path, '.')
		if i < 0 {
			return ""
		}
		switch next := m[path[:i]].(type) {
		case common.MapStr:
			m = next
		case map[string]any:
			m = next
		default:
			return ""
		}
		path = path[i+1:]
	}
}
