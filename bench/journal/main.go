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
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/peer"
	"github.com/podbeat/podbeat/bench/sink"
)

func main() {
	var b benchmark
	flag.IntVar(&b.entries, "n", 1_000_000, "journal entries")
	flag.IntVar(&b.rounds, "rounds", 3, "runs of each shipper")
	only := flag.String("only", "", "shippers to run, by the beginning of their names, separated by commas; empty runs all")
	flag.DurationVar(&b.timeout, "timeout", 15*time.Minute, "end a run after so long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.only = strings.Split(*only, ",")
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/journal:", err)
		os.Exit(1)
	}
}

type benchmark struct {
	entries, rounds int
	only            []string
	timeout         time.Duration

	root    string // of the module
	build   string // build/bench
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
	if err := b.prepare(); err != nil {
		return err
	}
	ships := b.shippers()
	if len(ships) == 0 {
		return fmt.Errorf("no shipper's name begins with %q", b.only)
	}
	for _, s := range ships {
		if err := s.make(ctx); err != nil {
			return err
		}
	}
	sk, sinkURL, closeSink, err := serve()
	if err != nil {
		return err
	}
	defer closeSink()
	if err := warm(b.journal); err != nil {
		return err
	}

	results, err := b.runAll(ctx, ships, sk, sinkURL)
	if len(results) > 0 { // also of a benchmark that was interrupted
		err = errors.Join(err, b.keep(results))
		fmt.Print(table(b.expect, results))
	}
	return err
}

func (b *benchmark) runAll(ctx context.Context, ships []shipper, sk *sink.Sink, sinkURL string) (results []peer.Result, err error) {
	for round := range b.rounds {
		for i := range ships {
			s := ships[(i+round)%len(ships)]
			res, err := b.ship(ctx, s, sinkURL)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return results, err
			}
			if err := b.expect.verify(sk.Missing(b.expect.Messages), s.dropsPause); err != nil && res.Note == "" {
				res.Note = err.Error()
			}
			results = append(results, res)
			fmt.Fprintln(os.Stderr, b.line(round, res))
		}
	}
	return results, nil
}

// prepare finds the module, makes build/bench and, unless it is there already, the journal.
func (b *benchmark) prepare() error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("cannot find the module: %w", err)
	}
	b.root = filepath.Dir(strings.TrimSpace(string(out)))
	b.build = filepath.Join(b.root, "build", "bench")
	if err := os.MkdirAll(b.build, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.build, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		return err
	}

	o := journalgen.Defaults(b.entries)
	b.journal = filepath.Join(b.build, fmt.Sprintf("journal-%d-%08x", b.entries, fingerprint(o)))
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

// serve starts a sink that does as little as it can: its CPU is the machine's too.
func serve() (s *sink.Sink, url string, stop func() error, err error) {
	s = sink.New(sink.Options{License: true, Unchecked: true})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	srv := &http.Server{Handler: s, ConnState: s.ConnState}
	go srv.Serve(l) // ends when stop closes it
	return s, "http://" + l.Addr().String(), srv.Close, nil
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

// ship runs one shipper from nothing: an empty home, no position.
func (b *benchmark) ship(ctx context.Context, s shipper, sinkURL string) (peer.Result, error) {
	home := filepath.Join(b.build, "run", s.binary)
	if err := os.RemoveAll(home); err != nil {
		return peer.Result{}, err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return peer.Result{}, err
	}
	config := filepath.Join(home, "config.yml")
	text := strings.NewReplacer("${JOURNAL}", b.journal, "${SINK}", sinkURL).Replace(s.config)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return peer.Result{}, err
	}
	docs := b.expect.Messages
	if s.dropsPause {
		docs -= len(b.expect.Pause)
	}
	return peer.Run{
		Label:   s.label,
		Command: []string{filepath.Join(b.build, s.binary), "-e", "-c", config, "--path.home", home},
		Dir:     home,
		Log:     filepath.Join(home, "log"),
		Sink:    sinkURL,
		Docs:    int64(docs),
		Timeout: b.timeout,
		Stall:   time.Minute,
	}.Start(ctx)
}

func (b *benchmark) keep(results []peer.Result) error {
	text, err := json.MarshalIndent(map[string]any{
		"time": time.Now().UTC().Format(time.RFC3339), "entries": b.expect.Entries, "messages": b.expect.Messages, "pause": len(b.expect.Pause), "runs": results,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.build, "journal.json"), text, 0o644)
}

func (b *benchmark) line(round int, r peer.Result) string {
	return fmt.Sprintf("round %d  %-28s %6.1f s  %6.1f CPU s  %4.0f MiB  %d documents, %d different, %d doubled  others %.1f s, stolen %.1f s, calibration %.0f ms  %s",
		round+1, r.Label, r.Seconds, r.CPUSeconds(), r.PeakMiB, r.Sink.Docs, r.Sink.UniqueSeqs, r.Sink.DoubledSeqs,
		r.OtherSeconds, r.StealSeconds, r.CalibrationMs, r.Note)
}
