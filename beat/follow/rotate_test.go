package follow

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFollow(t *testing.T) {
	n := newNode(t)
	all := n.write("pod1/app.log", "before the start", 0, 10)
	n.start()
	n.want(all)
	all = append(all, n.write("pod1/app.log", "appended", 0, 10)...)
	all = append(all, n.write("pod2/new.log", "a new pod", 0, 10)...)
	n.want(all)
	f, err := os.OpenFile(n.path("pod2/new.log"), os.O_APPEND|os.O_WRONLY, 0)
	n.do(err)
	defer f.Close()
	fmt.Fprint(f, "a line that is ")
	n.want(all)
	fmt.Fprint(f, "written in two\n")
	all = append(all, "a line that is written in two")
	n.want(all)
	n.stop()
	n.start()
	n.want(all)
	if got := n.events(); got != len(all) {
		t.Errorf("after a restart %d events were sent, want %d: nothing twice", got, len(all))
	}
}

// A log that was rotated while it was empty keeps nobody from reading on.
func TestEmptyRotated(t *testing.T) {
	n := newNode(t)
	n.do(os.MkdirAll(n.path("p"), 0o755))
	n.do(os.WriteFile(n.path("p/app.log.1"), nil, 0o644))
	old := time.Now().Add(-time.Minute)
	n.do(os.Chtimes(n.path("p/app.log.1"), old, old))
	all := n.write("p/app.log", "behind an empty file", 0, 10)
	n.start()
	n.want(all)
}

// Every way of rotation, while podbeat follows, while it cannot send, and while it is not there.
func TestRotation(t *testing.T) {
	rotate := map[string]func(n *node, i int){
		"rename": func(n *node, i int) {
			n.do(os.Rename(n.path("p/app.log"), n.path(fmt.Sprintf("p/app.log.%d", i))))
		},
		"rename to a date": func(n *node, i int) {
			n.do(os.Rename(n.path("p/app.log"), n.path(fmt.Sprintf("p/app-2026-11-%02d.log", i))))
		},
		"shift": func(n *node, i int) {
			for k := i; k > 1; k-- {
				n.do(os.Rename(n.path(fmt.Sprintf("p/app.log.%d", k-1)), n.path(fmt.Sprintf("p/app.log.%d", k))))
			}
			n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
		},
		"copytruncate":           func(n *node, i int) { n.copytruncate("p/app.log", fmt.Sprintf("p/app.log.%d", i)) },
		"copytruncate to a date": func(n *node, i int) { n.copytruncate("p/app.log", fmt.Sprintf("p/app-2026-11-%02d.log", i)) },
		"gzip": func(n *node, i int) {
			name := n.path(fmt.Sprintf("p/app.log.%d", i))
			n.do(os.Rename(n.path("p/app.log"), name))
			n.gzip(name)
		},
	}
	for name, rotate := range rotate {
		for _, when := range []string{"following", "held up", "away", "killed"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				n := newNode(t)
				all := n.write("p/app.log", "one", 0, 200)
				n.start()
				n.want(all)
				switch when {
				case "held up":
					n.hold(true)
				case "away":
					n.stop()
				case "killed":
					n.mu.Lock()
					n.noAck = true
					n.mu.Unlock()
				}
				for i := 1; i <= 3; i++ {
					all = append(all, n.write("p/app.log", fmt.Sprint("before rotation ", i), 0, 200)...)
					if when == "killed" {
						n.want(all)
					}
					rotate(n, i)
					all = append(all, n.write("p/app.log", fmt.Sprint("after rotation ", i), 0, 200)...)
				}
				switch when {
				case "held up":
					n.hold(false)
				case "away":
					n.start()
				case "killed":
					n.want(all)
					n.kill()
					n.noAck = false
					mark := n.events()
					n.start()
					waitFor(t, "all that was not acknowledged is sent again", func() bool { return n.sentSince(mark, all[200:]) })
				}
				n.want(all)
				n.stop()
				before := n.events()
				n.start()
				all = append(all, n.write("p/app.log", "at the end", 0, 10)...)
				n.want(all)
				if again := n.events() - before; again != 10 {
					t.Errorf("after a clean restart %d events were sent, want 10", again)
				}
			})
		}
	}
}

// sentSince says whether all lines are among what has been sent behind the first events.
func (n *node) sentSince(mark int, lines []string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := map[string]bool{}
	for _, e := range n.sent[mark:] {
		sent[e.Fields["message"].(string)] = true
	}
	return !slices.ContainsFunc(lines, func(l string) bool { return !sent[l] })
}

func (n *node) gzip(path string) {
	b, err := os.ReadFile(path)
	n.do(err)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(b)
	n.do(err)
	n.do(w.Close())
	n.do(os.WriteFile(path+".gz", z.Bytes(), 0o644))
	n.do(os.Remove(path))
}

