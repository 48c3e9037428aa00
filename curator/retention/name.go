package retention

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
)

// maxReadings bounds in how many ways a template may read one name.
const maxReadings = 100

// A template says how names of indices are read: logs-{namespace}-{app}-{date}.
type template struct {
	text  string
	parts []part
	lax   *regexp.Regexp // what it would read if every number were a date; nil without {date}
}

// A part is text that stands for itself, or with a kind a place for text.
type part struct {
	text string
	kind string // "": text; namespace, app, date, any
	date []dateField
}

// A reading is what a template finds in a name.
type reading struct {
	namespace, app string
	begin, end     time.Time // of the day, month … in the name; zero: it has none
	date           string
	template       string
}

// places are the names in braces and what they stand for. Namespaces are DNS labels; apps are names of
// Deployments and the like.
var places = map[string]string{"namespace": "namespace", "app": "app", "date": "date", "beat": "any", "host": "any"}

// readNames reads the templates.
func (p *Policy) readNames(names []string) error {
	var errs []error
	for _, text := range names {
		t, err := parseTemplate(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("names: cannot read %s: %w", setting.Show(text), err))
			continue
		}
		p.names = append(p.names, t)
	}
	if len(names) == 0 {
		errs = append(errs, errors.New("names: the list is empty: leave it out for the names that podbeat writes"))
	}
	if len(names) > 50 {
		errs = append(errs, errors.New("names: there are more than 50"))
	}
	return errors.Join(errs...)
}

var placeForm = regexp.MustCompile(`\{([^{}]*)\}|\*`)

func parseTemplate(text string) (template, error) {
	t, from := template{text: text}, 0
	literal := func(s string) error {
		switch {
		case s == "":
			return nil
		case strings.ContainsAny(s, neverInNames+"{}%[]"):
			return fmt.Errorf("%q is in no name: places are {namespace}, {app}, {beat}, {host}, {date} and *", s)
		case s != strings.ToLower(s):
			return errors.New("names of indices are in lower case")
		}
		t.parts = append(t.parts, part{text: s})
		return nil
	}
	seen := map[string]bool{}
	for _, m := range placeForm.FindAllStringSubmatchIndex(text, -1) {
		if err := literal(text[from:m[0]]); err != nil {
			return t, err
		}
		from = m[1]
		if n := len(t.parts); n > 0 && t.parts[n-1].kind != "" {
			return t, fmt.Errorf("nothing stands between %q and what is before it, so nobody knows where one ends", text[m[0]:m[1]])
		}
		if m[2] < 0 {
			t.parts = append(t.parts, part{kind: "any"})
			continue
		}
		name, format, dated := strings.Cut(text[m[2]:m[3]], ":")
		kind := places[name]
		if kind == "" || dated && kind != "date" {
			return t, fmt.Errorf("{%s} is no place: known are {namespace}, {app}, {beat}, {host}, {date}, {date:%%Y.%%m.%%d} and *", text[m[2]:m[3]])
		}
		if seen[name] {
			return t, fmt.Errorf("{%s} is in it twice", name)
		}
		seen[name] = true
		pt := part{kind: kind}
		if kind == "date" {
			if !dated {
				format = "%Y.%m.%d"
			}
			var err error
			if pt.date, err = parseDateFormat(format); err != nil {
				return t, err
			}
		}
		t.parts = append(t.parts, pt)
	}
	if err := literal(text[from:]); err != nil {
		return t, err
	}
	if len(t.parts) == 0 || len(t.parts) > 20 {
		return t, errors.New("it must have from 1 to 20 parts")
	}
	if len(t.parts) == 1 && t.parts[0].kind != "" && t.parts[0].kind != "date" {
		return t, errors.New("it reads every name: write what the names of your logs begin or end with")
	}
	t.lax = t.withoutCalendar()
	return t, nil
}

