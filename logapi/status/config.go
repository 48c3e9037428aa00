package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
)

// recordID is the id of the configuration's document in .podbeat-system.
const recordID = "configuration"

// recordForm is the version of the form of a record.
const recordForm = 1

// maxHistory bounds how many changes are kept.
const maxHistory = 100

// A record is the document that the configuration is kept in.
type record struct {
	Form       int             `json:"form"`    // 1
	Version    int64           `json:"version"` // of the configuration: one more with each change; 0: nothing has been changed
	Collectors map[string]bool `json:"collectors,omitempty"`
	UpdatedAt  time.Time       `json:"updated_at,omitzero"`
	UpdatedBy  string          `json:"updated_by,omitempty"`
	History    []entry         `json:"history,omitempty"` // the newest first
	Pending    *entry          `json:"pending,omitempty"` // a change that has begun
}

// An entry is one change.
type entry struct {
	ID      string    `json:"id,omitempty"` // tells it from all others
	Version int64     `json:"version"`      // that it made
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Changes []change  `json:"changes"`
	// Stamp is greater than the timestemp of every document that was given before, and no greater than that of those
	// given later: Unix seconds, ahead of the clock by one at the least.
	Stamp int64 `json:"stamp,omitempty"`
}

// A change is that of one member of the status document.
type change struct {
	Member string `json:"member"` // rotate.age
	From   any    `json:"from"`   // nil: it was not set
	To     any    `json:"to"`
}

// enabled says whether a collector is to run: unless it has been switched off.
func (r *record) enabled(collector string) bool {
	on, said := r.Collectors[collector]
	return on || !said
}

// stamp is the last entry's.
func (r *record) stamp() int64 {
	if len(r.History) == 0 {
		return 0
	}
	return r.History[0].Stamp
}

// A state is all that can be configured, as it was at one time.
type state struct {
	record   record
	place    system.Place
	rotation retention.Rotate
	policy   *retention.Document // nil: there is none
	settings map[string]string   // what each of the allowed ones is; nil: the backend has none
	explicit map[string]string   // those of them that somebody has set
}

// etag names the version of the configuration, and what can be configured: some of it may also be changed elsewhere.
func (s *state) etag() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %v %v", s.record.Version, s.rotation.Enabled, s.rotation.Age)
	for _, name := range slices.Sorted(maps.Keys(s.record.Collectors)) {
		fmt.Fprintf(h, "\n%s %v", name, s.record.Collectors[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.explicit)) {
		fmt.Fprintf(h, "\n%s %q", name, s.explicit[name])
	}
	return fmt.Sprintf(`"%d-%x"`, s.record.Version, h.Sum64())
}

// rotatesSince is when the policy of the retention was last changed; zero: there is none.
func (s *state) rotatesSince() time.Time {
	if s.policy == nil {
		return time.Time{}
	}
	return s.policy.UpdatedAt
}

// A keeper reads the configuration, and remembers what it has read last.
type keeper struct {
	es *es.Client

	mu      sync.Mutex
	known   state
	at      time.Time     // when known.record was read; zero: never
	reading chan struct{} // closed when who reads the record has done so; nil: nobody does
}

func newKeeper(client *es.Client) *keeper { return &keeper{es: client} }

// last is what was read last.
func (k *keeper) last() state {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known
}

// read reads all that can be configured.
func (k *keeper) read(ctx context.Context) (state, error) {
	var s state
	client := k.es.Once()
	policy := ask(ctx, func(ctx context.Context) (state, error) {
		return hedge(ctx, func(ctx context.Context) (state, error) {
			var s state
			err := s.readPolicy(ctx, client)
			return s, err
		})
	})
	settings := ask(ctx, func(ctx context.Context) (clusterSettings, error) { return readSettings(ctx, client) })
	err := k.readRecord(ctx, client, &s)
	rotates, policyErr := policy()
	found, settingsErr := settings()
	for _, err := range []error{err, policyErr, settingsErr} {
		if err != nil {
			return state{}, err
		}
	}
	s.policy, s.rotation = rotates.policy, rotates.rotation
	s.settings, s.explicit = found.all, found.explicit
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.outrun(&s.record) {
		k.known, k.at = s, time.Now()
	}
	return s, nil
}

