package when

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Examples are of what can be typed, for hints and help.
const Examples = "15m, last 2h, today, yesterday, 10:00 to 11:00, 2026-11-20 10:00 to now-1h, now-1d/d to now/d, all"

// words are the ranges that have names.
var words = map[string]Range{
	"all":        {},
	"today":      {Bound{math: "now/d"}, Bound{math: "now/d"}},
	"yesterday":  {Bound{math: "now-1d/d"}, Bound{math: "now-1d/d"}},
	"this hour":  {Bound{math: "now/h"}, Bound{math: "now/h"}},
	"this week":  {Bound{math: "now/w"}, Bound{math: "now/w"}},
	"this month": {Bound{math: "now/M"}, Bound{math: "now/M"}},
	"this year":  {Bound{math: "now/y"}, Bound{math: "now/y"}},
}

// Parse reads a range as people type it: a length of time up to now (`15m`, `last 2 hours`, `-3h`), Elasticsearch's date math
// (`now-1d/d to now`), instants (`2026-11-20 10:00 to 11:00`, `10:00..11:00`, RFC 3339, seconds, milli-, micro- or nanoseconds of
// the epoch, and the forms in which logs and Kibana write them), `since` and `until` one of these, or a word (`today`, `all`).
//
// A day, month or year alone is all of it, and so is one that ends a range. A time without a day is the last one that was; one that
// ends a range, the first after its beginning. Times without a zone are of loc.
func Parse(text string, now time.Time, loc *time.Location) (Range, error) {
	now = now.In(loc)
	r, err := parse(tidy(text), now)
	if err != nil {
		return Range{}, fmt.Errorf("cannot read the time %q: %w; type for example %s", short(text), err, Examples)
	}
	from, to := r.Resolve(now)
	switch {
	case !from.IsZero() && from.Equal(to):
		return Range{}, fmt.Errorf("cannot read the time %q: it begins when it ends, at %s; type the earlier time first", short(text), to.Format(time.DateTime))
	case !from.IsZero() && !to.IsZero() && from.After(to):
		return Range{}, fmt.Errorf("cannot read the time %q: it ends (%s) before it begins (%s); type the earlier time first",
			short(text), to.Format(time.DateTime), from.Format(time.DateTime))
	case !from.IsZero() && outside(from) || !to.IsZero() && outside(to):
		return Range{}, fmt.Errorf("cannot read the time %q: it is not of the years 1 to 9999", short(text))
	}
	return r, nil
}

// outside says that a time, or its day in some zone, has not four digits of a year.
func outside(t time.Time) bool {
	return t.AddDate(0, 0, -2).Year() < 1 || t.AddDate(0, 0, 2).Year() > 9999
}

// ParseTime reads one instant, in the same forms as a range's beginning.
func ParseTime(text string, now time.Time, loc *time.Location) (time.Time, error) {
	now = now.In(loc)
	m, err := parseMoment(tidy(text), now)
	var t time.Time
	if err == nil {
		if t = m.bound(now, time.Time{}, false).Time(now, false); t.IsZero() || outside(t) {
			err = errors.New("it is not of the years 1 to 9999")
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read the time %q: %w; type for example 10:00, 2026-11-20 10:00:05, now-15m, 15m ago", short(text), err)
	}
	return t, nil
}

func short(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return text
}

// tidy makes one space of several, and what is usual in ASCII of signs that others put between times. No time has others, so
// that letters are as long in lower case.
func tidy(text string) string {
	if len(text) > 200 {
		text = text[:200]
	}
	text = strings.NewReplacer(" @ ", " ", "–", " - ", "—", " - ", "→", " to ", "−", "-").Replace(text)
	text = strings.Map(func(r rune) rune {
		if r > 127 {
			return '?'
		}
		return r
	}, strings.ReplaceAll(text, "\u00a0", " "))
	return strings.Join(strings.Fields(text), " ")
}

var separators = []string{" to ", " until ", "..", " - "}

func parse(text string, now time.Time) (Range, error) {
	lower := strings.ToLower(text)
	if r, ok := words[lower]; ok {
		return r, nil
	}
	if lower == "" || lower == "now" {
		return Range{}, errors.New("no time is given")
	}
	for _, word := range []string{"last ", "past ", "-"} {
		if rest, ok := cutWord(text, word); ok {
			if math, err := length(rest); err == nil {
				return Range{Bound{math: "now" + math}, Now}, nil
			}
		}
	}
	if math, err := length(text); err == nil {
		return Range{Bound{math: "now" + math}, Now}, nil
	}
	if rest, ok := cutWord(text, "until "); ok {
		return ends("", rest, now)
	}
	for _, word := range []string{"since ", "after "} {
		if rest, ok := cutWord(text, word); ok {
			return ends(rest, "", now)
		}
	}
	if rest, ok := cutWord(text, "from "); ok {
		text = rest
	}
	for _, between := range separators {
		if i := strings.Index(strings.ToLower(text), between); i >= 0 {
			return ends(strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+len(between):]), now)
		}
	}
	m, err := parseMoment(text, now)
	if err != nil {
		return Range{}, err
	}
	from := m.bound(now, time.Time{}, false)
	switch {
	case m.unit != 0:
		return Range{from, m.bound(now, time.Time{}, true)}, nil
	case len(from.math) > 2 && from.math[len(from.math)-2] == '/': // now-1d/d alone is that day
		return Range{from, from}, nil
	}
	return Range{from, Now}, nil
}