func TestDeletedFileIsReadToItsEnd(t *testing.T) {
	n := newNode(t)
	all := n.write("p/app.log", "read", 0, 10)
	n.start()
	n.want(all)
	n.hold(true)
	all = append(all, n.write("p/app.log", "unread", 0, 20000)...)
	all = append(all, n.write("q/app.log", "of a pod that came and went", 0, 20000)...)
	waitFor(t, "both files are open", func() bool { return openBelow(n.root) == 2 })
	f, err := os.OpenFile(n.path("p/app.log"), os.O_APPEND|os.O_WRONLY, 0)
	n.do(err)
	fmt.Fprint(f, "and no newline")
	f.Close()
	all = append(all, "and no newline")
	n.do(os.RemoveAll(n.path("p")))
	n.do(os.RemoveAll(n.path("q")))
	n.hold(false)
	n.want(all)
	waitFor(t, "descriptors are closed", func() bool { return openBelow(n.root) == 0 })
	waitFor(t, "positions are forgotten", func() bool { return n.records() == 0 })
}

// A deleted file whose writer is still there is held; at the stop, what it has is sent: nobody could read it later.
func TestStopReadsDeletedFilesToTheirEnds(t *testing.T) {
	n := newNode(t)
	all := n.write("p/app.log", "whole", 0, 10)
	n.start()
	n.want(all)
	f, err := os.OpenFile(n.path("p/app.log"), os.O_APPEND|os.O_WRONLY, 0)
	n.do(err)
	defer f.Close()
	n.do(os.Remove(n.path("p/app.log")))
	fmt.Fprint(f, "written after the deletion\nand not ended")
	all = append(all, "written after the deletion")
	n.want(all)
	n.stop()
	n.want(append(all, "and not ended"))
}

func TestDeletedBeyondTheBudgetIsCounted(t *testing.T) {
	n := newNode(t)
	n.settings["deleted.max_bytes"] = "1KiB"
	n.start()
	n.hold(true)
	n.write("p/app.log", "unread", 0, 100000)
	waitFor(t, "the file is open", func() bool { return openBelow(n.root) == 1 })
	size, err := os.Stat(n.path("p/app.log"))
	n.do(err)
	n.do(os.RemoveAll(n.path("p")))
	waitFor(t, "the file is given up", func() bool { return openBelow(n.root) == 0 })
	n.hold(false)
	waitFor(t, fmt.Sprintf("%d bytes are read or given up", size.Size()), func() bool {
		read := int64(0)
		for _, l := range n.delivered() {
			read += int64(len(l)) + 1
		}
		return read > 0 && n.abandoned() > 0 && read+n.abandoned() == size.Size()
	})
}

func TestTruncatedWithoutACopyIsCounted(t *testing.T) {
	n := newNode(t)
	n.start()
	n.want(nil)
	n.hold(true)
	n.write("p/app.log", "taken by a turn", 0, 100)
	waitFor(t, "the file is open", func() bool { return openBelow(n.root) == 1 })
	n.hold(false)
	all := n.delivered()
	waitFor(t, "it is read", func() bool { all = n.delivered(); return len(all) == 100 })
	n.stop()
	n.write("p/app.log", "nobody saw this", 0, 100)
	n.do(os.Truncate(n.path("p/app.log"), 0))
	all = append(all, n.write("p/app.log", "new", 0, 10)...)
	n.start()
	n.want(all)
}

// A copy that is no copy: files that begin alike.
func TestSameBeginning(t *testing.T) {
	n := newNode(t)
	n.start()
	var all []string
	for _, name := range []string{"p/app.log", "p/other.log", "q/app.log"} {
		all = append(all, n.write(name, "a banner of every file, which is longer than one line should ever be", 0, 40)...)
	}
	n.want(all)
	for i := range 3 {
		n.do(os.Rename(n.path("p/app.log"), n.path(fmt.Sprintf("p/app.log.%d", i+1))))
		all = append(all, n.write("p/app.log", "a banner of every file, which is longer than one line should ever be", 0, 40)...)
		n.want(all)
	}
}

// The same inode number again and again, as ext4 gives it.
func TestRecreation(t *testing.T) {
	n := newNode(t)
	n.start()
	var all []string
	for i := range 30 {
		all = append(all, n.write("p/app.log", "same", i*10, i*10+10)...)
		n.waitLines(len(all))
		n.do(os.Remove(n.path("p/app.log")))
	}
	n.want(all)
}

// A writer that keeps its place in a truncated file leaves a hole in front.
func TestHole(t *testing.T) {
	n := newNode(t)
	n.start()
	n.do(os.MkdirAll(n.path("p"), 0o755))
	f, err := os.Create(n.path("p/app.log"))
	n.do(err)
	defer f.Close()
	var all []string
	for i := range 5 {
		for k := range 1000 {
			line := fmt.Sprintf("round %d line %d", i, k)
			fmt.Fprintln(f, line)
			all = append(all, line)
		}
		n.waitLines(len(all))
		n.do(f.Truncate(0))
	}
	n.want(all)
}

