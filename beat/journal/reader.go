package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/journal"
)

// A reader yields the entries of a set of journal files, each once: those of one chain of sequence
// numbers in the order of their numbers, different chains side by side by time. A chain's place is
// its last number, whatever happens to the files: they are opened and closed one by one as the
// chain goes through them, so rotation and vacuuming need nothing special.
//
// Read and position belong to one goroutine, which calls Close in the end.
type reader struct {
	log       *logp.Logger
	metrics   *metrics
	gaps      *gaps
	sel       selection
	filter    filter
	exclude   []exclusion
	open      opener
	threshold uint64 // compressed fields are cut there
	poll      time.Duration
	tracker   tracker
	know      func(*Entry) // finds out an entry's shape; nil: nobody asks

	grace time.Duration // deletedGrace

	stop, stopped chan struct{} // of the housekeeper

	mu      sync.Mutex // guards all below: Read and the housekeeper
	listed  *listing
	files   map[fileKey]*file   // all that are listed or not yet done
	refused map[fileKey]refusal // listed and not readable
	beside  map[fileKey]bool    // looked at, for gaps only
	chains  map[string]*chain
	saved   map[string]uint64  // where chains go on that are not there yet
	fams    map[string]*family // by directory
	queue   []*file            // to be opened, by their first entry's time
	queued  int                // how many have ever been put there
	active  []*file            // open, with or without an entry read ahead
	more    bool               // the last batch has ended before what there is
	ticked  time.Time          // when refresh was done last …
	kept    time.Time          // … and the slower part of it
	denied  map[string]bool    // paths that are counted as unreadable

	savedBoot  string    // the saved position's
	resumed    bool      // reading goes on at the saved position
	complained time.Time // when complain last did
	foreign    bool      // said that the directories are another machine's
}

// A chain is the entries under one seqnum_id.
type chain struct {
	id       string
	seqnumID journal.ID // the same
	last     uint64     // done or handed out
	horizon  uint64     // all files with lower numbers are known and have been asked after this number was written
	verify   *cursor    // the saved position's entry, until it has been looked at
	numbers  numbers
	files    []*file // not done
	waiting  int     // of them, in the queue
}

// pollTick is how often the end of the files is looked at. journald's own notice, a file event, is
// held back for 250 ms, and does not come from network file systems at all; a look costs a
// microsecond a file.
const pollTick = 100 * time.Millisecond

// openReader opens the journal that o names after the entries that are done. It fails only for what
// the user has to mend.
func openReader(log *logp.Logger, o *options, m *metrics, after position) (*reader, error) {
	return openSelection(log, o, m, after, newSelection(o))
}

func openSelection(log *logp.Logger, o *options, m *metrics, after position, sel selection) (*reader, error) {
	boot := currentBoot()
	f, err := matches(o, boot)
	if err != nil {
		return nil, err
	}
	missing := sel.missing()
	if len(missing) == len(sel.paths) {
		return nil, fmt.Errorf("cannot read journal file %q: there is no such file; give its directory, or a glob, to wait for it", missing[0])
	}
	for _, path := range missing {
		log.Warnf("There is no journal file %q; it is read if it comes.", path)
	}
	r := &reader{
		log: log, metrics: m, gaps: newGaps(m, len(f) == 0), sel: sel, filter: f, exclude: exclusions(o), open: openers[o.Reader],
		threshold: uint64(o.MaxMessageBytes) + 256, // longer than any field's name
		poll:      o.PollInterval, grace: deletedGrace,
		stop: make(chan struct{}), stopped: make(chan struct{}),
		files: map[fileKey]*file{}, refused: map[fileKey]refusal{}, beside: map[fileKey]bool{},
		chains: map[string]*chain{}, fams: map[string]*family{}, denied: map[string]bool{},
	}
	if r.poll <= 0 {
		r.poll = time.Second
	}
	r.scan()
	if err := r.usable(); err != nil {
		r.release()
		return nil, err
	}
	if err := r.start(o, after, boot); err != nil {
		r.release()
		return nil, err
	}
	go r.keepHouse()
	return r, nil
}

// currentBoot is the id of the kernel's boot, "" if that cannot be read.
func currentBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")
}