// cutWord takes a word away from the beginning, in any case.
func cutWord(text, word string) (string, bool) {
	if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
		return text, false
	}
	return strings.TrimSpace(text[len(word):]), true
}

func ends(from, to string, now time.Time) (r Range, err error) {
	if from == "" && to == "" {
		return r, errors.New("no time is given")
	}
	if from != "" {
		m, err := parseMoment(from, now)
		if err != nil {
			return r, err
		}
		r.From = m.bound(now, time.Time{}, false)
	}
	if to != "" {
		m, err := parseMoment(to, now)
		if err != nil {
			return r, err
		}
		r.To = m.bound(now, r.From.Time(now, false), true)
	}
	return r, nil
}

// A moment is one end of a range as it was typed.
type moment struct {
	Bound
	unit  byte // y, M or d of a date that stands for all of it
	clock bool // there was no day
}

// bound places a moment: after is the beginning of a range that it ends.
func (m moment) bound(now, after time.Time, end bool) Bound {
	t := m.at.In(now.Location())
	switch {
	case m.math != "":
		return m.Bound
	case m.unit != 0 && end:
		return At(step{n: 1, unit: m.unit}.apply(t, false))
	case m.clock && !after.IsZero():
		after = after.In(now.Location())
		t = onDay(t, after)
		if !t.After(after) {
			t = onDay(t, after.AddDate(0, 0, 1))
		}
		return At(t)
	case m.clock && t.After(now):
		return At(onDay(t, now.AddDate(0, 0, -1)))
	}
	return m.Bound
}

func onDay(t, day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), day.Location())
}

// layouts are the forms of instants; a unit is that of dates without a time, c says that there is no day, s that there is no year.
var layouts = []struct {
	layout string
	kind   byte
}{
	{"2006-01-02 15:04:05.999999999Z07:00", 0}, {"2006-01-02 15:04:05.999999999 Z07:00", 0},
	{"2006-01-02 15:04:05.999999999Z0700", 0}, {"2006-01-02 15:04:05.999999999 Z0700", 0},
	{"2006-01-02 15:04Z07:00", 0}, {"2006-01-02 15:04 Z07:00", 0},
	{"2006-01-02 15:04:05.999999999 MST", 0}, {"2006-01-02 15:04 MST", 0},
	{"2006-01-02 15:04:05.999999999", 0}, {"2006-01-02 15:04", 0}, {"2006-01-02 15h", 0},
	{"2006-01-02", 'd'}, {"2006-01", 'M'}, {"2006", 'y'},
	{"15:04:05.999999999", 'c'}, {"15:04", 'c'},
	{"Jan 2, 2006 15:04:05.999999999", 0}, {"Jan 2, 2006 15:04", 0}, {"Jan 2, 2006", 'd'},
	{"2 Jan 2006 15:04:05.999999999", 0}, {"2 Jan 2006 15:04", 0}, {"2 Jan 2006", 'd'},
	{"Jan 2 15:04:05.999999999", 's'}, {"Jan 2 15:04", 's'},
	{"02/Jan/2006:15:04:05 -0700", 0}, {"Mon, 02 Jan 2006 15:04:05 MST", 0}, {"Mon, 02 Jan 2006 15:04:05 -0700", 0},
	{"Mon Jan 2 15:04:05 2006", 0},
}

