package control

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/gofrs/uuid"

	"github.com/podbeat/podbeat/heartbeat"
)

var info = beat.Info{Beat: "podbeat", Version: "1.2.3", Name: "host", ID: uuid.Must(uuid.NewV4())}

// made makes a Control of YAML, with its data in a folder of its own.
func made(t *testing.T, yaml string) *Control {
	t.Helper()
	if paths.Paths.Data = t.TempDir(); logp.DevelopmentSetup(logp.ToObserverOutput()) != nil {
		t.Fatal("no log")
	}
	c, err := New(parsed(t, yaml), info)
	if err != nil {
		t.Fatal(err)
	}
	c.Open()
	return c
}

func parsed(t *testing.T, yaml string) *common.Config {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "test")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// logged returns what has been logged since it was called last.
func logged() string {
	var b strings.Builder
	for _, e := range logp.ObserverLogs().TakeAll() {
		fmt.Fprintln(&b, e.Level, e.Message)
	}
	return b.String()
}

func TestOptions(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		_, err := New(parsed(t, yaml), info)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", yaml, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	f(`{url: "https://logs.example.com/api/eu/system/log", token: a.b.c, every: 1m, timeout: 1s, role: parser, node: n, pod_id: p}`, "")
	f(`{url: "http://127.0.0.1", ssl: {verification_mode: certificate}}`, "")
	f(`{}`, `option "url" is missing`)
	f(`{url: logs.example.com}`, `cannot use option "url"`)
	f(`{url: "ftp://logs.example.com"}`, `cannot use option "url"`)
	f(`{url: "https://u:p@logs.example.com"}`, "has a user, a query or a fragment")
	f(`{url: "https://logs.example.com?jwt=x"}`, "has a user, a query or a fragment")
	f(`{url: "https://a", tokn: x}`, `unknown option "tokn", did you mean "token"?`)
	f(`{url: "https://a", token: x, token_file: y}`, "exclude each other")
	f(`{url: "https://a/api/eu/system/log/", user: u@example.com, password: p}`, "")
	f(`{url: "https://a/eu/system/log", user: u, password: p}`, "")
	f(`{url: "https://a/system/log", user: u, password: p}`, "must end in /<region>/system/log")
	f(`{url: "https://a/api/eu", user: u, password: p}`, "must end in /<region>/system/log")
	f(`{url: "https://a/eu/system/log", user: u}`, "belong together")
	f(`{url: "https://a/eu/system/log", user: u, password: p, token: t}`, "exclude each other")
	f(`{url: "https://a/eu/system/log", user: "u:v", password: p}`, "has a colon")
	f(`{url: "https://a", token: "x y"}`, `option "token" is no token`)
	f(`{url: "https://a", token: "x\r\nHost: b"}`, `option "token" is no token`)
	f(`{url: "https://a", every: 500ms}`, `option "every" must be 1s to 1m0s`)
	f(`{url: "https://a", every: 2m}`, `option "every" must be 1s to 1m0s`)
	f(`{url: "https://a", timeout: 0s}`, `option "timeout" must be above 0`)
	f(`{url: "https://a", role: boss}`, `option "role" must be collector, shipper or parser`)
	f(`{url: "https://a", ssl: {verfication_mode: none}}`, `unknown option "ssl.verfication_mode"`)
	f(`{url: "https://a", ssl: {certificate_authorities: [/none]}}`, "cannot use ssl")
	f(`{url: "https://a", ssl: {certificate: /none}}`, "key")
}

