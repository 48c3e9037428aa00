package cases

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/filebeat/channel"
	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/idxmgmt"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/processors"

	"github.com/podbeat/podbeat/beat/journal"
	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/beat/processing"
)

// A Pipeline is what podbeat does with a configuration beyond libbeat.
type Pipeline struct {
	Inputs func(beat.Info) []v2.Plugin               // the types of inputs
	Edit   func(beat.ClientConfig) beat.ClientConfig // of what an input connects with, last of all
}

// A bench runs cases on a configuration.
type bench struct {
	Pipeline
	cfg     *offline.Config
	named   bool // the configuration has a name for the host
	inputs  []*common.Config
	index   outputs.IndexSelector // nil: the output has none
	noIndex string                // why
}

func newBench(cfg *offline.Config, p Pipeline) (*bench, error) {
	b := &bench{Pipeline: p, cfg: cfg, named: cfg.Root.HasField("name")}
	var err error
	if b.inputs, _, err = cfg.Inputs(); err != nil {
		return nil, err
	}
	if cfg.Output.Name() != "elasticsearch" {
		b.noIndex = fmt.Sprintf("output.%s has no index", cmp.Or(cfg.Output.Name(), "none"))
		return b, nil
	}
	im, err := idxmgmt.DefaultSupport(nil, cfg.Info, cfg.Root)
	if err == nil {
		b.index, err = im.BuildSelector(cfg.Output.Config())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the index of output.elasticsearch: %w", err)
	}
	return b, nil
}

// An outcome is what has become of one event of a case.
type outcome struct {
	event *beat.Event // nil: dropped
	err   error       // of a processor
}

// run runs a case.
func (b *bench) run(c *testCase) ([]outcome, error) {
	info := b.cfg.Info
	if c.host != "" || !b.named {
		info.Name = cmp.Or(c.host, defaultHost)
		info.Hostname = info.Name
	}
	plugins := b.Inputs(info)
	input, err := b.input(c, plugins)
	if err != nil {
		return nil, err
	}
	events, err := convert(c, info, plugins, input)
	if err != nil {
		return nil, err
	}
	connect, err := b.connect(info, input)
	if err != nil {
		return nil, err
	}
	support, err := processing.New().Factory()(info, logp.NewLogger("processors"), b.cfg.Root)
	if err != nil {
		return nil, err
	}
	defer support.Close()
	chain, err := support.Create(connect, false)
	if err != nil {
		return nil, fmt.Errorf("cannot build the processors: %w", err)
	}
	if chain, ok := chain.(processors.Processor); ok {
		defer processors.Close(chain)
	}
	out := make([]outcome, len(events))
	for i := range events {
		out[i].event, out[i].err = chain.Run(&events[i])
	}
	return out, nil
}

func typeOf(cfg *common.Config) string {
	name, _ := cfg.String("type", -1)
	return name
}

// input returns the input that a case is about; nil if it is about none.
func (b *bench) input(c *testCase, plugins []v2.Plugin) (*common.Config, error) {
	fits := func(typ string) bool { // can make events of what the case gives
		switch manager(plugins, typ).(type) {
		case entryConverter:
			return c.entries != nil
		case fileConverter:
			return c.text != nil
		}
		return false
	}
	var found []*common.Config
	var known []string
	for _, in := range b.inputs {
		typ := typeOf(in)
		id, _ := in.String("id", -1)
		known = append(known, cmp.Or(id, typ))
		if c.input == "" && fits(typ) || c.input != "" && (c.input == id || c.input == typ) {
			found = append(found, in)
		}
	}
	slices.Sort(known)
	list := cmp.Or(strings.Join(slices.Compact(known), ", "), "none")
	switch {
	case len(found) > 1:
		return nil, fmt.Errorf("there is more than one input that it may be of: name one by its id with `input:`; there are %s", list)
	case len(found) == 0 && c.input != "":
		return nil, fmt.Errorf("there is no input %q; there are %s", c.input, list)
	case len(found) == 0 && c.event == nil:
		return nil, fmt.Errorf("no input of the configuration reads this; there are %s", list)
	case len(found) == 0:
		return nil, nil
	case c.event == nil && !fits(typeOf(found[0])):
		return nil, fmt.Errorf("input %q does not read this: `journal` is for inputs of type journal, `line` for podlogs and emptydir, `event` for all", c.input)
	}
	return found[0], nil
}

