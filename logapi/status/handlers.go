package status

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/heartbeat"
)

// maxDocument bounds the body of a POST: a status with maxInstances instances of each kind is below it.
const maxDocument = 4 << 20

// Status answers GET …/{region}/system/log/status. The path value region is one region, several with commas, or _all.
func (s *Service) Status() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pretty, ok := s.begin(w, r, http.MethodGet, http.MethodHead)
		if !ok {
			return
		}
		regions, err := s.regionsOf(r)
		if err != nil {
			s.refuse(w, err)
			return
		}
		list, tag, err := s.regions(r, regions)
		if err != nil {
			s.refuse(w, err)
			return
		}
		s.answer(w, tag, list, pretty)
	})
}

// Configure answers POST …/{region}/system/log: the status document, with what is to change in it.
func (s *Service) Configure() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pretty, ok := s.begin(w, r, http.MethodPost)
		if !ok {
			return
		}
		data, err := readBody(w, r, maxDocument)
		if err != nil {
			s.refuse(w, err)
			return
		}
		leave, err := enter(r.Context(), s.posts)
		if err != nil {
			return // whoever asked is gone
		}
		defer leave()
		// Whoever asked may go away: what has begun is brought to its end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), applyTime)
		defer cancel()
		if err := s.change(ctx, data, r.Header.Values("If-Match"), s.User(r)); err != nil {
			s.refuse(w, err)
			return
		}
		list, tag, err := s.changed(ctx, r)
		if err != nil {
			s.refuse(w, err)
			return
		}
		s.answer(w, tag, list, pretty)
	})
}

// changed is the status after a change. It is waited for the configuration as before the change: what was last known of it,
// which is all that a GET shows when it cannot be read in time, would be what it was.
func (s *Service) changed(ctx context.Context, r *http.Request) (list body.Value, tag string, err error) {
	f, err := s.look(ctx)
	if err != nil {
		return s.regions(r, []string{s.Region})
	}
	v, err := s.document(f).sealed()
	return body.Value{Kind: body.Array, Items: []body.Value{v}}, f.state.etag(), err
}

// History answers GET …/{region}/system/log/history: the changes, the newest first.
func (s *Service) History() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pretty, ok := s.begin(w, r, http.MethodGet, http.MethodHead)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), probeTime)
		defer cancel()
		st, err := s.config.read(ctx)
		if err != nil {
			s.refuse(w, refuseWith(http.StatusServiceUnavailable, "backend", fmt.Errorf("cannot read the history: %s", brief(err))))
			return
		}
		list := body.Value{Kind: body.Array}
		for _, e := range st.record.History {
			e.ID, e.Stamp, e.By = "", 0, line(e.By)
			text, err := json.Marshal(e)
			if err != nil {
				s.refuse(w, err)
				return
			}
			v, err := body.Parse(text)
			if err != nil {
				s.refuse(w, err)
				return
			}
			list.Items = append(list.Items, v)
		}
		s.answer(w, st.etag(), list, pretty)
	})
}

// Heartbeat answers POST …/{region}/system/log/heartbeat: a heartbeat.Beat, with a heartbeat.Wanted.
func (s *Service) Heartbeat() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.begin(w, r, http.MethodPost); !ok {
			return
		}
		data, err := readBody(w, r, heartbeat.MaxBody)
		if err != nil {
			s.refuse(w, err)
			return
		}
		leave, err := enter(r.Context(), s.beats)
		if err != nil {
			return // whoever asked is gone
		}
		b, err := heartbeat.Read(data)
		leave()
		if err != nil {
			s.refuse(w, refuseWith(http.StatusBadRequest, "body", err))
			return
		}
		if err := s.instances.hear(newInstance(b, s.Now())); err != nil {
			s.refuse(w, refuseWith(http.StatusServiceUnavailable, "full", err))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), probeTime)
		defer cancel()
		var wanted heartbeat.Wanted
		if known, ok := s.config.current(ctx, b.Wanted); ok {
			wanted.Version, wanted.Collectors = known.Version, known.Collectors
		}
		writeJSON(w, http.StatusOK, wanted.Append(nil))
	})
}

// enter waits for a place, and returns what gives it back.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// patience is how long a change waits for those of others to be made.
const patience = 3 * time.Second

// change makes the changes that a posted document means.
func (s *Service) change(ctx context.Context, data []byte, ifMatch []string, by string) error {
	var first *state
	began := time.Now()
	for {
		f, err := s.look(ctx)
		if err != nil {
			return err
		}
		st := &f.state
		if first == nil {
			first = st
		}
		switch {
		case !matches(ifMatch, st.etag()):
			return refuseWith(http.StatusPreconditionFailed, "changed", fmt.Errorf("the configuration is at version %d and not as If-Match says: GET it again", st.record.Version))
		case st.record.Pending != nil && time.Since(began) < patience:
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		case st.record.Pending != nil:
			return refuseWith(http.StatusConflict, "pending", fmt.Errorf("the change that %s began at %s is not finished yet: try again", cmp.Or(line(st.record.Pending.By), "somebody"), st.record.Pending.At.Format(time.RFC3339)))
		}
		now, err := s.document(f).sealed()
		if err != nil {
			return err
		}
		list, err := plan(data, now, st, first)
		if err != nil || len(list) == 0 {
			return err
		}
		err = s.commit(ctx, st, by, list)
		s.rounds.renew()
		switch {
		case err == nil:
			s.Log.Info("the configuration has been changed", "version", st.record.Version+1, "by", line(by), "changes", describe(list))
			return nil
		case !errors.Is(err, system.ErrChanged):
			return s.explain(err)
		case time.Since(began) >= patience:
			return refuseWith(http.StatusConflict, "conflict", errors.New("others keep changing the configuration: try again"))
		}
	}
}

