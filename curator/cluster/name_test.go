package cluster

import (
	"encoding/json"
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	f := func(name, at, want string) {
		t.Helper()
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := Stamp(name, now); got != want {
			t.Errorf("Stamp(%q, %s) = %q, want %q", name, at, got, want)
		}
	}
	f("curator-%Y%m%d%H%M%S", "2026-01-02T03:04:05Z", "curator-20260102030405")
	f("%y.%j", "2026-12-31T00:00:00Z", "26.365")
	f("in UTC %d %H", "2026-01-01T01:30:00+03:00", "in UTC 31 22")
	// Of Python's strftime.
	f("%G.%V %W %U", "2026-01-01T00:00:00Z", "2026.01 00 00")
	f("%G.%V %W %U", "2026-01-04T00:00:00Z", "2026.01 00 01")
	f("%G.%V %W %U", "2026-01-05T00:00:00Z", "2026.02 01 01")
	f("%G.%V %W %U", "2027-01-03T00:00:00Z", "2026.53 00 01")
	f("%G.%V %W %U", "2024-12-30T00:00:00Z", "2025.01 53 52")
	f("%G.%V %W %U", "2023-01-01T00:00:00Z", "2022.52 00 01")
	// Of Curator's own reading.
	f("100%", "2026-01-02T03:04:05Z", "100")
	f("%%Y-%x-é%Y", "2026-01-02T03:04:05Z", "2026-x-é2026")
	f("<logs-{now/d}-%Y>", "2026-01-02T03:04:05Z", "<logs-{now/d}-%Y>")
	f("", "2026-01-02T03:04:05Z", "")
}

func TestPython(t *testing.T) {
	f := func(value any, want string) {
		t.Helper()
		if got := python(value); got != want {
			t.Errorf("python(%#v) = %s, want %s", value, got, want)
		}
	}
	f([]string{"a", "it's", `"`, `it's "`, "a\nb\x1b[0m", `\`}, `['a', "it's", '"', 'it\'s "', 'a\nb\x1b[0m', '\\']`)
	f(map[string]any{"b": true, "a": nil, "c": []any{1, 2.5, 3.0, json.Number("1e3"), int64(7), false}}, `{'a': None, 'b': True, 'c': [1, 2.5, 3.0, 1e3, 7, False]}`)
	f(pairs{"z", 1, "a", map[string]any{}}, "{'z': 1, 'a': {}}")
	f(pairs(nil), "{}")
	f([]string(nil), "[]")
}
