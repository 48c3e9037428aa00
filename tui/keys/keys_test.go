package keys

import (
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	f := func(own map[string][]string, want string) {
		t.Helper()
		_, err := New(own)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("New(%v): %v, want %q", own, err, want)
		}
	}
	f(nil, "")
	f(map[string][]string{"query": {"ctrl+q"}}, "")
	f(map[string][]string{"query": {}}, "")
	f(map[string][]string{"query": {"ctrl+q"}, "search": {"f"}}, "")
	f(map[string][]string{"search": {"f"}}, "query has it")
	f(map[string][]string{"query": {"j"}}, "query has it")
	f(map[string][]string{"down": {"f"}}, "query has it")
	f(map[string][]string{"search": {"ctrl+c"}}, "not free")
	f(map[string][]string{"serch": {"f"}}, "no such action")
}

func TestAction(t *testing.T) {
	m, err := New(map[string][]string{"down": {"s"}, "saved": {"ctrl+s"}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(p Place, key, want string) {
		t.Helper()
		if got := m.Action(p, key); got != want {
			t.Errorf("Action(%v, %q) = %q, want %q", p, key, got, want)
		}
	}
	f(List, "s", "down")
	f(List, "j", "")
	f(Chart, "ctrl+s", "saved")
	f(Facets, "c", "facet-column")
	f(List, "c", "surroundings")
	f(Patterns, "o", "pattern-sort")
	f(List, "o", "columns")
	f(List, "f12", "")
}

func TestBindingsAreWhole(t *testing.T) {
	for _, b := range bindings {
		if b.Action == "" || b.Help == "" {
			t.Errorf("%+v: an action needs a name and help", b)
		}
	}
}
