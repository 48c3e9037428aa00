package elasticsearch

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

func TestLetter(t *testing.T) {
	es := newFake(t, "201 400:mapper_parsing_exception")
	c, _, file := newTestLane(t, es, "pipeline: geo")
	evs := eventsOf("abc")
	evs[1].Fields = common.MapStr{"message": "say \"<hi>\"\n\xff"}
	evs[2].Fields = common.MapStr{"n": math.Inf(1)}
	if got, err := publish(c, evs...); got != "ack" || err != nil {
		t.Fatal(got, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"{\"@timestamp\":\"2024-05-17T12:00:00.000001Z\",\"n\":\"<float64: NaN and infinity have no JSON>\"}",` +
		`"error":{"type":"not_sendable","message":"cannot encode field \"n\": NaN and infinity have no JSON"},"event":{"id":"c"},"document":{"index":"logs"}}
{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"{\"@timestamp\":\"2024-05-17T12:00:00.000001Z\",\"message\":\"say \\\"<hi>\\\"\\n` + "\uFFFD" + `\"}",` +
		`"error":{"type":"mapper_parsing_exception","message":"because: x: y","code":"400"},"event":{"id":"b"},"document":{"index":"logs"}}
`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v %v, want mode 0600", info.Mode(), err)
	}
}

// Letters to an index: what the server answers to the events, then to their letters.
func TestDeadLetterIndex(t *testing.T) {
	f := func(script, requests, settled, inIndex, inFile string) {
		t.Helper()
		es := newFake(t, strings.Split(script, " | ")...)
		c, _, file := newTestLane(t, es, "pipeline: geo\nnon_indexable_policy.dead_letter_index.index: graves")
		got, err := publish(c, eventsOf("abc")...)
		if err != nil {
			got += "!"
		}
		graves := ""
		for _, id := range []string{"a", "b", "c"} {
			if es.docs["graves/"+id] != "" {
				graves += id
			}
		}
		seen, buried := es.requests(), idsInFile(t, file)
		if seen != requests || got != settled || graves != inIndex || buried != inFile {
			t.Errorf("%s: got requests %s, %s (%v), index %s, file %s", script, seen, got, err, graves, buried)
		}
	}
	f("201 201 201", "abc", "ack", "", "")
	f("201 400 201", "abc b", "ack", "b", "")
	f("201 400 400 | 409 201", "abc bc", "ack", "c", "")
	f("201 400 400 | 400 201", "abc bc", "ack", "c", "b") // refused twice: the file
	f("201 400 400 | 429 201", "abc bc", "retry b", "c", "")
	f("201 400 400 | =503", "abc bc", "retry bc!", "", "")
	f("201 400 400 | cut", "abc bc bc", "ack", "bc", "") // net/http repeats it, and 409 says that they are there
	f("201 400 400 | =413 | 201 | =413", "abc bc b c", "ack", "b", "c")
	f("201 400 429 | 201", "abc b", "retry c", "b", "")
	f("400 400 400 | =400 | =400 | =400", "abc abc a bc b c", "ack", "bc", "a")
	// what has to wait for somebody if it is an event's index, need not if it is the letters'
	f("201 400 400 | 403:cluster_block_exception 201", "abc bc", "ack", "c", "b")
	f("201 400 400 | 404:index_not_found_exception 404:index_not_found_exception", "abc bc", "ack", "", "bc")
	f("201 400 400 | 429:cluster_block_exception 201", "abc bc", "retry b", "c", "")
	f("201 400 403:cluster_block_exception | 403:security_exception", "abc b", "retry c", "", "b")
}

// The log says where letters are, not where they should be.
func TestLogGraves(t *testing.T) {
	if err := logp.DevelopmentSetup(logp.ToObserverOutput()); err != nil {
		t.Fatal(err)
	}
	f := func(policy, script, level, want string) {
		t.Helper()
		c, _, file := newTestLane(t, newFake(t, strings.Split(script, " | ")...), "non_indexable_policy."+policy)
		logp.ObserverLogs().TakeAll()
		publish(c, eventsOf("abc")...)
		got := ""
		for _, e := range logp.ObserverLogs().TakeAll() {
			if text, _, ok := strings.Cut(e.Message, ". One of them: "); ok {
				got += e.Level.String() + ": " + strings.ReplaceAll(text, file, "FILE")
			}
		}
		if want = level + ": " + want; got != want {
			t.Errorf("%s, %s: got log %q, want %q", policy, script, got, want)
		}
	}
	f("drop: ~", "201 400 400", "warn", "2 events are refused for good, 2 dropped")
	f("dead_letter_file: ~", "201 400 400", "warn", "2 events are refused for good, 2 now in FILE")
	f("dead_letter_index.index: graves", "201 400 400 | 201 201", "warn", "2 events are refused for good, 2 now in index graves")
	f("dead_letter_index.index: graves", "201 400 400 | 201 400", "error", "2 events are refused for good, 1 now in index graves, 1 now in FILE")
	f("dead_letter_index.index: graves", "400 400 400 | 201 400 429", "error",
		"3 events are refused for good, 1 now in index graves, 1 now in FILE, 1 waiting until they can be put aside")
	f("dead_letter_index.index: graves", "201 400 400 | =503", "error", "2 events are refused for good, 2 waiting until they can be put aside")
}

// An id that may come again, as those of updates do, must not be a letter's: the second letter
// would be taken for a copy of the first.
func TestLetterIDs(t *testing.T) {
	es := newFake(t, "400 400")
	c, _, _ := newTestLane(t, es, "non_indexable_policy.dead_letter_index.index: graves")
	evs := eventsOf("ab")
	evs[0].Meta["op_type"] = "index"
	if got, err := publish(c, evs...); got != "ack" || err != nil {
		t.Fatal(got, err)
	}
	if es.docs["graves/"] == "" || es.docs["graves/b"] == "" || len(es.docs) != 2 {
		t.Errorf("got documents %v", es.docs)
	}
}

func TestDrop(t *testing.T) {
	es := newFake(t, "201 400 201")
	c, _, file := newTestLane(t, es, "non_indexable_policy.drop: ~")
	var o observer
	c.observer = &o
	if got, err := publish(c, eventsOf("abc")...); got != "ack" || err != nil || idsInFile(t, file) != "" || o.dropped != 1 || o.acked != 2 {
		t.Errorf("got %s %v, %+v", got, err, o)
	}
}

// While the file cannot be written nothing is let go, and then nothing is missing.
func TestLetterFileBroken(t *testing.T) {
	es := newFake(t, "201 400 201", "400")
	c, waits, file := newTestLane(t, es, "")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := publish(c, eventsOf("abc")...); got != "retry b" || err != nil || len(*waits) != 1 {
		t.Errorf("got %s %v, waits %v", got, err, *waits)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := publish(c, eventsOf("b")...); got != "ack" || err != nil || idsInFile(t, file) != "b" {
		t.Errorf("got %s %v, letters %s", got, err, idsInFile(t, file))
	}
}
