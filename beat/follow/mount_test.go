package follow

import (
	"os"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/monitoring"
	"golang.org/x/sys/unix"
)

// unmounted starts the input while its directory is not mounted yet, for more scans than it takes to forget what is gone.
func (n *node) unmounted(missing bool) (mount func()) {
	n.t.Helper()
	disk := n.root + ".disk"
	n.do(os.Rename(n.root, disk))
	if !missing {
		n.do(os.Mkdir(n.root, 0o755))
	}
	n.start()
	waitFor(n.t, "some scans", func() bool { return n.scans() > 10 })
	return func() {
		n.t.Helper()
		n.do(unix.Rename(disk, n.root)) // os.Rename replaces no directory
	}
}

func (n *node) scans() int64 {
	return monitoring.CollectFlatSnapshot(monitoring.Default, monitoring.Full, false).Ints["podbeat.test."+n.t.Name()+".now.scans"]
}

// Positions outlast a start before the logs' directory is mounted, but not their files.
func TestMountedLate(t *testing.T) {
	f := func(name string, missing bool) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.start()
			all := n.write("p/app.log.1", "rotated", 0, 100)
			all = append(all, n.write("p/app.log", "read", 0, 100)...)
			all = append(all, n.write("q/app.log", "read", 0, 100)...)
			n.want(all)
			n.stop()
			all = append(all, n.write("p/app.log", "unread", 0, 10)...)
			sent := n.events()
			mount := n.unmounted(missing)
			if got := n.records(); got != 3 {
				t.Errorf("%d positions are kept, want 3", got)
			}
			mount()
			n.want(all)
			if got := n.events() - sent; got != 10 {
				t.Errorf("%d events were sent, want 10", got)
			}
			n.stop()
			n.do(os.RemoveAll(n.path("p")))
			n.start()
			waitFor(t, "the positions are forgotten of what is gone", func() bool { return n.records() == 1 })
		})
	}
	f("missing", true)
	f("empty", false)
}

// What was truncated before a start waits for its copy until that can be seen.
func TestCopyMountedLate(t *testing.T) {
	n := newNode(t)
	n.settings["scan_interval"] = "1h" // no scan ends it in the first run
	n.start()
	all := n.write("p/app.log", "first", 0, 100)
	n.want(all)
	n.do(os.Truncate(n.path("p/app.log"), 0))
	waitFor(t, "the truncation is noticed", func() bool { return n.records() == 2 })
	n.stop()
	n.do(os.WriteFile(n.path("p/app.log.1"), []byte(strings.Join(all, "\n")+"\n"), 0o644))
	n.settings["scan_interval"] = "200ms"
	n.unmounted(false)()
	n.want(all)
	all = append(all, n.write("p/app.log", "new", 0, 10)...)
	n.want(all)
	waitFor(t, "the copy is known", func() bool { return n.has("p/app.log.1") })
}
