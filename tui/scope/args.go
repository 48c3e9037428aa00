package scope

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/podbeat/podbeat/tui/when"
)

// Flags adds the flags of a scope to a command line, the same for all of logtui's commands. When they are parsed, settle has to be
// called: it puts together what the flags of the time range say and reports what is wrong in them.
func Flags(fs *pflag.FlagSet, s *Scope) (settle func(now time.Time, zone *time.Location) error) {
	fs.StringVarP(&s.Index, "index", "i", s.Index, "index, alias or `PATTERN` to look into (default that of the context)")
	fs.StringVarP(&s.Text, "query", "q", s.Text, "`KQL`, or Lucene's language after lucene:")
	fs.Var((*chipFlag)(s), "chip", "a further filter, as `KQL`; may be given several times. The words off and pinned may stand before it")
	var span, last, from, to string
	fs.StringVar(&span, "range", "", "time range as `TEXT`: last 15m, today, 2026-11-20 10:00 to 11:00, all")
	fs.StringVar(&last, "last", "", "time range of this `DURATION` up to now: 15m, 3h, 7d")
	fs.StringVar(&from, "from", "", "begin of the time range: an `INSTANT`, or -3h")
	fs.StringVar(&to, "to", "", "end of the time range: an `INSTANT`, or -1h (default: open)")
	fs.Var(&s.Lens, "lens", "kind of logs: all, console (of containers) or application (files and pushed)")
	for level, name := range levelNames {
		fs.StringVar(&s.Path[level], name, s.Path[level], "only logs of this `"+strings.ToUpper(name)+"`")
	}
	fs.StringSliceVar(&s.Columns, "columns", s.Columns, "`FIELDS` to show, separated by commas")
	return func(now time.Time, zone *time.Location) error {
		given := 0
		for _, alone := range []string{span, last, from + to} {
			if alone != "" {
				given++
			}
		}
		var err error
		switch {
		case given > 1:
			return errors.New("give the time range in one way: --range, --last, or --from and --to")
		case span != "":
			s.Range, err = when.Parse(span, now, zone)
		case last != "":
			s.Range, err = when.Parse("last "+last, now, zone)
		case given > 0:
			s.Range, err = between(from, to, now, zone)
		}
		return err
	}
}

// between is the range from one instant to another; one may be missing.
func between(from, to string, now time.Time, zone *time.Location) (when.Range, error) {
	switch {
	case to == "":
		return when.Parse("since "+instant(from), now, zone)
	case from == "":
		return when.Parse("until "+instant(to), now, zone)
	}
	return when.Parse(instant(from)+" to "+instant(to), now, zone)
}

var ago = regexp.MustCompile(`^-\d+\w+$`)

// instant has -3h mean that before now.
func instant(s string) string {
	if ago.MatchString(s) {
		return "now" + s
	}
	return s
}

// Args are the arguments of logtui, and of `logtui query`, that open the scope in a context; "": in the current one.
func (s Scope) Args(context string) []string {
	var args []string
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name, value)
		}
	}
	add("context", context)
	add("index", s.Index)
	add("query", s.Text)
	for _, c := range s.Chips {
		add("chip", c.String())
	}
	add("range", s.Range.String())
	if s.Lens != All {
		add("lens", s.Lens.String())
	}
	for level, value := range s.Path {
		add(levelNames[level], value)
	}
	add("columns", strings.Join(s.Columns, ","))
	return args
}

// Command writes a program's name and arguments as a line for a POSIX shell.
func Command(program string, args []string) string {
	line := []string{program}
	for _, arg := range args {
		if arg == "" || unsafe.MatchString(arg) {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line = append(line, arg)
	}
	return strings.Join(line, " ")
}

var unsafe = regexp.MustCompile(`[^\w@%+:,./-]`)

// Set reads a lens as the value of a flag.
func (l *Lens) Set(name string) error {
	lens, err := ParseLens(name)
	*l = lens
	return err
}

// Type is what the help calls its value.
func (l *Lens) Type() string { return "LENS" }

// A chipFlag adds a chip for each time it is given.
type chipFlag Scope

func (f *chipFlag) Set(text string) error {
	c, err := ParseChip(text)
	if err != nil {
		return err
	}
	f.Chips = append(f.Chips, c)
	return nil
}

func (f *chipFlag) String() string { return "" }

func (f *chipFlag) Type() string { return "KQL" }
