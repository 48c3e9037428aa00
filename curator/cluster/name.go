package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es"
)

// Stamp writes the time of now, in UTC, in place of strftime's letters in a name: %Y %y %G %m %d %H %M %S %j
// and the weeks %W %U %V. As Curator has it, any other letter after % stands for itself, and a name with
// a < in it is date math, which Elasticsearch resolves, and stays as it is.
func Stamp(name string, now time.Time) string {
	if strings.Contains(name, "<") {
		return name
	}
	now = now.UTC()
	var b strings.Builder
	var before rune
	for _, r := range name {
		part, known := "", false
		if before == '%' {
			part, known = stamp(r, now)
		}
		switch {
		case known:
			b.WriteString(part)
		case r != '%':
			b.WriteRune(r)
		}
		before = r
	}
	return b.String()
}

func stamp(letter rune, t time.Time) (string, bool) {
	monday := (int(t.Weekday()) + 6) % 7 // days since Monday
	switch letter {
	case 'Y':
		return t.Format("2006"), true
	case 'y':
		return t.Format("06"), true
	case 'm':
		return t.Format("01"), true
	case 'd':
		return t.Format("02"), true
	case 'H':
		return t.Format("15"), true
	case 'M':
		return t.Format("04"), true
	case 'S':
		return t.Format("05"), true
	case 'j':
		return t.Format("002"), true
	case 'G':
		year, _ := t.ISOWeek()
		return fmt.Sprintf("%04d", year), true
	case 'V':
		_, week := t.ISOWeek()
		return fmt.Sprintf("%02d", week), true
	case 'W': // days before the year's first Monday are in week 0
		return fmt.Sprintf("%02d", (t.YearDay()+6-monday)/7), true
	case 'U': // the same with Sunday
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7), true
	}
	return "", false
}

// resolve has Elasticsearch resolve a name that is date math. It does so in the error about an index that
// does not exist.
func (c *Cluster) resolve(ctx context.Context, name string) (string, error) {
	if !strings.HasPrefix(name, "<") || !strings.HasSuffix(name, ">") {
		return name, nil
	}
	random := fmt.Sprintf("podbeat_date_math_%016x%016x", rand.Uint64(), rand.Uint64())
	err := c.get(ctx, es.Path("<"+random+name[1:]), nil, nil)
	var e *es.Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusBadRequest {
		if err == nil {
			err = errors.New("it was not resolved")
		}
		return "", failed(fmt.Errorf("cannot resolve the date math of %q: %w", name, err))
	}
	resolved, ok := strings.CutPrefix(e.Index, random)
	if !ok || e.Status != http.StatusNotFound {
		return "", failf("ConfigurationError", `Value "%s" does not contain a valid datemath pattern: %w`, name, err)
	}
	return resolved, nil
}

// python writes a value as Python does, which is how Curator's lines have lists and settings. Keys are in
// alphabetical order.
func python(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return pythonString(v)
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = pythonString(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = python(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, pythonString(key)+": "+python(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case pairs:
		return "{" + v.list() + "}"
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".en") {
			s += ".0"
		}
		return s
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(value)
}

// pairs are keys and values in turn, in an order that is kept.
type pairs []any

func (p pairs) list() string {
	var parts []string
	for i := 0; i < len(p); i += 2 {
		parts = append(parts, pythonString(p[i].(string))+": "+python(p[i+1]))
	}
	return strings.Join(parts, ", ")
}

func (p pairs) dict() map[string]any {
	m := map[string]any{}
	for i := 0; i < len(p); i += 2 {
		m[p[i].(string)] = p[i+1]
	}
	return m
}

// pythonString quotes a text. What is not printable is escaped.
func pythonString(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	q := strconv.Quote(s)
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	if quote == "'" {
		q = strings.ReplaceAll(q, "'", `\'`)
	}
	return quote + q + quote
}
