package filter

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
)

// Dating says where the date of an index or a snapshot is taken from.
type Dating struct {
	// Where a date is taken from: the name, the creation date (of a snapshot: its start), or the dates in a
	// field of the documents, for indices only.
	Source string `config:"source" oneof:"name|creation_date|field_stats"`
	// How the date is written in the name, as `%Y.%m.%d`; of Y, G, y, m, W, V, U, d, H, M, S and j. Required
	// with `source: name`.
	Timestring string `config:"timestring"`
	// Field with dates. Required with `source: field_stats`.
	Field string `config:"field"`
	// Which date of the field: the oldest (min_value) or the newest (max_value).
	StatsResult string `config:"stats_result" default:"min_value" oneof:"min_value|max_value"`

	kind Kind
	date *dateText // of Timestring
}

// DateIn returns what finds the date in a name, of a filter that takes dates from names: its text and what it means. Of
// others it returns nil.
func DateIn(f Filter) func(name string) (text string, at time.Time, ok bool) {
	d, is := f.(interface{ dating() *Dating })
	if !is || d.dating().date == nil {
		return nil
	}
	return func(name string) (string, time.Time, bool) {
		text, at, err := d.dating().date.find(name, false)
		return text, time.Unix(at, 0).UTC(), err == nil && text != ""
	}
}

func (d *Dating) dating() *Dating { return d }

// settle says what the options need of each other in a list of that kind; needed: there must be a source.
func (d *Dating) settle(kind Kind, needed bool) error {
	d.kind = kind
	switch {
	case d.Source == "" && needed:
		return setting.Wrong("source", `option "source" is required: one of name, creation_date, field_stats`)
	case d.Source == "field_stats" && kind == Snapshots:
		return setting.Wrong("source", `option "source" must be one of name, creation_date for snapshots, not "field_stats"`)
	case d.Source == "name" && d.Timestring == "":
		return setting.Wrong("timestring", `option "timestring" is required with source: name, such as timestring: '%%Y.%%m.%%d'`)
	case d.Source == "name" && d.Field != "":
		return setting.Wrong("field", `option "field" has no meaning with source: name: remove it, or write source: field_stats`)
	case d.Source == "field_stats" && d.Field == "":
		return setting.Wrong("field", `option "field" is required with source: field_stats, such as field: '@timestamp'`)
	}
	if d.Source != "name" {
		return nil
	}
	var err error
	if d.date, err = readDateText(d.Timestring); err != nil {
		return setting.Wrong("timestring", "timestring %s: %v", setting.Show(d.Timestring), err)
	}
	return nil
}

func (d *Dating) check(strict bool) error {
	if d.date == nil || strict {
		return nil
	}
	if err := d.date.usable(); err != nil {
		return fmt.Errorf("timestring %s: %w", setting.Show(d.Timestring), err)
	}
	return nil
}

// A moment is when something is from.
type moment struct {
	at     int64  // seconds since 1970
	millis int64  // the same, finer, for sorting
	text   string // "named 2026.11.01"
	min    int64  // of a field, with max
	max    int64
}

// dates finds when each item that is left is from. Those without a date leave the list.
func (d *Dating) dates(r *run) (map[string]moment, error) {
	found := map[string]moment{}
	switch d.Source {
	case "name":
		r.looks()
		return found, d.byName(r, found)
	case "field_stats":
		p, period := r.filter.(*Period)
		return found, d.byField(r, period && p.Intersect, found)
	}
	r.drop(func(it *Item) string {
		ms := it.Created.UnixMilli()
		if it.Created.IsZero() || d.kind == Snapshots && ms == 0 {
			r.warn("%s: its creation date is not known: left alone", printable(it.Name))
			return "its creation date is not known"
		}
		at := r.seconds(ms)
		word := "created"
		if d.kind == Snapshots {
			word = "started"
		}
		found[it.Name] = moment{at: at, millis: ms, text: word + " " + show(at)}
		return ""
	})
	return found, nil
}

func (d *Dating) byName(r *run, found map[string]moment) error {
	var failed error
	r.drop(func(it *Item) string {
		text, at, err := d.date.find(it.Name, r.Strict)
		switch {
		case failed != nil:
			return ""
		case isFailure(err) || err != nil && r.Strict:
			failed = err
			return ""
		case err != nil:
			r.warn("%s: %v: left alone", printable(it.Name), err)
			return err.Error()
		case text == "", d.kind == Snapshots && r.Strict && at == 0:
			return "its name has no date like " + printable(d.Timestring)
		case !r.Strict && at <= 0:
			r.warn("%s: %s is before 1970: left alone", printable(it.Name), printable(text))
			return printable(text) + " in its name is before 1970"
		}
		m := moment{at: at, millis: at * 1000, text: "named " + printable(text)}
		if d.kind == Snapshots && r.Strict {
			m.at = fixEpoch(at) // Curator takes a second after 2286 for a millisecond
		}
		found[it.Name] = m
		return ""
	})
	return failed
}

