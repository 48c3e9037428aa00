// Package cases is `podbeat test cases.yml`: unit tests for a configuration. A case gives an event, an entry of the journal or lines
// of a log file, and says what has to come out of the input's converting and of all processors: which fields, which not, which
// index, or nothing at all. Cases run by the code that podbeat itself runs, and touch neither inputs nor outputs.
package cases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/podbeat/podbeat/beat/journal"
	"github.com/podbeat/podbeat/option"
)

// A testCase is one of a file. Exactly one of event, entries and text is given.
type testCase struct {
	file   string
	line   int
	values int // read so far

	name    string
	input   string // id or type of an input; "": of the only one that fits, or of none
	host    string // the node that podbeat runs on; "": as configured, or defaultHost
	time    time.Time
	event   map[string]any
	entries []journal.Entry
	text    []byte // lines of the file at path
	path    string

	drop   bool
	want   []map[string]any // of each event that comes out, by the full names of fields
	absent []string
	index  any // text or regular expression; nil: not asked
}

// What cases have that leave it open: the same everywhere.
const defaultHost = "node-1"

var defaultTime = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

// The names that a case may have.
var keys = []string{"name", "input", "host", "time", "event", "journal", "line", "path", "want", "absent", "drop", "index"}

// maxFile bounds a file of cases, in bytes.
const maxFile = 16 << 20

// read reads the cases of a file.
func read(file string) ([]*testCase, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read test cases: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read test cases: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("cannot read test cases of %s: it has more than %d MiB", file, maxFile>>20)
	}
	return parse(file, text)
}

// parse reads cases.
func parse(file string, text []byte) ([]*testCase, error) {
	var list []*testCase
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("cannot read test cases of %s: %w", file, err)
		}
		root := doc.Content[0]
		if root.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("%s:%d: want a list of test cases, each beginning with `- name: …`", file, root.Line)
		}
		for _, n := range root.Content {
			c := &testCase{file: file, line: n.Line, time: defaultTime}
			if err := c.read(n); err != nil {
				return nil, err
			}
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no test cases", file)
	}
	return list, nil
}

// wrong is an error of a line.
func (c *testCase) wrong(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", c.file, n.Line, fmt.Errorf(format, args...))
}

// read reads one case.
func (c *testCase) read(n *yaml.Node) error {
	if n = resolve(n); n.Kind != yaml.MappingNode {
		return c.wrong(n, "want a test case with name, event and want, not %q", n.Value)
	}
	given := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if !slices.Contains(keys, key.Value) {
			return c.wrong(key, "%w", option.Unknown("key", "", key.Value, keys))
		}
		if given[key.Value] {
			return c.wrong(key, "key %q is given twice", key.Value)
		}
		given[key.Value] = true
		if err := c.set(key.Value, value); err != nil {
			return err
		}
	}
	sources := 0
	for _, name := range []string{"event", "journal", "line"} {
		if given[name] {
			sources++
		}
	}
	switch {
	case c.name == "":
		return c.wrong(n, "the test case has no name")
	case sources != 1:
		return c.wrong(n, "test case %q wants one of event, journal, and line with path", c.name)
	case given["line"] != given["path"]:
		return c.wrong(n, "test case %q wants line and path together: the file's path says whose the line is", c.name)
	case c.drop && (given["want"] || given["absent"] || given["index"]):
		return c.wrong(n, "test case %q wants the event dropped: leave out want, absent and index", c.name)
	case !c.drop && !given["want"] && len(c.absent) == 0 && c.index == nil:
		return c.wrong(n, "test case %q expects nothing: give want, absent, index or drop: true", c.name)
	}
	return nil
}

// set takes the value of a key.
func (c *testCase) set(key string, n *yaml.Node) error {
	text := func(to *string) error {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			return c.wrong(n, "%s wants a text", key)
		}
		*to = n.Value
		return nil
	}
	var err error
	switch key {
	case "name":
		return text(&c.name)
	case "input":
		return text(&c.input)
	case "host":
		return text(&c.host)
	case "path":
		return text(&c.path)
	case "line":
		var line string
		if err := text(&line); err != nil {
			return err
		}
		c.text = []byte(strings.TrimSuffix(line, "\n") + "\n")
		return nil
	case "time":
		if c.time, err = timeOf(n.Value); err != nil {
			return c.wrong(n, "%w", err)
		}
		return nil
	case "drop":
		if c.drop, err = strconv.ParseBool(n.Value); err != nil {
			return c.wrong(n, "cannot read drop from %q: want true or false", n.Value)
		}
		return nil
	case "event":
		c.event, err = c.object(n, key)
	case "journal":
		err = c.journal(n)
	case "absent":
		err = c.names(n)
	case "index":
		var s string
		if err := text(&s); err != nil {
			return err
		}
		c.index, err = c.expected(n, s)
	case "want":
		err = c.wanted(n)
	}
	return err
}

func (c *testCase) names(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		c.absent = []string{n.Value}
		return nil
	}
	for _, item := range n.Content {
		if n.Kind != yaml.SequenceNode || item.Kind != yaml.ScalarNode || item.Value == "" {
			return c.wrong(item, "absent wants a list of names of fields")
		}
		c.absent = append(c.absent, item.Value)
	}
	if len(c.absent) == 0 {
		return c.wrong(n, "absent wants a list of names of fields")
	}
	return nil
}

// wanted reads the fields of the event that is to come out, or a list with those of each.
func (c *testCase) wanted(n *yaml.Node) error {
	each := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		each = n.Content
	}
	for _, n := range each {
		fields, err := c.object(resolve(n), "want")
		if err != nil {
			return err
		}
		flat := map[string]any{}
		if err := c.flatten(n, fields, "", flat); err != nil {
			return err
		}
		c.want = append(c.want, flat)
	}
	return nil
}

