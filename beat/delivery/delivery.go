// Package delivery gives an input one of three promises for its events, in Flume's words:
//
//	end-to-end        events wait where they come from until the output has acknowledged them. The default; costs nothing.
//	store-on-failure  events wait in memory, and while the output fails they go to disk, as Scribe does it.
//	best-effort       events wait in memory, and the oldest are dropped when it is full. The input never waits.
//
// Wrap stands between an input and libbeat's client. The input's ACK handler hears of every event in the order in which
// the input published them, once it is acknowledged by the output, synced to disk, or dropped and counted.
package delivery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
)

// Env is what an input's level is told beside the input's configuration.
type Env struct {
	ID      string       // the input's; with its type it is the name of its events on disk
	Log     *logp.Logger // required
	Failing func() bool  // says whether the output delivers nothing at present; it is called several times a second
	Dir     string       // where inputs have their folders; empty means spill below path.data
}

func (e *Env) dir() string {
	if e.Dir == "" {
		return paths.Resolve(paths.Data, "spill")
	}
	return e.Dir
}

// Wrap returns p with the delivery level that cfg, the configuration of an input, asks for. close is to be called when the
// input has stopped; it waits a few seconds at most.
//
// A client that is closed waits for its events as long as its WaitClose says. It is to be set before the configuration
// comes here: p sees 0.
func Wrap(cfg *common.Config, p beat.PipelineConnector, env Env) (connector beat.PipelineConnector, close func(), err error) {
	opts, err := unpack(cfg)
	if err != nil {
		return nil, nil, err
	}
	typ, _ := cfg.String("type", -1)
	c := &level{PipelineConnector: p, opts: opts, env: env, input: Input{typ, env.ID}, closed: make(chan struct{})}
	c.folder = filepath.Join(env.dir(), Folder(c.input))
	if opts.Delivery == endToEnd && (env.ID == "" || !waits(c.folder)) {
		return p, func() {}, nil
	}
	if err := opts.named(env.ID); err != nil {
		return nil, nil, err
	}
	return c, c.close, nil
}

var errStopping = errors.New("cannot connect: the input is stopping")

// A level is an input's way to libbeat through a buffer.
type level struct {
	beat.PipelineConnector
	opts   Options
	env    Env
	input  Input
	folder string
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	buffer *buffer // nil before the first client
	hide   func()  // its figures
}

func (l *level) Connect() (beat.Client, error) { return l.ConnectWith(beat.ClientConfig{}) }

func (l *level) ConnectWith(cfg beat.ClientConfig) (beat.Client, error) {
	b, err := l.open(cfg.CloseRef)
	if err != nil {
		return nil, err
	}
	o, err := b.connect(l.PipelineConnector, cfg)
	if err != nil {
		return nil, err
	}
	return newClient(b, o, cfg), nil
}

// open returns the buffer, which the first client makes.
func (l *level) open(ref beat.CloseRef) (*buffer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil, errStopping
	default:
	}
	if l.buffer != nil {
		return l.buffer, nil
	}
	if err := l.claim(ref); err != nil {
		return nil, err
	}
	f := figuresOf(l.input)
	f.maxSize.Store(0)
	if l.opts.Delivery == storeOnFailure {
		f.maxSize.Store(int64(l.opts.Queue.Disk.MaxSize))
	}
	var d *disk
	if l.opts.Delivery == storeOnFailure || waits(l.folder) {
		var err error
		if d, err = diskOf(l.folder, l.env.Log, f); err != nil {
			release(l.folder)
			return nil, err
		}
	}
	l.hide = f.publish(l.input, l.opts.Delivery, l.env.Log)
	l.buffer = newBuffer(l.opts, l.env, f, d)
	return l.buffer, nil
}

func (l *level) close() {
	l.once.Do(func() {
		close(l.closed)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.buffer == nil {
			return
		}
		l.buffer.close(func() {
			if figuresOf(l.input).spilled.Load() == 0 { // else they tell of what is left there
				l.hide()
			}
			release(l.folder)
		})
	})
}

