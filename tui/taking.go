package tui

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/take"
)

// picked are the rows that are taken: the selection, else the one that the cursor is on.
func (m *model) picked() []*source.Row {
	if rows := m.list.Selection(); len(rows) > 0 {
		return rows
	}
	if row := m.list.Cursor(); row != nil {
		return []*source.Row{row}
	}
	return nil
}

// copies are the forms that can be copied.
var copies = []facet.Item{
	{Text: "row", ID: "row", Hint: "as it is listed"},
	{Text: "cell", ID: "cell", Hint: "the value at the cursor"},
	{Text: "message", ID: "message", Hint: "as it was logged"},
	{Text: "JSON", ID: "json", Hint: "the whole document"},
	{Text: "NDJSON", ID: "ndjson", Hint: "a document a line"},
	{Text: "CSV", ID: "csv", Hint: "the columns"},
	{Text: "Markdown", ID: "markdown", Hint: "a table, for a ticket"},
	{Text: "query as a command", ID: "query", Hint: "logtui …"},
	{Text: "query as curl", ID: "curl", Hint: "what is sent to the server, without the login"},
	{Text: "link to Kibana", ID: "kibana", Hint: "the same in Discover"},
}

// pickCopy offers the forms in which what is picked can be copied.
func (m *model) pickCopy() {
	title := "copy"
	if n := len(m.list.Selection()); n > 0 {
		title = fmt.Sprintf("copy %d selected lines", n)
	} else if marks := m.list.Marks(); len(marks) > 0 {
		title = fmt.Sprintf("copy the line (%d are marked: copy marks)", len(marks))
	}
	all := copies
	if len(m.list.Marks()) > 0 {
		all = append([]facet.Item{{Text: "marks", ID: "marks", Hint: "all marked lines, as they are listed"}}, all...)
	}
	m.pick(title, "", all, func(m *model, item facet.Item) (tea.Cmd, bool) { return m.copy(item.ID), false })
}

// copy copies what is picked in a form.
func (m *model) copy(form string) tea.Cmd {
	rows := m.picked()
	switch form {
	case "query":
		return m.clip(scope.Command("logtui", m.scope.Args(m.context.Name)))
	case "curl":
		command, err := m.curl()
		if err != nil {
			m.complain(err)
			return nil
		}
		return m.clip(command)
	case "kibana":
		link, err := m.kibana()
		if err != nil {
			m.complain(err)
			return nil
		}
		return m.clip(link)
	case "marks":
		rows = m.list.Marks()
	}
	if len(rows) == 0 {
		m.say("there is no line to copy")
		return nil
	}
	switch form {
	case "row", "marks":
		return m.clip(m.list.Text(rows))
	case "cell":
		if field := m.list.Cell(); field != "" {
			return m.clip(m.value(rows[0], field))
		}
		m.pickField("copy the value of", rows[0], func(m *model, _, value string) tea.Cmd { return m.clip(value) })
		return nil
	}
	format := map[string]take.Format{"message": take.Message, "json": take.JSON, "ndjson": take.NDJSON, "csv": take.CSV, "markdown": take.Markdown}[form]
	data, err := take.Lines(format, m.takenColumns(format), rows)
	if format == take.JSON && len(rows) == 1 {
		data, err = pretty(rows)
	}
	if err != nil {
		m.complain(err)
		return nil
	}
	return m.clip(string(data))
}

// curl is the search of the rows as a command: of the indices as they are then, in place of a point in time.
func (m *model) curl() (string, error) {
	var body map[string]any
	d := json.NewDecoder(bytes.NewReader(m.status.shards.Request))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		return "", errors.New("there is no search yet")
	}
	delete(body, "pit")
	delete(body, "search_after")
	if sort, ok := body["sort"].([]any); ok {
		body["sort"] = slices.DeleteFunc(sort, func(by any) bool {
			object, _ := by.(map[string]any)
			return by == "_shard_doc" || object["_shard_doc"] != nil
		})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	place := m.context.Places()[0] + es.Path(cmp.Or(m.scope.Index, m.context.Index), "_search")
	return scope.Command("curl", []string{"-s", "-H", "Content-Type: application/json", place, "-d", string(text)}), nil
}