// byField takes the dates from a field, which closed and empty indices cannot be asked for. both: the oldest and
// the newest count.
func (d *Dating) byField(r *run, both bool, found map[string]moment) error {
	r.dropClosed("so the dates in it are not known")
	r.looks()
	r.drop(func(it *Item) string {
		switch {
		case it.Docs < 0 && !r.Strict:
			r.warn("%s: the number of its documents is not known: left alone", printable(it.Name))
			return "the number of its documents is not known"
		case it.Docs <= 0:
			return "it is empty"
		}
		return ""
	})
	r.looks()
	if err := r.need(FieldRange, d.Field, func(it *Item) bool { _, asked := it.Fields[d.Field]; return asked }); err != nil {
		return err
	}
	var failed error
	r.drop(func(it *Item) string {
		span := it.Fields[d.Field]
		if span.Empty {
			if r.Strict {
				failed = &Error{"ValueError", "Bad epoch value. Unable to convert None to int. int() argument must be a string, a bytes-like object or a real number, not 'NoneType'"}
				return ""
			}
			r.warn("%s: no document has the field %s: left alone", printable(it.Name), printable(d.Field))
			return "no document has the field " + printable(d.Field)
		}
		least, most := span.Min.UnixMilli(), span.Max.UnixMilli()
		m := moment{min: r.seconds(least), max: r.seconds(most)}
		chosen, ms := m.min, least
		word := "oldest"
		if d.StatsResult == "max_value" {
			chosen, ms, word = m.max, most, "newest"
		}
		if !r.Strict && (ms < implausible || both && least < implausible) {
			why := fmt.Sprintf("its %s is %s to %s, which is no plausible date", printable(d.Field), show(m.min), show(m.max))
			r.warn("%s: %s: left alone", printable(it.Name), why)
			return why
		}
		m.at, m.millis = chosen, ms
		m.text = fmt.Sprintf("its %s %s is %s", word, printable(d.Field), show(chosen))
		found[it.Name] = m
		return ""
	})
	return failed
}

// seconds makes seconds of milliseconds; Curator goes by the number of digits.
func (c Clock) seconds(millis int64) int64 {
	if c.Strict {
		return fixEpoch(millis)
	}
	return time.UnixMilli(millis).Unix()
}

// implausible is the millisecond before which Curator takes milliseconds for seconds: 1970-04-26T17:46:40Z.
const implausible = 10_000_000_000

// Age keeps what is older, or younger, than so many units of time.
type Age struct {
	Dating `config:",inline"`
	// Which ones match: those from before the point in time, or those from after it.
	Direction string `config:"direction" required:"true" oneof:"older|younger"`
	// Unit of time; a month is 30 days, a year 365.
	Unit string `config:"unit" required:"true" oneof:"seconds|minutes|hours|days|weeks|months|years"`
	// How many units ago the point in time is. With unit_count_pattern, -1 means: leave alone what the pattern
	// doesn't match.
	UnitCount int64 `config:"unit_count" required:"true"`
	// Regular expression whose first group takes the number of units from the name, in place of unit_count.
	UnitCountPattern string `config:"unit_count_pattern"`
	// Seconds since 1970 to count from, in place of the time of the run.
	Epoch *int64 `config:"epoch"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`

	counts    *expression
	countsErr error
}

func (*Age) Type() string { return "age" }

func (f *Age) of(kind Kind) error {
	if f.UnitCountPattern != "" {
		f.counts, f.countsErr = compile(f.UnitCountPattern, false)
	}
	return f.settle(kind, true)
}

func (f *Age) check(strict bool) error {
	switch {
	case strict && f.kind == Snapshots && f.UnitCountPattern != "":
		return &Error{"TypeError", "SnapshotList.filter_by_age() got an unexpected keyword argument 'unit_count_pattern'"}
	case strict:
	case f.Epoch != nil && *f.Epoch == 0:
		return errEpochZero
	case f.countsErr != nil:
		return fmt.Errorf("unit_count_pattern %s: %w", setting.Show(f.UnitCountPattern), f.countsErr)
	case f.counts != nil && f.counts.groups == 0:
		return fmt.Errorf("unit_count_pattern %s has no group in parentheses to take the number from", setting.Show(f.UnitCountPattern))
	case f.UnitCount < 0 && f.Direction == "older" && !(f.UnitCount == -1 && f.UnitCountPattern != ""):
		return fmt.Errorf("unit_count %d with direction: older would take everything from before a time to come; write 0 or more", f.UnitCount)
	}
	return f.Dating.check(strict)
}

