package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// While the journal is written and rotated every few entries, each is read once and in order.
func TestRotationWhileReading(t *testing.T) {
	const entries, perFile = 1500, 60
	dir := t.TempDir()
	w := openJournal(t, dir)
	wrote := make(chan error, 1)
	go func() {
		wrote <- func() error {
			for i := 1; i <= entries; i++ {
				if err := w.Append(nth(i).text()); err != nil {
					return err
				}
				if i%perFile == 0 {
					if _, err := w.Rotate(); err != nil {
						return err
					}
				}
			}
			return w.Close()
		}()
	}()
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, entries)
	must(t, <-wrote)
	equal(t, "read", ns(gs), fmt.Sprintf("1-%d", entries))
	equal(t, "gaps", m.gaps.Get(), 0)
	equal(t, "skipped", m.skippedCorrupt.Get()+m.skippedOther.Get(), 0)
	equal(t, "files.corrupt", m.files.corrupt.Get(), 0)
	sameAs(t, gs, "--directory", dir)
}

// deletedOpen are the deleted files of dir that this process has open.
func deletedOpen(t *testing.T, dir string) (paths []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		path, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(path, dir) && strings.HasSuffix(path, " (deleted)") {
			paths = append(paths, path)
		}
	}
	return paths
}

// eventually fails if what is not true within two minutes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// Files are deleted that have been read, are being read and are still to be read; what nobody could
// read is missing, the rest comes, and no descriptor stays on a deleted file, though nobody reads.
func TestVacuumWhileReading(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 100), series(101, 200), series(201, 300), series(301, 400), series(401, 500))
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, 150)
	for _, path := range files[:3] {
		must(t, os.Remove(path))
	}
	equal(t, "being read", len(deletedOpen(t, dir)) > 0, true)
	r.mu.Lock()
	r.grace = 0
	r.mu.Unlock()
	eventually(t, "no deleted file is open", func() bool { return len(deletedOpen(t, dir)) == 0 })
	gs = append(gs, readTo(t, r, 500)...)
	equal(t, "sum", len(gs)+int(m.gaps.Get()), 500)
	if m.gaps.Get() < 100 || m.gaps.Get() >= 150 {
		t.Errorf("gaps are %d, read %s", m.gaps.Get(), ns(gs))
	}
	equal(t, "files.corrupt", m.files.corrupt.Get(), 0)
}

// A deleted file is read to its end as long as that does not take long.
func TestDeletedIsReadOn(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 300), series(301, 310))
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, 50)
	must(t, os.Remove(files[0]))
	gs = append(gs, readIdle(t, r)...)
	equal(t, "read", ns(gs), "1-310")
	equal(t, "gaps", m.gaps.Get(), 0)
	equal(t, "deleted files open", len(deletedOpen(t, dir)), 0)
}

// Written, rotated, vacuumed, flipped and cut, all under the reader: what can be read comes once and
// in order, what cannot is counted.
func TestEverythingAtOnce(t *testing.T) {
	const entries, perFile = 2400, 60
	dir := t.TempDir()
	w := openJournal(t, dir)
	r, m := testReader(t, testOptions(dir), position{})
	damaged := 0
	wrote := make(chan error, 1)
	go func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		wrote <- func() error {
			for i := 1; i <= entries; i++ {
				if err := w.Append(nth(i).text()); err != nil {
					return err
				}
				if i%perFile != 0 {
					continue
				}
				h, err := w.Rotate()
				if err != nil {
					return err
				}
				switch i / perFile % 5 {
				case 0:
					_, err = journalgen.Vacuum(dir, 8)
				case 1:
					damaged++
					err = os.Truncate(h.Path, int64(3_740_000+rnd.IntN(20_000)))
				case 2:
					damaged++
					err = flipFile(h.Path, 3_735_000+rnd.Int64N(20_000))
				}
				if err != nil {
					return err
				}
			}
			return w.Close()
		}()
	}()
	gs := readTo(t, r, entries)
	must(t, <-wrote)
	equal(t, "files damaged", damaged, 16)
	equal(t, "sum", len(gs)+int(m.gaps.Get()+m.skippedCorrupt.Get()), entries)
	equal(t, "gaps.available", m.gapsKnown.Get(), true)
	last := 0
	for _, g := range gs {
		if n := int(g.Seqnum); n <= last {
			t.Errorf("number %d follows %d", n, last)
		} else {
			last = n
		}
	}
	eventually(t, "no deleted file is open", func() bool { return len(deletedOpen(t, dir)) == 0 })
	t.Logf("%d of %d read, %d missing, %d files damaged", len(gs), entries, m.gaps.Get(), m.files.corrupt.Get())
}