// TestTake goes through answers, one after the other. Each step says what is in force afterwards.
func TestTake(t *testing.T) {
	c := made(t, `{url: "http://127.0.0.1"}`)
	step := func(answer string, wantChanged bool, wantVersion int64, wantOff, wantLog string) {
		t.Helper()
		w, err := heartbeat.ReadWanted([]byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		changed := c.take(w)
		var off []string
		for _, typ := range []string{"journal", "emptydir", "podlogs", "filestream", "push", "kafka", "new"} {
			if !c.On(typ) {
				off = append(off, typ)
			}
		}
		if got := strings.Join(off, " "); changed != wantChanged || c.version() != wantVersion || got != wantOff {
			t.Errorf("%s: changed %v, version %d, off %q; want %v, %d, %q", answer, changed, c.version(), got, wantChanged, wantVersion, wantOff)
		}
		if log := logged(); (wantLog == "") != (log == "") || !strings.Contains(log, wantLog) {
			t.Errorf("%s: logged %q, want %q", answer, log, wantLog)
		}
	}
	step(`{}`, false, 0, "", "")
	step(`{"collectors":{"journalbeat":false}}`, false, 0, "", "") // none is known
	step(`{"version":1,"collectors":{"journalbeat":false}}`, true, 1, "journal", "Collector journalbeat is switched off by version 1")
	step(`{"version":1,"collectors":{"journalbeat":false}}`, false, 1, "journal", "")
	step(`{"version":0,"collectors":{"journalbeat":true}}`, false, 1, "journal", "")
	step(`{"version":2,"collectors":{"journalbeat":false,"":false,"kafka":false}}`, true, 2, "journal", "")
	step(`{"version":3,"collectors":{"filebeat":false}}`, true, 3, "emptydir podlogs filestream", "Collector journalbeat is switched on by version 3")
	step(`{"version":9,"collectors":{"filebeat":false,"http_gateway":false,"journalbeat":false}}`, true, 9, "journal emptydir podlogs filestream push", "http_gateway is switched off")

	// An older version, and another content of the same, is believed only after a while.
	step(`{"version":3}`, false, 9, "journal emptydir podlogs filestream push", "although version 9")
	step(`{"version":3}`, false, 9, "journal emptydir podlogs filestream push", "")
	c.state.doubtful = c.state.doubtful.Add(-doubtfulFor)
	step(`{"version":9}`, false, 9, "journal emptydir podlogs filestream push", "although version 9") // another answer begins anew
	c.state.doubtful = c.state.doubtful.Add(-doubtfulFor)
	step(`{"version":9,"collectors":{"filebeat":false,"http_gateway":false,"journalbeat":false}}`, false, 9, "journal emptydir podlogs filestream push", "")
	step(`{"version":9}`, false, 9, "journal emptydir podlogs filestream push", "although version 9")
	c.state.doubtful = c.state.doubtful.Add(-doubtfulFor)
	step(`{"version":9}`, true, 9, "", "is switched on by version 9")
}

func TestEvery(t *testing.T) {
	c := made(t, `{url: "http://127.0.0.1", every: 20s}`)
	f := func(told, want time.Duration) {
		t.Helper()
		c.take(heartbeat.Wanted{Version: c.version() + 1, Every: told})
		if got := c.every(); got != want {
			t.Errorf("told %v: every %v, want %v", told, got, want)
		}
	}
	f(0, 20*time.Second)
	f(5*time.Second, 5*time.Second)
	f(24*time.Hour, time.Minute) // what is switched off stops soon, whatever logapi says
	f(time.Millisecond, time.Second)

	f(10*time.Second, 10*time.Second)
	g := func(failures int, from, to time.Duration) {
		t.Helper()
		c.failures = failures
		seen := map[time.Duration]bool{}
		for range 100 {
			d := c.next()
			if d < from || d > to {
				t.Fatalf("after %d failures: %v, want %v to %v", failures, d, from, to)
			}
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Errorf("after %d failures: not random", failures)
		}
	}
	g(0, 9*time.Second, 11*time.Second)
	g(1, 5*time.Second, 10*time.Second)
	g(2, 10*time.Second, 20*time.Second)
	g(100, 30*time.Second, 60*time.Second)
}

// What is in force is there after a restart; a file that cannot be read changes nothing.
func TestKept(t *testing.T) {
	c := made(t, `{url: "http://127.0.0.1"}`)
	c.take(heartbeat.Wanted{Version: 4, Every: 5 * time.Second, Collectors: map[string]bool{"filebeat": false}})
	c.keep()
	again := func(want bool, wantLog string) {
		t.Helper()
		logged()
		next, err := New(parsed(t, `{url: "http://127.0.0.1"}`), info)
		if err != nil {
			t.Fatal(err)
		}
		next.Open()
		if got := next.On("emptydir"); got != want || !next.On("journal") {
			t.Errorf("after the restart emptydir is on: %v, want %v", got, want)
		}
		if log := logged(); !strings.Contains(log, wantLog) {
			t.Errorf("logged %q, want %q", log, wantLog)
		}
	}
	again(false, "Collector filebeat is switched off by version 4")
	file := filepath.Join(paths.Paths.Data, "control.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, text := range []string{"", "{", `{"version":"4"}`, `{"version":4,"collectors":{"filebeat":0}}`, strings.Repeat(" ", heartbeat.MaxBody+1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		again(true, "Cannot use the wanted state")
	}

	// A full disk is said once, and tried again.
	c = made(t, `{url: "http://127.0.0.1"}`)
	if err := os.Mkdir(filepath.Join(paths.Paths.Data, "control.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.take(heartbeat.Wanted{Version: 5, Collectors: map[string]bool{"filebeat": false}})
	logged()
	c.keep()
	c.keep()
	if log := logged(); strings.Count(log, "Cannot write the wanted state") != 1 || c.On("emptydir") {
		t.Errorf("logged %q", log)
	}
	if err := os.Remove(filepath.Join(paths.Paths.Data, "control.json")); err != nil {
		t.Fatal(err)
	}
	c.keep()
	again(false, "by version 5")
}

// What a logapi may answer: an error each, and nothing in force.
func TestHostile(t *testing.T) {
	f := func(want string, answer http.HandlerFunc) {
		t.Helper()
		server := httptest.NewServer(answer)
		defer server.Close()
		c := made(t, fmt.Sprintf(`{url: %q, token: tok.tok, timeout: 300ms}`, server.URL))
		_, err := c.send(t.Context(), func(*heartbeat.Beat) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "tok.tok") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1000) {
			t.Errorf("the error tells too much: %.2000q", err)
		}
	}
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	off := `{"version":7,"collectors":{"journalbeat":false}}`
	f("it answers 500", text(500, off))
	f("it answers 401: the token is missing", text(401, off))
	f("it answers 403: the token is missing", text(403, off))
	f("it answers 201", text(201, off))
	f("it answers 204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	f("cannot read the wanted state", text(200, ""))
	f("cannot read the wanted state", text(200, "<html>\x1b[2J"))
	f("cannot read the wanted state", text(200, "[]"))
	f("cannot read the wanted state", text(200, off+off))
	f(`"version"`, text(200, `{"version":-7}`))
	f(`journalbeat`, text(200, `{"version":7,"collectors":{"journalbeat":"\u001b[2J"}}`))
	f("longer than", text(200, off+strings.Repeat(" ", heartbeat.MaxBody)))
	f("it answers 302: a redirection is not followed", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusFound)
	})
	f("it answers 307: a redirection is not followed", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
	})
	f("deadline exceeded", func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	f("deadline exceeded", func(w http.ResponseWriter, r *http.Request) { // a byte at a time
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	f("EOF", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	f("headers exceeded", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
}

// The token is read for every heartbeat; one that cannot be is not sent, nor quoted.
func TestTokenFile(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		io.WriteString(w, "{}")
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	c := made(t, fmt.Sprintf(`{url: %q, token_file: %q}`, server.URL, file))
	f := func(text, want, wantErr string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got = ""
		_, err := c.send(t.Context(), func(*heartbeat.Beat) {})
		if got != want || (err == nil) != (wantErr == "") || err != nil && (!strings.Contains(err.Error(), wantErr) || strings.Contains(err.Error(), "sec")) {
			t.Errorf("%.20q: sent %q, %v; want %q, %q", text, got, err, want, wantErr)
		}
	}
	f("one\n", "Bearer one", "")
	f("two", "Bearer two", "")
	f("", "", "cannot use the token in")
	f("sec ret", "", "cannot use the token in")
	f("sec\x1bret", "", "cannot use the token in")
	f("sécret", "", "cannot use the token in")
	f(strings.Repeat("sec", maxToken), "", "more than")
	f("three\n", "Bearer three", "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.send(t.Context(), func(*heartbeat.Beat) {}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// A user logs in once, renews its access token, and logs in again when its root token holds no longer.
func TestLogin(t *testing.T) {
	access := func(n int) string { return fmt.Sprintf("h.eyJpYXQiOjEwMDAsImV4cCI6MTEwMH0.access%d", n) } // 100 s
	var log []string
	issued, roots, granted := 0, 0, true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		shown := r.Header.Get("Authorization")
		user, password, _ := r.BasicAuth()
		status, answer := http.StatusUnauthorized, ""
		switch what := r.Method + " " + r.URL.Path; {
		case what == "GET /api/auth/token_root" && user == "u" && password == "p w":
			roots++
			status, answer = 200, fmt.Sprintf(`{"token":"root%d"}`, roots)
		case what == "POST /api/auth" && granted && shown == fmt.Sprintf("Bearer root%d", roots):
			if want := `[{"method":["POST"],"url":["{mscp_api_url}/eu/system/log/heartbeat"]`; !strings.HasPrefix(string(body), want) {
				t.Errorf("asks for %s", body)
			}
			issued++
			status, answer = 200, fmt.Sprintf(`{"token":%q}`, access(issued))
		case what == "POST /api/eu/system/log/heartbeat" && shown == "Bearer "+access(issued):
			status, answer = 200, "{}"
		}
		log = append(log, fmt.Sprint(strings.TrimPrefix(r.URL.Path, "/api"), " ", status))
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer server.Close()
	c := made(t, fmt.Sprintf(`{url: %q, user: u, password: "p w"}`, server.URL+"/api/eu/system/log"))
	step := func(what, wantErr string, want ...string) {
		t.Helper()
		log = nil
		_, err := c.send(t.Context(), func(*heartbeat.Beat) {})
		if (err == nil) != (wantErr == "") || err != nil && (!strings.Contains(err.Error(), wantErr) || strings.Contains(err.Error(), "p w") || strings.Contains(err.Error(), "root")) {
			t.Errorf("%s: %v, want %q", what, err, wantErr)
		}
		if strings.Join(log, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: %v, want %v", what, log, want)
		}
	}
	const root, auth, beat = "/auth/token_root", "/auth", "/eu/system/log/heartbeat"
	step("the first", "", root+" 200", auth+" 200", beat+" 200")
	step("the second", "", beat+" 200")
	if left := time.Until(c.tokens.renew); left > 50*time.Second || left < 40*time.Second {
		t.Errorf("it is renewed in %v, want half of its life", left)
	}
	c.tokens.renew = time.Now()
	step("renewed", "", auth+" 200", beat+" 200")
	issued++ // what was issued holds no longer
	step("expired", "it answers 401", beat+" 401")
	step("and replaced", "", auth+" 200", beat+" 200")
	c.tokens.renew = time.Now()
	roots++
	step("the root token is too old", "", auth+" 401", root+" 200", auth+" 200", beat+" 200")
	c.tokens.renew, granted = time.Now(), false
	step("revoked", `user "u" is not granted POST {mscp_api_url}/eu/system/log/heartbeat`, auth+" 401", root+" 200", auth+" 401")
	c.opts.Password = "other"
	step("the password is another", "the user or the password is wrong", root+" 401")
}

func TestLife(t *testing.T) {
	f := func(payload string, want time.Duration) {
		t.Helper()
		if got := life("h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s"); got != want {
			t.Errorf("%s: %v, want %v", payload, got, want)
		}
	}
	f(`{"iat":1000,"exp":4600}`, time.Hour)
	f(`{"iat":1000,"exp":1001}`, 20*time.Second)
	f(`{"iat":1000}`, 10*time.Minute)
	f(`{"iat":1000,"exp":9223372036854775807}`, 10*time.Minute)
	f(`{"iat":-9223372036854775807,"exp":9223372036854775807}`, 10*time.Minute)
	f(`[]`, 10*time.Minute)
	if got := life("no token"); got != 10*time.Minute {
		t.Errorf("got %v", got)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"version":1}`) }))
	defer server.Close()
	server.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(ssl, want string) {
		t.Helper()
		c := made(t, fmt.Sprintf(`{url: %q, ssl: {%s}}`, server.URL, ssl))
		w, err := c.send(t.Context(), func(*heartbeat.Beat) {})
		switch {
		case want == "" && (err != nil || w.Version != 1):
			t.Errorf("%s: %v", ssl, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", ssl, err, want)
		}
	}
	f(fmt.Sprintf("certificate_authorities: [%q]", ca), "")
	f("verification_mode: none", "")
	f("", "unknown authority")
	f("enabled: true", "unknown authority")
}

// Run tells the first heartbeat at once and what changes within a second, and logs a failure once. It ends when it is told to.
func TestRun(t *testing.T) {
	var beats = make(chan heartbeat.Beat, 10)
	var broken = make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b, err := heartbeat.Read(body)
		if err != nil {
			t.Error(err)
		}
		select {
		case <-broken:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			io.WriteString(w, `{"version":3,"every":"1s","collectors":{"journalbeat":false}}`)
		}
		beats <- b
	}))
	defer server.Close()
	t.Setenv("NODE_NAME", "node7")
	t.Setenv("POD_UID", "uid7")
	t.Setenv("POD_NAME", "podbeat-x")
	c := made(t, fmt.Sprintf(`{url: %q, every: 1m}`, server.URL+"/api/"))
	ctx, cancel := context.WithCancel(t.Context())
	ended, changed := make(chan struct{}), make(chan struct{}, 10)
	broken <- true
	go func() {
		defer close(ended)
		c.Run(ctx, func(b *heartbeat.Beat) { b.Inputs = []heartbeat.Input{{Type: "kafka", State: "running"}} }, func() { changed <- struct{}{} })
	}()
	b := <-beats
	if b.Node != "node7" || b.PodID != "uid7" || b.Name != "podbeat-x" || b.Role != "shipper" || b.Instance != info.ID.String() || b.Version != "1.2.3" || b.Wanted != 0 || b.Every != time.Minute {
		t.Errorf("got %+v", b)
	}
	for logp.ObserverLogs().FilterMessageSnippet("it answers 503").Len() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended

	ctx, cancel = context.WithCancel(t.Context())
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx, func(*heartbeat.Beat) {}, func() { changed <- struct{}{} })
	}()
	<-beats
	<-changed
	c.Soon()
	c.Soon()
	if b := <-beats; b.Wanted != 3 || b.Every != time.Second {
		t.Errorf("got %+v", b)
	}
	cancel()
	<-ended
	if log := logged(); strings.Count(log, "Heartbeats to logapi") != 1 || !strings.Contains(log, "answers again, after 1 heartbeats") || len(changed) > 0 {
		t.Errorf("logged %q", log)
	}
}