var errEpochZero = setting.Wrong("epoch", "epoch: 0 means the time of the run to Curator: leave it out if that is meant")

func (f *Age) apply(r *run) error {
	if f.kind == Indices {
		r.looks()
	}
	dates, err := f.dates(r)
	if err != nil {
		return err
	}
	if r.Strict && f.countsErr != nil {
		r.warn("Regular expression failure. Will not match unit count. Error: %v", f.countsErr)
	}
	now := reference(f.Epoch, r.Now)
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		m := dates[it.Name]
		n, named, err := f.count(it.Name)
		if err != nil {
			return verdict{}, err
		}
		if n < 0 && named && !r.Strict {
			r.warn("%s: its name has the number %d of %s, which is below 0: left alone", printable(it.Name), n, f.Unit)
			return verdict{gone: true, why: fmt.Sprintf("its name has the number %d of %s, which is below 0", n, f.Unit)}, nil
		}
		if f.UnitCountPattern != "" && !named && f.UnitCount == -1 {
			return verdict{gone: !r.Strict || !f.Exclude, why: "its name has no number of " + f.Unit}, nil
		}
		limit := ago(now, f.Unit, n)
		v := verdict{match: m.at < limit}
		if f.Direction == "younger" {
			v.match = m.at > limit
		}
		if !r.Strict && f.Direction == "older" && v.match && m.at > r.Now.Unix() {
			r.warn("%s: %s, which is in the future: left alone", printable(it.Name), m.text)
			return verdict{gone: true, why: m.text + ", which is in the future"}, nil
		}
		v.why = f.explain(m, v.match, n, named, now, limit)
		return v, nil
	})
}

// count is the number of units for name, and whether the name itself says it.
func (f *Age) count(name string) (n int64, named bool, err error) {
	if f.counts == nil {
		return f.UnitCount, false, nil
	}
	m, err := f.counts.search(name)
	if err != nil {
		return 0, false, err
	}
	if m == nil || f.counts.groups == 0 || !m.grouped {
		return f.UnitCount, false, nil
	}
	n, ok := pythonInt(m.group)
	if !ok || n == 0 {
		return f.UnitCount, false, nil
	}
	return n, true, nil
}

func (f *Age) explain(m moment, match bool, n int64, named bool, now, limit int64) string {
	not, edge := "", "before"
	if !match {
		not = "not "
	}
	if f.Direction == "younger" {
		edge = "after"
	}
	count := amount(n, f.Unit)
	if named {
		count += " as its name says"
	}
	return fmt.Sprintf("%s, %s, %s%s than %s (%s %s)", m.text, old(now-m.at, f.Unit), not, f.Direction, count, edge, show(limit))
}

// reference is the time to count from, in seconds.
func reference(epoch *int64, now time.Time) int64 {
	if epoch == nil || *epoch == 0 {
		return fixEpoch(now.Unix())
	}
	return fixEpoch(*epoch)
}

// units are their lengths in seconds.
var units = map[string]int64{"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 7 * 86400, "months": 30 * 86400, "years": 365 * 86400}

// ago is the second that is n units before now; what is beyond all dates stays beyond them.
func ago(now int64, unit string, n int64) int64 {
	const most = 1 << 37
	n = max(-most, min(most, n))
	return now - n*units[unit]
}

// fixEpoch makes seconds of an epoch in seconds, milliseconds or finer, by the number of its characters.
func fixEpoch(n int64) int64 {
	digits := len(fmt.Sprint(n))
	if digits <= 10 {
		return n
	}
	power := max(3, digits-10)
	if digits <= 13 {
		power = 3
	}
	by := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power)), nil)
	quotient, _ := new(big.Rat).SetFrac(big.NewInt(n), by).Float64()
	return int64(quotient)
}

// show writes a second as a time in UTC, or as the number that it is where the calendar ends.
func show(at int64) string {
	t := time.Unix(at, 0).UTC()
	switch {
	case t.Year() < 1 || t.Year() > 9999:
		return fmt.Sprintf("second %d", at)
	case t.Second() == 0:
		return t.Format("2006-01-02T15:04Z")
	}
	return t.Format("2006-01-02T15:04:05Z")
}

func amount(n int64, unit string) string {
	if n == 1 || n == -1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// old says how old something is that is from so many seconds ago.
func old(seconds int64, unit string) string {
	n := seconds / units[unit]
	switch {
	case seconds < 0:
		return "in " + amount(-n, unit)
	default:
		return amount(n, unit) + " old"
	}
}
