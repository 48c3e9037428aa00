package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/token"
)

// A Logapi is one installation of logapi: its configuration and data, and at times a process. Its methods are for
// the goroutine of the test; what goes wrong ends the test.
type Logapi struct {
	Dir   string // its path is data in it, all processes' logs are in logapi.log
	URL   string // of the API, without its prefix
	Store string // URL of the store's own address; "" with Elasticsearch
	Watch string // URL of /metrics and the like

	process
	logged int // bytes of the log that earlier processes wrote
}

// The user that NewLogapi makes. All of the API is granted to it.
const (
	Email    = "user@example.com"
	Password = "correct horse battery staple"
)

// NewLogapi installs logapi with this configuration, which says nothing of path and addresses, and starts it; when the
// test ends, it is killed.
func NewLogapi(t testing.TB, config string) *Logapi {
	t.Helper()
	program := Program(t, "logapi")
	l := &Logapi{Dir: t.TempDir(), process: process{t: t, name: "logapi"}}
	t.Cleanup(l.remove)
	l.Configure(config)
	cmd := exec.Command(program, "-c", l.configFile(), "user", "add", Email, "--grant", "* {mscp_api_url}/**", "--password-stdin")
	cmd.Stdin = strings.NewReader(Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot add a user: %v: %s", err, out)
	}
	l.Start()
	return l
}

func (l *Logapi) configFile() string { return filepath.Join(l.Dir, "logapi.yml") }

func (l *Logapi) logFile() string { return filepath.Join(l.Dir, "logapi.log") }

// Configure writes another configuration, for the next Start.
func (l *Logapi) Configure(config string) {
	l.t.Helper()
	text := fmt.Sprintf("path: %s/data\n", l.Dir)
	for _, address := range []string{"listen", "store.listen", "monitoring.listen"} {
		if !regexp.MustCompile("(?m)^" + regexp.QuoteMeta(address) + ":").MatchString(config) {
			text += address + ": 127.0.0.1:0\n"
		}
	}
	if err := os.WriteFile(l.configFile(), []byte(text+config), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// Log returns what all its processes have logged.
func (l *Logapi) Log() string {
	data, _ := os.ReadFile(l.logFile())
	return string(data)
}

var listening = regexp.MustCompile(`msg=listening for=(\w+) address=(\S+)`)

// Start starts the process and waits until it answers. The ports are others than before, unless the configuration names them.
func (l *Logapi) Start() {
	l.t.Helper()
	log, err := os.OpenFile(l.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	l.logged = len(l.Log())
	l.launch(exec.Command(Program(l.t, "logapi"), "-c", l.configFile()), log)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		l.URL, l.Store, l.Watch = "", "", ""
		for _, m := range listening.FindAllStringSubmatch(l.Log()[l.logged:], -1) {
			switch url := "http://" + m[2]; m[1] {
			case "API":
				l.URL = url
			case "store":
				l.Store = url
			case "monitoring":
				l.Watch = url
			}
		}
		if l.Watch != "" { // the last one
			if resp, err := http.Get(l.Watch + "/readyz"); err == nil {
				resp.Body.Close()
				return
			}
		}
		if !l.Running() || time.Since(began) > patience {
			l.t.Fatalf("logapi does not answer: %s", l.Log()[l.logged:])
		}
	}
}

// RootToken fetches a root token for the user by the API, as clients do. prefix is that of the API.
func (l *Logapi) RootToken(prefix string) string {
	l.t.Helper()
	return l.login(prefix+"/auth/token_root", "", func(r *http.Request) { r.SetBasicAuth(Email, Password) })
}

// Token fetches an access token for the user.
func (l *Logapi) Token(prefix string, access ...token.Access) string {
	l.t.Helper()
	root := l.RootToken(prefix)
	wanted, err := json.Marshal(access)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.login(prefix+"/auth", string(wanted), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+root) })
}

func (l *Logapi) login(path, body string, as func(*http.Request)) string {
	l.t.Helper()
	r, err := http.NewRequest("GET", l.URL+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	as(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var answer struct{ Token string }
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %s: %s", path, resp.Status, text)
	}
	return answer.Token
}

// remove is the last thing that happens to an installation.
func (l *Logapi) remove() {
	if l.Running() {
		l.cmd.Process.Kill()
		<-l.exited
	}
	if l.t.Failed() {
		l.t.Logf("the end of logapi's log:\n%s", tail(l.Log(), 40))
	}
}
