package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Shopify/sarama"
)

// A cluster is what the output needs of Kafka. Its methods wait for the network, and are called one at a time;
// Close may be called at any time, and fails the others.
type cluster interface {
	// partitions returns those of a topic, or of them those that have a leader at present.
	partitions(topic string, led bool) ([]int32, error)
	// identify gets an identity for a producer.
	identify() (identity, error)
	// produce sends each chunk to the leader of its partition and sets its err.
	produce(chunks []*chunk)
	Close() error
}

// An identity makes Kafka know a chunk which it has already, by the numbers of its records.
type identity struct {
	id    int64
	epoch int16
}

// nobody sends without an identity: what is sent again because an answer was lost, Kafka then has twice.
var nobody = identity{-1, -1}

// A chunk is what one partition gets in one request. It is sent again as it is until its fate is known.
type chunk struct {
	slot
	messages []*message
	by       identity
	sequence int32  // of the first message, -1 by nobody
	leader   string // it was sent to, for the log: " at 10.0.0.1:9092", "" if there was none
	err      error  // nil when Kafka has it
}

// brokers is the cluster over sarama's client. It makes the requests itself: sarama's producer gives up one
// message and sends those behind it, so that a partition's order does not survive a failure.
type brokers struct {
	sarama.Client
	hosts  []string
	config *sarama.Config
	stale  map[string]bool // topics whose leaders are to be asked for anew
}

func dial(hosts []string, config *sarama.Config) (cluster, error) {
	c, err := sarama.NewClient(hosts, config)
	if err != nil {
		return nil, explained(err, hosts, config)
	}
	return &brokers{Client: c, hosts: hosts, config: config, stale: map[string]bool{}}, nil
}

func (b *brokers) partitions(topic string, led bool) ([]int32, error) {
	b.refresh(topic)
	ask := b.Partitions
	if led {
		ask = b.WritablePartitions
	}
	ids, err := ask(topic)
	return ids, explained(err, b.hosts, b.config)
}

// refresh asks for a topic's leaders if they are in doubt. Without an answer they stay as they were known.
func (b *brokers) refresh(topic string) {
	if b.stale[topic] && b.RefreshMetadata(topic) == nil {
		delete(b.stale, topic)
	}
}

func (b *brokers) identify() (identity, error) {
	answer, err := b.InitProducerID()
	if answer == nil && err == nil {
		// sarama has given up all brokers over the question, without a word, and looks for them again only to learn who leads.
		topics, _ := b.Topics()
		err = cmp.Or(b.RefreshMetadata(topics...), error(sarama.ErrBrokerNotAvailable))
	}
	switch {
	case err != nil:
		return nobody, explained(err, b.hosts, b.config)
	case answer.Err != sarama.ErrNoError:
		return nobody, answer.Err
	}
	return identity{answer.ProducerID, answer.ProducerEpoch}, nil
}

// requestBytes is about how much one request has, of several partitions: less than any broker takes.
const requestBytes = 16 << 20

func (b *brokers) produce(chunks []*chunk) {
	leaders := map[*sarama.Broker][]*chunk{}
	for _, c := range chunks {
		b.refresh(c.topic)
		leader, err := b.Leader(c.topic, c.partition)
		if c.leader, c.err = "", err; err == nil {
			c.leader = " at " + leader.Addr()
			leaders[leader] = append(leaders[leader], c)
		}
	}
	var all sync.WaitGroup
	for leader, chunks := range leaders {
		all.Go(func() { b.toLeader(leader, chunks) })
	}
	all.Wait()
	var why error
	for _, c := range chunks {
		if errors.Is(c.err, sarama.ErrOutOfBrokers) {
			why = cmp.Or(why, explained(c.err, b.hosts, b.config))
			c.err = why
		}
		if c.err != nil {
			b.stale[c.topic] = true
		}
	}
}