// disks has every disk buffer that this process has opened, and which of them are in use. A disk is never opened twice: one
// that is let go of keeps what it knows of the events that libbeat still has.
var disks struct {
	sync.Mutex
	open  map[string]*disk
	taken map[string]chan struct{} // closed when it is let go of
}

// claim waits until nobody else has the folder: an input that is being replaced may still be stopping.
func (l *level) claim(ref beat.CloseRef) error {
	var gone <-chan struct{}
	if ref != nil {
		gone = ref.Done()
	}
	for {
		disks.Lock()
		if disks.taken == nil {
			disks.taken, disks.open = map[string]chan struct{}{}, map[string]*disk{}
		}
		taken := disks.taken[l.folder]
		if taken == nil {
			disks.taken[l.folder] = make(chan struct{})
			disks.Unlock()
			return nil
		}
		disks.Unlock()
		l.env.Log.Infof("Input %q waits until another one with its name has stopped.", l.env.ID)
		select {
		case <-taken:
		case <-l.closed:
			return errStopping
		case <-gone:
			return errStopping
		}
	}
}

func release(folder string) {
	disks.Lock()
	defer disks.Unlock()
	close(disks.taken[folder])
	delete(disks.taken, folder)
}

// diskOf returns the disk buffer in a folder that has been claimed.
func diskOf(folder string, log *logp.Logger, f *figures) (*disk, error) {
	disks.Lock()
	defer disks.Unlock()
	if disks.open[folder] == nil {
		d, err := openDisk(folder, log, f)
		if err != nil {
			return nil, err
		}
		disks.open[folder] = d
	}
	return disks.open[folder], nil
}

// waits says whether a folder has events, or had since podbeat was started.
func waits(folder string) bool {
	disks.Lock()
	known := disks.open[folder] != nil
	disks.Unlock()
	if known {
		return true
	}
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		if _, ok := parseName(f.Name(), spillExt); ok {
			return true
		}
	}
	return false
}

// An Input names an input.
type Input struct{ Type, ID string }

// Gone warns of every folder with events of an input that is not configured any more. Nothing sends them. dir is
// Env's.
func Gone(dir string, configured []Input, log *logp.Logger) {
	env := Env{Dir: dir}
	dir = env.dir()
	known := map[string]bool{}
	for _, in := range configured {
		known[Folder(in)] = true
	}
	folders, _ := os.ReadDir(dir)
	for _, f := range folders {
		path := filepath.Join(dir, f.Name())
		if !f.IsDir() || known[f.Name()] || !waits(path) {
			continue
		}
		n, err := count(path)
		switch {
		case err != nil:
			log.Warnf("Cannot look for events in %q: %v", path, err)
		case n > 0:
			log.Warnf("%d events wait in %q, and no input of that type and id is configured: nothing sends them. Configure it again, or remove the folder.", n, path)
		}
	}
}

// count returns how many events in a folder are not acknowledged.
func count(folder string) (n int, err error) {
	files, err := os.ReadDir(folder)
	for _, f := range files {
		name, ok := parseName(f.Name(), spillExt)
		if !ok {
			continue
		}
		data, err := readFile(name.file(folder, spillExt), 0, maxFile)
		if err != nil {
			return n, err
		}
		acked := name.readNote(folder)
		for s := newScan(data, name.salt); ; {
			number, _, ok := s.record()
			if !ok {
				break
			}
			if int(number) >= acked {
				n++
			}
		}
	}
	return n, err
}

// maxName is the longest name of a folder.
const maxName = 200

// Folder is the name of an input's folder: <type>.<id>, in which bytes that are no part of a plain name are written %XX,
// and which ends in a hash if it is too long.
func Folder(in Input) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	var b strings.Builder
	for i, part := range []string{in.Type, in.ID} {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, c := range []byte(part) {
			if plain(c) || c == '.' && i > 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	name := b.String()
	if len(name) > maxName {
		return fmt.Sprintf("%s~%x", name[:maxName], sha256.Sum256([]byte(name)))[:maxName+1+16]
	}
	return name
}
