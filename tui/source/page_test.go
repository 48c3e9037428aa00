package source

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/services"
)

// many are n documents in three indices: of few times, of which a third have a sequence, a third an offset and a third neither.
func many(pattern string, n int) []written {
	r := rand.New(rand.NewPCG(1, 2))
	docs := make([]written, n)
	for i := range docs {
		more := []string{fmt.Sprintf(`"event":{"sequence":%d}`, r.IntN(50)), fmt.Sprintf(`"log":{"offset":%d}`, r.IntN(50)), `"other":1`}[r.IntN(3)]
		d := time.Duration(r.IntN(20)) * time.Millisecond
		if r.IntN(2) == 0 {
			d = time.Duration(r.IntN(60_000)) * time.Millisecond
		}
		docs[i] = written{fmt.Sprintf("%s%d", pattern, i%3), fmt.Sprintf("%06d", r.IntN(1e6)*10_000+i), fmt.Sprintf(`"@timestamp":"%s","message":"line %d",%s`, at(d), i, more)}
	}
	return docs
}

func keys(docs []written) []string {
	var all []string
	for _, d := range docs {
		all = append(all, d.index+"\x00"+d.id)
	}
	slices.Sort(all)
	return all
}

// walk reads all pages from one end, and calls between with the number of each.
func walk(t *testing.T, v *View, dir Direction, n int, between func(page int)) []*Row {
	t.Helper()
	var all []*Row
	var last *Row
	for i := 0; ; i++ {
		if i > 5000 {
			t.Fatal("it does not end")
		}
		read := v.After
		if dir == Older {
			read = v.Before
		}
		page, err := read(t.Context(), last, n)
		if err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		if page.Partial != "" {
			t.Fatalf("page %d: %s", i, page.Partial)
		}
		if dir == Older {
			all = slices.Concat(page.Rows, all)
		} else {
			all = append(all, page.Rows...)
		}
		if page.End {
			return all
		}
		if len(page.Rows) == 0 {
			t.Fatalf("page %d is empty and not the last", i)
		}
		last = all[0]
		if dir == Newer {
			last = all[len(all)-1]
		}
		if between != nil {
			between(i)
		}
	}
}

// check fails unless rows are exactly these documents, in order.
func check(t *testing.T, rows []*Row, want []string) {
	t.Helper()
	var got []string
	for i, row := range rows {
		got = append(got, row.Key())
		if i > 0 && Compare(rows[i-1], row) >= 0 {
			t.Errorf("row %d is not behind the one before: %v %v, %v %v", i, rows[i-1].Time, rows[i-1].Tie, row.Time, row.Tie)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%d rows, %d of them different, want %d", len(got), len(slices.Compact(got)), len(want))
	}
}

func prepared(t *testing.T, p place, n int) (pattern string, docs []written) {
	t.Helper()
	pattern = p.pattern()
	for i := range 3 {
		p.create(t, fmt.Sprintf("%s%d", pattern, i), 1+i, "date")
	}
	docs = many(pattern, n)
	p.write(t, docs...)
	return pattern, docs
}

func TestPagesHoldAllRowsOnceInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 3000)
		for _, held := range []bool{true, false} {
			s := Open(p.client, Options{Index: pattern + "*", Session: "test"})
			if !held {
				s.lack(pointInTime)
			}
			v := s.View(Query{})
			want := keys(docs)
			var order []string
			for _, n := range []int{1000, 137, 50} {
				for _, dir := range []Direction{Older, Newer} {
					rows := walk(t, v, dir, n, nil)
					check(t, rows, want)
					var got []string
					for _, row := range rows {
						got = append(got, row.Key())
					}
					if order == nil {
						order = got
					} else if !slices.Equal(order, got) {
						t.Errorf("pages of %d in direction %d have another order", n, dir)
					}
				}
			}
			if open := v.pit != ""; open != held {
				t.Errorf("there is a point in time: %v", open)
			}
			v.Close(t.Context())
		}
	})
}

