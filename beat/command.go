package beat

import (
	"fmt"
	"strings"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/cmd"
	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	libes "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch"
	"github.com/gofrs/uuid"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/beat/cases"
	"github.com/podbeat/podbeat/beat/doctor"
	"github.com/podbeat/podbeat/beat/journalbeat"
	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/processing"
	"github.com/podbeat/podbeat/beat/reload"
	"github.com/podbeat/podbeat/beat/replay"
	"github.com/podbeat/podbeat/beat/tap"
	"github.com/podbeat/podbeat/beat/top"

	_ "github.com/elastic/beats/v7/libbeat/processors/script" // the processors filebeat has beyond libbeat's own
	_ "github.com/elastic/beats/v7/libbeat/processors/timestamp"

	_ "github.com/podbeat/podbeat/beat/elasticsearch"
	_ "github.com/podbeat/podbeat/beat/kafka"
	_ "github.com/podbeat/podbeat/beat/queue"
	_ "github.com/podbeat/podbeat/processors/k8sname"
	_ "github.com/podbeat/podbeat/processors/pausedrop"
)

// Name is the beat's name, Version its version. They make the names of its indices, of its
// configuration file and of its registry.
const (
	Name    = "podbeat"
	Version = "0.1.0"
)

// NewCommand makes the command line: libbeat's commands and podbeat's own.
func NewCommand() *cmd.BeatsRootCmd {
	var scratch scratchQueue
	control := section{name: "control"}
	observer := observe.New()
	observer.Attach()
	whole := global{secrets: reload.NewSecrets(Name), processing: processing.New(), start: newStart()}
	whole.overrides = append(defaults(), scratch.override(), whole.secrets.Override())
	settings := instance.Settings{
		Name:            Name,
		Version:         Version,
		ConfigOverrides: whole.overrides,
		Processing:      checkedTopLevel(control.processing(whole.processing.Factory())),
	}
	create := func(b *beat.Beat, cfg *common.Config) (beat.Beater, error) {
		return newBeater(b, cfg, control.config, observer, whole)
	}
	root := withoutLicenseCheck(create, settings)
	root.Short = "podbeat ships the logs of a Kubernetes node, every line once"
	root.Example = `  podbeat -e -c /etc/podbeat/podbeat.yml
  podbeat test config -c /etc/podbeat/podbeat.yml
  podbeat test output -c /etc/podbeat/podbeat.yml
  podbeat explain k8s_web_web-7d4b9c8f6-x2v5k_shop_8f6c2a1e-0000-4000-8000-000000000000_0
  podbeat migrate journalbeat.yml > podbeat.yml
  podbeat doctor -c /etc/podbeat/podbeat.yml
  podbeat top
  podbeat tap --filter 'level:error and namespace:shop'
  podbeat test cases.yml -c /etc/podbeat/podbeat.yml
  podbeat replay --dry-run /var/lib/podbeat/dead-letter.ndjson`
	root.SilenceUsage = true
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		root.RemoveCommand(c) // libbeat's knows bash and zsh only, and makes room for cobra's
	}
	root.AddCommand(newExplainCmd(Name), newTokenCmd(), journalbeat.NewMigrateCommand())
	root.AddCommand(doctor.NewCommand(settings, create), replay.NewCommand(settings))
	root.AddCommand(tap.NewCommand(), top.NewCommand())
	whole.start.wrap(&root.Command)
	whole.start.wrap(root.RunCmd)
	scratch.wrap(root.SetupCmd)
	for _, test := range root.TestCmd.Commands() {
		if test.Name() == "config" {
			scratch.wrap(test)
		}
	}
	for _, parent := range []*cobra.Command{root.ExportCmd, root.TestCmd, root.KeystoreCmd} {
		parent.Args = cobra.ArbitraryArgs
		parent.RunE = refuseUnknown // libbeat prints the help, and says all is well
	}
	cases.Hook(root.TestCmd, settings, cases.Pipeline{Edit: normalized, Inputs: func(info beat.Info) []v2.Plugin { return inputs(info, logp.L(), nil) }})
	for _, export := range root.ExportCmd.Commands() {
		// libbeat takes the beat's own version for Elasticsearch's.
		if f := export.Flags().Lookup("es.version"); f != nil {
			f.DefValue = "7.17.29"
			_ = f.Value.Set(f.DefValue)
		}
	}
	return root
}

func refuseUnknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	return fmt.Errorf("unknown command %q for %q; known ones: %s", args[0], c.CommandPath(), strings.Join(known, ", "))
}

// defaults are what podbeat sets where libbeat's own defaults would lose its guarantees or waste the node's memory: an
// index by the event's day (a retry after midnight makes no second copy, an ILM alias would), a queue of three
// of the larger requests its Elasticsearch output makes (two under way, one being filled), and a garbage collector that keeps
// the peak below 150 MiB. Documents (beat/prepared) leave it so little to do that 200 would save no CPU, and cost 75 MiB; for
// ordinary events it would save a quarter. The figures are in docs/decisions/021-queue.md.
func defaults() []cfgfile.ConditionalOverride {
	unless := func(given string, values map[string]any) cfgfile.ConditionalOverride {
		return cfgfile.ConditionalOverride{
			Check:  func(c *common.Config) bool { return !has(c, given) },
			Config: common.MustNewConfigFrom(values),
		}
	}
	named := unless("output.elasticsearch.index", map[string]any{ // with indices, it is for the events that match none
		"output.elasticsearch.index": indexPattern,
		"setup.template.name":        Name,
		"setup.template.pattern":     "logstash-" + Name + "-*",
	})
	named.Check = func(c *common.Config) bool {
		return has(c, "output.elasticsearch") && !has(c, "output.elasticsearch.index")
	}
	return []cfgfile.ConditionalOverride{
		named,
		unless("setup.ilm", map[string]any{"setup.ilm.enabled": false}),
		unless("queue", map[string]any{"queue.mem": map[string]any{"events": 4800, "flush.min_events": 1600, "flush.timeout": "1s"}}),
		unless("gc_percent", map[string]any{"gc_percent": 40}),
	}
}

// indexPattern is the default of output.elasticsearch.index: M-137 … M-139 and M-153. The first
// part is made by the input or by k8sname, the day is the event's, in UTC.
const indexPattern = "%{[@metadata.index_prefix]:logstash-" + Name + "}-%{+yyyy.MM.dd}"

func has(c *common.Config, path string) bool {
	ok, err := c.Has(path, -1)
	return ok && err == nil
}

// withoutLicenseCheck is libbeat's root command without its call of /_license, which Elasticsearch's
// plain builds and OpenSearch do not answer. libbeat registers the check under a random key that
// it forgets; the generator of the key is exported, so it is asked for the last one it made.
// See docs/decisions/002-no-license-check.md.
func withoutLicenseCheck(create beat.Creator, s instance.Settings) *cmd.BeatsRootCmd {
	keys := &lastKey{Generator: uuid.DefaultGenerator}
	uuid.DefaultGenerator = keys
	defer func() { uuid.DefaultGenerator = keys.Generator }()
	root := cmd.GenRootCmdWithSettings(create, s)
	libes.DeregisterGlobalCallback(keys.last)
	return root
}

type lastKey struct {
	uuid.Generator
	last uuid.UUID
}

func (k *lastKey) NewV4() (uuid.UUID, error) {
	u, err := k.Generator.NewV4()
	k.last = u
	return u, err
}
