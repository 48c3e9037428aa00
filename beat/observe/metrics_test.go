package observe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/heartbeat"
)

func TestSplit(t *testing.T) {
	inputs := []Input{{Type: "journal", ID: "a"}, {Type: "journal", ID: "a.b"}, {Type: "push", ID: "x.y:80"}, {Type: "filestream", Account: receipt.Account{ID: "0a1b2c3d"}}}
	f := func(path, want string) {
		t.Helper()
		typ, id, rest := split(path, inputs)
		if got := typ + "|" + id + "|" + rest; got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	f("journal.a.read", "journal|a|read")
	f("journal.a.b.read", "journal|a.b|read")
	f("journal.a.bc.read", "journal|a|bc.read")
	f("push.x_y:80.requests.202", "push|x.y:80|requests.202")
	f("filestream.0a1b2c3d.x", "filestream|0a1b2c3d|x")
	f("journal.c.read", "||")
	f("emptydir.a.read", "||")
	f("journal", "||")
	f("", "||")
}

func TestFind(t *testing.T) {
	f := func(x index, path, want string) {
		t.Helper()
		got := ""
		if n, value := x.find(path); n != nil {
			got = n.name + " " + value
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	f(globalIndex, "libbeat.output.events.acked", "podbeat_output_events_acked_total ")
	f(globalIndex, "podbeat.k8sname.parsed.crio_sandbox", "podbeat_k8sname_parsed_total crio_sandbox")
	f(globalIndex, "podbeat.k8sname.parsed.", "")
	f(typeIndex["push"], "requests.202", "podbeat_push_requests_total 202")
	f(typeIndex["push"], "requests.refused.key", "podbeat_push_requests_refused_total key")
	f(typeIndex["emptydir"], "pods.shop/web-1.2/logs.behind.bytes", "podbeat_files_pod_behind_bytes shop/web-1.2/logs")
	f(typeIndex["none"], "read", "")
	f(levelIndex, "dropped.disk_full", "podbeat_delivery_events_dropped_total disk_full")
}

// Names keep Prometheus' conventions, and each means one thing.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range families {
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
		if !strings.HasPrefix(f.name, "podbeat_") || strings.Trim(f.name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%s is no good name", f.name)
		}
		if strings.HasSuffix(f.name, "_total") != (f.kind == counter) {
			t.Errorf("%s: only counters end in _total", f.name)
		}
		if f.help == "" || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%s: %q is no sentence", f.name, f.help)
		}
	}
}

const docs = "../../docs/metrics.md"

// TestDocs holds the tables of docs/metrics.md against the code. UPDATE=1 renews them.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %s", docs, begin)
	}
	var table strings.Builder
	table.WriteString("\n| metric | labels | meaning |\n| --- | --- | --- |\n")
	for _, f := range families {
		var labels []string
		for _, l := range f.labels {
			labels = append(labels, "`"+l+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", f.name, strings.Join(labels, ", "), f.help)
	}
	table.WriteString("\n")
	want := before + begin + table.String() + end + after
	if want == string(text) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("%s is stale: UPDATE=1 go test ./beat/observe -run TestDocs", docs)
	}
	if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// started makes an observer of one input, hostile in its name.
func started(t *testing.T, o *Observer, book *receipt.Book, inputs func() []Input) {
	t.Helper()
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Start(Parts{
			Book: book, Inputs: inputs, OutputType: func() string { return "file" }, Data: t.TempDir(), Version: "0.1.0", Log: logp.NewLogger("test"),
			Options: Options{StuckAfter: time.Minute, StalledAfter: time.Minute},
		}, done)
	}()
	t.Cleanup(func() {
		close(done)
		<-ended
	})
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		if code, _ := get(o, "/readyz", ""); code == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it does not become ready")
		}
	}
}

func get(o *Observer, path, accept string) (code int, body string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	o.Handlers()[path](w, r)
	return w.Code, w.Body.String()
}

