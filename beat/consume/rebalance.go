package consume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// assigned is called when the group has shared its partitions anew, with those that are ours in addition.
func (g *group) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	g.metrics.rebalances.Inc()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out = time.Time{}
	n := 0
	for topic, numbers := range added {
		for _, number := range numbers {
			at := place{topic, number}
			if old := g.partitions[at]; old != nil {
				g.forget(old)
			}
			if old := g.past[at]; old != nil {
				g.partitions[at] = old
				delete(g.past, at)
			} else {
				g.open(at)
			}
			n++
		}
	}
	for _, p := range g.past {
		g.forget(p)
	}
	if n > 0 {
		g.log.Infof("Partitions given to this member: %d, which has %d now.", n, len(g.partitions))
	}
}

// open begins with a partition. The caller holds mu.
func (g *group) open(at place) *partition {
	p := &partition{
		place: at, group: g, wake: make(chan struct{}, 1), idle: make(chan struct{}),
		read: -1, readEpoch: -1, next: -1, epoch: -1, committed: -1,
	}
	p.ctx, p.end = context.WithCancel(g.ctx)
	g.partitions[at] = p
	g.running.Go(p.run)
	return p
}

// forget is done with a partition. The caller holds mu.
func (g *group) forget(p *partition) {
	p.end()
	p.gone, p.waiting = true, false
	g.pause(p, false) // the client would remember it
	for _, all := range []map[place]*partition{g.partitions, g.past} {
		if all[p.place] == p {
			delete(all, p.place)
		}
	}
}

// begin is called with the offsets at which partitions begin to be read, before they are: what is committed, or a
// negative one where nothing is. It does not refuse any. A partition that was lost and comes back goes on behind what was read of
// it, unless others have delivered more meanwhile.
func (g *group) begin(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var topics []string
	for topic := range offsets {
		topics = append(topics, topic)
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	admin := kadm.NewClient(g.client)
	starts, _ := admin.ListStartOffsets(ctx, topics...) // what is missing is not known
	ends, _ := admin.ListEndOffsets(ctx, topics...)
	g.mu.Lock()
	defer g.mu.Unlock()
	for topic, numbers := range offsets {
		for number, offset := range numbers {
			p := g.partitions[place{topic, number}]
			if p == nil {
				continue
			}
			at := offset.EpochOffset().Offset
			if p.away {
				if p.resumes(at) {
					p.away, p.committed = false, max(at, -1)
					numbers[number] = kgo.NewOffset().At(p.due()).WithEpoch(p.readEpoch)
					p.look(true)
					p.poke()
					continue
				}
				g.forget(p)
				p = g.open(p.place)
			}
			start, knowStart := known(starts, topic, number)
			end, knowEnd := known(ends, topic, number)
			if knowEnd {
				p.high = max(p.high, end)
			}
			switch {
			case at >= 0:
				p.next, p.committed = at, at
				if knowStart && at < start {
					g.gap(p, start)
					numbers[number] = kgo.NewOffset().At(start)
				}
			case g.opts.InitialOffset == "oldest" && knowStart:
				p.next = start
			case g.opts.InitialOffset == "newest" && knowEnd: // and not where it ends when the first record is asked for, or after a restart
				p.next = end
				numbers[number] = kgo.NewOffset().At(end)
			}
			p.look(true)
		}
	}
	return offsets, nil
}

// resumes says whether a partition that was lost goes on behind what was read of it, now that the group has committed at; less than 0: nothing,
// neither this member, which had no time to, nor another. The caller holds group.mu.
func (p *partition) resumes(at int64) bool {
	return max(p.read, p.next) >= 0 && p.committed <= max(at, -1) && at <= p.next
}

func known(list kadm.ListedOffsets, topic string, number int32) (int64, bool) {
	o, ok := list.Lookup(topic, number)
	return o.Offset, ok && o.Err == nil && o.Offset >= 0
}

// rewind has a partition read from where it begins: Kafka has no message at the offset that is due, as it has deleted what was there, or the
// topic was made anew. The client would go on by time, which skips messages where times are not in the order of offsets.
func (g *group) rewind(at place) {
	for ; g.ctx.Err() == nil; g.sleep(g.opts.ConsumeBackoff) {
		ctx, cancel := context.WithTimeout(g.ctx, probeTimeout)
		list, err := kadm.NewClient(g.client).ListStartOffsets(ctx, at.topic)
		cancel()
		start, ok := known(list, at.topic, at.number)
		g.mu.Lock()
		p := g.partitions[at]
		if p != nil && ok {
			g.gap(p, start)
		}
		g.mu.Unlock()
		if p == nil {
			return // whose it is now sees to it
		}
		if ok {
			g.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{at.topic: {at.number: {Epoch: -1, Offset: start}}})
			return
		}
		g.failed(at.topic, at.number, cmp.Or(err, list[at.topic][at.number].Err, error(kerr.OffsetOutOfRange)))
	}
}

