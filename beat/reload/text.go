package reload

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/elastic/go-ucfg/parse"
)

// A use is what becomes of the value of a reference.
type use struct {
	whole  bool // the reference is all of an option's value, as in `password: ${NAME}`; not a piece of a longer text
	needed bool // there is no default
}

// usage says for what ucfg calls a resolver. ucfg does not tell, so its functions are looked for among the callers. It
// parses what is whole, quotes and all; a piece is put into a text first.
func usage() use {
	const ucfg = "github.com/elastic/go-ucfg."
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	u := use{needed: true}
	for {
		frame, more := frames.Next()
		switch name := strings.TrimPrefix(frame.Function, ucfg); {
		case name == "(*splice).eval":
			return use{needed: u.needed}
		case name == "(*expansionDefault).eval", name == "(*expansionAlt).eval", name == "(*expansionErr).eval":
			u.needed = false
		case strings.HasSuffix(name, ".getValue"):
			u.whole = true
			return u
		}
		if !more {
			return use{needed: u.needed}
		}
	}
}

// becomesAnother says whether ucfg takes a text for a number or the like that does not look as the text does when it is
// written out again: 0123 becomes 83.
func becomesAnother(text string) bool {
	text = strings.TrimSpace(text)
	v, err := parse.ValueWithConfig(text, parse.NoopConfig)
	return err == nil && text != "" && fmt.Sprint(v) != text
}

// isPlainNumber says whether a text is a number, true or false that does look so: an option may want one.
func isPlainNumber(text string) bool {
	v, err := parse.ValueWithConfig(text, parse.NoopConfig)
	_, isText := v.(string)
	return err == nil && !isText && !becomesAnother(text)
}

// isSwitch says whether a text is one that ucfg takes for true or false, and only as long as it has no quotes.
func isSwitch(text string) bool {
	switch strings.TrimSpace(text) {
	case "on", "ON", "off", "OFF":
		return true
	}
	return false
}

// quoted is a text as ucfg reads it as a text, whatever it looks like. ucfg takes a quote after a backslash for one that
// does not end the text, so that neither is in it.
func quoted(text string) string {
	b := make([]byte, 0, 4*len(text)+2)
	b = append(b, '"')
	for i := range len(text) {
		b = fmt.Appendf(b, `\x%02x`, text[i])
	}
	return string(append(b, '"'))
}
