package kafka

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/Shopify/sarama"
)

// A shipment is a batch on its way to Kafka. It goes on until all of it has arrived, is a dead letter, or the output
// is closed: the next batch comes after it, so that nothing overtakes what has to be sent again.
type shipment struct {
	*client
	waiting []*message // not prepared yet
	later   []*message // of them, those of topics that cannot be asked for at present
	queues  map[slot]*queue
	counts  map[string][]int32 // partitions of topics; nil for those that cannot be asked for
	why     error              // that something has not arrived in this pass
}

// A queue is what one partition is to have, in its order.
type queue struct {
	waiting []*message
	chunk   *chunk // sent before what waits; nil for none
	most    int    // messages of a chunk
	failed  bool   // in this pass: it waits for the next
}

// pass sends to each partition its chunks, one after the other, up to the first that fails.
func (s *shipment) pass() {
	s.waiting, s.later = append(s.later, s.waiting...), nil
	s.counts, s.why = map[string][]int32{}, s.connect()
	for _, q := range s.queues {
		q.failed = false
	}
	for s.cluster != nil {
		chunks := s.chunks()
		for len(chunks) == 0 && len(s.waiting) > 0 && !s.closed() {
			s.fill(true)
			chunks = s.chunks()
		}
		if len(chunks) == 0 || s.closed() {
			return
		}
		if err := s.identify(); err != nil {
			s.why = fmt.Errorf("cannot get a producer id: %w", advised(err))
			return
		}
		for _, c := range chunks {
			if c.by != nobody {
				continue // nobody knows whether Kafka has it: only who sent it can ask
			}
			c.by, c.sequence = s.by, -1
			if s.by != nobody {
				c.sequence = s.sequences[c.slot]
			}
		}
		cluster := s.cluster
		produce := func() error {
			cluster.produce(chunks)
			return nil
		}
		if err := s.await(produce, func() { s.fill(false) }); err != nil {
			s.why = err
			return
		}
		for _, c := range chunks {
			s.answered(s.queues[c.slot], c)
		}
	}
}

// fill prepares about as many messages as are sent at once, and puts them into the queues of their partitions. It
// looks for partitions that it does not know if it may ask, and else stops there.
func (s *shipment) fill(ask bool) {
	for size := 0; size < s.config.Producer.MaxMessageBytes && len(s.waiting) > 0 && !s.closed(); {
		m := s.waiting[0]
		if m.record.Value == nil {
			s.prepare(m)
		}
		if m.kind == "" {
			ids, known := s.counts[m.slot.topic]
			if !known && !ask {
				return
			}
			if !known {
				ids = s.partitions(m.slot.topic)
				s.counts[m.slot.topic] = ids
			}
			if len(ids) == 0 {
				s.later = append(s.later, m)
			} else {
				s.enqueue(m, ids)
				size += m.size
			}
		}
		s.waiting = s.waiting[1:]
	}
}

// partitions are a topic's, none if they cannot be told.
func (s *shipment) partitions(topic string) (ids []int32) {
	cluster := s.cluster
	answer := make(chan []int32, 1)
	err := s.await(func() error {
		ids, err := cluster.partitions(topic, !s.partitioner(topic).RequiresConsistency())
		answer <- ids
		return err
	}, nil)
	if err == nil {
		ids = <-answer
	}
	if err == nil && len(ids) == 0 {
		err = sarama.ErrLeaderNotAvailable
	}
	if err != nil {
		s.why = fmt.Errorf("cannot learn the partitions of topic %s: %w", topic, advised(err))
		return nil
	}
	return ids
}

// enqueue chooses one of a topic's partitions as libbeat does.
func (s *shipment) enqueue(m *message, ids []int32) {
	theirs := &sarama.ProducerMessage{Topic: m.slot.topic, Metadata: s.message.of(m.event, m.record.Key)}
	i, err := s.partitioner(m.slot.topic).Partition(theirs, int32(len(ids)))
	if err == nil && (i < 0 || int(i) >= len(ids)) {
		err = sarama.ErrInvalidPartition
	}
	if err != nil {
		m.kind, m.err = notSendable, err
		return
	}
	m.slot.partition = ids[i]
	q := s.queues[m.slot]
	if q == nil {
		q = &queue{most: math.MaxInt32}
		s.queues[m.slot] = q
	}
	q.waiting = append(q.waiting, m)
}

