package peer

import (
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
	Name    string // of the files with all results, build/bench/NAME.json and NAME.md
	Root    string // of the module, see Prepare
	Build   string // build/bench in it
	Rounds  int
	Only    string            // shippers to run, by the beginning of their labels, separated by commas; empty runs all
	Vars    map[string]string // ${NAME} in configurations; ${SINK}, ${PORT} and ${HOME} are filled in anyway
	Job     map[string]any    // what the job is, for the file with the results
	Timeout time.Duration     // for one run
}

// A Shipper is a program with a configuration.
type Shipper struct {
	Label   string
	Program *Program
	Config  string
	Docs    int64 // documents with different tokens that it has to send
	Untold  int64 // documents without a token that it has to send
	Tokens  int   // tokens that there are
	Absent  []int // those that are to stay away, in order
}

const (
	stall = time.Minute // of a shipper that will not go on
	tries = 2           // failed runs after which a shipper is not run again
)

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

// Run prepares the shippers that are to run and runs them all. One that cannot be had here, or that fails, has results
// with a Note. Also of a race that was interrupted Run gives, and keeps, the results there are.
func (r *Race) Run(ctx context.Context, all []Shipper) (results []Result, err error) {
	ships := r.Named(all)
	if len(ships) == 0 {
		return nil, fmt.Errorf("no shipper's name begins with %q", r.Only)
	}
	for _, s := range ships {
		s.Program.prepare(ctx, r)
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
	failed := map[string]int{}
	for round := range r.Rounds {
		for i := range ships {
			s := ships[(i+round)%len(ships)]
			if failed[s.Label] == tries || round > 0 && s.Program.err != nil {
				continue
			}
			res, err := r.ship(ctx, s, url)
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			if err != nil {
				res = Result{Label: s.Label, Wanted: s.Docs, Note: err.Error()}
			} else {
				s.verify(&res, sk.Missing(s.Tokens))
			}
			if res.Note != "" {
				failed[s.Label]++
			}
			results = append(results, res)
			fmt.Fprintln(os.Stderr, line(round, res))
		}
	}
	return results, nil
}

// verify compares what never arrived with what was to stay away.
func (s Shipper) verify(res *Result, missing []int) {
	stayed := 0
	for _, token := range missing {
		if _, ok := slices.BinarySearch(s.Absent, token); ok {
			stayed++
		}
	}
	res.Lost = len(missing) - stayed
	if more := len(s.Absent) - stayed; res.Note == "" && (res.Lost > 0 || more > 0) {
		res.Note = fmt.Sprintf("%d did not arrive, %d arrived that were to stay away", res.Lost, more)
	}
	if n := res.Sink.WithoutSq; res.Note == "" && n != s.Untold {
		res.Note = fmt.Sprintf("%d documents without a number arrived, not %d", n, s.Untold)
	}
}

// Named are the shippers that Only names.
func (r *Race) Named(all []Shipper) []Shipper {
	return slices.DeleteFunc(slices.Clone(all), func(s Shipper) bool {
		return !slices.ContainsFunc(strings.Split(r.Only, ","), func(o string) bool { return strings.HasPrefix(s.Label, o) })
	})
}

// serve starts a sink that does as little as it can: its CPU is the machine's too.
func serve() (s *sink.Sink, url string, stop func() error, err error) {
	s = sink.New(sink.Options{License: true, Unchecked: true, Zstd: true})
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
	if s.Program.err != nil {
		return Result{}, s.Program.err
	}
	home := filepath.Join(r.Build, "run", r.Name, s.Program.Name)
	if err := os.RemoveAll(home); err != nil {
		return Result{}, err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return Result{}, err
	}
	config := filepath.Join(home, s.Program.Config)
	fill := r.filler("SINK", sinkURL, "PORT", sinkURL[strings.LastIndexByte(sinkURL, ':')+1:], "HOME", home, "CONFIG", config)
	if err := os.WriteFile(config, []byte(fill(s.Config)[0]), 0o600); err != nil {
		return Result{}, err
	}
	return Run{
		Label:   s.Label,
		Command: append([]string{s.Program.path}, fill(s.Program.Args...)...),
		Env:     fill(s.Program.Env...),
		Dir:     home,
		Log:     filepath.Join(home, "log"),
		Sink:    sinkURL,
		Docs:    s.Docs,
		Untold:  s.Untold,
		Timeout: r.Timeout,
		Stall:   stall,
	}.Start(ctx)
}

// filler puts values in the place of ${NAME}: the race's, and those given, a name and its value in turn.
func (r *Race) filler(more ...string) func(texts ...string) []string {
	var pairs []string
	for name, value := range r.Vars {
		pairs = append(pairs, "${"+name+"}", value)
	}
	for i := 0; i < len(more); i += 2 {
		pairs = append(pairs, "${"+more[i]+"}", more[i+1])
	}
	replacer := strings.NewReplacer(pairs...)
	return func(texts ...string) []string {
		filled := make([]string, len(texts))
		for i, text := range texts {
			filled[i] = replacer.Replace(text)
		}
		return filled
	}
}

func (r *Race) keep(results []Result) error {
	text, err := json.MarshalIndent(map[string]any{
		"time": time.Now().UTC().Format(time.RFC3339), "machine": Machine(), "job": r.Job, "runs": results,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Build, r.Name+".json"), text, 0o644)
}

func line(round int, r Result) string {
	return fmt.Sprintf("round %d  %-36s %6.1f s  %6.1f CPU s  %4.0f MiB  %d documents, %d different, %d doubled  sink %.1f s, others %.1f s, stolen %.1f s, calibration %.0f ms  %s",
		round+1, r.Label, r.Seconds, r.CPUSeconds(), r.PeakMiB, r.Sink.Docs, r.Sink.UniqueSeqs, r.Sink.DoubledSeqs,
		r.Sink.CPUSeconds, r.OtherSeconds, r.StealSeconds, r.CalibrationMs, r.Note)
}
