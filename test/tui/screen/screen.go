// Package screen runs programs in a terminal, tmux, as people do: it presses keys, reads what is on the screen, changes its size, and
// draws pictures of it.
//
// Nothing in it waits for a time: keys are sent, and then a condition is waited for ([Screen.Wait]), whose error has what was on the screen. Each Screen has a tmux server of its
// own without anybody's configuration, which ends with the test binary.
package screen

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long is waited if Options do not say it: long, since a machine may have other work.
const patience = 30 * time.Second

// Options say what is run and where.
type Options struct {
	Width, Height int
	Dir           string        // where the program runs; the current directory if empty
	Env           []string      // all it has, but TERM and what tmux sets
	Patience      time.Duration // how long Wait waits; half a minute if 0
	Clipboard     bool          // the terminal takes what programs copy by OSC 52; see Clipboard
}

// A Screen is a terminal and the program in it.
type Screen struct {
	dir    string // for the socket and what the program left
	env    []string
	server *exec.Cmd
	ended  chan struct{} // closed when server has
	once   sync.Once

	patience time.Duration
}

// run is the shell script that has the program in the pane. It notes how the terminal was before and after, and stays, so that the screen
// can still be read.
const run = `dir=$1; shift
trap : INT QUIT # they are the program's, and reach it
stty -g >"$dir/before"
"$@"
echo $? >"$dir/code.new"
stty -g >"$dir/after"
mv "$dir/code.new" "$dir/code"
exec cat >/dev/null
`

