package curator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/cluster"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/plan"
	"github.com/podbeat/podbeat/curator/retention"
	"github.com/podbeat/podbeat/curator/system"
)

// inElasticsearch is the --policy that is kept there.
const inElasticsearch = "elasticsearch"

// readPolicy reads the policy from where it is.
func (r *run) readPolicy(ctx context.Context, where string) (*retention.Policy, error) {
	if where != inElasticsearch {
		return retention.Read(where)
	}
	d, err := retention.Load(ctx, r.es)
	if err != nil {
		return nil, err
	}
	return d.Read()
}

// policy expires indices by a retention policy. earlier is a plan that was made before, or nil.
func (r *run) policy(ctx context.Context, where string, earlier *plan.Plan) error {
	p, err := r.readPolicy(ctx, where)
	if err != nil {
		return fmt.Errorf("nothing was run: %w", err)
	}
	if err := r.begin(ctx, p.Name, p.SHA256); err != nil {
		return fmt.Errorf("nothing was run: %w", err) // a cli.Exit among it has its own exit code
	}
	if earlier != nil {
		if err := earlier.Fits(r.made.Cluster, p.Name, p.SHA256, r.now()); err != nil {
			return fmt.Errorf("cannot apply the plan: %w", err)
		}
	}
	a := &action.Action{ID: "retention", Kind: "delete_indices", Description: "expire by " + p.Name, Options: &action.DeleteIndices{}}
	err = r.expire(ctx, p, a, earlier)
	switch {
	case err != nil && r.mayGoOn(ctx) != nil:
		return r.failed(ctx, a, err)
	case err != nil:
		r.log.Error(fmt.Sprintf("Retention failed: %v", err))
		return cli.Exit{Code: 1}
	case r.results.Held > 0:
		return cli.Exit{Code: 1}
	}
	return nil
}

// expire decides and does what a policy says.
func (r *run) expire(ctx context.Context, p *retention.Policy, a *action.Action, earlier *plan.Plan) error {
	c := r.cluster(a)
	items, d, err := r.decidePolicy(ctx, c, p)
	if err != nil {
		return err
	}
	pa := plan.Of(a, len(items))
	pa.Options = nil
	pa.Warnings = append(p.Warnings(), d.Warnings...)
	var meant []string
	for _, choice := range d.Delete {
		meant = append(meant, choice.Name)
	}
	for _, k := range d.Keep {
		pa.Left = append(pa.Left, plan.Left{Name: k.Name, Why: k.Why})
		if k.Rule != "" {
			meant = append(meant, k.Name)
		}
	}
	if earlier != nil {
		err = r.follow(a, &pa, earlier, items)
	} else {
		chosen, by := make([]filter.Item, 0, len(d.Delete)), map[string]retention.Choice{}
		for _, choice := range d.Delete {
			chosen = append(chosen, choice.Item)
			by[choice.Name] = choice
		}
		pa.ChooseBy(chosen, func(n string) string { return by[n].Rule }, func(n string) string { return by[n].Why }, r.now())
	}
	if err == nil {
		for _, warning := range pa.Warnings {
			r.log.Warn(warning)
		}
		err = r.guard(ctx, c, &pa, items, meant, []plan.Dater{p.DateIn})
	}
	if err == nil {
		chosen, _ := pa.Items()
		switch {
		case len(pa.Held) > 0 && len(chosen) == 0:
		case len(chosen) == 0:
			r.log.Info(fmt.Sprintf("Nothing to expire among %d indices.", len(items)))
		default:
			err = r.carryOut(ctx, c, a, &pa, cluster.Selection{Items: chosen}, r.log)
		}
	}
	r.made.Add(pa)
	return err
}

// decidePolicy asks what there is and has the policy decide, learning what it asks for.
func (r *run) decidePolicy(ctx context.Context, c *cluster.Cluster, p *retention.Policy) ([]filter.Item, retention.Decision, error) {
	items, err := c.Indices(ctx, "", false)
	if err != nil {
		return nil, retention.Decision{}, err
	}
	var disks []retention.Disk
	if p.ReadsDisks() {
		if disks, err = retention.Disks(ctx, r.es); err != nil {
			return nil, retention.Decision{}, err
		}
	}
	for range 4 { // it asks for two facts at most, each once
		d := p.Decide(items, disks, r.now())
		if len(d.Missing) == 0 {
			return items, d, nil
		}
		if err := c.Learn(ctx, items, d.Missing); err != nil {
			return nil, d, err
		}
	}
	return nil, retention.Decision{}, errors.New("the policy asks again for what it was told: please report this")
}

