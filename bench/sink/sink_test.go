package sink

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// serve starts a sink and a client of it that never repeats a request by itself.
func serve(t *testing.T, o Options) (*Sink, func(path, body string) (int, string, error)) {
	t.Helper()
	s := New(o)
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ConnState = s.ConnState
	srv.Start()
	t.Cleanup(srv.Close)
	return s, func(path, body string) (int, string, error) {
		resp, err := srv.Client().Post(srv.URL+path, "application/x-ndjson", strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
}

// docs is a bulk body that creates documents with the given tokens, in index x under id i<token>.
func docs(seqs ...int) string {
	var b strings.Builder
	for _, n := range seqs {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":\"x\",\"_id\":\"i%d\"}}\n{\"message\":\"sq#%08d\"}\n", n, n)
	}
	return b.String()
}

// statuses are the items' of a bulk answer.
func statuses(t *testing.T, body string) []int {
	t.Helper()
	var a struct {
		Items []map[string]struct{ Status int }
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("answer %.300q: %v", body, err)
	}
	var got []int
	for _, i := range a.Items {
		for _, v := range i {
			got = append(got, v.Status)
		}
	}
	return got
}

func TestBulkAnswers(t *testing.T) {
	f := func(body string, want ...int) {
		t.Helper()
		_, post := serve(t, Options{IDs: true})
		status, answer, err := post("/_bulk", docs(1)+body)
		if err != nil || status != 200 {
			t.Fatalf("%d %s %v", status, answer, err)
		}
		if got := statuses(t, answer)[1:]; !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	}
	f(docs(2), 201)
	f(docs(1), 409)
	f(docs(2, 2), 201, 409)
	f(`{"create":{"_index":"y","_id":"i1"}}`+"\n{}\n", 201) // an id is unique within its index
	f(`{"index":{"_index":"x","_id":"i1"}}`+"\n{}\n", 200)
	f(`{"index":{"_index":"x"}}`+"\n{}\n", 201)
	f(`{ "create" : { "_index" : "x", "_id" : "i\u0031" } }`+"\n{}\n", 409)
	f(`{"create":{"_index":"x","_id":"n"}}`+"\n{\"v\":NaN}\n", 400)
	f("")
}

func TestBulkRefuses(t *testing.T) {
	f := func(body string, want int) {
		t.Helper()
		s, post := serve(t, Options{IDs: true, MaxBody: 200})
		status, _, err := post("/_bulk", body)
		if err != nil || status != want {
			t.Errorf("%q: %d %v, want %d", body, status, err, want)
		}
		if st := s.Stats(); st.Docs != 0 || st.Requests413+st.BadRequests != 1 {
			t.Errorf("%q: %+v", body, st)
		}
	}
	f(docs(1)+"nonsense\n{}\n", 400)
	f(docs(1)+`{"update":{"_id":"1"}}`+"\n{}\n", 400)
	f(docs(1)+`{"create":{}}`+"\n{}", 400)
	f(docs(1, 2, 3, 4), 413)
}

func TestCompressedBodies(t *testing.T) {
	f := func(encoding string, o Options, seqs, want int) {
		t.Helper()
		o.MaxBody = 1 << 12
		s := New(o)
		var body bytes.Buffer
		var z io.WriteCloser = gzip.NewWriter(&body)
		if encoding == "zstd" {
			var err error
			if z, err = zstd.NewWriter(&body); err != nil {
				t.Fatal(err)
			}
		}
		for i := range seqs {
			io.WriteString(z, docs(i))
		}
		z.Close()
		whole := body.Len()
		post := func(body []byte, want int) {
			t.Helper()
			r := httptest.NewRequest("POST", "/_bulk", bytes.NewReader(body))
			r.Header.Set("Content-Encoding", encoding)
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%d documents by %s, %d of %d bytes: %d %s, want %d", seqs, encoding, len(body), whole, w.Code, w.Body, want)
			}
		}
		post(body.Bytes(), want)
		if want == http.StatusOK {
			post(body.Bytes()[:whole-10], http.StatusBadRequest)
		}
		if st := s.Stats(); want == 200 && (st.UniqueSeqs != int64(seqs) || st.DoubledSeqs != 0 || st.WireBytes != int64(whole)) {
			t.Errorf("%d documents by %s, %d bytes: %+v", seqs, encoding, whole, st)
		}
	}
	f("gzip", Options{}, 10, 200)
	f("gzip", Options{}, 1000, 413) // small on the wire, large inside
	f("zstd", Options{Zstd: true}, 10, 200)
	f("zstd", Options{Zstd: true}, 1000, 413)
	f("zstd", Options{}, 10, 400)
}

