package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

func TestSeries(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := Series(name); got != want {
			t.Errorf("Series(%q) = %q, want %q", name, got, want)
		}
	}
	f("logstash-podbeat-node1-2026.11.21", "logstash-podbeat-node1-*")
	f("logstash-podbeat-10_0_0_1-2026.11.21", "logstash-podbeat-10_0_0_1-*")
	f("2026-11-21-web", "*-web")
	f("web-20261121", "web-*")
	f("web-2026.11", "web-*")
	f("web-2026.11.21.13", "web-*")
	f("web-2026.11.21-000007", "web-*-*")                                                        // a rollover
	f("logstash-journalbeat-web-2026-01-01-2026.02.10", "logstash-journalbeat-web-2026-01-01-*") // the host is called so
	f("web-000007", "web-*")
	f("web-2026.13.45", "web-*.*")       // week 13 and a number
	f("web-2026.99.99x", "web-*.99x")    // day 99 of the year
	f("web-1026.99.99", "web-1026.99.*") // no year
	f("curator-20261121073000", "curator-*")
	f("web", "web")
	f("", "")
}

func TestNewest(t *testing.T) {
	f := func(names string, want string) {
		t.Helper()
		var items []filter.Item
		for i, name := range strings.Fields(names) {
			items = append(items, filter.Item{Name: name, Created: time.Unix(int64(1000-i), 0)})
		}
		var got []string
		for _, it := range items {
			if newestOfSeries(items, nil, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))[it.Name] {
				got = append(got, it.Name)
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("newest of %s are %s, want %s", names, g, want)
		}
	}
	f("a-2026.11.19 a-2026.11.20 b-2026.11.01", "a-2026.11.20 b-2026.11.01")
	f("r-000009 r-000010 r-000002", "r-000010")
	f("r-9 r-10", "r-10") // as numbers, not as text
	f("plain other", "")  // no series, nothing to protect
	f("w-2026.12 w-2026.40 w-2026.47 w-2025.52", "w-2026.47")
	f("r-2026.11.01-000001 r-2026.11.02-000002 r-2026.11.02-000003", "r-2026.11.02-000003")
	f("a-2026.11.21 a-2029.01.01", "a-2026.11.21") // a clock that is wrong, or a wish to have today's go
}

func TestGuard(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	list := func(names ...string) (items []filter.Item) {
		for _, name := range names {
			items = append(items, filter.Item{Name: name, Docs: 10, Size: 100})
		}
		return items
	}
	days := func(n int) (names []string) {
		for i := range n {
			names = append(names, "l-"+now.AddDate(0, 0, -i).Format("2006.01.02"))
		}
		return names
	}
	f := func(g Guards, kind string, looked, chosen []string, facts Facts, want string) {
		t.Helper()
		a := Action{ID: "1", Kind: kind}
		a.Choose(filter.Outcome{Left: list(chosen...)}, now)
		facts.Now, facts.Looked, facts.Matched = now, list(looked...), looked
		if facts.Run == nil {
			facts.Run = &Spent{}
		}
		a.Guard(g, facts)
		items, _ := a.Items()
		var got []string
		for _, h := range a.Held {
			got = append(got, strings.TrimSuffix(h.Guard+" "+h.Name, " "))
		}
		if g := fmt.Sprintf("%d: %s", len(items), strings.Join(got, ", ")); g != want {
			t.Errorf("Guard of %v among %v: %s, want %s", chosen, looked, g, want)
		}
	}
	old := days(10)
	f(All(), "delete_indices", old, old[7:], Facts{}, "3: ")
	f(All(), "delete_indices", old, old[5:], Facts{}, "5: ") // exactly half
	f(All(), "delete_indices", old, old[4:], Facts{}, "0: max_delete_ratio")
	f(Guards{MaxDeleteRatio: 0.7}, "delete_indices", old, old[4:], Facts{}, "6: ")
	f(None(), "delete_indices", old, old, Facts{Health: "red", Skew: time.Hour}, "10: ")
	f(All(), "delete_indices", old, old[:1], Facts{}, "0: newest l-2026.11.21")
	f(All(), "delete_indices", []string{"plain", "other"}, []string{"plain"}, Facts{}, "1: ")
	f(All(), "delete_indices", old, old[9:], Facts{Health: "red"}, "0: health")
	f(All(), "delete_indices", old, old[9:], Facts{Health: "yellow"}, "1: ")
	f(All(), "delete_indices", old, old[9:], Facts{Skew: -61 * time.Second}, "0: clock")
	f(All(), "delete_indices", old, old[9:], Facts{Skew: time.Minute}, "1: ")
	f(All(), "delete_indices", append([]string{"l-2026.12.25"}, old...), []string{"l-2026.12.25", old[9]}, Facts{}, "1: future l-2026.12.25")
	f(All(), "delete_indices", old, old[8:], Facts{Run: &Spent{docs: 100, all: 200}}, "0: max_delete_ratio") // with 100 before, of 200
	run := &Spent{}
	f(All(), "delete_indices", old, old[7:], Facts{Run: run}, "3: ")
	f(All(), "delete_indices", old[:7], old[4:7], Facts{Run: run}, "0: max_delete_ratio") // 6 of 10 in one run
	f(All(), "delete_snapshots", []string{"s-20261101000000", "s-20261102000000"}, []string{"s-20261102000000"}, Facts{}, "0: newest s-20261102000000")
	f(All(), "close", old, old, Facts{Health: "red"}, "10: ") // nothing is lost
}
