package push

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/processors/k8sname"
)

// A stamp is what all events of a request have that is not from its body.
type stamp struct {
	app      string // the UUID of the path, in lower case
	user     string // user_id of the token
	client   string // the address that the request came from
	received time.Time
	key      string // begins the ids of entries without one of their own
	place    place
}

// A place is where an app is, by the token or the configuration.
type place struct{ Namespace, Region, Zone string }

// eventMaker makes events. What it puts into them are strings, lists of strings, common.Time and MapStr, so libbeat need not
// normalize them.
type eventMaker struct{ index string }

func newEventMaker(info beat.Info) eventMaker {
	return eventMaker{k8sname.IndexName(info.Beat, info.Name)}
}

// event makes the i-th event of b.
func (m eventMaker) event(b *batch, i int) beat.Event {
	e, s := &b.entries[i], &b.stamp
	log := common.MapStr{"stream": "push"}
	fields := common.MapStr{
		"message": e.message,
		"event":   common.MapStr{"kind": "event", "dataset": e.kind, "created": common.Time(s.received)},
		"service": common.MapStr{"id": s.app},
		"log":     log,
		"client":  common.MapStr{"ip": s.client},
	}
	if s.user != "" {
		fields["user"] = common.MapStr{"id": s.user}
	}
	if s.place.Namespace != "" {
		fields["kubernetes"] = common.MapStr{"namespace": s.place.Namespace}
	}
	if s.place.Region != "" {
		fields["region"] = s.place.Region
	}
	if s.place.Zone != "" {
		fields["zone"] = s.place.Zone
	}
	if len(e.labels) > 0 {
		fields["labels"] = labelsOf(e.labels)
		if level := levelOf(e.labels); level != "" {
			log["level"] = level
		}
	}
	return beat.Event{
		Timestamp: e.time,
		Fields:    fields,
		Meta:      common.MapStr{events.FieldMetaID: idOf(s, e, i), k8sname.IndexKey: m.index},
		Private:   b,
	}
}

// labelsOf turns annotations into fields. The values of a key that repeats become a list.
func labelsOf(list []label) common.MapStr {
	labels := make(common.MapStr, len(list))
	for _, l := range list {
		key := labelName(l.key)
		switch old := labels[key].(type) {
		case nil:
			labels[key] = l.value
		case string:
			labels[key] = []string{old, l.value}
		case []string:
			labels[key] = append(old, l.value)
		}
	}
	return labels
}

// labelName returns a key as a field's name: a dot would make a field below a field, and the two could not
// stand in one index; other signs have meanings of their own in queries.
func labelName(key string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsLetter(c) || unicode.IsDigit(c) {
			return c
		}
		return '_'
	}, key)
}

// maxLevel is the longest annotation that is taken for a level.
const maxLevel = 32

func levelOf(list []label) string {
	for _, l := range list {
		if l.key == "level" && len(l.value) <= maxLevel {
			return l.value
		}
	}
	return ""
}

// requestKey begins the ids of a request's entries: the same for the same Idempotency-Key of the same user for the same
// app; without one, new each time.
func requestKey(app, user, idempotencyKey string) string {
	if idempotencyKey == "" {
		return rand.Text()
	}
	return hash("key", app, user, idempotencyKey)
}

// idOf returns the id of the i-th entry.
func idOf(s *stamp, e *entry, i int) string {
	if e.id != "" {
		return hash("id", s.app, e.id)
	}
	return s.key + "-" + strconv.Itoa(i)
}

// hash returns 128 bits that are the same for the same parts only.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte(":" + p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
