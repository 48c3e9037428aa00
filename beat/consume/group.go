package consume

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// A group is this input as a member of its consumer group.
type group struct {
	opts      *options
	log       *logp.Logger
	metrics   *metrics
	trouble   *trouble
	client    *kgo.Client
	publisher *publisher
	decoder   decoder
	letters   deadletter.File
	letGo     func()          // of letters
	ctx       context.Context // done once the input stops
	stop      context.CancelFunc
	running   sync.WaitGroup // partitions

	committing sync.Mutex // held while offsets are committed, from the look at them on; taken before mu

	mu         sync.Mutex // held while the client is told to pause or resume, and never while it calls
	partitions map[place]*partition
	past       map[place]*partition // that were lost, until it is known whose they are
	events     int                  // unsettled, also of partitions that are gone
	bytes      int
	paused     int                     // partitions
	out        time.Time               // since when this is no member of the group; zero: it is one
	ids        map[string]kadm.TopicID // of topics, when they were seen last
	unknown    map[string]bool         // topics that brokers do not know by the id that the client has
}

// newGroup makes a member, which joins its group at once. Its owner calls run or leave.
func newGroup(o *options, log *logp.Logger, m *metrics) (*group, error) {
	g := &group{
		opts: o, log: log, metrics: m, trouble: &trouble{log: log}, partitions: map[place]*partition{}, past: map[place]*partition{},
		out: time.Now(), ids: map[string]kadm.TopicID{}, unknown: map[string]bool{},
		decoder: decoder{int(o.MaxMessageBytes), o.MaxFields, o.ExpandEventListFromField, m},
		letters: deadletter.File{Path: paths.Resolve(paths.Data, o.DeadLetterFile.Path), MaxBytes: int64(o.DeadLetterFile.MaxBytes), Files: o.DeadLetterFile.Files},
	}
	g.publisher = &publisher{metrics: m, settled: g.settle}
	g.ctx, g.stop = context.WithCancel(context.Background())
	opts, err := o.client()
	if err != nil {
		return nil, err
	}
	opts = append(opts, kgo.WithLogger(clientLog{log}), kgo.WithHooks(g),
		kgo.OnPartitionsAssigned(g.assigned), kgo.OnPartitionsRevoked(g.revoked), kgo.OnPartitionsLost(g.lost), kgo.AdjustFetchOffsetsFn(g.begin))
	if g.client, err = kgo.NewClient(opts...); err != nil {
		return nil, err
	}
	g.letGo = g.letters.Use()
	return g, nil
}

// run reads until stop is done, and then finishes what has begun.
func (g *group) run(stop context.Context) {
	var all sync.WaitGroup
	all.Go(g.commitAll)
	all.Go(g.probe)
	all.Go(g.poll)
	<-stop.Done()

	// What is on its way may be acknowledged while libbeat's client closes, which also ends a Publish that waits for room.
	g.stop()
	_ = g.publisher.client.Close()
	all.Wait()
	ended := make(chan struct{})
	go func() {
		g.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Second): // a full disk queue keeps them until it is closed
	}
	g.leave()
}

// leave commits what is settled and leaves the group, without waiting long for a cluster that does not answer.
func (g *group) leave() {
	defer g.letGo()
	g.stop()
	inTime, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	g.commit(inTime, nil)
	left := make(chan struct{})
	go func() { // ends with the requests that are on their way
		g.client.CloseAllowingRebalance()
		close(left)
	}()
	select {
	case <-left:
	case <-inTime.Done():
		g.log.Warn("Kafka did not answer a member that leaves; its partitions are given to others after session_timeout.")
	}
}

// leaveTimeout is how long a stop may wait for the cluster.
const leaveTimeout = 3 * time.Second

// pollSize is how many records are taken at once, at most.
const pollSize = 1000

// room is how many records may be taken now: when there is too much on the way, half a share for those that have less.
func (g *group) room() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	most := g.opts.MaxInFlight.Events
	return min(pollSize, max(1, most-g.events, most/2/max(1, len(g.partitions))))
}

func (g *group) poll() {
	for g.ctx.Err() == nil {
		fetches := g.client.PollRecords(g.ctx, g.room())
		bad, beyond := false, []place(nil)
		fetches.EachError(func(topic string, partition int32, err error) {
			if errors.Is(err, kerr.OffsetOutOfRange) {
				beyond = append(beyond, place{topic, partition})
				return
			}
			if errors.Is(err, kerr.UnknownTopicID) {
				g.mu.Lock()
				g.unknown[topic] = true
				g.mu.Unlock()
			}
			bad = g.failed(topic, partition, err) || bad
		})
		fetches.EachPartition(g.add)
		g.client.AllowRebalance() // until here no partition can come or go
		for _, at := range beyond {
			g.rewind(at)
		}
		if bad {
			g.sleep(g.opts.ConsumeBackoff)
		}
	}
}

func (g *group) sleep(d time.Duration) {
	select {
	case <-g.ctx.Done():
	case <-time.After(d):
	}
}

