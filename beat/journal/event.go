package journal

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/processors/k8sname"
)

// A converter makes events of messages. What it puts into them are strings, lists of strings,
// int64, float64, bool, common.Time and MapStr, so libbeat need not normalize them. It is not safe
// for concurrent use; the events are, they share nothing that changes.
//
// Names and values may come from anybody who can write to the journal. Whatever they are, the event
// has a JSON form, a field of fields.yml has a value of its type, and what journald says itself
// (names that begin with an underscore) is never covered by what others say.
type converter struct {
	opts    *options
	metrics *metrics
	beat    string // in the index' name
	self    string // this machine's name, for entries that do not say whose they are
	now     func() time.Time
	ecs     bool
	legacy  bool
	target  []string // of the legacy fields, "journal" → "journal.hostname"

	fields    map[string]*field // by the journal's name
	shapes    *shapes
	slabs     slabs
	exclude   []exclusion
	entries   uint64 // read
	indexHost string
	indexed   any // the index of indexHost
	created   time.Time
	createdAs any // created as it is written

	// Of the event at hand:
	number    uint64 // it is the number-th
	maps      []common.MapStr
	old       common.MapStr // the legacy fields
	host      string
	container bool
	cut       bool
	binary    []string // names of the fields that are no UTF-8
}

const (
	// maxClientFields bounds the fields that a program may add to one event. journald's own limit
	// for an entry is 1024.
	maxClientFields = 512
	// maxOwnFields bounds those that only journald can write; more than a few dozen are in no real journal.
	maxOwnFields = 512
	// maxKnownFields bounds the names that are kept in memory.
	maxKnownFields = 4096
	// maxName is the longest name; journald's own limit is 64.
	maxName = 128
	// maxRealtime is the end of the year 9999, beyond which times have no JSON form.
	maxRealtime = 253402300799_999999
)

// newConverter makes the converter of one input. Events go to the index of agentBeat and their host.
func newConverter(o *options, m *metrics, agentBeat string) *converter {
	c := &converter{
		opts: o, metrics: m, beat: agentBeat, now: time.Now,
		ecs:    o.Schema != "legacy",
		legacy: o.Schema != "ecs",
		fields: make(map[string]*field, 2*len(places)),
		shapes: newShapes(), exclude: exclusions(o),
		maps: make([]common.MapStr, len(groups)),
	}
	if o.MoveMetadataToField != "" {
		c.target = strings.Split(o.MoveMetadataToField, ".")
	} else if c.ecs {
		c.target = []string{"journal"}
	}
	for name := range places { // there is room for them, whatever names programs make up
		c.field(name)
	}
	return c
}

// A field is what is known of a journal field by its name alone.
type field struct {
	key    string // as the journal has it
	name   string // the same, safe to be written
	place  *place // nil: below journald.custom
	custom string // its name there
	old    string // its name with schema: legacy
	own    bool   // only journald can write it
	role   role
	plain  bool   // it may become a number: no id, no name, no message
	seen   uint64 // number of the event that had it last

	id     uint64 // no other field has it, and no value; 0 if the field is not kept
	hole   bool   // entries are of one shape whatever its values
	fixed  bool   // other things than its place follow from its value
	values uint64 // that many entries have, seen so far
}

// isLong says whether the field wants a number.
func (f *field) isLong() bool {
	return f.place != nil && (f.place.kind == long || f.place.kind == counter)
}

// role is what else a field is good for.
type role byte

const (
	roleNone role = iota
	roleMessage
	rolePart      // says how a message was split
	roleLineBreak // may say so
	roleHost
	rolePriority
	roleFacility
	roleContainer
)

var roles = map[string]role{
	"MESSAGE":                   roleMessage,
	"CONTAINER_PARTIAL_MESSAGE": rolePart,
	"CONTAINER_PARTIAL_ID":      rolePart,
	"CONTAINER_PARTIAL_ORDINAL": rolePart,
	"CONTAINER_PARTIAL_LAST":    rolePart,
	"_LINE_BREAK":               roleLineBreak,
	"_HOSTNAME":                 roleHost,
	"PRIORITY":                  rolePriority,
	"SYSLOG_FACILITY":           roleFacility,
	"CONTAINER_ID_FULL":         roleContainer,
	"CONTAINER_NAME":            roleContainer,
}

