package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/heartbeat"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// example is a state with a history, and the document that a GET gives of it.
func example(t testing.TB) (*state, body.Value) {
	t.Helper()
	policy := &retention.Document{Version: 1, Rotate: &retention.Rotate{Enabled: true, Age: 14}, UpdatedAt: noon}
	st := &state{policy: policy, rotation: *policy.Rotate, settings: map[string]string{"cluster.routing.allocation.enable": "all", "search.max_buckets": "65536"}, explicit: map[string]string{"search.max_buckets": "65536"}}
	st.record = record{Form: 1, Version: 2, Collectors: map[string]bool{heartbeat.Filebeat: false}, History: []entry{
		{ID: "b", Version: 2, At: noon, Stamp: noon.Unix() + 1, Changes: []change{{"rotate.age", 7.0, 14.0}, {"collector.filebeat.enabled", true, false}}},
		{ID: "a", Version: 1, At: noon.Add(-time.Hour), Stamp: noon.Add(-time.Hour).Unix() + 1, Changes: []change{{"rotate.age", 3.0, 7.0}}},
	}}
	v, err := exampleService(noon).document(&findings{state: *st, color: green, curatorEvery: time.Hour}).sealed()
	if err != nil {
		t.Fatal(err)
	}
	return st, v
}

func exampleService(now time.Time) *Service {
	s := &Service{instances: newRegistry(time.Hour), nodes: newMemory(time.Hour), kafka: &kafkaProbe{brokers: newMemory(time.Hour)}}
	s.Now, s.Region = func() time.Time { return now }, "eu"
	return s
}

