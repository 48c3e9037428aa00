package elasticsearch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/idxmgmt"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/outputs/outest"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/test/services"
)

// TestMain gives the tests a path.data, where the dead-letter file is by default.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "podbeat-elasticsearch")
	if err != nil {
		panic(err)
	}
	paths.Paths.Data = dir
	code := services.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

var testInfo = beat.Info{Beat: "podbeat", IndexPrefix: "podbeat", Version: "0.1.0"}

// A fake is an Elasticsearch of a few lines: it keeps what is created, by index and id, and
// answers bulk requests as the script says, then as Elasticsearch would. What is there it never
// stores or refuses again: that is 409.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	version string
	script  []string
	seen    []string          // the ids of each bulk request, joined
	docs    map[string]string // by index/id
	header  http.Header       // of the latest bulk request
	query   string
	path    string

	most   int               // items in a request; more is 413; 0 is no limit
	poison func(string) bool // ids that spoil a request: 400
	refuse func(string) bool // ids that are refused: 400 for the item
	noZstd int               // status for requests in zstd; 0 takes them
}

func newFake(t *testing.T, script ...string) *fake {
	f := &fake{version: "7.17.29", docs: map[string]string{}}
	for _, line := range script { // two words that hold for all requests
		if n, ok := strings.CutPrefix(line, "max:"); ok {
			f.most, _ = strconv.Atoi(n)
		} else if id, ok := strings.CutPrefix(line, "poison:"); ok {
			f.poison = func(s string) bool { return strings.Contains(s, id) }
		} else {
			f.script = append(f.script, line)
		}
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(f.Close)
	return f
}

type sent struct{ op, index, id, pipeline, source string }

func (f *fake) handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		if p := strings.TrimSuffix(r.URL.Path, "/"); p == "" || p == "/prefix" {
			fmt.Fprintf(w, `{"version":{"number":%q}}`, f.version)
			return
		}
		http.NotFound(w, r)
		return
	}
	if f.noZstd > 0 && r.Header.Get("Content-Encoding") == "zstd" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = append(f.seen, "zstd")
		w.WriteHeader(f.noZstd)
		io.WriteString(w, `{"error":{"type":"x_content_parse_exception","reason":"[1:1] Unexpected character"}}`)
		return
	}
	items, err := readBulk(r)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header, f.query, f.path = r.Header.Clone(), r.URL.RawQuery, r.URL.Path
	ids := ""
	for _, it := range items {
		ids += it.id
	}
	f.seen = append(f.seen, ids)
	reply := ""
	switch {
	case f.most > 0 && len(items) > f.most:
		reply = "=413"
	case f.poison != nil && slices.ContainsFunc(items, func(it sent) bool { return it.index != "graves" && f.poison(it.id) }):
		reply = "=400"
	case len(f.script) > 0:
		reply, f.script = f.script[0], f.script[1:]
	}
	f.reply(w, reply, items)
}

// requests returns the ids of each request so far, spaces between.
func (f *fake) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, " ")
}

// reply plays one line of a script:
//
//	""             as Elasticsearch would
//	201 400 …      these statuses, an item each; 201 stores
//	=503           this status for the request, then headers as Name:value; Type is that of the error too
//	cut            stores, then cuts the connection
//	reset          cuts the connection before storing
//	text:…         200 with this body; nothing is stored
//	part           stores, and sends half of the answer as if it were all
func (f *fake) reply(w http.ResponseWriter, line string, items []sent) {
	word, arg, _ := strings.Cut(line, ":")
	switch {
	case word == "reset":
		panic(http.ErrAbortHandler)
	case word == "cut":
		f.answer(items, nil)
		panic(http.ErrAbortHandler)
	case word == "text":
		io.WriteString(w, arg)
	case word == "part":
		b := f.answer(items, nil)
		w.Write(b[:len(b)/2])
	case strings.HasPrefix(word, "="):
		fields, kind := strings.Fields(line[1:]), "some_exception"
		for _, h := range fields[1:] {
			name, value, _ := strings.Cut(h, ":")
			w.Header().Set(name, value)
			if name == "Type" {
				kind = value
			}
		}
		status, _ := strconv.Atoi(fields[0])
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"type":%q,"reason":"because"}}`, kind)
	default:
		w.Write(f.answer(items, strings.Fields(line)))
	}
}

// answer stores items and returns the bulk answer; statuses, when given, come first.
func (f *fake) answer(items []sent, statuses []string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"errors":true,"items":[`)
	for i, it := range items {
		key, status, kind := it.index+"/"+it.id, 201, "some_exception"
		if _, there := f.docs[key]; there && it.op == "create" && it.id != "" {
			status = 409
		} else if f.refuse != nil && it.index != "graves" && f.refuse(it.id) {
			status = 400
		} else if i < len(statuses) {
			s, k, ok := strings.Cut(statuses[i], ":")
			status, _ = strconv.Atoi(s)
			if ok {
				kind = k
			}
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if status < 300 {
			f.docs[key] = it.source
			fmt.Fprintf(&b, `{%q:{"status":%d}}`, it.op, status)
		} else {
			fmt.Fprintf(&b, `{%q:{"status":%d,"error":{"type":%q,"reason":"because","caused_by":{"type":"x","reason":"y"}}}}`, it.op, status, kind)
		}
	}
	b.WriteString("]}")
	return b.Bytes()
}

