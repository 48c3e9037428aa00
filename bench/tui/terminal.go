package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
)

// quiet is how long nothing may come for what was drawn to be complete.
const quiet = 20 * time.Millisecond

// A terminal has a program on its other end, and notes when it writes what.
type terminal struct {
	cmd     *exec.Cmd
	file    *os.File
	began   time.Time
	done    chan struct{} // closed when everything has been read
	without time.Duration // a key for which nothing comes for so long has no effect

	mu    sync.Mutex
	text  []byte // what was written since the last reset, all of it until the first
	last  time.Time
	bytes int
	first map[string]time.Time // when an expression was first found
	want  map[string]*regexp.Regexp
}

// open starts the program. want are expressions whose first appearance is to be noted, in the text without its escape sequences.
func open(columns, lines uint16, env, command []string, want map[string]*regexp.Regexp) (*terminal, error) {
	t := &terminal{cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{}), without: 500 * time.Millisecond, first: map[string]time.Time{}, want: want}
	t.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor", "LC_ALL=C.UTF-8", "LESS="), env...)
	t.began = time.Now()
	var err error
	if t.file, err = pty.StartWithSize(t.cmd, &pty.Winsize{Rows: lines, Cols: columns}); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", command[0], err)
	}
	go t.read() // until close
	return t, nil
}

func (t *terminal) read() {
	defer close(t.done)
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.file.Read(buffer)
		now := time.Now()
		t.mu.Lock()
		if n > 0 {
			t.last, t.bytes = now, t.bytes+n
			if len(t.want) > 0 {
				t.text = append(t.text, buffer[:n]...)
				plain := []byte(ansi.Strip(string(t.text)))
				for name, r := range t.want {
					if r.Match(plain) {
						t.first[name] = now
						delete(t.want, name)
					}
				}
			}
		}
		t.mu.Unlock()
		if err != nil { // the program has ended
			return
		}
	}
}

// seen waits until an expression has been found and says how long after the start that was.
func (t *terminal) seen(name string, patience time.Duration) (time.Duration, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		t.mu.Lock()
		at, ok := t.first[name]
		t.mu.Unlock()
		if ok {
			return at.Sub(t.began), nil
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return 0, fmt.Errorf("no %s after %v; it has written %.3000q", name, patience, ansi.Strip(string(t.text)))
}

// settle waits until nothing has come for so long.
func (t *terminal) settle(still, patience time.Duration) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(still / 20) {
		t.mu.Lock()
		last := t.last
		t.mu.Unlock()
		if time.Since(last) > still {
			return
		}
	}
}

// A stroke is what a key has done.
type stroke struct {
	Took  time.Duration // until the last byte before a quiet time
	Bytes int           // 0 if nothing was drawn
}

// press presses a key and waits until what it changes is drawn.
func (t *terminal) press(key string) (stroke, error) {
	t.mu.Lock()
	before, began := t.bytes, time.Now()
	t.mu.Unlock()
	if _, err := t.file.WriteString(key); err != nil {
		return stroke{}, err
	}
	for {
		time.Sleep(500 * time.Microsecond)
		t.mu.Lock()
		last, n := t.last, t.bytes-before
		t.mu.Unlock()
		switch {
		case n > 0 && time.Since(last) > quiet:
			return stroke{last.Sub(began), n}, nil
		case n == 0 && time.Since(began) > t.without:
			return stroke{}, nil
		}
	}
}

// close ends the program.
func (t *terminal) close() {
	t.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		t.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.cmd.Process.Kill()
		<-ended
	}
	t.file.Close()
	<-t.done
}

// written is how many bytes the program has written so far.
func (t *terminal) written() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// memory is what the program has in memory, and had at most, in bytes.
func (t *terminal) memory() (now, peak int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != "VmRSS:" && fields[0] != "VmHWM:" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		if fields[0] == "VmRSS:" {
			now = n << 10
		} else {
			peak = n << 10
		}
	}
	return now, peak, nil
}

// cpu is the time that the program has had a processor.
func (t *terminal) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("cannot read /proc/PID/stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2) // of USER_HZ, 100 on Linux
}
