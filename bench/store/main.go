// Command store measures the embedded store as its users meet it: over HTTP, in a process of its own. Documents of about 900 bytes are
// written by _bulk, 2,000 a request, each answered when it is synced to the disk; then all of them are searched. It prints Markdown tables.
//
//	go run ./bench/store -n 1000000
//
// CPU seconds and milliseconds are those of the server's process, and say more than the wall's where other work runs beside. First
// is a search in a server started anew, with the files in the system's cache: the index is opened by it. Again is the median of
// those after it, worst the slowest of those. GOGC and GOMEMLIMIT reach the server.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// options are what is measured.
type options struct {
	n, batch, writers, times int
	only, dir                string
	keep                     bool
}

func main() {
	if dir := os.Getenv(serverDir); dir != "" {
		if err := serve(dir); err != nil {
			log.Fatal(err)
		}
		return
	}
	var o options
	flag.IntVar(&o.n, "n", 1_000_000, "documents")
	flag.IntVar(&o.batch, "batch", 2000, "documents in a request")
	flag.IntVar(&o.writers, "writers", 2, "requests at once")
	flag.IntVar(&o.times, "times", 8, "how often each search is made")
	flag.StringVar(&o.only, "only", "", "make only the searches with this in their name")
	flag.StringVar(&o.dir, "dir", "", "where the store is (default: a new directory under build/bench, removed afterwards); what is in it already is only searched")
	flag.BoolVar(&o.keep, "keep", false, "leave the store there")
	flag.Parse()
	if o.dir == "" {
		if err := os.MkdirAll("build/bench", 0o755); err != nil {
			log.Fatal(err)
		}
		var err error
		if o.dir, err = os.MkdirTemp("build/bench", "store-"); err != nil {
			log.Fatal(err)
		}
	}
	err := run(o)
	if !o.keep {
		err = errors.Join(err, os.RemoveAll(o.dir))
	}
	if err != nil {
		log.Fatal(err)
	}
}

const index, other = "logstash-bench-2026.11.21", "logstash-bench-2026.11.22"

func run(o options) error {
	if _, err := os.Stat(filepath.Join(o.dir, "catalog.db")); err != nil {
		if err := ingest(o); err != nil {
			return fmt.Errorf("cannot measure writing: %w", err)
		}
	}
	all := slices.DeleteFunc(searches(o.n), func(q search) bool { return !strings.Contains(q.name, o.only) })
	if len(all) == 0 {
		return fmt.Errorf("cannot search: no search has %q in its name", o.only)
	}
	if err := searchEach(o, all); err != nil {
		return fmt.Errorf("cannot measure searching: %w", err)
	}
	if err := searchAll(o, all); err != nil {
		return fmt.Errorf("cannot measure searching while writing: %w", err)
	}
	return nil
}

func row(name, format string, args ...any) {
	fmt.Printf("| %s | %s |\n", name, fmt.Sprintf(format, args...))
}

// ingest writes the documents, and some of them again.
func ingest(o options) error {
	s, err := start(o.dir)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.create(index); err != nil {
		return err
	}
	before, err := s.usage()
	if err != nil {
		return err
	}
	wall, err := s.write(o, index, o.n, http.StatusCreated)
	if err != nil {
		return err
	}
	// All blocks are made.
	if _, err := s.ask(http.MethodPost, "/"+index+"/_flush", nil); err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Print("| writing | |\n|---|---|\n")
	row("documents / s", "%.0f", float64(o.n)/wall.Seconds())
	row("CPU s per million, all blocks made", "%.1f", float64(after.CPU-before.CPU)/1e9/float64(o.n)*1e6)
	row("peak memory", "%d MiB", after.Peak>>20)
	again := min(o.n, 100_000)
	if wall, err = s.write(o, index, again, http.StatusConflict); err != nil {
		return err
	}
	row("documents / s sent again, each a 409", "%.0f", float64(again)/wall.Seconds())
	if err := s.stop(); err != nil {
		return err
	}
	size, err := sizeOf(o.dir)
	row("bytes a document on the disk", "%.0f", float64(size)/float64(o.n))
	return err
}

