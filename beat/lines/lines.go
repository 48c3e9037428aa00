// Package lines makes messages of the bytes of a log file: it finds the lines in any encoding, joins
// what belongs together and reads what container runtimes and applications write into their lines.
//
//	bytes ──► line ──► container's parts joined ──► lines joined ──► message ──► fields
//	 Read    codec.go   container.go, group.go       group.go              put.go, shape.go
//
// The same bytes give the same messages in whatever pieces they come, so a file that is read again
// from a Message's Resume gives the same messages again; only what a time-out sent does not.
//
// What is in a file may be anybody's: memory is bounded by Options.MaxLineBytes, and a line can never
// set what podbeat itself says about it.
package lines

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// A Format is how the lines of a file are made.
type Format int

const (
	// Plain lines are what an application wrote.
	Plain Format = iota
	// Container lines are those of a container runtime, recognised one by one: the CRI's
	// `<time> <stdout|stderr> <P|F> text`, or docker's JSON objects. What is neither is taken as it is.
	Container
)

// Flags say what a message is not as it was written.
type Flags uint8

const (
	Cut      Flags = 1 << iota // longer than max_line_bytes; the rest is left out
	Partial                    // sent before its end came
	Several                    // of more than one line
	Binary                     // has bytes that are no text in its encoding; U+FFFD stands for them
	Unparsed                   // a line of a container's file that no runtime would write
	Joined                     // of more than one part, which a container runtime had made
)

// A Message is one finished message. Text points into Read's data or the Reader's own memory and
// holds until emit returns.
type Message struct {
	Start, End int64 // its first byte in the file and the byte after its last one (newline included), of all its lines
	Resume     int64 // where reading must start again once it is delivered, so that nothing is lost: End, or less while an older message waits
	Text       []byte
	Time       time.Time // what the runtime says; zero: nothing
	Stream     string    // stdout, stderr or ""
	Flags      Flags
	Lines      int // how many lines it is of, in the file

	attrs *attrs // docker's
}

// Counters count what a Reader left out or could not read since it was made.
type Counters struct {
	Cut       uint64 // messages that were cut
	Skipped   uint64 // bytes that were cut off
	Binary    uint64 // messages with bytes that are no text
	Unparsed  uint64 // lines of containers' files that no runtime would write
	Excluded  uint64 // messages that include_lines or exclude_lines left out, lines of an output that is not wanted
	Empty     uint64 // messages without text, which are left out
	NULs      uint64 // bytes of holes in front of lines
	JSON      uint64 // messages that were to be JSON and are none
	Conflicts uint64 // messages with keys that could not be written under their names
	Times     uint64 // messages without the time that was to be in them
}

// A Reader makes the messages of one file. It is not safe for concurrent use.
type Reader struct {
	Counters Counters

	opts      *Options
	multi     *Multiline
	json      *NDJSON
	container bool
	only      int // see parts
	codec     *codec
	maxRaw    int // most bytes of a line that are looked at

	emit func(*Message) // of the call at hand
	now  time.Time

	m    Message // the line at hand
	text []byte  // its text, where it is not in the data
	long struct {
		open  bool
		start int64
		raw   []byte // its beginning
	}
	tailEnd   int64     // where the unfinished last line ended …
	tailSince time.Time // … since when

	lanes  [3]lane
	open   int       // groups that wait
	held   []Message // finished messages that wait for older ones, by End
	idle   int64     // the last place in the file where nothing waited
	behind int64     // maxBehind
	strict bool      // only from idle will the same groups come again
	attrs  *attrs    // of the last line that had any
	docks  parser    // of docker's lines
	parser parser    // of messages
}

