package list

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/when"
)

// sourceCell stands for the field that a row's source is of, among cells.
const sourceCell = "\x00source"

// Bounds of what is drawn: the detail has it all.
const (
	linesMost  = 400 // of a row that is unfolded or wrapped
	foundMost  = 64  // matches of a line
	valueMost  = 40  // cells of a column as wide as its values
	titleSpace = 1   // between columns
)

// at is a row's time as it is shown.
func (l *List) at(row *source.Row) time.Time {
	if l.zone == when.Source {
		if value, ok := text.Get(row.Source, l.names.Time); ok {
			if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
				return row.Time.In(t.Location())
			}
		}
	}
	return l.zone.Of(row.Time)
}

// newDay says whether b is of another day than a. Rows without a time are of any.
func (l *List) newDay(a, b *source.Row) bool {
	if a.Time.IsZero() || b.Time.IsZero() {
		return false
	}
	ta, tb := l.at(a), l.at(b)
	return ta.YearDay() != tb.YearDay() || ta.Year() != tb.Year()
}

// clockText is a row's time as the clock writes it; above is the row before, or nil.
func (l *List) clockText(row, above *source.Row, width int) string {
	if row.Time.IsZero() {
		return ""
	}
	layout := "15:04:05.000"
	switch {
	case width < len(layout):
		layout = "15:04:05"
	case l.clock == Micros:
		layout = "15:04:05.000000"
	case l.clock == Full:
		layout = "2006-01-02 15:04:05.000"
	case l.clock == Delta && above != nil && !above.Time.IsZero():
		s := "+" + span(row.Time.Sub(above.Time))
		return strings.Repeat(" ", max(0, width-len(s))) + s
	}
	return l.at(row).Format(layout)
}

// span is a duration in at most ten digits and signs.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0"
	case d < time.Second:
		return d.Truncate(time.Microsecond).String()
	case d < time.Minute:
		return d.Truncate(time.Millisecond).String()
	case d < 100*time.Hour:
		return d.Truncate(time.Second).String()
	}
	return d.Truncate(time.Hour).String()
}

// sourceOf is the field that tells where a row comes from, and its value: its pod, else its app, else its host.
func (l *List) sourceOf(row *source.Row) (field, value string) {
	if value, ok := text.Get(row.Source, l.names.Pod); ok && value != "" {
		return l.names.Pod, value
	}
	for _, field := range l.names.App {
		if value, ok := text.Get(row.Source, field); ok && value != "" {
			return field, value
		}
	}
	value, _ = text.Get(row.Source, l.names.Host)
	return l.names.Host, value
}

// shortName is the name of a pod without the part that all pods of a replica set have: web-7d9f8c6b5d-x2k4q is web-x2k4q.
func shortName(name string) string {
	last := strings.LastIndexByte(name, '-')
	if last <= 0 || !generated(name[last+1:], 5, 5) {
		return name
	}
	before := strings.LastIndexByte(name[:last], '-')
	if before <= 0 || !generated(name[before+1:last], 6, 10) {
		return name
	}
	return name[:before] + name[last:]
}

// generated says whether Kubernetes may have made a name of so many letters: it uses no vowels, and no digits that look like some.
func generated(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, "bcdfghjklmnpqrstvwxz2456789") == ""
}

// middle cuts a name to w cells so that its end, which tells pods apart, remains.
func middle(name string, w int) string {
	width := text.Width(name)
	if width <= w || w < 5 {
		return text.Cut(name, w)
	}
	end := min(6, w/2)
	return text.Cut(name, w-end) + text.Slice(name, width-end, end)
}

// pick chooses one of n by a name, always the same one.
func pick(name string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % uint32(max(n, 1)))
}

// clip is at most n bytes of s, no part of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// clean is at most n bytes of s as one line that is safe to draw.
func clean(s string, n int) string {
	return strings.ReplaceAll(text.Clean(clip(s, n)), "\n", "␊")
}

// A piece is text in one look.
type piece struct {
	pen  *pen
	text string
}

// found parts s into what the search and the highlights mean and the rest.
func (l *List) found(s string, base *pen, p *pens) []piece {
	if s == "" {
		return nil
	}
	if l.search == nil && len(l.highlights) == 0 {
		return []piece{{base, s}}
	}
	type match struct {
		from, to int
		pen      *pen
	}
	var all []match
	add := func(re *regexp.Regexp, pen *pen) {
		for _, m := range re.FindAllStringIndex(s, foundMost) {
			if m[0] < m[1] {
				all = append(all, match{m[0], m[1], pen})
			}
		}
	}
	if l.search != nil {
		add(l.search, &p.here)
	}
	for _, re := range l.highlights {
		add(re, &p.match)
	}
	slices.SortStableFunc(all, func(a, b match) int { return a.from - b.from })
	var pieces []piece
	at := 0
	for _, m := range all {
		from, to := max(m.from, at), joined(s, m.to)
		if from >= to {
			continue
		}
		if from > at {
			pieces = append(pieces, piece{base, s[at:from]})
		}
		pieces = append(pieces, piece{m.pen, s[from:to]})
		at = to
	}
	if at < len(s) {
		pieces = append(pieces, piece{base, s[at:]})
	}
	return pieces
}

// joined is i, or the end of the combining characters that follow there: they belong to the character before them.
func joined(s string, i int) int {
	for i < len(s) && s[i] >= utf8.RuneSelf {
		_, n := utf8.DecodeRuneInString(s[i:])
		if text.Width(s[i:i+n]) > 0 {
			break
		}
		i += n
	}
	return i
}

// summary are the fields of a document that has no message, in its order, as far as bytes go.
func (l *List) summary(row *source.Row, bytes int, p *pens) []piece {
	var pieces []piece
	doc := row.Source
	for _, f := range text.Flatten(doc) {
		if f.Path == l.names.Time || f.Path == l.names.Level {
			continue
		}
		value := f.JSON
		if s, ok := f.Value.(string); ok {
			value = s
		}
		name := clean(f.Path, 200) + "="
		value = clean(value, min(bytes, 1000))
		pieces = append(append(append(pieces, piece{&p.key, name}), l.found(value, &p.text, p)...), piece{&p.text, " "})
		if bytes -= len(name) + len(value); bytes <= 0 {
			break
		}
	}
	return pieces
}

// value is what a column shows of a row, on one line, and its look.
func (l *List) value(row *source.Row, field string, bytes int, p *pens) (string, *pen) {
	switch field {
	case l.names.Time:
		if row.Time.IsZero() {
			return "", &p.dim
		}
		return l.at(row).Format("2006-01-02 15:04:05.000"), &p.dim
	}
	raw, ok := text.Get(row.Source, field)
	if !ok {
		return "-", &p.dim
	}
	line, more := text.First(raw)
	line = clean(line, bytes)
	if more > 0 {
		line += " …"
	}
	switch field {
	case l.names.Level:
		return line, &p.level[row.Level]
	case l.names.Pod, l.names.Host, l.names.Container, l.names.Namespace:
		return line, &p.app[pick(raw, len(p.app))]
	}
	return line, &p.text
}

// flexible says whether the last column takes what is left of the width, and shows all lines of its values.
func (l *List) flexible() bool { return len(l.columns) == 0 || l.columns[len(l.columns)-1].Width == 0 }

// last is the field of the last column.
func (l *List) last() string {
	if len(l.columns) == 0 {
		return l.names.Message
	}
	return l.columns[len(l.columns)-1].Field
}
