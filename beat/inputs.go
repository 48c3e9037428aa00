package beat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/filebeat/input/filestream"
	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/consume"
	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/beat/emptydir"
	"github.com/podbeat/podbeat/beat/journal"
	"github.com/podbeat/podbeat/beat/podlogs"
	"github.com/podbeat/podbeat/beat/push"
	"github.com/podbeat/podbeat/heartbeat"
)

// inputs lists the kinds of inputs, ours and filebeat's.
func inputs(_ beat.Info, log *logp.Logger, store *registry) []v2.Plugin {
	return []v2.Plugin{
		journal.Plugin(log, store),
		emptydir.Plugin(log, store),
		podlogs.Plugin(log, store),
		push.Plugin(log),
		filestream.Plugin(log, store),
		consume.Plugin(log),
	}
}

// check refuses an input whose type or options are wrong, without starting anything.
func check(plugins []v2.Plugin, cfg *common.Config) error {
	name, err := cfg.String("type", -1)
	if err != nil {
		return fmt.Errorf("the input has no type; known types: %s", types(plugins))
	}
	i := slices.IndexFunc(plugins, func(p v2.Plugin) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("unknown input type %q; known types: %s", name, types(plugins))
	}
	if m, ok := plugins[i].Manager.(interface{ CheckConfig(*common.Config) error }); ok {
		if err := m.CheckConfig(cfg); err != nil {
			return err
		}
	}
	return delivery.Check(cfg, nameOf(plugins)(cfg))
}

// checkAll refuses a list of inputs, called where, of which one is wrong or two cannot run beside each other.
func checkAll(plugins []v2.Plugin, list []*common.Config, where string) error {
	for i, c := range list {
		if err := check(plugins, c); err != nil {
			return fmt.Errorf("%s.%d: %w", where, i, err)
		}
	}
	if err := distinct(plugins, list); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// distinct refuses inputs of which two would keep one position between them.
func distinct(plugins []v2.Plugin, list []*common.Config) error {
	seen := map[string]bool{}
	for _, cfg := range list {
		name, _ := cfg.String("type", -1)
		i := slices.IndexFunc(plugins, func(p v2.Plugin) bool { return p.Name == name })
		if i < 0 || !cfg.Enabled() {
			continue
		}
		m, ok := plugins[i].Manager.(interface {
			ID(*common.Config) (string, error)
		})
		if !ok {
			continue
		}
		id, err := m.ID(cfg)
		if err != nil {
			return err
		}
		if seen[name+" "+id] {
			if m, ok := m.(interface{ Clash(id string) error }); ok {
				return m.Clash(id)
			}
			return fmt.Errorf("two %s inputs are called %q: give each an `id` of its own, under which its position is kept", name, id)
		}
		seen[name+" "+id] = true
	}
	return nil
}

func types(plugins []v2.Plugin) string {
	var names []string
	for _, p := range plugins {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// checked is a factory of inputs that refuses a wrong configuration before it touches anything.
type checked struct {
	plugins []v2.Plugin
	states  *states
	cfgfile.RunnerFactory
}

func (c checked) CheckConfig(cfg *common.Config) error { return check(c.plugins, cfg) }

func (c checked) Create(p beat.PipelineConnector, cfg *common.Config) (cfgfile.Runner, error) {
	err := check(c.plugins, cfg)
	var runner cfgfile.Runner
	if err == nil {
		runner, err = c.RunnerFactory.Create(p, cfg)
	}
	if err != nil {
		c.states.set(c.states.of(cfg), heartbeat.Failed, err)
	}
	return runner, err
}
