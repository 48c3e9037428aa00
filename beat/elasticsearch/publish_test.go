package elasticsearch

import (
	"context"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher"
)

var bgCtx = context.Background()

// Each line: the events, what the server answers to each request, then the requests that were
// made, how the batch was settled, and which events became dead letters. An "!" behind the
// settlement stands for an error, which makes the pipeline connect again.
func TestPublish(t *testing.T) {
	f := func(events, script, requests, settled, letters string) {
		t.Helper()
		es := newFake(t, strings.Split(script, " | ")...)
		c, waits, file := newTestLane(t, es, "")
		got, err := publish(c, eventsOf(events)...)
		if err != nil {
			got += "!"
		}
		if seen := es.requests(); seen != requests || got != settled {
			t.Errorf("%s, %s: got requests %s, %s (%v), want %s, %s", events, script, seen, got, err, requests, settled)
		}
		if buried := idsInFile(t, file); buried != letters {
			t.Errorf("%s, %s: got letters %q, want %q", events, script, buried, letters)
		}
		if again := strings.HasPrefix(settled, "retry"); again != (len(*waits) == 1) {
			t.Errorf("%s, %s: got waits %v after %q", events, script, *waits, settled)
		}
	}
	// items
	f("abc", "", "abc", "ack", "")
	f("abc", "201 200 201", "abc", "ack", "")
	f("abc", "201 409 201", "abc", "ack", "")
	f("abc", "201 429 201", "abc", "retry b", "")
	f("abc", "429 503 500", "abc", "retry abc", "")
	f("abc", "201 400 201", "abc", "ack", "b")
	f("abc", "400 404 403", "abc", "ack", "abc")
	f("abc", "400 429 201", "abc", "retry b", "a")
	f("a-c", "201 409 201", "ac", "ack", "-")
	f("abc", "403:security_exception 403:security_exception 403:security_exception", "abc", "retry abc", "")
	f("abc", "201 403:security_exception 201", "abc", "ack", "b")
	f("abc", "403:cluster_block_exception 201 201", "abc", "retry a", "")
	f("abc", "400:index_closed_exception 404:index_not_found_exception 400:index_closed_exception", "abc", "retry abc", "")
	f("abc", "400:index_closed_exception 201 400", "abc", "ack", "ac")
	// whole requests
	f("abcd", "max:2", "abcd ab cd", "ack", "")
	f("abcd", "max:1", "abcd ab a b cd c d", "ack", "")
	f("abc", "=413 | =413 | =413 | =413 | =413", "abc a bc b c", "ack", "abc")
	f("abcd", "poison:c", "abcd ab cd c d", "ack", "c")
	f("abcd", "poison:a", "abcd ab a b cd", "ack", "a")
	f("a", "poison:a", "a", "retry a!", "")
	f("abcdefghijklmnop", "poison:", "abcdefghijklmnop abcdefgh abcd ab a b cd c d efgh ef e f gh g h", "retry abcdefghijklmnop!", "")
	f("abc", "=429", "abc", "retry abc", "")
	f("abc", "=500", "abc", "retry abc!", "")
	f("abc", "=502", "abc", "retry abc!", "")
	f("abc", "=503", "abc", "retry abc!", "")
	f("abc", "=504", "abc", "retry abc!", "")
	f("abc", "=401", "abc", "retry abc!", "")
	f("abc", "=403", "abc", "retry abc!", "")
	f("abc", "=404", "abc", "retry abc!", "")
	f("abc", "=408", "abc", "retry abc!", "")
	f("abc", "=302 Location:/elsewhere", "abc", "retry abc!", "")
	f("abcd", "=413 | =503", "abcd ab", "retry abcd!", "")
	f("abcd", "=413 | 201 400 | =503", "abcd ab cd", "retry cd!", "b")
	// no answer, or none that can be believed
	f("abc", "reset", "abc", "retry abc!", "")
	f("abc", "cut", "abc", "retry abc!", "")
	f("abc", "part", "abc", "retry abc!", "")
	f("abc", "text:", "abc", "retry abc!", "")
	f("abc", "text:<html>welcome</html>", "abc", "retry abc!", "")
	f("abc", `text:{"errors":false}`, "abc", "retry abc!", "")
	f("abc", `text:{"errors":false,"items":[{"create":{"status":201}}]}`, "abc", "retry abc!", "")
	f("abc", `text:{"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":0}}]}`, "abc", "retry abc!", "")
}

