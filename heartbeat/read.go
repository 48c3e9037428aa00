package heartbeat

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/es/body"
)

// members reads the members of one object and notes what is wrong with them. One that is missing or null is the zero value.
type members struct {
	value body.Value
	at    string // where the object is: "", "inputs[3]."
	errs  *[]error
}

const maxErrors = 10 // more are not told

func parse(data []byte) (members, error) {
	if len(data) > MaxBody {
		return members{}, fmt.Errorf("it is longer than %d bytes", MaxBody)
	}
	v, err := body.Parse(data)
	if err != nil {
		return members{}, err
	}
	if v.Kind != body.Object {
		return members{}, fmt.Errorf("it must be an object, not %s", kind(v.Kind))
	}
	return members{value: v, errs: new([]error)}, nil
}

func (m members) err() error { return errors.Join(*m.errs...) }

func (m members) wrong(name, format string, args ...any) {
	if len(*m.errs) < maxErrors {
		*m.errs = append(*m.errs, fmt.Errorf("%q "+format, append([]any{m.at + name}, args...)...))
	}
}

// get returns a member of the kind wanted, and notes one of another.
func (m members) get(name string, want body.Kind) (body.Value, bool) {
	v, ok := m.value.Get(name)
	switch {
	case !ok || v.Kind == body.Null:
		return v, false
	case v.Kind != want:
		m.wrong(name, "must be %s, not %s", kind(want), kind(v.Kind))
		return v, false
	}
	return v, true
}

func kind(k body.Kind) string {
	switch k {
	case body.Object:
		return "an object"
	case body.Array:
		return "an array"
	case body.String:
		return "a text"
	case body.Number:
		return "a number"
	case body.Bool:
		return "true or false"
	}
	return "null"
}

func (m members) bool(name string) bool {
	v, _ := m.get(name, body.Bool)
	return v.Kind == body.Bool && v.Text == "true"
}

func (m members) text(name string) (string, bool) {
	v, ok := m.get(name, body.String)
	return v.Text, ok
}

// name is a short text that may be printed as it is.
func (m members) name(name string) string {
	text, ok := m.text(name)
	switch {
	case !ok:
	case len(text) > MaxName:
		m.wrong(name, "is longer than %d bytes", MaxName)
	case strings.ContainsFunc(text, unprintable):
		m.wrong(name, "holds a control character")
	default:
		return text
	}
	return ""
}

// message is a text that is shown to people.
func (m members) message(name string) string {
	text, ok := m.text(name)
	if ok && len(text) > MaxError {
		m.wrong(name, "is longer than %d bytes", MaxError)
		return ""
	}
	return printable(text, MaxError)
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (m members) uuid(name string) string {
	text, _ := m.text(name)
	if text = strings.ToLower(text); !uuid.MatchString(text) {
		m.wrong(name, "must be a UUID, as 123e4567-e89b-12d3-a456-426614174000")
		return ""
	}
	return text
}

func (m members) oneOf(name string, values ...string) string {
	text, ok := m.text(name)
	if !ok && values[0] == "" || slices.Contains(values, text) {
		return text
	}
	m.wrong(name, "must be one of %s", strings.TrimPrefix(strings.Join(values, ", "), ", "))
	return ""
}

func (m members) time(name string) time.Time {
	text, ok := m.text(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		m.wrong(name, "must be a time, as 2026-11-21T08:00:00Z")
		return time.Time{}
	}
	return t.UTC()
}

func (m members) duration(name string) time.Duration {
	text, ok := m.text(name)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > 24*time.Hour {
		m.wrong(name, "must be a length of time from 1s to 24h")
		return 0
	}
	return d
}

// count is a whole number that is not negative.
func (m members) count(name string) int64 {
	if n := m.optionalCount(name); n != nil {
		return *n
	}
	return 0
}

func (m members) optionalCount(name string) *int64 {
	v, ok := m.get(name, body.Number)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || n < 0 {
		m.wrong(name, "must be a whole number from 0 to %d", int64(math.MaxInt64))
		return nil
	}
	return &n
}

func (m members) seconds(name string) *float64 {
	v, ok := m.get(name, body.Number)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(v.Text, 64)
	if err != nil || !(f >= 0 && f <= maxSeconds) {
		m.wrong(name, "must be a number of seconds from 0 to %g", maxSeconds)
		return nil
	}
	return &f
}

const maxSeconds = 1e10 // some 300 years

func (m members) object(name string) (members, bool) {
	v, ok := m.get(name, body.Object)
	return members{v, m.at + name + ".", m.errs}, ok
}

func (m members) objects(name string, most int) []members {
	v, ok := m.get(name, body.Array)
	if !ok {
		return nil
	}
	if len(v.Items) > most {
		m.wrong(name, "has more than %d items", most)
		return nil
	}
	all := make([]members, 0, len(v.Items))
	for i, item := range v.Items {
		if item.Kind != body.Object {
			m.wrong(fmt.Sprintf("%s[%d]", name, i), "must be an object, not %s", kind(item.Kind))
			return nil
		}
		all = append(all, members{item, fmt.Sprintf("%s%s[%d].", m.at, name, i), m.errs})
	}
	return all
}

// switches is an object of names with true or false.
func (m members) switches(name string) map[string]bool {
	o, ok := m.object(name)
	if !ok {
		return nil
	}
	if len(o.value.Members) > MaxCollectors {
		m.wrong(name, "has more than %d members", MaxCollectors)
		return nil
	}
	all := map[string]bool{}
	for _, member := range o.value.Members {
		if len(member.Name) > MaxName || strings.ContainsFunc(member.Name, unprintable) {
			m.wrong(name, "holds a name that is too long or has a control character")
			return nil
		}
		if member.Value.Kind != body.Bool {
			o.wrong(member.Name, "must be true or false, not %s", kind(member.Value.Kind))
			continue
		}
		all[member.Name] = member.Value.Text == "true"
	}
	return all
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// printable is text as one line that no terminal acts on, cut to most bytes.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") // half of a letter may be left at its end
}
