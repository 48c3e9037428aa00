package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/token"
)

// A process is the logapi that is measured.
type process struct {
	dir, url string
	cmd      *exec.Cmd
}

const (
	email    = "user@example.com"
	password = "correct horse battery staple"
)

// startLogapi builds logapi and starts it in front of an Elasticsearch.
func startLogapi(elasticsearch string) (*process, error) {
	dir, err := os.MkdirTemp("", "podbeat-bench-")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir}
	if err := p.start(elasticsearch); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

var listening = regexp.MustCompile(`msg=listening for=API address=(\S+)`)

func (p *process) start(elasticsearch string) error {
	program, config := filepath.Join(p.dir, "logapi"), filepath.Join(p.dir, "logapi.yml")
	build := exec.Command("go", "build", "-o", program, "github.com/podbeat/podbeat/cmd/logapi")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build logapi: %w: %s", err, out)
	}
	text := fmt.Sprintf("path: %s\nlisten: 127.0.0.1:0\nmonitoring.listen: ''\nhttp.access_log: false\nelasticsearch.hosts: [%q]\n", p.dir, elasticsearch)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	add := exec.Command(program, "-c", config, "user", "add", email, "--grant", "* {mscp_api_url}/**", "--password-stdin")
	add.Stdin = strings.NewReader(password)
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot add a user: %w: %s", err, out)
	}
	p.cmd = exec.Command(program, "-c", config)
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(log)
	for p.url == "" && lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			p.url = "http://" + m[1]
		}
	}
	go func() { _, _ = io.Copy(os.Stderr, log) }() // until the process ends
	if p.url == "" {
		return errors.New("logapi has not started")
	}
	return nil
}

// stop ends the process and takes away its folder.
func (p *process) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}

// token fetches an access token.
func (p *process) token(access token.Access) (string, error) {
	wanted, err := json.Marshal([]token.Access{access})
	if err != nil {
		return "", err
	}
	root, err := p.ask("/auth/token_root", "", func(r *http.Request) { r.SetBasicAuth(email, password) })
	if err != nil {
		return "", err
	}
	return p.ask("/auth", string(wanted), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+root) })
}

func (p *process) ask(path, body string, login func(*http.Request)) (string, error) {
	r, err := http.NewRequest(http.MethodGet, p.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "text/plain")
	login(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("cannot get a token: %s: %s", resp.Status, text)
	}
	return strings.TrimSpace(string(text)), err
}

// usage is what the process has used.
type usage struct {
	cpu       time.Duration
	rss, peak int64 // bytes
}

func (p *process) usage() (u usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	for _, text := range fields[11:13] {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return u, err
	}
	for name, to := range map[string]*int64{"VmRSS": &u.rss, "VmHWM": &u.peak} {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
		if m == nil {
			return u, fmt.Errorf("cannot read the memory of logapi: no %s", name)
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return u, err
		}
		*to = n << 10
	}
	return u, nil
}
