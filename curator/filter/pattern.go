package filter

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/podbeat/podbeat/curator/setting"
)

// Pattern matches names. The value is a regular expression in each kind but timestring: `log.` matches `logX`.
type Pattern struct {
	// Where the value is looked for: at the beginning of the name, at its end, anywhere (regex), or anywhere
	// as a date (timestring).
	Kind string `config:"kind" required:"true" oneof:"prefix|suffix|timestring|regex"`
	// Regular expression of Python, or with `kind: timestring` a date like `%Y.%m.%d`.
	Value string `config:"value" required:"true"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`

	regex *expression
}

func (*Pattern) Type() string { return "pattern" }

func (f *Pattern) of(Kind) error {
	source := f.Value
	switch f.Kind {
	case "prefix":
		source = "^" + source + ".*$"
	case "suffix":
		source = "^.*" + source + "$"
	case "timestring":
		source = "^.*" + dateRegex(source) + ".*$"
	}
	var err error
	if f.regex, err = compile(source, false); err != nil {
		return setting.Wrong("value", "value %s: %v", setting.Show(f.Value), err)
	}
	return nil
}

func (*Pattern) check(bool) error { return nil }

func (f *Pattern) apply(r *run) error {
	r.looks()
	what := f.Kind + " " + printable(f.Value)
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		m, err := f.regex.search(it.Name)
		if m == nil {
			return verdict{why: "its name does not match " + what}, err
		}
		return verdict{match: true, why: "its name matches " + what}, nil
	})
}

// printable returns text for a line of a log or a terminal: as it is, or quoted if anything in it would not show.
func printable(text string) string {
	if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}
