// Command tui measures logtui as people feel it, beside lnav and less, in a terminal of its own: from a key to the last byte that it
// changes on the screen.
//
//	test/services/elasticsearch.sh start 9200
//	go run ./bench/tui -url http://127.0.0.1:9200 -n 1000000
//
// podbeat brings a day of logs into Elasticsearch, unless it is there, and the same lines are in a file for lnav and less (apt-get install
// lnav less). logtui is run twice: with the day, and with the tail on while a pod writes. It prints a Markdown table and
// keeps every figure in build/bench/tui.json. Figures of a machine that does other work are no figures.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/test/tui/logs"
)

func main() {
	var b benchmark
	flag.StringVar(&b.url, "url", "http://127.0.0.1:9200", "an Elasticsearch with the day of logs, or without any")
	flag.IntVar(&b.n, "n", 1_000_000, "documents of the day")
	flag.IntVar(&b.keys, "keys", 300, "keys pressed for each figure")
	flag.IntVar(&b.rate, "rate", 50, "lines a second that are written while the tail is on")
	flag.DurationVar(&b.idle, "idle", 20*time.Second, "how long it is left alone")
	flag.StringVar(&b.only, "only", "", "programs to run, by the beginning of their names, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/tui:", err)
		os.Exit(1)
	}
}

type benchmark struct {
	url           string
	n, keys, rate int
	idle          time.Duration
	only          string
	dir           string // build/bench/tui
}

// A program is what is measured.
type program struct {
	Name     string
	command  []string
	bottom   string // key for the newest line; it may be there already
	up, page string // keys for a line and a page towards older ones
	tail     bool   // a pod writes meanwhile
}

// A result is what was measured of a program.
type result struct {
	Name              string
	Frame, Rows       time.Duration // until something was on the screen, until lines were
	Line, Page        []stroke      // of each key
	Resident, Peak    int64         // bytes
	Idle              float64       // share of a processor, left alone
	IdleBytes, Silent int           // drawn in that time; keys that changed nothing
}

func (b *benchmark) run(ctx context.Context) error {
	b.dir = "build/bench/tui"
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	files, err := os.MkdirTemp("", "podbeat-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(files)
	lines := filepath.Join(b.dir, fmt.Sprintf("day-%d.log", b.n))
	logtui := []string{filepath.Join(b.dir, "logtui"), "--index", logs.Index, "--from", logs.From.Format(time.RFC3339)}
	day := append(logtui[:len(logtui):len(logtui)], "--to", logs.To.Format(time.RFC3339))
	programs := []program{
		{Name: "logtui", command: day, bottom: "G", up: "k", page: "\x1b[5~"},
		{Name: "logtui, tail on", command: append(logtui, "--tail"), bottom: "G", up: "k", page: "\x1b[5~", tail: true},
		{Name: "lnav", command: []string{"lnav", lines}, bottom: "G", up: "k", page: "b"},
		{Name: "less", command: []string{"less", lines}, bottom: "G", up: "k", page: "b"},
	}
	if b.only != "" {
		programs = slices.DeleteFunc(programs, func(p program) bool {
			return !slices.ContainsFunc(strings.Split(b.only, ","), func(name string) bool { return strings.HasPrefix(p.Name, name) })
		})
	}
	build := []string{"podbeat"}
	if slices.ContainsFunc(programs, func(p program) bool { return p.command[0] == logtui[0] }) {
		build = append(build, "logtui")
	}
	for _, name := range build {
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(b.dir, name), "./cmd/"+name).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %w: %s", name, err, out)
		}
	}
	cluster, err := b.load(ctx, files, lines)
	if err != nil {
		return err
	}
	defer cluster.Close()
	var results []result
	for _, p := range programs {
		r, err := b.measure(ctx, p, cluster, files)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		results = append(results, r)
	}
	data, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	print(os.Stdout, results)
	return os.WriteFile("build/bench/tui.json", data, 0o644)
}