// flipFile changes a byte of a file.
func flipFile(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil && err != io.EOF {
		return err
	}
	_, err = f.WriteAt([]byte{b[0] ^ 0x21}, at)
	return err
}

// Files that have all been read are let go of at once.
func TestVacuumIdle(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	r, m := testReader(t, testOptions(dir), position{})
	total := 0
	for i := range 4 {
		appendAll(t, w, series(50*i+1, 50*i+50)...)
		total += len(readN(t, r, 50))
		_, err := w.Rotate()
		must(t, err)
	}
	deleted, err := journalgen.Vacuum(dir, 0)
	must(t, err)
	equal(t, "files deleted", len(deleted), 4)
	eventually(t, "no deleted file is open", func() bool { return len(deletedOpen(t, dir)) == 0 })
	appendAll(t, w, series(201, 210)...)
	total += len(readN(t, r, 10))
	must(t, w.Close())
	equal(t, "read", total, 210)
	equal(t, "gaps", m.gaps.Get(), 0)
}

// New entries are seen at once.
func TestLive(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	o := testOptions(dir)
	o.PollInterval = time.Second
	r, _ := testReader(t, o, position{})
	type written struct {
		at  time.Time
		err error
	}
	fastest := time.Hour
	for i := 1; i <= 8; i++ {
		done := make(chan written, 1)
		go func() {
			err := w.Append(nth(i).text())
			if err == nil {
				err = w.Sync()
			}
			done <- written{time.Now(), err}
		}()
		equal(t, "read", ns(readN(t, r, 1)), fmt.Sprint(i))
		seen := time.Now()
		d := <-done
		must(t, d.err)
		fastest = min(fastest, seen.Sub(d.at))
	}
	must(t, w.Close())
	if fastest > 200*time.Millisecond {
		t.Errorf("the fastest of 8 entries was seen after %v", fastest)
	}
}

// Read says within poll_interval that there is nothing.
func TestReadIdle(t *testing.T) {
	o := testOptions(t.TempDir())
	o.PollInterval = 200 * time.Millisecond
	r, _ := testReader(t, o, position{})
	began := time.Now()
	n, err := r.Read(context.Background(), make([]Entry, 1))
	if took := time.Since(began); n != 0 || err != nil || took < 150*time.Millisecond {
		t.Errorf("Read of nothing gave %d, %v after %v", n, err, took)
	}
}

// Directories, machines' directories and files that a glob matches may all come later.
func TestComesLater(t *testing.T) {
	base := t.TempDir()
	made := t.TempDir()
	makeJournal(t, made, series(1, 10))
	const machine = "0123456789abcdef0123456789abcdef"
	f := func(name string, o *options, prepare func() (dir string)) {
		t.Run(name, func(t *testing.T) {
			r, _ := testReader(t, o, position{})
			equal(t, "read", ns(readIdle(t, r)), "")
			copyDir(t, made, prepare())
			equal(t, "read", ns(readN(t, r, 10)), "1-10")
		})
	}
	in := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	mkdir := func(path string) string { must(t, os.MkdirAll(path, 0o755)); return path }

	f("into an empty directory", testOptions(mkdir(in("a"))), func() string { return in("a") })
	f("with the directory", testOptions(in("b", "c")), func() string { return in("b", "c") })
	f("in a machine's directory", testOptions(mkdir(in("d"))), func() string { return in("d", machine) })
	f("by a glob", testOptions(in("e*", "*.journal")), func() string { return in("e7") })
	f("as a directory by a glob", testOptions(in("f*")), func() string { return in("f7") })
	o := testOptions(in("g"))
	o.Namespace = "audit"
	f("in a namespace", o, func() string {
		copyDir(t, made, in("g", machine)) // not to be read
		return in("g", machine+".audit")
	})
}

