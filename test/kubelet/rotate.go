package kubelet

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// Ways are the rotations that files of a shape have: what logrotate, applications and the kubelet do.
func Ways(s Shape) []string {
	switch s {
	case CRI:
		return []string{"kubelet", "restart"}
	case Docker:
		return []string{"rename", "rename, gzip"}
	}
	return []string{"rename", "rename, gzip", "rename with date", "copytruncate", "copytruncate, gzip", "copytruncate with date",
		"copytruncate, offset kept", "recreate"}
}

// rotate does what the log's way says, and leaves it ready for the next line.
func (l *log) rotate(ctx context.Context) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if l.late > 0 { // the application has still not opened its new file
		if err := l.make(); err != nil {
			return err
		}
	}
	l.late = 0
	l.turns++
	switch l.way {
	case "rename", "rename, gzip":
		return l.renumber(true)
	case "rename with date":
		return l.rename(l.dated())
	case "copytruncate", "copytruncate, offset kept", "copytruncate, gzip":
		if err := l.renumber(false); err != nil {
			return err
		}
		if err := l.copyTruncate(ctx, l.path+".1"); err != nil || l.way != "copytruncate, gzip" {
			return err
		}
		return compress(l.path+".1", l.path+".1.gz")
	case "copytruncate with date":
		return l.copyTruncate(ctx, l.dated())
	case "recreate":
		if err := pause(ctx, time.Until(l.made.Add(l.pod.n.o.Settle))); err != nil {
			return err
		}
		l.kept = l.kept[:len(l.kept)-1]
		if err := remove(l.path, []*File{l.file}); err != nil {
			return err
		}
		return l.make()
	case "kubelet":
		return l.kubelet()
	case "restart":
		l.path = filepath.Join(filepath.Dir(l.path), fmt.Sprintf("%d.log", l.turns))
		return l.make()
	}
	return errors.New("no such way")
}

// dated is app.log's name with a time in it, another one for each rotation.
func (l *log) dated() string {
	return strings.TrimSuffix(l.path, ".log") + time.Date(2026, 11, 21, 0, l.turns, 0, 0, time.UTC).Format("-20060102-150405") + ".log"
}

// rename moves the file away. Applications write on into it until they are told.
func (l *log) rename(to string) error {
	if err := os.Rename(l.path, to); err != nil {
		return err
	}
	if l.link == "" && l.rng.IntN(2) == 0 {
		l.late = 1 + l.rng.IntN(5)
		return nil
	}
	return l.make()
}

// renumber makes room for app.log.1, and moves app.log there if it is told to. With gzip, all but the first of
// the old ones are compressed, as logrotate's delaycompress does.
func (l *log) renumber(move bool) error {
	for i := l.turns - 1; i > 0; i-- {
		for _, end := range []string{"", ".gz"} {
			from, to := fmt.Sprintf("%s.%d%s", l.path, i, end), fmt.Sprintf("%s.%d%s", l.path, i+1, end)
			if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	if !move {
		return nil
	}
	if err := l.rename(l.path + ".1"); err != nil || l.way != "rename, gzip" || l.turns < 2 {
		return err
	}
	return compress(l.path+".2", l.path+".2.gz")
}

// copyTruncate copies the file and truncates it while nobody writes.
func (l *log) copyTruncate(ctx context.Context, to string) error {
	from, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer from.Close()
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, from)
	if err := errors.Join(err, copied.Close()); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(l.rng.IntN(10))*time.Millisecond); err != nil {
		return err
	}
	if err := os.Truncate(l.path, 0); err != nil {
		return err
	}
	if l.way == "copytruncate, offset kept" {
		l.begin(l.offset)
	} else {
		l.begin(0)
	}
	return pause(ctx, time.Duration(l.rng.IntN(10))*time.Millisecond)
}

// kubelet rotates as the kubelet does: the file gets a time, older ones but the last are compressed.
func (l *log) kubelet() error {
	name := func(turn int) string {
		return l.path + time.Date(2026, 11, 21, 0, turn, 0, 0, time.UTC).Format(".20060102-150405")
	}
	if l.turns > 1 {
		old := name(l.turns - 1)
		if err := errors.Join(compress(old, old+".tmp"), os.Rename(old+".tmp", old+".gz")); err != nil {
			return err
		}
	}
	if err := os.Rename(l.path, name(l.turns)); err != nil {
		return err
	}
	return l.make()
}

// compress is gzip: both files are there for a moment.
func compress(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	_, err = z.Write(data)
	return errors.Join(err, z.Close(), out.Close(), os.Remove(from))
}

// stream is where a console line goes to.
func (l *log) stream(token int) string {
	switch {
	case l.pod.n.o.Shape == EmptyDir:
		return ""
	case token%5 == 0:
		return "stderr"
	}
	return "stdout"
}

// runtimePart is how much of a line containerd and docker put into one part.
const runtimePart = 16 << 10

// parts are the line as it is written, in the parts that a container runtime makes of a long one.
func (l *log) parts(line *Line) (parts [][]byte) {
	o := l.pod.n.o
	text := []byte(text(o.Seed, l.pod.number, line.Token))
	if o.Shape == EmptyDir {
		end := "\n"
		if l.crlf {
			end = "\r\n"
		}
		return [][]byte{append(text, end...)}
	}
	for {
		size := min(len(text), runtimePart)
		for o.Shape == Docker && size < len(text) && !utf8.RuneStart(text[size]) { // JSON has no halves of runes
			size--
		}
		part := text[:size]
		text = text[size:]
		parts = append(parts, l.part(line.Stream, part, len(text) == 0))
		if len(text) == 0 {
			return parts
		}
	}
}

// part is one line of a console file.
func (l *log) part(stream string, text []byte, last bool) []byte {
	now := time.Now()
	if l.pod.n.o.Shape == CRI {
		tag := "P"
		if last {
			tag = "F"
		}
		return fmt.Appendf(nil, "%s %s %s %s\n", now.Format(time.RFC3339Nano), stream, tag, text)
	}
	if last {
		text = append(bytes.Clone(text), '\n')
	}
	data, err := json.Marshal(map[string]any{"log": string(text), "stream": stream, "time": now.UTC()})
	if err != nil {
		panic(err) // strings and a time can be marshalled
	}
	return append(data, '\n')
}
