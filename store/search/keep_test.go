package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// A logs is a store with one index of documents {"@timestamp": …, "n": …}.
type logs struct {
	*store.Store
	fields *mapping.Mapping
	n      int
}

func newLogs(t testing.TB, docs int) *logs {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Create(context.Background(), "logs"); err != nil {
		t.Fatal(err)
	}
	l := &logs{Store: s, fields: mapping.New(mapping.DefaultSettings)}
	l.write(t, docs)
	return l
}

func (l *logs) write(t testing.TB, docs int) {
	t.Helper()
	var ops []store.Op
	for range docs {
		at := time.Date(2026, 11, 1, 0, 0, l.n/3, 0, time.UTC)
		source := fmt.Appendf(nil, `{"@timestamp":"%s","n":%d,"level":"%s"}`, at.Format(time.RFC3339), l.n, []string{"info", "warn"}[l.n%2])
		added, err := l.fields.Add("", source)
		if err != nil {
			t.Fatal(err)
		}
		l.fields = added.Mapping
		ops = append(ops, store.Op{Kind: store.Index, ID: fmt.Sprint(l.n), Source: source, Time: added.Time})
		l.n++
	}
	if _, err := l.Bulk(context.Background(), "logs", ops); err != nil {
		t.Fatal(err)
	}
}

func (l *logs) over(t testing.TB) []Index {
	t.Helper()
	v, err := l.View("logs")
	if err != nil {
		t.Fatal(err)
	}
	return []Index{{View: v, Mapping: l.fields}}
}

