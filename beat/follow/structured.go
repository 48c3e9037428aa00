package follow

import (
	"encoding/binary"
	"slices"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/beat/prepared"
)

// structured makes the event of a message that is read as JSON. Most of these have the same keys as others: they are
// documents then, with a hole for each value.
func (p *publisher) structured(m *lines.Message, s *sent, id string) beat.Event {
	own := common.MapStr{}
	t, chosen := p.content.reader.Put(m, own)
	if chosen != "" {
		id = chosen
	}
	t = p.firstRead(m, t)
	if p.describe(own, m.Start) {
		k := p.kind(lines.Shape{}, p.keys)
		template, again := p.templateOf(k)
		if template == nil && again {
			hollow := offsetHole + 1
			p.hollow(own, &hollow)
			fields := p.common(offsetHole)
			join(fields, own)
			template = p.learn(k, fields)
		}
		if template != nil {
			return s.event(t, template, id, slices.Clone(p.values))
		}
	}
	fields := p.common(m.Start)
	join(fields, own)
	return beat.Event{Timestamp: t, Meta: p.meta(id), Fields: fields}
}

// join puts what a message says into the fields that all events of a file have. It says nothing that these say: see
// lines.Reader.Put.
func join(fields, own common.MapStr) {
	for name, v := range own {
		into, ok := fields[name].(common.MapStr)
		if sub, both := v.(common.MapStr); ok && both {
			join(into, sub)
		} else {
			fields[name] = v
		}
	}
}

// A structure is what an event's fields are but for their values.
type structure struct {
	keys   []byte           // names, and where objects begin and end: the same for the same only
	values []prepared.Value // in the order of keys
	names  []string         // of the objects at hand
}

// mostKeys is how long keys may be: templates are kept for many of them.
const mostKeys = 4096

// describe notes the structure and the values of a message's fields, and its place as the first value. It returns false for
// what can have no template: lists, and very many keys.
func (s *structure) describe(fields common.MapStr, place int64) bool {
	s.keys, s.values = s.keys[:0], append(s.values[:0], prepared.Int(place))
	return s.object(fields)
}

func (s *structure) object(m common.MapStr) bool {
	from := len(s.names)
	defer func() { s.names = s.names[:from] }()
	for _, name := range s.sorted(m) {
		s.keys = append(binary.AppendUvarint(s.keys, uint64(len(name))), name...)
		switch v := m[name].(type) {
		case string:
			s.note(prepared.String(v))
		case int64:
			s.note(prepared.Int(v))
		case float64:
			s.note(prepared.Float(v))
		case bool:
			s.note(prepared.Bool(v))
		case common.MapStr:
			s.keys = append(s.keys, '{')
			if !s.object(v) {
				return false
			}
			s.keys = append(binary.AppendUvarint(s.keys, 0), '}')
		default:
			return false
		}
	}
	return len(s.keys) <= mostKeys
}

func (s *structure) note(v prepared.Value) {
	s.keys, s.values = append(s.keys, '='), append(s.values, v)
}

// sorted returns m's names, in the end of s.names.
func (s *structure) sorted(m common.MapStr) []string {
	from := len(s.names)
	for name := range m {
		s.names = append(s.names, name)
	}
	names := s.names[from:]
	slices.Sort(names)
	return names
}

// hollow puts holes in the place of the values, in the order of keys.
func (s *structure) hollow(m common.MapStr, next *encode.Hole) {
	from := len(s.names)
	for _, name := range s.sorted(m) {
		if sub, ok := m[name].(common.MapStr); ok {
			s.hollow(sub, next)
			continue
		}
		m[name] = *next
		*next++
	}
	s.names = s.names[:from]
}
