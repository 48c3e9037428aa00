package top

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/reload"
)

func TestParse(t *testing.T) {
	all, err := parse([]byte("# HELP a text\n# TYPE a gauge\na 1\nb{x=\"1\",y=\"a\\\"b\\\\\\n}\"} 2.5e3 1700000000\nb{x=\"2\",} +Inf\n\nc NaN\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, want float64, labels ...string) {
		t.Helper()
		if got, ok := all.one(name, labels...); !ok || got != want {
			t.Errorf("%s%v: got %v, %v, want %v", name, labels, got, ok, want)
		}
	}
	f("a", 1)
	f("b", 2500, "x", "1")
	f("b", 2500, "y", "a\"b\\\n}")
	if got, ok := all.one("b", "x", "3"); ok {
		t.Errorf("got %v", got)
	}
	if got := all.sum("a", "x", "1") + all.sum("nothing"); got != 0 {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"a", "a{", "a{x=1} 2", `a{x="1} 2`, `a{x="1"}`, "a b", "{} 1", `a{x="\`} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a 1\nb{x=\"1\"} 2")
	f.Add("a{x=\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse([]byte(text))
		if err != nil && all != nil {
			t.Error("both metrics and an error")
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if name == "" {
				t.Errorf("%q has a metric without a name", text)
			}
		}
	})
}

// looked makes two looks, two seconds apart.
func looked(t *testing.T, before, now string) (a, b *look) {
	t.Helper()
	at := time.Unix(1000, 0)
	looks := [2]*look{}
	for i, text := range []string{before, now} {
		m, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		looks[i] = &look{at: at.Add(time.Duration(2*i) * time.Second), metrics: m}
	}
	return looks[0], looks[1]
}

const journal = `{type="journal",input="node"}`

// TestFigures: rates are of the time between two looks of one process.
func TestFigures(t *testing.T) {
	before := startTime + " 900\npodbeat_input_events_read_total" + journal + " 100\npodbeat_output_events_acked_total 90\n"
	now := startTime + ` 900
podbeat_info{version="0.1.0",go_version="go1"} 1
podbeat_input_running` + journal + ` 0
podbeat_input_failed` + journal + ` 1
podbeat_input_events_read_total` + journal + ` 300
podbeat_input_events_in_flight{type="journal",input="node",where="pending"} 7
podbeat_input_events_in_flight{type="journal",input="node",where="spilled"} 3
podbeat_journal_gaps_total` + journal + ` 2
podbeat_journal_container_gaps_total` + journal + ` 1
podbeat_output_events_acked_total 100
podbeat_namespace_events_total{namespace="shop"} 5
podbeat_namespace_events_total{namespace="web"} 9
`
	a, b := looked(t, before, now)
	f := figures(a, b)
	if len(f.Inputs) != 1 {
		t.Fatalf("got %+v", f.Inputs)
	}
	in := f.Inputs[0]
	if in.ReadRate != 100 || in.InFlight != 10 || in.State != "failed" || in.Gaps == nil || *in.Gaps != 3 || in.LagSeconds != nil {
		t.Errorf("got %+v", in)
	}
	if f.Output.AckedRate != 5 || f.Version != "0.1.0" || f.Seconds != 2 || f.Started.Unix() != 900 {
		t.Errorf("got %+v", f)
	}
	if f.Namespaces[0].Name != "web" {
		t.Errorf("got %+v", f.Namespaces)
	}
	a, b = looked(t, before, strings.Replace(now, startTime+" 900", startTime+" 950", 1)) // podbeat was started anew
	if f := figures(a, b); f.Seconds != 0 || f.Inputs[0].ReadRate != 0 {
		t.Errorf("another process: got %+v", f)
	}
}

// TestDraw says how it looks.
func TestDraw(t *testing.T) {
	now := time.Unix(100_000, 0)
	lag, bytes, gaps, most := 75.0, 2048.0, 3.0, 4800.0
	f := &Figures{
		Version: "0.1.0", Started: now.Add(-3*time.Hour - 12*time.Minute), Config: reload.Status{Hash: "0123456789abcdef", Files: []reload.Refused{{File: "a.yml", Reason: "bad\nyaml"}}, NeedsRestart: []string{"name"}},
		Checks: []observe.Check{{Check: "disk", State: "ok"}, {Check: "output", State: "failing", Since: now.Add(-2 * time.Minute), Found: "nothing\nis delivered \x1b[2J", Todo: "look"}},
		Inputs: []Input{{Type: "journal", ID: "node\x1b", State: "running", ReadRate: 123.4, AckedRate: 0.5, InFlight: 1e6, LagSeconds: &lag, LagBytes: &bytes, Gaps: &gaps}},
		Output: Output{Type: "kafka", Stuck: 130}, Queue: Queue{Events: 4800, Max: &most}, Namespaces: []Namespace{{Name: "_none", Read: 5}},
	}
	want := `podbeat 0.1.0 · up 3h12m · NOT READY · configuration 0123456789ab
input file a.yml is refused: bad yaml
take effect with the next start: name
failing for 2m00s: output: nothing is delivered \x1b[2J → look

INPUT             STATE    READ/S  ACKED/S  IN FLIGHT    LAG   BEHIND  FILTERED  DEAD  GAPS  DROPPED
journal node\x1b  running     123      0.5       1.0M  1m15s  2.0 KiB         0     0     3        0

OUTPUT  ACKED/S  RETRIED/S  ACKED  SENDING  DEAD  STUCK               QUEUE
kafka         0          0      0        0     0  2m10s  4800 of 4800, 100%

NAMESPACE  READ/S  ACKED/S  READ  IN FLIGHT  DEAD
(none)          0        0     5          0     0`
	if got := strings.Join(draw(f, now, 0, false), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := draw(f, now, 5, false); len(got) != 5 || got[4] != "… 9 lines more" {
		t.Errorf("got %q", got)
	}
	if got := strings.Join(draw(f, now, 0, true), "\n"); !strings.Contains(got, "\x1b[31mNOT READY\x1b[0m") || strings.Contains(got, "\x1b[2J") {
		t.Errorf("got %q", got)
	}
}

func TestCount(t *testing.T) {
	f := func(n float64, want string) {
		t.Helper()
		if got := count(n); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
	f(0, "0")
	f(0.04, "0.0")
	f(9.94, "9.9")
	f(9.96, "10")
	f(42, "42")
	f(99999, "99999")
	f(100000, "100.0k")
	f(999949, "999.9k")
	f(999951, "1.0M")
	f(5e12, "5T")
}

func TestSpan(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	f(-time.Second, "0s")
	f(59*time.Second, "59s")
	f(61*time.Second, "1m01s")
	f(25*time.Hour, "1d01h")
}
