// Command journalread measures readers of the journal, all fields of all entries: package journal, libsystemd from C, go-systemd and
// journalctl, each in a process of its own, one after the other in rotated order.
//
//	go run ./bench/journalread -n 1000000 -rounds 3
//
// It prints a Markdown table of medians and keeps it in build/bench/journalread.md. What cannot be had here has a row that says why.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/nodejournal"
	"github.com/podbeat/podbeat/bench/peer"
)

func main() {
	n := flag.Int("n", 1_000_000, "journal entries")
	rounds := flag.Int("rounds", 3, "runs of each reader")
	reader := flag.String("reader", "", "read with this one in this process, for -dir, and print how many entries, fields and bytes there are: files, directory or go-systemd")
	dir := flag.String("dir", "", "directory of journal files, with -reader")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *reader != "" {
		err = readAs(*reader, *dir, os.Stdout)
	} else {
		err = race(ctx, *n, *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/journalread:", err)
		os.Exit(1)
	}
}

// A runner is one reader with what its runs came to.
type runner struct {
	label   string
	command []string
	silent  bool // it prints the entries, and not how many there are
	count   count
	wall    []float64 // seconds
	cpu     []float64
	peak    []float64 // MiB
	err     error     // why there are no more runs
}

func race(ctx context.Context, n, rounds int) error {
	r := peer.Race{Name: "journalread"}
	if err := r.Prepare(); err != nil {
		return err
	}
	j, err := nodejournal.Make(r.Build, n)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	all := runners(ctx, r, self, j.Dir)
	for round := range rounds {
		for i := range all {
			if err := all[(i+round)%len(all)].run(ctx); err != nil {
				return err
			}
		}
	}
	check(all)
	return r.Write(table(n, all), nil)
}

func runners(ctx context.Context, r peer.Race, self, dir string) []*runner {
	program := filepath.Join(r.Build, "read-libsystemd")
	source := filepath.Join(r.Root, "bench/journalread/libsystemd/read.c")
	_, err := peer.Output(exec.CommandContext(ctx, "cc", "-O2", "-o", program, source, "-lsystemd"))
	own := func(reader string) []string { return []string{self, "-reader", reader, "-dir", dir} }
	return []*runner{
		{label: "package journal, file after file", command: own("files")},
		{label: "package journal, merged directory", command: own("directory")},
		{label: "libsystemd from C", command: []string{program, dir}, err: err},
		{label: "go-systemd, `Next` and `GetEntry`", command: own("go-systemd")},
		{label: "`journalctl -o export`, thrown away", command: []string{"journalctl", "-q", "-o", "export", "-D", dir}, silent: true},
	}
}

// run runs the reader once; only an interruption is an error.
func (r *runner) run(ctx context.Context) error {
	if r.err != nil {
		return nil
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, r.command[0], r.command[1:]...)
	cmd.Stderr = &said
	if !r.silent {
		cmd.Stdout = &out
	}
	begun := time.Now()
	err := cmd.Run()
	wall := time.Since(begun).Seconds()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && !r.silent {
		_, err = fmt.Sscan(out.String(), &r.count.Entries, &r.count.Fields, &r.count.Bytes)
	}
	if err != nil {
		r.err = fmt.Errorf("%w: %.200s", err, strings.Join(strings.Fields(said.String()), " "))
		return nil
	}
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("cannot tell what a process has used on this system")
	}
	cpu := float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	r.wall, r.cpu, r.peak = append(r.wall, wall), append(r.cpu, cpu), append(r.peak, float64(u.Maxrss)/1024)
	fmt.Fprintf(os.Stderr, "%-36s %6.2f s  %6.2f CPU s\n", r.label, wall, cpu)
	return nil
}

// check takes the figures from a reader that did not find what the first one found.
func check(all []*runner) {
	want := all[0].count
	for _, r := range all[1:] {
		// go-systemd's maps hold a repeated name once, so only its entries can be compared.
		got := r.count
		if strings.HasPrefix(r.label, "go-systemd") {
			got.Fields, got.Bytes = want.Fields, want.Bytes
		}
		if r.err == nil && !r.silent && got != want {
			r.err = fmt.Errorf("%+v, and %s has %+v", r.count, all[0].label, want)
		}
	}
}

func table(n int, all []*runner) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d journal entries read, all fields | CPU s per million | entries/s | peak MiB |\n|---|---|---|---|\n", n)
	million := float64(n) / 1e6
	for _, r := range all {
		if r.err != nil {
			fmt.Fprintf(&b, "| %s | %s | | |\n", r.label, strings.ReplaceAll(r.err.Error(), "|", "/"))
			continue
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.0f | %.0f |\n", r.label, peer.Median(r.cpu)/million, float64(n)/peer.Median(r.wall), peer.Median(r.peak))
	}
	c := all[0].count
	fmt.Fprintf(&b, "\nMedians of whole processes. All have found %d entries with %d fields, %d bytes; journalctl only writes them out.\n", c.Entries, c.Fields, c.Bytes)
	return b.String()
}