func idsInFile(t *testing.T, name string) (ids string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if line == "" {
			continue
		}
		if ev, ok := decode(t, []byte(line))["event"].(map[string]any); ok {
			ids += ev["id"].(string)
		} else {
			ids += "-"
		}
	}
	return ids
}

// A lost answer must not double: the second time Elasticsearch says 409.
func TestAnswerLost(t *testing.T) {
	es := newFake(t, "cut")
	c, _, _ := newTestLane(t, es, "")
	if got, err := publish(c, eventsOf("abc")...); got != "retry abc" || err == nil {
		t.Fatalf("got %s %v", got, err)
	}
	if got, err := publish(c, eventsOf("abc")...); got != "ack" || err != nil || len(es.docs) != 3 {
		t.Errorf("got %s %v, %d documents", got, err, len(es.docs))
	}
}

// net/http repeats at once what an old connection did not answer: harmless with ids, so without
// them it must not.
func TestConnectionGoneStale(t *testing.T) {
	f := func(events, settled, requests string) {
		t.Helper()
		es := newFake(t, "", "cut")
		c, waits, _ := newTestLane(t, es, "")
		if _, err := publish(c, eventsOf("x")...); err != nil {
			t.Fatal(err)
		}
		got, _ := publish(c, eventsOf(events)...)
		if seen := es.requests(); got != settled || seen != requests || (got == "ack") != (len(*waits) == 0) {
			t.Errorf("got %s, requests %s, waits %v", got, seen, *waits)
		}
	}
	f("abc", "ack", "x abc abc")
	f("ab-", "retry ab", "x ab")
}

// A solitary poison event is found guilty once something else has been accepted, and one
// acceptance pays for one verdict.
func TestPoisonAlone(t *testing.T) {
	es := newFake(t, "poison:p")
	c, _, file := newTestLane(t, es, "")
	for _, step := range []struct{ events, want, letters string }{
		{"p", "retry p", ""}, {"ab", "ack", ""}, {"p", "ack", "p"}, {"p", "retry p", "p"}, {"c", "ack", "p"}, {"p", "ack", "pp"},
	} {
		got, _ := publish(c, eventsOf(step.events)...)
		if letters := idsInFile(t, file); got != step.want || letters != step.letters {
			t.Errorf("%s: got %s, letters %s, want %s, %s", step.events, got, letters, step.want, step.letters)
		}
	}
}

