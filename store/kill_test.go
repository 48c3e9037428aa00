package store

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// childDir makes the test binary a writer that is to be killed: it holds where the store is and the next request of each writer.
const childDir = "PODBEAT_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if how := os.Getenv(childDir); how != "" {
		if err := child(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const writers = 3

// request is what a writer sends as its k'th: some documents of its own, and now and then the deletion of earlier ones.
func kth(w, k int) []Op {
	r := rand.New(rand.NewPCG(uint64(w), uint64(k)))
	ops := make([]Op, 1+int(800*r.Float64()*r.Float64()))
	for i := range ops {
		ops[i] = put(Create, fmt.Sprintf("w%d-%d-%d", w, k, i), k*1000+i)
	}
	if k%5 == 0 && k > 3 {
		for i := range kth(w, k-3) {
			if i%10 == 0 && (k-3)%5 != 0 {
				ops = append(ops, Op{Kind: Delete, ID: fmt.Sprintf("w%d-%d-%d", w, k-3, i)})
			}
		}
	}
	return ops
}

// child writes until it is killed, and says what was acknowledged.
func child(how string) error {
	var next [writers]int
	var compact bool
	var dir string
	if _, err := fmt.Sscanf(how, "%d %d %d %t %s", &next[0], &next[1], &next[2], &compact, &dir); err != nil {
		return err
	}
	s, err := Open(dir, Options{FlushAfter: 20 * time.Millisecond, Cache: 1 << 20, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	if err := s.Create(ctx, "logs"); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	failed := make(chan error)
	go func() {
		for compact {
			if err := s.Compact(ctx, "logs"); err != nil {
				failed <- err
			}
		}
	}()
	for w := range writers {
		go func() {
			for k := next[w]; ; k++ {
				results, err := s.Bulk(ctx, "logs", kth(w, k))
				if err != nil {
					failed <- err
					return
				}
				// What was sent before the kill is sent again: then all of it is there, or nothing.
				for _, r := range results {
					if r.Err != nil || r.Conflict != results[0].Conflict || r.Conflict && k != next[w] {
						failed <- fmt.Errorf("request %d of writer %d: %+v after %+v", k, w, r, results[0])
						return
					}
					if results[0].Conflict {
						break // the deletions were done then, too
					}
				}
				fmt.Println(w, k)
			}
		}()
	}
	return <-failed
}

// TestKill kills a writing process again and again, every third time while it compacts. Everything that was acknowledged is there once, and no request in part.
// PODBEAT_SOAK=1 kills it 30 times.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	rounds, most := 5, 60
	if os.Getenv("PODBEAT_SOAK") != "" {
		rounds, most = 30, 200
	}
	next := [writers]int{1, 1, 1}
	for round := range rounds {
		acked := runAndKill(t, dir, next, round%3 == 2, 10+rand.IntN(most))
		s, err := Open(dir, Options{FlushAfter: time.Hour, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.View("logs")
		if err != nil {
			t.Fatal(err)
		}
		got := contents(t, v)
		v.Release()
		want := 0
		for w := range writers {
			next[w] = max(next[w], acked[w]+1)
			want += check(t, got, w, next[w])
		}
		if len(got) != want {
			t.Errorf("round %d: %d documents, want %d", round, len(got), want)
		}
		if r, err := s.Verify(ctx, "logs"); err != nil || len(r.Problems) > 0 || r.Docs != len(got) {
			t.Errorf("round %d: %+v %v", round, r, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%v requests of each writer", next)
}

// runAndKill lets a child write until some requests were acknowledged and a moment longer, and gives the last of each writer.
func runAndKill(t *testing.T, dir string, next [writers]int, compact bool, requests int) (acked [writers]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %t %s", childDir, next[0], next[1], next[2], compact, dir))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var w, k int
		if _, err := fmt.Sscan(lines.Text(), &w, &k); err != nil {
			t.Fatal(err)
		}
		acked[w] = k
		if n == requests {
			// At any moment of the next requests.
			time.AfterFunc(time.Duration(rand.IntN(30))*time.Millisecond, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || complaints.Len() > 0 {
		t.Fatalf("the writer ended by itself: %v %s", err, complaints.String())
	}
	return acked
}

// check looks for what writer w has written before request end, and gives how many documents those are. Request end itself may be there, but whole.
func check(t *testing.T, got map[string]string, w, end int) int {
	t.Helper()
	want := make(map[string]string)
	apply := func(k int) {
		for _, op := range kth(w, k) {
			if op.Kind == Delete {
				delete(want, op.ID)
			} else {
				want[op.ID] = fmt.Sprintf("%s 1", op.Source)
			}
		}
	}
	for k := 1; k < end; k++ {
		apply(k)
	}
	if _, ok := got[fmt.Sprintf("w%d-%d-0", w, end)]; ok {
		apply(end)
	}
	for id, source := range want {
		if got[id] != source {
			t.Errorf("%s: %q, want %q", id, got[id], source)
		}
	}
	return len(want)
}

// TestTornLog cuts the end of the write-ahead log off, or loses it, as a power cut may do with what was not synced: what is left are whole
// requests, from the first on.
func TestTornLog(t *testing.T) {
	s := create(t)
	fill(t, s, 0, 1000)
	dir := copyDir(t, s.dir)
	wal := files(t, dir)[0] + "-wal"
	whole, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	had := make(map[int]bool)
	for range 20 {
		cut := r.IntN(len(whole))
		torn := append([]byte(nil), whole[:cut]...)
		switch r.IntN(3) {
		case 0:
			torn = append(torn, make([]byte, len(whole)-cut)...)
		case 1:
			for len(torn) < len(whole) {
				torn = append(torn, byte(r.Uint32()))
			}
		}
		copied := copyDir(t, dir)
		if err := os.WriteFile(files(t, copied)[0]+"-wal", torn, 0o600); err != nil {
			t.Fatal(err)
		}
		c := open(t, copied)
		if _, err := c.View("logs"); err != nil {
			continue // the tables themselves were in what is lost
		}
		v, err := c.View("logs")
		if err != nil {
			t.Fatal(err)
		}
		segments, err := v.Segments(math.MinInt64, math.MaxInt64)
		if err != nil || v.Len()%100 != 0 {
			t.Fatalf("%d documents, %v", v.Len(), err)
		}
		had[v.Len()] = true
		for _, segment := range segments {
			if segment.Err() != nil {
				t.Error(segment.Err())
			}
		}
		expect(t, c, numbers(0, v.Len()))
		v.Release()
	}
	if len(had) < 3 {
		t.Errorf("the cuts left %v documents only", had)
	}
}

// TestDurable asks SQLite whether it syncs what it commits.
func TestDurable(t *testing.T) {
	s := create(t)
	ix, err := s.acquire("logs")
	if err != nil {
		t.Fatal(err)
	}
	defer s.release(ix)
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "page_size": "8192"} {
		var got string
		if err := ix.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
		}
		if err := s.catalog.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the catalog is %s, want %s (%v)", pragma, got, want, err)
		}
	}
}

// TestManyWriters writes from several goroutines, which share transactions.
func TestManyWriters(t *testing.T) {
	s := create(t)
	var g sync.WaitGroup
	for w := range 8 {
		g.Go(func() {
			for k := range 25 {
				results, err := s.Bulk(ctx, "logs", []Op{put(Create, fmt.Sprint("d", w*25+k), w*25+k), put(Create, "same", 1)})
				if err != nil || !results[0].Created {
					t.Error(results, err)
				}
			}
		})
		g.Go(func() {
			v, err := s.View("logs")
			if err != nil {
				t.Error(err)
				return
			}
			defer v.Release()
			contents(t, v)
		})
	}
	g.Wait()
	want := numbers(0, 200)
	want["same"] = [2]int{1, 1}
	expect(t, s, want)
	if i, err := s.Info("logs"); err != nil || i.Seq != 200 {
		t.Errorf("%+v %v", i, err)
	}
}
