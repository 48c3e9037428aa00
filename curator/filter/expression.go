package filter

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// An expression is a regular expression of Python 3.11. Go's regexp runs it in linear time where it can, on
// names in ASCII without line ends: there the two read it alike. For the rest there is regexp2, with a limit on
// its time, beyond which it is an error: never a match.
type expression struct {
	fast   *regexp.Regexp // nil: it has look-around, back-references …
	slow   *regexp2.Regexp
	groups int
}

// patience is how long regexp2 may look at one name.
const patience = time.Second

// longest is the most bytes an expression may have.
const longest = 10_000

// compile reads an expression as Python does, and refuses what Python refuses, but for look-behind of any length.
// anchored ones match only from
// the beginning of a name.
func compile(python string, anchored bool) (*expression, error) {
	if len(python) > longest {
		return nil, fmt.Errorf("the regular expression is longer than %d bytes", longest)
	}
	if !utf8.ValidString(python) {
		return nil, fmt.Errorf("the regular expression is not valid UTF-8")
	}
	t := &translation{in: []rune(python), names: map[string]int{}}
	if err := t.all(); err != nil {
		return nil, fmt.Errorf("the regular expression is wrong at letter %d: %w", t.at+1, err)
	}
	e := &expression{groups: t.groups}
	head, tail := t.flags, ""
	if anchored {
		head, tail = head+`\A(?:`, ")"
	}
	if !t.beyondRE2 {
		e.fast, _ = regexp.Compile(head + t.fast.String() + tail) // too large a repetition is for regexp2
	}
	var err error
	if e.slow, err = regexp2.Compile(head+t.slow.String()+tail, regexp2.None); err != nil {
		return nil, fmt.Errorf("the regular expression cannot be used: %w", err)
	}
	e.slow.MatchTimeout = patience
	return e, nil
}

// A found is where an expression matches.
type found struct {
	text    string // all of it
	group   string // the first group
	grouped bool   // the first group takes part
}

// search finds the first match anywhere in name; nil: there is none.
func (e *expression) search(name string) (*found, error) {
	plain := strings.IndexFunc(name, func(c rune) bool { return c == '\n' || c >= utf8.RuneSelf }) < 0
	if e.fast != nil && plain {
		at := e.fast.FindStringSubmatchIndex(name)
		if at == nil {
			return nil, nil
		}
		m := &found{text: name[at[0]:at[1]]}
		if len(at) > 2 && at[2] >= 0 {
			m.group, m.grouped = name[at[2]:at[3]], true
		}
		return m, nil
	}
	m, err := e.slow.FindStringMatch(name)
	if err != nil {
		return nil, fmt.Errorf("the regular expression takes more than %v for the name %s: make it simpler", patience, printable(name))
	}
	if m == nil {
		return nil, nil
	}
	f := &found{text: m.String()}
	if g := m.GroupByNumber(1); g != nil && len(g.Captures) > 0 {
		f.group, f.grouped = g.String(), true
	}
	return f, nil
}
