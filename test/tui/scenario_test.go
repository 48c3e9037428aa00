package tui

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/tui/logs"
	"github.com/podbeat/podbeat/test/tui/screen"
)

// A scenario is what one script has: its screen, and its way to the server.
type scenario struct {
	name    string
	gate    *gate
	es      string
	cluster *logs.Cluster
	screen  *screen.Screen
	columns int
	program string // path of logtui
}

// writing is held while a pod writes: a Cluster's Write is for one at a time.
var writing sync.Mutex

// commands are what scenarios have beyond testscript's own:
//
//	screen 120x40 [ENV=VALUE...] PROGRAM [ARGUMENT...]   a program in a terminal of that size; logtui is the built one
//	open 120x40 [ENV=VALUE...] [ARGUMENT...]              logtui over the day
//	keys KEY...          keys by tmux's names (Enter, C-c, M-b), and texts
//	type TEXT            a text, key by key
//	paste TEXT           a text, pasted
//	resize 80x24
//	[!] want REGEXP...   waits until every expression is (or none is) on the screen; ^ and $ are ends of lines
//	marked REGEXP        waits until a line that the cursor's colour fills matches
//	plain                waits until nothing on the screen has a colour
//	golden NAME          waits until the screen is testdata/golden/NAME, but for what masks take out
//	picture NAME         with -update: draws the screen into docs/pictures/NAME.svg
//	exits CODE           waits until the program has ended, with that code, and the terminal is as it was
//	clipboard REGEXP     waits until what was copied matches
//	title REGEXP
//	server up|away|stuck|STATUS       what $URL answers; see gate
//	login AUTHORIZATION  what requests to $URL have to say, or they are answered with 401
//	asked TEXT           notes how many requests had the text in their method and path, as $ASKED
//	write POD AGO N TEXT              a pod writes N lines with a time so long ago; %d in TEXT is the line's number
//	es METHOD PATH [BODY]             a request to Elasticsearch itself, which has to succeed, or with ! to fail
//	waitfor FILE REGEXP  waits until the file has it
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"screen": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).start(ts, args) },
	"keys": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(of(ts).screen.Keys(args...))
	},
	"type": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(of(ts).screen.Type(strings.Join(args, " ")))
	},
	"paste": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(of(ts).screen.Paste(strings.Join(args, " ")))
	},
	"resize": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).resize(ts, args) },
	"want":   func(ts *testscript.TestScript, neg bool, args []string) { of(ts).want(ts, neg, args) },
	"marked": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).marked(ts, args) },
	"plain": func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Check(of(ts).screen.WaitStyled("screen without colours", func(styled string) bool {
			for _, row := range screen.Cells(styled) {
				if slices.ContainsFunc(row, func(c screen.Cell) bool { return c.Foreground != "" || c.Background != "" }) {
					return false
				}
			}
			return strings.TrimSpace(styled) != ""
		}))
	},
	"golden": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).golden(ts, args) },
	"picture": func(ts *testscript.TestScript, _ bool, args []string) {
		of(ts).picture(ts, args)
	},
	"exits": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).exits(ts, args) },
	"clipboard": func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts).screen
		ts.Check(s.Wait("clipboard with "+args[0], func(string) bool {
			text, err := s.Clipboard()
			return err == nil && expression(ts, args[0]).MatchString(text)
		}))
	},
	"title": func(ts *testscript.TestScript, _ bool, args []string) {
		s := of(ts).screen
		ts.Check(s.Wait("title with "+args[0], func(string) bool {
			text, err := s.Title()
			return err == nil && expression(ts, args[0]).MatchString(text)
		}))
	},
	"open": func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) < 1 {
			ts.Fatalf("usage: open WIDTHxHEIGHT [ENV=VALUE...] [ARGUMENT...]")
		}
		day := []string{"logtui", "--index", logs.Index, "--from", logs.From.Format(time.RFC3339), "--to", logs.To.Format(time.RFC3339)}
		n := 1
		for n < len(args) && assignment.MatchString(args[n]) {
			n++
		}
		of(ts).start(ts, slices.Concat(args[:n], day, args[n:]))
	},
	"login":  func(ts *testscript.TestScript, _ bool, args []string) { of(ts).gate.needs(strings.Join(args, " ")) },
	"server": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(of(ts).gate.set(args[0])) },
	"asked": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Setenv("ASKED", strconv.Itoa(of(ts).gate.asked(args[0])))
	},
	"write": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).write(ts, args) },
	"es": func(ts *testscript.TestScript, neg bool, args []string) {
		harness.Request(ts, neg, args[0], of(ts).es+args[1], strings.Join(args[2:], " "))
	},
	"waitfor": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(of(ts).screen.Wait(args[1]+" in file "+args[0], func(string) bool {
			data, err := os.ReadFile(ts.MkAbs(args[0]))
			return err == nil && expression(ts, args[1]).Match(data)
		}))
	},
}

