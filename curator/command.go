// Package curator is the program that expires indices: it runs the action files of Elastic Curator, and
// retention policies of its own, against Elasticsearch.
//
//	action file ─► action ─┐
//	                       ├─► plan ─► guards ─► cluster: done, logged, audited
//	policy ─► retention ───┘     ▲
//	                             └── filter: a pure function of the list of indices and the clock
//
// The exit code is 0 when all was done, 1 when something failed or a guard held something back, and 2 when
// the command line is wrong.
package curator

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/plan"
	"github.com/podbeat/podbeat/curator/serve"
)

// Main runs the program with its arguments and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	return cli.Run(newCommand(serve.System{}), args, os.Stdin, stdout, stderr)
}

// choices are the flags of a run.
type choices struct {
	clock                     serve.Clock
	client                    clientFlags
	dryRun, plan, all, strict bool
	output, planFile          string
	policy                    string
	audit                     string
	guards                    plan.Guards
	noGuards                  bool
}

// newCommand makes the command with all below it. The clock is the one that ages and schedules go by.
func newCommand(clock serve.Clock) *cobra.Command {
	c := choices{clock: clock}
	cmd := &cobra.Command{
		Use:   "curator [flags] ACTION_FILE | --policy FILE|elasticsearch",
		Short: "Expire and tend Elasticsearch's indices by action files or a retention policy",
		Long: `Curator runs the action files of Elastic Curator 5 and 8 unchanged, or a retention policy of its own, once.

Before it deletes anything, guards look at the plan: never the newest index of a series, none dated in the future, not more
than half of what matches, not on a red cluster, not with clocks that differ. What they hold back is said, and the exit code is 1.

The exit code is 0 when all was done, 1 when something failed or was held back, 2 when the command line is wrong.`,
		Example: `  curator --config curator.yml --dry-run actions.yml        what would be done, line by line, and why
  curator --config curator.yml actions.yml
  curator --plan --plan-file plan.json actions.yml          make a plan, to be looked at …
  curator --plan-file plan.json actions.yml                 … and done as it is, or not at all
  curator --hosts http://localhost:9200 --policy retention.yml
  curator explain --policy retention.yml logstash-podbeat-node1-2026.11.21
  curator serve --policy elasticsearch --at 02:30`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.FixedCompletions([]string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	c.client = newClientFlags(cmd)
	c.runFlags(cmd)
	c.planFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.check(cmd, args); err != nil {
			return err
		}
		return c.once(cmd, args)
	}
	cmd.AddCommand(newExplainCommand(&c), newPolicyCommand(&c), newServeCommand(&c), newCLICommand(c.start))
	cmd.SetGlobalNormalizationFunc(func(fs *pflag.FlagSet, name string) pflag.NormalizedName { return eitherSpelling(fs, name) })
	return cmd
}

// runFlags are those of every run, once or by a schedule.
func (c *choices) runFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	byEnv, err := dryRunByEnv(os.LookupEnv)
	flags.BoolVar(&c.dryRun, "dry-run", byEnv, "change nothing: log what would be done and print the plan")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return err }
	flags.StringVar(&c.policy, "policy", "", "a retention policy in place of an action file: its `FILE`, or the word elasticsearch for the one kept there")
	flags.BoolVar(&c.strict, "strict-curator", false, "read action files exactly as Elastic Curator does, with its known bugs and without guards")
	flags.StringVar(&c.audit, "audit", "", "append a JSON line for each index acted on to this `FILE`; - is standard output")
	all := plan.All()
	flags.BoolVar(&c.guards.Newest, "guard-newest", all.Newest, "never delete the newest index of a series")
	flags.BoolVar(&c.guards.Future, "guard-future", all.Future, "never delete an index that is dated more than a day in the future")
	flags.Float64Var(&c.guards.MaxDeleteRatio, "max-delete-ratio", all.MaxDeleteRatio, "delete nothing if it were more than this `share` of what matches, or of all documents; 1: any")
	flags.BoolVar(&c.guards.Health, "guard-health", all.Health, "delete nothing while the cluster is red")
	flags.BoolVar(&c.guards.Clock, "guard-clock", all.Clock, "delete nothing while this clock and the cluster's differ by more than a minute")
	flags.BoolVar(&c.noGuards, "no-guards", false, "switch all guards off")
}

// dryRunByEnv is whether Curator's variable asks for a dry run.
func dryRunByEnv(env func(string) (string, bool)) (bool, error) {
	const name = "ESCLIENT_DRY_RUN"
	text, _ := env(name)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "true", "t", "yes", "y", "on":
		return true, nil
	case "", "0", "false", "f", "no", "n", "off":
		return false, nil
	}
	return true, cli.Usage("cannot read %s=%q: want true or false", name, text)
}

// planFlags are those of a single run.
func (c *choices) planFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.plan, "plan", false, "change nothing: only print the plan")
	flags.StringVar(&c.planFile, "plan-file", "", "with --plan, keep the plan in this `FILE`; without, do what the plan in it says, or nothing")
	flags.StringVarP(&c.output, "output", "o", "text", "form of the plan: text or json")
	flags.BoolVar(&c.all, "all", false, "list in the plan also what is left alone, and why")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// check says what in the flags does not go together, and completes the guards.
func (c *choices) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return cli.Usage("got %d action files, want one: %s", len(args), strings.Join(args, " "))
	case len(args) == 0 && c.policy == "" && c.planFile != "":
		return cli.Usage("missing ACTION_FILE, or --policy: what the plan was made from, again")
	case len(args) == 0 && c.policy == "":
		return cli.Usage("missing ACTION_FILE, or --policy")
	case len(args) == 1 && c.policy != "":
		return cli.Usage("give either an action file or --policy, not both")
	case c.output != "" && c.output != "text" && c.output != "json":
		return cli.Usage("unknown --output %q: want text or json", c.output)
	case c.output == "json" && !c.plan && !c.dryRun:
		return cli.Usage("--output json is a form of plans: give it with --plan or --dry-run")
	case c.dryRun && c.plan:
		return cli.Usage("--dry-run and --plan are two forms of one thing: give one")
	case c.dryRun && c.planFile != "":
		return cli.Usage("--plan-file is made with --plan, and done without --dry-run")
	case !(c.guards.MaxDeleteRatio >= 0 && c.guards.MaxDeleteRatio <= 1):
		return cli.Usage("--max-delete-ratio is %v: want a share from 0 to 1", c.guards.MaxDeleteRatio)
	}
	if len(args) == 1 {
		switch info, err := os.Stat(args[0]); {
		case errors.Is(err, os.ErrNotExist):
			return cli.Usage("cannot read action file %q: there is no such file%s", args[0], cli.NearCommand(cmd, args[0]))
		case err != nil:
			return cli.Usage("cannot read action file: %w", err)
		case info.IsDir():
			return cli.Usage("cannot read action file %q: it is a directory", args[0])
		}
	}
	return nil
}

// settle switches off the guards that --no-guards and --strict-curator do, but for those that were asked for.
func (c *choices) settle(cmd *cobra.Command) plan.Guards {
	g, none := c.guards, plan.None()
	if !c.noGuards && !c.strict {
		return g
	}
	given := cmd.Flags().Changed
	if !given("guard-newest") {
		g.Newest = none.Newest
	}
	if !given("guard-future") {
		g.Future = none.Future
	}
	if !given("max-delete-ratio") {
		g.MaxDeleteRatio = none.MaxDeleteRatio
	}
	if !given("guard-health") {
		g.Health = none.Health
	}
	if !given("guard-clock") {
		g.Clock = none.Clock
	}
	return g
}
