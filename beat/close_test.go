package beat

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher"
	libbeat "github.com/elastic/beats/v7/libbeat/publisher/pipeline"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	"github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"
)

// taker is an output that takes everything, or nothing.
type taker struct{ stuck bool }

func (o taker) Close() error { return nil }
func (taker) String() string { return "taker" }
func (o taker) Publish(_ context.Context, b publisher.Batch) error {
	if !o.stuck {
		b.ACK()
	}
	return nil
}

// A slowInput takes its time to hear of its events.
type slowInput struct {
	gave, acked, refused atomic.Int64
	closing, closed      atomic.Bool
}

func (s *slowInput) acker() beat.ACKer {
	return acker.RawCounting(func(n int) {
		time.Sleep(5 * time.Millisecond)
		s.acked.Add(int64(n))
	})
}

func (s *slowInput) Closing()                      { s.closing.Store(true) }
func (s *slowInput) Closed()                       { s.closed.Store(true) }
func (s *slowInput) Published()                    { s.gave.Add(1) }
func (s *slowInput) FilteredOut(beat.Event)        {}
func (s *slowInput) DroppedOnPublish(_ beat.Event) { s.refused.Add(1) }

func libbeatPipeline(t *testing.T, o taker) beat.PipelineConnector {
	t.Helper()
	p, err := libbeat.New(beat.Info{}, libbeat.Monitors{Logger: logp.NewLogger("test")}, func(l queue.ACKListener) (queue.Queue, error) {
		return memqueue.NewQueue(logp.NewLogger("test"), memqueue.Settings{ACKListener: l, Events: 64, FlushMinEvents: 16, FlushTimeout: time.Millisecond}), nil
	}, outputs.Group{Clients: []outputs.Client{o}, BatchSize: 16, Retry: -1}, libbeat.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// closeRef is beat.CloseRef.
type closeRef chan struct{}

func (r closeRef) Done() <-chan struct{} { return r }
func (r closeRef) Err() error            { return nil }

// An input whose client is closed in the midst of its events knows then of every one whether it has left: libbeat's own
// WaitClose does not see to that.
func TestPatient(t *testing.T) {
	p := patient{libbeatPipeline(t, taker{})}
	for round := range 20 {
		s, ref := &slowInput{}, make(closeRef)
		c, err := p.ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend, WaitClose: time.Minute, CloseRef: ref, ACKHandler: s.acker(), Events: s})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for !s.closing.Load() || s.refused.Load() == 0 {
					c.Publish(beat.Event{})
					c.PublishAll(make([]beat.Event, 3))
				}
			})
		}
		time.Sleep(time.Duration(round) * time.Millisecond) // in the midst of it, not a wait
		if round%2 == 0 {
			close(ref) // which closes it as well
			for !s.closed.Load() {
				time.Sleep(time.Millisecond)
			}
		} else if err := c.Close(); err != nil {
			t.Error(err)
		}
		acked := s.acked.Load()
		all.Wait()
		if gave := s.gave.Load(); acked != gave || s.refused.Load() == 0 {
			t.Errorf("round %d: %d events were taken, %d are known to have left when the client is closed; %d were refused afterwards", round, gave, acked, s.refused.Load())
		}
	}
}

// It waits as long as it is told, and no longer.
func TestPatientInVain(t *testing.T) {
	p := patient{libbeatPipeline(t, taker{stuck: true})}
	s := &slowInput{}
	c, err := p.ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend, WaitClose: 50 * time.Millisecond, ACKHandler: s.acker(), Events: s})
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan struct{})
	go func() { // waits for room that never comes
		defer close(published)
		for s.refused.Load() == 0 {
			c.Publish(beat.Event{})
		}
	}()
	for s.gave.Load() < 64 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	if err := c.Close(); err != nil || time.Since(began) < 50*time.Millisecond || s.acked.Load() != 0 {
		t.Errorf("after %v, %d acknowledged: %v", time.Since(began), s.acked.Load(), err)
	}
	<-published
}

// A refuser is libbeat with a queue that takes no event, as the disk queue takes none that is too large.
type refuser struct{ beat.ClientConfig }

func (r refuser) Connect() (beat.Client, error)                      { return r, nil }
func (refuser) ConnectWith(c beat.ClientConfig) (beat.Client, error) { return refuser{c}, nil }
func (refuser) Close() error                                         { return nil }
func (r refuser) PublishAll(events []beat.Event)                     { r.Publish(events[0]) }
func (r refuser) Publish(e beat.Event) {
	r.ACKHandler.AddEvent(e, true)
	r.Events.DroppedOnPublish(e)
}

// It does not wait for an event that the queue has refused.
func TestPatientRefused(t *testing.T) {
	s := &slowInput{}
	c, err := patient{refuser{}}.ConnectWith(beat.ClientConfig{WaitClose: time.Hour, ACKHandler: s.acker(), Events: s})
	if err != nil {
		t.Fatal(err)
	}
	c.Publish(beat.Event{})
	if err := c.Close(); err != nil || s.refused.Load() != 1 { // which takes an hour otherwise
		t.Errorf("%d refused: %v", s.refused.Load(), err)
	}
}
