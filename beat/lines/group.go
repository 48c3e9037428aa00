package lines

import (
	"bytes"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// A lane is what waits of one of a container's outputs. A plain file has one lane.
type lane struct {
	parts group // of one line, which the runtime has split
	lines group // of one message, see Multiline
}

// A group is a message that waits for more.
type group struct {
	open  bool
	m     Message       // all but its Text …
	text  []byte        // … which is this
	done  Message       // the one before, which is on its way
	spare []byte        // its text
	since time.Time     // its last line came then
	wait  time.Duration // how long it waits from then on; 0: for ever
	kept  int           // lines in the text
	full  bool          // the text has no place for further ones
	ended bool          // the last line's match says that the next one is not part of it
}

const (
	// partsWait is how long a line's first parts wait for the last one. A runtime writes them at once.
	partsWait = 5 * time.Second
	// maxBehind is how far the file is read on while a group waits. What is finished behind a group
	// waits for it, in memory; so from there on it is sent as if its time were over.
	maxBehind = 1 << 20
)

// start makes m the group's first line. Nothing of m's text is kept but a copy.
func (r *Reader) start(g *group, m *Message, wait time.Duration) {
	if r.open == 0 && len(r.held) == 0 {
		r.idle = m.Start
	}
	r.open++
	g.open, g.m, g.text, g.since, g.wait, g.kept, g.full = true, *m, append(g.text[:0], m.Text...), r.now, wait, 1, false
}

// extend makes m the group's next line, with sep between them.
func (r *Reader) extend(g *group, m *Message, sep string) {
	space := int(r.opts.MaxLineBytes) - len(g.text) - len(sep)
	if space <= 0 || g.full {
		g.leave(r, m)
	} else {
		add := m.Text
		if len(add) > space {
			add = add[:runeStart(add, space)]
			g.full = true
			g.m.Flags |= Cut
			r.Counters.Skipped += uint64(len(m.Text) - len(add))
		}
		g.text = append(append(g.text, sep...), add...)
		g.kept++
	}
	r.count(g, m)
}

// leave counts m's text as one that has no place in the group.
func (g *group) leave(r *Reader, m *Message) {
	if len(m.Text) > 0 {
		g.m.Flags |= Cut
		r.Counters.Skipped += uint64(len(m.Text))
	}
}

// count makes m's place in the file part of the group's.
func (r *Reader) count(g *group, m *Message) {
	g.m.End = m.End
	g.m.Lines += m.Lines
	g.m.Flags |= m.Flags
	g.since = r.now
}

// close ends the wait of a group and returns its message, which holds until the next close. It must be
// finished before any other, but after the line that follows it has been started: until it is done, that
// line is what reading must start again from.
func (r *Reader) close(g *group) *Message {
	r.open--
	g.open = false
	g.done, g.text, g.spare = g.m, g.spare[:0], g.text
	g.done.Text = g.spare
	return &g.done
}

// join takes a part of a line; last says that it ends it.
func (r *Reader) join(m *Message, l *lane, last bool) {
	g := &l.parts
	switch {
	case g.open:
		// The text may be cut within a character, as the parts are: that is seen to when it is whole.
		space := max(0, int(r.opts.MaxLineBytes)+utf8.UTFMax-len(g.text))
		if n := len(m.Text) - space; n > 0 {
			r.Counters.Skipped += uint64(n)
			m.Text = m.Text[:space]
			g.m.Flags |= Cut
		}
		g.text = append(g.text, m.Text...)
		r.count(g, m)
		g.m.Flags |= Joined
		if last {
			r.whole(r.close(g), l)
		}
	case last:
		r.whole(m, l)
	default:
		r.start(g, m, partsWait)
	}
	r.crowd(m.End)
}

// group takes a line of a message that may have several.
func (r *Reader) group(m *Message, l *lane) {
	g, o := &l.lines, r.multi
	matches := o.Pattern != nil && o.Pattern.Match(m.Text) != o.Negate
	ends := o.Type == "while_pattern" && !matches
	var before *Message
	switch {
	case !g.open:
		r.start(g, m, o.Timeout)
	case o.FlushPattern != nil && o.FlushPattern.Match(m.Text):
		r.add(g, m)
		ends = true
	case g.ended, ends, o.Type == "indent" && !indented(m.Text), o.Type == "pattern" && o.Match == "after" && !matches:
		before = r.close(g)
		r.start(g, m, o.Timeout)
	default:
		r.add(g, m)
	}
	g.ended = o.Type == "pattern" && o.Match == "before" && !matches
	if before != nil {
		r.finish(before)
	}
	if ends || o.Type == "count" && g.m.Lines >= o.CountLines {
		r.finish(r.close(g))
	}
}

// add makes m the next line of a message, if there is place for it.
func (r *Reader) add(g *group, m *Message) {
	sep := "\n"
	if r.multi.SkipNewline || len(g.text) == 0 {
		sep = ""
	}
	g.m.Flags |= Several
	if g.kept < r.multi.MaxLines {
		r.extend(g, m, sep)
		return
	}
	g.leave(r, m)
	r.count(g, m)
}

func indented(text []byte) bool { return len(text) > 0 && (text[0] == ' ' || text[0] == '\t') }

// finish sends a message, or holds it back while an older one waits.
func (r *Reader) finish(m *Message) {
	if len(r.held) == 0 && (r.open == 0 || m.End < r.oldest()) {
		r.send(m)
		return
	}
	h := *m // also if it is empty: reading again must not start within it
	h.Text = bytes.Clone(m.Text)
	i, _ := slices.BinarySearchFunc(r.held, h.End, func(o Message, end int64) int { return int(o.End - end) })
	r.held = slices.Insert(r.held, i, h)
	r.release()
}

// release sends the held messages whose turn it is.
func (r *Reader) release() {
	for len(r.held) > 0 && (r.open == 0 || r.held[0].End < r.oldest()) {
		m := r.held[0]
		r.held[0] = Message{}
		r.held = r.held[1:]
		r.send(&m)
	}
}

// oldest returns the End that the first of the waiting groups has so far: what ends before it can be sent.
func (r *Reader) oldest() int64 {
	end := int64(math.MaxInt64)
	for g := range r.waiting {
		end = min(end, g.m.End)
	}
	return end
}

// resume returns where reading must start again once the message that ends at end is delivered.
func (r *Reader) resume(end int64) int64 {
	if r.open == 0 && len(r.held) == 0 {
		return end
	}
	if r.strict {
		return min(end, r.idle)
	}
	for g := range r.waiting {
		end = min(end, g.m.Start)
	}
	for i := range r.held {
		end = min(end, r.held[i].Start)
	}
	return end
}

// waiting yields the open groups.
func (r *Reader) waiting(yield func(*group) bool) {
	for i := range r.lanes {
		l := &r.lanes[i]
		if l.lines.open && !yield(&l.lines) || l.parts.open && !yield(&l.parts) {
			return
		}
	}
}

// crowd ends the groups that are too far behind.
func (r *Reader) crowd(pos int64) {
	if r.open > 0 && r.oldest() < pos-r.behind {
		r.flush(func(g *group) bool { return g.m.End < pos-r.behind })
	}
}

// flush ends the groups of which over is true.
func (r *Reader) flush(over func(*group) bool) {
	for i := range r.lanes {
		l := &r.lanes[i]
		if l.parts.open && over(&l.parts) {
			m := r.close(&l.parts)
			m.Flags |= Partial
			r.whole(m, l)
		}
		if l.lines.open && over(&l.lines) {
			r.finish(r.close(&l.lines))
		}
	}
	r.release()
}
