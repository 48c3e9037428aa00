package consume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/elastic/beats/v7/libbeat/logp"
)

// trouble logs what goes wrong, each thing once and then once a minute while it lasts.
type trouble struct {
	log *logp.Logger

	mu   sync.Mutex
	said map[string]time.Time
}

// again is how often the same is said.
const again = time.Minute

// maxSaid bounds how many different things are remembered.
const maxSaid = 200

func (t *trouble) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if last, ok := t.said[text]; ok && now.Sub(last) < again {
		return
	}
	if t.said == nil || len(t.said) >= maxSaid {
		t.said = map[string]time.Time{}
	}
	t.said[text] = now
	t.log.Error(text)
}

// probePeriod is how often the cluster is asked how it is.
const probePeriod = 10 * time.Second

// probe asks, now and then until the input stops, where the partitions end, and says what is in the way: the client itself tries
// for ever without a word.
func (g *group) probe() {
	away := false
	for g.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(g.ctx, probeTimeout)
		err := g.look(ctx)
		cancel()
		if away && err == nil {
			g.log.Info("Kafka answers again.")
		}
		away = err != nil
		if away && g.ctx.Err() == nil {
			g.metrics.errors.Inc()
			g.trouble.say("Cannot reach Kafka at %s, trying again and again: %v%s", strings.Join(g.opts.Hosts, ", "), err, advice(err))
		}
		g.sleep(probePeriod)
	}
}

func (g *group) look(ctx context.Context) error {
	admin := kadm.NewClient(g.client)
	var named []string
	for _, topic := range g.opts.Topics {
		if !isPattern(topic) {
			named = append(named, topic)
		}
	}
	if err := g.identify(ctx, named); err != nil {
		return err
	}
	g.mu.Lock()
	list := map[string]bool{}
	for at := range g.partitions {
		list[at.topic] = true
	}
	g.mu.Unlock()
	if len(list) == 0 {
		if len(named) > 0 {
			return nil
		}
		return g.client.Ping(ctx)
	}
	var ours []string
	for topic := range list {
		ours = append(ours, topic)
	}
	ends, err := admin.ListEndOffsets(ctx, ours...)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, p := range g.partitions {
		if end, ok := known(ends, at.topic, at.number); ok {
			p.high = max(p.high, end)
			p.look(false)
		}
	}
	return nil
}

// identify says which of the topics are missing, and sees to those that have been made anew.
func (g *group) identify(ctx context.Context, named []string) error {
	g.mu.Lock()
	asked := slices.AppendSeq(slices.Clone(named), maps.Keys(g.unknown))
	g.mu.Unlock()
	if len(asked) == 0 {
		return nil
	}
	topics, err := kadm.NewClient(g.client).ListTopics(ctx, asked...)
	if denied := (*kadm.AuthError)(nil); errors.As(err, &denied) {
		g.metrics.errors.Inc()
		g.trouble.say("Cannot read topics %s, waiting for the right: %v%s", strings.Join(asked, ", "), err, advice(err))
		return nil
	}
	if err != nil {
		return err
	}
	for _, topic := range topics.Sorted() {
		if topic.Err != nil {
			g.metrics.errors.Inc()
			g.trouble.say("Cannot read topic %s, waiting for it: %v%s", topic.Topic, topic.Err, advice(topic.Err))
			continue
		}
		g.mu.Lock()
		before, known := g.ids[topic.Topic]
		other, unknown := known && before != topic.ID, g.unknown[topic.Topic]
		g.ids[topic.Topic] = topic.ID
		delete(g.unknown, topic.Topic)
		g.mu.Unlock()
		if other || unknown {
			g.renew(ctx, topic.Topic, other)
		}
	}
	return nil
}

// look takes note whether there is something to read, and, of a partition that has just been read from or could not be until now,
// from when on it should be. The caller holds group.mu.
func (p *partition) look(anew bool) {
	switch {
	case p.high <= p.due():
		p.since = time.Time{}
	case anew || p.since.IsZero():
		p.since = time.Now()
	}
}

// unread takes note that a partition cannot be read.
func (g *group) unread(at place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, now := g.partitions[at], time.Now()
	if p == nil {
		return
	}
	if p.failing.IsZero() || now.Sub(p.failed) >= g.patience()/2 { // or it could meanwhile
		p.failing = now
	}
	p.failed = now
}

// outside takes note that this is no member of the group.
func (g *group) outside() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.out.IsZero() {
		g.out = time.Now()
	}
}

// patience is how long joining the group, and reading something of a partition that has something, may take.
func (g *group) patience() time.Duration { return min(2*g.opts.SessionTimeout, time.Minute) }

// stalled says since when nothing of p can be read although it is not known to be empty, and does not pause; zero if that is not
// so, or not for long. The caller holds group.mu.
func (p *partition) stalled(now time.Time) time.Time {
	patience := p.group.patience()
	long := func(t time.Time) bool { return !t.IsZero() && now.Sub(t) >= patience }
	switch {
	case p.paused || p.waiting:
	case long(p.since):
		return p.since
	case long(p.failing) && now.Sub(p.failed) < patience/2:
		return p.failing
	}
	return time.Time{}
}

// advice says what somebody can do about err, "" if waiting may be enough.
func advice(err error) string {
	for _, known := range []struct {
		err  error
		text string
	}{
		{kerr.TopicAuthorizationFailed, "the user needs the rights DESCRIBE and READ on the topic"},
		{kerr.GroupAuthorizationFailed, "the user needs the right READ on the group"},
		{kerr.ClusterAuthorizationFailed, "the user lacks a right on the cluster"},
		{kerr.SaslAuthenticationFailed, "check username and password"},
		{kerr.UnsupportedSaslMechanism, "set sasl.mechanism to one that the brokers offer"},
		{kerr.UnknownTopicOrPartition, "create it, or wait until something is written to it where brokers create topics by themselves"},
		{kerr.InvalidSessionTimeout, "set session_timeout to what the brokers allow: group.min.session.timeout.ms to group.max.session.timeout.ms"},
		{kerr.InconsistentGroupProtocol, "give all members of the group the same rebalance.strategy, or this one another group_id"},
		{kerr.GroupMaxSizeReached, "the group has as many members as brokers allow"},
		{context.DeadlineExceeded, "check hosts, the network and ssl"},
	} {
		if errors.Is(err, known.err) {
			return " (" + known.text + ")"
		}
	}
	return ""
}
