package cli

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	redraw     = 100 * time.Millisecond // between two looks of the bar
	reportEach = 10 * time.Second       // between two lines, where there is no terminal
	barWidth   = 30                     // most columns of the bar itself
)

// A Progress shows how far long work is: as a bar on a terminal, otherwise as lines from time to time. A nil one shows
// nothing. It may be used by several goroutines.
type Progress struct {
	to     io.Writer
	width  func() int // columns of the terminal; 0 if there is none
	colour bool
	now    func() time.Time

	mu      sync.Mutex
	line    func(string)
	what    string // the work under way
	began   time.Time
	first   int64 // how much was done when it was first heard of
	shown   time.Time
	columns int // of the bar that stands there
	bar     string
}

// NewProgress returns one that draws on stderr if that is a terminal, and else has no place for its lines yet.
func NewProgress(stderr io.Writer) *Progress {
	p := &Progress{to: stderr, width: func() int { return 0 }, now: time.Now}
	if f := Terminal(stderr); f != nil {
		p.width = func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil || columns <= 0 {
				return 80
			}
			return columns
		}
		p.colour = Colours()
	}
	return p
}

// Lines says what is done with each line, where there is no terminal.
func (p *Progress) Lines(line func(string)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
}

// Step says that of what, done of total is done; a total of 0 is not known. The work is at its end
// when all is done, or when other work begins.
func (p *Progress) Step(what string, done, total int64) {
	if p == nil {
		return
	}
	if text, line := p.show(what, done, total); text != "" && line != nil {
		line(text) // not under the lock, which a writer above the bar takes
	}
}

// show draws the bar, or returns the line that is due.
func (p *Progress) show(what string, done, total int64) (string, func(string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if what != p.what {
		p.erase()
		p.what, p.began, p.first, p.shown = what, now, done, time.Time{}
	}
	columns, ended := p.width(), total > 0 && done >= total
	text := ""
	switch {
	case columns > 0 && ended:
		p.erase()
	case columns > 0 && now.Sub(p.shown) >= redraw:
		p.erase()
		p.draw(columns, done, total, now)
		p.shown = now
	case columns == 0 && p.due(now, ended):
		text = p.what + ": " + p.state(done, total, now)
		p.shown = now
	}
	if ended {
		p.what = ""
	}
	return text, p.line
}

// due says whether there is to be a line: of work that takes long, from time to time and at its end.
func (p *Progress) due(now time.Time, ended bool) bool {
	if p.shown.IsZero() {
		return now.Sub(p.began) >= reportEach
	}
	return ended || now.Sub(p.shown) >= reportEach
}

// state is "45% (450 of 1000), 12/s, 46s left".
func (p *Progress) state(done, total int64, now time.Time) string {
	text := short(float64(done)) + " done"
	if total > 0 {
		text = fmt.Sprintf("%.0f%% (%s of %s)", math.Floor(100*share(done, total)), short(float64(done)), short(float64(total)))
	}
	seconds := now.Sub(p.began).Seconds()
	rate := float64(done-p.first) / seconds
	if seconds < 1 || rate <= 0 {
		return text
	}
	if rate >= 1 {
		text += ", " + short(rate) + "/s"
	} else {
		text += fmt.Sprintf(", %.1f/min", rate*60)
	}
	if left := float64(total-done) / rate; left > 0 && left < 1e6 {
		text += fmt.Sprintf(", %s left", time.Duration(math.Ceil(left))*time.Second)
	}
	return text
}

// short is n in at most five letters: 9999, 12.3k, 123M. What is counted may be bytes, documents or shards.
func short(n float64) string {
	if n < 9999.5 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	for _, unit := range []string{"k", "M", "G", "T"} {
		switch n /= 1000; {
		case n < 99.95:
			return strconv.FormatFloat(n, 'f', 1, 64) + unit
		case n < 999.5:
			return strconv.FormatFloat(n, 'f', 0, 64) + unit
		}
	}
	return strconv.FormatFloat(n/1000, 'f', 0, 64) + "P"
}

func share(done, total int64) float64 { return min(1, max(0, float64(done)/float64(total))) }

// draw puts "forcemerge logs-1 [######------] 45% (450 of 1000)…" on the line where the cursor is. It
// leaves the last column free, where some terminals would go to the next line.
func (p *Progress) draw(columns int, done, total int64, now time.Time) {
	room := columns - 1
	state := cut(p.state(done, total, now), room)
	what := cut(Printable(p.what), max(0, room-len(state)-1))
	if what != "" {
		what += " "
	}
	bar := ""
	if length := min(room-wide(what)-len(state)-3, barWidth); total > 0 && length >= 5 {
		full := int(float64(length) * share(done, total))
		on, off := strings.Repeat("#", full), strings.Repeat("-", length-full)
		if p.colour {
			on = "\x1b[32m" + on + "\x1b[0m"
		}
		bar = "[" + on + off + "] "
	}
	p.bar, p.columns = what+bar+state, room
	io.WriteString(p.to, p.bar)
}

// erase takes the bar away. Blanks do it on every terminal.
func (p *Progress) erase() {
	if p.bar != "" {
		io.WriteString(p.to, "\r"+strings.Repeat(" ", p.columns)+"\r")
		p.bar = ""
	}
}

// End takes the bar away when work ends before all of it is done.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.what = ""
}

// Note prints a remark, above the bar if there is one.
func (p *Progress) Note(format string, args ...any) {
	fmt.Fprintln(p.Above(p.to), Printable(fmt.Sprintf(format, args...)))
}

// Above returns a writer to w whose text stands above the bar instead of in it.
func (p *Progress) Above(w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return above{w, p}
}

type above struct {
	io.Writer
	p *Progress
}

func (a above) Write(b []byte) (int, error) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	bar := a.p.bar
	a.p.erase()
	n, err := a.Writer.Write(b)
	if bar != "" && strings.HasSuffix(string(b), "\n") {
		a.p.bar = bar
		io.WriteString(a.p.to, bar)
	}
	return n, err
}

// cut returns as much of s as has room in so many columns.
func cut(s string, columns int) string {
	for i, r := range s {
		if columns -= wide(string(r)); columns < 0 {
			return s[:i]
		}
	}
	return s
}

// wide is how many columns s takes at most: those of East Asian scripts and pictures take two each.
func wide(s string) int {
	columns := utf8.RuneCountInString(s)
	for _, r := range s {
		if r >= 0x1100 {
			columns++
		}
	}
	return columns
}
