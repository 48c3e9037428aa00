package elastic

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed fork.py
var fork string

// A Server is an Elastic Curator that has been loaded and is run by forking, which saves most of the time that Python takes.
// It ends with the program that started it.
type Server struct {
	cmd   *exec.Cmd
	jobs  io.WriteCloser
	codes *bufio.Reader
}

// Start starts a server of a version, which it installs if need be.
func Start(version string) (*Server, error) {
	program, err := Program(version)
	if err != nil {
		return nil, err
	}
	s := &Server{cmd: exec.Command(filepath.Join(filepath.Dir(program), "python3"), "-c", fork)}
	s.cmd.Stderr = os.Stderr
	if s.jobs, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	codes, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.codes = bufio.NewReader(codes)
	return s, s.cmd.Start()
}

// Run runs it in a folder of its own, with no more environment than env, and returns what it wrote to both of its outputs.
func (s *Server) Run(dir string, env []string, args ...string) (exit int, output string, err error) {
	out := filepath.Join(dir, "out")
	if err := os.RemoveAll(out); err != nil {
		return 0, "", err
	}
	vars := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		vars[name] = value
	}
	job, err := json.Marshal(map[string]any{"dir": dir, "env": vars, "out": out, "args": args})
	if err != nil {
		return 0, "", err
	}
	if _, err := s.jobs.Write(append(job, '\n')); err != nil {
		return 0, "", fmt.Errorf("cannot run Elastic Curator: %w", err)
	}
	code, err := s.codes.ReadString('\n')
	if err != nil {
		return 0, "", fmt.Errorf("cannot run Elastic Curator: %w", err)
	}
	if exit, err = strconv.Atoi(strings.TrimSpace(code)); err != nil {
		return 0, "", fmt.Errorf("cannot run Elastic Curator: %w", err)
	}
	text, err := os.ReadFile(out)
	return exit, string(text), err
}

// Close ends it.
func (s *Server) Close() error {
	s.jobs.Close()
	return s.cmd.Wait()
}
