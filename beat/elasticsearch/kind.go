package elasticsearch

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// A kind is what this output has made of the documents of one kind, which differ in nothing that it goes by.
type kind struct {
	of     *client
	source uint64 // see sourceOf
	odd    bool   // index and pipeline must be selected for each document
	action atomic.Pointer[action]
}

// An action is the begin of the action line of a kind's documents of one day, up to their ids.
type action struct {
	day     [2]int64
	dialect dialect
	index   string
	op      opType
	text    string
}

// kindOf returns what c has made of d's kind. An output that follows another makes its own.
func (c *client) kindOf(d *prepared.Document) *kind {
	slot := d.Slot()
	if k, ok := slot.Load().(*kind); ok && k.of == c {
		return k
	}
	fields, meta := d.Kind()
	k := &kind{of: c, source: sourceIn(fields), odd: c.daily == nil || !c.daily.same(fields, meta)}
	slot.Store(k)
	return k
}

// actionOf returns what documents of d's kind and day begin with, nil if that is to be found out of each by itself.
func (l *lane) actionOf(d *prepared.Document, at time.Time) *action {
	k := l.kindOf(d)
	if k.odd || d.ID == "" {
		return nil
	}
	day := dayOf(at)
	if a := k.action.Load(); a != nil && a.day == day && a.dialect == l.dialect {
		return a
	}
	fields, meta := d.Kind()
	it := item{id: d.ID}
	ev := &beat.Event{Timestamp: at, Fields: fields, Meta: meta}
	pipeline, err := l.aim(&it, ev)
	if err != nil {
		return nil
	}
	a := &action{day: day, dialect: l.dialect, index: it.index, op: it.op}
	it.id = ""
	whole := string(l.appendAction(nil, &it, pipeline))
	a.text = strings.TrimSuffix(whole, "}}\n") + `,"_id":`
	k.action.Store(a)
	return a
}

// dayOf returns the days since 1970 in UTC and in at's own time zone: index names may be made of either.
func dayOf(at time.Time) [2]int64 {
	const day = 24 * 60 * 60
	unix := at.Unix()
	utc := (unix + 1<<40*day) / day
	if at.Location() == time.UTC {
		return [2]int64{utc, utc}
	}
	_, offset := at.Zone()
	return [2]int64{utc, (unix + int64(offset) + 1<<40*day) / day}
}

// A daily is how indices and pipelines are selected if that depends on nothing but the day and these fields.
type daily struct{ fields []string }

// dailyOf reads it off the options, nil if there is more to it.
func dailyOf(cfg *common.Config) (*daily, error) {
	var o struct {
		Index    string `config:"index"`
		Pipeline string `config:"pipeline"`
	}
	for _, several := range []string{"indices", "pipelines"} {
		if cfg.HasField(several) {
			return nil, nil
		}
	}
	if err := cfg.Unpack(&o); err != nil {
		return nil, err
	}
	d := &daily{}
	for _, format := range []string{o.Index, o.Pipeline} {
		if !d.read(format) {
			return nil, nil
		}
	}
	return d, nil
}

// read takes over what libbeat's format string refers to, and returns false for what it is not sure of.
func (d *daily) read(format string) bool {
	for {
		_, rest, found := strings.Cut(format, "%{")
		if !found {
			return true
		}
		expression, rest, found := strings.Cut(rest, "}")
		format = rest
		switch {
		case !found || expression == "":
			return false
		case expression[0] == '+':
			if strings.Trim(expression[1:], "yMd-._/ ") != "" { // other letters may be hours
				return false
			}
		case expression[0] == '[':
			field, fallback, closed := strings.Cut(expression[1:], "]")
			if !closed || fallback != "" && (fallback[0] != ':' || strings.ContainsAny(fallback, "%{[")) {
				return false
			}
			d.fields = append(d.fields, field)
		default:
			return false
		}
	}
}

// same says whether all documents of a kind have the same in these fields.
func (d *daily) same(fields, meta common.MapStr) bool {
	for _, name := range d.fields {
		of, path := fields, name
		if rest, ok := strings.CutPrefix(name, "@metadata."); ok {
			of, path = meta, rest
		}
		if path == events.FieldMetaID || strings.HasPrefix(name, "@timestamp") || name == "@metadata" {
			return false
		}
		v, err := of.GetValue(path)
		if err != nil {
			if v != nil || !missing(of, path) {
				return false
			}
			continue
		}
		switch v.(type) {
		case string, bool, int, int64, uint64, float64:
		default:
			return false
		}
	}
	return true
}

// missing says whether m has nothing at path, a hole neither.
func missing(m map[string]any, path string) bool {
	key, rest, deeper := strings.Cut(path, ".")
	switch v := m[key].(type) {
	case nil:
		return true
	case common.MapStr:
		return deeper && missing(v, rest)
	case map[string]any:
		return deeper && missing(v, rest)
	case encode.Hole:
		return false
	}
	return deeper // something else is in the way, always
}
