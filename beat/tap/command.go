package tap

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/kql"
)

// outputs are the forms of -o.
var outputs = []string{"text", "ndjson"}

// NewCommand makes `podbeat tap`.
func NewCommand() *cobra.Command {
	var r Request
	var output string
	var duration time.Duration
	cmd := &cobra.Command{
		Use:   "tap [flags] [KQL]",
		Short: "Show events of the podbeat that runs here, live, as they come out of the processors",
		Long: `Tap shows the events that the running podbeat gives to its output, as they are after all processors, until it is interrupted.
The filter is in Kibana's query language, with logtui's short names of fields: level, namespace, pod, container, app, host, unit,
stream, time; a level stands for all words for it, so error finds err, too.

As text an event is a line: time, level, pod (or else container, unit or file) and message, or with --fields those fields. As
ndjson it is the whole event, as a queue's message is, with @metadata. On a terminal, control characters are shown and not obeyed.

The pipeline never waits for it. Events that this command, or what it writes to, is too slow for are left out, and so are events
that podbeat has no time to look at; both are counted on standard error. Where it has not said so, all events were looked at.`,
		Example: `  podbeat tap
  podbeat tap 'level: error and namespace: shop'
  podbeat tap --input containers -o ndjson --limit 100 > events.ndjson
  podbeat tap --filter 'message: timeout' --fields host.name,message --duration 10s
  podbeat tap --sample 1000`,
		Args:         cobra.ArbitraryArgs,
		SilenceUsage: true,
	}
	flags := cmd.Flags()
	client := SocketFlag(cmd)
	flags.StringVarP(&r.Filter, "filter", "f", "", "show only events that this `KQL` finds; it may be given as arguments, too")
	flags.StringVar(&r.Input, "input", "", "show only events of the input with this `ID`, or of this type")
	flags.StringSliceVar(&r.Fields, "fields", nil, "show only these `FIELDS`, separated by commas, also with *")
	flags.Int64VarP(&r.Limit, "limit", "n", 0, "end after so many `EVENTS`")
	flags.Int64Var(&r.Sample, "sample", 0, "show one of so `MANY` events")
	flags.StringVarP(&output, "output", "o", "text", "`FORM`: "+strings.Join(outputs, " or "))
	flags.DurationVar(&duration, "duration", 0, "end after this `TIME`, as 10s")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if text := strings.TrimSpace(strings.Join(args, " ")); text != "" {
			if r.Filter != "" {
				return errors.New("give the filter once: as arguments, or with --filter")
			}
			r.Filter = text
		}
		switch {
		case !slices.Contains(outputs, output):
			return fmt.Errorf("unknown output %q: want %s", output, strings.Join(outputs, " or "))
		case r.Limit < 0 || r.Sample < 0 || duration < 0:
			return errors.New("--limit, --sample and --duration cannot be below 0")
		}
		if _, err := matcher(r.Filter, time.Now()); err != nil {
			return pointed(r.Filter, err)
		}
		c, err := client()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		ended := fmt.Errorf("%v have passed", duration)
		if duration > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, duration, ended)
			defer cancel()
		}
		if r.Input != "" {
			if problem := c.missing(ctx, r.Input); problem != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "podbeat: %s\n", problem)
			}
		}
		err = show(ctx, c, r, output, cmd.OutOrStdout(), cmd.ErrOrStderr())
		if ctx.Err() != nil { // that is how it ends
			return nil
		}
		return err
	}
	return cmd
}

// pointed shows where a filter is wrong.
func pointed(filter string, err error) error {
	var wrong *kql.Error
	if errors.As(err, &wrong) && !strings.Contains(filter, "\n") {
		return fmt.Errorf("%w\n  %s\n  %s", err, cli.Printable(filter), wrong.Caret(filter))
	}
	return err
}

// textFields are those that a line of text is made of.
var textFields = []string{"log.level", "kubernetes.pod.name", "kubernetes.namespace", "container.name", "systemd.unit", "log.syslog.appname",
	"log.file.path", "host.name", "message"}

