package filter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
)

// Period keeps what is from within whole units of the calendar, in UTC.
type Period struct {
	Dating `config:",inline"`
	// Whether the period is counted from the time of the run or given by dates.
	PeriodType string `config:"period_type" default:"relative" oneof:"relative|absolute"`
	// Unit of the calendar; seconds and minutes only with `period_type: absolute`.
	Unit string `config:"unit" required:"true" oneof:"seconds|minutes|hours|days|weeks|months|years"`
	// First unit of a relative period: 0 is this one, -1 the last.
	RangeFrom *int64 `config:"range_from"`
	// Last unit of a relative period.
	RangeTo *int64 `config:"range_to"`
	// First unit of an absolute period.
	DateFrom string `config:"date_from"`
	// How date_from is written, in the letters of Python's strptime.
	DateFromFormat string `config:"date_from_format"`
	// Last unit of an absolute period; it belongs to it as a whole.
	DateTo string `config:"date_to"`
	// How date_to is written.
	DateToFormat string `config:"date_to_format"`
	// With `source: field_stats`: match only if both the oldest and the newest date are within the period.
	Intersect bool `config:"intersect" default:"false"`
	// First day of a week: sunday or monday.
	WeekStartsOn string `config:"week_starts_on" default:"sunday" oneof:"Sunday|sunday|SUNDAY|Monday|monday|MONDAY"`
	// Seconds since 1970 to count a relative period from, in place of the time of the run.
	Epoch *int64 `config:"epoch"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`

	from, to time.Time // of an absolute period
}

func (*Period) Type() string { return "period" }

func (f *Period) of(kind Kind) error {
	if err := f.settle(kind, true); err != nil {
		return err
	}
	if f.PeriodType == "absolute" {
		return f.absolute()
	}
	switch {
	case f.RangeFrom == nil:
		return setting.Wrong("range_from", `option "range_from" is required with period_type: relative, such as range_from: -1`)
	case f.RangeTo == nil:
		return setting.Wrong("range_to", `option "range_to" is required with period_type: relative, such as range_to: -1`)
	case f.Unit == "seconds" || f.Unit == "minutes":
		return setting.Wrong("unit", `option "unit" must be one of hours, days, weeks, months, years in a relative period, not %q`, f.Unit)
	case *f.RangeTo < *f.RangeFrom:
		return setting.Wrong("range_to", "range_to %d is before range_from %d", *f.RangeTo, *f.RangeFrom)
	}
	return nil
}

func (f *Period) absolute() error {
	for name, v := range map[string]string{"date_from": f.DateFrom, "date_from_format": f.DateFromFormat, "date_to": f.DateTo, "date_to_format": f.DateToFormat} {
		if v == "" {
			return setting.Wrong(name, "option %q is required with period_type: absolute", name)
		}
	}
	from, err := readDate(f.DateFrom, f.DateFromFormat)
	if err != nil {
		return setting.Wrong("date_from", "cannot read date_from %s by date_from_format %s: %v", setting.Show(f.DateFrom), setting.Show(f.DateFromFormat), err)
	}
	to, err := readDate(f.DateTo, f.DateToFormat)
	if err != nil {
		return setting.Wrong("date_to", "cannot read date_to %s by date_to_format %s: %v", setting.Show(f.DateTo), setting.Show(f.DateToFormat), err)
	}
	f.from, f.to = from, to
	if _, _, err := f.dated(Clock{}); err != nil {
		return setting.Wrong("date_to", "date_to %s: %v", setting.Show(f.DateTo), err)
	}
	return nil
}

// dated is the first and the last second of an absolute period.
func (f *Period) dated(c Clock) (start, end int64, err error) {
	switch f.Unit {
	case "months":
		end = monthAt(int64(f.to.Year())*12 + int64(f.to.Month()))
	case "years":
		end = monthAt(int64(f.to.Year())*12 + 12)
	default:
		end = c.after(f.to.Unix(), 1, f.Unit)
	}
	return f.bounds(f.from.Unix(), end)
}

