package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/test/harness"
)

const storeWriters = 3

// storeIndex is where a writer's k'th request goes: to an index that others write to, too, and now and then to a new one.
func storeIndex(k int) string {
	if k%20 == 19 {
		return fmt.Sprintf("logs-new-%d", k)
	}
	return fmt.Sprintf("logs-%d", k%2)
}

// storeOp is a line of a bulk request: without a source it deletes.
type storeOp struct{ action, id, source string }

// storeRequest is what a writer sends as its k'th: documents of its own and, every fifth time, others in the place of some that it sent two requests
// before, and the deletion of some more. Now and then there is a new field.
func storeRequest(w, k int) []storeOp {
	r := rand.New(rand.NewPCG(uint64(w), uint64(k)))
	ops := make([]storeOp, 1+int(500*r.Float64()*r.Float64()))
	at := time.Date(2026, 11, 21, 0, 0, k, 0, time.UTC).Format(time.RFC3339)
	for i := range ops {
		ops[i] = storeOp{"create", fmt.Sprintf("%d-%d-%d", w, k, i),
			fmt.Sprintf(`{"@timestamp":"%s","writer":%d,"message":"line %d of request %d","field%d":"%x"}`, at, w, i, k, k/10, r.Uint64())}
	}
	if k%5 == 3 && k%20 != 19 && (k-2)%20 != 19 && k > 2 {
		for i, op := range storeRequest(w, k-2) {
			if op.action == "create" && i%3 == 1 {
				ops = append(ops, storeOp{"index", op.id, fmt.Sprintf(`{"@timestamp":"%s","writer":%d,"message":"line %d anew"}`, at, w, i)})
			} else if op.action == "create" && i%3 == 2 {
				ops = append(ops, storeOp{action: "delete", id: op.id})
			}
		}
	}
	return ops
}

// storeDocs are documents by index and id.
type storeDocs map[string]string

// apply does to the documents what a request does.
func (d storeDocs) apply(index string, ops []storeOp) {
	for _, op := range ops {
		if key := index + "/" + op.id; op.action == "delete" {
			delete(d, key)
		} else {
			d[key] = op.source
		}
	}
}

// TestStoreKilled kills logapi while it takes documents, again and again. What it has acknowledged is there once and as it was sent, and of what it has not
// acknowledged all of a request or nothing. With PODBEAT_SOAK=1 it is killed 30 times.
func TestStoreKilled(t *testing.T) {
	kills, most := 5, 200
	if harness.Soak() {
		kills, most = 30, 1500
	}
	l := harness.NewLogapi(t, "store:\n  flush_after: 50ms\n")
	dir := filepath.Join(l.Dir, "data", "store")
	var next [storeWriters]int
	want := storeDocs{}
	for kill := range kills {
		if kill > 0 {
			l.Start()
		}
		first := next
		writing := startWriters(l.Store, &next)
		pause := time.Duration(20+rand.IntN(most)) * time.Millisecond
		writing.wait(t, 5)
		time.Sleep(pause) // so that it is killed anywhere
		l.Kill9()
		writing.end(t)
		for w := range storeWriters {
			for k := first[w]; k < next[w]; k++ {
				want.apply(storeIndex(k), storeRequest(w, k))
			}
		}
		verifyStore(t, dir)
		l.Start()
		compareStore(t, l.Store, want, &next)
		l.Kill9()
		if t.Failed() {
			t.Fatalf("after kill %d", kill+1)
		}
	}
	t.Logf("%v requests of each writer, %d documents", next, len(want))
}

// storeWriting is some writers at work.
type storeWriting struct {
	sync.WaitGroup
	acked chan struct{} // gets something for each acknowledged request, while there is room
	errs  [storeWriters]error
}

// startWriters starts writers that go on until the server is gone. next are their first requests, and then those that were not acknowledged.
func startWriters(url string, next *[storeWriters]int) *storeWriting {
	s := &storeWriting{acked: make(chan struct{}, 1000)}
	for w := range storeWriters {
		s.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				ops := storeRequest(w, next[w])
				answer, err := sendBulk(client, url, storeIndex(next[w]), ops)
				if err != nil {
					return // the server is gone
				}
				if s.errs[w] = checkBulk(answer, ops); s.errs[w] != nil {
					s.errs[w] = fmt.Errorf("request %d of writer %d: %w", next[w], w, s.errs[w])
					return
				}
				next[w]++
				select {
				case s.acked <- struct{}{}:
				default:
				}
			}
		})
	}
	return s
}