// flatten puts the fields of a tree under their full names, with regular expressions for texts between two /.
func (c *testCase) flatten(n *yaml.Node, tree map[string]any, prefix string, to map[string]any) error {
	for name, v := range tree {
		inner, ok := v.(map[string]any)
		if ok && len(inner) > 0 {
			if err := c.flatten(n, inner, prefix+name+".", to); err != nil {
				return err
			}
			continue
		}
		v, err := c.expected(n, v)
		if err != nil {
			return err
		}
		if _, twice := to[prefix+name]; twice {
			return c.wrong(n, "field %q is wanted twice", prefix+name)
		}
		to[prefix+name] = v
	}
	return nil
}

// expected is a value that is wanted: a text between two / is a regular expression.
func (c *testCase) expected(n *yaml.Node, v any) (any, error) {
	if list, ok := v.([]any); ok {
		out := make([]any, len(list))
		for i := range list {
			var err error
			if out[i], err = c.expected(n, list[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	s, ok := v.(string)
	if !ok || len(s) < 3 || s[0] != '/' || s[len(s)-1] != '/' {
		return v, nil
	}
	re, err := regexp.Compile(s[1 : len(s)-1])
	if err != nil {
		return nil, c.wrong(n, "cannot read the regular expression %s: %w", s, err)
	}
	return re, nil
}

// object reads a map. Times stay texts.
func (c *testCase) object(n *yaml.Node, what string) (map[string]any, error) {
	v, err := c.value(n, 0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, c.wrong(n, "%s wants fields with their values", what)
	}
	return m, nil
}

// Bounds of what aliases may make of a case.
const (
	maxDepth  = 100
	maxValues = 100_000
)

func (c *testCase) value(n *yaml.Node, depth int) (any, error) {
	if c.values++; c.values > maxValues || depth > maxDepth {
		return nil, c.wrong(n, "the test case is too large: at most %d values, nested %d deep", maxValues, maxDepth)
	}
	switch n = resolve(n); n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Value == "" || key.Tag == "!!merge" {
				return nil, c.wrong(key, "cannot use this as the name of a field")
			}
			if _, twice := m[key.Value]; twice {
				return nil, c.wrong(key, "field %q is given twice", key.Value)
			}
			v, err := c.value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key.Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i := range list {
			var err error
			if list[i], err = c.value(n.Content[i], depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	if n.Tag == "!!timestamp" {
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, c.wrong(n, "cannot read %q: %w", n.Value, err)
	}
	if i, ok := v.(int); ok {
		return int64(i), nil
	}
	return v, nil
}

// resolve returns what an alias stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func timeOf(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("cannot read time %q: want one such as 2024-05-17T12:00:00Z", text)
	}
	return t.UTC(), nil
}

// journal reads an entry, or several, with the fields that `journalctl -o json` shows. Values are texts, as they stand there.
func (c *testCase) journal(n *yaml.Node) error {
	each := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		each = n.Content
	}
	for i, n := range each {
		if n = resolve(n); n.Kind != yaml.MappingNode || len(n.Content) == 0 {
			return c.wrong(n, "journal wants fields, such as MESSAGE: text")
		}
		e := journal.Entry{SeqnumID: strings.Repeat("0", 32), Seqnum: uint64(i + 1), BootID: strings.Repeat("0", 32)}
		for i := 0; i < len(n.Content); i += 2 {
			if err := c.field(&e, n.Content[i].Value, resolve(n.Content[i+1])); err != nil {
				return err
			}
		}
		c.entries = append(c.entries, e)
	}
	return nil
}

// field adds a field to an entry.
func (c *testCase) field(e *journal.Entry, name string, n *yaml.Node) error {
	values, err := c.texts(name, n)
	if err != nil {
		return err
	}
	number := func(to *uint64) (err error) {
		if *to, err = strconv.ParseUint(values[0], 10, 64); err != nil {
			return c.wrong(n, "cannot read %s from %q: want a number", name, values[0])
		}
		return nil
	}
	switch name {
	case "__CURSOR":
		e.Cursor = values[0]
		return nil
	case "__REALTIME_TIMESTAMP":
		return number(&e.Realtime)
	case "__MONOTONIC_TIMESTAMP":
		return number(&e.Monotonic)
	case "__SEQNUM":
		return number(&e.Seqnum)
	case "__SEQNUM_ID":
		e.SeqnumID = values[0]
		return nil
	case "_BOOT_ID":
		e.BootID = values[0]
	}
	for _, v := range values {
		e.Fields = append(e.Fields, journal.Field{Name: name, Value: v})
	}
	return nil
}

// texts reads the value of a field, or the values of one that repeats. What is no text journalctl shows as a list of its bytes.
func (c *testCase) texts(name string, n *yaml.Node) ([]string, error) {
	each := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		each = n.Content
	}
	var texts []string
	var raw []byte
	for _, item := range each {
		if item = resolve(item); item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return nil, c.wrong(item, "cannot use this value of %s: want a text", name)
		}
		texts = append(texts, item.Value)
		if b, err := strconv.ParseUint(item.Value, 10, 8); err == nil && item.Tag == "!!int" && n.Kind == yaml.SequenceNode {
			raw = append(raw, byte(b))
		}
	}
	switch {
	case len(texts) == 0:
		return nil, c.wrong(n, "cannot use this value of %s: want a text", name)
	case len(raw) == len(texts):
		return []string{string(raw)}, nil
	}
	return texts, nil
}
