package command

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A child is logtui as a process of its own.
type child struct {
	*exec.Cmd
	out    *bufio.Reader
	pipe   io.ReadCloser
	stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], args...)}
	c.Env = append(os.Environ(), "PODBEAT_TEST_LOGTUI=1")
	c.Stderr = &c.stderr
	var err error
	if c.pipe, err = c.StdoutPipe(); err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	c.out = bufio.NewReader(c.pipe)
	return c
}

// line is the next one that it prints.
func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("logtui prints no more: %v: %s", err, c.stderr.String())
	}
	return line
}

// end waits for its end, and returns the exit code.
func (c *child) end(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer timer.Stop()
	err := c.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode()
}

// TestTail: the newest lines, then each new one once, until it is interrupted.
func TestTail(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		const index = "logtui-tail"
		fill(t, url, index, 3)
		alone(t, url)
		c := start(t, "query", "--tail", "-o", "message", "-n", "2", "-i", index, "--range", "all", "not message: hidden")
		for _, want := range []string{"connection reset by peer\n", "timeout while reading from db-1\n"} {
			if got := c.line(t); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		for i := range 5 {
			now := time.Now().UTC()
			if i == 3 {
				now = now.Add(-20 * time.Second) // which comes late
			}
			text := fmt.Sprintf(`{"@timestamp":%q,"message":"hidden"}`, now.Format(time.RFC3339Nano))
			services.Call(t, "POST", url+"/"+index+"/_doc?refresh=true", text, 201)
			text = fmt.Sprintf(`{"@timestamp":%q,"message":"new %d"}`, now.Format(time.RFC3339Nano), i)
			services.Call(t, "POST", url+"/"+index+"/_doc?refresh=true", text, 201)
			if got := c.line(t); got != fmt.Sprintf("new %d\n", i) {
				t.Errorf("got %q of line %d", got, i)
			}
		}
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(c.out)
		if code := c.end(t); code != 0 || c.stderr.Len() > 0 || len(rest) > 0 {
			t.Errorf("exit code %d, %q, %s", code, rest, c.stderr.String())
		}
	})
}

// TestTailGoesOn: while the server is away, or busy, it is waited for, and nothing is lost.
func TestTailGoesOn(t *testing.T) {
	const index = "logtui-away"
	server := services.Elasticsearch(t, 7)
	fill(t, server, index, 3)
	var status atomic.Int64
	var refused atomic.Int64
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := status.Load(); s != 0 {
			refused.Add(1)
			w.WriteHeader(int(s))
			return
		}
		through.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	alone(t, proxy.URL)
	c := start(t, "query", "--tail", "-o", "message", "-n", "1", "-i", index, "--range", "all")
	c.line(t)
	write := func(text string) {
		t.Helper()
		services.Call(t, "POST", server+"/"+index+"/_doc?refresh=true", fmt.Sprintf(`{"@timestamp":%q,"message":%q}`, time.Now().UTC().Format(time.RFC3339Nano), text), 201)
	}
	for _, s := range []int{503, 429} {
		before := refused.Load()
		status.Store(int64(s))
		write(fmt.Sprint("meanwhile ", s))
		for refused.Load() < before+2 {
			time.Sleep(10 * time.Millisecond)
		}
		status.Store(0)
		if got := c.line(t); got != fmt.Sprintf("meanwhile %d\n", s) {
			t.Errorf("got %q", got)
		}
	}
	status.Store(http.StatusUnauthorized) // which does not pass by itself
	if code := c.end(t); code != 1 || !strings.Contains(c.stderr.String(), "401") || strings.Count(c.stderr.String(), "answers again") != 2 {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
}

// TestClosedPipe: whoever reads a few lines and goes ends the program, without a word.
func TestClosedPipe(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		const index = "logtui-pipe"
		fill(t, url, index, 4000)
		alone(t, url)
		c := start(t, "query", "-o", "ndjson", "-n", "0", "--sort", "asc", "-i", index, "--range", "all")
		if line := c.line(t); !strings.HasPrefix(line, "{") {
			t.Errorf("got %q", line)
		}
		c.pipe.Close()
		if code := c.end(t); code != 0 || c.stderr.Len() > 0 {
			t.Errorf("exit code %d: %s", code, c.stderr.String())
		}
	})
}

