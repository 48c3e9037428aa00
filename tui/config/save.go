package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/tui/scope"
)

// Use makes a context the current one.
func (c *Config) Use(name string) error {
	if _, err := c.Context(name); err != nil || name == "" {
		return err
	}
	return c.change(func(root *yaml.Node) error {
		put(root, "current", text(name))
		return nil
	})
}

// SetTheme keeps the choice of a theme.
func (c *Config) SetTheme(name string) error {
	return c.change(func(root *yaml.Node) error {
		put(root, "theme", text(name))
		return nil
	})
}

// AddContext adds a context with these options, in their order: names and values. The first one there is becomes the current one.
// replace says that there may be one of that name, which is then gone.
func (c *Config) AddContext(name string, options [][2]any, replace bool) error {
	if err := checkName("context", name); err != nil {
		return err
	}
	return c.change(func(root *yaml.Node) error {
		all := section(root, "contexts")
		if find(all, name) != nil && !replace {
			return fmt.Errorf("there is a context %q: give --replace to have this one in its place", name)
		}
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, o := range options {
			var value yaml.Node
			if err := value.Encode(o[1]); err != nil {
				return err
			}
			if value.Kind == yaml.SequenceNode {
				value.Style = yaml.FlowStyle
			}
			put(node, o[0].(string), &value)
		}
		if _, err := readContext(node); err != nil {
			return err
		}
		put(all, name, node)
		if find(root, "current") == nil && len(all.Content) == 2 {
			put(root, "current", text(name))
		}
		return nil
	})
}

// RemoveContext removes a context. If it was the current one, none is.
func (c *Config) RemoveContext(name string) error {
	if c.contexts[name] == nil {
		_, err := c.Context(name)
		return err
	}
	return c.change(func(root *yaml.Node) error {
		remove(section(root, "contexts"), name)
		if current := find(root, "current"); current != nil && current.Value == name {
			remove(root, "current")
		}
		return nil
	})
}

// Save saves a query under a name, in place of one that is saved under it.
func (c *Config) Save(name string, s scope.Scope) error {
	if err := checkName("saved query", name); err != nil {
		return err
	}
	return c.change(func(root *yaml.Node) error {
		var value yaml.Node
		if err := value.Encode(s); err != nil {
			return err
		}
		put(section(root, "saved"), name, &value)
		return nil
	})
}

// Unsave removes a saved query.
func (c *Config) Unsave(name string) error {
	return c.change(func(root *yaml.Node) error {
		if !remove(section(root, "saved"), name) {
			return fmt.Errorf("there is no saved query %q: `logtui saved` lists them", name)
		}
		return nil
	})
}

// checkName refuses names that could not be typed, or not be shown.
func checkName(what, name string) error {
	if name == "" || len(name) > 200 || strings.TrimSpace(name) != name || strings.HasPrefix(name, "-") || strings.ContainsFunc(name, unprintable) {
		return fmt.Errorf("cannot name a %s %q: write a short name of letters, digits and signs", what, name)
	}
	return nil
}

// change reads the file anew, so that what was changed meanwhile stays, changes it, writes it and takes it over. The file is for its
// owner alone.
func (c *Config) change(do func(root *yaml.Node) error) error {
	document, err := read(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		document, err = &yaml.Node{}, nil
	}
	if err != nil {
		return err
	}
	if document.Kind == 0 {
		*document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!null"}}}
	}
	root := document.Content[0]
	switch {
	case root.Tag == "!!null":
		root.Kind, root.Tag, root.Value = yaml.MappingNode, "", ""
	case root.Kind != yaml.MappingNode:
		return fmt.Errorf("cannot change the configuration %s: it is not a list of options with their values", c.Path)
	}
	if err := do(root); err != nil {
		return err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("cannot change the configuration %s: %w", c.Path, err)
	}
	fresh, err := parse(document)
	if err != nil {
		return fmt.Errorf("cannot change the configuration %s: %w", c.Path, err)
	}
	if err := write(c.Path, out.Bytes()); err != nil {
		return fmt.Errorf("cannot change the configuration: %w", err)
	}
	fresh.Path = c.Path
	*c = *fresh
	return nil
}

// write replaces a file, all or nothing. A link stays one: the file that it leads to is replaced.
func write(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

func text(s string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(s)
	return node
}

// find is the value of a name in a mapping, nil if it is not there.
func find(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i+1]
		}
	}
	return nil
}

// put sets the value of a name, at its place or at the end.
func put(m *yaml.Node, name string, value *yaml.Node) {
	if old := find(m, name); old != nil {
		value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
		*old = *value
		return
	}
	m.Content = append(m.Content, text(name), value)
}

func remove(m *yaml.Node, name string) bool {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			m.Content = append(m.Content[:i], m.Content[i+2:]...)
			return true
		}
	}
	return false
}

// section is the mapping under a name, made if it is not there.
func section(root *yaml.Node, name string) *yaml.Node {
	node := find(root, name)
	if node == nil {
		node = &yaml.Node{Kind: yaml.MappingNode}
		put(root, name, node)
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		node.Kind, node.Tag, node.Value, node.Style = yaml.MappingNode, "", "", 0
	}
	return node
}