// scenarios runs the scripts of a directory.
func scenarios(t *testing.T, dir string, c *logs.Cluster, url, program string) {
	t.Run("all", func(t *testing.T) { // scripts are parallel; the day stays until the last has ended
		testscript.Run(t, testscript.Params{Dir: dir, Cmds: commands, Setup: func(env *testscript.Env) error {
			s := &scenario{name: filepath.Base(env.WorkDir), es: url, cluster: c, program: program}
			var err error
			if s.gate, err = newGate(services.Address(env.T().(testing.TB)), url); err != nil {
				return err
			}
			env.Defer(s.gate.close)
			env.Defer(func() {
				if s.screen != nil {
					s.screen.Close()
				}
			})
			env.Values["scenario"] = s
			home := filepath.Join(env.WorkDir, "home")
			for name, value := range s.facts() {
				env.Setenv(name, value)
			}
			env.Setenv("URL", s.gate.url())
			env.Setenv("POD", fmt.Sprintf("%s-%d", strings.TrimPrefix(s.name, "script-"), os.Getpid())) // for write
			env.Setenv("LOGTUI_HOSTS", s.gate.url())
			env.Setenv("HOME", home)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(home, ".local/state"))
			env.Setenv("TZ", "UTC")
			env.Setenv("LC_ALL", "C.UTF-8")
			env.Setenv("COLORTERM", "truecolor")
			env.Setenv("PS1", "$ ")
			return os.MkdirAll(home, 0o700)
		}})
	})
}

// facts are what scripts know of the day. Numbers are as people read them: 20,000.
func (s *scenario) facts() map[string]string {
	f := map[string]string{
		"N": number(s.cluster.N), "PLAIN_N": strconv.Itoa(s.cluster.N), "ERRORS": number(s.cluster.Errors()), "INDEX": logs.Index,
		"FROM": logs.From.Format(time.RFC3339), "TO": logs.To.Format(time.RFC3339),
		"INCIDENT_FROM": logs.IncidentFrom.Format(time.RFC3339), "INCIDENT_TO": logs.IncidentTo.Format(time.RFC3339),
		"FIRST": clock(s.cluster.First), "LAST": clock(s.cluster.Last), "HOUR": number(s.cluster.Hour[logs.From]),
	}
	for _, field := range []string{"log.stream", "kubernetes.namespace", "region", "zone", "log.level"} {
		for value, n := range s.cluster.Count[field] { // $N_eu_1a, $N_info
			f["N_"+strings.ReplaceAll(value, "-", "_")] = number(n)
		}
	}
	traces := s.cluster.Count["trace.id"]
	best := slices.MaxFunc(slices.Sorted(maps.Keys(traces)), func(a, b string) int { return traces[a] - traces[b] })
	f["TRACE"], f["TRACE_LINES"] = best, number(traces[best])
	return f
}

// clock is a time of the day as logtui's list has it.
func clock(t time.Time) string { return t.Truncate(time.Millisecond).Format("15:04:05.000") }

// number writes thousands apart.
func number(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", number(n/1000), n%1000)
}

func of(ts *testscript.TestScript) *scenario { return ts.Value("scenario").(*scenario) }

var (
	size       = regexp.MustCompile(`^(\d+)x(\d+)$`)
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
)

func (s *scenario) start(ts *testscript.TestScript, args []string) {
	if len(args) < 2 || !size.MatchString(args[0]) {
		ts.Fatalf("usage: screen WIDTHxHEIGHT [ENV=VALUE...] PROGRAM [ARGUMENT...]")
	}
	if s.screen != nil {
		ts.Check(s.screen.Close())
	}
	o := screen.Options{Dir: ts.MkAbs("."), Clipboard: true, Patience: patient()}
	fmt.Sscanf(args[0], "%dx%d", &o.Width, &o.Height)
	s.columns = o.Width
	for _, name := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "TZ", "LC_ALL", "COLORTERM", "PS1", "LOGTUI_HOSTS", "URL", "WORK", "TMPDIR"} {
		o.Env = append(o.Env, name+"="+ts.Getenv(name))
	}
	o.Env[0] = "PATH=" + filepath.Dir(s.program) + ":" + ts.Getenv("PATH")
	args = args[1:]
	for len(args) > 0 && assignment.MatchString(args[0]) {
		o.Env = append(o.Env, args[0])
		args = args[1:]
	}
	var err error
	s.screen, err = screen.Start(o, args...)
	ts.Check(err)
}

func (s *scenario) resize(ts *testscript.TestScript, args []string) {
	var width, height int
	if len(args) != 1 || !size.MatchString(args[0]) {
		ts.Fatalf("usage: resize WIDTHxHEIGHT")
	}
	fmt.Sscanf(args[0], "%dx%d", &width, &height)
	s.columns = width
	ts.Check(s.screen.Resize(width, height))
}

