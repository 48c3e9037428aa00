package follow

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestChaos has logs written, rotated in every way, and podbeat stopped, killed and held up, in an
// order made by chance. Nothing may be lost, and nothing may have two ids.
func TestChaos(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			chaos(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func chaos(t *testing.T, random *rand.Rand) {
	n := newNode(t)
	n.start()
	running := true
	var all []string
	style := []string{"shift", "copytruncate", "date", "shift and gzip"}[random.IntN(4)]
	next := 0
	write := func() {
		count := 1 + random.IntN(300)
		all = append(all, n.write("p/app.log", "line of "+style, next, next+count)...)
		next += count
	}
	write()
	for step := range 40 {
		switch random.IntN(8) {
		case 0, 1, 2:
			write()
		case 3, 4:
			if _, err := os.Stat(n.path("p/app.log")); err == nil {
				n.rotate(style, step)
			}
			write()
		case 5:
			n.mu.Lock()
			n.noAck = random.IntN(2) == 0
			n.mu.Unlock()
		case 6:
			n.hold(random.IntN(2) == 0)
		case 7:
			if running {
				n.hold(false)
				if random.IntN(2) == 0 {
					n.stop()
				} else {
					n.kill()
				}
			} else {
				n.start()
			}
			running = !running
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
	}
	n.hold(false)
	if !running {
		n.start()
	}
	n.want(all)
}

// rotate rotates p/app.log once, keeping everything.
func (n *node) rotate(style string, step int) {
	n.t.Helper()
	name := func(i int) string { return n.path(fmt.Sprintf("p/app.log.%d", i)) }
	last := 1
	for ; ; last++ {
		if found, _ := filepath.Glob(name(last) + "*"); found == nil {
			break
		}
	}
	shift := func() {
		for i := last; i > 1; i-- {
			if err := os.Rename(name(i-1), name(i)); os.IsNotExist(err) {
				n.do(os.Rename(name(i-1)+".gz", name(i)+".gz"))
			}
		}
	}
	switch style {
	case "shift":
		shift()
		n.do(os.Rename(n.path("p/app.log"), name(1)))
	case "copytruncate":
		shift()
		n.copytruncate("p/app.log", "p/app.log.1")
	case "date":
		n.do(os.Rename(n.path("p/app.log"), n.path(fmt.Sprintf("p/app-2026-11-21T%02d.log", step))))
	case "shift and gzip":
		shift()
		if last > 1 {
			if _, err := os.Stat(name(2)); err == nil {
				n.gzip(name(2))
			}
		}
		n.do(os.Rename(n.path("p/app.log"), name(1)))
	}
}
