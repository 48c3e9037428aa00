package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A pager is measured: what it draws at its start, what a key draws, that a key without effect is told, what it has used.
func TestTerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte(strings.Repeat("a line\n", 1000)+"req-0000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	term, err := open(80, 24, nil, []string{"less", path}, map[string]*regexp.Regexp{"frame": anything, "rows": aLine})
	if err != nil {
		t.Fatal(err)
	}
	defer term.close()
	term.without = time.Minute // each key has an effect, and the machine may have much else to do
	if _, err := term.seen("frame", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := term.seen("rows", time.Millisecond); err == nil {
		t.Error("the last line is seen before it is drawn")
	}
	f := func(term *terminal, key string, drawn bool) {
		t.Helper()
		s, err := term.press(key)
		if err != nil || (s.Bytes > 0) != drawn || (s.Took > 0) != drawn {
			t.Errorf("%q: %+v (%v)", key, s, err)
		}
	}
	f(term, "G", true)
	if frame, err := term.seen("rows", time.Minute); err != nil || frame <= 0 {
		t.Errorf("the last line: %v %v", frame, err)
	}
	f(term, "k", true)
	silent, err := open(80, 24, nil, []string{"sh", "-c", "stty -echo; echo ready; sleep 60"}, map[string]*regexp.Regexp{"ready": regexp.MustCompile("ready\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.close()
	if _, err := silent.seen("ready", time.Minute); err != nil {
		t.Fatal(err)
	}
	f(silent, "k", false)
	now, peak, err := term.memory()
	if err != nil || now < 1<<20 || peak < now {
		t.Errorf("%d bytes, %d at most (%v)", now, peak, err)
	}
	if used, err := term.cpu(); err != nil || used < 0 || used > time.Minute {
		t.Errorf("%v of a processor (%v)", used, err)
	}
}

func TestPrint(t *testing.T) {
	strokes := []stroke{{Took: 0, Bytes: 0}}
	for i := range 99 {
		strokes = append(strokes, stroke{time.Duration(99-i) * time.Millisecond, 100 + i})
	}
	var b strings.Builder
	print(&b, []result{{Name: "less", Frame: 1500 * time.Microsecond, Rows: 2 * time.Millisecond, Line: strokes, Page: nil, Resident: 5 << 20, Peak: 7 << 20, Idle: 0.0123, Silent: 1}})
	const want = "| less | 1.5 ms | 2.0 ms | 50.0 / 94.0 ms | 0.0 / 0.0 ms | 149 / 0 | 5 (7) | 1.2 % |\n\n1 keys changed nothing"
	if !strings.Contains(b.String(), want) {
		t.Errorf("%s, want %s", &b, want)
	}
}
