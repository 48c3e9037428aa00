package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// A bench is a Service behind the routes of logapi, and the cluster it speaks to.
type bench struct {
	*Service
	t       testing.TB
	url     string // of the API
	cluster string // of Elasticsearch, not through any wire
	log     *lockedBuffer
	slow    bool // something keeps the cluster from answering in time
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// clean brings a cluster back to where nothing has been configured.
func clean(t testing.TB, cluster string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodDelete, cluster+"/"+system.Index+"?ignore_unavailable=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	services.Call(t, "PUT", cluster+"/"+system.Index, `{"settings":{"hidden":true,"number_of_replicas":0},"mappings":{"dynamic":false}}`, 200)
	services.Call(t, "PUT", cluster+"/_cluster/settings", `{"persistent":{"cluster.*":null,"indices.*":null,"action.*":null,"search.*":null},"transient":{"*":null}}`, 200)
}

// open opens a Service. through is how it reaches the cluster; "" is directly.
func open(t testing.TB, cluster, through string, o Options) *bench {
	t.Helper()
	if through == "" {
		through = cluster
	}
	client, err := es.New(es.Config{Hosts: strings.Split(through, ","), Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, cluster: cluster, log: &lockedBuffer{}}
	o.ES, o.Log = client, slog.New(slog.NewTextHandler(b.log, nil))
	if o.Region == "" {
		o.Region = "eu"
	}
	if o.User == nil {
		o.User = func(r *http.Request) string { return r.Header.Get("X-User") }
	}
	if b.Service, err = New(o); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/{region}/system/log/status", b.Status())
	mux.Handle("/api/{region}/system/log", b.Configure())
	mux.Handle("/api/{region}/system/log/history", b.History())
	mux.Handle("/api/{region}/system/log/heartbeat", b.Heartbeat())
	s := httptest.NewServer(mux)
	b.url = s.URL + "/api"
	t.Cleanup(func() {
		s.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if through == cluster { // one that has just begun is slow at first
		b.status(o.Region)
	}
	return b
}

type answer struct {
	code   int
	header http.Header
	text   string
}

func (b *bench) call(method, path, body string, header ...string) answer {
	b.t.Helper()
	request, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer the.clients.token")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// status is the status of a region, as a client has it. One for which the machine was too busy is asked for again.
func (b *bench) status(region string) (a answer) {
	b.t.Helper()
	until(b.t, "the cluster answers in time", func() bool {
		a = b.call("GET", "/"+region+"/system/log/status", "")
		return b.slow || !strings.Contains(a.text, errSlow.Error())
	})
	return a
}

// get is the status of the bench's region.
func (b *bench) get() (map[string]any, http.Header) {
	b.t.Helper()
	a := b.status("eu")
	return one(b.t, a), a.header
}

func one(t testing.TB, a answer) map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.text), &list); err != nil || a.code != 200 || len(list) != 1 {
		t.Fatalf("got %d %s", a.code, a.text)
	}
	return list[0]
}

// post posts a document and wants a status. Where the machine was too busy for that of the log system, the answer is one that
// was asked for afterwards.
func (b *bench) post(want int, document any, header ...string) answer {
	b.t.Helper()
	text, ok := document.(string)
	if !ok {
		raw, err := json.Marshal(document)
		if err != nil {
			b.t.Fatal(err)
		}
		text = string(raw)
	}
	a := b.call("POST", "/eu/system/log", text, header...)
	if a.code != want {
		b.t.Fatalf("POST %.300s: got %d %s, want %d", text, a.code, a.text, want)
	}
	if a.code == 200 && !b.slow && strings.Contains(a.text, errSlow.Error()) {
		return b.status("eu")
	}
	return a
}

// at is the value of a member; dots go into objects.
func at(doc any, path string) any {
	for _, name := range strings.Split(path, ".") {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		if v, ok := m[name]; ok {
			doc = v
			continue
		}
		return nil
	}
	return doc
}

// set sets a member.
func set(doc map[string]any, path string, value any) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		doc = doc[name].(map[string]any)
	}
	doc[names[len(names)-1]] = value
}

func (b *bench) beat(instance, node string, change func(*heartbeat.Beat)) heartbeat.Wanted {
	b.t.Helper()
	beat := heartbeat.Beat{Instance: instance, Role: heartbeat.Collector, Node: node, PodID: "pod-" + node, Sent: time.Now(), Every: 10 * time.Second,
		Inputs: []heartbeat.Input{
			{ID: "j", Type: "journal", Collector: heartbeat.Journalbeat, State: heartbeat.Running},
			{ID: "f", Type: "emptydir", Collector: heartbeat.Filebeat, State: heartbeat.Running},
			{ID: "p", Type: "push", Collector: heartbeat.HTTPGateway, State: heartbeat.Running},
		}}
	if change != nil {
		change(&beat)
	}
	a := b.call("POST", "/eu/system/log/heartbeat", string(beat.Append(nil)))
	if a.code != 200 {
		b.t.Fatalf("a heartbeat: got %d %s", a.code, a.text)
	}
	w, err := heartbeat.ReadWanted([]byte(a.text))
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func uuidOf(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 90 s", what)
		}
	}
}
