package follow

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/beat/find"
)

func TestStem(t *testing.T) {
	f := func(name, want string, wantRotated bool) {
		t.Helper()
		if got, rotated := stem(name); got != want || rotated != wantRotated {
			t.Errorf("stem(%q) = %q, %v, want %q, %v", name, got, rotated, want, wantRotated)
		}
	}
	f("/v/app.log", "/v/app.log", false)
	f("/v/app.log.1", "/v/app.log", true)
	f("/v/app.log.2.gz", "/v/app.log", true)
	f("/v/app.log.gz", "/v/app.log", true)
	f("/v/app.log-20261121", "/v/app.log", true)
	f("/v/app.log-20261121.gz", "/v/app.log", true)
	f("/v/app.log.2026-11-21", "/v/app.log", true)
	f("/v/app.1.log", "/v/app.log", true)
	f("/v/app-2026-11-21.log", "/v/app.log", true)
	f("/v/app-2026-11-21T10-00-00.000.log", "/v/app.log", true)
	f("/v/app-2026-11-21T10-00-00.000.log.gz", "/v/app.log", true)
	f("/v/app.log.old", "/v/app.log", true)
	f("/v/0.log", "/v/0.log", false)
	f("/v/0.log.20260102-150405", "/v/0.log", true)
	f("/v/0.log.20260102-150405.gz", "/v/0.log", true)
	f("/v/17.log", "/v/17.log", false)
	f("/v/app2.log", "/v/app2.log", false)
	f("/v/gold", "/v/gold", false)
	f("app", "app", false)
	f("", "", false)
}

func TestMaybeCopy(t *testing.T) {
	f := func(name, of string, away, want bool) {
		t.Helper()
		if got := maybeCopy(name, of, away); got != want {
			t.Errorf("maybeCopy(%q, %q, %v) = %v, want %v", name, of, away, got, want)
		}
	}
	f("app.log.1", "app.log", false, true)
	f("app-2026-11-21.log", "app.log", false, true)
	f("app.log.3.gz", "app.log", false, true)
	f("app.log.1.gz", "app.log.1", false, true)
	f("app.log.3.gz", "app.log.1", true, true)
	f("app.log.3.gz", "app.log.1", false, false)
	f("app.log", "app.log", true, false)
	f("app.log", "app.log.1", true, false)
	f("app.log.2", "app.log.1", true, false)
	f("app-22.log", "app-21.log", true, false)
	f("other.log", "app.log", true, false)
	f("other.log.1", "app.log", true, false)
}

// A file that podbeat may not open is counted as such until it may.
func TestDenied(t *testing.T) {
	dir := t.TempDir()
	for _, up := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "a.log")
	if err := os.WriteFile(path, []byte("line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	finder, err := find.New(logp.NewLogger("test"), find.Options{Globs: []string{dir + "/*.log"}})
	if err != nil {
		t.Fatal(err)
	}
	h, info, err := finder.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Close()
	f := &file{inode: inodeOf(info), shard: &shard{run: &run{log: logp.NewLogger("test"), now: time.Now}}, names: []string{path}}
	for mode, want := range map[os.FileMode]int64{0: 1, 0o644: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { // as nobody, in a thread that ends with it
			defer close(done)
			runtime.LockOSThread()
			if os.Getuid() == 0 {
				unix.Setfsuid(65534)
			}
			_, _ = f.opened(finder)
		}()
		<-done
		var sum lag
		if sum.add(f, 0); sum.denied != want {
			t.Errorf("%o: %d files are denied, want %d", mode, sum.denied, want)
		}
		f.close()
	}
}
