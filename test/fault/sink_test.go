package fault

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/verify"
)

// Whatever Elasticsearch answers, every message is stored once or is in the dead letters once.
func TestSinkFaults(t *testing.T) {
	f := func(name string, o sink.Options, output string, counts ...string) {
		t.Run(name, func(t *testing.T) { testSink(t, o, output, counts) })
	}
	f("item 400", sink.Options{Faults: sink.Faults{Item400: 0.02}}, "", "dead_letter")
	f("item 400 to an index", sink.Options{Faults: sink.Faults{Item400: 0.02}}, "non_indexable_policy.dead_letter_index.index: dead-letter", "dead_letter")
	f("item 429", sink.Options{Faults: sink.Faults{Item429: 0.1}}, "", "retried_items")
	f("429", sink.Options{Faults: sink.Faults{Request429: 0.3}}, "", "retries_request", "backoff_ms")
	f("503", sink.Options{Faults: sink.Faults{Request503: 0.3}}, "", "retries_request", "backoff_ms")
	f("413", sink.Options{MaxBody: 300_000}, "", "split_413")
	f("cut before", sink.Options{Faults: sink.Faults{ResetBefore: 0.3}}, "", "retries_request")
	f("cut after", sink.Options{Faults: sink.Faults{ResetAfter: 0.3}}, "", "retries_request", "duplicates")
	f("torn answer", sink.Options{Faults: sink.Faults{TruncateAfter: 0.3}}, "", "duplicates")
	f("all", sink.Options{MaxBody: 200_000, Faults: sink.Faults{Request429: 0.1, Request503: 0.1, ResetBefore: 0.1, ResetAfter: 0.1,
		TruncateAfter: 0.1, Item429: 0.05, Item400: 0.02}}, "worker: 2", "dead_letter", "retried_items", "retries_request", "split_413", "duplicates")
}

// testSink runs podbeat into a sink with these faults; each of counts, below podbeat.output, must have moved.
func testSink(t *testing.T, o sink.Options, output string, counts []string) {
	o.IDs, o.Seed = true, 7
	s := sink.New(o)
	server := httptest.NewServer(s)
	defer server.Close()
	j := readOnly(t, journalgen.Defaults(entries))
	p := harness.New(t, config(j.dir, fmt.Sprintf(`
queue.mem: {events: 4096, flush.min_events: 200, flush.timeout: 100ms}
output.elasticsearch:
  hosts: [%q]
  bulk_max_size: 200
  backoff: {init: 10ms, max: 100ms}
  index: "sink-%%{+yyyy.MM.dd}"
  %s
`, server.URL, output)))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, j.entries) })
	stats := p.Stats()
	j.wantCounts(t, stats)
	p.Term()

	c := j.expect(false)
	letters := 0
	for key, n := range s.IDs() {
		index, id, _ := strings.Cut(key, "/")
		if strings.HasPrefix(index, "dead-letter") {
			letters++
		}
		for range n {
			c.Arrived(verify.Doc{ID: id, IDOnly: true})
		}
	}
	for _, id := range deadLetters(t, p) {
		letters++
		c.Arrived(verify.Doc{ID: id, IDOnly: true})
	}
	wantExact(t, c, nil)
	wantLetters := 0
	if o.Faults.Item400 > 0 {
		wantLetters = c.Expected() / 50
	}
	if letters < wantLetters/2 || letters > wantLetters*2 {
		t.Errorf("%d dead letters, want about %d", letters, wantLetters)
	}
	if doubled := s.Doubled(); len(doubled) > 0 {
		t.Errorf("messages %d are in two documents", doubled)
	}
	for _, name := range counts {
		if stats["podbeat.output."+name] == 0 {
			t.Errorf("podbeat.output.%s is 0: the fault was not met, or is not counted; the sink: %+v", name, s.Stats())
		}
	}
	if got := int(stats["podbeat.output.delivered"]) + letters; got != c.Expected() && !slices.Contains(counts, "duplicates") {
		t.Errorf("podbeat counts %d delivered and %d are dead letters, want %d together", int(stats["podbeat.output.delivered"]), letters, c.Expected())
	}
}

// deadLetters returns the ids in podbeat's dead-letter file. Each letter must hold the event it stands for, and why.
func deadLetters(t *testing.T, p *harness.Podbeat) (ids []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.Dir, "data", "dead-letter.ndjson"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var letter struct {
			Message string
			Error   struct{ Type, Message string }
			Event   struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatalf("cannot parse dead letter %.200q: %v", line, err)
		}
		var event struct{ Message string }
		if err := json.Unmarshal([]byte(letter.Message), &event); err != nil || !strings.Contains(letter.Message, "sq#") || letter.Error.Type == "" {
			t.Errorf("dead letter %.300q does not hold its event and why it is here (%v)", line, err)
		}
		ids = append(ids, letter.Event.ID)
	}
	return ids
}
