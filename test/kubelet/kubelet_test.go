package kubelet

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// small is a short run, with every way of rotation.
func small(shape Shape, dir string) Options {
	o := Defaults(shape, filepath.Join(dir, "pods"), 40, 4000)
	o.AtOnce, o.MinLife, o.MaxLife, o.Settle = 40, 400*time.Millisecond, 800*time.Millisecond, 50*time.Millisecond
	return o
}

func run(t *testing.T, o Options) *Ledger {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n.Written() != o.Lines || n.Ledger().Written() != o.Lines || n.Ended() != o.Pods {
		t.Fatalf("%d lines written, %d in the ledger, %d pods ended, want %d and %d", n.Written(), n.Ledger().Written(), n.Ended(), o.Lines, o.Pods)
	}
	return n.Ledger()
}

// What is on disk is what the ledger says, line by line at the offsets it gives.
func TestLedger(t *testing.T) {
	f := func(shape Shape) {
		t.Helper()
		o := small(shape, t.TempDir())
		o.Keep = true
		l := run(t, o)
		t.Log(l)
		found := map[int]bool{}
		dir := filepath.Dir(o.Dir)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data := content(t, path)
			if bytes.Contains(data, []byte("sq#")) {
				check(t, l, shape, path, data, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		missing, recreated := 0, 0
		for _, file := range l.Files {
			for _, line := range file.Lines {
				switch {
				case file.Way == "recreate" && !file.Deleted.IsZero():
					recreated++
				case !found[line.Token]:
					missing++
				}
			}
		}
		if missing > 0 || len(found)+recreated != o.Lines || shape == EmptyDir && recreated == 0 {
			t.Errorf("%d lines found, %d deleted by recreate, %d missing, want %d together", len(found), recreated, missing, o.Lines)
		}
	}
	f(EmptyDir)
	f(CRI)
	f(Docker)
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// check finds the lines of one file's bytes.
func check(t *testing.T, l *Ledger, shape Shape, path string, data []byte, found map[int]bool) {
	t.Helper()
	text := map[string]string{} // by stream
	for offset := int64(0); offset < int64(len(data)); {
		raw, _, ok := bytes.Cut(data[offset:], []byte("\n"))
		if !ok {
			t.Errorf("%s does not end with a newline", path)
		}
		begin := offset + int64(len(raw)-len(bytes.TrimLeft(raw, "\x00")))
		offset += int64(len(raw)) + 1
		stream, part, last := unwrap(t, shape, raw)
		text[stream] += part
		if !last {
			continue
		}
		token, _ := Token(text[stream])
		line := l.Line(token)
		switch {
		case line == nil || found[token]:
			t.Errorf("%s has line %d, which is not in the ledger or was found before", path, token)
			return
		case text[stream] != l.Text(line) || line.Stream != stream:
			t.Errorf("%s has %.80q (%s), want %.80q (%s)", path, text[stream], stream, l.Text(line), line.Stream)
		case line.Offset != begin && text[stream] == part, line.Offset > begin, line.End < offset:
			t.Errorf("%s (%s) has line %d at %d to %d, the ledger says %d to %d", path, line.File.Way, token, begin, offset, line.Offset, line.End)
		}
		found[token] = true
		text[stream] = ""
	}
	if len(text["stdout"])+len(text["stderr"])+len(text[""]) > 0 {
		t.Errorf("%s ends within a line", path)
	}
}

func unwrap(t *testing.T, shape Shape, raw []byte) (stream, text string, last bool) {
	t.Helper()
	switch shape {
	case CRI:
		f := strings.SplitN(string(raw), " ", 4)
		if _, err := time.Parse(time.RFC3339Nano, f[0]); err != nil {
			t.Error(err)
		}
		return f[1], f[3], f[2] == "F"
	case Docker:
		var line struct{ Log, Stream string }
		if err := json.Unmarshal(raw, &line); err != nil {
			t.Error(err)
		}
		text, last = strings.CutSuffix(line.Log, "\n")
		return line.Stream, text, last
	}
	return "", strings.TrimSuffix(strings.TrimLeft(string(raw), "\x00"), "\r"), true
}

// Two runs are one, but for the times.
func TestDeterministic(t *testing.T) {
	describe := func() string {
		dir := t.TempDir()
		l := run(t, small(EmptyDir, dir))
		var b strings.Builder
		for _, f := range l.Files {
			path, err := filepath.Rel(dir, f.Path)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s %v:", path, f.Way, f.Fields)
			for _, line := range f.Lines {
				fmt.Fprintf(&b, " %d@%d", line.Token, line.Offset)
			}
			fmt.Fprintf(&b, " %.100q\n", l.Text(f.Lines[0]))
		}
		return b.String()
	}
	if a, b := describe(), describe(); a != b {
		t.Errorf("two runs differ:\n%.2000s\n%.2000s", a, b)
	}
}

// At the end nothing is left, and the ledger knows when each file went: after its last line, and not at once
// after it was made.
func TestDelete(t *testing.T) {
	f := func(shape Shape) {
		t.Helper()
		o := small(shape, t.TempDir())
		l := run(t, o)
		for _, dir := range []string{o.Dir, o.Containers} {
			if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
				t.Errorf("%d pods are left in %s, as %s", len(left), dir, left[0].Name())
			}
		}
		for _, file := range l.Files {
			first, last := file.Lines[0], file.Lines[len(file.Lines)-1]
			if file.Deleted.Before(last.Written) || file.DeletedEnd.Before(file.Deleted) || first.Offset > last.Offset {
				t.Errorf("%s was written until %v and deleted from %v to %v", file.Path, last.Written, file.Deleted, file.DeletedEnd)
			}
		}
	}
	f(EmptyDir)
	f(CRI)
	f(Docker)
}

func TestNewRefuses(t *testing.T) {
	f := func(change func(*Options)) {
		t.Helper()
		o := small(EmptyDir, t.TempDir())
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	f(func(o *Options) { o.Pods = 0 })
	f(func(o *Options) { o.AtOnce = 0 })
	f(func(o *Options) { o.Lines = o.Pods })
	f(func(o *Options) { o.MaxLife = o.MinLife - 1 })
	f(func(o *Options) { o.Settle = o.MinLife })
}
