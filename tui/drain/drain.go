// Package drain finds the patterns that lines of a log were made from: lines that differ only in numbers, names and addresses are
// counted together, and what differs is written <*>.
//
// It follows the idea of Drain (He et al., 2017): a line is compared only with patterns of the same build, and joins the one that it
// is most like if enough words are the same. Where Drain looks up its first words, this looks up the order of words, spaces and
// punctuation, so that lines that begin with a name are found to be alike, too. Memory is bounded, and the same lines in the same
// order always give the same patterns. It must not be used by several goroutines at once.
package drain

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
)

// Bounds: bytes of a line and its tokens that are looked at, patterns of one build, and patterns at all. Lines for which there is no
// place join what they are most like.
const (
	bytesMax    = 2000
	tokensMax   = 120
	buildMax    = 100
	clustersMax = 2000
)

// Wild is what stands for anything in a template.
const Wild = "<*>"

// A Cluster is the lines of one pattern.
type Cluster struct {
	Template    string // the first line, with <*> for what differs
	Count       int
	Levels      [source.Levels]int // lines of each level
	First, Last time.Time          // zero if no line had a time
	Sample      string             // the first of the lines, whole but for its end if it is very long

	tokens []token
	longer bool // some messages have more lines, or space at the end, or more than was looked at
}

// A Miner finds patterns.
type Miner struct {
	builds map[string][]*Cluster
	n      int
	rest   *Cluster
}

// New returns a miner that has seen nothing.
func New() *Miner { return &Miner{builds: map[string][]*Cluster{}} }

// Add counts a line and returns its pattern, which may still change. Of a message with several lines the first one decides.
func (m *Miner) Add(line string, level source.Level, t time.Time) *Cluster {
	tokens, build, longer := read(line)
	all := m.builds[build]
	best, most := -1, 0.0
	for i, c := range all {
		if like := c.like(tokens); like > most {
			best, most = i, like
		}
	}
	full := m.n == clustersMax || len(all) == buildMax
	var c *Cluster
	switch {
	case best >= 0 && (most >= alike || full):
		c = m.merge(build, best, tokens)
	case !full:
		c = &Cluster{tokens: tokens, Template: template(tokens)}
		m.builds[build] = append(all, c)
		m.n++
	case m.rest == nil:
		m.rest = &Cluster{Template: Wild, tokens: []token{{wild: true}}}
		fallthrough
	default:
		c = m.rest
	}
	if c.Count == 0 {
		c.Sample = strings.Clone(line[:min(len(line), bytesMax)])
	}
	c.Count++
	c.Levels[min(int(level), source.Levels-1)]++
	c.longer = c.longer || longer
	c.saw(t, t)
	return c
}

// Clusters returns the patterns, those of most lines first. They change when lines are added.
func (m *Miner) Clusters() []*Cluster {
	var all []*Cluster
	for _, clusters := range m.builds {
		all = append(all, clusters...)
	}
	if m.rest != nil {
		all = append(all, m.rest)
	}
	slices.SortFunc(all, func(a, b *Cluster) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Template, b.Template), strings.Compare(a.Sample, b.Sample))
	})
	return all
}

// merge makes a pattern stand for these tokens, too. If it becomes the same as another one, they become one.
func (m *Miner) merge(build string, at int, tokens []token) *Cluster {
	all := m.builds[build]
	c, changed := all[at], false
	for i := range c.tokens {
		t := &c.tokens[i]
		t.odd = t.odd || tokens[i].odd
		if !t.wild && t.text != tokens[i].text {
			t.wild, t.text, changed = true, "", true
		}
	}
	if !changed {
		return c
	}
	c.Template = template(c.tokens)
	for i, other := range all {
		if other != c && other.Template == c.Template {
			first, second := min(i, at), max(i, at)
			all[first].add(all[second])
			m.builds[build] = slices.Delete(all, second, second+1)
			m.n--
			return all[first]
		}
	}
	return c
}

func (c *Cluster) add(other *Cluster) {
	c.Count += other.Count
	for i, n := range other.Levels {
		c.Levels[i] += n
	}
	c.longer = c.longer || other.longer
	c.saw(other.First, other.Last)
}

func (c *Cluster) saw(first, last time.Time) {
	if !first.IsZero() && (c.First.IsZero() || first.Before(c.First)) {
		c.First = first
	}
	if last.After(c.Last) {
		c.Last = last
	}
}

// alike is the share of words that must be the same.
const alike = 0.6

// like is the share of words that are the same among those that are words in one of both; 1 if there are none.
func (c *Cluster) like(tokens []token) float64 {
	same, words := 0, 0
	for i, t := range tokens {
		if t.sign || t.wild && c.tokens[i].wild {
			continue
		}
		words++
		if !t.wild && !c.tokens[i].wild && t.text == c.tokens[i].text {
			same++
		}
	}
	if words == 0 {
		return 1
	}
	return float64(same) / float64(words)
}

// Matches tells whether a line is of this pattern.
func (c *Cluster) Matches(line string) bool {
	tokens, build, _ := read(line)
	if len(tokens) != len(c.tokens) || build != buildOf(c.tokens) {
		return false
	}
	for i, t := range c.tokens {
		if !t.wild && (tokens[i].wild || t.text != tokens[i].text) {
			return false
		}
	}
	return true
}

