package command

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/take"
)

// Rows that are fetched at once, and printed without --limit.
const (
	pageRows  = 1000
	usualRows = 500
	tailRows  = 10
)

// A queryFlags are the choices of `logtui query`.
type queryFlags struct {
	*searchFlags
	output   string
	limit    int
	order    string
	reverse  bool
	tail     bool
	out      string
	force    bool
	explain  bool
	interval time.Duration
}

// outputs are the forms of -o beyond those of take.
var outputs = []string{"table", "ids", "count", "histogram", "message", "ndjson", "json", "raw", "csv", "tsv", "markdown"}

func newQueryCommand(p *program) *cobra.Command {
	q := &queryFlags{}
	cmd := &cobra.Command{
		Use:   "query [flags] [KQL]",
		Short: "Print the lines that a query finds",
		Long: `Prints the lines that a query finds, in a form that -o names:

  table      time, level, pod and message, or the fields of --columns, beneath each other (the default)
  message    the message, or the fields of --columns, a line each
  ndjson     whole documents, one on each line
  json       whole documents, as one array
  raw        whole documents, byte for byte as they were stored
  csv, tsv   the fields of --columns, with a header; csv as RFC 4180 has it
  markdown   the same as a table
  ids        index and id, with a tab between
  count      how many there are
  histogram  how many there are over time, by level

Without --limit these are the newest 500 lines of the time range, the oldest of them first. Documents without a time are
older than all others, and only --range all has them. If some of the indices do not answer, the lines of the others are
printed, and the exit code is 1. A --tail that is interrupted has done all that it was to do. Several words of KQL are put
together with spaces. On a terminal, control characters of the lines are shown instead of obeyed; files and pipes get
what was stored.`,
		Example: `  logtui query 'log.level: error and kubernetes.namespace: web' --last 1h -o ndjson
  logtui query --range today --limit 0 --out today.csv --columns @timestamp,kubernetes.pod.name,message
  logtui query --tail --namespace shop 'not log.level: debug'
  logtui query 'message: timeout' --last 7d -o histogram
  logtui query 'log.level: error' -o count`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	q.searchFlags = newSearchFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&q.output, "output", "o", "", "`FORM` of the lines: "+strings.Join(outputs, ", ")+" (default table, or what the name of --out ends in)")
	flags.IntVarP(&q.limit, "limit", "n", usualRows, "most `LINES` that are printed; 0: all")
	flags.StringVar(&q.order, "sort", "newest", "`ORDER`, and which lines: newest (the newest ones, the oldest of them first), asc (from the oldest one on), desc (from the newest one back)")
	flags.BoolVarP(&q.reverse, "reverse", "r", false, "the newest line first: --sort desc")
	flags.BoolVarP(&q.tail, "tail", "f", false, "print the newest 10 lines, or those of --limit, and go on with new ones as they come, until interrupted")
	flags.StringVar(&q.out, "out", "", "write all lines, or those of --limit, to this `FILE`, which appears when it is whole")
	flags.BoolVar(&q.force, "force", false, "replace the file of --out if it is there")
	flags.BoolVar(&q.explain, "explain", false, "print the request that is sent, what it costs and how it was answered, instead of the lines")
	flags.DurationVar(&q.interval, "interval", 0, "of -o histogram (default as fits the time range)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions([]string{"newest", "asc", "desc"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if text := strings.TrimSpace(strings.Join(args, " ")); text != "" {
			if q.scope.Text != "" {
				return cli.Usage("give the query once: as words, or with --query")
			}
			q.scope.Text = text
			_ = cmd.Flags().Set("query", text) // which is then given
		}
		if err := q.check(cmd); err != nil {
			return err
		}
		s, err := p.search(cmd, q.searchFlags)
		if err != nil {
			return err
		}
		return interrupted(q.run(cmd, s))
	}
	return cmd
}

