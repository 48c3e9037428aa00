package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// A disk is what the last probe of path.data has found.
type disk struct {
	asked      time.Time // when a probe was begun; zero: none is under way
	done       bool      // one has ended
	free, size uint64
	err        error
	letters    []error // files of dead letters that cannot be written
	registry   error   // the folder with the positions is not the one it was
}

// registry is the folder with the positions, as it was found first: kept open, so that no other one is given its number.
type registry struct{ first *os.File }

// at says if the folder is gone, or another one: podbeat writes to files then that nobody finds again.
func (r *registry) at(folder string) error {
	if folder == "" {
		return nil
	}
	now, err := os.Stat(folder)
	if err == nil {
		_, err = os.Stat(filepath.Join(folder, "meta.json")) // libbeat writes it when it opens the registry
	}
	if r.first == nil {
		if err == nil {
			r.first, _ = os.Open(folder)
		}
		return nil // else it has not been opened
	}
	if err != nil {
		return err
	}
	if was, err := r.first.Stat(); err == nil && !os.SameFile(was, now) {
		return fmt.Errorf("%s is another folder than the one that podbeat has opened", folder)
	}
	return nil
}

// probeEvery is how often path.data is probed, probeFor how long that may take.
const (
	probeEvery = 5 * time.Second
	probeFor   = 30 * time.Second
)

// watchDisk probes path.data until done is closed. A probe that hangs holds up nothing but itself. After the first one
// probed is closed.
func (h *health) watchDisk(p *Parts, probed chan<- struct{}, done <-chan struct{}) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var probing sync.Mutex
	var first sync.Once
	var look registry // of one probe at a time
	for {
		if probing.TryLock() {
			h.mu.Lock()
			h.data.asked = time.Now()
			h.mu.Unlock()
			go func() { // ends with the process at the latest
				defer probing.Unlock()
				found := probe(p.Data)
				found.registry = look.at(p.Registry)
				h.mu.Lock()
				h.data = found
				h.mu.Unlock()
				first.Do(func() { close(probed) })
			}()
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

func probe(dir string) (d disk) {
	d.done = true
	d.letters = deadletter.Unwritable()
	var fs syscall.Statfs_t
	if d.err = syscall.Statfs(dir, &fs); d.err != nil {
		return d
	}
	d.free, d.size = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	name := filepath.Join(dir, ".writable")
	d.err = os.WriteFile(name, []byte("podbeat looks here whether it can write\n"), 0o600)
	if err := os.Remove(name); d.err == nil {
		d.err = err
	}
	return d
}

// disks is whether path.data can be written to and has room. A restart makes none.
func (h *health) disks(now time.Time) Check {
	d := &h.data
	const todo = "See the file system that holds path.data: `df`, `df -i`, the kernel's log. podbeat keeps its positions there."
	switch {
	case !d.asked.IsZero() && now.Sub(d.asked) >= probeFor:
		return Check{Check: "disk", State: failing, Found: fmt.Sprintf("path.data has not answered for %v", now.Sub(d.asked).Round(time.Second)), Todo: todo}
	case d.err != nil:
		return Check{Check: "disk", State: failing, Found: fmt.Sprintf("path.data cannot be written: %v", d.err), Todo: todo}
	case d.registry != nil:
		return Check{
			Check: "disk", State: failing, Found: fmt.Sprintf("the registry was taken away while podbeat runs: %v", d.registry),
			Todo: "Find out who deletes below path.data. What podbeat notes of its positions now is lost with its end: restart it soon; it then reads again what it has no position of.",
		}
	case d.done && d.free < uint64(h.opts.DiskFreeMin):
		return Check{
			Check: "disk", State: failing, Found: fmt.Sprintf("%d bytes are free for path.data, less than podbeat.health.disk_free_min: %d", d.free, h.opts.DiskFreeMin), Todo: todo,
		}
	case !d.done:
		return Check{Check: "disk", State: failing, Found: "path.data is being looked at", Todo: "Wait."}
	}
	return good("disk", fmt.Sprintf("%d bytes are free for path.data", d.free))
}

// letters is whether dead letters can be written. While they cannot, the output does not go on: nothing is lost.
func (h *health) letters() Check {
	var names []string
	for _, err := range h.data.letters {
		names = append(names, plain(err.Error()))
	}
	if len(names) > 0 {
		return Check{
			Check: "dead-letter", State: failing, Found: some(names),
			Todo: "Make the file writable. Until then an event that the output refuses for good holds up those behind it.",
		}
	}
	return good("dead-letter", "dead letters can be written")
}
