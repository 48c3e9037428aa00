package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// When the catalog has no room, an index is deleted all the same, and stays so.
func TestDeleteWithoutRoom(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 100)
	if err := s.Create(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	// A catalog that must not grow, and grows by each deletion.
	for _, q := range []string{"CREATE TABLE ballast(b)", "PRAGMA max_page_count=1",
		"CREATE TEMP TRIGGER grow BEFORE DELETE ON entry BEGIN INSERT INTO ballast VALUES(zeroblob(1000000)); END"} {
		if _, err := s.catalog.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetMeta(ctx, Meta{Key: "k", Value: make([]byte, 1<<20)}); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "full") {
		t.Error(err)
	}
	if err := s.Delete(ctx, "logs"); err != nil {
		t.Fatal(err)
	}
	if names := s.Names(); !slices.Equal(names, []string{"other"}) {
		t.Errorf("%q", names)
	}
	if left := files(t, s.dir); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	dir := copyDir(t, s.dir)
	if names := open(t, dir).Names(); !slices.Equal(names, []string{"other"}) {
		t.Errorf("after a restart: %q", names)
	}
	if _, err := s.catalog.db.Exec("DROP TRIGGER grow; PRAGMA max_page_count=1000000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "logs"); err != nil {
		t.Error("its name is not free:", err)
	}
	expect(t, s, nil)
}

// freshen makes the store look anew how much is free.
func freshen(s *Store) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	s.space.looked = time.Time{}
}

func TestReserve(t *testing.T) {
	s := create(t)
	if f, err := os.Stat(reservePath(s.dir)); err != nil || f.Size() != reserveBytes {
		t.Fatal(f, err)
	}
	if !s.space.give() || s.space.give() {
		t.Error("the reserve is there twice, or not at all")
	}
	freshen(s)
	if err := s.Full(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(reservePath(s.dir)); err != nil {
		t.Error("it was not made again:", err)
	}
}

// What is known about indices is known after a restart without opening them, but not when it is out of date.
func TestKnownAfterRestart(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 300)
	if err := s.Create(ctx, "empty"); err != nil {
		t.Fatal(err)
	}
	want, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	dir := s.dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := func(s *Store, docs int, opens int64) {
		t.Helper()
		got, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Name != "empty" || got[1].Docs != docs || got[1].UUID != want[1].UUID || got[1].Earliest != want[1].Earliest {
			t.Errorf("%+v, want %+v", got, want)
		}
		if n := s.opens.Load(); n != opens {
			t.Errorf("%d files were opened, not %d", n, opens)
		}
	}
	s = open(t, dir)
	f(s, 300, 0)
	fill(t, s, 300, 400)
	f(s, 400, 1)
	f(open(t, copyDir(t, dir)), 400, 2) // the times of copied files are others
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f(open(t, dir), 400, 0)
}

// However many indices there are, so many files are open.
func TestOpenFiles(t *testing.T) {
	s := create(t)
	s.mostOpen = 8
	const n = 40
	name := func(i int) string { return "logs-" + string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	for i := range n {
		if err := s.Create(ctx, name(i)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bulk(ctx, name(i), []Op{put(Create, "1", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if open := s.opens.Load(); open > s.mostOpen {
		t.Errorf("%d files are open", open)
	}
	for i := range n {
		if _, ok, err := s.Get(ctx, name(i), "1"); !ok || err != nil {
			t.Fatal(i, ok, err)
		}
	}
	if open := s.opens.Load(); open > s.mostOpen {
		t.Errorf("%d files are open", open)
	}
}

// Who has a store open has it alone, also when there was nothing to write.
func TestHeldAgain(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		s := open(t, dir)
		if _, err := Open(dir, s.opts); !errors.Is(err, ErrHeld) {
			t.Fatalf("opened the %d. time, it is not held: %v", i+1, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