// renew has a topic read that was deleted and made again, which the client goes on asking for by the id that it had. What is known of its
// partitions is of the one before; so is what the group has committed, if it is sure that the topic is another one.
func (g *group) renew(ctx context.Context, topic string, other bool) {
	starts, _ := kadm.NewClient(g.client).ListStartOffsets(ctx, topic)
	offsets := map[int32]kgo.EpochOffset{}
	g.committing.Lock() // what is being committed is of the one before, too
	g.mu.Lock()
	for at, p := range g.partitions {
		if at.topic != topic {
			continue
		}
		if start, ok := known(starts, topic, at.number); ok && other {
			offsets[at.number] = kgo.EpochOffset{Epoch: -1, Offset: start}
		}
		g.forget(p)
	}
	g.mu.Unlock()
	if len(offsets) > 0 {
		g.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: offsets}, nil)
	}
	g.committing.Unlock()
	if other {
		g.log.Warnf("Topic %s was deleted and made again; reading the new one from its beginning.", topic)
	}
	sharings := g.metrics.rebalances.Get()
	g.client.PurgeTopicsFromConsuming(topic)
	// The group has to share its partitions without the topic before it does with it: else it would seem to be what is read already.
	for end := time.Now().Add(g.opts.Rebalance.Timeout); g.metrics.rebalances.Get() == sharings && time.Now().Before(end) && g.ctx.Err() == nil; {
		g.sleep(100 * time.Millisecond)
	}
	g.client.AddConsumeTopics(topic) // of a regular expression's the client finds it by itself
}

// due is the offset to be read next, as far as it is known. The caller holds group.mu.
func (p *partition) due() int64 { return max(p.read+1, p.next) }

// pass commits what Kafka has deleted unread, once nothing before it is open: until a message comes it would seem to be what this input is behind
// with, and whoever is given the partition next would count it again. The caller holds group.mu.
func (p *partition) pass() {
	if len(p.open) == 0 && !p.finished && p.read >= p.next { // finish forgets what is read and not published
		p.next, p.epoch = p.read+1, p.readEpoch
	}
}

// gap takes note that Kafka has deleted the messages before to, of which this group has never read those from where it is. It
// is behind them then: before it reads a message more may be deleted, or the partition be lost and given again, and none of
// them is to be counted twice. The caller holds mu.
func (g *group) gap(p *partition, to int64) {
	from := p.due()
	if from >= to || max(p.read, p.next) < 0 { // the latter: where this group is in it is not known yet
		return
	}
	p.read, p.readEpoch = to-1, -1
	p.pass()
	g.metrics.lost.Add(uint64(to - from))
	g.log.Errorf("LOST up to %d messages of partition %d of %s: Kafka deleted them, by retention.ms, retention.bytes or by command, before they were read. Reading on at offset %d.",
		to-from, p.number, p.topic, to)
}

// revoked is called before partitions go to other members, and waits a moment for what is on its way.
func (g *group) revoked(ctx context.Context, _ *kgo.Client, list map[string][]int32) {
	parts := g.those(list)
	if len(parts) == 0 {
		return
	}
	for _, p := range parts {
		p.end()
	}
	timer := time.NewTimer(g.opts.WaitClose)
	defer timer.Stop()
	for _, p := range parts {
		select {
		case <-p.idle:
			continue
		case <-timer.C:
		case <-g.ctx.Done(): // leave has waited
		}
		break
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	g.commit(ctx, parts)
	g.release(parts)
	g.log.Infof("Partitions taken from this member: %d.", len(parts))
}

// lost is called when the member is out of its group, as it is while there is no broker. When it is in again, it is likely to get
// the same partitions: until then they wait, with what was read of them.
func (g *group) lost(_ context.Context, _ *kgo.Client, list map[string][]int32) {
	g.outside()
	parts := g.those(list)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		g.pause(p, false)
		p.away = true
		delete(g.partitions, p.place)
		g.past[p.place] = p
	}
	g.balance()
}

func (g *group) those(list map[string][]int32) (parts []*partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for topic, numbers := range list {
		for _, number := range numbers {
			if p := g.partitions[place{topic, number}]; p != nil {
				parts = append(parts, p)
			}
		}
	}
	return parts
}

