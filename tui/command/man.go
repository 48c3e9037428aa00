package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podbeat/podbeat/tui/keys"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page",
		Long:  "Prints the manual page of logtui and all of its commands, for man(1).",
		Example: `  logtui man | man -l -
  logtui man > /usr/local/share/man/man1/logtui.1`,
		Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manual(cmd.Root()))
			return interrupted(err)
		},
	}
}

// A page is a manual page in the macros of man(7).
type page struct{ strings.Builder }

// roff writes text so that nothing of it is a request or an escape.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	var b strings.Builder
	for _, r := range strings.Join(lines, "\n") {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) section(title string) { p.line(".SH %s", roff(title)) }

// text writes paragraphs; those that are indented stay as they are.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		if strings.HasPrefix(paragraph, " ") {
			p.verbatim(paragraph)
			continue
		}
		p.line("%s", roff(paragraph))
	}
}

// verbatim writes lines as they are.
func (p *page) verbatim(s string) {
	p.line(".nf\n.RS 4\n%s\n.RE\n.fi", roff(unindent(s)))
}

func unindent(s string) string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		out = append(out, strings.TrimPrefix(line, "  "))
	}
	return strings.Join(out, "\n")
}

// item is a term with what it means.
func (p *page) item(term, text string) { p.line(".TP\n\\fB%s\\fR\n%s", roff(term), roff(text)) }

func (p *page) flags(set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, use := pflag.UnquoteUsage(f)
		name := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
		}
		if kind != "" {
			name += ` \fI` + roff(kind) + `\fR`
		}
		switch f.DefValue {
		case "", "false", "0", "0s", "[]", "all":
		default:
			use += " (default " + f.DefValue + ")"
		}
		p.line(".TP\n%s\n%s", name, roff(use))
	})
}

// command describes a command with those below it.
func (p *page) command(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if !sub.HasSubCommands() || sub.Name() == "saved" {
			p.line(".SS %s", roff(sub.UseLine()))
			p.text(sub.Long)
			p.flags(own(sub))
			if sub.Flags().Lookup("saved") != nil {
				p.line(".PP\nThe flags of searches above are its flags, too.")
			}
			if sub.Example != "" && !sub.HasSubCommands() {
				p.line(".PP")
				p.verbatim(sub.Example)
			}
		}
		p.command(sub)
	}
}

// own are the flags of a command that are not those of all searches.
func own(cmd *cobra.Command) *pflag.FlagSet {
	set := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	searching := cmd.Flags().Lookup("saved") != nil
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !searching || cmd.Root().Flags().Lookup(f.Name) == nil || f.Name == "tail" {
			set.AddFlag(f)
		}
	})
	return set
}

// manual is the page of a program with all of its commands.
func manual(root *cobra.Command) string {
	p := &page{}
	p.line(`.TH LOGTUI 1 "" "podbeat" "User Commands"`)
	p.line(".nh\n.ad l")
	p.section("NAME")
	p.line(`logtui \- %s`, roff(strings.ToLower(root.Short[:1])+root.Short[1:]))
	p.section("SYNOPSIS")
	p.line(`.B logtui`)
	p.line(`[\fIflags\fR]`)
	p.line(".br\n.B logtui")
	p.line(`\fIcommand\fR [\fIflags\fR] [\fIarguments\fR]`)
	p.section("DESCRIPTION")
	p.text(root.Long)
	p.section("OPTIONS")
	p.line("Of all commands:")
	p.flags(root.PersistentFlags())
	p.line(".PP\nOf the screen, and all but \\-\\-tail and \\-\\-theme of the commands that search:")
	p.flags(root.LocalNonPersistentFlags())
	p.section("COMMANDS")
	p.command(root)
	p.line(".SS %s", roff("logtui completion bash|zsh|fish|powershell"))
	p.line("Prints what has the shell complete commands, flags and their values. %s", roff("logtui completion bash --help says how to load it."))
	p.keys()
	p.section("FILES")
	p.item("~/.config/logtui/config.yml", "The configuration: contexts, saved queries, keys, theme. On Windows it is in %AppData%.")
	p.item("~/.local/state/logtui", "Queries that were typed, and what was looked at last.")
	p.section("ENVIRONMENT")
	p.item("LOGTUI_CONFIG", "The configuration, if --config does not name it.")
	p.item("LOGTUI_CONTEXT", "The context, if --context does not name it.")
	p.item("LOGTUI_HOSTS", "URLs to ask in place of the current context's, separated by commas. LOGTUI_INDEX, LOGTUI_USER and LOGTUI_PASSWORD, LOGTUI_API_KEY, LOGTUI_BEARER, LOGTUI_CA_FILE and LOGTUI_FINGERPRINT go with it, and with --host.")
	p.item("NO_COLOR", "No colours, whatever its value.")
	p.item("VISUAL, EDITOR, PAGER", "Programs in which the screen opens lines.")
	p.item("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "Directories in place of ~/.config, ~/.local/state and ~/.cache.")
	p.section("EXIT STATUS")
	p.item("0", "All was done, also if nothing was found.")
	p.item("1", "Something failed; standard error says what.")
	p.item("2", "The command line is wrong.")
	p.item("130", "It was interrupted; a file that was being written is not there.")
	p.section("EXAMPLES")
	p.verbatim(root.Example)
	return p.String()
}

// keys lists the bindings that there are without a configuration.
func (p *page) keys() {
	bound, err := keys.New(nil)
	if err != nil {
		panic(err) // they clash with each other
	}
	p.section("KEYS")
	p.line("The configuration may have others: %s lists those in use.", roff("`logtui keys`"))
	place := ""
	for _, b := range bound.Bindings() {
		if b.Place.String() != place {
			place = b.Place.String()
			p.line(".SS %s", roff(place))
		}
		shown := make([]string, len(b.Keys))
		for i, key := range b.Keys {
			shown[i] = keys.Shown(key)
		}
		p.item(strings.Join(shown, " "), b.Help)
	}
}
