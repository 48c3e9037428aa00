package delivery

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// A buffer is where an input's events wait for libbeat, whichever of its clients they came through. They are in one
// order, that in which they came:
//
//	libbeat's queue ◄── disk ◄── memory ◄── input
//
// While there is something on disk, events go to libbeat from there alone. Going to disk moves all of memory there, also
// what libbeat has got and not acknowledged, so that the input may forget it.
type buffer struct {
	opts    Options
	env     Env
	log     *logp.Logger
	figures *figures
	disk    *disk // nil if this level has none and nothing is left of another
	done    chan struct{}
	kick    chan struct{} // the spiller is to look at once

	mu          sync.Mutex
	room, work  sync.Cond // for clients, for the pump
	first, last *item     // in memory, not settled, in order; only store-on-failure keeps what libbeat has
	next        *item     // the first of them that libbeat has not got
	waiting     int       // events that libbeat has not got, or which are about to come …
	bytes       int       // … and their size
	coming      int       // of waiting, those about to come: reserve has let them in
	clients     map[*client]bool
	outlets     map[*outlet]bool
	newest      *outlet // connected last: what is on disk goes through it
	failing     bool    // the output
	overflow    bool    // the disk buffer is full, and what does not fit is to be dropped
	flushing    int     // clients that wait for the end of their events
	closing     bool
	ended       bool // what was waiting is counted as returned

	goroutines sync.WaitGroup
}

// An item is one event on its way. It is guarded by its buffer's lock, but for the event, which is of whoever has the item.
type item struct {
	event beat.Event
	bytes []byte // as it is written to disk; nil: it cannot be
	size  int
	at    time.Time // when it came

	client *client // it came through, nil if it is from disk …
	seg    *segment
	record int // … or has been written there

	before, after *item // in memory
	linked        bool
	handed        bool // libbeat has it, or is about to get it
	left          bool // libbeat has acknowledged it, or a processor has dropped it
	settled       bool // its input may forget it
	dropped       bool
	returned      bool // libbeat has not taken it, and memory has it no more
}

func newBuffer(o Options, env Env, f *figures, d *disk) *buffer {
	b := &buffer{opts: o, env: env, log: env.Log, figures: f, disk: d, done: make(chan struct{}), kick: make(chan struct{}, 1),
		clients: map[*client]bool{}, outlets: map[*outlet]bool{}}
	b.room.L, b.work.L = &b.mu, &b.mu
	b.goroutines.Go(b.pump) // close waits for both
	if o.Delivery == storeOnFailure {
		b.goroutines.Go(b.spiller)
	}
	return b
}

// spills says whether events may go to disk.
func (b *buffer) spills() bool { return b.opts.Delivery == storeOnFailure }

// full says whether there is no room for one more event of a size.
func (b *buffer) full(size int) bool {
	q := &b.opts.Queue
	return b.waiting > 0 && (b.waiting >= q.Events || b.bytes+size > int(q.Bytes))
}

// reserve waits for room for an item. It returns false if its client is closed before there is.
func (b *buffer) reserve(it *item) (ok bool) {
	var touched []*client
	b.mu.Lock()
	var unblock func()
	for !it.client.closed && b.full(it.size) {
		if b.next != nil && b.dropping() {
			touched = append(touched, b.drop())
			continue
		}
		if unblock == nil {
			unblock = b.figures.block()
		}
		b.wakeSpiller()
		b.room.Wait()
	}
	if ok = !it.client.closed; ok {
		b.count(1, it.size)
		b.coming++
		it.client.coming++
	}
	b.mu.Unlock()
	if unblock != nil {
		unblock()
	}
	report(touched)
	return ok
}

// count takes note of n more events that libbeat has not got, of so many bytes together.
func (b *buffer) count(n, size int) {
	b.waiting += n
	b.bytes += size
	b.figures.buffered.Add(int64(n))
	b.figures.bufferedBytes.Add(int64(size))
}

