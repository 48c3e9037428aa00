package cli

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	f := func(text string, want time.Duration, shown string) {
		t.Helper()
		var d Days
		if err := d.Set(text); err != nil || time.Duration(d) != want || d.String() != shown {
			t.Errorf("%s: got %v, shown as %s (%v), want %v, %s", text, time.Duration(d), &d, err, want, shown)
		}
	}
	f("30d", 720*time.Hour, "30d")
	f("48h", 48*time.Hour, "2d")
	f("90m", 90*time.Minute, "1h30m0s")
	f("0d", 0, "0s")
	for _, bad := range []string{"", "d", "-1d", "1.5d", "99999d", "-1h", "3w"} {
		if err := new(Days).Set(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
