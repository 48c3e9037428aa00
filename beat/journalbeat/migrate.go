package journalbeat

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxConfig is the largest configuration that is migrated.
const maxConfig = 4 << 20

// Migrate turns a journalbeat.yml, mheese's or Elastic's, into the podbeat.yml that does the same.
// The section journalbeat becomes podbeat.inputs; everything else stays as it is, comments and
// ${VARIABLES} included, unless podbeat would not start with it. The notes say what was left
// out and what differs; those that begin with "warning: " want a decision. They also stand at
// the top of out.
//
// An option that journalbeat does not know is an error which lists those it knows.
func Migrate(in []byte) (out []byte, notes []string, err error) {
	if len(in) > maxConfig {
		return nil, nil, fmt.Errorf("cannot migrate a configuration of more than %d bytes", maxConfig)
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(in), "\ufeff"), "\r\n", "\n")
	result, notes, err := migrate(text)
	if errors.Is(err, errLayout) {
		if text, err = plain(text); err == nil {
			result, notes, err = migrate(text)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot migrate the configuration: %w", err)
	}
	return []byte(heading(notes) + result), notes, nil
}

func migrate(text string) (string, []string, error) {
	doc, err := parseDocument(text)
	if err != nil {
		return "", nil, err
	}
	m := &migration{doc: doc}
	if err := m.inputs(); err != nil {
		return "", nil, err
	}
	m.outputs()
	m.removed()
	result, err := doc.encode()
	if err != nil {
		return "", nil, err
	}
	loud := func(n string) bool { return strings.HasPrefix(n, warning) }
	notes := slices.DeleteFunc(slices.Clone(m.notes), func(n string) bool { return !loud(n) })
	notes = append(notes, slices.DeleteFunc(m.notes, loud)...)
	return result, notes, doc.verify(text, result)
}

// migration is a document on its way.
type migration struct {
	doc     *document
	elastic bool // it is Elastic's journalbeat
	resumes bool // an input goes on at a position of Elastic's
	notes   []string
}

// note says something once, however many inputs it holds for.
func (m *migration) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(m.notes, n) {
		m.notes = append(m.notes, n)
	}
}

const warning = "warning: "

func (m *migration) warn(format string, args ...any) { m.note(warning+format, args...) }

// heading is the notes as comments.
func heading(notes []string) string {
	var b strings.Builder
	b.WriteString("# Made from journalbeat's configuration by `podbeat migrate`.\n")
	for _, n := range notes {
		line := "#"
		for i, word := range strings.Fields(n) { // so that no value in a note can end the comment
			if i == 0 {
				line += " -"
			} else if len(line)+1+len(word) > 100 {
				b.WriteString(line + "\n")
				line = "#  "
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

// A setting is an option of the section journalbeat.
type setting struct {
	name       string // "pending_queue.file"
	key, value *yaml.Node
}

const inputsKey = "podbeat.inputs"

// inputs puts podbeat.inputs where the section journalbeat was.
func (m *migration) inputs() error {
	var settings []setting
	var place *section
	for _, s := range m.doc.sections {
		if s.name != "journalbeat" && !strings.HasPrefix(s.name, "journalbeat.") {
			continue
		}
		if place == nil {
			place = s
		}
		s.gone = true
		found, err := collect("", s.pair)
		if err != nil {
			return err
		}
		for _, f := range found {
			if has(settings, f.name) {
				return fmt.Errorf("option journalbeat.%s is there twice", f.name)
			}
			settings = append(settings, f)
		}
	}
	if place == nil {
		return errors.New("it has no section journalbeat")
	}
	m.elastic = has(settings, "inputs") || has(settings, "registry_file")
	var inputs []*yaml.Node
	var err error
	if m.elastic {
		inputs, err = m.elasticInputs(settings)
	} else {
		inputs, err = m.mheeseInput(settings)
	}
	if err != nil {
		return err
	}
	place.gone, place.edited, place.name = false, true, inputsKey
	place.pair = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		str(inputsKey), {Kind: yaml.SequenceNode, Content: inputs},
	}}
	for _, s := range m.doc.sections {
		if s.name == "processors" {
			m.includeFields(s.pair.Content[1], s)
		}
	}
	return nil
}

// collect returns the options below the key journalbeat, nested or dotted.
func collect(prefix string, mapping *yaml.Node) ([]setting, error) {
	var found []setting
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], resolve(mapping.Content[i+1])
		name := prefix + key.Value
		switch {
		case name == "journalbeat" || name == "journalbeat.pending_queue":
			if value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" {
				continue
			}
			if value.Kind != yaml.MappingNode {
				return nil, fmt.Errorf("%s is no section", name)
			}
			below, err := collect(name+".", value)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		default:
			found = append(found, setting{strings.TrimPrefix(name, "journalbeat."), key, value})
		}
	}
	return found, nil
}