func (g *group) release(parts []*partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		g.forget(p)
	}
	g.balance()
}

// commitAll commits now and then until the input stops.
func (g *group) commitAll() {
	for g.ctx.Err() == nil {
		g.sleep(g.opts.CommitInterval)
		ctx, cancel := context.WithTimeout(g.ctx, probeTimeout)
		g.commit(ctx, nil)
		cancel()
	}
}

// commit commits what is settled of parts; nil means of all. Partitions that are gone by now are left out. One commit looks at
// the offsets after the other is done: else both count the same messages, and the one that looked first may be sent last, as when it waits
// while the group shares its partitions anew, and take back what was committed of a partition before it was given to another member.
func (g *group) commit(ctx context.Context, parts []*partition) {
	g.committing.Lock()
	defer g.committing.Unlock()
	type mark struct {
		partition *partition
		offset    int64
		settled   int
	}
	marks := map[place]mark{}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	g.mu.Lock()
	for at, p := range g.partitions {
		if p.next <= p.committed || p.away || parts != nil && !slices.Contains(parts, p) {
			continue
		}
		marks[at] = mark{p, p.next, p.settled}
		if offsets[at.topic] == nil {
			offsets[at.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[at.topic][at.number] = kgo.EpochOffset{Epoch: p.epoch, Offset: p.next}
	}
	g.mu.Unlock()
	if len(marks) == 0 {
		return
	}
	g.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			g.uncommitted(err)
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, t := range resp.Topics {
			for _, answer := range t.Partitions {
				m, ok := marks[place{t.Topic, answer.Partition}]
				if err := kerr.ErrorForCode(answer.ErrorCode); err != nil || !ok {
					g.uncommitted(err)
					continue
				}
				m.partition.committed = m.offset
				m.partition.settled -= m.settled
				g.metrics.committed.Add(uint64(m.settled))
			}
		}
	})
}

// uncommitted says why an offset was not committed, if that is no part of a rebalance: then whoever has the partition reads it again.
func (g *group) uncommitted(err error) {
	if err == nil || g.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	for _, passing := range []error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, context.Canceled} {
		if errors.Is(err, passing) {
			g.log.Debugf("Offsets are not committed: %v", err)
			return
		}
	}
	g.metrics.errors.Inc()
	g.trouble.say("Cannot commit offsets of group %s, trying again: %v%s", g.opts.GroupID, err, advice(err))
}

// figures are what a group has at present.
type figures struct {
	partitions, paused, waiting, events, bytes int
	lag                                        int64
	behind                                     float64 // seconds since the oldest message that is not settled was written
	stalled                                    int     // partitions of which nothing can be read
	idle                                       string  // what is not done, and nothing else tells of
}

func (g *group) figures() (f figures) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f = figures{partitions: len(g.partitions), paused: g.paused, events: g.events, bytes: g.bytes}
	now := time.Now()
	var worst *partition
	var since time.Time
	for _, p := range g.partitions {
		f.lag += p.lag()
		if len(p.open) > 0 {
			f.behind = max(f.behind, float64(now.UnixMilli()-p.open[0].time)/1000)
		}
		if p.waiting {
			f.waiting++
		}
		if t := p.stalled(now); !t.IsZero() {
			f.stalled++
			if worst == nil || t.Before(since) {
				worst, since = p, t
			}
		}
	}
	switch {
	case !g.out.IsZero() && now.Sub(g.out) >= g.patience():
		f.idle = fmt.Sprintf("it has not been in group %s for %v, and reads nothing: see podbeat's log", g.opts.GroupID, now.Sub(g.out).Round(time.Second))
	case worst != nil && f.stalled < len(g.partitions): // of an input that reads nothing at all its figure read tells
		f.idle = fmt.Sprintf("%d of %d partitions cannot be read, among them %d of %s for %v: see podbeat's log",
			f.stalled, f.partitions, worst.number, worst.topic, now.Sub(since).Round(time.Second))
	}
	return f
}

// lag is how many offsets are before the end of the partition and not settled. The caller holds group.mu.
func (p *partition) lag() int64 {
	if p.next < 0 {
		return 0 // not known yet
	}
	return max(0, p.high-p.next)
}

type lagOf struct {
	place
	lag int64
}

// lags returns the lag of each partition, the largest first.
func (g *group) lags() (list []lagOf) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.partitions {
		list = append(list, lagOf{p.place, p.lag()})
	}
	slices.SortFunc(list, func(a, b lagOf) int {
		return cmp.Or(cmp.Compare(b.lag, a.lag), cmp.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number))
	})
	return list
}
