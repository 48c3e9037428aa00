// Package push tests the input push from outside: the built podbeat, HTTP and raw sockets, real outputs.
package push

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	app    = "caa0c2f0-1116-495f-8f09-3cd023cc14a2"
	secret = "a secret of 32 bytes or even more"
	micros = 1516792419231221
	quick  = "queue.mem: {events: 4096, flush.min_events: 0}\n" // no waiting for a full batch
)

// An api is a podbeat with a push input.
type api struct {
	*harness.Podbeat
	t    testing.TB
	addr string // host:port
	url  string // the API's, with its prefix
	keys *token.Keys
	dir  string // where the file output writes
}

// start runs podbeat with these further options of the input, as indented lines, and the rest of the configuration; it
// returns once requests are answered. Without an output among the rest, documents go to a file.
func start(t testing.TB, options, rest string) *api {
	t.Helper()
	a := &api{t: t, addr: services.Address(t)}
	dir := t.TempDir()
	a.dir = dir
	keys := filepath.Join(dir, "keys.json")
	jwks := fmt.Sprintf(`{"keys":[{"kty":"oct","k":%q}]}`, base64.RawURLEncoding.EncodeToString([]byte(secret)))
	if err := os.WriteFile(keys, []byte(jwks), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.keys, err = token.OpenKeys(keys); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rest, "output.") {
		rest += "output.file: {path: out, filename: docs}\n"
	}
	rest = strings.ReplaceAll(rest, "path: out", "path: "+dir)
	config := fmt.Sprintf("podbeat.inputs:\n- type: push\n  id: api\n  listen: %s\n  prefix: /api\n  keys: %s\n%s\n%s", a.addr, keys, options, rest)
	scheme := "http://"
	if strings.Contains(options, "ssl") {
		scheme = "https://"
	}
	a.url = scheme + a.addr + "/api"
	a.Podbeat = harness.New(t, config)
	a.await()
	return a
}

// await returns once the process listens.
func (a *api) await() {
	a.t.Helper()
	a.Wait("the address is open", func(harness.Stats) bool {
		c, err := net.Dial("tcp", a.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// token signs a token that opens what is in allow, "METHOD URL" each.
func (a *api) token(user string, allow ...string) string {
	a.t.Helper()
	c := token.Claims{UserID: user, Expires: time.Now().Add(time.Hour)}
	for _, one := range allow {
		method, url, _ := strings.Cut(one, " ")
		c.Access = append(c.Access, token.Access{Method: []string{method}, URL: []string{url}})
	}
	raw, err := a.keys.Sign(c)
	if err != nil {
		a.t.Fatal(err)
	}
	return raw
}

// pusher is the token of M-110.
func (a *api) pusher() string { return a.token("12203", "POST {mscp_api_url}/apps/{appid:UUID}/log") }

// forge signs any header and payload with the key of the API, or another.
func forge(header, payload, secret string) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A result is what a request was answered.
type result struct {
	status int
	body   string
	header http.Header
}

// request sends a request, with headers given as "Name: value", and reads the answer.
func (a *api) request(method, path, body string, headers ...string) result {
	a.t.Helper()
	r, err := a.try(http.DefaultClient, method, path, body, headers...)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a *api) try(client *http.Client, method, path, body string, headers ...string) (result, error) {
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		return result{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return result{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return result{resp.StatusCode, string(text), resp.Header}, err
}

// push sends a body as the pusher does.
func (a *api) push(body string, headers ...string) result {
	a.t.Helper()
	return a.request("POST", "/apps/"+app+"/log", body, append([]string{"Authorization: Bearer " + a.pusher(), "Content-Type: application/json"}, headers...)...)
}

// entryOf is an entry with this message.
func entryOf(message string) string {
	text, _ := json.Marshal(message)
	return fmt.Sprintf(`{"timestemp":%d,"appid":%q,"type":"applog","message":%s}`, micros, app, text)
}

func body(messages ...string) string {
	var list []string
	for _, m := range messages {
		list = append(list, entryOf(m))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// docs returns the documents that the file output has written.
func (a *api) docs() (docs []map[string]any) {
	a.t.Helper()
	files, _ := filepath.Glob(filepath.Join(a.dir, "docs*"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			a.t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var doc map[string]any
			if err := json.Unmarshal(line, &doc); err != nil {
				a.t.Fatalf("%s: %v", line, err)
			}
			docs = append(docs, doc)
		}
	}
	return docs
}

// messages are those of the documents, sorted.
func (a *api) messages() (list []string) {
	for _, doc := range a.docs() {
		list = append(list, doc["message"].(string))
	}
	slices.Sort(list)
	return list
}
