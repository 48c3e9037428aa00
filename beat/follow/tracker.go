package follow

import (
	"cmp"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/beat/find"
)

// A tracker knows the files by their inodes and names, and gives them turns when something has
// happened to them.
type tracker struct {
	run *run

	mu    sync.Mutex
	files map[inode]*file
	paths map[string]*file
	left  map[string]*file   // that had a name before, which none has now
	known map[inode]*content // of the last run, not found yet
	moved map[inode]inode    // their keys by these without the device
	loose []*content         // of the last run, in no file; whether a copy has one is not known yet
	began atomic.Bool        // the first scan has ended
	early []*file            // found by it
}

func newTracker(r *run) *tracker {
	return &tracker{run: r, files: map[inode]*file{}, paths: map[string]*file{}, left: map[string]*file{}, known: map[inode]*content{}, moved: map[inode]inode{}}
}

// handle hears what find has seen. It is called from one goroutine.
func (t *tracker) handle(e find.Event) {
	switch e.Op {
	case find.Seen:
		t.seen(e.Path, e.Info)
	case find.Changed:
		t.changed(e.Path, e.Written)
	case find.Gone:
		t.gone(e.Path)
	case find.Scanned:
		t.scanned(e.Failed)
	}
}

func (t *tracker) seen(path string, info find.Info) {
	t.mu.Lock()
	key := inodeOf(info)
	f, before := t.files[key], t.paths[path]
	if before != nil && before != f {
		before.unname(path)
		t.give(before)
	}
	last := cmp.Or(before, t.left[path])
	delete(t.left, path)
	var old *file
	if f != nil && f.isAway() {
		old, f = f, nil // renamed while it was closed, or another one with its number: what it holds will tell
	}
	if f == nil {
		f = t.add(path, key, info, old, last)
		if f == nil {
			t.mu.Unlock()
			return
		}
	}
	f.name(path)
	t.paths[path] = f
	fresh := f.size.Swap(info.Size) != info.Size || before != f
	fresh = fresh || f.denied.Load() || f.unreadBytes() > 0 && !f.isOpen() // it may be opened by now
	t.mu.Unlock()
	if fresh {
		t.give(f)
	}
}

// add makes a file of what was found at path, or returns nil if it is too old to be read. old had the
// inode before, and last the path, if any.
func (t *tracker) add(path string, key inode, info find.Info, old, last *file) *file {
	now := t.run.now()
	c := t.last(path, key)
	if most := t.run.cfg.IgnoreOlder; c == nil && old == nil && most > 0 && now.Sub(info.ModTime) > most {
		t.run.metrics.ignored.Inc()
		return nil
	}
	f := &file{inode: key, born: now.UnixNano(), tmpfs: info.Tmpfs, gz: strings.HasSuffix(path, ".gz"), dir: filepath.Dir(path),
		src: t.run.cfg.Source(path, t.run.node), grew: info.ModTime, used: now}
	f.length, f.checked = -1, -1
	f.shard = t.run.shardOf(f.dir)
	if c != nil {
		f.shard = t.run.shardOf(c.dir)
		f.was = c
	}
	if old != nil {
		f.shard, f.old = old.shard, old
	}
	if last != old {
		f.after = last
	}
	t.files[key] = f
	t.run.metrics.found.Inc()
	if !t.began.Load() {
		t.early = append(t.early, f)
	}
	f.name(path)
	f.shard.welcome(f)
	if !f.tmpfs && int(t.run.open.Load()) < t.run.maxOpen {
		_, _ = f.opened(t.run.finder) // held, so that a deletion takes nothing; if it fails, its turn tries again
	}
	return f
}

// last returns what the last run knew of the file that was found at path, and forgets it. The device may have another number
// since the machine was started.
func (t *tracker) last(path string, key inode) *content {
	c := t.known[key]
	if c == nil && key.birth != 0 {
		key = t.moved[inode{ino: key.ino, birth: key.birth}]
		if c = t.known[key]; c == nil || c.dir != filepath.Dir(path) {
			return nil
		}
	}
	delete(t.known, key)
	return c
}

func (t *tracker) changed(path string, written bool) {
	t.mu.Lock()
	f := t.paths[path]
	t.mu.Unlock()
	if f != nil {
		t.wrote(f, path, written)
		t.give(f)
		return
	}
	if info, err := t.run.finder.Look(path); err == nil {
		t.seen(path, info)
	}
}

