// Package sink is an Elasticsearch that counts documents instead of keeping them, and fails as it is told.
//
// It answers what Beats ask (GET /, _bulk, templates, no /_license) as 7.17 does: an _id is unique
// within its index, create of a known one is a 409. It tells lost documents from doubled ones by the
// token sq#NNNNNNNN in them (package journalgen), and by _id where these are kept.
//
// Faults are drawn from a seeded generator in the order of requests and items: one client with one
// connection meets the same faults on each run.
package sink

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a sink; the zero value is an Elasticsearch 7.17.29 without a licence endpoint.
type Options struct {
	Version string // as reported by GET /; empty means 7.17.29
	License bool   // answer GET /_license: libbeat 7.17's own client wants it
	IDs     bool   // keep every index and _id; otherwise create never meets a 409
	// Unchecked takes documents that are no JSON, which would be a 400 each: cheaper, for measuring.
	Unchecked bool
	Zstd      bool   // take bodies packed by zstd, which no Elasticsearch does; otherwise they are a 400
	MaxBody   int64  // longest bulk body in bytes, decompressed; more is a 413 (http.max_content_length); 0: any
	Seed      uint64 // of the faults
	Faults    Faults
}

// Faults are shares between 0 and 1 of bulk requests, or of the items of those that come through.
type Faults struct {
	Request429    float64 // the whole request is answered 429, nothing is stored
	Request503    float64 // the same with 503
	ResetBefore   float64 // the connection is reset, nothing is stored
	ResetAfter    float64 // everything is stored, then the connection is reset instead of an answer
	TruncateAfter float64 // everything is stored, the answer is a 200 whose JSON ends in the middle
	Item429       float64 // an item is answered 429, this time
	Item400       float64 // an item is refused with 400, each time it comes for the same kind of index
	// DeadLetter begins the names of indices that take what Item400 refuses; empty means "dead-letter".
	DeadLetter string

	Latency         time.Duration // before each bulk answer
	LatencyDocument time.Duration // in addition, for each document stored
}

// Stats are counts since New or Reset.
type Stats struct {
	Requests, Connections              int64 // bulk requests; connections need ConnState in the server
	Bytes, WireBytes                   int64 // of bulk bodies, decompressed and as sent
	MaxBulkDocs, MaxBulkBytes          int64 // largest request that came through
	Docs                               int64 // documents stored
	Items409, Items429, Items400       int64
	Requests413, Requests429           int64
	Requests503, BadRequests           int64
	ResetsBefore, ResetsAfter          int64
	Truncated                          int64
	UniqueSeqs, DoubledSeqs, WithoutSq int64 // stored documents by token: first, again, none
	IDs, DoubledIDs                    int64 // with Options.IDs: stored under an index and _id, and again
	FirstNs, LastNs                    int64 // Unix ns: first bulk request seen, last document stored
	CPUSeconds                         float64
}

// A Sink is an http.Handler; its methods may be called while it serves.
//
// GET /_sink/stats gives Stats, GET /_sink/missing?n=N what Missing says, GET /_sink/ids what IDs
// says, POST /_sink/reset resets, POST /_sink/faults takes Faults as JSON.
type Sink struct {
	mu    sync.Mutex
	opts  Options
	rng   *rand.Rand
	stats Stats
	seqs  []uint8          // how often each token was stored, up to 255
	ids   map[string]uint8 // index/_id: how often it was stored
	cpu0  float64
}

// New makes an empty sink.
func New(o Options) *Sink {
	if o.Version == "" {
		o.Version = "7.17.29"
	}
	s := &Sink{opts: o}
	s.reset()
	return s
}

// Reset forgets all documents and counts, and begins the faults anew.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
}

func (s *Sink) reset() {
	s.rng = rand.New(rand.NewPCG(s.opts.Seed, 1))
	s.stats = Stats{}
	s.seqs = nil
	s.ids = map[string]uint8{}
	s.cpu0 = processCPU()
}

