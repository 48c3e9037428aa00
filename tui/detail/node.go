package detail

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/tui/text"
)

// Bounds of a document's tree: what lies deeper is one value, and what comes after so many values is left out.
const (
	depthMax = 64
	nodesMax = 20000
)

// A node is a value of the document: an object, an array or a leaf.
type node struct {
	id     string // tells nodes of a document apart, and finds the same one in the next document
	path   string // of the field, for queries
	name   string // within its object; "" for elements of arrays
	form   byte   // '{', '[', or 0
	value  any    // of a leaf: string, json.Number, bool, nil, json.RawMessage
	kids   []*node
	parent *node
	more   bool // a leaf that has lines below it
}

// parse makes the tree of a document; nil if it is not an object.
func parse(doc []byte) *node {
	p := parser{json: json.NewDecoder(bytes.NewReader(doc))}
	p.json.UseNumber()
	root, err := p.node(&node{}, 0)
	if err != nil || root.form != '{' {
		return nil
	}
	return root
}

// embedded makes the tree of the JSON that a message consists of or ends with, and returns what is before it. All of its fields are
// the message's as far as queries go.
func embedded(message string, of *node) (before string, root *node) {
	at := strings.IndexByte(message, '{')
	if at < 0 {
		return message, nil
	}
	p := parser{json: json.NewDecoder(strings.NewReader(message[at:])), path: of.path}
	p.json.UseNumber()
	root, err := p.node(&node{id: of.id + "\x00", path: of.path, parent: of}, 0)
	if err != nil || len(root.kids) == 0 {
		return message, nil
	}
	if _, err := p.json.Token(); !errors.Is(err, io.EOF) {
		return message, nil
	}
	for _, kid := range root.kids {
		kid.parent = of
	}
	return strings.TrimSpace(message[:at]), root
}

type parser struct {
	json *json.Decoder
	path string // of all nodes, if not ""
	n    int
}

var errTooMany = errors.New("too many values")

func (p *parser) node(n *node, depth int) (*node, error) {
	if p.n++; p.n > nodesMax {
		return nil, errTooMany
	}
	if depth == depthMax {
		var raw json.RawMessage
		err := p.json.Decode(&raw)
		n.value = raw
		return n, err
	}
	token, err := p.json.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		n.value = token
		return n, nil
	}
	n.form = byte(delim)
	for i := 0; p.json.More(); i++ {
		kid := &node{parent: n, path: n.path, id: n.id + "[" + strconv.Itoa(i) + "]"}
		if n.form == '{' {
			name, err := p.json.Token()
			if err != nil {
				return nil, err
			}
			kid.name = name.(string)
			kid.id = join(n.id, kid.name)
			if kid.path = p.path; p.path == "" {
				kid.path = join(n.path, kid.name)
			}
		}
		kid, err := p.node(kid, depth+1)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	_, err = p.json.Token()
	return n, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// find is the node of a field, with dots in names or not.
func (n *node) find(path string) *node {
	for _, kid := range n.kids {
		if kid.path == path && kid.form == 0 {
			return kid
		}
		if kid.form == '{' && strings.HasPrefix(path, kid.path+".") {
			if found := kid.find(path); found != nil {
				return found
			}
		}
	}
	return nil
}

// flat are the fields of a document as leaves without a tree, by name.
func flat(doc []byte) []*node {
	var all []*node
	for i, f := range text.Flatten(doc) {
		all = append(all, &node{id: f.Path + "\x01" + strconv.Itoa(i), path: f.Path, name: f.Path, value: f.Value})
	}
	slices.SortStableFunc(all, func(a, b *node) int { return strings.Compare(a.path, b.path) })
	return all
}

// show is a leaf's value as text.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case json.RawMessage:
		return string(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = show(e)
		}
		return strings.Join(parts, ", ")
	}
	return ""
}

// quote is a leaf's value as JSON.
func quote(value any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return show(value)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// scalars are the values of an array that has only leaves.
func (n *node) scalars() (values []any, ok bool) {
	if n.form != '[' {
		return nil, false
	}
	for _, kid := range n.kids {
		if kid.form != 0 {
			return nil, false
		}
		values = append(values, kid.value)
	}
	return values, true
}

// byName are the values of an object by their names, of an array in their order.
func (n *node) byName() []*node {
	if n.form != '{' {
		return n.kids
	}
	kids := slices.Clone(n.kids)
	slices.SortStableFunc(kids, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return kids
}