// chunks are what can be sent now: one for each partition that has something and has not failed.
func (s *shipment) chunks() (chunks []*chunk) {
	for slot, q := range s.queues {
		if q.chunk == nil && len(q.waiting) > 0 {
			n, size := 0, 0
			for n < min(len(q.waiting), q.most) && (n == 0 || size+q.waiting[n].size <= s.config.Producer.MaxMessageBytes) {
				size += q.waiting[n].size
				n++
			}
			q.chunk = &chunk{slot: slot, messages: q.waiting[:n:n], by: nobody}
			q.waiting = q.waiting[n:]
		}
		if q.chunk != nil && !q.failed {
			chunks = append(chunks, q.chunk)
		}
	}
	return chunks
}

// answered does what follows from what became of a chunk. A broker refuses all of it for one message in it, or because
// all together are too large: they go again in halves until one is refused alone. Kafka has none of it then.
func (s *shipment) answered(q *queue, c *chunk) {
	kind := refusal(c.err)
	switch {
	case c.err == nil:
		for _, m := range c.messages {
			m.err = nil
		}
		if c.by == s.by { // else another partition's answer has ended the identity: the next one's numbers begin with 0
			s.sequences[c.slot] = (s.sequences[c.slot] + int32(len(c.messages))) & math.MaxInt32
		}
		q.chunk, q.most = nil, min(2*q.most, math.MaxInt32)
	case kind != "" && len(c.messages) == 1:
		c.messages[0].kind, c.messages[0].err = kind, c.err
		q.chunk = nil
	case kind != "":
		split.Inc()
		q.waiting, q.most = slices.Concat(c.messages, q.waiting), (len(c.messages)+1)/2
		q.chunk = nil
	default:
		if errors.Is(c.err, sarama.ErrTopicAuthorizationFailed) {
			s.nameless = false // it may be for want of WRITE that there was no identity
		}
		if forgotten(c.err) {
			if c.by == s.by {
				s.by = nobody
				clear(s.sequences)
			}
			c.by = nobody
		}
		for _, m := range c.messages {
			m.err = c.err
		}
		q.failed, s.why = true, fmt.Errorf("cannot write to partition %d of topic %s%s: %w", c.partition, c.topic, c.leader, advised(c.err))
	}
}

// identify gets an identity unless there is one, or is to be none.
func (c *client) identify() error {
	if c.by != nobody || !c.idempotent || c.nameless {
		return nil
	}
	cluster := c.cluster
	answer := make(chan identity, 1)
	err := c.await(func() error {
		by, err := cluster.identify()
		answer <- by
		return err
	}, nil)
	switch {
	case err == nil:
		c.by = <-answer
	case nameless(err):
		c.nameless, err = true, nil
		if c.told {
			break
		}
		c.told = true
		c.log.Infof("Kafka gives podbeat no producer id, which needs IdempotentWrite on the cluster up to Kafka 2.7: after a lost answer it may have events twice")
	}
	return err
}

// connect makes the cluster unless that is done.
func (c *client) connect() error {
	if c.cluster != nil || c.closed() {
		return nil
	}
	made := make(chan cluster, 1)
	err := c.await(func() error {
		cluster, err := c.dial(c.hosts, &c.config)
		made <- cluster
		return err
	}, nil)
	switch {
	case errors.Is(err, errClosed):
		go func() { // ends when dialling has
			if cluster := <-made; cluster != nil {
				_ = cluster.Close()
			}
		}()
	case err == nil:
		c.cluster = <-made
	}
	return err
}

// partitioner is libbeat's for a topic.
func (c *client) partitioner(topic string) sarama.Partitioner {
	p := c.partitioners[topic]
	if p == nil {
		p = c.config.Producer.Partitioner(topic)
		c.partitioners[topic] = p
	}
	return p
}

var errClosed = errors.New("the output has been closed")

// grace is how long after Close what is on its way may take to arrive, lest it is sent twice.
const grace = 2 * time.Second

// await runs f, which waits for the network, and something else meanwhile if that is not nil. It returns f's error, or
// errClosed when f goes on longer than grace after Close: then f ends when its network does, and nobody looks at it.
func (c *client) await(f func() error, meanwhile func()) error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	if meanwhile != nil {
		meanwhile()
	}
	select {
	case err := <-ended:
		return err
	case <-c.done:
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		return errClosed
	}
}
