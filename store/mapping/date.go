package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are named in queries, and not every machine has them
)

// The formats of date and date_nanos fields that name none.
const (
	defaultFormat      = "strict_date_optional_time||epoch_millis"
	defaultNanosFormat = "strict_date_optional_time_nanos||epoch_millis"
)

// A Format reads dates: one or more of Elasticsearch's names and patterns of Java's, joined by ||.
type Format struct {
	text  string
	parts []func(s string) (date, bool)
}

// String returns the format as it was given.
func (f *Format) String() string { return f.text }

// A date is what was found in a text. A field is -1 if the text had nothing for it.
type date struct {
	year, month, day, hour, minute, second, nano int
	zone                                         *time.Location
	half                                         int // of the day: 0 unknown, 1 before noon, 2 after
	exact                                        bool
	instant                                      time.Time     // if exact
	open                                         time.Duration // if exact: what is left open behind instant, as of a whole second
}

var noDate = date{year: math.MinInt, month: -1, day: -1, hour: -1, minute: -1, second: -1, nano: -1}

// ParseFormat reads a format.
func ParseFormat(text string) (*Format, error) {
	f := &Format{text: text}
	for part := range strings.SplitSeq(text, "||") {
		p, err := parseFormatPart(strings.TrimPrefix(part, "8"))
		if err != nil {
			return nil, because("Invalid format: [%s]: %v", part, err)
		}
		f.parts = append(f.parts, p)
	}
	return f, nil
}

func mustFormat(text string) *Format {
	f, err := ParseFormat(text)
	if err != nil {
		panic(err)
	}
	return f
}

var (
	millisFormat = mustFormat(defaultFormat)
	nanosFormat  = mustFormat(defaultNanosFormat)
)

func parseFormatPart(name string) (func(string) (date, bool), error) {
	switch name {
	case "":
		return nil, because("No date pattern provided")
	case "epoch_millis":
		return epoch(1000), nil
	case "epoch_second":
		return epoch(1), nil
	case "strict_date_optional_time", "strict_date_optional_time_nanos", "strictDateOptionalTime", "strictDateOptionalTimeNanos":
		return func(s string) (date, bool) { return optionalTime(s, true) }, nil
	case "date_optional_time", "dateOptionalTime", "iso8601":
		strict := name == "iso8601"
		return func(s string) (date, bool) { return optionalTime(s, strict) }, nil
	}
	if p, ok := namedPatterns[strings.TrimPrefix(name, "strict_")]; ok {
		return compilePattern(p)
	}
	return compilePattern(name)
}

// namedPatterns has Elasticsearch's names of formats. Those of week years and days of the year are not served.
var namedPatterns = map[string]string{
	"basic_date": "yyyyMMdd", "basic_date_time": "yyyyMMdd'T'HHmmss.SSSX", "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssX",
	"basic_time": "HHmmss.SSSX", "basic_time_no_millis": "HHmmssX",
	"date": "yyyy-MM-dd", "date_hour": "yyyy-MM-dd'T'HH", "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
	"date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss", "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
	"date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ss.SSS",
	"date_time":                      "yyyy-MM-dd'T'HH:mm:ss[.SSS]X", "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ssX",
	"hour": "HH", "hour_minute": "HH:mm", "hour_minute_second": "HH:mm:ss",
	"hour_minute_second_fraction": "HH:mm:ss.SSS", "hour_minute_second_millis": "HH:mm:ss.SSS",
	"time": "HH:mm:ss.SSSX", "time_no_millis": "HH:mm:ssX", "t_time": "'T'HH:mm:ss.SSSX", "t_time_no_millis": "'T'HH:mm:ssX",
	"year": "yyyy", "year_month": "yyyy-MM", "year_month_day": "yyyy-MM-dd",
}

