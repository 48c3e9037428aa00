package action

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/option"
)

// Options say how a file is read.
type Options struct {
	Strict bool                        // as Curator does where that is dangerous: duplicate keys, octal numbers, an empty list of filters
	Env    func(string) (string, bool) // environment variables, as os.LookupEnv; nil: there are none
}

func (o Options) env(name string) (string, bool) {
	if o.Env == nil {
		return "", false
	}
	return o.Env(name)
}

// A File is a checked action file.
type File struct {
	Name     string
	SHA256   string   // of its text, hexadecimal
	Actions  []Action // in the order in which they are done
	Warnings []string // what is right but may not be meant, with the line
}

// Read reads the action file path; "-" is standard input.
func Read(path string, o Options) (*File, error) {
	text, err := readFile(path, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the action file: %w", err)
	}
	return Parse(text, path, o)
}

// readFile reads a file; of one that is longer than most bytes, one byte more.
func readFile(path string, most int64) ([]byte, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	return io.ReadAll(io.LimitReader(f, most+1))
}

// Parse reads the text of an action file, which errors call name. An error lists all that is wrong, each on
// a line of its own that begins with name and line.
func Parse(text []byte, name string, o Options) (*File, error) {
	r := &reader{Options: o, problems: problems{name: name}}
	sum := sha256.Sum256(text)
	f := &File{Name: name, SHA256: hex.EncodeToString(sum[:])}
	if root := r.parse(text); root != nil {
		f.Actions = r.file(root)
	} else if len(r.list) == 0 {
		r.add(1, errors.New("the file is empty: it must begin with the key actions"))
	}
	f.Warnings = r.warnings
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// file reads what is below actions:, in the order of the keys.
func (r *reader) file(root *value) []Action {
	all := r.need(root, "the file", "actions:")
	if all == nil {
		return nil
	}
	r.only(root, "the file", "actions")
	list := root.get("actions")
	if list == nil || list.kind != yaml.MappingNode {
		r.add(root.lineOf("actions"), errors.New("actions must have actions below it, each with a number: write actions: {1: {action: …}}"))
		return nil
	}
	entries := slices.Clone(list.entries)
	for _, e := range entries {
		if e.number != entries[0].number {
			r.add(e.line, fmt.Errorf("the keys of actions are numbers and words (%s and %s), which have no order: use numbers for all",
				setting.Show(entries[0].key), setting.Show(e.key)))
			return nil
		}
	}
	sort.SliceStable(entries, func(i, j int) bool {
		if entries[i].number {
			return numberOf(entries[i].key) < numberOf(entries[j].key)
		}
		return entries[i].key < entries[j].key
	})
	var actions []Action
	for _, e := range entries {
		if a := r.action(e); a != nil {
			actions = append(actions, *a)
		}
	}
	return actions
}

func numberOf(key string) float64 {
	n, _ := json.Number(key).Float64()
	return n
}

// need returns v if it is a mapping, or says that what must begin with example.
func (r *reader) need(v *value, what, example string) *value {
	if v.kind != yaml.MappingNode {
		r.add(v.line, fmt.Errorf("%s is no mapping of names to values: it must begin with %s", what, example))
		return nil
	}
	return v
}

// only refuses entries of v that are none of names.
func (r *reader) only(v *value, what string, names ...string) {
	for _, e := range v.entries {
		if !slices.Contains(names, e.key) {
			r.add(e.line, fmt.Errorf("%s: %w", what, option.Unknown("key", "", e.key, names)))
		}
	}
}

func (r *reader) action(e entry) *Action {
	what := "action " + printable(e.key)
	v := r.need(e.value, what, "action:")
	if v == nil {
		return nil
	}
	a := &Action{ID: e.key, Line: e.line, Description: "No description given"}
	if a.Kind = r.word(v, what, "action"); a.Kind == "" {
		return nil
	}
	if why, ok := refusedKinds[a.Kind]; ok {
		r.add(v.lineOf("action"), fmt.Errorf("%s: %s is not supported: %s", what, a.Kind, why))
		return nil
	}
	k, ok := kinds[a.Kind]
	if !ok {
		var known []string
		for name := range kinds {
			known = append(known, name)
		}
		r.add(v.lineOf("action"), fmt.Errorf("%s: %w", what, option.Unknown("action", "", a.Kind, known)))
		return nil
	}
	what += " (" + a.Kind + ")"
	names := []string{"action", "description", "options"}
	switch k.filters {
	case indices, snapshots:
		names = append(names, "filters")
	case addRemove:
		names = append(names, "add", "remove")
	}
	if k.filters == noFilters && v.get("filters") != nil {
		r.add(v.lineOf("filters"), fmt.Errorf("%s: this action takes no filters: remove them", what))
		names = append(names, "filters")
	}
	r.only(v, what, names...)
	if d := v.get("description"); d != nil && (d.kind != yaml.ScalarNode || d.scalar != nil) {
		a.Description = r.word(v, what, "description")
	}
	r.options(a, k, v, what)
	switch k.filters {
	case indices:
		a.Filters = r.filters(v, "filters", what, filter.Indices)
	case snapshots:
		a.Filters = r.filters(v, "filters", what, filter.Snapshots)
	case addRemove:
		a.Add, a.Remove = r.change(v, "add", what), r.change(v, "remove", what)
		if v.get("add") == nil && v.get("remove") == nil {
			r.add(a.Line, fmt.Errorf("%s: nothing to do: it needs add: {filters: …} or remove: {filters: …}, or both", what))
		}
	}
	return a
}

// word returns the text below key, "" after saying what is wrong with it.
func (r *reader) word(v *value, what, key string) string {
	got := v.get(key)
	switch {
	case got == nil || got.kind == yaml.ScalarNode && got.scalar == nil:
		r.add(v.lineOf(key), fmt.Errorf("%s: %s is missing", what, key))
	case got.kind != yaml.ScalarNode:
		r.add(v.lineOf(key), fmt.Errorf("%s: %s must be text, not %s", what, key, setting.Show(got.plain())))
	default:
		switch s := got.scalar.(type) {
		case string:
			if s == "" {
				r.add(v.lineOf(key), fmt.Errorf("%s: %s is empty", what, key))
			}
			return s
		case json.Number:
			return string(s)
		}
		r.add(v.lineOf(key), fmt.Errorf("%s: %s must be text, not %s: if the word is meant, quote it", what, key, setting.Show(got.scalar)))
	}
	return ""
}

// options unpacks the options of a and those of its kind.
func (r *reader) options(a *Action, k kind, v *value, what string) {
	in := v.get("options")
	switch {
	case in == nil:
		in = &value{line: a.Line, kind: yaml.MappingNode}
	case in.kind != yaml.MappingNode:
		r.add(v.lineOf("options"), fmt.Errorf("%s: options must have options below it, indented, not %s: or leave the line out", what, setting.Show(in.plain())))
		return
	}
	given := in.options()
	for name, why := range goneOptions[a.Kind] {
		got, ok := given[name]
		if !ok {
			continue
		}
		if delete(given, name); !off(got) {
			r.add(in.lineOf(name), fmt.Errorf("%s: option %q is of Curator 5 and not supported: %s", what, name, why))
		}
	}
	for name, why := range needlessOptions[a.Kind] {
		if _, ok := given[name]; ok {
			delete(given, name)
			r.warn(in.lineOf(name), "%s: option %q is of Curator 5 and passed over: %s", what, name, why)
		}
	}
	a.Options, a.Timeout = k.options(), k.timeout
	known := append(setting.Names(a.Options), setting.Names(&a.Common)...)
	for _, e := range in.entries {
		if v, ok := given[e.key]; ok && (v == nil || v == "None") && !slices.Contains(known, e.key) {
			delete(given, e.key) // as Curator, to which nothing means not given
			r.warn(e.line, "%s: option %s is unknown, and passed over as it has no value", what, setting.Show(e.key))
		}
	}
	r.report(setting.Unpack(given, a.Options, what, &a.Common), in, "")
	if s, ok := a.Options.(interface{ pattern() string }); ok {
		a.SearchPattern = s.pattern()
		if v := in.get("search_pattern"); !r.Strict && v != nil && (v.unset || a.SearchPattern == "") {
			r.add(in.lineOf("search_pattern"), fmt.Errorf("%s: option \"search_pattern\" is empty, which is all indices: write '*' if all are meant", what))
		}
		if first, _, _ := strings.Cut(a.SearchPattern, "*"); !r.Strict && (strings.HasPrefix(first, "-") || strings.Contains(first, ",-")) {
			r.add(in.lineOf("search_pattern"), fmt.Errorf("%s: option \"search_pattern\" is %s: what is left out has a meaning only behind a name with *: begin it with *,", what, setting.Show(a.SearchPattern)))
		}
	}
	r.check = !r.Strict && !a.DisableAction
	if re, ok := a.Options.(*Reindex); ok {
		re.Remote = r.remote(in, what)
	}
}

// remote reads the filters of a remote reindex: without any, nothing is chosen.
func (r *reader) remote(in *value, what string) []filter.Filter {
	if v := in.get("remote_filters"); v != nil && v.scalar != "None" && (v.kind != yaml.ScalarNode || v.scalar != nil) {
		return r.filters(in, "remote_filters", what, filter.Indices)
	}
	none, err := filter.Parse(map[string]any{"filtertype": "pattern", "kind": "regex", "value": ".*", "exclude": true}, filter.Indices)
	if err != nil {
		r.add(in.line, err)
		return nil
	}
	return []filter.Filter{none}
}

// change reads the filters of an alias action below add or remove; nil if there is none of them.
func (r *reader) change(v *value, key, what string) []filter.Filter {
	in := v.get(key)
	if in == nil {
		return nil
	}
	if in.kind != yaml.MappingNode {
		r.add(v.lineOf(key), fmt.Errorf("%s: %s must have filters below it: write %s: {filters: [{filtertype: …}]}", what, key, key))
		return nil
	}
	r.only(in, what+", "+key, "filters")
	return r.filters(in, "filters", what+", "+key, filter.Indices)
}

// filters reads the list of filters below key of v. What is missing is never taken for "all".
func (r *reader) filters(v *value, key, what string, kind filter.Kind) []filter.Filter {
	list := v.get(key)
	const example = "write - filtertype: none below it if really all are meant"
	switch {
	case list == nil:
		r.add(v.line, fmt.Errorf("%s: %s is missing: %s", what, key, example))
		return nil
	case list.kind != yaml.SequenceNode:
		r.add(v.lineOf(key), fmt.Errorf("%s: %s must be a list, each element beginning with - filtertype:, not %s: %s", what, key, setting.Show(list.plain()), example))
		return nil
	case len(list.list) == 0 && !r.Strict:
		r.add(v.lineOf(key), fmt.Errorf("%s: %s is empty, which Curator takes for all: %s", what, key, example))
		return nil
	case len(list.list) == 0:
		r.warn(v.lineOf(key), "%s: %s is empty: all are taken", what, key)
	}
	filters := []filter.Filter{}
	for i, e := range list.list {
		place := fmt.Sprintf("%s, filter %d", what, i+1)
		if key != "filters" {
			place = fmt.Sprintf("%s, %s %d", what, key, i+1)
		}
		if e.kind != yaml.MappingNode {
			r.add(e.line, fmt.Errorf("%s: must be a mapping that begins with filtertype:, not %s", place, setting.Show(e.plain())))
			continue
		}
		f, err := filter.Parse(e.options(), kind)
		if err == nil && r.check {
			err = filter.Check(f, false)
		}
		if err != nil {
			r.report(err, e, place+": ")
			continue
		}
		filters = append(filters, f)
	}
	return filters
}

// report adds the errors that err joins, each with the line of v's option that it is about.
func (r *reader) report(err error, v *value, prefix string) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			r.report(e, v, prefix)
		}
		return
	}
	line := v.line
	var one *setting.Error
	if errors.As(err, &one) {
		line = v.lineOf(one.Name)
	}
	r.add(line, fmt.Errorf("%s%w", prefix, err))
}

