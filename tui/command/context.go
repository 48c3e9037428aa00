package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/source"
)

func newContextCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Choose, list and change contexts: where logs are, and who asks for them",
		Long: `A context says where logs are and who asks for them. Contexts are in the configuration, which can also be edited by hand;
what these commands change keeps the comments in it.`,
		Example: `  logtui context add prod --host https://es.example.com:9200 --user reader --password-stdin
  logtui context use prod
  logtui context check`,
	}
	return cli.Group(cmd, newContextListCommand(p), newContextUseCommand(p), newContextShowCommand(p), newContextAddCommand(p),
		newContextRemoveCommand(p), newContextCheckCommand(p))
}

// named completes the names of contexts.
func (p *program) named(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(p.file)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cfg.Contexts(), cobra.ShellCompDirectiveNoFileComp
}

// complete says how the flags of all commands are completed.
func (p *program) complete(root *cobra.Command) {
	contexts := func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return p.named(cmd, nil, "")
	}
	_ = root.RegisterFlagCompletionFunc("context", contexts)
	_ = root.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt))
}

func newContextListCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the contexts", Long: "Lists the contexts; * is the current one.",
		Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := form(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(p.file)
		if err != nil {
			return err
		}
		current := ""
		if c, err := cfg.Context(p.context); err == nil {
			current = c.Name
		}
		type entry struct {
			Name    string   `json:"name"`
			Current bool     `json:"current"`
			Hosts   []string `json:"hosts,omitempty"`
			Index   string   `json:"index,omitempty"`
			Login   string   `json:"login,omitempty"`
			Error   string   `json:"error,omitempty"`
		}
		entries, lines := []entry{}, [][]string{}
		for _, name := range cfg.Contexts() {
			e := entry{Name: name, Current: name == current}
			if c, err := cfg.Context(name); err != nil {
				e.Error = err.Error()
			} else {
				e.Hosts, e.Index, e.Login = c.Places(), c.Index, c.Login()
			}
			mark := ""
			if e.Current {
				mark = "*"
			}
			entries = append(entries, e)
			if e.Error != "" {
				lines = append(lines, []string{mark, name, e.Error})
			} else {
				lines = append(lines, []string{mark, name, strings.Join(e.Hosts, " "), e.Index, e.Login})
			}
		}
		if len(entries) == 0 && *output == "text" {
			fmt.Fprintf(cmd.ErrOrStderr(), "logtui: there is no context in %s; without one, %s is asked\n", cli.Printable(cfg.Path), config.Environment(nil).Hosts[0])
		}
		return show(cmd, *output, entries, lines, -1, -1)
	}
	return cmd
}

func newContextUseCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Make a context the current one", Long: "Makes a context the current one: the one that is looked into if none is named.",
		Args: exactly("NAME"), ValidArgsFunction: p.named,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(p.file)
			if err != nil {
				return err
			}
			if err := cfg.Use(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "logtui: the context is now %s\n", cli.Printable(args[0]))
			return nil
		},
	}
}

func newContextShowCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Short: "Show the options of a context, without its secrets",
		Long: "Shows the options of a context, by default the current one, with the defaults. Secrets are ••• there.",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: p.named,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.one(args)
			if err != nil {
				return err
			}
			var lines [][]string
			for _, o := range c.Options() {
				lines = append(lines, []string{o[0] + ":", o[1]})
			}
			return show(cmd, "text", nil, lines, -1, -1)
		},
	}
}

// one is the context that is named, or the current one.
func (p *program) one(args []string) (*config.Context, error) {
	switch {
	case len(args) > 1:
		return nil, cli.Usage("got %d arguments, want one NAME or none", len(args))
	case len(args) == 1 && p.context != "" && p.context != args[0]:
		return nil, cli.Usage("got two contexts, %q and %q", args[0], p.context)
	case len(args) == 1:
		p.context = args[0]
	}
	_, c, err := p.open()
	return c, err
}

