package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

// open opens a store in dir, which is closed with the test.
func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{FlushAfter: time.Hour, Cache: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// create opens a new store with one index, called logs.
func create(t *testing.T) *Store {
	t.Helper()
	s := open(t, t.TempDir())
	if err := s.Create(ctx, "logs"); err != nil {
		t.Fatal(err)
	}
	return s
}

func put(kind OpKind, id string, n int) Op {
	return Op{Kind: kind, ID: id, Time: int64(n) * 1e9, Source: fmt.Appendf(nil, `{"n":%d,"message":"this is number %d","host":{"name":"h%d"}}`, n, n, n%3)}
}

// bulk writes, and fails when an op does.
func bulk(t *testing.T, s *Store, ops ...Op) []Result {
	t.Helper()
	results, err := s.Bulk(ctx, "logs", ops)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return results
}

// fill writes documents d<from> … d<to-1>, a hundred at a time.
func fill(t *testing.T, s *Store, from, to int) {
	t.Helper()
	var ops []Op
	for i := from; i < to; i++ {
		if ops = append(ops, put(Create, fmt.Sprint("d", i), i)); len(ops) == 100 || i == to-1 {
			for _, r := range bulk(t, s, ops...) {
				if !r.Created {
					t.Fatalf("%+v", r)
				}
			}
			ops = nil
		}
	}
}

// contents is all that a view has, by id.
func contents(t *testing.T, v *View) map[string]string {
	t.Helper()
	all := make(map[string]string)
	segments, err := v.Segments(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	for _, segment := range segments {
		docs, err := segment.Docs()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if _, ok := all[d.ID]; ok {
				t.Errorf("%s is there twice", d.ID)
			}
			all[d.ID] = fmt.Sprintf("%s %d", d.Source, d.Version)
		}
	}
	if len(all) != v.Len() {
		t.Errorf("%d documents, Len is %d", len(all), v.Len())
	}
	return all
}

// expect compares the index with what should be in it: id → number and version.
func expect(t *testing.T, s *Store, want map[string][2]int) {
	t.Helper()
	v, err := s.View("logs")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	got := contents(t, v)
	if len(got) != len(want) {
		t.Errorf("%d documents, want %d", len(got), len(want))
	}
	for id, w := range want {
		if text := fmt.Sprintf("%s %d", put(Create, id, w[0]).Source, w[1]); got[id] != text {
			t.Errorf("%s: %s, want %s", id, got[id], text)
		}
	}
	if r, err := s.Verify(ctx, "logs"); err != nil || len(r.Problems) > 0 || r.Docs != len(want) {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func numbers(from, to int) map[string][2]int {
	all := make(map[string][2]int)
	for i := from; i < to; i++ {
		all[fmt.Sprint("d", i)] = [2]int{i, 1}
	}
	return all
}

func TestOps(t *testing.T) {
	s := create(t)
	f := func(op Op, want Result) {
		t.Helper()
		want.ID = op.ID
		got, err := s.Bulk(ctx, "logs", []Op{op})
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
	}
	seq := func(op Op, n int64) Op {
		op.IfSeq = &n
		return op
	}
	ops := func() {
		t.Helper()
		f(put(Create, "a", 9), Result{Conflict: true, Seq: 0, Version: 1})
		f(put(Index, "a", 2), Result{Seq: 2, Version: 2})
		f(seq(put(Index, "a", 3), 0), Result{Conflict: true, Seq: 2, Version: 2})
		f(seq(put(Index, "a", 4), 2), Result{Seq: 3, Version: 3})
		f(seq(put(Index, "x", 4), 2), Result{Conflict: true})
		f(Op{Kind: Delete, ID: "b"}, Result{Seq: 4, Version: 2})
		f(Op{Kind: Delete, ID: "b"}, Result{Seq: 5, Version: 1, NotFound: true})
		f(put(Create, "b", 5), Result{Seq: 6, Version: 1, Created: true})
		expect(t, s, map[string][2]int{"a": {4, 3}, "b": {5, 1}})
	}
	f(put(Create, "a", 1), Result{Seq: 0, Version: 1, Created: true})
	f(put(Index, "b", 1), Result{Seq: 1, Version: 1, Created: true})
	ops()
	// The same with documents that are in a block.
	if err := errors.Join(s.Delete(ctx, "logs"), s.Create(ctx, "logs")); err != nil {
		t.Fatal(err)
	}
	bulk(t, s, put(Create, "a", 1), put(Create, "b", 1))
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	ops()
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	expect(t, s, map[string][2]int{"a": {4, 3}, "b": {5, 1}})

	d, ok, err := s.Get(ctx, "logs", "a")
	if err != nil || !ok || d.Seq != 3 || d.Version != 3 {
		t.Error(d, ok, err)
	}
	if _, ok, err := s.Get(ctx, "logs", "c"); ok || err != nil {
		t.Error(ok, err)
	}
}

func TestOpsOfOneRequest(t *testing.T) {
	s := create(t)
	got := bulk(t, s, put(Create, "a", 1), put(Create, "a", 2), put(Index, "a", 3), Op{Kind: Delete, ID: "a"}, put(Index, "a", 4), put(Create, "", 5))
	if !got[0].Created || !got[1].Conflict || got[2].Version != 2 || got[3].NotFound || !got[4].Created || len(got[5].ID) != 20 {
		t.Errorf("%+v", got)
	}
	expect(t, s, map[string][2]int{"a": {4, 1}, got[5].ID: {5, 1}})
	results, err := s.Bulk(ctx, "logs", []Op{{Source: []byte(`{"a":1,"a":2}`)}, {ID: strings.Repeat("x", 513), Source: []byte(`{}`)}, {Kind: Delete}, put(Create, "b", 6)})
	if err != nil || results[0].Err == nil || results[1].Err == nil || results[2].Err == nil || !results[3].Created {
		t.Errorf("%+v %v", results, err)
	}
}

// again closes the store and opens it.
func again(t *testing.T, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.dir)
}

func TestReopen(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 3000)
	bulk(t, s, put(Index, "d7", 70), Op{Kind: Delete, ID: "d8"})
	want := numbers(0, 3000)
	want["d7"] = [2]int{70, 2}
	delete(want, "d8")
	expect(t, s, want)
	s = again(t, s)
	expect(t, s, want)
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	expect(t, s, want)
	bulk(t, s, put(Index, "d9", 90), put(Index, "d9", 91), Op{Kind: Delete, ID: "d10"}, put(Create, "e", 1))
	want["d9"], want["e"] = [2]int{91, 3}, [2]int{1, 1}
	delete(want, "d10")
	expect(t, s, want)
	s = again(t, s)
	expect(t, s, want)
	if got := bulk(t, s, put(Create, "d2999", 1), put(Create, "d8", 8)); !got[0].Conflict || !got[1].Created || got[1].Seq != 3006 {
		t.Errorf("%+v", got)
	}
	if got := bulk(t, s, Op{Kind: Delete, ID: "d8"}); got[0].Seq != 3007 {
		t.Errorf("%+v", got)
	}
	s = again(t, s)
	if i, err := s.Info("logs"); err != nil || i.Docs != len(want) || i.Seq != 3007 {
		t.Errorf("%+v %v", i, err)
	}
}

func TestView(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 100)
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 100, 200)
	v, err := s.View("logs")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	if low, high := v.Times(); low != 0 || high != 199e9 || v.Len() != 200 || v.Index() != "logs" {
		t.Error(low, high, v.Len(), v.Index())
	}
	segments, err := v.Segments(0, 300e9)
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	if low, _ := segments[0].Times(); low != 100e9 {
		t.Error("the newest is not the first")
	}
	if segments, err := v.Segments(0, 99e9); err != nil || len(segments) != 1 {
		t.Error(segments, err)
	}
	bulk(t, s, Op{Kind: Delete, ID: "d5"}, Op{Kind: Delete, ID: "d105"}, put(Create, "x", 1))
	if got := contents(t, v); len(got) != 200 || got["d105"] == "" {
		t.Error("the view has changed")
	}
	// An index that was deleted stays as long as the view, and is another one when it is made anew.
	if err := errors.Join(s.Delete(ctx, "logs"), s.Create(ctx, "logs")); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 0, 10)
	s.cache.trim(s)
	if got := contents(t, v); len(got) != 200 {
		t.Error("the view has changed")
	}
	expect(t, s, numbers(0, 10))
	v.Release()
	if n := len(files(t, s.dir)); n != 1 {
		t.Errorf("%d files of indices", n)
	}
}

