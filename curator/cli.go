package curator

// curator cli COMMAND: one action whose options are flags, as curator_cli has them. The flags are made
// into an action file of one action, so that options and filters are checked and done in one way only.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/cluster"
)

// A singleton is a command of curator cli.
type singleton struct {
	name, kind string // of the command, and of its action
	short      string
	example    string // its flags, with FILTER for a filter
	flags      []flag
}

// Flags that several commands have. At says where in the action a flag's value belongs.
var (
	patternFlag = flag{name: "search_pattern", kind: textFlag, def: "*", use: "look at these indices only, as Elasticsearch writes targets"}
	emptyFlag   = flag{name: "ignore_empty_list", kind: yesFlag, use: "succeed if the filters leave nothing to act on"}
	ilmFlag     = flag{name: "allow_ilm_indices", kind: eitherFlag, def: "false", use: "act on indices that Index Lifecycle Management looks after, too"}
	hiddenFlag  = flag{name: "include_hidden", kind: eitherFlag, def: "false", use: "act on hidden indices too"}
	filterFlag  = flag{name: "filter_list", kind: filtersFlag, at: "filters", must: true, use: "the filters that choose, as JSON: one or an array of them"}
	extraFlag   = flag{name: "extra_settings", kind: jsonFlag, use: "settings to send along, as JSON"}

	intervalFlag = flag{name: "wait_interval", kind: numberFlag, def: "9", use: "seconds between two looks whether it is done"}
	longestFlag  = flag{name: "max_wait", kind: numberFlag, def: "-1", use: "seconds to wait at most; -1 is for ever"}

	repositoryFlag = flag{name: "repository", kind: textFlag, must: true, use: "the repository of the snapshots"}
)

// onIndices are the flags of an action on the indices that filters choose, own ones first.
func onIndices(own ...flag) []flag {
	return append(own, patternFlag, filterFlag, emptyFlag, ilmFlag, hiddenFlag)
}

// onSnapshots are those of an action on snapshots.
func onSnapshots(own ...flag) []flag {
	return append(append([]flag{repositoryFlag}, own...), filterFlag, emptyFlag, ilmFlag, hiddenFlag)
}

// waitFlag is the flag that has an action wait until what.
func waitFlag(def, what string) flag {
	return flag{name: "wait_for_completion", kind: eitherFlag, def: def, use: "wait until " + what}
}

