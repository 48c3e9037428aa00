package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/services"
)

// The wanted state outlasts logapi and its backend, and is never off by accident.
func TestWanted(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	w := newWire(t, cluster)
	b := open(t, cluster, w.url(), Options{})
	b.post(200, `{"collector":{"journalbeat":{"enabled":false}}}`)
	again := open(t, cluster, w.url(), Options{})
	var got heartbeat.Wanted
	until(t, "what is wanted is known after a restart", func() bool {
		got = again.beat(uuidOf(1), "node1", nil)
		return got.Version != 0
	})
	if got.Version != 1 || got.Enabled(heartbeat.Journalbeat) {
		t.Errorf("after a restart: got %+v", got)
	}
	for name, down := range map[string]func(){"dead": w.cut, "mute": w.swallow} {
		down()
		if got := again.beat(uuidOf(1), "node1", nil); got.Version != 1 || got.Enabled(heartbeat.Journalbeat) || !got.Enabled(heartbeat.Filebeat) {
			t.Errorf("%s: got %+v", name, got)
		}
		fresh := open(t, cluster, w.url(), Options{})
		if got := fresh.beat(uuidOf(1), "node1", nil); got.Version != 0 || got.Collectors != nil {
			t.Errorf("%s and nothing known: got %+v", name, got)
		}
		w.join()
	}
	b.post(200, `{"collector":{"journalbeat":{"enabled":true}}}`)
	until(t, "journalbeat on again", func() bool { return again.beat(uuidOf(1), "node1", nil).Enabled(heartbeat.Journalbeat) })
}

func TestHeartbeats(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	now := time.Now()
	var mu sync.Mutex
	b := open(t, cluster, "", Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	later := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }
	f := func(body string, want int) {
		t.Helper()
		if a := b.call("POST", "/eu/system/log/heartbeat", body); a.code != want {
			t.Errorf("%.100s: got %d %s, want %d", body, a.code, a.text, want)
		}
	}
	f(``, 400)
	f(`{}`, 400)
	f(`{"instance":"`+uuidOf(1)+`","role":"collector","node":"\u001b[2J"}`, 400)
	f(`{"instance":"`+uuidOf(1)+`","role":"collector","node":"a","inputs":`+strings.Repeat("[", 5000)+`}`, 400)
	f(strings.Repeat("x", heartbeat.MaxBody+1), 413)
	doc, _ := b.get()
	if n := len(at(doc, "collector.journalbeat.instances").([]any)); n != 0 {
		t.Errorf("got %d instances", n)
	}

	b.beat(uuidOf(1), "node1", nil)
	b.beat(uuidOf(1), "node2", nil) // a copy of the machine
	b.beat(uuidOf(3), "node3", func(h *heartbeat.Beat) {
		h.Inputs[0].State, h.Inputs[0].Error = heartbeat.Failed, "no journal \x1b[31m here"
		h.Inputs[1].State = heartbeat.Off
	})
	b.beat(uuidOf(4), "node4", func(h *heartbeat.Beat) {
		h.Role, h.Inputs = heartbeat.Shipper, []heartbeat.Input{{Type: "kafka", State: heartbeat.Running}}
		h.Output = &heartbeat.Output{Type: "elasticsearch", Failing: true, Error: "refused"}
	})
	check := func(status, journal string, up, scheduled, shippers float64) {
		t.Helper()
		doc, _ := b.get()
		var states []string
		for _, in := range at(doc, "collector.journalbeat.instances").([]any) {
			states = append(states, at(in, "status").(string))
		}
		if got := strings.Join(states, " "); got != journal || doc["status"] != status || at(doc, "collector.filebeat.status.up") != up || at(doc, "collector.filebeat.status.scheduled") != scheduled || at(doc, "shipper.status.up") != shippers {
			t.Errorf("got journalbeat %s, status %v, filebeat %v, shipper %v, detail %v", got, doc["status"], at(doc, "collector.filebeat.status"), at(doc, "shipper.status"), doc["detail"])
		}
		if text := fmt.Sprint(doc); strings.ContainsRune(text, 0x1b) {
			t.Error("the status holds a control character")
		}
	}
	check("yellow", "up up failed", 2, 2, 1)
	later(25 * time.Second)
	b.beat(uuidOf(1), "node1", nil)
	later(10 * time.Second)
	check("red", "up late failed", 1, 2, 0) // the shipper is late, and is the only one
	later(30 * time.Second)
	check("red", "late down down", 0, 2, 0)
	b.beat(uuidOf(1), "node1", nil)
	later(61 * time.Minute)
	b.beat(uuidOf(1), "node1", nil)
	check("green", "up", 1, 1, 0)
}

