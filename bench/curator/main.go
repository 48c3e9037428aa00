// Command curator measures podbeat's curator beside Elastic Curator 8.0.21: both plan (--dry-run) what is to go of the same
// indices, by turns, through a proxy that counts their requests.
//
//	ES_MAJOR=7 test/services/elasticsearch.sh start 9299      # an empty one
//	go run ./bench/curator -url http://127.0.0.1:9299 -n 2000 -rounds 3
//
// It fills the Elasticsearch with indices of 20 days and of as many hosts as it takes, and prints a Markdown table of medians.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/test/curator/elastic"
)

func main() {
	b := benchmark{progress: os.Stderr}
	flag.StringVar(&b.url, "url", "http://127.0.0.1:9299", "an Elasticsearch without indices")
	flag.IntVar(&b.indices, "n", 2000, "indices")
	flag.IntVar(&b.rounds, "rounds", 3, "runs of each program")
	flag.Parse()
	results, err := b.run(time.Now())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/curator:", err)
		os.Exit(1)
	}
	fmt.Print(table(b.indices, results))
}

// days is for how long each host has written.
const days = 20

// jobs are the action files that are planned. Both are about the same indices.
var jobs = []struct{ name, file string }{
	{"by name", `actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: logstash-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 12}
`},
	{"by documents", `actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: regex, value: '^logstash-journalbeat-[a-z0-9-]+-.*$'}
    - {filtertype: age, source: field_stats, field: '@timestamp', stats_result: max_value, direction: older, unit: days, unit_count: 12}
`},
}

type benchmark struct {
	url             string
	indices, rounds int
	progress        io.Writer // a line for each run
}

// A result is what a program took for a job: medians.
type result struct {
	Job, Program string
	Wall, CPU    time.Duration
	Requests     int
	MaxRSS       int64 // bytes
	Chosen       int   // indices that it would delete
}

func (b *benchmark) run(now time.Time) ([]result, error) {
	if b.indices < 1 || b.rounds < 1 {
		return nil, fmt.Errorf("cannot measure %d indices %d times: want one of each at least", b.indices, b.rounds)
	}
	if err := b.fill(now); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "podbeat-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ours := filepath.Join(dir, "curator")
	build := exec.Command("go", "build", "-o", ours, "github.com/podbeat/podbeat/cmd/curator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build curator: %w: %s", err, out)
	}
	theirs, err := elastic.Program(elastic.V8)
	if err != nil {
		return nil, err
	}
	counter, err := newCounter(b.url)
	if err != nil {
		return nil, err
	}
	defer counter.Close()
	client := filepath.Join(dir, "client.yml")
	if err := os.WriteFile(client, []byte("elasticsearch:\n  client:\n    hosts: "+counter.URL+"\n    request_timeout: 300\n"), 0o644); err != nil {
		return nil, err
	}
	names := []string{"podbeat's curator", "Elastic Curator " + elastic.V8}
	var results []result
	for i, job := range jobs {
		file := filepath.Join(dir, fmt.Sprintf("actions-%d.yml", i))
		if err := os.WriteFile(file, []byte(job.file), 0o644); err != nil {
			return nil, err
		}
		var runs [2][]result
		for range b.rounds {
			for p, program := range []string{ours, theirs} {
				r, err := counter.measure(program, "--config", client, "--dry-run", file)
				if err != nil {
					return nil, err
				}
				runs[p] = append(runs[p], r)
				fmt.Fprintf(b.progress, "%s, %s: %.1f s\n", job.name, names[p], r.Wall.Seconds())
			}
		}
		for p, name := range names {
			m := median(runs[p])
			m.Job, m.Program = job.name, name
			results = append(results, m)
		}
		if a, b := results[len(results)-2].Chosen, results[len(results)-1].Chosen; a != b {
			return results, fmt.Errorf("%s: one would delete %d indices, the other %d", job.name, a, b)
		}
	}
	return results, nil
}

// A counter is a proxy that counts requests.
type counter struct {
	*httptest.Server
	requests atomic.Int64
}