// addFlags are the options of a context that `logtui context add` knows; the others are for the editor.
var addFlags = []struct{ flag, option, use string }{
	{"region", "region", "`REGION`, if the hosts are those of logapi's API"},
	{"index", "index", "names and `PATTERNS` of indices, separated by commas (default logstash-*)"},
	{"user", "user", "`USER` to log in with"},
	{"password-file", "password_file", "`FILE` whose first line is the password"},
	{"api-key-file", "api_key_file", "`FILE` whose first line is the API key"},
	{"bearer-file", "bearer_file", "`FILE` whose first line is the token"},
	{"ca-file", "ca_file", "`FILE` with the authorities to trust, PEM"},
	{"fingerprint", "fingerprint", "`SHA-256` of a certificate to trust"},
	{"client-cert", "client_cert", "`FILE` with the certificate to show, PEM"},
	{"client-key", "client_key", "`FILE` with its key"},
	{"kibana", "kibana", "`URL` of the Kibana of the same logs"},
}

func newContextAddCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME --host URL [flags]",
		Short: "Add a context",
		Long: `Adds a context to the configuration, which is then readable for its owner alone. The first one becomes the current one.

Secrets come from standard input, or stay in files that are named; on a command line others could see them.`,
		Example: `  logtui context add prod --host https://es.example.com:9200 --user reader --password-stdin
  logtui context add logs --host https://logs.example.com/api --region cn-1 --token-command logtoken --token-command --for=logs
  logtui context add test --host https://es:9200 --api-key-stdin --ca-file ca.pem < key`,
		Args: exactly("NAME"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	values := map[string]*string{}
	for _, f := range addFlags {
		values[f.option] = flags.String(f.flag, "", f.use)
		if strings.HasPrefix(f.use, "`FILE`") {
			_ = cmd.MarkFlagFilename(f.flag)
		}
	}
	command := flags.StringArray("token-command", nil, "`PROGRAM` that prints a token; given again, its arguments")
	insecure := flags.Bool("insecure", false, "trust any certificate")
	password := flags.Bool("password-stdin", false, "read the password from standard input")
	key := flags.Bool("api-key-stdin", false, "read the API key from standard input")
	token := flags.Bool("bearer-stdin", false, "read the token from standard input")
	replace := flags.Bool("replace", false, "replace the context of that name if there is one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := config.Load(p.file)
		if errors.Is(err, os.ErrNotExist) && p.file != "" {
			cfg, err = config.New(p.file), nil
		}
		if err != nil {
			return err
		}
		if len(p.hosts) == 0 {
			return cli.Usage("missing --host URL")
		}
		if !strings.Contains(strings.Join(p.hosts, " "), "${") { // a variable may be anything
			if _, err := es.New(es.Config{Hosts: p.hosts}); err != nil {
				return err
			}
		}
		options := [][2]any{{"hosts", p.hosts}}
		for _, f := range addFlags {
			if value := *values[f.option]; value != "" {
				options = append(options, [2]any{f.option, value})
			}
		}
		if p.zone != "" {
			options = append(options, [2]any{"zone", p.zone})
		}
		if len(*command) > 0 {
			options = append(options, [2]any{"token_command", *command})
		}
		if *insecure {
			options = append(options, [2]any{"insecure", true})
		}
		for _, secret := range []struct {
			given  bool
			option string
		}{{*password, "password"}, {*key, "api_key"}, {*token, "bearer"}} {
			if !secret.given {
				continue
			}
			value, err := readSecret(cmd, secret.option)
			if err != nil {
				return err
			}
			options = append(options, [2]any{secret.option, config.Literal(value)})
		}
		if err := cfg.AddContext(args[0], options, *replace); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "logtui: context %s is in %s; try it with `logtui context check %s`\n",
			cli.Printable(args[0]), cli.Printable(cfg.Path), cli.Printable(args[0]))
		return nil
	}
	return cmd
}

