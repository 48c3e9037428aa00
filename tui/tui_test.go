package tui

import (
	"testing"

	"github.com/podbeat/podbeat/tui/keys"
)

// TestActions: every binding does something, and nothing that is done has no binding.
func TestActions(t *testing.T) {
	m, err := keys.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{"preset": true} // which takes its key
	for _, b := range m.Bindings() {
		bound[b.Action] = true
		if b.Action != "preset" && actions[b.Action] == nil {
			t.Errorf("%s is bound to %q and does nothing", b.Action, b.Keys)
		}
	}
	for action := range actions {
		if !bound[action] {
			t.Errorf("%s is done, but has no binding", action)
		}
	}
}
