package follow

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Bursts that are copied and truncated at once, while the output is slow: what is in the file and in its copies changes
// between any two looks at them.
func TestBursts(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 2))
			n := newNode(t)
			n.start()
			var all []string
			for i := range 60 {
				dir := fmt.Sprintf("p%d", i)
				all = append(all, n.write(dir+"/app.log", "first", i*1000, i*1000+1+random.IntN(20))...)
				for k := range 4 {
					if random.IntN(3) == 0 {
						n.hold(random.IntN(2) == 0)
					}
					time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond)
					to := fmt.Sprintf("%s/app-2026-11-21-%02d.log", dir, k)
					if i%2 == 0 {
						to = fmt.Sprintf("%s/app.log.%d", dir, k)
					}
					n.copytruncate(dir+"/app.log", to)
					all = append(all, n.write(dir+"/app.log", fmt.Sprint("round ", k), i*1000, i*1000+1+random.IntN(20))...)
				}
			}
			n.hold(false)
			n.want(all)
		})
	}
}
