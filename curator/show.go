package curator

// show-indices and show-snapshots print what the filters leave, and change nothing.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/filter"
)

// everything is the filter list that leaves all.
const everything = `{"filtertype":"none"}`

var outputFlag = flag{name: "output", letter: "o", kind: textFlag, def: "text", oneof: []string{"text", "json"}, use: "text, or json: an object a line"}

func newShowIndicesCommand(start starter) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show-indices",
		Short: "Show indices",
		Example: `  curator cli show-indices --verbose --header
  curator cli show-indices --output json --filter_list '{"filtertype":"pattern","kind":"prefix","value":"logs-"}'`,
		Args: noArgs,
	}
	optional, managed := filterFlag, ilmFlag
	optional.must, optional.def = false, everything
	managed.def = "true"
	act := singleton{kind: "open"} // any action on indices: it is not done
	values := bind(cmd, cmd.Flags(), []flag{patternFlag, optional, emptyFlag, managed, hiddenFlag})
	var t table
	flags := cmd.Flags()
	flags.BoolVar(&t.verbose, "verbose", false, "show state, size, documents, shards and age too")
	flags.BoolVar(&t.header, "header", false, "with --verbose, name the columns")
	flags.BoolVar(&t.epoch, "epoch", false, "with --verbose, show times as seconds since 1970")
	form := bind(cmd, flags, []flag{outputFlag})
	cmd.RunE = start.with(values, func(ctx context.Context, r *run) error {
		items, err := r.left(ctx, act, values, "show_indices")
		if err != nil || items == nil {
			return err
		}
		t.strict = r.strict
		return write(cmd.OutOrStdout(), items, form[0].text, indexLine, t.print)
	})
	return cmd
}

func newShowSnapshotsCommand(start starter) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show-snapshots",
		Short:   "Show snapshots",
		Example: `  curator cli show-snapshots --repository backups`,
		Args:    noArgs,
	}
	optional := filterFlag
	optional.must, optional.def = false, everything
	values := bind(cmd, cmd.Flags(), []flag{repositoryFlag, optional, emptyFlag})
	form := bind(cmd, cmd.Flags(), []flag{outputFlag})
	cmd.RunE = start.with(values, func(ctx context.Context, r *run) error {
		items, err := r.left(ctx, singleton{kind: "delete_snapshots"}, values, "show_snapshots")
		if err != nil || items == nil {
			return err
		}
		return write(cmd.OutOrStdout(), items, form[0].text, snapshotLine, table{}.print)
	})
	return cmd
}

// left returns what the filters leave, in the order of names; nil if that is nothing.
func (r *run) left(ctx context.Context, s singleton, values []*flagValue, what string) ([]filter.Item, error) {
	text, err := s.document(values, false)
	if err != nil {
		return nil, err
	}
	a, err := r.only(ctx, text, "curator cli "+what)
	if err != nil {
		return nil, err
	}
	c := r.cluster(a)
	items, err := r.items(ctx, c, a, simulation{})
	if err != nil {
		return nil, r.critical("Failed to complete action: %s. Exception: %v", what, err)
	}
	out, err := r.filter(ctx, c, r.filters(a), items)
	if err != nil {
		return nil, r.critical("Failed to complete action: %s. Exception: %v", what, err)
	}
	for _, warning := range out.Warnings {
		r.log.Warn(warning)
	}
	if len(out.Left) == 0 {
		return nil, r.emptyList(a)
	}
	slices.SortFunc(out.Left, func(a, b filter.Item) int { return cmp.Compare(a.Name, b.Name) })
	return out.Left, nil
}

// write prints items as text, or as a JSON object a line.
func write(w io.Writer, items []filter.Item, form string, object func(filter.Item) any, text func(io.Writer, []filter.Item) error) error {
	if form == "text" {
		return text(w, items)
	}
	for _, it := range items {
		line, err := json.Marshal(object(it))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, printableJSON(string(line))); err != nil {
			return err
		}
	}
	return nil
}

