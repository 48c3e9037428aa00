package follow

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/podbeat/podbeat/beat/lines"
)

const (
	windowSize = 256  // bytes before a position that tell whether it is still in the same text
	headSize   = 1024 // first bytes of a content that tell whether a file may be its copy
)

// A content is what has been written into a file since it was made or truncated. Its fields belong
// to its shard; rec and what follows to mu.
type content struct {
	dir    string // of the file it was found in
	log    string // the name under which it is listed, or ""
	src    Source
	home   *file // that holds it; nil: none at present
	copies []*file
	reader *lines.Reader

	pos     int64     // the first byte that the reader has not got
	window  []byte    // the bytes before pos
	head    []byte    // the first bytes …
	hole    int64     // … from here on
	size    int64     // as last seen
	lost    int64     // up to where what has not been read was counted as lost
	skip    int64     // messages that end here or before are delivered
	last    mark      // of the last message that libbeat has taken
	replay  times     // when lines were first read, before the last start
	gone    time.Time // since when nothing holds it
	reason  string    // why, for the figures …
	why     string    // … and for the log
	givenUp string    // why a copy of it was, which is why it is lost if its file is truncated …
	aside   int64     // … before it is read up to here

	mu       sync.Mutex
	rec      record
	inFlight int
	end      mark     // of c when it was cut …
	older    int      // … and how many of inFlight were older
	dirty    bool     // rec is newer than the registry
	ended    bool     // nothing will follow: forget it once inFlight is 0
	earlier  *content // it in the run before, while events of that are in flight
	later    func()   // tells the next run that some of these have been acknowledged
}

// A mark is the position after a message.
type mark struct {
	content *content
	resume  int64       // where reading starts again
	end     int64       // the message's end: what ends no later is delivered
	window  fingerprint // of the bytes before end
}

// upTo is m, or end if m is behind it.
func (m mark) upTo(end mark) mark {
	m.resume = min(m.resume, end.resume)
	if m.end > end.end {
		m.end, m.window = end.end, end.window
	}
	return m
}

// A beginning tells whether a text may begin as a content: by its first bytes, at most headSize of them.
type beginning struct {
	At    int64 // behind a hole that may be in front
	Len   int
	Sum   string
	Steps []string // the sums of the first headSteps bytes, as far as there are so many
}

// matches says whether t begins so. A text that is shorter may only be the beginning of it.
func (b *beginning) matches(t *text) bool {
	size := t.upTo(b.At + int64(b.Len))
	if size == b.At+int64(b.Len) {
		return t.sum(b.At, b.Len).Sum == b.Sum
	}
	for i := len(b.Steps) - 1; i >= 0; i-- {
		if n := headSteps[i]; b.At+int64(n) <= size {
			return t.sum(b.At, n).Sum == b.Steps[i]
		}
	}
	return false
}

// headSteps are lengths at which a content's beginning can be compared with a shorter file's.
var headSteps = [...]int{32, 64, 128, 256, 512}

// A sum is a hash of some bytes.
type sum struct {
	Len int
	Sum string
}

func sumOf(b []byte) sum { return fingerprintOf(b).sum() }

// A fingerprint is a sum that is not written down yet.
type fingerprint struct {
	len  int
	hash uint64
}

func fingerprintOf(b []byte) fingerprint { return fingerprint{len(b), xxhash.Sum64(b)} }

func (f fingerprint) sum() sum {
	if f.len == 0 {
		return sum{}
	}
	return sum{f.len, strconv.FormatUint(f.hash, 36)}
}

func (s sum) fingerprint() fingerprint {
	hash, _ := strconv.ParseUint(s.Sum, 36, 64) // what is no hash is no text's, and 0 is hardly any's
	return fingerprint{s.Len, hash}
}

// A record is a content in the registry, under the key of the file that holds it.
type record struct {
	Key     string // the file's
	ID      string // the content's
	Path    string
	Resume  int64
	Done    int64
	Window  sum
	Head    beginning
	Size    int64
	Whole   int64 // the length of what a compressed file holds, once it is known
	Times   times
	Updated int64 // Unix microseconds
}

// times say when lines were first read, for lines that have no time of their own: a line keeps the
// day of its first reading, and so its index, even when a crash makes it be read again.
type times struct {
	Ahead int64 // lines that start before it have been read, or may have been
	At    int64 // when those that start at From or later were read, in Unix microseconds
	From  int64
	Prev  int64 // when those before From were read
}

// at returns when the line at offset was first read; ok is false if it has not been.
func (t *times) at(offset int64) (when time.Time, ok bool) {
	switch {
	case offset >= t.Ahead:
		return time.Time{}, false
	case offset >= t.From:
		return time.UnixMicro(t.At), true
	}
	return time.UnixMicro(t.Prev), true
}