// NewReader returns a Reader for one file, or for one anew when a file is truncated.
func (o *Options) NewReader(f Format) *Reader {
	r := &Reader{opts: o, behind: maxBehind}
	r.multi, r.json, r.container, r.only = o.parts()
	r.container = r.container || f == Container
	r.codec, _ = newCodec(o.Encoding) // Validate has seen to it
	r.maxRaw = int(o.MaxLineBytes) * r.codec.ratio
	if r.container {
		r.docks = parser{maxDepth: 4, maxKeys: 256}
		r.maxRaw = max(r.maxRaw, 128<<10*r.codec.ratio) + 256*r.codec.ratio
	}
	r.strict = r.container && r.multi != nil && (r.multi.Type == "count" || r.multi.FlushPattern != nil)
	if r.json != nil {
		r.parser = parser{maxDepth: r.json.MaxDepth, maxKeys: r.json.MaxKeys}
	}
	return r
}

// margin is what a line may have beyond maxRaw to be taken whole: its end, and the rest of a character.
const margin = 16

// MaxRead is the number of bytes with which Read always gets further.
func (r *Reader) MaxRead() int { return r.maxRaw + margin }

// Waiting says whether messages wait for lines to come, so that Expire must be called.
func (r *Reader) Waiting() bool { return r.open > 0 || len(r.held) > 0 || r.long.open }

// Head tells a Reader that is to read on in the middle of a file how the file begins; two bytes suffice.
// Files in UTF-16 say their byte order there. Without it the first newline shows it.
func (r *Reader) Head(head []byte) {
	if r.codec.unit == 2 {
		r.codec.begin(head, 0, true)
	}
}

// Read takes data, the file's bytes from offset at on, which must be the first that has not been
// consumed, and calls emit for every message that is complete, in the order of their End. It returns
// how many bytes it has consumed, which are whole lines, and whether it needs a longer piece than data
// to get any further; MaxRead bytes always suffice. With final no byte will follow ever: everything is
// consumed and nothing waits any more.
//
// A byte order mark is looked for at offset 0. Empty messages are left out, as filestream does it.
func (r *Reader) Read(data []byte, at int64, final bool, now time.Time, emit func(*Message)) (consumed int, more bool) {
	r.now, r.emit = now, emit
	for consumed < len(data) {
		n := r.next(data[consumed:], at+int64(consumed), final)
		if n == 0 {
			break
		}
		consumed += n
	}
	if end := at + int64(len(data)); end != r.tailEnd {
		r.tailEnd, r.tailSince = end, now
	}
	if final {
		if r.long.open {
			r.endLong(at + int64(len(data)))
		}
		r.flush(func(*group) bool { return true })
	}
	r.emit = nil
	return consumed, consumed == 0 && len(data) > 0
}

// Expire emits what has waited too long: messages whose next line or part does not come, and, with
// PartialTimeout, the last line although it has no newline. tail is that line so far: what follows at,
// the first byte that has not been consumed. It returns how many bytes of tail it has consumed.
func (r *Reader) Expire(tail []byte, at int64, now time.Time, emit func(*Message)) (consumed int) {
	r.now, r.emit = now, emit
	end := at + int64(len(tail))
	switch {
	case end != r.tailEnd:
		r.tailEnd, r.tailSince = end, now
	case r.opts.PartialTimeout > 0 && now.Sub(r.tailSince) >= r.opts.PartialTimeout && !r.long.open:
		if consumed = r.codec.whole(tail); consumed > 0 {
			r.line(tail[:consumed], at, at+int64(consumed), Partial)
		}
	}
	r.flush(func(g *group) bool { return g.wait > 0 && now.Sub(g.since) >= g.wait })
	r.emit = nil
	return consumed
}

// next takes one line from data, or a piece of a long one, and returns its length: 0 if it is not complete.
func (r *Reader) next(data []byte, at int64, final bool) int {
	c := r.codec
	if !r.long.open {
		if n := c.begin(data, at, final); n != 0 {
			return max(n, 0)
		}
		if n := c.zeros(data); n > 0 {
			if n == len(data) && !final && n < r.MaxRead() {
				return 0 // a writer may yet write there
			}
			r.Counters.NULs += uint64(n)
			return n
		}
	}
	i := c.newline(data, at)
	if i < 0 && !final {
		switch {
		case r.long.open:
			n := c.units(data)
			r.Counters.Skipped += uint64(n)
			return n
		case len(data) >= r.MaxRead():
			n := c.units(data)
			r.long.open, r.long.start = true, at
			r.long.raw = append(r.long.raw[:0], data[:r.maxRaw+margin/2]...)
			r.Counters.Skipped += uint64(n - len(r.long.raw))
			return n
		}
		return 0
	}
	n, end := len(data), at+int64(len(data))
	if i >= 0 {
		n, end = i+c.unit, at+int64(i+c.unit)
	} else {
		i = n
	}
	if r.long.open {
		r.Counters.Skipped += uint64(i)
		r.endLong(end)
	} else {
		r.line(data[:i], at, end, 0)
	}
	return n
}

