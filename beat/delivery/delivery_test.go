package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
)

func TestEndToEndIsNothing(t *testing.T) {
	p := newPipeline(10)
	for _, config := range []string{"", "delivery: end-to-end", "queue.full: block", "delivery: end-to-end\nqueue: {full: block}"} {
		if c, _ := wrap(t, p, t.TempDir(), config); c != beat.PipelineConnector(p) {
			t.Errorf("with %q something is between the input and libbeat", config)
		}
	}
}

func TestStoreOnFailure(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk.after: 1h}")
	s := connect(t, c, "a", beat.ClientConfig{})

	// While the output delivers, nothing is on disk: 10 are in libbeat's queue, 1 before it, 20 in memory.
	s.publish(31)
	eventually(t, "memory is full", func() bool { return figuresNow(t).Buffered == 20 && p.queued() == 10 })
	if n := s.acked(t); n != 0 {
		t.Fatalf("%d events are settled of which none is delivered", n)
	}
	p.failing.Store(true)
	s.publish(100)                                                                                     // would block for ever without the disk
	eventually(t, "those on disk are settled, at least 111", func() bool { return s.acked(t) >= 111 }) // room comes before word
	eventually(t, "120 events wait on disk and in memory together", func() bool {
		f := figuresNow(t)
		return f.Spilled+f.Buffered == 131-11
	})
	// It is back: what failed first, then what is new.
	p.failing.Store(false)
	go s.publish(1) // which may have to wait
	p.drain(t, func() bool { return s.acked(t) == 132 && len(p.ids()) == 132 })
	want := make([]string, 132)
	for i := range want {
		want[i] = fmt.Sprintf("a%d", i)
	}
	if got := p.ids(); !slices.Equal(got, want) {
		t.Errorf("delivered %v", got)
	}
	eventually(t, "nothing is on disk", func() bool { return figuresNow(t).SpilledBytes == 0 && len(spills(t, dir)) == 0 })
	stop()
	if f := figuresNow(t); f.Spilled != 0 || f.Buffered != 0 || f.Returned != 0 || f.Dropped != 0 || f.Drained == 0 {
		t.Errorf("figures are %+v", f)
	}
}

// spills lists the segments below dir.
func spills(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"+spillExt))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBestEffort(t *testing.T) {
	p := newPipeline(10)
	c, stop := wrap(t, p, t.TempDir(), "delivery: best-effort\nqueue.events: 20")
	defer stop()
	s := connect(t, c, "a", beat.ClientConfig{})
	s.publish(11)
	eventually(t, "libbeat's queue is full", func() bool { return figuresNow(t).Buffered == 0 && p.queued() == 10 })
	s.publish(1000)
	f := figuresNow(t)
	if f.DroppedFull != 980 || f.Buffered != 20 || f.Unconfirmed != 11 {
		t.Errorf("figures are %+v, want 980 dropped, 20 in memory and 11 unconfirmed", f)
	}
	if n := s.acked(t); n != 991 {
		t.Errorf("%d events are settled, want the 980 that are dropped and the 11 before them", n)
	}
	p.drain(t, func() bool { return s.acked(t) == 1011 })
	if ids := p.ids(); len(ids) != 31 || ids[11] != "a991" || ids[30] != "a1010" {
		t.Errorf("delivered %v, want the first 11 and the last 20", ids)
	}
}

// Libbeat's queue has room for any number of large events. It gets 32 MiB, and another one when the output has one of them;
// what comes meanwhile is dropped, or goes to disk, as if the queue were full.
func TestLargeEvents(t *testing.T) {
	for _, level := range []string{bestEffort, storeOnFailure} {
		t.Run(level, func(t *testing.T) {
			p := newPipeline(1000)
			p.failing.Store(true)
			c, stop := wrap(t, p, t.TempDir(), "delivery: "+level+"\nqueue: {bytes: 4MiB}")
			defer stop()
			s := connect(t, c, "a", beat.ClientConfig{})
			const all, size, most = 60, 1 << 20, 32 // of 1 MiB and a little more: 31 are not 32 MiB, 32 are
			for n := range all {
				e := s.event(n)
				e.Fields["message"] = strings.Repeat("x", size)
				s.Publish(e)
				if n < most { // the pump may be late: what memory has no room for meanwhile would be dropped
					eventually(t, "libbeat has it", func() bool { return p.queued() == n+1 })
				}
			}
			eventually(t, "nothing moves", func() bool {
				f := figuresNow(t)
				return p.queued() == most && (level == bestEffort && f.Buffered == 3 || f.Spilled+f.Buffered == all-most)
			})
			p.ack(1)
			eventually(t, "there is room for one", func() bool { return p.queued() == most })
			p.failing.Store(false)
			p.drain(t, func() bool {
				if n := p.queued(); n > most {
					t.Fatalf("libbeat has %d events", n)
				}
				return s.acked(t) == all && len(p.ids()) == all-int(figuresNow(t).Dropped)
			})
			if got := figuresNow(t).Dropped; level == bestEffort && got < all-most-4 || level == storeOnFailure && got > 0 {
				t.Errorf("%d events were dropped", got)
			}
		})
	}
}