// failed says what a fetch has met, and whether it is an error that may be met at once again.
func (g *group) failed(topic string, partition int32, err error) bool {
	var loss *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	switch {
	case g.ctx.Err() != nil || errors.Is(err, kgo.ErrClientClosed):
		return false
	case errors.As(err, &loss):
		g.metrics.errors.Inc()
		g.trouble.say("Partition %d of %s has lost what this input had read of it from offset %d to %d, as a new leader did not have it; reading on at %d.",
			loss.Partition, loss.Topic, loss.ResetTo, loss.ConsumedTo, loss.ResetTo)
		return false
	case errors.As(err, &session):
		g.metrics.errors.Inc()
		g.outside()
		g.trouble.say("Cannot stay in group %s, joining again: %v%s", g.opts.GroupID, session.Err, advice(session.Err))
	case topic == "":
		g.metrics.errors.Inc()
		g.trouble.say("Cannot read from Kafka: %v%s", err, advice(err))
	case partition < 0:
		g.metrics.errors.Inc()
		g.trouble.say("Cannot read topic %s: %v%s", topic, err, advice(err))
	default:
		g.metrics.errors.Inc()
		g.unread(place{topic, partition})
		g.trouble.say("Cannot read partition %d of %s: %v%s", partition, topic, err, advice(err))
	}
	return true
}

// OnBrokerConnect is kgo.HookBrokerConnect's.
func (g *group) OnBrokerConnect(b kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil && g.ctx.Err() == nil {
		g.metrics.errors.Inc()
		g.trouble.say("Cannot connect to Kafka at %s: %v%s", net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), err, advice(err))
	}
}

// add takes records of a partition.
func (g *group) add(f kgo.FetchTopicPartition) {
	if len(f.Records) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := place{f.Topic, f.Partition}
	p := g.partitions[at]
	if p == nil {
		return // whose it is now reads them
	}
	if f.Records[0].Offset < p.due() { // the topic was made anew, or a leader has lost data: other messages have the offsets of before
		g.forget(p)
		p = g.open(at)
	}
	p.high = max(p.high, f.HighWatermark)
	for _, raw := range f.Records {
		r := &record{
			partition: p, offset: raw.Offset, epoch: raw.LeaderEpoch, time: raw.Timestamp.UnixMilli(), raw: raw,
			left: 1, events: 1, bytes: len(raw.Value),
		}
		p.todo, p.open = append(p.todo, r), append(p.open, r)
		p.read, p.readEpoch = raw.Offset, raw.LeaderEpoch
		p.count(r.events, r.bytes)
		if !raw.Attrs.IsControl() {
			g.metrics.read.Inc()
			g.metrics.bytes.Add(uint64(len(raw.Value)))
		}
	}
	p.failing = time.Time{}
	p.look(true)
	g.balance()
	p.poke()
}

// poke tells run that there is something to do.
func (p *partition) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// count adds to what is unsettled. The caller holds mu.
func (p *partition) count(events, bytes int) {
	p.events += events
	p.bytes += bytes
	p.group.events += events
	p.group.bytes += bytes
}

// balance pauses partitions that have more than their share on the way while there is too much of all, and has others go on. It stops
// pausing once there is a quarter of room, or half a share, so that no partition stops and goes. The caller holds mu.
func (g *group) balance() {
	n, most := max(1, len(g.partitions)), g.opts.MaxInFlight
	full := g.events >= most.Events || g.bytes >= int(most.Bytes)
	roomy := g.events < most.Events*3/4 && g.bytes < int(most.Bytes)*3/4
	for _, p := range g.partitions {
		events, bytes := p.events*n, p.bytes*n
		pause := full && (events >= most.Events || bytes >= int(most.Bytes))
		if p.paused {
			pause = !roomy && (events >= most.Events/2 || bytes >= int(most.Bytes)/2)
		}
		g.pause(p, pause || p.waiting)
	}
}

// pause has the client fetch nothing of p, or again. The caller holds mu.
func (g *group) pause(p *partition, pause bool) {
	if pause == p.paused {
		return
	}
	p.paused = pause
	where := map[string][]int32{p.topic: {p.number}}
	if pause {
		g.paused++
		g.metrics.pauses.Inc()
		g.client.PauseFetchPartitions(where)
		return
	}
	g.paused--
	p.look(true)
	g.client.ResumeFetchPartitions(where)
}

// wait says whether p waits for the dead-letter file.
func (g *group) wait(p *partition, waiting bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.waiting != waiting && !p.gone {
		p.waiting = waiting
		g.balance()
	}
}

// weigh says what a message has become.
func (g *group) weigh(r *record, events, bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.left = events + 1
	r.partition.count(events-r.events, bytes-r.bytes)
	r.events, r.bytes = events, bytes
}

// settle takes note that an event of r, or r itself, needs nothing any more.
func (g *group) settle(r *record) { g.settleEvents(r, 1) }

func (g *group) settleEvents(r *record, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := r.partition
	if p.gone {
		g.metrics.late.Add(uint64(n))
	}
	if r.left -= n; r.left > 0 || r.done {
		return
	}
	r.done = true
	p.count(-r.events, -r.bytes)
	for len(p.open) > 0 && p.open[0].done {
		first := p.open[0]
		p.next, p.epoch = first.offset+1, first.epoch
		p.settled++
		p.open[0] = nil
		p.open = p.open[1:]
	}
	p.pass()
	p.rest()
	if g.paused > 0 {
		g.balance()
	}
}
