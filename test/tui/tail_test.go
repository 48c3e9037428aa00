package tui

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/tui/logs"
	"github.com/podbeat/podbeat/test/tui/screen"
)

// A pod writes thousands of lines while the tail is on, one in twenty of them with a time up to 20 seconds ago: each is on the screen
// once, in the order of the times.
func testTail(t *testing.T, c *logs.Cluster, url, program string) {
	lines := 10_000
	if harness.Soak() {
		lines = 40_000 // 20 seconds of 2,000 a second
	}
	pod := fmt.Sprint("torrent-", os.Getpid())
	home := t.TempDir()
	s, err := screen.Start(screen.Options{Width: 100, Height: 62, Patience: time.Minute, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home,
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"), "XDG_STATE_HOME=" + filepath.Join(home, "state"), "XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"LOGTUI_HOSTS=" + url, "TZ=UTC", "LC_ALL=C.UTF-8"}},
		program, "--index", logs.Index, "--chip", "kubernetes.pod.name: "+pod, "--last", "1h", "--tail")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	defer s.Close()
	check(s.Wait("tail", func(text string) bool { return strings.Contains(text, "● tail") }))
	check(s.Keys("H")) // more room for lines

	rng := rand.New(rand.NewPCG(1, 1))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < lines; {
		now := <-tick.C
		var punctual []string
		for range 100 {
			text := fmt.Sprintf("INFO  drop %06d", n)
			n++
			if rng.IntN(20) == 0 {
				check(c.Write(pod, now.Add(-time.Duration(rng.Int64N(int64(20*time.Second)))), text))
			} else {
				punctual = append(punctual, text)
			}
		}
		check(c.Write(pod, now, punctual...))
	}
	check(s.Wait("last line", func(text string) bool { return strings.Contains(text, fmt.Sprintf("drop %06d", lines-1)) }))
	check(s.Wait("count of all lines", func(text string) bool { return strings.Contains(text, number(lines)+" lines") }))
	check(s.Keys("F")) // what is here stays as it is

	// From the newest up to the oldest by half pages, so that a line is seen on a whole screen whatever is being drawn.
	// A line's day stands in its text.
	drop := regexp.MustCompile(`(\d\d:\d\d:\d\d\.\d{3}).* (\d{4}-\d\d-\d\d)T.*drop (\d{6})`)
	seen := map[string]bool{}
	under := map[string]string{} // the line that stood above another one when it was seen last
	look := func(text string) (oldest string) {
		at, before, here := "", "", map[string]bool{}
		for i, found := range drop.FindAllStringSubmatch(text, -1) {
			moment, n := found[2]+" "+found[1], found[3]
			if i == 0 {
				oldest = n
			}
			if moment < at || here[n] {
				t.Fatalf("drop %s of %s is out of order, or there twice, on\n%s", n, moment, screen.Frame(text))
			}
			if i > 0 {
				under[n] = before
			}
			before = n
			at, here[n], seen[n] = moment, true, true
		}
		return oldest
	}
	last := ""
	for len(seen) < lines {
		check(s.Keys("C-u"))
		oldest, before := "", ""
		if s.Wait("lines further up", func(text string) bool {
			whole := text == before // else it may be half drawn
			oldest, before = look(text), text
			return whole && oldest != last || len(seen) == lines
		}) != nil {
			break // at the top
		}
		last = oldest
	}
	if len(seen) != lines {
		var missing []string
		for n := range lines {
			if !seen[fmt.Sprintf("%06d", n)] {
				missing = append(missing, fmt.Sprintf("%06d (%06d stands below %s)", n, n+1, under[fmt.Sprintf("%06d", n+1)]))
			}
		}
		t.Errorf("%d of %d lines were on the screen; missing are %q", len(seen), lines, missing)
	}
}
