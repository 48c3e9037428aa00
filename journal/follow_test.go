package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// both runs a test with inotify and without.
func both(t *testing.T, f func(t *testing.T, o journal.DirOptions)) {
	t.Run("inotify", func(t *testing.T) { f(t, journal.DirOptions{}) })
	t.Run("poll", func(t *testing.T) { f(t, journal.DirOptions{NoInotify: true}) })
}

// openIn counts the descriptors that are open in dir.
func openIn(t testing.TB, dir string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); err == nil && strings.HasPrefix(to, dir+"/") {
			n++
		}
	}
	return n
}

// live is a journal that systemd-journal-remote writes.
func live(t testing.TB, dir string) *journalgen.Writer {
	t.Helper()
	w, err := journalgen.Open(dir)
	must(t, err)
	return w
}

// exported is the usual i-th entry in export format.
func exported(i int) []byte {
	return fmt.Appendf(nil, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=b0000000000000000000000000000000\nN=%d\nMOD3=%d\nMESSAGE=message %d\n\n",
		second(i), i*1_000_000, i, i%3, i)
}

// Written at full speed, rotated and vacuumed: everything comes once and in order.
func TestFollowFullSpeed(t *testing.T) {
	f := func(entries, perFile int) {
		t.Run(fmt.Sprintf("%d a file", perFile), func(t *testing.T) {
			both(t, func(t *testing.T, o journal.DirOptions) { followFullSpeed(t, o, entries, perFile) })
		})
	}
	f(rounds(20_000), 1_500)
	if n := rounds(20_000); n > 75_000 {
		f(n, 0) // systemd-journal-remote itself rotates
	}
}

func followFullSpeed(t *testing.T, o journal.DirOptions, entries, perFile int) {
	dir := t.TempDir()
	w := live(t, dir)
	j := open(t, o, dir)
	wrote := make(chan error, 1)
	go func() {
		wrote <- func() error {
			for i := 1; i <= entries; i++ {
				if err := w.Append(exported(i)); err != nil {
					return err
				}
				if perFile > 0 && i%perFile == 0 {
					if _, err := w.Rotate(); err != nil {
						return err
					}
				}
			}
			return w.Close()
		}()
	}()
	equal(t, "read", collect(t, j, entries), fmt.Sprintf("1-%d", entries))
	must(t, <-wrote)
	equal(t, "read after that", rest(t, j), "")
	_, err := journalgen.Vacuum(dir, 0)
	must(t, err)
	// A file that is gone has to be missed for a while; on a busy machine one Wait may be over before that.
	for end := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		err := j.Wait(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait for nothing says %v", err)
		}
		if len(j.Headers()) == 1 && openIn(t, dir) == 1 || time.Now().After(end) {
			break
		}
	}
	equal(t, "files", len(j.Headers()), 1)
	equal(t, "descriptors", openIn(t, dir), 1)
}

// A new entry is seen soon. How soon is printed: the machine may have other things to do.
func TestFollowLatency(t *testing.T) {
	both(t, func(t *testing.T, o journal.DirOptions) {
		dir := t.TempDir()
		w := live(t, dir)
		j := open(t, o, dir)
		j.SeekTail()
		var took []time.Duration
		for i := 1; i <= 20; i++ {
			written := make(chan time.Time, 1)
			go func() {
				if err := errors.Join(w.Append(exported(i)), w.Sync()); err != nil {
					t.Error(err)
				}
				written <- time.Now()
			}()
			equal(t, "read", collect(t, j, 1), fmt.Sprint(i))
			seen := time.Now()
			took = append(took, seen.Sub(<-written))
		}
		must(t, w.Close())
		slices.Sort(took)
		t.Logf("an entry is seen %v after it can be read (median), at most %v", took[10], took[19])
		if took[0] > 200*time.Millisecond {
			t.Errorf("the fastest of 20 entries was seen after %v", took[0])
		}
	})
}

// Files that come: archived under another name, new ones, of new chains, in directories that come; with times before what has been read.
func TestFollowNewFiles(t *testing.T) {
	both(t, func(t *testing.T, o journal.DirOptions) {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, name) }
		moved := func(name string, chain byte, from, to int, state byte) {
			t.Helper()
			must(t, os.Rename(made(t, filepath.Join(t.TempDir(), "x"), chain, from, to, state), in(name)))
		}
		moved("system.journal", 1, 101, 110, journalgen.Online)
		moved("user-1.journal", 2, 1, 10, journalgen.Online)
		j := open(t, o, dir)
		j.SeekTail()
		equal(t, "read at the tail", rest(t, j), "")

		// Rotation: the old name goes to a new file.
		must(t, os.Rename(in("system.journal"), in("system@1.journal")))
		moved("system.journal", 1, 111, 112, journalgen.Online)
		equal(t, "read", collect(t, j, 2), "111-112")
		// Another chain's file: all behind the tail that was sought, though others are further by now.
		moved("user-2.journal", 3, 100, 115, journalgen.Online)
		equal(t, "read", collect(t, j, 5), "111-115")
		// A chain that is known goes on where it was, though others are further.
		moved("user-1a.journal", 2, 5, 14, journalgen.Online)
		equal(t, "read", collect(t, j, 4), "11-14")
		// A copy of what has been read is no news; a machine's directory is.
		moved("copy.journal", 1, 111, 112, journalgen.Archived)
		const machine = "0123456789abcdef0123456789abcdef"
		made(t, in("later"), 4, 120, 125, journalgen.Online)
		must(t, os.Mkdir(in(machine), 0o755))
		must(t, os.Rename(in("later"), in(machine+"/system.journal")))
		equal(t, "read", collect(t, j, 6), "120-125")
		// A file that is made in place, byte by byte.
		b := image(5, 130, 131).Bytes(journalgen.Online)
		f, err := os.Create(in("slow.journal"))
		must(t, err)
		for part := range slices.Chunk(b, len(b)/3) {
			_, err = f.Write(part)
			must(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), 120*time.Millisecond)
			_ = j.Wait(ctx)
			cancel()
		}
		must(t, f.Close())
		equal(t, "read", collect(t, j, 2), "130-131")
		equal(t, "refused", len(j.Refused()), 0)
	})
}

