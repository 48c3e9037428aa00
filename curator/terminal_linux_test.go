package curator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/test/harness"
)

// TestTerminal says what goes to a real terminal of a kind, with and without colours.
func TestTerminal(t *testing.T) {
	f := func(kind, noColor, wantBar, wantHeader string) {
		t.Helper()
		t.Setenv("TERM", kind)
		t.Setenv("NO_COLOR", noColor)
		terminal, other := harness.PTY(t, 40)
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
