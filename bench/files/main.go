// Command files measures podbeat's input emptydir beside other shippers that follow files: filebeat 7.17.29's filestream, rsyslog, syslog-ng
// and fluent-bit. The same log files of pods go into the same sink, one shipper after the other, in rotated order.
//
//	go run ./bench/files -n 1000000 -rounds 3
//
// It prints a Markdown table of medians and keeps every run in build/bench/files.json, the table with versions and settings in
// build/bench/files.md. Files and binaries are kept in build/bench too. fluent-bit is the one in PATH, or in PODBEAT_FLUENT_BIT.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/peer"
)

func main() {
	b := benchmark{race: peer.Race{Name: "files"}}
	flag.IntVar(&b.lines, "n", 1_000_000, "lines")
	flag.IntVar(&b.files, "files", 50, "files, each of a pod of its own")
	flag.IntVar(&b.race.Rounds, "rounds", 3, "runs of each shipper")
	flag.StringVar(&b.race.Only, "only", "", "shippers to run, by the beginning of their names, separated by commas; empty runs all")
	flag.DurationVar(&b.race.Timeout, "timeout", 5*time.Minute, "end a run after so long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/files:", err)
		os.Exit(1)
	}
}

type benchmark struct {
	lines, files int
	race         peer.Race
}

func (b *benchmark) run(ctx context.Context) error {
	if b.files < 1 || b.lines < b.files {
		return fmt.Errorf("cannot write %d lines into %d files: want one line a file at least", b.lines, b.files)
	}
	if err := b.race.Prepare(); err != nil {
		return err
	}
	dir := filepath.Join(b.race.Build, fmt.Sprintf("files-%d-%d", b.lines, b.files))
	if err := write(dir, b.lines, b.files); err != nil {
		return err
	}
	b.race.Vars = map[string]string{"PODS": dir}
	b.race.Job = map[string]any{"lines": b.lines, "files": b.files}
	ships := b.race.Named(shippers(b.lines))
	results, err := b.race.Run(ctx, ships)
	if len(results) > 0 { // also of a benchmark that was interrupted
		err = errors.Join(err, b.race.Write(peer.Table(b.lines, "lines", fmt.Sprintf("lines in %d files", b.files), results)+`
Medians of the clean runs; a run is clean when every line is in the sink, by its number. Each document has the line, the file and the time.
Peak is resident memory, heap is without files. The sink runs beside, on the same cores. `+peer.Noise(results), ships))
	}
	return err
}

// write makes the files unless they are there already, and reads them once, so that the first shipper finds
// them in memory as the others do.
func write(dir string, lines, files int) error {
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); err != nil {
		fmt.Fprintf(os.Stderr, "writing %d lines into %d files\n", lines, files)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		for i := range files {
			if err := writeFile(dir, i, lines*i/files, lines*(i+1)/files); err != nil {
				return err
			}
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil { // files without it are not all there
			return err
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*/volumes/*/*/*.log"))
	if err != nil {
		return err
	}
	return peer.Warm(paths...)
}

// writeFile writes the lines with the tokens from … to-1 as one pod's log.
func writeFile(dir string, number, from, to int) error {
	rng := rand.New(rand.NewPCG(1, uint64(number)))
	uid := fmt.Sprintf("%08x-0000-4000-8000-%012x", rng.Uint32(), number)
	volume := filepath.Join(dir, uid, "volumes", "kubernetes.io~empty-dir", "applog-6f1d2c3b-0000-4000-8000-000000000000-endname-web")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(volume, "app.log"))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for token := from; token < to; token++ {
		at = at.Add(time.Duration(rng.IntN(20)) * time.Millisecond)
		fmt.Fprintf(w, "%s INFO  [http-nio-8080-exec-%d] sq#%08d GET /api/v2/orders/%08x?page=%d 200 %d bytes in %d ms trace=%016x%016x user=%d agent=\"Mozilla/5.0 (X11; Linux x86_64)\"\n",
			at.Format("2006-01-02T15:04:05.000Z"), rng.IntN(200), token, rng.Uint32(), rng.IntN(50), rng.IntN(100_000), rng.IntN(2000),
			rng.Uint64(), rng.Uint64(), rng.IntN(1_000_000))
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
