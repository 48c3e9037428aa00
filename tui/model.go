// Package tui is the screen of logtui: one model that all messages go through, and plain parts that it draws.
//
//	keys ─► keys.Map ─► actions.go ─► parts (list, chart, bar, facet, detail: methods, no messages)
//	                        │
//	                        ▼
//	                    ask.go: a tea.Cmd with a context and a generation ─► tui/source ─► Elasticsearch
//	                        │
//	                        ▼
//	                    its message: dropped if its generation is over, else put into the part
//
// Update does no I/O and no part sees another one. What is on the screen stays there until something newer has come.
package tui

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/tui/bar"
	"github.com/podbeat/podbeat/tui/chart"
	"github.com/podbeat/podbeat/tui/command"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/detail"
	"github.com/podbeat/podbeat/tui/drain"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/list"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// A model is the whole program's state. Only Update and what it calls touch it; commands get copies of what they need.
type model struct {
	ctx    context.Context // ends with the program
	now    func() time.Time
	config *config.Config
	keys   *keys.Map

	width, height int
	layout        layout
	focus         keys.Place
	overlays      []overlay // the last one has the keys
	dark, colour  bool
	themeName     string
	theme         *theme.Theme
	zone          when.Zone

	// What is searched, and how it came to be.
	context  *config.Context
	client   *es.Client
	source   *source.Source
	names    source.Names   // of fields: the context's, or those that are there in their place
	fields   *source.Fields // nil: not known yet
	scope    scope.Scope
	before   time.Time // of the newest line before a range in which nothing is; zero: not known
	from, to time.Time // the scope's range when it was asked
	view     *source.View
	past     []visit // for back
	future   []visit // for forward

	// Parts.
	list     *list.List
	chart    *chart.Chart
	bar      *bar.Bar
	facets   *facet.Facets
	rail     *facet.Rail
	detail   *detail.Detail
	patterns *facet.Table

	showChart, showFacets, showDetail, showPatterns, showExplain bool

	asked      [asks]ask // the newest request of each kind
	status     status
	tail       tailing
	find       finding
	costs      []string         // warnings about the query
	searched   []string         // in the lines, the newest last
	counting   []string         // fields whose values are asked for
	away       atomic.Bool      // another program has the terminal
	clusters   []*drain.Cluster // behind the rows of patterns
	editing    bool             // the query has the keys
	unfolded   bool             // all lines of the list
	wrapDetail bool
	piped      string // the last command piped into
	state      *config.State
	start      command.Start
	home       when.Zone   // of the context
	detailR    *source.Row // whose document the detail shows
	nextLevel  int         // of the breadcrumb: the first that has something to choose from
}

// A visit is a place in the history of searches.
type visit struct {
	scope scope.Scope
	row   *source.Row // that the cursor was on
}

// What is asked apart, each with the newest answer alone counting.
type kind int

const (
	askRows kind = iota
	askOlder
	askNewer
	askChart
	askRail
	askNodes // of a picker
	askFacet
	askFields
	askComplete
	askFind
	askTail
	askLag
	askPatterns
	askWork     // exports and other long work, one at a time
	asks    int = iota
)

// An ask is a request under way, or the last one that was.
type ask struct {
	gen    int
	cancel context.CancelFunc
	began  time.Time // zero: none is under way
}

// begin makes a request of kind k: the one before is over. Its command has to be wrapped by answer.
func (m *model) begin(k kind) (context.Context, int) {
	m.stop(k)
	ctx, cancel := context.WithCancel(m.ctx)
	a := &m.asked[k]
	a.gen++
	a.cancel, a.began = cancel, m.now()
	return ctx, a.gen
}

// stop ends the request of kind k; its answer is not looked at.
func (m *model) stop(k kind) {
	a := &m.asked[k]
	if a.cancel != nil {
		a.cancel()
		a.cancel = nil
	}
	a.gen++
	a.began = time.Time{}
}

// stopAll ends all that is under way, but some kinds.
func (m *model) stopAll(but ...kind) {
	for k := range m.asked {
		if !slices.Contains(but, kind(k)) {
			m.stop(kind(k))
		}
	}
}

// done says whether the answer gen of kind k is the newest, which is then no longer under way.
func (m *model) done(k kind, gen int) bool {
	if !m.current(k, gen) {
		return false
	}
	m.stop(k)
	return true
}

// current says whether gen of kind k is the newest, and goes on.
func (m *model) current(k kind, gen int) bool { return m.asked[k].gen == gen }

// busy is for how long the slowest request that people wait for has been under way.
func (m *model) busy() time.Duration {
	var longest time.Duration
	for _, k := range []kind{askRows, askOlder, askNewer, askChart, askFacet, askFind, askPatterns} {
		if a := m.asked[k]; !a.began.IsZero() {
			longest = max(longest, m.now().Sub(a.began))
		}
	}
	return longest
}

// An answer is what a command brings back: the model does with it what it says, if it is the newest of its kind.
type answer struct {
	kind kind
	gen  int
	more bool // others follow: the request is still under way
	do   func(*model) tea.Cmd
}

// Update takes one message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.update(msg)
	m.follow()
	return m, tea.Batch(cmd, m.wants())
}

func (m *model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case answer:
		if msg.more && !m.current(msg.kind, msg.gen) || !msg.more && !m.done(msg.kind, msg.gen) {
			return nil
		}
		return msg.do(m)
	case stream:
		return tea.Batch(m.update(msg.msg), msg.next)
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.arrange()
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.retheme()
	case tea.ModeReportMsg:
		// The renderer counts clusters from then on if the terminal does, and so must we.
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet) {
			text.Clusters(true)
			m.retheme() // all is measured anew
		}
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.PasteMsg:
		return m.paste(msg.Content)
	case tea.MouseWheelMsg:
		m.wheel(msg)
	case tea.MouseClickMsg:
		return m.click(msg)
	case tea.ResumeMsg:
		return tea.ClearScreen
	case tick:
		return m.tick()
	case func(*model) tea.Cmd: // what a command wants done whatever came since
		return msg(m)
	}
	return nil
}

// A stream is a message of a command that has more to say: next waits for it.
type stream struct {
	msg  tea.Msg
	next tea.Cmd
}

// streaming runs work, which may say several messages, as a command. It ends when work returns; ctx has to end work.
func streaming(work func(say func(tea.Msg)) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		messages := make(chan tea.Msg)
		go func() {
			defer close(messages) // ends with work, which its context ends
			if last := work(func(msg tea.Msg) { messages <- msg }); last != nil {
				messages <- last
			}
		}()
		var next tea.Cmd
		next = func() tea.Msg {
			msg, ok := <-messages
			if !ok {
				return nil
			}
			return stream{msg, next}
		}
		return next()
	}
}

// tick comes once a second, for what changes with time alone.
type tick struct{}

func everySecond() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} }) }
