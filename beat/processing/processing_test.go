package processing

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/processors"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"
)

var info = beat.Info{Beat: "podbeat", Version: "1.2.3", Name: "node-1", Hostname: "host-1"}

// A stamp is a processor that writes its generation into events, and knows whether it is open.
type stamp struct {
	Value string `config:"value"`
}

var open sync.Map // values of stamps that are open

func init() {
	processors.RegisterPlugin("stamp", func(cfg *common.Config) (processors.Processor, error) {
		s := &stamp{}
		if err := cfg.Unpack(s); err != nil {
			return nil, err
		}
		open.Store(s.Value, true)
		return s, nil
	})
}

func (s *stamp) Run(e *beat.Event) (*beat.Event, error) {
	if _, ok := open.Load(s.Value); !ok {
		return e, fmt.Errorf("%s is closed", s.Value)
	}
	e.Fields["stamp"] = s.Value
	return e, nil
}

func (s *stamp) Close() error {
	open.Delete(s.Value)
	return nil
}

func (s *stamp) String() string { return "stamp " + s.Value }

func isOpen(value string) bool {
	_, ok := open.Load(value)
	return ok
}

func config(t *testing.T, yaml string) *common.Config {
	t.Helper()
	c, err := common.NewConfigFrom(yaml)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func stamped(t *testing.T, value string) *common.Config {
	return config(t, "processors: [{stamp: {value: "+value+"}}]")
}

func begin(t *testing.T, root *common.Config) (*Processing, processing.Supporter) {
	t.Helper()
	p := New()
	s, err := p.Factory()(info, logp.NewLogger("test"), root)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func create(t *testing.T, s processing.Supporter, cfg beat.ProcessingConfig) beat.Processor {
	t.Helper()
	c, err := s.Create(cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func run(t *testing.T, p beat.Processor) *beat.Event {
	t.Helper()
	e, err := p.Run(&beat.Event{Fields: common.MapStr{"message": "m"}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// What comes out of the chain is what comes out of libbeat's own.
func TestAsLibbeat(t *testing.T) {
	for name, cfg := range map[string]beat.ProcessingConfig{
		"plain":   {},
		"no host": {DisableHost: true},
		"fields": {
			Fields:        common.MapStr{"input": common.MapStr{"type": "journal"}, "host": common.MapStr{"os": "x"}},
			EventMetadata: common.EventMetadata{Fields: common.MapStr{"a": 1}, FieldsUnderRoot: true, Tags: []string{"own"}},
			Meta:          common.MapStr{"pipeline": "p"},
		},
	} {
		for _, yaml := range []string{"{}", "{fields: {f: g}, tags: [t], processors: [{add_fields: {target: x, fields: {b: z}}}, {drop_fields: {fields: [ecs.version]}}]}"} {
			root := config(t, yaml)
			lib, err := processing.MakeDefaultBeatSupport(false)(info, logp.NewLogger("test"), root)
			if err != nil {
				t.Fatal(err)
			}
			_, own := begin(t, root)
			theirs, ours := create(t, lib, cfg), create(t, own, cfg)
			for range 2 { // the second shows whether the first has changed what events share
				want, got := run(t, theirs), run(t, ours)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s:\n%v, want\n%v", name, yaml, got, want)
				}
			}
		}
	}
}

func TestVerbatim(t *testing.T) {
	_, s := begin(t, config(t, "{fields: {f: g}, tags: [t], processors: [{add_fields: {target: x, fields: {b: z}}}]}"))
	got := run(t, create(t, s, beat.ProcessingConfig{
		Private:       Verbatim,
		Fields:        common.MapStr{"input": common.MapStr{"type": "kafka"}},
		EventMetadata: common.EventMetadata{Fields: common.MapStr{"a": 1}, FieldsUnderRoot: true},
	})).Fields
	want := common.MapStr{"message": "m", "tags": []string{"t"}, "a": 1, "fields": common.MapStr{"f": "g"}, "x": common.MapStr{"b": "z"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A closing list shows that the client's own processors outlive a reload, and are closed once.
type closing struct {
	beat.Processor
	closed int
}

func (c *closing) All() []beat.Processor                  { return []beat.Processor{c} }
func (c *closing) Run(e *beat.Event) (*beat.Event, error) { return e, nil }
func (c *closing) String() string                         { return "closing" }
func (c *closing) Close() error                           { c.closed++; return nil }
func values(t *testing.T, list ...beat.Processor) (all []any) {
	for _, c := range list {
		v, _ := run(t, c).GetValue("stamp")
		all = append(all, v)
	}
	return all
}

func TestReload(t *testing.T) {
	p, s := begin(t, stamped(t, "one"))
	own := &closing{}
	a, b := create(t, s, beat.ProcessingConfig{Processor: own}), create(t, s, beat.ProcessingConfig{})
	if got := values(t, a, b); !reflect.DeepEqual(got, []any{"one", "one"}) {
		t.Fatal(got)
	}

	// A client that is at work keeps its generation open until its next event.
	a.(*client).mu.Lock()
	if err := p.Reload(stamped(t, "two")); err != nil {
		t.Fatal(err)
	}
	if !isOpen("one") || !isOpen("two") {
		t.Errorf("open while a client uses the first: one %v, two %v; want both", isOpen("one"), isOpen("two"))
	}
	a.(*client).mu.Unlock()
	if got := values(t, a, b); !reflect.DeepEqual(got, []any{"two", "two"}) {
		t.Error(got)
	}
	if isOpen("one") || !isOpen("two") {
		t.Errorf("open after it: one %v, two %v; want two", isOpen("one"), isOpen("two"))
	}

	// What is wrong changes nothing.
	for _, yaml := range []string{
		"processors: [{stomp: {}}]",
		"processors: [{drop_event: {whem: 1}}]",
		"processors: [{drop_fields: {fields: [x]}, add_tags: {tags: [y]}}]",
	} {
		bad := config(t, yaml)
		if err := p.Check(bad); err == nil {
			t.Errorf("Check takes %s", yaml)
		}
		if err := p.Reload(bad); err == nil {
			t.Errorf("Reload takes %s", yaml)
		}
	}
	if err := p.Check(stamped(t, "checked")); err != nil || isOpen("checked") {
		t.Errorf("Check: %v, open after it: %v", err, isOpen("checked"))
	}
	if got := values(t, a, b); !reflect.DeepEqual(got, []any{"two", "two"}) {
		t.Error(got)
	}

	if own.closed != 0 {
		t.Error("a client's own processors are closed by a reload")
	}
	for range 2 {
		if err := processors.Close(a); err != nil {
			t.Fatal(err)
		}
	}
	if own.closed != 1 {
		t.Errorf("a client's own processors are closed %d times, want once", own.closed)
	}
	if err := s.Close(); err != nil || !isOpen("two") {
		t.Errorf("closed while a client has it: %v", err)
	}
	if err := processors.Close(b); err != nil || isOpen("two") {
		t.Errorf("not closed with its last client: %v", err)
	}
	if _, err := s.Create(beat.ProcessingConfig{}, false); err != nil { // late ones are no reason to hang
		t.Error(err)
	}
}

// Events run, clients come and go, and the processors change: no event meets a closed one.
func TestReloadUnderLoad(t *testing.T) {
	p, s := begin(t, stamped(t, "load-0"))
	var clients, reloader sync.WaitGroup
	stop := make(chan struct{})
	var stamps sync.Map
	for range 4 {
		clients.Go(func() {
			for {
				c, err := s.Create(beat.ProcessingConfig{}, false)
				if err != nil {
					t.Error(err)
					return
				}
				for range 50 {
					e, err := c.Run(&beat.Event{Fields: common.MapStr{}})
					if err != nil || e.Fields["stamp"] == nil {
						t.Errorf("%v, %v", e, err)
						return
					}
					stamps.Store(e.Fields["stamp"], true)
				}
				_ = processors.Close(c)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	const n = 200
	reloader.Go(func() {
		defer close(stop)
		for i := 1; i <= n; i++ {
			if err := p.Reload(stamped(t, fmt.Sprintf("load-%d", i))); err != nil {
				t.Error(err)
			}
		}
	})
	reloader.Wait()
	clients.Wait()
	for i := range n {
		if isOpen(fmt.Sprintf("load-%d", i)) {
			t.Errorf("generation %d is still open", i)
		}
	}
	if !isOpen(fmt.Sprintf("load-%d", n)) {
		t.Error("the last generation is closed")
	}
}

func TestWatch(t *testing.T) {
	p, s := begin(t, config(t, "processors: [{drop_event: {when: {equals: {drop: true}}}}, {add_tags: {tags: [last]}}]"))
	c := create(t, s, beat.ProcessingConfig{})
	var a, b []common.MapStr
	send := func(fields common.MapStr) {
		t.Helper()
		if _, err := c.Run(&beat.Event{Fields: fields}); err != nil {
			t.Fatal(err)
		}
	}
	send(common.MapStr{"n": 0})
	stopA := p.Watch(func(e *beat.Event) { a = append(a, e.Fields) })
	stopB := p.Watch(func(e *beat.Event) { b = append(b, e.Fields) })
	send(common.MapStr{"n": 1})
	send(common.MapStr{"n": 2, "drop": true})
	stopA()
	stopA()
	send(common.MapStr{"n": 3})
	stopB()
	send(common.MapStr{"n": 4})
	for who, got := range map[string][]common.MapStr{"a 1": a, "b 1 3": b} {
		say := who[:1]
		for _, f := range got {
			say += fmt.Sprintf(" %v", f["n"])
			if !reflect.DeepEqual(f["tags"], []string{"last"}) {
				t.Errorf("%v was seen before all its processors", f)
			}
		}
		if say != who {
			t.Errorf("saw %q, want %q", say, who)
		}
	}
	if p.watchers.Load() != nil {
		t.Error("watchers are left")
	}
}
