// Package config is logtui's configuration: contexts, which say where logs are and who asks for them, saved queries, keys, looks. It is
// one YAML file that people edit and `logtui context` edits, too: what is changed keeps the comments and the order of the rest.
//
// What logtui notes by itself, as typed queries, is no configuration: see [State].
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/tui/scope"
)

// maxFile bounds the bytes of a configuration.
const maxFile = 4 << 20

// A Config is a configuration that was read.
type Config struct {
	Options
	Path string // of the file, which need not be there

	contexts map[string]*yaml.Node
	names    []string // of contexts, as they stand in the file
	saved    []Saved
}

// Options are those of the configuration that are neither contexts nor saved queries.
type Options struct {
	// The context that is opened if none is named. `logtui context use NAME` sets it.
	Current string `config:"current"`
	// Colours: `auto` and `terminal` follow the terminal's own sixteen, others are listed by `logtui themes`.
	Theme string `config:"theme" default:"auto"`
	// Use the mouse; text is then selected with Shift held down.
	Mouse bool `config:"mouse"`
	// Most lines that live tail holds; the oldest give way.
	TailLines int `config:"tail_lines" default:"50000"`
	// Lines that are fetched at once.
	PageLines int `config:"page_lines" default:"200"`
	// Keys by action, `quit: [q, ctrl+q]`, in place of those that `logtui keys` lists.
	Keys map[string][]string `config:"keys"`
}

// Validate says what cannot be.
func (o Options) Validate() error {
	switch {
	case o.TailLines < 100 || o.TailLines > 1_000_000:
		return fmt.Errorf("cannot hold %d lines of live tail: write 100 to 1000000 as tail_lines", o.TailLines)
	case o.PageLines < 10 || o.PageLines > 5000:
		return fmt.Errorf("cannot fetch %d lines at once: write 10 to 5000 as page_lines", o.PageLines)
	}
	return nil
}

// A Saved is a query that was saved under a name.
type Saved struct {
	Name  string
	Scope scope.Scope
}

// DefaultPath is where the configuration is: $LOGTUI_CONFIG, or logtui/config.yml in $XDG_CONFIG_HOME, ~/.config or %AppData%.
func DefaultPath() (string, error) {
	if path := os.Getenv("LOGTUI_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := userDir("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", fmt.Errorf("cannot tell where the configuration is: %w: name it with --config", err)
	}
	return filepath.Join(dir, "logtui", "config.yml"), nil
}

// userDir is the directory that a variable names, by default one in the user's own; on Windows %AppData%.
func userDir(variable, below string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return dir, nil
	}
	if runtime.GOOS == "windows" {
		return os.UserConfigDir()
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, below), err
}

// New returns a configuration without anything in it, to be written to a file that is not there yet.
func New(path string) *Config {
	c, err := parse(&yaml.Node{})
	if err != nil {
		panic(err) // the defaults are wrong
	}
	c.Path = path
	return c
}

// Load reads a configuration; "" is that of [DefaultPath]. Without the file all has its default, unless the file was named.
func Load(path string) (*Config, error) {
	named := path != ""
	var err error
	if path == "" {
		if path, err = DefaultPath(); err != nil {
			return nil, err
		}
	}
	root, err := read(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		root, err = &yaml.Node{}, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := parse(root)
	if err != nil {
		return nil, fmt.Errorf("cannot use the configuration %s: %w", path, err)
	}
	c.Path = path
	return c, nil
}

// read returns the document of a YAML file; of an empty one, a node without a kind.
func read(path string) (*yaml.Node, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("cannot read the configuration %s: it has more than %d MiB", path, maxFile>>20)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("cannot read the configuration %s: %w", path, err)
	}
	return &document, nil
}

