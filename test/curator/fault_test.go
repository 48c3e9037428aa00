package curator

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

// A scene is a cluster with 30 indices to be deleted, of names so long that they take several requests, and some that
// are not to be.
type scene struct {
	*cluster
	wire  *proxy
	file  string
	doom  []string          // names of those to be deleted
	stays map[string]string // identities of all others
}

var long = strings.Repeat("x", 200)

func newScene(t *testing.T, major int) *scene {
	t.Helper()
	s := &scene{cluster: newCluster(t, major)}
	s.wire = newProxy(t, s.url)
	s.file = write(t, "actions.yml", deleteBy(prefix("old-")))
	s.refill(t)
	return s
}

// refill makes the indices anew.
func (s *scene) refill(t *testing.T) {
	t.Helper()
	s.see(t)
	s.make(t, "old-"+long+"-{01..30}\nnew-{1..5} docs=1\n.old-1\nclosed-1 closed", "", time.Now())
	s.doom, s.stays = nil, map[string]string{}
	for name, is := range s.see(t).identities {
		if strings.HasPrefix(name, "old-") {
			s.doom = append(s.doom, name)
		} else {
			s.stays[name] = is
		}
	}
}

// check wants the doomed indices to be gone, but for those named, and all others to be what they were.
func (s *scene) check(t *testing.T, left ...string) {
	t.Helper()
	is := s.see(t).identities
	var doom []string
	for name := range is {
		if slices.Contains(s.doom, name) {
			doom = append(doom, name)
			delete(is, name)
		}
	}
	slices.Sort(doom)
	if !slices.Equal(doom, left) {
		t.Errorf("%d indices to be deleted are left, want %d: %.300q", len(doom), len(left), doom)
	}
	s.unharmed(t)
}

// unharmed wants all that is not to be deleted to be what it was.
func (s *scene) unharmed(t *testing.T) {
	t.Helper()
	is := s.see(t).identities
	maps.DeleteFunc(is, func(name, _ string) bool { return slices.Contains(s.doom, name) })
	if !maps.Equal(is, s.stays) {
		t.Errorf("what is not to be deleted is now %q, was %q", is, s.stays)
	}
}

// run runs podbeat's curator through the proxy and wants an exit code, and words in its log.
func (s *scene) run(t *testing.T, exit int, words string, flags ...string) (log string) {
	t.Helper()
	args := slices.Concat([]string{"--config", clientFile(t, s.wire.url), "--no-guards"}, flags, []string{s.file})
	got, log := execute(t, nil, program(t), args...)
	if got != exit || !strings.Contains(log, words) {
		t.Errorf("curator exits %d, want %d; it says\n%s\nwant %q in it", got, exit, log, words)
	}
	return log
}

// finishes runs it once more, without a fault, and wants all to be done.
func (s *scene) finishes(t *testing.T) {
	t.Helper()
	s.wire.set(nil)
	s.file = write(t, "actions.yml", deleteAny(prefix("old-")))
	s.run(t, 0, "All actions completed.")
	s.check(t)
}

func both(t *testing.T, f func(t *testing.T, s *scene)) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprintf("Elasticsearch %d", major), func(t *testing.T) {
			t.Parallel() // much of it is waiting, each for another server
			f(t, newScene(t, major))
		})
	}
}

func TestServerAway(t *testing.T) {
	s := newScene(t, 7)
	nobody := "http://" + services.Address(t)
	was := s.wire.url
	s.wire.url = nobody
	s.run(t, 1, strings.TrimPrefix(nobody, "http://"))
	s.wire.url = was
	s.check(t, slices.Sorted(slices.Values(s.doom))...)
	s.finishes(t)
}

// The connection is cut at the second DELETE, and at all that follows.
func TestServerLost(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		var lost bool
		var mu sync.Mutex
		n := 0
		s.wire.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			if deletes(r) {
				n++
			}
			lost = lost || n == 2
			cut := lost
			mu.Unlock()
			if cut {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
		s.run(t, 1, "Failed to complete action: delete_indices")
		s.unharmed(t)
		if left := len(s.see(t).identities) - len(s.stays); left == 0 || left == len(s.doom) {
			t.Errorf("%d of %d indices are left: the connection was not cut in the middle", left, len(s.doom))
		}
		s.finishes(t)
	})
}

