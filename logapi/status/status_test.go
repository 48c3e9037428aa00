package status

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/services"
)

// The members that the description has, with their kinds, in their order.
func TestShape(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	b := open(t, cluster, "", Options{})
	b.beat(uuidOf(1), "node1", nil)
	a := b.status("eu")
	var list []struct {
		Status    string
		Timestemp int64
		Rotate    struct {
			Enabled bool
			Age     float64
		}
		Collector struct {
			Journalbeat, Filebeat, HTTP_Gateway struct {
				Enabled   bool
				Status    struct{ Scheduled, Up int }
				Instances []struct {
					Node   string
					PodID  string `json:"pod_id"`
					Status string
				}
			}
		}
		Elasticsearch struct {
			Status struct {
				Master, Client, Data struct{ Scheduled, Up int }
			}
			Health map[string]any
		}
	}
	if err := json.Unmarshal([]byte(a.text), &list); err != nil {
		t.Fatal(err)
	}
	d := list[0]
	if d.Timestemp < time.Now().Unix()-60 || d.Collector.Journalbeat.Status.Up != 1 || d.Collector.HTTP_Gateway.Status.Scheduled != 1 || d.Collector.HTTP_Gateway.Instances != nil ||
		d.Collector.Filebeat.Instances[0].Node != "node1" || d.Collector.Filebeat.Instances[0].PodID != "pod-node1" || d.Collector.Filebeat.Instances[0].Status != "up" ||
		d.Elasticsearch.Status.Master.Up != 1 || d.Elasticsearch.Status.Data.Scheduled != 1 || d.Elasticsearch.Status.Client.Up != 0 {
		t.Errorf("got %s", a.text)
	}
	for _, name := range healthNames {
		if _, ok := d.Elasticsearch.Health[name]; !ok {
			t.Errorf("elasticsearch.health has no %s", name)
		}
	}
	order := []string{`[{"status":`, `"timestemp":`, `"rotate":{"enabled":`, `"age":`, `"collector":{"journalbeat":{"enabled":`, `"status":{"scheduled":`, `"up":`,
		`"instances":[{"node":`, `"pod_id":`, `"status":"up"`, `"filebeat":{`, `"http_gateway":{"enabled":`, `"parser":{"status":{`, `"shipper":{"status":{`, `"kafka":{"health_check":`,
		`"zookeeper":{"status":{`, `"broker":{"status":{`, `"elasticsearch":{"status":{"master":{`, `"client":{`, `"data":{`, `"health":{"cluster_name":`, `"active_shards_percent_as_number":`}
	rest := a.text
	for _, part := range order {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("no %s after what comes before it in %s", part, a.text)
		}
		rest = after
	}
	health := services.Call(t, "GET", cluster+"/_cluster/health", "", 200)
	var real map[string]any
	if err := json.Unmarshal(health, &real); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(d.Elasticsearch.Health)); !slices.Equal(got, slices.Sorted(maps.Keys(real))) {
		t.Errorf("got health with %v", got)
	}
}

// What is posted takes effect where it is read: the curator's policy, the heartbeats, the cluster.
func TestConfigure(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) { testConfigure(t, services.Elasticsearch(t, major)) })
	}
}