// Query returns KQL that finds the lines of this pattern in a text field: what stands between the parts that differ, as phrases. It
// may find others that have the same phrases. For a field whose name ends with .keyword, see Keyword.
func (c *Cluster) Query(field string) string {
	if strings.HasSuffix(field, ".keyword") {
		return c.Keyword(field)
	}
	var phrases []string
	for _, words := range c.pieces() {
		for len(words) > 0 && words[0].sign {
			words = words[1:]
		}
		for len(words) > 0 && words[len(words)-1].sign {
			words = words[:len(words)-1]
		}
		if phrase := template(words); strings.ContainsFunc(phrase, word) && !slices.Contains(phrases, phrase) {
			phrases = append(phrases, phrase)
		}
	}
	switch len(phrases) {
	case 0:
		return c.anything(field)
	case 1:
		return kql.Name(field) + ": " + kql.Quote(phrases[0])
	}
	for i, phrase := range phrases {
		phrases[i] = kql.Quote(phrase)
	}
	return kql.Name(field) + ": (" + strings.Join(phrases, " and ") + ")"
}

// Keyword returns KQL that finds the lines of this pattern in a keyword field, whose values are compared as a whole.
func (c *Cluster) Keyword(field string) string {
	var out strings.Builder
	exact := true
	star := func() {
		if !strings.HasSuffix(out.String(), "*") || strings.HasSuffix(out.String(), `\*`) {
			out.WriteByte('*')
		}
		exact = false
	}
	for i, t := range c.tokens {
		switch {
		case t.odd:
			star()
		case t.gap && i > 0:
			out.WriteByte(' ')
		}
		if t.wild {
			star()
		} else {
			out.WriteString(escape(t.text))
		}
	}
	if c.longer {
		star()
	}
	words := strings.Split(out.String(), " ")
	for i, w := range words {
		if l := strings.ToLower(w); l == "and" || l == "or" || l == "not" {
			words[i] = `\` + w
		}
	}
	value := strings.Join(words, " ")
	if strings.HasPrefix(value, "/") { // not a regular expression
		value = `\` + value
	}
	switch {
	case value == "" || value == "*":
		return c.anything(field)
	case exact:
		return kql.Name(field) + ": " + kql.Quote(c.Template)
	default:
		return kql.Name(field) + ": " + value
	}
}

func (c *Cluster) anything(field string) string {
	if len(c.tokens) == 0 {
		return "not " + kql.Name(field) + ": *"
	}
	return kql.Name(field) + ": *"
}

// pieces are the tokens between those that differ, without words that the analyzer may have joined with what differs: those with
// only a colon or an apostrophe in between.
func (c *Cluster) pieces() (all [][]token) {
	joined := func(i int) bool { // token i is such a sign, and there is no space around it
		t := c.tokens[i]
		return t.sign && (t.text == ":" || t.text == "'") && !t.gap && i+1 < len(c.tokens) && !c.tokens[i+1].gap
	}
	start := 0
	for end := 0; end <= len(c.tokens); end++ {
		if end < len(c.tokens) && !c.tokens[end].wild {
			continue
		}
		from, to := start, end
		for start > 0 && from+1 < to && joined(from) {
			from += 2
		}
		for end < len(c.tokens) && to-2 >= from && joined(to-1) {
			to -= 2
		}
		all = append(all, c.tokens[from:to])
		start = end + 1
	}
	return all
}

func word(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// escape writes a part of a KQL value with wildcards.
func escape(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`\():<>"*{}`, r):
			out.WriteByte('\\')
			out.WriteRune(r)
		case unicode.IsControl(r) || unicode.IsSpace(r):
			out.WriteByte('*')
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// A token is a word, or one character of punctuation.
type token struct {
	text string // "" if wild
	wild bool
	sign bool // punctuation
	gap  bool // there is space before it
	odd  bool // and that is not just one space
}

const signs = "=,;:()[]{}|<>\"'`/-&?"

// read divides the first line that has something on it; build is what lines must have in common to be compared.
func read(line string) (tokens []token, build string, longer bool) {
	whole := len(line)
	line = strings.TrimLeft(line, "\r\n")
	gap, odd := false, len(line) < whole
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line, longer = line[:i], true
	}
	cut := len(line) > bytesMax
	if cut {
		end := bytesMax
		for end > 0 && !utf8.RuneStart(line[end]) {
			end--
		}
		line, longer = line[:end], true
	}
	whole = len(line)
	line = strings.TrimRight(line, " \t\r")
	longer = longer || len(line) < whole
	line = masked(line)
	for i := 0; i < len(line); {
		if c := line[i]; space(c) {
			odd = odd || gap || c != ' ' || i == 0
			gap = true
			i++
			continue
		}
		if len(tokens) == tokensMax {
			tokens = append(tokens, token{wild: true, gap: gap, odd: odd})
			longer = true
			break
		}
		end := i + 1
		sign := strings.IndexByte(signs, line[i]) >= 0
		for !sign && end < len(line) && !space(line[end]) && strings.IndexByte(signs, line[end]) < 0 {
			end++
		}
		t := token{text: line[i:end], sign: sign, gap: gap, odd: odd}
		if !sign && (varies(t.text) || cut && end == len(line)) {
			t.text, t.wild = "", true
		}
		tokens = append(tokens, t)
		i, gap, odd = end, false, false
	}
	return tokens, buildOf(tokens), longer
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func buildOf(tokens []token) string {
	build := make([]byte, 0, 2*len(tokens))
	for _, t := range tokens {
		if t.gap {
			build = append(build, ' ')
		}
		if t.sign {
			build = append(build, t.text[0])
		} else {
			build = append(build, 'w')
		}
	}
	return string(build)
}

func template(tokens []token) string {
	var out strings.Builder
	for i, t := range tokens {
		if t.gap && i > 0 {
			out.WriteByte(' ')
		}
		if t.wild {
			out.WriteString(Wild)
		} else {
			out.WriteString(t.text)
		}
	}
	return out.String()
}