func TestAnswers(t *testing.T) {
	o := New()
	want := func(path, accept string, code int, parts ...string) {
		t.Helper()
		got, body := get(o, path, accept)
		if got != code {
			t.Errorf("%s: got %d, want %d:\n%s", path, got, code, body)
		}
		for _, part := range parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %q is not in\n%s", path, part, body)
			}
		}
		if strings.ContainsAny(body, "\x1b\x00") {
			t.Errorf("%s: control characters in\n%q", path, body)
		}
	}
	want("/healthz", "", 200, `"healthy": true`, `"ready": false`)
	want("/readyz", "", 503, "podbeat is starting")
	want("/receipt", "", 503, "podbeat is starting")
	want("/reload", "", 503, "podbeat is starting")
	want("/metrics", "", 200, "podbeat_ready 0", "podbeat_healthy 1", `podbeat_check_state{check="start"} 2`, "go_goroutines")

	const hostile = "a.b\x1b[2J\n\xff\""
	book := receipt.NewBook()
	book.Unit("journal", hostile)
	all := monitoring.Default.NewRegistry("podbeat.journal." + hostile)
	defer monitoring.Default.Remove("podbeat.journal")
	monitoring.NewUint(all, "read").Set(7)
	monitoring.NewBool(all, "gaps.available").Set(true)
	monitoring.NewUint(all, "quite.new").Set(3)
	lag, bytes := 1.5, int64(9)
	started(t, o, book, func() []Input {
		return []Input{{
			Type: "journal", ID: hostile, State: heartbeat.Running, Begun: true, LagSeconds: &lag, LagBytes: &bytes,
			Account: receipt.Account{Type: "journal", ID: hostile},
		}}
	})
	const label = `{input="a.b?[2J??\"",type="journal"}`
	want("/healthz", "", 200)
	want("/metrics", "", 200, "podbeat_ready 1", "podbeat_journal_entries_read_total"+label+" 7", "podbeat_journal_gaps_known"+label+" 1",
		"podbeat_input_lag_seconds"+label+" 1.5", "podbeat_input_lag_bytes"+label+" 9", "podbeat_input_events_acked_total"+label+" 0",
		`podbeat_info{go_version="go`, "podbeat_data_free_bytes ", "process_resident_memory_bytes", `podbeat_output_info{type="file"} 1`,
		`podbeat_other{input="a.b?[2J??\"",path="podbeat.journal.a.b?[2J??\".quite.new"} 3`)
	want("/receipt", "", 200, `"adds_up": true`)
	want("/receipt", "text/plain", 200, "it adds up", "journal a.b?[2J??\"")
	want("/reload", "", 404)
	o.Stopping()
	want("/readyz", "", 503, "podbeat is stopping")
	want("/healthz", "", 200)
}

// The columns of the table are those of the receipt.
func TestTable(t *testing.T) {
	r := receipt.Receipt{
		Inputs:     []receipt.Account{{Type: "journal", ID: "node", Entry: receipt.Entry{Read: 1, Resumed: 2, Filtered: 3, Acked: 4, DeadLetters: 5, Dropped: 6, Abandoned: 7, InFlight: 8}}},
		Namespaces: []receipt.Namespace{{Name: "shop", Entry: receipt.Entry{Read: 9}}},
		Difference: -24,
	}
	var text strings.Builder
	writeTable(&text, &r)
	lines := strings.Split(text.String(), "\n")
	for i, want := range []string{
		"INPUT READ RESUMED FILTERED ACKED DEAD DROPPED ABANDONED IN FLIGHT", "journal node 1 2 3 4 5 6 7 8", "all 0 0 0 0 0 0 0 0", "",
		"NAMESPACE READ RESUMED FILTERED ACKED DEAD DROPPED ABANDONED IN FLIGHT", "shop 9 0 0 0 0 0 0 0",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d: got %q, want %q", i, got, want)
		}
	}
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "DOES NOT ADD UP") }) {
		t.Error(text.String())
	}
}