// check says what in the flags does not go together, and completes them.
func (q *queryFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if q.out != "" && q.output == "" {
		q.output = take.FormatOf(q.out, take.NDJSON).String()
	}
	q.output = strings.ToLower(cmp.Or(q.output, "table"))
	if q.reverse {
		if given("sort") && q.order != "desc" {
			return cli.Usage("--reverse is --sort desc: give one of them")
		}
		q.order = "desc"
	}
	counted := q.output == "count" || q.output == "histogram"
	switch {
	case !slices.Contains(outputs, q.output):
		return cli.Usage("unknown --output %q; known are %s", q.output, strings.Join(outputs, ", "))
	case q.order != "newest" && q.order != "asc" && q.order != "desc":
		return cli.Usage("unknown --sort %q: want newest, asc or desc", q.order)
	case q.limit < 0:
		return cli.Usage("--limit is %d: want a number of lines, or 0 for all", q.limit)
	case q.tail && (counted || q.output == "json" || q.out != "" || q.explain || given("sort") || q.reverse):
		return cli.Usage("--tail goes on and on, from old to new: it does not go with --sort, --reverse, --out, --explain, -o count, histogram or json")
	case q.out != "" && (counted || q.output == "ids" || q.output == "table"):
		return cli.Usage("-o %s is not written to a file with --out: redirect it, or take another form", q.output)
	case q.out != "" && q.explain:
		return cli.Usage("--explain prints no lines: leave out --out")
	case given("out") && q.out == "":
		return cli.Usage("--out is empty: give the name of a file, or leave it out for standard output")
	case q.out == "-":
		return cli.Usage("--out - is no file: leave it out for standard output, or write ./-")
	case strings.HasSuffix(strings.ToLower(q.out), ".gz"):
		return cli.Usage("--out writes files that are not compressed: leave it out and pipe the lines through gzip")
	case q.force && q.out == "":
		return cli.Usage("--force is of --out")
	case q.interval < 0 || q.interval != 0 && q.output != "histogram":
		return cli.Usage("--interval is of -o histogram, as 5m")
	}
	if !given("limit") && q.out != "" {
		q.limit = 0
	}
	if !given("limit") && q.tail {
		q.limit = tailRows
	}
	return nil
}

func (q *queryFlags) run(cmd *cobra.Command, s *search) error {
	ctx, stdout := cmd.Context(), cmd.OutOrStdout()
	switch {
	case q.tail && !s.to.IsZero() && s.to.Before(s.now):
		return cli.Usage("--tail is of lines to come, and the time range ends before now")
	case q.explain:
		return q.explained(ctx, s, stdout)
	case q.output == "count":
		count, meta, err := s.view(nil).Count(ctx)
		if err != nil {
			return advised(err)
		}
		if _, err := fmt.Fprintln(stdout, number(count)); err != nil {
			return err
		}
		return whole(cmd, meta)
	case q.output == "histogram":
		return q.histogram(cmd, s)
	case q.out != "":
		return q.export(cmd, s)
	}
	out, columns := q.printer(s, stdout)
	view := s.view(columns)
	defer view.Close(context.WithoutCancel(ctx))
	began := time.Now()
	l := &lines{}
	rows, err := q.rows(ctx, view, l, out, cmd)
	if err == nil {
		err = l.tell(cmd, s, q.tail)
	}
	if err == nil && q.tail {
		err = q.follow(cmd, s, columns, began, rows, out)
	}
	if err == nil || errors.Is(err, context.Canceled) {
		if closed := out.Close(); closed != nil {
			err = closed
		}
	}
	if q.tail && errors.Is(err, context.Canceled) {
		return nil // that is how it ends
	}
	return err
}

// A printer prints rows as they come. Close prints what is last of all.
type printer interface {
	Write(rows []*source.Row) error
	Close() error
}

// printer returns what prints rows in the form that was asked for, and the fields that it needs.
func (q *queryFlags) printer(s *search, stdout io.Writer) (printer, []string) {
	n := s.source.Names()
	switch q.output {
	case "table":
		columns := s.columns(n.Time, n.Level, n.Pod, n.Message)
		return newTable(stdout, columns, n, s.context.Times()), columns
	case "ids":
		return &ids{to: harmless(stdout)}, []string{n.Time}
	}
	format, _ := take.ParseFormat(q.output)
	var columns []string
	switch {
	case format.Whole():
	case format == take.Message:
		columns = s.columns(n.Message)
	default:
		columns = s.columns(n.Time, n.Level, n.Namespace, n.Pod, n.Container, n.Message)
	}
	return newBuffered(harmless(stdout), format, columns), columns
}

// A buffered printer hands on what it has whenever it was given rows.
type buffered struct {
	*take.Writer
	to *bufio.Writer
}

func newBuffered(w io.Writer, format take.Format, columns []string) buffered {
	to := bufio.NewWriterSize(w, 64<<10)
	return buffered{take.NewWriter(to, format, columns), to}
}

func (b buffered) Write(rows []*source.Row) error {
	if err := b.Writer.Write(rows); err != nil {
		return err
	}
	return b.to.Flush()
}

func (b buffered) Close() error {
	if err := b.Writer.Close(); err != nil {
		return err
	}
	return b.to.Flush()
}

// ids prints index and id.
type ids struct{ to io.Writer }

func (p *ids) Write(rows []*source.Row) error {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(row.Index + "\t" + row.ID + "\n")
	}
	_, err := io.WriteString(p.to, b.String())
	return err
}

func (p *ids) Close() error { return nil }

// lines is what is known of lines that are read.
type lines struct {
	n       int
	partial string // why there may be more
	failed  bool   // because something failed
}

