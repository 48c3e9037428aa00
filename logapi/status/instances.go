package status

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/podbeat/podbeat/heartbeat"
)

// An instance is up until it has missed this many heartbeats, late until it has missed so many more, and then down.
const (
	lateAfter = 3
	downAfter = 6
)

// defaultEvery is how often a podbeat is heard of that does not say.
const defaultEvery = 10 * time.Second

// maxInstances bounds how many podbeats are remembered.
const maxInstances = 10_000

// An instance is what is remembered of a podbeat's last heartbeat.
type instance struct {
	ID      string        `json:"id"`
	Role    string        `json:"role"`
	Node    string        `json:"node"`
	PodID   string        `json:"pod,omitempty"`
	Seen    time.Time     `json:"seen"` // by the clock of the logapi that heard it
	Every   time.Duration `json:"every,omitempty"`
	Failing string        `json:"failing,omitempty"` // why its output does not deliver
	Inputs  int           `json:"inputs"`            // those that should run
	Failed  int           `json:"failed,omitempty"`  // those of them that do not
	Error   string        `json:"error,omitempty"`   // of the first of these
	// Of the collectors it has an input for: the worst state of one that should run, or off.
	Collectors map[string]collectorState `json:"collectors,omitempty"`
}

type collectorState struct {
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

func newInstance(b heartbeat.Beat, now time.Time) *instance {
	in := &instance{ID: b.Instance, Role: b.Role, Node: b.Node, PodID: b.PodID, Seen: now, Every: cmp.Or(b.Every, defaultEvery)}
	if b.Output != nil && b.Output.Failing {
		in.Failing = cmp.Or(b.Output.Error, "the output does not deliver")
	}
	for _, input := range b.Inputs {
		if input.State != heartbeat.Off {
			in.Inputs++
		}
		if input.State == heartbeat.Failed {
			in.Failed++
			in.Error = cmp.Or(in.Error, input.Error)
		}
		if input.Collector == "" {
			continue
		}
		if in.Collectors == nil {
			in.Collectors = map[string]collectorState{}
		}
		if was, ok := in.Collectors[input.Collector]; !ok || severity[input.State] > severity[was.State] {
			in.Collectors[input.Collector] = collectorState{input.State, input.Error}
		}
	}
	return in
}

var severity = map[string]int{heartbeat.Off: 0, heartbeat.Running: 1, heartbeat.Failed: 2}

// status is up, late or down.
func (in *instance) status(now time.Time) string {
	switch age := now.Sub(in.Seen); {
	case age <= lateAfter*in.Every:
		return "up"
	case age <= downAfter*in.Every:
		return "late"
	}
	return "down"
}

// collects is what the instance is to a collector: up, late, down, off or failed, and why; "" if it is nothing to it.
func (in *instance) collects(name string, now time.Time) (status, detail string) {
	c, ok := in.Collectors[name]
	if !ok {
		return "", ""
	}
	status = in.status(now)
	switch {
	case c.State == heartbeat.Off:
	case status == "down", c.State == heartbeat.Running && status == "late":
		return status, "last heard of " + in.Seen.UTC().Format(time.RFC3339)
	case c.State == heartbeat.Running:
		return status, in.Failing
	}
	return c.State, c.Error
}

// works says whether an instance is of use to its role: whether it is up, and something of it runs.
func (in *instance) works(now time.Time) bool {
	return in.status(now) == "up" && in.Failed < max(in.Inputs, 1)
}

// A registry remembers instances.
type registry struct {
	forget time.Duration

	mu  sync.Mutex
	all map[instanceKey]*instance
}

// A podbeat is known by its UUID and its node: machines that are copies of each other share the former.
type instanceKey struct{ id, node string }

func newRegistry(forget time.Duration) *registry {
	return &registry{forget: forget, all: map[instanceKey]*instance{}}
}

var errTooMany = errors.New("cannot remember more podbeats: " + fmt.Sprint(maxInstances) + " have been heard of lately")

// hear remembers a heartbeat. The error is errTooMany.
func (r *registry) hear(in *instance) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.put(in)
}

func (r *registry) put(in *instance) error {
	key := instanceKey{in.ID, in.Node}
	was, known := r.all[key]
	if !known && len(r.all) >= maxInstances {
		if r.drop(in.Seen); len(r.all) >= maxInstances {
			return errTooMany
		}
	}
	if !known || !was.Seen.After(in.Seen) {
		r.all[key] = in
	}
	return nil
}

// drop forgets whom nothing has been heard of for long.
func (r *registry) drop(now time.Time) {
	for key, in := range r.all {
		if now.Sub(in.Seen) > r.forget {
			delete(r.all, key)
		}
	}
}

// list is who is remembered, by node and pod.
func (r *registry) list(now time.Time) []*instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(now)
	all := make([]*instance, 0, len(r.all))
	for _, in := range r.all {
		all = append(all, in)
	}
	slices.SortFunc(all, func(a, b *instance) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.PodID, b.PodID), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// A memory remembers for a while which things there were, by kind and name.
type memory struct {
	forget time.Duration

	mu   sync.Mutex
	seen map[string]map[string]time.Time
}

func newMemory(forget time.Duration) *memory {
	return &memory{forget: forget, seen: map[string]map[string]time.Time{}}
}

// note notes that there are things of a kind now.
func (m *memory) note(kind string, names []string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[kind] == nil {
		m.seen[kind] = map[string]time.Time{}
	}
	for _, name := range names {
		m.seen[kind][name] = now
	}
}

// count is how many things of a kind there were lately.
func (m *memory) count(kind string, now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, at := range m.seen[kind] {
		if now.Sub(at) > m.forget {
			delete(m.seen[kind], name)
		}
	}
	return len(m.seen[kind])
}
