package command

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/take"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// harmless returns a writer to w that a terminal obeys nothing of; w itself if it is none.
func harmless(w io.Writer) io.Writer {
	if cli.Terminal(w) == nil {
		return w
	}
	return &cleaner{to: w}
}

// A cleaner hands on whole lines, cleaned. What is written to it ends with a line.
type cleaner struct{ to io.Writer }

func (c *cleaner) Write(p []byte) (int, error) {
	var b strings.Builder
	for line := range bytes.Lines(p) {
		line, ended := bytes.CutSuffix(line, []byte("\n"))
		b.WriteString(text.Clean(string(bytes.TrimSuffix(line, []byte("\r")))))
		if ended {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(c.to, b.String())
	return len(p), err
}

// A table prints rows beneath each other, in columns as wide as the first rows need.
type table struct {
	to      io.Writer
	columns []string
	names   source.Names
	zone    when.Zone
	widths  []int
	theme   *theme.Theme // nil: no colours
}

// Widths of columns, in cells.
const (
	maxColumn  = 40
	timeLayout = "2006-01-02 15:04:05.000"
)

func newTable(w io.Writer, columns []string, n source.Names, zone when.Zone) *table {
	t := &table{to: w, columns: columns, names: n, zone: zone}
	if cli.Terminal(w) != nil && cli.Colours() {
		t.theme, _ = theme.New("terminal", true, true)
	}
	return t
}

// Write prints rows. The last column is as long as its values.
func (t *table) Write(rows []*source.Row) error {
	if len(rows) == 0 {
		return nil
	}
	var b strings.Builder
	dim := func(h *theme.Theme) lipgloss.Style { return h.Dim }
	if t.widths == nil {
		t.measure(rows)
		headings := make([]string, len(t.columns))
		for i, column := range t.columns {
			headings[i] = t.pad(i, t.heading(column, rows[0]))
		}
		b.WriteString(t.styled(dim, strings.TrimRight(strings.Join(headings, "  "), " ")) + "\n")
	}
	for _, row := range rows {
		line := make([]string, len(t.columns))
		for i, column := range t.columns {
			line[i] = t.pad(i, t.cell(row, column))
			switch column {
			case t.names.Level:
				line[i] = t.styled(func(h *theme.Theme) lipgloss.Style { return h.Level[row.Level] }, line[i])
			case t.names.Time:
				line[i] = t.styled(dim, line[i])
			}
		}
		b.WriteString(strings.TrimRight(strings.Join(line, "  "), " ") + "\n")
	}
	_, err := io.WriteString(t.to, b.String())
	return err
}

// Close prints nothing: there is nothing after the last row.
func (t *table) Close() error { return nil }

// measure makes the columns as wide as rows need, within bounds.
func (t *table) measure(rows []*source.Row) {
	t.widths = make([]int, len(t.columns))
	for i, column := range t.columns {
		t.widths[i] = text.Width(t.heading(column, rows[0]))
		for _, row := range rows {
			t.widths[i] = max(t.widths[i], text.Width(t.cell(row, column)))
		}
		if column != t.names.Time {
			t.widths[i] = min(t.widths[i], maxColumn)
		}
	}
}

func (t *table) pad(column int, cell string) string {
	if column == len(t.columns)-1 {
		return cell
	}
	return text.Pad(cell, t.widths[column])
}

func (t *table) heading(column string, row *source.Row) string {
	if column == t.names.Time {
		return "time " + t.zone.Name(row.Time)
	}
	return text.Clean(column)
}

// cell is one line of harmless text: of a value of several lines the first, and how many follow.
func (t *table) cell(row *source.Row, column string) string {
	switch {
	case column == t.names.Time && !row.Time.IsZero():
		return t.zone.Of(row.Time).Format(timeLayout)
	case column == t.names.Level && row.Level > source.Other:
		return row.Level.String()
	}
	value := strings.TrimRight(take.Value(row, column), "\r\n")
	if strings.Contains(value, "\n") {
		line, more := text.First(value)
		if value = line; more > 0 {
			value += " …+" + strconv.Itoa(more)
		}
	}
	return text.Clean(value)
}

func (t *table) styled(style func(*theme.Theme) lipgloss.Style, s string) string {
	if t.theme == nil || s == "" {
		return s
	}
	return style(t.theme).Render(s)
}

// number writes a count as exactly as it is known.
func number(c source.Count) string {
	return map[source.CountKind]string{source.AtLeast: "≥", source.About: "≈"}[c.Kind] + strconv.FormatInt(c.N, 10)
}

// histogram prints a line for each bucket: its begin, how many lines, how many of each level, and a bar on a terminal.
func (q *queryFlags) histogram(cmd *cobra.Command, s *search) error {
	ctx, view, zone := cmd.Context(), s.view(nil), s.context.Times()
	from, to := s.from, s.to
	var err error
	if from.IsZero() {
		if from, err = view.Oldest(ctx); err != nil {
			return advised(err)
		}
	}
	if to.IsZero() {
		if to, err = view.Newest(ctx); err != nil {
			return advised(err)
		}
		to = to.Add(time.Millisecond)
	}
	if from.IsZero() || !from.Before(to) {
		noteNone(cmd, s)
		return nil
	}
	interval := q.interval
	if interval == 0 {
		interval = when.Interval(to.Sub(from), 40)
	}
	h, err := view.LevelHistogram(ctx, from, to, interval, zone.Location())
	if err != nil {
		return advised(err)
	}
	if q.interval > 0 && h.Interval != q.interval {
		fmt.Fprintf(cmd.ErrOrStderr(), "logtui: these are parts of %v each: there would be too many of %v\n", h.Interval, q.interval)
	}
	if _, err = io.WriteString(cmd.OutOrStdout(), drawHistogram(h, zone, cli.Terminal(cmd.OutOrStdout()) != nil)); err != nil {
		return err
	}
	return whole(cmd, h.Meta)
}

// drawHistogram is the text of a histogram.
func drawHistogram(h source.Histogram, zone when.Zone, bars bool) string {
	var present []source.Level
	for level := range source.Level(source.Levels) {
		for _, counts := range h.Levels {
			if counts[level] > 0 {
				present = append(present, level)
				break
			}
		}
	}
	most := int64(1)
	for _, n := range h.Total {
		most = max(most, n)
	}
	layout := "2006-01-02 15:04:05"
	if h.Interval < time.Second {
		layout = timeLayout
	}
	headings := []string{"time " + zone.Name(h.From), "lines"}
	for _, level := range present {
		headings = append(headings, strings.ToLower(levelName(level)))
	}
	lines := [][]string{headings}
	for i, n := range h.Total {
		line := []string{zone.Of(h.From.Add(time.Duration(i) * h.Interval)).Format(layout), strconv.FormatInt(n, 10)}
		for _, level := range present {
			line = append(line, strconv.FormatInt(h.Levels[i][level], 10))
		}
		if bars {
			line = append(line, strings.Repeat("█", int(40*n/most)))
		}
		lines = append(lines, line)
	}
	return aligned(lines, 1, 1+len(present))
}

// levelName is a level's name for a heading.
func levelName(level source.Level) string {
	if level == source.None {
		return "none"
	}
	return level.String()
}

// aligned puts lines of cells beneath each other; columns from first to last are numbers, which stand to the right.
func aligned(lines [][]string, first, last int) string {
	var widths []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], text.Width(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var out strings.Builder
		for i, cell := range line {
			gap := strings.Repeat(" ", widths[i]-text.Width(cell))
			if i > 0 {
				out.WriteString("  ")
			}
			if i >= first && i <= last {
				out.WriteString(gap + cell)
			} else {
				out.WriteString(cell + gap)
			}
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
	return b.String()
}
