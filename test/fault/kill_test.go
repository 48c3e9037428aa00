package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// The memory queue holds queueSize events at most, so a kill makes podbeat send no more than these again, and
// what it had acknowledged in the last moments before.
const queueSize = 2048

func TestKill9MemoryQueue(t *testing.T) {
	kills, sent, expected := testKill9(t, "memory", fmt.Sprintf("queue.mem: {events: %d, flush.min_events: 200, flush.timeout: 100ms}", queueSize))
	const moments = 4 // queues' worth acknowledged but not yet written down: a position is stored every 50 ms
	if most := expected + kills*queueSize*(1+moments); sent > most {
		t.Errorf("%d documents were sent for %d, want %d at most: podbeat starts too far back", sent, expected, most)
	}
}

func TestKill9DiskQueue(t *testing.T) {
	testKill9(t, "disk", "queue.disk: {max_size: 100MB, segment_size: 2MB}")
}

// testKill9 kills podbeat at random moments (the seed is fixed, the moments are not quite): while a request is
// on its way, when it is stored but not answered, and at any time in between.
func testKill9(t *testing.T, name, queue string) (kills, sent, expected int) {
	o, kills := journalgen.Defaults(entries), 10
	o.Partial = 0.02 // many kills are to find a message half read
	bulk := 200
	if harness.Soak() {
		o, kills, bulk = journalgen.Defaults(1_000_000), 20, 1000
	}
	j := readOnly(t, o)
	url := services.Elasticsearch(t, 7)
	gate := harness.NewGate(t, url)
	index := "kill-" + name
	c := j.expect(false)
	expected = c.Expected()
	r := rand.New(rand.NewPCG(9, uint64(len(queue))))

	// Each life lasts until so many documents have been sent; the last fifth is left for the last life.
	var cuts []int
	for range kills {
		cuts = append(cuts, r.IntN(expected*4/5))
	}
	slices.Sort(cuts)
	next := gate.Hold(max(1, cuts[0]), harness.Passing)
	p := harness.New(t, config(j.dir, fmt.Sprintf(`%s
output.elasticsearch: {hosts: [%q], index: "%s-%%{+yyyy.MM.dd}", bulk_max_size: %d}`, queue, gate.URL, index, bulk)))
	for i := range kills {
		p.Wait(fmt.Sprintf("kill %d is due", i+1), func(harness.Stats) bool { return done(next) })
		p.Kill9()
		gate.Release()
		if i+1 < kills {
			moment := []harness.Moment{harness.Passing, harness.BeforeStore, harness.AfterStore}[r.IntN(3)]
			next = gate.Hold(max(1, cuts[i+1]-cuts[i]), moment)
		}
		p.Start()
		if i%3 == 0 { // and once more, somewhere in its start
			<-time.After(time.Duration(r.IntN(400)) * time.Millisecond)
			p.Kill9()
			p.Start()
		}
	}
	p.Wait("everything has been delivered", stored(t, url, index+"-*", expected))
	p.Term()
	wantExact(t, c, verify.Elasticsearch(url, index+"-*", c.Arrived))
	kills += (kills + 2) / 3 // those in the start
	t.Logf("%d kills, %d documents sent for %d", kills, gate.Docs(), expected)
	return kills, gate.Docs(), expected
}