func TestServerBusy(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			s.refill(t)
			met := map[string]bool{}
			var mu sync.Mutex
			s.wire.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				mu.Lock()
				key := r.Method + r.URL.String()
				first := !met[key]
				met[key] = true
				mu.Unlock()
				if first { // each request is refused once
					w.Header().Set("Retry-After", "0")
					http.Error(w, `{"error": {"type": "busy", "reason": "come again"}}`, status)
					return
				}
				next.ServeHTTP(w, r)
			})
			s.run(t, 0, "All actions completed.")
			s.check(t)
		}
	})
}

func TestServerBusyForEver(t *testing.T) {
	s := newScene(t, 7)
	s.wire.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if deletes(r) {
			http.Error(w, `{"error": {"type": "busy", "reason": "never come again"}, "status": 503}`, http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	s.run(t, 1, "503")
	s.check(t, slices.Sorted(slices.Values(s.doom))...)
	s.finishes(t)
}

// Every answer to a DELETE comes later than it is waited for, though Elasticsearch has done what it says.
func TestServerSlow(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		s.file = write(t, "actions.yml", one("delete_indices", "timeout_override: 1", prefix("old-")))
		s.wire.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if !deletes(r) {
				next.ServeHTTP(w, r)
				return
			}
			trap := newTrap(1, true, deletes)
			trap.fault(w, r, next)
		})
		s.run(t, 0, "") // what is gone when it looks is done
		s.check(t)
	})
}

func TestRed(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		c := s.cluster
		c.make(t, "old-{1..3} docs=1\nnew-{1..5} docs=1\nred index.routing.allocation.require.box=nowhere", "", time.Now())
		red := func() string {
			return string(c.call(t, "GET", "/_cluster/health?filter_path=status", ""))
		}
		for deadline := time.Now().Add(time.Minute); !strings.Contains(red(), "red"); {
			if time.Now().After(deadline) {
				t.Fatal("the cluster does not turn red")
			}
		}
		before := c.state(t, false)
		file := write(t, "actions.yml", deleteBy(prefix("old-"), "filtertype: count, count: 2"))
		exit, log := execute(t, nil, program(t), "--config", clientFile(t, s.wire.url), file)
		if exit != 1 || !strings.Contains(log, "the cluster is red") || c.state(t, false) != before {
			t.Errorf("on a red cluster it exits %d, changed anything: %v, says\n%s", exit, c.state(t, false) != before, log)
		}
		exit, log = execute(t, nil, program(t), "--config", clientFile(t, s.wire.url), "--guard-health=false", file)
		if exit != 0 || strings.Contains(c.state(t, false), "old-1") || !strings.Contains(c.state(t, false), "old-2") {
			t.Errorf("without the guard it exits %d, says\n%s\nleaves\n%s", exit, log, c.state(t, false))
		}
	})
}

// One of the indices is being snapshotted for longer than anyone waits: the others go, it goes in the next run.
func TestSnapshotUnderWay(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		busy := "old-" + strings.Repeat("x", 200) + "-17"
		s.slowSnapshot(t, busy)
		s.run(t, 1, busy)
		s.check(t, busy)
		s.call(t, "DELETE", "/_snapshot/slow/long", "")
		s.finishes(t)
	})
}

// It is over after a moment: one run does it all.
func TestSnapshotEnds(t *testing.T) {
	s := newScene(t, 7)
	busy := "old-" + strings.Repeat("x", 200) + "-17"
	s.slowSnapshot(t, busy)
	var once sync.Once
	s.wire.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		if deletes(r) && r.URL.Path == "/"+busy { // refused, by itself
			once.Do(func() { s.call(t, "DELETE", "/_snapshot/slow/long", "") })
		}
	})
	s.run(t, 0, "All actions completed.")
	s.check(t)
}

