package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
)

// itself is the test binary as a program that sends so many documents, and then waits or ends.
func itself(name string, docs int, then string) *Program {
	return &Program{
		Name: name, Config: "config", path: os.Args[0], version: name + " 1.0",
		Env: []string{fmt.Sprintf("SHIP_DOCS=%d", docs), "SHIP_THEN=" + then, "SHIP_URL=${SINK}"},
	}
}

// One that cannot be had, one that ends too early and one that sends what was to stay away do not spoil the race.
func TestRace(t *testing.T) {
	good, early := itself("good", 100, "wait"), itself("early", 99, "end")
	missing := &Program{Name: "missing", find: func(context.Context, *Race, *Program) (string, error) { return "", errors.New("there is | none") }}
	ships := []Shipper{
		{Label: "good", Program: good, Config: "for ${JOB} at ${SINK}", Docs: 100, Tokens: 100},
		{Label: "early", Program: early, Docs: 100, Tokens: 100},
		{Label: "missing", Program: missing, Docs: 100, Tokens: 100},
		{Label: "more", Program: good, Docs: 99, Tokens: 100, Absent: []int{7}},
	}
	r := Race{Name: "race", Build: t.TempDir(), Rounds: 3, Vars: map[string]string{"JOB": "work"}, Timeout: time.Minute}
	results, err := r.Run(context.Background(), ships)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, res := range results {
		got = append(got, fmt.Sprintf("%s %d %d %s", res.Label, res.Sink.UniqueSeqs, res.Lost, res.Note))
	}
	want := []string{
		"good 100 0 ", "early 99 1 ended by itself: <nil>", "missing 0 0 there is | none", "more 100 0 0 did not arrive, 1 arrived that were to stay away",
		"early 99 1 ended by itself: <nil>", "more 100 0 0 did not arrive, 1 arrived that were to stay away", "good 100 0 ",
		"good 100 0 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	config, err := os.ReadFile(filepath.Join(r.Build, "run/race/good/config"))
	if err != nil || !strings.HasPrefix(string(config), "for work at http://127.0.0.1:") {
		t.Errorf("configuration %q (%v)", config, err)
	}
	if err := r.Write("a table\n", ships); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.Build, "race.md"))
	if err != nil || !strings.HasPrefix(string(text), "a table\n\nVersions: good 1.0 · early 1.0.\n") || !strings.Contains(string(text), "for ${JOB} at ${SINK}\n```") {
		t.Errorf("%s (%v)", text, err)
	}
	if info, err := os.Stat(filepath.Join(r.Build, "race.json")); err != nil || info.Size() == 0 {
		t.Errorf("no results are kept (%v)", err)
	}
}

