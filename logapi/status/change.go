package status

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/option"
)

// A wish is what a document that was posted means to change: a member and its value; nil takes a setting back.
type wish struct {
	member string
	path   []string
	to     any // bool, float64, string or nil
}

// A reading reads what a posted document means, against the document that a GET would give now.
//
// A member is unedited if the document's seal has it as it is; then nothing is meant by it. Without a seal (a document that
// was written by hand, or by a program that drops what it does not know) whatever may be changed is a wish, unless the
// document says when it was given (timestemp) and the value is what it was then. What may not be changed must be what it
// is now; with a timestemp, what changes by itself is passed over.
type reading struct {
	now   body.Value // the document as it is
	state *state
	seal  seal  // nil: none
	given int64 // timestemp: an entry's Stamp is greater if it was made later; 0: not said

	wishes   []wish
	mistakes []error
	clashes  []string // members that somebody else has changed, too
}

// writable says whether a member may be changed. Elasticsearch's settings are looked at apart.
func writable(member string) bool {
	if member == "rotate.enabled" || member == "rotate.age" {
		return true
	}
	name, ok := strings.CutPrefix(member, "collector.")
	name, enabled := strings.CutSuffix(name, ".enabled")
	return ok && enabled && slices.Contains(heartbeat.Collectors, name)
}

// readDocument reads a posted document: one object, or a list of one.
func readDocument(data []byte, now body.Value, st *state) (*reading, error) {
	v, err := body.Parse(data)
	if err != nil {
		return nil, err
	}
	if v.Kind == body.Array {
		if len(v.Items) != 1 {
			return nil, fmt.Errorf("it must be the status of one region, not a list of %d", len(v.Items))
		}
		v = v.Items[0]
	}
	if v.Kind != body.Object {
		return nil, errors.New("it must be an object: the status, with what is to change in it")
	}
	r := &reading{now: now, state: st}
	if c, ok := v.Get("configuration"); ok {
		if text, ok := c.Get("seal"); ok {
			if r.seal, ok = readSeal(text.Text); !ok || text.Kind != body.String {
				r.wrong(`"configuration.seal" is not one that was given: leave it as it is, or leave it out`)
			}
		}
	}
	if t, ok := v.Get("timestemp"); ok && t.Kind == body.Number {
		if n, err := strconv.ParseInt(t.Text, 10, 64); err == nil && n > 0 {
			r.given = n
		}
	}
	r.object(nil, v, now)
	return r, nil
}

const maxMistakes = 50 // more are not told

func (r *reading) wrong(format string, args ...any) {
	if len(r.mistakes) < maxMistakes {
		r.mistakes = append(r.mistakes, fmt.Errorf(format, args...))
	}
}

// object reads an object of the document; now is what is there.
func (r *reading) object(path []string, v, now body.Value) {
	for _, m := range v.Members {
		path := append(path[:len(path):len(path)], m.Name)
		member := line(strings.Join(path, "."))
		there, known := now.Get(m.Name)
		switch {
		case member == "elasticsearch.settings":
			r.settings(path, "", m.Value)
		case member == "configuration.seal":
		case member == "region" && !equal(m.Value, there):
			r.wrong("%q is %s: this is the configuration of region %s", member, line(m.Value.String()), line(there.String()))
		case writable(member):
			r.value(path, member, m.Value, there)
		case r.seal != nil && m.Value.Kind != body.Object && r.seal.has(path, m.Value):
		case !known && !slices.Contains(optional, member) && !strings.HasPrefix(member, "kafka.lag.topics."):
			r.mistake(option.Unknown("member", prefix(path), line(m.Name), memberNames(path[:len(path)-1], now)))
		case m.Value.Kind == body.Object && there.Kind == body.Object:
			r.object(path, m.Value, there)
		case slices.Contains(objects, member):
			r.wrong("%q must be an object", member)
		default:
			r.readOnly(path, member, m.Value, there, known)
		}
	}
}

func (r *reading) mistake(err error) { r.wrong("%w", err) }

