package filter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// How dates in names are read: as Curator does, which finds them by a regular expression of digits and reads them
// with Python's strptime. All are in UTC.

// parts are the letters that a timestring may have, with the number of their digits.
var parts = map[rune]int{'Y': 4, 'G': 4, 'y': 2, 'm': 2, 'W': 2, 'V': 2, 'U': 2, 'd': 2, 'H': 2, 'M': 2, 'S': 2, 'j': 3}

// dateRegex makes of a timestring the expression that finds such dates. What is no part stands for itself, as an
// expression; only . and - are taken literally.
func dateRegex(timestring string) string {
	var out strings.Builder
	prev := rune(0)
	for _, c := range timestring {
		digits, part := parts[c]
		switch {
		case c == '%':
		case part && prev == '%':
			fmt.Fprintf(&out, `\d{%d}`, digits)
		case c == '.' || c == '-':
			out.WriteString(`\` + string(c))
		default:
			out.WriteRune(c)
		}
		prev = c
	}
	return out.String()
}

// A dateText reads the date in a name.
type dateText struct {
	timestring string
	where      *expression
	format     string // timestring, with what Curator adds to it to have a whole date
	added      string // what it adds to the text
	iso        bool   // of the week of %G.%V
	read       *strptime
	err        error // of read: each date fails then
}

func readDateText(timestring string) (*dateText, error) {
	d := &dateText{timestring: timestring}
	var err error
	if d.where, err = compile("("+dateRegex(timestring)+")", false); err != nil {
		return nil, err
	}
	d.format, d.added, d.iso = whole(timestring)
	d.read, d.err = newStrptime(d.format)
	return d, nil
}

// whole completes a format that says a week or a month to one that says a day: the Monday of the week, the
// first of the month.
func whole(format string) (completed, added string, iso bool) {
	has := func(part string) bool { return strings.Contains(format, part) }
	switch {
	case has("%W") || has("%U") || has("%V"):
		format, added = format+"%w", "1"
		if strings.Contains(format, "%V") && strings.Contains(format, "%G") {
			iso = true
			format = strings.ReplaceAll(strings.ReplaceAll(format, "%G", "%Y"), "%V", "%W")
		}
	case has("%m") && !has("%d"):
		format, added = format+"%d", "1"
	}
	return format, added, iso
}

// usable says what a timestring lacks to tell a date.
func (d *dateText) usable() error {
	has := func(part string) bool { return strings.Contains(d.timestring, part) }
	switch {
	case d.err != nil:
		return d.err
	case !has("%Y") && !has("%y") && !has("%G"):
		return errors.New("it has no year, %Y: every date would be one of the year 1900")
	case has("%G") != has("%V"):
		return errors.New("%G and %V, the year and the week of ISO 8601, are used together")
	case has("%d") && !has("%m") && !d.hasWeek():
		return errors.New("it has a day, %d, but no month, %m")
	}
	return nil
}

func (d *dateText) hasWeek() bool { return strings.HasSuffix(d.format, "%w") }

// errNoDate is what is wrong with a text that looks like a date.
type errNoDate struct{ text string }

func (e *errNoDate) Error() string { return printable(e.text) + " in its name is no date" }

// find returns the first text in name that looks like a date, and the second it means; text is "" if there is
// none. With strict a text that is no date is Curator's error; without it *errNoDate.
func (d *dateText) find(name string, strict bool) (text string, at int64, err error) {
	m, err := d.where.search(name)
	if err != nil || m == nil || m.text == "" {
		return "", 0, err
	}
	err = d.err
	var t time.Time
	if err == nil {
		t, err = d.parse(m.text)
	}
	switch {
	case err != nil && strict:
		return "", 0, &Error{"ValueError", err.Error()}
	case err != nil || !strict && !d.means(m.text, t):
		return "", 0, &errNoDate{m.text}
	}
	return m.text, t.Unix(), nil
}

func (d *dateText) parse(text string) (time.Time, error) {
	t, err := d.read.parse(text + d.added)
	if err == nil && d.iso {
		t = isoWeek(t, d.format, text+d.added)
	}
	return t, err
}

// means says whether text really is how t is written. Python takes digits from where it finds them: month 13 of
// `%Y.%m` is a 31 January to it, day 366 of any year the next year's first.
func (d *dateText) means(text string, t time.Time) bool {
	digits := ascii(text)
	if !d.hasWeek() {
		return strftime(t, d.timestring) == digits
	}
	found, err := d.read.fields(text + d.added)
	if err != nil {
		return false
	}
	if d.iso {
		year, week := t.ISOWeek()
		return found['Y'] == year && found['W'] == week
	}
	year, long := found['Y']
	if !long {
		year = century(found['y'])
	}
	return t.Year() <= year && t.AddDate(0, 0, 7).Year() >= year // week 0 begins in the year before
}

// century is the year that two digits mean.
func century(short int) int {
	if short <= 68 {
		return 2000 + short
	}
	return 1900 + short
}

// isFailure says whether an error ends the run, in contrast to a text that is no date.
func isFailure(err error) bool {
	var none *errNoDate
	return err != nil && !errors.As(err, &none)
}

// isoWeek corrects a date that was read as if %G.%V were %Y.%W, the way Curator does.
func isoWeek(t time.Time, format, text string) time.Time {
	year, week := t.ISOWeek()
	before1000 := t.Year() < 1000 // of which the C library doesn't write four digits
	if fmt.Sprintf("%04d%02d", year, week) > strftime(t, "%Y%W") || strftime(t, format) != ascii(text) || before1000 {
		return t.AddDate(0, 0, -7)
	}
	return t
}

// strftime writes t in the parts that a timestring may have.
func strftime(t time.Time, format string) string {
	var out strings.Builder
	prev := rune(0)
	for _, c := range format {
		if prev != '%' {
			if prev = c; c != '%' {
				out.WriteRune(c)
			}
			continue
		}
		prev = 0
		out.WriteString(written(t, c))
	}
	return out.String()
}

func written(t time.Time, part rune) string {
	two := func(n int) string { return fmt.Sprintf("%02d", n) }
	year, week := t.ISOWeek()
	switch part {
	case 'Y':
		return fmt.Sprintf("%04d", t.Year())
	case 'y':
		return two(t.Year() % 100)
	case 'm':
		return two(int(t.Month()))
	case 'd':
		return two(t.Day())
	case 'H':
		return two(t.Hour())
	case 'M':
		return two(t.Minute())
	case 'S':
		return two(t.Second())
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay())
	case 'G':
		return fmt.Sprintf("%04d", year)
	case 'V':
		return two(week)
	case 'U':
		return two((t.YearDay() + 6 - int(t.Weekday())) / 7)
	case 'W':
		return two((t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7)
	case 'w':
		return fmt.Sprint(int(t.Weekday()))
	}
	return string(part)
}

// readDate reads a date of the configuration by a format of Python, as Curator does.
func readDate(text, format string) (time.Time, error) {
	completed, added, iso := whole(format)
	r, err := newStrptime(completed)
	if err != nil {
		return time.Time{}, err
	}
	t, err := r.parse(text + added)
	if err == nil && iso {
		t = isoWeek(t, completed, text+added)
	}
	return t, err
}

var (
	weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	months   = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
)

// directives are the expressions for the parts of a date in Python's strptime; what it takes first counts, so the
// order matters. \d is any digit of Unicode.
var directives = map[rune]string{
	'd': `3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9]`,
	'f': `[0-9]{1,6}`,
	'H': `2[0-3]|[0-1]\d|\d`,
	'I': `1[0-2]|0[1-9]|[1-9]`,
	'G': `\d\d\d\d`,
	'j': `36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]`,
	'm': `1[0-2]|0[1-9]|[1-9]`,
	'M': `[0-5]\d|\d`,
	'S': `6[0-1]|[0-5]\d|\d`,
	'U': `5[0-3]|[0-4]\d|\d`,
	'W': `5[0-3]|[0-4]\d|\d`,
	'w': `[0-6]`,
	'u': `[1-7]`,
	'V': `5[0-3]|0[1-9]|[1-4]\d|\d`,
	'y': `\d\d`,
	'Y': `\d\d\d\d`,
	'A': `wednesday|thursday|saturday|tuesday|monday|friday|sunday`,
	'a': `mon|tue|wed|thu|fri|sat|sun`,
	'B': `september|february|november|december|january|october|august|march|april|june|july|may`,
	'b': `jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec`,
	'p': `am|pm`,
}

// A strptime reads dates of one format as Python's function of that name does, in the C locale.
type strptime struct {
	format  string
	regex   *regexp.Regexp // for ASCII
	unicode string         // the same for all digits of Unicode, compiled when it is needed
	parts   []rune         // of its groups
}

func newStrptime(format string) (*strptime, error) {
	s := &strptime{format: format}
	for part, means := range map[string]string{"%c": "%a %b %d %H:%M:%S %Y", "%x": "%m/%d/%y", "%X": "%H:%M:%S"} {
		format = strings.ReplaceAll(format, part, means)
	}
	var out, unicodes strings.Builder
	put := func(expression string) {
		out.WriteString(expression)
		unicodes.WriteString(expression)
	}
	space := false
	rest := []rune(format)
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		if unicode.IsSpace(c) {
			if !space {
				put(`\s+`)
			}
			space = true
			continue
		}
		space = false
		if c != '%' {
			put(regexp.QuoteMeta(string(c)))
			continue
		}
		if i++; i == len(rest) {
			return nil, fmt.Errorf("stray %% in format '%s'", s.format)
		}
		if rest[i] == '%' {
			put(`%`)
			continue
		}
		d, known := directives[rest[i]]
		switch {
		case !known:
			return nil, fmt.Errorf("'%c' is a bad directive in format '%s'", rest[i], s.format)
		case slices.Contains(s.parts, rest[i]):
			return nil, fmt.Errorf("%%%c is twice in format '%s'", rest[i], s.format)
		}
		s.parts = append(s.parts, rest[i])
		out.WriteString("(" + d + ")")
		unicodes.WriteString("(" + strings.ReplaceAll(d, `\d`, `\p{Nd}`) + ")")
	}
	s.unicode = `(?i)\A(?:` + unicodes.String() + `)`
	var err error
	s.regex, err = regexp.Compile(`(?i)\A(?:` + out.String() + `)`)
	return s, err
}

// fields reads the parts of text; names of days and months are numbers from 0 and 1.
func (s *strptime) fields(text string) (map[rune]int, error) {
	regex := s.regex
	if strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) {
		var err error
		if regex, err = regexp.Compile(s.unicode); err != nil {
			return nil, err
		}
	}
	at := regex.FindStringSubmatchIndex(text)
	if at == nil {
		return nil, fmt.Errorf("time data '%s' does not match format '%s'", text, s.format)
	}
	if at[1] != len(text) {
		return nil, fmt.Errorf("unconverted data remains: %s", text[at[1]:])
	}
	found := map[rune]int{}
	for i, part := range s.parts {
		value := strings.ToLower(text[at[2*i+2]:at[2*i+3]])
		switch part {
		case 'A', 'a':
			found[part] = slices.IndexFunc(weekdays, func(d string) bool { return strings.HasPrefix(d, value) })
		case 'B', 'b':
			found[part] = 1 + slices.IndexFunc(months, func(m string) bool { return strings.HasPrefix(m, value) })
		case 'p':
			found[part] = strings.Index("ap", value[:1])
		default:
			n, err := strconv.Atoi(strings.TrimSpace(ascii(value)))
			if err != nil {
				return nil, err
			}
			found[part] = n
		}
	}
	return found, nil
}

func (s *strptime) parse(text string) (time.Time, error) {
	found, err := s.fields(text)
	if err != nil {
		return time.Time{}, err
	}
	year, month, day, weekday, yearDay := -1, 1, 1, -1, 0
	week, mondays, hour := -1, false, 0
	for _, part := range s.parts { // the last of those that say the same counts
		n := found[part]
		switch part {
		case 'y':
			year = century(n)
		case 'Y':
			year = n
		case 'm', 'B', 'b':
			month = n
		case 'd':
			day = n
		case 'H':
			hour = n
		case 'I':
			if hour = n % 12; found['p'] == 1 {
				hour += 12
			}
		case 'A', 'a':
			weekday = n
		case 'w':
			weekday = (n + 6) % 7
		case 'u':
			weekday = n - 1
		case 'j':
			yearDay = n
		case 'U', 'W':
			week, mondays = n, part == 'W'
		}
	}
	_, isoYear := found['G']
	_, iso := found['V']
	switch {
	case year < 0 && isoYear && (!iso || weekday < 0):
		return time.Time{}, pythonError("ISO year directive '%G' must be used with the ISO week directive '%V' and a weekday directive ('%A', '%a', '%w', or '%u').")
	case year < 0 && isoYear && yearDay > 0:
		return time.Time{}, pythonError("Day of the year directive '%j' is not compatible with ISO year directive '%G'. Use '%Y' instead.")
	case !(year < 0 && isoYear) && week < 0 && iso && weekday < 0:
		return time.Time{}, pythonError("ISO week directive '%V' must be used with the ISO year directive '%G' and a weekday directive ('%A', '%a', '%w', or '%u').")
	case !(year < 0 && isoYear) && week < 0 && iso:
		return time.Time{}, pythonError("ISO week directive '%V' is incompatible with the year directive '%Y'. Use the ISO year '%G' instead.")
	}
	leapDay := year < 0 && month == 2 && day == 29
	if year < 0 && yearDay == 0 && weekday >= 0 && week < 0 && isoYear && iso {
		return s.at(isoMonday(found['G'], found['V']).AddDate(0, 0, weekday), hour, found)
	}
	switch {
	case leapDay:
		year = 1904
	case year < 0:
		year = 1900
	}
	if year == 0 {
		return time.Time{}, errors.New("year 0 is out of range")
	}
	first := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	date := first.AddDate(0, 0, yearDay-1)
	switch {
	case yearDay == 0 && weekday >= 0 && week >= 0:
		date = first.AddDate(0, 0, weekDay(first, week, weekday, mondays)-1)
	case yearDay == 0:
		date = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		if date.Day() != day {
			return time.Time{}, errors.New("day is out of range for month")
		}
	}
	if leapDay {
		return time.Time{}, errors.New("day is out of range for month") // 1900 was no leap year
	}
	return s.at(date, hour, found)
}

// at adds the time of day.
func (s *strptime) at(date time.Time, hour int, found map[rune]int) (time.Time, error) {
	if found['S'] > 59 {
		return time.Time{}, errors.New("second must be in 0..59")
	}
	if date.Year() < 1 || date.Year() > 9999 {
		return time.Time{}, fmt.Errorf("year %d is out of range", date.Year())
	}
	return date.Add(time.Duration(hour)*time.Hour + time.Duration(found['M'])*time.Minute + time.Duration(found['S'])*time.Second), nil
}

// weekDay is the day of the year, from 1, of a weekday (Monday 0) in a week; weeks begin on mondays or on Sundays,
// and the days before the first of those are week 0.
func weekDay(first time.Time, week, weekday int, mondays bool) int {
	begins := (int(first.Weekday()) + 6) % 7
	if !mondays {
		begins, weekday = (begins+1)%7, (weekday+1)%7
	}
	if week == 0 {
		return 1 + weekday - begins
	}
	return 1 + (7-begins)%7 + 7*(week-1) + weekday
}

// isoMonday is the Monday of a week of ISO 8601.
func isoMonday(year, week int) time.Time {
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
	return fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7+7*(week-1))
}

// ascii writes the digits of all scripts as 0 to 9, as Python reads them.
func ascii(text string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x80 || !unicode.IsDigit(c) {
			return c
		}
		for _, r := range unicode.Nd.R16 {
			if uint16(c) >= r.Lo && uint16(c) <= r.Hi && c <= 0xffff {
				return '0' + (c-rune(r.Lo))%10
			}
		}
		for _, r := range unicode.Nd.R32 {
			if uint32(c) >= r.Lo && uint32(c) <= r.Hi {
				return '0' + (c-rune(r.Lo))%10
			}
		}
		return c
	}, text)
}

// pythonInt reads a number as Python's int does; one that is too large is the largest.
func pythonInt(text string) (int64, bool) {
	text = ascii(strings.TrimSpace(text))
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789_") != "" ||
		strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	n, _ := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64) // out of range, it is at the end of the range
	return n, true
}

// A pythonError is in Python's words, capitals and full stops included.
type pythonError string

func (e pythonError) Error() string { return string(e) }
