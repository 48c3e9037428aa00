package filter

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A recording is a decision of Elastic Curator 8.0.21: see testdata/record.py.
type recording struct {
	Kind    int              `json:"k"`
	Now     int64            `json:"now"`
	Filters []map[string]any `json:"f"`
	Items   []recordedItem   `json:"i"`
	ILM     int              `json:"ilm"`

	Left    []string `json:"left"`
	Error   string   `json:"error"`
	Refused bool     `json:"refused"`
	Empty   bool     `json:"empty"`

	filters []Filter
	wrong   error // of Parse
}

type recordedItem struct {
	Name     string     `json:"n"`
	Created  *int64     `json:"c"`
	State    string     `json:"state"`
	Size     int64      `json:"s"`
	Docs     *int64     `json:"d"`
	Closed   int        `json:"closed"`
	ILM      int        `json:"ilm"`
	Unknown  int        `json:"unknown"`
	Shards   *int       `json:"sh"`
	Replicas int        `json:"rep"`
	Segments *int       `json:"seg"`
	Aliases  []string   `json:"al"`
	Box      string     `json:"box"`
	Range    *[]float64 `json:"r"`
}

func (r recordedItem) item(kind int) Item {
	it := Item{Name: r.Name, Created: time.UnixMilli(1e12), Closed: r.Closed > 0, Shards: 1, Replicas: r.Replicas, Docs: 1, Size: r.Size,
		PrimarySize: r.Size / 2, Segments: 1, Aliases: append([]string{}, r.Aliases...), Fields: map[string]Range{"@timestamp": {Empty: true}},
		Settings: map[string]string{"index.routing.allocation.require.box": r.Box}}
	if r.Created != nil {
		it.Created = time.UnixMilli(*r.Created)
	}
	if r.Docs != nil {
		it.Docs = *r.Docs
	}
	if r.Shards != nil {
		it.Shards = *r.Shards
	}
	if r.Segments != nil {
		it.Segments = *r.Segments
	}
	if r.ILM > 0 {
		it.Settings["index.lifecycle.name"] = "policy"
	}
	if r.Unknown > 0 || r.Closed > 0 {
		it.Docs, it.Size, it.PrimarySize = -1, -1, -1
	}
	if r.Range != nil {
		low, high := int64((*r.Range)[0]), int64((*r.Range)[1])
		it.Fields["@timestamp"] = Range{Min: time.UnixMilli(low), Max: time.UnixMilli(high)}
	}
	if kind == 1 {
		it.State = "SUCCESS"
		if r.State != "" {
			it.State = r.State
		}
	}
	return it
}

