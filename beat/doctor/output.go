package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	libbeattesting "github.com/elastic/beats/v7/libbeat/testing"
	"golang.org/x/sys/unix"
)

func checkOutput(ctx context.Context, s *subject) []Finding {
	name := s.Output.Name()
	switch {
	case !s.Output.IsSet() || !s.Output.Config().Enabled():
		return []Finding{{State: Problem, Found: "the configuration has no output", Do: "add one, such as output.elasticsearch: podbeat test config"}}
	case s.isElastic():
		return s.checkElastic()
	}
	cfg, err := common.MergeConfigs(s.Output.Config())
	if err != nil {
		return one(NotChecked, "%v", err)
	}
	group, err := s.MakeOutput(name, cfg, outputs.NewNilObserver())
	if err != nil {
		return []Finding{{State: Problem, Found: fmt.Sprintf("cannot make output.%s: %s", name, clip300(err.Error())), Do: "mend it: podbeat test output"}}
	}
	var f findings
	for _, c := range group.Clients {
		if t, ok := c.(libbeattesting.Testable); ok {
			f = append(f, drive(t)...)
		} else {
			f = append(f, s.dialAll(ctx)...)
		}
		c.Close()
	}
	return f.or("output.%s answers", name)
}

// ports are those of outputs whose hosts have none.
var ports = map[string]string{"kafka": "9092", "logstash": "5044", "redis": "6379"}

// dialAll connects to each host of the output.
func (s *subject) dialAll(ctx context.Context) []Finding {
	var o struct {
		Hosts []string `config:"hosts"`
	}
	if err := s.Output.Config().Unpack(&o); err != nil {
		return one(NotChecked, "%v", err)
	}
	var f findings
	down := 0
	for _, host := range o.Hosts {
		addr := host
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(host, ports[s.Output.Name()])
		}
		d := net.Dialer{Timeout: callTime}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			down++
			f.add(Warning, "see that it runs, that hosts of output."+s.Output.Name()+" has its address, and that no firewall is between", "%s does not answer: %s", clip80(host), clip300(err.Error()))
			continue
		}
		conn.Close()
	}
	if down == len(o.Hosts) {
		for i := range f {
			f[i].State = Problem
		}
	}
	return f
}

// drive has a client test itself, as `podbeat test output` has it.
func drive(t libbeattesting.Testable) (f findings) {
	d := &driver{}
	done := make(chan struct{})
	go func() { // ends with the client's own timeouts
		defer close(done)
		defer func() {
			if r := recover(); r != nil && r != any(errEnough) {
				d.add(NotChecked, "", "the test has failed: %v", r)
			}
		}()
		t.Test(d)
	}()
	select {
	case <-done:
		return d.findings
	case <-time.After(2 * callTime):
		return one(Problem, "no answer within %v", 2*callTime)
	}
}

var errEnough = fmt.Errorf("the rest cannot be tested")

// A driver turns what a client says of itself into findings. A Fatal ends the test.
type driver struct {
	findings
	at []string
}

func (d *driver) Run(name string, f func(libbeattesting.Driver)) {
	d.at = append(d.at, name)
	defer func() { d.at = d.at[:len(d.at)-1] }()
	f(d)
}

func (d *driver) Info(string, string) {}
func (d *driver) Warn(string, string) {} // that TLS is off, and the like
func (d *driver) Result(string)       {}
func (d *driver) Error(field string, err error) {
	if err != nil {
		d.add(Problem, "mend the output: podbeat test output", "%s: %s: %s", strings.Join(d.at, ": "), field, clip300(err.Error()))
	}
}

func (d *driver) Fatal(field string, err error) {
	d.Error(field, err)
	if err != nil {
		panic(errEnough)
	}
}

// How far clocks may be apart: beyond tolerable events may get into another day's index, beyond wrong they look as if of another time.
const (
	tolerable = 5 * time.Second
	wrong     = time.Minute
)

func checkClock(_ context.Context, s *subject) []Finding {
	var f findings
	const do = "timedatectl set-ntp true, or start chrony or another NTP client; of two clocks, mend the one that is wrong"
	said := "it is synchronised"
	switch unsynced, err := s.unsynced(); {
	case err != nil:
		said = "the kernel does not say whether it is synchronised"
	case unsynced:
		f.add(Warning, do, "nothing synchronises this machine's clock")
	}
	if s.isElastic() {
		for i := range s.ask().nodes {
			n := &s.server.nodes[i]
			if n.err == nil && n.skew == nil {
				n.askClock()
			}
			if n.skew == nil {
				continue
			}
			skew := n.skew.Round(100 * time.Millisecond)
			switch {
			case skew.Abs() > wrong:
				f.add(Problem, do, "this machine's clock is %v %s that of %s", skew.Abs(), aheadOrBehind(skew), n.url)
			case skew.Abs() > tolerable:
				f.add(Warning, do, "this machine's clock is %v %s that of %s", skew.Abs(), aheadOrBehind(skew), n.url)
			default:
				said += fmt.Sprintf(", within %v of that of %s", (skew.Abs() + time.Second).Round(time.Second), n.url)
			}
		}
	}
	return f.or("%s", said)
}

func aheadOrBehind(skew time.Duration) string {
	if skew > 0 {
		return "behind"
	}
	return "ahead of"
}

// askClock asks the node for its time, which Elasticsearch has in its statistics rather than in a header.
func (n *node) askClock() {
	var stats struct {
		Nodes map[string]struct {
			Timestamp int64 `json:"timestamp"`
		} `json:"nodes"`
	}
	before := time.Now()
	if _, err := n.call("GET", "/_nodes/_local/stats/os", map[string]string{"filter_path": "nodes.*.timestamp"}, nil, &stats); err != nil {
		return
	}
	for _, node := range stats.Nodes {
		if node.Timestamp > 0 {
			n.clock(time.UnixMilli(node.Timestamp), before)
		}
	}
}

// unsynced says whether the kernel knows of nothing that keeps its clock right.
func unsynced() (bool, error) {
	const timeError, staUnsync = 5, 0x40
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return state == timeError || t.Status&staUnsync != 0, err
}
