// Command load brings a day of logs into an Elasticsearch, through podbeat, for who wants to look at logtui, or measure it:
//
//	test/services/elasticsearch.sh start 9200
//	go run ./test/tui/load -url http://127.0.0.1:9200 -n 1000000
//	logtui --from 2026-05-17T12:00:00Z --to 2026-05-18T12:00:00Z
//
// With -rate it then stays and writes that many lines a second more, of now, until it is interrupted.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/test/tui/logs"
)

func main() {
	o := logs.Options{}
	flag.StringVar(&o.URL, "url", "http://127.0.0.1:9200", "the Elasticsearch")
	flag.IntVar(&o.N, "n", 1_000_000, "documents")
	flag.StringVar(&o.Podbeat, "podbeat", "", "the program; it is built without")
	lines := flag.String("lines", "", "a file that gets every document as a line")
	rate := flag.Int("rate", 0, "lines a second to write afterwards")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *lines, *rate); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o logs.Options, lines string, rate int) (err error) {
	if o.Dir, err = os.MkdirTemp("", "podbeat-load-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	if o.Podbeat == "" {
		o.Podbeat = filepath.Join(o.Dir, "bin-podbeat")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.Podbeat, "github.com/podbeat/podbeat/cmd/podbeat").CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build podbeat: %w: %s", err, out)
		}
	}
	if lines != "" {
		f, err := os.Create(lines)
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
		o.Lines = io.Writer(w)
	}
	began := time.Now()
	c, err := logs.Load(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	fmt.Printf("%d documents, %d of them errors, from %s to %s, in %v\n", c.N, c.Errors(), logs.From.Format(time.RFC3339), logs.To.Format(time.RFC3339),
		time.Since(began).Round(100*time.Millisecond))
	if rate > 0 {
		return write(ctx, c, rate)
	}
	return nil
}

// write writes lines at that rate, in ten portions a second, until ctx ends.
func write(ctx context.Context, c *logs.Cluster, rate int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case now := <-tick.C:
			var lines []string
			for range max(1, rate/10) {
				n++
				lines = append(lines, fmt.Sprintf("INFO  live line %08d of a common length, as applications write them all day", n))
			}
			if err := c.Write("writer", now, lines...); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
