package control

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// files is a podbeat with two inputs on files, of which filebeat's collector has both, and a push input.
type files struct {
	t        testing.TB
	dir, log string
	n        int
}

func newFiles(t testing.TB) *files {
	f := &files{t: t, dir: t.TempDir()}
	volume := filepath.Join(f.dir, "8f6c2a1e-0000-4000-8000-000000000000/volumes/kubernetes.io~empty-dir/applog-web-endname-a")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	f.log = filepath.Join(volume, "app.log")
	return f
}

// write appends n lines.
func (f *files) write(n int) {
	f.t.Helper()
	w, err := os.OpenFile(f.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Close()
	for range n {
		fmt.Fprintf(w, "line %d\n", f.n)
		f.n++
	}
}

// config has further lines behind it.
func (f *files) config(a *logapi, journal string) string {
	return fmt.Sprintf("podbeat.inputs:\n- {type: journal, id: node, paths: [%q]}\n- {type: emptydir, id: pods, paths: [%q], scan_interval: 1s}\n",
		journal, filepath.Join(f.dir, "*/volumes/kubernetes.io~empty-dir/applog-*/*.log")) + a.section(f.dir) + fileOutput(f.dir)
}

// want waits until n events of the files have come, and sees that it is all.
func (f *files) want(p *harness.Podbeat, n int) {
	f.t.Helper()
	count := func() (n int) {
		for _, e := range events(f.t, f.dir) {
			if e.Input.Type == "emptydir" {
				n++
			}
		}
		return n
	}
	for since := time.Now(); count() < n && time.Since(since) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
	}
	if got := count(); got != n {
		f.t.Fatalf("%d events of the files have come, want %d", got, n)
	}
}

// Whatever a logapi answers but a newer wanted state, nothing is switched, nobody waits, and podbeat lives; without any
// logapi, and after a restart, what was wanted last holds.
func TestLostLogapi(t *testing.T) {
	a, f := newLogapi(t), newFiles(t)
	other := newLogapi(t) // where a redirection leads
	other.want(99, journalbeat)
	journal := filepath.Join(f.dir, "journal")
	w, err := journalgen.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	g := journalgen.New(journalgen.Defaults(100_000))
	defer w.Close()
	written := 0
	more := func() {
		t.Helper()
		for range 50 {
			entry, _ := g.Next()
			if err := w.Append(entry); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		written += 50
	}

	f.write(10)
	a.want(5, filebeat)
	p := harness.New(t, f.config(a, journal))
	a.until(p, 5, "journal running, emptydir off")
	a.want(6)
	a.until(p, 6, "journal running, emptydir running")
	f.want(p, 10)
	a.want(7, filebeat)
	a.until(p, 7, "journal running, emptydir off")
	f.write(10)

	off := string(heartbeat.Wanted{Version: 8, Collectors: map[string]bool{journalbeat: false, filebeat: true}}.Append(nil))
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	answers := map[string]http.HandlerFunc{
		"401":                 text(401, off),
		"403":                 text(403, off),
		"404":                 text(404, off),
		"429":                 text(429, off),
		"500":                 text(500, off),
		"nothing":             text(200, ""),
		"HTML":                text(200, "<!DOCTYPE html><title>Sign in</title>"),
		"two answers":         text(200, off+off),
		"half of one":         text(200, off[:len(off)-2]),
		"names twice":         text(200, strings.Replace(off, `"version":8`, `"version":8,"version":9`, 1)),
		"texts":               text(200, strings.Replace(off, "false", `"false"`, 1)),
		"no version":          text(200, strings.Replace(off, `"version":8`, `"version":0`, 1)),
		"an older version":    text(200, strings.Replace(off, `"version":8`, `"version":3`, 1)),
		"the same, otherwise": text(200, strings.Replace(off, `"version":8`, `"version":7`, 1)),
		"unknown names":       text(200, `{"version":7,"collectors":{"filebeat":false,"journalbeat":true,"http_gateway":true},"run":"rm -rf /","mood":{"a":[1]}}`),
		"100 MB": func(w http.ResponseWriter, r *http.Request) {
			blanks := []byte(strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := w.Write(blanks); err != nil {
					return
				}
			}
			io.WriteString(w, off)
		},
		"a redirection": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusPermanentRedirect)
		},
		"silence":          func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a cut connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a byte at a time": func(w http.ResponseWriter, r *http.Request) {
			for i := range len(off) {
				io.WriteString(w, off[i:i+1])
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		},
	}
	for name, answer := range answers {
		_, before := a.seen()
		a.does(answer)
		more()
		p.Wait("the journal goes on while logapi answers with "+name, func(s harness.Stats) bool { return int(s["podbeat.journal.node.read"]) >= written })
		a.more(p, 2) // the second after the first has been answered
		a.want(7, filebeat)
		last, n := a.seen()
		if n <= before || last.Wanted != 7 || states(last) != "journal running, emptydir off" {
			t.Errorf("%s: %q by version %d", name, states(last), last.Wanted)
		}
		a.more(p, 1)
	}
	if _, n := other.seen(); n > 0 {
		t.Error("podbeat follows a redirection, and its token with it")
	}
	f.want(p, 10)

	// The logapi is gone, and podbeat is restarted, and killed.
	a.Close()
	for _, end := range []func(){p.Term, p.Kill9} {
		end()
		p.Start()
		more()
		p.Wait("the journal goes on without logapi", func(s harness.Stats) bool { return s["podbeat.journal.node.read"] >= 50 })
		written = 0
		if s := p.Stats(); s["podbeat.emptydir.pods.now.scans"] > 0 {
			t.Error("a collector that was switched off runs after a restart without logapi")
		}
	}
	f.want(p, 10)

	// It stops at once, whatever logapi does. A new logapi, at another place, counts from 1: it is believed after a while, and only then.
	began := time.Now()
	p.Term()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("podbeat took %v to stop", took)
	}
	b := newLogapi(t)
	b.want(8)
	p.Configure(f.config(b, journal))
	p.Start()
	b.until(p, 8, "journal running, emptydir running")
	f.want(p, 20)
	if log := p.Log(); strings.Contains(log, secret) || strings.Contains(log, "rm -rf") || strings.Contains(log, "Sign in") {
		t.Error("the log has the token, or what logapi says")
	}
}

