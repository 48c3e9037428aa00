package scope

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/kql"
)

// A Chip is one filter beside the query: a field's value, that a field is there, or any query. All chips of a scope must hold.
type Chip struct {
	Field, Value string // the value may be that of a row's cell: it is compared as a whole, or as a phrase where the field is a text
	Exists       bool   // Field is there, whatever its value
	Query        string // KQL, in place of field and value

	Not    bool // what the chip says must not hold
	Off    bool // it stays, and filters nothing
	Pinned bool // it stays when another context or a saved query is opened
}

// String writes the chip as ParseChip reads it: KQL, after "off" and "pinned" if it is that.
func (c Chip) String() string {
	var b strings.Builder
	if c.Off {
		b.WriteString("off ")
	}
	if c.Pinned {
		b.WriteString("pinned ")
	}
	b.WriteString(c.KQL())
	return b.String()
}

// KQL is the chip as a query, on or off.
func (c Chip) KQL() string {
	text := c.Query
	switch {
	case c.Field != "" && c.Exists:
		text = kql.Name(c.Field) + ": *"
	case c.Field != "":
		text = kql.Name(c.Field) + ": " + kql.Quote(c.Value)
	case c.Not:
		text = "(" + text + ")"
	}
	if c.Not {
		return "not " + text
	}
	return text
}

// Label is a short text of the chip for people: without the escapes and the states that are shown otherwise.
func (c Chip) Label() string {
	switch {
	case c.Field != "" && c.Exists:
		return c.Field + ": *"
	case c.Field != "":
		return c.Field + ": " + c.Value
	}
	return c.Query
}

// ParseChip reads KQL as a chip: `field: value` and `not field: value`, with * for any value, and every other query as one. "off" and "pinned"
// may stand before it. Wrong KQL is an error.
func ParseChip(text string) (Chip, error) {
	var c Chip
	rest := strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd"))
	for _, state := range []struct {
		word string
		is   *bool
	}{{"off ", &c.Off}, {"pinned ", &c.Pinned}} {
		if after, ok := strings.CutPrefix(rest, state.word); ok {
			rest, *state.is = strings.TrimSpace(after), true
		}
	}
	if rest == "" {
		return Chip{}, fmt.Errorf("cannot use %q as a filter: write KQL, such as log.level: error", text)
	}
	c.Query = rest
	if len(rest) > 4 && strings.EqualFold(rest[:4], "not ") {
		inner := strings.TrimSpace(rest[4:])
		switch simple, ok := readSimple(inner); {
		case ok:
			simple.Not, simple.Off, simple.Pinned = true, c.Off, c.Pinned
			return simple, nil
		case enclosed(inner) && strings.TrimSpace(inner[1:len(inner)-1]) != "":
			c.Not, c.Query = true, strings.TrimSpace(inner[1:len(inner)-1])
		}
	}
	if _, err := kql.Parse(c.Query); err != nil {
		return Chip{}, fmt.Errorf("cannot use %q as a filter: %w", text, err)
	}
	if simple, ok := readSimple(c.Query); ok && !c.Not {
		simple.Off, simple.Pinned = c.Off, c.Pinned
		return simple, nil
	}
	return c, nil
}

var simpleChip = regexp.MustCompile(`(?s)^("(?:[^"\\]|\\.)*"|[^\s:"()<>{}*]+)\s*:\s*("(?:[^"\\]|\\.)*"|[^\s"()<>{}:]+)$`)

// readSimple reads a field with one value; ok is false if the text is another query.
func readSimple(text string) (c Chip, ok bool) {
	m := simpleChip.FindStringSubmatch(text)
	if m == nil {
		return Chip{}, false
	}
	c = Chip{Field: unquote(m[1]), Exists: m[2] == "*", Value: unquote(m[2])}
	if c.Exists {
		c.Value = ""
	}
	given, err := kql.Parse(text)
	same, failed := kql.Parse(c.KQL())
	if err != nil || failed != nil || c.Field == "" || given.String() != same.String() {
		return Chip{}, false
	}
	return c, true
}

// enclosed says whether the parenthesis that s begins with is closed by its last character.
func enclosed(s string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
			continue
		case s[i] == '"':
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		}
		if depth == 0 {
			return i > 1 && i == len(s)-1
		}
	}
	return false
}

var escapes = regexp.MustCompile(`(?s)\\(u[0-9A-Fa-f]{4}|.)`)

// unquote is the text that KQL means by a word, with quotes or without.
func unquote(s string) string {
	if strings.HasPrefix(s, `"`) {
		s = s[1 : len(s)-1]
	}
	return escapes.ReplaceAllStringFunc(s, func(e string) string {
		switch e = e[1:]; {
		case len(e) == 5 && e[0] == 'u':
			r, _ := strconv.ParseUint(e[1:], 16, 16)
			return string(rune(r))
		case e == "n":
			return "\n"
		case e == "r":
			return "\r"
		case e == "t":
			return "\t"
		}
		return e
	})
}