// It is the input that the bound is for, however many clients it has.
func TestLargeEventsOfSeveral(t *testing.T) {
	p := newPipeline(1000)
	c, stop := wrap(t, p, t.TempDir(), "delivery: best-effort\nqueue: {bytes: 4MiB}")
	defer stop()
	sources := []*source{connect(t, c, "a", beat.ClientConfig{}), connect(t, c, "b", beat.ClientConfig{})}
	const all, size, most = 50, 1 << 20, 32
	for n := range all {
		s := sources[n%2]
		e := s.event(n)
		e.Fields["message"] = strings.Repeat("x", size)
		s.Publish(e)
		if n < most {
			eventually(t, "libbeat has it", func() bool { return p.queued() == n+1 })
		}
	}
	for range 20 {
		if n := p.queued(); n != most {
			t.Fatalf("libbeat has %d events, want %d", n, most)
		}
		f := figuresNow(t)
		if f.Buffered != 3 || f.Dropped != all-most-3 {
			t.Fatalf("%d events wait and %d were dropped, want 3 and %d", f.Buffered, f.Dropped, all-most-3)
		}
	}
	p.drain(t, func() bool { return len(p.ids()) == most+3 })
}

func TestFiltered(t *testing.T) {
	for _, level := range []string{storeOnFailure, bestEffort} {
		t.Run(level, func(t *testing.T) {
			p := newPipeline(10)
			p.filter = func(e beat.Event) bool { return e.Private.(int)%3 == 0 }
			c, stop := wrap(t, p, t.TempDir(), "queue.events: 100\ndelivery: "+level)
			defer stop()
			s := connect(t, c, "a", beat.ClientConfig{})
			s.publish(30)
			p.drain(t, func() bool { return s.acked(t) == 30 })
			if got := p.ids(); len(got) != 20 {
				t.Errorf("delivered %v", got)
			}
		})
	}
}

func TestClose(t *testing.T) {
	type closing struct {
		level    string
		wait     time.Duration
		failing  bool
		settled  int   // of 25, with room for 10 in libbeat and one before it
		returned int64 // with the one that came after closing
	}
	f := func(in closing) {
		t.Helper()
		t.Run(fmt.Sprintf("%s %v %v", in.level, in.wait, in.failing), func(t *testing.T) {
			p, dir := newPipeline(10), t.TempDir()
			p.failing.Store(in.failing)
			c, stop := wrap(t, p, dir, "queue: {events: 100}\ndelivery: "+in.level)
			if in.level == storeOnFailure {
				c, stop = wrap(t, p, dir, "queue: {events: 100, disk_free_min: 0, disk.after: 1h}\ndelivery: "+in.level)
			}
			ref := closeRef(make(chan struct{}))
			s := connect(t, c, "a", beat.ClientConfig{WaitClose: in.wait, CloseRef: ref})
			s.publish(25)
			eventually(t, "libbeat's queue is full, and one is before it", func() bool { return p.queued() == 10 && figuresNow(t).Buffered == 14 })
			close(ref)
			eventually(t, "the client is closed", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.closed
			})
			s.publish(1)
			if s.refused != 1 || s.added != 25 {
				t.Errorf("%d events refused, %d added after closing; want 1 and 25", s.refused, s.added)
			}
			if got := s.acked(t); got != in.settled {
				t.Errorf("%d events settled, want %d", got, in.settled)
			}
			stop()
			if got := figuresNow(t).Returned; got != in.returned {
				t.Errorf("%d events returned, want %d", got, in.returned)
			}
			if p.clients != 0 {
				t.Errorf("%d clients of libbeat are open", p.clients)
			}
			// What libbeat has it still delivers, and acknowledges.
			p.ack(100)
			if got, want := s.acked(t), max(in.settled, 10); got != want {
				t.Errorf("%d events settled in the end, want %d", got, want)
			}
			if d := disks.open[filepath.Join(dir, Folder(Input{"test", t.Name()}))]; d != nil {
				d.settle()
			}
		})
	}
	f(closing{bestEffort, 0, true, 0, 15})
	f(closing{bestEffort, 50 * time.Millisecond, true, 0, 15})
	f(closing{storeOnFailure, 0, false, 0, 15})
	f(closing{storeOnFailure, 50 * time.Millisecond, false, 0, 15})
	f(closing{storeOnFailure, time.Minute, true, 25, 1}) // to disk at once, though there is room
}

