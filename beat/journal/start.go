package journal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// start gives every chain that is there the number after which it is read. Chains that come later
// are new, and are read from their first entry on.
func (r *reader) start(o *options, after position, boot string) error {
	defer func() {
		r.tracker.others = maps.Clone(r.saved)
		if r.tracker.others == nil {
			r.tracker.others = map[string]uint64{}
		}
		for id, c := range r.chains {
			if c.last > 0 {
				r.tracker.others[id] = c.last
			}
		}
	}()
	resumes := o.Seek.Mode == "cursor" || o.Seek.Mode == "since"
	if resumes && !after.empty() {
		return r.resume(o, after, boot)
	}
	switch o.Seek.Mode {
	case "head":
	case "tail":
		r.startTail()
	case "since":
		r.startTime(uint64(max(o.Seek.Since.UnixMicro(), 0)), "")
	default:
		return r.fallBack(o, "there is no saved position")
	}
	return nil
}

// place is what of a saved position holds for what is read now: what lies ahead of it has come out only if reading
// goes on there, in chains that have got at least as far.
func (r *reader) place(saved position) position {
	if !r.resumed {
		saved.Joined, saved.ahead, saved.Ahead = nil, nil, ""
		return saved
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return saved.without(func(chain string, until uint64) bool {
		c := r.chains[chain]
		return c != nil && c.tail() < until
	})
}

// fallBack starts where cursor_seek_fallback says.
func (r *reader) fallBack(o *options, why string) error {
	for _, c := range r.chains {
		c.set(0)
	}
	r.saved, r.resumed = nil, false
	switch o.CursorSeekFallback {
	case "none":
		return fmt.Errorf("cannot go on reading the journal: %s, and cursor_seek_fallback is none: set it to head or tail", why)
	case "tail":
		r.startTail()
	}
	r.log.Infof("Reading starts at the journal's %s: %s.", o.CursorSeekFallback, why)
	return nil
}

// resume goes on after a saved position, or as near to it as there is something left.
func (r *reader) resume(o *options, after position, boot string) error {
	r.saved = maps.Clone(after.Chains)
	if r.saved == nil {
		r.saved = map[string]uint64{}
	}
	cur, err := parseCursor(after.cursor())
	if err != nil {
		if after.Cursor != "" {
			r.log.Warnf("The saved position counts as gone: %v", err)
		}
		if len(r.saved) == 0 {
			return r.fallBack(o, "the saved position cannot be read")
		}
	} else {
		r.saved[cur.SeqnumID] = cur.Seqnum
		r.savedBoot = cur.BootID
	}
	r.resumed = true
	known := false
	for id, n := range r.saved {
		c := r.chains[id]
		if c == nil {
			continue
		}
		c.set(n)
		if tail := c.tail(); tail >= n {
			known = true
		} else if id != cur.SeqnumID {
			r.log.Warnf("Chain %s ends at number %d, before the saved position's %d; reading goes on at its end.", id, tail, n)
			c.set(tail)
		}
	}
	if err != nil {
		return nil
	}
	own := r.chains[cur.SeqnumID]
	if own != nil && own.tail() >= cur.Seqnum {
		own.verify = &cur
		if !after.Whole {
			r.startTime(cur.Realtime+1, "")
		}
		return nil
	}
	if len(r.files) == 0 {
		r.log.Warnf("There is no journal file yet; whatever comes is read from its beginning on.")
		return nil
	}
	what := "its chain is gone"
	if own != nil {
		what = fmt.Sprintf("its chain ends before it, at number %d", own.tail())
		delete(r.saved, cur.SeqnumID)
		own.set(0)
	} else if known {
		r.log.Warnf("The saved position %s is gone: %s; the other chains go on where they were.", cur, what)
		return nil
	}
	return r.resumeTime(o, cur, boot, what)
}

// resumeTime goes on with the first entries after a saved position's time.
func (r *reader) resumeTime(o *options, cur cursor, boot, what string) error {
	r.resumed = false
	var first, last uint64
	for _, f := range r.files {
		if h := &f.hdr; h.TailRealtime > cur.Realtime {
			last = max(last, h.TailRealtime)
			if from := max(h.HeadRealtime, cur.Realtime+1); first == 0 || from < first {
				first = from
			}
		}
	}
	exempt := ""
	if r.sel.local && cur.BootID != boot {
		exempt = boot // whatever the clock said then, nothing of this boot was read
	}
	if last == 0 && exempt == "" {
		return r.fallBack(o, fmt.Sprintf("the saved position %s is gone: %s, and there is nothing newer", cur, what))
	}
	r.log.Warnf("The saved position %s is gone: %s; reading goes on with what came later, %v after it.", cur, what,
		span(cur.Realtime, max(first, cur.Realtime)).Round(time.Millisecond))
	r.startTime(cur.Realtime+1, exempt)
	return nil
}

// startTail leaves out all that is there.
func (r *reader) startTail() {
	for _, c := range r.chains {
		c.set(c.tail())
	}
}

// startTime leaves out what chains without a number have from before usec, except in files that the
// boot exempt has written last.
func (r *reader) startTime(usec uint64, exempt string) {
	for _, c := range r.chains {
		if c.last == 0 {
			c.set(c.before(usec, exempt))
		}
	}
}

// set says that the chain is done up to number n.
func (c *chain) set(n uint64) {
	c.last = n
	c.numbers.started, c.numbers.last = n > 0, n
}

// tail is the highest number that any file of the chain promises.
func (c *chain) tail() uint64 {
	var tail uint64
	for _, f := range c.files {
		tail = max(tail, f.hdr.TailSeqnum)
	}
	return tail
}

// before is the last number of the chain from before usec.
func (c *chain) before(usec uint64, exempt string) uint64 {
	files := slices.Clone(c.files)
	slices.SortFunc(files, func(a, b *file) int {
		if a.hdr.HeadSeqnum < b.hdr.HeadSeqnum {
			return -1
		}
		return 1
	})
	var n uint64
	for _, f := range files {
		if exempt != "" && f.hdr.BootID.String() == exempt {
			return max(n, f.hdr.HeadSeqnum-1)
		}
		if f.hdr.TailRealtime < usec {
			n = max(n, f.hdr.TailSeqnum)
			continue
		}
		first, err := f.firstSince(usec)
		if err != nil {
			first = f.hdr.HeadSeqnum
		}
		return max(n, first-1)
	}
	return n
}

// firstSince is the number of the file's first entry that is not older than usec.
func (f *file) firstSince(usec uint64) (uint64, error) {
	from, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	rd, err := f.r.open(from, nil, nil, 1)
	if err != nil {
		return 0, err
	}
	defer rd.close()
	if err := rd.seekRealtime(usec); err != nil {
		return 0, err
	}
	var e Entry
	if ok, err := rd.next(&e); !ok {
		return 0, errors.Join(errEntry, err)
	}
	return e.Seqnum, nil
}
