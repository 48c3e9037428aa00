package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/outputs/outest"
)

// Without brokers nothing is acknowledged, and Close ends the tries.
func TestBrokerAway(t *testing.T) {
	broker := mockBroker(t)
	c := load(t, fmt.Sprintf("{hosts: [%q], topic: t, required_acks: 1, metadata.retry: {max: 1, backoff: 1ms}}", broker.Addr()))
	if got := publish(t, c, event(t, "a", 0)); got != "ack" {
		t.Errorf("got %s", got)
	}
	broker.Close()
	tries := make(chan int, 99)
	backoff := c.backoff
	c.backoff = func(failures, most int) time.Duration { tries <- failures; return backoff(failures, most) }
	batch, back := outest.NewBatch(event(t, "b", 0)), make(chan string, 1)
	batch.OnSignal = func(s outest.BatchSignal) { back <- fmt.Sprint(s.Tag, ids(s.Events)) }
	go c.Publish(context.Background(), batch) // ends before back is sent to
	for i := range 8 {
		if n := <-tries; n != i {
			t.Errorf("waited as after %d failures, want %d", n, i)
		}
	}
	c.Close()
	if got, want := <-back, fmt.Sprint(outest.BatchCancelledEvents, "b"); got != want {
		t.Errorf("handed back %s, want %s", got, want)
	}
}

// A partition's leader is looked for anew when a broker says that it is not, or is gone; the other partition goes on.
func TestLeaderMoves(t *testing.T) {
	old, other := sarama.NewMockBroker(t, 1), sarama.NewMockBroker(t, 2)
	defer other.Close()
	metadata := func(leader int32) sarama.MockResponse {
		return sarama.NewMockMetadataResponse(t).SetBroker(old.Addr(), 1).SetBroker(other.Addr(), 2).SetLeader("t", 0, leader).SetLeader("t", 1, 2)
	}
	produce := func(err sarama.KError) sarama.MockResponse {
		return sarama.NewMockProduceResponse(t).SetVersion(3).SetError("t", 0, err)
	}
	moving := sarama.NewMockSequence(metadata(1), metadata(1), metadata(2))
	old.SetHandlerByMap(map[string]sarama.MockResponse{"MetadataRequest": moving, "ProduceRequest": produce(sarama.ErrNotLeaderForPartition)})
	other.SetHandlerByMap(map[string]sarama.MockResponse{"MetadataRequest": moving, "ProduceRequest": produce(sarama.ErrNoError)})
	c := load(t, fmt.Sprintf("{hosts: [%q], topic: t, required_acks: 1, key: '%%{[@metadata._id]}'}", old.Addr()))
	defer c.Close()
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 0), event(t, "c", 0), event(t, "d", 0)); got != "ack" {
		t.Errorf("got %s", got)
	}
	sent := func(b *sarama.MockBroker) (n int) {
		for _, r := range b.History() {
			if _, ok := r.Request.(*sarama.ProduceRequest); ok {
				n++
			}
		}
		return n
	}
	if sent(old) == 0 || sent(other) < 2 {
		t.Errorf("%d requests to the old leader, %d to the new", sent(old), sent(other))
	}
	old.Close()
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 0)); got != "ack" {
		t.Errorf("without the old leader: got %s", got)
	}
}
