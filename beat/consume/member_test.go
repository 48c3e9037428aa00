package consume

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/podbeat/podbeat/test/services"
)

// TestBrokerAway: the input outlives its broker, and stops in time without it.
func TestBrokerAway(t *testing.T) {
	broker := services.OwnKafka(t)
	r := newRig(t, broker.Addr, 1)
	r.write(0, 10, 1)
	p := newPipe(100, false)
	in := r.start(p, nil)
	wait(t, "ten events", func() bool { return p.count() == 10 })
	logged()
	broker.Kill9()
	p.ack(10)
	wait(t, "errors", func() bool { return in.figure("errors") >= 30 })
	// Each is said once; there are a few, with their causes: a connection is cut, then refused, for each of what it is wanted for.
	if text := logged(); !strings.Contains(text, "Cannot connect to Kafka") || strings.Count(text, "\n") > 10 {
		t.Errorf("log: %s", text)
	}
	wait(t, "it to say that it does nothing", func() bool { return strings.Contains(in.idle(), "it has not been in group") })
	broker.Start()
	wait(t, "it to do something again", func() bool { return in.idle() == "" })
	wait(t, "what was acknowledged meanwhile to be committed", func() bool { return r.committed() == 10 })
	r.write(10, 20, 1)
	wait(t, "ten more", func() bool { return p.count() >= 20 })
	if got := sorted(p.messages()); !slices.Equal(got, numbers(0, 20)) {
		t.Errorf("got %q", got)
	}

	broker.Freeze()
	defer broker.Thaw()
	stopped := make(chan struct{})
	go func() {
		in.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(30 * time.Second):
		t.Error("a stop waits for a broker that does not answer")
	}
}

// TestRefused: what a broker refuses is said with what to do about it.
func TestRefused(t *testing.T) {
	f := func(opts map[string]any, want string) {
		t.Helper()
		r := newRig(t, services.Kafka(t), 1)
		r.adjust = func(o *options) { o.SessionTimeout = 2 * time.Second }
		logged()
		in := r.start(newPipe(1, true), opts)
		var text string
		wait(t, want, func() bool {
			text += logged()
			return strings.Contains(text, want)
		})
		wait(t, "it to say that it does nothing", func() bool {
			return strings.HasPrefix(in.idle(), "it has not been in group "+r.group+" for ") && in.figure("partitions") == 0
		})
	}
	f(nil, "set session_timeout to what the brokers allow")
	f(map[string]any{"username": "u", "password": "secret"}, "Cannot reach Kafka at")

	r := newRig(t, services.Kafka(t), 1)
	p := newPipe(1, true)
	in := r.start(p, nil)
	wait(t, "the first member", func() bool { return in.figure("partitions") == 1 })
	logged()
	r.start(p, map[string]any{"rebalance.strategy": "range"})
	var text string
	wait(t, "the second to be refused", func() bool {
		text += logged()
		return strings.Contains(text, "give all members of the group the same rebalance.strategy")
	})
	if strings.Contains(text, "secret") {
		t.Error("a password is in the log")
	}
}

// TestExpelled: a member that is removed behind its back joins anew and goes on where it was, unless another has delivered more
// meanwhile: then acknowledgements of what was read before commit nothing.
func TestExpelled(t *testing.T) {
	f := func(meanwhile int64, again int) {
		t.Helper()
		r := newRig(t, services.Kafka(t), 1)
		r.write(0, 10, 1)
		p := newPipe(100, false)
		in := r.start(p, nil)
		wait(t, "ten events", func() bool { return p.count() == 10 })
		p.ack(2)
		wait(t, "two committed", func() bool { return r.committed() == 2 })
		for {
			sessions := in.figure("rebalances")
			r.expel()
			var err error
			if meanwhile > 0 {
				offsets := kadm.Offsets{}
				offsets.AddOffset(r.topic, 0, meanwhile, -1)
				err = r.admin.CommitAllOffsets(t.Context(), r.group, offsets)
			}
			wait(t, "it to be a member again", func() bool { return in.figure("rebalances") > sessions && in.figure("partitions") == 1 })
			if err == nil {
				break
			}
			if !errors.Is(err, kerr.UnknownMemberID) { // it has been a member again before that: brokers let nobody else commit then
				t.Fatal(err)
			}
		}
		r.write(10, 11, 1)
		wait(t, "one more event", func() bool { return p.count() == 11+again })
		p.ack(8)
		if again > 0 {
			wait(t, "eight to be late", func() bool { return in.figure("late") == 8 })
			if n := r.committed(); n != meanwhile {
				t.Errorf("%d are committed, want %d", n, meanwhile)
			}
			p.ack(again)
		}
		p.ack(1)
		wait(t, "all to be committed", func() bool { return r.committed() == 11 })
		if n := p.count(); n != 11+again {
			t.Errorf("%d events, want %d", n, 11+again)
		}
	}
	f(0, 0)
	f(5, 5)
}

// expel removes the only member of the group.
func (r *rig) expel() {
	r.t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = r.group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = r.members()[0]
	req.Members = append(req.Members, member)
	if _, err := req.RequestWith(r.t.Context(), r.client); err != nil {
		r.t.Fatal(err)
	}
}

// TestExpelledEarly: a member that is removed before it has committed anything goes on where it was, too.
func TestExpelledEarly(t *testing.T) {
	f := func(initial string) {
		t.Helper()
		r := newRig(t, services.Kafka(t), 1)
		r.write(0, 10, 1)
		p := newPipe(100, false)
		in := r.start(p, map[string]any{"initial_offset": initial, "commit_interval": "1h"})
		first, last := 0, 10
		if initial == "newest" {
			wait(t, "the member", func() bool { return in.figure("partitions") == 1 })
			wait(t, "one event that is new", func() bool {
				r.write(last, last+1, 1)
				last++
				return p.count() > 0
			})
			wait(t, "all that are new", func() bool { list := p.messages(); return list[len(list)-1] == strconv.Itoa(last-1) })
			first, _ = strconv.Atoi(p.messages()[0])
		}
		wait(t, "the events", func() bool { return p.count() == last-first })
		sessions := in.figure("rebalances")
		r.expel()
		wait(t, "it to be a member again", func() bool { return in.figure("rebalances") > sessions && in.figure("partitions") == 1 })
		p.ack(last - first)
		r.write(last, last+2, 1)
		wait(t, "two more events", func() bool { return p.count() >= last-first+2 })
		p.ack(2)
		in.stop()
		if got, want := p.messages(), numbers(first, last+2); !slices.Equal(sorted(got), want) || r.committed() != int64(last+2) {
			t.Errorf("%s: got %q, want %q; %d are committed, want %d", initial, got, want, r.committed(), last+2)
		}
	}
	f("oldest")
	f("newest")
}