// endLong takes the long line that ends at end.
func (r *Reader) endLong(end int64) {
	r.long.open = false
	r.line(r.long.raw, r.long.start, end, Cut)
}

// line takes a whole line, without its newline.
func (r *Reader) line(raw []byte, start, end int64, flags Flags) {
	if n := r.maxRaw + margin/2; len(raw) > n {
		r.Counters.Skipped += uint64(len(raw) - n)
		raw, flags = raw[:n], flags|Cut
	}
	if r.codec.decoder != nil {
		r.text = r.codec.decode(r.text[:0], raw)
		raw = r.text
	}
	if n := len(raw) - 1; n >= 0 && raw[n] == '\r' && flags&Cut == 0 {
		raw = raw[:n]
	}
	m := &r.m
	*m = Message{Start: start, End: end, Text: raw, Flags: flags, Lines: 1}
	if r.container {
		r.part(m)
	} else {
		r.whole(m, &r.lanes[0])
	}
}

// whole takes a line whose parts are joined.
func (r *Reader) whole(m *Message, l *lane) {
	if !utf8.Valid(m.Text) || len(m.Text) > int(r.opts.MaxLineBytes) || r.codec.decoder != nil {
		r.clean(m)
	}
	if r.multi != nil {
		r.group(m, l)
	} else {
		r.finish(m)
	}
}

// clean makes the message's text valid UTF-8 of at most MaxLineBytes.
func (r *Reader) clean(m *Message) {
	limit := int(r.opts.MaxLineBytes)
	cut := func() {
		if n := len(m.Text); n > limit {
			m.Text = m.Text[:runeStart(m.Text, limit)]
			m.Flags |= Cut
			r.Counters.Skipped += uint64(n - len(m.Text))
		}
	}
	cut()
	if !utf8.Valid(m.Text) {
		m.Text = bytes.ToValidUTF8(m.Text, replacement)
		m.Flags |= Binary
		cut()
	} else if r.codec.decoder != nil && bytes.Contains(m.Text, replacement) {
		m.Flags |= Binary
	}
}

var replacement = []byte("\uFFFD")

// runeStart returns the last beginning of a character in text that is not behind i.
func runeStart(text []byte, i int) int {
	for n := range min(utf8.UTFMax, i) {
		if utf8.RuneStart(text[i-n]) {
			return i - n
		}
	}
	return i
}

// send emits a message whose turn it is.
func (r *Reader) send(m *Message) {
	if len(m.Text) == 0 {
		r.Counters.Empty++
		return
	}
	if !r.wanted(m.Text) {
		r.Counters.Excluded++
		return
	}
	m.Resume = r.resume(m.End)
	if m.Flags&Cut != 0 {
		r.Counters.Cut++
	}
	if m.Flags&Binary != 0 {
		r.Counters.Binary++
	}
	r.emit(m)
}

// wanted says whether the message is one of those that the configuration asks for.
func (r *Reader) wanted(text []byte) bool {
	o := r.opts
	if len(o.IncludeLines) == 0 && len(o.ExcludeLines) == 0 {
		return true
	}
	for i := range o.ExcludeLines {
		if o.ExcludeLines[i].Match(text) {
			return false
		}
	}
	for i := range o.IncludeLines {
		if o.IncludeLines[i].Match(text) {
			return true
		}
	}
	return len(o.IncludeLines) == 0
}
