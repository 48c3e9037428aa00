package reload

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher/pipeline"

	"github.com/podbeat/podbeat/beat/processing"
)

// An output that goes on since libbeat could not make another one is told of as before, by its figures.
func TestFiguresOfOutput(t *testing.T) {
	b, p := begin(t)
	libbeat := monitoring.Default.GetRegistry("libbeat")
	defer libbeat.Remove("output")
	make := func(stats outputs.Observer, out common.ConfigNamespace) (outputs.Group, error) {
		switch path, _ := out.Config().String("path", -1); filepath.Base(path) {
		case "broken":
			return outputs.Fail(errors.New("it has broken"))
		case "panic":
			panic("at the disco")
		}
		return outputs.Load(nil, beat.Info{Beat: "podbeat"}, stats, out.Name(), out.Config())
	}
	out, err := outputOf(p.Root())
	if err != nil {
		t.Fatal(err)
	}
	support, err := processing.New().Factory()(beat.Info{Beat: "podbeat"}, logp.NewLogger("test"), p.Root())
	if err != nil {
		t.Fatal(err)
	}
	var at pipeline.Config
	if err := common.MustNewConfigFrom("queue.mem.flush.min_events: 1").Unpack(&at); err != nil {
		t.Fatal(err)
	}
	pipe, err := pipeline.Load(beat.Info{}, pipeline.Monitors{Metrics: libbeat}, at, support, func(stats outputs.Observer) (string, outputs.Group, error) {
		group, err := make(stats, out)
		return out.Name(), group, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	b.libbeat = func(c *reload.ConfigWithMeta) error { return pipe.OutputReloader().Reload(c, make) }
	client, err := pipe.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	step := func(name string, wantRefused bool, wantAcked int64) {
		t.Helper()
		b.write(b.configure("one", name, "a", "b"))
		b.look(nil, true)
		if refused := b.Status().Refused; (refused != nil) != wantRefused {
			t.Errorf("%s: refused %+v", name, refused)
		}
		client.Publish(beat.Event{Timestamp: time.Now(), Fields: common.MapStr{"message": name}})
		var told monitoring.FlatSnapshot
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			told = monitoring.CollectFlatSnapshot(libbeat, monitoring.Full, false)
			if told.Ints["output.events.acked"] >= wantAcked || time.Now().After(deadline) {
				break
			}
		}
		if told.Ints["output.events.acked"] != wantAcked || told.Ints["output.events.total"] != wantAcked || told.Strings["output.type"] != "file" {
			t.Fatalf("%s: %v %v, want %d events", name, told.Ints, told.Strings, wantAcked)
		}
	}
	step("first", false, 1)
	step("broken", true, 2)
	step("broken", true, 3)
	step("second", false, 1)
	step("broken", true, 2)
	step("panic", true, 1) // and the second is made anew
	step("first", false, 1)
}

// A silent is an output whose server does not answer: as with libbeat's, Close waits until Connect has given up.
type silent struct {
	outputs.NetworkClient
	connecting, gaveUp chan struct{}
}

func (s *silent) Connect() error {
	close(s.connecting)
	<-s.gaveUp
	return errors.New("no answer")
}

func (s *silent) Close() error {
	<-s.gaveUp
	return nil
}

// A stop does not wait for the output that is being tried.
func TestStopWhileOutputIsTried(t *testing.T) {
	b, _ := begin(t)
	s := &silent{connecting: make(chan struct{}), gaveUp: make(chan struct{})}
	outputs.RegisterType("silent", func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
		return outputs.Success(0, 0, s)
	})
	defer delete(outputReg, "silent")
	defer close(s.gaveUp)
	b.write("podbeat.inputs: [{type: t, id: a}]\noutput.silent: {x: 1}\n")
	done, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		b.look(done, true)
	}()
	select {
	case <-s.connecting:
	case <-looked:
		t.Fatalf("it is not tried: %+v", b.Status().Refused)
	}
	close(done)
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits")
	}
	if got := b.took(); got != "" || b.Status().Refused != nil {
		t.Errorf("did %q, refused %+v", got, b.Status().Refused)
	}
}

// A change that is being looked at when podbeat stops does not take effect any more.
func TestStopWhileLooking(t *testing.T) {
	b, p := begin(t)
	done := make(chan struct{})
	stop, check := sync.OnceFunc(func() { close(done) }), b.parts.CheckInputs
	b.parts.CheckInputs = func(list []*common.Config) error {
		stop()
		return check(list)
	}
	b.write(b.configure("two", "second", "c"))
	b.look(done, true)
	if got := b.took(); got != "" || stageOf(t, p) != "one" || b.Status().Refused != nil {
		t.Errorf("did %q, stage %s, refused %+v", got, stageOf(t, p), b.Status().Refused)
	}
}
