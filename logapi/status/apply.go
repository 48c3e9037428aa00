package status

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
)

// The times of a change.
const (
	applyTime  = 8 * time.Second  // who has begun a change gives it up after that
	takeOver   = 12 * time.Second // and another one finishes it after that
	tendEvery  = 4 * time.Second
	oneRequest = 3 * time.Second
)

// A refusal is what keeps a change from being made: nothing of it has been.
type refusal struct {
	status int
	reason string // a word for programs
	errs   []error
}

func (r *refusal) Error() string { return errors.Join(r.errs...).Error() }

func refuseWith(status int, reason string, errs ...error) *refusal {
	return &refusal{status, reason, errs}
}

// errUnfinished is that of a change that is noted and will be made, though not all of it has been yet.
var errUnfinished = errors.New("the change is noted, but what keeps the logs has not answered: it is finished as soon as that answers again")

// commit makes changes in the state st that was read. The error is system.ErrChanged if somebody else was faster, and
// nothing has been done then; a *refusal; or what keeps the logs does not answer.
func (s *Service) commit(ctx context.Context, st *state, by string, list []change) error {
	e := entry{ID: newID(), Version: st.record.Version + 1, At: s.Now().UTC().Truncate(time.Millisecond), By: line(by), Changes: list}
	if !slices.ContainsFunc(list, func(c change) bool { return !strings.HasPrefix(c.Member, "collector.") }) {
		return s.conclude(ctx, st.record, st.place, e) // one document, so one write
	}
	begun := st.record
	begun.Form, begun.Pending = recordForm, &e
	place, err := s.put(ctx, begun, st.place, func(r *record) bool { return r.Pending != nil && r.Pending.ID == e.ID })
	if err != nil {
		return err
	}
	return s.finish(ctx, begun, place)
}

// put writes the record. A write whose answer was lost is recognised by mine.
func (s *Service) put(ctx context.Context, r record, at system.Place, mine func(*record) bool) (system.Place, error) {
	place, err := system.Put(ctx, s.ES.With(oneRequest), recordID, r, at)
	if err == nil {
		return place, nil
	}
	if !errors.Is(err, system.ErrChanged) && es.Status(err) != 0 {
		return place, err
	}
	var st state
	if again := s.config.readRecord(ctx, s.ES.With(oneRequest).Once(), &st); again == nil && mine(&st.record) {
		return st.place, nil
	}
	return place, err
}

// conclude writes the record with e made.
func (s *Service) conclude(ctx context.Context, r record, at system.Place, e entry) error {
	r.Form, r.Version, r.UpdatedAt, r.UpdatedBy, r.Pending = recordForm, e.Version, e.At, e.By, nil
	r.Collectors = maps.Clone(r.Collectors)
	for _, c := range e.Changes {
		if name, ok := strings.CutPrefix(c.Member, "collector."); ok {
			if r.Collectors == nil {
				r.Collectors = map[string]bool{}
			}
			r.Collectors[strings.TrimSuffix(name, ".enabled")], _ = c.To.(bool)
		}
	}
	e.Stamp = max(s.Now().Unix(), r.stamp()) + 1
	r.History = append([]entry{e}, r.History...)
	r.History = r.History[:min(len(r.History), maxHistory)]
	_, err := s.put(ctx, r, at, func(r *record) bool { return r.made(e.ID) })
	return err
}

// made says whether the change of an id has been made.
func (r *record) made(id string) bool {
	return slices.ContainsFunc(r.History, func(e entry) bool { return e.ID == id })
}