// wakeSpiller never waits.
func (b *buffer) wakeSpiller() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// push takes in an item that has room. It returns false if the buffer is closing.
func (b *buffer) push(it *item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming--
	it.client.coming--
	if b.closing {
		if !b.ended {
			b.count(-1, -it.size)
		}
		return false
	}
	it.client.pending = append(it.client.pending, it)
	it.client.outlet.queued++
	b.link(it, b.last)
	if b.next == nil {
		b.next = it
	}
	b.work.Signal()
	if b.dropping() {
		b.room.Signal() // there is something to be dropped
	}
	return true
}

// dropping says whether the oldest event is dropped when there is no room.
func (b *buffer) dropping() bool {
	return b.opts.Delivery == bestEffort || b.overflow && b.failing
}

// link puts an item into memory's list behind another; nil: at its beginning.
func (b *buffer) link(it, behind *item) {
	it.linked, it.before, it.after = true, behind, b.first
	if behind != nil {
		it.after = behind.after
		behind.after = it
	} else {
		b.first = it
	}
	if it.after != nil {
		it.after.before = it
	} else {
		b.last = it
	}
}

func (b *buffer) unlink(it *item) {
	if !it.linked {
		return
	}
	if it.linked = false; it == b.next {
		b.next = it.after
	}
	if it.before != nil {
		it.before.after = it.after
	} else {
		b.first = it.after
	}
	if it.after != nil {
		it.after.before = it.before
	} else {
		b.last = it.before
	}
	it.before, it.after = nil, nil
}

// drop gives up the oldest event that libbeat has not got. The input need not wait for those before it any more either:
// else it would wait for the output after all. It returns the client that is to hear of it.
func (b *buffer) drop() *client {
	it, reason := b.next, &b.figures.full
	if b.spills() {
		reason = &b.figures.diskFull
	}
	reason.Add(1)
	b.count(-1, -it.size)
	b.unlink(it)
	it.dropped, it.settled, it.event = true, true, beat.Event{}
	b.emptied(it.client.outlet)
	for _, p := range it.client.pending {
		if p == it {
			break
		}
		if !p.settled {
			p.settled = true
			b.figures.unconfirmed.Add(1)
			b.unlink(p)
		}
	}
	return it.client
}

// emptied takes note that one of an outlet's events waits no more.
func (b *buffer) emptied(o *outlet) {
	if o.queued--; o.queued == 0 && o.orphan {
		b.retire(o)
	}
}

// leave tells that libbeat is done with an item. It returns the client that is to hear of it, or nil.
func (b *buffer) leave(it *item) *client {
	if it.left = true; it.seg != nil {
		b.disk.ack(it.seg, it.record)
	}
	if it.client == nil || it.settled {
		return nil
	}
	it.settled = true
	b.unlink(it)
	return it.client
}

// pump gives events to libbeat, which may take its time.
func (b *buffer) pump() {
	for tries := 0; ; {
		it, outlet, err := b.take()
		switch {
		case err != nil:
			b.log.Errorf("Trying again: %v", err)
			tries++
			select {
			case <-b.done:
			case <-time.After(backoff(tries)):
			}
		case it == nil:
			return
		default:
			tries = 0
			if !outlet.publish(it) {
				b.giveBack(it, outlet)
			} else if it.client != nil {
				b.mu.Lock()
				b.emptied(it.client.outlet)
				b.mu.Unlock()
			}
		}
	}
}

// take waits for the next item. It returns nil once the buffer is closing.
func (b *buffer) take() (*item, *outlet, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ; !b.closing; b.work.Wait() {
		if b.newest == nil || b.busy() {
			continue
		}
		for !b.closing && b.disk.waits() {
			newest := b.newest
			b.mu.Unlock()
			it, err := b.fromDisk()
			b.mu.Lock()
			if it != nil || err != nil {
				return it, newest, err
			}
		}
		if b.closing { // meanwhile: to wait for the signal would be to wait for a second one
			break
		}
		it := b.next
		if it == nil {
			continue
		}
		b.next, it.handed = it.after, true
		b.figures.handing.Add(1)
		b.count(-1, -it.size)
		if !b.spills() {
			b.unlink(it)
		}
		b.room.Broadcast()
		if o := it.client.outlet; !o.dead {
			return it, o, nil
		}
		return it, b.newest, nil
	}
	return nil, nil, nil
}