func TestRequest(t *testing.T) {
	es := newFake(t)
	c, _, _ := newTestLane(t, es, `
path: /prefix
username: user
password: pass
headers: {X-Mine: yes please, user-agent: own}
parameters: {refresh: wait_for}
pipeline: Geo
`)
	evs := eventsOf("ab-")
	evs[1].Meta["pipeline"] = "Special"
	evs[1].Meta["raw_index"] = "Other-Index"
	if got, err := publish(c, evs...); got != "ack" || err != nil {
		t.Fatal(got, err)
	}
	for name, want := range map[string]string{
		"Authorization": "Basic dXNlcjpwYXNz", "X-Mine": "yes please", "User-Agent": "own", "Content-Encoding": "gzip",
		"X-Elastic-Product-Origin": "beats", "Content-Type": "application/json; charset=UTF-8",
	} {
		if got := es.header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if es.path != "/prefix/_bulk" || es.query != "filter_path=errors%2Citems.%2A.status%2Citems.%2A.error&refresh=wait_for" {
		t.Errorf("got %s?%s", es.path, es.query)
	}
	for key := range es.docs {
		if key != "logs/a" && key != "other-index/b" && key != "logs/" {
			t.Errorf("document %s", key)
		}
	}
}

func TestAction(t *testing.T) {
	f := func(version string, meta common.MapStr, want string) {
		t.Helper()
		c, _, _ := newTestLane(t, newFake(t), "pipeline: geo")
		c.dialect = dialectOf(*common.MustNewVersion(version))
		it := item{event: &publisher.Event{Content: beat.Event{Meta: meta}}}
		b, err := c.appendItem(nil, &it)
		if err != nil {
			b = []byte(err.Error())
		}
		if got, _, _ := strings.Cut(string(b), "\n"); got != want {
			t.Errorf("%s %v: got %s, want %s", version, meta, got, want)
		}
	}
	f("7.17.29", common.MapStr{"_id": "x"}, `{"create":{"_index":"logs","pipeline":"geo","_id":"x"}}`)
	f("7.17.29", common.MapStr{"_id": "a\"\n"}, `{"create":{"_index":"logs","pipeline":"geo","_id":"a\"\n"}}`)
	f("7.17.29", common.MapStr{"_id": "x", "pipeline": ""}, `{"create":{"_index":"logs","_id":"x"}}`)
	f("7.17.29", common.MapStr{"_id": "x", "pipeline": 5}, `@metadata.pipeline is int, not a string`)
	f("7.17.29", common.MapStr{"_id": "x", "op_type": "index"}, `{"index":{"_index":"logs","pipeline":"geo","_id":"x"}}`)
	f("7.17.29", common.MapStr{"_id": "x", "op_type": "delete"}, `{"delete":{"_index":"logs","pipeline":"geo","_id":"x"}}`)
	f("7.17.29", common.MapStr{"op_type": "delete"}, `op_type delete without an _id`)
	f("7.17.29", nil, `{"create":{"_index":"logs","pipeline":"geo"}}`)
	f("7.4.2", nil, `{"index":{"_index":"logs","pipeline":"geo"}}`)
	f("6.8.23", common.MapStr{"_id": "x"}, `{"create":{"_index":"logs","_type":"doc","pipeline":"geo","_id":"x"}}`)
	f("9.1.0", nil, `{"create":{"_index":"logs","pipeline":"geo"}}`)
	f("2.11.0", nil, `{"create":{"_index":"logs","pipeline":"geo"}}`)
}

// As long as no event has had an index the configuration is to blame, later the event.
func TestNoIndex(t *testing.T) {
	es := newFake(t)
	c, waits, file := newTestLane(t, es, `index: "%{[index]}"`)
	evs := eventsOf("abcde")
	evs[3].Fields["index"] = "logs"
	evs[2].Fields["bad"] = math.NaN()
	f := func(want, letters string, pauses int, evs ...beat.Event) {
		t.Helper()
		got, err := publish(c, evs...)
		if buried := idsInFile(t, file); got != want || err != nil || buried != letters || len(*waits) != pauses {
			t.Errorf("got %s %v, letters %q, %d waits, want %s, %q, %d", got, err, buried, len(*waits), want, letters, pauses)
		}
	}
	f("retry abc", "", 1, evs[:3]...)
	f("retry a", "", 2, evs[0])
	f("ack", "a", 2, evs[0], evs[3])
	f("ack", "ab", 2, evs[1])
	f("ack", "abce", 2, evs[2], evs[4])
}

// Of several reasons to try again the log names one that somebody has to act on.
func TestRetriedError(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		c, _, _ := newTestLane(t, newFake(t, script), "")
		s := &shipment{}
		var parcels []parcel
		for i, ev := range eventsOf("abc") {
			s.events = append(s.events, publisher.Event{Content: ev})
			parcels = append(parcels, parcel{shipment: s, at: int32(i)})
		}
		_, _, fail := c.publish(bgCtx, parcels)
		if fail == nil || !strings.HasSuffix(fail.err.Error(), want) || fail.loud != strings.HasSuffix(want, "; nothing is dropped)") {
			t.Errorf("%s: got %+v, want %s", script, fail, want)
		}
	}
	const why = `: "because: x: y"`
	f("201 429:busy 503:x", "2 of 3 events are refused for now, one because of 503 x"+why)
	f("201 201 429:cluster_block_exception", "429 cluster_block_exception"+why)
	f("201 403:cluster_block_exception 429", "2 of 3 events are refused for now, one because of 403 cluster_block_exception"+why+
		" (lift the block, index.blocks or cluster.blocks; nothing is dropped)")
	f("429 400:index_closed_exception 429", "(open the index; nothing is dropped)")
	f("429 404:index_not_found_exception 429", "allow it in action.auto_create_index; nothing is dropped)")
	f("429 403:security_exception 429", "may create documents and indices of this name; nothing is dropped)")
}