// files are the index files of a store.
func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "indices", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestIndices(t *testing.T) {
	s := create(t)
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	_, err := s.View("other")
	is(err, ErrNoIndex)
	_, err = s.Bulk(ctx, "other", []Op{put(Create, "", 1)})
	is(err, ErrNoIndex)
	is(s.Delete(ctx, "other"), ErrNoIndex)
	is(s.Create(ctx, "logs"), ErrExists)
	is(s.SetClosed(ctx, "logs", true), nil)
	_, err = s.View("logs")
	is(err, ErrClosed)
	_, err = s.Bulk(ctx, "logs", []Op{put(Create, "", 1)})
	is(err, ErrClosed)
	s = again(t, s)
	_, err = s.View("logs")
	is(err, ErrClosed)
	if all, err := s.List(); err != nil || len(all) != 1 || !all[0].Closed {
		t.Error(all, err)
	}
	is(s.SetClosed(ctx, "logs", false), nil)
	fill(t, s, 0, 5)
	is(s.Create(ctx, strings.Repeat("ü", 127)), nil)
	if names := s.Names(); len(names) != 2 || names[0] != "logs" {
		t.Error(names)
	}
	is(s.SetMeta(ctx, Meta{Index: "logs", Key: "mapping", Value: []byte("1")}, Meta{Index: "", Key: "template", Value: []byte("2")}, Meta{Index: "logs", Key: "old", Value: []byte("3")}), nil)
	is(s.SetMeta(ctx, Meta{Index: "logs", Key: "old", Value: nil}), nil)
	is(s.SetMeta(ctx, Meta{Index: "", Key: "template", Value: []byte("4")}, Meta{Index: "other", Key: "x", Value: nil}), ErrNoIndex)
	is(s.SetMeta(ctx, Meta{Index: "logs", UUID: "of another", Key: "x", Value: []byte("5")}), ErrNoIndex)
	_, err = s.BulkTo(ctx, "logs", "of another", []Op{put(Index, "never", 1)})
	is(err, ErrNoIndex)
	s = again(t, s)
	if all, err := s.Metas(ctx, "logs"); err != nil || len(all) != 1 || string(all["mapping"]) != "1" {
		t.Error(all, err)
	}
	if v, err := s.Meta(ctx, "", "template"); err != nil || string(v) != "2" {
		t.Error(v, err)
	}
	is(errors.Join(s.Delete(ctx, "logs"), s.Create(ctx, "logs")), nil)
	if v, err := s.Meta(ctx, "logs", "mapping"); err != nil || v != nil {
		t.Error("the mapping of a deleted index is there", v, err)
	}
	if _, err := Open(s.dir, Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Error("opened twice:", err)
	}
}

