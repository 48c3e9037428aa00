// Package processing is libbeat's processing of events (fields, tags, processors, and what every event is
// given of ecs, agent and host) with three additions: the global part of it can be replaced while events flow,
// an input can have its events left as they are, and one can look at the events that come out.
//
// Every client of the pipeline has a chain of processors, made of its own part and of the global part. The global
// parts that follow each other are generations. A client's chain is made anew with the first event after a change,
// or at once if the client has none in work; its own processors are kept. A generation is closed when no chain
// is of it any more.
package processing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/processors"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"

	"github.com/podbeat/podbeat/beat/prepared"
)

// Verbatim is what an input sets as beat.ClientConfig.Processing.Private for events that have been through podbeat
// before: nothing of ecs, agent and host is added to them, nor what describes the input (`input.type` and
// the like). What the user has configured (fields, tags, processors, of the input and global ones) holds.
var Verbatim any = verbatim{}

type verbatim struct{}

// Processing is the processing of one beat.
type Processing struct {
	make processing.SupportFactory

	// Set once, by libbeat's call of the factory.
	info beat.Info
	log  *logp.Logger

	current atomic.Pointer[generation] // stored with mu held

	mu      sync.Mutex
	clients map[*client]struct{}

	watching sync.Mutex
	watchers atomic.Pointer[[]*func(*beat.Event)] // never changed in place; nil if nobody watches
}

// New makes a Processing for Settings.Processing of one instance of a beat.
func New() *Processing {
	return &Processing{make: processing.MakeDefaultSupport(false, builtins{}), clients: map[*client]struct{}{}}
}

// Factory returns the factory that libbeat calls once, with the whole configuration.
func (p *Processing) Factory() processing.SupportFactory {
	return func(info beat.Info, log *logp.Logger, root *common.Config) (processing.Supporter, error) {
		p.info, p.log = info, log
		if err := p.Reload(root); err != nil {
			return nil, err
		}
		return supporter{p}, nil
	}
}

// Check says what is wrong with the global processing of a whole configuration: it is built and closed again.
func (p *Processing) Check(root *common.Config) error {
	next, err := p.Prepare(root)
	if err != nil {
		return err
	}
	next.Discard()
	return nil
}

// Reload has the global processing of a whole configuration take the place of the present one, which stays if
// there is anything wrong with the new one.
func (p *Processing) Reload(root *common.Config) error {
	next, err := p.Prepare(root)
	if err != nil {
		return err
	}
	next.Apply()
	return nil
}

// Next is a generation that is built, and waits to be applied or discarded.
type Next struct {
	of  *Processing
	gen *generation
}

// Prepare builds the global processing of a whole configuration beside the present one.
// Either Apply or Discard must be called, once.
func (p *Processing) Prepare(root *common.Config) (*Next, error) {
	if p.log == nil {
		return nil, errors.New("cannot build processors before the beat is set up")
	}
	s, err := p.make(p.info, p.log, root)
	if err != nil {
		return nil, fmt.Errorf("cannot build the processors: %w", err)
	}
	g := &generation{Supporter: s, root: root, users: 1}
	g.reads, g.pure = globals(root)
	return &Next{p, g}, nil
}

// Root returns the whole configuration that the present global processing is of; nil before the beat is set up.
func (p *Processing) Root() *common.Config {
	g := p.current.Load()
	if g == nil {
		return nil
	}
	return g.root
}

// Discard closes what has been built.
func (n *Next) Discard() { n.of.release(n.gen) }

// Apply has every event that a client takes from now on go through what has been built.
func (n *Next) Apply() {
	p := n.of
	p.mu.Lock()
	old := p.current.Swap(n.gen) // nobody becomes a user of old any more
	p.mu.Unlock()
	for _, c := range p.list() {
		if c.mu.TryLock() { // else it runs, and sees the change before its next event
			c.renew()
			c.mu.Unlock()
		}
	}
	if old != nil {
		p.release(old)
	}
}

// Watch has f called with every event after all its processors, until stop; f must neither change nor keep the
// event, is called by all clients at once, and is waited for by them. A call that runs already may outlast stop.
func (p *Processing) Watch(f func(*beat.Event)) (stop func()) {
	own := &f
	p.setWatchers(func(list []*func(*beat.Event)) []*func(*beat.Event) { return append(list, own) })
	return sync.OnceFunc(func() {
		p.setWatchers(func(list []*func(*beat.Event)) (rest []*func(*beat.Event)) {
			for _, w := range list {
				if w != own {
					rest = append(rest, w)
				}
			}
			return rest
		})
	})
}

func (p *Processing) setWatchers(edit func([]*func(*beat.Event)) []*func(*beat.Event)) {
	p.watching.Lock()
	defer p.watching.Unlock()
	var list []*func(*beat.Event)
	if now := p.watchers.Load(); now != nil {
		list = append(list, *now...)
	}
	if list = edit(list); len(list) == 0 {
		p.watchers.Store(nil)
		return
	}
	p.watchers.Store(&list)
}

