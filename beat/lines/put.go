package lines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
)

// maxName is the longest name of a field that a line may choose.
const maxName = 512

// maxID is the longest id that Elasticsearch takes.
const maxID = 512

// Put writes what the message says into an event's fields: `message`, `log.flags`, `log.level`,
// `stream`, `docker.attrs`, `error`, and the keys of a JSON object. What fields has already stays. It
// returns the time that the message says it is of, zero if it does not, and the document's id, or "".
// Where no level is asked for or found, it is that which a container's output has in the journal.
//
// Keys whose values Elasticsearch would refuse, and all that podbeat alone may say, are written
// as JSON into the text `log.unmapped`. Values are strings, int64, float64, bool, nil, and MapStr and
// []any of these, so libbeat need not normalize them.
func (r *Reader) Put(m *Message, fields common.MapStr) (t time.Time, id string) {
	p := putter{r: r, fields: fields, time: m.Time}
	p.text = string(m.Text)
	if r.json != nil {
		p.json(m.Text)
	}
	if p.text != "" {
		fields["message"] = p.text
	}
	s := Shape{level: p.level, stream: m.Stream, flags: m.Flags, attrs: m.attrs}
	if r.opts.Level.From == "message" {
		s.level = r.opts.Level.find(p.text)
	}
	if r.opts.Timestamp.From == "message" {
		p.time = r.take(p.time, p.text)
	}
	s.Put(fields)
	if p.unmapped != nil {
		r.Counters.Conflicts++
		p.log()["unmapped"] = compact(p.unmapped)
	}
	return p.time, p.id
}

// A putter is one call of Put.
type putter struct {
	r        *Reader
	fields   common.MapStr
	text     string
	level    string
	time     time.Time
	id       string
	unmapped map[string]any // what has no other place, by its path
}

// flagNames are the values of log.flags.
var flagNames = []struct {
	flag Flags
	name string
}{{Cut, "truncated"}, {Partial, "partial"}, {Several, "multiline"}, {Binary, "binary"}, {Unparsed, "unparsed"}}

func (f Flags) list() []string {
	var list []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			list = append(list, n.name)
		}
	}
	return list
}

// log returns the event's object `log`.
func (p *putter) log() common.MapStr { return object(p.fields, "log") }

// object returns the object at key, which is made if it is not there.
func object(m common.MapStr, key string) common.MapStr {
	o, ok := m[key].(common.MapStr)
	if !ok {
		o = common.MapStr{}
		m[key] = o
	}
	return o
}

// take sets the event's time, if there is one.
func (p *putter) take(t time.Time, err error) {
	if err != nil {
		p.r.Counters.Times++
		return
	}
	p.time = t
}

func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// json writes the keys of a message that is a JSON object.
func (p *putter) json(line []byte) {
	o := p.r.json
	keys, err := p.r.parser.parse(line)
	if err != nil {
		if !o.IgnoreDecodingError {
			p.r.Counters.JSON++
		}
		p.fail("Error decoding JSON: " + err.Error())
		return
	}
	p.text = ""
	if o.MessageKey != "" {
		switch text, ok := lookup(keys, o.MessageKey); text := text.(type) {
		case string:
			p.text = text
		default:
			if null := !ok && p.isNull(line, o.MessageKey); null {
				p.text, ok = string(line), true // nothing else says what it was
			}
			if ok {
				p.fail(fmt.Sprintf("Value of key '%s' is not a string", o.MessageKey))
			} else {
				p.fail(fmt.Sprintf("Key '%s' not found", o.MessageKey))
			}
		}
	}
	p.known(keys)
	if o.ExpandKeys {
		p.expand(keys, "")
	}
	if o.Target != "" {
		p.leaf(p.fields, nil, o.Target, o.Target, keys, storable(keys))
		return
	}
	if p.text != "" && o.MessageKey != "message" {
		if v, ok := keys["message"]; ok {
			p.refuse("message", v)
			delete(keys, "message")
		}
	}
	p.merge(p.fields, keys, "")
}

// isNull says whether a line, which is an object, has null at a key.
func (p *putter) isNull(line []byte, key string) bool {
	r := &p.r.parser
	if !r.nulls {
		return false
	}
	r.keepNulls = true
	defer func() { r.keepNulls = false }()
	keys, err := r.parse(line)
	_, ok := lookup(keys, key)
	return err == nil && ok
}

// fail says that the message is not what it should be.
func (p *putter) fail(message string) {
	if p.r.json.AddErrorKey {
		p.fields["error"] = common.MapStr{"message": message, "type": "json"}
	}
}

// refuse puts what cannot stand at path among the rest.
func (p *putter) refuse(path string, v any) {
	if p.unmapped == nil {
		p.unmapped = map[string]any{}
	}
	p.unmapped[path] = v
}

// known takes the id, the level and the times that the configuration or the schema name.
func (p *putter) known(keys common.MapStr) {
	o := p.r.opts
	if key := p.r.json.DocumentID; key != "" {
		if v, _ := lookup(keys, key); v != nil {
			if id, ok := v.(string); ok && id != "" && len(id) <= maxID {
				p.id = id
				remove(keys, key)
			}
		}
	}
	if from := o.Level.From; from != "" && from != "message" {
		if v, ok := lookup(keys, from); ok {
			p.level = o.Level.level(plainText(v))
		}
	}
	if p.r.json.OverwriteKeys && p.r.json.Target == "" {
		if s, ok := keys["@timestamp"].(string); ok {
			iso := Timestamp{Timezone: Zone{time.UTC}, MaxAge: o.Timestamp.MaxAge}
			t, err := iso.parse(s, false, p.r.now)
			if p.take(t, err); err == nil {
				delete(keys, "@timestamp")
			} else {
				p.fail("@timestamp not overwritten (parse error on " + strconv.Quote(s) + ")")
			}
		}
	}
	if from := o.Timestamp.From; from != "" && from != "message" {
		v, _ := lookup(keys, from)
		p.take(o.Timestamp.parse(plainText(v), false, p.r.now))
	}
}

// plainText returns a value as text, or "" if it is a list or an object.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// lookup finds a key as it is, or the dotted path that it is.
func lookup(m common.MapStr, key string) (any, bool) {
	if v, ok := m[key]; ok {
		return v, true
	}
	first, rest, dotted := strings.Cut(key, ".")
	if sub, ok := m[first].(common.MapStr); ok && dotted {
		return lookup(sub, rest)
	}
	return nil, false
}

// remove deletes what lookup finds.
func remove(m common.MapStr, key string) {
	if _, ok := m[key]; ok {
		delete(m, key)
		return
	}
	first, rest, dotted := strings.Cut(key, ".")
	if sub, ok := m[first].(common.MapStr); ok && dotted {
		remove(sub, rest)
	}
}
