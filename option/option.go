// Package option makes an option one commented struct field with its default beside it:
//
//	type options struct {
//		// Longest message kept; the rest is cut and flagged.
//		MaxMessageBytes option.Bytes `config:"max_message_bytes" default:"1MiB"`
//	}
//
// Unpack fills such a struct and refuses every name it does not know. Describe reads the same
// source for the tables of the READMEs and for the reference configuration, so that an option
// is written, checked and documented in one place. A field's tags are
//
//	config   its name in the configuration; "-" or none leaves the field alone
//	alias    further names for it, separated by commas
//	default  its default, as YAML
//
// The package imports no beat, so that every program of this repository can use it.
package option

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/elastic/go-ucfg"
	"gopkg.in/yaml.v3"
)

// Config is a configuration section: libbeat's *common.Config or a *ucfg.Config wrapped by From.
type Config interface {
	Unpack(to any) error
}

// From wraps values that were read from YAML or JSON as a Config.
func From(values map[string]any) Config { return section(values) }

type section map[string]any

func (s section) Unpack(to any) error {
	c, err := ucfg.NewFrom(map[string]any(s), ucfg.PathSep("."))
	if err != nil {
		return err
	}
	return c.Unpack(to, ucfg.PathSep("."))
}

// InputSettings are libbeat's own settings of every input, for Unpack's also.
var InputSettings = []string{"type", "id", "enabled", "processors", "fields", "fields_under_root", "tags",
	"keep_null", "publisher_pipeline", "pipeline", "index", "service", "delivery", "queue"}

// TopLevel are the names at the top level of podbeat's configuration: its own sections, and what libbeat 7.17 asks for there.
var TopLevel = []string{
	"podbeat", "control",
	"name", "tags", "fields", "fields_under_root", "processors", "timeseries", // of events
	"queue", "output", "cloud", "setup", "migration",
	"path", "keystore", "management", "system", // system.hostfs
	"logging", "http", "monitoring", "xpack", "instrumentation", // xpack.monitoring
	"max_procs", "gc_percent", "seccomp",
}

// IsTopLevel says whether name, up to its first dot, is one of [TopLevel], or begins with x-: there is what YAML's anchors need.
func IsTopLevel(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	return slices.Contains(TopLevel, name) || strings.HasPrefix(name, "x-")
}

// Unpack sets *to, a pointer to a struct of options, to its defaults and then to what cfg says.
// what names the section in errors ("journal input"); also lists names that belong to somebody
// else, as libbeat's common settings do. A name that nobody knows is an error which lists the
// known ones and the nearest. If *to has a method Validate() error, it has the last word.
func Unpack(cfg Config, to any, what string, also ...string) error {
	given := map[string]any{}
	if err := cfg.Unpack(&given); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	t := reflect.TypeOf(to).Elem()
	if err := settle(given, t, "", what, also); err != nil {
		return err
	}
	if err := section(given).Unpack(to); err != nil {
		var bad ucfg.Error
		if errors.As(err, &bad) && strings.HasSuffix(err.Error(), " accessing config") { // of *to's own Validate
			err = bad.Reason()
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// settle makes given what t wants: aliases renamed, unknown names refused, defaults put in.
func settle(given map[string]any, t reflect.Type, prefix, what string, also []string) error {
	var known []string
	for _, f := range fields(t) {
		known = append(known, f.name)
		for _, a := range f.aliases {
			v, ok := given[a]
			if !ok {
				continue
			}
			if _, twice := given[f.name]; twice {
				return fmt.Errorf("%s: options %q and %q are the same one: give only %q", what, prefix+a, prefix+f.name, prefix+f.name)
			}
			delete(given, a)
			given[f.name] = v
		}
	}
	for name := range given {
		if !slices.Contains(known, name) && !slices.Contains(also, name) {
			return fmt.Errorf("%s: %w", what, Unknown("option", prefix, name, append(known, also...)))
		}
	}
	for _, f := range fields(t) {
		v, ok := given[f.name]
		if ok && v == nil { // "name:" with nothing behind it means the default
			delete(given, f.name)
			ok = false
		}
		if !ok && f.def != "" {
			var def any
			if err := yaml.Unmarshal([]byte(f.def), &def); err != nil {
				return fmt.Errorf("%s: default of %q: %w", what, prefix+f.name, err)
			}
			given[f.name] = def
		}
		if !isSection(f.typ) {
			continue
		}
		sub, isMap := given[f.name].(map[string]any)
		if given[f.name] == nil {
			sub, isMap = map[string]any{}, true
		}
		if !isMap {
			if hasUnpack(f.typ) {
				continue // the type reads the short form itself
			}
			return fmt.Errorf("%s: option %q is a section, not %v", what, prefix+f.name, given[f.name])
		}
		if err := settle(sub, f.typ, prefix+f.name+".", what, nil); err != nil {
			return err
		}
		given[f.name] = sub
	}
	return nil
}

type field struct {
	name, def string
	aliases   []string
	typ       reflect.Type
}

func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("config")
		if name == ",inline" {
			out = append(out, fields(f.Type)...)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		o := field{name: name, def: f.Tag.Get("default"), typ: f.Type}
		if a := f.Tag.Get("alias"); a != "" {
			o.aliases = strings.Split(a, ",")
		}
		out = append(out, o)
	}
	return out
}

// isSection says whether values of t are themselves structs of options.
func isSection(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return false
	}
	return len(fields(t)) > 0
}

func hasUnpack(t reflect.Type) bool {
	_, ok := reflect.PointerTo(t).MethodByName("Unpack")
	return ok
}

// Unknown returns the error that says that name, below prefix ("section." or ""), is none of the known
// options, actions or whatever the noun is: with the nearest one and with all of them.
func Unknown(noun, prefix, name string, known []string) error {
	all := slices.Clone(known)
	slices.Sort(all)
	all = slices.Compact(all)
	msg := fmt.Sprintf("unknown %s %q", noun, prefix+name)
	if near := nearest(name, all); near != "" {
		msg += fmt.Sprintf(", did you mean %q?", prefix+near)
	} else {
		msg += ";"
	}
	return fmt.Errorf("%s known %ss: %s", msg, noun, strings.Join(all, ", "))
}

// nearest returns the known name that is at most a third of its letters away, or "".
func nearest(name string, known []string) string {
	best, at := "", 1+max(len(name), 3)/3
	for _, k := range known {
		if d := distance(name, k, at); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is Levenshtein's with swapped neighbours counted once; it may stop at limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	var before, prev, cur []int
	for j := range len(b) + 1 {
		prev = append(prev, j)
	}
	for i := 1; i <= len(a); i++ {
		cur = append(make([]int, 0, len(b)+1), i)
		for j := 1; j <= len(b); j++ {
			d := min(prev[j]+1, cur[j-1]+1)
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d = min(d, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			cur = append(cur, d)
		}
		before, prev = prev, cur
	}
	return prev[len(b)]
}
