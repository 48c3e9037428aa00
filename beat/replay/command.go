// Package replay is `podbeat replay`, which sends dead letters again: each event with the id, the index and the time that it had,
// through the configured output, without the processors, whose work is done. What is delivered already is not delivered twice.
//
//	line → parse: letter → asksFor → batch → output → delivered, or there already
//	                                           └────→ refused again: a new file beside
package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/option"
)

// options are the command's.
type options struct {
	selection
	limit, rate    int
	remove, dryRun bool
	giveUp         time.Duration
	files          []*file
}

// The exit codes, beside 0 and 1.
const (
	exitRefused     = 2
	exitInterrupted = 130
)

// NewCommand is `podbeat replay`, for a beat of these settings.
func NewCommand(settings instance.Settings) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Send dead letters again, after what refused them was mended",
		Long: `Replay sends dead letters again through the configured output: each event with the id, the index (or topic) and the time that it
had. Events that are there already are counted, not doubled; so it does no harm to do it twice, or to stop in between.

FILE is a file of dead letters (dead-letter.ndjson in path.data, its .1, .2 …), or documents of a dead-letter index as NDJSON. It is
only read, beside a podbeat that runs. What is refused again is written, with the new reason, to dead-letter-<time>.ndjson beside it.
With --remove, FILE loses what was delivered and what is in that new file. The current file is not for that while podbeat runs.

The exit code is 0 if all that was asked for is delivered, 2 if something was refused again or could not be read, 130 after
an interrupt, 1 if replay could not go on.`,
		Example: `  podbeat replay --dry-run /var/lib/podbeat/dead-letter.ndjson*
  podbeat replay --type mapper_parsing_exception --remove /var/lib/podbeat/dead-letter.ndjson.1
  podbeat replay --filter 'kubernetes.namespace: shop' --rate 500 /var/lib/podbeat/dead-letter.ndjson`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "only say what is there")
	flags.StringSliceVar(&o.types, "type", nil, "only letters of this error.type; may be repeated, and have * and ?")
	flags.StringSliceVar(&o.indices, "index", nil, "only letters for this index; may be repeated, and have * and ?")
	flags.StringVar(&o.filter, "filter", "", "only events that match this KQL")
	flags.IntVar(&o.limit, "limit", 0, "send so many at most; 0 is all")
	flags.IntVar(&o.rate, "rate", 0, "send so many a second at most; 0 is as fast as the output takes them")
	flags.BoolVar(&o.remove, "remove", false, "take what was delivered, or is in the new file, out of FILE")
	flags.DurationVar(&o.giveUp, "give-up", 2*time.Minute, "end when the output has taken nothing for so long; 0s is never")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second one ends the program
		err := o.run(ctx, cmd, args, settings)
		if cmd.SilenceErrors = errors.As(err, new(cli.Exit)); err != nil && !cmd.SilenceErrors {
			err = errors.New(cli.Printable(err.Error())) // it may quote what others wrote
		}
		return err
	}
	return cmd
}

