package logapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// ask sends a request with a token, "" for none, and returns the answer's status and body.
func ask(t testing.TB, raw, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// everything opens the whole API.
var everything = token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/**"}}

// fill writes documents to the store: four in the namespace shop, two in bank, each in an index of its own.
func fill(t testing.TB, store string) {
	t.Helper()
	template := `{"index_patterns":["logs-*"],"mappings":{"properties":{"kubernetes":{"properties":{"namespace":{"type":"keyword"}}}}}}`
	if status, text := ask(t, "", "PUT", store+"/_template/logs", template); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	var lines strings.Builder
	for i, namespace := range []string{"shop", "shop", "bank", "shop", "bank", "shop"} {
		fmt.Fprintf(&lines, `{"create":{"_index":"logs-%s","_id":"%d"}}`+"\n"+`{"@timestamp":"2026-11-21T10:00:0%dZ","message":"line %d","kubernetes":{"namespace":"%s"}}`+"\n", namespace, i, i, i, namespace)
	}
	if status, text := ask(t, "", "POST", store+"/_bulk?refresh=true", lines.String()); status != 200 || strings.Contains(text, `"errors":true`) {
		t.Fatalf("%d %s", status, text)
	}
}

// count is what _count answers at url.
func count(t testing.TB, raw, url string) int {
	t.Helper()
	status, text := ask(t, raw, "GET", url, "")
	var answer struct{ Count *int }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 || answer.Count == nil {
		t.Fatalf("%s: %d %s", url, status, text)
	}
	return *answer.Count
}

// One logapi with the embedded store: it takes documents at one address, and shows of them at the other what a token opens.
func TestProgram(t *testing.T) {
	l := harness.NewLogapi(t, "prefix: /api\nregion: eu\n")
	fill(t, l.Store)
	api := l.URL + "/api"
	all := l.Token("/api", everything)
	shop := l.Token("/api", token.Access{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/eu/es/**"}, Other: []byte(`{"namespaces":["shop"]}`)})
	bank := l.Token("/api", token.Access{Method: []string{"GET"}, URL: []string{"{mscp_api_url}/eu/es/**"}, Other: []byte(`{"indices":["logs-b*"]}`)})

	for raw, want := range map[string]int{all: 6, shop: 4, bank: 2} {
		if got := count(t, raw, api+"/eu/es/_count"); got != want {
			t.Errorf("got %d documents, want %d", got, want)
		}
	}
	f := func(raw, method, path string, want int, holds string) {
		t.Helper()
		status, text := ask(t, raw, method, path, "")
		if status != want || !strings.Contains(text, holds) {
			t.Errorf("%s %s: got %d %s, want %d %s", method, path, status, text, want, holds)
		}
	}
	f("", "GET", api+"/eu/es/_count", 401, `"reason":"token"`)
	f("x.y.z", "GET", api+"/eu/es/_count", 401, `"reason":"token"`)
	f(bank, "POST", api+"/eu/es/_search", 403, `"reason":"forbidden"`)
	f(shop, "GET", api+"/eu/system/log/status", 403, `"reason":"forbidden"`)
	f(all, "GET", api+"/us/es/_count", 404, "this is region eu")
	f(all, "GET", api+"/eu", 404, "nothing is here")
	f(all, "GET", l.URL+"/eu/es/_count", 404, "<region>/es/… and <region>/system/log below /api/")
	f(all, "GET", api+"/eu//es/_count", 400, "cannot read the path")
	f(all, "PUT", api+"/eu/system/log", 405, "want POST")
	f(all, "DELETE", api+"/eu/es/logs-shop", 403, "only searches are")
	for _, root := range []string{"/eu/es", "/eu/es/"} {
		f(shop, "GET", api+root, 200, `"number"`)
		f("", "GET", api+root, 401, "")
	}
	f(all, "GET", api+"/eu/system/log/status", 200, `"timestemp"`)
	f("", "GET", l.Watch+"/readyz", 200, "ok")
	f("", "GET", l.Watch+"/healthz", 200, "ok")
	f("", "GET", l.Watch+"/metrics", 200, `logapi_requests_total{route="search",status="200"}`)
	f("", "GET", l.Watch+"/metrics", 200, "logapi_store_documents 6")

	l.Term()
	l.Start()
	if got := count(t, "", l.Store+"/_count"); got != 6 {
		t.Errorf("got %d documents after a stop", got)
	}
	l.Kill9()
	l.Start()
	if got := count(t, l.Token("/api", everything), l.URL+"/api/eu/es/_count"); got != 6 {
		t.Errorf("got %d documents after a kill", got)
	}
	if log := l.Log(); strings.Contains(log, all) || strings.Contains(log, harness.Password) {
		t.Error("there are secrets in the log")
	}
}
