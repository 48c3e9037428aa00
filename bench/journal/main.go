// Command journal measures podbeat beside other shippers that read the journal: filebeat 7.17.29, rsyslog, syslog-ng and fluent-bit.
// The same journal files go into the same sink, one shipper after the other, in rotated order.
//
//	go run ./bench/journal -n 1000000 -rounds 3
//
// It prints a Markdown table of medians and keeps every run in build/bench/journal.json, the table with versions and settings
// in build/bench/journal.md. Journals and binaries are kept in build/bench too. fluent-bit is the one in PATH, or in
// PODBEAT_FLUENT_BIT; a shipper that cannot be had, or that fails, has a row that says why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/nodejournal"
	"github.com/podbeat/podbeat/bench/peer"
)

func main() {
	b := benchmark{race: peer.Race{Name: "journal"}}
	flag.IntVar(&b.entries, "n", 1_000_000, "journal entries")
	flag.IntVar(&b.race.Rounds, "rounds", 3, "runs of each shipper")
	flag.StringVar(&b.race.Only, "only", "", "shippers to run, by the beginning of their names, separated by commas; empty runs all")
	flag.DurationVar(&b.race.Timeout, "timeout", 5*time.Minute, "end a run after so long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/journal:", err)
		os.Exit(1)
	}
}

type benchmark struct {
	entries int
	race    peer.Race
}

func (b *benchmark) run(ctx context.Context) error {
	if err := b.race.Prepare(); err != nil {
		return err
	}
	j, err := nodejournal.Make(b.race.Build, b.entries)
	if err != nil {
		return err
	}
	b.race.Vars = map[string]string{"JOURNAL": j.Dir}
	b.race.Job = map[string]any{"entries": j.Entries, "messages": j.Messages, "pause": len(j.Pause)}
	ships := b.race.Named(shippers(j))
	results, err := b.race.Run(ctx, ships)
	if len(results) > 0 { // also of a benchmark that was interrupted
		err = errors.Join(err, b.race.Write(table(j, results), ships))
	}
	return err
}

// table writes the medians of each shipper's runs in Markdown. Shippers that do not join and do
// not drop send other numbers of documents for the same work, so everything is counted by journal entry read.
func table(j *nodejournal.Journal, results []peer.Result) string {
	return peer.Table(j.Entries, "entries", "journal entries", results) + fmt.Sprintf(`
Medians of the clean runs; a run is clean when exactly what it had to deliver is in the sink, messages by their numbers. Rates and CPU
are per journal entry read: the %d entries are %d messages, of which podbeat joins the split ones and drops the %d of pause
containers, while the others send every entry as a document, with all its fields. Peak is resident memory, of which journal
files are a part where libsystemd maps them; heap is without. The sink runs beside, on the same cores. %s`,
		j.Entries, j.Messages, len(j.Pause), peer.Noise(results))
}