// field returns what is known of a name.
func (c *converter) field(name string) *field {
	if f := c.fields[name]; f != nil {
		return f
	}
	f := &field{
		key:   strings.Clone(name),
		name:  safeName(name),
		place: places[name],
		own:   strings.HasPrefix(name, "_"),
		role:  roles[name],
		plain: mayBeNumber(name),
	}
	f.custom = c.nameOf(f)
	f.old = c.legacyName(f)
	f.hole = f.role == roleMessage || f.place != nil && (f.place.kind == unique || f.place.kind == counter)
	f.fixed = f.role != roleNone && f.role != roleMessage || fixedNames[name]
	if len(c.fields) < maxKnownFields {
		c.fields[f.key] = f
		f.id = 1<<63 | uint64(len(c.fields))
	} else {
		f.hole = false
	}
	return f
}

// fixedNames are further fields whose values say more than the fields' own: what the entry is a part of, what is
// missing, who wrote it.
var fixedNames = map[string]bool{
	"CONTAINER_ID": true, "CONTAINER_TAG": true, "IMAGE_NAME": true, "CONTAINER_LOG_EPOCH": true,
	"_STREAM_ID": true, "_COMM": true, "_TRANSPORT": true, "MESSAGE_ID": true, "N_DROPPED": true,
}

// nameOf returns the name of a field that is not mapped. A name that a program made up does not
// become that of a field that only journald can write: HOSTNAME is hostname_other.
func (c *converter) nameOf(f *field) string {
	if !c.opts.CleanFieldNames {
		return f.name
	}
	name := strings.ToLower(strings.TrimLeft(f.name, "_"))
	if name == "" {
		return "_"
	}
	if !f.own && ownNames["_"+f.name] {
		name += "_other"
	}
	return name
}

// ownNames are those that journald writes, and only it.
var ownNames = func() map[string]bool {
	out := map[string]bool{"_STREAM_ID": true, "_LINE_BREAK": true, "_NAMESPACE": true, "_RUNTIME_SCOPE": true}
	for name := range places {
		if strings.HasPrefix(name, "_") {
			out[name] = true
		}
	}
	return out
}()

// safeName returns a name without what Elasticsearch would take for a path or refuse.
func safeName(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z', 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_', r == '-', r == '@':
			return r
		}
		return '-'
	}, name)
	if name == "" {
		return "-"
	}
	return name
}

// event makes the event of a message, but for Private.
func (c *converter) event(m *message) beat.Event {
	e := m.Entry
	c.number++
	clear(c.maps)
	c.host, c.container, c.cut, c.binary = "", false, false, nil
	root := make(common.MapStr, 16)
	c.maps[gRoot] = root
	if c.ecs {
		c.beginECS(e)
	}
	if c.legacy {
		c.beginLegacy(e)
	}
	c.addFields(m)
	c.addFlags(m)
	if c.ecs {
		c.endECS()
	}
	if c.opts.SaveRemoteHostname && c.host != "" {
		c.group(gSource)["address"] = c.host
	}
	return beat.Event{
		Timestamp: timeOf(e),
		Fields:    root,
		Meta: common.MapStr{
			events.FieldMetaID: string(appendID(nil, e)),
			k8sname.IndexKey:   c.index(),
		},
	}
}

// index returns the name of the index without the day. Most entries have the host of the one before.
func (c *converter) index() any {
	host := cmp.Or(c.host, c.self)
	if c.indexed == nil || c.indexHost != host {
		c.indexHost = strings.Clone(host)
		c.indexed = k8sname.IndexName(c.beat, host)
	}
	return c.indexed
}

// timeOf is when journald received e.
func timeOf(e *Entry) time.Time {
	return time.UnixMicro(int64(min(e.Realtime, maxRealtime))).UTC()
}