// maxSecret is the most bytes of a secret.
const maxSecret = 64 << 10

// readSecret reads a line of standard input, unseen if that is a terminal.
func readSecret(cmd *cobra.Command, what string) (string, error) {
	var line string
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", what)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("cannot read the %s: %w", what, err)
		}
		line = string(text)
	} else {
		text, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxSecret+1)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("cannot read the %s: %w", what, err)
		}
		if len(text) > maxSecret {
			return "", fmt.Errorf("cannot read the %s: it is longer than %d KiB", what, maxSecret>>10)
		}
		line = strings.TrimRight(text, "\r\n")
	}
	if strings.ContainsFunc(line, unicode.IsControl) {
		return "", fmt.Errorf("cannot read the %s: there are control characters in it", what)
	}
	if line == "" {
		return "", fmt.Errorf("cannot read the %s: standard input is empty", what)
	}
	return line, nil
}

func newContextRemoveCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Remove a context", Long: "Removes a context from the configuration. Files that it names stay.",
		Args: exactly("NAME"), ValidArgsFunction: p.named,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(p.file)
			if err != nil {
				return err
			}
			return cfg.RemoveContext(args[0])
		},
	}
}

func newContextCheckCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "check [NAME]", Short: "Try a context: who answers, and what can be read",
		Long: "Tries a context, by default the current one: whether its server answers, knows who asks, and has logs that can be read.",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: p.named,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.one(args)
			if err != nil {
				return err
			}
			return interrupted(p.check(cmd, c))
		},
	}
}

// check prints what is found out, line by line, until something fails.
func (p *program) check(cmd *cobra.Command, c *config.Context) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	say := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-8s %s\n", what, cli.Printable(fmt.Sprintf(format, args...)))
	}
	if c.Name != "" {
		say("context", "%s", c.Name)
	}
	say("hosts", "%s", strings.Join(c.Places(), " "))
	say("login", "%s", c.Login())
	if cfg, err := config.Load(p.file); err == nil && c.Name != "" {
		if info, err := os.Stat(cfg.Path); err == nil && runtime.GOOS != "windows" && c.HasSecret() && info.Mode().Perm()&0o077 != 0 {
			say("warning", "others may read the secrets in %s: chmod 600 it", cfg.Path)
		}
	}
	if c.Insecure {
		say("warning", "any certificate is trusted: whoever is in between can read all")
	}
	for _, host := range c.Hosts {
		if strings.HasPrefix(host, "http://") && c.Login() != "none" && !strings.Contains(host, "//localhost") && !strings.Contains(host, "//127.") && !strings.Contains(host, "//[::1]") {
			say("warning", "the login is sent unencrypted to %s: write https:// if the server can", c.Places()[slices.Index(c.Hosts, host)])
		}
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	s := source.Open(client.With(15*time.Second).Once(), source.Options{Index: c.Index, Fields: c.Names()})
	server, err := s.Probe(ctx)
	if err != nil {
		return advised(err)
	}
	say("server", "%s %s, cluster %s", server.Distribution, server.Version, server.Cluster)
	return p.checkLogs(ctx, c, s, say)
}

func (p *program) checkLogs(ctx context.Context, c *config.Context, s *source.Source, say func(string, string, ...any)) error {
	fields, err := s.Fields(ctx)
	if err != nil {
		return advised(err)
	}
	say("index", "%s, with %d fields", c.Index, len(fields.Names()))
	view := s.View(source.Query{})
	count, _, err := view.Count(ctx)
	if err != nil {
		return advised(err)
	}
	if count.N == 0 {
		say("logs", "none")
		return nil
	}
	newest, err := view.Newest(ctx)
	if err != nil {
		return advised(err)
	}
	say("logs", "%s lines, the newest of %s", number(count), c.Times().Of(newest).Format(timeLayout+" -07:00"))
	return nil
}