func (o *options) run(ctx context.Context, cmd *cobra.Command, args []string, settings instance.Settings) error {
	if o.limit < 0 || o.rate < 0 || o.giveUp < 0 {
		return errors.New("--limit, --rate and --give-up cannot be below 0")
	}
	if o.dryRun && o.remove {
		return errors.New("--dry-run changes nothing: give it without --remove")
	}
	if err := o.prepare(time.Now()); err != nil {
		return err
	}
	for _, name := range args {
		f, err := openFile(name)
		if err != nil {
			return err
		}
		defer f.Close()
		o.files = append(o.files, f)
	}
	if o.dryRun {
		return o.survey(ctx, cmd.OutOrStdout())
	}
	config, err := offline.Load(settings)
	if err != nil {
		return err
	}
	if !config.Output.IsSet() {
		return errors.New("cannot send dead letters: the configuration has no output")
	}
	if o.remove {
		unlock, err := lock(config, o.files, settings.Name)
		if err != nil {
			return err
		}
		defer unlock()
	}
	dir, err := os.MkdirTemp("", "podbeat-replay-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return o.send(ctx, cmd, config, dir)
}

func (o *options) send(ctx context.Context, cmd *cobra.Command, config *offline.Config, dir string) error {
	r := &replay{options: *o, progress: cli.NewProgress(cmd.ErrOrStderr()), started: time.Now()}
	r.warn = r.progress.Note
	r.progress.Lines(func(line string) { r.progress.Note("%s", line) })
	var err error
	if r.sender, err = newSender(config, dir, o.giveUp, r.warn); err != nil {
		return err
	}
	defer r.sender.close()
	if err := r.count(ctx); err != nil {
		return err
	}
	said := make(chan struct{})
	talking, quiet := context.WithCancel(context.Background())
	go func() {
		defer close(said)
		r.talk(talking)
	}()
	for _, f := range o.files {
		if err = r.one(ctx, f); err != nil {
			break
		}
	}
	quiet()
	<-said
	r.progress.End()
	if r.refusedTo != nil {
		err = errors.Join(err, r.refusedTo.Close())
	}
	r.report(cmd.OutOrStdout())
	switch {
	case errors.Is(err, errInterrupted):
		fmt.Fprintf(cmd.OutOrStdout(), "interrupted after %d of %d lines; the same command goes on, and doubles nothing\n", r.done, r.lines)
		return cli.Exit{Code: exitInterrupted}
	case err != nil:
		return fmt.Errorf("stopped after %d of %d lines: %w", r.done, r.lines, err)
	case r.total.refused+r.total.dropped+r.total.unreadable > 0:
		return cli.Exit{Code: exitRefused}
	}
	return nil
}

// count finds out how many lines there are.
func (r *replay) count(ctx context.Context) error {
	for _, f := range r.files {
		if err := f.lines(func([]byte) bool { r.lines++; return ctx.Err() == nil }); err != nil {
			return err
		}
	}
	return nil
}

// talk shows what the outputs log, until ctx ends.
func (r *replay) talk(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		r.say()
	}
}

func (r *replay) say() {
	for _, message := range offline.Log() {
		r.warn("%s", strings.ReplaceAll(message, r.sender.dir+"/"+deadLetters, "the new file"))
	}
}

// lock refuses files that cannot be changed now: those that a podbeat that runs may append to, and one that another replay reads.
// It keeps podbeat from starting until unlock, if such files are among them.
func lock(config *offline.Config, files []*file, name string) (unlock func(), err error) {
	path, _, _ := LetterFile(config)
	for _, f := range files {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, fmt.Errorf("cannot change %s: another replay is at it: %w", f.path, err)
		}
	}
	for _, f := range files {
		if f.isAny(path) || !settledName.MatchString(f.path) && f.isIn(paths.Paths.Data) {
			return lockData(filepath.Join(paths.Paths.Data, name+".lock"), f.path)
		}
	}
	return func() {}, nil
}

// settledName is that of a file that nobody appends to: one that was renamed, or replay's own.
var settledName = regexp.MustCompile(`\.[0-9]+$|dead-letter-[0-9TZ]+(-[0-9]+)?\.ndjson$`)

func (f *file) isAny(path string) bool {
	info, err := f.Stat()
	other, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(info, other)
}

func (f *file) isIn(dir string) bool {
	info, err := os.Stat(filepath.Dir(f.path))
	other, err2 := os.Stat(dir)
	return err == nil && err2 == nil && os.SameFile(info, other)
}

// lockData takes the lock that a running podbeat has on its path.data.
func lockData(path, file string) (unlock func(), err error) {
	l, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot take anything out of %s, to which the running podbeat adds: stop podbeat, or give its rotated files (.1, .2 …), or replay without --remove", file)
	}
	return func() {
		os.Remove(path) // as podbeat does
		l.Close()
	}, nil
}

// LetterFile says where podbeat writes dead letters: the current file, the size at which it is renamed, and how many files are kept.
func LetterFile(config *offline.Config) (path string, maxBytes int64, files int) {
	o := struct {
		Path     string       `config:"non_indexable_policy.dead_letter_file.path"`
		MaxBytes option.Bytes `config:"non_indexable_policy.dead_letter_file.max_bytes"`
		Files    int          `config:"non_indexable_policy.dead_letter_file.files"`
	}{deadLetters, 64 << 20, 8}
	if config.Output.Name() == "elasticsearch" {
		if err := config.Output.Config().Unpack(&o); err != nil {
			o.Path, o.MaxBytes, o.Files = deadLetters, 64<<20, 8 // which the output will refuse
		}
	}
	return paths.Resolve(paths.Data, o.Path), int64(o.MaxBytes), o.Files
}
