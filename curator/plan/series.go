package plan

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// A Dater finds the date in a name, where the rules of a run say how dates are written: the text and what it means.
type Dater func(name string) (text string, at time.Time, ok bool)

// A place is where a name stands in its series. Later places are greater.
type place struct {
	series string
	date   []int // year, then what is written of month or week, day and hour; nil: there is no date
	at     time.Time
	number string // at the end, without leading zeros
}

// form is a way to write a date; group says which of year, month, day and hour each group is. A date stands
// between what are no digits.
type form struct {
	text  *regexp.Regexp
	group string
}

const year = `((?:19|20|21)\d\d)`

var forms = []form{
	{regexp.MustCompile(`(?:^|\D)(` + year + `[.\-_](\d\d)[.\-_](\d\d)(?:[.\-_tT](\d\d))?)(?:\D|$)`), "ymdh"},
	{regexp.MustCompile(`(?:^|\D)(` + year + `(\d\d)(\d\d)(?:[.\-_tT]?(\d\d)(?:\d\d){0,2})?)(?:\D|$)`), "ymdh"},
	{regexp.MustCompile(`(?:^|\D)((\d\d)[.\-_](\d\d)[.\-_]` + year + `)(?:\D|$)`), "dmy"},
	{regexp.MustCompile(`(?:^|\D)(` + year + `[.\-_][wW]?(\d{2,3}))(?:\D|$)`), "yn"}, // a month, a week or a day of the year
	{regexp.MustCompile(`(?:^|\D)((\d\d)[.\-_]` + year + `)(?:\D|$)`), "ny"},
}

// number is the end of a name that counts, as the one of a rollover.
var number = regexp.MustCompile(`\d+$`)

// placeOf reads a name: by the first of the daters that finds a date, or else by the last date in a usual form, as that
// of a day comes after a host's name, which may hold another.
func placeOf(name string, daters []Dater) place {
	p := place{series: name}
	for _, find := range daters {
		if text, at, ok := find(name); ok && text != "" {
			i := strings.Index(name, text)
			if i < 0 {
				continue
			}
			p.at = at.UTC()
			p.date = []int{p.at.Year(), int(p.at.Month()), p.at.Day(), p.at.Hour()}
			p.cut(i, i+len(text))
			return p
		}
	}
	from, to := -1, -1
	for _, f := range forms {
		for i := 0; i < len(name); {
			m := f.text.FindStringSubmatchIndex(name[i:])
			if m == nil {
				break
			}
			for k := range m {
				if m[k] >= 0 {
					m[k] += i
				}
			}
			i = m[2] + 1
			if date, at, ok := f.read(name, m); ok && (m[3] > to || m[3] == to && m[2] < from) {
				from, to, p.date, p.at = m[2], m[3], date, at
			}
		}
	}
	if from < 0 {
		from, to = len(name), len(name)
	}
	p.cut(from, to)
	return p
}

// cut takes the date out of the name of a series, and the number at its end.
func (p *place) cut(from, to int) {
	before, after := p.series[:from], p.series[to:]
	if to > from {
		before += "*"
	}
	end := number.FindStringIndex(after)
	if to == from { // no date: before is the whole name
		end, after, before = number.FindStringIndex(before), before, ""
	}
	if end != nil {
		p.number = strings.TrimLeft(after[end[0]:], "0")
		after = after[:end[0]] + "*"
	}
	p.series = before + after
}

// read makes numbers of a match. It refuses what no calendar has.
func (f form) read(name string, m []int) (date []int, at time.Time, ok bool) {
	part := map[rune]int{'m': 1, 'd': 1}
	for i, what := range f.group {
		if k := 4 + 2*i; m[k] >= 0 {
			part[what], _ = strconv.Atoi(name[m[k]:m[k+1]]) // digits, few of them
		}
	}
	if n, short := part['n']; short {
		if n < 1 || n > 366 {
			return nil, at, false
		}
		at = time.Date(part['y'], 1, 1, 0, 0, 0, 0, time.UTC)
		if n <= 53 { // a month may be meant too: the earlier of the two
			at = at.AddDate(0, 0, 7*(n-1))
		} else {
			at = at.AddDate(0, 0, n-1)
		}
		return []int{part['y'], n}, at, true
	}
	at = time.Date(part['y'], time.Month(part['m']), part['d'], part['h'], 0, 0, 0, time.UTC)
	ok = at.Month() == time.Month(part['m']) && at.Day() == part['d'] && part['h'] < 24
	return []int{part['y'], part['m'], part['d'], part['h']}, at, ok
}

func (p place) compare(q place) int {
	return cmp.Or(slices.Compare(p.date, q.date), cmp.Compare(len(p.number), len(q.number)), strings.Compare(p.number, q.number))
}

// Series is the name with a * in place of its date, and of the number at its end: what the indices of a series have in
// common. A name with neither is a series of its own.
func Series(name string, daters ...Dater) string { return placeOf(name, daters).series }

// newestOfSeries says which of items is the newest of a series: by the date in its name, by its number, by its
// creation. What has no date and no number is no series, and what is dated after the time ahead counts for none.
func newestOfSeries(items []filter.Item, daters []Dater, ahead time.Time) map[string]bool {
	type standing struct {
		place
		item filter.Item
	}
	best := map[string]standing{}
	for _, it := range items {
		s := standing{placeOf(it.Name, daters), it}
		if s.series == it.Name || s.at.After(ahead) {
			continue
		}
		b, ok := best[s.series]
		if !ok || cmp.Or(s.compare(b.place), s.item.Created.Compare(b.item.Created)) > 0 {
			best[s.series] = s
		}
	}
	newest := make(map[string]bool, len(best))
	for _, b := range best {
		newest[b.item.Name] = true
	}
	return newest
}
