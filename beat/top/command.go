// Package top is `podbeat top`: rates and lags of the podbeat that runs on this machine, in the terminal. It asks podbeat's socket
// for the same figures that Prometheus gets, and works out of two looks what has happened between them.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podbeat/podbeat/beat/tap"
	"github.com/podbeat/podbeat/cli"
)

// outputs are the forms of -o.
var outputs = []string{"text", "json"}

// NewCommand makes `podbeat top`.
func NewCommand() *cobra.Command {
	var once bool
	var interval time.Duration
	var output string
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what the podbeat that runs here does: rates, lags, the queue, namespaces",
		Long: `Top shows the inputs, the output, the queue and the busiest namespaces of the running podbeat, anew each second, until q or Ctrl-C.

  READ/S, ACKED/S  events a second, given by the input, and delivered
  IN FLIGHT        events of which nothing has become yet: in a buffer, the queue or the output
  LAG, BEHIND      age of the oldest event that is not read or not delivered; bytes not yet read. - is not known
  DEAD             dead letters: events that the output refused for good
  GAPS             entries lost before podbeat could read them
  DROPPED          events thrown away as the configuration wants it
  STUCK            how long events have waited without any being delivered

With --once, and where standard output is no terminal, it prints that once, of one --interval. With -o json it prints one object.`,
		Example: `  podbeat top
  podbeat top --once
  podbeat top -o json --interval 10s | jq '.inputs[] | {id, lag_seconds}'`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
	}
	flags := cmd.Flags()
	client := tap.SocketFlag(cmd)
	flags.BoolVar(&once, "once", false, "print one table and end")
	flags.DurationVar(&interval, "interval", time.Second, "`TIME` between two looks")
	flags.StringVarP(&output, "output", "o", "text", "`FORM`: "+strings.Join(outputs, " or "))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case !slices.Contains(outputs, output):
			return fmt.Errorf("unknown output %q: want %s", output, strings.Join(outputs, " or "))
		case interval < 100*time.Millisecond:
			return fmt.Errorf("--interval is %v: want at least 100ms", interval)
		}
		c, err := client()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		screen := cli.Terminal(cmd.OutOrStdout())
		if once || output != "text" || screen == nil || cli.Terminal(os.Stdin) == nil {
			err = print(ctx, c, interval, output, cmd.OutOrStdout())
		} else {
			err = live(ctx, c, interval, screen)
		}
		if ctx.Err() != nil { // that is how it ends
			return nil
		}
		return err
	}
	return cmd
}

// print prints what has happened within one interval.
func print(ctx context.Context, c *tap.Client, interval time.Duration, output string, stdout io.Writer) error {
	before, err := get(ctx, c)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(interval):
	}
	now, err := get(ctx, c)
	if err != nil {
		return err
	}
	f := figures(before, now)
	if output == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(f)
	}
	lines := draw(f, now.at, 0, cli.Terminal(stdout) != nil && cli.Colours())
	_, err = io.WriteString(stdout, strings.Join(lines, "\n")+"\n")
	return err
}

// What a terminal is told at the beginning, with each picture, and at the end: a screen of its own, without cursor and without wrapping.
const (
	enter  = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	home   = "\x1b[H"
	toEnd  = "\x1b[K"
	toFoot = "\x1b[J"
	leave  = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// live draws on a terminal until q or Ctrl-C.
func live(ctx context.Context, c *tap.Client, interval time.Duration, screen *os.File) (err error) {
	before, err := get(ctx, c)
	if err != nil {
		return err
	}
	keys := int(os.Stdin.Fd())
	old, err := term.MakeRaw(keys)
	if err != nil {
		return fmt.Errorf("cannot read keys from the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(keys, old)) }()
	if _, err := io.WriteString(screen, enter); err != nil {
		return err
	}
	defer io.WriteString(screen, leave)

	ctx, quit := context.WithCancel(ctx)
	defer quit()
	go func() { // ends with the process, which waits for no key
		defer quit()
		b := make([]byte, 64)
		for {
			n, err := os.Stdin.Read(b)
			if err != nil || strings.ContainsAny(string(b[:n]), "qQ\x03\x04") {
				return
			}
		}
	}()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	shown, note := figures(before, before), ""
	for {
		if err := paint(screen, shown, note); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
			continue
		case <-tick.C:
		}
		now, err := get(ctx, c)
		if note = ""; err != nil {
			note = err.Error() // it may come back
			continue
		}
		shown, before = figures(before, now), now
	}
}

// paint draws one picture, by one write, over the one before.
func paint(screen *os.File, f *Figures, note string) error {
	_, height, err := term.GetSize(int(screen.Fd()))
	if err != nil || height <= 0 {
		height = 24
	}
	lines := draw(f, time.Now(), height-1, cli.Colours())
	if note != "" {
		lines = append([]string{cli.Printable(note)}, lines[:min(len(lines), max(0, height-2))]...)
	}
	var b strings.Builder
	b.WriteString(home)
	for _, line := range lines {
		b.WriteString(line + toEnd + "\r\n")
	}
	b.WriteString(toFoot)
	_, err = io.WriteString(screen, b.String())
	return err
}