// write sends the first n documents, some requests at once; all must be answered with the status.
func (s *server) write(o options, index string, n, status int) (time.Duration, error) {
	bodies := make(chan []byte, o.writers)
	stop := make(chan struct{})
	go func() {
		defer close(bodies)
		g := newGenerator(1)
		for done := 0; done < n; {
			var b []byte
			for range min(o.batch, n-done) {
				id, source, _ := g.next()
				b = append(append(fmt.Appendf(b, "{\"create\":{\"_id\":\"%s\"}}\n", id), source...), '\n')
				done++
			}
			select {
			case bodies <- b:
			case <-stop:
				return
			}
		}
	}()
	errs := make([]error, o.writers)
	began := time.Now()
	var writers sync.WaitGroup
	var once sync.Once
	for i := range errs {
		writers.Go(func() {
			for b := range bodies {
				answer, err := s.ask(http.MethodPost, "/"+index+"/_bulk", b)
				if got, want := bytes.Count(answer, fmt.Appendf(nil, `"status":%d`, status)), bytes.Count(b, []byte("\n{\"@timestamp\"")); err == nil && got != want {
					err = fmt.Errorf("%d of %d documents are answered with %d: %.300s", got, want, status, answer)
				}
				if err != nil {
					errs[i] = err
					once.Do(func() { close(stop) })
					return
				}
			}
		})
	}
	writers.Wait()
	return time.Since(began), errors.Join(errs...)
}

// searchEach makes each search in a server started anew, and then some more times.
func searchEach(o options, all []search) error {
	fmt.Print("\n| search | hits | first, wall / CPU ms | again, wall / CPU ms | worst, wall ms |\n|---|---|---|---|---|\n")
	for _, q := range all {
		s, err := start(o.dir)
		if err != nil {
			return err
		}
		var walls, cpus []float64
		total := 0
		for range o.times {
			wall, cpu, hits, err := s.search(q)
			if err != nil {
				return errors.Join(fmt.Errorf("%s: %w", q.name, err), s.stop())
			}
			walls, cpus, total = append(walls, wall), append(cpus, cpu), hits
		}
		if err := s.stop(); err != nil {
			return err
		}
		first, firstCPU := walls[0], cpus[0]
		if walls, cpus = walls[1:], cpus[1:]; len(walls) == 0 {
			walls, cpus = []float64{first}, []float64{firstCPU}
		}
		slices.Sort(walls)
		slices.Sort(cpus)
		fmt.Printf("| %s | %d | %.1f / %.1f | %.1f / %.1f | %.1f |\n", q.name, total, first, firstCPU, walls[len(walls)/2], cpus[len(cpus)/2], walls[len(walls)-1])
	}
	return nil
}

// searchAll makes all searches in one server, and again while as many documents are written to another index.
func searchAll(o options, all []search) error {
	s, err := start(o.dir)
	if err != nil {
		return err
	}
	defer s.stop()
	for range 2 {
		for _, q := range all {
			if _, _, _, err := s.search(q); err != nil {
				return err
			}
		}
	}
	u, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Print("\n| all in one process | |\n|---|---|\n")
	row("peak memory of all searches, twice", "%d MiB", u.Peak>>20)
	remove := func() error {
		_, err := s.ask(http.MethodDelete, "/"+other+"?ignore_unavailable=true", nil)
		return err
	}
	// One is there if an earlier run was broken off.
	if err := errors.Join(remove(), s.create(other)); err != nil {
		return err
	}
	var wall time.Duration
	done := make(chan error, 1)
	go func() {
		var err error
		wall, err = s.write(o, other, o.n, http.StatusCreated)
		done <- err
	}()
	made, err := 0, error(nil)
	for writing := true; writing; {
		select {
		case err = <-done:
			writing = false
		default:
			_, _, _, err = s.search(all[made%len(all)])
			made++
		}
		if err != nil {
			return err
		}
	}
	if u, err = s.usage(); err != nil {
		return err
	}
	row("documents / s while searching", "%.0f", float64(o.n)/wall.Seconds())
	row("searches meanwhile", "%d", made)
	row("peak memory of writing and searching", "%d MiB", u.Peak>>20)
	return errors.Join(remove(), s.stop())
}

// search makes a search and returns the wall's and the server's CPU milliseconds.
func (s *server) search(q search) (wall, cpu float64, hits int, err error) {
	before, err := s.usage()
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	answer, err := s.ask(http.MethodPost, "/"+index+"/_search", []byte(q.body))
	wall = float64(time.Since(began).Microseconds()) / 1000
	if err != nil {
		return 0, 0, 0, err
	}
	after, err := s.usage()
	if err != nil {
		return 0, 0, 0, err
	}
	var r struct {
		Hits struct{ Total struct{ Value int } }
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return 0, 0, 0, fmt.Errorf("cannot read %.300s: %w", answer, err)
	}
	return wall, float64(after.CPU-before.CPU) / 1e6, r.Hits.Total.Value, nil
}

func (s *server) create(index string) error {
	_, err := s.ask(http.MethodPut, "/"+index, []byte(`{"mappings":`+mappings+`}`))
	return err
}

// ask sends a request, and returns what it is answered with 200.
func (s *server) ask(method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, answer)
	}
	return answer, err
}

func sizeOf(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			total += i.Size()
		}
		return err
	})
	return total, err
}
