package logapi

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/podbeat/podbeat/curator/setting"
)

const (
	redrawEach = 100 * time.Millisecond // between two looks of a bar
	tellEach   = 10 * time.Second       // between two lines, where there is no terminal
)

// A bar shows how far long work is: on one line of a terminal, otherwise as a line from time to time. Whoever works calls it; it has
// no goroutine of its own.
type bar struct {
	to    io.Writer
	what  string
	width func() int // columns of the terminal; 0 if there is none
	now   func() time.Time

	began, shown time.Time
	columns      int // of what stands there
}

// newBar returns one that draws on stderr if that is a terminal.
func newBar(stderr io.Writer, what string) *bar {
	b := &bar{to: stderr, what: what, width: func() int { return 0 }, now: time.Now}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		b.width = func() int {
			columns, _, err := term.GetSize(int(f.Fd()))
			if err != nil || columns <= 0 {
				return 80
			}
			return columns
		}
	}
	b.began = b.now()
	b.shown = b.began
	return b
}

// step says that done of total is done; a total of 0 is not known. More is what is to be said beside it.
func (b *bar) step(done, total int64, more string) {
	now, columns := b.now(), b.width()
	each := tellEach
	if columns > 0 {
		each = redrawEach
	}
	if now.Sub(b.shown) < each {
		return
	}
	b.shown = now
	text := b.what
	if total > 0 {
		text += fmt.Sprintf(": %d%%", 100*min(done, total)/total)
	}
	if more != "" {
		text += ", " + more
	}
	if d := now.Sub(b.began); total > done && done > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(d)*float64(total-done)/float64(done)).Round(time.Second))
	}
	if columns == 0 {
		fmt.Fprintln(b.to, text)
		return
	}
	b.clear()
	for utf8.RuneCountInString(text) >= columns {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	io.WriteString(b.to, text)
	b.columns = utf8.RuneCountInString(text)
}

// clear takes the line away: at the end, and before anything else is written there. Blanks do it on every terminal.
func (b *bar) clear() {
	if b.columns > 0 {
		io.WriteString(b.to, "\r"+strings.Repeat(" ", b.columns)+"\r")
		b.columns = 0
	}
}

// note writes a remark where the bar is.
func (b *bar) note(format string, args ...any) {
	b.clear()
	fmt.Fprintln(b.to, setting.Printable(fmt.Sprintf(format, args...)))
}

// sizeText is a number of bytes for people: 812 B, 12.3 MiB.
func sizeText(bytes int64) string {
	if bytes < 1024 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	n, unit := float64(bytes)/1024, "KiB"
	for _, larger := range []string{"MiB", "GiB", "TiB"} {
		if n < 1000 {
			break
		}
		n, unit = n/1024, larger
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " " + unit
}
