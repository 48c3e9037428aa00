package curator

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/curator/elastic"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// An example is an action file and the cluster that it meets.
type example struct {
	name      string
	indices   string // see parse
	snapshots string // a line each: name, indices
	file      string
	args      []string // after the program's name, before the file
	env       []string
	only      int // the one major version of Elasticsearch that can do it

	idle     bool   // nothing is to change
	exit     int    // of Elastic Curator 8
	log      bool   // the lines of the log are compared, too; those of a dry run always are
	segments bool   // segments are counted
	five     string // why Elastic Curator 5 comes to another end
	strict   string // why --strict-curator comes to another end
	safe     string // why podbeat's curator comes to another end without --strict-curator
}

// one is an action file of one action.
func one(action, options string, filters ...string) string {
	return "actions:\n" + entry("1", action, options, filters...)
}

// entry is an action of an action file.
func entry(key, action, options string, filters ...string) string {
	text := fmt.Sprintf("  %s:\n    action: %s\n", key, action)
	if options != "" {
		text += "    options: {" + options + "}\n"
	}
	if len(filters) > 0 {
		text += "    filters:\n"
	}
	for _, f := range filters {
		text += "    - {" + f + "}\n"
	}
	return text
}

// TestSideBySide runs every example by Elastic Curator and by podbeat's curator, with and without --strict-curator, on
// clusters that are alike, and wants what is left to be the same. Elasticsearch 7 takes a third of them and Elasticsearch 8
// the others; with PODBEAT_SOAK=1 each takes all.
func TestSideBySide(t *testing.T) {
	examples := slices.Concat(filterExamples, actionExamples, fileExamples)
	seen := map[string]bool{}
	for _, e := range examples {
		if seen[e.name] {
			t.Fatalf("two examples are called %q", e.name)
		}
		seen[e.name] = true
	}
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprintf("Elasticsearch %d", major), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, major)
			elastic8, elastic5 := server(t, elastic.V8), server(t, elastic.V5)
			for i, e := range examples {
				if (major == 7) != (i%3 == 0) && e.only == 0 && e.five == "" && os.Getenv("PODBEAT_SOAK") == "" {
					continue
				}
				if e.only == 0 || e.only == major {
					t.Run(e.name, func(t *testing.T) { compare(t, c, elastic8, elastic5, e) })
				}
			}
		})
	}
}

// An end is what a run has come to.
type end struct {
	exit  int
	state string
	log   string
}

func compare(t *testing.T, c *cluster, elastic8, elastic5 *elastic.Server, e example) {
	now := beforeMidnight()
	dir, file := t.TempDir(), write(t, "actions.yml", e.file)
	env := append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C.UTF-8"}, e.env...)
	before := ""
	after := func(run func(args ...string) (int, string), args ...string) end {
		if e.segments {
			c.spec = "" // merging does not show in what make looks at
		}
		c.make(t, e.indices, e.snapshots, now)
		before = c.text(t, c.made, e.segments)
		exit, log := run(slices.Concat(args, e.args, []string{file})...)
		return end{exit, c.state(t, e.segments), log}
	}
	elastic := func(s *elastic.Server) func(args ...string) (int, string) {
		return func(args ...string) (int, string) {
			exit, log, err := s.Run(dir, env, args...)
			if err != nil {
				t.Fatal(err)
			}
			return exit, log
		}
	}
	ours := func(args ...string) (int, string) { return execute(t, env, program(t), args...) }
	config := clientFile(t, c.url)

	want := after(elastic(elastic8), "--config", config)
	if want.exit != e.exit || (want.state == before) != e.idle {
		t.Errorf("Elastic Curator 8 exits %d (the example says %d), changes anything %v (%v)\nfrom\n%s\nto\n%s\n%s",
			want.exit, e.exit, want.state != before, !e.idle, before, want.state, want.log)
	}
	if c.major == 7 {
		same(t, "Elastic Curator 5", want, after(elastic(elastic5), "--config", oldClientFile(t, c.url)), e.five)
	}
	strict := after(ours, "--config", config, "--strict-curator")
	same(t, "podbeat's curator --strict-curator", want, strict, e.strict)
	if e.strict == "" && (e.log || slices.Contains(e.args, "--dry-run")) {
		if got, want := plain(strict.log), plain(want.log); got != want {
			t.Errorf("podbeat's curator logs\n%s\nwant\n%s", got, want)
		}
	}
	safe := after(ours, append([]string{"--config", config}, unguarded...)...)
	same(t, "podbeat's curator", want, safe, e.safe)
}

// beforeMidnight is the time, of a day that does not end soon: what was made on it is compared with what is made later.
func beforeMidnight() time.Time {
	if left := time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < 2*time.Minute {
		time.Sleep(left + time.Second)
	}
	return time.Now()
}

func server(t *testing.T, version string) *elastic.Server {
	t.Helper()
	s, err := elastic.Start(version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// unguarded turns the guards off, which a test of their own has.
var unguarded = []string{"--no-guards"}

func same(t *testing.T, who string, want, got end, differs string) {
	t.Helper()
	is := got.exit == want.exit && got.state == want.state
	if is == (differs == "") {
		return
	}
	if is {
		t.Errorf("%s comes to the same end, though the example says: %s", who, differs)
		return
	}
	t.Errorf("%s exits %d, Elastic Curator 8 %d\n--- left by it\n%s--- left by Elastic Curator 8\n%s--- its log\n%s--- Elastic Curator 8's\n%s",
		who, got.exit, want.exit, got.state, want.state, got.log, want.log)
}

var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} `)

// plain is a log without times, and with what is in lists and maps, and lines of the same kind, in order: Elastic Curator's own
// vary from run to run. Tracebacks are left out.
func plain(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if !stamp.MatchString(line) {
			continue
		}
		line = strings.TrimSpace(stamp.ReplaceAllString(line, ""))
		if at := strings.IndexAny(line, "{["); at >= 0 {
			parts := strings.FieldsFunc(line[at:], func(r rune) bool { return strings.ContainsRune("{}[], ", r) })
			slices.Sort(parts)
			line = line[:at] + strings.Join(parts, " ")
		}
		lines = append(lines, timeOfDay.ReplaceAllString(line, "TIME"))
	}
	kind := func(line string) string {
		words := strings.Fields(line)
		return strings.Join(words[:min(3, len(words))], " ")
	}
	for from := 0; from < len(lines); {
		to := from
		for to < len(lines) && kind(lines[to]) == kind(lines[from]) {
			to++
		}
		slices.Sort(lines[from:to])
		from = to
	}
	return strings.Join(lines, "\n")
}

// execute runs a program to its end and returns what it wrote, as it wrote it.
func execute(t testing.TB, env []string, program string, args ...string) (exit int, output string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = env
	if env == nil {
		cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "TZ=UTC")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	hang := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer hang.Stop()
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func write(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func clientFile(t testing.TB, url string) string {
	return write(t, "client.yml", "elasticsearch:\n  client:\n    hosts: "+url+"\n")
}

func oldClientFile(t testing.TB, url string) string {
	host, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	return write(t, "client.yml", "client:\n  hosts: "+host+"\n  port: "+port+"\n")
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "podbeat-curator-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "curator")
	cmd := exec.Command("go", "build", "-o", path, "github.com/podbeat/podbeat/cmd/curator")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

// program is podbeat's curator.
func program(t testing.TB) string {
	t.Helper()
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
