package curator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/plan"
	"github.com/podbeat/podbeat/curator/serve"
	"github.com/podbeat/podbeat/es"
)

// A session is what a command talks with: the cluster, the log, the terminal.
type session struct {
	es         *es.Client
	log        *slog.Logger
	progress   *cli.Progress
	end        func() error // closes the log
	anyVersion bool         // of the client file: say nothing of a version that was not tried
	master     bool         // of the client file: go on only if the node is the elected master
}

// open makes the session of a command by its configuration file and flags. With quiet, standard output is
// kept for what the command prints, and the log goes to standard error.
func (c *choices) open(cmd *cobra.Command, quiet bool) (*session, error) {
	cfg, err := action.ReadClient(c.client.config(), c.client.env(os.LookupEnv))
	if err != nil {
		return nil, err
	}
	s := &session{progress: cli.NewProgress(cmd.ErrOrStderr()), master: cfg.MasterOnly, anyVersion: cfg.SkipVersionTest}
	stdout, stderr := s.progress.Above(cmd.OutOrStdout()), s.progress.Above(cmd.ErrOrStderr())
	if quiet {
		stdout = stderr
	}
	if s.log, s.end, err = newLogger(cfg.Logging, stdout, stderr); err != nil {
		return nil, err
	}
	if cfg.Logging.File == "" { // else SIGHUP has the file opened anew
		stopOnHangup()
	}
	s.progress.Lines(func(line string) { s.log.Info(line) })
	for _, warning := range cfg.Warnings {
		s.log.Warn(warning)
	}
	cfg.Config.UserAgent = "curator/" + cli.Version()
	if s.es, err = es.New(cfg.Config); err != nil {
		_ = s.end()
		return nil, err
	}
	return s, nil
}

// stopOnHangup makes the end of a terminal's session a stop like any other.
func stopOnHangup() {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() { // ends with the program
		<-hangup
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Signal(syscall.SIGTERM)
		}
	}()
}

func (s *session) close() {
	s.progress.End()
	_ = s.end()
}

// run makes a run of this session.
func (c *choices) run(cmd *cobra.Command, s *session, m mode) *run {
	return &run{es: s.es, log: s.log, now: c.clock.Now, mode: m, guards: c.settle(cmd), strict: c.strict, master: s.master, anyVersion: s.anyVersion, working: s.progress}
}

// openAudit has the run write each thing it did to the audit log, and returns what closes that.
func (c *choices) openAudit(r *run, stdout io.Writer) (stop func() error, err error) {
	if c.audit == "" || r.mode != apply {
		return func() error { return nil }, nil
	}
	log, err := serve.OpenAudit(c.audit, stdout)
	if err != nil {
		return nil, err
	}
	r.audit = log
	return log.Close, nil
}

// start makes the run of a single action that flags describe.
func (c *choices) start(cmd *cobra.Command) (*run, func() error, error) {
	m := apply
	if c.dryRun {
		m = dryRun
	}
	s, err := c.open(cmd, false)
	if err != nil {
		return nil, nil, err
	}
	r := c.run(cmd, s, m)
	stop, err := c.openAudit(r, cmd.OutOrStdout())
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return r, func() error { defer s.close(); return stop() }, nil
}

// once reads what is to be done and does it, or prints the plan of it.
func (c *choices) once(cmd *cobra.Command, args []string) error {
	m := apply
	switch {
	case c.dryRun:
		m = dryRun
	case c.plan:
		m = draft
	}
	s, err := c.open(cmd, c.plan || c.dryRun && c.output == "json" || c.audit == "-")
	if err != nil {
		return err
	}
	defer s.close()
	r := c.run(cmd, s, m)
	var earlier *plan.Plan
	if c.planFile != "" && m == apply {
		if earlier, err = plan.Read(c.planFile); err != nil {
			return err
		}
	}
	stop, err := c.openAudit(r, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	begun, began := c.clock.Now(), time.Now()
	err = c.work(cmd.Context(), r, args, earlier)
	if m == apply && c.policy == inElasticsearch {
		// The status of the whole system tells of the last run, whoever began it.
		sum, failed := r.outcome(err)
		if e := serve.Record(context.WithoutCancel(cmd.Context()), s.es.Once(), "", begun, time.Since(began), sum, failed); e != nil {
			s.log.Warn(e.Error())
		}
	}
	if e := stop(); err == nil {
		err = e
	}
	if m == apply || r.made.Version == 0 {
		return err
	}
	s.progress.End()
	if e := c.show(cmd, r); e != nil {
		return e
	}
	return err
}

// work runs the action file or the policy, read anew.
func (c *choices) work(ctx context.Context, r *run, args []string, earlier *plan.Plan) error {
	if c.policy != "" {
		return r.policy(ctx, c.policy, earlier)
	}
	f, err := action.Read(args[0], action.Options{Strict: c.strict, Env: os.LookupEnv})
	if err != nil {
		return fmt.Errorf("%w\nnothing was run", err)
	}
	return r.file(ctx, f, earlier)
}

// show prints the plan that was made, and keeps it.
func (c *choices) show(cmd *cobra.Command, r *run) error {
	if c.planFile != "" {
		if err := r.made.Write(c.planFile); err != nil {
			return err
		}
	}
	switch {
	case c.output == "json":
		text, err := r.made.JSON()
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), printableJSON(string(text)))
		return err
	case c.strict && r.mode == dryRun:
		return nil // Curator prints its lines and no more
	}
	return r.made.Text(cmd.OutOrStdout(), c.all)
}