// Rows that lie within a run of documents alike are places, too, also with a new point in time for each page.
func TestAnyRowIsAPlace(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 1500)
		v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		all := walk(t, v, Newer, 500, nil)
		check(t, all, keys(docs))
		r := rand.New(rand.NewPCG(5, 6))
		for range 30 {
			i := r.IntN(len(all))
			if r.IntN(2) == 0 {
				v.Renew()
			}
			row := &Row{Index: all[i].Index, ID: all[i].ID, Time: all[i].Time, Tie: all[i].Tie} // as after a restart
			if r.IntN(2) == 0 {
				row = all[i]
			}
			newer, err := v.After(t.Context(), row, 50)
			if err != nil {
				t.Fatal(err)
			}
			same(t, newer.Rows, all[i+1:min(len(all), i+1+len(newer.Rows))])
			older, err := v.Before(t.Context(), row, 50)
			if err != nil {
				t.Fatal(err)
			}
			same(t, older.Rows, all[max(0, i-len(older.Rows)):i])
			older, newer, err = v.From(t.Context(), row, 50)
			if err != nil {
				t.Fatal(err)
			}
			same(t, slices.Concat(older.Rows, newer.Rows), all[max(0, i-len(older.Rows)):i+len(newer.Rows)])
			if len(newer.Rows) == 0 || newer.Rows[0].Key() != row.Key() {
				t.Errorf("the row is not the first of the newer ones")
			}
		}
		instant := noon.Add(7 * time.Millisecond)
		older, newer, err := v.At(t.Context(), instant, 30)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(r *Row) bool { return !r.Time.Before(instant) })
		same(t, slices.Concat(older.Rows, newer.Rows), all[i-len(older.Rows):i+len(newer.Rows)])
	})
}

func same(t *testing.T, got, want []*Row) {
	t.Helper()
	if len(got) == 0 && len(want) > 0 {
		t.Error("no rows")
	}
	for i := range got {
		if i >= len(want) || got[i].Key() != want[i].Key() {
			t.Errorf("row %d of %d is another one", i, len(got))
			return
		}
	}
}

func TestPagesWhileDocumentsAreWrittenAndPointsInTimeEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 2000)
		s := Open(p.client, Options{Index: pattern + "*"})
		for _, dir := range []Direction{Older, Newer} {
			v := s.View(Query{})
			before, round := keys(docs), 0
			rows := walk(t, v, dir, 100, func(page int) {
				if page > 15 {
					return
				}
				round++
				late := written{pattern + "1", fmt.Sprintf("late-%d-%d", dir, page), fmt.Sprintf(`"@timestamp":"%s","message":"late"`, at(time.Duration(page)*time.Millisecond))}
				p.write(t, late)
				docs = append(docs, late)
				switch page % 3 {
				case 0:
					v.mu.Lock()
					v.end(t.Context(), v.pit) // as if it were forgotten
					v.mu.Unlock()
				case 1:
					v.Renew()
				}
			})
			if round < 10 {
				t.Fatalf("there were %d pages only", round)
			}
			var old []*Row
			for _, row := range rows {
				if i, found := slices.BinarySearch(before, row.Key()); found {
					old = append(old, row)
					before = slices.Delete(before, i, i+1)
				} else if _, found := slices.BinarySearch(keys(docs), row.Key()); !found {
					t.Errorf("row %q twice", row.Key())
				}
			}
			if len(before) > 0 {
				t.Errorf("%d rows are missing", len(before))
			}
			check(t, old, keys(docs[:len(old)]))
		}
	})
}

func TestPagesGoOnWhenAnIndexIsDeleted(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 1500)
		v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		rows := walk(t, v, Older, 200, func(page int) {
			if page == 1 {
				services.Call(t, "DELETE", p.url+"/"+pattern+"2", "", 200)
			}
		})
		seen := map[string]int{}
		for _, row := range rows {
			seen[row.Key()]++
		}
		for _, d := range docs {
			n := seen[d.index+"\x00"+d.id]
			if n > 1 || n == 0 && d.index != pattern+"2" {
				t.Errorf("%s of %s was there %d times", d.id, d.index, n)
			}
		}
	})
}

func TestExportGivesAllRowsOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 6000)
		v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		var rows []*Row
		err := v.Export(t.Context(), []string{"message"}, func(some []*Row) error {
			rows = append(rows, some...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		check(t, rows, keys(docs))
		row := rows[len(rows)/2]
		if text := string(row.Source); strings.Contains(text, "kubernetes") || !strings.Contains(text, "message") {
			t.Errorf("the row is %s", text)
		}
		whole, err := v.Document(t.Context(), row)
		if err != nil || !strings.Contains(string(whole), "kubernetes") || parse(whole).text("message") != parse(row.Source).text("message") {
			t.Errorf("the document is %s (%v)", whole, err)
		}
		if _, err := v.Document(t.Context(), &Row{Index: row.Index, ID: "none", Time: row.Time}); err == nil {
			t.Error("a document that is not there")
		}
	})
}

// Documents without a time are the oldest, where there are no limits of time.
func TestDocumentsWithoutTime(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, timed := prepared(t, p, 300)
		timed = append(timed, written{pattern + "0", "zero", `"@timestamp":"0001-01-01T00:00:00Z"`})
		docs := slices.Clone(timed)
		for i := range 70 {
			none := []string{`"@timestamp":null,"took":7`, `"took":7`, `"took":8,"event":{"sequence":3}`}[i%3]
			docs = append(docs, written{fmt.Sprintf("%s%d", pattern, i%3), fmt.Sprintf("none-%d", i), none})
		}
		p.write(t, docs[len(timed)-1:]...)
		for _, held := range []bool{true, false} {
			s := Open(p.client, Options{Index: pattern + "*"})
			if !held {
				s.lack(pointInTime)
			}
			v := s.View(Query{})
			var all []*Row
			for _, n := range []int{500, 20, 3} {
				for _, dir := range []Direction{Older, Newer} {
					rows := walk(t, v, dir, n, nil)
					check(t, rows, keys(docs))
					if all == nil {
						all = rows
					}
					same(t, rows, all)
				}
			}
			if !all[69].Time.IsZero() || all[70].Time.IsZero() || all[70].ID != "zero" {
				t.Errorf("rows 69 and 70 are %v and %v", all[69], all[70])
			}
			for _, i := range []int{0, 1, 35, 69, 70, 71, 200} {
				row := &Row{Index: all[i].Index, ID: all[i].ID, Time: all[i].Time, Tie: all[i].Tie}
				older, newer, err := v.From(t.Context(), row, 40)
				if err != nil {
					t.Fatal(err)
				}
				same(t, slices.Concat(older.Rows, newer.Rows), all[i-len(older.Rows):i+len(newer.Rows)])
				if i > 0 && len(older.Rows) == 0 || newer.Rows[0].Key() != row.Key() {
					t.Errorf("%d: %d older, %d newer", i, len(older.Rows), len(newer.Rows))
				}
			}
			bounded := s.View(Query{From: noon.Add(-time.Hour)})
			check(t, walk(t, bounded, Newer, 100, nil), keys(timed[:300]))
			older, newer, err := bounded.From(t.Context(), all[3], 10)
			if err != nil || len(older.Rows) > 0 || !older.End || len(newer.Rows) == 0 || newer.Rows[0].Time.Before(noon) {
				t.Errorf("%d older, %d newer (%v)", len(older.Rows), len(newer.Rows), err)
			}
			found, err := v.Find(t.Context(), all[len(all)-1], Older, map[string]any{"term": map[string]any{"took": 8}})
			if err != nil || found == nil || found.Key() != all[lastOf(all, `"took":8`)].Key() {
				t.Errorf("found %v (%v)", found, err)
			}
			if count, _, err := v.Count(t.Context()); err != nil || count != (Count{N: 371}) {
				t.Errorf("%v documents (%v)", count, err)
			}
			if count, _, err := bounded.Count(t.Context()); err != nil || count != (Count{N: 300}) {
				t.Errorf("%v documents (%v)", count, err)
			}
			if newest, err := v.Newest(t.Context()); err != nil || newest.Before(noon) {
				t.Errorf("the newest is of %v (%v)", newest, err)
			}
			if whole, err := v.Document(t.Context(), all[5]); err != nil || !strings.Contains(string(whole), "took") {
				t.Errorf("%s (%v)", whole, err)
			}
			var exported []*Row
			if err := v.Export(t.Context(), nil, func(rows []*Row) error { exported = append(exported, rows...); return nil }); err != nil {
				t.Fatal(err)
			}
			same(t, exported, all)
			if len(exported) != len(all) {
				t.Errorf("%d rows exported", len(exported))
			}
		}
	})
}

