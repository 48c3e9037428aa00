// Command logapi measures what logapi adds to searches: the same mixed searches at a steady rate, straight to an
// Elasticsearch and through logapi in front of it, by turns.
//
//	ES_MAJOR=7 test/services/elasticsearch.sh start 9299      # an empty one
//	go run ./bench/logapi -url http://127.0.0.1:9299 -rate 200 -time 20s -rounds 3
//
// A search is sent when its time has come, whether those before it are answered or not, so that a slow one makes none
// wait that would not wait for its user either. It prints a Markdown table of medians.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/token"
)

func main() {
	var b benchmark
	flag.StringVar(&b.url, "url", "http://127.0.0.1:9299", "an Elasticsearch without the index logs-bench")
	flag.IntVar(&b.docs, "n", 100_000, "documents")
	flag.IntVar(&b.rate, "rate", 200, "searches a second")
	flag.DurationVar(&b.time, "time", 20*time.Second, "how long each round of each way takes")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds")
	flag.Parse()
	if err := b.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/logapi:", err)
		os.Exit(1)
	}
}

type benchmark struct {
	url                string
	docs, rate, rounds int
	time               time.Duration
}

// A way is how a search gets to Elasticsearch.
type way struct {
	name, url, token string
	narrowed         bool              // the token narrows by namespace
	took             [][]time.Duration // by kind of search
}

