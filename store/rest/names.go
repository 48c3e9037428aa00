package rest

import (
	"fmt"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

func invalidName(name, why string) *failure {
	f := &failure{typ: "invalid_index_name_exception", reason: fmt.Sprintf("Invalid index name [%s], %s", clip(name), why)}
	return f.with("index_uuid", "_na_").with("index", clip(name))
}

// checkName refuses a name that no index may have.
func checkName(name string) error {
	if why := wrongName(name); why != "" {
		return invalidName(name, why)
	}
	return nil
}

func wrongName(name string) string {
	switch {
	case name == "" || strings.ContainsAny(name, " \"*\\<|,>/?") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return `must not contain the following characters [ , ", *, \, <, |, ,, >, /, ?]`
	case strings.Contains(name, "#"):
		return "must not contain '#'"
	case strings.Contains(name, ":"):
		return "must not contain ':'"
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "-"), strings.HasPrefix(name, "+"):
		return "must not start with '_', '-', or '+'"
	case len(name) > 255:
		return fmt.Sprintf("index name is too long, (%d > 255)", len(name))
	case name == ".", name == "..":
		return "must not be '.' or '..'"
	case strings.ToLower(name) != name:
		return "must be lowercase"
	}
	return ""
}

// checkAlias refuses a name that no alias of an index may have.
func (s *snapshot) checkAlias(name, index string) error {
	why := wrongName(strings.ToLower(name))
	switch {
	case name == "":
		return illegal("alias name is required")
	case s.byName[name] != nil, name == index:
		why = "an index or data stream exists with the same name as the alias"
	case why == "":
		return nil
	}
	return &failure{typ: "invalid_alias_name_exception", reason: fmt.Sprintf("Invalid alias name [%s]: %s", clip(name), why)}
}

// dateMath gives the name that <name-{now/d{yyyy.MM.dd|+02:00}}> stands for; another name stands for itself.
func dateMath(name string) (string, error) {
	if !strings.HasPrefix(name, "<") || !strings.HasSuffix(name, ">") {
		return name, nil
	}
	wrong := func(why string) error {
		f := &failure{typ: "parse_exception", reason: fmt.Sprintf("invalid dynamic name expression [%s]. %s", clip(name), why)}
		return f
	}
	inner := name[1 : len(name)-1]
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; c {
		case '\\':
			if i++; i == len(inner) {
				return "", wrong("nothing behind \\")
			}
			out.WriteByte(inner[i])
		case '}':
			return "", wrong(fmt.Sprintf("invalid character at position [%d]. `{` and `}` are reserved characters and should be escaped when used as part of the index name using `\\` (e.g. `\\{text\\}`)", i))
		case '{':
			end := closing(inner[i:])
			if end < 0 {
				return "", wrong("date math placeholder is open ended")
			}
			text, err := placeholderText(inner[i+1:i+end], time.Now())
			if err != nil {
				return "", wrong(err.Error())
			}
			out.WriteString(text)
			i += end
		default:
			out.WriteByte(c)
		}
	}
	if out.Len() == 0 {
		return "", wrong("nothing captured")
	}
	return out.String(), nil
}

// closing finds the brace that closes the first one.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// placeholderText is what now/d{yyyy.MM.dd|+02:00} stands for.
func placeholderText(s string, now time.Time) (string, error) {
	math, rest, own := strings.Cut(s, "{")
	pattern, zone := "yyyy.MM.dd", time.UTC
	if own {
		pattern, _ = strings.CutSuffix(rest, "}")
		if p, name, ok := strings.Cut(pattern, "|"); ok {
			var err error
			if zone, err = mapping.ParseZone(name); err != nil {
				return "", err
			}
			pattern = p
		}
	}
	format, err := mapping.ParseFormat(pattern)
	if err != nil {
		return "", err
	}
	t, err := format.ParseMath(math, now.In(zone), false, zone)
	if err != nil {
		return "", err
	}
	return format.Print(t.In(zone)), nil
}

// readAliases reads {"name": {"is_write_index": true}, …}.
func readAliases(v body.Value, index string) ([]alias, error) {
	if v.Kind != body.Object {
		return nil, &failure{typ: "parse_exception", reason: "[aliases] must be an object"}
	}
	var out []alias
	for _, m := range v.Members {
		a, err := readAlias(m.Name, m.Value)
		if err != nil {
			return nil, err
		}
		if a.name, err = dateMath(strings.ReplaceAll(a.name, "{index}", index)); err != nil {
			return nil, err
		}
		out = putAlias(out, a)
	}
	return out, nil
}

// readAlias reads what goes with an alias.
func readAlias(name string, v body.Value) (alias, error) {
	a := alias{name: name}
	for _, m := range v.Members {
		var err error
		switch m.Name {
		case "is_write_index":
			a.write, err = readBool(m)
		case "is_hidden":
			a.hidden, err = readBool(m)
		case "filter":
			if len(m.Value.Members) > 0 {
				return a, notServed("[filter] of the alias [%s]", clip(name))
			}
		case "routing", "index_routing", "search_routing":
			return a, notServed("[%s] of the alias [%s]", m.Name, clip(name))
		default:
			return a, &failure{typ: "parse_exception", reason: fmt.Sprintf("Unknown field [%s] in alias [%s]", clip(m.Name), clip(name))}
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// readBool reads a member that is true or false.
func readBool(m body.Member) (*bool, error) {
	if (m.Value.Kind == body.Bool || m.Value.Kind == body.String) && (m.Value.Text == "true" || m.Value.Text == "false") {
		b := m.Value.Text == "true"
		return &b, nil
	}
	return nil, illegal("Failed to parse value [%s] of [%s] as only [true] or [false] are allowed.", clip(m.Value.Text), clip(m.Name))
}

// putAlias returns a list with an alias, in place of the one of its name.
func putAlias(all []alias, a alias) []alias {
	out := dropAlias(all, a.name)
	for i := range out {
		if out[i].name > a.name {
			return append(out[:i:i], append([]alias{a}, out[i:]...)...)
		}
	}
	return append(out, a)
}

// dropAlias returns a list without the alias of that name.
func dropAlias(all []alias, name string) []alias {
	var out []alias
	for _, a := range all {
		if a.name != name {
			out = append(out, a)
		}
	}
	return out
}

func (a alias) value() body.Value {
	v := object()
	if a.write != nil {
		v.Members = append(v.Members, body.Member{Name: "is_write_index", Value: body.Boolean(*a.write)})
	}
	if a.hidden != nil {
		v.Members = append(v.Members, body.Member{Name: "is_hidden", Value: body.Boolean(*a.hidden)})
	}
	return v
}

func (f *facts) aliasesValue() body.Value {
	v := object()
	for _, a := range f.aliases {
		v.Members = append(v.Members, body.Member{Name: a.name, Value: a.value()})
	}
	return v
}
