package verify

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/kubelet"
)

// written is what some short-lived pods wrote.
func written(t *testing.T) *kubelet.Ledger {
	t.Helper()
	o := kubelet.Defaults(kubelet.EmptyDir, filepath.Join(t.TempDir(), "pods"), 8, 400)
	o.AtOnce, o.MinLife, o.MaxLife, o.Settle = 8, 200*time.Millisecond, 400*time.Millisecond, 20*time.Millisecond
	n, err := kubelet.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n.Ledger()
}

// documents are what a faultless reader makes of it.
func documents(l *kubelet.Ledger) (docs []FileDoc) {
	for _, f := range l.Files {
		for _, line := range f.Lines {
			docs = append(docs, FileDoc{Index: "x", Message: l.Text(line), Path: f.Path, Offset: line.Offset, Fields: maps.Clone(f.Fields)})
		}
	}
	return docs
}

func TestFiles(t *testing.T) {
	l := written(t)
	f := func(change func(docs []FileDoc) []FileDoc, want string) {
		t.Helper()
		c := NewFiles(l)
		for _, d := range change(documents(l)) {
			c.Arrived(d)
		}
		r := c.Report()
		if got := r.String(); !strings.HasPrefix(got, want) {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
		if exact := strings.Contains(want, "400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 0 mislabelled, 0 misplaced"); r.Exact() != exact {
			t.Errorf("exact %v, want %v: %s", r.Exact(), exact, r)
		}
	}
	edit := func(change func(d *FileDoc)) func([]FileDoc) []FileDoc {
		return func(docs []FileDoc) []FileDoc {
			change(&docs[3])
			return docs
		}
	}
	f(func(docs []FileDoc) []FileDoc { return docs },
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 0 mislabelled, 0 misplaced, 0 not saveable (0 of them held) in 0 outages")
	f(func(docs []FileDoc) []FileDoc { return docs[5:] },
		"400 expected, 395 arrived, 5 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 0 mislabelled, 0 misplaced, 0 not saveable (0 of them held) in 0 outages (0.0 s behind)\n\tby way of rotation: map[lost: rename:5]\n\tlost: line 0 of pod 0")
	f(func(docs []FileDoc) []FileDoc { return append(docs, docs[7]) },
		"400 expected, 400 arrived, 0 lost, 1 doubled, 0 unexpected, 0 changed, 0 reordered, 0 mislabelled, 0 misplaced")
	f(func(docs []FileDoc) []FileDoc { docs[0], docs[1] = docs[1], docs[0]; return docs },
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 1 reordered, 0 mislabelled, 0 misplaced")
	f(func(docs []FileDoc) []FileDoc { return append(docs, FileDoc{Message: "nobody is to read link.log"}) },
		"400 expected, 400 arrived, 0 lost, 0 doubled, 1 unexpected, 0 changed, 0 reordered, 0 mislabelled, 0 misplaced")
	f(edit(func(d *FileDoc) { d.Message += " " }),
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 1 changed, 0 reordered, 0 mislabelled, 0 misplaced")
	f(edit(func(d *FileDoc) { d.Fields["kubernetes.pod.uid"] = "other" }),
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 1 mislabelled, 0 misplaced")
	f(edit(func(d *FileDoc) { d.Path = "/elsewhere/app.log" }),
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 1 mislabelled, 0 misplaced")
	f(edit(func(d *FileDoc) { d.Offset++ }),
		"400 expected, 400 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered, 0 mislabelled, 1 misplaced")
}

// A missing line is not saveable only if its file went, and it was written, while podbeat was down or shortly before.
func TestUnsaveable(t *testing.T) {
	l := written(t)
	last := l.Files[len(l.Files)-1]
	line := last.Lines[len(last.Lines)-1]
	f := func(from, to time.Duration, want, held bool) {
		t.Helper()
		c := NewFiles(l)
		c.slack = 500 * time.Millisecond
		at := last.Deleted
		if from > 0 {
			at = last.DeletedEnd
		}
		c.Down(at.Add(from), at.Add(to), 0)
		for _, d := range documents(l) {
			if d.Message != l.Text(line) {
				c.Arrived(d)
			}
		}
		r := c.Report()
		if got := r.Lost == 0; got != want || r.Lost+r.Unsaveable != 1 || c.saveable(line) == want || (r.Held == 1) != held {
			t.Errorf("down from %v to %v after the deletion: %s, want not saveable %v, held %v", from, to, r, want, held)
		}
	}
	f(-time.Minute, time.Second, true, false)
	f(time.Second, time.Minute, false, false)                 // deleted long before the kill
	f(-time.Minute, -time.Second, false, false)               // deleted long after the start
	f(50*time.Millisecond, time.Second, true, true)           // held when it was killed
	f(-5*time.Millisecond, -2*time.Millisecond, false, false) // deleted after it had looked
}

// A line that was written long before a kill had to be delivered, whatever became of its file.
func TestSaveableLongBefore(t *testing.T) {
	l := written(t)
	c := NewFiles(l)
	c.slack = 10 * time.Millisecond
	first := l.Files[0]
	c.Down(first.Deleted.Add(-20*time.Millisecond), first.Deleted.Add(time.Second), 0)
	for _, line := range first.Lines {
		if want := line.Written.Before(first.Deleted.Add(-30 * time.Millisecond)); c.saveable(line) != want {
			t.Errorf("line written %v before the deletion: saveable %v, want %v", first.Deleted.Sub(line.Written), !want, want)
		}
	}
}

// How far podbeat was behind is told by the lines that it delivered just before it was killed.
func TestBehind(t *testing.T) {
	l := written(t)
	f := func(delivered []time.Duration, want time.Duration) {
		t.Helper()
		c := NewFiles(l)
		line := l.Files[0].Lines[0]
		kill := line.Written.Add(time.Minute)
		for _, before := range delivered {
			c.Delivered(line.Token, kill.Add(-before))
		}
		if got := kill.Sub(c.oldest(kill)); got != want {
			t.Errorf("delivered %v before the kill: behind %v, want %v", delivered, got, want)
		}
	}
	f(nil, 0)
	f([]time.Duration{time.Millisecond}, time.Minute)
	f([]time.Duration{10 * time.Second}, time.Minute) // nothing since
	f([]time.Duration{-time.Second}, 0)               // after it

	first := l.Files[0]
	c := NewFiles(l)
	c.slack = 10 * time.Millisecond
	c.Down(first.DeletedEnd.Add(time.Second), first.DeletedEnd.Add(time.Minute), time.Hour) // podbeat's own word
	if line := first.Lines[0]; c.saveable(line) || c.Report().Behind != time.Hour {
		t.Errorf("saveable %v and %v behind, want neither, for podbeat was an hour behind", c.saveable(line), c.Report().Behind)
	}
}

func TestFileDoc(t *testing.T) {
	d, err := fileDoc([]byte(`{"message":"sq#00000001 x","log":{"offset":9007199254740993,"file":{"path":"/a/b.log"},"stream":"file"},"service":{"id":"s"}}`))
	if err != nil || d.Offset != 9007199254740993 || d.Path != "/a/b.log" || d.Fields["service.id"] != "s" || d.Message != "sq#00000001 x" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := fileDoc([]byte(`{"message":"x"}`)); err == nil {
		t.Error("a document without log.offset is taken")
	}
}
