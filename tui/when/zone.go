package when

import (
	"fmt"
	"strings"
	"time"
)

// A Zone says how times are shown: in one zone, or each as its document has it. The zero one is the machine's own zone.
type Zone struct {
	loc    *time.Location
	source bool
}

// The zones that have a name of their own.
var (
	Local  = Zone{}
	UTC    = Zone{loc: time.UTC}
	Source = Zone{source: true}
)

// In is the zone of a location.
func In(loc *time.Location) Zone {
	if loc == time.Local {
		return Local
	}
	return Zone{loc: loc}
}

// ParseZone reads local, utc, source, a name as Europe/Berlin, or an offset as +01:00.
func ParseZone(name string) (Zone, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "local":
		return Local, nil
	case "utc", "z":
		return UTC, nil
	case "source":
		return Source, nil
	}
	if t, err := time.Parse("-07:00", name); err == nil {
		_, offset := t.Zone()
		return Zone{loc: time.FixedZone(t.Format("-07:00"), offset)}, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return Zone{}, fmt.Errorf("unknown time zone %q; type local, utc, source, a name as Europe/Berlin, or an offset as +01:00", short(name))
	}
	return Zone{loc: loc}, nil
}

// String is what ParseZone reads.
func (z Zone) String() string {
	switch {
	case z.source:
		return "source"
	case z.loc == nil:
		return "local"
	case z.loc == time.UTC:
		return "utc"
	}
	return z.loc.String()
}

// Of is t as it is shown.
func (z Zone) Of(t time.Time) time.Time {
	if z.source {
		return t
	}
	return t.In(z.Location())
}

// Location is where days begin and typed times are of. Documents have their own zones: for Source it is UTC.
func (z Zone) Location() *time.Location {
	switch {
	case z.source:
		return time.UTC
	case z.loc == nil:
		return time.Local
	}
	return z.loc
}

// Next is the zone after this one, in the order home, UTC, Source.
func (z Zone) Next(home Zone) Zone {
	switch {
	case z.source:
		return home
	case z == UTC:
		return Source
	}
	return UTC
}

// Name is the zone as it is printed beside times: UTC, UTC+01:00 CET. A summer's time may have another name than a winter's.
func (z Zone) Name(at time.Time) string {
	if z.source {
		return "zone of source"
	}
	name, offset := at.In(z.Location()).Zone()
	if offset == 0 && (name == "UTC" || name == "") {
		return "UTC"
	}
	text := "UTC" + at.In(z.Location()).Format("-07:00")
	if name == "" || strings.ContainsAny(name[:1], "+-") {
		return text
	}
	return text + " " + name
}

// steps are the lengths of a histogram's bars that are read easily.
var steps = func() (all []time.Duration) {
	for _, ms := range []time.Duration{1, 2, 5, 10, 20, 50, 100, 200, 500} {
		all = append(all, ms*time.Millisecond)
	}
	for _, unit := range []time.Duration{time.Second, time.Minute} {
		for _, n := range []time.Duration{1, 2, 5, 10, 15, 30} {
			all = append(all, n*unit)
		}
	}
	for _, h := range []time.Duration{1, 2, 3, 6, 12, 24, 48, 7 * 24, 14 * 24, 30 * 24, 90 * 24, 365 * 24} {
		all = append(all, h*time.Hour)
	}
	return all
}()

// Interval is the shortest length of bars that is read easily and of which no more than columns fill the span.
func Interval(span time.Duration, columns int) time.Duration {
	least := span / time.Duration(max(columns, 1))
	if least*time.Duration(max(columns, 1)) < span {
		least++
	}
	for _, step := range steps {
		if step >= least {
			return step
		}
	}
	year := steps[len(steps)-1]
	return (least + year - 1) / year * year
}

// Label is a time on an axis that has a mark every interval: as much as tells two marks of one day, or two days, apart.
func Label(t time.Time, interval time.Duration, zone Zone) string {
	t = zone.Of(t)
	switch {
	case interval < time.Second:
		return t.Format("15:04:05.000")
	case interval < time.Minute:
		return t.Format("15:04:05")
	case interval < 24*time.Hour:
		return t.Format("15:04")
	case interval < 28*24*time.Hour:
		return t.Format("01-02")
	}
	return t.Format("2006-01")
}