func parse(document *yaml.Node) (*Config, error) {
	c := &Config{contexts: map[string]*yaml.Node{}}
	plain := map[string]any{}
	if document.Kind == yaml.DocumentNode && document.Content[0].Tag != "!!null" {
		root := document.Content[0]
		if root.Kind != yaml.MappingNode {
			return nil, errors.New("it is not a list of options with their values")
		}
		// Decoding refuses names that are there twice, and aliases that would grow without end.
		if err := root.Decode(&plain); err != nil {
			return nil, err
		}
		for name, value := range pairs(root) {
			if !slices.Contains(known, name) { // which option would not see if its value is empty
				return nil, option.Unknown("option", "", name, known)
			}
			switch name {
			case "contexts":
				for context, node := range pairs(value) {
					c.contexts[context] = node
					c.names = append(c.names, context)
				}
			case "saved":
				if err := c.readSaved(value); err != nil {
					return nil, err
				}
			}
		}
		for _, name := range []string{"contexts", "saved"} {
			if _, isMap := plain[name].(map[string]any); plain[name] != nil && !isMap {
				return nil, fmt.Errorf("option %q is a section of names", name)
			}
			delete(plain, name)
		}
	}
	if err := option.Unpack(option.From(plain), &c.Options, "options", "contexts", "saved"); err != nil {
		return nil, err
	}
	for action, keys := range c.Keys {
		if keys == nil {
			c.Keys[action] = []string{} // no key at all
		}
	}
	return c, nil
}

// known are the names that a configuration may have.
var known = func() []string {
	names := []string{"contexts", "saved"}
	for f := range reflect.TypeFor[Options]().Fields() {
		names = append(names, f.Tag.Get("config"))
	}
	return names
}()

func (c *Config) readSaved(node *yaml.Node) error {
	for name, value := range pairs(node) {
		var s scope.Scope
		if err := value.Decode(&s); err != nil {
			return fmt.Errorf("saved query %q: %w", name, err)
		}
		c.saved = append(c.saved, Saved{name, s})
	}
	return nil
}

// pairs are the names and values of a mapping, aliases followed; none of anything else.
func pairs(node *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i].Value, node.Content[i+1]) {
				return
			}
		}
	}
}

// Contexts are the names of the contexts, as they stand in the file.
func (c *Config) Contexts() []string { return slices.Clone(c.names) }

// Saved are the saved queries, as they stand in the file.
func (c *Config) Saved() []Saved { return slices.Clone(c.saved) }

// Context returns a context by name; "" is the current one: that of $LOGTUI_CONTEXT, what $LOGTUI_HOSTS describes, the
// configuration's own, the only one that there is, or without any the cluster on this machine.
func (c *Config) Context(name string) (*Context, error) {
	if name = cmp.Or(name, os.Getenv("LOGTUI_CONTEXT")); name == "" {
		if os.Getenv("LOGTUI_HOSTS") != "" || len(c.names) == 0 {
			return Environment(nil), nil
		}
		name = c.Current
		if name == "" && len(c.names) == 1 {
			name = c.names[0]
		}
	}
	switch node := c.contexts[name]; {
	case node != nil:
		x, err := readContext(node)
		if err != nil {
			return nil, fmt.Errorf("cannot use context %q of %s: %w", name, c.Path, err)
		}
		x.Name = name
		return x, nil
	case name == "":
		return nil, fmt.Errorf("no context is current: choose one with `logtui context use NAME`; there are %s", strings.Join(c.names, ", "))
	case len(c.names) == 0:
		return nil, fmt.Errorf("there is no context %q, and no other: add one with `logtui context add NAME --host URL`", name)
	}
	return nil, option.Unknown("context", "", name, c.names)
}

func readContext(node *yaml.Node) (*Context, error) {
	values := map[string]any{}
	if err := node.Decode(&values); err != nil {
		return nil, err
	}
	if err := expand(values); err != nil {
		return nil, err
	}
	x := &Context{}
	if err := option.Unpack(option.From(values), x, "options"); err != nil {
		return nil, err
	}
	return x, x.check()
}

var variable = regexp.MustCompile(`\$?\$\{(\w+)(?::([^}]*))?\}`)

// Literal writes a text so that nothing in it is taken for a variable.
func Literal(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// expand puts variables of the environment in the place of ${NAME} and ${NAME:default} in all texts below v. $${ is ${ itself.
func expand(v any) error {
	missing := map[string]bool{}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return variable.ReplaceAllStringFunc(v, func(m string) string {
				if strings.HasPrefix(m, "$$") {
					return m[1:]
				}
				p := variable.FindStringSubmatch(m)
				value, ok := os.LookupEnv(p[1])
				if !ok && !strings.Contains(m, ":") {
					missing[p[1]] = true
				}
				if value == "" {
					value = p[2]
				}
				return value
			})
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		}
		return v
	}
	walk(v)
	if len(missing) > 0 {
		return fmt.Errorf("the environment has no variable %s: set it, or write ${NAME:default}", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return nil
}
