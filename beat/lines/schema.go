package lines

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
)

// merge puts keys into the object at path, those that may stand there. Without such an object keys are to
// become it: those that may not stand there are taken out.
func (p *putter) merge(into, keys common.MapStr, path string) {
	for key, v := range keys {
		full := path + key
		kept := goodName(key)
		switch shape := shapeOf(full); {
		case !kept:
		case shape == own:
			if key == "ecs" && onlyVersion(v) {
				delete(keys, key) // podbeat says its own
				continue
			}
			kept = false
		case shape == branch, shape == flat:
			if sub, ok := v.(common.MapStr); ok && p.branch(into, key, full, sub, shape) {
				if into == nil && len(sub) == 0 {
					delete(keys, key)
				}
				continue
			}
			kept = false
		default:
			kept = shape.fits(v)
		}
		p.leaf(into, keys, key, full, v, kept)
	}
}

// leaf puts a value into the object, if it is in order and the event has no other one that stays.
func (p *putter) leaf(into, keys common.MapStr, key, full string, v any, ok bool) {
	_, there := into[key]
	switch {
	case !ok, there && !p.r.json.OverwriteKeys:
		p.refuse(full, v)
		delete(keys, key)
	case into != nil:
		into[key] = v
	}
}

// branch merges an object, and says whether it may stand there.
func (p *putter) branch(into common.MapStr, key, full string, v common.MapStr, s shape) bool {
	sub, ok := into[key].(common.MapStr)
	if !ok && into[key] != nil {
		return false
	}
	if s == flat {
		v = p.flat(v, full)
	}
	p.merge(sub, v, full+".")
	if sub == nil && into != nil && len(v) > 0 {
		into[key] = v
	}
	return true
}

// flat returns what is text of an object. Names have no dots then, so that none is another one's beginning.
func (p *putter) flat(keys common.MapStr, path string) common.MapStr {
	out := make(common.MapStr, len(keys))
	for key, v := range keys {
		name := strings.ReplaceAll(key, ".", "_")
		_, there := out[name]
		switch v.(type) {
		case []any, common.MapStr:
			p.refuse(path+"."+key, v)
		default:
			if text := plainText(v); !there || text < out[name].(string) { // whatever the order
				out[name] = text
			}
		}
	}
	return out
}

// expand makes levels of the dots in keys. Of two that clash the one without dots stays.
func (p *putter) expand(keys common.MapStr, path string) {
	var dotted []string
	for key, v := range keys {
		if sub, ok := v.(common.MapStr); ok {
			p.expand(sub, path+key+".")
		}
		if strings.IndexByte(key, '.') >= 0 {
			dotted = append(dotted, key)
		}
	}
	slices.Sort(dotted) // whatever two clash, it is the same one that stays
	for _, key := range dotted {
		v := keys[key]
		delete(keys, key)
		if at, last := descend(keys, key); at == nil || !join(at, last, v) {
			p.refuse(path+key, v)
		}
	}
}

// join puts v at key; objects are made one if no two values in them clash.
func join(m common.MapStr, key string, v any) bool {
	old, there := m[key]
	if !there {
		m[key] = v
		return true
	}
	sub, ok := old.(common.MapStr)
	more, both := v.(common.MapStr)
	if !ok || !both || clash(sub, more) {
		return false
	}
	for k, v := range more {
		join(sub, k, v)
	}
	return true
}

// clash says whether two objects have different things at one place.
func clash(a, b common.MapStr) bool {
	for key, v := range b {
		old, there := a[key]
		if !there {
			continue
		}
		x, ok := old.(common.MapStr)
		y, both := v.(common.MapStr)
		if !ok || !both || clash(x, y) {
			return true
		}
	}
	return false
}

// descend returns the object that the last part of a dotted key belongs in, making what is not there,
// and that part. It returns nil where something else is in the way, or the key is none.
func descend(m common.MapStr, key string) (common.MapStr, string) {
	if !goodName(key) {
		return nil, ""
	}
	for {
		first, rest, dotted := strings.Cut(key, ".")
		if !dotted {
			return m, key
		}
		sub, ok := m[first].(common.MapStr)
		if !ok {
			if m[first] != nil {
				return nil, ""
			}
			sub = common.MapStr{}
			m[first] = sub
		}
		m, key = sub, rest
	}
}

// isText says whether v can be a keyword.
func isText(v any) bool {
	switch v := v.(type) {
	case string, int64, float64, bool:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool {
			_, list := e.([]any)
			return list || e != nil && !isText(e)
		})
	}
	return false
}

// storable says whether Elasticsearch has a field for v, and for all that is in it.
func storable(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return false
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !storable(e) })
	case common.MapStr:
		for key, e := range v {
			if !goodName(key) || !storable(e) {
				return false
			}
		}
	}
	return true
}

// goodName says whether Elasticsearch takes a name, in which dots are levels.
func goodName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if strings.TrimSpace(part) == "" {
			return false
		}
	}
	return true
}

func onlyVersion(v any) bool {
	m, ok := v.(common.MapStr)
	_, version := m["version"].(string)
	return ok && version && len(m) == 1
}