// outrun says whether r was read before what is known, and came later: podbeats are not told of it any more.
func (k *keeper) outrun(r *record) bool {
	return r.Version < k.known.record.Version && time.Since(k.at) < applyTime/2
}

// readPolicy reads the document of the retention, and what rotate is by it.
func (s *state) readPolicy(ctx context.Context, client *es.Client) error {
	d, err := retention.Load(ctx, client)
	if errors.Is(err, retention.ErrNoPolicy) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := d.Read()
	if err != nil {
		return err
	}
	s.policy, s.rotation = d, p.Rotation()
	return nil
}

// readRecord reads the record alone.
func (k *keeper) readRecord(ctx context.Context, client *es.Client, s *state) error {
	type found struct {
		record
		place system.Place
	}
	r, err := hedge(ctx, func(ctx context.Context) (found, error) {
		var r found
		var err error
		if r.place, err = system.Get(ctx, client, recordID, &r.record); errors.Is(err, system.ErrNone) {
			return found{}, nil
		}
		return r, err
	})
	if err != nil {
		return err
	}
	if r.place != (system.Place{}) && r.Form != recordForm {
		return fmt.Errorf("cannot read the configuration: it has form %d, this program knows %d", r.Form, recordForm)
	}
	s.record, s.place = r.record, r.place
	return nil
}

// fresh is how long the record is held to be true for heartbeats.
const fresh = time.Second

// current is the record as it is, or was within fresh or, while it cannot be read, as it was last known: for heartbeats,
// of which many come at once. newer is a version that is known to be there. It is false when nothing is known.
func (k *keeper) current(ctx context.Context, newer int64) (record, bool) {
	k.mu.Lock()
	known := !k.at.IsZero()
	if age := time.Since(k.at); known && age <= fresh && (newer <= k.known.record.Version || age <= fresh/5) {
		defer k.mu.Unlock()
		return k.known.record, true
	}
	reading := k.reading
	if reading == nil {
		reading = make(chan struct{})
		k.reading = reading
		go k.refresh(reading)
	}
	k.mu.Unlock()
	select {
	case <-reading:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known.record, !k.at.IsZero()
}

// refresh reads the record and closes done.
func (k *keeper) refresh(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	var s state
	err := k.readRecord(ctx, k.es.Once(), &s)
	k.mu.Lock()
	if err == nil && !k.outrun(&s.record) {
		k.known.record, k.known.place, k.at = s.record, s.place, time.Now()
	}
	k.reading = nil
	k.mu.Unlock()
	close(done)
}

// clusterSettings are the allowed settings of a cluster.
type clusterSettings struct {
	all       map[string]string
	explicit  map[string]string
	transient map[string]bool
}

// readSettings asks for the settings of the cluster. A backend that has none, or does not let us, is no error.
func readSettings(ctx context.Context, client *es.Client) (clusterSettings, error) {
	answer, err := get[struct{ Persistent, Transient, Defaults map[string]json.RawMessage }](ctx, client, "/_cluster/settings",
		url.Values{"flat_settings": {"true"}, "include_defaults": {"true"}, "master_timeout": {"500ms"}})
	if s := es.Status(err); s == http.StatusBadRequest || s == http.StatusForbidden || s == http.StatusNotFound || s == http.StatusMethodNotAllowed {
		return clusterSettings{}, nil
	}
	if err != nil {
		return clusterSettings{}, err
	}
	c := clusterSettings{all: map[string]string{}, explicit: map[string]string{}, transient: map[string]bool{}}
	for i, group := range []map[string]json.RawMessage{answer.Defaults, answer.Persistent, answer.Transient} {
		for name, raw := range group {
			if allowed(name) == nil {
				continue
			}
			value := settingText(raw)
			c.all[name] = value
			if i > 0 {
				c.explicit[name] = value
			}
			if i > 1 {
				c.transient[name] = true
			}
		}
	}
	return c, nil
}

// settingText is a setting's value as text; a list is joined with commas.
func settingText(raw json.RawMessage) string {
	var text string
	var list []string
	switch {
	case json.Unmarshal(raw, &text) == nil:
		return text
	case json.Unmarshal(raw, &list) == nil:
		return strings.Join(list, ",")
	}
	return string(raw)
}
