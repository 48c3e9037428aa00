package logapi

// What the commands that tend users, keys and the store have in common.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/token"
)

// newProgress shows how long work gets on, on standard error.
func newProgress(cmd *cobra.Command) *cli.Progress {
	p := cli.NewProgress(cmd.ErrOrStderr())
	p.Lines(func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
	return p
}

// exactly asks for the arguments that are named; a last name with … may be given several times.
func exactly(names ...string) cobra.PositionalArgs {
	many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names), many && len(args) > len(names):
			return nil
		case len(args) < len(names):
			return cli.Usage("missing %s", strings.Join(names[len(args):], " "))
		case len(names) == 0:
			return cli.Usage("got %q, want no arguments", args[0])
		}
		return cli.Usage("got %d arguments, want %s", len(args), strings.Join(names, " "))
	}
}

// makeFolder makes the folder of a file that holds secrets.
func makeFolder(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the folder of %q: %w", path, err)
	}
	return nil
}

// formFlag adds --output to a command that prints text or JSON.
func formFlag(cmd *cobra.Command, form *string) {
	cmd.Flags().StringVarP(form, "output", "o", "text", "`form` of what is printed: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkForm(form string) error {
	if form != "text" && form != "json" {
		return cli.Usage("unknown --output %q: want text or json", form)
	}
	return nil
}

const grantHelp = `METHODS are in upper case, several with commas; * is any. A URL is a path; one after {mscp_api_url}, which stands for the
prefix of the API; or an absolute one. A segment is itself, * or {name} for any one, {name:UUID} for a UUID; ** at the end is
one or more. --indices, --namespaces and --apps narrow a search to lists of names, in which * is any characters.`

// A grant is what flags say of an entry of access.
type grant struct {
	methods, urls []string
	other         map[string]any
}

// grants are those of a command line. It is the value of --grant; the flags that narrow are about the grant before them.
type grants struct {
	list []grant
}

// flags adds the flags to cmd: with --grant, or for a command that has one grant.
func (g *grants) flags(cmd *cobra.Command, many bool) {
	after := ""
	if many {
		cmd.Flags().Var(g, "grant", "`'METHODS URL...'` that tokens may be asked for; may be repeated")
		after = ", of the --grant before"
	}
	for _, f := range []narrowingFlag{
		{g, "indices", true, "names of indices that searches are narrowed to"},
		{g, "namespaces", true, "Kubernetes namespaces that searches are narrowed to"},
		{g, "apps", true, "apps that searches are narrowed to"},
		{g, "namespace", false, "the namespace that pushed logs are from"},
		{g, "region", false, "the region that pushed logs are from"},
		{g, "zone", false, "the zone that pushed logs are from"},
	} {
		cmd.Flags().Var(&f, f.name, f.use+after)
		_ = cmd.RegisterFlagCompletionFunc(f.name, cobra.NoFileCompletions)
	}
}

func (g *grants) String() string { return "" }

func (g *grants) Type() string { return "grant" }

// Set reads 'METHODS URL...'.
func (g *grants) Set(s string) error {
	words := strings.Fields(s)
	if len(words) < 2 {
		return errors.New("want methods and a URL, such as 'GET,POST {mscp_api_url}/*/es/**'")
	}
	a := token.Access{Method: strings.Split(words[0], ","), URL: words[1:]}
	if err := access.CheckGrant(a); err != nil {
		return err
	}
	g.list = append(g.list, grant{methods: a.Method, urls: a.URL})
	return nil
}

// access are the grants as the file has them.
func (g *grants) access() ([]token.Access, error) {
	var list []token.Access
	for _, one := range g.list {
		a := token.Access{Method: one.methods, URL: one.urls}
		if one.other != nil {
			a.Other, _ = json.Marshal(one.other) // of texts and lists
		}
		if err := access.CheckGrant(a); err != nil {
			return nil, cli.Usage("cannot grant: %w", err)
		}
		list = append(list, a)
	}
	return list, nil
}

// A narrowingFlag is a member of a grant's `other`.
type narrowingFlag struct {
	of   *grants
	name string
	list bool
	use  string
}

func (f *narrowingFlag) String() string { return "" }

func (f *narrowingFlag) Type() string {
	if f.list {
		return "names"
	}
	return "name"
}

func (f *narrowingFlag) Set(s string) error {
	if len(f.of.list) == 0 {
		return errors.New("it narrows the --grant before it, and there is none")
	}
	g := &f.of.list[len(f.of.list)-1]
	if g.other == nil {
		g.other = map[string]any{}
	}
	old := g.other[f.name]
	switch {
	case !f.list && old != nil:
		return errors.New("it is there twice")
	case !f.list:
		g.other[f.name] = s
	default:
		names, _ := old.([]string)
		g.other[f.name] = append(names, strings.Split(s, ",")...)
	}
	return nil
}