// TestExport: more lines than a search may find are in the file, each once, in their order; and there is no file when that is interrupted.
func TestExport(t *testing.T) {
	everywhere(t, func(t *testing.T, server string) {
		const index, n = "logtui-export", 12_000
		fill(t, server, index, n)
		alone(t, server)
		dir := t.TempDir()
		name := filepath.Join(dir, "out.csv")
		args := []string{"query", "-i", index, "--range", "all", "--columns", "event.sequence,message", "--out", name}
		stdout, stderr, code := run(args...)
		data, err := os.ReadFile(name)
		if err != nil || code != 0 || stdout != "" || !strings.Contains(stderr, fmt.Sprintf("wrote %d lines", n)) {
			t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
		}
		records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
		if err != nil || len(records) != n+1 {
			t.Fatalf("%d records (%v)", len(records), err)
		}
		for i, r := range records[1:] {
			if r[0] != fmt.Sprint(i) || r[1] != document(i)["message"] {
				t.Fatalf("record %d is %q", i, r)
			}
		}
		if _, stderr, code := run(args...); code != 1 || !strings.Contains(stderr, "there already") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if _, stderr, code := run(append(args, "--force", "-n", "3", "--sort", "desc")...); code != 0 {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if data, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(data), fmt.Sprintf("event.sequence,message\r\n%d,", n-1)) || strings.Count(string(data), "\r\n") != 4 {
			t.Errorf("the file is %.200s (%v)", data, err)
		}

		var c *child
		var searches atomic.Int64
		target, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		through := httputil.NewSingleHostReverseProxy(target)
		began := make(chan struct{})
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_search" && searches.Add(1) == 2 { // with the point in time: it is in the middle
				io.Copy(io.Discard, r.Body) // or its end would not be noticed
				<-began
				c.Process.Signal(syscall.SIGINT)
				<-r.Context().Done()
				return
			}
			through.ServeHTTP(w, r)
		}))
		defer proxy.Close()
		t.Setenv("LOGTUI_HOSTS", proxy.URL)
		second := filepath.Join(dir, "second.ndjson")
		c = start(t, "query", "-i", index, "--range", "all", "--out", second)
		close(began)
		if code := c.end(t); code != 130 {
			t.Errorf("exit code %d: %s", code, c.stderr.String())
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("in the folder is %v (%v)", files, err)
		}
	})
}

// TestTerminal: a terminal obeys nothing of what is in lines, in no form; only our own colours reach it.
func TestTerminal(t *testing.T) {
	const index = "logtui-terminal"
	server := services.Elasticsearch(t, 8)
	services.Call(t, "PUT", server+"/"+index, mapping, 200)
	t.Cleanup(func() { services.Call(t, "DELETE", server+"/"+index, "", 200) })
	services.Call(t, "POST", server+"/"+index+"/_doc?refresh=true", `{"@timestamp":"2026-11-20T10:00:00Z","message":"a\u001b]0;evil\u0007\u009b31m\u202e b\rc","log":{"level":"e\u001b[5m"},"kubernetes":{"pod":{"name":"p\u001b[5m"}}}`, 201)
	alone(t, server)
	t.Setenv("TERM", "xterm")
	f := func(colours bool, args ...string) {
		t.Helper()
		t.Setenv("NO_COLOR", map[bool]string{false: "1"}[colours])
		terminal, other := harness.PTY(t, 100)
		read := make(chan string)
		go func() {
			data, _ := io.ReadAll(other) // fails when the terminal is closed
			read <- string(data)
		}()
		var stderr bytes.Buffer
		code := Main(append(args, "-i", index, "--range", "all"), strings.NewReader(""), terminal, &stderr, nil)
		terminal.Close()
		text := strings.ReplaceAll(<-read, "\r\n", "\n")
		if colours {
			if !strings.Contains(text, "\x1b[") {
				t.Errorf("%q: no colours: %q", args, text)
			}
			text = regexp.MustCompile(`\x1b\[(38;5;\d+|9\d)?m`).ReplaceAllString(text, "")
		}
		if code != 0 || text == "" || strings.ContainsAny(text, "\x1b\x07\r\u009b\u202e") {
			t.Errorf("%q: exit code %d, got %q %s", args, code, text, stderr.String())
		}
	}
	for _, output := range outputs {
		f(false, "query", "-o", output)
	}
	f(true, "query")
	f(false, "query", "--explain", "message: \u202ex or a: *")
	f(false, "values", "kubernetes.pod.name")
	f(false, "values", "kubernetes.pod.name", "-o", "json")
	f(false, "patterns")
	f(false, "patterns", "-o", "json")
}