var singletons = []singleton{
	{"alias", "alias", "Add indices to an alias and remove others from it", "--name current --add FILTER", []flag{
		{name: "name", kind: textFlag, must: true, use: "the alias"},
		{name: "add", kind: filtersFlag, at: "add.filters", use: "filters that choose the indices to add, as JSON"},
		{name: "remove", kind: filtersFlag, at: "remove.filters", use: "filters that choose the indices to remove, as JSON"},
		{name: "warn_if_no_indices", kind: yesFlag, use: "only warn if there is nothing to add or to remove"},
		extraFlag, ilmFlag, hiddenFlag,
	}},
	{"allocation", "allocation", "Set on which nodes shards may be", "--key box_type --value cold --wait_for_completion --filter_list FILTER", onIndices(
		flag{name: "key", kind: textFlag, must: true, use: "the attribute of nodes"},
		flag{name: "value", kind: textFlag, use: "the value of the attribute; none takes the setting away"},
		flag{name: "allocation_type", kind: textFlag, oneof: []string{"require", "include", "exclude"}, use: "require, include or exclude (default require)"},
		waitFlag("false", "the shards have moved"), longestFlag, intervalFlag,
	)},
	{"close", "close", "Close indices", "--skip_flush --filter_list FILTER", onIndices(
		flag{name: "delete_aliases", kind: yesFlag, use: "take the indices out of all aliases first"},
		flag{name: "skip_flush", kind: yesFlag, use: "don't flush first"},
	)},
	{"delete-indices", "delete_indices", "Delete indices", "--ignore_empty_list --filter_list FILTER", []flag{patternFlag, filterFlag, emptyFlag, ilmFlag}},
	{"delete-snapshots", "delete_snapshots", "Delete snapshots", "--repository backups --filter_list FILTER", onSnapshots(
		flag{name: "retry_count", kind: numberFlag, use: "how often to try again (default 3)"},
		flag{name: "retry_interval", kind: numberFlag, use: "seconds between two tries (default 120)"},
	)},
	{"forcemerge", "forcemerge", "Merge the segments of indices", "--max_num_segments 1 --delay 30 --filter_list FILTER", onIndices(
		flag{name: "max_num_segments", kind: numberFlag, must: true, use: "segments that a shard may keep, 1 or more"},
		flag{name: "delay", kind: secondsFlag, use: "seconds to pause between two indices, up to 3600"},
	)},
	{"open", "open", "Open indices", "--filter_list FILTER", onIndices()},
	{"replicas", "replicas", "Set the number of replicas", "--count 0 --filter_list FILTER", onIndices(
		flag{name: "count", kind: numberFlag, must: true, use: "replicas of each shard, up to 10"},
		waitFlag("false", "the replicas are there"),
	)},
	{"restore", "restore", "Restore indices from a snapshot", "--repository backups --index logs-2026.11.01 --filter_list FILTER", onSnapshots(
		flag{name: "name", kind: textFlag, use: "the snapshot; none takes the newest that the filters leave"},
		flag{name: "index", kind: listFlag, at: "options.indices", use: "an index to restore, may be given several times; none is all"},
		flag{name: "rename_pattern", kind: textFlag, use: "regular expression of the part of a name to replace"},
		flag{name: "rename_replacement", kind: textFlag, use: "what replaces it"},
		extraFlag,
		flag{name: "include_aliases", kind: yesFlag, use: "restore the aliases too"},
		flag{name: "ignore_unavailable", kind: yesFlag, use: "pass over indices that the snapshot has not"},
		flag{name: "include_global_state", kind: yesFlag, use: "restore the state of the cluster too"},
		flag{name: "partial", kind: yesFlag, use: "restore indices that lack shards too"},
		waitFlag("true", "all is restored"), intervalFlag, longestFlag,
		flag{name: "skip_repo_fs_check", kind: yesFlag, use: "don't check first that each node reaches the repository"},
	)},
	{"rollover", "rollover", "Roll an alias over to a new index", "--name current --max_age 7d --max_size 50gb", []flag{
		{name: "name", kind: textFlag, must: true, use: "the alias"},
		{name: "max_age", kind: textFlag, at: "options.conditions.max_age", use: "roll over at this age, as 7d"},
		{name: "max_docs", kind: textFlag, at: "options.conditions.max_docs", use: "roll over at so many documents"},
		{name: "max_size", kind: textFlag, at: "options.conditions.max_size", use: "roll over at this size, as 50gb"},
		extraFlag,
		{name: "new_index", kind: textFlag, use: "the name of the new index"},
		{name: "wait_for_active_shards", kind: numberFlag, def: "1", use: "copies of each shard to wait for"},
		ilmFlag, hiddenFlag,
	}},
	{"shrink", "shrink", "Shrink indices to fewer shards", "--number_of_shards 1 --copy_aliases --filter_list FILTER", onIndices(
		flag{name: "shrink_node", kind: textFlag, def: "DETERMINISTIC", use: "the node to shrink on; DETERMINISTIC chooses one"},
		flag{name: "node_filters", kind: jsonFlag, use: "which nodes DETERMINISTIC may choose, as JSON"},
		flag{name: "number_of_shards", kind: numberFlag, def: "1", use: "shards of the new index"},
		flag{name: "number_of_replicas", kind: numberFlag, def: "1", use: "replicas of the new index"},
		flag{name: "shrink_prefix", kind: textFlag, use: "what goes before the name, for the new one"},
		flag{name: "shrink_suffix", kind: textFlag, def: "-shrink", use: "what goes after the name, for the new one"},
		flag{name: "copy_aliases", kind: yesFlag, use: "give the new index the aliases of the old one"},
		flag{name: "delete_after", kind: eitherFlag, def: "true", use: "delete the old index afterwards"},
		flag{name: "post_allocation", kind: jsonFlag, use: "where the new index may be afterwards, as JSON"},
		extraFlag,
		flag{name: "wait_for_active_shards", kind: numberFlag, def: "1", use: "copies of each shard to wait for"},
		flag{name: "wait_for_rebalance", kind: eitherFlag, def: "true", use: "wait until no shards move"},
		waitFlag("true", "the index is shrunk"), intervalFlag, longestFlag,
	)},
	{"snapshot", "snapshot", "Take a snapshot of indices", "--repository backups --name logs-%Y.%m.%d --filter_list FILTER", onIndices(
		repositoryFlag,
		flag{name: "name", kind: textFlag, def: "curator-%Y%m%d%H%M%S", use: "the name of the snapshot"},
		flag{name: "ignore_unavailable", kind: yesFlag, use: "pass over indices that have gone"},
		flag{name: "include_global_state", kind: yesFlag, use: "keep the state of the cluster too"},
		flag{name: "partial", kind: yesFlag, use: "take indices that lack shards too"},
		waitFlag("true", "the snapshot is taken"), intervalFlag, longestFlag,
		flag{name: "skip_repo_fs_check", kind: yesFlag, use: "don't check first that each node reaches the repository"},
	)},
}

