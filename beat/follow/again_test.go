package follow

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"

	"github.com/podbeat/podbeat/beat/delivery"
)

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

// The device of a file may have another number when the machine has been started again: it is the same file even so.
func TestOtherDeviceNumber(t *testing.T) {
	n := newNode(t)
	n.start()
	all := n.write("p/app.log", "read", 0, 1000)
	all = append(all, n.write("q/app.log.1", "read", 0, 1000)...)
	n.want(all)
	n.stop()
	sent := n.events()
	n.input()
	n.renumber()
	n.do(os.Rename(n.path("q/app.log.1"), n.path("q/app.log.2")))
	n.start()
	all = append(all, n.write("p/app.log", "new", 0, 10)...)
	all = append(all, n.write("q/app.log.2", "new", 0, 10)...)
	n.want(all)
	if got := n.events() - sent; got != 20 {
		t.Errorf("%d events were sent, want 20", got)
	}
	if lost := n.abandoned(); lost != 0 {
		t.Errorf("%d bytes are given up, want 0", lost)
	}
	n.stop()
	n.input()
	if got := n.records(); got != 2 {
		t.Errorf("%d positions are kept, want 2", got)
	}
	n.do(n.store.Close())
}

// renumber gives other numbers to the devices of all positions.
func (n *node) renumber() {
	store, err := n.store.Access()
	n.do(err)
	all := map[string]record{}
	n.do(store.Each(func(key string, v statestore.ValueDecoder) (bool, error) {
		var rec record
		err := v.Decode(&rec)
		all[key] = rec
		return true, err
	}))
	for key, rec := range all {
		at := strings.LastIndex(key, "::") + 2
		inode, ok := parseKey(key[at:])
		if !ok || inode.birth == 0 {
			n.t.Fatal("the file system does not know when a file was made, which this test needs")
		}
		inode.dev++
		n.do(store.Remove(key))
		n.do(store.Set(key[:at]+inode.key(), rec))
	}
	n.do(store.Close())
	n.do(n.store.Close())
}

// What a deleted file still has when libbeat takes no more is lost, and counted: exactly what was not taken.
func TestDeletedFileRefused(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "text", 0, 100)
	size := n.size("p/app.log")
	f := n.file(s, "p/app.log")
	n.do(os.RemoveAll(n.path("p")))
	f.grown(time.Now())
	s.run.ending.Store(true)
	s.out.client = &closingClient{s.out.client, 40}
	s.readOut(f)
	s.run.tracker.close()
	if n.events() != 40 {
		t.Fatalf("%d events were sent, want 40", n.events())
	}
	left := s.run.tracker.leave()
	if len(left) != 1 {
		t.Fatalf("%d contents are left, want 1", len(left))
	}
	rec := left[0].published()
	got := int64(s.run.metrics.abandoned.Get()) + max(0, rec.Size-rec.Done)
	if want := size * 60 / 100; got != want {
		t.Errorf("%d bytes are given up now and in the next run, want %d", got, want)
	}
}

// A closingClient is closed after so many events.
type closingClient struct {
	beat.Client
	left int
}

func (c *closingClient) Publish(e beat.Event) {
	if c.left--; c.left < 0 {
		_ = c.Close()
	}
	c.Client.Publish(e)
}

// At a stop also that is read to its end which has been deleted just before: nobody has looked at it since.
func TestStopRightAfterADeletion(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "text", 0, 100)
	f := n.file(s, "p/app.log")
	n.do(os.RemoveAll(n.path("p")))
	s.run.ending.Store(true)
	s.readOut(f)
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}

// What cannot be read of deleted files before a stop is counted: at once, or by the next run.
func TestUnreadAtTheStop(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	n.write("p/app.log", "unread", 0, 10)
	n.write("q/app.log", "nothing of it is read", 0, 10)
	n.file(s, "q/app.log")
	sizes := []int64{n.size("p/app.log"), n.size("q/app.log")}
	n.do(os.RemoveAll(n.path("p")))
	n.do(os.RemoveAll(n.path("q")))
	s.run.tracker.close()
	if got := int64(s.run.metrics.abandoned.Get()); got != sizes[1] {
		t.Errorf("%d bytes are given up, want %d", got, sizes[1])
	}
	if got := s.run.tracker.leave(); len(got) != 1 || got[0].published().Size != sizes[0] {
		t.Errorf("the next run is left %d contents, want one of %d bytes", len(got), sizes[0])
	}
}

// An event that libbeat takes while it refuses another shard's is not sent again.
func TestTakenWhileAnotherIsRefused(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	lines := n.write("p/app.log", "line", 0, 2)
	f := n.file(s, "p/app.log")
	n.hold(true)
	done := make(chan bool)
	go func() { done <- s.turn(f) }()
	waitFor(t, "an event waits for room", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.waits
	})
	s.run.refused.Store(true)
	n.hold(false)
	<-done
	if got, want := f.content.published().Done, int64(len(lines[0])+1); n.events() != 1 || got != want {
		t.Errorf("%d events are taken, and the next run goes on at byte %d; want 1 and %d", n.events(), got, want)
	}
}