// wrote notes that f was written to, and may be deleted the next moment: it is opened, or if it is not to be held open, what
// there is to read is at least known. If it is away by now, it is at least known that there may have been something, if it was written
// to and not only closed. More cannot be known: inotify tells neither a truncation from a line, nor a write that a turn
// of f has just read from the next.
func (t *tracker) wrote(f *file, path string, written bool) {
	var info find.Info
	var err error
	hold := !f.tmpfs && (f.isOpen() || int(t.run.open.Load()) < t.run.maxOpen)
	if hold {
		_, err = f.opened(t.run.finder)
	} else if info, err = t.run.finder.Look(path); err == nil && inodeOf(info) != f.inode {
		err = errAway
	}
	now := t.run.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && !hold {
		f.note(info, now)
	}
	f.written, f.used = err != nil && (written || f.written), now
}

func (t *tracker) gone(path string) {
	t.mu.Lock()
	f := t.paths[path]
	delete(t.paths, path)
	if f != nil {
		if t.left[f.had] == f {
			delete(t.left, f.had)
		}
		t.left[path], f.had = f, path
	}
	t.mu.Unlock()
	if f != nil {
		f.unname(path)
		t.give(f)
	}
}

// scanned ends a scan: files that have no name any more are away for good. The first one starts
// the reading: only now it is known which file holds which content.
//
// A position of the last run is forgotten if its file was not found by a scan that would have found it: see find.Searched. It is
// kept as long as the prefix of its glob is not there or empty, as before a disk is mounted: to forget it would be to send all
// again. That is no leak: new positions come with files only, and with the first of them in there the old ones go.
func (t *tracker) scanned(failed bool) {
	t.mu.Lock()
	var lost, waiting []*content
	early := t.early
	if !t.began.Load() {
		t.early = nil
		slices.SortStableFunc(early, func(a, b *file) int {
			return cmp.Or(cmp.Compare(a.dir, b.dir), a.grew.Compare(b.grew))
		})
		for i, f := range early {
			if i > 0 && early[i-1].dir == f.dir && sameLog(early[i-1].path(), f.path()) {
				f.after = early[i-1]
			}
		}
		t.began.Store(true) // from now on others give turns, in which after is read
	}
	if !failed {
		for key, c := range t.known {
			if t.run.finder.Searched(c.path()) {
				lost = append(lost, c)
				delete(t.known, key)
			}
		}
		if len(t.known) == 0 {
			clear(t.moved)
		}
		t.loose = slices.DeleteFunc(t.loose, func(c *content) bool { return t.run.finder.Searched(c.path()) })
		waiting = slices.Clone(t.loose)
		for _, f := range t.files {
			f.mu.Lock()
			if len(f.names) == 0 && f.open == nil {
				f.missing = true
				early = append(early, f)
			}
			f.mu.Unlock()
		}
	}
	t.mu.Unlock()
	for _, f := range early {
		t.give(f)
	}
	for _, s := range t.run.shards {
		s.do(func() { s.scanned(lost, waiting) })
	}
}

// give gives f a turn, once the first scan has ended.
func (t *tracker) give(f *file) {
	if t.began.Load() {
		f.shard.push(f)
	}
}

// all returns the files there are.
func (t *tracker) all() []*file {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.files))
}

// knows says whether a file is followed under the name path.
func (t *tracker) knows(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paths[path] != nil
}

// forget drops a file that is away.
func (t *tracker) forget(f *file) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files[f.inode] == f {
		delete(t.files, f.inode)
	}
	if t.left[f.had] == f {
		delete(t.left, f.had)
	}
	for _, path := range f.allNames() {
		if t.paths[path] == f {
			delete(t.paths, path)
		}
	}
}

// watch gives turns to files that wait for time to pass, or that have grown without inotify's
// saying so, and closes those that nobody needs open.
func (t *tracker) watch(ctx interface{ Done() <-chan struct{} }) {
	const tick = 200 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		all := t.all()
		if !t.began.Load() {
			continue
		}
		for _, f := range all {
			if f.wake.Swap(false) || n%5 == 0 && f.grown(t.run.now()) {
				t.give(f)
			}
		}
		if n%5 == 0 {
			t.bound(all)
		}
	}
}

// grown says whether an open file is not as it was last seen.
func (f *file) grown(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return false
	}
	size, deleted := f.size.Load(), !f.deleted.IsZero()
	info, err := find.Stat(f.open)
	if err != nil {
		return true
	}
	f.note(info, now)
	return info.Size != size || deleted != !f.deleted.IsZero()
}

