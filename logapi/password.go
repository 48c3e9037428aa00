package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/logapi/access"
)

// passwordFlags say where a new password comes from: the terminal, if none of them is given. Never from an argument, which lists of processes
// and histories show.
type passwordFlags struct {
	stdin, none bool
}

func (p *passwordFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input, which is one line")
}

// read returns the new password, "" for none.
func (p passwordFlags) read(cmd *cobra.Command) (string, error) {
	in := cmd.InOrStdin()
	f, isFile := in.(*os.File)
	switch {
	case p.stdin && p.none:
		return "", cli.Usage("give --password-stdin or --no-password, not both")
	case p.none:
		return "", nil
	case p.stdin:
		return pipedPassword(in)
	case !isFile || !term.IsTerminal(int(f.Fd())):
		return "", cli.Usage("cannot ask for a password: standard input is no terminal; give it there with --password-stdin")
	}
	password, err := askPassword(cmd.Context(), f, cmd.ErrOrStderr(), "Password: ")
	if err == nil {
		err = access.CheckPassword(password)
	}
	if err != nil {
		return "", err
	}
	again, err := askPassword(cmd.Context(), f, cmd.ErrOrStderr(), "Once more: ")
	if err == nil && again != password {
		err = errors.New("cannot use password: the two are not the same; nothing is changed")
	}
	return password, err
}

// pipedPassword reads a password, with or without an end of line. More lines are refused with it, as control characters.
func pipedPassword(in io.Reader) (string, error) {
	const most = 4 << 10 // more than any may have
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return "", fmt.Errorf("cannot read password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	return password, access.CheckPassword(password)
}

// askPassword reads a line that the terminal does not show. It ends with ctx, and leaves the terminal as it was.
func askPassword(ctx context.Context, terminal *os.File, out io.Writer, prompt string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read password: %w", err)
	}
	type line struct {
		text []byte
		err  error
	}
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
	typed := make(chan line, 1)
	go func() { // a terminal's read cannot be interrupted: after a Ctrl-C it ends with the program
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		if l.err != nil {
			return "", fmt.Errorf("cannot read password: %w", l.err)
		}
		return string(l.text), nil
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", errors.New("cannot read password: interrupted; nothing is changed")
	}
}