// SetFaults changes what fails from the next request on.
func (s *Sink) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Faults = f
}

// Stats are the counts so far.
func (s *Sink) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.CPUSeconds = processCPU() - s.cpu0
	return st
}

// Missing says which of the tokens 0 … n-1 were never stored.
func (s *Sink) Missing(n int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []int
	for i := range n {
		if i >= len(s.seqs) || s.seqs[i] == 0 {
			missing = append(missing, i)
		}
	}
	return missing
}

// Doubled says which tokens are in more than one stored document: stored twice, or under two ids.
func (s *Sink) Doubled() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var doubled []int
	for i, c := range s.seqs {
		if c > 1 {
			doubled = append(doubled, i)
		}
	}
	return doubled
}

// IDs are, with Options.IDs, all stored documents as index/_id, and how often each was stored.
func (s *Sink) IDs() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make(map[string]int, len(s.ids))
	for id, c := range s.ids {
		ids[id] = int(c)
	}
	return ids
}

// ConnState counts connections when it is the server's hook of that name.
func (s *Sink) ConnState(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.mu.Lock()
		s.stats.Connections++
		s.mu.Unlock()
	}
}

// ServeHTTP implements http.Handler.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Elastic-Product", "Elasticsearch")
	h.Set("Content-Type", "application/json; charset=UTF-8")
	switch {
	case strings.HasPrefix(r.URL.Path, "/_sink/"):
		s.control(w, r)
	case strings.HasSuffix(r.URL.Path, "/_bulk") && (r.Method == http.MethodPost || r.Method == http.MethodPut):
		s.bulk(w, r)
	default:
		s.other(w, r)
	}
}

func (s *Sink) control(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/_sink/stats":
		answer = s.Stats()
	case "/_sink/missing":
		answer = map[string]any{"missing": s.Missing(number(r, "n")), "doubled": s.Doubled()}
	case "/_sink/ids":
		ids := s.IDs()
		enc := json.NewEncoder(w)
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			enc.Encode(map[string]any{"id": id, "count": ids[id]})
		}
		return
	case "/_sink/reset":
		s.Reset()
		answer = s.Stats()
	case "/_sink/faults":
		var f Faults
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.SetFaults(f)
		answer = f
	default:
		http.NotFound(w, r)
		return
	}
	json.NewEncoder(w).Encode(answer)
}

// other answers what a shipper asks besides _bulk.
func (s *Sink) other(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	p := r.URL.Path
	switch {
	case p == "/":
		io.WriteString(w, `{"name":"sink","cluster_name":"sink","cluster_uuid":"c2lua3NpbmtzaW5rc2luaw","version":{"number":"`+s.opts.Version+`","build_flavor":"default","build_type":"deb","build_hash":"0000000","build_date":"2025-06-19T01:12:27Z","build_snapshot":false,"lucene_version":"8.11.3","minimum_wire_compatibility_version":"6.8.0","minimum_index_compatibility_version":"6.0.0-beta1"},"tagline":"You Know, for Search"}`)
	case p == "/_license" && s.opts.License:
		io.WriteString(w, `{"license":{"status":"active","uid":"00000000-0000-0000-0000-000000000000","type":"basic","issue_date_in_millis":1700000000000,"max_nodes":1000,"issued_to":"sink","issuer":"elasticsearch","start_date_in_millis":-1}}`)
	case p == "/_license" || strings.HasPrefix(p, "/_xpack") || r.Method == http.MethodGet && strings.Contains(p, "template"):
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{}`)
	case r.Method == http.MethodHead && strings.Contains(p, "template"):
		w.WriteHeader(http.StatusNotFound)
	case p == "/_cluster/health":
		io.WriteString(w, `{"cluster_name":"sink","status":"green","number_of_nodes":1}`)
	case strings.HasPrefix(p, "/_nodes"):
		io.WriteString(w, `{"nodes":{}}`)
	default:
		io.WriteString(w, `{"acknowledged":true}`)
	}
}
