package push

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A store is an Elasticsearch that counts, behind a gate.
type store struct {
	*sink.Sink
	*harness.Gate
}

func newStore(t *testing.T) store {
	s := sink.New(sink.Options{IDs: true})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return store{s, harness.NewGate(t, server.URL)}
}

func (s store) output() string {
	return fmt.Sprintf("output.elasticsearch: {hosts: [%q], backoff: {init: 10ms, max: 100ms}, bulk_max_size: 500}\n", s.Gate.URL)
}

// message holds the token by which the sink tells messages apart.
func message(i int) string {
	return fmt.Sprintf("a line of a common length, more or less, as it is pushed sq#%08d", i)
}

// messages are a body of those from first on.
func messages(first, n int) string {
	var list []string
	for i := range n {
		list = append(list, message(first+i))
	}
	return body(list...)
}

// arrived fails unless every message of the first n is stored once.
func (s store) arrived(t *testing.T, n int) {
	t.Helper()
	if missing, doubled := s.Missing(n), s.Doubled(); len(missing) > 0 || len(doubled) > 0 {
		t.Errorf("of %d messages %d are missing and %d doubled: %.5v %.5v", n, len(missing), len(doubled), missing, doubled)
	}
}

const inFlight = "podbeat.push.api.in_flight.entries"

// While the output is down, a request waits and is answered with 503, until there is no room: then 429. Nothing is lost,
// and repeating what was answered with 503 doubles nothing.
func TestOutputDown(t *testing.T) {
	s := newStore(t)
	s.Hold(1, harness.BeforeStore)
	a := start(t, "  ack_timeout: 200ms\n  retry_after: 1500ms\n  max_entries: 10\n  max_in_flight_entries: 30\n", quick+s.output())
	for range 2 { // the second time as a repeat
		for i := range 3 {
			r := a.push(messages(10*i, 10), fmt.Sprintf("Idempotency-Key: %d", i))
			if r.status != 503 || r.header.Get("Retry-After") != "2" {
				t.Fatalf("request %d: %d %s, Retry-After %s", i, r.status, r.body, r.header.Get("Retry-After"))
			}
		}
	}
	for _, key := range []string{"Idempotency-Key: more", "X: y"} {
		if r := a.push(messages(30, 10), key); r.status != 429 || r.header.Get("Retry-After") != "2" {
			t.Fatalf("no room: %d %s, Retry-After %s", r.status, r.body, r.header.Get("Retry-After"))
		}
	}
	if n := a.Stats()[inFlight]; n != 30 {
		t.Errorf("%v entries are in flight, want 30", n)
	}
	s.Release()
	a.Wait("all is delivered", func(s harness.Stats) bool {
		return s != nil && s[inFlight] == 0 && s["podbeat.push.api.in_flight.bytes"] == 0
	})
	stats := a.Stats()
	for name, want := range map[string]float64{"entries.received": 30, "entries.acked": 30, "requests.503": 6, "requests.429": 2, "requests.202": 0,
		"requests.repeated": 3, "requests.refused.output": 6, "requests.refused.full": 2} {
		if got := stats["podbeat.push.api."+name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for i, key := range []string{"0", "1", "2", "more"} {
		r := a.push(messages(10*i, 10), "Idempotency-Key: "+key)
		for r.status == 503 { // a slow machine
			r = a.push(messages(10*i, 10), "Idempotency-Key: "+key)
		}
		if r.status != 202 {
			t.Errorf("request %d again: %d %s", i, r.status, r.body)
		}
	}
	s.arrived(t, 40)
}

// What is being read counts too.
func TestNoRoomForBytes(t *testing.T) {
	s := newStore(t)
	s.Hold(1, harness.BeforeStore)
	a := start(t, "  ack_timeout: 100ms\n  max_body_bytes: 40000\n  max_entry_bytes: 40000\n  max_in_flight_bytes: 100000\n", quick+s.output())
	long := body(strings.Repeat("x", 39000))
	var got []int
	for range 4 {
		got = append(got, a.push(long).status)
	}
	if fmt.Sprint(got) != "[503 503 429 429]" {
		t.Errorf("answers are %v", got)
	}
	if r := a.push(`[{}]`); r.status != 400 {
		t.Errorf("a bad request leaves no room behind: %d", r.status)
	}
	s.Release()
	a.Wait("all is delivered", func(s harness.Stats) bool {
		return s != nil && s[inFlight] == 0 && s["podbeat.push.api.in_flight.bytes"] == 0
	})
}

// A request is delivered even if its client has gone.
func TestClientGone(t *testing.T) {
	s := newStore(t)
	hit := s.Hold(1, harness.BeforeStore)
	a := start(t, "", quick+s.output())
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", a.url+"/apps/"+app+"/log", strings.NewReader(messages(0, 10)))
	req.Header.Set("Authorization", a.pusher())
	req.Header.Set("Content-Type", "application/json")
	gone := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		gone <- err
	}()
	<-hit
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("the request was answered")
	}
	a.Wait("podbeat has seen it", func(s harness.Stats) bool { return s["podbeat.push.api.requests.abandoned"] == 1 })
	s.Release()
	a.Wait("all is delivered", func(s harness.Stats) bool { return s != nil && s[inFlight] == 0 })
	s.arrived(t, 10)
}

