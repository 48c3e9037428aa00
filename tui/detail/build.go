package detail

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/when"
)

// linesMax is how many lines a document is shown in.
const linesMax = 20000

// A line is one of the screen.
type line struct {
	node   *node // nil if it belongs to none
	nth    int   // which of the node's lines
	indent int   // in cells
	sign   string
	key    string
	text   string
	note   string
	style  *lipgloss.Style
	full   string // the text, if it had to be cut
}

// builder makes lines of a document.
type builder struct {
	*Detail
	lines []line
	open  bool // take nothing as folded
}

// build makes the lines of the document in its mode.
func (d *Detail) build(open bool) []line {
	b := &builder{Detail: d, open: open}
	switch {
	case d.row == nil:
	case d.root == nil || d.mode == Raw:
		b.put(line{style: &d.theme.Text}, string(d.doc), 0, true)
	case d.mode == Table:
		b.table()
	case d.mode == JSON:
		b.json(d.root, "", 0, "")
	default:
		b.tree()
	}
	if len(b.lines) > linesMax {
		b.lines = append(b.lines[:linesMax], line{style: &d.theme.Dim, text: fmt.Sprintf("… more than %d lines: open it in an editor", linesMax)})
	}
	if d.loading {
		b.lines = append(b.lines, line{style: &d.theme.Dim, text: "reading the whole document …"})
	}
	return b.lines
}

// put adds a value: the first line behind what l has already, the others below it, indented by under.
func (b *builder) put(l line, value string, under int, wrap bool) {
	if len(b.lines) > linesMax {
		return
	}
	value = text.Clean(value)
	first := b.w - l.width()
	rest := b.w - under
	var parts []string
	switch {
	case !wrap:
		full := strings.ReplaceAll(value, "\n", "↵ ")
		if l.text = text.Cut(full, max(first, 1)); l.text != full {
			l.full = full
		}
		b.lines = append(b.lines, l)
		return
	case l.key == "" && l.sign == "" || first >= 20 && !strings.Contains(value, "\n") && text.Width(value) <= first:
		parts = text.Wrap(value, max(first, 1))
	case first >= 20 && !strings.Contains(value, "\n"):
		// The first line is shorter than the others.
		spans := text.Lines(value, first)
		parts = append([]string{value[:spans[0][1]]}, text.Wrap(value[spans[1][0]:], max(rest, 1))...)
	default:
		parts = append([]string{""}, text.Wrap(value, max(rest, 1))...)
	}
	for i, part := range parts {
		if len(b.lines) > linesMax {
			return
		}
		l.text, l.nth = part, i
		if i > 0 {
			l.indent, l.sign, l.key, l.note = under, "", "", ""
		}
		b.lines = append(b.lines, l)
	}
}

// tree shows the message, then everything else by name: podbeat, as others, writes the fields of each document in another order.
func (b *builder) tree() {
	message := b.root.find(b.names.Message)
	if message != nil {
		if s, ok := message.value.(string); ok {
			b.message(message, s)
		} else {
			b.node(message, message.path, 0)
		}
	}
	for _, kid := range b.root.byName() {
		b.nodeBut(kid, message)
	}
}

// nodeBut shows a node without a leaf that has been shown.
func (b *builder) nodeBut(n, but *node) {
	switch {
	case n == but:
	case but != nil && but.parent == n && len(n.kids) == 1:
	case but != nil && but.parent == n:
		rest := *n
		rest.kids = slices.DeleteFunc(slices.Clone(n.kids), func(kid *node) bool { return kid == but })
		b.node(&rest, n.name, 0)
	default:
		b.node(n, n.name, 0)
	}
}

func (b *builder) message(n *node, s string) {
	before, root := embedded(s, n)
	l := line{node: n, key: n.path + " ", style: &b.theme.Text}
	switch {
	case root == nil && strings.Contains(strings.TrimRight(s, "\r\n"), "\n"):
		b.trace(l, s)
	case root == nil:
		b.put(l, s, 2, true)
	case b.folded(n, false):
		n.more, l.sign = true, "▸ "
		b.put(l, strings.TrimSpace(before+" "+preview(root)), 2, false)
	default:
		n.more, l.sign = true, "▾ "
		b.put(l, before, 2, true)
		for _, kid := range root.kids {
			b.node(kid, kid.name, 2)
		}
	}
}

// trace shows a text of several lines, each on one of its own; those of a stack trace that are indented are dimmed.
func (b *builder) trace(l line, s string) {
	l.node.more = true
	folded := b.folded(l.node, false)
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	l.sign = "▾ "
	if folded {
		l.sign = "▸ "
		l.note = fmt.Sprintf("…+%d", len(lines)-1)
	}
	b.put(l, strings.TrimRight(lines[0], "\r"), 2, !folded)
	if folded {
		return
	}
	nth := b.lines[len(b.lines)-1].nth + 1
	for _, each := range lines[1:] {
		style := &b.theme.Text
		if strings.HasPrefix(each, "\t") || strings.HasPrefix(each, "  ") {
			style = &b.theme.Dim
		}
		each = strings.Replace(each, "\t", "    ", 1)
		from := len(b.lines)
		b.put(line{node: l.node, indent: 2, style: style}, strings.TrimRight(each, "\r"), 4, true)
		for i := from; i < len(b.lines); i++ {
			b.lines[i].nth = nth
			nth++
		}
	}
}