// prefix is that of a member's name in errors.
func prefix(path []string) string {
	if len(path) == 1 {
		return ""
	}
	return line(strings.Join(path[:len(path)-1], ".")) + "."
}

// optional are the members that are there at times.
var optional = []string{"rotate.last_run", "rotate.last_run.error", "kafka.lag", "elasticsearch.settings", "store", "store.error",
	"configuration.updated_at", "configuration.updated_by"}

// objects hold members that can be changed.
var objects = func() []string {
	all := []string{"rotate", "collector", "elasticsearch"}
	for _, name := range heartbeat.Collectors {
		all = append(all, "collector."+name)
	}
	return all
}()

// memberNames are the names that an object may have.
func memberNames(path []string, now body.Value) []string {
	var all []string
	for _, m := range now.Members {
		all = append(all, m.Name)
	}
	within := strings.Join(append(slices.Clone(path), ""), ".")
	for _, name := range optional {
		if rest, ok := strings.CutPrefix(name, within); ok && !strings.Contains(rest, ".") {
			all = append(all, rest)
		}
	}
	return all
}

// readOnly reads a member that cannot be changed.
func (r *reading) readOnly(path []string, member string, v, now body.Value, known bool) {
	switch {
	case known && equal(v, now):
	case member == "configuration.version" && r.seal == nil && v.Kind == body.Number:
		r.clashes = append(r.clashes, member)
	case r.seal == nil && r.given > 0 && (!known || v.Kind == now.Kind):
	case !known || now.Kind == body.Array || now.Kind == body.Object:
		r.wrong("%q cannot be changed: it says how things are", member)
	default:
		r.wrong("%q cannot be changed: it says how things are, which is %s", member, line(now.String()))
	}
}

// value reads a member that can be changed.
func (r *reading) value(path []string, member string, v, now body.Value) {
	w := wish{member: member, path: path}
	switch {
	case member == "rotate.age":
		age, err := strconv.ParseFloat(v.Text, 64)
		if v.Kind != body.Number || err != nil {
			r.wrong("%q must be a number of days", member)
			return
		}
		w.to = age
	case v.Kind != body.Bool:
		r.wrong("%q must be true or false", member)
		return
	default:
		w.to = v.Text == "true"
	}
	r.wish(w, v, now)
}

// settings reads Elasticsearch's settings: names with dots, or objects in each other, or both.
func (r *reading) settings(path []string, name string, v body.Value) {
	if v.Kind != body.Object {
		r.wrong("%q must be an object of settings", line(strings.Join(path, ".")))
		return
	}
	for _, m := range v.Members {
		full := m.Name
		if name != "" {
			full = name + "." + m.Name
		}
		s := allowed(full)
		switch {
		case s == nil && m.Value.Kind == body.Object && len(path) < 10:
			r.settings(append(path[:len(path):len(path)], m.Name), full, m.Value)
		case s == nil:
			r.mistake(option.Unknown("setting", "", line(full), settingNames()))
		case r.state.settings == nil:
			r.wrong("%q cannot be changed: what keeps the logs has no such settings, or does not let them be seen", "elasticsearch.settings."+full)
		default:
			to, err := s.read(full, m.Value)
			if err != nil {
				r.mistake(err)
				continue
			}
			now := body.Value{Kind: body.Null}
			if text, ok := r.state.settings[full]; ok {
				now = body.Text(text)
			}
			value := m.Value
			if text, ok := to.(string); ok {
				value = body.Text(text)
			}
			r.wish(wish{"elasticsearch.settings." + full, []string{"elasticsearch", "settings", full}, to}, value, now)
		}
	}
}