// What a document means, posted against example: the changes, or the beginning of a refusal.
func TestPlan(t *testing.T) {
	st, now := example(t)
	f := func(document, want string) {
		t.Helper()
		list, err := plan([]byte(document), now, st, st)
		got := describe(list)
		var r *refusal
		if errors.As(err, &r) {
			got = fmt.Sprintf("%d %v", r.status, r.errs)
		}
		if got != want && !(err != nil && strings.HasPrefix(got, want)) {
			t.Errorf("%s:\n got %s\nwant %s", document, got, want)
		}
	}
	// By hand.
	f(`{}`, "")
	f(`{"rotate":{}}`, "")
	f(`{"rotate":{"age":14}}`, "")
	f(`{"rotate":{"age":14.0,"enabled":false}}`, "rotate.enabled: true → false")
	f(`{"rotate":{"age":1.5}}`, "rotate.age: 14 → 1.5")
	f(`{"rotate":{"age":1e1}}`, "rotate.age: 14 → 10")
	f(`{"collector":{"filebeat":{"enabled":true},"journalbeat":{"enabled":true}}}`, "collector.filebeat.enabled: false → true")
	f(`{"collector":{"http_gateway":{"enabled":false}}}`, "collector.http_gateway.enabled: true → false")
	f(`{"status":"green","region":"eu","kafka":{"health_check":false}}`, "")
	f(`{"elasticsearch":{"settings":{"search.max_buckets":70000}}}`, "elasticsearch.settings.search.max_buckets: 65536 → 70000")
	f(`{"elasticsearch":{"settings":{"search":{"max_buckets":"65536"}}}}`, "")
	f(`{"elasticsearch":{"settings":{"search":{"max_buckets":null}}}}`, "elasticsearch.settings.search.max_buckets: 65536 → <nil>")
	f(`{"elasticsearch":{"settings":{"cluster":{"routing.allocation":{"enable":"all"}}}}}`, "elasticsearch.settings.cluster.routing.allocation.enable: <nil> → all")
	f(`{"elasticsearch":{"settings":{"cluster.routing.allocation.enable":null}}}`, "")
	f(`{"elasticsearch":{"settings":{"cluster.routing.allocation.exclude._name":"es-3,es-4"}}}`, "elasticsearch.settings.cluster.routing.allocation.exclude._name: <nil> → es-3,es-4")
	f(`{"elasticsearch":{"settings":{"search.max_buckets":1,"search":{"max_buckets":2}}}}`, `400 ["elasticsearch.settings.search.max_buckets" is there twice]`)
	f(`{"elasticsearch":{"settings":{"cluster.routing.allocation.exclude.a.b":"x"}}}`, `400 [unknown setting "cluster.routing.allocation.exclude.a.b"`)
	f(`{"elasticsearch":{"settings":{"search.max_buckets":[1]}}}`, `400 ["elasticsearch.settings.search.max_buckets" must be a whole number from 1`)
	f(`{"elasticsearch":{"settings":[]}}`, `400 ["elasticsearch.settings" must be an object`)
	f(`{"rotate":{"last_run":{"result":"ok"}}}`, `400 ["rotate.last_run" cannot be changed`)
	f(`{"rotate":{"agee":3}}`, `400 [unknown member "rotate.agee", did you mean "rotate.age"?`)
	f(`{"collector":{"journalbeat":{"instances":[{"status":"down"}]}}}`, `400 ["collector.journalbeat.instances" cannot be changed`)
	f(`{"collector":{"journalbeat":{"status":{"scheduled":3}}}}`, `400 ["collector.journalbeat.status.scheduled" cannot be changed: it says how things are, which is 0]`)
	f(`{"collector":{"journalbeat":{"status":"up"}}}`, `400 ["collector.journalbeat.status" cannot be changed`)
	f(`{"collector":true}`, `400 ["collector" must be an object]`)
	f(`{"collector":{"filebeat":[]}}`, `400 ["collector.filebeat" must be an object]`)
	f(`{"rotate":null}`, `400 ["rotate" must be an object]`)
	f(`{"elasticsearch":1}`, `400 ["elasticsearch" must be an object]`)
	for _, age := range []string{"-1", "0", "0.041", "36526", "1e300"} {
		f(`{"rotate":{"age":`+age+`}}`, `400 ["rotate.age" must be a number of days from 1 hour (0.042) to 100 years (36525)]`)
	}
	f(`{"configuration":{"seal":"!"}}`, `400 ["configuration.seal" is not one that was given`)
	f(`{"configuration":{"version":2},"rotate":{"age":3}}`, "rotate.age: 14 → 3")
	f(`{"configuration":{"version":1},"rotate":{"age":3}}`, "409 [somebody else has changed configuration.version")
	// Given before noon, by a program that drops what it does not know.
	given := func(at time.Time, rest string) string { return fmt.Sprintf(`{"timestemp":%d,%s}`, at.Unix(), rest) }
	before, after := noon.Add(-time.Minute), noon.Add(time.Minute)
	f(given(before, `"rotate":{"age":7,"enabled":true},"collector":{"filebeat":{"enabled":true}}`), "")
	f(given(before, `"rotate":{"age":7,"enabled":false},"status":"red","kafka":{"health_check":true}`), "rotate.enabled: true → false")
	f(given(before, `"rotate":{"age":9}`), "409 [somebody else has changed rotate.age")
	f(given(before, `"rotate":{"age":14}`), "")
	f(given(before, `"status":7`), `400 ["status" cannot be changed`)
	f(given(noon.Add(-2*time.Hour), `"rotate":{"age":3}`), "")
	f(given(noon, `"rotate":{"age":7}`), "")
	f(given(noon, `"rotate":{"age":9}`), "409 [somebody else has changed rotate.age")
	f(given(noon.Add(time.Second), `"rotate":{"age":7}`), "rotate.age: 14 → 7")
	f(given(noon.Add(-2*time.Hour), `"rotate":{"age":7}`), "409 [somebody else has changed rotate.age")
	f(given(after, `"rotate":{"age":7}`), "rotate.age: 14 → 7")
	f(given(before, `"region":"us"`), `400 ["region" is "us": this is the configuration of region "eu"]`)
	f(`{"timestemp":0,"rotate":{"age":9}}`, `400 ["timestemp" cannot be changed`)
}

// A document that comes back as it was given, through a program that writes numbers and names in its own way, means
// nothing; each edit of it is known.
func TestSeal(t *testing.T) {
	st, now := example(t)
	var through any
	if err := json.Unmarshal([]byte(now.String()), &through); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(through)
	if err != nil {
		t.Fatal(err)
	}
	later := *st
	later.rotation.Age = 21
	laterNow, err := exampleService(noon.Add(time.Hour)).document(&findings{state: later, health: body.Value{Kind: body.Object}, color: red, curatorEvery: time.Hour}).sealed()
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{now.String(), string(text), "[" + string(text) + "]"} {
		if list, err := plan([]byte(doc), laterNow, &later, &later); err != nil || len(list) > 0 {
			t.Errorf("got %v, %v", list, err)
		}
	}
	edit := func(old, new, want string) {
		t.Helper()
		doc := strings.Replace(now.String(), old, new, 1)
		if doc == now.String() {
			t.Fatalf("no %s in %s", old, doc)
		}
		list, err := plan([]byte(doc), laterNow, &later, &later)
		if got := fmt.Sprint(describe(list), err); !strings.Contains(got, want) {
			t.Errorf("%s for %s: got %s, want %s", new, old, got, want)
		}
	}
	edit(`"age":14`, `"age":15`, "somebody else has changed rotate.age")
	edit(`"enabled":true`, `"enabled":false`, "rotate.enabled: true → false")
	edit(`"search.max_buckets":"65536"`, `"search.max_buckets":"7"`, "search.max_buckets: 65536 → 7")
	edit(`"cluster_name":""`, `"cluster_name":"x"`, `"elasticsearch.health.cluster_name" cannot be changed`)
	edit(`"detail":[]`, `"detail":["x"]`, `"detail" cannot be changed`)
	edit(`"region":"eu"`, `"region":"us"`, `this is the configuration of region`)
	edit(`"status":"`, `"mood":1,"status":"`, `unknown member "mood"`)
	if _, ok := readSeal("AAA"); ok {
		t.Error("a seal that is cut short was read")
	}
}

