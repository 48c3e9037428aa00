package kubelet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A log is one file of a pod, with all that its rotation makes of it.
type log struct {
	pod    *pod
	rng    *rand.Rand
	path   string // where it is written now
	link   string // where the kubelet's link to it is, if there is one
	fields map[string]string
	crlf   bool
	first  int // token of its first line
	lines  int
	way    string        // of its rotation, empty for none
	begins time.Duration // after the pod's begin
	cuts   []int         // lines before which it is rotated
	burst  int           // lines that are written at the same time

	f      *os.File
	file   *File
	offset int64
	made   time.Time // when f was made or truncated
	turns  int       // rotations so far
	kept   []*File   // whose bytes are still there, under whatever name
	open   *Line     // its last part, rest, is written after the next line
	rest   []byte
	late   int // 1 more than the lines that still go into the file that was renamed
}

// plan draws what is not given by the pod.
func (l *log) plan() {
	o := l.pod.n.o
	l.begins = time.Duration(l.rng.Int64N(int64(l.pod.life) / 4))
	l.burst = []int{1, 1, 1, 7, 50}[l.rng.IntN(5)]
	if l.rng.IntN(2) == 0 && len(o.Ways) > 0 {
		l.way = o.Ways[l.first%len(o.Ways)]
		for range 1 + l.rng.IntN(3) {
			if cut := l.rng.IntN(max(1, l.lines*3/4)); cut > 0 && !slices.Contains(l.cuts, cut) {
				l.cuts = append(l.cuts, cut)
			}
		}
		slices.Sort(l.cuts)
	}
}

// run writes the log's lines, spread over the pod's life.
func (l *log) run(ctx context.Context, begun time.Time) error {
	if err := pause(ctx, time.Until(begun.Add(l.begins))); err != nil {
		return err
	}
	if err := l.make(); err != nil {
		return err
	}
	defer func() { l.f.Close() }()
	for i := range l.lines {
		if i%l.burst == 0 {
			due := l.begins + (l.pod.life-l.begins)*time.Duration(i)/time.Duration(l.lines)
			if err := pause(ctx, time.Until(begun.Add(due))); err != nil {
				return err
			}
		}
		if len(l.cuts) > 0 && l.cuts[0] == i {
			l.cuts = l.cuts[1:]
			if err := l.rotate(ctx); err != nil {
				return fmt.Errorf("cannot rotate %s by %s: %w", l.path, l.way, err)
			}
		}
		if i == l.lines-1 { // its file is not to be gone as soon as it is there
			if err := pause(ctx, time.Until(l.made.Add(l.pod.n.o.Settle))); err != nil {
				return err
			}
		}
		if err := l.write(ctx, l.first+i); err != nil {
			return err
		}
	}
	return l.flush(ctx)
}

// make makes the file and begins a new File.
func (l *log) make() (err error) {
	if l.f != nil {
		if err := l.f.Close(); err != nil {
			return err
		}
	}
	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY | os.O_APPEND
	if l.way == "copytruncate, offset kept" {
		flags &^= os.O_APPEND
	}
	if l.f, err = os.OpenFile(l.path, flags, 0o640); err != nil {
		return err
	}
	if l.link != "" {
		if err := l.relink(); err != nil {
			return err
		}
	}
	l.begin(0)
	return nil
}

// relink makes the kubelet's link to docker's file.
func (l *log) relink() error {
	if _, err := os.Lstat(l.link); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(l.link), 0o755); err != nil {
		return err
	}
	return os.Symlink(l.path, l.link)
}

// begin begins a new File at an offset of what is open.
func (l *log) begin(offset int64) {
	name := l.path
	if l.link != "" {
		name = l.link
	}
	l.file = &File{Pod: l.pod.number, Path: name, Way: l.way, Fields: l.fields, CRLF: l.crlf}
	l.kept = append(l.kept, l.file)
	l.offset, l.made = offset, time.Now()
}

// write writes the line with this token and enters it in the ledger.
func (l *log) write(ctx context.Context, token int) error {
	if l.late > 0 {
		if l.late--; l.late == 0 {
			if err := l.make(); err != nil {
				return err
			}
		}
	}
	line := &Line{Token: token, File: l.file, Stream: l.stream(token)}
	if l.open != nil && l.open.Stream == line.Stream {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	line.Offset = l.offset
	parts := l.parts(line)
	last := len(parts) - 1
	if last > 0 && l.open == nil && l.rng.IntN(2) == 0 {
		l.open, l.rest = line, parts[last]
		return l.put(ctx, parts[:last])
	}
	if err := l.put(ctx, parts); err != nil {
		return err
	}
	l.enter(line)
	return l.flush(ctx)
}

// enter puts a line that has been written into the ledger.
func (l *log) enter(line *Line) {
	line.End, line.Written = l.offset, time.Now()
	l.pod.n.enter(line)
}

// flush writes the last part of a line that has waited for a line of the other stream.
func (l *log) flush(ctx context.Context) error {
	if l.open == nil {
		return nil
	}
	line := l.open
	l.open = nil
	if err := l.put(ctx, [][]byte{l.rest}); err != nil {
		return err
	}
	l.enter(line)
	return nil
}

// put writes parts, mostly each at once, some cut in two with a pause in between.
func (l *log) put(ctx context.Context, parts [][]byte) error {
	for _, part := range parts {
		cut := len(part)
		if l.rng.IntN(50) == 0 {
			cut = l.rng.IntN(cut)
		}
		for i, data := range [][]byte{part[:cut], part[cut:]} {
			if len(data) == 0 {
				continue
			}
			if i > 0 {
				if err := pause(ctx, time.Duration(l.rng.IntN(30))*time.Millisecond); err != nil {
					return err
				}
			}
			n, err := l.f.Write(data)
			l.offset += int64(n)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
