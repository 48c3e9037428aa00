package status

import (
	"context"
	"errors"
	"time"

	"github.com/podbeat/podbeat/curator/system"
)

// Several logapis in front of one cluster tell each other of whom they have heard, in a document that each of them reads,
// adds to, and writes back. One that is alone writes it seldom: then it is for its next start.
const (
	sharedID    = "instances"
	sharedForm  = 1
	shareEvery  = 4 * time.Second
	aloneEvery  = time.Minute
	aloneAfter  = 3 * aloneEvery
	maxReplicas = 64
	maxShared   = 200 // bytes of an error
)

type shared struct {
	Form      int                  `json:"form"`
	Replicas  map[string]time.Time `json:"replicas"` // when each logapi wrote last
	Instances []*instance          `json:"instances"`
}

// share exchanges instances with other logapis until ctx is done.
func (s *Service) share(ctx context.Context) {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	self, wrote := newID(), time.Time{}
	for {
		within, cancel := context.WithTimeout(ctx, oneRequest)
		err := s.exchange(within, self, &wrote)
		cancel()
		if err != nil && ctx.Err() == nil && !errors.Is(err, system.ErrChanged) {
			s.Log.Debug("instances are not shared with other logapis", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// exchange takes over what others have heard, and writes what they have not if any of them is there, or wrote is long ago.
func (s *Service) exchange(ctx context.Context, self string, wrote *time.Time) error {
	client := s.ES.Once()
	var doc shared
	at, err := system.Get(ctx, client, sharedID, &doc)
	if err != nil && !errors.Is(err, system.ErrNone) {
		return err
	}
	now := s.Now()
	if doc.Form == sharedForm {
		s.instances.merge(doc.Instances, now)
	}
	others := map[string]time.Time{self: now.UTC()}
	for id, last := range doc.Replicas {
		if now.Sub(last) <= aloneAfter && len(others) < maxReplicas {
			others[id] = last
		}
	}
	others[self] = now.UTC()
	all := s.instances.list(now)
	if len(all) == 0 && len(doc.Instances) == 0 || len(others) == 1 && time.Since(*wrote) < aloneEvery {
		return nil
	}
	doc = shared{Form: sharedForm, Replicas: others}
	for _, in := range all {
		in := *in
		in.Error, in.Failing = cut(in.Error), cut(in.Failing)
		doc.Instances = append(doc.Instances, &in)
	}
	if _, err = system.Put(ctx, client, sharedID, doc, at); err == nil {
		*wrote = time.Now()
	}
	return err
}

func cut(text string) string {
	if len(text) > maxShared {
		text = line(text[:maxShared]) // half of a letter at its end becomes a mark
	}
	return text
}

// merge takes over what other logapis have heard.
func (r *registry) merge(all []*instance, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range all {
		if in == nil || in.ID == "" || now.Sub(in.Seen) > r.forget {
			continue
		}
		if in.Seen.After(now) { // another clock
			in.Seen = now
		}
		if in.Every <= 0 {
			in.Every = defaultEvery
		}
		if r.put(in) != nil {
			return
		}
	}
}