func testConfigure(t *testing.T, cluster string) {
	clean(t, cluster)
	b := open(t, cluster, "", Options{})
	if w := b.beat(uuidOf(1), "node1", nil); w.Version != 0 || len(w.Collectors) > 0 {
		t.Errorf("nothing has been configured: got %+v", w)
	}
	doc, header := b.get()
	if at(doc, "configuration.version") != 0.0 || at(doc, "rotate.enabled") != false || header.Get("ETag") == "" {
		t.Errorf("got %v, ETag %q", doc, header.Get("ETag"))
	}

	set(doc, "rotate.enabled", true)
	set(doc, "rotate.age", 14)
	set(doc, "collector.filebeat.enabled", false)
	set(doc, "elasticsearch.settings", map[string]any{"cluster.routing.allocation.enable": "primaries", "indices": map[string]any{"recovery": map[string]any{"max_bytes_per_sec": "20mb"}}})
	a := b.post(200, []any{doc}, "X-User", "anna@example.com", "If-Match", header.Get("ETag"))
	got := one(t, a)
	if at(got, "configuration.version") != 1.0 || at(got, "rotate.age") != 14.0 || at(got, "collector.filebeat.enabled") != false || at(got, "collector.journalbeat.enabled") != true ||
		at(got, "configuration.updated_by") != "anna@example.com" || got["elasticsearch"].(map[string]any)["settings"].(map[string]any)["cluster.routing.allocation.enable"] != "primaries" {
		t.Errorf("got %s", a.text)
	}
	if a.header.Get("ETag") == header.Get("ETag") {
		t.Error("the entity tag has not changed")
	}

	d, err := retention.Load(t.Context(), b.ES)
	if err != nil || *d.Rotate != (retention.Rotate{Enabled: true, Age: 14}) || d.UpdatedBy != "anna@example.com" {
		t.Errorf("curator reads %+v, %v", d, err)
	}
	settings := string(services.Call(t, "GET", cluster+"/_cluster/settings?flat_settings=true", "", 200))
	if !strings.Contains(settings, `"persistent":{"cluster.routing.allocation.enable":"primaries","indices.recovery.max_bytes_per_sec":"20mb"}`) {
		t.Errorf("the cluster has %s", settings)
	}
	until(t, "filebeat switched off", func() bool {
		w := b.beat(uuidOf(1), "node1", nil)
		return w.Version == 1 && !w.Enabled(heartbeat.Filebeat) && w.Enabled(heartbeat.Journalbeat)
	})

	// Only what is named changes.
	b.post(200, `{"rotate":{"enabled":false}}`, "X-User", "berta")
	if d, err = retention.Load(t.Context(), b.ES); err != nil || *d.Rotate != (retention.Rotate{Enabled: false, Age: 14}) {
		t.Errorf("curator reads %+v, %v", d.Rotate, err)
	}
	b.post(200, `{"elasticsearch":{"settings":{"indices.recovery.max_bytes_per_sec":null}}}`)
	b.post(200, `{}`)
	b.post(200, `[{"rotate":{"age":14}}]`)

	var history []entry
	a = b.call("GET", "/eu/system/log/history", "")
	if err := json.Unmarshal([]byte(a.text), &history); err != nil {
		t.Fatal(err)
	}
	if len(history) != 3 || history[0].Version != 3 || history[0].Changes[0].From != "20mb" || history[0].Changes[0].To != nil ||
		history[1].By != "berta" || history[1].Changes[0] != (change{"rotate.enabled", true, false}) || history[2].By != "anna@example.com" || len(history[2].Changes) != 5 {
		t.Errorf("got %s", a.text)
	}
}

// Nothing of what is refused is done.
func TestRefused(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	b := open(t, cluster, "", Options{})
	b.post(200, `{"rotate":{"enabled":true,"age":7}}`)
	before, header := b.get()

	f := func(status int, body, want string, headers ...string) {
		t.Helper()
		a := b.post(status, body, headers...)
		if !strings.Contains(a.text, want) {
			t.Errorf("POST %s: got %s, want %q", body, a.text, want)
		}
	}
	f(400, `{"rotate":{"age":0.001}}`, "rotate.age")
	f(400, `{"rotate":{"age":0}}`, "rotate.age")
	f(400, `{"rotate":{"age":1e9},"collector":{"filebeat":{"enabled":false}}}`, "rotate.age")
	f(400, `{"rotate":{"age":"7d","enabled":1},"collector":{"filebeat":{"enabled":"no"}}}`, `"mistakes":["\"rotate.age\" must be a number of days","\"rotate.enabled\" must be true or false","\"collector.filebeat.enabled\" must be`)
	f(400, `{"collector":{"filebeat":{"enabled":false},"flebeat":{"enabled":false}}}`, `unknown member \"collector.flebeat\", did you mean \"collector.filebeat\"?`)
	f(400, `{"parser":{"enabled":false}}`, `unknown member \"parser.enabled\"`)
	f(400, `{"status":"red"}`, `\"status\" cannot be changed`)
	f(400, `{"elasticsearch":{"health":{"number_of_nodes":99}}}`, `\"elasticsearch.health.number_of_nodes\" cannot be changed`)
	f(400, `{"elasticsearch":{"settings":{"cluster.routing.allocation.enabel":"all"}}}`, `did you mean \"cluster.routing.allocation.enable\"?`)
	f(400, `{"elasticsearch":{"settings":{"cluster.blocks.read_only":true}}}`, `unknown setting \"cluster.blocks.read_only\"`)
	f(400, `{"elasticsearch":{"settings":{"cluster.routing.allocation.enable":"some"}},"rotate":{"age":30}}`, "must be all, primaries")
	f(400, `{"elasticsearch":{"settings":{"cluster.routing.allocation.disk.watermark.low":"99%","cluster.routing.allocation.disk.watermark.high":"50%"}},"rotate":{"age":30}}`, "refused by Elasticsearch")
	f(400, `{"rotate":{"age":30},"rotate":{"age":31}}`, "cannot read the body")
	f(400, `{"rotate":null}`, "rotate")
	f(400, `[]`, "not a list of 0")
	f(400, `[{},{}]`, "not a list of 2")
	f(400, `7`, "must be an object")
	f(400, ``, "cannot read the body")
	f(400, `{"region":"us"}`, `this is the configuration of region`)
	f(409, `{"configuration":{"version":0},"rotate":{"age":30}}`, "configuration.version")
	f(412, `{"rotate":{"age":30}}`, "If-Match", "If-Match", `"0-1"`)
	f(412, `{"rotate":{"age":30}}`, "If-Match", "If-Match", `W/`+header.Get("ETag"))
	f(415, `{"rotate":{"age":30}}`, "Content-Type", "Content-Type", "application/yaml")
	f(415, `{"rotate":{"age":30}}`, "Content-Encoding", "Content-Encoding", "gzip")
	f(413, strings.Repeat(" ", maxDocument+1), "longer than")

	after, _ := b.get()
	for _, path := range []string{"rotate", "collector", "elasticsearch.settings", "configuration.version"} {
		if fmt.Sprint(at(after, path)) != fmt.Sprint(at(before, path)) {
			t.Errorf("%s was %v and is %v", path, at(before, path), at(after, path))
		}
	}
	if a := b.call("DELETE", "/eu/system/log", ""); a.code != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("DELETE: got %d, Allow %q", a.code, a.header.Get("Allow"))
	}
	if a := b.call("GET", "/eu/system/log/status?prety=true", ""); a.code != 400 || !strings.Contains(a.text, "prety") {
		t.Errorf("an unknown parameter: got %d %s", a.code, a.text)
	}
}