func TestRetention(t *testing.T) {
	now := time.Unix(0, 0).Add(100 * time.Hour)
	hours := func(n int) int64 { return int64(n) * int64(time.Hour) }
	all := []Info{{Name: "c", Docs: 1, Latest: hours(90), Bytes: 10}, {Name: "a", Docs: 1, Latest: hours(10), Bytes: 10},
		{Name: "b", Docs: 1, Latest: hours(50), Bytes: 10}, {Name: "empty", Created: now.Add(-70 * time.Hour)},
		{Name: ".kept", Docs: 1, Latest: hours(500)}}
	f := func(age time.Duration, size int64, want ...string) {
		t.Helper()
		if got := chooseExpired(all, now, age, size); !slices.Equal(got, want) {
			t.Errorf("%v %d: %q, want %q", age, size, got, want)
		}
	}
	f(0, 0)
	f(80*time.Hour, 0, "a")
	f(60*time.Hour, 0, "a", "empty")
	f(time.Hour, 0, "a", "empty", "b")
	f(0, 30)
	f(0, 29, "a")
	f(0, 1, "a", "empty", "b")
	f(80*time.Hour, 15, "a", "empty", "b")

	s := create(t)
	bulk(t, s, put(Create, "old", 1))
	if err := s.Create(ctx, "new"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.dir, Options{Retention: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.retain()
	if names := s.Names(); !slices.Equal(names, []string{"new"}) {
		t.Errorf("%q", names)
	}
}

func TestFullDisk(t *testing.T) {
	s := create(t)
	s.space.least = math.MaxInt64
	s.space.looked = time.Time{}
	_, err := s.Bulk(ctx, "logs", []Op{put(Create, "", 1)})
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "min_free") {
		t.Error(err)
	}
	if err := s.Create(ctx, "more"); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := s.Delete(ctx, "logs"); err != nil {
		t.Error("a full disk cannot be made emptier:", err)
	}
}

func TestChooseMerge(t *testing.T) {
	var sizes []*stored
	f := func(all bool, want ...int) {
		t.Helper()
		var got []int
		for _, b := range chooseMerge(sizes, all) {
			got = append(got, slices.Index(sizes, b))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	make := func(rows ...int) {
		sizes = nil
		for _, n := range rows {
			sizes = append(sizes, &stored{rows: n, size: int64(n)})
		}
	}
	f(false)
	make(16384, 10, 10, 10, 10, 10, 10, 10)
	f(false)
	f(true, 1, 2, 3, 4, 5, 6, 7)
	make(16384, 10, 10, 10, 10, 10, 10, 10, 10)
	f(false, 1, 2, 3, 4, 5, 6, 7, 8)
	make(8000, 8000, 8000, 8000)
	f(true, 0, 1)
	make(10, 16384, 10)
	f(true)
	make(300, 16384)
	sizes[1].deadN = 5000
	f(false)
	f(true, 1)
	sizes[1].deadN = 6000
	f(false, 1)
}

func TestAnyShape(t *testing.T) {
	s := create(t)
	var fields, numbers []string
	for i := range 10000 {
		fields = append(fields, fmt.Sprintf(`"f%d":{"x":"%d"}`, i, i))
		numbers = append(numbers, fmt.Sprint(i%7, ".0"))
	}
	sources := []string{
		`{}`, " {\n} ", `{"a":{},"b":[],"c":[[],{}]}`, `{"a":1e400,"b":-0,"c":1.0,"d":123456789012345678901234567890}`,
		`{"a":"\ud83d","b":"\u0000","c":"\/"}`, `{"a.b":1,"a":{"b":[2,{"c":null}]}}`,
		strings.Repeat(`{"a":[`, 400) + "1" + strings.Repeat(`]}`, 400), "{" + strings.Join(fields, ",") + "}", `{"n":[` + strings.Join(numbers, ",") + `]}`,
		`{"message":"` + strings.Repeat(`0123456789 abcdef\n`, 60000) + `"}`, `{"message":"` + strings.Repeat("€", 2<<20) + `"}`,
	}
	var ops []Op
	for i, source := range sources {
		ops = append(ops, Op{ID: fmt.Sprint("d", i), Source: []byte(source), Time: int64(i)})
	}
	bulk(t, s, ops...)
	same := func() {
		t.Helper()
		for i, source := range sources {
			d, ok, err := s.Get(ctx, "logs", fmt.Sprint("d", i))
			if err != nil || !ok || string(d.Source) != source {
				t.Errorf("%.50s: %v %v %.50s", source, ok, err, d.Source)
			}
		}
		if r, err := s.Verify(ctx, "logs"); err != nil || len(r.Problems) > 0 {
			t.Error(r, err)
		}
	}
	same()
	s = again(t, s)
	same()
	if err := s.Flush("logs"); err != nil {
		t.Fatal(err)
	}
	same()
	s = again(t, s)
	same()
}