// bound closes files: those that have been idle, those beyond the most that may be open, and
// deleted ones whose time or bytes are over.
func (t *tracker) bound(all []*file) {
	now := t.run.now()
	type held struct {
		*file
		used, deleted time.Time
		unread        int64
	}
	var idle, deleted []held
	open := 0
	for _, f := range all {
		f.mu.Lock()
		h := held{f, f.used, f.deleted, f.unreadBytes()}
		isOpen := f.open != nil
		f.mu.Unlock()
		switch {
		case !isOpen:
			continue
		case !h.deleted.IsZero():
			deleted = append(deleted, h)
		case f.idle():
			idle = append(idle, h)
		}
		open++
	}
	slices.SortFunc(idle, func(a, b held) int { return a.used.Compare(b.used) })
	for i, h := range idle {
		old := now.Sub(h.used) > t.run.cfg.CloseInactive
		if !old && open-i <= t.run.maxOpen*9/10 {
			break
		}
		switch {
		case !h.closeIdle():
		case old:
			t.run.metrics.inactive.Inc()
		default:
			t.run.metrics.limit.Inc()
		}
	}
	slices.SortFunc(deleted, func(a, b held) int { return b.deleted.Compare(a.deleted) }) // the newest first
	var sum int64
	for _, h := range deleted {
		sum += h.unread
		tooLate := now.Sub(h.deleted) > t.run.cfg.Deleted.Timeout
		if h.unread > 0 && (tooLate || sum > int64(t.run.cfg.Deleted.MaxBytes)) {
			t.giveUp(h.file, tooLate)
		}
	}
}

// giveUp closes a deleted file with what is unread in it. What that is, its shard knows: see away.
func (t *tracker) giveUp(f *file, tooLate bool) {
	h, err := f.opened(t.run.finder)
	if err != nil {
		return
	}
	reason := "bytes"
	if tooLate {
		reason = "timeout"
	}
	var twin *content
	changed := false
	f.grown(t.run.now()) // it is counted as large as it is now
	text := textOf(f, h)
	if head := f.head.Load(); head != nil {
		changed = head.Len > 0 && !head.matches(text)
	} else {
		twin = f.shard.twinOf(f, text)
	}
	empty := blank(h)
	if text.closed {
		return // by the shard, which sees to it
	}
	f.mu.Lock()
	f.givenUp, f.twin, f.changed, f.blank = reason, twin, changed, empty
	f.mu.Unlock()
	f.close()
	t.run.log.Warnf("Closed %s (%s) with up to %d unread bytes: %s. What is lost is counted when the output takes events again.",
		strconv.Quote(f.path()), f.src.Volume, f.size.Load()-f.pos.Load(), whyGivenUp[reason])
	t.give(f)
}

// restore puts what an earlier run has left where the shards find it.
func (t *tracker) restore(c *content) {
	c.src = t.run.cfg.Source(c.rec.Path, t.run.node)
	t.run.shardOf(c.dir).list(c)
	if key, ok := parseKey(c.rec.Key); ok {
		t.known[key] = c
		t.moved[inode{ino: key.ino, birth: key.birth}] = key
	} else {
		c.leave(t.run.now(), "truncated", "it was truncated")
		t.loose = append(t.loose, c)
	}
}

// resume restores what the last run has left: libbeat has taken it, but perhaps not delivered. What the input's delivery level
// has forgotten must be read again.
func (t *tracker) resume(last left) {
	for _, old := range last.contents {
		rec := old.published()
		if last.forgot.Load() {
			rec = old.acknowledged()
		}
		c := restored(rec)
		c.follows(old, func() { t.run.positions.touch(c) })
		t.restore(c)
	}
}

// leave returns the contents for the next run. No shard may be working.
func (t *tracker) leave() (left []*content) {
	for _, s := range t.run.shards {
		for _, c := range s.all() {
			if !c.ended {
				c.home, c.copies, c.reader = nil, nil, nil // they would keep all that the run had
				left = append(left, c)
			}
		}
	}
	return left
}

// close closes all files, and counts what was given up and could not be counted yet. No shard may be working.
func (t *tracker) close() {
	for _, f := range t.all() {
		f.mu.Lock()
		givenUp := f.givenUp
		f.mu.Unlock()
		if givenUp != "" {
			f.shard.away(f)
		} else {
			f.shard.leaveUnread(f)
		}
		f.close()
	}
}

// shardOf is the shard of a directory.
func (r *run) shardOf(dir string) *shard {
	h := fnv.New32a()
	_, _ = h.Write([]byte(dir))
	return r.shards[h.Sum32()%uint32(len(r.shards))]
}

// abandon counts bytes that cannot be read any more, and says whose.
func (r *run) abandon(src Source, path string, bytes int64, reason, why string) {
	if bytes <= 0 {
		return
	}
	r.metrics.abandon(src, bytes, reason)
	r.log.Warnf("Gave up %d unread bytes of %s (%s): %s.", bytes, strconv.Quote(path), src.Volume, why)
}