// A document that was given, edited and posted later is taken, whatever has changed by itself meanwhile; and what is
// edited in it and cannot be changed is named.
func TestEdit(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	b := open(t, cluster, "", Options{})
	b.beat(uuidOf(1), "node1", nil)
	doc, _ := b.get()
	b.beat(uuidOf(2), "node2", nil)
	services.Call(t, "PUT", cluster+"/one-more", `{"settings":{"number_of_replicas":0}}`, 200)
	t.Cleanup(func() { services.Call(t, "DELETE", cluster+"/one-more", "", 200) })
	b.post(200, `{"rotate":{"enabled":true,"age":9}}`)

	set(doc, "collector.filebeat.enabled", false)
	got := one(t, b.post(200, doc))
	if at(got, "collector.filebeat.enabled") != false || at(got, "rotate.age") != 9.0 || at(got, "rotate.enabled") != true {
		t.Errorf("got %v", got)
	}
	set(doc, "rotate.age", 30)
	if a := b.post(409, doc); !strings.Contains(a.text, "rotate.age") {
		t.Errorf("got %s", a.text)
	}
	set(doc, "rotate.age", 9) // as it is meanwhile
	b.post(200, doc)

	for _, path := range []string{"status", "timestemp", "collector.filebeat.status.up", "collector.journalbeat.instances", "kafka.health_check", "elasticsearch.health.number_of_nodes", "region", "configuration.version"} {
		doc, _ := b.get()
		was := at(doc, path)
		switch was := was.(type) {
		case float64:
			set(doc, path, was+1)
		case bool:
			set(doc, path, !was)
		case string:
			set(doc, path, was+"x")
		default:
			set(doc, path, []any{})
		}
		set(doc, "rotate.age", 77)
		if a := b.post(400, doc); !strings.Contains(a.text, path) {
			t.Errorf("%s was edited: got %s", path, a.text)
		}
	}
	if doc, _ = b.get(); at(doc, "rotate.age") != 9.0 {
		t.Error("what was refused has been done")
	}

	// A client that knows the description alone drops what is ours.
	for _, name := range []string{"configuration", "detail", "checked_at", "region", "store"} {
		delete(doc, name)
	}
	b.beat(uuidOf(3), "node3", nil)
	set(doc, "rotate.age", 10)
	b.post(200, doc)
	set(doc, "rotate.age", 9) // stale: as it was when it was given
	set(doc, "rotate.enabled", false)
	if got := one(t, b.post(200, doc)); at(got, "rotate.age") != 10.0 || at(got, "rotate.enabled") != false {
		t.Errorf("got %v", at(got, "rotate"))
	}
}