func TestNamespaces(t *testing.T) {
	base := t.TempDir()
	const machine = "0123456789abcdef0123456789abcdef"
	for i, dir := range []string{machine, machine + ".one", machine + ".two", "no-machine"} {
		makeJournal(t, filepath.Join(base, dir), series(10*i+1, 10*i+3))
	}
	f := func(namespace, want string) {
		t.Helper()
		o := testOptions(base)
		o.Namespace = namespace
		gs, m := readAll(t, o)
		equal(t, "read of namespace "+namespace, ns(gs), want)
		equal(t, "gaps.available", m.gapsKnown.Get(), true)
	}
	f("", "1-3")
	f("one", "11-13")
	f("none", "")
	f("*", "1-3 11-13 21-23")
}

// This machine's own directories: of other machines' nothing is read, if there is one's own.
func TestLocal(t *testing.T) {
	base := t.TempDir()
	const own, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	makeJournal(t, filepath.Join(base, own), series(1, 3))
	makeJournal(t, filepath.Join(base, other), series(11, 13))
	f := func(id, want string) {
		t.Helper()
		r, err := openSelection(logger, testOptions(), readerMetrics(t), position{}, selection{paths: []string{base}, local: true, machineID: id})
		must(t, err)
		equal(t, "read", ns(readIdle(t, r)), want)
		r.Close()
	}
	f(own, "1-3")
	f(other, "11-13")
	f("", "1-3 11-13")
}

// Files and directories may be named together, and twice.
func TestSeveralPaths(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	files := makeJournal(t, a, series(1, 20), series(21, 40))
	makeJournal(t, b, series(101, 110))
	gs, m := readAll(t, testOptions(files[0], files[1], a, b, filepath.Join(b, "*.journal")))
	equal(t, "read", ns(gs), "1-40 101-110")
	equal(t, "gaps.available", m.gapsKnown.Get(), true)
	equal(t, "skipped.other", m.skippedOther.Get(), 0)
}

// A file that is named by its path is read on when it is rotated away, and the new one after it.
func TestNamedFileRotates(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	appendAll(t, w, series(1, 40)...)
	r, m := testReader(t, testOptions(filepath.Join(dir, "system.journal")), position{})
	gs := readN(t, r, 10)
	_, err := w.Rotate()
	must(t, err)
	appendAll(t, w, series(41, 50)...)
	gs = append(gs, readTo(t, r, 50)...)
	must(t, w.Close())
	equal(t, "read", ns(gs), "1-50")
	equal(t, "gaps", m.gaps.Get(), 0)
}

// Numbers may be in files that are not read: then gaps are not known.
func TestPartOfTheFiles(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 20), series(21, 40), series(41, 50))
	gs, m := readAll(t, testOptions(files[0], files[2]))
	equal(t, "read", ns(gs), "1-20 41-50")
	equal(t, "gaps.available", m.gapsKnown.Get(), false)
	equal(t, "gaps", m.gaps.Get(), 0)
}

// Entries of one chain that come late are read though others are further: libsystemd's own merge
// would pass over them.
func TestLateChain(t *testing.T) {
	dir, late := t.TempDir(), t.TempDir()
	makeJournal(t, dir, series(101, 200))
	makeJournal(t, late, series(1, 50))
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, 100)
	must(t, os.Rename(filepath.Join(late, "system.journal"), filepath.Join(dir, "remote-late.journal")))
	gs = append(gs, readN(t, r, 50)...)
	equal(t, "read", ns(gs), "101-200 1-50")
	equal(t, "gaps", m.gaps.Get(), 0)
}