// usable says what keeps every single file from being read.
func (r *reader) usable() error {
	var refused *file
	for _, f := range r.files {
		if f.refused == nil {
			return nil
		}
		refused = f
	}
	if refused != nil {
		return fmt.Errorf("cannot read journal file %q: %w", refused.path, refused.refused)
	}
	for path, err := range r.listed.denied {
		return fmt.Errorf("cannot read journal %q: %w: let podbeat's user read it, with: usermod -aG systemd-journal USER", path, err)
	}
	for key, refused := range r.refused {
		if errors.Is(refused.err, fs.ErrPermission) {
			return fmt.Errorf("cannot read journal file %q: %w: let podbeat's user read it, with: usermod -aG systemd-journal USER", r.listed.files[key].path, refused.err)
		}
	}
	return nil
}

// Close ends the reader.
func (r *reader) Close() {
	close(r.stop)
	<-r.stopped
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release()
}

func (r *reader) release() {
	for _, f := range r.files {
		f.release()
	}
}

// began is the position before the first entry that is read: with what is left out of every chain.
func (r *reader) began() position {
	if len(r.tracker.others) == 0 {
		return position{}
	}
	return position{Chains: maps.Clone(r.tracker.others), Whole: true}
}

// position is what to open a reader with to go on after e, an entry that Read has yielded. It has to
// be asked for every entry, in order.
func (r *reader) position(e *Entry) position {
	return r.tracker.position(e, func(id string) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.chains[id] == nil || len(r.chains[id].files) == 0
	})
}

// Read fills batch with the next entries and says with how many: at least one, or 0 when none
// has come for poll_interval. The only error is ctx's.
func (r *reader) Read(ctx context.Context, batch []Entry) (int, error) {
	for until := time.Now().Add(r.poll); ; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, more := r.fill(batch)
		if n > 0 {
			return n, nil
		}
		if more {
			continue // not all has been looked at
		}
		left := time.Until(until)
		if left <= 0 {
			return 0, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(min(left, pollTick)):
		}
	}
}

// batchBytes bounds a batch, but for its first entry: that may be larger, and is alone then.
const batchBytes = 1 << 20

// fill takes what is there. It looks at a bounded number of entries, and takes a bounded number of bytes: more says
// that it has stopped before the end.
func (r *reader) fill(batch []Entry) (n int, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.refresh(now)
	for _, f := range r.active {
		f.reads = 0 // whatever has happened to the file meanwhile is to be seen
	}
	r.more = true
	room := uint64(math.MaxUint64) // for the first entry
	for looked := 0; n < len(batch) && room > 0; looked++ {
		if looked >= 4096 && n == 0 {
			return 0, true
		}
		if !r.next(&batch[n], room, now) {
			break
		}
		if excluded(&batch[n], r.exclude) {
			r.metrics.read.Inc()
			r.metrics.filtered.Inc()
			batch[n].forget() // it may be long until the place is used again
			continue
		}
		if n++; n == 1 {
			room = batchBytes
		}
		room -= min(room, batch[n-1].size)
	}
	return n, r.more
}

// next yields the next entry in order, unless that has no room.
func (r *reader) next(e *Entry, room uint64, now time.Time) bool {
	for {
		f := r.first(now)
		if f == nil {
			r.more = false
			return false
		}
		if f.head().size > room {
			return false
		}
		c := f.chain
		if n := f.head().Seqnum; n > c.horizon && r.sync(c, n, now) {
			continue
		}
		f.take(e)
		if e.Seqnum <= c.last {
			// Another file of the chain had the number: a copy of it.
			r.metrics.skippedOther.Inc()
			if !f.repeats {
				f.repeats = true
				r.log.Warnf("Journal file %q repeats numbers of its chain from %d on; what was read once is left out.", f.path, e.Seqnum)
			}
			continue
		}
		r.gaps.see(&c.numbers, e.Seqnum, e.BootID)
		if r.know != nil {
			r.know(e)
		}
		r.gaps.read(e)
		if c.verify != nil {
			r.report(c, e)
		}
		c.last = e.Seqnum
		return true
	}
}

// report says where a chain goes on whose saved position is gone.
func (r *reader) report(c *chain, e *Entry) {
	v := c.verify
	c.verify = nil
	r.log.Warnf("The entry at the saved position %s is gone; reading goes on with the next number of its chain: %d numbers and %v later.",
		v, e.Seqnum-c.last-1, span(v.Realtime, e.Realtime))
}

