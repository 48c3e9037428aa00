package status

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/services"
)

// A hook is a proxy before a cluster, which may answer a request itself.
type hook struct {
	url string

	mu sync.Mutex
	do func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func newHook(t testing.TB, cluster string) *hook {
	t.Helper()
	to, err := url.Parse(cluster)
	if err != nil {
		t.Fatal(err)
	}
	h := &hook{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		do := h.do
		h.mu.Unlock()
		if do == nil || !do(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

func (h *hook) set(do func(w http.ResponseWriter, r *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.do = do
}

func settingsPut(r *http.Request) bool {
	return r.Method == "PUT" && r.URL.Path == "/_cluster/settings"
}

// The cluster goes away in the middle of a change, which is finished when it is back.
func TestUnfinished(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	h := newHook(t, cluster)
	b := open(t, cluster, h.url, Options{})
	b.post(200, `{"rotate":{"enabled":true,"age":7}}`)
	const document = `{"rotate":{"age":21},"collector":{"filebeat":{"enabled":false}},"elasticsearch":{"settings":{"search.max_buckets":1234}}}`
	for _, path := range []string{"/_cluster/settings", "/.podbeat-system/_doc/retention"} {
		h.set(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == "PUT" && r.URL.Path == path {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		if a := b.post(503, document); !strings.Contains(a.text, "unfinished") || a.header.Get("Retry-After") == "" {
			t.Errorf("%s fails: got %s", path, a.text)
		}
		if w := b.beat(uuidOf(1), "node1", nil); !w.Enabled(heartbeat.Filebeat) {
			t.Errorf("%s fails, and filebeat is off already", path)
		}
		b.post(409, `{"rotate":{"age":9}}`)
		doc, _ := b.get()
		version := at(doc, "configuration.version").(float64)
		h.set(nil)
		until(t, "the change is finished", func() bool {
			doc, _ = b.get()
			return at(doc, "configuration.version") == version+1
		})
		doc, _ = b.get() // what that one says of the settings may have been read before they were set
		settings := doc["elasticsearch"].(map[string]any)["settings"].(map[string]any)
		if at(doc, "rotate.age") != 21.0 || at(doc, "collector.filebeat.enabled") != false || settings["search.max_buckets"] != "1234" {
			t.Errorf("%s had failed: got %v", path, doc)
		}
		b.post(200, `{"rotate":{"age":7},"collector":{"filebeat":{"enabled":true}},"elasticsearch":{"settings":{"search.max_buckets":null}}}`)
	}
}

// The policy is changed in the middle of a change, so that this does not fit it any more: nothing of it stays.
func TestTakenBack(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	h := newHook(t, cluster)
	b := open(t, cluster, h.url, Options{})
	b.post(200, `{"rotate":{"enabled":true,"age":60},"elasticsearch":{"settings":{"search.max_buckets":777}}}`)
	var once sync.Once
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		if settingsPut(r) {
			once.Do(func() {
				d, err := retention.Load(r.Context(), b.ES)
				if err == nil {
					d.Policy = []byte(`{"version":1,"default":{"age":"90d","keep_at_least":"30d"}}`)
					err = retention.Store(r.Context(), b.ES, d, time.Now())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		return false
	})
	if a := b.post(400, `{"rotate":{"age":7},"collector":{"filebeat":{"enabled":false}},"elasticsearch":{"settings":{"search.max_buckets":888}}}`); !strings.Contains(a.text, "keep_at_least") {
		t.Errorf("got %s", a.text)
	}
	doc, _ := b.get()
	settings := doc["elasticsearch"].(map[string]any)["settings"].(map[string]any)
	if at(doc, "rotate.age") != 60.0 || at(doc, "collector.filebeat.enabled") != true || settings["search.max_buckets"] != "777" || at(doc, "configuration.version") != 1.0 ||
		strings.Contains(fmt.Sprint(doc["detail"]), "not finished") {
		t.Errorf("got %v", doc)
	}
	b.post(200, `{"rotate":{"age":45}}`)
}

// What keeps the configuration is slow: who changes it is told what it is then, not what it was.
func TestSlowConfiguration(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	h := newHook(t, cluster)
	b := open(t, cluster, h.url, Options{})
	b.slow = true
	b.post(200, `{"rotate":{"enabled":true,"age":7}}`)
	h.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" && r.URL.Path == "/.podbeat-system/_doc/configuration" {
			select {
			case <-r.Context().Done():
			case <-time.After(probeTime + 200*time.Millisecond):
			}
		}
		return false
	})
	a := b.post(200, `{"rotate":{"age":21},"collector":{"filebeat":{"enabled":false}}}`)
	doc := one(t, a)
	if at(doc, "rotate.age") != 21.0 || at(doc, "collector.filebeat.enabled") != false || at(doc, "configuration.version") != 2.0 || a.header.Get("ETag") == "" {
		t.Errorf("got %s", a.text)
	}
}

// A node that has had no time to tell of itself is not taken for one that is away.
func TestSlowNodes(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	h := newHook(t, cluster)
	b := open(t, cluster, h.url, Options{})
	b.slow = true
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		slow := r.URL.Path == "/_nodes"
		if slow {
			fmt.Fprint(w, `{}`) // with a filter, nothing is left of what Elasticsearch says then
		}
		return slow
	})
	until(t, "the rest is known", func() bool {
		doc, _ := b.get()
		return at(doc, "elasticsearch.health.status") == "green" && doc["status"] == "yellow" && strings.Contains(fmt.Sprint(doc["detail"]), "elasticsearch: nodes: "+errSlow.Error())
	})
}

// The answer to a write is lost: it is recognised, and made once.
func TestLostAnswer(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	h := newHook(t, cluster)
	b := open(t, cluster, h.url, Options{})
	to, err := url.Parse(cluster)
	if err != nil {
		t.Fatal(err)
	}
	lose := func(path string) {
		var once sync.Once
		h.set(func(w http.ResponseWriter, r *http.Request) bool {
			lost := false
			if r.Method == "PUT" && r.URL.Path == path {
				once.Do(func() {
					httputil.NewSingleHostReverseProxy(to).ServeHTTP(httptest.NewRecorder(), r)
					lost = true
				})
			}
			if lost {
				panic(http.ErrAbortHandler)
			}
			return false
		})
	}
	b.post(200, `{"collector":{"journalbeat":{"enabled":true,"status":{}}},"rotate":{"enabled":true,"age":5}}`)
	lose("/.podbeat-system/_doc/configuration")
	b.post(200, `{"collector":{"filebeat":{"enabled":false}}}`)
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	if a := b.post(503, `{"collector":{"filebeat":{"enabled":true}}}`); !strings.Contains(a.text, "nothing has been changed") {
		t.Errorf("got %s", a.text)
	}
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	if a := b.post(503, `{"collector":{"filebeat":{"enabled":true}}}`); !strings.Contains(a.text, "not known") {
		t.Errorf("got %s", a.text)
	}
	lose("/.podbeat-system/_doc/configuration")
	doc := one(t, b.post(200, `{"collector":{"filebeat":{"enabled":true}},"rotate":{"age":6}}`))
	if at(doc, "configuration.version") != 3.0 || at(doc, "rotate.age") != 6.0 || at(doc, "collector.filebeat.enabled") != true {
		t.Errorf("got %v", doc)
	}
}

// Of a cluster's nodes one swallows what it is asked: the others answer.
func TestOneNodeMute(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	mute := newWire(t, cluster)
	mute.swallow()
	b := open(t, cluster, mute.url()+","+cluster+","+mute.url(), Options{})
	b.slow = true
	until(t, "the status is known", func() bool {
		doc, _ := b.get()
		return at(doc, "elasticsearch.status.master.up") == 1.0 && at(doc, "elasticsearch.health.status") == "green" && doc["status"] == "green"
	})
	// Who has asked it twice has a fifth of a second left for the one that answers: a busy machine may be late for a few. That
	// it is so busy shows in what one needs that asks no other node, milliseconds otherwise.
	direct := open(t, cluster, "", Options{})
	direct.slow = true
	var late []any
	for range 10 {
		doc, _ := b.get()
		began := time.Now()
		direct.get()
		if at(doc, "elasticsearch.health.status") != "green" && time.Since(began) < 50*time.Millisecond {
			late = append(late, doc["detail"])
		}
	}
	if len(late) > 3 {
		t.Errorf("got %v", late)
	}
}
