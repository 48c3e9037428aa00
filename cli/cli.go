// Package cli is what the command lines of podbeat's programs have in common: how they end, how they answer who
// mistypes, what they print on a terminal, and how they show that long work gets on.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Run runs a program's command with its arguments and returns the exit code: 0, 2 if the command line is wrong
// ([Usage]), that of an [Exit], otherwise 1. What went wrong is printed to stderr. SIGINT and SIGTERM end the command's
// context, a second one the program.
func Run(cmd *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.Version = Version()
	cmd.SetVersionTemplate(cmd.Name() + ", version {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return UsageError{knownFlags(cmd, err)} })
	err := cmd.ExecuteContext(ctx)
	var end Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &end):
		return end.Code
	}
	for line := range strings.Lines(err.Error()) { // as many as there are mistakes in a file
		fmt.Fprintf(stderr, "%s: %s\n", cmd.Name(), Printable(strings.TrimSuffix(line, "\n")))
	}
	var u UsageError
	if errors.As(err, &u) {
		fmt.Fprintf(stderr, "Try `%s --help`.\n", cmd.Name())
		return 2
	}
	return 1
}

// An Exit ends a program with an exit code; what there is to say has been said.
type Exit struct{ Code int }

func (e Exit) Error() string { return fmt.Sprintf("exit %d", e.Code) }

// A UsageError is the command line's fault.
type UsageError struct{ error }

func (u UsageError) Unwrap() error { return u.error }

// Usage is an error of the command line.
func Usage(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// knownFlags adds to the error of a flag which ones there are.
func knownFlags(cmd *cobra.Command, err error) error {
	if !strings.HasPrefix(err.Error(), "unknown") {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return fmt.Errorf("%w; known are %s", err, strings.Join(names, " "))
}

// Group makes a command of cmd that only has commands: it helps who mistyped one.
func Group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return UnknownCommand(cmd, args[0])
	}
	return cmd
}

// UnknownCommand refuses arg, which is none of cmd's commands.
func UnknownCommand(cmd *cobra.Command, arg string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return Usage("unknown command %q for %q%s; known are %s", arg, cmd.CommandPath(), NearCommand(cmd, arg), strings.Join(names, ", "))
}

// NearCommand is the end of an error for who mistyped one of cmd's commands; "" if arg is like none.
func NearCommand(cmd *cobra.Command, arg string) string {
	cmd.SuggestionsMinimumDistance = 2 // letters that differ; cobra sets it only for its own messages
	if near := cmd.SuggestionsFor(arg); len(near) > 0 {
		return "; did you mean the command " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// Version is what the program was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
