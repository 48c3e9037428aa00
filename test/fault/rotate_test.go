package fault

import (
	"context"
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

// perFile are the entries of a file in the journals that rotate.
const perFile = 2000

// live is a journal that is still written.
type live struct {
	journal
	t *testing.T
	w *journalgen.Writer
	g *journalgen.Generator
}

func newLive(t *testing.T, o journalgen.Options) *live {
	t.Helper()
	dir := t.TempDir()
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &live{journal: journal{dir: dir, entries: o.Entries, chain: chainOf(t, dir)}, t: t, w: w, g: journalgen.New(o)}
}

// write writes n entries, and rotates.
func (l *live) write(n int) {
	l.t.Helper()
	for i := range n {
		e, ok := l.g.Next()
		if !ok {
			l.t.Fatal("the generator has no more entries")
		}
		if err := l.w.Append(e); err != nil {
			l.t.Fatal(err)
		}
		if (i+1)%perFile == 0 {
			if _, err := l.w.Rotate(); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	if err := l.w.Sync(); err != nil {
		l.t.Fatal(err)
	}
}

// feed writes all that is left, perSecond entries a second, and rotates.
func (l *live) feed(perSecond int) {
	l.t.Helper()
	if err := l.w.Feed(context.Background(), l.g, perSecond, perFile); err != nil {
		l.t.Fatal(err)
	}
	l.messages = l.g.Messages()
}

// whole are entries of which none is a part of another's message, so that what is missing of one is missing of it alone.
func whole() journalgen.Options {
	o := journalgen.Defaults(entries)
	o.Partial = 0
	return o
}

// The journal is written and rotated while podbeat reads it.
func TestRotate(t *testing.T) {
	l := newLive(t, journalgen.Defaults(entries))
	url := services.Elasticsearch(t, 7)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "rotate-%%{+yyyy.MM.dd}"}`, url)))
	p.Wait("it has begun to read", func(s harness.Stats) bool { _, ok := s["podbeat.journal.node.read"]; return ok })
	l.feed(8000)
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, entries) })
	l.wantCounts(t, p.Stats())
	if _, err := journalgen.Vacuum(l.dir, 0); err != nil {
		t.Fatal(err)
	}
	p.Wait("it has let go of the deleted files", func(harness.Stats) bool { return len(p.DeletedFiles()) == 0 })
	p.Term()
	c := l.expect(false)
	wantExact(t, c, verify.Elasticsearch(url, "rotate-*", c.Arrived))
}

// The same with kills at random moments.
func TestRotateKill9(t *testing.T) {
	o := journalgen.Defaults(entries)
	o.Partial = 0.02
	l := newLive(t, o)
	url := services.Elasticsearch(t, 7)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "rotatekill-%%{+yyyy.MM.dd}"}`, url)))
	fed := make(chan error, 1)
	go func() { fed <- l.w.Feed(context.Background(), l.g, 3000, perFile) }() // its end is waited for below
	r := rand.New(rand.NewPCG(3, 3))
	for kill := time.After(0); ; kill = time.After(time.Duration(200+r.IntN(1200)) * time.Millisecond) {
		select {
		case err := <-fed:
			if err != nil {
				t.Fatal(err)
			}
		case <-kill:
			p.Kill9()
			p.Start()
			continue
		}
		break
	}
	l.messages = l.g.Messages()
	c := l.expect(false)
	p.Wait("everything has been delivered", stored(t, url, "rotatekill-*", c.Expected()))
	p.Term()
	wantExact(t, c, verify.Elasticsearch(url, "rotatekill-*", c.Arrived))
}

// The output stands while the journal goes on, is rotated and vacuumed: files go under the reader. It may still
// have them; what it has not is a gap.
func TestVacuumUnderReader(t *testing.T) {
	l := newLive(t, whole())
	l.w.Keep = 3
	url := services.Elasticsearch(t, 7)
	gate := harness.NewGate(t, url)
	held := gate.Hold(1, harness.BeforeStore)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`
queue.mem: {events: 512, flush.min_events: 64, flush.timeout: 100ms}
output.elasticsearch: {hosts: [%q], index: "vacuum-%%{+yyyy.MM.dd}"}`, gate.URL)))
	l.write(100) // podbeat is to have begun before the first file goes: what was gone before its first start is no gap
	p.Wait("the output stands", func(harness.Stats) bool { return done(held) })
	l.feed(0)
	gate.Release()
	s := l.wantAddedUp(t, p, 0)
	p.Wait("it has let go of the deleted files", func(harness.Stats) bool { return len(p.DeletedFiles()) == 0 })
	l.wantMissingOnly(t, p, url, "vacuum-*", input(s, "read"), s, l.vacuumed())
}

