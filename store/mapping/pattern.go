package mapping

import (
	"fmt"
	"strings"
	"time"
)

// A step reads a piece of s into d and returns what is left.
type step func(d *date, s string) (rest string, ok bool)

// compilePattern makes a reader of one of Java's patterns, as yyyy-MM-dd HH:mm:ss[.SSS][XXX].
func compilePattern(pattern string) (func(string) (date, bool), error) {
	steps, rest, err := compileSteps(pattern, 0)
	if err != nil {
		return nil, err
	}
	if rest != "" {
		return nil, because("Pattern invalid as it contains ] without previous [")
	}
	return func(s string) (date, bool) {
		d := noDate
		rest, ok := run(steps, &d, s)
		return d, ok && rest == "" && d.valid()
	}, nil
}

func run(steps []step, d *date, s string) (string, bool) {
	ok := true
	for _, step := range steps {
		if s, ok = step(d, s); !ok {
			return s, false
		}
	}
	return s, true
}

// compileSteps reads the pattern to its end or to the ] that closes depth.
func compileSteps(p string, depth int) (steps []step, rest string, err error) {
	for p != "" {
		c := p[0]
		switch {
		case c == '[':
			var inner []step
			if inner, p, err = compileSteps(p[1:], depth+1); err != nil {
				return nil, "", err
			}
			steps = append(steps, func(d *date, s string) (string, bool) {
				try := *d
				rest, ok := run(inner, &try, s)
				if !ok {
					return s, true
				}
				*d = try
				return rest, true
			})
			continue
		case c == ']':
			if depth == 0 {
				return steps, p, nil
			}
			return steps, p[1:], nil
		case c == '\'':
			var text string
			if text, p, err = quoted(p); err != nil {
				return nil, "", err
			}
			steps = append(steps, literal(text))
			continue
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			n := len(p) - len(strings.TrimLeft(p, string(c)))
			s, err := letterStep(c, n, followedByDigits(p[n:]))
			if err != nil {
				return nil, "", err
			}
			steps = append(steps, s)
			p = p[n:]
			continue
		case c == '{' || c == '}' || c == '#':
			return nil, "", because("Pattern includes reserved character: '%c'", c)
		}
		steps = append(steps, literal(string(c)))
		p = p[1:]
	}
	if depth > 0 {
		return steps, "", nil // Java closes what is open at the end
	}
	return steps, "", nil
}

