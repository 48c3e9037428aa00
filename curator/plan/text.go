package plan

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podbeat/podbeat/cli"
)

// Text prints the plan for people: each choice with its age, size and documents and why it was chosen; what
// guards hold back and how to allow it; a total. With all it also lists what is left alone, and why.
func (p *Plan) Text(w io.Writer, all bool) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "plan for cluster %s (%s), made %s from %s\n", cli.Printable(p.Cluster.Name), cli.Printable(p.Cluster.Version),
		p.Made.UTC().Format(time.RFC3339), cli.Printable(p.Source))
	for i := range p.Actions {
		p.Actions[i].text(out, all)
	}
	if len(p.Actions) > 1 {
		fmt.Fprintf(out, "\nin all %s\n", p.Total.text())
	}
	return out.Flush()
}

func (a *Action) text(out *bufio.Writer, all bool) {
	fmt.Fprintf(out, "\n%s %s", cli.Printable(a.ID), a.Kind)
	if a.Description != "" {
		fmt.Fprintf(out, ": %s", cli.Printable(a.Description))
	}
	fmt.Fprintln(out)
	if a.Disabled {
		fmt.Fprintln(out, "  not performed: disable_action is set")
		return
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(sign string, c Choice) {
		if c.Rule != "action "+a.ID { // one of a policy's
			c.Why = c.Rule + ": " + c.Why
		}
		fmt.Fprintf(table, "  %s %s\t%s\t%s\t%s\t%s\n", sign, cli.Printable(c.Name)+closedMark(c.Closed), orDash(c.Age), bytesText(c.Size), docsText(c.Docs), cli.Printable(c.Why))
	}
	for _, c := range a.Removes {
		row("-", c)
	}
	for _, c := range a.Choices {
		row(sign[a.Kind], c)
	}
	_ = table.Flush() // into out, which keeps its first error
	for _, h := range a.Held {
		who := cli.Printable(h.Name)
		if who == "" {
			who = "all of it"
		}
		fmt.Fprintf(out, "  held back: %s: %s (guard %s; %s lets it pass)\n", who, cli.Printable(h.Why), h.Guard, h.Allow)
	}
	for _, warning := range a.Warnings {
		fmt.Fprintf(out, "  warning: %s\n", cli.Printable(warning))
	}
	if a.Unplanned != "" {
		fmt.Fprintf(out, "  %s\n", cli.Printable(a.Unplanned))
	}
	if all {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, l := range a.Left {
			fmt.Fprintf(table, "    %s\tleft alone: %s\n", cli.Printable(l.Name), cli.Printable(l.Why))
		}
		_ = table.Flush()
	}
	switch {
	case a.HeldAll():
		fmt.Fprintf(out, "  nothing is done, of %d looked at\n", a.Looked)
	case a.Looked > 0 || len(a.Choices) > 0:
		fmt.Fprintf(out, "  %s, of %d looked at\n", a.Total.text(), a.Looked)
	}
}

// byName is the order in which people look for something.
func byName(choices []Choice) []Choice {
	if choices == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(choices), func(a, b Choice) int { return strings.Compare(a.Name, b.Name) })
}

// sign is how a choice's line begins: what is lost -, what is changed ~.
var sign = map[string]string{
	"delete_indices": "-", "delete_snapshots": "-", "alias": "+", "create_index": "+",
	"allocation": "~", "close": "~", "forcemerge": "~", "index_settings": "~", "open": "~", "reindex": "~",
	"replicas": "~", "restore": "~", "rollover": "~", "shrink": "~", "snapshot": "~", "cluster_routing": "~",
}

func (t Total) text() string {
	text := fmt.Sprintf("%d chosen, %s, %s", t.Count, bytesText(t.Bytes), docsText(t.Docs))
	if t.Unknown > 0 {
		text += fmt.Sprintf(" (%d of unknown size)", t.Unknown)
	}
	return text
}

func closedMark(closed bool) string {
	if closed {
		return " (CLOSED)"
	}
	return ""
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// age is a duration in the unit that people would use.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "in " + age(-d)
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d >= 2*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	default:
		return d.Round(time.Second).String()
	}
}

func bytesText(n int64) string {
	if n < 0 {
		return "-"
	}
	return cli.Bytes(n)
}

func docsText(n int64) string {
	if n < 0 {
		return "-"
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n == 1 {
		return digits + " document"
	}
	return digits + " documents"
}
