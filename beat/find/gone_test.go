package find

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What a scan says about a file that it has not seen.
func TestSearched(t *testing.T) {
	h := newHunt(t, Options{
		Globs: []string{"$/pods/*/v/*.log", "$/flat/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true, ScanEvery: time.Hour,
	})
	h.f.handle = h.handle
	f := func(path string, want bool) {
		t.Helper()
		h.f.scan()
		if got := h.f.Searched(h.path(path)); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	f("pods/1/v/x.log", false)
	f("flat/x.log", false)
	f("elsewhere/x.log", true)
	h.mkdir("pods")
	h.mkdir("flat")
	f("pods/1/v/x.log", false)
	f("flat/x.log", false)
	h.mkdir("flat/x") // nothing that is looked for
	f("flat/x.log", false)
	h.write("flat/y.log")
	f("flat/x.log", true)
	h.mkdir("pods/2")
	f("pods/1/v/x.log", true)
	f("pods/2/v/x.log", true)
	h.mkdir("pods/2/v")
	f("pods/2/v/x.log", true)

	h.symlink(h.path("docker/2/x-json.log"), "pods/2/v/x.log")
	f("pods/2/v/x.log", false)
	f("pods/2/v/x.log.1", false)
	f("pods/2/v/y.log", true)
	h.write("docker/2/x-json.log.1")
	f("pods/2/v/x.log", true)
	f("pods/2/v/x.log.2", true)
	h.remove("docker/2/x-json.log.1")
	h.write("docker/2/x-json.log")
	f("pods/2/v/x.log.1", true)
	h.remove("pods/2")
	h.remove("flat")
	f("pods/2/v/x.log", false)
	f("flat/x.log", false)
}

// What was written to a file that is gone when the events are read is told of, and only that: not that it was closed, nor what was
// written to another one by its name.
func TestWrittenAndGone(t *testing.T) {
	f := func(name, want string, do func(h *hunt)) {
		t.Run(name, func(t *testing.T) {
			h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, LinkRoots: []string{"$/docker"}, Rotated: true, ScanEvery: time.Hour})
			h.write("a/x.log")
			h.write("docker/1/y")
			h.symlink(h.path("docker/1/y"), "a/y.log")
			h.write("z.log")
			h.f.handle = h.handle
			h.f.startInotify()
			defer h.f.stopInotify()
			h.f.scan()
			from := len(h.events)
			do(h)
			for h.f.readEvents() > 0 {
			}
			var got []string
			for _, e := range h.events[from:] {
				what := map[Op]string{Seen: "seen", Changed: "changed", Gone: "gone", Scanned: "scanned"}[e.Op]
				if e.Written {
					what = "written"
				}
				got = append(got, strings.TrimSpace(what+" "+strings.TrimPrefix(e.Path, h.dir+"/a/")))
			}
			if got := strings.Join(got, ", "); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	open := func(h *hunt) *os.File {
		file, err := os.OpenFile(h.path("a/x.log"), os.O_WRONLY, 0)
		must(h, err)
		return file
	}
	f("deleted", "written x.log, gone x.log", func(h *hunt) {
		h.append("a/x.log")
		h.remove("a/x.log")
	})
	f("deleted before a scan", "written x.log, gone x.log, seen y.log, scanned", func(h *hunt) {
		h.append("a/x.log")
		h.remove("a/x.log")
		h.f.scan()
	})
	f("deleted with its directory", "written x.log, gone x.log, gone y.log", func(h *hunt) {
		h.append("a/x.log")
		must(h, os.Remove(h.path("a/x.log")))
		must(h, os.Remove(h.path("a/y.log")))
		must(h, os.Remove(h.path("a")))
	})
	f("deleted later", "written x.log, gone x.log", func(h *hunt) {
		h.append("a/x.log")
		h.f.readEvents()
		h.remove("a/x.log")
	})
	f("closed and deleted", "gone x.log", func(h *hunt) {
		must(h, open(h).Close())
		h.remove("a/x.log")
	})
	f("closed", "changed x.log", func(h *hunt) { must(h, open(h).Close()) })
	f("renamed", "written x.log, gone x.log, seen x.log.1", func(h *hunt) {
		h.append("a/x.log")
		h.rename("a/x.log", "a/x.log.1")
	})
	f("replaced by a rename", "written x.log, gone x.log, seen x.log", func(h *hunt) {
		h.append("a/x.log")
		h.rename("z.log", "a/x.log")
		h.append("a/x.log")
	})
	f("another written to, renamed", "gone x.log, seen x.log", func(h *hunt) {
		h.rename("z.log", "a/x.log")
		h.append("a/x.log")
	})
	f("another written to", "gone x.log, seen x.log", func(h *hunt) {
		file := open(h) // its inode is not given out anew
		h.remove("a/x.log")
		h.write("a/x.log")
		must(h, file.Close())
	})
	f("what a link leads to", "written y.log, gone y.log", func(h *hunt) {
		must(h, os.WriteFile(h.path("docker/1/y"), []byte("more"), 0o666))
		h.remove("docker/1/y")
	})
	f("another that a link leads to", "gone y.log, seen y.log", func(h *hunt) {
		h.rename("z.log", "docker/1/y")
		must(h, os.WriteFile(h.path("docker/1/y"), []byte("more"), 0o666))
	})
}