type closeRef chan struct{}

func (c closeRef) Done() <-chan struct{} { return c }
func (c closeRef) Err() error            { return nil }

// An input that is stopped and started goes on with what is on disk, and libbeat gets nothing twice.
func TestRestart(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	p.failing.Store(true)
	const config = "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk.after: 0s}"
	c, stop := wrap(t, p, dir, config)
	s := connect(t, c, "a", beat.ClientConfig{WaitClose: time.Minute})
	s.publish(100)
	again, stopAgain := wrap(t, p, dir, config)
	connected := make(chan *source)
	go func() { connected <- connect(t, again, "b", beat.ClientConfig{}) }() // waits for the other to stop
	s.Close()
	select {
	case <-connected:
		t.Fatal("two have one folder")
	default:
	}
	eventually(t, "libbeat's queue is full, and one is before it", func() bool { return p.queued() == 10 && figuresNow(t).Spilled == 89 })
	stop()
	s2 := <-connected
	s2.publish(10)
	if n := s.acked(t); n != 100 {
		t.Fatalf("%d of 100 events settled", n)
	}
	p.failing.Store(false)
	p.drain(t, func() bool { return s2.acked(t) == 10 && len(p.ids()) >= 110 })
	stopAgain()
	ids := p.ids()
	if n := len(ids); n != 110 {
		t.Errorf("%d events delivered, want 110 once: %v", n, ids)
	}
	// One was before libbeat's queue when the first was stopped: it came back.
	if f := figuresNow(t); f.Resumed != 0 || f.Kept != 1 || f.Spilled != 0 {
		t.Errorf("figures are %+v", f)
	}
}

// The level is taken away while events wait on disk: they are sent first.
func TestLevelChanged(t *testing.T) {
	for _, config := range []string{"", "delivery: best-effort"} {
		t.Run("to "+config, func(t *testing.T) {
			p, dir := newPipeline(10), t.TempDir()
			p.failing.Store(true)
			c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk.after: 0s}")
			s := connect(t, c, "a", beat.ClientConfig{WaitClose: time.Minute})
			s.publish(100)
			s.Close()
			stop()
			c, stop = wrap(t, p, dir, config)
			defer stop()
			s2 := connect(t, c, "b", beat.ClientConfig{})
			s2.publish(5)
			p.drain(t, func() bool { return s2.acked(t) == 5 })
			if ids := p.ids(); len(ids) != 105 || ids[99] != "a99" || ids[104] != "b4" {
				t.Errorf("delivered %v", ids)
			}
			eventually(t, "the disk is empty", func() bool { return len(spills(t, dir)) == 0 })
		})
	}
}

