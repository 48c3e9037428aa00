package harness

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Exits is a script's command `exits CODE COMMAND...`: a command that has to end with that exit code.
func Exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// Request sends a request of a script that has to succeed, or with neg to fail. Its answer is in the file answer.
func Request(ts *testscript.TestScript, neg bool, method, url, body string) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), text, 0o600))
	if failed := answer.StatusCode >= 400; failed != neg {
		ts.Fatalf("%s %s: %s: %s", method, url, answer.Status, text)
	}
}