// The table in the documentation is that of the code.
func TestRulesTold(t *testing.T) {
	text, err := os.ReadFile("../../docs/logapi-status.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, color := range []string{red, yellow} {
		for _, r := range rules {
			if r.color == color && r.when != "" {
				fmt.Fprintf(&want, "| `%s` | %s |\n", r.color, r.when)
			}
		}
	}
	if !strings.Contains(string(text), want.String()) {
		t.Errorf("docs/logapi-status.md has another table than this:\n%s", want.String())
	}
	for _, s := range allowedSettings {
		if !strings.Contains(string(text), "| `"+s.name+"` | "+s.want+" |") {
			t.Errorf("docs/logapi-status.md does not have | `%s` | %s |", s.name, s.want)
		}
	}
}

// Each rule can hold, and alone makes its colour.
func TestRules(t *testing.T) {
	f := func(what, color, why string, change func(f *findings, s *Service)) {
		t.Helper()
		s := exampleService(noon)
		found := &findings{color: green, curatorEvery: time.Hour, maxLag: 10}
		change(found, s)
		d := s.document(found)
		if d.Status != color || why != "" && (len(d.Detail) != 1 || !strings.HasPrefix(d.Detail[0], why)) {
			t.Errorf("%s: got %s %q, want %s %q", what, d.Status, d.Detail, color, why)
		}
	}
	broken := errors.New("broken")
	beat := func(role string, seen time.Duration, collectors map[string]collectorState) *instance {
		return &instance{ID: fmt.Sprint(rand.Int()), Role: role, Node: "n", Seen: noon.Add(-seen), Every: 10 * time.Second, Inputs: 1, Collectors: collectors}
	}
	journal := map[string]collectorState{heartbeat.Journalbeat: {State: heartbeat.Running}}
	off := map[string]collectorState{heartbeat.Journalbeat: {State: heartbeat.Off}}

	f("nothing there", green, "", func(*findings, *Service) {})
	f("no answer", red, "elasticsearch: broken", func(f *findings, _ *Service) { f.healthErr, f.nodesErr, f.stateErr = broken, broken, broken })
	f("red", red, "elasticsearch: its health is red", func(f *findings, _ *Service) { f.color = red })
	f("yellow", yellow, "elasticsearch: its health is yellow", func(f *findings, _ *Service) { f.color = yellow })
	f("odd", yellow, "elasticsearch: its health is blue", func(f *findings, _ *Service) { f.color = "blue" })
	f("no masters", red, "elasticsearch: masters: none of 3 up", func(f *findings, s *Service) { s.Expected.Master = 3 })
	f("a data node gone", yellow, "elasticsearch: data nodes: 1 of 2 up", func(f *findings, s *Service) {
		s.nodes.note("data", []string{"a", "b"}, noon.Add(-time.Minute))
		f.nodes = map[string][]string{"data": {"a"}}
	})
	f("a data node gone for long", green, "", func(f *findings, s *Service) {
		s.nodes.note("data", []string{"a"}, noon)
		s.nodes.note("data", []string{"b"}, noon.Add(-2*time.Hour))
		f.nodes = map[string][]string{"data": {"a"}}
	})
	f("nodes unknown", yellow, "elasticsearch: nodes: broken", func(f *findings, _ *Service) { f.nodesErr = broken })
	f("store", red, "store: broken", func(f *findings, _ *Service) { f.storeErr = broken })
	f("store full", red, "store: full", func(f *findings, _ *Service) { f.store = &figures{Error: "full"} })
	f("kafka", red, "kafka: broken", func(f *findings, _ *Service) { f.kafka = kafkaFindings{known: 3, err: broken, lagErr: broken} })
	f("leader", red, "kafka: without a leader: logs/3", func(f *findings, _ *Service) { f.kafka.leaderless = []string{"logs/3"} })
	f("broker", yellow, "kafka: brokers: 2 of 3 up", func(f *findings, _ *Service) { f.kafka.known, f.kafka.up = 3, 2 })
	f("lag unknown", yellow, "kafka: lag: broken", func(f *findings, _ *Service) { f.kafka.lag, f.kafka.lagErr = &lag{}, broken })
	f("lag", yellow, "kafka: the shippers are 11 messages behind", func(f *findings, _ *Service) { f.kafka.lag = &lag{Members: 1, Messages: 11} })
	f("little lag", green, "", func(f *findings, _ *Service) { f.kafka.lag = &lag{Members: 1, Messages: 10} })
	f("nobody takes", yellow, "kafka: nobody is in the group", func(f *findings, _ *Service) { f.kafka.lag = &lag{} })
	f("zookeeper", yellow, "zookeeper: 2 of 3 up", func(f *findings, s *Service) { s.Settings.ZooKeeper.Hosts, f.zookeeper = make([]string, 3), 2 })
	f("zookeepers", red, "zookeeper: 2 of 4 up, which is no majority", func(f *findings, s *Service) { s.Settings.ZooKeeper.Hosts, f.zookeeper = make([]string, 4), 2 })
	f("journalbeat down", red, "journalbeat: none of 1 up", func(f *findings, _ *Service) {
		f.instances = []*instance{beat(heartbeat.Collector, time.Hour, journal)}
	})
	f("one late", yellow, "journalbeat: 1 of 2 up", func(f *findings, _ *Service) {
		f.instances = []*instance{beat(heartbeat.Collector, 45*time.Second, journal), beat(heartbeat.Collector, 0, journal)}
	})
	f("one off", green, "", func(f *findings, _ *Service) {
		f.instances = []*instance{beat(heartbeat.Collector, 0, off), beat(heartbeat.Collector, 0, journal)}
	})
	f("all off as wanted", green, "", func(f *findings, s *Service) {
		s.Expected.Journalbeat, f.state.record.Collectors = 2, map[string]bool{heartbeat.Journalbeat: false}
		f.instances = []*instance{beat(heartbeat.Collector, 0, off)}
	})
	f("too few", yellow, "journalbeat: 1 of 2 up", func(f *findings, s *Service) {
		s.Expected.Journalbeat, f.instances = 2, []*instance{beat(heartbeat.Collector, 0, journal)}
	})
	f("gateway", red, "http_gateway: none of 2 up", func(_ *findings, s *Service) { s.Expected.HTTPGateway = 2 })
	f("filebeat", red, "filebeat: none of 2 up", func(_ *findings, s *Service) { s.Expected.Filebeat = 2 })
	f("shipper", red, "shipper: none of 1 up", func(f *findings, _ *Service) { f.instances = []*instance{beat(heartbeat.Shipper, time.Hour, nil)} })
	f("parser", yellow, "parser: 1 of 2 up", func(f *findings, _ *Service) {
		f.instances = []*instance{beat(heartbeat.Parser, 0, nil), {ID: "x", Role: heartbeat.Parser, Seen: noon, Every: time.Second, Inputs: 1, Failed: 1}}
	})
	f("output", yellow, "podbeats whose output does not deliver: a, b, c, d, e and 1 more", func(f *findings, _ *Service) { f.undelivered = []string{"a", "b", "c", "d", "e", "f"} })
	f("configuration", yellow, "configuration: broken", func(f *findings, _ *Service) { f.stateErr = broken })
	f("pending", yellow, "configuration: the change that anna began at 2026-11-21T12:00:00Z is not finished", func(f *findings, _ *Service) { f.state.record.Pending = &entry{By: "anna", At: noon} })
	rotating := func(f *findings, run *lastRun) { f.state.rotation.Enabled, f.run = true, run }
	f("curator failed", yellow, "rotate: curator's last run failed: no", func(f *findings, _ *Service) { rotating(f, &lastRun{At: noon, Result: "failed", Error: "no"}) })
	f("curator old", yellow, "rotate: curator has not run since 2026-11-21T10:00:00Z", func(f *findings, _ *Service) { rotating(f, &lastRun{At: noon.Add(-2 * time.Hour), Result: "ok"}) })
	f("curator never", yellow, "rotate: curator has not run since 2026-11-20T12:00:00Z", func(f *findings, _ *Service) {
		rotating(f, nil)
		f.state.policy = &retention.Document{UpdatedAt: noon.Add(-24 * time.Hour)}
	})
	f("curator ran", green, "", func(f *findings, _ *Service) { rotating(f, &lastRun{At: noon, Result: "ok"}) })
}