func TestDiskFull(t *testing.T) {
	for _, full := range []string{"block", "drop"} {
		t.Run(full, func(t *testing.T) {
			p := newPipeline(10)
			p.failing.Store(true)
			c, stop := wrap(t, p, t.TempDir(), "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk: {after: 0s, max_size: 64KiB, full: "+full+"}}")
			defer stop()
			s := connect(t, c, "a", beat.ClientConfig{})
			published := make(chan struct{})
			go func() {
				s.publish(2000)
				close(published)
			}()
			eventually(t, "the disk buffer is full", func() bool { return figuresNow(t).Refused == "max_size" })
			if n := figuresNow(t).SpilledBytes; n > 64<<10 {
				t.Errorf("%d bytes on disk", n)
			}
			if full == "drop" {
				<-published
				if f := figuresNow(t); f.DroppedDiskFull == 0 {
					t.Errorf("figures are %+v", f)
				}
			}
			p.failing.Store(false)
			p.drain(t, func() bool { return s.acked(t) == 2000 && figuresNow(t).Spilled == 0 })
			<-published
			f := figuresNow(t)
			p.drain(t, func() bool { return len(p.ids())+int(f.DroppedDiskFull) == 2000 })
			ids := p.ids()
			for i := 1; i < len(ids); i++ {
				var a, b int
				fmt.Sscanf(ids[i-1]+" "+ids[i], "a%d a%d", &a, &b)
				if b <= a {
					t.Fatalf("%s comes before %s", ids[i-1], ids[i])
				}
			}
			if full == "block" && (f.Dropped != 0 || f.Blocked == 0) {
				t.Errorf("figures are %+v", f)
			}
		})
	}
}

func TestFreeMin(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 100%, disk.after: 0s}")
	defer stop()
	s := connect(t, c, "a", beat.ClientConfig{})
	s.publish(20)
	eventually(t, "nothing is written", func() bool { return figuresNow(t).Refused == "disk_free_min" })
	if s.acked(t) > 0 || len(spills(t, dir)) > 0 {
		t.Errorf("something is on disk: %v", spills(t, dir))
	}
	p.failing.Store(false)
	p.drain(t, func() bool { return s.acked(t) == 20 })
}

func TestCheck(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		err := Check(section(t, config), "a")
		if got := fmt.Sprint(err); err == nil && want != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %v, want %q", config, err, want)
		}
	}
	f("", "")
	f("paths: [/var/log/x]", "")
	f("delivery: store-on-failure\nqueue: {full: spill, events: 10, bytes: 1MiB, disk_free_min: 5%, disk: {max_size: 1GiB}}", "")
	f("queue.full: spill\nqueue.disk.full: drop", "")
	f("queue.full: drop\nqueue.events: 10", "")
	f("delivery: sure", `cannot use delivery "sure": want one of end-to-end, store-on-failure, best-effort`)
	f("queue.full: wait", `cannot use queue.full "wait": want one of block, spill, drop`)
	f("delivery: end-to-end\nqueue.full: spill", `it is what delivery "store-on-failure" does`)
	f("delivery: store-on-failure\nqueue.full: block", `it is what delivery "end-to-end" does`)
	f("delivery: best-effort\nqueue.full: spill", `it is what delivery "store-on-failure" does`)
	f("queue.events: 5", "cannot use queue.events with delivery end-to-end, which has no such thing: set delivery to store-on-failure or best-effort")
	f("queue.full: drop\nqueue.disk.max_size: 1GiB", "set delivery to store-on-failure")
	f("queue.full: drop\nqueue.events: 0", "queue.events 0")
	f("queue.full: drop\nqueue.bytes: 0", "queue.bytes 0")
	f("queue.full: spill\nqueue.disk_free_min: 101%", "cannot read part")
	f("queue.full: spill\nqueue.disk_free_min: much", "cannot read size")
	f("queue.full: spill\nqueue.disk.max_size: 10", "cannot use queue.disk.max_size 10")
	f("queue.full: spill\nqueue.disk.full: spill", "cannot use queue.disk.full")
	f("queue.full: spill\nqueue.disk.after: -1s", "cannot use queue.disk.after")
	f("queue.fill: spill", `did you mean "queue.full"`)
	f("queue: 5", "is a section")
}