// printableJSON escapes what JSON allows in texts and a terminal may obey. A line break is never in a text.
func printableJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if cli.Unsafe(r) && r != '\n' {
			escaped := quote(string(r))
			b.WriteString(escaped[1 : len(escaped)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// indexLine is what JSON says of an index; what is not known of a closed one is left out.
func indexLine(it filter.Item) any {
	known := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return struct {
		Name     string     `json:"name"`
		UUID     string     `json:"uuid,omitempty"`
		State    string     `json:"state"`
		Health   string     `json:"health,omitempty"`
		Hidden   bool       `json:"hidden,omitempty"`
		Docs     *int64     `json:"docs,omitempty"`
		Bytes    *int64     `json:"bytes,omitempty"`
		Primary  *int64     `json:"primary_bytes,omitempty"`
		Shards   int        `json:"shards"`
		Replicas int        `json:"replicas"`
		Created  *time.Time `json:"created,omitempty"`
	}{it.Name, it.UUID, state(it), it.Health, it.Hidden, known(it.Docs), known(it.Size), known(it.PrimarySize), it.Shards, it.Replicas, instant(it.Created)}
}

// snapshotLine is what JSON says of a snapshot.
func snapshotLine(it filter.Item) any {
	return struct {
		Name    string     `json:"name"`
		UUID    string     `json:"uuid,omitempty"`
		State   string     `json:"state"`
		Started *time.Time `json:"started,omitempty"`
		Ended   *time.Time `json:"ended,omitempty"`
		Indices []string   `json:"indices,omitempty"`
	}{it.Name, it.UUID, it.State, instant(it.Created), instant(it.Ended), it.Indices}
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func state(it filter.Item) string {
	if it.Closed {
		return "close"
	}
	return "open"
}

// A table prints items as Curator 5.8.4 does.
type table struct {
	verbose, header, epoch bool
	strict                 bool // has a Z after seconds, too
}

func (t table) print(w io.Writer, items []filter.Item) error {
	if !t.verbose {
		for _, it := range items {
			if _, err := fmt.Fprintln(w, cli.Printable(it.Name)); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([][]string, 0, len(items))
	name, size, docs := 0, 0, 0
	for _, it := range items {
		row := []string{cli.Printable(it.Name), state(it), sizeText(it.Size), strconv.FormatInt(max(it.Docs, 0), 10),
			strconv.Itoa(it.Shards), strconv.Itoa(it.Replicas), t.time(it.Created)}
		name, size, docs = max(name, utf8.RuneCountInString(row[0])), max(size, len(row[2])), max(docs, len(row[3]))
		rows = append(rows, row)
	}
	created := 20
	heads := []string{"Index", "State", "Size", "Docs", "Pri", "Rep", "Creation Timestamp"}
	if t.epoch {
		heads[6], created = "creation_date", 13
	}
	line := func(r []string) string {
		return fmt.Sprintf("%-*s %5s %*s %*s %3s %3s %*s", name, r[0], r[1], size+1, r[2], docs+1, r[3], r[4], r[5], created, r[6])
	}
	if t.header {
		head := line(heads)
		if cli.Terminal(w) != nil && cli.Colours() {
			head = "\x1b[1m\x1b[4m" + head + "\x1b[0m"
		}
		if _, err := fmt.Fprintln(w, head); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, line(r)); err != nil {
			return err
		}
	}
	return nil
}

func (t table) time(created time.Time) string {
	switch {
	case created.IsZero():
		return "unknown"
	case t.epoch && t.strict:
		return strconv.FormatInt(created.Unix(), 10) + "Z"
	case t.epoch:
		return strconv.FormatInt(created.Unix(), 10)
	}
	return created.UTC().Format("2006-01-02T15:04:05Z")
}

// sizeText is a size as Curator has it: "0.0B", "1.5GB". What is not known is nothing.
func sizeText(bytes int64) string {
	n := float64(max(bytes, 0))
	for _, unit := range []string{"", "K", "M", "G", "T", "P"} {
		if n < 1024 {
			return fmt.Sprintf("%.1f%sB", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1fEB", n)
}