// lastOf is the index of the last row that has text in it.
func lastOf(rows []*Row, text string) int {
	for i, row := range slices.Backward(rows) {
		if strings.Contains(string(row.Source), text) {
			return i
		}
	}
	return -1
}

func TestFind(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, _ := prepared(t, p, 900)
		v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		all := walk(t, v, Newer, 1000, nil)
		matches := func(r *Row) bool { return strings.HasPrefix(parse(r.Source).text("message"), "line 3") }
		only := map[string]any{"prefix": map[string]any{"message.keyword": "line 3"}}
		for i := 0; i < len(all); i += 83 {
			for _, dir := range []Direction{Older, Newer} {
				var want *Row
				for j := i + int(dir); j >= 0 && j < len(all) && want == nil; j += int(dir) {
					if matches(all[j]) {
						want = all[j]
					}
				}
				got, err := v.Find(t.Context(), all[i], dir, only)
				if err != nil || (got == nil) != (want == nil) || got != nil && got.Key() != want.Key() {
					t.Errorf("%d in direction %d: %v (%v), want %v", i, dir, got, err, want)
				}
			}
		}
	})
}

// So many documents of one time are not put in order by key, and are there once all the same.
func TestVeryManyDocumentsOfOneTime(t *testing.T) {
	p := place{"embedded", embedded(t), nil}
	p.client = clientOf(t, es.Config{Hosts: []string{p.url}})
	for _, p := range []place{p, {"es7", services.Elasticsearch(t, 7), clientOf(t, es.Config{Hosts: []string{services.Elasticsearch(t, 7)}})}} {
		pattern := p.pattern()
		var docs []written
		for i := range 2 {
			p.create(t, fmt.Sprintf("%s%d", pattern, i), 2, "date")
		}
		for i := range 25_000 {
			d := time.Duration(0)
			if i%100 == 0 {
				d = time.Duration(i-12_000) * time.Millisecond
			}
			docs = append(docs, written{fmt.Sprintf("%s%d", pattern, i%2), fmt.Sprint(i * 7919 % 25_000), fmt.Sprintf(`"@timestamp":"%s"`, at(d))})
		}
		p.write(t, docs...)
		v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		for _, dir := range []Direction{Older, Newer} {
			rows := walk(t, v, dir, 1500, nil)
			seen := map[string]bool{}
			for i, row := range rows {
				if seen[row.Key()] || i > 0 && row.Time.Before(rows[i-1].Time) {
					t.Fatalf("row %d is there twice, or older than the one before", i)
				}
				seen[row.Key()] = true
			}
			if len(rows) != len(docs) {
				t.Errorf("%d rows, want %d", len(rows), len(docs))
			}
			middle := rows[len(rows)/2]
			older, newer, err := v.From(t.Context(), middle, 300)
			if err != nil || len(newer.Rows) == 0 || newer.Rows[0].Key() != middle.Key() || len(older.Rows) == 0 || older.Rows[len(older.Rows)-1].Key() != rows[len(rows)/2-1].Key() {
				t.Errorf("another place (%v)", err)
			}
		}
	}
}