// add takes note of a page.
func (l *lines) add(page source.Page) {
	l.n += len(page.Rows)
	if l.partial == "" || page.Failed && !l.failed {
		l.partial, l.failed = page.Partial, page.Failed
	}
}

// err is that something failed, after which there may be more lines.
func (l *lines) err() error {
	if !l.failed {
		return nil
	}
	return errors.New("cannot read all lines: " + cli.Printable(l.partial))
}

// tell says that there are no lines, or may be more than those printed. That something failed is an error, unless the search goes on.
func (l *lines) tell(cmd *cobra.Command, s *search, on bool) error {
	if l.failed && !on {
		return l.err()
	}
	noteMeta(cmd, source.Meta{Partial: l.partial})
	if l.n == 0 {
		noteNone(cmd, s)
	}
	return nil
}

// rows prints the rows there are, and returns those of the end for a tail to go on from.
func (q *queryFlags) rows(ctx context.Context, view *source.View, l *lines, out printer, cmd *cobra.Command) ([]*source.Row, error) {
	if q.tail {
		page, err := newest(ctx, view, q.limit, l)
		if err != nil {
			return nil, advised(err)
		}
		return page, out.Write(page)
	}
	if q.order == "newest" && q.limit > 0 {
		rows, err := newest(ctx, view, q.limit, l)
		if err != nil {
			return nil, advised(err)
		}
		if len(rows) == q.limit && !cmd.Flags().Changed("limit") {
			defer fmt.Fprintf(cmd.ErrOrStderr(), "logtui: these are the newest %d lines; --limit 0 prints all\n", q.limit)
		}
		return nil, out.Write(rows)
	}
	dir := source.Newer
	if q.order == "desc" {
		dir = source.Older
	}
	return nil, q.each(ctx, view, dir, q.limit, l, out.Write)
}

// newest returns the newest n rows, oldest first.
func newest(ctx context.Context, view *source.View, n int, l *lines) ([]*source.Row, error) {
	var rows []*source.Row // newest first
	for n > len(rows) {
		var from *source.Row
		if len(rows) > 0 {
			from = rows[len(rows)-1]
		}
		page, err := view.Before(ctx, from, min(n-len(rows), pageRows))
		if err != nil {
			return nil, err
		}
		l.add(page)
		slices.Reverse(page.Rows)
		rows = append(rows, page.Rows...)
		if page.End || len(page.Rows) == 0 {
			break
		}
	}
	rows = rows[:min(n, len(rows))]
	slices.Reverse(rows)
	return rows, nil
}

// each hands on the rows of a view in a direction, page by page, at most n of them; 0: all.
func (q *queryFlags) each(ctx context.Context, view *source.View, dir source.Direction, n int, l *lines, each func([]*source.Row) error) error {
	var last *source.Row
	for left := n; n == 0 || left > 0; {
		size := pageRows
		if n > 0 {
			size = min(size, left)
		}
		var page source.Page
		var err error
		if dir == source.Newer {
			page, err = view.After(ctx, last, size)
		} else {
			page, err = view.Before(ctx, last, size)
			slices.Reverse(page.Rows)
		}
		if err != nil {
			return advised(err)
		}
		l.add(page)
		rows := page.Rows
		if n > 0 {
			rows = rows[:min(left, len(rows))]
		}
		if err := each(rows); err != nil {
			return err
		}
		left -= len(rows)
		if page.End || len(page.Rows) == 0 {
			return nil
		}
		last = page.Rows[len(page.Rows)-1]
	}
	return nil
}

// export writes the rows to a file.
func (q *queryFlags) export(cmd *cobra.Command, s *search) error {
	ctx := cmd.Context()
	format, err := take.ParseFormat(q.output)
	if err != nil {
		return err
	}
	_, columns := q.printer(s, io.Discard)
	progress := cli.NewProgress(cmd.ErrOrStderr())
	defer progress.End()
	total := int64(q.limit)
	count, meta, err := s.view(nil).Count(ctx)
	if err != nil {
		return advised(err)
	}
	noteMeta(cmd, meta)
	if total == 0 || count.N < total {
		total = count.N
	}
	e := take.Exporter{Path: q.out, Format: format, Columns: columns, Replace: q.force, Progress: func(rows, _ int64) { progress.Step(q.out, rows, total) }}
	progress.Step(q.out, 0, total)
	path, rows, size, err := e.Run(ctx, func(ctx context.Context, fields []string, each func([]*source.Row) error) error {
		view := s.view(fields)
		defer view.Close(context.WithoutCancel(ctx))
		l := &lines{}
		switch {
		case q.limit == 0 && q.order != "desc":
			return view.Export(ctx, fields, each)
		case q.order == "newest":
			all, err := newest(ctx, view, q.limit, l)
			if err = cmp.Or(err, l.err()); err != nil {
				return err
			}
			return each(all)
		case q.order == "desc":
			return cmp.Or(q.each(ctx, view, source.Older, q.limit, l, each), l.err())
		}
		return cmp.Or(q.each(ctx, view, source.Newer, q.limit, l, each), l.err())
	})
	progress.End()
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; --force replaces it", err)
	}
	if err != nil {
		return advised(err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "logtui: wrote %d lines, %s, to %s\n", rows, cli.Bytes(size), cli.Printable(path))
	return nil
}

