// Package command is logtui's command line: the screen, and what it does without one.
//
//	flags ─► config.Context ─► es.Client ─► source.Source ─┐
//	flags ─► scope.Scope ─► filter ────────────────────────┴─► source.View ─► rows, counts, values ─► standard output, a file
//
// The exit code is 0 when all was done, also if nothing was found, 1 when something failed, 2 when the command line is wrong, and 130
// when it was interrupted.
package command

import (
	"cmp"
	"context"
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
	"github.com/spf13/pflag"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// A Start is what the screen opens with.
type Start struct {
	Config  *config.Config
	Context *config.Context
	Scope   scope.Scope
	Given   bool   // the command line says what to look at; otherwise the screen may go on where it was left
	Tail    bool   // follow new lines
	Theme   string // by name; "" is that of the configuration
}

// Main runs logtui with its arguments and returns the exit code. screen opens the screen and returns when it is closed.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, screen func(context.Context, Start) error) int {
	// A reader that goes away, as head does, makes writing fail, so that searches are still ended in the server.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Run(newCommand(screen), args, stdin, stdout, stderr)
}

// A program is what all commands share.
type program struct {
	screen  func(context.Context, Start) error
	file    string   // of the configuration
	context string   // by name
	hosts   []string // in place of a context
	zone    string   // of times
	now     func() time.Time
}

func newCommand(screen func(context.Context, Start) error) *cobra.Command {
	p := &program{screen: screen, now: time.Now}
	cmd := &cobra.Command{
		Use:   "logtui",
		Short: "Read logs in Elasticsearch, in logapi and in its store",
		Long: `logtui shows logs that are in anything that speaks Elasticsearch's search API: a cluster, logapi, or logapi's own store.

Without a command it opens a screen. The commands do the same without one, for scripts. Queries are in KQL, Kibana's language.

The exit code is 0 when all was done, also if nothing was found, 1 when something failed, 2 when the command line is wrong, and 130 when it
was interrupted.`,
		Example: `  logtui                                                  open the screen where it was left
  logtui --host http://localhost:9200 --last 1h
  logtui --context prod --query 'log.level: error' --namespace shop
  logtui query 'log.level: error and kubernetes.namespace: web' --last 1h -o ndjson
  logtui query --tail 'message: timeout'
  logtui query --range yesterday --limit 0 --out yesterday.csv
  logtui values kubernetes.pod.name --last 15m
  logtui context add prod --host https://es.example.com:9200 --user reader --password-stdin`,
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&p.file, "config", "", "configuration `FILE` (default $LOGTUI_CONFIG, or logtui/config.yml in ~/.config)")
	flags.StringVar(&p.context, "context", "", "`NAME` of the context to look into (default $LOGTUI_CONTEXT, or the current one)")
	flags.StringSliceVar(&p.hosts, "host", nil, "`URL` to ask in place of a context's, with the login of $LOGTUI_USER and the like; may be given several times")
	flags.StringVar(&p.zone, "timezone", "", "zone of times that are shown and typed: local, utc, a `NAME` as Europe/Berlin, or +01:00")
	var tail bool
	var look string
	search := newSearchFlags(cmd)
	cmd.Flags().BoolVar(&tail, "tail", false, "follow new lines")
	cmd.Flags().StringVar(&look, "theme", "", "`NAME` of the colours: "+strings.Join(theme.Names(), ", ")+" or auto")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args[0])
		}
		if look != "" && look != "auto" && !slices.Contains(theme.Names(), look) {
			return cli.Usage("unknown theme %q; known are auto, %s", look, strings.Join(theme.Names(), ", "))
		}
		cfg, context, err := p.open()
		if err != nil {
			return err
		}
		s, given, err := search.settle(cmd, p, cfg, context)
		if err != nil {
			return err
		}
		return p.screen(cmd.Context(), Start{Config: cfg, Context: context, Scope: s, Given: given || tail, Tail: tail, Theme: look})
	}
	cmd.AddCommand(newQueryCommand(p), newFieldsCommand(p), newValuesCommand(p), newPatternsCommand(p), newContextCommand(p), newSavedCommand(p),
		newKeysCommand(p), newThemesCommand(p), newManCommand())
	p.complete(cmd)
	cmd.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name = strings.ReplaceAll(name, "_", "-"); name {
		case "fields":
			name = "columns"
		case "hosts":
			name = "host"
		}
		return pflag.NormalizedName(name)
	})
	return cmd
}

// unknown refuses what is no command, and may be meant as a query.
func unknown(cmd *cobra.Command, arg string) error {
	if near := cli.NearCommand(cmd, arg); near == "" && strings.ContainsAny(arg, ": ") {
		return cli.Usage("unknown command %q: give a query as %s", arg, scope.Command("logtui", []string{"--query", arg}))
	}
	return cli.UnknownCommand(cmd, arg)
}

// open reads the configuration and chooses the context.
func (p *program) open() (*config.Config, *config.Context, error) {
	cfg, err := config.Load(p.file)
	if err != nil {
		return nil, nil, err
	}
	if len(p.hosts) > 0 && p.context != "" {
		return nil, nil, cli.Usage("give --host or --context, not both")
	}
	var c *config.Context
	if len(p.hosts) > 0 {
		c = config.Environment(p.hosts)
	} else if c, err = cfg.Context(p.context); err != nil {
		return nil, nil, err
	}
	if p.zone != "" {
		if _, err := when.ParseZone(p.zone); err != nil {
			return nil, nil, cli.Usage("%w", err)
		}
		c.Zone = p.zone
	}
	return cfg, c, nil
}

// searchFlags are those that say what to look at.
type searchFlags struct {
	scope  scope.Scope
	finish func(time.Time, *time.Location) error
	saved  string
}

