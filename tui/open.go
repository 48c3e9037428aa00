package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/bar"
	"github.com/podbeat/podbeat/tui/chart"
	"github.com/podbeat/podbeat/tui/command"
	"github.com/podbeat/podbeat/tui/config"
	"github.com/podbeat/podbeat/tui/detail"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/list"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/theme"
)

// frames are how often a second the screen may change at most: a key waits for the next one, and looking whether there is one costs
// while nothing happens.
const frames = 60

// Open shows the screen until it is quit. The terminal is then as it was.
func Open(ctx context.Context, start command.Start) error {
	if os.Getenv("TERM") == "dumb" {
		return errors.New("cannot open the screen: TERM=dumb says that the terminal prints lines alone; `logtui query` does that")
	}
	if cli.Terminal(os.Stdout) == nil {
		return errors.New("cannot open the screen: standard output is no terminal; `logtui query` prints lines without one")
	}
	// Ctrl-C is a key here. As a signal it is for the command that has the terminal, such as one that is piped into, if there is one.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	m, err := newModel(ctx, start)
	if err != nil {
		return err
	}
	defer m.leave()
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithFPS(frames), tea.WithFilter(wheels()), tea.WithoutSignalHandler())
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	go func() { // ends with the channel
		for range interrupts {
			if !m.away.Load() {
				p.Quit()
			}
		}
	}()
	defer func() { signal.Stop(interrupts); close(interrupts) }()
	if _, err := p.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("cannot go on with the screen: %w", err)
	}
	return nil
}

// newModel makes the model of what start says. Nothing is sent yet.
func newModel(ctx context.Context, start command.Start) (*model, error) {
	own, err := keys.New(start.Config.Keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", start.Config.Path, err)
	}
	m := &model{ctx: ctx, now: time.Now, config: start.Config, state: config.OpenState(), keys: own, focus: keys.List,
		themeName: start.Theme, dark: true, colour: cli.Colours(), showChart: true, start: start}
	if m.themeName == "" || m.themeName == "auto" {
		m.themeName = "terminal"
	}
	if m.theme, err = theme.New(m.themeName, m.dark, m.colour); err != nil {
		return nil, err
	}
	m.zone = start.Context.Times()
	m.home = m.zone
	m.bar = bar.New(m.theme)
	m.bar.SetHistory(m.state.History())
	m.detail = detail.New(m.theme)
	m.patterns = facet.NewTable(m.theme)
	if err := m.connect(start.Context); err != nil {
		return nil, err
	}
	if s, ok := m.state.Last(m.contextName()); ok && !start.Given {
		m.start.Scope = s
	}
	m.focused()
	return m, nil
}

// connect makes c the context.
func (m *model) connect(c *config.Context) error {
	client, err := c.Client()
	if err != nil {
		return err
	}
	m.stopAll()
	m.tail = tailing{}
	m.context, m.client = c, client.Once() // what fails is told at once, and asked again by the screen
	m.status, m.past, m.future, m.view = status{}, nil, nil, nil
	// Nothing of another cluster may stand under this one's name.
	m.list = list.New(m.theme, c.Names(), m.zone)
	m.list.SetBound(m.config.TailLines)
	m.chart = chart.New(m.theme)
	m.chart.SetZone(m.zone)
	m.facets = facet.NewFacets(m.theme)
	m.rail = facet.NewRail(m.theme, scope.LevelNames())
	m.showDetail, m.detailR, m.clusters, m.counting = false, nil, nil, nil
	m.fields = nil
	m.openSource(c.Index, c.Names())
	return nil
}

// openSource reads from index, with these names of fields, from now on.
func (m *model) openSource(index string, names source.Names) {
	m.names = names
	m.source = source.Open(m.client, source.Options{Index: index, Fields: names})
	m.list.SetNames(names)
	m.detail.SetNames(names)
}

// Init begins with what the command line, or the last time, says.
func (m *model) Init() tea.Cmd {
	m.tail.wanted = m.start.Tail
	return tea.Batch(m.search(m.start.Scope, nil), everySecond(), tea.RequestBackgroundColor)
}

// leave ends what the server keeps for this program.
func (m *model) leave() {
	m.stopAll() // what is under way would keep the view
	if cmd := closing(m.ctx, m.view); cmd != nil {
		cmd()
	}
}

// remember notes what is looked at, for the next start.
func (m *model) remember() tea.Cmd {
	state, name, s := m.state, m.contextName(), m.scope
	return func() tea.Msg {
		if err := state.Looked(name, s); err != nil {
			return func(m *model) tea.Cmd { m.complain(err); return nil }
		}
		return nil
	}
}

// retheme draws everything in the theme that is chosen.
func (m *model) retheme() {
	t, err := theme.New(m.themeName, m.dark, m.colour)
	if err != nil {
		m.complain(err)
		return
	}
	m.theme = t
	m.list.SetTheme(t)
	m.chart.SetTheme(t)
	m.bar.SetTheme(t)
	m.facets.SetTheme(t)
	m.rail.SetTheme(t)
	m.detail.SetTheme(t)
	m.patterns.SetTheme(t)
}

func (m *model) contextName() string {
	if m.context.Name != "" {
		return m.context.Name
	}
	return m.context.Places()[0]
}