// Of writers at once without If-Match everything gets in, each of two for one member in some order; with it, one of
// those that saw the same.
func TestWriters(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	first := open(t, cluster, "", Options{})
	second := open(t, cluster, "", Options{}) // a replica
	first.post(200, `{"rotate":{"enabled":true,"age":1}}`)

	const rounds = 15
	// send posts a document, again if others have been faster, or not done, for so long that it was given up.
	send := func(b *bench, document string, header ...string) answer {
		for {
			began := time.Now()
			if a := b.call("POST", "/eu/system/log", document, header...); a.code != 409 || time.Since(began) < patience {
				return a
			}
		}
	}
	write := func(b *bench, document, user string) {
		if a := send(b, document, "X-User", user); a.code != 200 {
			t.Errorf("POST %s: got %d %s", document, a.code, a.text)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			write(first, fmt.Sprintf(`{"rotate":{"age":%d}}`, i+2), "first")
		}
	})
	wg.Go(func() {
		for i := range rounds {
			write(second, fmt.Sprintf(`{"collector":{"journalbeat":{"enabled":%v}},"elasticsearch":{"settings":{"search.max_buckets":%d}}}`, i%2 == 0, 1000+i), "second")
		}
	})
	wg.Wait()
	doc, _ := first.get()
	if at(doc, "configuration.version") != 1.0+2*rounds || at(doc, "rotate.age") != 1.0+rounds || at(doc, "collector.journalbeat.enabled") != (rounds%2 == 1) ||
		doc["elasticsearch"].(map[string]any)["settings"].(map[string]any)["search.max_buckets"] != fmt.Sprint(1000+rounds-1) {
		t.Errorf("got %v", doc)
	}

	for i := range rounds {
		_, header := first.get()
		codes := make([]int, 2)
		for n, b := range []*bench{first, second} {
			wg.Go(func() {
				codes[n] = send(b, fmt.Sprintf(`{"rotate":{"age":%d}}`, 100+2*i+n), "If-Match", header.Get("ETag")).code
			})
		}
		wg.Wait()
		if slices.Sort(codes); !slices.Equal(codes, []int{200, 412}) {
			t.Fatalf("two writers with the same If-Match: got %v", codes)
		}
	}
	for i := range 2 * rounds {
		docs := [2]map[string]any{}
		docs[0], _ = first.get()
		docs[1], _ = second.get()
		if i%2 == 1 { // programs that know the description alone
			delete(docs[0], "configuration")
			delete(docs[1], "configuration")
		}
		codes := make([]int, 2)
		for n, b := range []*bench{first, second} {
			set(docs[n], "rotate.age", 200+2*i+n)
			raw, _ := json.Marshal(docs[n])
			wg.Go(func() { codes[n] = b.call("POST", "/eu/system/log", string(raw)).code })
		}
		wg.Wait()
		if slices.Sort(codes); !slices.Equal(codes, []int{200, 409}) {
			t.Fatalf("two writers of documents that were given: got %v", codes)
		}
	}
	d, err := retention.Load(t.Context(), first.ES)
	doc, _ = second.get()
	if err != nil || d.Rotate.Age != at(doc, "rotate.age") {
		t.Errorf("curator reads %+v, %v; the status says %v", d.Rotate, err, at(doc, "rotate"))
	}
}

// A change that somebody has begun and left is finished by another.
func TestLeft(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	b := open(t, cluster, "", Options{})
	b.post(200, `{"rotate":{"enabled":true,"age":7}}`)
	var st state
	if err := b.config.readRecord(t.Context(), b.ES, &st); err != nil {
		t.Fatal(err)
	}
	left := st.record
	left.Pending = &entry{ID: "left", Version: 2, At: time.Now().UTC(), By: "gone", Changes: []change{
		{"rotate.age", 7.0, 21.0}, {"collector.filebeat.enabled", true, false}, {"elasticsearch.settings.search.max_buckets", nil, "4242"}}}
	if _, err := system.Put(t.Context(), b.ES, recordID, left, st.place); err != nil {
		t.Fatal(err)
	}
	doc, _ := b.get()
	if doc["status"] != "yellow" || !strings.Contains(fmt.Sprint(doc["detail"]), "gone") || at(doc, "collector.filebeat.enabled") != true {
		t.Errorf("got %v %v", doc["status"], doc["detail"])
	}
	if a := b.post(409, `{"rotate":{"age":30}}`); a.header.Get("Retry-After") == "" || !strings.Contains(a.text, "gone") {
		t.Errorf("got %s", a.text)
	}
	until(t, "what was left is finished", func() bool {
		doc, _ = b.get()
		return at(doc, "configuration.version") == 2.0
	})
	doc, _ = b.get() // what that one says of the settings may have been read before they were set
	settings := doc["elasticsearch"].(map[string]any)["settings"].(map[string]any)
	if at(doc, "rotate.age") != 21.0 || at(doc, "collector.filebeat.enabled") != false || settings["search.max_buckets"] != "4242" || strings.Contains(fmt.Sprint(doc["detail"]), "gone") {
		t.Errorf("got %v", doc)
	}
}

// Ready says whether the backend answers.
func TestReady(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	w := newWire(t, cluster)
	b := open(t, cluster, w.url(), Options{})
	if err := b.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if w.cut(); b.Ready(context.Background()) == nil {
		t.Error("it is ready without a backend")
	}
}