// readAhead is how far times.Ahead runs before the reader, and farAhead how far in what a file has already: it is
// written down once in so many bytes.
const (
	readAhead = 16 << 10
	farAhead  = 4 << 20
)

// extend takes lines from offset from up to to as read now, and says whether that needs to be written down. size is the file's.
func (t *times) extend(from, to, size int64, now time.Time) bool {
	same := sameDay(time.UnixMicro(t.At), now)
	if to <= t.Ahead && same {
		return false
	}
	if !same {
		t.Prev, t.From = t.At, from
	}
	t.Ahead, t.At = max(to+readAhead, min(to+farAhead, size)), now.UnixMicro()
	return true
}

// newContent is the content of a file that nothing is known of. Its id is the same whenever it is made anew.
func newContent(f *file, id uint64, reader *lines.Reader) *content {
	c := &content{dir: f.dir, src: f.src, home: f, reader: reader}
	c.rec = record{Key: f.inode.key(), ID: idText(id), Path: f.path()}
	c.last.content = c
	return c
}

// firstID is the id of what a file holds first.
func firstID(f *file) uint64 {
	h := xxhash.New()
	_, _ = h.WriteString(f.src.Volume.String() + "/")
	if f.src.Volume.Pod == "" {
		_, _ = h.WriteString(f.shard.run.node)
	}
	_, _ = h.WriteString(f.inode.text(f.born))
	return h.Sum64()
}

// nextID is the id of what f holds after the content with an id. A copy may have held that as well.
func nextID(id string, f *file) uint64 { return xxhash.Sum64String(id + "/" + f.inode.text(f.born)) }

func idText(id uint64) string { return strconv.FormatUint(id, 36) }

// path is the name under which c was last seen. Any goroutine may ask.
func (c *content) path() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rec.Path
}

// away says whether nothing holds c that anybody could still write to by its name.
func (c *content) away() bool { return c.home == nil || c.home.isDeleted() }

// appendID makes the event's id of the content, the message's place, and its text: a text that
// was never sent cannot be taken for one that was, whatever has happened to positions.
func (c *content) appendID(b []byte, start int64, text []byte) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], xxhash.Sum64(text))
	b = append(append(b, c.rec.ID...), '-')
	b = append(strconv.AppendInt(b, start, 36), '-')
	return base64.RawURLEncoding.AppendEncode(b, raw[:])
}

// restored is a content as the registry has it; no file holds it yet.
func restored(rec record) *content {
	c := &content{dir: filepath.Dir(rec.Path), rec: rec, size: rec.Size, replay: rec.Times, skip: rec.Done}
	if at := rec.Times.At; rec.Updated > at && sameDay(time.UnixMicro(at), time.UnixMicro(rec.Updated)) {
		c.replay.At = rec.Updated // not before what was delivered
	}
	c.last = mark{content: c, resume: rec.Resume, end: rec.Done, window: rec.Window.fingerprint()}
	c.pos = rec.Done
	return c
}

// published is the record as it is once all that libbeat has taken is delivered.
func (c *content) published() record {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec := c.rec
	rec.Resume, rec.Done, rec.Window = c.last.resume, c.last.end, c.last.window.sum()
	return rec
}

// acknowledged is the record as it is now. Nobody waits for what is in flight any more: some of it has been forgotten, and all of it
// is sent again.
func (c *content) acknowledged() record {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight = 0
	return c.rec
}

// follows says that c is what old was in the run before. It calls acked whenever events of that are acknowledged.
func (c *content) follows(old *content, acked func()) {
	old.mu.Lock()
	defer old.mu.Unlock()
	if old.awaited() {
		c.earlier, old.later = old, acked
	}
}

// awaited says whether events of c are in flight. Its caller holds c.mu.
func (c *content) awaited() bool { return c.inFlight > 0 || c.earlier != nil }

