package logapi

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/test/harness"
)

// echoes says whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestPasswordOnTerminal types passwords after the prompts.
func TestPasswordOnTerminal(t *testing.T) {
	f := func(first, second, wantErr string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "users.yml")
		terminal, other := harness.PTY(t, 80)
		cmd := newUserCommand(func() (string, error) { return path, nil })
		cmd.SetArgs([]string{"add", "a@b"})
		cmd.SetIn(terminal)
		cmd.SetOut(terminal)
		cmd.SetErr(terminal)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		ended := make(chan error, 1)
		go func() {
			err := cmd.Execute()
			fmt.Fprint(terminal, "end\n")
			ended <- err
		}()
		shown, b := "", make([]byte, 1024)
		for _, step := range []struct{ prompt, typed string }{{"Password: ", first}, {"Once more: ", second}, {"end\r\n", ""}} {
			for !strings.Contains(shown, step.prompt) && !strings.Contains(shown, "end\r\n") {
				n, err := other.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				shown += string(b[:n])
			}
			if step.typed == "" || strings.Contains(shown, "end\r\n") {
				continue
			}
			for echoes(t, terminal) { // the prompt comes just before
			}
			fmt.Fprint(other, step.typed+"\n")
		}
		err := <-ended
		if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("got error %v, want %q", err, wantErr)
		}
		if strings.Contains(shown, first) || !echoes(t, terminal) {
			t.Errorf("shown was %q", shown)
		}
		if _, err := os.Stat(path); (err == nil) != (wantErr == "") {
			t.Errorf("the file: %v", err)
		}
	}
	f("correct horse", "correct horse", "")
	f("correct horse", "correct hors", "the two are not the same")
	f("short", "", "fewer than 8 characters")
}

// TestPasswordInterrupted: a Ctrl-C leaves a terminal that shows what is typed.
func TestPasswordInterrupted(t *testing.T) {
	terminal, other := harness.PTY(t, 80)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := askPassword(ctx, terminal, terminal, "Password: ")
		ended <- err
	}()
	for echoes(t, terminal) {
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "interrupted") || !echoes(t, terminal) {
		t.Errorf("got error %v", err)
	}
	fmt.Fprint(other, "\n") // ends the reading
}