// problems are what is wrong with a file.
type problems struct {
	name string
	list []problem
}

type problem struct {
	line int
	err  error
}

func (p *problems) add(line int, err error) { p.list = append(p.list, problem{line, err}) }

// err returns all problems as one error, in the order of their lines.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b problem) int { return a.line - b.line })
	var errs []error
	for i, one := range p.list {
		if i == 20 {
			errs = append(errs, p.at(0, fmt.Errorf("and %d more", len(p.list)-i)))
			break
		}
		errs = append(errs, p.at(one.line, one.err))
	}
	return errors.Join(errs...)
}

func (p *problems) at(line int, err error) error {
	where := p.name
	if where == "" { // there is no file, so it is in a flag or a variable
		where = "client settings"
	} else if line > 0 {
		where = fmt.Sprintf("%s:%d", p.name, line)
	}
	return &placed{where, err}
}

// A placed error says where it is, on one line.
type placed struct {
	where string
	err   error
}

func (e *placed) Error() string { return printable(e.where) + ": " + printable(e.err.Error()) }
func (e *placed) Unwrap() error { return e.err }

func (r *reader) warn(line int, format string, args ...any) {
	if len(r.warnings) < 100 {
		r.warnings = append(r.warnings, r.at(line, fmt.Errorf(format, args...)).Error())
	}
}

// printable returns s, which somebody else wrote, in one line without control characters.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError || c == '\u2028' || c == '\u2029' {
			return '?'
		}
		return c
	}, s)
	if r := []rune(s); len(r) > 1000 {
		return string(r[:1000]) + "…"
	}
	return s
}