// bounds checks a period that ends before end.
func (f *Period) bounds(start, end int64) (int64, int64, error) {
	if calendar := f.Unit == "months" || f.Unit == "years"; !inCalendar(start) || !inCalendar(end-1) || calendar && !inCalendar(end) {
		return 0, 0, errCalendar
	}
	return start, end - 1, nil
}

// after is the second that is n units after start. Curator counts from now if start is the second 0, and takes
// seconds of ten digits and more for finer ones.
func (c Clock) after(start, n int64, unit string) int64 {
	if c.Strict {
		start = reference(&start, c.Now)
	}
	return start + n*units[unit]
}

func (f *Period) check(strict bool) error {
	if !strict && f.Epoch != nil && *f.Epoch == 0 {
		return errEpochZero
	}
	return f.Dating.check(strict)
}

func (f *Period) apply(r *run) error {
	if f.kind == Indices {
		if r.looks(); len(r.left) == 0 {
			return nil
		}
	}
	start, end, err := f.dated(r.Clock)
	if f.PeriodType == "relative" {
		start, end, err = f.relative(r.Clock)
	}
	if err != nil {
		return err
	}
	dates, err := f.dates(r)
	if err != nil {
		return err
	}
	span := fmt.Sprintf("the period %s to %s", show(start), show(end))
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		m := dates[it.Name]
		first, last, what := m.at, m.at, m.text
		if f.Source == "field_stats" && f.Intersect {
			first, last = m.min, m.max
			what = fmt.Sprintf("its %s is from %s to %s", printable(f.Field), show(first), show(last))
		}
		if first >= start && last <= end {
			return verdict{match: true, why: what + ", within " + span}, nil
		}
		return verdict{why: what + ", not within " + span}, nil
	})
}

var errCalendar = errors.New("the period reaches beyond the years 1 to 9999: range_from or range_to is too far away")

// relative is the first and the last second of a period counted from the time of the run, or from epoch.
func (f *Period) relative(c Clock) (start, end int64, err error) {
	const far = 1 << 32
	now := reference(f.Epoch, c.Now)
	from, count := *f.RangeFrom, *f.RangeTo-*f.RangeFrom+1
	if from < -far || from > far || count > far || count < 0 || !inCalendar(now) {
		return 0, 0, errCalendar
	}
	t := time.Unix(now, 0).UTC()
	day := now - now%86400
	if now < 0 && now%86400 != 0 {
		day -= 86400
	}
	switch f.Unit {
	case "months":
		month := func(n int64) int64 { return monthAt(int64(t.Year())*12 + int64(t.Month()) - 1 + n) }
		start, end = month(from), month(from+count)
	case "years":
		year := func(n int64) int64 { return monthAt((int64(t.Year()) + n) * 12) }
		start, end = year(from), year(from+count)
	case "weeks":
		back := (int64(t.Weekday()) + 6) % 7 // to Monday
		if strings.EqualFold(f.WeekStartsOn, "sunday") {
			back++ // on a Sunday 7: Curator's week that ended the day before
			if !c.Strict {
				back %= 7
			}
		}
		start = day - back*86400 + from*7*86400
		end = c.after(start, count, f.Unit)
	case "days":
		start = day + from*86400
		end = c.after(start, count, f.Unit)
	default:
		start = day + int64(t.Hour())*3600 + from*3600
		end = c.after(start, count, f.Unit)
	}
	return f.bounds(start, end)
}

// monthAt is the first second of a month, counted from the year 0.
func monthAt(n int64) int64 {
	n = max(-12, min(n, 12*10001))
	return time.Date(int(n/12), time.Month(n%12+1), 1, 0, 0, 0, 0, time.UTC).Unix()
}

func inCalendar(at int64) bool {
	return at >= time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() && at < time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
}