// A line keeps the day on which it was first read.
func TestMidnight(t *testing.T) {
	n := newNode(t)
	now := time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC)
	n.clock = func() time.Time { n.mu.Lock(); defer n.mu.Unlock(); return now }
	n.noAck = true
	all := n.write("p/app.log", "before midnight", 0, 100)
	n.start()
	n.want(all)
	n.kill()
	n.mu.Lock()
	now = now.Add(time.Hour)
	n.mu.Unlock()
	for range 2 {
		n.start()
		waitFor(t, "it is sent again", func() bool { return n.events() >= 2*len(all) })
		all = append(all, n.write("p/app.log", "after midnight", len(all), len(all)+5000)...)
		n.want(all)
		n.kill()
	}
	days := map[string]map[string]bool{}
	for _, e := range n.sent {
		id := e.Meta["_id"].(string)
		if days[id] == nil {
			days[id] = map[string]bool{}
		}
		days[id][e.Timestamp.UTC().Format("2006-01-02")] = true
	}
	for id, d := range days {
		if len(d) > 1 {
			t.Fatalf("event %s was sent with %d days: it would be there twice, in two indices", id, len(d))
		}
	}
}

// tmpfs: no descriptor may be left open between turns, or the volume could not be unmounted.
func TestTmpfsIsNotHeldOpen(t *testing.T) {
	n := newNode(t)
	n.root = filepath.Join("/dev/shm", filepath.Base(t.TempDir())+fmt.Sprint(os.Getpid()))
	t.Cleanup(func() { os.RemoveAll(n.root) })
	all := n.write("p/app.log", "in memory", 0, 100)
	n.start()
	n.want(all)
	all = append(all, n.write("p/app.log", "in memory", 100, 200)...)
	n.want(all)
	if open := openBelow(n.root); open != 0 {
		t.Errorf("%d descriptors are open on tmpfs", open)
	}
	n.hold(true)
	n.write("p/app.log", "held up", 0, 100)
	time.Sleep(200 * time.Millisecond)
	if open := openBelow(n.root); open != 0 {
		t.Errorf("%d descriptors are open on tmpfs while the output is held up", open)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	n := newNode(t)
	n.settings["max_open_files"] = 5
	n.start()
	var all []string
	for i := range 40 {
		all = append(all, n.write(fmt.Sprintf("p%d/app.log", i), "text", 0, 10)...)
	}
	n.want(all)
	waitFor(t, "no more than 5 files are open", func() bool { return openBelow(n.root) <= 5 })
	for i := range 40 {
		all = append(all, n.write(fmt.Sprintf("p%d/app.log", i), "more", 0, 10)...)
	}
	n.want(all)
}

func (n *node) waitLines(count int) {
	n.t.Helper()
	waitFor(n.t, fmt.Sprintf("%d lines are delivered", count), func() bool { return len(n.delivered()) >= count })
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// openBelow counts this process's open files below dir.
func openBelow(dir string) int {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	return len(slices.DeleteFunc(fds, func(fd string) bool {
		to, err := os.Readlink(fd)
		rel, _ := filepath.Rel(dir, to)
		return err != nil || rel == "" || rel[0] == '.'
	}))
}

// What waits in several rotations of one log is read in the order in which it was written, also when some of them are
// compressed meanwhile.
func TestOrderOfRotations(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprint(compress), func(t *testing.T) {
			n := newNode(t)
			all := n.write("p/app.log", "text", 0, 100)
			n.start()
			n.want(all)
			n.hold(true)
			write := func(count int) { all = append(all, n.write("p/app.log", "text", len(all), len(all)+count)...) }
			following := func() {
				t.Helper()
				info, err := os.Stat(n.path("p/app.log"))
				n.do(err)
				waitFor(t, "the file is open", func() bool { return holds(info) })
			}
			write(50_000) // more than a turn
			for i := range 4 {
				write(300)
				name := n.path(fmt.Sprintf("p/app.log.20261122-04303%d", i))
				n.do(os.Rename(n.path("p/app.log"), name))
				write(300)
				following()
				if compress && i > 0 {
					n.gzip(n.path(fmt.Sprintf("p/app.log.20261122-04303%d", i-1)))
				}
			}
			n.hold(false)
			n.want(all)
			if got := n.delivered(); !slices.Equal(got, all) {
				for i := range got {
					if got[i] != all[i] {
						t.Fatalf("message %d is %q, want %q", i, got[i], all[i])
					}
				}
			}
		})
	}
}

// holds says whether this process has a file open.
func holds(info os.FileInfo) bool {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	return slices.ContainsFunc(fds, func(fd string) bool {
		other, err := os.Stat(fd)
		return err == nil && os.SameFile(info, other)
	})
}