func newCounter(target string) (*counter, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	c := &counter{}
	next := httputil.NewSingleHostReverseProxy(to)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		next.ServeHTTP(w, r)
	}))
	return c, nil
}

func (c *counter) measure(program string, args ...string) (result, error) {
	c.requests.Store(0)
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+os.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%s: %w: %s", program, err, out.Bytes())
	}
	r := result{Wall: time.Since(begin), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Requests: int(c.requests.Load()),
		MaxRSS: maxRSS(cmd.ProcessState)}
	r.Chosen = strings.Count(out.String(), "DRY-RUN: delete_indices: ")
	return r, nil
}

// fill brings about that the cluster holds the indices, each with a document of its day, and no other.
func (b *benchmark) fill(now time.Time) error {
	want := map[string]time.Time{}
	for i := range b.indices {
		day := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -(i % days))
		want[fmt.Sprintf("logstash-journalbeat-node%d-%s", i/days, day.Format("2006.01.02"))] = day
	}
	var there []struct{ Index string }
	if err := b.call("GET", "/_cat/indices?format=json&h=index&expand_wildcards=all", "", &there); err != nil {
		return err
	}
	missing := want
	for _, i := range there {
		if _, ok := want[i.Index]; !ok {
			return fmt.Errorf("cannot measure: the Elasticsearch at %s holds %s, and it must be empty", b.url, i.Index)
		}
		delete(missing, i.Index)
	}
	if len(missing) == 0 {
		return nil
	}
	limit := fmt.Sprintf(`{"persistent": {"cluster.max_shards_per_node": %d}}`, 2*b.indices+1000)
	if err := b.call("PUT", "/_cluster/settings", limit, nil); err != nil {
		return err
	}
	names := make(chan string)
	failed := make(chan error, 4)
	var wg sync.WaitGroup
	for range cap(failed) {
		wg.Go(func() {
			for name := range names {
				err := b.call("PUT", "/"+name+"?wait_for_active_shards=0",
					`{"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": {"properties": {"@timestamp": {"type": "date"}}}}`, nil)
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var err error
	for name := range missing {
		select {
		case names <- name:
			continue
		case err = <-failed:
		}
		break
	}
	close(names)
	wg.Wait()
	if err != nil {
		return err
	}
	return b.write(missing)
}

// write puts a document into each index.
func (b *benchmark) write(indices map[string]time.Time) error {
	var bulk strings.Builder
	for name, day := range indices {
		fmt.Fprintf(&bulk, "{\"index\": {\"_index\": %q}}\n{\"@timestamp\": %q}\n", name, day.Format(time.RFC3339))
	}
	var answer struct{ Errors bool }
	if err := b.call("POST", "/_bulk?refresh=true&timeout=5m", bulk.String(), &answer); err != nil {
		return err
	}
	if answer.Errors {
		return fmt.Errorf("cannot write a document into each index")
	}
	return nil
}

func (b *benchmark) call(method, path, body string, to any) error {
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %.500s (%v)", method, path, resp.Status, answer, err)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(answer, to)
}

func median(runs []result) result {
	var m result
	m.Wall = middle(runs, func(r result) time.Duration { return r.Wall })
	m.CPU = middle(runs, func(r result) time.Duration { return r.CPU })
	m.Requests = middle(runs, func(r result) int { return r.Requests })
	m.MaxRSS = middle(runs, func(r result) int64 { return r.MaxRSS })
	m.Chosen = middle(runs, func(r result) int { return r.Chosen })
	return m
}

func middle[T cmp.Ordered](runs []result, of func(result) T) T {
	var all []T
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func table(n int, results []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| plan of %d indices | program | seconds | CPU seconds | requests | MB | to go |\n|---|---|---:|---:|---:|---:|---:|\n", n)
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %.3f | %.3f | %d | %.0f | %d |\n", r.Job, r.Program, r.Wall.Seconds(), r.CPU.Seconds(), r.Requests, float64(r.MaxRSS)/1e6, r.Chosen)
	}
	return b.String()
}

// maxRSS is the most memory that the process had at a time, in bytes.
func maxRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss * 1024 // Linux counts in KiB
	}
	return 0
}
