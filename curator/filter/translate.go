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
		t.put2(".", ".")
		return atom, nil
	}
	t.at++
	t.put(literal(c))
	return atom, nil
}

// literal writes a letter so that it stands for itself, in a class too.
func literal(c rune) string {
	if c < 0x80 && (unicode.IsPunct(c) || unicode.IsSymbol(c)) && c != '_' {
		return `\` + string(c)
	}
	if c == ' ' || c == '#' {
		return string(c)
	}
	return string(c)
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

// classes are the kinds of letters, for a place within brackets: in ASCII, in ASCII with (?a), and in Unicode.
var classes = map[rune]struct{ fast, ascii, unicode string }{
	'd': {`0-9`, `0-9`, `\d`},
	'w': {`0-9A-Za-z_`, `0-9A-Za-z_`, `\p{L}\p{N}_`},
	's': {`\t-\r\x1c-\x1f `, `\t-\r `, `\s\x1c-\x1f\x85`},
	'D': {`\x00-/:-\x7f`, `\x00-/:-` + last, `\D`},
	'W': {`\x00-/:-@\[-\^\x60{-\x7f`, `\x00-/:-@\[-\^\x60{-` + last, `\W`},
	'S': {`\x00-\x08\x0e-\x1b!-\x7f`, `\x00-\x08\x0e-\x1f!-` + last, `\S`},
}

const last = "\U0010ffff"

// classOf is one of classes for regexp and for regexp2.
func (t *translation) classOf(c rune) (fast, slow string) {
	kind := classes[c]
	switch {
	case t.ascii && c == 's':
		return kind.ascii, kind.ascii
	case t.ascii && c == 'S':
		return `\x00-\x08\x0e-\x1f!-\x7f`, kind.ascii
	case t.ascii:
		return kind.fast, kind.ascii
	}
	return kind.fast, kind.unicode
}

// escape reads behind a backslash, outside of a class.
func (t *translation) escape() (before, error) {
	if !t.more() {
		return atom, errEnd
	}
	c := t.in[t.at]
	switch c {
	case 'A':
		t.at++
		t.put(`\A`)
		return anchor, nil
	case 'Z':
		t.at++
		t.put(`\z`)
		return anchor, nil
	case 'b', 'B':
		t.at++
		_, word := t.classOf('w')
		word = "[" + word + "]"
		edge := `(?:(?<=` + word + `)(?!` + word + `)|(?<!` + word + `)(?=` + word + `))`
		if c == 'B' {
			edge = `(?:(?<=` + word + `)(?=` + word + `)|(?<!` + word + `)(?!` + word + `))`
		}
		t.put2(`\`+string(c), edge)
		return anchor, nil
	case 'd', 'w', 's', 'D', 'W', 'S':
		t.at++
		lower := unicode.ToLower(c)
		not := ""
		if lower != c {
			not = "^"
		}
		fast, slow := t.classOf(lower)
		t.put2("["+not+fast+"]", "["+not+slow+"]")
		return atom, nil
	}
	if c >= '1' && c <= '9' {
		if octal := t.octal(3); octal >= 0 {
			t.put(letter(rune(octal)))
			return atom, nil
		}
		n := int(c - '0')
		t.at++
		if t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '9' {
			n = n*10 + int(t.in[t.at]-'0')
			t.at++
		}
		return atom, t.refer(n)
	}
	r, err := t.code()
	t.put(letter(r))
	return atom, err
}

// letter is literal for any letter, control characters included.
func letter(c rune) string {
	if c < ' ' || c == 0x7f {
		return fmt.Sprintf(`\x%02x`, c)
	}
	return literal(c)
}

// octal reads exactly n octal digits; -1: there are none.
func (t *translation) octal(n int) int {
	if len(t.in)-t.at < n {
		return -1
	}
	v, err := strconv.ParseUint(string(t.in[t.at:t.at+n]), 8, 32)
	if err != nil || v > 0o377 {
		return -1
	}
	t.at += n
	return int(v)
}

// code reads the letter that an escape stands for.
func (t *translation) code() (rune, error) {
	if !t.more() {
		return 0, errEnd
	}
	c := t.in[t.at]
	t.at++
	if i := strings.IndexRune("abfnrtv", c); i >= 0 {
		return rune("\a\b\f\n\r\t\v"[i]), nil
	}
	switch n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]; {
	case n > 0:
		if len(t.in)-t.at < n {
			return 0, errEnd
		}
		v, err := strconv.ParseUint(string(t.in[t.at:t.at+n]), 16, 32)
		if err != nil || v > unicode.MaxRune || v >= 0xd800 && v < 0xe000 {
			return 0, fmt.Errorf(`\%c is followed by %d hexadecimal digits`, c, n)
		}
		t.at += n
		return rune(v), nil
	case c == '0':
		v := rune(0)
		for range 2 {
			if t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '7' {
				v = v*8 + t.in[t.at] - '0'
				t.at++
			}
		}
		return v, nil
	case c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c)):
		return 0, fmt.Errorf(`the escape \%c means nothing`, c)
	}
	return c, nil
}

// class reads behind an opening bracket.
func (t *translation) class() error {
	t.put("[")
	if t.take("^") {
		t.put("^")
	}
	for first := true; ; first = false {
		if !t.more() {
			return errors.New("an opening bracket without a closing one")
		}
		if !first && t.take("]") {
			t.put("]")
			return nil
		}
		low, set, err := t.member()
		if err != nil {
			return err
		}
		ranged := len(t.in)-t.at >= 2 && t.in[t.at] == '-' && t.in[t.at+1] != ']'
		if !ranged {
			if !set {
				t.put(letter(low))
			}
			continue
		}
		t.at++
		high, alsoSet, err := t.member()
		if err != nil {
			return err
		}
		if set || alsoSet || high < low {
			return errors.New("a range in brackets whose end is before its beginning, or no letter")
		}
		t.put2(letter(low)+"-"+letter(high), end(low)+"-"+end(high))
	}
}

// end writes the end of a range for regexp2, which takes an escaped hyphen there for something else.
func end(c rune) string {
	if c < 0x80 {
		return fmt.Sprintf(`\x%02x`, c)
	}
	return string(c)
}

// member reads one letter of a class, or writes a set such as \d.
func (t *translation) member() (c rune, set bool, err error) {
	c = t.in[t.at]
	if c != '\\' {
		t.at++
		return c, false, nil
	}
	t.at++
	if !t.more() {
		return 0, false, errEnd
	}
	c = t.in[t.at]
	if _, ok := classes[c]; ok {
		t.at++
		t.put2(t.classOf(c))
		return c, true, nil
	}
	if c >= '1' && c <= '9' {
		if octal := t.octal(3); octal >= 0 {
			return rune(octal), false, nil
		}
		return 0, false, fmt.Errorf(`the escape \%c means nothing in brackets`, c)
	}
	c, err = t.code()
	return c, false, err
}