// show prints events until ctx ends, or the tap does.
func show(ctx context.Context, c *Client, r Request, output string, stdout, stderr io.Writer) error {
	out := bufio.NewWriterSize(stdout, 64<<10)
	p := printer{out: out, fields: r.Fields, terminal: cli.Terminal(stdout) != nil}
	p.colours = p.terminal && cli.Colours()
	event := p.json
	if output == "text" {
		event = p.text
		if len(r.Fields) == 0 {
			r.Fields = textFields
		}
	}
	var told Counts
	err := c.Tap(ctx, r, func(line []byte) error {
		if err := event(line); err != nil {
			return err
		}
		return out.Flush()
	}, func(now Counts) {
		if n := now.LeftOut - told.LeftOut; n > 0 {
			fmt.Fprintf(stderr, "podbeat: %d events are left out: they come faster than they are taken here\n", n)
		}
		if n := now.Unseen - told.Unseen; n > 0 {
			fmt.Fprintf(stderr, "podbeat: %d events were not looked at: they come faster than podbeat has time to\n", n)
		}
		told = now
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && p.n == 0 {
		fmt.Fprintf(stderr, "podbeat: no event was found: %v\n", cause)
	}
	return err
}

// A printer prints events.
type printer struct {
	out      *bufio.Writer
	fields   []string // of --fields
	terminal bool
	colours  bool
	n        int
	width    int // of the column of sources
}

// json prints an event as it came; on a terminal with what it would obey as escapes of JSON.
func (p *printer) json(line []byte) error {
	p.n++
	if !p.terminal {
		_, err := p.out.Write(line)
		return err
	}
	_, err := p.out.WriteString(escaped(strings.TrimSuffix(string(line), "\n")) + "\n")
	return err
}

// escaped writes what is not printable as escapes of JSON. A text of JSON has such characters only in strings.
func escaped(text string) string {
	if strings.IndexFunc(text, cli.Unsafe) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !cli.Unsafe(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// maxSource bounds the column of sources.
const maxSource = 40

// text prints an event as a line.
func (p *printer) text(line []byte) error {
	p.n++
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return fmt.Errorf("cannot read an event: %w", err)
	}
	get := func(field string) string {
		var all []string
		for _, v := range find(nil, doc, field) {
			all = append(all, valueText(v))
		}
		return strings.Join(all, ",")
	}
	at, err := time.Parse(time.RFC3339Nano, get(timeField))
	shown := at.Local().Format("2006-01-02 15:04:05.000")
	if err != nil {
		shown = cli.Printable(get(timeField))
	}
	cells := []string{p.styled("2", shown)}
	if len(p.fields) > 0 {
		for _, name := range p.fields {
			cells = append(cells, oneLine(p.valueOf(doc, name, get)))
		}
	} else {
		level := get("log.level")
		cells = append(cells, p.styled(colourOf(level), fmt.Sprintf("%-6s", cli.Printable(strings.ToUpper(cut(level, 12))))))
		source := cli.Printable(cut(p.source(get), maxSource))
		p.width = max(p.width, utf8.RuneCountInString(source))
		cells = append(cells, fmt.Sprintf("%-*s", p.width, source), oneLine(get("message")))
	}
	_, err = p.out.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	return err
}

// valueOf is a column of --fields: a field's value, or of a name for several fields what they have, each with its name.
func (p *printer) valueOf(doc map[string]any, name string, get func(string) string) string {
	if name == timeField {
		return ""
	}
	if !strings.Contains(name, "*") {
		return cmp.Or(get(name), "-")
	}
	var all []string
	leaves(doc, "", func(leaf string, v any) {
		if like(leaf, name) {
			all = append(all, leaf+"="+valueText(v))
		}
	})
	slices.Sort(all)
	return cmp.Or(strings.Join(all, " "), "-")
}

func valueText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// source says what an event is from: the pod with its namespace, or the next best.
func (p *printer) source(get func(string) string) string {
	if pod := get("kubernetes.pod.name"); pod != "" {
		if ns := get("kubernetes.namespace"); ns != "" {
			return ns + "/" + pod
		}
		return pod
	}
	path := get("log.file.path")
	return cmp.Or(get("container.name"), get("systemd.unit"), get("log.syslog.appname"), path[strings.LastIndexByte(path, '/')+1:], get("host.name"))
}

// oneLine is a text's first line, harmless, and how many follow.
func oneLine(s string) string {
	s = strings.TrimRight(s, "\r\n")
	first, rest, more := strings.Cut(s, "\n")
	first = cli.Printable(strings.ReplaceAll(strings.TrimSuffix(first, "\r"), "\t", "    "))
	if more {
		first += fmt.Sprintf(" …+%d", 1+strings.Count(rest, "\n"))
	}
	return first
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// colourOf is a level's, as a terminal's number.
func colourOf(level string) string {
	all := words(level)
	if all == nil {
		return ""
	}
	return map[string]string{"fatal": "1;31", "error": "31", "warn": "33", "debug": "2", "trace": "2"}[all[0]]
}

func (p *printer) styled(style, s string) string {
	if !p.colours || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}
