package find

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Rotations of what a link leads to are reported beside the link, and opened as safely.
func TestRotatedTargets(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true}, func(h *hunt) {
		h.f.resolveLinkRoots()
		for _, name := range []string{"1-json.log", "1-json.log.1", "1-json.log.2.gz", "1-json.log.tmp", "1-json.log.dir/x", "11-json.log.1", "other.log.1"} {
			h.write("docker/1/" + name)
		}
		h.f.resolveLinkRoots()
		h.mkdir("docker/1/1-json.log.4")
		h.symlink("../../secret.1", "docker/1/1-json.log.5")
		h.write("secret.1")
		h.write("secret")
		h.write("logs/a/1.log.3") // a file of its own
		h.write("docker/1/1-json.log.3")
		h.symlink("../../docker/1/1-json.log", "logs/a/1.log")
		h.symlink("../../secret", "logs/a/out.log")
		all := []string{"logs/a/1.log", "logs/a/1.log.1~", "logs/a/1.log.2.gz~", "logs/a/1.log.3~"}
		h.want(all...)
		for name, want := range map[string]string{
			"1.log": "docker/1/1-json.log", "1.log.1": "docker/1/1-json.log.1", "1.log.2.gz": "docker/1/1-json.log.2.gz", "1.log.3": "logs/a/1.log.3",
			"1.log.4": "", "1.log.5": "", "1.log.6": "", "1.log.tmp": "", "out.log": "", "out.log.1": "", "2.log.1": "",
		} {
			if s, err := h.content("logs/a/" + name); s != want || (err == nil) != (want != "") {
				h.Errorf("%s has %q, %v", name, s, err)
			}
		}
		changed := h.changedOn("logs/a/1.log.1")
		h.append("docker/1/1-json.log.1")
		h.wait("a change", changed)
		h.remove("docker/1/1-json.log.2.gz")
		h.want("logs/a/1.log", "logs/a/1.log.1~", "logs/a/1.log.3~")
		h.remove("docker/1/1-json.log")
		h.want("logs/a/1.log.1~", "logs/a/1.log.3~")
		h.remove("logs/a/1.log")
		h.want("logs/a/1.log.3~")
	})
}

// A log is rotated again and again, at once: each of its files is seen, whether it is called by the link or by a rotation.
func TestRotatedFast(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true, ScanEvery: time.Hour})
	h.write("docker/1/x.log")
	h.symlink("../../docker/1/x.log", "logs/a/1.log")
	h.f.often = time.Hour
	h.start()
	var made []uint64
	for i := range 100 {
		var st unix.Stat_t
		must(h, unix.Stat(h.path("docker/1/x.log"), &st))
		made = append(made, st.Ino)
		for n := min(i, 99); n > 0; n-- {
			h.rename(fmt.Sprintf("docker/1/x.log.%d", n), fmt.Sprintf("docker/1/x.log.%d", n+1))
		}
		h.rename("docker/1/x.log", "docker/1/x.log.1")
		h.write("docker/1/x.log")
	}
	// The names are there before all files are told of, which had others in between.
	h.wait("all files", func() bool {
		return len(h.there) == 101 && !slices.ContainsFunc(made, func(ino uint64) bool {
			return !slices.ContainsFunc(h.events, func(e Event) bool { return e.Op == Seen && e.Info.Ino == ino })
		})
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Op != Scanned && !strings.HasPrefix(e.Path, h.path("logs/a/1.log")) {
			h.Errorf("%q is no path beside the link", e.Path)
		}
	}
}

// What a link leads to comes after the link: the file, its directory, the link root.
func TestDangling(t *testing.T) {
	test := func(t *testing.T, noInotify bool) {
		h := newHunt(t, Options{
			Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker", "$/deep/er"}, Rotated: true,
			ScanEvery: time.Hour, NoInotify: noInotify,
		})
		h.f.often = 10 * time.Millisecond
		h.start()
		h.symlink("../../docker/1/x.log", "logs/a/1.log")
		h.symlink("../../docker/1/y.log", "logs/a/2.log")
		h.symlink(h.path("deep/er/z.log"), "logs/a/3.log")
		h.symlink(h.path("elsewhere/z.log"), "logs/a/4.log")
		refused := func() bool { return h.f.Stats().LinksRefused >= 4 }
		h.wait("refusal", refused)
		h.write("docker/1/x.log.1")
		h.write("elsewhere/z.log")
		h.want("logs/a/1.log.1~")
		h.write("docker/1/x.log")
		h.write("docker/1/y.log")
		h.want("logs/a/1.log", "logs/a/1.log.1~", "logs/a/2.log")
		h.write("deep/er/z.log")
		h.want("logs/a/1.log", "logs/a/1.log.1~", "logs/a/2.log", "logs/a/3.log")
		h.remove("docker/1")
		h.want("logs/a/3.log")
		h.write("docker/1/x.log")
		h.want("logs/a/1.log", "logs/a/3.log")
	}
	t.Run("inotify", func(t *testing.T) { test(t, false) })
	t.Run("scans", func(t *testing.T) { test(t, true) })
}

// A file that comes into a directory that is there is told of by inotify, without a look every second.
func TestDanglingWatched(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker"}, ScanEvery: time.Hour})
	h.f.often = time.Hour
	h.mkdir("docker/1")
	h.symlink("../../docker/1/x.log", "logs/a/1.log")
	h.start()
	h.write("docker/1/x.log")
	h.want("logs/a/1.log")
	h.remove("docker/1/x.log")
	h.want()
	h.write("docker/1/y.log")
	h.rename("docker/1/y.log", "docker/1/x.log")
	h.want("logs/a/1.log")
	h.remove("logs/a")
	h.want()
	h.wait("the target's watch to end", func() bool { return h.f.Stats().Watches == 1 })
}

// A rotation of a link's target is swapped for a way out while it is opened.
func TestSwapRotated(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true}, func(h *hunt) {
		h.write("docker/1/x.log.1")
		h.write("secrets/x.log.1")
		h.f.resolveLinkRoots()
		h.symlink("../../docker/1/x.log", "logs/a/x.log")
		h.symlink(h.path("secrets"), "evil")
		stop := h.exchange("docker/1", "evil")
		defer stop()
		good := 0
		for range 3000 {
			switch s, err := h.content("logs/a/x.log.1"); {
			case err == nil && s != "docker/1/x.log.1":
				h.Fatalf("read %q", s)
			case err == nil:
				good++
			}
		}
		if good == 0 || good == 3000 {
			h.Errorf("%d times the file was there: nothing was attacked", good)
		}
	})
}

// No room for the watch of a target: it is looked at every second.
func TestNoRoomForTarget(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/logs/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true, ScanEvery: time.Hour})
	h.f.often = 10 * time.Millisecond
	h.write("docker/x.log")
	h.symlink("../docker/x.log", "logs/1.log")
	var room atomic.Int64
	room.Store(1)
	h.f.addWatch = func(fd int, path string, mask uint32) (int, error) {
		if room.Add(-1) < 0 {
			return -1, unix.ENOSPC
		}
		return unix.InotifyAddWatch(fd, path, mask)
	}
	h.start()
	h.rename("docker/x.log", "docker/x.log.1")
	h.want("logs/1.log.1~")
	h.write("docker/x.log")
	h.want("logs/1.log", "logs/1.log.1~")
}
