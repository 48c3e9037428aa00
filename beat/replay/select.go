package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/store/mapping"
)

// A selection says which letters are asked for.
type selection struct {
	types, indices []string // patterns; none is all
	filter         string
	holds          func(kql.Doc) bool
}

func (s *selection) prepare(now time.Time) error {
	for _, pattern := range slices.Concat(s.types, s.indices) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("cannot read pattern %q: %w", pattern, err)
		}
	}
	q, err := kql.Parse(s.filter)
	if err != nil {
		return fmt.Errorf("--filter: %w", err)
	}
	if s.holds, err = q.Matcher(nil, kql.Options{}, now); err != nil {
		return fmt.Errorf("--filter: %w", err)
	}
	return nil
}

func (s *selection) asksFor(l *letter) bool {
	return oneOf(s.types, l.kind) && oneOf(s.indices, l.index) && (s.filter == "" || s.holds(l.values))
}

func oneOf(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

// values are those of the event's field, as a document of Elasticsearch has them.
func (l *letter) values(field string) []any {
	switch field {
	case "@timestamp":
		return []any{l.event.Timestamp.UTC().Format(time.RFC3339Nano)}
	case "_id":
		return []any{l.event.Meta["_id"]}
	case "_index":
		return []any{l.index}
	}
	return collect(nil, l.event.Fields, field)
}

// collect appends the values below v whose path is field, in which * stands for any characters.
func collect(out []any, v any, field string) []any {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			out = collect(out, item, field)
		}
		return out
	case common.MapStr:
		if field == "" {
			return append(out, v)
		}
		if strings.Contains(field, "*") {
			for name, inner := range flat(v) {
				if mapping.Like(field, name) {
					out = append(out, inner)
				}
			}
			return out
		}
		for name, inner := range v {
			if name == field {
				out = collect(out, inner, "")
			} else if rest, ok := strings.CutPrefix(field, name+"."); ok {
				out = collect(out, inner, rest)
			}
		}
		return out
	}
	if field == "" {
		out = append(out, v)
	}
	return out
}

// flat goes through the fields of m by their whole names; of a list, through each value.
func flat(m common.MapStr) func(yield func(string, any) bool) {
	var walk func(name string, v any, yield func(string, any) bool) bool
	walk = func(name string, v any, yield func(string, any) bool) bool {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				if !walk(name, item, yield) {
					return false
				}
			}
			return true
		case common.MapStr:
			for inner, item := range v {
				if !walk(strings.TrimPrefix(name+"."+inner, "."), item, yield) {
					return false
				}
			}
			return true
		}
		return yield(name, v)
	}
	return func(yield func(string, any) bool) { walk("", m, yield) }
}

// A Group are the dead letters of one type for one index or topic.
type Group struct {
	Type, Index    string
	Letters, Bytes int64
	Oldest, Newest time.Time // of their events
	Reason         string    // of the last that was read
}

// A Survey is what is in files of dead letters.
type Survey struct {
	Groups          []Group // the largest first
	Filtered        int     // letters that are not asked for
	Unreadable      int     // lines that are no letters
	FirstUnreadable string
}

// maxGroups bounds a survey. What is in none of these is in a group of its own, without a type.
const maxGroups = 1000

// Look says what is in files of dead letters, which it reads in this order.
func Look(ctx context.Context, names []string) (Survey, error) {
	var o options
	for _, name := range names {
		f, err := openFile(name)
		if err != nil {
			return Survey{}, err
		}
		defer f.Close()
		o.files = append(o.files, f)
	}
	return o.look(ctx)
}

func (o *options) look(ctx context.Context) (Survey, error) {
	type key struct{ kind, where string }
	groups := map[key]*Group{}
	r := replay{options: *o}
	for _, f := range o.files {
		line := 0
		err := f.lines(func(text []byte) bool {
			line++
			l := r.want(f, line, text)
			if l == nil {
				return ctx.Err() == nil
			}
			k := key{l.kind, cmp.Or(l.index, l.topic)}
			if groups[k] == nil && len(groups) >= maxGroups {
				k = key{"", "(others)"}
			}
			at := l.event.Timestamp
			g := groups[k]
			if g == nil {
				g = &Group{Type: k.kind, Index: k.where, Oldest: at, Newest: at}
				groups[k] = g
			}
			g.Letters, g.Bytes, g.Reason = g.Letters+1, g.Bytes+int64(len(text)), l.reason
			if at.Before(g.Oldest) {
				g.Oldest = at
			} else if at.After(g.Newest) {
				g.Newest = at
			}
			return ctx.Err() == nil
		})
		if err != nil {
			return Survey{}, err
		}
	}
	s := Survey{Filtered: r.total.filtered, Unreadable: r.total.unreadable, FirstUnreadable: r.total.firstUnreadable}
	for _, g := range groups {
		s.Groups = append(s.Groups, *g)
	}
	slices.SortFunc(s.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Index, b.Index))
	})
	return s, ctx.Err()
}

// survey prints what is in the files.
func (o *options) survey(ctx context.Context, w io.Writer) error {
	s, err := o.look(ctx)
	if errors.Is(err, context.Canceled) {
		return cli.Exit{Code: exitInterrupted}
	}
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LETTERS\tSIZE\tTYPE\tINDEX OR TOPIC\tOLDEST\tNEWEST")
	letters := int64(0)
	for _, g := range s.Groups {
		letters += g.Letters
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", g.Letters, cli.Bytes(g.Bytes), cli.Printable(g.Type), cli.Printable(g.Index), stamp(g.Oldest), stamp(g.Newest))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d letters; %d more are left out by the filters, %d are unreadable\n", letters, s.Filtered, s.Unreadable)
	if s.FirstUnreadable != "" {
		fmt.Fprintf(w, "unreadable: %s\n", cli.Printable(s.FirstUnreadable))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