func quoted(p string) (text, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(p); i++ {
		switch {
		case p[i] != '\'':
			b.WriteByte(p[i])
		case i+1 < len(p) && p[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case b.Len() == 0:
			return "'", p[i+1:], nil
		default:
			return b.String(), p[i+1:], nil
		}
	}
	return "", "", because("Pattern ends with an incomplete string literal: %s", p)
}

// followedByDigits says whether a number that ends before p must not take all digits it finds.
func followedByDigits(p string) bool {
	return p != "" && strings.IndexByte("yuMdHhkKmsSn", p[0]) >= 0
}

func literal(text string) step {
	return func(_ *date, s string) (string, bool) { return strings.CutPrefix(s, text) }
}

var monthNames = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
var dayNames = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

func letterStep(c byte, n int, tight bool) (step, error) {
	number := func(field func(*date) *int) step {
		least, most := n, n
		if n == 1 && !tight {
			most = 9
		}
		return func(d *date, s string) (rest string, ok bool) {
			*field(d), rest, ok = take(s, least, most)
			return rest, ok
		}
	}
	switch c {
	case 'y', 'u':
		if n == 2 {
			return func(d *date, s string) (rest string, ok bool) {
				d.year, rest, ok = take(s, 2, 2)
				d.year += 2000
				return rest, ok
			}, nil
		}
		return func(d *date, s string) (rest string, ok bool) {
			if tight {
				d.year, rest, ok = take(s, n, n)
				return rest, ok
			}
			d.year, rest, ok = takeYear(s, n)
			return rest, ok
		}, nil
	case 'M', 'L':
		if n >= 3 {
			return nameStep(monthNames, n == 3, func(d *date, i int) { d.month = i + 1 }), nil
		}
		return number(func(d *date) *int { return &d.month }), nil
	case 'd':
		return number(func(d *date) *int { return &d.day }), nil
	case 'H', 'h', 'k', 'K':
		return number(func(d *date) *int { return &d.hour }), nil
	case 'm':
		return number(func(d *date) *int { return &d.minute }), nil
	case 's':
		return number(func(d *date) *int { return &d.second }), nil
	case 'S':
		if n > 9 {
			break
		}
		return func(d *date, s string) (rest string, ok bool) {
			d.nano, rest, ok = takeFraction(s, n, n)
			return rest, ok
		}, nil
	case 'E':
		return nameStep(dayNames, n <= 3, func(*date, int) {}), nil
	case 'a':
		return nameStep([]string{"AM", "PM"}, false, func(d *date, i int) { d.half = i + 1 }), nil
	case 'X', 'x', 'Z', 'z', 'V', 'O':
		return zoneStep, nil
	}
	return nil, because("Unknown pattern letter: %c", c)
}

// nameStep reads one of the English names, or its first three letters.
func nameStep(names []string, short bool, set func(d *date, i int)) step {
	return func(d *date, s string) (string, bool) {
		for i, name := range names {
			if short {
				name = name[:3]
			}
			if rest, ok := strings.CutPrefix(s, name); ok {
				set(d, i)
				return rest, true
			}
		}
		return s, false
	}
}

// zoneStep takes the longest zone at the beginning of s.
func zoneStep(d *date, s string) (string, bool) {
	end := 0
	for end < len(s) && end < 40 && s[end] != ' ' && s[end] != ']' && s[end] != ')' {
		end++
	}
	for ; end > 0; end-- {
		if zone, ok := parseZone(s[:end]); ok {
			d.zone = zone
			return s[end:], true
		}
	}
	return s, false
}

// ParseMath reads a date as queries have it: one of the format, or now, followed by steps as +1d, -2h or /d
// (rounding down, or if up to the last moment of the unit). A date with steps ends with ||.
func (f *Format) ParseMath(s string, now time.Time, up bool, zone *time.Location) (time.Time, error) {
	if zone == nil {
		zone = time.UTC
	}
	var t time.Time
	steps, isNow := strings.CutPrefix(s, "now")
	if isNow {
		t = now
	} else {
		text, rest, found := strings.Cut(s, "||")
		var err error
		if t, err = f.Parse(text, up && !found, zone); err != nil || !found {
			return t, err
		}
		steps = rest
	}
	fail := func(reason string) (time.Time, error) { return time.Time{}, fmt.Errorf("%s: [%s]", reason, s) }
	for steps != "" {
		op := steps[0]
		steps = steps[1:]
		if op != '+' && op != '-' && op != '/' {
			return fail("operator not supported for date math")
		}
		n := 1
		if op != '/' && steps != "" && '0' <= steps[0] && steps[0] <= '9' {
			var ok bool
			if n, steps, ok = take(steps, 1, 10); !ok || steps != "" && '0' <= steps[0] && steps[0] <= '9' {
				return fail("number too large in date math")
			}
		}
		if steps == "" {
			return fail("truncated date math")
		}
		unit := steps[0]
		steps = steps[1:]
		if op == '-' {
			n = -n
		}
		var ok bool
		if op == '/' {
			t, ok = round(t.In(zone), unit, up)
		} else {
			t, ok = addUnits(t.In(zone), unit, n)
		}
		if !ok {
			return fail("unit [" + string(rune(unit)) + "] not supported for date math")
		}
	}
	return t, nil
}

// addUnits adds n units; ok is false for a letter that is none.
func addUnits(t time.Time, unit byte, n int) (time.Time, bool) {
	switch unit {
	case 'y':
		return addMonths(t, 12*n), true
	case 'M':
		return addMonths(t, n), true
	case 'w':
		return t.AddDate(0, 0, 7*n), true
	case 'd':
		return t.AddDate(0, 0, n), true
	case 'h', 'H':
		return t.Add(time.Duration(n) * time.Hour), true
	case 'm':
		return t.Add(time.Duration(n) * time.Minute), true
	case 's':
		return t.Add(time.Duration(n) * time.Second), true
	}
	return t, false
}

// addMonths keeps to the last day of a shorter month, as Java does.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := time.Date(first.Year(), first.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// round goes to the beginning of the unit, or if up to its last millisecond.
func round(t time.Time, unit byte, up bool) (time.Time, bool) {
	y, m, d := t.Date()
	zone := t.Location()
	switch unit {
	case 'y':
		t = time.Date(y, 1, 1, 0, 0, 0, 0, zone)
	case 'M':
		t = time.Date(y, m, 1, 0, 0, 0, 0, zone)
	case 'w':
		t = time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, zone)
	case 'd':
		t = time.Date(y, m, d, 0, 0, 0, 0, zone)
	case 'h', 'H':
		t = time.Date(y, m, d, t.Hour(), 0, 0, 0, zone)
	case 'm':
		t = time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, zone)
	case 's':
		t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, zone)
	default:
		return t, false
	}
	if up {
		t, _ = addUnits(t, unit, 1)
		t = t.Add(-time.Millisecond)
	}
	return t, true
}