// The settings that may be changed take what Elasticsearch takes, and nothing else.
func TestSettings(t *testing.T) {
	f := func(name, value string, want bool) {
		t.Helper()
		s := allowed(name)
		if s == nil {
			t.Errorf("%s may not be changed", name)
			return
		}
		if _, err := s.read(name, body.Text(value)); (err == nil) != want {
			t.Errorf("%s: %q: got %v", name, value, err)
		}
	}
	f("cluster.max_shards_per_node", "1", true)
	f("cluster.max_shards_per_node", "0", false)
	f("cluster.max_shards_per_node", "99999999999", false)
	f("cluster.routing.allocation.disk.watermark.low", "85%", true)
	f("cluster.routing.allocation.disk.watermark.low", "0.85", true)
	f("cluster.routing.allocation.disk.watermark.low", "30GB", true)
	f("cluster.routing.allocation.disk.watermark.low", "130%", false)
	f("cluster.routing.allocation.disk.watermark.low", "-1", false)
	f("cluster.routing.allocation.balance.threshold", "1.1", true)
	f("cluster.routing.allocation.balance.threshold", "NaN", false)
	f("cluster.routing.allocation.require.zone", "a,b", true)
	f("cluster.routing.allocation.require.zone", "a\nb", false)
	f("cluster.routing.allocation.require.zone", strings.Repeat("a", 1001), false)
	f("indices.recovery.max_bytes_per_sec", "100mb", true)
	f("indices.recovery.max_bytes_per_sec", "fast", false)
	f("indices.recovery.max_concurrent_file_chunks", "8", true)
	f("indices.recovery.max_concurrent_file_chunks", "9", false)
	f("action.auto_create_index", "+logs-*,-*", true)
	f("action.auto_create_index", "logs,,", false)
	f("search.default_search_timeout", "30s", true)
	f("search.default_search_timeout", "30", false)
	for _, name := range []string{"cluster.blocks.read_only", "cluster.routing.allocation.require.", "cluster.routing.allocation.require.a.b", "cluster.remote.x.seeds", "xpack.security.enabled", "CLUSTER.max_shards_per_node", ""} {
		if allowed(name) != nil {
			t.Errorf("%q may be changed", name)
		}
	}
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		never := make(chan struct{})
		defer close(never)
		deaf := ask(ctx, func(context.Context) (int, error) { <-never; return 1, nil })
		late := ask(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 2, nil })
		slow := ask(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		if n, err := deaf(); n != 0 || err != errSlow {
			t.Errorf("got %d, %v", n, err)
		}
		if n, err := late(); n != 2 || err != nil {
			t.Errorf("what was handed in at the end: got %d, %v", n, err)
		}
		if _, err := slow(); err != errSlow {
			t.Errorf("got %v", err)
		}
		asked := 0
		if _, err := hedge(t.Context(), func(context.Context) (int, error) { asked++; return 0, errors.New("refused") }); err == nil || asked != 3 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	})
}

