package follow

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/beat/find"
)

// identify finds out what f holds: what it held before, a copy of what another file holds or held,
// or something new. It returns false while there is nothing to be read from f, and when it was closed before that was known.
func (s *shard) identify(f *file, h *os.File, now time.Time) bool {
	t := textOf(f, h)
	if o := f.old; o != nil {
		ok := s.inherit(f, o, t)
		if !ok && t.closed {
			return s.failed(f, os.ErrClosed)
		}
		if f.old = nil; ok {
			return true
		}
	}
	if c := f.was; c != nil {
		ok := c.home == nil && c.src.Volume == f.src.Volume && s.adopt(c, f, t, whole)
		if !ok && t.closed {
			return s.failed(f, os.ErrClosed)
		}
		if f.was = nil; ok {
			for _, copy := range c.copies { // it may not have looked like one had c been here
				s.unpark(copy)
				s.push(copy)
			}
			return true
		}
		if c.home == nil { // truncated while nobody looked
			f.before = c.rec.ID
			s.displace(c, now, "truncated", "it was truncated while podbeat was not running")
		}
	}
	if t.size == 0 && f.isDeleted() {
		s.finish(f)
		return false
	}
	_, rotated := stem(f.path())
	if t.size == 0 && (rotated || f.before == "") {
		f.caughtUp = true
		return false
	}
	c, wait := s.original(f, t, now)
	switch {
	case c == nil && t.closed: // by the tracker, which need not wait for what is sent in between
		return s.failed(f, os.ErrClosed)
	case wait:
		f.wake.Store(true)
		return false
	case c != nil && c.home == nil && c.gone.IsZero() && !c.ended:
		fallthrough // its file is known by name, and has not had its turn yet
	case c != nil && c.home != nil:
		f.copyOf = c
		s.known(f)
		c.copies = append(c.copies, f)
		f.waits.Store(true)
		return false
	case c != nil:
		f.wake.Store(true) // if it has changed meanwhile
		return s.adopt(c, f, textOf(f, h), part)
	}
	id := firstID(f)
	if f.before != "" {
		id = nextID(f.before, f)
	}
	for slices.ContainsFunc(s.kin(f.path()), func(c *content) bool { return c.rec.ID == idText(id) }) {
		id = nextID(idText(id), f) // an inode and a birth that were given out twice
	}
	s.start(newContent(f, id, s.run.cfg.NewReader(s.run.cfg.Format)), h)
	return true
}

// inherit gives f the content of the file that had its inode before, if it holds that, and ends that
// file.
func (s *shard) inherit(f, old *file, t *text) (ok bool) {
	c := old.content
	if ok = c != nil && c.src.Volume == f.src.Volume && c.rec.Head.Len > 0 && s.adopt(c, f, t, whole); ok {
		old.content = nil
	} else if t.closed {
		return false
	}
	if f.was == nil {
		f.was, old.was = old.was, nil
	}
	old.mu.Lock()
	old.missing = true
	if ok || old.birth != 0 && c == nil {
		old.size.Store(0) // it is f, under another name: nothing is lost with it
	}
	if ok || old.birth != 0 {
		old.written = false // it is in f
	}
	old.mu.Unlock()
	s.away(old)
	return ok
}

// start makes c, which is new, its file's content.
func (s *shard) start(c *content, h io.Seeker) {
	f := c.home
	f.content, f.before = c, ""
	s.known(f)
	s.list(c)
	if at, err := h.Seek(0, unix.SEEK_DATA); !f.gz && err == nil {
		c.pos = at // a hole, left by a writer that kept its place in a truncated file
	}
	f.pos.Store(c.pos)
	s.run.positions.set(c)
}