// Start starts a terminal with the program. Close ends both.
func Start(o Options, program ...string) (*Screen, error) {
	dir, err := os.MkdirTemp("", "screen-") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	s := &Screen{dir: dir, env: o.Env, ended: make(chan struct{}), patience: cmp.Or(o.Patience, patience)}
	config := "set -g default-terminal tmux-256color\nset -g status off\nset -g escape-time 0\nset -g history-limit 0\n" +
		"set -ga terminal-overrides ',*:Tc'\nset -g exit-unattached off\nset -g focus-events on\nset -g set-clipboard "
	if o.Clipboard {
		config += "on\n"
	} else {
		config += "off\n"
	}
	if err := os.WriteFile(s.path("config"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.server = exec.Command("tmux", "-u", "-D", "-S", s.path("socket"), "-f", s.path("config"))
	s.server.Env = o.Env
	s.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	s.server.Stderr = &stderr
	if err := s.server.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("cannot start tmux (apt-get install tmux): %w", err)
	}
	go func() { // Close waits for it
		s.server.Wait()
		close(s.ended)
	}()
	for deadline := time.Now().Add(s.patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(s.path("socket")); err == nil {
			break
		}
		select {
		case <-s.ended:
			os.RemoveAll(dir)
			return nil, fmt.Errorf("tmux has ended: %s", &stderr)
		default:
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("tmux does not start"), s.Close())
		}
	}
	args := []string{"new-session", "-d", "-x", strconv.Itoa(o.Width), "-y", strconv.Itoa(o.Height)}
	if o.Dir != "" {
		args = append(args, "-c", o.Dir)
	}
	if _, err := s.tmux(append(append(args, "sh", "-c", run, "sh", dir), program...)...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Screen) path(name string) string { return filepath.Join(s.dir, name) }

// Close ends the terminal, as when its window is closed: the program gets SIGHUP.
func (s *Screen) Close() error {
	s.once.Do(func() {
		s.tmux("kill-server") // the server may have gone
		select {
		case <-s.ended:
		case <-time.After(s.patience):
			s.server.Process.Kill()
			<-s.ended
		}
		os.RemoveAll(s.dir)
	})
	return nil
}

// tmux gives a command to the server.
func (s *Screen) tmux(args ...string) (string, error) {
	for i, arg := range args {
		if strings.HasSuffix(arg, ";") { // would end the command
			args[i] = strings.TrimSuffix(arg, ";") + `\;`
		}
	}
	cmd := exec.Command("tmux", append([]string{"-u", "-S", s.path("socket")}, args...)...)
	cmd.Env = s.env // a new session has the PATH of who asks for it
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Keys presses keys by tmux's names: Enter, Escape, Tab, BTab, Up, PPage, C-c, M-b, F1; anything else is a text whose characters
// are pressed one by one. What follows Escape at once is taken by programs for a key with Alt: wait for what Escape does.
func (s *Screen) Keys(keys ...string) error {
	for _, key := range keys {
		args := []string{"send-keys", "--", key}
		if !named.MatchString(key) {
			args = []string{"send-keys", "-l", "--", key}
		}
		if _, err := s.tmux(args...); err != nil {
			return err
		}
	}
	return nil
}

var named = regexp.MustCompile(`^(Enter|Escape|Tab|BTab|Space|BSpace|Up|Down|Left|Right|Home|End|PPage|NPage|PageUp|PageDown|IC|DC|F[0-9]+|([CMS]-)+(\S|Up|Down|Left|Right|Home|End|Space|Enter))$`)

// Type presses the keys of a text, whatever it says.
func (s *Screen) Type(text string) error {
	_, err := s.tmux("send-keys", "-l", "--", text)
	return err
}

// Paste pastes a text, in brackets if the program has asked for that.
func (s *Screen) Paste(text string) error {
	if _, err := s.tmux("set-buffer", "-b", "paste", "--", text); err != nil {
		return err
	}
	_, err := s.tmux("paste-buffer", "-p", "-d", "-b", "paste")
	return err
}

// Resize changes the size.
func (s *Screen) Resize(width, height int) error {
	_, err := s.tmux("resize-window", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height))
	return err
}

// Text is what is on the screen: a line for each of its lines, without blanks at their ends.
func (s *Screen) Text() (string, error) { return s.tmux("capture-pane", "-p") }

// Styled is the same with colours, as escape sequences, and with blanks at the ends of lines, which may have a background.
func (s *Screen) Styled() (string, error) { return s.tmux("capture-pane", "-p", "-e", "-N") }

// Clipboard is what was copied last, by OSC 52 or into tmux's buffer.
func (s *Screen) Clipboard() (string, error) { return s.tmux("show-buffer") }

// Title is the window's title.
func (s *Screen) Title() (string, error) { return s.format("#{pane_title}") }

func (s *Screen) format(format string) (string, error) {
	out, err := s.tmux("display-message", "-p", format)
	return strings.TrimSuffix(out, "\n"), err
}

// Wait returns when the screen is as ok wants it; what says in words what that is. The error has the screen as it was at the end.
func (s *Screen) Wait(what string, ok func(text string) bool) error {
	return s.wait(what, s.Text, ok)
}

// WaitStyled is Wait with Styled's text.
func (s *Screen) WaitStyled(what string, ok func(text string) bool) error {
	return s.wait(what, s.Styled, ok)
}

func (s *Screen) wait(what string, read func() (string, error), ok func(text string) bool) error {
	deadline := time.Now().Add(s.patience)
	for {
		text, err := read()
		if err != nil {
			return fmt.Errorf("cannot wait for %s: %w", what, err)
		}
		if ok(text) {
			return nil
		}
		if time.Now().After(deadline) {
			plain, _ := s.Text()
			return fmt.Errorf("no %s after %v; the screen is\n%s", what, s.patience, Frame(plain))
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

// Exit waits until the program has ended, and returns its exit code.
func (s *Screen) Exit() (code int, err error) {
	var data []byte
	err = s.Wait("end of the program", func(string) bool {
		data, err = os.ReadFile(s.path("code"))
		return err == nil
	})
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

// Ended says whether the program has ended.
func (s *Screen) Ended() bool {
	_, err := os.Stat(s.path("code"))
	return err == nil
}

// WaitSane waits until the terminal is as the program had found it, and returns what Sane says: the end of the program's output may be
// on its way to the screen when the program has ended.
func (s *Screen) WaitSane() (err error) {
	deadline := time.Now().Add(s.patience)
	for err = s.Sane(); err != nil && time.Now().Before(deadline); err = s.Sane() {
		time.Sleep(5 * time.Millisecond) // between two looks
	}
	return err
}

// Sane says what of the terminal is not as the program had found it, after its end: the line discipline, the alternate screen, the
// cursor, the mouse, keys.
func (s *Screen) Sane() error {
	before, err := os.ReadFile(s.path("before"))
	if err != nil {
		return err
	}
	after, err := os.ReadFile(s.path("after"))
	if err != nil {
		return err
	}
	var errs []error
	if !bytes.Equal(before, after) {
		errs = append(errs, fmt.Errorf("stty -g was %s, is %s", bytes.TrimSpace(before), bytes.TrimSpace(after)))
	}
	const flags = "alternate_on=#{alternate_on} cursor_flag=#{cursor_flag} insert_flag=#{insert_flag} keypad_cursor_flag=#{keypad_cursor_flag} " +
		"keypad_flag=#{keypad_flag} mouse_any_flag=#{mouse_any_flag} wrap_flag=#{wrap_flag} origin_flag=#{origin_flag} " +
		"scroll=#{scroll_region_upper},#{scroll_region_lower},#{pane_height}"
	got, err := s.format(flags)
	if err != nil {
		return err
	}
	_, height, _ := strings.Cut(got, "scroll=0,")
	_, height, _ = strings.Cut(height, ",")
	lines, _ := strconv.Atoi(height)
	want := fmt.Sprintf("alternate_on=0 cursor_flag=1 insert_flag=0 keypad_cursor_flag=0 keypad_flag=0 mouse_any_flag=0 wrap_flag=1 origin_flag=0 scroll=0,%d,%d", lines-1, lines)
	if got != want {
		errs = append(errs, fmt.Errorf("the terminal has %s, want %s", got, want))
	}
	return errors.Join(errs...)
}

// Size is that of the terminal.
func (s *Screen) Size() (width, height int, err error) {
	out, err := s.format("#{pane_width} #{pane_height}")
	if err == nil {
		_, err = fmt.Sscan(out, &width, &height)
	}
	return width, height, err
}

// Frame puts a frame around a text, so that one sees in a test's output where the screen ends.
func Frame(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  │" + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