// finish makes the change that r has begun. It may be called again for one that has been made in part.
//
//	1 the cluster's settings: may be refused; then nothing has been done
//	2 the retention: if it is refused, the settings are put back
//	3 the record: the version, the collectors, the history
func (s *Service) finish(ctx context.Context, r record, at system.Place) error {
	e := *r.Pending
	settings := map[string]any{}
	before := map[string]any{}
	rotates := false
	for _, c := range e.Changes {
		if name, ok := strings.CutPrefix(c.Member, "elasticsearch.settings."); ok {
			settings[name], before[name] = c.To, c.From
		}
		rotates = rotates || strings.HasPrefix(c.Member, "rotate.")
	}
	if err := s.putSettings(ctx, settings); err != nil {
		if es.Status(err) != http.StatusBadRequest && es.Status(err) != http.StatusForbidden {
			return errors.Join(errUnfinished, err)
		}
		return s.abandon(ctx, r, at, refuseWith(http.StatusBadRequest, "settings", fmt.Errorf("the settings are refused by Elasticsearch: %w", err)))
	}
	if rotates {
		err := s.putRotation(ctx, e)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			if err := s.putSettings(ctx, before); err != nil {
				return errors.Join(errUnfinished, err)
			}
			return s.abandon(ctx, r, at, refused)
		case errors.Is(err, system.ErrChanged):
			return nil // another one has finished it
		case err != nil:
			return errors.Join(errUnfinished, err)
		}
	}
	err := s.conclude(ctx, r, at, e)
	if err == nil || errors.Is(err, system.ErrChanged) { // then another one has finished it
		return nil
	}
	return errors.Join(errUnfinished, err)
}

// abandon takes a change that was refused out of the record.
func (s *Service) abandon(ctx context.Context, r record, at system.Place, why *refusal) error {
	id := r.Pending.ID
	r.Pending = nil
	if _, err := s.put(ctx, r, at, func(r *record) bool { return r.Pending == nil }); err != nil && !errors.Is(err, system.ErrChanged) {
		return errors.Join(errUnfinished, err)
	}
	s.Log.Warn("a change of the configuration was refused", "id", id, "error", why)
	return why
}

// putSettings sets the cluster's settings; nil takes one back.
func (s *Service) putSettings(ctx context.Context, settings map[string]any) error {
	if len(settings) == 0 {
		return nil
	}
	found, err := readSettings(ctx, s.ES.With(oneRequest))
	if err != nil {
		return err
	}
	change := map[string]map[string]any{"persistent": settings}
	for name := range settings {
		if found.transient[name] { // it would hide the persistent one
			if change["transient"] == nil {
				change["transient"] = map[string]any{}
			}
			change["transient"][name] = nil
		}
	}
	return s.ES.With(oneRequest).Do(ctx, http.MethodPut, "/_cluster/settings", url.Values{"master_timeout": {"2s"}}, change, nil)
}

// putRotation changes rotate in the document of the retention, which others may change beside. The error is a *refusal
// if it would not be valid with that, or system.ErrChanged if e is pending no more.
func (s *Service) putRotation(ctx context.Context, e entry) error {
	client := s.ES.With(oneRequest)
	for range 5 {
		var st state
		if err := st.readPolicy(ctx, client); err != nil {
			return err
		}
		if err := s.config.readRecord(ctx, client.Once(), &st); err != nil {
			return err
		}
		if st.record.Pending == nil || st.record.Pending.ID != e.ID {
			return system.ErrChanged
		}
		d, err := st.rotated(e.Changes, e.By)
		if err != nil {
			return refuseWith(http.StatusBadRequest, "value", err)
		}
		if d == nil {
			return nil
		}
		// If anybody has changed it since it was read, this fails: so what was pending after that still is.
		if err = retention.Store(ctx, client, d, s.Now()); !errors.Is(err, retention.ErrChanged) {
			return err
		}
	}
	return errors.New("others keep changing the policy of the retention")
}

// tend finishes what others have begun and left, until ctx is done.
func (s *Service) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var id string
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var st state
		within, cancel := context.WithTimeout(ctx, oneRequest)
		err := s.config.readRecord(within, s.ES.Once(), &st)
		cancel()
		switch p := st.record.Pending; {
		case err != nil:
		case p == nil:
			id = ""
		case p.ID != id:
			id, since = p.ID, time.Now()
		case time.Since(since) >= takeOver:
			within, cancel := context.WithTimeout(ctx, applyTime)
			err := s.finish(within, st.record, st.place)
			cancel()
			s.rounds.renew()
			s.Log.Info("finished a change of the configuration that was begun before", "id", line(p.ID), "by", line(p.By), "error", err)
		}
	}
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// UnmarshalJSON brings values of changes that were read back to the types they have in a wish.
func (c *change) UnmarshalJSON(data []byte) error {
	type plain change
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	for _, v := range []any{c.From, c.To} {
		switch v.(type) {
		case nil, bool, float64, string:
		default:
			return errors.New("cannot read a change of the configuration: a value is neither text, number nor truth value")
		}
	}
	return nil
}
