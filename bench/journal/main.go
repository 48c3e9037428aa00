// Command journal measures podbeat beside filebeat 7.17.29's journald input: the same journal files
// into the same sink, one after the other, in rotated order.
//
//	go run ./bench/journal -n 1000000 -rounds 3
//
// It prints a Markdown table of medians and keeps every run in build/bench/journal.json. Journals
// and binaries are kept in build/bench too.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/peer"
)

func main() {
	var b benchmark
	flag.IntVar(&b.entries, "n", 1_000_000, "journal entries")
	flag.IntVar(&b.race.Rounds, "rounds", 3, "runs of each shipper")
	flag.StringVar(&b.race.Only, "only", "", "shippers to run, by the beginning of their names, separated by commas; empty runs all")
	flag.DurationVar(&b.race.Timeout, "timeout", 15*time.Minute, "end a run after so long")
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
	journal string // directory of the journal files
	expect  expectation
}

// An expectation says what is in the journal, for those who drop pause containers and those who do not.
type expectation struct {
	Entries  int   // journal entries
	Messages int   // logical messages
	Pause    []int // tokens of those that pause containers wrote
}

// verify compares the tokens that never arrived with those that were to stay away.
func (e expectation) verify(missing []int, dropsPause bool) error {
	want := e.Pause
	if !dropsPause {
		want = nil
	}
	if slices.Equal(missing, want) {
		return nil
	}
	return fmt.Errorf("%d messages did not arrive, %d others were to stay away", len(missing), len(want))
}

func (b *benchmark) run(ctx context.Context) error {
	b.race.Name = "journal"
	if err := b.race.Prepare(); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := warm(b.journal); err != nil {
		return err
	}
	b.race.Vars = map[string]string{"JOURNAL": b.journal}
	b.race.Job = map[string]any{"entries": b.expect.Entries, "messages": b.expect.Messages, "pause": len(b.expect.Pause)}
	results, err := b.race.Run(ctx, shippers(b.expect))
	if len(results) > 0 { // also of a benchmark that was interrupted
		fmt.Print(table(b.expect, results))
	}
	return err
}

// prepare makes the journal unless it is there already.
func (b *benchmark) prepare() error {
	o := journalgen.Defaults(b.entries)
	b.journal = filepath.Join(b.race.Build, fmt.Sprintf("journal-%d-%08x", b.entries, fingerprint(o)))
	known := filepath.Join(b.journal, "expect.json")
	if text, err := os.ReadFile(known); err == nil && json.Unmarshal(text, &b.expect) == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "writing a journal of %d entries\n", b.entries)
	if err := os.RemoveAll(b.journal); err != nil {
		return err
	}
	messages, err := journalgen.Write(b.journal, o)
	if err != nil {
		return err
	}
	b.expect = expectation{Entries: b.entries, Messages: len(messages)}
	for _, m := range messages {
		if m.Pause {
			b.expect.Pause = append(b.expect.Pause, m.Seq)
		}
	}
	text, err := json.Marshal(b.expect)
	if err != nil {
		return err
	}
	return os.WriteFile(known, text, 0o644) // the last file: a journal without it is half written
}

// fingerprint changes when the generator writes something else than it did.
func fingerprint(o journalgen.Options) uint32 {
	o.Entries = min(o.Entries, 1000)
	h := crc32.NewIEEE()
	if _, err := journalgen.New(o).WriteTo(h); err != nil {
		panic(err) // a hash takes everything
	}
	return h.Sum32()
}

// warm reads the journal once, so that the first shipper finds it in memory as the others do.
func warm(dir string) error {
	hs, err := journalgen.Headers(dir)
	if err != nil {
		return err
	}
	for _, h := range hs {
		f, err := os.Open(h.Path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// table writes the medians of each shipper's clean runs in Markdown. Shippers that do not join and do
// not drop send other numbers of documents for the same work, so everything is counted by journal entry read.
func table(e expectation, results []peer.Result) string {
	return peer.Table(e.Entries, "entries", "journal entries", results) + fmt.Sprintf(`
Medians of the clean runs; a run is clean when exactly the messages that it had to deliver are in the sink:
nothing is lost in any of them. Rates and CPU are per journal entry read: the journal's %d entries are
%d messages, of which podbeat joins the split ones and drops the %d of pause containers, while filebeat
sends every entry as a document. Peak is resident memory with the mapped journal files; heap is without them.
`, e.Entries, e.Messages, len(e.Pause))
}
