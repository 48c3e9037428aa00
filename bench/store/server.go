package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
)

// serverDir makes the program a server of the store in that directory.
const serverDir = "PODBEAT_BENCH_STORE"

// usagePath is where a server says what it has used.
const usagePath = "/_bench/usage"

// usage is what the server's process has used so far: nanoseconds and bytes.
type usage struct{ CPU, Peak int64 }

// serve serves the store until its standard input ends.
func serve(dir string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(store.GCPercent) // as logapi does
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := store.Open(dir, store.Options{FlushAfter: 5 * time.Second, Log: log})
	if err != nil {
		return err
	}
	h, err := rest.New(rest.Options{Store: s, Log: log})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc(usagePath, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(usage{int64(cpu()), peak()})
	})
	mux.HandleFunc("/_bench/profile", pprof.Profile)
	mux.HandleFunc("/_bench/heap", pprof.Handler("heap").ServeHTTP)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := &http.Server{Handler: mux}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(h.Close(), s.Close())
}

// server is a process that serves.
type server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func start(dir string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serverDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(errors.New("the server does not start"), s.stop())
	}
	s.url = "http://" + strings.TrimSpace(line)
	return s, nil
}

// stop waits for the server's end. It may be called twice.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	http.DefaultClient.CloseIdleConnections()
	return errors.Join(s.stdin.Close(), cmd.Wait())
}

func (s *server) usage() (usage, error) {
	var u usage
	b, err := s.ask(http.MethodGet, usagePath, nil)
	if err == nil {
		err = json.Unmarshal(b, &u)
	}
	return u, err
}
