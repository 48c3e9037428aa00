package status

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
)

// errSlow is that of a probe that has not come back in time.
var errSlow = errors.New("no answer in time")

// ask starts f and returns what waits for its answer, no longer than ctx lasts. f has a little less time, to hand in what
// it has found by then; if it does not heed that, it is left behind.
func ask[T any](ctx context.Context, f func(context.Context) (T, error)) func() (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		inner, cancel := ctx, func() {}
		if end, ok := ctx.Deadline(); ok {
			inner, cancel = context.WithDeadline(ctx, end.Add(-handIn))
		}
		defer cancel()
		value, err := f(inner)
		if err != nil && inner.Err() != nil {
			err = errSlow
		}
		answers <- answer{value, err}
	}()
	return func() (T, error) {
		select {
		case a := <-answers:
			return a.value, a.err
		case <-ctx.Done():
		}
		select { // it may have come while others were waited for
		case a := <-answers:
			return a.value, a.err
		default:
			var none T
			return none, errSlow
		}
	}
}

// hedge asks f up to three times, of several hosts as the client takes them in turn: again when it has failed without an
// answer, and when it is slow or not ready. The first answer counts.
func hedge[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	const most = 3
	answers := make(chan answer, most)
	begun := 0
	begin := func() {
		begun++
		go func() {
			value, err := f(ctx)
			answers <- answer{value, err}
		}()
	}
	begin()
	slow := time.NewTicker(probeTime / 3)
	defer slow.Stop()
	for failed := 0; ; {
		select {
		case a := <-answers:
			failed++
			status := es.Status(a.err)
			busy := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
			if a.err == nil || status != 0 && !busy || failed == most || ctx.Err() != nil {
				return a.value, a.err
			}
			if begun < most && !busy {
				begin()
			}
		case <-slow.C:
			if begun < most {
				begin()
			}
		}
	}
}

// get asks Elasticsearch for JSON.
func get[T any](ctx context.Context, client *es.Client, path string, query url.Values) (T, error) {
	client = client.Once()
	return hedge(ctx, func(ctx context.Context) (T, error) {
		var out T
		err := client.Do(ctx, http.MethodGet, path, query, nil, &out)
		return out, err
	})
}

// health asks for the health of the cluster.
func (s *Service) health(ctx context.Context) (body.Value, error) {
	raw, err := get[rawJSON](ctx, s.ES, "/_cluster/health", url.Values{"timeout": {"500ms"}, "master_timeout": {"500ms"}})
	if err != nil {
		return body.Value{}, err
	}
	v, err := body.Parse(raw)
	if color, _ := v.Get("status"); err != nil || color.Kind != body.String {
		return body.Value{}, errors.New("cannot read the cluster's health: the answer is not Elasticsearch's")
	}
	return v, nil
}

// rawJSON is JSON as it was sent.
type rawJSON []byte

// UnmarshalJSON keeps data.
func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = slices.Clone(data)
	return nil
}

// nodesByRole asks for the nodes of the cluster that answer: their names by master, client and data.
func (s *Service) nodesByRole(ctx context.Context) (map[string][]string, error) {
	answer, err := get[struct {
		Nodes map[string]struct {
			Name  string   `json:"name"`
			Roles []string `json:"roles"`
		} `json:"nodes"`
	}](ctx, s.ES, "/_nodes", url.Values{"timeout": {"500ms"}, "filter_path": {"nodes.*.name,nodes.*.roles"}})
	if err != nil {
		return nil, err
	}
	if len(answer.Nodes) == 0 { // not even that which hands this in has told it of itself within the time-out
		return nil, errSlow
	}
	byRole := map[string][]string{}
	for id, n := range answer.Nodes {
		name := n.Name
		if name == "" {
			name = id
		}
		master := slices.Contains(n.Roles, "master") || slices.Contains(n.Roles, "cluster_manager") // as OpenSearch calls it
		data := slices.ContainsFunc(n.Roles, func(role string) bool { return role == "data" || strings.HasPrefix(role, "data_") })
		if master {
			byRole["master"] = append(byRole["master"], name)
		}
		if data {
			byRole["data"] = append(byRole["data"], name)
		}
		if !master && !data {
			byRole["client"] = append(byRole["client"], name)
		}
	}
	return byRole, nil
}

// curatorState is what curator notes of its last run.
const curatorState = "curator-state"

// curatorRun asks what curator has noted of its last run; nil if it has not run.
func (s *Service) curatorRun(ctx context.Context) (*lastRun, error) {
	return hedge(ctx, func(ctx context.Context) (*lastRun, error) {
		var st struct {
			Began   time.Time `json:"began"`
			Result  string    `json:"result"`
			Error   string    `json:"error"`
			Summary struct {
				Deleted int `json:"deleted"`
			} `json:"summary"`
		}
		_, err := system.Get(ctx, s.ES.Once(), curatorState, &st)
		if errors.Is(err, system.ErrNone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &lastRun{At: st.Began, Result: line(st.Result), Error: line(st.Error), Deleted: st.Summary.Deleted}, nil
	})
}

// A storeProbe asks the embedded store how it is.
type storeProbe struct {
	store *store.Store // nil: there is none

	mu       sync.Mutex
	last     figures       // of its documents
	err      error         // of the last count
	counting chan struct{} // closed when who counts is done; nil: nobody does
}

// probe says how the store is; nil if there is none. Counting waits for writers and opens every index once, so it may take long:
// then it is the last count that is told.
func (p *storeProbe) probe(ctx context.Context) (*figures, error) {
	if p.store == nil {
		return nil, nil
	}
	p.mu.Lock()
	counting := p.counting
	if counting == nil {
		counting = make(chan struct{})
		p.counting = counting
		go p.count(counting)
	}
	p.mu.Unlock()
	select {
	case <-counting:
	case <-ctx.Done():
	}
	p.mu.Lock()
	f, err := p.last, p.err
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	f.Indices = len(p.store.Names())
	if _, f.FreeBytes, err = p.store.Space(); err != nil {
		return nil, err
	}
	if err := p.store.Full(); err != nil {
		f.Error = line(err.Error())
	}
	return &f, nil
}

// count counts what is in the store and closes done.
func (p *storeProbe) count(done chan struct{}) {
	all, err := p.store.List()
	var f figures
	for _, i := range all {
		f.Documents += int64(i.Docs)
		f.Bytes += i.Bytes
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err = err; err == nil {
		p.last = f
	}
	p.counting = nil
	close(done)
}

// wait returns when nobody counts.
func (p *storeProbe) wait() {
	p.mu.Lock()
	counting := p.counting
	p.mu.Unlock()
	if counting != nil {
		<-counting
	}
}