// A stop waits for the requests that are being answered, and for nothing else.
func TestStop(t *testing.T) {
	f := func(name, options string, release bool, want int) {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			hit := s.Hold(1, harness.BeforeStore)
			a := start(t, options, quick+"podbeat.shutdown_timeout: 1s\n"+s.output())
			status := make(chan int, 1)
			headers := []string{"Authorization: " + a.pusher(), "Content-Type: application/json"}
			go func() {
				r, err := a.try(http.DefaultClient, "POST", "/apps/"+app+"/log", messages(0, 10), headers...)
				if err != nil {
					r.status = -1
				}
				status <- r.status
			}()
			<-hit
			var released sync.WaitGroup
			released.Go(func() {
				for { // the address is closed at once
					c, err := net.Dial("tcp", a.addr)
					if err != nil {
						break
					}
					c.Close()
					time.Sleep(time.Millisecond)
				}
				if release {
					s.Release()
				}
			})
			a.Term()
			released.Wait()
			if got := <-status; got != want {
				t.Errorf("the request was answered %d, want %d", got, want)
			}
			if release {
				s.arrived(t, 10)
			}
		})
	}
	f("in time", "  shutdown_timeout: 30s\n", true, 202)
	f("too late", "  shutdown_timeout: 500ms\n", false, 503)
}

