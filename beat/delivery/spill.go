package delivery

import (
	"errors"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// tick is how often the output's state is looked at.
const tick = 250 * time.Millisecond

// spiller moves events to disk while the output fails.
func (b *buffer) spiller() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var complaint complaint
	var retry time.Time
	for tries := 0; ; {
		select {
		case <-b.done:
			return
		case <-ticker.C:
		case <-b.kick:
		}
		failing := b.env.Failing != nil && b.env.Failing()
		b.mu.Lock()
		if b.failing != failing {
			b.failing, b.overflow = failing, false
			b.room.Broadcast()
		}
		due := failing && b.due(time.Now())
		b.mu.Unlock()
		if !due {
			if !failing {
				b.refuse("")
			}
			continue
		}
		if time.Now().Before(retry) {
			continue
		}
		err := b.spill()
		switch {
		case err == nil:
			tries = 0
			b.refuse("")
		case errors.Is(err, errFull):
			b.refuse("max_size")
			b.overflown()
		case errors.Is(err, errFree):
			b.refuse("disk_free_min")
		default:
			b.figures.errors.Add(1)
			b.refuse("error")
			tries++
			retry = time.Now().Add(backoff(tries))
		}
		complaint.log(b, err)
	}
}

// due says whether events are to go to disk.
func (b *buffer) due(now time.Time) bool {
	if b.first == nil {
		return false
	}
	q := &b.opts.Queue
	return b.waiting >= q.Events || b.bytes >= int(q.Bytes) || b.flushing > 0 || b.figures.isBlocked() || now.Sub(b.first.at) >= q.Disk.After
}

// overflown has events dropped that have no room, if that is configured.
func (b *buffer) overflown() {
	if b.opts.Queue.Disk.Full != "drop" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.overflow = true
	b.room.Broadcast()
}

func (b *buffer) refuse(why string) {
	if old := b.figures.refused.Load(); old == nil || *old != why {
		b.figures.refused.Store(&why)
	}
}

// A complaint is logged when it is new, and every minute.
type complaint struct {
	text string
	at   time.Time
}

func (c *complaint) log(b *buffer, err error) {
	text := ""
	if err != nil {
		text = b.figures.now().Refused
	}
	if text == "" && c.text != "" {
		b.log.Infof("Input %q writes events to %s again.", b.env.ID, b.disk.dir)
	}
	if text != "" && (text != c.text || time.Since(c.at) >= time.Minute) {
		c.at = time.Now()
		what := "it waits once its memory is full"
		if text == "max_size" && b.opts.Queue.Disk.Full == "drop" {
			what = "once its memory is full, its oldest events are DROPPED"
		}
		n := b.figures.now()
		b.log.Errorf("The output fails, and input %q cannot put events into %s: %v. %d events are there, %d wait in memory; %s.",
			b.env.ID, b.disk.dir, err, n.Spilled, n.Buffered, what)
	}
	c.text = text
}

// spill moves all of memory to disk, or as much as there is room for.
func (b *buffer) spill() error {
	b.mu.Lock()
	var items []*item
	var events [][]byte
	if b.closing { // what libbeat has just given back is not there any more, and may not be overtaken
		b.mu.Unlock()
		return nil
	}
	for it := b.first; it != nil; it = it.after {
		if it.bytes == nil {
			break // nothing may overtake it
		}
		items, events = append(items, it), append(events, it.bytes)
	}
	b.mu.Unlock()
	if len(items) == 0 {
		return errors.New("the oldest event is of a kind that cannot be written: it stays in memory")
	}
	for len(items) > 0 {
		seg, n, size, err := b.disk.append(events, &b.opts.Queue)
		if err != nil {
			return err
		}
		b.commit(seg, items[:n], size)
		items, events = items[n:], events[n:]
	}
	return nil
}

// commit tells of items that they are on disk.
func (b *buffer) commit(seg *segment, items []*item, size int64) {
	touched := map[*client]bool{}
	b.mu.Lock()
	b.disk.commit(seg, len(items), size, func(i, record int) {
		it := items[i]
		it.seg, it.record, it.bytes = seg, record, nil
		switch {
		case it.left, it.dropped:
			b.disk.acknowledged(seg, record)
		case it.handed:
			b.disk.took(seg, record)
		case it.returned:
			b.figures.kept.Add(1)
		default:
			b.count(-1, -it.size)
			it.event = beat.Event{}
			b.emptied(it.client.outlet)
		}
		if b.unlink(it); !it.settled {
			it.settled = true
			touched[it.client] = true
		}
	})
	b.overflow = false
	b.room.Broadcast()
	b.work.Signal()
	b.mu.Unlock()
	for c := range touched {
		c.report()
	}
}
