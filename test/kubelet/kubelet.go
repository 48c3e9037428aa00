// Package kubelet plays a node's kubelet and its containers for tests of who reads their files: pods come with
// their volumes, write and rotate logs for some seconds, and are deleted with everything in them. It keeps a
// [Ledger] of what was written where, so that package verify can say what became of each line.
//
// The same options write the same lines into the same files. Lines are as logs have them: short and very long
// ones, UTF-8, CRLF in some files, written in one piece or in several with a pause in between.
//
// What happens is hard for a reader, but not unfair; who reads at all times can have every line, since
//   - a file exists for [Options.Settle] before it is deleted, though its last line may come an instant before;
//   - nobody writes between the copy and the truncation of a copytruncate: what logrotate loses there is lost
//     whoever reads;
//   - a rotation keeps all its files until the pod is deleted, except those of the way `recreate`, which deletes
//     the file as the pod's end does.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Shape is where the logs of pods are.
type Shape int

const (
	// EmptyDir are files that applications write into volumes of their pods:
	// <uid>/volumes/kubernetes.io~empty-dir/applog-<service>-endname-<directory>/<name>.log.
	EmptyDir Shape = iota
	// CRI are the consoles of containers as containerd and CRI-O keep them:
	// <namespace>_<pod>_<uid>/<container>/<restarts>.log, rotated by the kubelet.
	CRI
	// Docker are the same as docker's json-file driver keeps them: the kubelet's files are links to docker's.
	Docker
)

// Options say what the pods do.
type Options struct {
	Shape Shape
	// Dir has the pods' directories: what /var/lib/kubelet/pods is on a node, for the consoles /var/log/pods.
	Dir string
	// PodLogs gets a directory <namespace>_<pod>_<uid> for each pod with volumes, before anything is written in
	// them, as /var/log/pods does; empty: none.
	PodLogs string
	// Containers has docker's files, as /var/lib/docker/containers does.
	Containers string
	Seed       uint64
	Pods       int // how many there are, one after the other
	AtOnce     int // how many live at the same time
	Lines      int // written by all together
	// Each pod lives for a time between these two.
	MinLife, MaxLife time.Duration
	// Settle is how long a file exists at least before its pod is deleted.
	Settle time.Duration
	// Ways are the rotations that half of the files have, in turn; nil means all. See [Ways].
	Ways []string
	// Keep leaves the pods' directories where they are when the pods have ended.
	Keep bool
}

// Defaults are pods that live for 2 to 10 seconds, half of them with rotated files.
func Defaults(shape Shape, dir string, pods, lines int) Options {
	return Options{
		Shape: shape, Dir: dir, PodLogs: filepath.Join(dir, "..", "podlogs"), Containers: filepath.Join(dir, "..", "containers"),
		Seed: 1, Pods: pods, AtOnce: max(1, pods/10), Lines: lines,
		MinLife: 2 * time.Second, MaxLife: 10 * time.Second, Settle: 500 * time.Millisecond,
	}
}

// A Node is one run. Its methods may be called concurrently, Run once.
type Node struct {
	o       Options
	plan    []*pod
	written atomic.Int64
	ended   atomic.Int64

	mu     sync.Mutex
	ledger Ledger
}

// New plans all that will happen.
func New(o Options) (*Node, error) {
	if o.Pods < 1 || o.AtOnce < 1 || o.Lines < o.Pods*maxLogs || o.MinLife < 4*o.Settle || o.MaxLife < o.MinLife {
		return nil, fmt.Errorf("cannot plan %d pods of %d lines in all, living %v to %v: want %d lines a pod at least, and lives of 4 times %v",
			o.Pods, o.Lines, o.MinLife, o.MaxLife, maxLogs, o.Settle)
	}
	if o.Ways == nil {
		o.Ways = Ways(o.Shape)
	}
	n := &Node{o: o, ledger: Ledger{seed: o.Seed, lines: make([]*Line, o.Lines)}}
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	token := 0
	for i := range o.Pods {
		lines := (o.Lines - token) / (o.Pods - i)
		if i < o.Pods-1 { // loud and quiet ones
			lines = min(maxLogs+rng.IntN(2*lines-maxLogs), o.Lines-token-(o.Pods-i-1)*maxLogs)
		}
		n.plan = append(n.plan, newPod(n, rng, i, token, lines))
		token += lines
	}
	return n, nil
}