func recordings(t testing.TB) []recording {
	file, err := os.Open("testdata/curator.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	lines := json.NewDecoder(bufio.NewReader(text))
	for lines.UseNumber(); lines.More(); {
		var r recording
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		for _, values := range r.Filters {
			f, err := Parse(values, Kind(r.Kind))
			if err != nil {
				r.wrong = err
				break
			}
			r.filters = append(r.filters, f)
		}
		all = append(all, r)
	}
	if len(all) < 10000 {
		t.Fatalf("%d recordings, 10000 wanted", len(all))
	}
	return all
}

// replay decides a recorded case.
func (r recording) replay(strict bool) (Outcome, error) {
	if r.wrong != nil {
		return Outcome{}, r.wrong
	}
	c := Clock{Now: time.Unix(r.Now, 7e8), Strict: strict}
	filters := r.filters
	if r.ILM > 0 {
		filters = WithoutILM(filters, c)
	}
	var items []Item
	for _, it := range r.Items {
		items = append(items, it.item(r.Kind))
	}
	return Run(filters, items, c)
}

// TestAsCurator replays all recordings with Strict: the same is left, in the same order, or there is an error
// where Curator has one. What Curator would fail on, Parse may refuse before, even if Curator stops at an empty
// list before it gets there.
func TestAsCurator(t *testing.T) {
	compared := map[string]int{}
	for i, r := range recordings(t) {
		out, err := r.replay(true)
		got, want := strings.Join(names(out.Left), " "), strings.Join(r.Left, " ")
		switch failed := r.Error != "" || r.Refused; {
		case len(out.Missing) > 0:
			t.Errorf("recording %d: facts are missing: %v", i, out.Missing)
		case r.wrong != nil && (failed || r.Empty):
			compared["refused"]++
		case (err != nil) != failed:
			t.Errorf("recording %d: %v, but Curator: %q\n%s", i, err, r.Error, r.text())
		case failed:
			compared["failed"]++
		case got != want:
			t.Errorf("recording %d: left %q, want %q\n%s", i, got, want, r.text())
		case r.Empty != (out.EmptyAt > 0):
			t.Errorf("recording %d: the list is empty at %d, but Curator: %v\n%s", i, out.EmptyAt, r.Empty, r.text())
		default:
			compared["decided"]++
		}
	}
	t.Log(compared)
}

func (r recording) text() string {
	text, _ := json.Marshal(r)
	return strings.NewReplacer(`"closed":0,`, "", `"ilm":0,`, "", `"unknown":0,`, "", `"sh":null,`, "", `"rep":0,`, "", `"seg":null,`, "", `"al":null,`, "", `"box":"",`, "", `"r":null`, "", `"d":null,`, "", `"s":0,`, "", `"state":"",`, "", `"c":null,`, "").Replace(string(text))
}

func names(items []Item) []string {
	var all []string
	for _, it := range items {
		all = append(all, it.Name)
	}
	return all
}

// A difference is a row of docs/curator-differences.md. where says which recordings it may concern, by what is in
// them and not by what comes out.
type difference struct {
	name  string
	where func(r recording) bool
	more  bool // it may let a filter choose what Curator leaves alone
}

// any says whether the recording has a filter of one of the types (or of any, without) that is so.
func (r recording) any(types string, is func(f Filter) bool) bool {
	return slices.ContainsFunc(r.filters, func(f Filter) bool {
		return (types == "" || slices.Contains(strings.Fields(types), f.Type())) && is(f)
	})
}

func (r recording) anyItem(is func(it recordedItem) bool) bool {
	return slices.ContainsFunc(r.Items, is)
}

// datings are the ways of dating that are in use.
func (r recording) datings() (all []*Dating) {
	r.any("", func(f Filter) bool {
		switch f := f.(type) {
		case *Age:
			all = append(all, &f.Dating)
		case *Period:
			all = append(all, &f.Dating)
		case *Count:
			if f.UseAge {
				all = append(all, &f.Dating)
			}
		case *Space:
			if f.UseAge {
				all = append(all, &f.Dating)
			}
		}
		return false
	})
	return all
}

// dated says whether an item's name has a date of which Curator and a calendar say so.
func (r recording) dated(so func(text string, at int64, err error, means bool) bool) bool {
	for _, d := range r.datings() {
		if d.date != nil && r.anyItem(func(it recordedItem) bool {
			text, at, err := d.date.find(it.Name, true)
			if text == "" && err == nil {
				return false
			}
			return so(text, at, err, err == nil && d.date.means(text, time.Unix(at, 0).UTC()))
		}) {
			return true
		}
	}
	return false
}

func (r recording) bySource(source string) bool {
	return slices.ContainsFunc(r.datings(), func(d *Dating) bool { return d.Source == source })
}

func period(is func(*Period) bool) func(Filter) bool {
	return func(f Filter) bool { return is(f.(*Period)) }
}

func zero(n *int64) bool { return n != nil && *n == 0 }

var differences = []difference{
	{"no date", func(r recording) bool {
		return r.dated(func(_ string, _ int64, err error, _ bool) bool { return err != nil })
	}, false},
	{"misread date", func(r recording) bool {
		return r.dated(func(_ string, _ int64, err error, means bool) bool { return err == nil && !means })
	}, false},
	{"before 1970", func(r recording) bool {
		return r.dated(func(_ string, at int64, err error, _ bool) bool { return err == nil && at <= 0 })
	}, false},
	{"unusable timestring", func(r recording) bool {
		return slices.ContainsFunc(r.datings(), func(d *Dating) bool { return d.date != nil && d.date.usable() != nil })
	}, false},
	{"epoch 0", func(r recording) bool {
		return r.any("age", func(f Filter) bool { return zero(f.(*Age).Epoch) }) || r.any("period", period(func(f *Period) bool { return zero(f.Epoch) }))
	}, false},
	{"negative unit_count", func(r recording) bool {
		return r.any("age", func(f Filter) bool { return f.(*Age).Direction == "older" && f.(*Age).UnitCount < 0 })
	}, false},
	{"unit_count_pattern", func(r recording) bool {
		return r.any("age", func(f Filter) bool {
			a := f.(*Age)
			return a.countsErr != nil || a.counts != nil && a.counts.groups == 0
		})
	}, false},
	{"negative captured count", func(r recording) bool {
		return r.any("age", func(f Filter) bool { return strings.Contains(f.(*Age).UnitCountPattern, "-?") })
	}, false},
	{"unit_count -1 and exclude", func(r recording) bool {
		return r.any("age", func(f Filter) bool {
			return f.(*Age).UnitCountPattern != "" && f.(*Age).UnitCount == -1 && f.(*Age).Exclude
		})
	}, false},
	{"field in no document", func(r recording) bool {
		return r.bySource("field_stats") && r.anyItem(func(it recordedItem) bool { return it.Range == nil })
	}, false},
	{"implausible field", func(r recording) bool {
		return r.bySource("field_stats") && r.anyItem(func(it recordedItem) bool {
			return it.Range != nil && (*it.Range)[0] < implausible
		})
	}, false},
	{"distant field", func(r recording) bool {
		return r.bySource("field_stats") && r.anyItem(func(it recordedItem) bool { return it.Range != nil && (*it.Range)[1] >= 1e13 })
	}, true},
	{"distant seconds", func(r recording) bool {
		return r.Kind == 1 && r.dated(func(_ string, at int64, err error, _ bool) bool { return at > 9_999_999_999 }) ||
			r.any("period", period(func(f *Period) bool {
				c := Clock{Now: time.Unix(r.Now, 0)}
				start, end, err := f.dated(c)
				if f.PeriodType == "relative" {
					start, end, err = f.relative(c)
				}
				return err == nil && slices.ContainsFunc([]int64{start, end + 1 - units[f.Unit]}, func(at int64) bool { return at == 0 || fixEpoch(at) != at })
			}))
	}, true},
	{"Sunday", func(r recording) bool {
		return r.any("period", period(func(f *Period) bool {
			return f.Unit == "weeks" && strings.EqualFold(f.WeekStartsOn, "sunday") && time.Unix(reference(f.Epoch, time.Unix(r.Now, 0)), 0).UTC().Weekday() == time.Sunday
		}))
	}, true},
	{"count with strangers", func(r recording) bool {
		return r.any("count", func(f Filter) bool { return f.(*Count).Pattern != "" && !f.(*Count).Exclude })
	}, true},
	{"count of groups that may be missing", func(r recording) bool {
		return r.any("count", func(f Filter) bool { return strings.HasSuffix(f.(*Count).Pattern, ")?") })
	}, false},
	{"count of closed and undated", func(r recording) bool {
		return r.Kind == 0 && r.any("count", func(f Filter) bool { return f.(*Count).UseAge })
	}, true},
	{"ILM first", func(r recording) bool {
		return r.ILM > 0 && r.anyItem(func(it recordedItem) bool { return it.ILM > 0 }) && r.any("count space alias", func(Filter) bool { return true })
	}, true},
	{"space and the newest", func(r recording) bool {
		return r.any("space", func(f Filter) bool {
			return f.(*Space).ThresholdBehavior == "greater_than" && !f.(*Space).Exclude
		})
	}, true},
	{"unknown sizes", func(r recording) bool {
		return r.anyItem(func(it recordedItem) bool { return it.Unknown > 0 }) && (r.bySource("field_stats") || r.any("space size empty", func(Filter) bool { return true }))
	}, false},
	{"alias that is missing", func(r recording) bool {
		return r.any("alias", func(f Filter) bool { return f.(*Alias).Exclude })
	}, false},
	{"patterns for snapshots", func(r recording) bool {
		return r.Kind == 1 && (r.any("count", func(f Filter) bool { return f.(*Count).Pattern != "" }) || r.any("age", func(f Filter) bool { return f.(*Age).UnitCountPattern != "" }))
	}, false},
	{"future", func(r recording) bool {
		return r.any("age", func(f Filter) bool {
			return f.(*Age).Direction == "older" && f.(*Age).Epoch != nil && reference(f.(*Age).Epoch, time.Unix(r.Now, 0)) > r.Now
		})
	}, false},
}

// TestMoreSafely replays all recordings without Strict: what differs is one of the differences, and more is chosen than
// by Curator only for a reason.
func TestMoreSafely(t *testing.T) {
	alone := map[string]int{} // recordings that differ for one reason only
	same := 0
	for i, r := range recordings(t) {
		if r.wrong != nil {
			continue // TestAsCurator has looked at it
		}
		out, err := r.replay(false)
		if (err != nil) == (r.Error != "" || r.Refused) && (err != nil || slices.Equal(names(out.Left), r.Left)) {
			same++
			continue
		}
		var reasons []string
		// One that a filter leaves alone no longer takes a place, or space, in a later one.
		mayBeMore := r.Error != "" || len(r.filters) > 1 && r.any("count space", func(Filter) bool { return true })
		for _, d := range differences {
			if d.where(r) {
				reasons = append(reasons, d.name)
				mayBeMore = mayBeMore || d.more
			}
		}
		if len(reasons) == 0 {
			t.Errorf("recording %d: left %q, %v; Curator: %q %s\n%s", i, names(out.Left), err, r.Left, r.Error, r.text())
		}
		if more := slices.DeleteFunc(names(out.Left), func(name string) bool { return slices.Contains(r.Left, name) }); len(more) > 0 && !mayBeMore {
			t.Errorf("recording %d: chooses %q, which Curator leaves alone, because of %q\n%s", i, more, reasons, r.text())
		}
		if len(reasons) == 1 {
			alone[reasons[0]]++
		}
	}
	t.Log(same, "are the same;", alone)
	for _, d := range differences {
		if alone[d.name] == 0 {
			t.Errorf("no recording differs because of %q alone: is it a difference?", d.name)
		}
	}
}
