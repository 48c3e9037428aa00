package journal

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// BenchmarkRead reads a node's journal of 100,000 entries, from two files.
func BenchmarkRead(b *testing.B) {
	const entries = 100_000
	dir := b.TempDir()
	_, err := journalgen.Write(dir, journalgen.Defaults(entries))
	must(b, err)
	ctx := context.Background()
	batch := make([]Entry, 256)
	before := cpu(b)
	for b.Loop() {
		r, m := testReader(b, testOptions(dir), position{})
		for have := 0; have < entries; {
			n, err := r.Read(ctx, batch)
			must(b, err)
			for i := range batch[:n] {
				_ = r.position(&batch[i])
			}
			have += n
		}
		r.Close()
		equal(b, "gaps", m.gaps.Get(), 0)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/entries, "µs/entry")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N)/entries, "cpu-µs/entry")
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
