package delivery

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// Whatever happens to inputs, output and process, in whatever order: nothing is lost, nothing comes twice that was
// acknowledged, and the events of each client come in order.
func TestAnything(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anything(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// A world is a podbeat, of which there may be several, one after the other.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	dir     string
	id      string // of the input, another one after a kill, since figures are the process's
	config  string
	p       *pipeline
	level   beat.PipelineConnector
	stop    func()
	sources []*source
	twice   map[string]int // events that were on disk when the process was killed, before their source knew
	orders  []chan int     // how many events a source is to publish
	done    []chan struct{}
}

func anything(t *testing.T, r *rand.Rand) {
	w := &world{t: t, twice: map[string]int{}, rand: r, dir: t.TempDir(), id: t.Name(), p: newPipeline(1 + r.IntN(20))}
	w.config = fmt.Sprintf("delivery: store-on-failure\nqueue: {events: %d, disk_free_min: 0, disk: {max_size: %dKiB, after: %s}}",
		1+r.IntN(30), 64<<r.IntN(4), []string{"0s", "1ms", "1h"}[r.IntN(3)])
	var next [3]int
	w.start(next)
	for range 60 {
		switch n := r.IntN(12); {
		case n < 5:
			select {
			case w.orders[r.IntN(len(w.orders))] <- r.IntN(50):
			default: // it is busy
			}
		case n < 8:
			w.p.ack(r.IntN(30))
		case n == 8:
			w.p.failing.Store(!w.p.failing.Load())
		case n == 9:
			time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond) // lets what runs run; nothing depends on it
		case n == 10 && r.IntN(3) == 0:
			next = w.end(false)
			w.start(next)
		case n == 11 && r.IntN(3) == 0:
			next = w.end(true)
			w.start(next)
		}
	}
	w.p.failing.Store(r.IntN(2) == 0) // whatever that is said to be
	for i, o := range w.orders {
		close(o)
		w.p.drain(t, func() bool {
			select {
			case <-w.done[i]:
				return true
			default:
				return false
			}
		})
	}
	w.p.drain(t, func() bool {
		ids := w.p.ids()
		for _, s := range w.sources {
			if s.acked(t) < s.next-s.first || s.next > 0 && !slices.Contains(ids, fmt.Sprint(s.name, s.next-1)) {
				return false
			}
		}
		return true
	})
	w.stop()
	last := map[string]int{}
	for _, id := range w.p.ids() {
		name, n := numberOf(id)
		switch {
		case n == last[name]:
			last[name]++
		case n < last[name] && w.twice[id] > 0:
			w.twice[id]--
		default:
			t.Fatalf("%s: number %d comes where %d belongs", w.config, n, last[name])
		}
	}
	for _, s := range w.sources {
		if last[s.name] < s.next {
			t.Errorf("%s has published %d events, %d are delivered", s.name, s.next, last[s.name])
		}
	}
	if f := figuresID(t, w.id); f.Dropped != 0 || f.Corrupt != 0 {
		t.Errorf("figures are %+v", f)
	}
}

// start starts an input with three clients, which go on with their next events.
func (w *world) start(next [3]int) {
	w.level, w.stop = wrapID(w.t, w.id, w.p, w.dir, w.config)
	w.sources, w.orders, w.done = nil, nil, nil
	for i, n := range next {
		s := connect(w.t, w.level, fmt.Sprintf("%c#", 'a'+i), beat.ClientConfig{WaitClose: time.Duration(w.rand.IntN(2)) * time.Millisecond})
		s.next, s.first = n, n
		orders, done := make(chan int), make(chan struct{})
		go func() { // ends with the orders, or when the client is closed
			defer close(done)
			for n := range orders {
				s.publish(n)
			}
		}()
		w.sources, w.orders, w.done = append(w.sources, s), append(w.orders, orders), append(w.done, done)
	}
}

// end stops the input, or kills the process, and returns what the sources read again from.
func (w *world) end(kill bool) (next [3]int) {
	dir := w.t.TempDir()
	if kill {
		// What is seen of a killed process: its disk at one moment, and no position that is newer.
		d := disks.open[filepath.Join(w.dir, Folder(Input{"test", w.id}))]
		for _, s := range w.sources {
			// What is acknowledged while it is being written to disk may come twice if podbeat is killed just then.
			eventually(w.t, "the source knows all", s.Client.(*client).quiet)
		}
		d.settle()
		for i, s := range w.sources {
			next[i] = s.first + s.acked(w.t)
		}
		w.id += "x"
		folder := filepath.Join(dir, Folder(Input{"test", w.id}))
		if err := copyFolder(folder, d.dir); err != nil {
			w.t.Fatal(err)
		}
		for _, id := range idsIn(w.t, folder) {
			if name, n := numberOf(id); n >= next[name[0]-'a'] {
				w.twice[id]++
			}
		}
	}
	for i, s := range w.sources {
		close(w.orders[i])
		s.Close()
		<-w.done[i]
	}
	w.stop()
	if !kill {
		// libbeat has what it has: a source that reads it again doubles it, as without a level.
		w.p.drain(w.t, func() bool { return w.p.queued() == 0 })
		for i, s := range w.sources {
			next[i] = s.first + s.acked(w.t)
		}
		return next
	}
	w.dir = dir
	delivered := w.p.ids()
	w.p = newPipeline(w.p.room)
	w.p.delivered = delivered
	return next
}

// quiet says whether the source has been told of all that is settled, and nothing is being written.
func (c *client) quiet() bool {
	c.buffer.mu.Lock()
	defer c.buffer.mu.Unlock()
	c.buffer.disk.mu.Lock()
	defer c.buffer.disk.mu.Unlock()
	return !c.buffer.disk.writing && !c.reporting && (len(c.pending) == 0 || !c.pending[0].settled)
}

// numberOf takes the id of a source's event apart.
func numberOf(id string) (name string, n int) {
	name, number, _ := strings.Cut(id, "#")
	n, _ = strconv.Atoi(number)
	return name + "#", n
}

// idsIn returns the ids of the events in a folder.
func idsIn(t *testing.T, folder string) (ids []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"+spillExt))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		n, _ := parseName(filepath.Base(file), spillExt)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for s := newScan(data, n.salt); ; {
			_, b, ok := s.record()
			if !ok {
				break
			}
			e, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.Meta["_id"].(string))
		}
	}
	return ids
}

func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // there is nothing yet
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}
