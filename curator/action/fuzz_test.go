package action

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// FuzzParse checks of any text that reading it ends, and of a text that is accepted that
//
//   - each filtertype in it has become a filter of an action, in its place;
//   - each key in it is in force: with any one misspelt, the file is refused;
//   - with any filter made unreadable, the file is refused;
//   - written in another way, the values mean the same.
//
// So no mutation of a file makes a deletion of something that the text doesn't say in full.
func FuzzParse(f *testing.F) {
	for _, text := range examples {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { inForce(t, text) })
}

// TestMutations checks the same of files that lost a line, have one twice, or have one moved in or out.
func TestMutations(t *testing.T) {
	accepted := 0
	for _, text := range examples {
		lines := strings.SplitAfter(text, "\n")
		for i, line := range lines {
			for _, mutated := range []string{"", line + line, "  " + line, strings.TrimPrefix(line, "  "), "# " + line,
				strings.Replace(line, "-", " ", 1), strings.Replace(line, ":", " ", 1), strings.Replace(line, ": ", ": - ", 1), strings.ToUpper(line)} {
				if inForce(t, strings.Join(slices.Concat(lines[:i], []string{mutated}, lines[i+1:]), "")) {
					accepted++
				}
			}
		}
	}
	if accepted < 50 {
		t.Errorf("only %d files were accepted, and so looked at", accepted)
	}
}

var examples = []string{
	strings.Replace(designed, "[NUMBER_OF_DAYS_TO_DELETE]", "7", 1),
	designed,
	"actions:\n  2: &a\n    action: close\n    options:\n      ignore_empty_list: ${V}\n    filters: [&n {filtertype: none}, *n]\n  1: {<<: *a, action: open}\n",
	"actions:\n  1:\n    action: alias\n    options: {name: a, extra_settings: {filter: {term: {x: 1.50}}}}\n    add: {filters: [{filtertype: kibana}]}\n    remove: {filters: [{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 3, exclude: no}]}\n",
	"actions:\n  b: {action: rollover, options: {name: 'x', conditions: {max_age: 7d, max_docs: 1000}}}\n  a:\n    action: delete_snapshots\n    description: \"\\e[31m\"\n    options: {repository: 007, retry_count: '3'}\n    filters:\n    - {filtertype: state, state: FAILED}\n    - {filtertype: count, count: 3, use_age: true, source: creation_date}\n",
	"actions: &x\n  1: [*x, *x]",
	"actions: {1: {action: reindex, options: {request_body: {source: {index: [a], remote: {host: h}}, dest: {index: b}}, remote_filters: [{filtertype: none}]}, filters: [{filtertype: none}]}}",
	"actions: {0x1: {action: shrink, options: {shrink_node: n, node_filters: {exclude_nodes: []}, post_allocation: {key: k}}, filters: [{filtertype: period, source: creation_date, range_from: -2, range_to: -1, unit: weeks}]}}",
}

// inForce checks the rules of FuzzParse, and returns whether the text is accepted.
func inForce(t *testing.T, text string) bool {
	t.Helper()
	o := Options{Env: env("V", "true", "DAYS", "7")}
	checkError(t, text, Options{Strict: true, Env: o.Env})
	file := checkError(t, text, o)
	if file == nil {
		return false
	}
	root := (&reader{Options: o}).parse([]byte(text))
	if want, got := typesIn(root), typesOf(file); !slices.Equal(want, got) {
		t.Fatalf("filters %v have become %v", want, got)
	}
	if exotic(root) || len(write(root)) > 100_000 {
		return true
	}
	again, err := Parse([]byte(write(root)), "f", o)
	if err != nil {
		t.Fatalf("%v\n%s", err, write(root))
	}
	if d := cmp.Diff(meaning(t, file), meaning(t, again)); d != "" {
		t.Fatalf("%s\n%s", d, write(root))
	}
	all := spoils(root, nil)
	for i := 0; i < len(all); i += 1 + len(all)/40 {
		undo := all[i]()
		if _, err := Parse([]byte(write(root)), "f", o); err == nil {
			t.Fatalf("accepted in spite of a misspelling: %s", write(root))
		}
		undo()
	}
	return true
}

// checkError parses text and checks the error, if there is one.
func checkError(t *testing.T, text string, o Options) *File {
	file, err := Parse([]byte(text), "f", o)
	if err == nil {
		return file
	}
	checkLines(t, err)
	return nil
}

func checkLines(t *testing.T, err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		if !strings.HasPrefix(line, "f:") || len(line) > 4000 || strings.IndexFunc(line, unicode.IsControl) >= 0 {
			t.Fatalf("bad line of an error: %q", line)
		}
	}
}

