package queue

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
)

// onDisk opens the disk queue in dir, with the smallest segments.
func onDisk(t *testing.T, dir string) queue.Queue {
	t.Helper()
	cfg := common.MustNewConfigFrom(map[string]any{"path": dir, "max_size": "100MB", "segment_size": "1MB"})
	q, err := queue.FindFactory("disk")(nil, logp.L(), cfg, 400)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// The queue is opened and closed again and again; each time something is published, some of what waits is delivered, or all
// of it. What was delivered does not come again, and everything comes.
func TestDisk(t *testing.T) {
	for seed := range uint64(12) {
		r, dir := rand.New(rand.NewPCG(seed, 1)), filepath.Join(t.TempDir(), "queue")
		published, delivered, text := 0, 0, strings.Repeat("x", 40_000)
		for range 10 {
			q := onDisk(t, dir)
			written := make(chan int, 100) // what is not when the queue is closed is gone
			p, c := q.Producer(queue.ProducerConfig{ACK: func(n int) { written <- n }}), q.Consumer()
			before := published
			if r.IntN(4) > 0 {
				for range r.IntN(60) {
					if !p.Publish(publisher.Event{Content: beat.Event{Timestamp: time.Now(), Fields: common.MapStr{"n": published, "text": text}}}) {
						t.Fatal("an event is not taken")
					}
					published++
				}
			}
			for n := before; n < published; {
				n += <-written
			}
			until := published
			if r.IntN(2) == 0 && published > delivered {
				until = delivered + r.IntN(published-delivered)
			}
			for delivered < until {
				b, err := c.Get(1 + r.IntN(until-delivered))
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range b.Events() {
					if n := fmt.Sprint(e.Content.Fields["n"]); n != fmt.Sprint(delivered) {
						t.Fatalf("seed %d: event %s comes when %d is to come", seed, n, delivered)
					}
					delivered++
				}
				b.ACK()
			}
			_ = c.Close()
			p.Cancel()
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMend(t *testing.T) {
	f := func(state []byte, segments []int, want string) {
		t.Helper()
		dir := t.TempDir()
		if state != nil {
			if err := os.WriteFile(filepath.Join(dir, "state.dat"), state, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range segments {
			if err := os.WriteFile(segmentPath(dir, uint64(id)), make([]byte, 100), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := mend(dir); err != nil {
			t.Error(err)
		}
		left, err := segmentsIn(dir)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "state.dat"))
		got := fmt.Sprint(left, b)
		if err != nil {
			got = fmt.Sprint(left, " none")
		}
		if got != want {
			t.Errorf("state %v, segments %v: got %s, want %s", state, segments, got, want)
		}
	}
	at := func(segment, offset, frame byte) []byte {
		return []byte{1, 0, 0, 0, segment, 0, 0, 0, 0, 0, 0, 0, offset, 0, 0, 0, 0, 0, 0, 0, frame, 0, 0, 0, 0, 0, 0, 0}
	}
	f(nil, nil, "[] none")
	f(nil, []int{3}, "[3] none")
	f([]byte{}, []int{3}, "[3] none")
	f(at(3, 50, 5), nil, "[] none")
	f(at(3, 50, 5), []int{3}, fmt.Sprint([]int{3}, at(3, 50, 5)))
	f(at(3, 100, 9), []int{3}, "[] none")
	f(at(3, 100, 9), []int{2, 3}, "[] none")
	f(at(3, 150, 9), []int{3, 5, 6}, fmt.Sprint([]int{3, 5, 6}, at(5, 0, 0)))
	f(at(3, 150, 9), []int{5, 6}, fmt.Sprint([]int{5, 6}, at(3, 150, 9)))
	f([]byte{1, 0, 0, 0, 3}, []int{3}, fmt.Sprint([]int{3}, []byte{1, 0, 0, 0, 3}))
	f([]byte{9, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []int{3},
		fmt.Sprint([]int{3}, []byte{9, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
}

// On a full disk, or where files must not grow, the position stays as it was: without one all is sent again.
func TestMendWithoutSpace(t *testing.T) {
	dir := t.TempDir()
	state := make([]byte, 28)
	state[0], state[4], state[12], state[20] = 1, 3, 100, 9 // segment 3, delivered to its end
	path := filepath.Join(dir, "state.dat")
	for name, b := range map[string][]byte{path: state, segmentPath(dir, 3): make([]byte, 100), segmentPath(dir, 5): make([]byte, 100)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := mend(dir)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Error("nothing can be written, and it is no error")
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, state) {
		t.Errorf("the position is %v: %v", b, err)
	}
}
