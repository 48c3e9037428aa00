package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A translation reads an expression of Python and writes it for Go's regexp (fast) and for regexp2 (slow).
// Groups lose their names, so that their numbers are Python's in both.
type translation struct {
	in    []rune
	at    int
	depth int

	fast, slow strings.Builder
	beyondRE2  bool   // fast is of no use
	flags      string // of the whole: "(?i)"
	ascii      bool   // (?a)
	verbose    bool   // (?x)

	groups int
	names  map[string]int
	open   []int // groups that are not closed yet
}

// deepest is the most groups within each other.
const deepest = 100

var errEnd = errors.New("it ends too early")

func (t *translation) put(s string) {
	t.fast.WriteString(s)
	t.slow.WriteString(s)
}

func (t *translation) put2(fast, slow string) {
	t.fast.WriteString(fast)
	t.slow.WriteString(slow)
}

func (t *translation) more() bool { return t.at < len(t.in) }

// take moves on if text comes next.
func (t *translation) take(text string) bool {
	r := []rune(text)
	if len(t.in)-t.at < len(r) || !slices.Equal(t.in[t.at:t.at+len(r)], r) {
		return false
	}
	t.at += len(r)
	return true
}

// until returns what comes before the next end, and moves behind it.
func (t *translation) until(end rune) (string, error) {
	for i := t.at; i < len(t.in); i++ {
		if t.in[i] == end {
			text := string(t.in[t.at:i])
			t.at = i + 1
			return text, nil
		}
	}
	return "", errEnd
}

func (t *translation) all() error {
	if err := t.globalFlags(); err != nil {
		return err
	}
	if err := t.alternatives(); err != nil {
		return err
	}
	if t.more() {
		return errors.New("a closing parenthesis without an opening one")
	}
	return nil
}

// globalFlags reads (?i) and its like, which stand at the beginning alone.
func (t *translation) globalFlags() error {
	for t.take("(?") {
		start := t.at
		for t.more() && strings.ContainsRune("aimsux", t.in[t.at]) {
			t.at++
		}
		if t.at == start || !t.more() || t.in[t.at] != ')' {
			t.at = start - 2
			return nil
		}
		for _, f := range t.in[start:t.at] {
			switch f {
			case 'a':
				t.ascii = true
			case 'x':
				t.verbose = true
			case 'i', 'm', 's':
				t.flags += "(?" + string(f) + ")"
			}
		}
		t.at++
	}
	return nil
}

// alternatives reads up to a closing parenthesis or the end.
func (t *translation) alternatives() error {
	if t.depth++; t.depth > deepest {
		return fmt.Errorf("more than %d groups within each other", deepest)
	}
	defer func() { t.depth-- }()
	for {
		if err := t.sequence(); err != nil {
			return err
		}
		if !t.take("|") {
			return nil
		}
		t.put("|")
	}
}

// What stands before a repetition.
type before int

const (
	nothing before = iota
	atom
	anchor   // ^ $ \b …: cannot be repeated
	repeated // cannot be repeated again
)

func (t *translation) sequence() error {
	last, from := nothing, 0
	for t.more() && t.in[t.at] != '|' && t.in[t.at] != ')' {
		c := t.in[t.at]
		if t.verbose && t.skip(c) {
			continue
		}
		if low, high, ok, err := t.repetition(); err != nil {
			return err
		} else if ok {
			if err := t.repeat(last, from, low, high); err != nil {
				return err
			}
			last = repeated
			continue
		}
		if t.take("(?#") {
			if _, err := t.until(')'); err != nil {
				return err
			}
			continue
		}
		from = t.slow.Len()
		var err error
		if last, err = t.one(c); err != nil {
			return err
		}
	}
	return nil
}

// skip passes over what (?x) makes a comment.
func (t *translation) skip(c rune) bool {
	switch {
	case strings.ContainsRune(" \t\n\r\v\f", c):
		t.at++
	case c == '#':
		for t.more() && t.in[t.at] != '\n' {
			t.at++
		}
	default:
		return false
	}
	return true
}

// repetition reads * + ? {2,3}; high is -1 without an end.
func (t *translation) repetition() (low, high int, ok bool, err error) {
	switch {
	case t.take("*"):
		return 0, -1, true, nil
	case t.take("+"):
		return 1, -1, true, nil
	case t.take("?"):
		return 0, 1, true, nil
	}
	start := t.at
	if !t.take("{") {
		return 0, 0, false, nil
	}
	first := t.digits()
	second, comma := first, t.take(",")
	if comma {
		second = t.digits()
	}
	if !t.take("}") || !comma && first == "" { // a brace that is none
		t.at = start
		return 0, 0, false, nil
	}
	low, high = 0, -1
	if first != "" {
		low, err = strconv.Atoi(first)
	}
	if second != "" && err == nil {
		high, err = strconv.Atoi(second)
	}
	switch {
	case err != nil || low > 1e6 || high > 1e6:
		err = errors.New("too large a repetition")
	case high >= 0 && high < low:
		err = errors.New("a repetition whose end is before its beginning")
	}
	return low, high, err == nil, err
}

