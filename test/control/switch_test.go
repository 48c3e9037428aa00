package control

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/kubelet"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

// A load is a node at work: its journal, its pods' files and its programs write until stop, and know what they wrote.
type load struct {
	journal, pods, plain string // directories, and a file
	keys, listen         string

	t       testing.TB
	stopped atomic.Bool
	working atomic.Int32 // writers that end by themselves and have not
	all     sync.WaitGroup

	messages []journalgen.Message
	ledger   *kubelet.Ledger
	lines    int // of the plain file
	pushed   int
}

const app = "caa0c2f0-1116-495f-8f09-3cd023cc14a2"

// newLoad starts the writers. Those of the journal and of the pods end by themselves after about seconds.
func newLoad(t testing.TB, seconds int) *load {
	t.Helper()
	dir := t.TempDir()
	l := &load{t: t, journal: filepath.Join(dir, "journal"), pods: filepath.Join(dir, "pods"), plain: filepath.Join(dir, "plain.log"), keys: filepath.Join(dir, "keys.json"),
		listen: services.Address(t)}
	jwks := fmt.Sprintf(`{"keys":[{"kty":"oct","k":%q}]}`, base64.RawURLEncoding.EncodeToString([]byte("a secret of 32 bytes or even more")))
	if err := os.WriteFile(l.keys, []byte(jwks), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.stop)

	l.working.Store(2)
	// The journal.
	w, err := journalgen.Open(l.journal)
	if err != nil {
		t.Fatal(err)
	}
	const perSecond = 500
	o := journalgen.Defaults(perSecond * seconds)
	o.Pause = 0
	g := journalgen.New(o)
	l.all.Go(func() {
		if err := w.Feed(context.Background(), g, perSecond, 3000); err != nil {
			t.Errorf("cannot write the journal: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		l.messages = g.Messages()
		l.working.Add(-1)
	})

	// The pods. What is deleted while nobody reads is gone, so they keep all their files.
	k := kubelet.Defaults(kubelet.EmptyDir, l.pods, 10*seconds, 300*seconds)
	k.Keep, k.AtOnce = true, 20
	k.Ways = slices.DeleteFunc(kubelet.Ways(kubelet.EmptyDir), func(way string) bool { return way == "recreate" })
	node, err := kubelet.New(k)
	if err != nil {
		t.Fatal(err)
	}
	l.all.Go(func() {
		if err := node.Run(context.Background()); err != nil {
			t.Errorf("cannot write the pods' files: %v", err)
		}
		l.ledger = node.Ledger()
		l.working.Add(-1)
	})
	l.all.Go(l.write)
	l.all.Go(l.push)
	return l
}

// write appends to the plain file.
func (l *load) write() {
	f, err := os.OpenFile(l.plain, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer f.Close()
	for !l.stopped.Load() {
		if _, err := fmt.Fprintf(f, "a plain line sq#%08d\n", l.lines); err != nil {
			l.t.Error(err)
			return
		}
		l.lines++
		time.Sleep(2 * time.Millisecond) // the rate, not a wait
	}
}

// push sends entries as programs do: again until they are taken.
func (l *load) push() {
	keys, err := token.OpenKeys(l.keys)
	if err != nil {
		l.t.Error(err)
		return
	}
	jwt, err := keys.Sign(token.Claims{UserID: "1", Expires: time.Now().Add(time.Hour),
		Access: []token.Access{{Method: []string{"POST"}, URL: []string{"{mscp_api_url}/apps/{appid:UUID}/log"}}}})
	if err != nil {
		l.t.Error(err)
		return
	}
	for n := 0; !l.stopped.Load(); n++ {
		var list []map[string]any
		for range 20 {
			list = append(list, map[string]any{"timestemp": 1516792419231221, "appid": app, "type": "applog", "message": fmt.Sprintf("a pushed line sq#%08d", l.pushed+len(list))})
		}
		body, _ := json.Marshal(list)
		for taken, began := false, time.Now(); !taken; {
			req, _ := http.NewRequest("POST", "http://"+l.listen+"/apps/"+app+"/log", bytes.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+jwt)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Idempotency-Key", fmt.Sprint("request-", n))
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch taken = resp.StatusCode == http.StatusAccepted; {
				case !taken && resp.StatusCode != http.StatusServiceUnavailable:
					l.t.Errorf("a push is answered with %d: %s", resp.StatusCode, text)
					return
				}
			}
			if !taken {
				if l.stopped.Load() && time.Since(began) > 30*time.Second { // an input says that it runs before it listens
					l.t.Error("a push was never taken")
					return
				}
				time.Sleep(20 * time.Millisecond) // as its clients do
			}
		}
		l.pushed += len(list)
		time.Sleep(10 * time.Millisecond)
	}
}

// stop ends the writers and waits for them.
func (l *load) stop() {
	l.stopped.Store(true)
	l.all.Wait()
}

// delivered waits until there are as many events as were written, or for half a minute no more have come.
func (l *load) delivered(dir string) {
	total := len(l.messages) + l.ledger.Written() + l.lines + l.pushed
	for last, since := -1, time.Now(); last < total && time.Since(since) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if n := len(events(l.t, dir)); n != last {
			last, since = n, time.Now()
		}
	}
}

// check counts what has arrived of what was written, by its numbers.
func (l *load) check(list []event) {
	l.t.Helper()
	want := map[string]map[string]bool{"journal": {}, "emptydir": {}, "filestream": {}, "push": {}}
	for _, m := range l.messages {
		want["journal"][fmt.Sprintf("sq#%08d", m.Seq)] = true
	}
	for _, f := range l.ledger.Files {
		for _, line := range f.Lines {
			if !line.Written.IsZero() {
				want["emptydir"][fmt.Sprintf("sq#%08d", line.Token)] = true
			}
		}
	}
	for i := range l.lines {
		want["filestream"][fmt.Sprintf("sq#%08d", i)] = true
	}
	for i := range l.pushed {
		want["push"][fmt.Sprintf("sq#%08d", i)] = true
	}
	seen := map[string]map[string]int{"journal": {}, "emptydir": {}, "filestream": {}, "push": {}}
	for _, e := range list {
		_, number, _ := strings.Cut(e.Message, "sq#")
		if len(number) >= 8 && seen[e.Input.Type] != nil {
			seen[e.Input.Type]["sq#"+number[:8]]++
		} else {
			l.t.Errorf("an event of no writer: %+v", e)
		}
	}
	for typ, numbers := range want {
		lost, doubled, strange := 0, 0, 0
		for n := range numbers {
			switch got := seen[typ][n]; {
			case got == 0:
				lost++
			case got > 1:
				doubled += got - 1
			}
		}
		for n := range seen[typ] {
			if !numbers[n] {
				strange++
			}
		}
		l.t.Logf("%s: written %d, lost %d, doubled %d, unexpected %d", typ, len(numbers), lost, doubled, strange)
		if lost+doubled+strange > 0 || len(numbers) == 0 {
			l.t.Errorf("what arrived of %s is not what was written", typ)
		}
	}
}

// config is podbeat's, with the files' inputs in a file of their own.
func (l *load) config(a *logapi, dir string) string {
	l.t.Helper()
	inputs := fmt.Sprintf("- type: emptydir\n  id: pods\n  paths: [%q]\n  scan_interval: 1s\n- type: filestream\n  id: plain\n  paths: [%q]\n  prospector.scanner.check_interval: 1s\n",
		l.pods+"/*/volumes/kubernetes.io~empty-dir/applog-*/*.log", l.plain)
	if err := os.WriteFile(filepath.Join(dir, "inputs.yml"), []byte(inputs), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return fmt.Sprintf(`
podbeat.inputs:
- {type: journal, id: node, paths: [%q]}
- {type: push, id: api, listen: %q, keys: %q}
podbeat.config.inputs: {path: %q, reload: {enabled: true, period: 1s}}
`, l.journal, l.listen, l.keys, filepath.Join(dir, "inputs.yml")) + a.section(dir) + fileOutput(dir)
}

const (
	journalbeat, filebeat, gateway = "journalbeat", "filebeat", "http_gateway"

	allOn = "journal running, push running, emptydir running, filestream running"
)

// Collectors go off and on while all of them work, alone and together; podbeat is stopped and started meanwhile. Every
// line arrives, once: the output is a file, which would show any line that is sent again.
func TestSwitch(t *testing.T) {
	a, dir := newLogapi(t), t.TempDir()
	harness.Program(t, "podbeat") // built before anything is written
	l := newLoad(t, 25)
	p := harness.New(t, l.config(a, dir))
	first := a.until(p, 0, allOn)
	if first.Node != "node1" || first.PodID != "pod1" || first.Role != "collector" || first.Output == nil || first.Output.Type != "file" || first.Version == "" {
		t.Errorf("a heartbeat says %+v", first)
	}
	version := int64(0)
	for round := 0; l.working.Load() > 0 || round < 8; round++ {
		off := [][]string{{journalbeat}, {filebeat}, {gateway}, {journalbeat, filebeat, gateway}}[round%4]
		version++
		a.want(version, off...)
		want := allOn
		for _, name := range off {
			for _, typ := range map[string][]string{journalbeat: {"journal"}, filebeat: {"emptydir", "filestream"}, gateway: {"push"}}[name] {
				want = strings.ReplaceAll(want, typ+" running", typ+" off")
			}
		}
		began := time.Now()
		b := a.until(p, version, want)
		t.Logf("%v off after %v", off, time.Since(began).Round(10*time.Millisecond))
		for _, in := range b.Inputs {
			if in.State == "off" && in.LagSeconds != nil {
				t.Errorf("an input that is off does not know its lag: %+v", in)
			}
		}
		if len(off) == 3 {
			before := len(events(t, dir))
			a.more(p, 2)
			if now := len(events(t, dir)); now != before {
				t.Errorf("all collectors are off, and %d events come", now-before)
			}
		}
		if round%3 == 2 { // it stays off over a restart
			p.Term()
			p.Start()
			a.until(p, version, want)
		}
		version++
		a.want(version)
		a.until(p, version, allOn)
	}
	l.stop()
	l.delivered(dir)
	p.Term()
	l.check(events(t, dir))
	log := p.Log()
	if strings.Contains(log, secret) {
		t.Error("the token is in the log")
	}
	if !strings.Contains(log, "Collector journalbeat is switched off by version 1 ") || strings.Count(log, "journalbeat is switched off by version 1 ") != 1 {
		t.Error("the log does not say once what was switched off by whom")
	}
}
