package action

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/curator/setting"
)

// What a file may hold at most. Aliases count as often as they are used, so that a small file cannot
// unfold to a large one.
const (
	maxBytes  = 4 << 20
	maxValues = 200_000
	maxDepth  = 100
)

// A value is a YAML value and where it stands. What it holds is in one of
//
//	scalar   nil, bool, string, float64 (infinite or no number), json.Number with a number as it is written
//	list     of a sequence
//	entries  of a mapping, in the file's order and without duplicates
type value struct {
	line    int
	kind    yaml.Kind // ScalarNode, SequenceNode or MappingNode
	scalar  any
	unset   bool // it stands for an environment variable that is not set
	list    []*value
	entries []entry
}

type entry struct {
	key    string
	number bool // the key is a number, not text
	line   int
	value  *value
	merged bool // it came by "<<", an own one takes its place
}

// get returns the value of key, nil if there is none.
func (v *value) get(key string) *value {
	for _, e := range v.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// lineOf returns where option name stands, which may name sections ("conditions.max_docs"), or else
// where the section does that should have it.
func (v *value) lineOf(name string) int {
	first, rest, _ := strings.Cut(name, ".")
	for _, e := range v.entries {
		if e.key == first {
			if rest != "" && e.value.kind == yaml.MappingNode && e.value.get(strings.SplitN(rest, ".", 2)[0]) != nil {
				return e.value.lineOf(rest)
			}
			return e.line
		}
	}
	return v.line
}

// plain returns the value as package setting takes values.
func (v *value) plain() any {
	switch v.kind {
	case yaml.SequenceNode:
		out := make([]any, len(v.list))
		for i, e := range v.list {
			out[i] = e.plain()
		}
		return out
	case yaml.MappingNode:
		return v.options()
	}
	return v.scalar
}

func (v *value) options() map[string]any {
	out := make(map[string]any, len(v.entries))
	for _, e := range v.entries {
		out[e.key] = e.value.plain()
	}
	return out
}

// A reader turns YAML into values as Curator's reader, a YAML 1.1 one, does.
type reader struct {
	Options
	problems
	warnings []string
	check    bool                // of the action being read, what Curator would only find out when it runs
	left     int                 // values that may still be made
	open     map[*yaml.Node]bool // the anchors that are being unfolded
}

// parse returns the one document of text, nil if it is empty or if it is no YAML.
func (r *reader) parse(text []byte) *value {
	if len(text) > maxBytes {
		r.add(0, errors.New("the file is larger than 4 MiB: it cannot be meant"))
		return nil
	}
	if json.Valid(text) {
		text = escapes.ReplaceAllFunc(text, plainEscape)
	}
	var doc, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	if err := d.Decode(&next); err == nil {
		r.add(next.Line, errors.New("a second YAML document begins: put everything into one, without ---"))
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	r.left, r.open = maxValues, map[*yaml.Node]bool{}
	return r.value(doc.Content[0], 0)
}

// escapes finds in JSON what begins with a backslash, and both halves of a character together.
var escapes = regexp.MustCompile(`(?i)\\u(d[89ab]..)\\u(d[c-f]..)|\\.`)

// plainEscape writes as it is what JSON has escapes for and the YAML library has not: slashes and characters
// of two halves.
func plainEscape(m []byte) []byte {
	var plain string
	if len(m) == 2 && m[1] != '/' || json.Unmarshal([]byte(`"`+string(m)+`"`), &plain) != nil {
		return m
	}
	return []byte(plain)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports an error of the YAML library, whose text begins with the line.
func (r *reader) syntax(err error) {
	text, line := err.Error(), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	r.add(line, fmt.Errorf("cannot read YAML: %s", text))
}

// value returns n with its aliases unfolded. After a problem it returns some value.
func (r *reader) value(n *yaml.Node, depth int) *value {
	r.left--
	if depth > maxDepth || r.left < 0 {
		if r.left >= 0 || r.left == -1 { // say it once
			r.add(n.Line, fmt.Errorf("aliases unfold to more than %d values, or values are nested deeper than %d", maxValues, maxDepth))
		}
		r.left = math.MinInt32
		return &value{line: n.Line, kind: yaml.ScalarNode}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if r.open[n.Alias] {
			r.add(n.Line, fmt.Errorf("alias *%s stands within what it stands for", n.Value))
			return &value{line: n.Line, kind: yaml.ScalarNode}
		}
		return r.value(n.Alias, depth+1)
	case yaml.ScalarNode:
		v := &value{line: n.Line, kind: n.Kind, scalar: r.scalar(n)}
		v.unset = v.scalar == nil && strings.HasPrefix(n.Value, "${")
		return v
	}
	if tag := n.ShortTag(); tag != "!!map" && tag != "!!seq" {
		r.add(n.Line, fmt.Errorf("YAML tag %s is not supported: leave it out", setting.Show(n.Tag)))
		return &value{line: n.Line, kind: yaml.ScalarNode}
	}
	r.open[n] = true
	defer delete(r.open, n)
	if n.Kind == yaml.MappingNode {
		return r.mapping(n, depth)
	}
	out := &value{line: n.Line, kind: n.Kind}
	for _, c := range n.Content {
		out.list = append(out.list, r.value(c, depth+1))
	}
	return out
}

// mapping reads the entries of n. Of a merge key (<<) those count that n doesn't have itself.
func (r *reader) mapping(n *yaml.Node, depth int) *value {
	out := &value{line: n.Line, kind: n.Kind}
	at := map[string]int{} // entries by their keys
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			r.merge(out, at, v, depth)
			continue
		}
		e := entry{line: k.Line, value: r.value(v, depth+1)}
		var ok bool
		if e.key, e.number, ok = r.key(k); !ok {
			continue
		}
		id := identity(e)
		j, twice := at[id]
		switch {
		case !twice:
			at[id] = len(out.entries)
			out.entries = append(out.entries, e)
		case out.entries[j].merged:
			out.entries[j] = e
		case r.Strict:
			r.warn(k.Line, "%s is given twice, the one in line %d is ignored", setting.Show(e.key), out.entries[j].line)
			out.entries[j] = e
		default:
			r.add(k.Line, fmt.Errorf("%s is given twice, first in line %d: Curator would silently take the last one; leave one of them out",
				setting.Show(e.key), out.entries[j].line))
		}
	}
	return out
}

func (r *reader) merge(out *value, at map[string]int, n *yaml.Node, depth int) {
	from := r.value(n, depth+1)
	maps := []*value{from}
	if from.kind == yaml.SequenceNode {
		maps = from.list
	}
	for _, m := range maps {
		if m.kind != yaml.MappingNode {
			r.add(n.Line, errors.New("<< merges the entries of a mapping, or of a list of them: write <<: *anchor"))
			return
		}
		for _, e := range m.entries {
			if _, have := at[identity(e)]; have {
				continue
			}
			e.merged = true
			at[identity(e)] = len(out.entries)
			out.entries = append(out.entries, e)
		}
	}
}

// identity tells the keys 1 and "1" apart.
func identity(e entry) string { return strconv.FormatBool(e.number) + e.key }

// key returns a mapping's key as text.
func (r *reader) key(n *yaml.Node) (key string, number, ok bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		r.add(n.Line, errors.New("a key must be a word or a number"))
		return "", false, false
	}
	switch k := r.scalar(n).(type) {
	case string:
		return k, false, true
	case json.Number:
		if err := setting.Octal(k); err != nil {
			r.add(n.Line, fmt.Errorf("key %w", err))
			return "", false, false
		}
		return fmt.Sprint(setting.Native(k)), true, true
	case int64:
		return fmt.Sprint(k), true, true
	}
	r.add(n.Line, fmt.Errorf("key %s is no word: quote it", setting.Show(n.Value)))
	return "", false, false
}