// withoutCalendar returns what the template would read if every number were a date.
func (t template) withoutCalendar() *regexp.Regexp {
	var b strings.Builder
	for _, p := range t.parts {
		switch p.kind {
		case "":
			b.WriteString(regexp.QuoteMeta(p.text))
		case "date":
			for _, f := range p.date {
				if f.letter == 0 {
					b.WriteString(regexp.QuoteMeta(f.text))
				} else {
					fmt.Fprintf(&b, "[0-9]{%d}", digits[f.letter])
				}
			}
		default:
			b.WriteString(".+")
		}
	}
	if !t.has("date") {
		return nil
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// wrongDate says whether a template would read the name if the date in it were one.
func (p *Policy) wrongDate(name string) bool {
	return slices.ContainsFunc(p.names, func(t template) bool { return t.lax != nil && t.lax.MatchString(name) })
}

// Has says whether the template has a place of this kind.
func (t template) has(kind string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == kind })
}

// sample is a text that only a pattern can match that matches whatever the template reads.
func (t template) sample() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.kind == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString("\x00" + p.kind + "\x00")
		}
	}
	return b.String()
}

// ambiguous returns two neighbouring places, one of them {namespace} or {app}, between which a name can be
// divided in several ways; "" if there are none.
func (t template) ambiguous() string {
	place := func(p part) string {
		if p.kind == "any" {
			return "*"
		}
		return "{" + p.kind + "}"
	}
	for i := 0; i+2 < len(t.parts); i++ {
		a, sep, b := t.parts[i], t.parts[i+1], t.parts[i+2]
		named := func(p part) bool { return p.kind == "namespace" || p.kind == "app" }
		if sep.kind != "" || a.kind == "" || b.kind == "" || a.kind == "date" || b.kind == "date" || !named(a) && !named(b) {
			continue
		}
		within := func(p part) bool {
			return strings.Trim(sep.text, "abcdefghijklmnopqrstuvwxyz0123456789-"+map[bool]string{true: "._"}[p.kind != "namespace"]) == ""
		}
		if within(a) && within(b) {
			return place(a) + " and " + place(b)
		}
	}
	return ""
}

// read returns all that the template finds in name, each reading once. Nothing: it does not fit. The
// readings may be cut off; then all is false.
func (t template) read(name string) (found []reading, all bool) {
	steps := 0
	var walk func(i, at int, r reading) bool
	walk = func(i, at int, r reading) bool {
		if steps++; steps > 20_000 || len(found) > maxReadings {
			return false
		}
		if i == len(t.parts) {
			if at == len(name) && !slices.Contains(found, r) {
				found = append(found, r)
			}
			return true
		}
		p, rest := t.parts[i], name[at:]
		switch {
		case p.kind == "":
			return !strings.HasPrefix(rest, p.text) || walk(i+1, at+len(p.text), r)
		case p.kind == "date":
			n, begin, end, ok := readDate(p.date, rest)
			if !ok {
				return true
			}
			r.begin, r.end, r.date = begin, end, rest[:n]
			return walk(i+1, at+n, r)
		}
		ends := []int{len(rest)}
		if i+1 < len(t.parts) {
			ends = ends[:0]
			for from := 1; from < len(rest); from++ {
				if j := strings.Index(rest[from:], t.parts[i+1].text); j >= 0 {
					from += j
					ends = append(ends, from)
				} else {
					break
				}
			}
		}
		for _, n := range ends {
			if !fits(p.kind, rest[:n]) {
				continue
			}
			next := r
			switch p.kind {
			case "namespace":
				next.namespace = rest[:n]
			case "app":
				next.app = rest[:n]
			}
			if !walk(i+1, at+n, next) {
				return false
			}
		}
		return true
	}
	all = walk(0, 0, reading{template: t.text})
	return found, all
}