func ask(t *testing.T, request string) *Request {
	t.Helper()
	v, err := body.Parse([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is what tests look at of a response.
type answer struct {
	PIT  string `json:"pit_id"`
	Hits struct {
		Total struct{ Value int }
		Hits  []struct {
			ID   string `json:"_id"`
			Sort []any
		}
	}
	TimedOut bool `json:"timed_out"`
}

func read(t *testing.T, r *Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	defer r.Close()
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, text.Bytes())
	}
	return a
}

// TestScroll gives every document once and in order, whatever is written meanwhile.
func TestScroll(t *testing.T) {
	for _, request := range []string{
		`{"size":7}`,
		`{"size":7,"sort":["_doc"]}`,
		`{"size":7,"sort":[{"@timestamp":"asc"}],"query":{"match_all":{}}}`,
		`{"size":7,"sort":[{"level.keyword":"desc"},{"@timestamp":"desc"}],"aggs":{"l":{"terms":{"field":"level.keyword"}}}}`,
	} {
		l := newLogs(t, 100)
		k := NewKeeper(10)
		defer k.Close()
		id, err := k.Open(l.over(t), time.Minute, ask(t, request))
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		pages := 0
		for {
			response, err := k.Scroll(t.Context(), id, 0, time.Now())
			a := read(t, response, err)
			if a.Hits.Total.Value != 100 {
				t.Fatalf("%s: total is %d, want 100", request, a.Hits.Total.Value)
			}
			for _, h := range a.Hits.Hits {
				if seen[h.ID] {
					t.Fatalf("%s: document %s is there twice", request, h.ID)
				}
				seen[h.ID] = true
			}
			if len(a.Hits.Hits) == 0 {
				break
			}
			pages++
			l.write(t, 5)
		}
		if len(seen) != 100 || pages != 15 {
			t.Errorf("%s: %d documents on %d pages, want 100 on 15", request, len(seen), pages)
		}
	}
}

func TestPointInTime(t *testing.T) {
	l := newLogs(t, 50)
	k := NewKeeper(1)
	defer k.Close()
	id, err := k.Open(l.over(t), time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, 30)
	if err := l.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	after := ""
	for range 20 {
		kept, ok := k.Use(id, 0)
		if !ok {
			t.Fatal("the point in time is gone")
		}
		response, err := Run(t.Context(), kept.Indices, ask(t, `{"size":6,"pit":{"id":"`+id+`"},"sort":[{"@timestamp":"desc"}]`+after+`}`), time.Now())
		a := read(t, response, err)
		kept.Done()
		if a.PIT != id {
			t.Fatalf("pit_id is %q, want %q", a.PIT, id)
		}
		for _, h := range a.Hits.Hits {
			seen[h.ID] = true
			raw, err := json.Marshal(h.Sort)
			if err != nil || len(h.Sort) != 2 {
				t.Fatal(h.Sort, err)
			}
			after = `,"search_after":` + string(raw)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d documents were seen, want 50", len(seen))
	}
	_, err = k.Open(l.over(t), time.Minute, nil)
	if e := new(Error); !errors.As(err, &e) || Status(e) != 429 {
		t.Errorf("a point in time too many is answered with %v", err)
	}
	if _, ok := k.Drop(id, true); ok {
		t.Error("a point in time was dropped as a scroll")
	}
	if n, ok := k.Drop(id, false); !ok || n != 1 {
		t.Errorf("a point in time of one index was dropped: %d, %v", n, ok)
	}
	if _, ok := k.Drop(id, false); ok {
		t.Error("a point in time was dropped twice")
	}
	if _, ok := k.Use(id, 0); ok {
		t.Error("a point in time that was dropped can be used")
	}
}

func TestExpiry(t *testing.T) {
	l := newLogs(t, 3)
	first, second := l.over(t), l.over(t)
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(10)
		defer k.Close()
		id, err := k.Open(first, time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(second, time.Hour, ask(t, `{"size":1}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		kept, ok := k.Use(id, 0)
		if !ok {
			t.Fatal("the point in time is gone before its time")
		}
		time.Sleep(2 * time.Minute)
		if k.Len() != 2 {
			t.Fatal("a point in time that is used has expired")
		}
		kept.Done()
		time.Sleep(2 * time.Minute)
		if k.Len() != 1 {
			t.Fatalf("%d are kept, want the scroll alone", k.Len())
		}
		if k.DropScrolls() != 1 || k.Len() != 0 {
			t.Error("the scroll was not dropped")
		}
	})
}

func TestRefusals(t *testing.T) {
	l := newLogs(t, 10)
	k := NewKeeper(10)
	defer k.Close()
	f := func(request string, keep time.Duration, want string) {
		t.Helper()
		_, err := k.Open(l.over(t), keep, ask(t, request))
		if err == nil || err.Error() != want {
			t.Errorf("%s for %s: %v, want %s", request, keep, err, want)
		}
	}
	f(`{"size":0}`, time.Minute, "Validation Failed: 1: [size] cannot be [0] in a scroll context;")
	f(`{"from":1}`, time.Minute, "Validation Failed: 1: using [from] is not allowed in a scroll context;")
	f(`{"track_total_hits":false}`, time.Minute, "Validation Failed: 1: disabling [track_total_hits] is not allowed in a scroll context;")
	f(`{"sort":["n"],"search_after":[1]}`, time.Minute, "`search_after` cannot be used in a scroll context.")
	f(`{}`, 48*time.Hour, "cannot keep it for 48h0m0s: at most 24h0m0s, and more than nothing")
	if _, err := k.Scroll(t.Context(), "nope", 0, time.Now()); err == nil || Status(err.(*Error)) != 404 {
		t.Errorf("a scroll that is none: %v", err)
	}
}

// TestEnds cancels a search, and gives one no time.
func TestEnds(t *testing.T) {
	l := newLogs(t, 100)
	over := l.over(t)
	defer over[0].View.Release()
	gone := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := Run(ctx, over, ask(t, `{"query":{"term":{"level":"info"}}}`), time.Now()); !errors.Is(err, gone) {
		t.Errorf("a search that was cancelled: %v", err)
	}
	response, err := Run(t.Context(), over, ask(t, `{"timeout":"1nanos","query":{"term":{"level":"info"}}}`), time.Now())
	if a := read(t, response, err); !a.TimedOut {
		t.Error("a search without time has not timed out")
	}
	response, err = Run(t.Context(), over, Counting(ask(t, `{"query":{"term":{"level":"info"}}}`).Query), time.Now())
	if err != nil || response.Total != 50 {
		t.Errorf("the count is %d, %v; want 50", response.Total, err)
	}
}

func TestPartial(t *testing.T) {
	l := newLogs(t, 3)
	if err := l.Create(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	empty, err := l.View("other")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Release()
	full := l.over(t)[0]
	defer full.View.Release()
	over := []Index{full, {View: empty, Mapping: mapping.New(mapping.DefaultSettings)}}
	r := ask(t, `{"sort":["n"]}`)
	response, err := Run(t.Context(), over, r, time.Now())
	if err != nil || response.Total != 3 || response.Indices != 2 || len(response.Failures) != 1 || response.Failures[0].Index != "other" {
		t.Errorf("a search of an index that lacks the field: %+v, %v", response, err)
	}
	r.Whole = true
	var phase *PhaseError
	if _, err := Run(t.Context(), over, r, time.Now()); !errors.As(err, &phase) || !phase.Partial || len(phase.Failures) != 1 {
		t.Errorf("a search of all of both: %v", err)
	}
	if _, err := Run(t.Context(), over[1:], ask(t, `{"sort":["n"]}`), time.Now()); !errors.As(err, &phase) || phase.Partial {
		t.Errorf("a search of the other: %v", err)
	}
}