// Of several logapis before one cluster, each shows whom any of them has heard of; also one that starts later.
func TestReplicas(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	first, second := open(t, cluster, "", Options{}), open(t, cluster, "", Options{})
	shows := func(b *bench, want float64) func() bool {
		return func() bool {
			first.beat(uuidOf(1), "node1", nil)
			second.beat(uuidOf(2), "node2", nil)
			doc, _ := b.get()
			return at(doc, "collector.journalbeat.status.up") == want
		}
	}
	until(t, "the first shows both", shows(first, 2))
	until(t, "the second shows both", shows(second, 2))
	third := open(t, cluster, "", Options{})
	until(t, "the third shows both", shows(third, 2))
}

func TestPeers(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	us := open(t, cluster, "", Options{Region: "us"})
	slow := newWire(t, us.url)
	slow.swallow()
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `[{"status":"green","region":"elsewhere"}]`)
	}))
	defer liar.Close()
	var mu sync.Mutex
	var tokens []string
	seen := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tokens = append(tokens, r.Header.Get("Authorization"))
		mu.Unlock()
		http.Redirect(w, r, liar.URL, http.StatusTemporaryRedirect)
	}))
	defer seen.Close()
	b := open(t, cluster, "", Options{
		Peers:   map[string]string{"us": us.url, "dead": "http://127.0.0.1:1/x", "mute": "http://" + slow.addr, "liar": liar.URL, "seen": seen.URL},
		Allowed: func(r *http.Request, method, path string) bool { return path != "/liar/system/log/status" },
	})
	regions := func(path string) string {
		t.Helper()
		a := b.call("GET", "/"+path+"/system/log/status", "")
		if a.code != 200 {
			return fmt.Sprint(a.code)
		}
		var list []map[string]any
		if err := json.Unmarshal([]byte(a.text), &list); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, d := range list {
			if d["status"] != "red" {
				d["status"] = "up"
			}
			all = append(all, fmt.Sprint(d["region"], " ", d["status"]))
			if strings.Contains(a.text, "127.0.0.1:1/") || strings.Contains(a.text, "the.clients.token") {
				t.Errorf("the answer shows how a peer is reached: %s", a.text)
			}
		}
		return strings.Join(all, ", ")
	}
	asked := 0 // all regions
	f := func(path, want string) {
		t.Helper()
		// A region that is up has no time to say so on a busy machine: it is red then, and asked again.
		red := func(list string) string { return strings.ReplaceAll(list, " up", " red") }
		got := ""
		for range 20 {
			if path == "_all" {
				asked++
			}
			if got = regions(path); got == want || red(got) != red(want) {
				break
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	f("eu", "eu up")
	f("us", "us up")
	f("us,eu", "us up, eu up")
	f("_all", "eu up, dead red, mute red, seen red, us up")
	f("liar,eu", "403")
	f("liar", "liar red")
	f("eu,nowhere", "404")
	f("nowhere", "404")
	f("eu,eu", "400")
	f(strings.Repeat("eu,", 100)+"eu", "400")
	mu.Lock()
	defer mu.Unlock()
	if want := slices.Repeat([]string{"Bearer the.clients.token"}, asked); !slices.Equal(tokens, want) {
		t.Errorf("the peer got %q", tokens)
	}
	if a := b.call("GET", "/_all/system/log/status", "", peerHeader, "us"); strings.Count(a.text, `"timestemp"`) != 1 {
		t.Errorf("a peer asks, and its question goes on: %s", a.text)
	}
}