// The journal goes on while podbeat is not there, so that its position is in a file that is gone.
func TestVacuumWhileStopped(t *testing.T) {
	l := newLive(t, whole())
	l.w.Keep = 3
	url := services.Elasticsearch(t, 7)
	const before = 2*perFile + perFile/2
	l.write(before)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "stopped-%%{+yyyy.MM.dd}"}`, url)))
	p.Wait("the beginning has been delivered", func(s harness.Stats) bool { return drained(s, before) })
	filtered := p.Stats()["libbeat.pipeline.events.filtered"]
	p.Term()
	l.feed(0)
	p.Start()
	s := l.wantAddedUp(t, p, before)
	if want := int(l.vacuumed().Tail) - before; input(s, "gaps.seqnum") != want {
		t.Errorf("podbeat counts a gap of %d, want the %d that were vacuumed unread", input(s, "gaps.seqnum"), want)
	}
	s["libbeat.pipeline.events.filtered"] += filtered
	l.wantMissingOnly(t, p, url, "stopped-*", before+input(s, "read"), s, l.vacuumed())
}

// vacuumed stands for all files that are gone.
func (l *live) vacuumed() journalgen.Header {
	l.t.Helper()
	headers, err := journalgen.Headers(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	return journalgen.Header{Head: 1, Tail: headers[0].Head - 1}
}

// wantAddedUp waits until podbeat is through and checks that each entry after the first ones was read or is in the gap.
func (l *live) wantAddedUp(t *testing.T, p *harness.Podbeat, first int) harness.Stats {
	t.Helper()
	p.Wait("every entry is delivered or in the gap", func(s harness.Stats) bool { return drained(s, l.entries-first) })
	s := p.Stats()
	if read, gaps, corrupt := input(s, "read"), input(s, "gaps.seqnum"), input(s, "skipped.corrupt"); accounted(s) != l.entries-first {
		t.Errorf("%d read + %d in gaps + %d corrupt, want %d together", read, gaps, corrupt, l.entries-first)
	}
	if read, published := input(s, "read"), input(s, "published"); read != published {
		t.Errorf("%d read, %d published, want the same", read, published)
	}
	return s
}

// wantMissingOnly stops podbeat and checks that nothing arrived twice or unexpected, that what did not arrive was in the
// damaged files, and that as many arrived as podbeat says.
func (l *live) wantMissingOnly(t *testing.T, p *harness.Podbeat, url, pattern string, read int, s harness.Stats, damaged ...journalgen.Header) {
	t.Helper()
	p.Term()
	c := l.expect(false)
	if err := verify.Elasticsearch(url, pattern, c.Arrived); err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	t.Log(r)
	if r.Doubled+r.Unexpected+r.Changed > 0 {
		t.Error("what arrived is not what was written")
	}
	if filtered := int(s["libbeat.pipeline.events.filtered"]); r.Arrived != read-filtered {
		t.Errorf("%d arrived, want the %d that were read without the %d of pause containers", r.Arrived, read, filtered)
	}
	if id := l.missingElsewhere(c, damaged...); id != "" {
		t.Errorf("%s is missing, and was not in a file that was damaged or deleted", id)
	}
}

// missingElsewhere returns the id of a document that has not arrived though its entry was in none of these files.
func (l *live) missingElsewhere(c *verify.Check, damaged ...journalgen.Header) string {
	numbers := map[string]uint64{}
	for _, m := range l.messages {
		numbers[l.id(m)] = uint64(m.First) + 1
	}
	for _, id := range c.Missing() {
		if !slices.ContainsFunc(damaged, func(h journalgen.Header) bool { return h.Head <= numbers[id] && numbers[id] <= h.Tail }) {
			return id
		}
	}
	return ""
}