// Collectors are switched while the output takes nothing: what is on its way is neither lost nor sent again.
func TestSwitchWithoutOutput(t *testing.T) {
	a, f := newLogapi(t), newFiles(t)
	url := services.Elasticsearch(t, 7)
	gate := harness.NewGate(t, url)
	journal := filepath.Join(f.dir, "journal")
	o := journalgen.Defaults(8000)
	o.Pause = 0
	messages, err := journalgen.Write(journal, o)
	if err != nil {
		t.Fatal(err)
	}
	headers, err := journalgen.Headers(journal)
	if err != nil {
		t.Fatal(err)
	}
	check := verify.New()
	for _, m := range messages {
		w := verify.Want{ID: verify.ID(headers[0].SeqnumID, uint64(m.First)+1), CRC32: m.CRC32}
		if m.Binary {
			w.Token = fmt.Sprintf("sq#%08d", m.Seq)
		}
		check.Expect(w)
	}
	f.write(1) // of no matter: the files' collector is never off
	config := f.config(a, journal)
	config = config[:strings.Index(config, "output.file")] + fmt.Sprintf(`
podbeat.shutdown_timeout: 1s
queue.mem: {events: 2000, flush.min_events: 200, flush.timeout: 100ms}
setup.template.enabled: false
output.elasticsearch: {hosts: [%q], index: "control-%%{[input.type]}-%%{+yyyy.MM.dd}", bulk_max_size: 200}
setup.template.name: x
setup.template.pattern: x
`, gate.URL)
	hit := gate.Hold(1000, harness.BeforeStore)
	p := harness.New(t, config)
	<-hit
	version := int64(0)
	for range 3 {
		version++
		a.want(version, journalbeat)
		b := a.until(p, version, "journal off, emptydir running")
		if in := b.Inputs[0]; in.Acked > in.Read || in.Read == 0 {
			t.Errorf("got %+v", in)
		}
		version++
		a.want(version)
		a.until(p, version, "journal running, emptydir running")
	}
	p.Wait("a heartbeat says since when events wait", func(harness.Stats) bool {
		b, _ := a.seen()
		return !b.Output.Oldest.IsZero() && b.Inputs[0].LagSeconds != nil && *b.Inputs[0].LagSeconds > 1
	})
	version++
	a.want(version, journalbeat)
	a.until(p, version, "journal off, emptydir running")
	gate.Release()
	p.Wait("what was on its way is delivered while the collector is off", func(s harness.Stats) bool { return s["libbeat.pipeline.events.active"] == 0 })
	version++
	a.want(version)
	a.until(p, version, "journal running, emptydir running")
	p.Wait("everything has been delivered", func(harness.Stats) bool {
		n, err := verify.Count(url, "control-journal-*")
		if err != nil {
			t.Fatal(err)
		}
		return n >= check.Expected()
	})
	if n := p.Stats()["podbeat.output.duplicates"]; n != 0 {
		t.Errorf("%v events were sent again that had been delivered", n)
	}
	p.Wait("a heartbeat has counted every event", func(harness.Stats) bool {
		b, _ := a.seen()
		in := b.Inputs[0]
		return in.Read == int64(check.Expected()) && in.Acked == in.Read && b.Output.Oldest.IsZero() && !b.Output.Failing
	})
	p.Term()
	if err := verify.Elasticsearch(url, "control-journal-*", check.Arrived); err != nil {
		t.Fatal(err)
	}
	if r := check.Report(); !r.Exact() {
		t.Error(r)
	} else {
		t.Log(r)
	}
}

// A journal that is read from its end is so from where it ended at the first start, not at the switching on.
func TestSwitchAtTail(t *testing.T) {
	f := func(seek string, restart bool) {
		t.Helper()
		a, dir := newLogapi(t), t.TempDir()
		journal := filepath.Join(dir, "journal")
		w, err := journalgen.Open(journal)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		o := journalgen.Defaults(100)
		o.Pause, o.Partial = 0, 0
		g := journalgen.New(o)
		write := func() {
			t.Helper()
			for range 50 {
				entry, _ := g.Next()
				if err := w.Append(entry); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		write()
		p := harness.New(t, fmt.Sprintf("podbeat.inputs:\n- {type: journal, id: node, paths: [%q], %s}\n", journal, seek)+a.section(dir)+fileOutput(dir))
		a.until(p, 0, "journal running")
		p.Wait("it has opened the journal", func(harness.Stats) bool {
			return strings.Contains(p.Log(), "Reading starts at") || strings.Contains(seek, "seek: tail")
		})
		a.more(p, 1)
		a.want(1, journalbeat)
		a.until(p, 1, "journal off")
		write()
		if restart {
			p.Term()
			p.Start()
			a.until(p, 1, "journal off")
		}
		a.want(2)
		a.until(p, 2, "journal running")
		for since := time.Now(); len(events(t, dir)) < 50 && time.Since(since) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		}
		p.Term()
		if n := len(events(t, dir)); n != 50 {
			t.Errorf("%s, restart %v: %d events have come, want the 50 that came while it was off", seek, restart, n)
		}
	}
	f("seek: tail", false)
	f("cursor_seek_fallback: tail", false)
	f("cursor_seek_fallback: tail", true)
}
