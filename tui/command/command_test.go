package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestStart: what the screen is opened with.
func TestStart(t *testing.T) {
	alone(t, "")
	config := "current: a\ncontexts:\n  a: {hosts: ['http://a:1'], range: last 1h}\n  b: {hosts: ['http://b:1']}\n" +
		"saved:\n  s: {query: x, chips: ['a: b'], range: last 2h, namespace: n, lens: console, columns: [c]}\n"
	if err := os.WriteFile(os.Getenv("LOGTUI_CONFIG"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(context_, scope string, given, tail bool, args ...string) {
		t.Helper()
		var got *Start
		var stderr bytes.Buffer
		code := Main(args, strings.NewReader(""), &stderr, &stderr, func(_ context.Context, s Start) error { got = &s; return nil })
		if code != 0 || got == nil {
			t.Fatalf("%q: exit code %d: %s", args, code, stderr.String())
		}
		text, err := json.Marshal(got.Scope)
		if err != nil || got.Context.Name != context_ || string(text) != scope || got.Given != given || got.Tail != tail || got.Config == nil {
			t.Errorf("%q: got %s, %s, given %v, tail %v (%v)", args, got.Context.Name, text, got.Given, got.Tail, err)
		}
	}
	f("a", `{"range":"last 1h"}`, false, false)
	f("b", `{"range":"last 15m"}`, false, false, "--context", "b")
	f("a", `{"range":"last 1h"}`, true, true, "--tail")
	f("a", `{"query":"y","range":"last 1h"}`, true, false, "-q", "y")
	f("a", `{"range":"all"}`, true, false, "--range", "all")
	f("a", `{"query":"x","chips":["a: b"],"range":"last 2h","lens":"console","namespace":"n","columns":["c"]}`, true, false, "--saved", "s")
	f("a", `{"index":"i","query":"y","chips":["a: b","not c: d"],"range":"last 5m","namespace":"m","columns":["e"]}`, true, false,
		"--saved", "s", "-i", "i", "-q", "y", "--chip", "not c: d", "--last", "5m", "--namespace", "m", "--lens", "all", "--columns", "e")
	f("", `{"range":"last 15m"}`, false, false, "--host", "http://c:1", "--timezone", "utc")

	var stderr bytes.Buffer
	code := Main(nil, strings.NewReader(""), &stderr, &stderr, func(context.Context, Start) error { return errors.New("no terminal") })
	if code != 1 || stderr.String() != "logtui: no terminal\n" {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}
