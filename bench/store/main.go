// Command store measures the embedded store by itself, without HTTP and queries' languages: documents of about 850 bytes, 2,000 a
// transaction, each synced to the disk; then searches over all of them through View. It prints a Markdown table.
//
//	go run ./bench/store -n 1000000
//
// CPU seconds and milliseconds are those of the whole process, and say more than the wall's where other work runs beside. First
// is a search after the store was opened anew, with the files in the system's cache; again is the median of those after it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/podbeat/podbeat/store"
)

func main() {
	n := flag.Int("n", 1_000_000, "documents")
	batch := flag.Int("batch", 2000, "documents in a transaction")
	dir := flag.String("dir", "", "where the store is made; removed afterwards (default: a new directory under build/bench)")
	flag.Parse()
	if *dir == "" {
		if err := os.MkdirAll("build/bench", 0o755); err != nil {
			log.Fatal(err)
		}
		var err error
		if *dir, err = os.MkdirTemp("build/bench", "store-"); err != nil {
			log.Fatal(err)
		}
	}
	err := run(*dir, *n, *batch)
	if e := os.RemoveAll(*dir); err == nil {
		err = e
	}
	if err != nil {
		log.Fatal(err)
	}
}

const index = "logstash-bench-2026.11.21"

func run(dir string, n, batch int) error {
	ctx := context.Background()
	opts := store.Options{Cache: 64 << 20, FlushAfter: time.Second, Log: slog.New(slog.DiscardHandler)}
	s, err := store.Open(dir, opts)
	if err != nil {
		return err
	}
	if err := s.Create(ctx, index); err != nil {
		return err
	}
	fmt.Print("| ingest | |\n|---|---|\n")
	if err := ingest(ctx, s, n, batch); err != nil {
		return err
	}
	info, err := s.Info(index)
	if err != nil {
		return err
	}
	row("bytes a document, in / out of the store", "%.0f / %.0f", float64(info.SourceSize)/float64(n), float64(info.Bytes)/float64(n))
	row("blocks", "%d", info.Blocks)
	if err := s.Close(); err != nil {
		return err
	}
	size, err := sizeOf(dir)
	if err != nil {
		return err
	}
	row("bytes a document, the whole directory when closed", "%.0f", float64(size)/float64(n))
	row("peak memory after ingest", "%d MiB", peak()>>20)
	start, used := time.Now(), cpu()
	if s, err = store.Open(dir, opts); err != nil {
		return err
	}
	defer s.Close()
	r, err := s.Verify(ctx, index)
	if err != nil || len(r.Problems) > 0 || r.Docs != n {
		return fmt.Errorf("cannot go on: %d of %d documents are there: %q %v", r.Docs, n, r.Problems, err)
	}
	row("verify, wall / CPU", "%.1f s / %.1f s", time.Since(start).Seconds(), (cpu() - used).Seconds())
	if err := resend(ctx, s, n, batch); err != nil {
		return err
	}
	fmt.Print("\n| search | hits | first, wall / CPU ms | again, wall / CPU ms |\n|---|---|---|---|\n")
	for _, q := range queries(n) {
		if err := measure(dir, opts, &s, q); err != nil {
			return fmt.Errorf("cannot search %s: %w", q.name, err)
		}
	}
	fmt.Printf("\npeak memory %d MiB\n", peak()>>20)
	return nil
}

func row(name, format string, args ...any) {
	fmt.Printf("| %s | %s |\n", name, fmt.Sprintf(format, args...))
}

// ingest writes the documents and waits until all are in blocks. What it takes to make the documents is measured alone, and taken off.
func ingest(ctx context.Context, s *store.Store, n, batch int) error {
	before := cpu()
	alone := newGenerator(1)
	for range n {
		alone.next()
	}
	making := cpu() - before

	g := newGenerator(1)
	var wall time.Duration
	before = cpu()
	for done := 0; done < n; {
		ops := make([]store.Op, 0, batch)
		for ; len(ops) < batch && done < n; done++ {
			id, source, at := g.next()
			ops = append(ops, store.Op{Kind: store.Create, ID: id, Source: source, Time: at.UnixNano()})
		}
		start := time.Now()
		results, err := s.Bulk(ctx, index, ops)
		if err != nil {
			return err
		}
		wall += time.Since(start)
		for _, r := range results {
			if !r.Created {
				return fmt.Errorf("cannot write %s: %+v", r.ID, r)
			}
		}
	}
	start := time.Now()
	if err := s.Flush(index); err != nil {
		return err
	}
	wall += time.Since(start)
	row("documents / s", "%.0f", float64(n)/wall.Seconds())
	row("CPU s per million, all blocks made", "%.1f", (cpu()-before-making).Seconds()/float64(n)*1e6)
	return nil
}

// resend writes the first documents again, as a shipper does that has lost its place: all of them are conflicts.
func resend(ctx context.Context, s *store.Store, n, batch int) error {
	g := newGenerator(1)
	var wall time.Duration
	sent := 0
	for ; sent < min(n, 100_000); sent += batch {
		ops := make([]store.Op, batch)
		for i := range ops {
			id, source, at := g.next()
			ops[i] = store.Op{Kind: store.Create, ID: id, Source: source, Time: at.UnixNano()}
		}
		start := time.Now()
		results, err := s.Bulk(ctx, index, ops)
		if err != nil {
			return err
		}
		wall += time.Since(start)
		for i, r := range results {
			if !r.Conflict && sent+i < n {
				return fmt.Errorf("cannot find %s again: %+v", r.ID, r)
			}
		}
	}
	row("documents / s sent again, each a 409", "%.0f", float64(sent)/wall.Seconds())
	return nil
}

// measure searches once in a store opened anew, and then some more times.
func measure(dir string, opts store.Options, s **store.Store, q query) error {
	if err := (*s).Close(); err != nil {
		return err
	}
	var err error
	if *s, err = store.Open(dir, opts); err != nil {
		return err
	}
	var hits int
	var walls, cpus []float64
	for range 8 {
		start, used := time.Now(), cpu()
		v, err := (*s).View(index)
		if err != nil {
			return err
		}
		segments, err := v.Segments(math.MinInt64, math.MaxInt64)
		if err == nil {
			hits, err = q.run(segments)
		}
		v.Release()
		if err != nil {
			return err
		}
		walls = append(walls, float64(time.Since(start).Microseconds())/1000)
		cpus = append(cpus, float64((cpu()-used).Microseconds())/1000)
	}
	first, firstCPU := walls[0], cpus[0]
	walls, cpus = walls[1:], cpus[1:]
	slices.Sort(walls)
	slices.Sort(cpus)
	fmt.Printf("| %s | %d | %.1f / %.1f | %.1f / %.1f |\n", q.name, hits, first, firstCPU, walls[len(walls)/2], cpus[len(cpus)/2])
	return nil
}

func sizeOf(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			total += i.Size()
		}
		return err
	})
	return total, err
}
