package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
)

// A Race runs shippers with the same job one after the other, in rotated order, into the same sink.
type Race struct {
	Name    string // of the file with all results, build/bench/NAME.json
	Root    string // of the module, see Prepare
	Build   string // build/bench in it
	Rounds  int
	Only    string            // shippers to run, by the beginning of their labels, separated by commas; empty runs all
	Vars    map[string]string // ${NAME} in configurations; ${SINK} and ${HOME} are filled in anyway
	Job     map[string]any    // what the job is, for the file with the results
	Timeout time.Duration     // for one run
}

// A Shipper is a program with a configuration.
type Shipper struct {
	Label  string
	Binary string   // in build/bench
	Module string   // directory below the root of the module that it is built from
	Args   []string // of go build
	Config string
	Docs   int64                     // documents with different tokens that it has to send
	Tokens int                       // tokens that there are
	Verify func(missing []int) error // says whether these are those that were to stay away; nil wants none
}

// Prepare finds the module and makes build/bench.
func (r *Race) Prepare() error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("cannot find the module: %w", err)
	}
	r.Root = filepath.Dir(strings.TrimSpace(string(out)))
	r.Build = filepath.Join(r.Root, "build", "bench")
	if err := os.MkdirAll(r.Build, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Build, ".gitignore"), []byte("*\n"), 0o644)
}

// Run builds the shippers that are to run and runs them all. Also of a race that was interrupted it
// gives, and keeps, the results there are.
func (r *Race) Run(ctx context.Context, all []Shipper) (results []Result, err error) {
	ships := r.named(all)
	if len(ships) == 0 {
		return nil, fmt.Errorf("no shipper's name begins with %q", r.Only)
	}
	for _, s := range ships {
		if err := r.compile(ctx, s); err != nil {
			return nil, err
		}
	}
	sk, url, closeSink, err := serve()
	if err != nil {
		return nil, err
	}
	defer closeSink()
	defer func() {
		if len(results) > 0 {
			err = errors.Join(err, r.keep(results))
		}
	}()
	for round := range r.Rounds {
		for i := range ships {
			s := ships[(i+round)%len(ships)]
			res, err := r.ship(ctx, s, url)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return results, err
			}
			if err := s.verify(sk.Missing(s.Tokens)); err != nil && res.Note == "" {
				res.Note = err.Error()
			}
			results = append(results, res)
			fmt.Fprintln(os.Stderr, line(round, res))
		}
	}
	return results, nil
}

func (s Shipper) verify(missing []int) error {
	switch {
	case s.Verify != nil:
		return s.Verify(missing)
	case len(missing) > 0:
		return fmt.Errorf("%d documents did not arrive", len(missing))
	}
	return nil
}

// named are the shippers that Only names.
func (r *Race) named(all []Shipper) []Shipper {
	return slices.DeleteFunc(slices.Clone(all), func(s Shipper) bool {
		return !slices.ContainsFunc(strings.Split(r.Only, ","), func(o string) bool { return strings.HasPrefix(s.Label, o) })
	})
}

// compile builds a shipper; the go command knows when there is nothing to do.
func (r *Race) compile(ctx context.Context, s Shipper) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", filepath.Join(r.Build, s.Binary)}, s.Args...)...)
	cmd.Dir = filepath.Join(r.Root, s.Module)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot build %s: %w", s.Binary, err)
	}
	return nil
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

// ship runs one shipper from nothing: an empty home, no position.
func (r *Race) ship(ctx context.Context, s Shipper, sinkURL string) (Result, error) {
	home := filepath.Join(r.Build, "run", s.Binary)
	if err := os.RemoveAll(home); err != nil {
		return Result{}, err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return Result{}, err
	}
	config := filepath.Join(home, "config.yml")
	text := strings.NewReplacer("${SINK}", sinkURL, "${HOME}", home).Replace(s.Config)
	for name, value := range r.Vars {
		text = strings.ReplaceAll(text, "${"+name+"}", value)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return Result{}, err
	}
	return Run{
		Label:   s.Label,
		Command: []string{filepath.Join(r.Build, s.Binary), "-e", "-c", config, "--path.home", home},
		Dir:     home,
		Log:     filepath.Join(home, "log"),
		Sink:    sinkURL,
		Docs:    s.Docs,
		Timeout: r.Timeout,
		Stall:   time.Minute,
	}.Start(ctx)
}

func (r *Race) keep(results []Result) error {
	text, err := json.MarshalIndent(map[string]any{"time": time.Now().UTC().Format(time.RFC3339), "job": r.Job, "runs": results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Build, r.Name+".json"), text, 0o644)
}

func line(round int, r Result) string {
	return fmt.Sprintf("round %d  %-36s %6.1f s  %6.1f CPU s  %4.0f MiB  %d documents, %d different, %d doubled  others %.1f s, stolen %.1f s, calibration %.0f ms  %s",
		round+1, r.Label, r.Seconds, r.CPUSeconds(), r.PeakMiB, r.Sink.Docs, r.Sink.UniqueSeqs, r.Sink.DoubledSeqs,
		r.OtherSeconds, r.StealSeconds, r.CalibrationMs, r.Note)
}

// Table writes the medians of each shipper's clean runs in Markdown. Rates and CPU are counted by n, the pieces
// of work that all shippers had, for they may make different documents of them: n lines of the unit "lines", as "lines in 50 files".
func Table(n int, unit, of string, results []Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d %s → sink | %s/s | CPU s per million %[3]s | CPU, first = 1 | peak MiB (heap) | documents | doubled | clean runs |\n", n, of, unit)
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	var labels []string
	runs := map[string][]Result{}
	for _, r := range results {
		if runs[r.Label] == nil {
			labels = append(labels, r.Label)
		}
		runs[r.Label] = append(runs[r.Label], r)
	}
	first := 0.0
	for i, label := range labels {
		all := runs[label]
		clean := slices.DeleteFunc(slices.Clone(all), func(r Result) bool { return r.Note != "" })
		if len(clean) == 0 {
			fmt.Fprintf(&b, "| %s | %s | | | | | | 0 of %d |\n", label, all[0].Note, len(all))
			continue
		}
		cpu := median(clean, func(r Result) float64 { return r.CPUSeconds() * 1e6 / float64(n) })
		ratio := "–"
		if i == 0 {
			first = cpu
		}
		if first > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/first)
		}
		worst := slices.MaxFunc(clean, func(a, b Result) int { return cmp.Compare(a.Sink.DoubledSeqs, b.Sink.DoubledSeqs) })
		fmt.Fprintf(&b, "| %s | %.0f | %.1f | %s | %.0f (%.0f) | %d | %d | %d of %d |\n", label,
			median(clean, func(r Result) float64 { return float64(n) / r.Seconds }), cpu, ratio,
			median(clean, func(r Result) float64 { return r.PeakMiB }),
			median(clean, func(r Result) float64 { return r.PeakAnonMiB }),
			clean[0].Sink.Docs, worst.Sink.DoubledSeqs, len(clean), len(all))
	}
	return b.String()
}

func median(runs []Result, of func(Result) float64) float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