// A last line without its end that is refused when its time is over is not taken as delivered.
func TestExpiredAndRefused(t *testing.T) {
	n := newNode(t)
	n.settings["partial_timeout"] = "1s"
	s := n.shard()
	whole := n.write("p/app.log", "whole", 0, 1)
	n.do(os.WriteFile(n.path("p/app.log"), []byte(whole[0]+"\nwithout its end"), 0o644))
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	s.run.now = func() time.Time { return time.Now().Add(time.Minute) }
	s.out.client = &closingClient{s.out.client, 0}
	s.turn(f)
	if got, want := f.content.published().Done, int64(len(whole[0])+1); n.events() != 1 || got != want {
		t.Errorf("%d events are taken, and the next run goes on at byte %d; want 1 and %d", n.events(), got, want)
	}
}

// What was refused of a deleted file is written down for the next process too: its size, of which not all was delivered.
func TestRefusedIsStored(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	s.run.positions.flush()
	n.write("p/app.log", "refused", 0, 10)
	size := n.size("p/app.log")
	n.do(os.RemoveAll(n.path("p")))
	s.run.ending.Store(true)
	s.out.client = &closingClient{s.out.client, 0}
	s.readOut(f)
	s.run.tracker.close()
	s.run.positions.flush()
	records, err := s.run.positions.load()
	n.do(err)
	if len(records) != 1 || records[0].Size != size {
		t.Errorf("the registry has %+v, want one of %d bytes", records, size)
	}
}

// What a run leaves for the next does not keep the run in memory: perhaps none comes.
func TestRunIsForgotten(t *testing.T) {
	n := newNode(t)
	in := n.input()
	n.run(in)
	n.want(n.write("p/app.log", "text", 0, 10))
	gone := make(chan bool, 1)
	func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		runtime.AddCleanup(n.sent[0].Private.(*sent).content.home, func(gone chan<- bool) { gone <- true }, gone)
	}()
	n.halt()
	waitFor(t, "the file is forgotten", func() bool {
		runtime.GC()
		return len(gone) > 0
	})
	n.stop()
	runtime.KeepAlive(in)
}

// An input is stopped while its delivery level has events in memory that the output has not taken, and is started again in the
// same process: none of them is lost, and the positions are stored of what comes then.
func TestForgottenIsReadAgain(t *testing.T) {
	for _, level := range []string{"end-to-end", "best-effort", "store-on-failure"} {
		t.Run(level, func(t *testing.T) {
			n := newNode(t)
			in := n.input()
			cfg := common.MustNewConfigFrom(map[string]any{"type": "test", "id": t.Name(), "delivery": level})
			dir := t.TempDir()
			run := func(until func()) {
				t.Helper()
				env := delivery.Env{ID: t.Name(), Log: logp.NewLogger("test"), Failing: func() bool { return false }, Dir: dir}
				p, end, err := delivery.Wrap(cfg, n, env)
				n.do(err)
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() {
					ended <- in.Run(v2.Context{Logger: logp.NewLogger("test"), Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, p)
				}()
				until()
				cancel()
				n.do(<-ended)
				end()
			}
			n.hold(true)
			all := n.write("p/app.log", "in memory", 0, 100)
			run(func() {
				waitFor(t, "events wait", func() bool {
					n.mu.Lock()
					defer n.mu.Unlock()
					return n.waits
				})
			})
			n.hold(false)
			run(func() {
				n.want(all)
				all = append(all, n.write("p/app.log", "new", 0, 100)...)
				n.want(all)
			})
			if got, want := n.done("p/app.log"), n.size("p/app.log"); got != want {
				t.Errorf("%d bytes are stored as delivered, want %d", got, want)
			}
			n.do(n.store.Close())
		})
	}
}

// Of a file that was renamed while it was closed, and then deleted, only that is counted which had not been read.
func TestRenamedAndUnreadAtTheStop(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	if f.birth == 0 {
		t.Fatal("the file system does not know when a file was made, which this test needs")
	}
	for s.turn(f) {
	}
	f.close()
	read := n.size("p/app.log")
	n.write("p/app.log", "unread", 0, 10)
	size := n.size("p/app.log")
	n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
	s.run.tracker.gone(n.path("p/app.log"))
	n.file(s, "p/app.log.1")
	n.do(os.RemoveAll(n.path("p")))
	s.run.tracker.close()
	got := int64(s.run.metrics.abandoned.Get())
	for _, c := range s.run.tracker.leave() {
		rec := c.published()
		got += rec.Size - rec.Done
	}
	if want := size - read; got != want {
		t.Errorf("%d bytes are given up now and in the next run, want %d", got, want)
	}
}