func TestTellsLostFromDoubled(t *testing.T) {
	s, post := serve(t, Options{IDs: true})
	body := docs(0, 1, 3, 3) + `{"create":{"_index":"x","_id":"other"}}` + "\n{\"message\":\"sq#00000001\"}\n" +
		`{"index":{"_index":"x","_id":"i0"}}` + "\n{\"message\":\"none\"}\n"
	if _, _, err := post("/_bulk", body); err != nil {
		t.Fatal(err)
	}
	if got := s.Missing(5); !slices.Equal(got, []int{2, 4}) {
		t.Errorf("missing %v, want 2 and 4", got)
	}
	if got := s.Doubled(); !slices.Equal(got, []int{1}) {
		t.Errorf("doubled %v, want 1", got)
	}
	st := s.Stats()
	if st.Docs != 5 || st.UniqueSeqs != 3 || st.DoubledSeqs != 1 || st.WithoutSq != 1 || st.DoubledIDs != 1 || st.Items409 != 1 || st.IDs != 4 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	if ids := s.IDs(); ids["x/i0"] != 2 || ids["x/other"] != 1 || len(ids) != 4 {
		t.Errorf("ids %v", ids)
	}
	s.Reset()
	if st := s.Stats(); st.Docs != 0 || len(s.IDs()) != 0 || len(s.Missing(1)) != 1 {
		t.Errorf("after Reset: %+v", st)
	}
}

func TestFaultsOfRequests(t *testing.T) {
	f := func(faults Faults, wantStatus, wantDocs int) {
		t.Helper()
		s, post := serve(t, Options{Faults: faults})
		status, answer, err := post("/_bulk", docs(1, 2))
		if status != wantStatus || (err != nil) != (wantStatus == 0) {
			t.Errorf("%+v: %d %v, want %d", faults, status, err, wantStatus)
		}
		if faults.TruncateAfter > 0 && json.Valid([]byte(answer)) {
			t.Errorf("the answer is whole: %s", answer)
		}
		if st := s.Stats(); st.Docs != int64(wantDocs) || st.Requests429+st.Requests503+st.ResetsBefore+st.ResetsAfter+st.Truncated != 1 {
			t.Errorf("%+v: %+v, want %d documents", faults, st, wantDocs)
		}
	}
	f(Faults{Request429: 1}, 429, 0)
	f(Faults{Request503: 1}, 503, 0)
	f(Faults{ResetBefore: 1}, 0, 0)
	f(Faults{ResetAfter: 1}, 0, 2)
	f(Faults{TruncateAfter: 1}, 200, 2)
}

func TestFaultsOfItems(t *testing.T) {
	count := func(faults Faults, index string, want int) (n int) {
		t.Helper()
		_, post := serve(t, Options{Faults: faults})
		var body strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&body, "{\"create\":{\"_index\":%q,\"_id\":\"%032x-%d\"}}\n{}\n", index, 7, i)
		}
		for range 2 {
			_, answer, err := post("/_bulk", body.String())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range statuses(t, answer) {
				if s == want {
					n++
				}
			}
		}
		return n
	}
	if n := count(Faults{Item429: 0.1}, "x", 429); n < 300 || n > 500 {
		t.Errorf("%d of 4000 items are 429, want about 400", n)
	}
	if n := count(Faults{Item400: 0.1}, "x", 400); n < 300 || n > 500 || n%2 != 0 {
		t.Errorf("%d of 2 × 2000 items are 400, want about 400, the same each time", n)
	}
	if n := count(Faults{Item400: 0.1}, "dead-letter-x", 400); n != 0 {
		t.Errorf("%d items for the dead-letter index are 400", n)
	}
}

