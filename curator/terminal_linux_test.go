package curator

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/filter"
)

// pty returns a terminal, and what is on the other end of it.
func pty(t *testing.T, columns uint16) (terminal, other *os.File) {
	t.Helper()
	other, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	n, err := unix.IoctlGetInt(int(other.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(other.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(other.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: columns})
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, other
}

// TestTerminal says what goes to a real terminal of a kind, with and without colours.
func TestTerminal(t *testing.T) {
	f := func(kind, noColor, wantBar, wantHeader string) {
		t.Helper()
		t.Setenv("TERM", kind)
		t.Setenv("NO_COLOR", noColor)
		terminal, other := pty(t, 40)
		p := cli.NewProgress(terminal)
		p.Step("copy", 1, 2)
		p.End()
		if err := (table{verbose: true, header: true}).print(terminal, []filter.Item{{Name: "index"}}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(terminal, "end\n")
		got, b := "", make([]byte, 4096)
		for !strings.Contains(got, "end\r\n") {
			n, err := other.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got += string(b[:n])
		}
		if !strings.HasPrefix(got, wantBar) || !strings.HasPrefix(strings.TrimPrefix(got, wantBar), wantHeader+"Index State") {
			t.Errorf("TERM=%s NO_COLOR=%s: got %q", kind, noColor, got)
		}
	}
	f("xterm", "", "copy [\x1b[32m#########\x1b[0m----------] 50% (1 of 2)\r"+strings.Repeat(" ", 39)+"\r", "\x1b[1m\x1b[4m")
	f("xterm", "1", "copy [#########----------] 50% (1 of 2)\r"+strings.Repeat(" ", 39)+"\r", "")
	f("dumb", "", "", "")
}
