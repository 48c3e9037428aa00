// Command genjournal writes the journal of a Kubernetes node that never existed (see package journalgen).
//
//	genjournal -n 100000 > node.export                        export format, for systemd-journal-remote
//	genjournal -n 1000000 -dir DIR -expect expect.ndjson      journal files, and what is in them
//	genjournal -n 1000000 -dir DIR -rate 5000 -per-file 20000 -keep 5   the same, live, rotated and vacuumed
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/podbeat/podbeat/bench/journalgen"
)

func main() {
	o := journalgen.Defaults(1_000_000)
	flag.IntVar(&o.Entries, "n", o.Entries, "journal entries")
	flag.Uint64Var(&o.Seed, "seed", o.Seed, "seed of everything")
	flag.Float64Var(&o.Pause, "pause", o.Pause, "share of pause containers' messages")
	flag.Float64Var(&o.System, "system", o.System, "share of messages from units and containers that are not Kubernetes'")
	flag.Float64Var(&o.Partial, "partial", o.Partial, "share of messages split over several entries")
	flag.Float64Var(&o.Binary, "binary", o.Binary, "share of messages that are not UTF-8")
	flag.Float64Var(&o.Large, "large", o.Large, "share of messages with a field over 64 KiB")
	dir := flag.String("dir", "", "write journal files here instead of export format to standard output")
	rate := flag.Int("rate", 0, "with -dir: entries a second; 0 is as fast as it goes")
	perFile := flag.Int("per-file", 0, "with -dir: rotate after so many entries; 0 leaves it to systemd-journal-remote")
	keep := flag.Int("keep", 0, "with -dir and -per-file: archived files to keep; 0 keeps all")
	expect := flag.String("expect", "", "write the expected messages to this file, one JSON object a line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	g := journalgen.New(o)
	err := write(ctx, g, *dir, *rate, *perFile, *keep)
	if err == nil && *expect != "" {
		err = writeExpected(*expect, g.Messages())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genjournal:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, g *journalgen.Generator, dir string, rate, perFile, keep int) error {
	if dir == "" {
		w := bufio.NewWriterSize(os.Stdout, 1<<20)
		if _, err := g.WriteTo(w); err != nil {
			return err
		}
		return w.Flush()
	}
	w, err := journalgen.Open(dir)
	if err != nil {
		return err
	}
	w.Keep = keep
	err = w.Feed(ctx, g, rate, perFile)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

func writeExpected(path string, messages []journalgen.Message) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for _, m := range messages {
		if err := enc.Encode(m); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