// Whatever is posted, what it means is allowed, checked and a change.
func FuzzPlan(f *testing.F) {
	st, now := example(f)
	f.Add(now.String())
	f.Add(`[{"rotate":{"enabled":false,"age":3},"collector":{"filebeat":{"enabled":true}},"elasticsearch":{"settings":{"search.max_buckets":null,"cluster":{"max_shards_per_node":7}}}}]`)
	f.Add(`{"timestemp":1795262400,"rotate":{"age":7},"status":"green","configuration":{"version":2,"seal":"AAAA"}}`)
	f.Fuzz(func(t *testing.T, document string) {
		list, err := plan([]byte(document), now, st, st)
		if err != nil {
			var r *refusal
			if !errors.As(err, &r) || r.status != 400 && r.status != 409 || len(list) > 0 {
				t.Fatalf("got %v, %v", list, err)
			}
			return
		}
		seen := map[string]bool{}
		for _, c := range list {
			name, setting := strings.CutPrefix(c.Member, "elasticsearch.settings.")
			if seen[c.Member] || reflect.DeepEqual(c.From, c.To) || !writable(c.Member) && (!setting || allowed(name) == nil) {
				t.Fatalf("%s means %v", document, list)
			}
			seen[c.Member] = true
		}
		if _, err := st.rotated(list, "x"); err != nil && slices.ContainsFunc(list, func(c change) bool { return strings.HasPrefix(c.Member, "rotate.") }) {
			t.Fatal(err)
		}
	})
}
