package delivery

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// Figures are what a delivery level has done with an input's events since podbeat was started, however often the input
// was. Events that libbeat's queue has are counted in none of the first two, though they may be on disk as well.
type Figures struct {
	Buffered      int64 // events in memory that libbeat has not got
	BufferedBytes int64 // their size
	Spilled       int64 // events on disk that libbeat has not got
	SpilledBytes  int64 // size of the files
	Handing       int64 // events on their way to libbeat, which counts them when its processors are done with them
	MaxSize       int64 // queue.disk.max_size; 0 for a level that has no disk

	Written int64 // events written to disk
	Resumed int64 // events of an earlier run that were found on disk
	Kept    int64 // times an event came back here from libbeat, which had not taken it as its input stopped
	Drained int64 // events that libbeat has got from disk

	Dropped           int64 // all of the next four
	DroppedFull       int64 // best-effort: there was no room in memory
	DroppedDiskFull   int64 // store-on-failure with queue.disk.full: drop: there was no room on disk either
	DroppedCorrupt    int64 // found damaged on disk when they were to be sent
	DroppedUnreadable int64 // of files that cannot be read

	Corrupt     int64 // records found damaged on disk, those of an earlier run too
	Torn        int64 // files that ended in the middle of a record that was being written
	Aside       int64 // files set aside because they cannot be read
	Unconfirmed int64 // events that the input may forget although libbeat's queue still has them, because one after them was dropped
	Returned    int64 // events that were in memory, or waited for room there, when the input stopped. It was not told that they are delivered, and reads them again
	Errors      int64 // writes that failed

	Blocked time.Duration // how long the input has waited for room
	Refused string        // why nothing is written to disk at the moment: max_size, disk_free_min, error; empty: it is, or needs not be
}

type counter = atomic.Int64

// figures are Figures being counted.
type figures struct {
	buffered, bufferedBytes, spilled, spilledBytes, handing, maxSize, written, resumed, kept, drained counter

	full, diskFull, corrupt, lost, unreadable, torn, aside, unconfirmed, returned, errors counter

	refused atomic.Pointer[string]

	mu      sync.Mutex
	waiting int // goroutines that wait for room …
	since   time.Time
	blocked time.Duration
}

var all struct {
	sync.Mutex
	figures map[Input]*figures
}

func figuresOf(in Input) *figures {
	all.Lock()
	defer all.Unlock()
	if all.figures == nil {
		all.figures = map[Input]*figures{}
	}
	if all.figures[in] == nil {
		all.figures[in] = &figures{}
	}
	return all.figures[in]
}

// Of returns the figures of an input, by its type and id. ok is false if it has never had a queue: its level was
// end-to-end, which keeps nothing.
func Of(typ, id string) (f Figures, ok bool) {
	all.Lock()
	fig := all.figures[Input{typ, id}]
	all.Unlock()
	if fig == nil {
		return Figures{}, false
	}
	return fig.now(), true
}

func (f *figures) now() Figures {
	n := Figures{
		Buffered: f.buffered.Load(), BufferedBytes: f.bufferedBytes.Load(), Spilled: f.spilled.Load(), SpilledBytes: f.spilledBytes.Load(), Handing: f.handing.Load(), MaxSize: f.maxSize.Load(),
		Written: f.written.Load(), Resumed: f.resumed.Load(), Kept: f.kept.Load(), Drained: f.drained.Load(),
		DroppedFull: f.full.Load(), DroppedDiskFull: f.diskFull.Load(), DroppedUnreadable: f.unreadable.Load(),
		Corrupt: f.corrupt.Load(), Torn: f.torn.Load(), Aside: f.aside.Load(), Unconfirmed: f.unconfirmed.Load(),
		Returned: f.returned.Load(), Errors: f.errors.Load(),
	}
	n.DroppedCorrupt = f.lost.Load() - n.DroppedUnreadable
	n.Dropped = n.DroppedFull + n.DroppedDiskFull + n.DroppedCorrupt + n.DroppedUnreadable
	if r := f.refused.Load(); r != nil {
		n.Refused = *r
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.Blocked = f.blocked; f.waiting > 0 {
		n.Blocked += time.Since(f.since)
	}
	return n
}

// block counts the time until the function that it returns is called, which several goroutines share.
func (f *figures) block() (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting++; f.waiting == 1 {
		f.since = time.Now()
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.waiting--; f.waiting == 0 {
			f.blocked += time.Since(f.since)
		}
	}
}

// isBlocked says whether anything waits for room.
func (f *figures) isBlocked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting > 0
}

// publish shows the figures below podbeat.delivery.<type>.<id> until the function is called that it returns.
func (f *figures) publish(in Input, level string, log *logp.Logger) (stop func()) {
	all.Lock()
	defer all.Unlock()
	parent := monitoring.Default.GetRegistry("podbeat.delivery." + in.Type)
	if parent == nil {
		parent = monitoring.Default.NewRegistry("podbeat.delivery." + in.Type)
	}
	parent.Remove(in.ID)
	func() {
		defer func() { // an id with dots may be in the way of another one's figures
			if why := recover(); why != nil {
				log.Warnf("Cannot show the figures of delivery: %v", why)
			}
		}()
		monitoring.NewFunc(parent, in.ID, func(_ monitoring.Mode, v monitoring.Visitor) { f.report(level, v) })
	}()
	return func() { parent.Remove(in.ID) }
}

func (f *figures) report(level string, v monitoring.Visitor) {
	v.OnRegistryStart()
	defer v.OnRegistryFinished()
	n := f.now()
	monitoring.ReportString(v, "level", level)
	for _, figure := range []struct {
		name string
		n    int64
	}{
		{"buffered.events", n.Buffered}, {"buffered.bytes", n.BufferedBytes}, {"spilled.events", n.Spilled}, {"spilled.bytes", n.SpilledBytes},
		{"written", n.Written}, {"resumed", n.Resumed}, {"drained", n.Drained},
		{"dropped.full", n.DroppedFull}, {"dropped.disk_full", n.DroppedDiskFull}, {"dropped.corrupt", n.DroppedCorrupt},
		{"dropped.unreadable", n.DroppedUnreadable}, {"corrupt", n.Corrupt}, {"torn", n.Torn}, {"aside", n.Aside},
		{"unconfirmed", n.Unconfirmed}, {"returned", n.Returned}, {"errors", n.Errors},
	} {
		monitoring.ReportInt(v, figure.name, figure.n)
	}
	monitoring.ReportFloat(v, "blocked.seconds", n.Blocked.Seconds())
	monitoring.ReportString(v, "refused", n.Refused)
}
