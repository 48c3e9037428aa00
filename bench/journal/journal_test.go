package main

import (
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/peer"
	"github.com/podbeat/podbeat/bench/sink"
)

func result(label, note string, seconds, cpu float64, doubled int64) peer.Result {
	return peer.Result{Label: label, Note: note, Seconds: seconds, UserSeconds: cpu, PeakMiB: 100 * seconds, PeakAnonMiB: 10 * seconds,
		Sink: sink.Stats{Docs: 900, DoubledSeqs: doubled}}
}

func TestTable(t *testing.T) {
	got := table(expectation{Entries: 1000, Messages: 990, Pause: make([]int, 90)}, []peer.Result{
		result("a", "", 1, 0.01, 0),
		result("b", "", 2, 0.04, 5),
		result("c", "stalled", 9, 9, 9),
		result("a", "", 3, 0.05, 0),
		result("b", "stalled", 9, 9, 9),
		result("a", "", 2, 0.02, 0),
		result("b", "", 4, 0.06, 7),
	})
	want := `| 1000 journal entries → sink | entries/s | CPU s per million entries | CPU, first = 1 | peak MiB (heap) | documents | doubled | clean runs |
|---|---|---|---|---|---|---|---|
| a | 500 | 20.0 | 1.00 | 200 (20) | 900 | 0 | 3 of 3 |
| b | 375 | 50.0 | 2.50 | 300 (30) | 900 | 7 | 2 of 3 |
| c | stalled | | | | | | 0 of 1 |
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(got, "1000 entries are\n990 messages") || !strings.Contains(got, "drops the 90 of pause") {
		t.Errorf("the note has not the journal's figures:\n%s", got)
	}
}

func TestVerify(t *testing.T) {
	e := expectation{Messages: 5, Pause: []int{1, 3}}
	f := func(missing []int, dropsPause, want bool) {
		t.Helper()
		if err := e.verify(missing, dropsPause); (err == nil) != want {
			t.Errorf("%v missing, drops pause %t: %v", missing, dropsPause, err)
		}
	}
	f([]int{1, 3}, true, true)
	f([]int{1, 2}, true, false) // as many, but others
	f([]int{1}, true, false)
	f(nil, true, false)
	f(nil, false, true)
	f([]int{1, 3}, false, false)
}

func TestFingerprintFollowsTheGenerator(t *testing.T) {
	o := journalgen.Defaults(5000)
	other := o
	other.Pause = 0.2
	first, again, another := fingerprint(o), fingerprint(o), fingerprint(other)
	if first != again || first == another {
		t.Errorf("%08x, again %08x, and another %08x", first, again, another)
	}
}