func parseMoment(text string, now time.Time) (m moment, err error) {
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "now") {
		m.math, err = dateMath(text)
		return m, err
	}
	if rest, ok := strings.CutSuffix(lower, " ago"); ok {
		ago, err := length(text[:len(rest)])
		m.math = "now" + ago
		return m, err
	}
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		ago, err := length(rest)
		m.math = "now" + ago
		return m, err
	}
	for word, day := range map[string]int{"today": 0, "yesterday": -1} {
		rest, ok := cutWord(text, word)
		if !ok {
			continue
		}
		if rest == "" {
			m.math = words[word].From.math
			return m, nil
		}
		text = now.AddDate(0, 0, day).Format("2006-01-02 ") + rest
	}
	if t, ok := epoch(text); ok {
		m.Bound = At(t)
		return m, nil
	}
	text = written(text)
	for _, l := range layouts {
		t, err := time.ParseInLocation(l.layout, text, now.Location())
		if err != nil {
			continue
		}
		if strings.HasSuffix(l.layout, "MST") && t.Location() != now.Location() && !slices.Contains([]string{"UTC", "GMT", "Z"}, strings.ToUpper(zoneOf(t))) {
			return m, fmt.Errorf("the zone %s may mean several; write its offset, as +01:00", zoneOf(t))
		}
		switch l.kind {
		case 's':
			if t = onDay(t, time.Date(now.Year(), t.Month(), t.Day(), 0, 0, 0, 0, now.Location())); t.After(now.AddDate(0, 0, 1)) {
				t = t.AddDate(-1, 0, 0)
			}
		case 'c':
			t, m.clock = onDay(t, now), true
		case 'd', 'M', 'y':
			m.unit = l.kind
		}
		if m.Bound = At(t); t.IsZero() {
			return m, errors.New("it is not of the years 1 to 9999")
		}
		return m, nil
	}
	return m, errors.New("it is not a time that is known here")
}

func zoneOf(t time.Time) string {
	name, _ := t.Zone()
	return name
}