// follow prints new rows as they come.
func (q *queryFlags) follow(cmd *cobra.Command, s *search, columns []string, began time.Time, shown []*source.Row, out printer) error {
	ctx := cmd.Context()
	from := began
	switch {
	case len(shown) > 0:
		from = time.Time{} // what is newer than those shown is new
	case q.limit > 0: // there was nothing: all that is there now is new
		from = time.Unix(0, 0)
		if !s.from.IsZero() {
			from = s.from
		}
	}
	query := source.Query{Filter: s.filter, Fields: columns}
	if s.to.After(began) {
		query.To = s.to
	}
	tail := s.source.Tail(query, from)
	tail.Known(shown)
	failed, partial := "", ""
	for {
		batch, err := tail.Poll(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			advice := source.Advice(err)
			if !advice.Retry {
				return advised(err)
			}
			if advice.Title != failed { // once, until it is over
				failed = advice.Title
				fmt.Fprintf(cmd.ErrOrStderr(), "logtui: %s. %s\n", cli.Printable(advice.Title), cli.Printable(advice.Do))
			}
		default:
			if failed != "" {
				failed = ""
				fmt.Fprintln(cmd.ErrOrStderr(), "logtui: the server answers again")
			}
			if batch.Skipped > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "logtui: %d lines are left out: there are more than can be fetched\n", batch.Skipped)
			}
			if batch.Partial != partial {
				partial = batch.Partial
				noteMeta(cmd, batch.Meta)
			}
			if err := out.Write(batch.Rows); err != nil {
				return err
			}
		}
		timer := time.NewTimer(tail.Every())
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// explained prints the request for a page of the rows, and what is to be said of it and its answer.
func (q *queryFlags) explained(ctx context.Context, s *search, stdout io.Writer) error {
	_, columns := q.printer(s, io.Discard)
	view := s.view(columns)
	defer view.Close(context.WithoutCancel(ctx))
	n := cmp.Or(min(q.limit, pageRows), pageRows)
	page, err := view.Before(ctx, nil, n)
	if q.order == "asc" {
		page, err = view.After(ctx, nil, n)
	}
	if err != nil {
		return advised(err)
	}
	var body any
	text := page.Request
	if json.Unmarshal(page.Request, &body) == nil {
		text, _ = json.MarshalIndent(body, "", "  ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s\n\n", page.Method, page.Path, text)
	fmt.Fprintf(&b, "%d lines; the server took %v of %v; %d shards, %d skipped, %d failed\n",
		len(page.Rows), page.Took, page.Elapsed.Round(time.Millisecond), page.Shards.Total, page.Shards.Skipped, page.Shards.Failed)
	if page.Partial != "" {
		fmt.Fprintf(&b, "not all: %s\n", page.Partial)
	}
	if query, err := scope.Parse(s.scope.Text, s.fields, s.source.Names()); err == nil {
		for _, cost := range query.Costs(s.fields) {
			fmt.Fprintf(&b, "slow: %s\n", cost)
		}
	}
	_, err = io.WriteString(harmless(stdout), b.String())
	return err
}

// noteNone says that a search found nothing, where, and what in the query may be why.
func noteNone(cmd *cobra.Command, s *search) {
	fmt.Fprintf(cmd.ErrOrStderr(), "logtui: no lines found in %s, time range %s\n", cli.Printable(s.source.Index()), cli.Printable(s.scope.Range.Text(s.context.Times().Location())))
	if query, err := scope.Parse(s.scope.Text, s.fields, s.source.Names()); err == nil {
		for _, cost := range query.Costs(s.fields) {
			fmt.Fprintf(cmd.ErrOrStderr(), "logtui: %s\n", cli.Printable(cost))
		}
	}
}

// whole says that an answer is not whole, as an error where that is because something failed.
func whole(cmd *cobra.Command, m source.Meta) error {
	if m.Failed {
		return errors.New("the answer is not whole: " + cli.Printable(m.Partial))
	}
	noteMeta(cmd, m)
	return nil
}

// noteMeta says that an answer is not whole.
func noteMeta(cmd *cobra.Command, m source.Meta) {
	if m.Partial != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "logtui: the answer is not whole: %s\n", cli.Printable(m.Partial))
	}
}
