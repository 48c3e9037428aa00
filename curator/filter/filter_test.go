package filter

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is the time of the tests' runs: a Saturday.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// parse makes a filter of JSON.
func parse(t testing.TB, kind Kind, text string) (Filter, error) {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return Parse(values, kind)
}

// named makes open indices of so many documents and bytes, made a day ago.
func named(names ...string) []Item {
	var items []Item
	for _, name := range names {
		items = append(items, Item{Name: name, Created: noon.AddDate(0, 0, -1), Health: "green", Shards: 1, Docs: 1,
			Size: 1 << 30, PrimarySize: 1 << 30, Segments: -1, Settings: map[string]string{}, Aliases: []string{}})
	}
	return items
}

func namesOf(items []Item) string {
	var names []string
	for _, it := range items {
		names = append(names, it.Name)
	}
	return strings.Join(names, " ")
}

// decide runs the filters, which are JSON.
func decide(t testing.TB, c Clock, items []Item, filters ...string) (Outcome, error) {
	t.Helper()
	var all []Filter
	for _, text := range filters {
		f, err := parse(t, Indices, text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return Run(all, items, c)
}

const older5 = `{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%m.%d","unit":"days","unit_count":5}`

func TestAge(t *testing.T) {
	out, err := decide(t, Clock{Now: noon}, named("l-2026.11.21", "l-2026.11.16", "l-2026.11.17", "nodate", "l-2020.02.31"), older5)
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(out.Left); got != "l-2026.11.16" {
		t.Errorf("left: %s", got)
	}
	if want := "age: named 2026.11.16, 5 days old, older than 5 days (before 2026-11-16T12:00Z)"; out.Why["l-2026.11.16"] != want {
		t.Errorf("why: %q, want %q", out.Why["l-2026.11.16"], want)
	}
	if !slices.Equal(out.Warnings, []string{"l-2020.02.31: 2020.02.31 in its name is no date: left alone"}) {
		t.Errorf("warnings: %q", out.Warnings)
	}
}