// fits says whether s can be what a place of this kind stands for.
func fits(kind, s string) bool {
	if s == "" || kind == "any" {
		return s != ""
	}
	more, most := "-", 63
	if kind == "app" {
		more, most = "-._", 253
	}
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	if len(s) > most || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

// A dateField is a letter of strftime with its digits, or text that stands for itself.
type dateField struct {
	letter byte // 0: text
	text   string
}

var digits = map[byte]int{'Y': 4, 'y': 2, 'm': 2, 'd': 2, 'H': 2, 'j': 3, 'G': 4, 'V': 2}

// parseDateFormat reads %Y.%m.%d. What a date is made of must say one stretch of time.
func parseDateFormat(format string) ([]dateField, error) {
	var fields []dateField
	letters := ""
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c != '%' {
			if strings.IndexByte(".-_t", c) < 0 {
				return nil, fmt.Errorf("cannot read date %q: between its parts only . - _ and t may stand", format)
			}
			fields = append(fields, dateField{text: string(c)})
			continue
		}
		if i++; i == len(format) || digits[format[i]] == 0 {
			return nil, fmt.Errorf("cannot read date %q: known are %%Y %%y (year), %%m (month), %%d (day), %%H (hour), %%j (day of the year), %%G with %%V (ISO week)", format)
		}
		letters += string(format[i])
		fields = append(fields, dateField{letter: format[i]})
	}
	sorted := strings.Split(strings.ReplaceAll(letters, "y", "Y"), "")
	slices.Sort(sorted)
	switch strings.Join(sorted, "") {
	case "Y", "Ym", "Ydm", "HYdm", "Yj", "HYj", "GV":
		return fields, nil
	}
	return nil, fmt.Errorf("cannot read date %q: it must say a year, month, day or hour (%%Y.%%m.%%d.%%H) or an ISO week (%%G.%%V)", format)
}

// readDate reads the date at the beginning of s: its length in bytes and the stretch of time it names, in UTC.
func readDate(fields []dateField, s string) (n int, begin, end time.Time, ok bool) {
	v := map[byte]int{}
	for _, f := range fields {
		if f.letter == 0 {
			if !strings.HasPrefix(s[n:], f.text) {
				return 0, begin, end, false
			}
			n += len(f.text)
			continue
		}
		number := 0
		for range digits[f.letter] {
			if n == len(s) || s[n] < '0' || s[n] > '9' {
				return 0, begin, end, false
			}
			number = 10*number + int(s[n]-'0')
			n++
		}
		v[f.letter] = number
	}
	begin, end, ok = stretch(v)
	return n, begin, end, ok
}

// stretch is the time that the values of a date's letters name.
func stretch(v map[byte]int) (begin, end time.Time, ok bool) {
	get := func(letter byte, otherwise int) int {
		if n, ok := v[letter]; ok {
			return n
		}
		return otherwise
	}
	given := func(letter byte) bool { _, ok := v[letter]; return ok }
	year := get('Y', get('G', 2000+get('y', 0)))
	if year < 1970 || year > 2262 || get('H', 0) > 23 {
		return begin, end, false
	}
	date := func(month, day int) time.Time {
		return time.Date(year, time.Month(month), day, get('H', 0), 0, 0, 0, time.UTC)
	}
	if given('G') { // week 1 is the one with 4 January
		fourth := date(1, 4)
		begin = fourth.AddDate(0, 0, 7*(v['V']-1)-(int(fourth.Weekday())+6)%7)
		y, week := begin.ISOWeek()
		return begin, begin.AddDate(0, 0, 7), y == year && week == v['V']
	}
	month, day := get('m', 1), get('d', 1)
	begin = date(month, day)
	ok = begin.Month() == time.Month(month) && begin.Day() == day
	if given('j') {
		begin = date(1, v['j'])
		ok = begin.Year() == year && v['j'] > 0
	}
	switch {
	case given('H'):
		end = begin.Add(time.Hour)
	case given('d'), given('j'):
		end = begin.AddDate(0, 0, 1)
	case given('m'):
		end = begin.AddDate(0, 1, 0)
	default:
		end = begin.AddDate(1, 0, 0)
	}
	return begin, end, ok
}

var anyFormats = func() (formats [][]dateField) {
	for _, f := range []string{"%Y.%m.%d", "%Y-%m-%d", "%Y_%m_%d", "%Y%m%d", "%Y.%m", "%Y-%m", "%Y_%m"} {
		fields, err := parseDateFormat(f)
		if err != nil {
			panic(err)
		}
		formats = append(formats, fields)
	}
	return formats
}()

// dateIn reads the last date in a name that no template reads. A date stands between what are no digits.
func dateIn(name string) (r reading, ok bool) {
	digit := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= '0' && name[i] <= '9' }
	for at := len(name) - 6; at >= 0; at-- {
		if !digit(at) || digit(at-1) {
			continue
		}
		for _, f := range anyFormats {
			if n, begin, end, ok := readDate(f, name[at:]); ok && !digit(at+n) {
				return reading{begin: begin, end: end, date: name[at : at+n]}, true
			}
		}
	}
	return reading{}, false
}
