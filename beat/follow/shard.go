package follow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/podbeat/podbeat/beat/find"
	"github.com/podbeat/podbeat/beat/prepared"
)

// turnBytes is how much of a file is read in one turn: enough to make a turn's fixed costs small,
// little enough that a thousand files come by in a second or two.
const turnBytes = 256 << 10

// quiet is how long a file must not have grown to be taken as complete, when it is a copy, is
// being compressed, or has been deleted.
var quiet = 2 * time.Second

// A shard reads the files of some directories, in turns.
type shard struct {
	run  *run
	out  *publisher
	logs map[string]*log // by stem
	buf  []byte

	again [windowSize]byte // for isStill

	mu      sync.Mutex
	some    *sync.Cond
	queue   []job
	stopped bool
}

// A job is a file's turn, or something else to be done by the shard.
type job struct {
	file *file
	do   func()
}

func newShard(r *run, pipeline beat.PipelineConnector) (*shard, error) {
	s := &shard{run: r, logs: map[string]*log{}, buf: make([]byte, windowSize+turnBytes)}
	s.some = sync.NewCond(&s.mu)
	s.out = &publisher{run: r, templates: map[kind]*prepared.Template{}}
	var err error
	if s.out.client, err = pipeline.ConnectWith(beat.ClientConfig{ACKHandler: r.positions.acker(), Events: s.out}); err != nil {
		return nil, fmt.Errorf("cannot connect to the publisher: %w", err)
	}
	return s, nil
}

// push gives f a turn, unless one is coming anyway.
func (s *shard) push(f *file) {
	f.mu.Lock()
	queued := f.queued
	f.queued = true
	f.mu.Unlock()
	if !queued {
		s.add(job{file: f})
	}
}

// do has the shard run what it alone may do.
func (s *shard) do(what func()) { s.add(job{do: what}) }

func (s *shard) add(j job) {
	s.mu.Lock()
	s.queue = append(s.queue, j)
	s.mu.Unlock()
	s.some.Signal()
}

// lastWords reads the ends of files that nobody can read after this run: they are deleted. It says so when it is done.
func (s *shard) lastWords(said chan<- struct{}) {
	s.mu.Lock()
	s.queue = append([]job{{do: func() {
		defer func() { said <- struct{}{} }()
		for _, f := range s.run.tracker.all() {
			s.readOut(f)
		}
	}}}, s.queue...)
	s.mu.Unlock()
	s.some.Signal()
}

// readOut reads f to its end if it is deleted, and what comes before it.
func (s *shard) readOut(f *file) {
	if f.shard != s {
		return
	}
	f.grown(s.run.now()) // it may have been deleted while the shard was busy
	if !f.isDeleted() {
		return
	}
	if a := f.after; a != nil {
		f.after = nil // it gets no turn any more but here
		s.readOut(a)
	}
	for !s.run.refused.Load() && s.turn(f) {
	}
}

// stop makes work return after the present turn.
func (s *shard) stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.some.Signal()
}

func (s *shard) next() (job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.stopped {
		s.some.Wait()
	}
	if s.stopped {
		return job{}, false
	}
	j := s.queue[0]
	s.queue = s.queue[1:]
	return j, true
}

func (s *shard) work() {
	for {
		j, ok := s.next()
		switch {
		case !ok:
			return
		case j.do != nil:
			j.do()
		default:
			j.file.mu.Lock()
			j.file.queued = false
			j.file.mu.Unlock()
			if s.turn(j.file) {
				s.push(j.file)
			} else if int(s.run.open.Load()) > s.run.maxOpen && j.file.closeIdle() {
				s.run.metrics.limit.Inc()
			}
		}
		if s.run.refused.Load() {
			return
		}
	}
}

