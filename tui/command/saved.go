package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/scope"
)

func newSavedCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "saved",
		Short: "List and change saved queries",
		Long: `Saved queries are in the configuration: a query with its filters, time range and columns under a name. --saved NAME opens one.
Without a command they are listed.`,
		Example: `  logtui saved add shop-errors --query 'log.level: error' --namespace shop --last 1h
  logtui --saved shop-errors
  logtui query --saved shop-errors --last 1d -o count`,
	}
	list := newSavedListCommand(p)
	cmd.AddCommand(list, newSavedAddCommand(p), newSavedRemoveCommand(p))
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return cli.UnknownCommand(cmd, args[0])
		}
		list.SetOut(cmd.OutOrStdout())
		return list.RunE(list, nil)
	}
	return cmd
}

func newSavedListCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the saved queries", Long: "Lists the saved queries, with the command that opens each.",
		Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
	}
	output := form(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(p.file)
		if err != nil {
			return err
		}
		type entry struct {
			Name    string      `json:"name"`
			Scope   scope.Scope `json:"scope"`
			Command string      `json:"command"`
		}
		entries, lines := []entry{}, [][]string{}
		for _, q := range cfg.Saved() {
			e := entry{q.Name, q.Scope, scope.Command("logtui", q.Scope.Args(""))}
			entries = append(entries, e)
			lines = append(lines, []string{e.Name, e.Command})
		}
		return show(cmd, *output, entries, lines, -1, -1)
	}
	return cmd
}

func newSavedAddCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME [flags]",
		Short: "Save a query",
		Long:  "Saves what the flags say under a name, in place of what is saved under it.",
		Args:  exactly("NAME"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	search := newSearchFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, c, err := p.open()
		if err != nil {
			return err
		}
		s, given, err := search.settle(cmd, p, cfg, c)
		if err != nil {
			return err
		}
		if !given {
			return cli.Usage("what is to be saved? Give --query, --chip, --range or other flags")
		}
		if err := cfg.Save(args[0], s); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "logtui: saved; open it with %s\n", cli.Printable(scope.Command("logtui", []string{"--saved", args[0]})))
		return nil
	}
	return cmd
}

func newSavedRemoveCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Remove a saved query", Long: "Removes a saved query from the configuration.",
		Args: exactly("NAME"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, prefix string) (names []string, _ cobra.ShellCompDirective) {
			cfg, err := config.Load(p.file)
			if err == nil && len(args) == 0 {
				for _, q := range cfg.Saved() {
					if strings.HasPrefix(q.Name, prefix) {
						names = append(names, q.Name)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := config.Load(p.file)
			if err != nil {
				return err
			}
			return cfg.Unsave(args[0])
		},
	}
}