// 202 with a disk queue: what it says is on disk. The output takes nothing, podbeat is killed right after the last
// answer, and everything arrives.
func TestKillAfterAnswer(t *testing.T) {
	n, senders := 20_000, 4
	if harness.Soak() {
		n = 1_000_000
	}
	s := newStore(t)
	s.Hold(1, harness.BeforeStore)
	a := start(t, "  access_log: false\n", "queue.disk.max_size: 4GiB\n"+s.output())
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	headers := []string{"Authorization: " + a.pusher(), "Content-Type: application/json"}
	for range senders {
		group.Go(func() {
			client := &http.Client{Transport: new(http.Transport)}
			for {
				first := int(next.Add(100)) - 100
				if first >= n {
					return
				}
				if r, err := a.try(client, "POST", "/apps/"+app+"/log", messages(first, 100), headers...); err != nil || r.status != 202 {
					t.Errorf("%d %s %v", r.status, r.body, err)
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	a.Kill9()
	t.Logf("%d entries in batches of 100 from %d senders in %v: %.0f a second", n, senders, took.Round(time.Millisecond), float64(n)/took.Seconds())
	if stored := s.Stats().Docs; stored != 0 {
		t.Fatalf("the output has stored %d already", stored)
	}
	a.Start()
	s.Release()
	a.Wait("all is delivered", func(harness.Stats) bool { return s.Stats().Docs >= int64(n) })
	a.Term()
	s.arrived(t, n)
}

// Clients that repeat what was not answered lose nothing and double nothing, whenever podbeat is killed.
func TestKills(t *testing.T) {
	f := func(name, queue string, n, kills int) {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			a := start(t, "  access_log: false\n", queue+s.output())
			var next, answered atomic.Int64
			var group sync.WaitGroup
			headers := []string{"Authorization: " + a.pusher(), "Content-Type: application/json"}
			for range 4 {
				group.Go(func() {
					client := &http.Client{Transport: new(http.Transport)}
					for {
						first := int(next.Add(50)) - 50
						if first >= n {
							return
						}
						for {
							r, err := a.try(client, "POST", "/apps/"+app+"/log", messages(first, 50), append(headers, fmt.Sprintf("Idempotency-Key: %d", first))...)
							if err == nil && r.status == 202 {
								break
							}
							if err == nil && r.status != 503 && r.status != 429 {
								t.Errorf("%d %s", r.status, r.body)
								return
							}
							time.Sleep(10 * time.Millisecond)
						}
						answered.Add(50)
					}
				})
			}
			for i := range kills {
				a.Wait("it is time", func(harness.Stats) bool { return answered.Load() >= int64(n*i/kills) })
				a.Kill9()
				a.Start()
			}
			a.Wait("all is answered", func(harness.Stats) bool { return answered.Load() >= int64(n) })
			group.Wait()
			a.Wait("all is delivered", func(harness.Stats) bool { return len(s.Missing(n)) == 0 })
			a.Term()
			s.arrived(t, n)
		})
	}
	n, kills := 10_000, 4
	if harness.Soak() {
		n, kills = 200_000, 20
	}
	f("memory", "queue.mem: {events: 4096, flush.min_events: 200, flush.timeout: 50ms}\n", n, kills)
	f("disk", "queue.disk.max_size: 100MB\n", n, kills)
}

// An entry that a disk queue cannot hold is refused, and nobody else's answer gets mixed up by that.
func TestTooLongForQueue(t *testing.T) {
	s := newStore(t)
	a := start(t, "  max_entry_bytes: 4MiB\n", "queue.disk.max_size: 10MB\n"+s.output())
	for i := range 3 {
		key := fmt.Sprintf("Idempotency-Key: %d", i)
		long := fmt.Sprintf(`{"timestemp":%d,"appid":%q,"type":"applog","message":%q}`, micros, app, strings.Repeat("x", 2<<20))
		r := a.push("["+entryOf(message(20*i))+","+long+","+entryOf(message(1000))+"]", key)
		if r.status != 413 || !strings.Contains(r.body, `"entry":1`) || !strings.Contains(r.body, "queue.disk") {
			t.Errorf("%d %s", r.status, r.body)
		}
		// The first entry has been taken, and has the id that another body's first would have.
		if r := a.push(messages(20*i+1, 19), key); r.status != 409 {
			t.Errorf("another body under its key: %d %s", r.status, r.body)
		}
		if r := a.push(messages(20*i+1, 19)); r.status != 202 {
			t.Errorf("after it: %d %s", r.status, r.body)
		}
	}
	a.Wait("all is delivered", func(h harness.Stats) bool { return s.Stats().Docs == 60 && h[inFlight] == 0 })
	s.arrived(t, 60)
}

// A disk queue that is full while the output is down holds up neither a changed file nor a stop, and keeps what was answered
// with 202.
func TestFullDiskQueue(t *testing.T) {
	s := newStore(t)
	s.Hold(1, harness.BeforeStore)
	a := start(t, "", "queue.disk.max_size: 10MB\npodbeat.config.inputs: {path: inputs.d/*.yml, reload: {enabled: true, period: 100ms}}\n"+s.output())
	second := a.second()
	second.configure("/a", "ack_timeout: 1s")
	n := 0 // answered with 202
	fill := func() {
		t.Helper()
		for {
			r := second.push(body(message(n) + strings.Repeat("x", 500_000)))
			if r.status == 503 {
				return
			}
			if r.status != 202 || n == 100 {
				t.Fatalf("request %d: %d %s", n, r.status, r.body)
			}
			n++
		}
	}
	fill()
	a.Term()
	a.Start()
	for _, prefix := range []string{"/b", "/c"} {
		second.configure(prefix, "ack_timeout: 1s")
		fill()
	}
	s.Release()
	a.Wait("all is delivered", func(harness.Stats) bool { return len(s.Missing(n)) == 0 })
}

// An Elasticsearch with podbeat's template has the documents in the day's index, each once, under the types of the fields.
func TestElasticsearch(t *testing.T) {
	es := services.Elasticsearch(t, 7)
	req, _ := http.NewRequest("DELETE", es+"/logstash-podbeat-*", nil) // of an earlier run
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 200 {
		t.Fatalf("cannot delete indices: %v", err)
	}
	// Elasticsearch takes a template, and makes two indices, before it has the first of them.
	a := start(t, "  ack_timeout: 1m\n", quick+fmt.Sprintf("output.elasticsearch.hosts: [%q]\n", es))
	withID := strings.Replace(body("by id"), `{"`, `{"id":"1","annotations":[{"key":"n","value":"1"},{"key":"n","value":"x"}],"`, 1)
	withID = strings.Replace(withID, `{"key"`, `{"key":"longest","value":"`+strings.Repeat("😀", 8191)+`"},{"key"`, 1)
	for range 2 {
		for _, r := range []result{a.push(body("once", "once"), "Idempotency-Key: k"), a.push(withID), a.push(body("each time"))} {
			if r.status != 202 {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
		a.Term() // the keys are forgotten
		a.Start()
		a.await()
	}
	get := func(method, path, body string, to any) {
		t.Helper()
		req, _ := http.NewRequest(method, es+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(to); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
	}
	var nothing map[string]any
	get("POST", "/_refresh", "", &nothing)
	var found struct {
		Hits struct {
			Hits []struct {
				Index  string         `json:"_index"`
				Source map[string]any `json:"_source"`
			}
		}
	}
	get("POST", "/logstash-podbeat-*/_search?size=100", `{"query":{"bool":{"filter":[{"term":{"log.stream":"push"}},{"term":{"client.ip":"127.0.0.0/8"}},{"range":{"@timestamp":{"gte":"2018-01-24","lte":"2018-01-25"}}}]}}}`, &found)
	var got []string
	for _, h := range found.Hits.Hits {
		got = append(got, h.Source["message"].(string))
		if !strings.HasSuffix(h.Index, "-2018.01.24") || h.Source["@timestamp"] != "2018-01-24T11:13:39.231221Z" {
			t.Errorf("%s has a document of %v", h.Index, h.Source["@timestamp"])
		}
	}
	slices.Sort(got)
	if want := []string{"by id", "each time", "each time", "once", "once"}; !slices.Equal(got, want) {
		t.Errorf("stored are %q, want %q", got, want)
	}
	get("POST", "/logstash-podbeat-*/_search", `{"query":{"term":{"labels.n":"x"}}}`, &found)
	if len(found.Hits.Hits) != 1 {
		t.Errorf("%d documents have the label", len(found.Hits.Hits))
	}
}

// second is another API of a, that inputs.d brings once it is configured.
func (a *api) second() *api {
	a.t.Helper()
	if err := os.Mkdir(filepath.Join(a.Dir, "inputs.d"), 0o700); err != nil {
		a.t.Fatal(err)
	}
	b := *a
	b.addr = services.Address(a.t)
	return &b
}

// configure gives the API a prefix that it has not had, and further options; it returns once it has taken them.
func (a *api) configure(prefix string, options ...string) {
	a.t.Helper()
	a.url = "http://" + a.addr + prefix
	text := fmt.Sprintf("- {type: push, id: second, listen: %q, prefix: %q, keys: %q}\n", a.addr, prefix, filepath.Join(a.dir, "keys.json"))
	for _, o := range options {
		text = strings.Replace(text, "}", ", "+o+"}", 1)
	}
	if err := os.WriteFile(filepath.Join(a.Dir, "inputs.d", "push.yml"), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	a.Wait("the input answers", func(harness.Stats) bool {
		r, err := a.try(http.DefaultClient, "GET", "/health", "")
		return err == nil && r.status == 200
	})
}

// An input that a file brings listens again on the same address when the file has changed.
func TestReload(t *testing.T) {
	s := newStore(t)
	a := start(t, "", quick+"podbeat.config.inputs: {path: inputs.d/*.yml, reload: {enabled: true, period: 100ms}}\n"+s.output())
	second := a.second()
	for i, prefix := range []string{"/a", "/b", "/c"} {
		second.configure(prefix)
		if r := second.push(messages(10*i, 10)); r.status != 202 {
			t.Errorf("%s: %d %s", prefix, r.status, r.body)
		}
	}
	s.arrived(t, 30)
}