func expression(ts *testscript.TestScript, text string) *regexp.Regexp {
	r, err := regexp.Compile("(?m)" + text)
	ts.Check(err)
	return r
}

func (s *scenario) want(ts *testscript.TestScript, neg bool, args []string) {
	var all []*regexp.Regexp
	for _, arg := range args {
		all = append(all, expression(ts, arg))
	}
	what := strings.Join(args, " and ")
	if neg {
		what = "screen without " + strings.Join(args, " or ")
	}
	ts.Check(s.screen.Wait(what, func(text string) bool {
		return !slices.ContainsFunc(all, func(r *regexp.Regexp) bool { return r.MatchString(text) == neg })
	}))
}

// marked waits for a line of which more than a third has a background, or is reversed.
func (s *scenario) marked(ts *testscript.TestScript, args []string) {
	r := expression(ts, args[0])
	ts.Check(s.screen.WaitStyled("marked line with "+args[0], func(styled string) bool {
		for _, row := range screen.Cells(styled) {
			n, text := 0, ""
			for _, c := range row {
				text += c.Text
				if c.Background != "" || c.Reverse {
					n++
				}
			}
			if n > s.columns/3 && r.MatchString(text) {
				return true
			}
		}
		return false
	}))
}

// masks are what differs from run to run, and what stands for it.
var masks = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`took [0-9.]+(µs|ms|m?s)`), "took #"},
	{regexp.MustCompile(`^http://127\.0\.0\.1:\d+.*`), "http://127.0.0.1:# …"}, // the status: how many hints it has room for depends on its figures
}

// masked is a screen without what differs from run to run.
func masked(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		was := line
		for _, m := range masks {
			line = m.find.ReplaceAllString(line, m.with)
		}
		if line != was { // what is beside it has moved
			line = strings.Join(strings.Fields(line), " ")
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// golden compares the screen with a file, which belongs to a day of that many documents.
func (s *scenario) golden(ts *testscript.TestScript, args []string) {
	path := filepath.Join(sources(ts), "testdata/golden", strconv.Itoa(s.cluster.N), args[0]+".txt")
	if *update {
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(masked(s.settled(ts))), 0o644))
		return
	}
	data, err := os.ReadFile(path)
	ts.Check(err)
	want := string(data)
	got := ""
	if err := s.screen.Wait("screen as in "+path, func(text string) bool {
		got = masked(text)
		return got == want
	}); err != nil {
		ts.Fatalf("the screen is not as in %s (see -update); it is\n%s\nwhere\n%s", path, screen.Frame(got), difference(got, want))
	}
}

// difference lists the lines that differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b strings.Builder
	for i := range max(len(g), len(w)) {
		var a, c string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			c = w[i]
		}
		if a != c {
			fmt.Fprintf(&b, "  line %d is   %s\n  and should be %s\n", i+1, a, c)
		}
	}
	return b.String()
}

// settled is the screen when it has not changed for a second: for people who look at what they have made.
func (s *scenario) settled(ts *testscript.TestScript) (text string) {
	since := time.Now()
	ts.Check(s.screen.Wait("screen that does not change", func(now string) bool {
		if now = masked(now); now != text {
			text, since = now, time.Now()
		}
		return time.Since(since) > time.Second && !strings.Contains(now, "Esc cancels")
	}))
	text, err := s.screen.Text()
	ts.Check(err)
	return text
}

// picture draws the screen for the documentation.
func (s *scenario) picture(ts *testscript.TestScript, args []string) {
	if !*update {
		return
	}
	s.settled(ts)
	styled, err := s.screen.Styled()
	ts.Check(err)
	path := filepath.Join(sources(ts), "../../docs/pictures", args[0]+".svg")
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, []byte(screen.SVG(styled, s.columns, !strings.HasSuffix(args[0], "-light"))), 0o644))
}

// sources is this directory; scripts are run elsewhere.
func sources(ts *testscript.TestScript) string {
	dir, err := os.Getwd()
	ts.Check(err)
	return dir
}

func (s *scenario) exits(ts *testscript.TestScript, args []string) {
	code, err := s.screen.Exit()
	ts.Check(err)
	if strconv.Itoa(code) != args[0] {
		text, _ := s.screen.Text()
		ts.Fatalf("exit code %d, want %s; the screen is\n%s", code, args[0], screen.Frame(text))
	}
	ts.Check(s.screen.WaitSane())
}

func (s *scenario) write(ts *testscript.TestScript, args []string) {
	if len(args) < 4 {
		ts.Fatalf("usage: write POD AGO N TEXT")
	}
	ago, err := time.ParseDuration(args[1])
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	var lines []string
	for i := range n {
		lines = append(lines, strings.ReplaceAll(strings.Join(args[3:], " "), "%d", strconv.Itoa(i)))
	}
	writing.Lock()
	defer writing.Unlock()
	ts.Check(s.cluster.Write(args[0], time.Now().Add(-ago), lines...))
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("cannot decode %.500s: %v", data, err)
	}
}
