package store

import (
	"fmt"
	"log/slog"
	"testing"
	"time"
)

func TestFlushAndMerge(t *testing.T) {
	s := create(t)
	for n := range 20 {
		fill(t, s, n*50, n*50+50)
		if err := s.Flush("logs"); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < 1000; i += 10 {
		bulk(t, s, put(Index, fmt.Sprint("d", i), i+5), Op{Kind: Delete, ID: fmt.Sprint("d", i+1)})
	}
	want := numbers(0, 1000)
	for i := 0; i < 1000; i += 10 {
		want[fmt.Sprint("d", i)] = [2]int{i + 5, 2}
		delete(want, fmt.Sprint("d", i+1))
	}
	expect(t, s, want)
	before, err := s.View("logs")
	if err != nil {
		t.Fatal(err)
	}
	held := contents(t, before)
	if err := s.Compact(ctx, "logs"); err != nil {
		t.Fatal(err)
	}
	expect(t, s, want)
	if i, err := s.Info("logs"); err != nil || i.Blocks != 1 || i.Deleted != 0 || i.Docs != 900 {
		t.Errorf("%+v %v", i, err)
	}
	if now := contents(t, before); len(now) != len(held) {
		t.Errorf("the view had %d documents, and has %d", len(held), len(now))
	}
	before.Release()
	bulk(t, s, put(Index, "d5", 6), put(Create, "new", 1))
	want["d5"], want["new"] = [2]int{6, 2}, [2]int{1, 1}
	s = again(t, s)
	expect(t, s, want)
}

// TestWhileMerging deletes and writes documents anew while blocks are made of them.
func TestWhileMerging(t *testing.T) {
	s := create(t)
	want := numbers(0, 4000)
	fill(t, s, 0, 4000)
	for round := range 10 {
		done := make(chan error)
		go func() {
			if round%2 == 0 {
				done <- s.Flush("logs")
			} else {
				done <- s.Compact(ctx, "logs")
			}
		}()
		for i := round; i < 4000; i += 37 {
			id := fmt.Sprint("d", i)
			if w, ok := want[id]; ok && i%2 == 0 {
				bulk(t, s, Op{Kind: Delete, ID: id})
				delete(want, id)
			} else {
				bulk(t, s, put(Index, id, i+round))
				want[id] = [2]int{i + round, w[1] + 1}
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		expect(t, s, want)
	}
	expect(t, again(t, s), want)
}

func TestBackgroundMakesBlocks(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 2*blockDocs+100)
	await(t, func() bool {
		i, err := s.Info("logs")
		return err == nil && i.Blocks == 2
	})
	expect(t, s, numbers(0, 2*blockDocs+100))
	if r := bulk(t, s, put(Create, "d16000", 1), put(Create, "d32800", 1), put(Create, "other", 1)); !r[0].Conflict || !r[1].Conflict || r[2].Conflict {
		t.Errorf("%+v", r)
	}
}

// await waits until f holds.
func await(t *testing.T, f func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not come")
		}
	}
}

// TestManyTails bounds what all indices together have in no block.
func TestManyTails(t *testing.T) {
	s := create(t)
	s.most = 20000
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprint("logs", i))
		if err := s.Create(ctx, names[i]); err != nil {
			t.Fatal(err)
		}
		for n := range 100 {
			if _, err := s.Bulk(ctx, names[i], []Op{put(Create, "", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, func() bool { return s.tails.Load() <= s.most })
	for _, name := range names {
		if i, err := s.Info(name); err != nil || i.Docs != 100 {
			t.Errorf("%+v %v", i, err)
		}
		if err := s.Flush(name); err != nil {
			t.Error(err)
		}
	}
	if n := s.tails.Load(); n != 0 {
		t.Errorf("%d bytes in no block, after all was put into blocks", n)
	}
}

func TestIdleIsFlushed(t *testing.T) {
	s, err := Open(t.TempDir(), Options{FlushAfter: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "logs"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 0, 10)
	await(t, func() bool {
		i, err := s.Info("logs")
		return err == nil && i.Blocks == 1
	})
	expect(t, s, numbers(0, 10))
}
