package logapi

import (
	"strings"
	"testing"
	"time"
)

func TestBar(t *testing.T) {
	f := func(columns int, want string) {
		t.Helper()
		var to strings.Builder
		now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
		b := newBar(&to, "work")
		b.width, b.now = func() int { return columns }, func() time.Time { return now }
		b.began, b.shown = now, now
		for i := range 4 {
			b.step(int64(i)*10, 100, "logs")
			now = now.Add(5 * time.Second)
		}
		b.step(5, 0, "5 documents")
		b.note("a\x1b[31m")
		b.clear()
		if got := to.String(); got != want {
			t.Errorf("%d columns: got %q, want %q", columns, got, want)
		}
	}
	f(0, "work: 20%, logs, 40s left\nwork, 5 documents\na\\x1b[31m\n")
	erase := func(n int) string { return "\r" + strings.Repeat(" ", n) + "\r" }
	f(80, "work: 10%, logs, 45s left"+erase(25)+"work: 20%, logs, 40s left"+erase(25)+"work: 30%, logs, 35s left"+erase(25)+"work, 5 documents"+erase(17)+"a\\x1b[31m\n")
	f(10, "work: 10%"+erase(9)+"work: 20%"+erase(9)+"work: 30%"+erase(9)+"work, 5 d"+erase(9)+"a\\x1b[31m\n")
}

func TestSizeText(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 1023 << 20: "1.0 GiB", 3 << 40: "3.0 TiB", 5000 << 40: "5000.0 TiB"} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d: got %q, want %q", bytes, got, want)
		}
	}
}