// node shows a value and what is below it; objects with one member are shown on the member's line.
func (b *builder) node(n *node, label string, indent int) {
	if len(b.lines) > linesMax {
		return
	}
	for n.form == '{' && len(n.kids) == 1 {
		n = n.kids[0]
		label = join(label, n.name)
	}
	if n.form == 0 || len(n.kids) == 0 {
		b.leaf(n, label, indent)
		return
	}
	folded := b.folded(n, b.seldom(n))
	l := line{node: n, indent: indent, sign: "▾ ", key: text.Clean(label), style: &b.theme.Dim}
	if l.key == "" {
		l.key = "–"
	}
	values, scalars := n.scalars()
	switch {
	case scalars && (folded || len(values) == 1):
		if l.sign = "▸ "; len(values) == 1 {
			l.sign = ""
		}
		l.key += " "
		l.style = &b.theme.Text
		b.put(l, show(values), indent+2, b.wrap && !folded)
		return
	case folded:
		l.sign = "▸ "
		l.key += " "
		b.put(l, preview(n), 0, false)
		return
	}
	b.lines = append(b.lines, l)
	for _, kid := range n.byName() {
		label := kid.name
		if n.form == '[' {
			label = "–"
		}
		b.node(kid, label, indent+2)
	}
}

func (b *builder) leaf(n *node, label string, indent int) {
	l := line{node: n, indent: indent, key: text.Clean(label) + " ", style: b.style(n)}
	s := show(n.value)
	switch {
	case n.form == '{':
		s = "{}"
	case n.form == '[':
		s = "[]"
	case strings.Contains(strings.TrimRight(s, "\r\n"), "\n"):
		b.trace(l, s)
		return
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && b.zone != when.Source {
		l.note = b.zone.Of(t).Format("2006-01-02 15:04:05.000000 ") + b.zone.Name(t)
	}
	b.put(l, s, indent+2, b.wrap)
}

func (b *builder) style(n *node) *lipgloss.Style {
	if n.path == b.names.Level && b.row != nil {
		return &b.theme.Level[b.row.Level]
	}
	switch n.value.(type) {
	case json.Number:
		return &b.theme.Number
	case bool:
		return &b.theme.Bool
	case nil:
		if n.form == 0 {
			return &b.theme.Null
		}
	}
	return &b.theme.Text
}

// preview is a folded object's beginning.
func preview(n *node) string {
	var parts []string
	for _, kid := range n.byName()[:min(len(n.kids), 8)] {
		value := "…"
		if kid.form == 0 {
			value = text.Cut(text.Clean(firstLine(show(kid.value))), 40)
		}
		if kid.name != "" {
			value = kid.name + "=" + value
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, " ")
}

func firstLine(s string) string {
	line, _ := text.First(s)
	return line
}

// json shows the document as it is, on lines.
func (b *builder) json(n *node, key string, indent int, comma string) {
	if len(b.lines) > linesMax {
		return
	}
	l := line{node: n, indent: indent, key: text.Clean(key), style: b.style(n)}
	if n.form == 0 {
		if _, ok := n.value.(string); ok {
			l.style = &b.theme.String
		}
		b.put(l, quote(n.value)+comma, indent+2, b.wrap)
		return
	}
	opening, closing := string(n.form), string(n.form+2)
	l.style = &b.theme.Dim
	switch {
	case len(n.kids) == 0:
		l.text = opening + closing + comma
		b.lines = append(b.lines, l)
		return
	case b.folded(n, false):
		l.text = fmt.Sprintf("%s … %d … %s%s", opening, len(n.kids), closing, comma)
		b.lines = append(b.lines, l)
		return
	}
	l.text = opening
	b.lines = append(b.lines, l)
	for i, kid := range n.kids {
		key, comma := "", ","
		if i == len(n.kids)-1 {
			comma = ""
		}
		if n.form == '{' {
			key = quote(kid.name) + ": "
		}
		b.json(kid, key, indent+2, comma)
	}
	if len(b.lines) <= linesMax {
		b.lines = append(b.lines, line{node: n, nth: 1, indent: indent, text: closing + comma, style: &b.theme.Dim})
	}
}

// table shows names in one column and values in another.
func (b *builder) table() {
	names := 0
	for _, n := range b.flat {
		names = max(names, min(text.Width(text.Clean(n.name)), b.w*2/5))
	}
	for _, n := range b.flat {
		l := line{node: n, key: text.Pad(strings.ReplaceAll(text.Clean(n.name), "\n", "↵"), names) + " ", style: b.style(n)}
		b.put(l, strings.ReplaceAll(show(n.value), "\n", "↵ "), names+1, b.wrap)
	}
}
