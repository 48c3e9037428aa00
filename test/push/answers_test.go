package push

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/token"
)

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// The whole table of answers. Nothing of a request that is not answered with 202 is taken.
func TestAnswers(t *testing.T) {
	a := start(t, `
  max_body_bytes: 20000
  max_entry_bytes: 5000
  max_entries: 50
  public_url: https://logs.example.com/logs`, quick)
	var want []string // messages
	const path = "/apps/" + app + "/log"
	auth, anything := "Authorization: Bearer "+a.pusher(), "Authorization: "+a.token("1", "* {mscp_api_url}/**", "* /**")
	const json, lines, zipped = "Content-Type: application/json", "Content-Type: application/x-ndjson", "Content-Encoding: gzip"

	f := func(name string, status int, answer, method, path, body string, headers ...string) result {
		t.Helper()
		r := a.request(method, path, body, headers...)
		if r.status != status || !strings.Contains(r.body, answer) {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, r.body, status, answer)
		}
		if kind := r.header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: answered as %s", name, kind)
		}
		for _, cors := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
			if r.header.Get(cors) != "" {
				t.Errorf("%s: answered with %s", name, cors)
			}
		}
		return r
	}
	taken := func(name, answer, body string, messages []string, headers ...string) {
		t.Helper()
		f(name, 202, answer, "POST", path, body, headers...)
		want = append(want, messages...)
	}
	refused := func(name string, status int, answer, body string, headers ...string) {
		t.Helper()
		f(name, status, answer, "POST", path, body, headers...)
	}

	taken("one", `{"accepted":1}`, body("one"), []string{"one"}, auth, json)
	taken("many", `{"accepted":3}`, body("a", "a", ""), []string{"a", "a", ""}, auth, json)
	taken("charset", "1", body("b"), []string{"b"}, auth, "Content-Type: application/json; charset=UTF-8")
	taken("identity", "1", body("c"), []string{"c"}, auth, json, "Content-Encoding: identity")
	taken("gzip", "1", zip(body("d")), []string{"d"}, auth, json, "Content-Encoding: GZIP")
	taken("gzip in two members", "2", zip(body("e", "f")[:20])+zip(body("e", "f")[20:]), []string{"e", "f"}, auth, json, zipped)
	taken("lines", "2", entryOf("g")+"\n\n"+entryOf("h")+"\r\n", []string{"g", "h"}, auth, lines)
	taken("lines, gzip", "1", zip(entryOf("i")), []string{"i"}, auth, lines, zipped)
	taken("a bare token", "1", body("j"), []string{"j"}, "Authorization: "+a.pusher(), json)
	taken("timestamp", "1", strings.ReplaceAll(body("k"), "timestemp", "timestamp"), []string{"k"}, auth, json)
	taken("app in capitals", "1", strings.ReplaceAll(body("l"), app, strings.ToUpper(app)), []string{"l"}, auth, json)
	taken("50 entries", "50", body(slices.Repeat([]string{"m"}, 50)...), slices.Repeat([]string{"m"}, 50), auth, json)
	taken("a long entry", "1", body(strings.Repeat("n", 4800)), []string{strings.Repeat("n", 4800)}, auth, json)
	f("the jwt parameter", 202, "1", "POST", path+"?jwt="+a.pusher(), body("o"), json)
	f("a token for this app alone", 202, "1", "POST", path, body("o"), "Authorization: "+a.token("1", "POST /api"+path), json)
	f("a token with the public URL", 202, "1", "POST", path, body("o"), "Authorization: "+a.token("1", "POST https://logs.example.com/logs/apps/*/log"), json)
	f("a path in capitals", 202, "1", "POST", "/apps/"+strings.ToUpper(app)+"/log", body("o"), auth, json)
	want = append(want, "o", "o", "o", "o")

	if r := f("no token", 401, "authorization failed", "POST", path, body("x"), json); r.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	refused("no token, no body either", 401, "", "")
	refused("both places", 401, "", body("x"), auth, "Authorization: "+a.pusher())
	f("header and parameter", 401, "", "POST", path+"?jwt="+a.pusher(), body("x"), auth, json)
	f("parameter twice", 401, "", "POST", path+"?jwt="+a.pusher()+"&jwt=x", body("x"), json)
	refused("basic", 401, "", body("x"), "Authorization: Basic dXNlcjpwYXNz", json)
	f("no token, unknown path", 401, "", "GET", "/nothing", "")
	f("no token, other method", 401, "", "OPTIONS", path, "", "Origin: http://evil.example", "Access-Control-Request-Method: POST")

	refused("another app", 403, "", body("x"), "Authorization: "+a.token("1", "POST /api/apps/d"+app[1:]+"/log"), json)
	refused("another method", 403, "", body("x"), "Authorization: "+a.token("1", "PUT /api"+path), json)
	refused("another host", 403, "", body("x"), "Authorization: "+a.token("1", "POST https://other.example.com/logs/apps/*/log"), json)
	refused("a root token", 403, "", body("x"), "Authorization: "+a.token("1"), json)
	refused("403 before 415", 403, "", "x", "Authorization: "+a.token("1"))
	f("GET", 403, "", "GET", path, "", auth)
	refused("an entry of another app", 403, `"entry":1,"field":"appid"`, strings.TrimSuffix(body("x"), "]")+","+strings.Replace(entryOf("x"), app, "d"+app[1:], 1)+"]", auth, json)

	f("unknown path", 404, "", "POST", "/apps/"+app, body("x"), anything, json)
	f("no UUID", 404, "UUID", "POST", "/apps/42/log", body("x"), anything, json)
	f("deeper", 404, "", "POST", path+"/more", body("x"), anything, json)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
		if r := f(method, 405, "", method, path, "", anything); r.header.Get("Allow") != "POST" {
			t.Errorf("%s: 405 with Allow: %q", method, r.header.Get("Allow"))
		}
	}

	refused("no type", 415, "", body("x"), auth)
	refused("a form", 415, "x-www-form-urlencoded", body("x"), auth, "Content-Type: application/x-www-form-urlencoded")
	refused("text", 415, "", body("x"), auth, "Content-Type: text/plain")
	refused("Latin-1", 415, "", body("x"), auth, "Content-Type: application/json; charset=iso-8859-1")
	refused("two types", 415, "", body("x"), auth, json, lines)
	refused("a broken type", 415, "", body("x"), auth, "Content-Type: application/json; =")
	for _, coding := range []string{"deflate", "br", "zstd", "gzip, gzip", "x-gzip", ""} {
		if r := a.request("POST", path, body("x"), auth, json, "Content-Encoding: "+coding); r.status != 415 || r.header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("coding %q: %d %s", coding, r.status, r.body)
		}
	}
	refused("gzip twice", 415, "", zip(zip(body("x"))), auth, json, zipped, zipped)

	refused("a long body", 413, "20000", strings.Repeat(" ", 20001), auth, json)
	refused("a long body, inflated", 413, "20000", zip(strings.Repeat(" ", 20001)), auth, json, zipped)
	refused("51 entries", 413, `"entry":50`, body(slices.Repeat([]string{""}, 51)...), auth, json)
	refused("a long entry", 413, `"entry":1`, body("x", strings.Repeat("x", 5000)), auth, json)
	refused("413 before 400", 413, "", strings.Repeat("x", 20001), auth, json)

	refused("nothing", 400, "text ends", "", auth, json)
	refused("nothing, gzip", 400, "ends too early", "", auth, json, zipped)
	refused("no lines", 400, "no entries", "\n", auth, lines)
	refused("no entries", 400, "no entries", "[]", auth, json)
	refused("no gzip", 400, "gzip", body("x"), auth, json, zipped)
	refused("half of it", 400, "ends too early", zip(body("x"))[:60], auth, json, zipped)
	refused("a wrong sum", 400, "", strings.Replace(zip(body("x")), zip(body("x"))[len(zip(body("x")))-8:], "12345678", 1), auth, json, zipped)
	refused("gzip and more", 400, "damaged", zip(body("x"))+"more", auth, json, zipped)
	refused("the last is bad", 400, `{"error":"the member is missing","entry":2,"field":"type"}`, strings.TrimSuffix(body("x", "x"), "]")+`,{"timestemp":1516792419231221,"appid":"`+app+`","message":"x"}]`, auth, json)
	refused("lines as JSON", 400, "", entryOf("x"), auth, json)
	refused("JSON as lines", 400, `"entry":0`, body("x"), auth, lines)
	for _, key := range []string{"", strings.Repeat("k", 257), "\xc3\xa9", "a\tb"} {
		refused("key "+key, 400, "Idempotency-Key", body("x"), auth, json, "Idempotency-Key: "+key)
	}
	refused("two keys", 400, "Idempotency-Key", body("x"), auth, json, "Idempotency-Key: a", "Idempotency-Key: b")

	taken("a key", "1", body("p"), []string{"p"}, auth, json, "Idempotency-Key: k")
	taken("repeated", "1", body("p"), nil, auth, json, "Idempotency-Key: k")
	taken("repeated, gzip", "1", zip(body("p")), nil, auth, json, zipped, "Idempotency-Key: k")
	refused("another body", 409, "another body", body("q"), auth, json, "Idempotency-Key: k")
	taken("another user", "1", body("q"), []string{"q"}, "Authorization: "+a.token("other", "POST /api"+path), json, "Idempotency-Key: k")
	taken("no key", "1", body("p"), []string{"p"}, auth, json)

	f("health", 200, `{"status":"ok"}`, "GET", "/health", "")
	f("health, HEAD", 200, "", "HEAD", "/health", "")
	f("health, POST", 405, "", "POST", "/health", "")
	f("the description", 200, `"openapi": "3.1.0"`, "GET", "/openapi.json", "")

	slices.Sort(want)
	if got := a.messages(); !slices.Equal(got, want) {
		t.Errorf("delivered is %q, want %q", got, want)
	}
	a.Term()
	log := a.Log()
	if strings.Contains(log, "eyJ") {
		t.Error("a token is in the log")
	}
	if !strings.Contains(log, `"status": 202, "entries": 50, "bytes": `) || !strings.Contains(log, `"user": "12203", "client": "127.0.0.1"`) {
		t.Error("the log does not say what was asked")
	}
}