// busy says whether libbeat has as much of the input's events as it may: its queue counts events, whatever their size. The
// input may have been told that they are settled, so that it bounds nothing here. b.mu is held.
func (b *buffer) busy() bool {
	const least = 32 << 20 // more of ordinary events than libbeat's queue takes
	size := 0
	for o := range b.outlets { // of an input with several clients each has one
		if !o.dead {
			size += o.size
		}
	}
	return size >= max(int(b.opts.Queue.Bytes), least)
}

// fromDisk returns the first item on disk that libbeat has not got; nil if there is none.
func (b *buffer) fromDisk() (*item, error) {
	for {
		bytes, seg, record, ok, err := b.disk.read()
		if !ok {
			return nil, err
		}
		event, err := decode(bytes)
		if err == nil {
			return &item{event: event, size: len(bytes), seg: seg, record: record, handed: true}, nil
		}
		b.log.Errorf("Record %d of %s is damaged: %v", record, seg.file(b.disk.dir, spillExt), err)
		b.disk.untake(seg, record)
		b.figures.handing.Add(-1)
		b.disk.lose(seg, record, record+1, &b.figures.corrupt)
	}
}

// giveBack takes back an item that libbeat has not taken, because the outlet is closed.
func (b *buffer) giveBack(it *item, o *outlet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.dead = true
	if b.newest == o {
		b.newest = nil
		for other := range b.outlets {
			if !other.dead {
				b.newest = other
			}
		}
	}
	it.handed = false
	switch {
	case it.seg != nil:
		b.disk.untake(it.seg, it.record)
		b.figures.kept.Add(1)
		if it.client != nil {
			b.emptied(it.client.outlet)
		}
	case it.settled, b.closing:
		if !it.settled {
			it.client.forgot()
		}
		it.returned = true // it may be on its way to disk
		b.unlink(it)
		b.emptied(it.client.outlet)
	default:
		if it.bytes != nil {
			if event, err := decode(it.bytes); err == nil { // processors have been at the other one
				event.Private = it.event.Private
				it.event = event
			}
		}
		if !it.linked {
			b.link(it, nil)
		}
		b.next = it
		b.count(1, it.size)
		b.figures.kept.Add(1)
	}
}

// backoff is how long to wait before the next of several tries: 1 s, 2 s … 30 s, give or take a third.
func backoff(tries int) time.Duration {
	d := min(time.Second<<min(tries-1, 10), 30*time.Second)
	return d*2/3 + rand.N(d*2/3)
}

// closeGrace is how long close waits.
const closeGrace = 5 * time.Second

// close stops giving events to libbeat. What is in memory and not with libbeat is forgotten; the input has not been told that it
// is settled. released is called when nothing works on the disk any more, at once or, if libbeat does not let
// go of an event, later.
func (b *buffer) close(released func()) {
	b.mu.Lock()
	b.closing = true
	for c := range b.clients {
		c.closed = true
	}
	for o := range b.outlets {
		b.retire(o)
	}
	for it := b.next; it != nil; it = it.after {
		it.client.forgot()
	}
	b.room.Broadcast()
	b.work.Broadcast()
	b.mu.Unlock()
	close(b.done)
	ended := make(chan struct{})
	go func() { // ends with the buffer's goroutines
		defer close(ended)
		b.goroutines.Wait()
		b.mu.Lock()
		b.figures.returned.Add(int64(b.waiting - b.coming)) // those are counted by who brings them
		b.count(-b.waiting, -b.bytes)
		b.ended = true
		b.mu.Unlock()
		if b.disk != nil {
			b.disk.settle()
		}
		b.refuse("")
		released()
	}()
	select {
	case <-ended:
	case <-time.After(closeGrace):
		b.log.Warnf("Input %q has stopped, but libbeat or the disk still works on its events.", b.env.ID)
	}
}