// load has the day in Elasticsearch and in the file of lines, and a podbeat that reads on.
func (b *benchmark) load(ctx context.Context, dir, lines string) (*logs.Cluster, error) {
	o := logs.Options{URL: b.url, Podbeat: filepath.Join(b.dir, "podbeat"), Dir: dir, N: b.n}
	if _, err := os.Stat(lines); err != nil {
		f, err := os.Create(lines + ".new")
		if err != nil {
			return nil, err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		logs.Print(w, b.n)
		if err := errors.Join(w.Flush(), f.Close(), os.Rename(lines+".new", lines)); err != nil {
			return nil, err
		}
	}
	if logs.Plan(b.n).Check(ctx, b.url, logs.Index) == nil {
		return logs.Attend(o)
	}
	fmt.Fprintf(os.Stderr, "bringing %d documents into %s, which has to be empty\n", b.n, b.url)
	return logs.Load(ctx, o)
}

var (
	anything = regexp.MustCompile(`\S`)
	aLine    = regexp.MustCompile(`req-\d{7}|live line \d{8}`)
)

func (b *benchmark) measure(ctx context.Context, p program, c *logs.Cluster, home string) (r result, err error) {
	fmt.Fprintf(os.Stderr, "measuring %s\n", p.Name)
	if p.tail {
		writing, stop := context.WithCancel(ctx)
		wrote := make(chan error, 1)
		go func() { wrote <- b.write(writing, c) }()
		defer func() {
			stop()
			if failed := <-wrote; err == nil {
				err = failed
			}
		}()
	}
	env := []string{"LOGTUI_HOSTS=" + b.url, "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CACHE_HOME=" + home, "TZ=UTC"}
	t, err := open(200, 50, env, p.command, map[string]*regexp.Regexp{"frame": anything, "rows": aLine})
	if err != nil {
		return r, err
	}
	defer t.close()
	r.Name = p.Name
	if r.Frame, err = t.seen("frame", time.Minute); err != nil {
		return r, err
	}
	if r.Rows, err = t.seen("rows", time.Minute); err != nil {
		return r, err
	}
	t.settle(time.Second, 30*time.Second) // lnav reads its file, logtui counts
	t.press(p.bottom)
	t.settle(time.Second, 30*time.Second)

	began, err := t.cpu()
	if err != nil {
		return r, err
	}
	drawn := t.written()
	select {
	case <-time.After(b.idle):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	used, err := t.cpu()
	if err != nil {
		return r, err
	}
	r.Idle, r.IdleBytes = float64(used-began)/float64(b.idle), t.written()-drawn

	for range 60 { // to the upper edge: from there every key scrolls
		if _, err := t.press(p.up); err != nil {
			return r, err
		}
	}
	if r.Line, err = b.press(t, p.up, b.keys); err != nil {
		return r, err
	}
	if r.Page, err = b.press(t, p.page, b.keys/3); err != nil {
		return r, err
	}
	for _, s := range slices.Concat(r.Line, r.Page) {
		if s.Bytes == 0 {
			r.Silent++
		}
	}
	r.Resident, r.Peak, err = t.memory()
	return r, err
}

// press presses a key so often, at a pace that is no multiple of anything.
func (b *benchmark) press(t *terminal, key string, n int) (all []stroke, err error) {
	for range n {
		s, err := t.press(key)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		time.Sleep(time.Duration(3+rand.IntN(17)) * time.Millisecond)
	}
	return all, nil
}

// write has a pod write lines until ctx ends.
func (b *benchmark) write(ctx context.Context, c *logs.Cluster) error {
	tick := time.NewTicker(time.Second / time.Duration(max(1, b.rate)))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case now := <-tick.C:
			if err := c.Write("writer", now, fmt.Sprintf("INFO  live line %08d of a common length, as applications write them all day", n)); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// print prints the table.
func print(w io.Writer, results []result) {
	fmt.Fprintln(w, "| | first frame | first lines | line p50 / p95 | page p50 / p95 | bytes a line / a page | MiB (peak) | idle CPU |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- |")
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %s ms | %s ms | %s / %s ms | %s / %s ms | %d / %d | %d (%d) | %.1f %% |\n", r.Name, ms(r.Frame), ms(r.Rows),
			ms(took(r.Line, 50)), ms(took(r.Line, 95)), ms(took(r.Page, 50)), ms(took(r.Page, 95)), drawn(r.Line), drawn(r.Page),
			r.Resident>>20, r.Peak>>20, 100*r.Idle)
	}
	for _, r := range results {
		if r.Silent > 0 {
			fmt.Fprintf(w, "\n%d keys changed nothing on the screen of %s.\n", r.Silent, r.Name)
		}
	}
}

// took is a percentile of the times that keys took, of those that changed something.
func took(strokes []stroke, percent int) time.Duration {
	var all []time.Duration
	for _, s := range strokes {
		if s.Bytes > 0 {
			all = append(all, s.Took)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*percent/100]
}

// drawn is the median of the bytes that keys had drawn.
func drawn(strokes []stroke) int {
	if len(strokes) == 0 {
		return 0
	}
	var all []int
	for _, s := range strokes {
		all = append(all, s.Bytes)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