// look gathers what a change is read against. Unlike for a GET, the configuration must be known for certain.
func (s *Service) look(ctx context.Context) (*findings, error) {
	st := ask(ctx, func(ctx context.Context) (state, error) {
		ctx, cancel := context.WithTimeout(ctx, oneRequest)
		defer cancel()
		return s.config.read(ctx)
	})
	f := s.gather(ctx)
	var err error
	if f.state, err = st(); err != nil {
		return nil, refuseWith(http.StatusServiceUnavailable, "backend", fmt.Errorf("nothing has been changed: the configuration cannot be read: %s", brief(err)))
	}
	f.stateErr = nil
	return f, nil
}

// explain says what has come of a change that was not made, or not wholly.
func (s *Service) explain(err error) error {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return err
	case errors.Is(err, errUnfinished):
		r = refuseWith(http.StatusServiceUnavailable, "unfinished", errUnfinished)
	case es.Status(err) != 0:
		r = refuseWith(http.StatusServiceUnavailable, "backend", fmt.Errorf("nothing has been changed: %s", brief(err)))
	default:
		r = refuseWith(http.StatusServiceUnavailable, "unknown", fmt.Errorf("whether it has been changed is not known, the history tells: %s", brief(err)))
	}
	s.Log.Error("a change of the configuration has met an error", "reason", r.reason, "error", err)
	return r
}

// plan is what a posted document changes in st, which is at now as a document. first is the state when the request came.
func plan(data []byte, now body.Value, st, first *state) ([]change, error) {
	r, err := readDocument(data, now, st)
	if err != nil {
		return nil, refuseWith(http.StatusBadRequest, "body", fmt.Errorf("cannot read the body: %w", err))
	}
	list, errs := r.changes()
	if errs = append(r.mistakes, errs...); len(errs) > 0 {
		return nil, refuseWith(http.StatusBadRequest, "value", errs...)
	}
	for _, c := range list {
		if !st.same(first, c.Member) {
			r.clashes = append(r.clashes, c.Member)
		}
	}
	if len(r.clashes) > 0 {
		slices.Sort(r.clashes)
		return nil, refuseWith(http.StatusConflict, "conflict", fmt.Errorf("somebody else has changed %s meanwhile: GET the status again", strings.Join(slices.Compact(r.clashes), ", ")))
	}
	return list, nil
}

// same says whether a member is in s as in other.
func (s *state) same(other *state, member string) bool { return s.value(member) == other.value(member) }

func describe(list []change) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("%s: %v → %v", c.Member, c.From, c.To))
	}
	return line(strings.Join(all, ", "))
}

// matches says whether If-Match lets a change pass.
func matches(ifMatch []string, tag string) bool {
	if len(ifMatch) == 0 {
		return true
	}
	for text := range strings.SplitSeq(strings.Join(ifMatch, ","), ",") {
		if text = strings.TrimSpace(text); text == "*" || text == tag {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// begin looks at the method and the query of a request.
func (s *Service) begin(w http.ResponseWriter, r *http.Request, methods ...string) (pretty, ok bool) {
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		s.refuse(w, refuseWith(http.StatusMethodNotAllowed, "method", fmt.Errorf("want %s", strings.Join(methods, " or "))))
		return false, false
	}
	for name, values := range r.URL.Query() {
		switch {
		case name == "jwt": // the token, which has been looked at
		case name == "pretty" && len(values) == 1 && (values[0] == "" || values[0] == "true" || values[0] == "false"):
			pretty = values[0] != "false"
		default:
			s.refuse(w, refuseWith(http.StatusBadRequest, "parameter", fmt.Errorf("unknown parameter %q", line(name))))
			return false, false
		}
	}
	return pretty, true
}

// readBody reads JSON of at most most bytes. What curl calls it that is not told what it sends is passed over: the body
// tells.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" && media != "application/x-www-form-urlencoded" {
			return nil, refuseWith(http.StatusUnsupportedMediaType, "type", errors.New("want Content-Type: application/json"))
		}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refuseWith(http.StatusUnsupportedMediaType, "type", errors.New("want a body without a Content-Encoding"))
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, refuseWith(http.StatusRequestEntityTooLarge, "size", fmt.Errorf("the body is longer than %d bytes", most))
	case err != nil:
		return nil, refuseWith(http.StatusBadRequest, "body", errors.New("the body did not come to its end"))
	}
	return data, nil
}

// answer writes a value with its entity tag; "" for none.
func (s *Service) answer(w http.ResponseWriter, tag string, v body.Value, pretty bool) {
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	text := v.Append(nil)
	if pretty {
		var b bytes.Buffer
		if json.Indent(&b, text, "", "  ") == nil {
			text = append(b.Bytes(), '\n')
		}
	}
	writeJSON(w, http.StatusOK, text)
}

func writeJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who is gone hears nothing
}

// refuse answers with an error.
func (s *Service) refuse(w http.ResponseWriter, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		s.Log.Error("a request could not be answered", "error", err)
		r = refuseWith(http.StatusServiceUnavailable, "backend", errors.New(brief(err)))
	}
	if r.status == http.StatusServiceUnavailable || r.reason == "pending" {
		w.Header().Set("Retry-After", "5")
	}
	out := struct {
		Error    string   `json:"error"`
		Reason   string   `json:"reason"`
		Mistakes []string `json:"mistakes,omitempty"`
	}{"", r.reason, nil}
	for _, err := range r.errs {
		out.Mistakes = append(out.Mistakes, line(err.Error()))
	}
	if out.Error = strings.Join(out.Mistakes, "; "); len(out.Mistakes) == 1 {
		out.Mistakes = nil
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // texts always are
	}
	writeJSON(w, r.status, append(text, '\n'))
}