// slowSnapshot starts a snapshot of an index that takes minutes, in a repository "slow".
func (s *scene) slowSnapshot(t *testing.T, index string) {
	t.Helper()
	s.call(t, "PUT", "/_snapshot/slow", `{"type": "fs", "settings": {"location": "slow", "max_snapshot_bytes_per_sec": "10kb"}}`)
	s.call(t, "PUT", "/_settings?expand_wildcards=none&allow_no_indices=true", `{"index.refresh_interval": "1s"}`)
	services.Call(t, "POST", s.url+"/"+index+"/_doc?refresh=true", fmt.Sprintf(`{"m": %q}`, noise(30000)), 201)
	for range 60 {
		services.Call(t, "POST", s.url+"/"+index+"/_doc", fmt.Sprintf(`{"m": %q}`, noise(30000)), 201)
	}
	s.call(t, "POST", "/"+index+"/_flush?force=true", "")
	services.Call(t, "PUT", s.url+"/_snapshot/slow/long", fmt.Sprintf(`{"indices": %q}`, index), 200)
	t.Cleanup(func() {
		http.DefaultClient.Do(must(http.NewRequest("DELETE", s.url+"/_snapshot/slow/long", nil)))
		s.call(t, "DELETE", "/_snapshot/slow", "")
	})
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

// Killed before or after one of its DELETEs, the next run finishes.
func TestKilledInDelete(t *testing.T) {
	both(t, func(t *testing.T, s *scene) {
		for n := 1; n <= 3; n++ {
			s.refill(t)
			s.killed(t, newTrap(n, n%2 == s.major%2, deletes))
			s.unharmed(t)
			s.finishes(t)
		}
	})
}

// killed runs it until the trap has a request, and kills it then.
func (s *scene) killed(t *testing.T, trap *trap) {
	t.Helper()
	s.wire.set(trap.fault)
	defer s.wire.set(nil)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program(t), "--config", clientFile(t, s.wire.url), "--no-guards", s.file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { cmd.Wait(); close(over) }()
	select {
	case <-trap.hit:
	case <-over:
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("it ended before it could be killed: %s", text)
	case <-time.After(2 * time.Minute):
		cmd.Process.Kill()
		<-over
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("it never came to where it was to be killed: %s", text)
	}
	cmd.Process.Kill()
	<-over
}

// Killed while it waits for a snapshot, the next run says that one is under way; when it is over, the run after makes its own.
func TestKilledInSnapshot(t *testing.T) {
	s := newScene(t, 7)
	s.make(t, "log-1 kb=300\nother docs=1", "", time.Now())
	rate := func(limit string) {
		t.Helper()
		s.call(t, "PUT", "/_snapshot/slow", `{"type": "fs", "settings": {"location": "slow", "max_snapshot_bytes_per_sec": "`+limit+`"}}`)
	}
	rate("5kb") // for a minute, unless it is let go
	t.Cleanup(func() { s.call(t, "DELETE", "/_snapshot/slow", "") })
	s.file = write(t, "actions.yml", one("snapshot", "repository: slow, name: 'mine-%Y%m%d%H%M%S', wait_interval: 1, include_global_state: false", prefix("log")))
	s.killed(t, newTrap(2, true, func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/slow/mine-") || strings.HasSuffix(r.URL.Path, "/_status")
	}))
	s.run(t, 1, "in progress")
	rate("40mb")
	for deadline := time.Now().Add(time.Minute); strings.Contains(string(s.call(t, "GET", "/_snapshot/_status", "")), "mine-"); {
		if time.Now().After(deadline) {
			t.Fatal("the snapshot does not end")
		}
	}
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a second later it has another name
	s.run(t, 0, "All actions completed.")
	var answer struct {
		Snapshots []struct{ Snapshot, State string }
	}
	s.get(t, "/_snapshot/slow/_all", &answer)
	if len(answer.Snapshots) != 2 || answer.Snapshots[1].State != "SUCCESS" {
		t.Errorf("snapshots are %+v, want two", answer.Snapshots)
	}
	for _, a := range answer.Snapshots {
		s.call(t, "DELETE", "/_snapshot/slow/"+a.Snapshot, "")
	}
}

// Killed while it waits for a reindex, the next run brings all documents over.
func TestKilledInReindex(t *testing.T) {
	s := newScene(t, 7)
	s.make(t, "log-1 docs=60\nother docs=1", "", time.Now())
	s.file = write(t, "actions.yml", one("reindex", "wait_interval: 1, requests_per_second: 30, request_body: {source: {index: REINDEX_SELECTION, size: 10}, dest: {index: again}}", prefix("log")))
	s.killed(t, newTrap(1, true, func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/_tasks/") }))
	s.run(t, 0, "All actions completed.")
	s.call(t, "POST", "/again/_refresh", "")
	if count := string(s.call(t, "GET", "/again/_count?filter_path=count", "")); count != `{"count":60}` {
		t.Errorf("the copy holds %s documents, want 60", count)
	}
}
