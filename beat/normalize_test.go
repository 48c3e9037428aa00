package beat

import (
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
)

func TestNormalized(t *testing.T) {
	type odd string
	f := func(input string, in, want any) {
		t.Helper()
		c := normalized(beat.ClientConfig{Processing: beat.ProcessingConfig{Fields: common.MapStr{"input": common.MapStr{"type": input}}}})
		event := &beat.Event{Fields: common.MapStr{"x": in}}
		if p := c.Processing.Processor; p != nil {
			var err error
			if event, err = p.Run(event); err != nil {
				t.Fatal(err)
			}
		}
		if got := event.Fields["x"]; got != want {
			t.Errorf("%s: %T(%v) became %T(%v), want %T", input, in, in, got, got, want)
		}
	}
	f("filestream", odd("a"), "a")
	f("kafka", odd("a"), "a")
	f("journal", odd("a"), odd("a")) // ours write plain types: nobody looks again
}