// turn reads a piece of f, and says whether f needs another turn now.
func (s *shard) turn(f *file) (again bool) {
	now := s.run.now()
	if f.ended {
		return false
	}
	if a := f.after; a != nil && a.shard == s {
		if a.unread() {
			s.push(a)
			if !a.wake.Load() {
				return true // after a
			}
			f.wake.Store(true)
			return false // a waits itself
		}
		f.after = nil
	}
	h, err := f.opened(s.run.finder)
	if err != nil {
		s.away(f)
		return false
	}
	if f.tmpfs {
		defer f.close() // whatever happens; read has closed it already
	}
	info, grew, err := f.look(h, now)
	if err != nil {
		return s.failed(f, err)
	}
	if f.gz && info.Links > 0 && f.isBeingCompressed(h, info, now) {
		f.wake.Store(true)
		return false
	}
	if f.copyOf != nil && (grew || f.isDeleted()) && s.review(f) {
		return false
	}
	if f.content == nil {
		if f.copyOf != nil || !s.identify(f, h, now) {
			return false
		}
		if _, _, err := f.look(h, now); err != nil { // it may have been written to meanwhile
			return s.failed(f, err)
		}
	}
	s.renamed(f.content, f.path())
	more, err := s.read(f, h, now)
	if err != nil {
		return s.failed(f, err)
	}
	return more
}

// A handle is an open file.
type handle interface {
	io.ReaderAt
	io.Seeker
}

// read reads a piece of f's content. The window before the piece must be what it was, else the
// file has been truncated and written anew.
func (s *shard) read(f *file, h handle, now time.Time) (again bool, err error) {
	c := f.content
	if f.gz {
		return s.readGzip(f, h, now)
	}
	if f.length < c.pos {
		return s.truncated(f, h, now), nil
	}
	win := len(c.window)
	turn := turnBytes
	if f.tmpfs {
		turn *= 4 // as much as may be, it may be the last
	}
	base := c.pos - int64(win)
	deleted := f.isDeleted() // before it is read: else what is read may not be all
	data := s.buffer(win + turn + f.longer)
	n, err := h.ReadAt(data, base)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if !c.isBefore(data[:n], base) {
		return s.truncated(f, h, now), nil
	}
	switch still, err := s.isStill(h, data[:n], base); {
	case err != nil:
		return false, err
	case !still:
		c.size = max(c.size, f.length)
		return s.truncated(f, h, now), nil
	}
	c.size = max(f.length, base+int64(n))
	f.pos.Store(base + int64(n)) // it is in memory now
	f.reading.Store(true)
	if f.tmpfs {
		f.close()
	}
	atEnd := err != nil
	final := atEnd && deleted && base+int64(n) <= f.length && s.isOver(f, now)
	again = s.take(f, data[:n], win, atEnd, final, now)
	if final && !again && !s.run.refused.Load() { // else the next run counts what libbeat has not taken
		s.finish(f)
	}
	return again, nil
}

// isStill says whether the file begins at base as data, which was read before. If not, it was truncated
// meanwhile, and the end of data may be of what was written then: reading takes several steps.
func (s *shard) isStill(h handle, data []byte, base int64) (bool, error) {
	holes := len(data) - len(bytes.TrimLeft(data, "\x00"))
	data = solid(data[holes:min(len(data), holes+windowSize)])
	n, err := h.ReadAt(s.again[:len(data)], base+int64(holes))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(s.again[:n], data), nil
}

// isOver says whether nobody will write to f, which has been deleted: some write on in a file that
// has no name any more, but not for long once the pod's directory is gone too.
func (s *shard) isOver(f *file, now time.Time) bool {
	still := now.Sub(f.grew)
	if s.run.ending.Load() {
		return true
	}
	if still < quiet/2 {
		return false
	}
	_, err := os.Lstat(f.dir)
	return err != nil || still >= s.run.cfg.CloseInactive
}

