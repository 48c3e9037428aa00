package processing

import (
	"fmt"
	"slices"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"

	"github.com/podbeat/podbeat/beat/prepared"
)

// takesDocuments says whether what a configuration sends events to knows prepared documents: podbeat's
// output to Elasticsearch does; a queue on disk forgets them.
func takesDocuments(root *common.Config) bool {
	has := func(path string) bool {
		ok, err := root.Has(path, -1)
		return ok && err == nil
	}
	if has("queue.disk") || !has("output.elasticsearch") {
		return false
	}
	out, err := root.Child("output.elasticsearch", -1)
	return err == nil && out.Enabled()
}

// globals returns what the global processors of a configuration read; pure is false if their work cannot be done once for
// many events, or is not wanted of them.
func globals(root *common.Config) (reads []string, pure bool) {
	if !takesDocuments(root) {
		return nil, false
	}
	cfg := struct {
		Processors processors.PluginConfig `config:"processors"`
		TimeSeries bool                    `config:"timeseries.enabled"`
	}{}
	if err := root.Unpack(&cfg); err != nil || cfg.TimeSeries {
		return nil, false
	}
	for _, p := range cfg.Processors { // others may do more than look, once they are made
		for _, name := range p.GetFields() {
			if !slices.Contains([]string{"k8sname", "pausedrop", "add_fields", "add_labels", "add_tags"}, name) {
				return nil, false
			}
		}
	}
	list, err := processors.New(cfg.Processors)
	if err != nil {
		return nil, false
	}
	defer func() {
		for _, p := range list.List {
			_ = processors.Close(p) // never ran
		}
	}()
	return dependencies(list)
}

// dependencies returns what p reads; pure is false if its work cannot be done once for many events.
func dependencies(p beat.Processor) (reads []string, pure bool) {
	switch p := p.(type) {
	case nil:
		return nil, true
	case prepared.Pure:
		return p.DependsOn(), true
	case beat.ProcessorList:
		for _, one := range p.All() {
			more, pure := dependencies(one)
			if !pure {
				return nil, false
			}
			reads = append(reads, more...)
		}
		return reads, true
	case *processors.SafeProcessor:
		return dependencies(p.Processor)
	}
	// libbeat's own that read nothing: fields and tags that are the same in each event.
	return nil, slices.Contains([]string{"*actions.addFields", "*actions.addTags"}, fmt.Sprintf("%T", p))
}

// pure returns the chain for documents; nil if they must be made ordinary events first. The caller holds mu.
func (c *client) pure() *prepared.Chain {
	if !c.gen.pure || c.cfg.DynamicFields != nil || c.p.log.IsDebug() {
		return nil
	}
	reads, pure := dependencies(c.cfg.Processor)
	if !pure {
		return nil
	}
	return &prepared.Chain{Run: c.chain.Run, Reads: slices.Concat(reads, c.gen.reads)}
}
