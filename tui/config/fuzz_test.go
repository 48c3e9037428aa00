package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/tui/scope"
)

// FuzzConfig: whatever is in the file, it is read or refused, and what is read can be changed and read again.
func FuzzConfig(f *testing.F) {
	f.Add(whole)
	f.Add("contexts: &x {a: *x}")
	f.Add("? [a]: b\n")
	f.Add("contexts: {a: {<<: {hosts: [http://a]}, fields: {app: x}}}\nsaved: {x: {query: 'a'}}")
	f.Add("saved:\ncontexts: null\nkeys: {quit: null}")
	path := filepath.Join(f.TempDir(), "config.yml")
	f.Fuzz(func(t *testing.T, text string) {
		var document yaml.Node
		if yaml.Unmarshal([]byte(text), &document) != nil {
			return
		}
		c, err := parse(&document)
		if err != nil {
			return
		}
		for _, name := range c.Contexts() {
			if x, err := c.Context(name); err == nil {
				_, _, _, _ = x.Options(), x.Places(), x.Login(), x.Begin(time.Now())
			}
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err = Load(path); err != nil {
			return
		}
		if err := c.Save("a name", scope.Scope{Text: "a"}); err != nil {
			return
		}
		again, err := Load(path)
		if err != nil {
			t.Fatalf("%q is written as what cannot be read: %v", text, err)
		}
		for _, s := range again.Saved() {
			if s.Name == "a name" && s.Scope.Text == "a" {
				return
			}
		}
		t.Errorf("%q does not keep what is saved: %+v", text, again.Saved())
	})
}

// FuzzToken: what a token command prints becomes a token that can be sent, or an error that does not show it.
func FuzzToken(f *testing.F) {
	f.Add(`{"token": "a", "exp": 1e400}`)
	f.Add(`{"status": {"token": "a", "expirationTimestamp": []}}`)
	f.Add("a.eyJleHAiOjF9.c")
	f.Fuzz(func(t *testing.T, out string) {
		token, _, err := readToken([]byte(out), time.Unix(0, 0))
		if err == nil && (token == "" || strings.ContainsAny(token, "\r\n \t\x00")) {
			t.Errorf("%q is the token %q", out, token)
		}
	})
}