// What becomes of an entry.
func TestDocument(t *testing.T) {
	a := start(t, "  namespace: shop\n  region: eu\n  zone: eu-1\n", quick)
	const sample = `[{"timestemp": 1516792419231221,
    "appid": "caa0c2f0-1116-495f-8f09-3cd023cc14a2",
    "type": "applog",
    "message":"Message to send.",
    "annotations":[
      {"key":"level", "value":"info"}, {"key": "kubernetes.namespace", "value": "kube-system"}, {"key": "x", "value": "1"}, {"key": "x", "value": "2"}]
  }]`
	if r := a.push(sample); r.status != 202 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	c := token.Claims{UserID: "root", Expires: time.Now().Add(time.Hour), Access: []token.Access{
		{Method: []string{"GET"}, URL: []string{"/**"}, Other: []byte(`{"namespace": "wrong"}`)},
		{Method: []string{"POST"}, URL: []string{"/**"}, Other: []byte(`{"namespace": "bank", "zone": "eu-2", "more": [1]}`)},
	}}
	raw, err := a.keys.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.request("POST", "/apps/"+app+"/log", body("2"), "Authorization: "+raw, "Content-Type: application/json"); r.status != 202 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	c.Access[1].Other = []byte(`{"namespace": 5}`)
	if raw, err = a.keys.Sign(c); err != nil {
		t.Fatal(err)
	}
	if r := a.request("POST", "/apps/"+app+"/log", body("3"), "Authorization: "+raw, "Content-Type: application/json"); r.status != 403 {
		t.Fatalf("%d %s", r.status, r.body)
	}

	docs := a.docs()
	if len(docs) != 2 {
		t.Fatalf("%d documents", len(docs))
	}
	if docs[0]["message"] == "2" {
		slices.Reverse(docs)
	}
	host := docs[0]["host"].(map[string]any)["name"].(string)
	meta := docs[0]["@metadata"].(map[string]any)
	if index := meta["index_prefix"]; index != "logstash-podbeat-"+strings.ToLower(strings.ReplaceAll(host, ".", "_")) || meta["_id"] == "" {
		t.Errorf("the index is %v, the id %v", index, meta["_id"])
	}
	created := docs[0]["event"].(map[string]any)
	if _, err := time.Parse(time.RFC3339, created["created"].(string)); err != nil {
		t.Error(err)
	}
	delete(created, "created")
	delete(docs[0], "@metadata")
	delete(docs[0], "agent")
	delete(docs[0], "host")
	delete(docs[0], "ecs")
	want := map[string]any{}
	if err := json.Unmarshal([]byte(`{"@timestamp": "2018-01-24T11:13:39.231Z", "message": "Message to send.", "event": {"kind": "event", "dataset": "applog"},
		"service": {"id": "caa0c2f0-1116-495f-8f09-3cd023cc14a2"}, "log": {"stream": "push", "level": "info"}, "user": {"id": "12203"}, "client": {"ip": "127.0.0.1"},
		"kubernetes": {"namespace": "shop"}, "region": "eu", "zone": "eu-1", "input": {"type": "push"},
		"labels": {"level": "info", "kubernetes_namespace": "kube-system", "x": ["1", "2"]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, docs[0]); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprintln(docs[1]["kubernetes"], docs[1]["region"], docs[1]["zone"], docs[1]["user"]); got != "map[namespace:bank] eu eu-2 map[id:root]\n" {
		t.Errorf("stamped by the token: %s", got)
	}
}

// A connection is used again, but not after a body in chunks.
func TestKeepAlive(t *testing.T) {
	a := start(t, "", quick)
	r := a.push(body("a"))
	if r.header.Get("Connection") != "" {
		t.Error("the connection is closed")
	}
	req, _ := http.NewRequest("POST", a.url+"/apps/"+app+"/log", struct{ *strings.Reader }{strings.NewReader(body("b"))})
	req.Header.Set("Authorization", a.pusher())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 202 || !resp.Close {
		t.Errorf("chunks: %d, closed: %v", resp.StatusCode, resp.Close)
	}
}
