package delivery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// What a level costs an event, beside the pipeline: go test -bench Levels ./beat/delivery
func BenchmarkLevels(b *testing.B) {
	for _, level := range []string{"nothing", endToEnd, bestEffort, storeOnFailure} {
		b.Run(level, func(b *testing.B) {
			var p beat.PipelineConnector = at{}
			if level != "nothing" {
				var stop func()
				var err error
				p, stop, err = Wrap(common.MustNewConfigFrom("type: test\ndelivery: "+level), p, Env{ID: b.Name(), Log: logp.NewLogger("test"), Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				defer stop()
			}
			acked := make(chan struct{})
			n := 0
			c, err := p.ConnectWith(beat.ClientConfig{ACKHandler: acker.EventPrivateReporter(func(_ int, private []any) {
				if n += len(private); n == b.N {
					close(acked)
				}
			})})
			if err != nil {
				b.Fatal(err)
			}
			e := benchEvent()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				c.Publish(e)
			}
			if level != bestEffort { // which may drop some before they are counted here
				<-acked
			}
		})
	}
}

func BenchmarkCodec(b *testing.B) {
	e := benchEvent()
	bytes, err := encode(&e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(bytes)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encode(&e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(bytes)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(bytes); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchEvent() beat.Event {
	fields := common.MapStr{"message": strings.Repeat("a line of a log ", 20), "log": common.MapStr{"offset": int64(12345), "level": "info", "file": common.MapStr{"path": "/var/log/x"}}}
	for i := range 12 {
		fields[fmt.Sprint("field", i)] = "some text"
	}
	return beat.Event{Meta: common.MapStr{"_id": "0123456789abcdef"}, Fields: fields}
}

// at is a pipeline that acknowledges at once.
type at struct{}

func (at) Connect() (beat.Client, error) { return at{}.ConnectWith(beat.ClientConfig{}) }
func (at) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	return atClient{c.ACKHandler}, nil
}

type atClient struct{ acker beat.ACKer }

func (c atClient) PublishAll([]beat.Event) {}
func (c atClient) Publish(e beat.Event) {
	c.acker.AddEvent(e, true)
	c.acker.ACKEvents(1)
}
func (c atClient) Close() error { return nil }