// original looks for the content that f is a copy of. wait says that f is too short to tell yet.
func (s *shard) original(f *file, t *text, now time.Time) (c *content, wait bool) {
	name, rotated := stem(f.path())
	if !rotated {
		return nil, false
	}
	if now.Sub(time.Unix(0, f.born)) < quiet && !s.run.tracker.knows(name) {
		if _, err := os.Lstat(name); err == nil {
			return nil, true // found before its original
		}
	}
	if s.readFirst(f, t) {
		return nil, true
	}
	for _, c := range s.kin(f.path()) {
		n := c.rec.Head.Len
		if n == 0 || f.olderThan(c) || !s.maybeCopy(f, c) {
			continue
		}
		tooShort := c.reader == nil && t.size < c.rec.Head.At+int64(headSteps[0])
		switch {
		case t.holds(c):
			return c, false
		case !tooShort && !t.isPart(c):
			continue
		case now.Sub(f.grew) < quiet:
			return nil, true // it is being written
		case !tooShort:
			return c, false // made before the rest was written: all of it has been read
		}
	}
	return nil, false
}

// vanished says whether f is not in the file system any more, or not where it was, be it that its turn has not come since: one that
// was renamed, compressed and deleted in one go has the name before, and what was made of it may have its turn first.
func (s *shard) vanished(f *file) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil {
		info, err := find.Stat(f.open)
		return err == nil && info.Links == 0
	}
	for _, name := range f.names { // only looked at: nobody would close it
		info, err := s.run.finder.Look(name)
		if err == nil && inodeOf(info) == f.inode || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// maybeCopy says whether f, which is of the log of c, may be a copy of c, by its name and by whether the file of c is away.
func (s *shard) maybeCopy(f *file, c *content) bool {
	name, of := f.path(), c.rec.Path
	return maybeCopy(name, of, false) || c.rec.Head.Len >= headSteps[0] && maybeCopy(name, of, true) &&
		(c.away() || f.gz && !c.home.gz && s.vanished(c.home))
}

// readFirst gives turns to files that f may be a copy of: what they hold now may not have been looked at
// yet, and only by that f can be told from a new log. It returns true if one of them has to wait for its turn.
func (s *shard) readFirst(f *file, t *text) (wait bool) {
	var first []*file
	for _, c := range s.kin(f.path()) {
		if c.home != nil && maybeCopy(f.path(), c.rec.Path, false) {
			first = append(first, c.home)
		}
	}
	s.mu.Lock()
	name, _ := stem(f.path())
	if l := s.logs[name]; l != nil {
		for _, g := range newest(l.fresh) {
			if g == f || !maybeCopy(f.path(), g.path(), false) {
				continue
			}
			first = append(first, g)
			if h, err := g.opened(s.run.finder); err == nil && g.after == f && begins(textOf(g, h), t) {
				g.after = nil // f is a copy, not what was written before
			}
			switch first, of := g.precededBy(f); {
			case of, first == nil: // f comes first, or nothing does
			case first.content != nil, f.gz && !first.gz: // in a circle nobody waits: who is being read does not, and only a compressed file waits for others
				wait = true
			default:
				g.after = nil // it may take long until that can be read: order is less than nothing twice
			}
		}
	}
	s.mu.Unlock()
	for _, g := range first {
		again := s.turn(g)
		if again { // the first turn may have found that it was truncated, and no more
			again = s.turn(g)
		}
		if again {
			s.push(g)
		}
	}
	return wait
}

// precededBy returns the first of the files that g is to be read after, or nil, and says whether f is one of them.
func (g *file) precededBy(f *file) (first *file, of bool) {
	for a := g.after; a != nil && a.shard == g.shard && a.unread(); a = a.after {
		if a == f {
			return nil, true
		}
		first = a
	}
	return first, false
}

// How much of a content a file must have to take it over.
const (
	whole = false // as far as it has been read
	part  = true  // or less, if it is a copy
)

// adopt makes f the file that holds c, and reading goes on there; or it returns false, for f does not hold it.
func (s *shard) adopt(c *content, f *file, t *text, less bool) bool {
	// What is kept of the text is read first: that it is c's is known if it is so still afterwards.
	before := func(pos int64) []byte { return t.read(max(0, pos-windowSize), int(min(pos, windowSize))) }
	size, resume := c.seen(), c.rec.Resume
	if less {
		size = t.upTo(size)
	}
	var head, first, window, last []byte
	if c.reader == nil {
		head, first, window = t.read(c.rec.Head.At, c.rec.Head.Len), t.read(0, headSize), before(resume)
	}
	if size < c.pos {
		last = before(size)
	}
	if size == c.seen() && !t.holds(c) || size < c.seen() && !t.isPart(c) {
		return false
	}
	anew := c.reader == nil
	if anew {
		c.reader = s.run.cfg.NewReader(s.run.cfg.Format)
		c.reader.Head(first)
		c.hole, c.head = c.rec.Head.At, head
	} else if size < c.pos {
		s.flush(c)
	}
	if lost := c.size - max(c.pos, c.lost, t.size); !c.gone.IsZero() && lost > 0 {
		s.run.abandon(c.src, c.rec.Path, lost, c.reason, c.why)
		c.size -= lost
	}
	if size < c.seen() {
		c.cut(size, last)
	}
	if anew && resume <= c.pos {
		c.pos, c.window = resume, window
	}
	c.home, c.gone, c.src = f, time.Time{}, f.src
	f.content, f.copyOf, f.before = c, nil, ""
	f.waits.Store(false)
	s.known(f)
	f.pos.Store(c.pos)
	c.mu.Lock()
	f.done = f.gz && c.rec.Whole > 0 && c.rec.Done >= c.rec.Whole
	revived := c.ended
	c.ended = false
	c.mu.Unlock()
	if key := f.inode.key(); revived || c.rec.Key != key {
		s.run.positions.move(c, key)
	}
	s.renamed(c, f.path())
	if c.log == "" {
		s.list(c)
	}
	return true
}

// flush sends the messages of c that wait for more: nothing will come.
func (s *shard) flush(c *content) {
	if c.reader == nil || s.run.refused.Load() {
		return
	}
	now := s.run.now()
	s.out.begin(c, c.rec.Path, c.window, c.pos-int64(len(c.window)), now)
	counted := c.reader.Counters
	c.reader.Read(nil, c.pos, true, now, s.out.publish)
	s.run.metrics.count(&counted, &c.reader.Counters)
}

// displace takes c from its file, for which a new content is to come under the same key.
func (s *shard) displace(c *content, now time.Time, reason, why string) {
	s.run.metrics.truncated.Inc()
	if c.givenUp != "" && c.pos < c.aside {
		reason, why = c.givenUp, whyGivenUp[c.givenUp]
	}
	s.run.positions.move(c, c.rec.Key+"~"+c.rec.ID)
	s.release(c, now, reason, why)
}

// truncated takes from f the content that it does not hold any more. What it holds now is new, or, if it was
// a copy, its next turn tells: it may be another copy.
func (s *shard) truncated(f *file, h io.Seeker, now time.Time) (again bool) {
	old := f.content
	f.content, f.gzip, f.done = nil, nil, false
	f.reading.Store(false)
	f.pos.Store(0)
	_, rotated := stem(f.path())
	if rotated {
		f.before = old.rec.ID
		s.welcome(f)
	}
	s.displace(old, now, "truncated", "the file was truncated")
	if !rotated {
		s.start(newContent(f, nextID(old.rec.ID, f), s.run.cfg.NewReader(s.run.cfg.Format)), h)
	}
	return true
}

// finish ends the following of f: it is away, and all that could be read of it has been.
func (s *shard) finish(f *file) { s.end(f, "closed") }

// end ends the following of f, and says why something of it may be lost.
func (s *shard) end(f *file, reason string) {
	f.ended = true
	f.close()
	s.known(f)
	s.unpark(f)
	s.run.tracker.forget(f)
	s.run.metrics.deleted.Inc()
	for _, c := range []*content{f.content, f.was} {
		if c != nil && (c.home == f || c.home == nil) {
			s.release(c, s.run.now(), reason, whyGivenUp[reason])
		}
	}
	f.content, f.was = nil, nil
}

// review looks again at f, which waits for what it is a copy of, when it has changed. It says whether
// f is over.
func (s *shard) review(f *file) (over bool) {
	c := f.copyOf
	if !f.isDeleted() || c.home == nil {
		s.unpark(f) // it may be a copy no more
		return false
	}
	// The original may have been truncated, and not have had its turn yet.
	if h, err := c.home.opened(s.run.finder); err == nil && !textOf(c.home, h).holds(c) && s.turn(c.home) {
		s.push(c.home)
	}
	if f.copyOf != c {
		return false
	}
	s.finish(f)
	return true
}

// unpark has f wait for no original.
func (s *shard) unpark(f *file) {
	if c := f.copyOf; c != nil {
		c.copies = slices.DeleteFunc(slices.Clone(c.copies), func(o *file) bool { return o == f })
		f.copyOf = nil
		f.waits.Store(false)
	}
}

// release gives c, which its file does not hold any more, to a copy, or keeps it until one comes.
func (s *shard) release(c *content, now time.Time, reason, why string) {
	c.leave(now, reason, why)
	if !s.handOver(c) && why == whyGivenUp[reason] && !s.awaits(c) {
		s.lose(c, reason, why) // else a copy may yet come
	}
}

// handOver gives c, which no file holds, to one of its copies, if any has it: rather to one with all of it.
func (s *shard) handOver(c *content) bool {
	for _, less := range []bool{whole, part} {
		for _, f := range c.copies {
			h, err := f.opened(s.run.finder)
			if err == nil && s.adopt(c, f, textOf(f, h), less) {
				c.copies = slices.DeleteFunc(slices.Clone(c.copies), func(o *file) bool { return o == f })
				s.push(f)
				return true
			}
		}
	}
	for _, f := range slices.Clone(c.copies) {
		s.unpark(f)
		if _, err := f.opened(s.run.finder); err != nil {
			c.size = max(c.size, f.size.Load())
			continue
		}
		s.welcome(f)
		s.push(f) // it was written anew
	}
	return false
}

// lose counts what of c has not been read, and cannot be any more.
func (s *shard) lose(c *content, reason, why string) {
	s.flush(c)
	if c.rec.Whole == 0 {
		s.run.abandon(c.src, c.rec.Path, c.size-max(c.pos, c.lost), reason, why)
	}
	c.lost = max(c.lost, c.size)
	c.mu.Lock()
	c.rec.Size = 0 // it is counted: no later run need do it
	s.run.positions.changed(c)
	c.mu.Unlock()
}

// away is the turn of a file that cannot be opened. What is lost with it is counted when its content
// ends: a copy may yet have it.
func (s *shard) away(f *file) {
	f.mu.Lock()
	missing, givenUp, written, blank := f.missing, f.givenUp, f.written, f.blank
	f.mu.Unlock()
	if !missing && givenUp == "" {
		return // the next scan will tell
	}
	reason := cmp.Or(givenUp, "closed")
	c := cmp.Or(f.content, f.copyOf, f.was, f.twin)
	switch {
	case f.done:
	case f.waits.Load() && c.home != nil && !c.home.isDeleted():
		written = false
	case c == nil || f.changed || c.log == "" || f.gz && c.size <= c.pos && (c == f.content || c == f.was):
		s.run.abandon(f.src, f.path(), f.size.Load()-blank, reason, whyGivenUp[reason])
		if f.changed && f.content != nil { // which may be in a copy that has had no turn yet
			s.displace(f.content, s.run.now(), "truncated", "the file was truncated")
			f.content = nil
		}
	default:
		if !f.gz {
			c.size = max(c.size, f.size.Load())
		}
		s.known(f) // and is no copy to wait for
		switch {
		case c.home != nil, c != f.was && c.gone.IsZero() && !c.ended: // what becomes of c is known when its file ends, which may not have had a turn yet
			c.givenUp, c.aside = reason, c.size
		case !c.gone.IsZero() && s.awaits(c):
			c.reason, c.why = reason, whyGivenUp[reason]
		default:
			s.lose(c, reason, whyGivenUp[reason])
		}
	}
	if written {
		s.run.metrics.unknown.Inc()
		s.run.log.Warnf("What was last written to %s (%s) may be lost: it was not open, and was deleted before it could be looked at.", strconv.Quote(f.path()), f.src.Volume)
	}
	s.end(f, reason)
}

// leaveUnread sees to what has not been read of f when a run ends, if it is deleted: nobody can read it any more. The next
// run counts what is lost of a content, for it will know what was delivered; of what has none it would know nothing.
func (s *shard) leaveUnread(f *file) {
	f.grown(s.run.now())
	if f.ended || !f.isDeleted() || f.unreadBytes() == 0 {
		return
	}
	c := cmp.Or(f.content, f.was)
	if o := f.old; c == nil && o != nil && o.birth != 0 {
		c = cmp.Or(o.content, o.was) // renamed while it was closed
	}
	if c != nil {
		if !f.gz {
			c.mu.Lock()
			c.rec.Size = max(c.rec.Size, f.size.Load())
			s.run.positions.changed(c)
			c.mu.Unlock()
		}
		return
	}
	if h, err := f.opened(s.run.finder); err == nil && s.twinOf(f, textOf(f, h)) == nil {
		s.run.abandon(f.src, f.path(), f.size.Load()-blank(h), "closed", "podbeat was stopped before it could read it, and it is deleted")
	}
}

// whyGivenUp are the reasons for which a file was given up, in words.
var whyGivenUp = map[string]string{
	"closed":  "the file was deleted while it was not open",
	"timeout": "the file was deleted, and deleted.timeout is over",
	"bytes":   "the file was deleted, and deleted.max_bytes is exceeded",
}

// scanned ends contents that no copy has come for since the scan before. lost are those of an
// earlier run whose files are away, and waiting those of one whose copies may not be in sight yet.
func (s *shard) scanned(lost, waiting []*content) {
	now := s.run.now()
	for _, c := range waiting {
		if s.run.shardOf(c.dir) == s && c.home == nil {
			c.gone = now
		}
	}
	for _, c := range lost {
		if s.run.shardOf(c.dir) == s && c.home == nil && c.gone.IsZero() {
			s.release(c, now, "away", "the file was deleted while podbeat was not running")
		}
	}
	for _, c := range s.all() {
		if c.home != nil || c.gone.IsZero() || now.Sub(c.gone) < 2*quiet || now.Sub(c.gone) < s.run.cfg.ScanInterval || s.awaits(c) {
			continue
		}
		s.lose(c, c.reason, c.why)
		s.unlist(c)
		s.run.positions.end(c)
	}
}

// twinOf finds the content that f, which has had no turn yet, seems to be a copy of. Any goroutine may ask.
func (s *shard) twinOf(f *file, t *text) *content {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.kinOf(f.path()) {
		c.mu.Lock()
		head, path := c.rec.Head, c.rec.Path
		c.mu.Unlock()
		if head.Len > 0 && maybeCopy(f.path(), path, true) && head.matches(t) {
			return c
		}
	}
	return nil
}

// parseKey reads what inode.key wrote. Contents without a file have other keys.
func parseKey(key string) (n inode, ok bool) {
	parts := strings.Split(key, "-")
	if len(parts) == 4 && parts[2] == "" { // a birth before 1970
		parts = []string{parts[0], parts[1], "-" + parts[3]}
	}
	if len(parts) != 3 {
		return n, false
	}
	var errs [3]error
	n.dev, errs[0] = strconv.ParseUint(parts[0], 36, 64)
	n.ino, errs[1] = strconv.ParseUint(parts[1], 36, 64)
	n.birth, errs[2] = strconv.ParseInt(parts[2], 36, 64)
	return n, errs == [3]error{}
}
