package lines

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
)

// shape says what may stand under a name. Elasticsearch refuses an event whole if one of its fields has
// another shape than those before it.
type shape byte

const (
	free    shape = iota // anything: the name is not podbeat's
	own                  // nothing: podbeat alone says it
	branch               // an object
	keyword              // a text, number or boolean, or a list of them
	long                 // a whole number
	flat                 // an object of texts
)

// known are the shapes of the names that podbeat and the Elastic Common Schema have, by their paths.
var known = func() map[string]shape {
	out := map[string]shape{"process.pid": long, "labels": flat}
	for shape, names := range map[shape]string{
		own: `@metadata @timestamp _id _index _type _source _routing _field_names _ignored _doc_count _size _seq_no _version
			_nested_path _tier _feature _primary_term agent beat cloud container data_stream docker ecs fields host input journal
			journald kubernetes log.file log.flags log.offset log.source log.stream log.syslog log.unmapped event.created
			event.ingested event.kind event.sequence orchestrator region service.id stream systemd zone`,
		branch: `log log.origin event error process process.thread user user.group service service.node
			client destination dll dns email faas file geo group hash http network observer organization package pe
			registry related rule server source span threat tls trace transaction url user_agent vulnerability x509`,
		keyword: `message message_id tags log.level log.logger event.dataset event.module error.code error.id error.message
			error.stack_trace error.type process.name process.executable process.command_line user.id user.name user.group.id
			service.name service.version service.environment service.type trace.id transaction.id span.id`,
	} {
		for _, name := range strings.Fields(names) {
			out[name] = shape
		}
	}
	return out
}()

// merge puts keys into the object at path, those that may stand there.
func (p *putter) merge(into common.MapStr, path string, keys common.MapStr) {
	for key, v := range keys {
		full := path + key
		if !goodName(key) {
			p.refuse(full, v)
			continue
		}
		switch s := shapeOf(full); s {
		case free:
			p.free(into, key, full, v)
		case branch, flat:
			sub, ok := v.(common.MapStr)
			if !ok {
				p.refuse(full, v)
				continue
			}
			p.branch(into, key, full, sub, s)
		case keyword:
			p.leaf(into, key, full, v, isText(v))
		case long:
			_, ok := v.(int64)
			p.leaf(into, key, full, v, ok)
		default:
			if key == "ecs" && onlyVersion(v) {
				continue // podbeat says its own
			}
			p.refuse(full, v)
		}
	}
}

// shapeOf returns what may stand at a path, which may be below a name that is podbeat's.
func shapeOf(path string) shape {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		switch known[path[:i]] {
		case own, keyword, long:
			return own
		case flat:
			return keyword
		}
	}
	return known[path]
}

// branch merges an object.
func (p *putter) branch(into common.MapStr, key, full string, v common.MapStr, s shape) {
	sub, ok := into[key].(common.MapStr)
	if !ok && into[key] != nil {
		p.refuse(full, v)
		return
	}
	made := sub == nil
	if made {
		sub = common.MapStr{}
	}
	if s == flat {
		p.flat(sub, full, v)
	} else {
		p.merge(sub, full+".", v)
	}
	if made && len(sub) > 0 {
		into[key] = sub
	}
}

// flat merges an object of texts. Their names have no dots, so that none is another one's beginning.
func (p *putter) flat(into common.MapStr, path string, keys common.MapStr) {
	for key, v := range keys {
		name := strings.ReplaceAll(key, ".", "_")
		switch v.(type) {
		case string, int64, float64, bool, json.Number:
			p.leaf(into, name, path+"."+key, plainText(v), goodName(name))
		default:
			p.refuse(path+"."+key, v)
		}
	}
}

// free puts a value whose name is not podbeat's.
func (p *putter) free(into common.MapStr, key, full string, v any) {
	p.leaf(into, key, full, v, storable(v))
}

// leaf puts a value that is in order, unless the event has another one that stays.
func (p *putter) leaf(into common.MapStr, key, full string, v any, ok bool) {
	if _, there := into[key]; !ok || there && !p.r.json.OverwriteKeys {
		p.refuse(full, v)
		return
	}
	into[key] = v
}

// expand returns keys with the dots in them made levels.
func (p *putter) expand(keys common.MapStr) common.MapStr {
	out := make(common.MapStr, len(keys))
	p.expandInto(out, keys, "")
	return out
}

func (p *putter) expandInto(out, keys common.MapStr, path string) {
	names := make([]string, 0, len(keys))
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names) // whatever two keys clash, it is the same one that stays
	for _, key := range names {
		at, last := descend(out, key)
		if at == nil {
			p.refuse(path+key, keys[key])
			continue
		}
		there, taken := at[last]
		switch v := keys[key].(type) {
		case common.MapStr:
			if sub, ok := there.(common.MapStr); ok || !taken {
				if !taken {
					sub = make(common.MapStr, len(v))
					at[last] = sub
				}
				p.expandInto(sub, v, path+key+".")
				continue
			}
			p.refuse(path+key, v)
		default:
			if taken {
				p.refuse(path+key, v)
				continue
			}
			at[last] = v
		}
	}
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