// take gives the reader data, whose first win bytes are the window, and says whether there is more to do now.
func (s *shard) take(f *file, data []byte, win int, atEnd, final bool, now time.Time) (again bool) {
	c := f.content
	fresh := data[win:]
	from := c.pos
	if len(fresh) > 0 || final {
		c.begin(fresh)
		head := c.rec.Head
		f.head.Store(&head)
		if c.extend(from, from+int64(len(fresh)), now) {
			s.run.positions.set(c)
		}
		s.out.begin(c, f.path(), data, from-int64(win), now)
		counted := c.reader.Counters
		consumed, more := c.reader.Read(fresh, from, final, now, s.out.publish)
		s.run.metrics.count(&counted, &c.reader.Counters)
		if s.run.refused.Load() {
			f.pos.Store(c.pos) // it is not read
			return false
		}
		s.run.metrics.bytes.Add(uint64(consumed))
		c.advance(from+int64(consumed), data[:win+consumed])
		f.longer = 0
		if more && !atEnd {
			f.longer = min(max(2*len(fresh), turnBytes), c.reader.MaxRead())
			again = true
		}
		if consumed > 0 && !atEnd {
			again = true
		}
		fresh = fresh[consumed:]
	}
	f.pos.Store(c.pos)
	f.caughtUp = atEnd
	if atEnd {
		s.atEnd(f, fresh, data, now)
	}
	return again
}

// atEnd sees to what waits at the end of a file: time-outs, and positions that no message will move.
func (s *shard) atEnd(f *file, tail, data []byte, now time.Time) {
	c := f.content
	f.behind.Store(0)
	if c.reader.Waiting() || len(tail) > 0 && s.run.cfg.PartialTimeout > 0 {
		s.out.begin(c, f.path(), data, c.pos+int64(len(tail))-int64(len(data)), now)
		counted := c.reader.Counters
		n := c.reader.Expire(tail, c.pos, now, s.out.publish)
		s.run.metrics.count(&counted, &c.reader.Counters)
		if s.run.refused.Load() {
			return // what came of it may not have been taken
		}
		if n > 0 {
			c.advance(c.pos+int64(n), data[:len(data)-len(tail)+n])
			f.pos.Store(c.pos)
		}
		f.wake.Store(true)
	}
	if f.isDeleted() {
		f.wake.Store(true)
	}
	if !c.reader.Waiting() {
		s.run.positions.settle(c, c.pos, fingerprintOf(c.window))
	}
}

// failed says that f cannot be read now; it gets a turn at the next scan or change.
func (s *shard) failed(f *file, err error) bool {
	if errors.Is(err, os.ErrClosed) { // the tracker's doing, which may have opened it again
		f.wake.Store(true)
		return false
	}
	f.close()
	s.run.metrics.errors.Inc()
	s.run.log.Errorf("Cannot read %s, trying again: %v", f.path(), err)
	f.wake.Store(true)
	return false
}

// look notes what the file system says of f, and whether its length has changed.
func (f *file) look(h *os.File, now time.Time) (info find.Info, grew bool, err error) {
	if info, err = find.Stat(h); err != nil {
		return info, false, err
	}
	if grew = f.length != info.Size; grew {
		f.length, f.grew = info.Size, now
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = now
	f.note(info, now)
	return info, grew, nil
}

// note is look for those who hold f.mu.
func (f *file) note(info find.Info, now time.Time) {
	f.size.Store(info.Size)
	if info.Links == 0 && f.deleted.IsZero() {
		f.deleted = now
	}
	if info.Size > f.pos.Load() && f.behind.Load() == 0 {
		f.behind.Store(now.UnixNano())
	}
}

func (f *file) isDeleted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.deleted.IsZero()
}

// unread says whether f has bytes that should be read before its successor's.
func (f *file) unread() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil || f.copyOf != nil || f.done {
		return false // who cannot be read holds nobody up
	}
	info, err := find.Stat(f.open)
	return err == nil && info.Size > 0 && (!f.caughtUp || info.Size > f.length)
}

// buffer is the shard's buffer, made longer if need be.
func (s *shard) buffer(n int) []byte {
	if n > cap(s.buf) {
		s.buf = make([]byte, n)
	}
	return s.buf[:n]
}
