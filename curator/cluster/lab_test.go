package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// A lab is a real Elasticsearch behind a proxy that counts requests and can answer in its place.
type lab struct {
	*Cluster
	t     *testing.T
	url   string // past the proxy
	major int

	mu       sync.Mutex
	requests []string // method and path
	lines    []string // of the log: level and text
	steps    []string // of progress
	fault    func(w http.ResponseWriter, r *http.Request) bool
}

// both runs a test on Elasticsearch 7 and on 8.
func both(t *testing.T, test func(l *lab)) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprintf("%d", major), func(t *testing.T) { test(newLab(t, major)) })
	}
}

func newLab(t *testing.T, major int) *lab {
	l := &lab{t: t, url: services.Elasticsearch(t, major), major: major}
	target, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.requests = append(l.requests, r.Method+" "+r.URL.Path)
		fault := l.fault
		l.mu.Unlock()
		if fault == nil || !fault(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	client, err := es.New(es.Config{Hosts: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	l.Cluster = &Cluster{ES: client, Log: slog.New(l), Progress: func(what string, done, total int64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.steps = append(l.steps, fmt.Sprintf("%s %d/%d", what, done, total))
	}}
	return l
}

// Enabled, Handle, WithAttrs and WithGroup make the lab the log's handler.
func (l *lab) Enabled(context.Context, slog.Level) bool { return true }
func (l *lab) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lab) WithGroup(string) slog.Handler            { return l }
func (l *lab) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Level.String()+" "+r.Message)
	return nil
}

// call asks the server past the proxy.
func (l *lab) call(method, path, body string, want int) []byte {
	l.t.Helper()
	return services.Call(l.t, method, l.url+path, body, want)
}

// index makes an index with one shard and no replicas, unless body says otherwise, and the documents.
func (l *lab) index(name, body string, docs ...string) {
	l.t.Helper()
	if body == "" {
		body = `{"settings":{"number_of_replicas":0}}`
	}
	l.call("PUT", "/"+name, body, 200)
	l.t.Cleanup(func() { l.call("DELETE", "/"+name+"?ignore_unavailable=true", "", 200) })
	for _, doc := range docs {
		l.call("POST", "/"+name+"/_doc?refresh", doc, 201)
	}
}

// items are the indices whose names begin so, by name.
func (l *lab) items(prefix string) []filter.Item {
	l.t.Helper()
	items, err := l.Indices(context.Background(), prefix+"*", true)
	if err != nil {
		l.t.Fatal(err)
	}
	slices.SortFunc(items, func(a, b filter.Item) int { return strings.Compare(a.Name, b.Name) })
	return items
}

// names are the indices that there are and whose names begin so; closed ones are in brackets.
func (l *lab) names(prefix string) string {
	var list []string
	for _, item := range l.items(prefix) {
		if item.Closed {
			item.Name = "(" + item.Name + ")"
		}
		list = append(list, item.Name)
	}
	return strings.Join(list, " ")
}

// remove deletes the indices whose names begin so.
func (l *lab) remove(prefix string) {
	for _, item := range l.items(prefix) {
		l.call("DELETE", "/"+item.Name, "", 200)
	}
}

// setting is a setting of an index, "" if it has none.
func (l *lab) setting(index, name string) string {
	l.t.Helper()
	settings, err := l.settings(context.Background(), index, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return settings[index][name]
}

// action reads an action of a file: its kind and options.
func (l *lab) action(kind, options string) *action.Action {
	l.t.Helper()
	text := "actions:\n  1:\n    action: " + kind + "\n"
	if options != "" {
		text += "    options: {" + options + "}\n"
	}
	switch kind {
	case "alias":
		text += "    add: {filters: [{filtertype: none}]}\n    remove: {filters: [{filtertype: none}]}\n"
	case "create_index", "rollover", "cluster_routing":
	default:
		text += "    filters: [{filtertype: none}]\n"
	}
	file, err := action.Parse([]byte(text), "actions.yml", action.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	return &file.Actions[0]
}

// apply does an action to items. It returns the names that done was told, failed ones with an exclamation
// mark, and the class and text of the error.
func (l *lab) apply(kind, options string, items ...filter.Item) (results, failure string) {
	l.t.Helper()
	return l.applyTo(l.action(kind, options), Selection{Items: items})
}

func (l *lab) applyTo(a *action.Action, s Selection) (results, failure string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var list []string
	err := l.Apply(ctx, a, s, func(r Result) {
		if r.Err != nil {
			r.Name += "!"
		}
		list = append(list, r.Name)
	})
	return strings.Join(list, " "), class(err)
}

func class(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*Error); ok {
		return e.Class + ": " + e.Error()
	}
	return err.Error()
}

// logged reports whether a line of the log contains text.
func (l *lab) logged(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, text) })
}

// want compares.
func (l *lab) want(what, got, want string) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("%s: got %q, want %q\nlog:\n%s", what, got, want, strings.Join(l.lines, "\n"))
	}
}

// dated is want for prefix and the date, written so, of a moment since began, which has the time zone. At midnight there are two.
func (l *lab) dated(what, got, prefix, layout string, began time.Time) {
	l.t.Helper()
	if got != prefix+began.Format(layout) {
		l.want(what, got, prefix+time.Now().In(began.Location()).Format(layout))
	}
}

// begins is want for the beginning.
func (l *lab) begins(what, got, want string) {
	l.t.Helper()
	if !strings.HasPrefix(got, want) || want == "" && got != "" {
		l.t.Errorf("%s: got %q, want %q…\nlog:\n%s", what, got, want, strings.Join(l.lines, "\n"))
	}
}

// repository makes a snapshot repository; slow ones write 20 KB a second.
func (l *lab) repository(name string, slow bool) {
	l.t.Helper()
	settings := map[string]any{"location": filepath.Join(name)}
	if slow {
		settings["max_snapshot_bytes_per_sec"] = "20kb"
		settings["max_restore_bytes_per_sec"] = "20kb"
	}
	body, _ := json.Marshal(map[string]any{"type": "fs", "settings": settings})
	l.call("PUT", "/_snapshot/"+name, string(body), 200)
}

// until waits for a condition.
func (l *lab) until(what string, met func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited a minute for %s", what)
		}
	}
}

// show writes values with blanks between them.
func show(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }

// random is text that does not compress well.
func random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rand.IntN(26))
	}
	return string(b)
}