// Two chains come in the order of time, each with its own numbers.
func TestTwoChains(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	var odd, even []exported
	for i := 1; i <= 100; i++ {
		if i%2 == 1 {
			odd = append(odd, nth(i))
		} else {
			even = append(even, nth(i))
		}
	}
	makeJournal(t, dir, odd[:20], odd[20:])
	makeJournal(t, other, even)
	must(t, os.Rename(filepath.Join(other, "system.journal"), filepath.Join(dir, "remote-b.journal")))
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-100")
	equal(t, "gaps", m.gaps.Get(), 0)
	equal(t, "chains", len(gs[99].after.Chains), 1)

	// From any position the rest comes, and nothing else.
	for _, i := range []int{0, 1, 37, 98} {
		r, _ := testReader(t, testOptions(dir), gs[i].after)
		equal(t, fmt.Sprintf("read after %d", i+1), ns(readIdle(t, r)), ns(gs[i+1:]))
		r.Close()
	}
}

// An inode that is given to a new file after the old one was deleted does not hide it.
func TestReusedInode(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	files := makeJournal(t, dir, series(1, 50), series(51, 60))
	news := makeJournal(t, other, series(101, 150), series(151, 152))
	r, m := testReader(t, testOptions(dir), position{})
	equal(t, "read", ns(readTo(t, r, 60)), "1-60")
	eventually(t, "the first file is done", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, f := range r.files {
			if f.path == files[0] {
				return f.done
			}
		}
		return false
	})
	b, err := os.ReadFile(news[0])
	must(t, err)
	must(t, os.WriteFile(files[0], b, 0o644))
	must(t, os.Rename(files[0], filepath.Join(dir, "system@new.journal")))
	equal(t, "read", ns(readTo(t, r, 150)), "101-150")
	equal(t, "gaps", m.gaps.Get(), 0)
}

// A copy of a file is no news.
func TestCopiedFile(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 30), series(31, 40))
	b, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "copy.journal"), b, 0o644))
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-40")
	equal(t, "skipped.other", m.skippedOther.Get(), 30)
}

// Without rights to some files gaps are not known; without any the command is said that mends it.
func TestNoRights(t *testing.T) {
	base := t.TempDir()
	must(t, os.Chmod(base, 0o755))
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	a, b := filepath.Join(base, "a"), filepath.Join(base, "b")
	must(t, os.Mkdir(a, 0o755))
	must(t, os.Mkdir(b, 0o755))
	file := makeJournal(t, a, series(1, 5))[0]
	secret := makeJournal(t, b, series(11, 15))[0]
	must(t, os.Chmod(file, 0o644))
	must(t, os.Chmod(secret, 0o000))

	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Getuid() == 0 {
			// Root may read everything; this thread, which ends with the goroutine, must not.
			runtime.LockOSThread()
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
			}
		}
		r, err := openReader(logger, testOptions(b), readerMetrics(t), position{})
		if err == nil {
			r.Close()
		}
		if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "usermod -aG systemd-journal") || !strings.Contains(err.Error(), secret) {
			t.Errorf("error is %v", err)
		}
		m := readerMetrics(t)
		if r, err = openReader(logger, testOptions(a, b), m, position{}); err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		batch := make([]Entry, 10)
		if n, err := r.Read(context.Background(), batch); n != 5 || err != nil {
			t.Errorf("Read gave %d, %v", n, err)
		}
		equal(t, "gaps.available", m.gapsKnown.Get(), false)
		equal(t, "files.unreadable", m.files.unreadable.Get(), 1)
		equal(t, "now.files.unreadable", m.files.now.Get(), 1)
	}()
	<-done
}

func TestNoSuchFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "system.journal")
	_, err := openReader(logger, testOptions(path), readerMetrics(t), position{})
	want := fmt.Sprintf("cannot read journal file %q: there is no such file; give its directory, or a glob, to wait for it", path)
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// Fields that repeat, are empty, binary, or longer than libsystemd's own limit arrive as they are;
// beyond max_message_bytes they may be cut.
func TestFields(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long ", 40_000)
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = byte(i * i >> 3)
	}
	makeJournal(t, dir, []exported{nth(1, "A=1", "A=2", "EMPTY=", "BIN=\x00\xff\n=", "LONG="+long, "RANDOM="+string(random))})
	gs, _ := readAll(t, testOptions(dir))
	equal(t, "entries", len(gs), 1)
	e := &gs[0].Entry
	equal(t, "EMPTY", e.Get("EMPTY"), "")
	equal(t, "BIN", e.Get("BIN"), "\x00\xff\n=")
	equal(t, "LONG", e.Get("LONG") == long, true)
	equal(t, "RANDOM", e.Get("RANDOM") == string(random), true)

	o := testOptions(dir)
	o.MaxMessageBytes = 1000
	gs, _ = readAll(t, o)
	if n := len(gs[0].Get("LONG")); n < 1001 || n >= len(long) {
		t.Errorf("with max_message_bytes 1000 a field of %d bytes comes with %d", len(long), n)
	}
}

// When directories cannot be looked through, for want of descriptors, what is in them is not taken to be gone: a file that
// waits for its turn would be passed over while others of its chain are read on, and one that is damaged be counted again.
func TestNoDescriptors(t *testing.T) {
	for _, glob := range []string{"", "/*.journal"} {
		dir := t.TempDir()
		makeJournal(t, dir, series(1, 100), series(101, 200), series(201, 300))
		damaged := filepath.Join(dir, "damaged.journal")
		must(t, os.WriteFile(damaged, []byte("damaged"), 0o600))
		must(t, os.Chtimes(damaged, time.Time{}, time.Now().Add(-time.Hour)))
		r, m := testReader(t, testOptions(dir+glob), position{})
		gs := readN(t, r, 10)
		r.mu.Lock()
		var limit unix.Rlimit
		must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
		for range 3 {
			r.scan()
			time.Sleep(pollTick + time.Millisecond) // as long as a file must be missed to be gone
		}
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		equal(t, "files", len(r.files), 3)
		for _, f := range r.files {
			equal(t, "unlisted", f.unlisted, false)
		}
		r.scan()
		equal(t, "damaged", m.files.corrupt.Get(), 1)
		r.mu.Unlock()
		gs = append(gs, readTo(t, r, 300)...)
		equal(t, "read", ns(gs), "1-300")
		equal(t, "gaps", m.gaps.Get(), 0)
	}
}

// A file that is away for a moment, as when its directory is mounted anew, is read on when it is back, though its end was
// reached meanwhile.
func TestAwayForAMoment(t *testing.T) {
	top := t.TempDir()
	dir, away := filepath.Join(top, "there"), filepath.Join(top, "away")
	must(t, os.Mkdir(dir, 0o755))
	w := openJournal(t, dir)
	appendAll(t, w, series(1, 10)...)
	r, m := testReader(t, testOptions(dir), position{})
	gs := readTo(t, r, 10)
	r.mu.Lock()
	must(t, os.Rename(dir, away))
	for range 2 {
		r.scan()
		time.Sleep(pollTick + time.Millisecond)
	}
	for _, f := range r.active {
		f.ready = true
	}
	if f := r.first(time.Now()); f != nil {
		t.Errorf("%d comes, and has not been written", f.head().Seqnum)
	}
	must(t, os.Rename(away, dir))
	r.scan()
	r.mu.Unlock()
	appendAll(t, w, series(11, 20)...)
	must(t, w.Close())
	gs = append(gs, readTo(t, r, 20)...)
	equal(t, "read", ns(gs), "1-20")
	equal(t, "gaps", m.gaps.Get(), 0)
}