func (p *Processing) list() []*client {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*client, 0, len(p.clients))
	for c := range p.clients {
		all = append(all, c)
	}
	return all
}

// acquire returns the present generation, which then has one user more.
func (p *Processing) acquire() *generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.current.Load()
	g.users++
	return g
}

// release takes a user from a generation, which is closed if it was the last one.
func (p *Processing) release(g *generation) {
	p.mu.Lock()
	g.users--
	last := g.users == 0
	p.mu.Unlock()
	if !last {
		return
	}
	if err := g.Close(); err != nil {
		p.log.Warnf("Cannot close processors that are no longer used: %v", err)
	}
}

// supporter is what libbeat sees of a Processing.
type supporter struct{ p *Processing }

// Create makes the chain of one client.
func (s supporter) Create(cfg beat.ProcessingConfig, drop bool) (beat.Processor, error) {
	if cfg.Private == Verbatim {
		cfg.Fields = nil // the user's are in cfg.EventMetadata
	}
	c := &client{p: s.p, cfg: cfg, drop: drop, gen: s.p.acquire()}
	var err error
	if c.chain, err = c.gen.Create(cfg, drop); err != nil {
		s.p.release(c.gen)
		return nil, err
	}
	c.once = c.pure()
	s.p.mu.Lock()
	s.p.clients[c] = struct{}{}
	s.p.mu.Unlock()
	return c, nil
}

// Close gives up the present generation, which its clients may go on using.
func (s supporter) Close() error {
	s.p.release(s.p.current.Load())
	return nil
}

// A generation is one global part of the processing. It is closed when it has no users left: its being the
// present one counts as one, and each client whose chain is of it.
type generation struct {
	processing.Supporter
	root  *common.Config
	users int // guarded by Processing.mu

	reads []string // by its processors
	pure  bool     // they can do their work once for many events
}

// A client is the chain of processors of one client of the pipeline.
type client struct {
	p    *Processing
	cfg  beat.ProcessingConfig
	drop bool

	mu     sync.Mutex
	gen    *generation
	chain  beat.Processor
	once   *prepared.Chain // for documents; nil if there must be none
	closed bool
}

// Run takes an event through the chain. Of documents of one kind (see package prepared) only the first goes through it, if
// that is the same.
func (c *client) Run(e *beat.Event) (*beat.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
	if d := prepared.Of(e); d != nil {
		if c.once != nil {
			switch d.Process(c.once) {
			case prepared.Done:
				if c.p.watchers.Load() != nil {
					seen := *e
					d.Fill(&seen)
					c.show(&seen)
				}
				return e, nil
			case prepared.Dropped:
				return nil, nil
			}
		}
		d.Fill(e)
	}
	e, err := c.chain.Run(e)
	if e != nil {
		c.show(e)
	}
	return e, err
}

// show shows an event to whoever watches.
func (c *client) show(e *beat.Event) {
	if w := c.p.watchers.Load(); w != nil {
		for _, f := range *w {
			(*f)(e)
		}
	}
}

// renew makes the chain of the present generation, if it is not. c.mu is held.
func (c *client) renew() {
	if c.gen == c.p.current.Load() || c.closed {
		return
	}
	gen := c.p.acquire()
	chain, err := gen.Create(c.cfg, c.drop)
	if err != nil { // libbeat's never fails
		c.p.release(gen)
		c.p.log.Errorf("An input goes on with its processors as they were before: %v", err)
		return
	}
	c.p.release(c.gen) // what the old chain has of the client's own is in the new one, too, and is not closed
	c.gen, c.chain = gen, chain
	c.once = c.pure()
}

func (c *client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chain.String()
}

// Close closes the client's own processors.
func (c *client) Close() error {
	c.p.mu.Lock()
	delete(c.p.clients, c)
	c.p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	err := processors.Close(c.chain)
	c.p.release(c.gen)
	return err
}

// builtins are what libbeat's processing.MakeDefaultBeatSupport adds to every event, but not to those of Verbatim.
type builtins struct{}

// BuiltinFields are of clients that ask for nothing else: there are none.
func (builtins) BuiltinFields(beat.Info) common.MapStr { return nil }

// ClientFields are those of one client.
func (builtins) ClientFields(info beat.Info, cfg beat.ProcessingConfig) common.MapStr {
	if cfg.Private == Verbatim {
		return nil
	}
	all := common.MapStr{}
	all.DeepUpdate(processing.WithECS.BuiltinFields(info).Clone())
	if !cfg.DisableHost {
		all.DeepUpdate(processing.WithHost.BuiltinFields(info))
	}
	all.DeepUpdate(processing.WithAgentMeta().BuiltinFields(info))
	return all
}