// wait waits until some requests were acknowledged.
func (s *storeWriting) wait(t *testing.T, requests int) {
	t.Helper()
	late := time.After(time.Minute)
	for range requests {
		select {
		case <-s.acked:
		case <-late:
			t.Fatal("no request is acknowledged")
		}
	}
}

func (s *storeWriting) end(t *testing.T) {
	t.Helper()
	s.Wait()
	if err := errors.Join(s.errs[:]...); err != nil {
		t.Fatal(err)
	}
}

// sendBulk returns the whole answer, or an error when there is none.
func sendBulk(client *http.Client, url, index string, ops []storeOp) ([]byte, error) {
	var b bytes.Buffer
	for _, op := range ops {
		fmt.Fprintf(&b, `{"%s":{"_index":"%s","_id":"%s"}}`+"\n", op.action, index, op.id)
		if op.source != "" {
			b.WriteString(op.source + "\n")
		}
	}
	resp, err := client.Post(url+"/_bulk", "application/x-ndjson", &b)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// checkBulk checks that all was done.
func checkBulk(answer []byte, ops []storeOp) error {
	var r struct {
		Items []map[string]struct{ Status int }
	}
	if err := json.Unmarshal(answer, &r); err != nil || len(r.Items) != len(ops) {
		return fmt.Errorf("%d items are answered with %.300s: %w", len(ops), answer, err)
	}
	for i, op := range ops {
		want := http.StatusOK
		if op.action == "create" {
			want = http.StatusCreated
		}
		if got := r.Items[i][op.action].Status; got != want {
			return fmt.Errorf("%s of %s is answered with %d: %.300s", op.action, op.id, got, answer)
		}
	}
	return nil
}

// verifyStore checks all files of a store that nobody uses.
func verifyStore(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(dir, store.Options{FlushAfter: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range s.Names() {
		if r, err := s.Verify(t.Context(), name); err != nil || len(r.Problems) > 0 {
			t.Errorf("index %s: %+v %v", name, r, err)
		}
	}
}

// compareStore reads all documents over HTTP. A request that was not acknowledged may be there as a whole: then it is taken for acknowledged.
func compareStore(t *testing.T, url string, want storeDocs, next *[storeWriters]int) {
	t.Helper()
	got := readStore(t, url)
	for w := range storeWriters {
		ops, index := storeRequest(w, next[w]), storeIndex(next[w])
		if _, there := got[index+"/"+ops[0].id]; there {
			want.apply(index, ops)
			next[w]++
		}
	}
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	for key, source := range want {
		if got[key] != source {
			complain("%s is %q, want %s", key, got[key], source)
		}
	}
	for key, source := range got {
		if want[key] == "" {
			complain("%s was not sent, or deleted: %s", key, source)
		}
	}
}

// readStore reads all documents by a scroll; one that comes twice is an error.
func readStore(t *testing.T, url string) storeDocs {
	t.Helper()
	docs := storeDocs{}
	path, body := "/logs-*/_search?scroll=1m", `{"size":10000,"sort":["_doc"]}`
	for {
		resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			ScrollID string `json:"_scroll_id"`
			Hits     struct {
				Total struct{ Value int }
				Hits  []struct {
					Index  string          `json:"_index"`
					ID     string          `json:"_id"`
					Source json.RawMessage `json:"_source"`
				}
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&r)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s is answered with %s: %v", path, resp.Status, err)
		}
		for _, h := range r.Hits.Hits {
			key := h.Index + "/" + h.ID
			if docs[key] != "" {
				t.Errorf("%s is there twice", key)
			}
			docs[key] = string(h.Source)
		}
		if len(r.Hits.Hits) == 0 {
			if len(docs) != r.Hits.Total.Value {
				t.Errorf("%d documents are read, and %d counted", len(docs), r.Hits.Total.Value)
			}
			return docs
		}
		path, body = "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, r.ScrollID)
	}
}