// What rsyslog and syslog-ng are handed must compile, though they are not run here.
func TestOpenJournalCompiles(t *testing.T) {
	out, err := exec.Command("cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", filepath.Join(t.TempDir(), "openjournal.so"),
		"openjournal/openjournal.c", "-lsystemd").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestShippersByName(t *testing.T) {
	f := func(only, want string) {
		t.Helper()
		r := Race{Only: only}
		var labels []string
		for _, s := range r.Named([]Shipper{{Label: "podbeat"}, {Label: "filebeat 7.17.29 defaults"}, {Label: "filebeat 7.17.29 bulk 2048"}}) {
			labels = append(labels, s.Label)
		}
		if got := strings.Join(labels, "; "); got != want {
			t.Errorf("-only %q: %s, want %s", only, got, want)
		}
	}
	f("", "podbeat; filebeat 7.17.29 defaults; filebeat 7.17.29 bulk 2048")
	f("podbeat", "podbeat")
	f("filebeat 7.17.29 d,podbeat", "podbeat; filebeat 7.17.29 defaults")
	f("logstash", "")
}

func TestVerify(t *testing.T) {
	f := func(missing, absent []int, wantLost int, want string) {
		t.Helper()
		res := Result{Sink: sink.Stats{WithoutSq: 4}}
		Shipper{Absent: absent, Untold: 4}.verify(&res, missing)
		if res.Lost != wantLost || res.Note != want {
			t.Errorf("%v missing, %v to stay away: %d lost, %q, want %d, %q", missing, absent, res.Lost, res.Note, wantLost, want)
		}
	}
	f([]int{1, 3}, []int{1, 3}, 0, "")
	f([]int{1, 2}, []int{1, 3}, 1, "1 did not arrive, 1 arrived that were to stay away") // as many, but others
	f([]int{1}, []int{1, 3}, 0, "0 did not arrive, 1 arrived that were to stay away")
	f(nil, nil, 0, "")
	f([]int{1, 3}, nil, 2, "2 did not arrive, 0 arrived that were to stay away")

	for _, n := range []int64{3, 5} {
		res := Result{Sink: sink.Stats{WithoutSq: n}}
		Shipper{Untold: 4}.verify(&res, nil)
		if want := fmt.Sprintf("%d documents without a number arrived, not 4", n); res.Note != want {
			t.Errorf("%q, want %q", res.Note, want)
		}
	}
}

func result(label, note string, seconds, cpu float64, unique, doubled int64) Result {
	return Result{Label: label, Note: note, Seconds: seconds, UserSeconds: cpu, PeakMiB: 100 * seconds, PeakAnonMiB: 10 * seconds, Wanted: 900,
		Lost: int(900 - unique), Sink: sink.Stats{Docs: 900, UniqueSeqs: unique, DoubledSeqs: doubled, CPUSeconds: cpu / 2}}
}

func TestTable(t *testing.T) {
	got := Table(1000, "entries", "journal entries", []Result{
		result("a", "", 1, 0.01, 900, 0),
		result("b", "", 2, 0.04, 900, 5),
		result("c", "stalled", 2, 0.01, 450, 9),
		{Label: "d", Note: "no d | here", Wanted: 900},
		result("a", "", 3, 0.05, 900, 0),
		result("b", "stalled", 9, 9, 700, 9),
		result("a", "", 2, 0.02, 900, 0),
		result("b", "", 4, 0.06, 900, 7),
	})
	want := `| 1000 journal entries → sink | entries/s | CPU s per million | CPU, first = 1 | peak MiB (heap) | documents | lost | doubled | sink's CPU s per million | clean runs |
|---|---|---|---|---|---|---|---|---|---|
| a | 500 | 20.0 | 1.00 | 200 (20) | 900 | 0 | 0 | 10.0 | 3 of 3 |
| b | 375 | 50.0 | 2.50 | 300 (30) | 900 | 0 | 7 | 25.0 | 2 of 3 |
| c | 250 | 20.0 | 1.00 | 200 (20) | 900 | 450 | 9 | 10.0 | 0 of 1: stalled |
| d | | | | | | | | | 0 of 1: no d / here |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoise(t *testing.T) {
	got := Noise([]Result{
		{Seconds: 2, OtherSeconds: 1, StealSeconds: 0, CalibrationMs: 70},
		{Note: "not here"},
		{Seconds: 1, OtherSeconds: 0.1, StealSeconds: 0.25, CalibrationMs: 60},
	})
	if want := "at most 0.50 CPU s a second, its host took at most 0.25; a fixed piece of work took 60 to 70 ms"; !strings.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVersion(t *testing.T) {
	f := func(said, want string) {
		t.Helper()
		if got := version(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	f("podbeat version 0.1.0 (amd64), libbeat 7.17.29 [unknown built unknown]\n", "podbeat version 0.1.0 (amd64), libbeat 7.17.29")
	f("rsyslogd  8.2302.0 (aka 2023.02) compiled with:\n\tPLATFORM", "rsyslogd 8.2302.0 (aka 2023.02)")
	f("Fluent Bit v5.1.1\nGit commit: \n", "Fluent Bit v5.1.1")
	f("", "")
}

func TestEntry(t *testing.T) {
	f := func(file, key, separator, want string) {
		t.Helper()
		if got := entry([]byte(file), key, separator); got != want {
			t.Errorf("%s of %q: %q, want %q", key, file, got, want)
		}
	}
	f("processor\t: 0\nmodel name\t: A CPU: fast\nmodel name\t: B\n", "model name", ":", "A CPU: fast")
	f("MemTotal:       24000000 kB\n", "MemTotal", ":", "24000000 kB")
	f("NAME=Debian\nPRETTY_NAME=\"Debian 12\"", "PRETTY_NAME", "=", `"Debian 12"`)
	f("", "model name", ":", "")
	if m := Machine(); !strings.Contains(m, " cores of ") || !strings.Contains(m, "GiB, Linux ") || strings.Contains(m, " 0 GiB") {
		t.Errorf("the machine: %q", m)
	}
}
