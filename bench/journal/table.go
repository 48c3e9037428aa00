package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/bench/peer"
)

// table writes the medians of each shipper's clean runs in Markdown. Shippers that do not join and do
// not drop send other numbers of documents for the same work, so everything is counted by journal entry read.
func table(e expectation, results []peer.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d journal entries → sink | entries/s | CPU s per million entries | CPU, first = 1 | peak MiB (heap) | documents | doubled | clean runs |\n", e.Entries)
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	var labels []string
	runs := map[string][]peer.Result{}
	for _, r := range results {
		if runs[r.Label] == nil {
			labels = append(labels, r.Label)
		}
		runs[r.Label] = append(runs[r.Label], r)
	}
	first := 0.0
	for i, label := range labels {
		all := runs[label]
		clean := slices.DeleteFunc(slices.Clone(all), func(r peer.Result) bool { return r.Note != "" })
		if len(clean) == 0 {
			fmt.Fprintf(&b, "| %s | %s | | | | | | 0 of %d |\n", label, all[0].Note, len(all))
			continue
		}
		cpu := median(clean, func(r peer.Result) float64 { return r.CPUSeconds() * 1e6 / float64(e.Entries) })
		ratio := "–"
		if i == 0 {
			first = cpu
		}
		if first > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/first)
		}
		worst := slices.MaxFunc(clean, func(a, b peer.Result) int { return cmp.Compare(a.Sink.DoubledSeqs, b.Sink.DoubledSeqs) })
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %s | %.0f (%.0f) | %d | %d | %d of %d |\n", label,
			median(clean, func(r peer.Result) float64 { return float64(e.Entries) / r.Seconds }), cpu, ratio,
			median(clean, func(r peer.Result) float64 { return r.PeakMiB }),
			median(clean, func(r peer.Result) float64 { return r.PeakAnonMiB }),
			clean[0].Sink.Docs, worst.Sink.DoubledSeqs, len(clean), len(all))
	}
	fmt.Fprintf(&b, `
Medians of the clean runs; a run is clean when exactly the messages that it had to deliver are in the sink:
nothing is lost in any of them. Rates and CPU are per journal entry read: the journal's %d entries are
%d messages, of which podbeat joins the split ones and drops the %d of pause containers, while filebeat
sends every entry as a document. Peak is resident memory with the mapped journal files; heap is without them.
`, e.Entries, e.Messages, len(e.Pause))
	return b.String()
}

func median(runs []peer.Result, of func(peer.Result) float64) float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