func newExplainCommand(c *choices) *cobra.Command {
	return &cobra.Command{
		Use:   "explain --policy FILE|elasticsearch INDEX...",
		Short: "Say which rule of a policy holds for an index, and when the index will go",
		Long: `Explain says how a policy reads the name of an index, which of its rules holds for it, and when the index will be
deleted or why it will not. An index that is not there is explained by its name.`,
		Example: `  curator explain --policy retention.yml logstash-podbeat-node1-2026.11.21
  curator explain --policy elasticsearch --hosts http://es:9200 logs-payments-api-2026.11.21`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage("missing INDEX: the name of an index")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.policy == "" {
				return cli.Usage("missing --policy: a file, or elasticsearch")
			}
			s, err := c.open(cmd, true)
			if err != nil {
				return err
			}
			defer s.close()
			r := c.run(cmd, s, draft)
			p, err := r.readPolicy(cmd.Context(), c.policy)
			if err != nil {
				return err
			}
			_, d, err := r.decidePolicy(cmd.Context(), &cluster.Cluster{ES: r.es, Log: r.log}, p)
			if err != nil {
				s.log.Warn(fmt.Sprintf("Explained by the names alone, as the cluster says nothing: %v", err))
				d = p.Decide(nil, nil, r.now())
			}
			asked := err == nil
			for i, index := range args {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if _, err := io.WriteString(cmd.OutOrStdout(), explain(p, index, d, r.now(), asked)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// explain is what a policy means for an index; asked says whether the cluster was asked for it.
func explain(p *retention.Policy, index string, d retention.Decision, now time.Time, asked bool) string {
	e := p.Explain(index, d, now)
	e.Asked = asked
	return e.String()
}

func newPolicyCommand(c *choices) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Store a retention policy in Elasticsearch, show it, or check a file",
		Long: `Policy keeps a retention policy in the index ` + system.Index + ` of the cluster it is for, where each run of
"curator --policy elasticsearch" and "curator serve --policy elasticsearch" reads it anew.`,
		Example: `  curator policy check retention.yml
  curator policy put --hosts http://es:9200 retention.yml
  curator policy show --hosts http://es:9200`,
	}
	return cli.Group(cmd, &cobra.Command{
		Use: "put FILE", Short: "Check the policy in FILE and store it",
		Example: "  curator policy put --hosts http://es:9200 retention.yml", Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return c.putPolicy(cmd, args[0]) },
	}, &cobra.Command{
		Use: "show", Short: "Print the policy that is stored, who stored it and when",
		Example: "  curator policy show --hosts http://es:9200", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.showPolicy(cmd) },
	}, &cobra.Command{
		Use: "check FILE", Short: "Say what is wrong with the policy in FILE",
		Example: "  curator policy check retention.yml", Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := retention.Read(args[0])
			if err != nil {
				return err
			}
			for _, warning := range p.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", cli.Printable(warning))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return nil
		},
	})
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage("got %d arguments, want one FILE", len(args))
	}
	return nil
}

func (c *choices) putPolicy(cmd *cobra.Command, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read policy: %w", err)
	}
	policy, err := retention.YAMLToJSON(text, path)
	if err != nil {
		return err
	}
	if c.dryRun {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "it can be stored in %s/_doc/%s\n", system.Index, retention.DocumentID)
		return err
	}
	s, err := c.open(cmd, true)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := retention.Load(cmd.Context(), s.es)
	if errors.Is(err, retention.ErrNoPolicy) {
		d, err = &retention.Document{}, nil
	}
	if err != nil {
		return err
	}
	d.Policy, d.UpdatedBy = policy, whoami()
	if err := retention.Store(cmd.Context(), s.es, d, c.clock.Now()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "stored in %s/_doc/%s\n", system.Index, retention.DocumentID)
	if d.Rotate != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: what the configuration API says of rotation is kept and holds over it")
	}
	return nil
}

func (c *choices) showPolicy(cmd *cobra.Command) error {
	s, err := c.open(cmd, true)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := retention.Load(cmd.Context(), s.es)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
	return err
}

// whoami is who runs the program, for audits.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return strings.ToValidUTF8(name, "?")
}
