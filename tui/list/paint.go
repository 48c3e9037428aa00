package list

import (
	"regexp"
	"strings"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// paint draws a row.
func (l *List) paint(row *source.Row, k look) []string {
	lay, cell := l.layout(), 0
	pensOf := func() *pens { // of the next cell
		if cell++; cell-1 == k.cell {
			return &l.looks[cursor]
		}
		return &l.looks[k.state]
	}
	p, o := &l.looks[k.state], &line{left: l.w}
	if k.marked {
		o.put(&p.mark, "●")
	}
	o.to(&p.text, l.w-1)
	if lay.time > 0 {
		c := pensOf()
		o.put(&c.dim, l.clockText(row, k.above, lay.time))
		o.to(&c.dim, l.w-1-lay.time)
		if k.late {
			o.put(&p.late, "«")
		}
	}
	if lay.level >= 0 {
		o.to(&p.text, l.w-lay.level)
		o.put(&pensOf().level[row.Level], theme.Letter(row.Level))
		o.to(&p.text, l.w-lay.level-2)
	}
	if l.sources && l.w >= 60 {
		l.paintSource(o, row, lay, pensOf)
	}
	o.to(&p.text, l.w-lay.content)
	var strip []piece
	for i := range max(0, len(l.columns)-1) {
		c, w := pensOf(), l.width(i)
		value, pen := l.value(row, l.columns[i].Field, 4*max(w, valueMost)+64, c)
		l.grow(i, value)
		value = text.Cut(value, w)
		pad := blanks(w - text.Width(value))
		strip = append(append(strip, l.found(value, pen, c)...), piece{&c.text, pad}, piece{&p.text, blanks(titleSpace)})
	}
	return l.paintLast(o, row, k, lay, strip, pensOf())
}

// paintSource draws where a row comes from, and notes how wide that would like to be.
func (l *List) paintSource(o *line, row *source.Row, lay layout, pensOf func() *pens) {
	_, from := l.sourceOf(row)
	short := clean(shortName(from), 300)
	if w := text.Width(short); w > l.sourceSeen {
		l.sourceSeen = w
		if l.layout() != lay {
			l.version++
			l.dirty = true
		}
	}
	if lay.source == 0 {
		return
	}
	c := pensOf()
	for _, part := range l.found(middle(short, lay.source), &c.app[pick(from, len(c.app))], c) {
		o.put(part.pen, part.text)
	}
	o.to(&c.text, l.w-lay.content+1)
}

// grow makes a column as wide as a value, if it is as wide as its values.
func (l *List) grow(i int, value string) {
	if l.columns[i].Width > 0 {
		return
	}
	was := l.width(i)
	l.widths[i] = max(l.widths[i], text.Width(value))
	if l.width(i) != was {
		l.version++
		l.dirty = true
	}
}

// paintLast draws the last column, all of whose lines are shown where rows are unfolded or wrapped, behind the others.
func (l *List) paintLast(o *line, row *source.Row, k look, lay layout, strip []piece, c *pens) []string {
	p := &l.looks[k.state]
	indent, pan := lay.content+lay.last, l.pan
	first := l.w - indent
	ahead := lay.last // cells before lines that follow, which are panned like the first one
	if first < max(30, l.w/3) {
		indent, ahead = min(3, l.w-1), 0
	} else {
		indent = lay.content
	}
	if !l.flexible() {
		first = l.columns[len(l.columns)-1].Width
	}
	lines, end := l.content(row, k, c, max(1, first), max(1, l.w-indent-ahead))
	var all []string
	for i, pieces := range lines {
		if i > 0 {
			o = &line{left: l.w}
			o.to(&p.text, l.w-indent)
			strip = []piece{{&p.text, blanks(ahead)}}
		}
		sign := ""
		if i == len(lines)-1 {
			sign = end.text
		}
		if !l.flexible() && i == 0 {
			pieces = fit(pieces, c, first)
		}
		whole := append(strip, pieces...)
		if width(whole) > pan+o.left-text.Width(sign) && sign == "" {
			sign = "…"
		}
		n := min(o.left, text.Width(sign))
		o.left -= n
		o.slice(whole, pan)
		o.left += n
		if sign != "" {
			pen := end.pen
			if pen == nil {
				pen = &c.dim
			}
			o.put(pen, sign)
		}
		all = append(all, o.end(&c.text))
	}
	return all
}

func width(pieces []piece) (n int) {
	for _, part := range pieces {
		n += text.Width(part.text)
	}
	return n
}

// fit is pieces in exactly w cells, cut or filled.
func fit(pieces []piece, c *pens, w int) (all []piece) {
	end := piece{&c.dim, ""}
	if width(pieces) > w {
		w, end.text = w-1, "…"
	}
	for _, part := range pieces {
		cut := text.Slice(part.text, 0, w)
		all = append(all, piece{part.pen, cut})
		w -= text.Width(cut)
	}
	return append(all, piece{&c.text, blanks(max(w, 0))}, end)
}

// content is the lines of the last column: the first one of at most first cells and others of at most others if they are wrapped, and
// the sign of what follows them.
func (l *List) content(row *source.Row, k look, c *pens, first, others int) (lines [][]piece, end piece) {
	field := l.last()
	raw, ok := text.Get(row.Source, field)
	pen := &c.message[row.Level]
	bytes := 4*(l.pan+l.w) + 256
	if l.wrap {
		bytes = 4 * linesMost * others
	}
	switch {
	case !ok && field == l.names.Message:
		pieces := l.summary(row, bytes, c)
		if !l.wrap {
			return [][]piece{pieces}, end
		}
		for _, part := range pieces {
			raw += part.text
		}
	case field != l.names.Message:
		var value string
		value, pen = l.value(row, field, bytes, c)
		if !ok || field == l.names.Time {
			raw = value
		}
	}
	line, more := text.First(raw)
	sources := []string{line}
	if k.unfolded && more > 0 {
		sources = strings.Split(strings.Trim(raw, "\r\n"), "\n")
		more = 0
	}
	for i, s := range sources {
		if len(lines) >= linesMost {
			more = len(sources) - i
			break
		}
		s = clean(strings.TrimSuffix(s, "\r"), bytes)
		pieces := l.found(s, pen, c)
		if !l.wrap {
			lines = append(lines, pieces)
			continue
		}
		w := others
		if i == 0 {
			w = first
		}
		for at, rest := 0, s; len(lines) < linesMost; w = others {
			spans := text.Lines(rest, w)
			if w == others {
				for _, span := range spans[:min(len(spans), linesMost-len(lines))] {
					lines = append(lines, part(pieces, at+span[0], at+span[1]))
				}
				break
			}
			lines = append(lines, part(pieces, at+spans[0][0], at+spans[0][1]))
			if len(spans) == 1 {
				break
			}
			at += spans[1][0]
			rest = rest[spans[1][0]:]
		}
	}
	if more > 0 {
		end = piece{&c.dim, sign(more)}
		if !k.unfolded && l.hidden(raw[strings.Index(raw, line)+len(line):]) {
			end.pen = &c.here
		}
	}
	return lines, end
}

// hidden says whether what is searched for is in lines that are folded.
func (l *List) hidden(rest string) bool {
	rest = clip(rest, 64<<10)
	has := func(re *regexp.Regexp) bool { return re != nil && re.MatchString(rest) }
	if has(l.search) {
		return true
	}
	for _, re := range l.highlights {
		if has(re) {
			return true
		}
	}
	return false
}

// part is the bytes from to to of pieces.
func part(pieces []piece, from, to int) (all []piece) {
	at := 0
	for _, p := range pieces {
		a, b := max(from-at, 0), min(to-at, len(p.text))
		if a < b {
			all = append(all, piece{p.pen, p.text[a:b]})
		}
		at += len(p.text)
	}
	return all
}

// wide is how many cells a row's columns take, or its message, as far as it may be looked at along it.
func (l *List) wide(row *source.Row) int {
	raw, ok := text.Get(row.Source, l.last())
	if !ok {
		return l.layout().last + width(l.summary(row, 32<<10, &l.looks[plain]))
	}
	widest := 0
	lines := strings.Split(clip(strings.Trim(raw, "\r\n"), 32<<10), "\n")
	if !l.isUnfolded(row) {
		lines = lines[:1]
	}
	for _, s := range lines {
		widest = max(widest, text.Width(clean(s, len(s))))
	}
	return l.layout().last + widest
}
