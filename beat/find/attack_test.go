package find

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// content is what Open gives of a file.
func (h *hunt) content(name string) (string, error) {
	file, _, err := h.f.Open(h.path(name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	return string(b), err
}

// exchange swaps two names again and again, as a container may that owns the directory.
func (h *hunt) exchange(a, b string) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-end:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, h.path(a), unix.AT_FDCWD, h.path(b), unix.RENAME_EXCHANGE)
			}
		}
	}()
	return sync.OnceFunc(func() { close(end); <-done })
}

// watched says whether inotify watches a directory.
func (h *hunt) watched(dir string) bool {
	var st unix.Stat_t
	must(h, unix.Stat(dir, &st))
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	must(h, err)
	for _, info := range infos {
		b, _ := os.ReadFile(info) // it may be closed by now
		if strings.Contains(string(b), fmt.Sprintf(" ino:%x ", st.Ino)) {
			return true
		}
	}
	return false
}

// A directory, or the file, is swapped for a link that leads outside while it is looked for and opened.
func TestSwap(t *testing.T) {
	const rounds = 5000
	swaps := map[string][2]string{ // what is swapped, and for which link
		"1/v":           {"inside-v", "../outside/1/v"},
		"1/v/log":       {"inside-log", "../../outside/1/v/log"},
		"1/v/log/x.log": {"inside-x", "../../../outside/1/v/log/x.log"},
	}
	for what, link := range swaps {
		t.Run(strings.ReplaceAll(what, "/", "_"), func(t *testing.T) {
			inModes(t, Options{Globs: []string{"$/pods/*/v/*/*.log"}}, func(h *hunt) {
				h.write("pods/1/v/log/x.log")
				h.write("outside/1/v/log/x.log")
				var secret unix.Stat_t
				must(h, unix.Stat(h.path("outside/1/v/log/x.log"), &secret))
				h.symlink(h.path(strings.TrimLeft(link[1], "./")), link[0])
				stop := h.exchange("pods/"+what, link[0])
				defer stop()
				good := 0
				for i := range rounds {
					switch s, err := h.content("pods/1/v/log/x.log"); {
					case err == nil && s != "pods/1/v/log/x.log":
						h.Fatalf("read %q", s)
					case err == nil:
						good++
					}
					if i%100 == 0 && (h.watched(h.path("outside/1/v/log")) || h.watched(h.path("outside/1/v"))) {
						h.Fatal("a directory outside is watched")
					}
				}
				if good == 0 || good == rounds {
					h.Errorf("%d of %d times the file was there: nothing was attacked", good, rounds)
				}
				stop()
				h.mu.Lock()
				defer h.mu.Unlock()
				for _, e := range h.events {
					if e.Op == Seen && e.Info.Ino == secret.Ino {
						h.Fatal("the file outside was seen")
					}
				}
			})
		})
	}
}

// Nothing but regular files is seen, opened or waited for.
func TestSpecialFiles(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/*.log"}}, func(h *hunt) {
		h.write("secret")
		h.mkdir("v/dir.log")
		must(h, unix.Mkfifo(h.path("v/pipe.log"), 0o666))
		socket, err := net.Listen("unix", h.path("v/s.log"))
		must(h, err)
		defer socket.Close()
		unix.Mknod(h.path("v/null.log"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) // not everybody may
		h.symlink("../secret", "v/link.log")
		h.symlink("nowhere", "v/dangling.log")
		h.symlink("loop.log", "v/loop.log")
		h.symlink("/proc/self/fd/0", "v/fd.log")
		h.write("v/ok.log")
		h.want("v/ok.log")
		for _, name := range []string{"dir", "pipe", "s", "null", "link", "dangling", "loop", "fd", "none"} {
			if s, err := h.content("v/" + name + ".log"); err == nil {
				h.Errorf("%s was opened: %q", name, s)
			}
		}
		if _, _, err := h.f.Open(h.path("secret")); err == nil {
			h.Error("a file was opened that is not looked for")
		}
		_, _, err = h.f.Open(h.path("v/none.log"))
		if !errors.Is(err, fs.ErrNotExist) {
			h.Errorf("a file that is not there: %v", err)
		}
	})
}

// Names are bytes, up to 255 of them.
func TestNames(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/*.log"}, Rotated: true}, func(h *hunt) {
		names := []string{
			"v/a\nb.log", "v/\xff\xfe.log", "v/\x1b[31m.log", "v/ .log", "v/-rf.log", "v/*?[.log", "v/\\.log",
			"v/" + strings.Repeat("x", 251) + ".log", "d\nir\xff/x.log", "..../x.log", "v/日本.log",
		}
		for _, name := range names {
			h.write(name)
		}
		h.want(names...)
		for _, name := range names {
			if s, err := h.content(name); s != name {
				h.Errorf("%q has %q, %v", name, s, err)
			}
		}
	})
}

// A directory with 100,000 names is found, and goes again.
func TestManyNames(t *testing.T) {
	const many = 100_000
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, ScanEvery: time.Hour})
	h.dir = shm(t)
	h.f = newFinder(t, Options{Globs: []string{h.dir + "/*/*.log"}, ScanEvery: time.Hour})
	h.mkdir("v")
	for i := range many / 2 {
		must(t, os.WriteFile(fmt.Sprintf("%s/v/%d.log", h.dir, i), nil, 0o666))
	}
	h.start()
	for i := many / 2; i < many; i++ {
		must(t, os.WriteFile(fmt.Sprintf("%s/v/%d.log", h.dir, i), nil, 0o666))
	}
	h.wait("all names", func() bool { return len(h.there) == many })
	h.remove("v")
	h.want()
	h.wait("an end", func() bool { return h.f.Stats().Files == 0 && h.f.Stats().Dirs == 1 })
}