func span(from, to uint64) time.Duration {
	return time.Duration(int64(to-from)) * time.Microsecond // either may be the later
}

// first is the file whose entry is next, with that entry read ahead. Files are opened when it is
// their turn.
func (r *reader) first(now time.Time) *file {
	for {
		var best *file
		for i := 0; i < len(r.active); i++ {
			f := r.active[i]
			if !f.readAhead() && f.ready && !f.fetch(now) {
				f.ready = false
			}
			if !f.readAhead() {
				if f.done || f.rd == nil {
					r.active = slices.Delete(r.active, i, i+1)
					i--
				}
				continue
			}
			if best == nil || before(f.head(), best.head()) {
				best = f
			}
		}
		due := r.due(best, now)
		if due == nil {
			return best
		}
		if !r.begin(due, now) && !due.done {
			return nil // it will be readable in a moment, and must come first
		}
	}
}

// before says which of two entries comes first: as libsystemd orders them.
func before(a, b *Entry) bool {
	switch {
	case a.SeqnumID == b.SeqnumID && a.Seqnum != b.Seqnum:
		return a.Seqnum < b.Seqnum
	case a.BootID == b.BootID && a.Monotonic != b.Monotonic:
		return a.Monotonic < b.Monotonic
	}
	return a.Realtime < b.Realtime
}

// due is the file to be opened before best's entry can be handed out.
func (r *reader) due(best *file, now time.Time) *file {
	for _, f := range r.queue {
		if f.failed.IsZero() && now.Before(f.retry) {
			continue
		}
		switch {
		case best == nil, f.hdr.HeadRealtime <= best.head().Realtime,
			f.chain == best.chain && f.hdr.HeadSeqnum <= best.head().Seqnum:
			return f
		}
		if f.hdr.HeadRealtime > best.head().Realtime && f.chain != best.chain && best.chain.waiting == 0 {
			return nil // the queue is in the order of time
		}
	}
	return nil
}

// begin opens a file of the queue.
func (r *reader) begin(f *file, now time.Time) bool {
	if c := f.chain; c.last >= f.hdr.TailSeqnum && f.final() {
		if c.verify != nil && f.hdr.HeadSeqnum <= c.last {
			c.verify = nil // this was its file, and is read to its end
		}
		f.finish()
	} else if !f.open(now) && !f.done {
		return false
	}
	r.unqueue(f)
	if !f.done {
		f.ready = true
		if !slices.Contains(r.active, f) {
			r.active = append(r.active, f)
		}
	}
	return true
}

// waiting puts a file (back) to be opened.
func (r *reader) waiting(f *file) {
	if slices.Contains(r.queue, f) {
		return
	}
	i, _ := slices.BinarySearchFunc(r.queue, f, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.hdr.HeadRealtime, b.hdr.HeadRealtime), cmp.Compare(a.hdr.HeadSeqnum, b.hdr.HeadSeqnum))
	})
	r.queue = slices.Insert(r.queue, i, f)
	r.queued++
	f.chain.waiting++
}

// unqueue takes a file from those to be opened.
func (r *reader) unqueue(f *file) {
	if i := slices.Index(r.queue, f); i >= 0 {
		r.queue = slices.Delete(r.queue, i, i+1)
		f.chain.waiting--
	}
}

// sync makes sure that no entry of the chain comes before number next: in a file not listed yet, or
// at the end of one that had none when it was asked. It says whether anything has changed.
//
// The headers are read first: what they count was written before the files are asked now.
func (r *reader) sync(c *chain, next uint64, now time.Time) bool {
	var horizon uint64
	files := slices.Clone(c.files)
	for _, f := range files {
		f.refresh()
		horizon = max(horizon, f.hdr.TailSeqnum)
	}
	changed := false
	if r.listed.stale() {
		before := r.queued
		r.scan()
		changed = r.queued != before
	}
	for _, f := range files {
		if f.rd == nil || f.readAhead() {
			continue
		}
		if f.fetch(now) {
			changed, f.ready = true, true
		} else if f.rd != nil && f.hides() && f.hdr.TailSeqnum < next && !f.hidden.tried {
			// Its writer is done with it: whatever is hidden is hidden for good.
			if f.recover(now) {
				changed, f.ready = true, true
			}
		}
	}
	c.horizon = max(horizon, next)
	return changed
}