// What a cluster says when it takes no event at all for now, and what it says of one event.
func TestClassifyRefusals(t *testing.T) {
	f := func(why reason, others, alone outcome) {
		t.Helper()
		it := &item{op: opCreate, id: "a"}
		if got := classify(it, why.status, &why, true, false); got != others {
			t.Errorf("%v, others got in: got %v, want %v", why, got, others)
		}
		if got := classify(it, why.status, &why, true, true); got != alone {
			t.Errorf("%v, none got in: got %v, want %v", why, got, alone)
		}
	}
	f(reason{403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"}, pending, pending)
	f(reason{400, "validation_exception", "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1]/[1] maximum shards open;"}, pending, pending)
	f(reason{400, "validation_exception", "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [4]/[3] maximum normal shards open;"}, pending, pending)
	f(reason{400, "index_closed_exception", "closed"}, refused, pending)
	f(reason{404, "index_not_found_exception", "no such index [x] and [action.auto_create_index] is false"}, refused, pending)
	f(reason{400, "illegal_argument_exception", "pipeline with id [geo] does not exist"}, refused, pending)
	f(reason{400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"}, refused, refused)
	f(reason{400, "validation_exception", "Validation Failed: 1: id is too long"}, refused, refused)
	f(reason{400, "mapper_parsing_exception", "failed to parse"}, refused, refused)
	f(reason{400, "illegal_argument_exception", "pipeline with id [geo] has failed"}, refused, refused)
}

func TestDelete(t *testing.T) {
	es := newFake(t, "404", "200")
	c, _, file := newTestLane(t, es, "")
	ev := eventsOf("a")[0]
	ev.Meta["op_type"] = "delete"
	if got, err := publish(c, ev); got != "ack" || err != nil || idsInFile(t, file) != "a" { // with an error: there is no such index
		t.Errorf("got %s %v", got, err)
	}
	if got := classify(&item{op: opDelete, id: "a"}, 404, &reason{}, false, false); got != delivered {
		t.Errorf("deleting what is not there: got %v", got)
	}
}

// What cannot be encoded costs its own place only.
func TestUnsendable(t *testing.T) {
	for _, level := range []string{"0", "1"} {
		es := newFake(t)
		c, _, file := newTestLane(t, es, "compression_level: "+level)
		evs := eventsOf("abcd")
		evs[1].Fields["bad"] = math.NaN()
		evs[2].Fields["bad"] = func() {}
		if got, err := publish(c, evs...); got != "ack" || err != nil || es.requests() != "ad" || idsInFile(t, file) != "bc" {
			t.Errorf("got %s %v, requests %v, letters %s", got, err, es.requests(), idsInFile(t, file))
		}
		if got, err := publish(c, evs[1]); got != "ack" || err != nil || es.requests() != "ad" {
			t.Errorf("got %s %v, requests %v", got, err, es.requests())
		}
	}
}

func TestBulkMaxBytes(t *testing.T) {
	es := newFake(t)
	c, _, _ := newTestLane(t, es, "bulk_max_bytes: 400")
	evs := eventsOf("abcdefg")
	evs[2].Fields["message"] = strings.Repeat("x", 5000)
	if got, err := publish(c, evs...); got != "ack" || err != nil {
		t.Fatal(got, err)
	}
	if got := es.requests(); got != "ab c def g" {
		t.Errorf("got requests %s", got)
	}
}

// A 413 is not asked for twice: later requests are small enough at once.
func TestLimitIsLearned(t *testing.T) {
	es := newFake(t, "max:4")
	c, _, _ := newTestLane(t, es, "")
	for range 3 {
		if got, err := publish(c, eventsOf("abcdefgh")...); got != "ack" || err != nil {
			t.Fatal(got, err)
		}
	}
	if got := es.requests(); got != "abcdefgh abcd efgh abcd efgh abcd efgh" {
		t.Errorf("got requests %s", got)
	}
}

// Several cut connections in a row make requests smaller, answers make them larger again.
func TestLimitAfterCuts(t *testing.T) {
	es := newFake(t, "reset", "reset", "reset")
	c, _, _ := newTestLane(t, es, "")
	evs := eventsOf("abcd")
	for i := range evs {
		evs[i].Fields["message"] = strings.Repeat("x", 50<<10)
	}
	for range 5 {
		publish(c, evs...)
	}
	if got := es.requests(); got != "abcd abcd abcd ab cd abcd" {
		t.Errorf("got requests %s", got)
	}
}

func TestBackoffSurvivesReconnect(t *testing.T) {
	es := newFake(t, "=503", "=503", "text:", "=429", "429 429 429", "201 201 429", "429")
	c, waits, _ := newTestLane(t, es, "backoff: {init: 1s, max: 6s}")
	for i, at := range []time.Duration{1, 2, 4, 6, 6} {
		publish(c, eventsOf("abc")...)
		if got := (*waits)[i]; len(*waits) != i+1 || got < at*time.Second/2 || got > at*time.Second {
			t.Errorf("failure %d: waited %v, want up to %d s", i, *waits, at)
		}
	}
	publish(c, eventsOf("abc")...) // a third is refused, the rest is progress
	if got := (*waits)[5]; got < time.Second/6 || got > time.Second/3 {
		t.Errorf("a third refused: waited %v", got)
	}
	publish(c, eventsOf("c")...)
	if got := (*waits)[6]; got < time.Second || got > 2*time.Second {
		t.Errorf("refused again: waited %v", got)
	}
	publish(c, eventsOf("c")...)
	if len(*waits) != 7 || c.backoff.step != 0 {
		t.Errorf("after a success: %v, %v", *waits, c.backoff)
	}
}

// Whoever cannot be connected to is left alone longer each time, until something gets in.
func TestConnectFails(t *testing.T) {
	es := newFake(t)
	c, _, _ := newTestLane(t, es, "backoff: {init: 1s, max: 60s}")
	waits := make(chan time.Duration)
	c.sleep = func(d time.Duration) { waits <- d }
	es.Close()
	ended := make(chan bool)
	go func() { ended <- c.ready(c) }()
	for _, at := range []time.Duration{1, 2, 4} {
		if got := <-waits; got < at*time.Second/2-time.Second/10 || got > at*time.Second {
			t.Errorf("waited %v, want up to %d s", got, at)
		}
	}
	c.Close()
	if <-ended {
		t.Error("a host is ready that is down")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)
	f := func(in string, want time.Duration) {
		t.Helper()
		if got := retryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
	f("", 0)
	f("7", 7*time.Second)
	f("-7", 0)
	f("soon", 0)
	f("99999999", longestRetryAfter)
	f("99999999999999999999", 0)
	f("Fri, 17 May 2024 12:00:30 GMT", 30*time.Second)
	f("Fri, 17 May 2024 11:00:30 GMT", 0)

	es := newFake(t, "=503 Retry-After:120")
	c, waits, _ := newTestLane(t, es, "")
	if publish(c, eventsOf("a")...); (*waits)[0].Round(time.Second) != 2*time.Minute {
		t.Errorf("waited %v", *waits)
	}
}

// Errors that no waiting cures name what to check.
func TestAdvice(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		c, _, _ := newTestLane(t, newFake(t, script), "")
		if _, err := publish(c, eventsOf("a")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", script, err, want)
		}
	}
	f("=401", "check username and password, or api_key")
	f("=403", "may create documents and indices")
	f("=403 Type:cluster_block_exception", "lift the block")
	f("=404", "is it Elasticsearch that answers")
	f("=407", "check proxy_url")
	f("=301 Location:http://x/", `301 Moved Permanently to "http://x/"`)
	f("=400", "check parameters")
	f("text:<html>", "the body is no JSON")
}

// What waits for its next try when the output is closed comes back at once.
func TestCloseEndsWait(t *testing.T) {
	for _, script := range []string{"=503", "=429", "429", "reset"} {
		es := newFake(t, script)
		c, _, _ := newTestLane(t, es, "backoff: {init: 1h, max: 2h}")
		waits := make(chan time.Duration, 1)
		c.sleep = func(d time.Duration) {
			waits <- d
			<-c.done
		}
		batch := newBatch(eventsOf("ab")...)
		if err := c.Publish(bgCtx, batch); err != nil {
			t.Fatal(err)
		}
		<-waits
		c.Close()
		if got := batch.wait(); got != "cancelled ab" && got != "cancelled a" {
			t.Errorf("%s: got %s", script, got)
		}
		late := newBatch(eventsOf("c")...)
		if err := c.Publish(bgCtx, late); err != nil || late.wait() != "cancelled c" {
			t.Errorf("after Close: got %v", err)
		}
		if err := c.Reach(); err == nil {
			t.Error("Reach after Close must fail")
		}
	}
}

// The wait itself, without a hook.
func TestCloseEndsTimer(t *testing.T) {
	group, err := load("hosts: [127.0.0.1]\nindex: x")
	if err != nil {
		t.Fatal(err)
	}
	c := group.Clients[0].(*client)
	ended := make(chan struct{})
	go func() {
		c.wait(time.Hour)
		close(ended)
	}()
	c.Close()
	c.Close()
	<-ended
}

// A request under way is given closeGrace, then its events go to whoever comes next.
func TestCloseEndsRequest(t *testing.T) {
	defer func(d time.Duration) { closeGrace = d }(closeGrace)
	closeGrace = time.Millisecond
	arrived, release := make(chan struct{}), make(chan struct{})
	es := newFake(t)
	es.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(arrived)
			<-release
		}
		io.WriteString(w, `{"version":{"number":"7.17.29"}}`)
	})
	defer close(release)
	c, _, _ := newTestLane(t, es, "")
	batch := newBatch(eventsOf("ab")...)
	if err := c.Publish(bgCtx, batch); err != nil {
		t.Fatal(err)
	}
	<-arrived
	c.Close()
	if got := batch.wait(); got != "cancelled ab" {
		t.Errorf("got %s", got)
	}
}

// libbeat's counters must add up: what is active in the end is 0, acked is what left for good, and what waits for another try
// counts as a batch once more.
func TestObserver(t *testing.T) {
	var o observer
	es := newFake(t, "201 409 429 400 503 201", "=429", "=503", "201 201")
	c, _, _ := newTestLane(t, es, "")
	c.observer = &o
	b := newBatch(eventsOf("abcdef")...)
	if err := c.Publish(bgCtx, b); err != nil || b.wait() != "ack" {
		t.Fatal(err)
	}
	if want := (observer{batches: 12, acked: 5, duplicates: 1, failed: 6, tooMany: 3}); o != want || o.batches != o.acked+o.duplicates+o.failed+o.dropped {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

type observer struct {
	outputs.Observer
	batches, acked, duplicates, failed, dropped, cancelled, tooMany int
}

func (o *observer) NewBatch(n int)   { o.batches += n }
func (o *observer) Acked(n int)      { o.acked += n }
func (o *observer) Failed(n int)     { o.failed += n }
func (o *observer) Cancelled(n int)  { o.cancelled += n }
func (o *observer) Dropped(n int)    { o.dropped += n }
func (o *observer) Duplicate(n int)  { o.duplicates += n }
func (o *observer) ErrTooMany(n int) { o.tooMany += n }