// shm makes a directory in memory.
func shm(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "find")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Links are followed into the link roots, and nowhere else.
func TestLinks(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker", "$/rootlink", "$/missing"}}, func(h *hunt) {
		h.write("docker/1/1-json.log")
		h.write("docker/2/2-json.log")
		h.write("dockers/x.log")
		h.write("moved/3.log")
		h.write("secret")
		h.mkdir("docker/dir")
		h.symlink("moved", "rootlink") // the link root comes late: the next scan knows it
		h.f.resolveLinkRoots()
		h.symlink("../../secret", "docker/1/out.log")
		h.symlink("../../docker", "docker/1/round") // a link in a link root, back into it

		h.symlink(h.path("docker/1/1-json.log"), "logs/a/absolute.log")
		h.symlink("../../docker/2/2-json.log", "logs/a/relative.log")
		h.symlink("relative.log", "logs/a/chain.log")
		h.symlink("../../rootlink/3.log", "logs/a/moved.log")
		h.symlink("../../docker/1/round/2/2-json.log", "logs/a/round.log")
		h.symlink("../../dockers/x.log", "logs/a/prefix.log")
		h.symlink("../../secret", "logs/a/outside.log")
		h.symlink("../../docker/../secret", "logs/a/dots.log")
		h.symlink("../../docker/1/out.log", "logs/a/through.log")
		h.symlink("../../docker/dir", "logs/a/dir.log")
		h.symlink("../../docker/none", "logs/a/none.log")
		h.symlink("../docker/1", "logs/b.log")
		h.write("logs/a/plain.log")
		all := []string{"logs/a/absolute.log", "logs/a/relative.log", "logs/a/chain.log", "logs/a/moved.log", "logs/a/round.log", "logs/a/plain.log"}
		h.wait("links", func() bool { return len(h.there) >= len(all) })
		for _, name := range []string{"prefix", "outside", "dots", "through", "dir", "none"} {
			if s, err := h.content("logs/a/" + name + ".log"); err == nil {
				h.Errorf("%s was opened: %q", name, s)
			}
		}
		for name, want := range map[string]string{"absolute": "docker/1/1-json.log", "chain": "docker/2/2-json.log", "moved": "moved/3.log", "round": "docker/2/2-json.log"} {
			if s, err := h.content("logs/a/" + name + ".log"); s != want {
				h.Errorf("%s has %q, %v", name, s, err)
			}
		}
		h.want(all...)
		if h.f.Stats().LinksRefused == 0 {
			h.Error("no link was counted")
		}
		h.mu.Lock()
		info := h.there[h.path("logs/a/relative.log")].Info
		h.mu.Unlock()
		var st unix.Stat_t
		must(h, unix.Stat(h.path("docker/2/2-json.log"), &st))
		if info.Ino != st.Ino || info.Size != st.Size {
			h.Errorf("%+v is not its target's", info)
		}

		// The target is written to, rotated, removed; then the link.
		changed := h.changedOn("logs/a/absolute.log")
		h.append("docker/1/1-json.log")
		h.wait("a change", changed)
		h.rename("docker/1/1-json.log", "docker/1/1-json.log.1")
		h.wait("the target to go", func() bool { return h.there[h.path("logs/a/absolute.log")].Op == 0 })
		h.write("docker/1/1-json.log")
		h.wait("the new target", func() bool { return h.there[h.path("logs/a/absolute.log")].Op == Seen })
		h.write("docker/1/new")
		h.rename("docker/1/new", "docker/1/1-json.log")
		must(h, unix.Stat(h.path("docker/1/1-json.log"), &st))
		h.wait("the newest target", func() bool { return h.there[h.path("logs/a/absolute.log")].Info.Ino == st.Ino })
		h.remove("docker")
		h.want("logs/a/moved.log", "logs/a/plain.log")
		h.remove("logs/a/moved.log")
		h.want("logs/a/plain.log")
	})
}

// The target of a link is swapped for another that leads outside while it is opened.
func TestSwapLink(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/logs/*/*.log"}, LinkRoots: []string{"$/docker"}}, func(h *hunt) {
		h.write("docker/1/x.log")
		h.write("secrets/x.log")
		h.symlink("../../docker/1/x.log", "logs/a/x.log")
		h.f.resolveLinkRoots()
		h.symlink(h.path("secrets"), "evil")
		stop := h.exchange("docker/1", "evil")
		defer stop()
		good := 0
		for range 5000 {
			switch s, err := h.content("logs/a/x.log"); {
			case err == nil && s != "docker/1/x.log":
				h.Fatalf("read %q", s)
			case err == nil:
				good++
			}
		}
		if good == 0 || good == 5000 {
			h.Errorf("%d times the file was there: nothing was attacked", good)
		}
	})
}