// addFields writes the entry's fields, in both schemas if need be.
func (c *converter) addFields(m *message) {
	fields := m.Entry.Fields
	own, others := 0, 0
	for i := range fields {
		value := fields[i].Value
		f, s := c.fieldOf(&fields[i])
		if f.own {
			own++
		} else {
			others++
		}
		if f.own && own > maxOwnFields || !f.own && others > maxClientFields {
			c.cutOne()
			continue
		}
		again := f.seen == c.number
		f.seen = c.number
		switch f.role {
		case roleMessage:
			if !again {
				c.maps[gRoot]["message"] = c.tidy(f, m.Text)
				continue
			}
		case rolePart:
			if !m.Partial {
				continue
			}
		case roleLineBreak:
			if value == "line-max" && !m.Partial {
				continue
			}
		case roleHost:
			if !again {
				c.host = value
			}
		case rolePriority:
			if n, ok := parseLong(value); ok && c.opts.ParsePriority && !again && 0 <= n && n < int64(len(levels)) {
				c.group(gLog)["level"] = levels[n]
			}
		case roleContainer:
			c.container = true
		}
		boxed, number := c.box(f, s, value)
		if c.ecs {
			c.addECS(f, value, boxed, number, again)
		}
		if c.legacy {
			put(c.old, f.old, c.legacyValue(f, value, boxed))
		}
	}
	if _, ok := c.maps[gRoot]["message"]; !ok && m.Text != "" { // not in the first part
		c.maps[gRoot]["message"] = c.tidy(c.field("MESSAGE"), m.Text)
	}
}

// addFlags says what is not as it was written.
func (c *converter) addFlags(m *message) {
	if !m.Partial && !c.cut && c.binary == nil {
		return
	}
	var flags []string
	if m.Partial {
		flags = append(flags, "partial")
		c.maps[gRoot]["tags"] = []string{"partial_message"}
	}
	if c.cut {
		flags = append(flags, "truncated")
	}
	if c.binary != nil {
		flags = append(flags, "binary")
		c.group(gJournald)["binary"] = c.binary
		c.metrics.binary.Inc()
	}
	c.group(gLog)["flags"] = flags
}

// put adds a value to a map; a name that repeats makes a list.
func put(m common.MapStr, key string, value any) {
	switch old := m[key].(type) {
	case nil:
		m[key] = value
	case []string:
		m[key] = append(old, fmt.Sprint(value))
	default:
		m[key] = []string{fmt.Sprint(old), fmt.Sprint(value)}
	}
}

// group returns the map of a group, which it makes if it is the event's first.
func (c *converter) group(i int) common.MapStr {
	if c.maps[i] == nil {
		c.maps[i] = common.MapStr{}
		c.group(groups[i].parent)[groups[i].key] = c.maps[i]
	}
	return c.maps[i]
}

// tidy returns a value that has a JSON form and is not too long.
func (c *converter) tidy(f *field, value string) string {
	if limit := int(c.opts.MaxMessageBytes); len(value) > limit {
		value = cutText(value, limit)
		c.cutOne()
	}
	if utf8.ValidString(value) {
		return value
	}
	c.binary = append(c.binary, f.name)
	if c.opts.Binary == "base64" {
		return base64.StdEncoding.EncodeToString([]byte(value))
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

// cutText cuts longer text to limit bytes, or before the character that has no room within them.
func cutText(s string, limit int) string {
	for n := limit; n >= 0 && n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
	return s[:limit] // no UTF-8 anyway
}

func (c *converter) cutOne() {
	c.cut = true
	c.metrics.cut.Inc()
}

// box returns a value as an interface, and the number it is if the field wants one.
func (c *converter) box(f *field, s *shared, value string) (boxed, number any) {
	switch {
	case s != nil:
		boxed, number = s.boxed, s.number
	case f.isLong():
		if n, ok := parseLong(value); ok {
			number = n
		}
	}
	if number != nil && !c.legacy && f.place.kind == counter {
		return nil, number // nobody wants the text
	}
	if boxed == nil {
		boxed = c.tidy(f, value)
	}
	return boxed, number
}

// parseLong reads a number that Elasticsearch's long can hold.
func parseLong(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 20 || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