// epoch reads a count of 1/perSecond seconds since 1970 with an optional fraction. As in Elasticsearch 7 one before
// 1970 must be of whole seconds.
func epoch(perSecond int64) func(string) (date, bool) {
	return func(s string) (date, bool) {
		whole, minus := strings.CutPrefix(s, "-")
		whole, fraction, dot := strings.Cut(whole, ".")
		n, ok := digits(whole, 1, 19)
		if !ok || dot && fraction == "" || minus && n%perSecond != 0 {
			return date{}, false
		}
		if minus {
			n = -n
		}
		unit := time.Second / time.Duration(perSecond)
		nanos := n % perSecond * int64(unit)
		if dot {
			unit = 1
			width := 9
			if perSecond == 1000 {
				width = 6
			}
			if len(fraction) > width {
				return date{}, false
			}
			part, ok := digits(fraction+strings.Repeat("0", width-len(fraction)), width, width)
			if !ok {
				return date{}, false
			}
			nanos += part
		}
		return date{exact: true, instant: time.Unix(n/perSecond, nanos).UTC(), open: unit}, true
	}
}

// digits reads s, which must be least to most digits and no more than an int64 holds.
func digits(s string, least, most int) (int64, bool) {
	if len(s) < least || len(s) > most {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		d := int64(s[i] - '0')
		if s[i] < '0' || s[i] > '9' || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// take reads least to most digits at the beginning of s.
func take(s string, least, most int) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && '0' <= s[i] && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i >= least
}

// optionalTime reads a date of ISO 8601 of which only the year is needed.
func optionalTime(s string, strict bool) (date, bool) {
	d := noDate
	least := 2
	if !strict {
		least = 1
	}
	var ok bool
	if d.year, s, ok = takeYear(s, 2*least); !ok {
		return d, false
	}
	if len(s) > 0 && s[0] == '-' {
		if d.month, s, ok = take(s[1:], least, 2); !ok {
			return d, false
		}
		if len(s) > 0 && s[0] == '-' {
			if d.day, s, ok = take(s[1:], least, 2); !ok {
				return d, false
			}
		}
	}
	if s == "" {
		return d, d.valid()
	}
	if s[0] != 'T' {
		return d, false
	}
	if s = s[1:]; s == "" {
		return d, d.valid()
	}
	if s[0] >= '0' && s[0] <= '9' {
		if s, ok = d.takeTime(s, least); !ok {
			return d, false
		}
	}
	if s == "" {
		return d, d.valid()
	}
	d.zone, ok = parseZone(s)
	return d, ok && d.valid()
}

// takeTime reads HH[:mm[:ss[.fraction]]].
func (d *date) takeTime(s string, least int) (rest string, ok bool) {
	if d.hour, s, ok = take(s, least, 2); !ok || s == "" || s[0] != ':' {
		return s, ok
	}
	if d.minute, s, ok = take(s[1:], least, 2); !ok || s == "" || s[0] != ':' {
		return s, ok
	}
	if d.second, s, ok = take(s[1:], least, 2); !ok || s == "" || s[0] != '.' && s[0] != ',' {
		return s, ok
	}
	d.nano, rest, ok = takeFraction(s[1:], 1, 9)
	return rest, ok
}

func takeFraction(s string, least, most int) (nano int, rest string, ok bool) {
	n, rest, ok := take(s, least, most)
	for range 9 - (len(s) - len(rest)) {
		n *= 10
	}
	return n, rest, ok
}

// takeYear reads a year of up to four digits, with a minus before it or not.
func takeYear(s string, least int) (year int, rest string, ok bool) {
	s, minus := strings.CutPrefix(s, "-")
	year, rest, ok = take(s, least, 4)
	if minus {
		year = -year
	}
	return year, rest, ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
}

// valid says whether such a date is in the calendar, as far as it goes.
func (d *date) valid() bool {
	if d.exact {
		return true
	}
	if d.hour > 23 || d.minute > 59 || d.second > 59 || d.month == 0 || d.month > 12 || d.day == 0 {
		return false
	}
	if d.day <= 28 {
		return true
	}
	month, year := d.month, d.year
	if month < 0 {
		month = 1
	}
	if year == math.MinInt {
		year = 1970
	}
	return d.day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// time returns the first moment that d can mean; if up, the last of its day, hour, minute or second, but still the first
// month and day. zone is for a date that names none.
func (d *date) time(up bool, zone *time.Location) time.Time {
	if d.exact {
		t := d.instant
		if up {
			t = t.Add(d.open - 1)
		}
		if zone != time.UTC { // in Elasticsearch a zone moves a count since 1970 as well
			t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
		}
		return t
	}
	if d.zone != nil {
		zone = d.zone
	}
	if d.half != 0 && d.hour >= 0 {
		d.hour = d.hour%12 + 12*(d.half-1)
	}
	pick := func(have, first, last int) int {
		switch {
		case have >= 0:
			return have
		case up:
			return last
		}
		return first
	}
	year := d.year
	if year == math.MinInt {
		year = 1970
	}
	return time.Date(year, time.Month(pick(d.month, 1, 1)), pick(d.day, 1, 1),
		pick(d.hour, 0, 23), pick(d.minute, 0, 59), pick(d.second, 0, 59), pick(d.nano, 0, 999_999_999), zone)
}

// Parse reads s. What it leaves open is filled with the first that is possible: 2020-05 is the beginning of its first day.
// If up, the time of day is filled with the last: 2020-05 is the end of its first day. zone is for a text that names none.
func (f *Format) Parse(s string, up bool, zone *time.Location) (time.Time, error) {
	if t, ok := fastTime(s); ok && f.iso() {
		return t, nil
	}
	if strings.TrimSpace(s) == "" {
		return time.Time{}, errors.New("cannot parse empty date")
	}
	for _, part := range f.parts {
		if d, ok := part(s); ok {
			return d.time(up, zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("failed to parse date field [%s] with format [%s]", s, f.text)
}

// ISO says whether a date field takes 2020-01-02T03:04:05.678Z for what it is in ISO 8601.
func (f *Field) ISO() bool { return f.Format.iso() }

// iso says whether f begins with the format that fastTime reads.
func (f *Format) iso() bool {
	return f == millisFormat || f == nanosFormat || strings.HasPrefix(f.text, "strict_date_optional_time")
}

// fastTime reads what nearly all documents have: 2020-01-02T03:04:05.678Z with three digits or more behind the
// point. What leaves something open is not for it.
func fastTime(s string) (time.Time, bool) {
	if len(s) < 24 || len(s) > 30 || s[len(s)-1] != 'Z' || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' {
		return time.Time{}, false
	}
	two := func(i int) int {
		a, b := s[i]-'0', s[i+1]-'0'
		if a > 9 || b > 9 {
			return -1
		}
		return int(a)*10 + int(b)
	}
	century, year, month, day, hour, minute, second := two(0), two(2), two(5), two(8), two(11), two(14), two(17)
	if century < 0 || year < 0 || month < 1 || month > 12 || day < 1 || day > 28 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	nano, rest, _ := takeFraction(s[20:len(s)-1], 3, 9)
	if rest != "" {
		return time.Time{}, false
	}
	return time.Date(century*100+year, time.Month(month), day, hour, minute, second, nano, time.UTC), true
}

// parseZone reads Z, an offset as +01, +01:00 or +0100, or the name of a zone.
func parseZone(s string) (*time.Location, bool) {
	switch s {
	case "Z", "UTC", "GMT", "UT":
		return time.UTC, true
	case "":
		return nil, false
	}
	for _, prefix := range []string{"UTC", "GMT", "UT"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok && rest != "" && (rest[0] == '+' || rest[0] == '-') {
			return parseZone(rest)
		}
	}
	if s[0] != '+' && s[0] != '-' {
		if s == "Local" || strings.ContainsAny(s, `.\`) {
			return nil, false
		}
		zone, err := time.LoadLocation(s)
		return zone, err == nil
	}
	plain := strings.ReplaceAll(s[1:], ":", "")
	if len(plain) != 2 && len(plain) != 4 && len(plain) != 6 || strings.Count(s, ":") > len(plain)/2-1 {
		return nil, false
	}
	n, err := strconv.Atoi(plain + "0000"[:6-len(plain)])
	if err != nil || n < 0 {
		return nil, false
	}
	seconds := n/10000*3600 + n/100%100*60 + n%100
	if seconds > 18*3600 || n/100%100 > 59 || n%100 > 59 {
		return nil, false
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone(s, seconds), true
}

// ParseZone reads a zone as queries name it: Z, an offset, or a name as Europe/Paris.
func ParseZone(s string) (*time.Location, error) {
	zone, ok := parseZone(s)
	if !ok && len(s) == 2 { // +1
		zone, ok = parseZone(s[:1] + "0" + s[1:])
	}
	if !ok {
		return nil, because("Invalid ID for region-based ZoneId, invalid format: %s", s)
	}
	return zone, nil
}
