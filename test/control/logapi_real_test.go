package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
	"github.com/podbeat/podbeat/token"
)

// The whole way, with the real logapi and its store: an administrator's POST switches a collector of a podbeat off, and
// the status says so; logapi is killed and started; the collector comes back where it left off.
func TestRealLogapi(t *testing.T) {
	listen, storeListen := services.Address(t), services.Address(t)
	l := harness.NewLogapi(t, fmt.Sprintf("listen: %s\nstore.listen: %s\nprefix: /api\nregion: eu\n", listen, storeListen))
	dir := t.TempDir()
	admin := l.Token("/api", token.Access{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/eu/system/log", "{mscp_api_url}/eu/system/log/**"}})

	journal := filepath.Join(dir, "journal")
	w, err := journalgen.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	o := journalgen.Defaults(3000)
	o.Pause, o.Partial = 0, 0
	g := journalgen.New(o)
	written := 0
	more := func(n int) {
		t.Helper()
		for range n {
			entry, ok := g.Next()
			if !ok {
				t.Fatal("the journal is at its end")
			}
			if err := w.Append(entry); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		written += n
	}
	more(500)
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: journal, id: node, paths: [%q]}
control: {url: "http://%s/api/eu/system/log", user: %q, password: %q, every: 1s, timeout: 5s, node: node1, pod_id: pod1}
setup.template.enabled: false
queue.mem: {events: 2000, flush.min_events: 200, flush.timeout: 100ms}
output.elasticsearch: {hosts: ["http://%s"], index: "real-%%{+yyyy.MM.dd}"}
setup.template: {name: x, pattern: x}
logging.metrics.enabled: false
`, journal, listen, harness.Email, harness.Password, storeListen))

	call := func(method, path, body string) string {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+listen+"/api/eu/system/log"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+admin)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
		}
		return string(text)
	}
	status := func(want string) {
		t.Helper()
		got := ""
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			var regions []struct {
				Collector struct {
					Journalbeat struct {
						Enabled   bool
						Instances []struct {
							Node   string
							PodID  string `json:"pod_id"`
							Status string
						}
					}
				}
			}
			if err := json.Unmarshal([]byte(call("GET", "/status", "")), &regions); err != nil {
				t.Fatal(err)
			}
			if got = fmt.Sprintf("%+v", regions); got == want {
				return
			}
		}
		t.Fatalf("the status says %s, want %s", got, want)
	}
	stored := func(n int) {
		t.Helper()
		p.Wait(fmt.Sprintf("%d documents are in the store", n), func(harness.Stats) bool {
			got, err := verify.Count("http://"+storeListen, "real-*")
			return err == nil && got >= n
		})
	}
	stored(written)
	status("[{Collector:{Journalbeat:{Enabled:true Instances:[{Node:node1 PodID:pod1 Status:up}]}}}]")

	began := time.Now()
	call("POST", "", `{"collector":{"journalbeat":{"enabled":false}}}`)
	status("[{Collector:{Journalbeat:{Enabled:false Instances:[{Node:node1 PodID:pod1 Status:off}]}}}]")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	before := written
	more(500)
	l.Kill9()
	p.Term()
	p.Start()
	p.Wait("it runs", func(s harness.Stats) bool { return s != nil })
	l.Start()
	status("[{Collector:{Journalbeat:{Enabled:false Instances:[{Node:node1 PodID:pod1 Status:off}]}}}]")
	if n, err := verify.Count("http://"+storeListen, "real-*"); n != before || err != nil {
		t.Errorf("%d documents are in the store, want %d: the collector is off (%v)", n, before, err)
	}
	call("POST", "", `{"collector":{"journalbeat":{"enabled":true}}}`)
	stored(written)
	status("[{Collector:{Journalbeat:{Enabled:true Instances:[{Node:node1 PodID:pod1 Status:up}]}}}]")
	more(500)
	stored(written)
	if n, err := verify.Count("http://"+storeListen, "real-*"); n != written || err != nil {
		t.Errorf("%d documents are in the store, want %d (%v)", n, written, err)
	}
	if n := p.Stats()["podbeat.output.duplicates"]; n != 0 {
		t.Errorf("%v events were sent twice", n)
	}
	p.Term()
	if log := p.Log(); strings.Contains(log, harness.Password) || strings.Contains(log, "eyJ") {
		t.Error("the log has the password or a token")
	}
}