// document returns the action file that the flags describe. strict keeps what curator_cli makes of
// --allow_ilm_indices: it leaves ILM's indices out if the flag is given, and takes them if not.
func (s singleton) document(values []*flagValue, strict bool) ([]byte, error) {
	act := map[string]any{"action": s.kind, "options": map[string]any{}}
	for _, v := range values {
		if value, ok := v.value(); ok {
			put(act, v.path(), value)
		}
	}
	options := act["options"].(map[string]any)
	switch {
	case s.kind == "alias":
		options["ignore_empty_list"] = options["warn_if_no_indices"]
	case s.kind == "rollover" && strict: // curator_cli sends none of these, and doesn't look for ILM
		delete(options, "extra_settings")
		delete(options, "new_index")
		delete(options, "wait_for_active_shards")
	}
	if strict {
		options["allow_ilm_indices"] = s.kind == "rollover" || options["allow_ilm_indices"] != true
	}
	return json.Marshal(map[string]any{"actions": map[string]any{"1": act}})
}

// put sets the member of m that path leads to.
func put(m map[string]any, path string, value any) {
	for {
		name, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			m[name] = value
			return
		}
		inner, ok := m[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[name] = inner
		}
		m, path = inner, rest
	}
}

// A starter makes the run that the flags of a command describe; end closes its files.
type starter func(*cobra.Command) (r *run, end func() error, err error)

func newCLICommand(start starter) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cli COMMAND",
		Short: "Do a single action given by flags, as curator_cli does",
		Long: `Cli does one action whose options and filters are flags. Its commands and flags are those of
Elastic Curator's curator_cli. Filters are JSON: one object, or an array of them.`,
		Example: `  curator cli --hosts http://es:9200 show-indices --verbose --header
  curator cli --dry-run close --filter_list '{"filtertype":"pattern","kind":"prefix","value":"logs-"}'
  curator cli delete-indices --ignore_empty_list --filter_list '[{"filtertype":"pattern","kind":"prefix","value":"logs-"},
      {"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%m.%d","unit":"days","unit_count":30}]'`,
	}
	for _, s := range singletons {
		sub := &cobra.Command{Use: s.name, Short: s.short, Args: noArgs}
		sub.Example = "  curator cli " + s.name + " " + strings.ReplaceAll(s.example, "FILTER", `'{"filtertype":"pattern","kind":"prefix","value":"logs-"}'`)
		values := bind(sub, sub.Flags(), s.flags)
		sub.RunE = start.with(values, func(ctx context.Context, r *run) error { return r.singleton(ctx, s, values) })
		cmd.AddCommand(sub)
	}
	return cli.Group(cmd, newShowIndicesCommand(start), newShowSnapshotsCommand(start))
}

