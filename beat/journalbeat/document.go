package journalbeat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// A document is a configuration file as its top-level keys. What is not edited keeps its text,
// byte for byte.
type document struct {
	sections []*section
	added    []*yaml.Node // keys and values in turn, put at the end
}

// A section is a top-level key with its value.
type section struct {
	above  string     // blank and comment lines before the key
	text   string     // the rest
	name   string     // the key
	pair   *yaml.Node // a mapping of the key and its value alone
	edited bool       // pair counts, not text
	gone   bool       // neither does
}

// errLayout is for YAML whose top-level keys do not each start a line of their own in column 1.
var errLayout = errors.New("its keys do not stand on lines of their own")

// parseDocument reads a configuration; errLayout says that plain gives a text that it can read.
func parseDocument(text string) (*document, error) {
	root, err := parseMapping(text)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(text, "\n")
	doc := &document{}
	at := 0 // the first line, from 0, that belongs to no section yet
	for i := 0; i < len(root.Content); i += 2 {
		key := root.Content[i]
		line := key.Line - 1
		if key.Column != 1 || line < at || line >= len(lines) || root.Style&yaml.FlowStyle != 0 {
			return nil, errLayout
		}
		above := line
		for above > at && i > 0 && isComment(lines[above-1]) {
			above--
		}
		if i > 0 {
			doc.sections[len(doc.sections)-1].text = strings.Join(lines[at:above], "")
			at = above
		}
		doc.sections = append(doc.sections, &section{
			above: strings.Join(lines[at:line], ""),
			name:  key.Value,
			pair:  &yaml.Node{Kind: yaml.MappingNode, Content: root.Content[i : i+2 : i+2]},
		})
		at = line
	}
	if n := len(doc.sections); n > 0 {
		doc.sections[n-1].text = strings.Join(lines[at:], "")
	}
	for _, s := range doc.sections {
		// Read alone, a section has no part in its neighbours' comments. It cannot be when it
		// uses their anchors.
		if alone, err := parseMapping(s.text); err == nil && len(alone.Content) == 2 {
			s.pair = alone
		}
	}
	return doc, nil
}

func isComment(line string) bool {
	return strings.HasPrefix(line, "#") || strings.TrimSpace(line) == ""
}

// parseMapping reads the one document of a text, which must be a mapping.
func parseMapping(text string) (*yaml.Node, error) {
	d := yaml.NewDecoder(strings.NewReader(text))
	var node, second yaml.Node
	if err := d.Decode(&node); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document")
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) != 1 || node.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping of options")
	}
	return node.Content[0], nil
}

// plain writes a text anew so that each top-level key starts a line. Its comments may move.
func plain(text string) (string, error) {
	root, err := parseMapping(text)
	if err != nil {
		return "", err
	}
	root.Style &^= yaml.FlowStyle
	return encode(root)
}

func encode(node *yaml.Node) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(node); err != nil {
		return "", err
	}
	return out.String(), e.Close()
}

// add appends an option at the end; libbeat merges it into its section.
func (d *document) add(name string, value *yaml.Node, comment string) {
	key := str(name)
	if comment != "" {
		key.HeadComment = "# " + comment
	}
	d.added = append(d.added, key, value)
}

// str is a text as YAML, quoted where YAML or a reader would take it for something else.
func str(value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if strings.ContainsAny(value, "%{$#") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// boolean is true or false as YAML.
func boolean(value bool) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(value)}
}

// encode returns the edited document's text.
func (d *document) encode() (string, error) {
	var out strings.Builder
	for _, s := range d.sections {
		if s.gone {
			continue
		}
		out.WriteString(s.above)
		body := s.text
		if s.edited {
			var err error
			if body, err = encode(s.pair); err != nil {
				return "", err
			}
		}
		out.WriteString(body)
		if body != "" && !strings.HasSuffix(body, "\n") {
			out.WriteString("\n")
		}
	}
	if len(d.added) > 0 {
		body, err := encode(&yaml.Node{Kind: yaml.MappingNode, Content: d.added})
		if err != nil {
			return "", err
		}
		out.WriteString("\n" + body)
	}
	return out.String(), nil
}

// verify sees that what was not to be edited says in after what it says in before.
func (d *document) verify(before, after string) error {
	var was, is map[any]any
	if err := yaml.Unmarshal([]byte(before), &was); err != nil {
		return err
	}
	if err := yaml.Unmarshal([]byte(after), &is); err != nil {
		return fmt.Errorf("without what podbeat does not have: %w", err)
	}
	for _, s := range d.sections {
		if s.edited || s.gone {
			continue
		}
		want, err := yaml.Marshal(was[s.name])
		if err != nil {
			return err
		}
		got, err := yaml.Marshal(is[s.name])
		if err != nil || !bytes.Equal(got, want) {
			return errLayout
		}
	}
	return nil
}

// options returns the values of all sections by their dotted names, sections and lists included.
// Aliases and merged mappings are followed.
func (d *document) options() map[string]*yaml.Node {
	all := map[string]*yaml.Node{}
	for _, s := range d.sections {
		flatten(all, "", s.pair, 0)
	}
	return all
}

// flatten gives up on what no configuration has: aliases that make it endless.
func flatten(all map[string]*yaml.Node, prefix string, mapping *yaml.Node, depth int) {
	const maxDepth, maxOptions = 50, 100_000
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	if mapping.Kind != yaml.MappingNode || depth > maxDepth {
		return
	}
	for i := 0; i+1 < len(mapping.Content) && len(all) < maxOptions; i += 2 {
		name, value := mapping.Content[i].Value, mapping.Content[i+1]
		if name == "<<" {
			flatten(all, prefix, value, depth+1)
			continue
		}
		all[prefix+name] = value
		flatten(all, prefix+name+".", value, depth+1)
	}
}

// remove takes an option out wherever it stands, nested or dotted.
func (d *document) remove(name string) {
	for _, s := range d.sections {
		if strings.HasPrefix(name, s.name) && remove(s.pair, "", name) {
			s.edited = true
		}
	}
}

func remove(mapping *yaml.Node, prefix, name string) (removed bool) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		full := prefix + mapping.Content[i].Value
		switch child := mapping.Content[i+1]; {
		case full == name || strings.HasPrefix(full, name+"."):
			mapping.Content = append(mapping.Content[:i:i], mapping.Content[i+2:]...)
			i -= 2
			removed = true
		case strings.HasPrefix(name, full+".") && child.Kind == yaml.MappingNode:
			removed = remove(child, full+".", name) || removed
		}
	}
	return removed
}

// scalars calls f for each scalar below n, keys included.
func scalars(n *yaml.Node, f func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode {
		f(n)
	}
	for _, c := range n.Content {
		scalars(c, f)
	}
}