// newSearchFlags adds them to cmd.
func newSearchFlags(cmd *cobra.Command) *searchFlags {
	s := &searchFlags{}
	s.finish = scope.Flags(cmd.Flags(), &s.scope)
	cmd.Flags().StringVar(&s.saved, "saved", "", "begin with the saved query of this `NAME`; further flags change it")
	_ = cmd.RegisterFlagCompletionFunc("lens", cobra.FixedCompletions(scope.LensNames(), cobra.ShellCompDirectiveNoFileComp))
	return s
}

// settle is the scope that the flags ask for; given is false if they say nothing.
func (f *searchFlags) settle(cmd *cobra.Command, p *program, cfg *config.Config, c *config.Context) (s scope.Scope, given bool, err error) {
	now := p.now()
	if err := f.finish(now, c.Times().Location()); err != nil {
		return s, false, cli.Usage("%w", err)
	}
	changed := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return cmd.Flags().Changed(name) })
	}
	given = changed(append(scope.LevelNames(), "index", "query", "chip", "range", "last", "from", "to", "lens", "columns", "saved")...)
	times := changed("range", "last", "from", "to")
	s = f.scope
	if f.saved != "" {
		all := cfg.Saved()
		i := slices.IndexFunc(all, func(q config.Saved) bool { return q.Name == f.saved })
		if i < 0 {
			return s, false, cli.Usage("there is no saved query %q: `logtui saved` lists them", f.saved)
		}
		base := all[i].Scope
		s.Index, s.Text = cmp.Or(s.Index, base.Index), cmp.Or(s.Text, base.Text)
		s.Chips = slices.Concat(base.Chips, s.Chips)
		for level := range s.Path {
			s.Path[level] = cmp.Or(s.Path[level], base.Path[level])
		}
		if !changed("lens") {
			s.Lens = base.Lens
		}
		if !changed("columns") {
			s.Columns = base.Columns
		}
		if !times {
			s.Range = base.Range
		}
	} else if !times {
		s.Range = c.Begin(now)
	}
	if err := checkQuery(s.Text); err != nil {
		return s, false, err
	}
	return s, given, nil
}

// checkQuery refuses KQL that is wrong, and points to where.
func checkQuery(text string) error {
	_, err := kql.Parse(text)
	var wrong *kql.Error
	if !errors.As(err, &wrong) {
		return err
	}
	if strings.ContainsFunc(text, cli.Unsafe) {
		return cli.Usage("%w", err)
	}
	return cli.Usage("%w\n  %s\n  %s", err, text, wrong.Caret(text))
}

// A search is a scope that is looked at in a context.
type search struct {
	context *config.Context
	scope   scope.Scope
	source  *source.Source
	fields  *source.Fields
	filter  any

	from, to, now time.Time
}

// search opens the source of a context and makes the filter of what the flags ask for.
func (p *program) search(cmd *cobra.Command, f *searchFlags) (*search, error) {
	cfg, c, err := p.open()
	if err != nil {
		return nil, err
	}
	s := &search{context: c}
	if s.scope, _, err = f.settle(cmd, p, cfg, c); err != nil {
		return nil, err
	}
	if err := s.open(cmd, s.scope.Index); err != nil {
		return nil, err
	}
	s.now = p.now().In(c.Times().Location())
	s.from, s.to = s.scope.Range.Resolve(s.now)
	s.filter, err = s.scope.Filter(s.fields, s.source.Names(), kql.Options{Location: c.Times().Location()})
	return s, err
}

// open connects to the context's cluster, and reads which fields there are in an index; "" is that of the context.
func (s *search) open(cmd *cobra.Command, index string) error {
	client, err := s.context.Client()
	if err != nil {
		return err
	}
	s.source = source.Open(client, source.Options{Index: cmp.Or(index, s.context.Index), Fields: s.context.Names()})
	if s.fields, err = s.source.Fields(cmd.Context()); err != nil {
		return advised(err)
	}
	if len(s.fields.Names()) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "logtui: no index matches %s, or there is nothing in it\n", cli.Printable(s.source.Index()))
	}
	return nil
}

// view is what is searched for, with these fields of it; nil is all.
func (s *search) view(fields []string) *source.View {
	return s.source.View(source.Query{Filter: s.filter, From: s.from, To: s.to, Fields: fields})
}

// columns are the fields to show: those asked for, those of the context, or these.
func (s *search) columns(usual ...string) []string {
	switch {
	case len(s.scope.Columns) > 0:
		return s.scope.Columns
	case len(s.context.Columns) > 0:
		return append(slices.Clone(s.context.Columns), s.source.Names().Message)
	}
	return slices.DeleteFunc(usual, func(field string) bool { return field == "" })
}

// exactly wants as many arguments as it names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(args) < len(names):
			return cli.Usage("missing %s", strings.Join(names[len(args):], " "))
		case len(names) == 0:
			return cli.Usage("got %q, want no arguments", args[0])
		}
		return cli.Usage("got %d arguments, want %s", len(args), strings.Join(names, " "))
	}
}

// advised adds to the error of a search what to do about it.
func advised(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return interrupted(err)
	}
	b := source.Advice(err)
	if b.Do == "" || strings.Contains(err.Error(), b.Do) {
		return err
	}
	var said *es.Error // whose reason is not said twice
	if errors.As(err, &said) && said.Reason != "" {
		b.Do = strings.TrimRight(strings.TrimSuffix(b.Do, said.Reason), ": ")
	}
	return fmt.Errorf("%w\n%s", err, strings.TrimSuffix(b.Title+". "+b.Do, ". "))
}

// interrupted is the end of a program that somebody stopped.
func interrupted(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return cli.Exit{Code: 130}
	case errors.Is(err, syscall.EPIPE):
		return nil // who reads has enough
	}
	return err
}