// pretty is the first document as people read it.
func pretty(rows []*source.Row) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, rows[0].Source, "", "  "); err != nil {
		return nil, fmt.Errorf("cannot read the document: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// takenColumns are the columns of formats that have some.
func (m *model) takenColumns(f take.Format) []string {
	if f.Whole() {
		return nil
	}
	n := m.names
	if f == take.Message {
		return []string{n.Message}
	}
	return append(append([]string{n.Time, n.Level}, m.list.ColumnFields()...), n.Message)
}

// kibana is the link to what is shown.
func (m *model) kibana() (string, error) {
	if m.context.Kibana == "" {
		return "", errors.New("the context does not say where Kibana is: write `kibana: https://…` there")
	}
	d := take.Discover{Base: m.context.Kibana, Query: m.scope.Text, Columns: m.scope.Columns, Time: m.names.Time}
	if rest, ok := strings.CutPrefix(d.Query, "lucene:"); ok {
		d.Query, d.Lucene = strings.TrimSpace(rest), true
	}
	d.From, d.To = m.scope.Range.From.String(), m.scope.Range.To.String()
	for _, c := range m.scope.Chips {
		if c.Query != "" {
			if !d.Lucene && !c.Off {
				d.Query = kql.And(d.Query, c.KQL())
			}
			continue
		}
		d.Filters = append(d.Filters, take.Filter{Field: c.Field, Value: c.Value, Exists: c.Exists, Not: c.Not, Off: c.Off, Pinned: c.Pinned})
	}
	return take.Kibana(d)
}

// clip copies a text to wherever it can be pasted from.
func (m *model) clip(s string) tea.Cmd {
	ctx := m.ctx
	return func() tea.Msg {
		copied, err := take.Copy(ctx, s)
		return func(m *model) tea.Cmd {
			m.say("%s", copied)
			if err != nil {
				m.complain(err)
			}
			if copied.Terminal != "" {
				return tea.SetClipboard(copied.Terminal)
			}
			return nil
		}
	}
}

// openIn opens what is picked in the editor or the pager.
func (m *model) openIn(editor bool) tea.Cmd {
	rows := m.picked()
	if len(rows) == 0 {
		return nil
	}
	ending := ".json"
	data, err := pretty(rows)
	if len(rows) > 1 {
		ending = ".ndjson"
		data, err = take.Lines(take.NDJSON, nil, rows)
	}
	if err != nil {
		m.complain(err)
		return nil
	}
	return func() tea.Msg {
		path, remove, err := take.Temp(ending, data)
		return func(m *model) tea.Cmd {
			if err != nil {
				m.complain(err)
				return nil
			}
			what, program := "the pager (set PAGER to another one)", take.Pager(path)
			if editor {
				what, program = "the editor (set EDITOR to another one)", take.Editor(path)
			}
			return m.run(what, program, remove)
		}
	}
}

// askPipe asks for the command that gets what is picked.
func (m *model) askPipe() {
	rows := m.picked()
	if len(rows) == 0 {
		m.say("there is no line to pipe")
		return
	}
	m.prompt("pipe into", "the documents, one a line, as JSON: jq .message, less, wc -l", m.piped, func(m *model, command string) (tea.Cmd, error) {
		if strings.TrimSpace(command) == "" {
			return nil, errors.New("type a command")
		}
		m.piped = command
		data, err := take.Lines(take.NDJSON, nil, rows)
		if err != nil {
			return nil, err
		}
		return m.run(command, take.Pipe(m.ctx, command, data), func() {}), nil
	})
}

// run gives the terminal to another program until it ends.
func (m *model) run(what string, program *exec.Cmd, after func()) tea.Cmd {
	m.away.Store(true)
	return tea.ExecProcess(program, func(err error) tea.Msg {
		m.away.Store(false)
		after()
		return func(m *model) tea.Cmd {
			if err != nil {
				m.complain(fmt.Errorf("%s ended with %w", what, err))
			}
			return nil
		}
	})
}

// askExport asks for the file to export to.
func (m *model) askExport() {
	if m.view == nil {
		return
	}
	given := "logs-" + m.now().UTC().Format("20060102-150405") + ".ndjson"
	hint := "all lines of the search, oldest first; .ndjson has whole documents, .csv and .tsv the columns; Esc cancels"
	if m.status.known {
		hint = shownCount(m.status.count) + " lines; " + hint
	}
	m.prompt("export to", hint, given, func(m *model, path string) (tea.Cmd, error) {
		path = strings.TrimSpace(path)
		if path == "" {
			return nil, errors.New("type the name of a file")
		}
		return m.export(path, false), nil
	})
}

func (m *model) export(path string, replace bool) tea.Cmd {
	view := m.view
	format := take.FormatOf(path, take.NDJSON)
	columns := m.takenColumns(format)
	total := m.status.count.N
	m.status.work = "exporting to " + filepath.Base(path)
	ctx, gen := m.begin(askWork)
	return streaming(func(say func(tea.Msg)) tea.Msg {
		e := take.Exporter{Path: path, Format: format, Columns: columns, Replace: replace, Progress: func(rows, size int64) {
			say(answer{kind: askWork, gen: gen, more: true, do: func(m *model) tea.Cmd {
				m.status.work = fmt.Sprintf("exporting: %s", shownCount(source.Count{N: rows}))
				if total > 0 {
					m.status.work += fmt.Sprintf(" of %s, %d %%", shownCount(source.Count{N: total}), min(100, rows*100/total))
				}
				return nil
			}})
		}}
		name, rows, size, err := e.Run(ctx, view.Export)
		return answer{kind: askWork, gen: gen, do: func(m *model) tea.Cmd {
			m.status.work = ""
			switch {
			case errors.Is(err, context.Canceled):
				return nil
			case errors.Is(err, fs.ErrExist):
				m.pick(filepath.Base(path)+" is there already", "", items("replace it", "keep it"), func(m *model, item facet.Item) (tea.Cmd, bool) {
					if item.ID == "replace it" {
						return m.export(path, true), false
					}
					return nil, false
				})
				return nil
			case err != nil:
				m.status.banner = source.Banner{Title: err.Error(), Do: m.keys.Key("export") + " asks for another file"}
				m.arrange()
				return nil
			}
			m.well()
			m.say("exported %s lines, %s, to %s", shownCount(source.Count{N: rows}), cli.Bytes(size), name)
			return nil
		}}
	})
}

// stats shows what the values of the field at the cursor are like.
func (m *model) stats() tea.Cmd {
	field := m.pointed()
	if field != "" {
		return m.statsOf(field)
	}
	if row := m.list.Cursor(); row != nil {
		m.pickField("statistics of", row, func(m *model, field, _ string) tea.Cmd { return m.statsOf(field) })
	}
	return nil
}

func (m *model) statsOf(field string) tea.Cmd {
	view := m.view
	p := &page{title: "statistics of " + field, body: []string{m.theme.Dim.Render("…")}}
	m.open(p)
	kind := m.typeOf(field)
	return m.ask(askFacet, func(ctx context.Context) func(*model) tea.Cmd {
		var stats source.Stats
		top, err := view.Facet(ctx, field, 20, false)
		if err == nil && measured[kind] {
			stats, err = view.Stats(ctx, field)
		}
		return func(m *model) tea.Cmd {
			if err != nil {
				m.close(p)
				return m.failed("count the values of "+field, err)
			}
			p.body = m.statsLines(kind, stats, top)
			return nil
		}
	})
}

// pointed is the field that the cursor is on.
func (m *model) pointed() string {
	if m.showPatterns {
		return m.names.Message
	}
	switch {
	case m.focus == keys.Detail:
		field, _, _ := m.detail.Field()
		return field
	case m.showFacets && m.focus == keys.Facets:
		return m.facets.Field()
	}
	return m.list.Cell()
}
