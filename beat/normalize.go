package beat

import (
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/processors"
)

// libbeat copies every event once more before anything else, to turn what inputs put in it into
// plain types: a seventh of a pipeline's cost. podbeat switches that off (see NewCommand) and does it here,
// for the inputs that need it: ours put nothing but plain types into events.

// plain lists the inputs whose events need no normalizing.
var plain = map[string]bool{"journal": true, "emptydir": true, "podlogs": true, "push": true, "kafka": true}

// normalized puts libbeat's normalizing before the processors of a client whose input needs it.
func normalized(c beat.ClientConfig) beat.ClientConfig {
	if typ, _ := c.Processing.Fields.GetValue("input.type"); typ != nil {
		if name, ok := typ.(string); ok && plain[name] {
			return c
		}
	}
	list := processors.NewList(logp.NewLogger("processors"))
	list.AddProcessor(normalize{common.NewGenericEventConverter(c.Processing.KeepNull)})
	if own := c.Processing.Processor; own != nil {
		list.AddProcessor(own)
	}
	c.Processing.Processor = list
	return c
}

type normalize struct{ to *common.GenericEventConverter }

func (n normalize) Run(event *beat.Event) (*beat.Event, error) {
	// As libbeat does it, an event without fields is dropped.
	if len(event.Fields) == 0 {
		return nil, nil
	}
	if event.Meta == nil { // libbeat's format strings take what is missing in it for "null", not for their default
		event.Meta = common.MapStr{}
	}
	event.Fields = n.to.Convert(event.Fields)
	return event, nil
}

func (n normalize) String() string { return "normalize" }
