//go:build unix

package take

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// alone keeps a copy away from the user's own files and tmux.
func alone(t *testing.T) (register string) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("TMUX", "")
	return filepath.Join(dir, "logtui", "copy")
}

func TestCopy(t *testing.T) {
	register := alone(t)
	f := func(text string, want Copied, words string) {
		t.Helper()
		got, err := Copy(context.Background(), text)
		want.Register, want.Bytes = register, len(text)
		if err != nil || got != want || got.String() != strings.ReplaceAll(words, "FILE", register) {
			t.Errorf("%d bytes: %q, %v", len(text), got, err)
		}
		data, err := os.ReadFile(register)
		info, _ := os.Stat(register)
		if err != nil || string(data) != text || info.Mode() != 0o600 {
			t.Errorf("the register has %d bytes, mode %v (%v)", len(data), info.Mode(), err)
		}
	}
	f("a\x1b[31m\x00\n", Copied{Terminal: "a\x1b[31m\x00\n"}, "copied 8 B to clipboard, FILE")
	most := strings.Repeat("x", MaxTerminal)
	f(most, Copied{Terminal: most}, "copied 73.2 KiB to clipboard, FILE")
	f(most+"y", Copied{TooLong: true}, "copied 73.2 KiB to FILE (not to the clipboard: terminals take 73.2 KiB at most)")
	if n := len("\x1b]52;c;") + base64.StdEncoding.EncodedLen(MaxTerminal) + len("\x07"); n > 100_000 {
		t.Errorf("OSC 52 has %d bytes", n)
	}

	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	if got, err := Copy(context.Background(), "x"); err == nil || got != (Copied{Bytes: 1, Terminal: "x"}) {
		t.Errorf("without a register: %+v, %v", got, err)
	}
}

// A screen collects what tmux writes to the terminal around it.
type screen struct {
	mu   sync.Mutex
	data []byte
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = append(s.data, p...)
	return len(p), nil
}

func (s *screen) has(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.data, []byte(part))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// Inside of a tmux as it comes, a copy reaches tmux's buffer and the clipboard of the terminal around it.
func TestTmux(t *testing.T) {
	register := alone(t)
	socket := filepath.Join(t.TempDir(), "s")
	tmux := func(args ...string) string {
		out, err := exec.Command("tmux", append([]string{"-S", socket, "-f", os.DevNull}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("tmux %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	tmux("new-session", "-d", "-x", "80", "-y", "24", "cat")
	t.Cleanup(func() { tmux("kill-server") })
	client := exec.Command("tmux", "-S", socket, "attach")
	client.Env = append(os.Environ(), "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(client, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close(); client.Process.Kill(); client.Wait() })
	var shown screen
	go io.Copy(&shown, terminal)
	eventually(t, "a client", func() bool { return tmux("list-clients") != "" && shown.has("\x1b[?1049h") })

	t.Setenv("TMUX", fmt.Sprintf("%s,%d,0", socket, os.Getpid()))
	f := func(text string) {
		t.Helper()
		got, err := Copy(context.Background(), text)
		want := Copied{Bytes: len(text), Register: register, Tmux: true}
		if err != nil || got != want || !strings.Contains(got.String(), " to tmux buffer, ") {
			t.Errorf("%+v, %v", got, err)
		}
		if out, _ := exec.Command("tmux", "-S", socket, "show-buffer").Output(); string(out) != text {
			t.Errorf("the buffer has %d bytes, want %d", len(out), len(text))
		}
	}
	f("müsli \x1b[2J\nline 2\n")
	eventually(t, "OSC 52", func() bool {
		return shown.has("\x1b]52;") && shown.has(base64.StdEncoding.EncodeToString([]byte("müsli \x1b[2J\nline 2\n")))
	})
	f(strings.Repeat("0123456789", 100_000)) // more than OSC 52 may have: the buffer has it nevertheless

	t.Setenv("TMUX", socket+"x,1,0")
	got, err := Copy(context.Background(), "x")
	if err == nil || !strings.HasPrefix(err.Error(), "cannot copy to tmux: ") || got != (Copied{Bytes: 1, Register: register, Terminal: "x"}) {
		t.Errorf("with a tmux that is gone: %+v, %v", got, err)
	}
}

func TestRun(t *testing.T) {
	path, remove, err := Temp(".json", []byte("{}"))
	info, _ := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || !strings.HasSuffix(path, ".json") {
		t.Fatal(path, info, err)
	}
	f := func(want string, run func(path string) *exec.Cmd, env ...string) {
		t.Helper()
		for i := 0; i < len(env); i += 2 {
			t.Setenv(env[i], env[i+1])
		}
		if got, err := run(path).Output(); string(got) != strings.ReplaceAll(want, "FILE", path) {
			t.Errorf("%q gives %q (%v), want %q", env, got, err, want)
		}
	}
	f("FILE\n", Editor, "VISUAL", "", "EDITOR", "echo")
	f("-w a b FILE\n", Editor, "VISUAL", `echo -w 'a b'`)
	f("{}", Pager, "PAGER", "cat")
	remove()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file stays")
	}
	f("", Pager) // of a file that is not there

	t.Setenv("VISUAL", "")
	t.Setenv("EDITOR", "")
	if cmd := Editor("x"); !reflect.DeepEqual(cmd.Args, []string{"sh", "-c", `vi "$@"`, "vi", "x"}) {
		t.Errorf("%q", cmd.Args)
	}
}

func TestPipe(t *testing.T) {
	f := func(command string, input, want string, code int) {
		t.Helper()
		cmd := Pipe(context.Background(), command, []byte(input))
		got, err := cmd.Output()
		if string(got) != want || cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s gives %q (%v), want %q and %d", command, got, err, want, code)
		}
	}
	f("wc -l | tr -d ' '", "a\nb\n", "2\n", 0)
	f("grep -c x", "a\n", "0\n", 1)
	f("echo $(( 1 +", "a\n", "", 2)
	f("head -c 1", strings.Repeat("x", 1<<22), "x", 0) // it does not read all
	ctx, cancel := context.WithCancel(context.Background())
	cmd := Pipe(ctx, "exec sleep 60", nil)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if cmd.Wait() == nil {
		t.Error("it outlives its context")
	}

	// On a terminal it waits for Enter, whatever it is that has its input.
	cmd = Pipe(context.Background(), "cat; exit 3", []byte("hello"))
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd.Stdout, cmd.Stderr = tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1} // its output is its terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	var shown screen
	go io.Copy(&shown, master)
	eventually(t, "the prompt", func() bool { return shown.has("hello") && shown.has("[3] Enter: back to logtui") })
	master.Write([]byte("\r"))
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Error("it ends with", cmd.ProcessState)
	}
}
