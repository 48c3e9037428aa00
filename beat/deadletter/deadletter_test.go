package deadletter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAppend(t *testing.T) {
	at := func(ns int) time.Time { return time.Date(2024, 5, 17, 14, 0, 0, ns, time.FixedZone("", 7200)) }
	f := func(l Letter, want string) {
		t.Helper()
		if got := string(l.Append([]byte("x\n"))); got != "x\n"+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(Letter{Time: at(0), Event: "{}", Type: "a", Reason: "b"}, `{"@timestamp":"2024-05-17T12:00:00.000Z","message":"{}","error":{"type":"a","message":"b"}}`)
	f(Letter{Time: at(1000), Code: 400, ID: "i", Index: "logs"},
		`{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"","error":{"type":"","message":"","code":"400"},"event":{"id":"i"},"document":{"index":"logs"}}`)
	f(Letter{Time: at(1), Event: "<&\xff\n", Topic: "t"},
		`{"@timestamp":"2024-05-17T12:00:00.000000001Z","message":"<&`+"\uFFFD"+`\n","error":{"type":"","message":""},"kafka":{"topic":"t"}}`)
	if got := string((&Letter{Time: time.UnixMicro(1 << 62)}).Append(nil)); !strings.HasPrefix(got, `{"@timestamp":"148`) {
		t.Errorf("year beyond 9999: got %s", got)
	}
}

func TestFileRotates(t *testing.T) {
	f := func(files, lines int, want string) {
		t.Helper()
		lf := File{filepath.Join(t.TempDir(), "new", "letters"), 10, files}
		before := discarded.Get()
		for i := range lines {
			if err := lf.Append(fmt.Appendf(nil, "%04d\n", i)); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		for i := files - 1; i >= 0; i-- {
			name := lf.Path
			if i > 0 {
				name = fmt.Sprintf("%s.%d", lf.Path, i)
			}
			text, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			got += strings.ReplaceAll(string(text), "\n", " ") + "| "
		}
		got += fmt.Sprint(discarded.Get() - before)
		if got != want {
			t.Errorf("%d files, %d lines: got %s, want %s", files, lines, got, want)
		}
		if all, _ := filepath.Glob(lf.Path + "*"); len(all) > files {
			t.Errorf("%d files, %d lines: got %v", files, lines, all)
		}
	}
	f(3, 1, "| | 0000 | 0")
	f(3, 3, "| 0000 0001 | 0002 | 0")
	f(3, 6, "0000 0001 | 0002 0003 | 0004 0005 | 0")
	f(3, 7, "0002 0003 | 0004 0005 | 0006 | 2")
	f(3, 11, "0006 0007 | 0008 0009 | 0010 | 6")
	f(1, 3, "0002 | 2")
}

// Who has no options keeps to those of another who uses the file, as long as that is there.
func TestFileShared(t *testing.T) {
	small := File{filepath.Join(t.TempDir(), "letters"), 10, 2}
	large := File{small.Path, 20, 4}
	write := func(n int) {
		t.Helper()
		for range n {
			if err := small.LikeOthers().Append([]byte("0000\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	before, letGo, too := discarded.Get(), large.Use(), small.Use()
	defer too()
	write(16)
	if got := discarded.Get() - before; got != 0 {
		t.Errorf("%d letters are lost that another's options leave room for", got)
	}
	letGo()
	write(2)
	if got := discarded.Get() - before; got == 0 {
		t.Error("the file has the room of one that does not use it any more")
	}
}

func TestFileMends(t *testing.T) {
	lf := File{filepath.Join(t.TempDir(), "letters"), 1 << 20, 2}
	if err := os.WriteFile(lf.Path, []byte("{\"half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := lf.Append([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(lf.Path); string(got) != "{\"half\n{}\n" {
		t.Errorf("got %q", got)
	}
	// A gap in the numbers, as a crash while renaming leaves, is filled before anything goes.
	for name, text := range map[string]string{"": "new\n", ".2": "old\n"} {
		if err := os.WriteFile(lf.Path+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lf.Files, lf.MaxBytes = 3, 1
	if err := lf.Append([]byte("newest\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "newest\n", ".1": "new\n", ".2": "old\n"} {
		if got, err := os.ReadFile(lf.Path + name); string(got) != want {
			t.Errorf("%s: got %q %v, want %q", name, got, err, want)
		}
	}
}
