// Package fault tests podbeat against what goes wrong on a node: the built program reads real journal files and
// sends to real servers, and is killed, starved, refused and lied to meanwhile. After each test every message
// of the journal has arrived once, or is where podbeat says it is.
//
// The tests take some 20,000 entries; with PODBEAT_SOAK=1 the kill tests take 1,000,000 and kill 20 times.
package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

var shared struct {
	sync.Mutex
	dir      string
	journals map[journalgen.Options]*journal
}

func TestMain(m *testing.M) {
	var err error
	if shared.dir, err = os.MkdirTemp("", "podbeat-journals-"); err != nil {
		panic(err)
	}
	code := harness.Main(m)
	os.RemoveAll(shared.dir)
	os.Exit(code)
}

// A journal is a folder of journal files, and what has to arrive of it.
type journal struct {
	dir      string
	entries  int
	chain    string // its seqnum_id
	messages []journalgen.Message
}

// readOnly returns the journal of these options. Tests share it, and leave its files alone.
func readOnly(t *testing.T, o journalgen.Options) *journal {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if j := shared.journals[o]; j != nil {
		return j
	}
	dir := filepath.Join(shared.dir, fmt.Sprint(len(shared.journals)))
	messages, err := journalgen.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{dir: dir, entries: o.Entries, chain: chainOf(t, dir), messages: messages}
	if shared.journals == nil {
		shared.journals = map[journalgen.Options]*journal{}
	}
	shared.journals[o] = j
	return j
}

// chainOf returns the seqnum_id of all the files in dir.
func chainOf(t *testing.T, dir string) string {
	t.Helper()
	headers, err := journalgen.Headers(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if h.SeqnumID != headers[0].SeqnumID {
			t.Fatalf("journal %s has two chains", dir)
		}
	}
	return headers[0].SeqnumID
}

// id is the document id of a message. The generator's ordinals are from 0, sequence numbers from 1.
func (j *journal) id(m journalgen.Message) string {
	return verify.ID(j.chain, uint64(m.First)+1)
}

func token(m journalgen.Message) string { return fmt.Sprintf("sq#%08d", m.Seq) }

// expect returns a check for all messages but those of pause containers. A search finds them in the order in which
// they began; a queue, topic or file has them inOrderOfEnds, as a message is sent when its last part is there.
func (j *journal) expect(inOrderOfEnds bool) *verify.Check {
	c := verify.New()
	for _, m := range j.messages {
		if m.Pause {
			continue
		}
		w := verify.Want{ID: j.id(m), CRC32: m.CRC32}
		if m.Binary {
			w.Token = token(m)
		}
		if inOrderOfEnds {
			w.Rank = uint64(m.Last) + 1
		}
		c.Expect(w)
	}
	return c
}

// The generator's word on what is in a journal is systemd's too: journalctl finds each message's token in the
// entry whose id the message is to have, and nowhere else.
func TestExpected(t *testing.T) {
	j := readOnly(t, journalgen.Defaults(entries))
	tokens := map[string]string{}
	for _, m := range j.messages {
		tokens[j.id(m)] = token(m)
	}
	n := 0
	err := verify.Journal(j.dir, func(e verify.Entry) {
		n++
		text := e.Fields["MESSAGE"] + e.Fields["GOROUTINE_DUMP"]
		want := tokens[e.ID()]
		if got := strings.Contains(text, "sq#"); got != (want != "") || !strings.Contains(text, want) {
			t.Errorf("entry %s: %.100q, want token %q in it", e.ID(), text, want)
		}
	}, "MESSAGE", "GOROUTINE_DUMP")
	if err != nil || n != j.entries {
		t.Errorf("journalctl has %d entries (%v), want %d", n, err, j.entries)
	}
}

// entries are in the journals of the short tests.
const entries = 20_000

// config is podbeat's configuration with one input, called node, and this output section.
func config(dir, output string) string {
	return fmt.Sprintf(`
podbeat.inputs:
- type: journal
  id: node
  paths: [%q]
processors:
- k8sname: ~
- pausedrop: ~
setup.template.enabled: false
setup.ilm.enabled: false
logging.metrics.enabled: false
%s`, dir, output)
}

// input is one number of the journal input's statistics.
func input(s harness.Stats, name string) int { return int(s["podbeat.journal.node."+name]) }

// drained says whether podbeat has read n entries and got rid of all they gave. The numbers are not of one instant, so they
// have to add up: an entry is read some time before its event is published.
func drained(s harness.Stats, n int) bool {
	return s != nil && accounted(s) >= n && s["libbeat.pipeline.events.active"] == 0 &&
		input(s, "read") == input(s, "filtered")+input(s, "joined")+input(s, "again")+input(s, "published") &&
		input(s, "acked") == input(s, "published")
}

// accounted are the entries of which podbeat says what became of them.
func accounted(s harness.Stats) int {
	return input(s, "read") + input(s, "gaps.seqnum") + input(s, "skipped.corrupt")
}

// done says whether the channel is closed.
func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wantCounts checks the input's numbers after an undisturbed run: they add up, and are those of the journal.
func (j *journal) wantCounts(t *testing.T, s harness.Stats) {
	t.Helper()
	joined := 0
	for _, m := range j.messages {
		joined += m.Parts - 1
	}
	for name, want := range map[string]int{
		"read": j.entries, "joined": joined, "published": len(j.messages), "acked": len(j.messages),
		"filtered": 0, "skipped.corrupt": 0, "skipped.other": 0, "gaps.seqnum": 0, "gaps.ordinal": 0, "truncated": 0, "errors": 0,
	} {
		if got := input(s, name); got != want {
			t.Errorf("podbeat.journal.node.%s is %d, want %d", name, got, want)
		}
	}
}

// wantExact checks that everything has arrived once, and shows the counts either way.
func wantExact(t *testing.T, c *verify.Check, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	if !r.Exact() {
		t.Error(r)
		return
	}
	t.Log(r)
}

// stored says whether the indices hold n documents or more; it asks no oftener than twice a second.
func stored(t *testing.T, url, pattern string, n int) func(harness.Stats) bool {
	next := time.Now()
	return func(harness.Stats) bool {
		if time.Now().Before(next) {
			return false
		}
		got, err := verify.Count(url, pattern)
		if err != nil {
			t.Fatal(err)
		}
		next = time.Now().Add(500 * time.Millisecond)
		return got >= n
	}
}

// Plain runs into both generations of Elasticsearch.
func TestElasticsearch(t *testing.T) {
	f := func(major int) {
		t.Helper()
		j := readOnly(t, journalgen.Defaults(entries))
		url := services.Elasticsearch(t, major)
		p := harness.New(t, config(j.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "plain-%%{+yyyy.MM.dd}"}`, url)))
		p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, j.entries) })
		j.wantCounts(t, p.Stats())
		p.Term()
		c := j.expect(false)
		wantExact(t, c, verify.Elasticsearch(url, "plain-*", c.Arrived))
		if r := c.Report(); r.Reordered > 0 {
			t.Error("sorted as users sort it, the order is not the journal's: ", r)
		}
	}
	f(7)
	f(8)
}