// FuzzClient checks that reading any client file ends, and that errors are fit to be shown.
func FuzzClient(f *testing.F) {
	f.Add("elasticsearch:\n  client:\n    hosts: https://u:p@h:9200/p\n    request_timeout: 0x5\n  other_settings: {username: u, password: \"\\e\"}\nlogging: {loglevel: 20}")
	f.Add("client:\n  hosts: [a, '::1', 'http://b:c']\n  http_auth: u:p\n  use_ssl: 1\n  url_prefix: /\x7f\n  port: 010")
	f.Add("elasticsearch: {client: {cloud_id: 'n:aCRiJGM='}, other_settings: {api_key: {token: [x]}}}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := (&reader{}).client([]byte(text), "f")
		if err != nil {
			checkLines(t, err)
		} else if len(c.Config.Hosts) == 0 && !strings.Contains(text, "hosts") {
			t.Fatal("no hosts")
		}
	})
}

// lists returns the lists of filters of an action of the file.
func lists(action *value) []*value {
	var out []*value
	for _, in := range []*value{action, action.get("add"), action.get("remove")} {
		if in != nil && in.get("filters") != nil {
			out = append(out, in.get("filters"))
		}
	}
	if options := action.get("options"); options != nil && options.get("remote_filters") != nil {
		out = append(out, options.get("remote_filters"))
	}
	return out
}

// typesIn returns the filtertypes in the text, sorted.
func typesIn(root *value) []string {
	types := []string{}
	for _, a := range root.get("actions").entries {
		for _, list := range lists(a.value) {
			for _, f := range list.list {
				types = append(types, fmt.Sprint(f.get("filtertype").scalar))
			}
		}
	}
	slices.Sort(types)
	return types
}

// typesOf returns the filtertypes of a file, sorted.
func typesOf(f *File) []string {
	types := []string{}
	for _, a := range f.Actions {
		list := slices.Concat(a.Filters, a.Add, a.Remove)
		if r, ok := a.Options.(*Reindex); ok && r.RemoteFilters != nil {
			list = append(list, r.Remote...)
		}
		for _, f := range list {
			types = append(types, f.Type())
		}
	}
	slices.Sort(types)
	return types
}

// meaning returns all that a file says, as JSON.
func meaning(t *testing.T, f *File) string {
	var all []Action
	for _, a := range f.Actions {
		a.Line = 0
		all = append(all, a)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// free are options whose content is Elasticsearch's affair.
var free = []string{"extra_settings", "index_settings", "query", "script", "headers", "sort", "_source"}

// spoils returns functions each of which misspells one key below v, or one filtertype, and returns how to undo that.
func spoils(v *value, path []string) []func() func() {
	var out []func() func()
	for i := range v.entries {
		e := &v.entries[i]
		if e.value.kind == yaml.ScalarNode && (e.value.scalar == nil || e.value.scalar == "None") {
			continue // as if it were not there
		}
		if len(path) != 1 { // the keys of actions are anything
			out = append(out, func() func() {
				was := e.key
				e.key += "_zz"
				return func() { e.key = was }
			})
		}
		if e.key == "filtertype" {
			out = append(out, func() func() {
				was := e.value
				e.value = &value{kind: yaml.ScalarNode, scalar: fmt.Sprint(was.scalar, "_zz")}
				return func() { e.value = was }
			})
		}
		if !slices.Contains(free, e.key) {
			out = append(out, spoils(e.value, append(path, e.key))...)
		}
	}
	for _, e := range v.list {
		out = append(out, spoils(e, append(path, "-"))...)
	}
	return out
}

var decimal = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$`)

// exotic says whether v has numbers that cannot be written in a single way.
func exotic(v *value) bool {
	switch s := v.scalar.(type) {
	case json.Number:
		return !decimal.MatchString(string(s))
	case float64:
		return true
	}
	return slices.ContainsFunc(v.list, exotic) || slices.ContainsFunc(v.entries, func(e entry) bool {
		return e.number && !decimal.MatchString(e.key) || exotic(e.value)
	})
}

// write returns v as YAML.
func write(v *value) string {
	var b strings.Builder
	switch {
	case v.kind == yaml.SequenceNode:
		b.WriteString("[")
		for _, e := range v.list {
			b.WriteString(write(e) + ", ")
		}
		b.WriteString("]")
	case v.kind == yaml.MappingNode:
		b.WriteString("{")
		for _, e := range v.entries {
			key := quote(e.key)
			if e.number {
				key = strings.TrimSuffix(e.key, "_zz")
			}
			b.WriteString("? " + key + " : " + write(e.value) + ", ")
		}
		b.WriteString("}")
	case v.scalar == nil:
		return "null"
	default:
		if s, ok := v.scalar.(string); ok {
			return quote(s)
		}
		return fmt.Sprint(v.scalar)
	}
	return b.String()
}

func quote(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\U%08x`, c)
			continue
		}
		b.WriteRune(c)
	}
	return `"` + b.String() + `"`
}