// toLeader sends chunks to their leader, one request after the other.
func (b *brokers) toLeader(leader *sarama.Broker, chunks []*chunk) {
	for len(chunks) > 0 {
		req := &sarama.ProduceRequest{
			Version: 3, RequiredAcks: b.config.Producer.RequiredAcks, Timeout: int32(b.config.Producer.Timeout / time.Millisecond),
		}
		n, size := 0, 0
		for ; n < len(chunks) && (n == 0 || size+chunks[n].size() <= requestBytes); n++ {
			size += chunks[n].size()
			req.AddBatch(chunks[n].topic, chunks[n].partition, chunks[n].records(b.config))
		}
		answer, err := leader.Produce(req)
		for _, c := range chunks[:n] {
			c.err = err
			if err == nil && answer != nil { // without acknowledgements there is none
				c.err = verdict(answer.GetBlock(c.topic, c.partition))
			}
		}
		if chunks = chunks[n:]; err != nil && !unsendable(err) {
			_ = leader.Close() // it is connected to anew when it is asked for next
			for _, c := range chunks {
				c.err = fmt.Errorf("its leader has failed: %w", err)
			}
			return
		}
	}
}

func (c *chunk) size() (n int) {
	for _, m := range c.messages {
		n += m.size
	}
	return n
}

// records makes the chunk what the protocol has of it.
func (c *chunk) records(config *sarama.Config) *sarama.RecordBatch {
	batch := &sarama.RecordBatch{
		Version: 2, Codec: config.Producer.Compression, CompressionLevel: config.Producer.CompressionLevel,
		ProducerID: c.by.id, ProducerEpoch: c.by.epoch, FirstSequence: c.sequence,
		FirstTimestamp: c.messages[0].at, MaxTimestamp: c.messages[0].at,
		LastOffsetDelta: int32(len(c.messages) - 1), Records: make([]*sarama.Record, len(c.messages)),
	}
	for i, m := range c.messages {
		r := m.record // a copy: an earlier request may still be under way
		r.OffsetDelta, r.TimestampDelta = int64(i), m.at.Sub(batch.FirstTimestamp)
		if m.at.After(batch.MaxTimestamp) {
			batch.MaxTimestamp = m.at
		}
		batch.Records[i] = &r
	}
	return batch
}

// verdict is what a broker says of a chunk. That it has it already is as good as that it has it now.
func verdict(answer *sarama.ProduceResponseBlock) error {
	switch {
	case answer == nil:
		return sarama.ErrIncompleteResponse
	case answer.Err == sarama.ErrNoError, answer.Err == sarama.ErrDuplicateSequenceNumber:
		return nil
	}
	return answer.Err
}

// unsendable says whether sarama could not make the request, which is above what any request may have.
func unsendable(err error) bool {
	var bad sarama.PacketEncodingError
	return errors.As(err, &bad)
}

// refusal is the kind of a broker's, or sarama's, final word on a message, "" for any other error.
func refusal(err error) string {
	const invalidTimestamp, invalidRecord = sarama.KError(32), sarama.KError(87)
	switch {
	case unsendable(err):
		return refused
	case errors.Is(err, sarama.ErrMessageSizeTooLarge), errors.Is(err, sarama.ErrInvalidMessageSize):
		return tooLarge
	case errors.Is(err, sarama.ErrInvalidMessage), errors.Is(err, invalidTimestamp), errors.Is(err, invalidRecord):
		return refused
	}
	return ""
}

// forgotten says whether a broker knows the producer no more, or has lost count of its records.
func forgotten(err error) bool {
	return errors.Is(err, sarama.ErrOutOfOrderSequenceNumber) || errors.Is(err, sarama.ErrUnknownProducerID) ||
		errors.Is(err, sarama.ErrInvalidProducerEpoch)
}

// nameless says whether brokers give no identity, be it that they have none or that podbeat may not have one.
func nameless(err error) bool {
	return errors.Is(err, sarama.ErrClusterAuthorizationFailed) || errors.Is(err, sarama.ErrTransactionalIDAuthorizationFailed) ||
		errors.Is(err, sarama.ErrUnsupportedVersion)
}