func TestNeedsID(t *testing.T) {
	p := newPipeline(1)
	for _, config := range []string{"delivery: store-on-failure", "delivery: best-effort"} {
		if _, _, err := Wrap(section(t, config), p, Env{Log: logp.NewLogger("test"), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "give it an `id`") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestFolderOf(t *testing.T) {
	f := func(typ, id, want string) {
		t.Helper()
		if got := Folder(Input{typ, id}); got != want {
			t.Errorf("%s %s: %s, want %s", typ, id, got, want)
		}
	}
	f("push", "front", "push.front")
	f("push", "../../etc", "push...%2F..%2Fetc")
	f("journal", "a b\n%", "journal.a%20b%0A%25")
	f("x.y", "z", "x%2Ey.z")
	long := strings.Repeat("ü", 300)
	if got := Folder(Input{"t", long}); len(got) > 255 || got == Folder(Input{"t", long + "x"}) {
		t.Errorf("long names: %s", got)
	}
}

func TestGone(t *testing.T) {
	dir := t.TempDir()
	p := newPipeline(1)
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk.after: 0s}")
	s := connect(t, c, "a", beat.ClientConfig{WaitClose: time.Minute})
	s.publish(100)
	s.Close()
	stop()
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := func(configured []Input, want int) {
		t.Helper()
		if err := logp.DevelopmentSetup(logp.ToObserverOutput()); err != nil {
			t.Fatal(err)
		}
		Gone(dir, configured, logp.NewLogger("test"))
		logs := logp.ObserverLogs().TakeAll()
		if len(logs) != want || want > 0 && !strings.HasPrefix(logs[0].Message, "100 events wait in ") {
			t.Errorf("%v: %v", configured, logs)
		}
	}
	f(nil, 1)
	f([]Input{{"test", t.Name()}}, 0)
	// What waits is to be seen as long as it does.
	spilled := func() int64 {
		return monitoring.CollectFlatSnapshot(monitoring.Default, monitoring.Full, false).Ints["podbeat.delivery.test."+t.Name()+".spilled.events"]
	}
	if n := spilled(); n == 0 || n != figuresNow(t).Spilled {
		t.Errorf("%d events spilled by the figures of a stopped input, want %d", n, figuresNow(t).Spilled)
	}
}

func TestEventsAreAsBefore(t *testing.T) {
	if _, err := decode([]byte{0x85}); err == nil {
		t.Error("half an event is one")
	}
	cyclic := common.MapStr{}
	cyclic["x"] = cyclic
	if _, err := encode(&beat.Event{Fields: cyclic}); err == nil {
		t.Error("an event without an end can be written")
	}
}

// slow is an input that takes its time to note an event, which has room in the buffer by then.
type slow struct {
	*source
	noting, noted chan struct{}
	acks          atomic.Int64
}

func (s *slow) AddEvent(beat.Event, bool) {
	close(s.noting)
	<-s.noted
}
func (s *slow) ACKEvents(n int) { s.acks.Add(int64(n)) }
func (s *slow) Close()          {}

func slowly(t *testing.T, p beat.PipelineConnector) (s *slow, c beat.Client, published chan struct{}) {
	t.Helper()
	s = &slow{source: &source{name: "a"}, noting: make(chan struct{}), noted: make(chan struct{})}
	c, err := p.ConnectWith(beat.ClientConfig{ACKHandler: s, Events: s.source, WaitClose: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	published = make(chan struct{})
	go func() {
		defer close(published)
		c.Publish(s.event(0))
	}()
	<-s.noting
	return s, c, published
}

// A client that is closed waits for an event that has room and is not in the buffer yet, too.
func TestCloseWhilePublishing(t *testing.T) {
	p := newPipeline(10)
	l, stop := wrap(t, p, t.TempDir(), "delivery: best-effort")
	defer stop()
	s, c, _ := slowly(t, l)
	closed := make(chan int64)
	go func() {
		_ = c.Close()
		closed <- s.acks.Load()
	}()
	b := c.(*client).buffer
	eventually(t, "the client waits", func() bool {
		select {
		case <-closed:
			t.Fatal("the client is closed, and knows nothing of its event")
		default:
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.flushing == 1
	})
	close(s.noted)
	p.drain(t, func() bool { return s.acks.Load() == 1 })
	if n := <-closed; n != 1 {
		t.Errorf("the client knows of %d of its events that they have left when it is closed, want 1", n)
	}
}

// An event that comes into the buffer when all that was there is counted as returned is counted once.
func TestStopWhilePublishing(t *testing.T) {
	p := newPipeline(10)
	l, stop := wrap(t, p, t.TempDir(), "delivery: best-effort")
	s, _, published := slowly(t, l)
	stop()
	close(s.noted)
	<-published
	if f := figuresNow(t); f.Buffered != 0 || f.BufferedBytes != 0 || f.Returned != 1 || s.refused != 1 {
		t.Errorf("%d refused, figures are %+v; want 1 returned, none in memory", s.refused, f)
	}
}
