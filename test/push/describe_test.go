package push

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/test/harness"
)

// The examples of the README work as they stand there.
func TestExamples(t *testing.T) {
	a := start(t, "", quick)
	text, err := os.ReadFile("../../beat/push/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of commands in the README, want 2", len(blocks))
	}
	// The keys are the API's: a new one in the file is used within a second.
	dir := t.TempDir()
	if err := os.Symlink(harness.Program(t, "podbeat"), filepath.Join(dir, "podbeat")); err != nil {
		t.Fatal(err)
	}
	first := strings.Replace(blocks[0][1], "podbeat token keys keys.json\n", "", 1)
	first = strings.Replace(first, "http://127.0.0.1:8085", a.url, 1) // the default, which other tests may be listening on
	script := "set -eu\nunset URL TOKEN\nexport PATH=" + dir + ":$PATH\ncd " + a.dir + "\n" + first + blocks[1][1]
	out, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := []string{"Message to send.", "line 1", "line 2"}; !slices.Equal(a.messages(), want) {
		t.Errorf("delivered is %q, want %q: %s", a.messages(), want, out)
	}
}

// The description names every status that the API answers with, and no other; its limits are the options'.
func TestDescription(t *testing.T) {
	a := start(t, "  max_entries: 7\n  annotations: {max: 3, max_key: 9, max_value: 10}\n  oldest: 2018-01-01T00:00:00Z\n", quick)
	var d struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct{ Responses map[string]any }
	}
	doc := a.request("GET", "/openapi.json", "").body
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		t.Fatal(err)
	}
	var statuses []string
	for status := range d.Paths["/apps/{appid}/log"]["post"].Responses {
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	if want := "[202 400 401 403 404 405 408 409 413 415 429 503]"; fmt.Sprint(statuses) != want {
		t.Errorf("described are %v, want %s", statuses, want)
	}
	if len(d.Servers) != 1 || d.Servers[0].URL != "/api" {
		t.Errorf("the server is %v", d.Servers)
	}
	for _, limit := range []string{`"maxItems": 7`, `"maxItems": 3`, `"maxLength": 9`, `"maxLength": 10`, `"minimum": 1514764800000000`} {
		if !strings.Contains(doc, limit) {
			t.Errorf("%s is not in the description", limit)
		}
	}

	// What it says of lengths holds to the character.
	note := func(key, value string) string {
		return strings.Replace(body("x"), `"type"`, fmt.Sprintf(`"annotations":[{"key":%q,"value":%q}],"type"`, key, value), 1)
	}
	f := func(status int, body string) {
		t.Helper()
		if r := a.push(body); r.status != status {
			t.Errorf("%.300s: %d %s, want %d", body, r.status, r.body, status)
		}
	}
	f(202, body(slices.Repeat([]string{"x"}, 7)...))
	f(413, body(slices.Repeat([]string{"x"}, 8)...))
	f(202, note(strings.Repeat("é", 9), strings.Repeat("é", 10)))
	f(400, note(strings.Repeat("é", 10), "x"))
	f(400, note("x", strings.Repeat("é", 11)))
	f(202, strings.Replace(body("x"), fmt.Sprint(micros), "1514764800000000", 1))
	f(400, strings.Replace(body("x"), fmt.Sprint(micros), "1514764799999999", 1))
}

// schemathesis makes requests of the description, good ones and bad, and holds every answer to it.
func TestSchemathesis(t *testing.T) {
	cases := "60"
	if harness.Soak() {
		cases = "500"
	}
	a := start(t, "  access_log: false\n", quick)
	out, err := exec.Command("bash", "schemathesis.sh", "run", a.url+"/openapi.json", "--url", a.url,
		"--header", "Authorization: Bearer "+a.token("1", "* {mscp_api_url}/**"), "--checks", "all", "--max-examples", cases, "--seed", "1",
		"--suppress-health-check", "all", "--no-color").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "No issues found") {
		t.Errorf("%s", out)
	}
	if s := a.Stats(); s["podbeat.push.api.requests.202"] == 0 || s["podbeat.push.api.requests.400"] == 0 {
		t.Errorf("not all kinds of requests came: %v", s)
	}
}
