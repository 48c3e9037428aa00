package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Table writes the medians of each shipper's clean runs in Markdown, or of what came of the others if none was clean. Rates and CPU are
// counted by n, the pieces of work that all shippers had, for they may make different documents of them: n lines of the unit "lines", as
// "lines in 50 files". Of a run that did not come to its end they are counted by the share of the work that arrived.
func Table(n int, unit, of string, results []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d %s → sink | %s/s | CPU s per million | CPU, first = 1 | peak MiB (heap) | documents | lost | doubled | sink's CPU s per million | clean runs |\n", n, of, unit)
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	var labels []string
	runs := map[string][]Result{}
	for _, r := range results {
		if runs[r.Label] == nil {
			labels = append(labels, r.Label)
		}
		runs[r.Label] = append(runs[r.Label], r)
	}
	first := 0.0
	for _, label := range labels {
		all := runs[label]
		clean := slices.DeleteFunc(slices.Clone(all), func(r Result) bool { return r.Note != "" })
		of, note := clean, ""
		if len(clean) == 0 {
			of = slices.DeleteFunc(slices.Clone(all), func(r Result) bool { return r.Sink.UniqueSeqs == 0 })
			note = ": " + strings.ReplaceAll(all[0].Note, "|", "/")
		}
		if len(of) == 0 {
			fmt.Fprintf(&b, "| %s | | | | | | | | | 0 of %d%s |\n", label, len(all), note)
			continue
		}
		done := func(r Result) float64 { return float64(n) * float64(r.Sink.UniqueSeqs) / float64(r.Wanted) }
		cpu := median(of, func(r Result) float64 { return r.CPUSeconds() * 1e6 / done(r) })
		ratio := "–"
		if label == labels[0] && note == "" {
			first = cpu
		}
		if first > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/first)
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %s | %.0f (%.0f) | %d | %d | %d | %.1f | %d of %d%s |\n", label,
			median(of, func(r Result) float64 { return done(r) / r.Seconds }), cpu, ratio,
			median(of, func(r Result) float64 { return r.PeakMiB }),
			median(of, func(r Result) float64 { return r.PeakAnonMiB }),
			of[0].Sink.Docs, most(of, func(r Result) int64 { return int64(r.Lost) }), most(of, func(r Result) int64 { return r.Sink.DoubledSeqs }),
			median(of, func(r Result) float64 { return r.Sink.CPUSeconds * 1e6 / done(r) }),
			len(clean), len(all), note)
	}
	return b.String()
}

func median(runs []Result, of func(Result) float64) float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	return Median(v)
}

func most(runs []Result, of func(Result) int64) (n int64) {
	for _, r := range runs {
		n = max(n, of(r))
	}
	return n
}

// Median of some values, which it sorts.
func Median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Write prints the outcome of a race, a table with what it means, and keeps it in build/bench/NAME.md, there with the programs' versions and
// the configurations.
func (r *Race) Write(table string, ships []Shipper) error {
	fmt.Print(table)
	var b strings.Builder
	b.WriteString(table)
	if len(ships) > 0 {
		b.WriteString("\n" + versions(ships) + "\n")
	}
	for _, s := range ships {
		fmt.Fprintf(&b, "\n<details><summary>%s: settings</summary>\n\n```\n%s\n```\n</details>\n", s.Label, strings.TrimSpace(s.Config))
	}
	return os.WriteFile(filepath.Join(r.Build, r.Name+".md"), []byte(b.String()), 0o644)
}

func versions(ships []Shipper) string {
	var programs []*Program
	var said []string
	for _, s := range ships {
		if !slices.Contains(programs, s.Program) && s.Program.version != "" {
			programs = append(programs, s.Program)
			said = append(said, s.Program.version)
		}
	}
	return "Versions: " + strings.Join(said, " · ") + "."
}

// Noise says what else the machine did during the races: where that is much, rates are no measure.
func Noise(results []Result) string {
	others, stolen, slow, fast := 0.0, 0.0, 0.0, 0.0
	for _, r := range results {
		if r.Seconds == 0 {
			continue
		}
		others, stolen = max(others, r.OtherSeconds/r.Seconds), max(stolen, r.StealSeconds/r.Seconds)
		if slow = max(slow, r.CalibrationMs); fast == 0 {
			fast = r.CalibrationMs
		}
		fast = min(fast, r.CalibrationMs)
	}
	return fmt.Sprintf("Beside shipper and sink the machine spent at most %.2f CPU s a second, its host took at most %.2f; a fixed piece of work took %.0f to %.0f ms.\n",
		others, stolen, fast, slow)
}