var dateT = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt](\d\d)`)
var slashes = regexp.MustCompile(`^(\d{4})[/.](\d\d)[/.](\d\d)`)

// written brings the spellings of dates to the ones that layouts have.
func written(text string) string {
	text = slashes.ReplaceAllString(text, "$1-$2-$3")
	text = dateT.ReplaceAllString(text, "$1 $2")
	if strings.HasSuffix(text, "z") {
		text = text[:len(text)-1] + "Z"
	}
	return text
}

// epoch reads seconds, milli-, micro- or nanoseconds since 1970 by the number of digits.
func epoch(text string) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, false
	}
	switch len(text) {
	case 10:
		return time.Unix(n, 0), true
	case 13:
		return time.UnixMilli(n), true
	case 16:
		return time.UnixMicro(n), true
	case 19:
		return time.Unix(0, n), true
	}
	return time.Time{}, false
}

// A step is one of date math: n units are added, or with n = 0 the time is rounded to the unit.
type step struct {
	n    int
	unit byte // y M w d h m s, and i for ms
}

func (s step) apply(t time.Time, end bool) time.Time {
	if s.n == 0 {
		from := floor(t, s.unit)
		if end {
			return step{1, s.unit}.apply(from, false)
		}
		return from
	}
	switch s.unit {
	case 'y':
		return t.AddDate(s.n, 0, 0)
	case 'M':
		return t.AddDate(0, s.n, 0)
	case 'w':
		return t.AddDate(0, 0, 7*s.n)
	case 'd':
		return t.AddDate(0, 0, s.n)
	}
	return t.Add(time.Duration(s.n) * map[byte]time.Duration{'h': time.Hour, 'm': time.Minute, 's': time.Second, 'i': time.Millisecond}[s.unit])
}

// floor is the beginning of t's year, month, week (Monday), day, hour, minute or second in its zone.
func floor(t time.Time, unit byte) time.Time {
	y, month, d := t.Date()
	switch unit {
	case 'y':
		return time.Date(y, 1, 1, 0, 0, 0, 0, t.Location())
	case 'M':
		return time.Date(y, month, 1, 0, 0, 0, 0, t.Location())
	case 'w':
		return time.Date(y, month, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	case 'd':
		return time.Date(y, month, d, 0, 0, 0, 0, t.Location())
	case 'h':
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case 'm':
		return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case 's':
		return t.Add(-time.Duration(t.Nanosecond()))
	}
	return t
}

// units are the names of units; M is a month and m a minute, all others are read in any case.
var units = map[string]byte{
	"ms": 'i', "s": 's', "m": 'm', "h": 'h', "d": 'd', "w": 'w', "M": 'M', "y": 'y', "sec": 's', "min": 'm', "mon": 'M', "hr": 'h',
	"millisecond": 'i', "second": 's', "minute": 'm', "hour": 'h', "day": 'd', "week": 'w', "month": 'M', "year": 'y',
}

func unitOf(name string) (byte, bool) {
	if u, ok := units[name]; ok {
		return u, true
	}
	name = strings.ToLower(name)
	if len(name) > 2 {
		name = strings.TrimSuffix(name, "s")
	}
	u, ok := units[name]
	return u, ok
}

func unitName(u byte) string {
	if u == 'i' {
		return "ms"
	}
	return string(u)
}

var amount = regexp.MustCompile(`^(\d{0,6}) ?([A-Za-z]+) ?`)

// length reads `15m`, `1h30m`, `2 days` and gives it as date math: -1h-30m.
func length(text string) (string, error) {
	var b strings.Builder
	for rest := text; rest != ""; {
		m := amount.FindStringSubmatch(rest)
		if m == nil {
			return "", errors.New("it is not a length of time")
		}
		u, ok := unitOf(m[2])
		n := 1
		if m[1] != "" {
			n, _ = strconv.Atoi(m[1])
		}
		if !ok || n == 0 || m[1] == "" && len(m[2]) < 3 { // `last hour`, but not `last h`
			return "", errors.New("it is not a length of time")
		}
		fmt.Fprintf(&b, "-%d%s", n, unitName(u))
		rest = rest[len(m[0]):]
	}
	if b.Len() == 0 {
		return "", errors.New("it is not a length of time")
	}
	return b.String(), nil
}

var mathStep = regexp.MustCompile(`^([+-])(\d{1,6})(ms|[smhHdwMy])|^/([smhHdwMy])`)

// nextStep reads one step of date math: +1d, -15m, /d.
func nextStep(text string) (s step, rest string, ok bool) {
	m := mathStep.FindStringSubmatch(text)
	if m == nil {
		return s, "", false
	}
	if m[4] != "" {
		return step{0, unit(m[4])}, text[len(m[0]):], true
	}
	s.n, _ = strconv.Atoi(m[2])
	if m[1] == "-" {
		s.n = -s.n
	}
	s.unit = unit(m[3])
	return s, text[len(m[0]):], s.n != 0
}

func unit(name string) byte {
	switch name {
	case "ms":
		return 'i'
	case "H":
		return 'h'
	}
	return name[0]
}

// dateMath reads now and its steps, with or without spaces between them, and gives them in one form.
func dateMath(text string) (string, error) {
	b, rest := "now", strings.ReplaceAll(text[len("now"):], " ", "")
	for rest != "" {
		s, after, ok := nextStep(rest)
		if !ok || len(b) > 60 {
			return "", errors.New("after now, only steps as -15m, +1h and /d are known")
		}
		if s.n == 0 {
			b += "/" + unitName(s.unit)
		} else {
			b += fmt.Sprintf("%+d%s", s.n, unitName(s.unit))
		}
		rest = after
	}
	return b, nil
}
