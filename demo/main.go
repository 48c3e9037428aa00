// Command demo shows podbeat at work: it runs the program on a journal kept here, and on this
// machine's own if that may be read, and says what was read, joined, dropped, delivered and lost.
//
//	demo build/podbeat
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed sample.journal.gz
var sample []byte

// expected has a line for each message of the sample; the generator of the sample wrote it.
//
//go:embed expect.ndjson.gz
var expected []byte

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo build/podbeat")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run of podbeat in a folder of its own.
type demo struct {
	dir     string
	machine string // this machine's journal folder, "" when it cannot be read
	stats   func() (map[string]counts, error)
}

func run(binary string) error {
	dir, err := filepath.Abs("build/demo")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	d := &demo{dir: dir, machine: machineJournal()}
	journal, err := unzip(sample)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, "journal/system.journal"), journal); err != nil {
		return err
	}
	if err := d.configure(); err != nil {
		return err
	}
	fmt.Printf("podbeat reads %s, a journal of a Kubernetes node kept in this repository\n", d.path("journal"))
	if d.machine != "" {
		fmt.Printf("        and   %s, this machine's own, its last hour\n", d.machine)
	} else {
		fmt.Println("              (this machine has no journal that may be read here)")
	}
	if err := d.ship(binary); err != nil {
		return err
	}
	return d.report()
}

// path is a file of the demo as the user would type it.
func (d *demo) path(name string) string {
	path := filepath.Join(d.dir, name)
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil {
			return rel
		}
	}
	return path
}

var config = template.Must(template.New("").Parse(`# What the demo runs: build/podbeat -e -c podbeat.yml
podbeat.inputs:
- type: journal
  id: sample
  paths: [{{.Dir}}/journal]
  seek: head
{{- if .Machine}}
- type: journal
  id: machine
  paths: [{{.Machine}}]
  seek: {since: -1h}
{{- end}}
processors:
- k8sname: ~
- pausedrop: ~
output.file: {path: {{.Dir}}, filename: delivered, rotate_every_kb: 1000000}
queue.mem.flush.timeout: 200ms
http: {enabled: true, host: "unix://{{.Dir}}/stats.sock"}
logging.level: info
`))

func (d *demo) configure() error {
	var b bytes.Buffer
	if err := config.Execute(&b, map[string]string{"Dir": d.dir, "Machine": d.machine}); err != nil {
		return err
	}
	d.stats = statsFrom(filepath.Join(d.dir, "stats.sock"))
	return write(filepath.Join(d.dir, "podbeat.yml"), b.Bytes())
}

// ship runs podbeat until nothing is left to deliver, then stops it as systemd would.
func (d *demo) ship(binary string) error {
	log, err := os.Create(filepath.Join(d.dir, "podbeat.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(binary, "-e", "-c", filepath.Join(d.dir, "podbeat.yml"), "--path.home", d.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", binary, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	deadline := time.After(2 * time.Minute)
	for quiet := 0; quiet < 3; {
		select {
		case err := <-exited:
			return fmt.Errorf("podbeat ended too early (%v), see %s", err, d.path("podbeat.log"))
		case <-deadline:
			_ = cmd.Process.Kill()
			return fmt.Errorf("podbeat was not through after two minutes, see %s", d.path("podbeat.log"))
		case <-time.After(300 * time.Millisecond):
		}
		all, err := d.stats()
		if err != nil || all["sample"].Read == 0 {
			continue
		}
		quiet++
		for _, c := range all {
			if c.Acked != c.Published || c.Read != c.Joined+c.Published {
				quiet = 0
			}
		}
		if quiet == 3 {
			if err := d.keep(all); err != nil {
				return err
			}
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-exited; err != nil {
		return fmt.Errorf("podbeat did not stop well (%w), see %s", err, d.path("podbeat.log"))
	}
	return nil
}

func (d *demo) keep(all map[string]counts) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return write(filepath.Join(d.dir, "counts.json"), text)
}

// machineJournal is the folder of this machine's journal, if there is one that may be read.
func machineJournal() string {
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		files, _ := filepath.Glob(dir + "/*/system.journal")
		for _, name := range files {
			if f, err := os.Open(name); err == nil {
				f.Close()
				return dir
			}
		}
	}
	return ""
}

func unzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func write(name string, text []byte) error {
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, text, 0o600))
}

// counts are an input's figures in podbeat's /stats.
type counts struct {
	Read, Joined, Published, Acked uint64
	Gaps                           struct {
		Seqnum    uint64
		Available bool
	}
	Dropped uint64 // by pausedrop, of all inputs
}

// statsFrom asks podbeat's HTTP endpoint on a unix socket for the figures of each input.
func statsFrom(socket string) func() (map[string]counts, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	return func() (map[string]counts, error) {
		resp, err := client.Get("http://podbeat/stats")
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var s struct {
			Podbeat struct {
				Journal   map[string]counts
				Pausedrop struct{ Dropped uint64 }
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			return nil, err
		}
		for id, c := range s.Podbeat.Journal {
			c.Dropped = s.Podbeat.Pausedrop.Dropped
			s.Podbeat.Journal[id] = c
		}
		return s.Podbeat.Journal, nil
	}
}

// lines calls f with each line of an NDJSON file.
func lines(text []byte, f func([]byte) error) error {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("cannot read %.80q: %w", line, err)
		}
	}
	return nil
}

// delivered reads the file output's files.
func (d *demo) delivered() ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "delivered*"))
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	return all, nil
}

// plain makes a log line safe and short for a terminal.
func plain(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}
