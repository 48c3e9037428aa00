package kubelet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// maxLogs is how many logs a pod has at most.
const maxLogs = 3

// A pod is what will happen to one.
type pod struct {
	n      *Node
	number int
	uid    string
	named  string // <namespace>_<pod>_<uid>
	life   time.Duration
	grace  time.Duration // between its last line and its deletion
	rename bool          // volumes are renamed before they are deleted, as kubelets up to 1.9 did
	logs   []*log
	dirs   []string // that its deletion takes
}

// newPod plans the pod with the tokens from first on.
func newPod(n *Node, rng *rand.Rand, number, first, lines int) *pod {
	p := &pod{n: n, number: number, uid: uuid(rng), rename: rng.IntN(4) == 0}
	p.life = n.o.MinLife + time.Duration(rng.Int64N(int64(n.o.MaxLife-n.o.MinLife)+1))
	if rng.IntN(2) == 0 {
		p.grace = time.Duration(rng.IntN(20)) * time.Millisecond
	}
	place := p.emptyDirs(rng)
	if n.o.Shape != EmptyDir {
		place = p.consoles(rng)
	}
	logs := 1 + rng.IntN(maxLogs)
	for i := range logs {
		l := &log{pod: p, rng: rand.New(rand.NewPCG(n.o.Seed, uint64(first+1)<<8+uint64(i))), first: first, lines: lines / (logs - i)}
		first, lines = first+l.lines, lines-l.lines
		place(l, i)
		l.plan()
		p.logs = append(p.logs, l)
	}
	return p
}

// name gives the pod its name.
func (p *pod) name(rng *rand.Rand) (namespace, name string) {
	namespace, name = "shop", fmt.Sprintf("web-%d-%05x", p.number, rng.IntN(1<<20))
	p.named = namespace + "_" + name + "_" + p.uid
	return namespace, name
}

// emptyDirs gives the logs their places in one or two volumes.
func (p *pod) emptyDirs(rng *rand.Rand) func(l *log, i int) {
	root := filepath.Join(p.n.o.Dir, p.uid)
	p.dirs = []string{root}
	namespace, name := p.name(rng)
	service, two := uuid(rng), rng.IntN(2) == 0
	return func(l *log, i int) {
		title := "web"
		if two && i > 0 {
			title = "a-endname-b" // the name ends at the first -endname-, and has at most 63 characters
		}
		volume := "applog-" + service + "-endname-" + title
		l.path = filepath.Join(root, "volumes", "kubernetes.io~empty-dir", volume, []string{"app.log", "access.log", "slow query.log"}[i])
		l.fields = map[string]string{"kubernetes.pod.uid": p.uid, "kubernetes.volume.name": volume, "service.id": service, "log.stream": "file"}
		if p.n.o.PodLogs != "" {
			l.fields["kubernetes.namespace"], l.fields["kubernetes.pod.name"] = namespace, name
		}
		l.crlf = rng.IntN(4) == 0
	}
}

// consoles gives the logs the consoles of one container each.
func (p *pod) consoles(rng *rand.Rand) func(l *log, i int) {
	namespace, name := p.name(rng)
	root := filepath.Join(p.n.o.Dir, p.named)
	p.dirs = []string{root}
	return func(l *log, i int) {
		container := fmt.Sprintf("c%d", i)
		l.path = filepath.Join(root, container, "0.log")
		l.fields = map[string]string{"kubernetes.namespace": namespace, "kubernetes.pod.name": name, "kubernetes.pod.uid": p.uid,
			"kubernetes.container.name": container, "log.stream": "console"}
		if p.n.o.Shape == Docker {
			id := fmt.Sprintf("%016x%016x%016x%016x", rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64())
			l.link, l.path = l.path, filepath.Join(p.n.o.Containers, id, id+"-json.log")
			p.dirs = append(p.dirs, filepath.Dir(l.path))
		}
	}
}

// live is the pod's life, from the making of its directories to their end.
func (p *pod) live(ctx context.Context) error {
	if p.n.o.Shape == EmptyDir && p.n.o.PodLogs != "" {
		dir := filepath.Join(p.n.o.PodLogs, p.named)
		if err := os.MkdirAll(filepath.Join(dir, "app"), 0o755); err != nil {
			return err
		}
		p.dirs = append(p.dirs, dir) // the last to go
	}
	for _, l := range p.logs {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
			return err
		}
	}
	if p.n.o.Shape == EmptyDir {
		if err := p.litter(); err != nil {
			return err
		}
	}
	begun := time.Now()
	errs := make([]error, len(p.logs))
	var all sync.WaitGroup
	for i, l := range p.logs {
		all.Go(func() { errs[i] = l.run(ctx, begun) })
	}
	all.Wait()
	err := errors.Join(errs...)
	if err == nil {
		err = pause(ctx, p.grace)
	}
	if err != nil || p.n.o.Keep {
		return err
	}
	return p.delete()
}

// litter puts into the pod's volumes what is none of a log reader's business.
func (p *pod) litter() error {
	volumes := filepath.Join(p.dirs[0], "volumes")
	logs := filepath.Dir(p.logs[0].path)
	for _, path := range []string{
		filepath.Join(volumes, "kubernetes.io~secret", "token", "ca.log"),
		filepath.Join(volumes, "kubernetes.io~empty-dir", "cache", "cache.log"),
		filepath.Join(logs, "notes.txt"),
		filepath.Join(logs, "app.log.tmp"),
		filepath.Join(logs, "deep.log", "er.log"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte("nobody is to read "+filepath.Base(path)+"\n"), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(syscall.Mkfifo(filepath.Join(logs, "pipe.log"), 0o644), os.Symlink("/etc/passwd", filepath.Join(logs, "link.log")))
}

// delete ends the pod. Its lines of the ledger say when.
func (p *pod) delete() error {
	var files []*File
	for _, l := range p.logs {
		files = append(files, l.kept...)
	}
	if p.rename && p.n.o.Shape == EmptyDir {
		dirs, err := filepath.Glob(filepath.Join(p.dirs[0], "volumes", "kubernetes.io~empty-dir", "applog-*"))
		if err != nil {
			return err
		}
		begun := time.Now()
		for i, dir := range dirs {
			if err := os.Rename(dir, filepath.Join(filepath.Dir(dir), fmt.Sprintf("deleting~%09d", i))); err != nil {
				return err
			}
		}
		defer func() {
			for _, f := range files {
				f.Deleted = begun
			}
		}()
	}
	for _, dir := range p.dirs {
		if err := remove(dir, files); err != nil {
			return err
		}
	}
	return nil
}