// Plain scalars that are no text, as YAML 1.1 and Python's reader of it have them.
var (
	nullWord   = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	trueWord   = regexp.MustCompile(`^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$`)
	falseWord  = regexp.MustCompile(`^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$`)
	numberWord = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+` +
		`|[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$`)
	octalWord  = regexp.MustCompile(`^[-+]?0[0-7_]+$`)
	base60Word = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$`)
	notFinite  = regexp.MustCompile(`^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

// scalar returns what a scalar stands for. Dates stay the text that they are, and so do base 60 numbers
// (1:30), which Curator reads as 90, unless the file is read strictly.
func (r *reader) scalar(n *yaml.Node) any {
	tag := ""
	if n.Style&yaml.TaggedStyle != 0 {
		if tag = n.ShortTag(); tag == "!!str" {
			return n.Value
		}
	}
	if tag != "" && tag != "!!int" && tag != "!!float" && tag != "!!bool" && tag != "!!null" {
		r.add(n.Line, fmt.Errorf("YAML tag %s is not supported: leave it out", setting.Show(n.Tag)))
		return nil
	}
	if tag == "" && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	if tag == "" && strings.HasPrefix(n.Value, "${") && strings.HasSuffix(n.Value, "}") {
		return r.variable(n)
	}
	var out any = n.Value
	switch text := n.Value; {
	case nullWord.MatchString(text):
		out = nil
	case trueWord.MatchString(text):
		out = true
	case falseWord.MatchString(text):
		out = false
	case r.Strict && octalWord.MatchString(text):
		if i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 8, 64); err == nil {
			out = i
		}
	case numberWord.MatchString(text):
		out = json.Number(text)
	case r.Strict && base60Word.MatchString(text):
		out = base60(text)
	case notFinite.MatchString(text):
		out, _ = strconv.ParseFloat(strings.TrimPrefix(strings.Replace(strings.ToLower(text), ".", "", 1), "+"), 64)
	}
	if tag != "" && !fits(tag, out) {
		r.add(n.Line, fmt.Errorf("%s is not what its YAML tag %s says", setting.Show(n.Value), setting.Show(n.Tag)))
	}
	return out
}

func fits(tag string, v any) bool {
	_, number := v.(json.Number)
	_, whole := v.(int64)
	_, float := v.(float64)
	_, yes := v.(bool)
	switch tag {
	case "!!bool":
		return yes
	case "!!null":
		return v == nil
	}
	return number || whole || float
}

func base60(text string) any {
	sign, n := int64(1), int64(0)
	if strings.HasPrefix(text, "-") {
		sign = -1
	}
	for _, part := range strings.Split(strings.ReplaceAll(strings.TrimLeft(text, "+-"), "_", ""), ":") {
		i, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n > math.MaxInt64/3600 {
			return text
		}
		n = n*60 + i
	}
	return sign * n
}

// variable returns what the plain scalar ${NAME}, ${NAME:default} or ${NAME:?message} stands for: text, or
// nil if the variable is not set and has no default.
func (r *reader) variable(n *yaml.Node) any {
	inner := strings.TrimSuffix(strings.TrimPrefix(n.Value, "${"), "}")
	name, def, hasDefault := strings.Cut(inner, ":")
	if name == "" {
		r.add(n.Line, fmt.Errorf("%s names no environment variable: write ${NAME} or ${NAME:default}", setting.Show(n.Value)))
		return nil
	}
	if r.Strict && strings.Contains(def, ":") {
		r.add(n.Line, fmt.Errorf("the default in %s has a colon, at which Curator stops: quote the value or leave out --strict-curator", setting.Show(n.Value)))
		return nil
	}
	if v, ok := r.env(name); ok {
		return v
	}
	if message, must := strings.CutPrefix(def, "?"); must && !r.Strict {
		if message == "" {
			message = "it must be"
		}
		r.add(n.Line, fmt.Errorf("environment variable %s is not set: %s", setting.Show(name), message))
		return nil
	}
	if !hasDefault {
		r.warn(n.Line, "environment variable %s is not set and has no default: what it stands for counts as left out", setting.Show(name))
		return nil
	}
	return def
}
