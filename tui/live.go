package tui

import (
	"cmp"
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/source"
)

// A tailing is the state of the tail.
type tailing struct {
	on      bool
	wanted  bool // it begins when the first rows are there
	paused  bool
	tail    *source.Tail
	held    []*source.Row // what came while it was paused
	gap     bool          // some of them were left out
	lost    int64         // lines that were held back and then left out, and those that were never fetched
	behind  int64
	late    int
	rate    float64 // lines a second, of the last polls
	at      time.Time
	overlap time.Duration
}

// startTail shows new lines from now on. Where the range ends in the past, it comes to end now first.
func (m *model) startTail() tea.Cmd {
	if m.view == nil || m.tail.on {
		return nil
	}
	filter, err := m.filter(m.scope)
	if err != nil {
		m.complain(err)
		return nil
	}
	var from time.Time // what is there is known, and told below
	if m.list.Empty() {
		from = cmp.Or(m.from, time.Unix(0, 0)) // nothing was: all is new
	}
	q := m.query(filter)
	q.To = time.Time{}
	m.tail = tailing{on: true, tail: m.source.Tail(q, from), at: m.now()}
	m.tail.tail.Known(m.list.Rows())
	m.view.Renew() // pages from now on have what has come late between the rows
	m.list.Follow(true)
	return m.poll()
}

// holdTail ends the tail until the first rows of another search are there; what it brought stays.
func (m *model) holdTail() {
	m.stop(askTail)
	m.tail = tailing{wanted: m.tail.wanted || m.tail.on}
}

// poll waits until it is time, and looks for new lines.
func (m *model) poll() tea.Cmd {
	t := m.tail.tail
	return m.ask(askTail, func(ctx context.Context) func(*model) tea.Cmd {
		select {
		case <-time.After(t.Every()):
		case <-ctx.Done():
			return nil
		}
		batch, err := t.Poll(ctx)
		return func(m *model) tea.Cmd {
			if err != nil {
				return tea.Batch(m.failed("look for new lines", err), m.poll())
			}
			m.well()
			m.came(batch)
			return m.poll()
		}
	})
}

// came takes what a poll brought.
func (m *model) came(batch source.Batch) {
	t := &m.tail
	now := m.now()
	if d := now.Sub(t.at).Seconds(); d > 0 {
		t.rate += (float64(len(batch.Rows))/d - t.rate) * min(1, d/5) // a mean over five seconds
	}
	t.at, t.behind, t.overlap = now, batch.Behind, batch.Overlap
	if batch.Skipped > 0 {
		t.lost += batch.Skipped
		m.list.Gap()
	}
	if batch.Lag.N > 0 {
		m.status.lag = batch.Lag
	}
	if len(batch.Rows) == 0 {
		return
	}
	if t.paused {
		t.held = append(t.held, batch.Rows...)
		if over := len(t.held) - m.config.TailLines; over > 0 {
			t.held = append([]*source.Row(nil), t.held[over:]...)
			t.lost += int64(over)
			t.gap = true
		}
		return
	}
	m.insert(batch.Rows)
}

func (m *model) insert(rows []*source.Row) {
	_, late := m.list.Insert(rows)
	m.tail.late += late
	m.view.Renew()
}

// pause holds new lines back, or shows those that were held.
func (m *model) pause() {
	if !m.tail.on {
		m.say("nothing is tailed: %s begins to", m.keys.Key("tail"))
		return
	}
	m.tail.paused = !m.tail.paused
	if !m.tail.paused {
		if m.tail.gap {
			m.list.Gap()
		}
		m.insert(m.tail.held)
		m.tail.held, m.tail.gap = nil, false
	}
}

// tailState is what the status line says of the tail.
func (m *model) tailState() string {
	t := &m.tail
	s := m.theme.Good.Render("● tail") + fmt.Sprintf(" %.0f/s", t.rate)
	if t.paused {
		s = m.theme.Warn.Render("‖ paused") + fmt.Sprintf(" %d held, %.0f/s", len(t.held), t.rate)
	} else if n := m.list.Badge(); n > 0 {
		s += m.theme.Accent.Render(fmt.Sprintf(" %d new", n)) + m.theme.Dim.Render(" "+m.keys.Key("newest"))
	}
	if t.late > 0 {
		s += m.theme.Dim.Render(fmt.Sprintf(" %d late", t.late))
	}
	if t.behind > 0 {
		s += m.theme.Warn.Render(fmt.Sprintf(" %d behind", t.behind))
	}
	if t.lost > 0 {
		s += m.theme.Dim.Render(fmt.Sprintf(" %d left to paging", t.lost))
	}
	return s
}