func readBulk(r *http.Request) (items []sent, err error) {
	body := io.Reader(r.Body)
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var action map[string]struct {
			Index    string `json:"_index"`
			ID       string `json:"_id"`
			Pipeline string `json:"pipeline"`
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || len(action) != 1 {
			return nil, fmt.Errorf("action %q: %v", lines.Text(), err)
		}
		for op, a := range action {
			it := sent{op: op, index: a.Index, id: a.ID, pipeline: a.Pipeline}
			if op != "delete" {
				if !lines.Scan() || !json.Valid(lines.Bytes()) {
					return nil, fmt.Errorf("document %q", lines.Text())
				}
				it.source = lines.Text()
			}
			items = append(items, it)
		}
	}
	return items, lines.Err()
}

// letterPath is the dead-letter file of newClients' clients.
func letterPath(dir string) string { return dir + "/letters" }

func load(yaml string) (outputs.Group, error) {
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		return outputs.Group{}, err
	}
	im, err := idxmgmt.DefaultSupport(nil, testInfo, common.MustNewConfigFrom(map[string]any{"setup.ilm.enabled": false}))
	if err != nil {
		return outputs.Group{}, err
	}
	return outputs.Load(im, testInfo, outputs.NewNilObserver(), "elasticsearch", cfg)
}

// newTestLane makes the only lane of the client that yaml describes, which need not name hosts. It does not run
// by itself, and notes its waits instead of waiting.
func newTestLane(t *testing.T, f *fake, yaml string) (l *lane, waits *[]time.Duration, letters string) {
	t.Helper()
	letters = letterPath(t.TempDir())
	if !strings.Contains(yaml, "non_indexable_policy") {
		yaml += "\nnon_indexable_policy.dead_letter_file.path: " + letters
	}
	if !strings.Contains(yaml, "index:") {
		yaml += "\nindex: logs"
	}
	group, err := load("hosts: ['" + f.URL + "']\nworker: 1\n" + yaml)
	if err != nil {
		t.Fatal(err)
	}
	c := group.Clients[0].(*client)
	c.policy.file.Path = letters
	t.Cleanup(func() { c.Close() })
	waits = new([]time.Duration)
	c.sleep = func(d time.Duration) { *waits = append(*waits, d) }
	return c.lanes[0], waits, letters
}

// eventsOf makes an event for each letter of ids, with the letter as its id; "-" has none.
func eventsOf(ids string) (events []beat.Event) {
	for _, id := range strings.Split(ids, "") {
		ev := beat.Event{Timestamp: time.Date(2024, 5, 17, 12, 0, 0, 1000, time.UTC), Fields: common.MapStr{"message": "line " + id}}
		if id != "-" {
			ev.Meta = common.MapStr{"_id": id}
		}
		events = append(events, ev)
	}
	return events
}

// publish has l send events until something fails, and says what has become of them: "ack", or "retry ab" if two of them
// are to be sent again. The error is what makes the host be connected to anew, which is done by then.
func publish(l *lane, events ...beat.Event) (string, error) {
	batch := outest.NewBatch(events...)
	s := &shipment{batch: batch, events: batch.Events()}
	s.open.Store(int64(len(events)))
	l.observer.NewBatch(len(events))
	l.todo, l.again = nil, 0
	for i := range events {
		l.todo = append(l.todo, parcel{shipment: s, at: int32(i)})
	}
	if !l.ready(l) {
		return "", errClosed
	}
	var fail *failure
	for fail == nil && len(l.todo) > 0 {
		fail = l.step()
	}
	if len(l.todo) == 0 && (len(batch.Signals) != 1 || batch.Signals[0].Tag != outest.BatchACK) || len(l.todo) > 0 && len(batch.Signals) > 0 {
		return "", fmt.Errorf("%d events are left, and the batch was settled by %v", len(l.todo), batch.Signals)
	}
	name := "ack"
	if len(l.todo) > 0 {
		name = "retry "
	}
	for i := range l.todo {
		name += ids([]publisher.Event{*l.todo[i].event()})
	}
	if fail != nil && fail.reconnect {
		l.ready(l)
		return name, fail.err
	}
	return name, nil
}

// A batch is one that is waited for.
type batch struct {
	events  []publisher.Event
	settled chan string
}

func newBatch(events ...beat.Event) *batch {
	return &batch{outest.NewBatch(events...).Events(), make(chan string, 2)}
}

// wait returns what has become of it: "ack", or "cancelled ab" with the ids of those that came back.
func (b *batch) wait() string { return <-b.settled }

func (b *batch) Events() []publisher.Event              { return b.events }
func (b *batch) ACK()                                   { b.settled <- "ack" }
func (b *batch) Drop()                                  { b.settled <- "drop" }
func (b *batch) Retry()                                 { b.RetryEvents(b.events) }
func (b *batch) Cancelled()                             { b.CancelledEvents(b.events) }
func (b *batch) RetryEvents(rest []publisher.Event)     { b.settled <- "retry " + ids(rest) }
func (b *batch) CancelledEvents(rest []publisher.Event) { b.settled <- "cancelled " + ids(rest) }

func ids(events []publisher.Event) (all string) {
	for _, ev := range events {
		id, _ := ev.Content.Meta["_id"].(string)
		all += id
	}
	return all
}