// Deleted files are read to their end if they are open, and no descriptor stays.
func TestFollowDeleted(t *testing.T) {
	both(t, func(t *testing.T, o journal.DirOptions) {
		dir := t.TempDir()
		for i := range 5 {
			made(t, filepath.Join(dir, fmt.Sprintf("system@%d.journal", i)), 1, 10*i+1, 10*i+10, journalgen.Archived)
		}
		o.MaxOpen = 2
		j := open(t, o, dir)
		equal(t, "read", collect(t, j, 15), "1-15")
		for i := range 4 {
			must(t, os.Remove(filepath.Join(dir, fmt.Sprintf("system@%d.journal", i))))
		}
		wait(t, j)
		// What was open is read on.
		have := rest(t, j)
		if !strings.HasPrefix(have, "16-20") || !strings.HasSuffix(have, "41-50") && !strings.HasSuffix(have, "-50") {
			t.Errorf("read %s", have)
		}
		made(t, filepath.Join(dir, "new.journal"), 1, 51, 52, journalgen.Online)
		equal(t, "read", collect(t, j, 2), "51-52")
		equal(t, "descriptors", openIn(t, dir), 1)
	})
}

// However many files there are, few are open.
func TestFewOpen(t *testing.T) {
	dir := t.TempDir()
	const hosts = 60
	for h := range hosts {
		made(t, filepath.Join(dir, fmt.Sprintf("remote-%d.journal", h)), byte(h+1), 1, 20, journalgen.Online)
	}
	j := open(t, journal.DirOptions{MaxOpen: 7}, dir)
	var e journal.Entry
	seen := map[string]int{}
	for {
		ok, err := j.Next(&e)
		must(t, err)
		if !ok {
			break
		}
		seen[e.Get("N")]++
		if n := openIn(t, dir); n > 7 {
			t.Fatalf("%d files are open", n)
		}
	}
	// The hosts' entries are the same but for their chains.
	equal(t, "different entries", len(seen), 20)
}

// An inode that is given to a new file after the old one was deleted does not hide it.
func TestFollowReusedInode(t *testing.T) {
	dir := t.TempDir()
	path := made(t, filepath.Join(dir, "system@1.journal"), 1, 1, 10, journalgen.Archived)
	j := open(t, journal.DirOptions{}, dir)
	equal(t, "read", collect(t, j, 10), "1-10")
	equal(t, "read after that", rest(t, j), "")
	// Written over, it keeps its inode.
	must(t, os.WriteFile(path, image(1, 11, 20).Bytes(journalgen.Archived), 0o644))
	must(t, os.Rename(path, filepath.Join(dir, "system@2.journal")))
	equal(t, "read", collect(t, j, 10), "11-20")
}

// Wait ends with its context, also when that has ended before.
func TestWaitEnds(t *testing.T) {
	both(t, func(t *testing.T, o journal.DirOptions) {
		j := open(t, o, t.TempDir())
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- j.Wait(ctx) }()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Wait says %v", err)
		}
		if err := j.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait says %v", err)
		}
	})
}

// An entry that the file promises and has not got yet is waited for, also at the tail; where nobody writes any more it is damage.
func TestFollowUnwritten(t *testing.T) {
	both(t, func(t *testing.T, o journal.DirOptions) {
		m := image(1, 1, 3)
		whole := m.Bytes(journalgen.Online)
		torn := slices.Clone(whole)
		clear(torn[m.EntryOffset() : m.EntryOffset()+64])
		path := filepath.Join(t.TempDir(), "system.journal")
		must(t, os.WriteFile(path, torn, 0o644))
		j, tail := open(t, o, path), open(t, o, path)
		equal(t, "read", rest(t, j), "1-2")
		tail.SeekTail()
		equal(t, "read at the tail", rest(t, tail), "")
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt(whole, 0)
		must(t, err)
		must(t, f.Close())
		equal(t, "read", collect(t, j, 1), "3")
		equal(t, "read at the tail", collect(t, tail, 1), "3")

		must(t, os.WriteFile(path, torn, 0o644))
		long := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, long, long))
		j = open(t, o, path)
		var e journal.Entry
		for _, want := range []string{"1", "2", "error", ""} {
			ok, err := j.Next(&e)
			have := ""
			if ok {
				have = e.Get("N")
			}
			if err != nil {
				have = "error"
			}
			equal(t, "read", have, want)
		}
	})
}