// with is the RunE of a command that has values and does work.
func (start starter) with(values []*flagValue, work func(context.Context, *run) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := missing(values); err != nil {
			return err
		}
		if cmd.Flags().Changed("policy") {
			return cli.Usage("%q takes no --policy", cmd.CommandPath())
		}
		r, end, err := start(cmd)
		if err != nil {
			return err
		}
		err = work(cmd.Context(), r)
		if r.mode == dryRun && !r.strict && len(r.made.Actions) > 0 {
			if e := r.made.Text(cmd.OutOrStdout(), false); err == nil {
				err = e
			}
		}
		if errors.Is(err, syscall.EPIPE) {
			err = nil // who reads has seen enough
		}
		if e := end(); err == nil {
			err = e
		}
		return err
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usage("%q takes no arguments, got %q", cmd.CommandPath(), args)
	}
	return nil
}

// singleton does the one action, with the log lines and exit codes of curator_cli.
func (r *run) singleton(ctx context.Context, s singleton, values []*flagValue) error {
	text, err := s.document(values, r.strict)
	if err != nil {
		return err
	}
	a, err := r.only(ctx, text, "curator cli "+s.name)
	if err != nil {
		return err
	}
	c := r.cluster(a)
	if skip, err := r.managedRollover(ctx, c, a); err != nil || skip {
		return r.ended(a, err)
	}
	p, sel, err := r.decide(ctx, c, a, nil, simulation{})
	if err == nil && a.Filters != nil && len(p.Choices) == 0 && len(p.Held) == 0 {
		return r.emptyList(a)
	}
	if err == nil {
		err = r.carryOut(ctx, c, a, &p, sel, r.log)
		r.made.Add(p)
	}
	return r.ended(a, err)
}

// cluster is the cluster with the timeout of an action.
func (r *run) cluster(a *action.Action) *cluster.Cluster {
	c := &cluster.Cluster{ES: r.es, Log: r.log, Progress: r.working.Step, Now: r.now}
	if a.Timeout > 0 {
		c.ES = r.es.With(a.Timeout)
	}
	return c
}

// only returns the one action of a file made from flags, and makes the run ready for it.
func (r *run) only(ctx context.Context, text []byte, name string) (*action.Action, error) {
	file, err := action.Parse(text, name, action.Options{Strict: r.strict})
	if err != nil {
		return nil, r.critical("Unable to parse options and filters: %v", err)
	}
	for _, warning := range file.Warnings {
		r.log.Warn(warning)
	}
	var end cli.Exit
	if err := r.begin(ctx, name, file.SHA256); errors.As(err, &end) {
		return nil, end
	} else if err != nil {
		return nil, r.critical("Unable to connect to Elasticsearch as configured: %v", err)
	}
	return &file.Actions[0], nil
}

// emptyList says that the filters left nothing.
func (r *run) emptyList(a *action.Action) error {
	noun := "index"
	if repositoryOf(a) != "" {
		noun = "snapshot"
	}
	if a.IgnoreEmptyList {
		r.log.Info("Singleton action not performed: empty " + noun + " list")
		return nil
	}
	r.log.Error("Singleton action failed due to empty " + noun + " list")
	return cli.Exit{Code: 1}
}

// ended says how an action ended.
func (r *run) ended(a *action.Action, err error) error {
	if class := classOf(err); err != nil && class != "NoIndices" && class != "NoSnapshots" {
		return r.critical("Failed to complete action: %s. Exception: %v", a.Kind, err)
	} else if err != nil && !a.IgnoreEmptyList {
		return r.critical("No indices in list after filtering. Exiting.")
	} else if err != nil {
		r.log.Info("No indices in list after filtering. Skipping action.")
	}
	r.log.Info(fmt.Sprintf("%q action completed.", a.Kind))
	if r.results.Held > 0 {
		return cli.Exit{Code: 1}
	}
	return nil
}

// critical logs what ends the program, a line for each of an error.
func (r *run) critical(format string, args ...any) error {
	for l := range strings.Lines(fmt.Sprintf(format, args...)) {
		r.log.Log(context.Background(), levelCritical, strings.TrimSuffix(l, "\n"))
	}
	return cli.Exit{Code: 1}
}
