package curator

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/curator/serve"
)

func newServeCommand(c *choices) *cobra.Command {
	var schedule, listen string
	var jitter time.Duration
	cmd := &cobra.Command{
		Use:   "serve [flags] ACTION_FILE | --policy FILE|elasticsearch",
		Short: "Run by a schedule, one of several at a time",
		Long: `Serve runs the action file or the policy by a schedule, in UTC, and reads it anew each time. A lease in Elasticsearch
sees to it that of several with the same schedule one works. A run that was missed is made up for once. SIGTERM finishes the
index in hand. An empty list is no failure here, unless --strict-curator is given.

/metrics is for Prometheus; /healthz is 200 as long as the schedule is kept.`,
		Example: `  curator serve --config curator.yml --at 02:30 actions.yml
  curator serve --policy elasticsearch --at '15 */6 * * *' --listen :9108 --audit /var/log/curator/audit.ndjson`,
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&schedule, "at", "02:30", "a time of the day, or five fields of cron, in UTC")
	flags.DurationVar(&jitter, "jitter", time.Minute, "begin later by a random time up to this")
	flags.StringVar(&listen, "listen", "127.0.0.1:9108", "address of /metrics and /healthz; empty for none")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.output = "text"
		if err := c.check(cmd, args); err != nil {
			return err
		}
		if c.dryRun {
			return cli.Usage("serve changes things: use --dry-run without it")
		}
		if _, err := serve.ParseSchedule(schedule); err != nil {
			return cli.Usage("%w", err)
		}
		s, err := c.open(cmd, c.audit == "-")
		if err != nil {
			return err
		}
		defer s.close()
		if err := c.readable(args); err != nil {
			return err
		}
		return serve.Run(cmd.Context(), serve.Options{Schedule: schedule, Jitter: jitter, Listen: listen, ES: s.es, Log: s.log, Clock: c.clock,
			Job: func(ctx context.Context) (serve.Summary, error) { return c.scheduled(ctx, cmd, s, args) }})
	}
	return cmd
}

// readable says at once what is wrong with a file that would otherwise show in the night.
func (c *choices) readable(args []string) (err error) {
	switch {
	case c.policy == "":
		_, err = action.Read(args[0], action.Options{Strict: c.strict, Env: os.LookupEnv})
	case c.policy != inElasticsearch:
		_, err = retention.Read(c.policy)
	}
	return err
}

// scheduled is one run of the schedule.
func (c *choices) scheduled(ctx context.Context, cmd *cobra.Command, s *session, args []string) (serve.Summary, error) {
	r := c.run(cmd, s, apply)
	r.daily = true
	stop, err := c.openAudit(r, cmd.OutOrStdout())
	if err != nil {
		return serve.Summary{}, err
	}
	err = errors.Join(c.work(ctx, r, args, nil), stop())
	sum, err := r.outcome(err)
	if stopping := serve.Continue(ctx); stopping != nil {
		return sum, stopping
	}
	return sum, err
}

// outcome sums up a run for those who were not there; err is what it has returned.
func (r *run) outcome(err error) (serve.Summary, error) {
	sum := serve.Summary{Planned: r.made.Total.Count, PlannedBytes: r.made.Total.Bytes, Deleted: r.results.Done,
		DeletedBytes: r.results.Bytes, Failed: r.results.Failed, Held: r.results.Held}
	var f cli.Exit
	switch {
	case errors.As(err, &f) && r.results.Failed == 0 && r.results.Held > 0:
		return sum, nil // what guards held back is in the summary
	case errors.As(err, &f):
		return sum, errors.New("see the messages before")
	}
	return sum, err
}