// delivered is the record as it may be stored: c.rec, but as far as earlier runs' events are not acknowledged what these
// say. Its caller holds c.mu.
func (c *content) delivered() record {
	rec, e := c.rec, c.earlier
	if e == nil {
		return rec
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if was := e.delivered(); !e.awaited() {
		c.earlier = nil
	} else if was.Done <= rec.Done { // else it was cut since
		rec.Resume, rec.Done, rec.Window = was.Resume, was.Done, was.Window
	}
	return rec
}

// begin is told what is about to be read, before anything of it is sent.
func (c *content) begin(fresh []byte) {
	if len(c.head) == 0 {
		if c.last.end > 0 {
			return // its beginning is not known
		}
		holes := len(fresh) - len(bytes.TrimLeft(fresh, "\x00")) // left by a writer that kept its place in a truncated file
		c.hole, fresh = c.pos+int64(holes), fresh[holes:]
	} else {
		next := c.hole + int64(len(c.head)) - c.pos
		if len(c.head) == headSize || next < 0 || next > int64(len(fresh)) {
			return
		}
		fresh = fresh[next:]
	}
	c.head = append(c.head, fresh[:min(len(fresh), headSize-len(c.head))]...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Head = beginningOf(c.head, c.hole)
}

func beginningOf(head []byte, at int64) beginning {
	b := beginning{At: at, Len: len(head), Sum: sumOf(head).Sum}
	for _, n := range headSteps {
		if n <= len(head) {
			b.Steps = append(b.Steps, sumOf(head[:n]).Sum)
		}
	}
	return b
}

// isBefore says whether data, which is in the file from offset base up to behind c.pos, is c's as far as is known.
func (c *content) isBefore(data []byte, base int64) bool {
	if !bytes.HasPrefix(data, c.window) {
		return false
	}
	if len(c.window) > 0 || len(c.head) == 0 {
		return true
	}
	// A first line without its end has been seen, and not been taken.
	return c.hole >= base && c.hole-base <= int64(len(data)) && bytes.HasPrefix(data[c.hole-base:], solid(c.head))
}

// begins says whether t begins as c, or is how c begins, as far as that is remembered.
func (c *content) begins(t *text) bool {
	if c.reader == nil {
		return c.rec.Head.matches(t)
	}
	n := t.upTo(c.hole+int64(len(c.head))) - c.hole
	return n > 0 && bytes.HasPrefix(c.head, t.read(c.hole, int(n)))
}

// olderThan says whether f was there before the file that c was first written into: it cannot be a copy then.
func (f *file) olderThan(c *content) bool {
	key, _, _ := strings.Cut(c.rec.Key, "~")
	of, ok := parseKey(key)
	return ok && f.birth != 0 && f.birth < of.birth
}

// solid is b up to a hole, which a writer may yet fill.
func solid(b []byte) []byte {
	if i := bytes.Index(b, []byte{0, 0, 0, 0}); i >= 0 { // characters of UTF-16 have one
		return b[:i]
	}
	return b
}

// seen is up to where at least c was seen, if not read.
func (c *content) seen() int64 { return max(c.pos, c.rec.Head.At+int64(c.rec.Head.Len)) }

// cut has c end at size, before what has been seen of it already: there the copy ends that holds it
// from now on, for it was made before the rest was written. window is what the copy has before size.
func (c *content) cut(size int64, window []byte) {
	c.head = c.head[:max(0, min(int64(len(c.head)), size-c.hole))]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Head = beginningOf(c.head, c.hole)
	if size >= c.pos {
		return
	}
	end := mark{content: c, resume: size, end: size, window: fingerprintOf(window)}
	c.skip = max(c.skip, c.pos)
	c.pos, c.size, c.window = size, size, window
	c.last = c.last.upTo(end)
	now := mark{resume: c.rec.Resume, end: c.rec.Done, window: c.rec.Window.fingerprint()}.upTo(end)
	c.rec.Resume, c.rec.Done, c.rec.Window, c.rec.Size = now.resume, now.end, now.window.sum(), size
	c.end, c.older = end, c.inFlight
}

// advance is told that the reader has got the bytes up to pos; text ends there.
func (c *content) advance(pos int64, text []byte) {
	c.pos = pos
	c.window = append(c.window[:0], text[max(0, len(text)-windowSize):]...)
}

// extend takes the lines from one offset up to another as read now, and says whether that needs
// to be written down.
func (c *content) extend(from, to int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Size = max(c.size, to)
	return c.rec.Times.extend(max(from, c.replay.Ahead), to, c.size, now)
}

// firstRead is the time of the line at offset, which has none of its own: now, or, if it was read on
// an earlier day, a time of that day, so that it goes to the index it may be in already.
func (c *content) firstRead(offset int64, now time.Time) time.Time {
	if t, ok := c.replay.at(offset); ok && !sameDay(t, now) {
		return t
	}
	return now
}

func sameDay(a, b time.Time) bool {
	const day = 24 * time.Hour
	return a.UTC().Truncate(day).Equal(b.UTC().Truncate(day))
}

// leave says that no file holds c any more.
func (c *content) leave(now time.Time, reason, why string) {
	c.home, c.gone, c.reason, c.why = nil, now, reason, why
}

// before is the sum of the bytes before pos.
func (c *content) before() sum {
	if c.reader == nil {
		return c.rec.Window
	}
	return sumOf(c.window)
}