func (b *benchmark) run(to io.Writer) error {
	if b.docs < 1 || b.rate < 1 || b.rounds < 1 || b.time < time.Second {
		return fmt.Errorf("cannot measure %d documents at %d searches a second for %d rounds of %v: want one of each at least, and a second", b.docs, b.rate, b.rounds, b.time)
	}
	if err := b.fill(); err != nil {
		return err
	}
	p, err := startLogapi(b.url)
	if err != nil {
		return err
	}
	defer p.stop()
	open := token.Access{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/**"}}
	all, err := p.token(open)
	if err != nil {
		return err
	}
	open.Other = json.RawMessage(`{"namespaces":["shop"]}`)
	narrow, err := p.token(open)
	if err != nil {
		return err
	}
	ways := []*way{{name: "straight", url: b.url}, {name: "logapi", url: p.url + "/default/es", token: all}, {name: "narrowed", url: p.url + "/default/es", token: narrow, narrowed: true}}
	for _, w := range ways { // connections, caches, the JVM's compiler
		if err := b.round(w, min(b.time, 10*time.Second)); err != nil {
			return err
		}
		w.took = nil
	}
	before, err := p.usage()
	if err != nil {
		return err
	}
	for i := range b.rounds {
		for j := range ways {
			w := ways[(i+j)%len(ways)]
			fmt.Fprintf(os.Stderr, "round %d, %s\n", i+1, w.name)
			if err := b.round(w, b.time); err != nil {
				return err
			}
		}
	}
	after, err := p.usage()
	if err != nil {
		return err
	}
	b.report(to, ways, before, after)
	return nil
}

// round sends searches at the rate for so long and keeps how long each took.
func (b *benchmark) round(w *way, long time.Duration) error {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
	defer client.CloseIdleConnections()
	if w.took == nil {
		w.took = make([][]time.Duration, len(kinds))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	var running sync.WaitGroup
	var failed error
	began := time.Now()
	for i := range int(long.Seconds() * float64(b.rate)) {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(b.rate))))
		k := i % len(kinds)
		if w.narrowed && kinds[k].closed {
			continue
		}
		running.Go(func() {
			sent := time.Now()
			err := kinds[k].ask(ctx, client, w)
			took := time.Since(sent)
			mu.Lock()
			defer mu.Unlock()
			w.took[k] = append(w.took[k], took)
			if err != nil && failed == nil {
				failed = fmt.Errorf("%s, %s: %w", w.name, kinds[k].name, err)
			}
		})
	}
	running.Wait()
	return failed
}

// A kind is a sort of search.
type kind struct {
	name, path, body string
	closed           bool // to a token that narrows by namespace
}

var kinds = []kind{
	{"newest 50 by a filter", "/logs-bench/_search", `{"size":50,"sort":[{"@timestamp":"desc"}],"query":{"bool":{"filter":[{"term":{"log.level":"error"}},{"range":{"@timestamp":{"gte":"2026-11-21T00:00:00Z"}}}]}}}`, false},
	{"histogram by level", "/logs-bench/_search?size=0", `{"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m"},"aggs":{"l":{"terms":{"field":"log.level"}}}}}}`, false},
	{"query_string", "/logs-bench/_search", `{"size":20,"query":{"query_string":{"query":"message:checkout AND log.level:(warn OR error)"}}}`, false},
	{"match_phrase, highlighted", "/logs-bench/_search", `{"size":20,"query":{"match_phrase":{"message":"cannot reach"}},"highlight":{"fields":{"message":{}}}}`, false},
	{"count", "/logs-bench/_count", `{"query":{"term":{"kubernetes.namespace":"shop"}}}`, false},
	{"two at once", "/_msearch", "{\"index\":\"logs-bench\"}\n{\"size\":10,\"query\":{\"term\":{\"kubernetes.pod.name\":\"web-7\"}}}\n{\"index\":\"logs-bench\"}\n{\"size\":0,\"aggs\":{\"n\":{\"terms\":{\"field\":\"kubernetes.pod.name\",\"size\":10}}}}\n", false},
	{"everything, 200", "/logs-bench/_search?size=200", `{"query":{"match_all":{}}}`, false},
	{"field_caps", "/logs-bench/_field_caps?fields=*", ``, true},
}

// ask sends the search and reads the answer to its end.
func (k kind) ask(ctx context.Context, client *http.Client, w *way) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+k.path, strings.NewReader(k.body))
	if err != nil {
		return err
	}
	if k.body != "" {
		r.Header.Set("Content-Type", "application/json")
		if strings.Contains(k.path, "_msearch") {
			r.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"error":`)) {
		return fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	return nil
}

// fill makes the index.
func (b *benchmark) fill() error {
	call := func(method, path, body string) error {
		r, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return fmt.Errorf("cannot fill Elasticsearch: %w", err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 300 || bytes.Contains(text, []byte(`"errors":true`)) {
			return fmt.Errorf("cannot fill Elasticsearch: %s %s: %s: %.300s", method, path, resp.Status, text)
		}
		return nil
	}
	mapping := `{"settings":{"number_of_replicas":0,"number_of_shards":1},"mappings":{"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"},
		"log":{"properties":{"level":{"type":"keyword"}}},"kubernetes":{"properties":{"namespace":{"type":"keyword"},"pod":{"properties":{"name":{"type":"keyword"}}}}}}}}`
	if err := call("PUT", "/logs-bench", mapping); err != nil {
		return err
	}
	levels := []string{"info", "info", "info", "info", "debug", "warn", "error"}
	texts := []string{"GET /api/v1/cart 200 in 12 ms", "checkout of order %d took 31 ms", "cannot reach payments: timeout after 3 s", "user %d logged in", "cache miss for key item-%d"}
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	var bulk strings.Builder
	for i := range b.docs {
		at := start.Add(time.Duration(i) * time.Hour / time.Duration(b.docs)).Format("2006-01-02T15:04:05.000000Z")
		message := strings.ReplaceAll(texts[i*7%len(texts)], "%d", fmt.Sprint(i))
		fmt.Fprintf(&bulk, "{\"create\":{\"_id\":\"%d\"}}\n{\"@timestamp\":%q,\"message\":%q,\"log\":{\"level\":%q},\"kubernetes\":{\"namespace\":%q,\"pod\":{\"name\":\"web-%d\"}}}\n",
			i, at, message, levels[i*5%len(levels)], []string{"shop", "bank", "mail"}[i%3], i%40)
		if bulk.Len() > 4<<20 || i == b.docs-1 {
			if err := call("POST", "/logs-bench/_bulk", bulk.String()); err != nil {
				return err
			}
			bulk.Reset()
		}
	}
	return call("POST", "/logs-bench/_forcemerge?max_num_segments=1", "")
}

func (b *benchmark) report(to io.Writer, ways []*way, before, after usage) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }
	fmt.Fprintf(to, "| search | straight: median, 99%% (ms) | logapi | narrowed by namespace | added | added, narrowed |\n|---|---|---|---|---|---|\n")
	row := func(name string, of func(*way) []time.Duration) {
		var cells []string
		var medians []time.Duration
		for _, w := range ways {
			all := slices.Sorted(slices.Values(of(w)))
			if len(all) == 0 {
				cells, medians = append(cells, ""), append(medians, medians[0])
				continue
			}
			medians = append(medians, all[len(all)/2])
			cells = append(cells, ms(all[len(all)/2])+", "+ms(all[len(all)*99/100]))
		}
		fmt.Fprintf(to, "| %s | %s | %s | %s |\n", name, strings.Join(cells, " | "), ms(medians[1]-medians[0]), ms(medians[2]-medians[0]))
	}
	for k, kind := range kinds {
		row(kind.name, func(w *way) []time.Duration { return w.took[k] })
	}
	row("all", func(w *way) []time.Duration { return slices.Concat(w.took...) })
	requests := len(slices.Concat(ways[1].took...)) + len(slices.Concat(ways[2].took...))
	fmt.Fprintf(to, "\nlogapi: %.2f CPU seconds for 1,000 searches; memory %d MiB after warming up, %d MiB at the end, %d MiB at most; %d searches a second, %d rounds of %v.\n",
		(after.cpu-before.cpu).Seconds()*1000/float64(requests), before.rss>>20, after.rss>>20, after.peak>>20, b.rate, b.rounds, b.time)
}