// resolve follows an alias of a scalar or of a list.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias.Kind != yaml.MappingNode {
		c := *n.Alias
		c.Anchor = "" // it stays where the anchor is
		c.HeadComment, c.LineComment, c.FootComment = n.HeadComment, n.LineComment, n.FootComment
		return &c
	}
	return n
}

func has(settings []setting, name string) bool { return find(settings, name) != nil }

// find returns an option's value, or nil.
func find(settings []setting, name string) *yaml.Node {
	for _, s := range settings {
		if s.name == name {
			return s.value
		}
	}
	return nil
}

// input is an input of podbeat that is being written.
type input struct {
	node  *yaml.Node
	carry string // comments of options that were left out, for the next one
}

func newInput(id string) *input {
	in := &input{node: &yaml.Node{Kind: yaml.MappingNode}}
	in.set("type", str("journal"))
	in.set("id", str(id))
	return in
}

// set gives an option of podbeat.
func (in *input) set(name string, value *yaml.Node) { in.move(name, setting{value: value}) }

// move gives an option of podbeat its value and its comments from one of journalbeat.
func (in *input) move(name string, from setting) {
	key := str(name)
	if from.key != nil {
		key.LineComment, key.FootComment = from.key.LineComment, from.key.FootComment
		in.comment(from.key.HeadComment)
		key.HeadComment, in.carry = in.carry, ""
	}
	in.node.Content = append(in.node.Content, key, from.value)
}

// skip leaves an option out. The comments above it stay, with the reason, which may be empty.
func (in *input) skip(s setting, reason string) {
	in.comment(s.key.HeadComment)
	if reason != "" {
		in.comment("# " + s.name + ": left out, " + reason)
	}
}

// comment puts a comment above the next option.
func (in *input) comment(text string) {
	in.carry = strings.Trim(in.carry+"\n"+text, "\n")
}

// done returns the input.
func (in *input) done() *yaml.Node {
	if in.carry != "" {
		in.node.Content[len(in.node.Content)-2].FootComment = in.carry
	}
	return in.node
}

// is tells whether a scalar says want; a ${VARIABLE} does not say anything.
func is(n *yaml.Node, want string) bool {
	return n != nil && n.Kind == yaml.ScalarNode && strings.EqualFold(n.Value, want)
}

// isTrue tells whether a scalar is one of YAML 1.1's words for true, as libbeat's YAML is.
func isTrue(n *yaml.Node) bool { return is(n, "true") || is(n, "yes") || is(n, "on") || is(n, "y") }

// isVariable tells whether a scalar's value is not known before podbeat runs.
func isVariable(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${")
}

// oneOf refuses a scalar which is none of the words.
func oneOf(name string, n *yaml.Node, words ...string) error {
	for _, w := range words {
		if is(n, w) {
			return nil
		}
	}
	if n == nil || isVariable(n) {
		return nil
	}
	return fmt.Errorf("journalbeat does not know %s %s: want %s", name, quote(n.Value), strings.Join(words, ", "))
}

// list returns the elements of a list, which may be a single scalar.
func list(name string, n *yaml.Node) ([]string, error) {
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil, nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("option %s is no list of texts", name)
	}
	var out []string
	for _, e := range n.Content {
		if e = resolve(e); e.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("option %s is no list of texts", name)
		}
		out = append(out, e.Value)
	}
	return out, nil
}

func listNode(elements []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	width := 0
	for _, e := range elements {
		v := str(e)
		v.Style = yaml.DoubleQuotedStyle
		n.Content = append(n.Content, v)
		width += len(e) + 4
	}
	if width > 100 {
		n.Style = 0
	}
	return n
}
