package status

import (
	"context"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/heartbeat"
)

// findings are what one round of probes has found out.
type findings struct {
	health    body.Value
	healthErr error
	color     string // of health
	nodes     map[string][]string
	nodesErr  error
	store     *figures
	storeErr  error
	kafka     kafkaFindings
	zookeeper int // servers up

	state    state // of the configuration; as it was last known if it cannot be read
	stateErr error
	run      *lastRun

	instances   []*instance
	undelivered []string // nodes of instances whose output fails

	maxLag       int64
	curatorEvery time.Duration
}

// gather probes everything, side by side. It takes no longer than probeTime.
func (s *Service) gather(ctx context.Context) *findings {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	now := s.Now()
	f := &findings{maxLag: s.Settings.Kafka.MaxLag, curatorEvery: s.CuratorEvery}
	health := ask(ctx, s.health)
	nodes := ask(ctx, s.nodesByRole)
	figures := ask(ctx, s.store.probe)
	state := ask(ctx, s.config.read)
	run := ask(ctx, s.curatorRun)
	kafka := ask(ctx, func(ctx context.Context) (kafkaFindings, error) { return s.kafka.probe(ctx, now) })
	zookeeper := ask(ctx, func(ctx context.Context) (int, error) { return zookeepers(ctx, s.Settings.ZooKeeper.Hosts), nil })

	f.instances = s.instances.list(now)
	for _, in := range f.instances {
		if in.Failing != "" && in.status(now) == "up" {
			f.undelivered = append(f.undelivered, in.Node)
		}
	}
	f.health, f.healthErr = health()
	color, _ := f.health.Get("status")
	f.color = color.Text
	if s.Store == nil {
		f.nodes, f.nodesErr = nodes()
	} else if f.healthErr == nil { // the store is a node of every kind, in this process
		f.nodes = map[string][]string{"master": {"store"}, "data": {"store"}}
	}
	f.store, f.storeErr = figures()
	f.state, f.stateErr = state()
	if f.stateErr != nil {
		f.state = s.config.last()
	}
	f.run, _ = run() // what keeps it from being read keeps the state from it, too
	var err error
	if f.kafka, err = kafka(); err != nil {
		f.kafka = kafkaFindings{known: max(s.kafka.brokers.count("broker", now), len(s.kafka.Hosts)), err: err}
		if s.kafka.Group != "" {
			f.kafka.lag, f.kafka.lagErr = s.kafka.unknownLag(), err
		}
	}
	f.zookeeper, _ = zookeeper() // none in time are none
	for role, names := range f.nodes {
		s.nodes.note(role, names, now)
	}
	return f
}

// document is what findings mean.
func (s *Service) document(f *findings) *document {
	now := s.Now()
	d := &document{Timestemp: max(now.Unix(), f.state.record.stamp()), CheckedAt: now.UTC().Truncate(time.Millisecond), Region: s.Region, Store: f.store}
	d.Rotate = rotate{f.state.rotation.Enabled, f.state.rotation.Age, f.run}
	x := s.Expected

	d.Collector.Journalbeat = collects(f, heartbeat.Journalbeat, x.Journalbeat, now)
	d.Collector.Filebeat = collects(f, heartbeat.Filebeat, x.Filebeat, now)
	gate := collects(f, heartbeat.HTTPGateway, x.HTTPGateway, now)
	d.Collector.HTTPGateway = gateway{gate.Enabled, gate.Status}
	d.Shipper.Status = inRole(f, heartbeat.Shipper, x.Shipper, now)
	d.Parser.Status = inRole(f, heartbeat.Parser, x.Parser, now)

	d.Kafka.HealthCheck = s.kafka.client != nil && f.kafka.err == nil && len(f.kafka.leaderless) == 0
	d.Kafka.Broker.Status = counts{expected(x.Broker, f.kafka.known), f.kafka.up}
	d.Kafka.ZooKeeper.Status = counts{len(s.Settings.ZooKeeper.Hosts), f.zookeeper}
	d.Kafka.Lag = f.kafka.lag

	role := func(name string, want int) counts {
		return counts{expected(want, s.nodes.count(name, now)), len(f.nodes[name])}
	}
	d.Elasticsearch.Status = roles{role("master", x.Master), role("client", x.Client), role("data", x.Data)}
	d.Elasticsearch.Health = orderHealth(f.health).Append(nil)
	d.Elasticsearch.Settings = f.state.settings
	d.Configuration = configuration{Version: f.state.record.Version, UpdatedAt: f.state.record.UpdatedAt, UpdatedBy: line(f.state.record.UpdatedBy)}
	judge(f, d)
	return d
}

func expected(want, seen int) int {
	if want > 0 {
		return want
	}
	return seen
}

// collects is the part of a collector. Switched off, none should be up.
func collects(f *findings, name string, want int, now time.Time) collector {
	c := collector{Enabled: f.state.record.enabled(name)}
	for _, in := range f.instances {
		status, detail := in.collects(name, now)
		if status == "" {
			continue
		}
		c.Instances = append(c.Instances, instanceView{in.Node, in.PodID, status, in.Seen, line(detail)})
		if status != heartbeat.Off {
			c.Status.Scheduled++
		}
		if status == "up" {
			c.Status.Up++
		}
	}
	c.Status.Scheduled = expected(want, c.Status.Scheduled)
	if !c.Enabled {
		c.Status.Scheduled = 0
	}
	return c
}

// inRole counts the instances of a role.
func inRole(f *findings, role string, want int, now time.Time) counts {
	var c counts
	for _, in := range f.instances {
		if in.Role != role {
			continue
		}
		c.Scheduled++
		if in.works(now) {
			c.Up++
		}
	}
	c.Scheduled = expected(want, c.Scheduled)
	return c
}

// rounds let requests that come at the same time share one round of probes, as long as the configuration stays the
// same.
type rounds struct {
	mu      sync.Mutex
	running *round
}

type round struct {
	done chan struct{}
	f    *findings
}

// renew lets no request that comes from now on share a round that has begun.
func (r *rounds) renew() {
	r.mu.Lock()
	r.running = nil
	r.mu.Unlock()
}

// localValue is this region's status, and what it is of.
func (s *Service) localValue(ctx context.Context) (*findings, body.Value, error) {
	f := s.round(ctx)
	v, err := s.document(f).sealed()
	return f, v, err
}

// round has a round of probes of its own, or shares the one that runs.
func (s *Service) round(ctx context.Context) *findings {
	r := &s.rounds
	r.mu.Lock()
	if running := r.running; running != nil {
		r.mu.Unlock()
		<-running.done
		return running.f
	}
	mine := &round{done: make(chan struct{})}
	r.running = mine
	r.mu.Unlock()
	mine.f = s.gather(context.WithoutCancel(ctx))
	r.mu.Lock()
	if r.running == mine {
		r.running = nil
	}
	r.mu.Unlock()
	close(mine.done)
	return mine.f
}