func TestLatency(t *testing.T) {
	_, post := serve(t, Options{Faults: Faults{Latency: 20 * time.Millisecond, LatencyDocument: 5 * time.Millisecond}})
	begun := time.Now()
	if _, _, err := post("/_bulk", docs(1, 2)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begun); d < 30*time.Millisecond {
		t.Errorf("answered after %v, want 30 ms", d)
	}
}

func TestWhatItIs(t *testing.T) {
	f := func(o Options, path string, wantStatus int, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		New(o).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != wantStatus || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d %s, want %d %s", path, w.Code, w.Body, wantStatus, want)
		}
	}
	f(Options{}, "/", 200, `"number":"7.17.29"`)
	f(Options{Version: "8.7.1"}, "/", 200, `"number":"8.7.1"`)
	f(Options{}, "/_license", 404, "")
	f(Options{License: true}, "/_license", 200, `"status":"active"`)
	f(Options{}, "/_xpack", 404, "")
	f(Options{}, "/_sink/stats", 200, `"Docs":0`)
	f(Options{}, "/_sink/missing?n=2", 200, `"missing":[0,1]`)
	f(Options{}, "/_sink/nothing", 404, "")
}

func TestControl(t *testing.T) {
	s, post := serve(t, Options{IDs: true})
	if status, _, _ := post("/_sink/faults", `{"Request429":1}`); status != 200 {
		t.Fatalf("faults: %d", status)
	}
	if status, _, _ := post("/_bulk", docs(1)); status != 429 {
		t.Errorf("bulk: %d, want 429", status)
	}
	if status, _, _ := post("/_sink/faults", `{"request_429":1}`); status != 400 {
		t.Errorf("unknown fault: %d, want 400", status)
	}
	s.SetFaults(Faults{})
	if status, _, _ := post("/_bulk", docs(1)); status != 200 {
		t.Errorf("bulk: %d, want 200", status)
	}
	if _, body, _ := post("/_sink/ids", ""); body != `{"count":1,"id":"x/i1"}`+"\n" {
		t.Errorf("ids: %q", body)
	}
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte(docs(1, 2)))
	f.Add([]byte(`{"create":{"_index":"a\"b","_id":"\u0000"}}` + "\n{}\n"))
	f.Add([]byte(`{"index":{"_id":"","pipeline":"p"}}` + "\nx\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := New(Options{IDs: true})
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/x/_bulk", bytes.NewReader(body)))
		if w.Code != 200 && w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %.300q", w.Code, w.Body)
		}
	})
}

func FuzzPlainAction(f *testing.F) {
	f.Add([]byte(`{"create":{"_index":"x","_id":"i1"}}`))
	f.Add([]byte(`{"index":{}}`))
	f.Add([]byte(`{ "index" : {"_index": "x","_type":"events" , "_id": " " } }`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, ok := plainAction(line, "d")
		if !ok || !json.Valid(line) {
			return
		}
		var m map[string]map[string]string
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%q was taken as %+v: %v", line, got, err)
		}
		fields := m[string(got.op)]
		wantIndex, wantID := "d", fields["_id"]
		if v, ok := fields["_index"]; ok {
			wantIndex = v
		}
		if bytes.ContainsRune(line, '\ufffd') || !bytes.Equal(line, bytes.ToValidUTF8(line, nil)) {
			return // encoding/json replaces what is no UTF-8
		}
		if string(got.index) != wantIndex || string(got.id) != wantID {
			t.Errorf("%q: %s/%s, want %s/%s", line, got.index, got.id, wantIndex, wantID)
		}
	})
}
