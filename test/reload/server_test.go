package reload

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A server is an Elasticsearch that counts, behind a password.
type server struct {
	*sink.Sink
	url string

	mu       sync.Mutex
	password string         // "" lets everybody in
	stages   map[string]int // documents by the field `stage`
}

func newServer(t *testing.T, password string) *server {
	s := &server{
		Sink:     sink.New(sink.Options{IDs: true, Faults: sink.Faults{Latency: 50 * time.Millisecond}}), // something is always on its way
		password: password, stages: map[string]int{},
	}
	http := httptest.NewServer(s)
	t.Cleanup(http.Close)
	s.url = http.URL
	return s
}

// ServeHTTP is the sink's, for those who know the password.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, given, _ := r.BasicAuth()
	s.mu.Lock()
	refused := s.password != "" && given != s.password
	s.mu.Unlock()
	if refused {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"type":"security_exception","reason":"unable to authenticate user"},"status":401}`)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/_bulk") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		for _, stage := range []string{"one", "two", "three"} {
			s.stages[stage] += bytes.Count(body, []byte(`"stage":"`+stage+`"`))
		}
		s.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.Sink.ServeHTTP(w, r)
}

func (s *server) stage(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stages[name]
}

func (s *server) docs() int { return int(s.Stats().Docs) }

// let has the server take another password from now on.
func (s *server) let(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}