// Written returns how many lines have been written so far.
func (n *Node) Written() int { return int(n.written.Load()) }

// Ended returns how many pods have been deleted so far.
func (n *Node) Ended() int { return int(n.ended.Load()) }

// Run lets all pods live, and returns when the last has been deleted.
func (n *Node) Run(ctx context.Context) error {
	if err := os.MkdirAll(n.o.Dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *pod)
	var all sync.WaitGroup
	for i := range n.o.AtOnce {
		all.Go(func() {
			// Not all at the same instant.
			if pause(ctx, n.o.MaxLife*time.Duration(i)/time.Duration(2*n.o.AtOnce)) != nil {
				return
			}
			for p := range todo {
				if err := p.live(ctx); err != nil {
					cancel(fmt.Errorf("pod %d: %w", p.number, err))
				}
				n.ended.Add(1)
			}
		})
	}
	func() {
		defer close(todo)
		for _, p := range n.plan {
			select {
			case todo <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// Ledger returns what was written. It is complete when Run has returned, and must not be asked for before.
func (n *Node) Ledger() *Ledger {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortFunc(n.ledger.Files, func(a, b *File) int { return a.Lines[0].Token - b.Lines[0].Token })
	return &n.ledger
}

// A Ledger says what all pods have written.
type Ledger struct {
	Files []*File

	seed  uint64
	lines []*Line // by token
}

// A File is one life of a file: what was written into it from when it was made, or truncated, until it was
// rotated, truncated or deleted.
type File struct {
	Pod    int
	Path   string            // under which it was written; a rotation may have changed that
	Way    string            // how it was rotated, and what is special
	Fields map[string]string // that every document of its lines must have, by dotted names
	CRLF   bool
	Lines  []*Line
	// When the deletion of its last copy began and had ended; zero if it was not deleted.
	Deleted, DeletedEnd time.Time
}

// A Line is one line in a File.
type Line struct {
	Token   int   // its number among all lines, sq#00000042 in its text
	Offset  int64 // of its first byte in its file
	End     int64 // after its newline
	Written time.Time
	File    *File
	Stream  string // stdout or stderr; empty in files of applications
}

// Line returns the line with this token, nil if there is none or it was never written.
func (l *Ledger) Line(token int) *Line {
	if token < 0 || token >= len(l.lines) {
		return nil
	}
	return l.lines[token]
}

// Written returns how many lines were written.
func (l *Ledger) Written() (n int) {
	for _, f := range l.Files {
		n += len(f.Lines)
	}
	return n
}

// Text returns the line's text, without its newline.
func (l *Ledger) Text(line *Line) string { return text(l.seed, line.File.Pod, line.Token) }

// String counts, for people.
func (l *Ledger) String() string {
	pods, ways := map[int]bool{}, map[string]int{}
	for _, f := range l.Files {
		pods[f.Pod] = true
		ways[f.Way]++
	}
	return fmt.Sprintf("%d pods, %d files, %d lines; files by way of rotation: %v", len(pods), len(l.Files), l.Written(), ways)
}

// enter adds a line that has been written.
func (n *Node) enter(line *Line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(line.File.Lines) == 0 {
		n.ledger.Files = append(n.ledger.Files, line.File)
	}
	line.File.Lines = append(line.File.Lines, line)
	n.ledger.lines[line.Token] = line
	n.written.Add(1)
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remove deletes a directory as the kubelet does, and notes when.
func remove(dir string, files []*File) error {
	begun := time.Now()
	err := os.RemoveAll(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	ended := time.Now()
	for _, f := range files {
		f.Deleted, f.DeletedEnd = begun, ended
	}
	return err
}
