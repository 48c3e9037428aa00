// Package setting unpacks one section of an action file, read from YAML or JSON, into a struct whose
// fields are its options, and takes values as Elastic Curator takes them. A field's tags are those of
// package option, so that option.Describe makes the tables of the documentation, and three more:
//
//	config    its name; ",inline" for an embedded struct; "-" or none leaves the field alone
//	alias     further names for it, separated by commas
//	default   its default, as YAML
//	required  "true": it must be given, and a text not be empty
//	oneof     the values it may have: "older|younger"
//	min, max  the range of a number
//
// A field without a default keeps what it holds, so that a caller can fill it in before.
package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/option"
)

// An Error is what is wrong with one option. An error of Unpack joins as many as there are.
type Error struct {
	What string // the section: "age filter"
	Name string // the option, with the names of its sections: "conditions.max_docs"; "" is the section as a whole
	Err  error
}

func (e *Error) Error() string {
	if e.What == "" {
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Wrong returns an error about option name, for a Validate method: Unpack adds the section to it.
func Wrong(name, format string, args ...any) error {
	return &Error{Name: name, Err: fmt.Errorf(format, args...)}
}

// Unpack sets *to, a pointer to a struct of options, to its defaults and then to what values say;
// what names the section in errors. A value is a nil, bool, int, int64, float64, json.Number, string,
// []any or map[string]any; json.Number is a number as it is written, which an option of text keeps.
//
// nil and the text "None" mean that the option is not given. Yes/no options take booleans and the words
// true, yes, on, enable and 1 as text (false, no, off, disable, 0), but not the numbers 1 and 0. Numbers
// may be written as text. A time.Duration is a number of seconds. A list of texts may be a single text.
// A pointer to a struct is a section that may be left out: nil then.
//
// A name that is not known is an error with the nearest and all that are. If *to, or a struct in it, has
// a method Validate() error, it has the last word. All errors are reported, each an *Error.
//
// also are further structs that have their options in the same section.
func Unpack(values map[string]any, to any, what string, also ...any) error {
	u := unpacker{what: what}
	structs := []reflect.Value{reflect.ValueOf(to).Elem()}
	for _, a := range also {
		structs = append(structs, reflect.ValueOf(a).Elem())
	}
	u.section(values, structs, "")
	return errors.Join(u.errs...)
}

// Names returns the options of *to, a pointer to a struct of options, in their order.
func Names(to any) []string {
	var names []string
	for _, f := range fields(reflect.ValueOf(to).Elem()) {
		names = append(names, f.name)
	}
	return names
}

type unpacker struct {
	what string
	errs []error
}

func (u *unpacker) wrong(name string, err error) {
	u.errs = append(u.errs, &Error{u.what, name, err})
}

type field struct {
	name    string
	aliases []string
	tag     reflect.StructTag
	value   reflect.Value
}

func fields(v reflect.Value) []field {
	var out []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("config")
		switch name {
		case "", "-":
		case ",inline":
			out = append(out, fields(v.Field(i))...)
		default:
			o := field{name: name, tag: f.Tag, value: v.Field(i)}
			if a := f.Tag.Get("alias"); a != "" {
				o.aliases = strings.Split(a, ",")
			}
			out = append(out, o)
		}
	}
	return out
}

// section fills structs, which share a section; prefix is in front of the names of its options in errors.
func (u *unpacker) section(values map[string]any, structs []reflect.Value, prefix string) {
	before := len(u.errs)
	var known []string
	for _, v := range structs {
		for _, f := range fields(v) {
			known = append(append(known, f.name), f.aliases...)
			u.option(values, f, prefix)
		}
	}
	var unknown []string
	for name := range values {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		u.wrong(prefix+name, option.Unknown("option", prefix, name, known))
	}
	if len(u.errs) > before {
		return
	}
	for _, v := range structs {
		if c, ok := v.Addr().Interface().(interface{ Validate() error }); ok {
			u.validated(c.Validate(), prefix)
		}
	}
}

// validated adds what a Validate method found, each part on its own.
func (u *unpacker) validated(err error, prefix string) {
	var one *Error
	switch many, joined := err.(interface{ Unwrap() []error }); {
	case err == nil:
	case joined:
		for _, e := range many.Unwrap() {
			u.validated(e, prefix)
		}
	case errors.As(err, &one):
		u.wrong(prefix+one.Name, one.Err)
	default:
		u.wrong(strings.TrimSuffix(prefix, "."), err)
	}
}

// option sets one field to what values say, or to its default.
func (u *unpacker) option(values map[string]any, f field, prefix string) {
	name, given, value := "", false, any(nil)
	for _, n := range append([]string{f.name}, f.aliases...) {
		v, ok := values[n]
		if !ok || v == nil || v == "None" {
			continue
		}
		if given {
			u.wrong(prefix+n, fmt.Errorf("options %q and %q are the same one: give only %q", prefix+name, prefix+n, prefix+f.name))
			return
		}
		name, given, value = n, true, v
	}
	if !given {
		if f.tag.Get("required") == "true" {
			u.wrong(prefix+f.name, fmt.Errorf("option %q is required%s", prefix+f.name, wanted(f)))
			return
		}
		name = f.name
		if def := f.tag.Get("default"); def != "" {
			if err := yaml.Unmarshal([]byte(def), &value); err != nil {
				panic(fmt.Sprintf("default of %s: %v", f.name, err)) // the programmer's, met by every test that unpacks it
			}
		}
	}
	switch t := f.value.Type(); {
	case isSection(t) || t.Kind() == reflect.Pointer && isSection(t.Elem()):
		u.subsection(value, given, f, prefix+name)
	case !given && value == nil:
	default:
		if err := set(f.value, value); err != nil {
			u.wrong(prefix+name, fmt.Errorf("option %q %w", prefix+name, err))
			return
		}
		if f.tag.Get("required") == "true" && f.value.Kind() == reflect.String && f.value.Len() == 0 {
			u.wrong(prefix+name, fmt.Errorf("option %q is required, and empty%s", prefix+name, wanted(f)))
			return
		}
		if err := allowed(f); err != nil {
			u.wrong(prefix+name, fmt.Errorf("option %q %w", prefix+name, err))
		}
	}
}

func (u *unpacker) subsection(value any, given bool, f field, name string) {
	values, isMap := value.(map[string]any)
	if given && !isMap {
		u.wrong(name, fmt.Errorf("option %q is a section with options of its own, not %s", name, Show(value)))
		return
	}
	to := f.value
	if to.Kind() == reflect.Pointer {
		if len(values) == 0 {
			return
		}
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	u.section(values, []reflect.Value{to}, name+".")
}

// isSection says whether values of t are themselves structs of options.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && len(fields(reflect.New(t).Elem())) > 0
}

// wanted says what f may be, for the one who left it out.
func wanted(f field) string {
	if one := f.tag.Get("oneof"); one != "" {
		return ": one of " + strings.ReplaceAll(one, "|", ", ")
	}
	return ""
}

// Show returns a value as an error message shows it: quoted, on one line, and not too long.
func Show(v any) string {
	var text string
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		text = v
	case json.Number:
		return cut(strings.Trim(fmt.Sprintf("%q", string(v)), `"`))
	case map[string]any:
		return "a section"
	case []any:
		return "a list"
	default:
		return fmt.Sprint(v)
	}
	return cut(fmt.Sprintf("%q", text))
}

func cut(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