func (t *translation) digits() string {
	start := t.at
	for t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '9' {
		t.at++
	}
	return string(t.in[start:t.at])
}

// repeat writes a repetition of what was written from there on.
func (t *translation) repeat(last before, from, low, high int) error {
	switch last {
	case nothing, anchor:
		return errors.New("nothing to repeat")
	case repeated:
		return errors.New("a repetition of a repetition")
	}
	text := fmt.Sprintf("{%d,%d}", low, high)
	switch {
	case low == 0 && high < 0:
		text = "*"
	case low == 1 && high < 0:
		text = "+"
	case low == 0 && high == 1:
		text = "?"
	case high < 0:
		text = fmt.Sprintf("{%d,}", low)
	}
	switch {
	case t.take("?"):
		t.put(text + "?")
	case t.take("+"): // gives nothing back: an atomic group for regexp2
		t.beyondRE2 = true
		slow := t.slow.String()
		t.slow.Reset()
		t.slow.WriteString(slow[:from] + "(?>" + slow[from:] + text + ")")
	default:
		t.put(text)
	}
	return nil
}

// one reads anything but a repetition.
func (t *translation) one(c rune) (before, error) {
	switch c {
	case '(':
		t.at++
		return t.group()
	case '[':
		t.at++
		return atom, t.class()
	case '\\':
		t.at++
		return t.escape()
	case '^', '$':
		t.at++
		t.put(string(c))
		return anchor, nil
	case '.':
		t.at++
		t.put(".")
		return atom, nil
	}
	t.at++
	t.put(letter(c))
	return atom, nil
}

// group reads behind an opening parenthesis.
func (t *translation) group() (before, error) {
	kind := atom
	number := 0
	switch {
	case !t.take("?"):
		number = t.newGroup("")
		t.put("(")
	case t.take(":"):
		t.put("(?:")
	case t.take("P<"):
		name, err := t.until('>')
		if err == nil {
			err = t.named(name)
		}
		if err != nil {
			return kind, err
		}
		number = t.newGroup(name)
		t.put("(")
	case t.take("P="):
		name, err := t.until(')')
		if err != nil {
			return kind, err
		}
		n, known := t.names[name]
		if !known {
			return kind, fmt.Errorf("no group has the name %q", name)
		}
		return kind, t.refer(n)
	case t.take("P"):
		return kind, errors.New("(?P is followed by <name> or =name")
	case t.take("("):
		return kind, t.conditional()
	default:
		if err := t.extension(); err != nil {
			return kind, err
		}
	}
	if number > 0 {
		t.open = append(t.open, number)
	}
	if err := t.alternatives(); err != nil {
		return kind, err
	}
	if !t.take(")") {
		return kind, errors.New("an opening parenthesis without a closing one")
	}
	if number > 0 {
		t.open = t.open[:len(t.open)-1]
	}
	t.put(")")
	return kind, nil
}

// extension reads look-around, atomic groups and flags of a group.
func (t *translation) extension() error {
	for _, look := range []string{"=", "!", "<=", "<!", ">"} {
		if t.take(look) {
			t.beyondRE2 = true
			t.put("(?" + look)
			return nil
		}
	}
	flags, err := t.until(':')
	if err != nil || flags == "" || strings.Trim(strings.Replace(flags, "-", "", 1), "ims") != "" || strings.HasSuffix(flags, "-") {
		return errors.New("(? is followed by what is not known; flags such as (?i) stand at the beginning, or as (?i:…)")
	}
	t.put("(?" + flags + ":")
	return nil
}

// conditional reads (?(1)yes|no).
func (t *translation) conditional() error {
	text, err := t.until(')')
	if err != nil {
		return err
	}
	n, known := t.names[text]
	if !known {
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > t.groups {
			return fmt.Errorf("there is no group %q before", text)
		}
	}
	t.beyondRE2 = true
	t.put(fmt.Sprintf("(?(%d)", n))
	for branch := 0; ; branch++ {
		if err := t.sequence(); err != nil {
			return err
		}
		if t.take(")") {
			t.put(")")
			return nil
		}
		if !t.take("|") || branch > 0 {
			return errors.New("a conditional group has at most two branches")
		}
		t.put("|")
	}
}

func (t *translation) named(name string) error {
	for i, c := range name {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return fmt.Errorf("%q is no name of a group", name)
		}
	}
	if _, twice := t.names[name]; twice || name == "" {
		return fmt.Errorf("%q names no group, or two", name)
	}
	return nil
}

func (t *translation) newGroup(name string) int {
	t.groups++
	if name != "" {
		t.names[name] = t.groups
	}
	return t.groups
}

// refer writes a reference to what group n has matched.
func (t *translation) refer(n int) error {
	if n < 1 || n > t.groups || slices.Contains(t.open, n) {
		return fmt.Errorf("there is no group %d before", n)
	}
	t.beyondRE2 = true
	t.put(fmt.Sprintf(`(?:\%d)`, n))
	return nil
}
