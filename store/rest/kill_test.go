package rest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/rest"
)

// killedDir makes the test binary a server of the store in that directory.
const killedDir = "PODBEAT_TEST_REST_STORE"

// serveForever serves a store until the process is killed.
func serveForever(dir string) error {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(dir, store.Options{Log: quiet})
	if err != nil {
		return err
	}
	h, err := rest.New(rest.Options{Store: s, Log: quiet})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, h)
}

// After kill -9 every document that was acknowledged is there, and every field of every document is mapped.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]bool)
	for round := range 6 {
		server := exec.Command(os.Args[0])
		server.Env = append(os.Environ(), killedDir+"="+dir)
		server.Stderr = os.Stderr
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			server.Process.Kill()
			t.Fatal(err)
		}
		url := "http://" + strings.TrimSpace(addr)
		var mu sync.Mutex
		var writers sync.WaitGroup
		enough := make(chan struct{}, 1000)
		for w := range 3 {
			writers.Go(func() {
				for i := 0; ; i++ {
					ids := grow(url, round, w, i)
					if ids == nil {
						return
					}
					mu.Lock()
					for _, id := range ids {
						acked[id] = true
					}
					mu.Unlock()
					enough <- struct{}{}
				}
			})
		}
		for range 10 + 7*round {
			<-enough
		}
		server.Process.Kill()
		server.Wait()
		writers.Wait()
		checkKilled(t, dir, acked)
	}
}

// grow sends a bulk whose documents bring new fields, and returns the ids that were acknowledged; nil when nobody answers.
func grow(url string, round, w, i int) (ids []string) {
	var b strings.Builder
	for n := range 20 {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":\"killed-%d\",\"_id\":\"%d-%d-%d-%d\"}}\n{\"f%d_%d_%d\":{\"x\":%d},\"all\":\"text\"}\n", i%2, round, w, i, n, round, w, i%9, n)
	}
	resp, err := http.Post(url+"/_bulk", "application/x-ndjson", strings.NewReader(b.String()))
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var answer struct {
		Items []struct {
			Create struct {
				ID     string `json:"_id"`
				Status int
			}
		}
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return nil
	}
	for _, it := range answer.Items {
		if it.Create.Status == http.StatusCreated {
			ids = append(ids, it.Create.ID)
		}
	}
	return ids
}

func checkKilled(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := make(map[string]bool)
	for _, name := range s.Names() {
		text, err := s.Meta(t.Context(), name, "mapping")
		if err != nil {
			t.Fatal(err)
		}
		v, err := body.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mapping.Load(v, mapping.DefaultSettings)
		if err != nil {
			t.Fatal(err)
		}
		view, err := s.View(name)
		if err != nil {
			t.Fatal(err)
		}
		segments, err := view.Segments(math.MinInt64, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		for _, segment := range segments {
			for row := range segment.Len() {
				d, err := segment.Doc(row)
				if err != nil {
					t.Fatal(err)
				}
				if seen[d.ID] {
					t.Errorf("%s is there twice", d.ID)
				}
				seen[d.ID] = true
				if added, err := m.Add(d.ID, d.Source); err != nil || added.Mapping != m {
					t.Errorf("%s %s is not mapped: %v", d.ID, d.Source, err)
				}
			}
		}
		view.Release()
	}
	for id := range acked {
		if !seen[id] {
			t.Errorf("%s was acknowledged, and is not there", id)
		}
	}
	if len(seen) == 0 {
		t.Error("nothing is there")
	}
}