// What can make events of what a case gives.
type (
	entryConverter interface {
		Convert(cfg *common.Config, agent beat.Info, entries []journal.Entry) ([]beat.Event, error)
	}
	fileConverter interface {
		Convert(cfg *common.Config, agent beat.Info, path string, data []byte, now time.Time) ([]beat.Event, error)
	}
)

func manager(plugins []v2.Plugin, typ string) v2.InputManager {
	i := slices.IndexFunc(plugins, func(p v2.Plugin) bool { return p.Name == typ })
	if i < 0 {
		return nil
	}
	return plugins[i].Manager
}

// convert makes the events of a case as its input would.
func convert(c *testCase, info beat.Info, plugins []v2.Plugin, input *common.Config) ([]beat.Event, error) {
	if c.event != nil {
		e, err := eventOf(c)
		return []beat.Event{e}, err
	}
	var events []beat.Event
	var err error
	switch m := manager(plugins, typeOf(input)).(type) {
	case entryConverter:
		entries := slices.Clone(c.entries)
		for i := range entries {
			if entries[i].Realtime == 0 {
				entries[i].Realtime = uint64(c.time.UnixMicro())
			}
		}
		events, err = m.Convert(input, info, entries)
	case fileConverter:
		events, err = m.Convert(input, info, c.path, c.text, c.time)
	}
	return events, err
}

// eventOf makes the event that a case gives. Names of fields may have points.
func eventOf(c *testCase) (beat.Event, error) {
	e := beat.Event{Timestamp: c.time, Fields: common.MapStr{}, Meta: common.MapStr{}}
	for _, name := range sorted(c.event) {
		v := c.event[name]
		var err error
		switch {
		case name == "@timestamp":
			if e.Timestamp, err = timeOf(fmt.Sprint(v)); err != nil {
				return e, err
			}
		case name == "@metadata":
			m, ok := v.(map[string]any)
			if !ok {
				return e, errors.New("@metadata wants fields with their values")
			}
			err = put(e.Meta, m)
		case strings.HasPrefix(name, "@metadata."):
			err = put(e.Meta, map[string]any{strings.TrimPrefix(name, "@metadata."): v})
		default:
			err = put(e.Fields, map[string]any{name: v})
		}
		if err != nil {
			return e, fmt.Errorf("cannot put %q into the event: %w", name, err)
		}
	}
	return e, nil
}

// put adds a tree to m.
func put(m common.MapStr, tree map[string]any) error {
	for _, name := range sorted(tree) {
		v := tree[name]
		inner, ok := v.(map[string]any)
		if !ok {
			if _, err := m.Put(name, v); err != nil {
				return err
			}
			continue
		}
		below := common.MapStr{}
		if there, err := m.GetValue(name); err == nil {
			if there, ok := there.(common.MapStr); ok {
				below = there
			}
		}
		if _, err := m.Put(name, below); err != nil {
			return err
		}
		if err := put(below, inner); err != nil {
			return err
		}
	}
	return nil
}

// connect returns what the input connects to libbeat with: its fields, tags and processors.
func (b *bench) connect(info beat.Info, input *common.Config) (beat.ProcessingConfig, error) {
	if input == nil {
		return b.Edit(beat.ClientConfig{}).Processing, nil
	}
	var last connected
	if _, err := channel.RunnerFactoryWithCommonInputSettings(info, connecting{}).Create(&last, input); err != nil {
		return beat.ProcessingConfig{}, fmt.Errorf("cannot build the processors of the input: %w", err)
	}
	return b.Edit(last.ClientConfig).Processing, nil
}

// connecting is a factory of inputs that do nothing but connect.
type connecting struct{}

func (connecting) CheckConfig(*common.Config) error { return nil }

func (connecting) Create(p beat.PipelineConnector, cfg *common.Config) (cfgfile.Runner, error) {
	var c beat.ClientConfig
	if typeOf(cfg) == "kafka" { // its events have been through podbeat before
		c.Processing.Private = processing.Verbatim
	}
	_, err := p.ConnectWith(c)
	return nil, err
}

// connected is a pipeline that keeps what it was connected with.
type connected struct{ beat.ClientConfig }

func (c *connected) Connect() (beat.Client, error) { return c.ConnectWith(beat.ClientConfig{}) }

func (c *connected) ConnectWith(with beat.ClientConfig) (beat.Client, error) {
	c.ClientConfig = with
	return nil, nil
}
