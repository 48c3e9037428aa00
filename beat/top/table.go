package top

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/cli"
)

// A page is what is shown, line by line.
type page struct {
	lines   []string
	colours bool
}

func (p *page) add(line string) { p.lines = append(p.lines, strings.TrimRight(line, " ")) }

func (p *page) styled(style, s string) string {
	if !p.colours || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
	green  = "32"
)

// draw writes figures as lines, at most height of them; 0: all.
func draw(f *Figures, now time.Time, height int, colours bool) []string {
	p := &page{colours: colours}
	p.header(f, now)
	p.add("")
	p.inputs(f.Inputs)
	p.add("")
	p.output(f)
	if len(f.Namespaces) > 0 {
		p.add("")
		p.namespaces(f.Namespaces)
	}
	if n := len(p.lines); height > 0 && n > height {
		p.lines = append(p.lines[:height-1], p.styled(dim, fmt.Sprintf("… %d lines more", n-height+1)))
	}
	return p.lines
}

func (p *page) header(f *Figures, now time.Time) {
	parts := []string{p.styled(bold, "podbeat "+cli.Printable(f.Version))}
	if !f.Started.IsZero() {
		parts = append(parts, "up "+span(now.Sub(f.Started)))
	}
	if f.Ready {
		parts = append(parts, p.styled(green, "ready"))
	} else {
		parts = append(parts, p.styled(red, "NOT READY"))
	}
	if f.Config.Hash != "" {
		text := "configuration " + cli.Printable(f.Config.Hash[:min(12, len(f.Config.Hash))])
		if !f.Config.Applied.IsZero() {
			text += " since " + f.Config.Applied.Local().Format("2006-01-02 15:04:05")
		}
		parts = append(parts, text)
	}
	p.add(strings.Join(parts, " · "))
	for _, file := range f.Config.Files {
		p.add(p.styled(red, "input file "+oneLine(file.File)+" is refused: "+oneLine(file.Reason)))
	}
	if list := f.Config.NeedsRestart; len(list) > 0 {
		p.add(p.styled(yellow, "take effect with the next start: "+oneLine(strings.Join(list, ", "))))
	}
	for _, c := range f.Checks {
		if c.State == "ok" {
			continue
		}
		style := yellow
		if c.State == "failing" {
			style = red
		}
		line := fmt.Sprintf("%s for %s: %s", c.State, span(now.Sub(c.Since)), oneLine(c.Check+": "+c.Found))
		if c.Todo != "" {
			line += " → " + oneLine(c.Todo)
		}
		p.add(p.styled(style, line))
	}
}

// A cell is a text, and its style if it is not the usual one.
type cell struct{ text, style string }

func plain(s string) cell { return cell{text: s} }

// bad is a count that should be 0.
func bad(n float64, style string) cell {
	if n > 0 {
		return cell{count(n), style}
	}
	return plain(count(n))
}

// table adds rows beneath headings; the first column is left, as is the second if left is 2.
func (p *page) table(left int, headings []string, rows [][]cell) {
	widths := make([]int, len(headings))
	for i, h := range headings {
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	line := func(style func(i int) string, text func(i int) string) {
		var b strings.Builder
		for i := range headings {
			if i > 0 {
				b.WriteString("  ")
			}
			s := text(i)
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
			if st := style(i); st != "" {
				s = p.styled(st, s)
			}
			if i < left {
				b.WriteString(s + gap)
			} else {
				b.WriteString(gap + s)
			}
		}
		p.add(b.String())
	}
	line(func(int) string { return dim }, func(i int) string { return headings[i] })
	for _, row := range rows {
		line(func(i int) string { return row[i].style }, func(i int) string { return row[i].text })
	}
}

func (p *page) inputs(inputs []Input) {
	var rows [][]cell
	for _, in := range inputs {
		state := cell{in.State, ""}
		if in.State == "failed" {
			state.style = red
		}
		gaps := plain("-")
		if in.Gaps != nil {
			gaps = bad(*in.Gaps, red)
		}
		lag, behind := plain("-"), plain("-")
		if in.LagSeconds != nil {
			if lag = plain(span(time.Duration(*in.LagSeconds * float64(time.Second)))); *in.LagSeconds >= 60 {
				lag.style = yellow
			}
		}
		if in.LagBytes != nil {
			behind = plain(cli.Bytes(int64(*in.LagBytes)))
		}
		rows = append(rows, []cell{
			plain(name(in.Type + " " + in.ID)), state, plain(count(in.ReadRate)), plain(count(in.AckedRate)), plain(count(in.InFlight)),
			lag, behind, plain(count(in.Filtered)), bad(in.DeadLetters, yellow), gaps, bad(in.Dropped, yellow),
		})
	}
	p.table(2, []string{"INPUT", "STATE", "READ/S", "ACKED/S", "IN FLIGHT", "LAG", "BEHIND", "FILTERED", "DEAD", "GAPS", "DROPPED"}, rows)
	if len(rows) == 0 {
		p.add("none")
	}
}

func (p *page) output(f *Figures) {
	o := f.Output
	stuck := plain("-")
	if o.Stuck >= 1 {
		if stuck = plain(span(time.Duration(o.Stuck * float64(time.Second)))); o.Stuck >= 10 {
			stuck.style = red
		}
	}
	queue := plain(count(f.Queue.Events))
	if most := f.Queue.Max; most != nil {
		queue.text = fmt.Sprintf("%s of %s, %.0f%%", count(f.Queue.Events), count(*most), 100*f.Queue.Events / *most)
		if f.Queue.Events >= 0.95**most {
			queue.style = yellow
		}
	}
	p.table(1, []string{"OUTPUT", "ACKED/S", "RETRIED/S", "ACKED", "SENDING", "DEAD", "STUCK", "QUEUE"}, [][]cell{{
		plain(name(o.Type)), plain(count(o.AckedRate)), bad(o.RetriedRate, yellow), plain(count(o.Acked)), plain(count(o.Active)), bad(o.DeadLetters, yellow), stuck, queue,
	}})
}

func (p *page) namespaces(list []Namespace) {
	var rows [][]cell
	for _, n := range list {
		shown := n.Name
		switch shown {
		case "_none":
			shown = "(none)"
		case "_other":
			shown = "(others)"
		}
		rows = append(rows, []cell{plain(name(shown)), plain(count(n.ReadRate)), plain(count(n.AckedRate)), plain(count(n.Read)), plain(count(n.InFlight)), bad(n.DeadLetters, yellow)})
	}
	p.table(1, []string{"NAMESPACE", "READ/S", "ACKED/S", "READ", "IN FLIGHT", "DEAD"}, rows)
}

// name is at most 40 harmless characters.
func name(s string) string {
	s = cli.Printable(s)
	for i := range s {
		if utf8.RuneCountInString(s[:i]) == 39 && i < len(s)-1 {
			return s[:i] + "…"
		}
	}
	return s
}

func oneLine(s string) string {
	return cli.Printable(strings.Join(strings.Fields(s), " "))
}

// count writes a number in at most six characters.
func count(n float64) string {
	switch {
	case n != 0 && n < 9.95 && n != math.Trunc(n):
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n < 99999.5:
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	for _, unit := range []string{"k", "M", "G"} {
		if n /= 1000; n < 999.95 {
			return strconv.FormatFloat(n, 'f', 1, 64) + unit
		}
	}
	return strconv.FormatFloat(n/1000, 'f', 0, 64) + "T"
}

// span writes a duration by its two largest units.
func span(d time.Duration) string {
	s := int64(max(0, d) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}
