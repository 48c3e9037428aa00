package beat

import (
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/fmtstr"
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
	f("kafka", odd("a"), odd("a"))
	f("journal", odd("a"), odd("a")) // ours write plain types: nobody looks again
}

// libbeat's format string of the index falls back to its default only for events with metadata, however empty.
func TestIndexWithoutMetadata(t *testing.T) {
	c := normalized(beat.ClientConfig{Processing: beat.ProcessingConfig{Fields: common.MapStr{"input": common.MapStr{"type": "filestream"}}}})
	event, err := c.Processing.Processor.Run(&beat.Event{Timestamp: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Fields: common.MapStr{"message": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	index, err := fmtstr.CompileEvent(indexPattern)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := index.Run(event); err != nil || name != "logstash-podbeat-2026.11.21" {
		t.Errorf("got %q (%v)", name, err)
	}
}