// wish notes what is meant by the value v of a member that can be changed, now being what it is: nothing if it is as it was
// given, or is so already; a clash if it has changed since.
func (r *reading) wish(w wish, v, now body.Value) {
	if i := slices.IndexFunc(r.wishes, func(other wish) bool { return other.member == w.member }); i >= 0 {
		r.wrong("%q is there twice", w.member)
		return
	}
	if r.seal != nil && r.seal.has(w.path, v) {
		return
	}
	if setting := strings.HasPrefix(w.member, "elasticsearch.settings."); setting && w.to == nil {
		if _, set := r.state.explicit[strings.TrimPrefix(w.member, "elasticsearch.settings.")]; !set {
			return
		}
	} else if equal(v, now) && !(setting && r.onlyDefault(w)) {
		return
	}
	switch {
	case r.seal != nil:
		if now.Kind != body.Null && !r.seal.has(w.path, now) {
			r.clashes = append(r.clashes, w.member)
			return
		}
	case r.given > 0:
		switch r.since(w) {
		case stale:
			return
		case clash:
			r.clashes = append(r.clashes, w.member)
			return
		}
	}
	r.wishes = append(r.wishes, w)
}

// onlyDefault says whether a setting has the value wished for only because it is the default: then it may be set
// all the same.
func (r *reading) onlyDefault(w wish) bool {
	_, set := r.state.explicit[strings.TrimPrefix(w.member, "elasticsearch.settings.")]
	return !set && r.seal == nil && r.given == 0
}

type meaning int

const (
	meant meaning = iota
	stale         // it is as it was when the document was given
	clash         // somebody else has changed it since
)

// since says what a value means in a document without a seal that was given at r.given.
func (r *reading) since(w wish) meaning {
	history := r.state.record.History
	if len(history) == maxHistory && history[maxHistory-1].Stamp > r.given {
		return clash // what it was then is not known any more
	}
	result := meant
	for _, e := range history {
		if e.Stamp <= r.given {
			break
		}
		for _, c := range e.Changes {
			switch {
			case c.Member != w.member:
			case c.From == w.to: // the last that is looked at counts: it is the first since then
				result = stale
			default:
				result = clash
			}
		}
	}
	return result
}

// changes are what the wishes change in st, checked as a whole.
func (r *reading) changes() ([]change, []error) {
	var list []change
	for _, w := range r.wishes {
		list = append(list, change{w.member, r.state.value(w.member), w.to})
	}
	var errs []error
	if slices.ContainsFunc(list, func(c change) bool { return strings.HasPrefix(c.Member, "rotate.") }) {
		if _, err := r.state.rotated(list, ""); err != nil {
			errs = append(errs, err)
		}
	}
	return list, errs
}

// value is what a member that can be changed is set to; nil if it is not.
func (s *state) value(member string) any {
	switch member {
	case "rotate.enabled":
		return s.rotation.Enabled
	case "rotate.age":
		return s.rotation.Age
	}
	if name, ok := strings.CutPrefix(member, "elasticsearch.settings."); ok {
		if text, set := s.explicit[name]; set {
			return text
		}
		return nil
	}
	name := strings.TrimSuffix(strings.TrimPrefix(member, "collector."), ".enabled")
	return s.record.enabled(name)
}

// rotated is the document of the retention with changes of rotate applied; nil if it stays as it is.
func (s *state) rotated(list []change, by string) (*retention.Document, error) {
	d := retention.Document{}
	if s.policy != nil {
		d = *s.policy
	}
	rot := retention.Rotate{Enabled: s.rotation.Enabled}
	if d.Rotate != nil {
		rot = *d.Rotate
	}
	for _, c := range list {
		switch to := c.To.(type) {
		case bool:
			if c.Member == "rotate.enabled" {
				rot.Enabled = to
			}
		case float64:
			if c.Member == "rotate.age" {
				rot.Age = to
				if to < 1./24 || to > 36525 {
					return nil, errors.New(`"rotate.age" must be a number of days from 1 hour (0.042) to 100 years (36525)`)
				}
			}
		}
	}
	if d.Rotate != nil && *d.Rotate == rot {
		return nil, nil
	}
	d.Rotate, d.UpdatedBy = &rot, by
	if s.policy == nil && rot.Age == 0 {
		return nil, errors.New(`"rotate.age" is missing: there is no policy of the retention yet, so it has to be said after how many days what is old is deleted`)
	}
	if _, err := d.Read(); err != nil {
		return nil, fmt.Errorf("\"rotate\" cannot be changed so: %w", err)
	}
	return &d, nil
}
