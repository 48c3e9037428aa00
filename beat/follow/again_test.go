package follow

import "testing"

// An input that is stopped and started again in one process sends nothing again that is on its way; but what of it is not
// acknowledged is not taken as delivered by the next process.
func TestRunAgainBeforeAcknowledgements(t *testing.T) {
	n := newNode(t)
	n.noAck = true
	in := n.input()
	n.run(in)
	all := n.write("p/app.log", "in the first run", 0, 100)
	n.want(all)
	for range 2 {
		n.halt()
		n.run(in)
		all = append(all, n.write("p/app.log", "in the next", len(all), len(all)+1000)...)
		n.want(all)
	}
	if got := n.events(); got != len(all) {
		t.Errorf("%d events were sent, want %d: nothing twice", got, len(all))
	}
	n.kill()
	mark := n.events()
	in = n.input()
	n.run(in)
	waitFor(t, "all that was not acknowledged is sent again", func() bool { return n.sentSince(mark, all) })

	n.halt()
	n.run(in)
	n.want(all)
	n.acknowledge()
	waitFor(t, "the position is stored of what the run before has sent", func() bool { return n.done("p/app.log") == n.size("p/app.log") })
	n.stop()
	mark = n.events()
	n.start()
	all = append(all, n.write("p/app.log", "in the end", 0, 10)...)
	n.want(all)
	if got := n.events() - mark; got != 10 {
		t.Errorf("%d events were sent, want 10", got)
	}
}
