package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/sarama"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// run runs a podbeat command and returns its standard output.
func run(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(harness.Program(t, "podbeat"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("podbeat %q: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

// decode reads a document with its numbers as they are.
func decode(t *testing.T, text []byte) (doc map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

// A hit is a document that Elasticsearch found.
type hit struct {
	ID      string          `json:"_id"`
	Version int             `json:"_version"`
	Source  json.RawMessage `json:"_source"`
}

// stored returns the documents of an index.
func stored(t *testing.T, url, index string) []hit {
	t.Helper()
	services.Call(t, "POST", url+"/"+index+"/_refresh", "", 200)
	var answer struct{ Hits struct{ Hits []hit } }
	if err := json.Unmarshal(services.Call(t, "GET", url+"/"+index+"/_search?size=1000&version=true", "", 200), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Hits.Hits
}

// An installation has lines that Elasticsearch refused, for the index had another mapping for them.
type installation struct {
	*harness.Podbeat
	url, index, letters string
	originals           map[string]map[string]any // the events, by their ids
}

const refusedLines = 100

func refused(t *testing.T, index string) *installation {
	t.Helper()
	url := services.Elasticsearch(t, 7)
	services.Call(t, "PUT", url+"/"+index, `{"mappings":{"properties":{"message":{"type":"long"}}}}`, 200)
	logs := t.TempDir()
	var lines strings.Builder
	for i := range refusedLines {
		fmt.Fprintf(&lines, "line %d, \"quoted\", ünïcode and \x01\n", i)
	}
	if err := os.WriteFile(filepath.Join(logs, "a.log"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs: [{type: emptydir, id: refused, paths: [%q]}]
output.elasticsearch: {hosts: [%q], index: %q}
setup.template.enabled: false
`, logs+"/*.log", url, index))
	in := &installation{p, url, index, filepath.Join(p.Dir, "data", "dead-letter.ndjson"), map[string]map[string]any{}}
	p.Wait("every line is a dead letter", func(s harness.Stats) bool {
		return s["podbeat.output.elasticsearch.dead_letter"] == refusedLines || s["libbeat.output.events.acked"] >= refusedLines
	})
	for _, l := range in.lines(t) {
		in.originals[l["event"].(map[string]any)["id"].(string)] = decode(t, []byte(l["message"].(string)))
	}
	if len(in.originals) != refusedLines {
		t.Fatalf("got %d dead letters, want %d", len(in.originals), refusedLines)
	}
	return in
}

// lines are the dead letters in the current file.
func (in *installation) lines(t *testing.T) (letters []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(in.letters)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		letters = append(letters, decode(t, line))
	}
	return letters
}

// mend makes the index anew with a mapping.
func (in *installation) mend(t *testing.T, mapping string) {
	t.Helper()
	services.Call(t, "DELETE", in.url+"/"+in.index, "", 200)
	services.Call(t, "PUT", in.url+"/"+in.index, mapping, 200)
}

func (in *installation) replay(t *testing.T, want int, args ...string) string {
	t.Helper()
	stdout, _ := run(t, want, append([]string{"replay", "-c", filepath.Join(in.Dir, "podbeat.yml"), "--path.home", in.Dir}, args...)...)
	return stdout
}

// wantStored fails unless the index has n events as they were, each once.
func (in *installation) wantStored(t *testing.T, n int) {
	t.Helper()
	hits := stored(t, in.url, in.index)
	if len(hits) != n {
		t.Errorf("got %d documents, want %d", len(hits), n)
	}
	for _, h := range hits {
		if got, want := decode(t, h.Source), in.originals[h.ID]; !reflect.DeepEqual(got, want) || h.Version != 1 {
			t.Fatalf("document %s (version %d) is not the original:\n%v\n%v", h.ID, h.Version, got, want)
		}
	}
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

// TestReplay: a mapping conflict, the mapping is mended, the events are there, beside a podbeat that runs.
func TestReplay(t *testing.T) {
	in := refused(t, "replay")
	wants(t, in.replay(t, 0, "--dry-run", in.letters), "100", "mapper_parsing_exception", "replay", "100 letters; 0 more are left out")
	in.mend(t, `{"mappings":{"properties":{"message":{"type":"text"}}}}`)
	wants(t, in.replay(t, 0, "--limit", "30", in.letters), "30 sent: 30 delivered", "70 beyond --limit")
	in.wantStored(t, 30)
	wants(t, in.replay(t, 0, "--filter", `message: "line 77"`, in.letters), "1 sent: 1 delivered", "99 left out by the filters")
	wants(t, in.replay(t, 0, in.letters), "100 sent: 69 delivered, 31 there already, 0 refused again")
	in.wantStored(t, refusedLines)
	if n := len(in.lines(t)); n != refusedLines {
		t.Errorf("the file has %d letters now, want it untouched", n)
	}
	data, err := os.ReadDir(filepath.Join(in.Dir, "data"))
	if err != nil || slices.ContainsFunc(data, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "dead-letter-") }) {
		t.Errorf("replay left %v (%v)", data, err)
	}
}

// TestReplayRemoves: what is delivered leaves the file, what is refused again is in a new one, with the new reason.
func TestReplayRemoves(t *testing.T) {
	in := refused(t, "replay-removes")
	in.mend(t, `{"mappings":{"properties":{"message":{"type":"text"}}}}`)
	if _, stderr := run(t, 1, "replay", "-c", filepath.Join(in.Dir, "podbeat.yml"), "--path.home", in.Dir, "--remove", in.letters); !strings.Contains(stderr, "the running podbeat adds") {
		t.Errorf("got %s", stderr)
	}
	in.Term()
	in.replay(t, 0, "--remove", "--limit", "40", in.letters)
	if n := len(in.lines(t)); n != 60 {
		t.Errorf("%d letters are left, want 60", n)
	}
	in.mend(t, `{"mappings":{"properties":{"message":{"type":"ip"}}}}`)
	out := in.replay(t, 2, "--remove", "--limit", "50", in.letters)
	_, name, _ := strings.Cut(out, "refused again: ")
	if n := len(in.lines(t)); n != 10 {
		t.Errorf("%d letters are left, want 10", n)
	}
	in.mend(t, `{"mappings":{"properties":{"message":{"type":"text"}}}}`)
	wants(t, in.replay(t, 0, "--dry-run", strings.TrimSpace(name)), "50 letters")
	wants(t, in.replay(t, 0, "--remove", strings.TrimSpace(name), in.letters), "60 sent: 60 delivered")
	in.wantStored(t, 60)
	for _, path := range []string{strings.TrimSpace(name), in.letters} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "data", "podbeat.lock")); !os.IsNotExist(err) {
		t.Errorf("the lock is left: %v", err)
	}
}

// TestReplayGivesUp: an output that is not there ends the command, with the reason.
func TestReplayGivesUp(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "podbeat.yml"), `output.elasticsearch: {hosts: ["127.0.0.1:1"], backoff: {init: 10ms, max: 50ms}}`)
	letters := filepath.Join(dir, "letters")
	write(t, letters, `{"@timestamp":"2026-01-01T00:00:00.000Z","message":"{\"@timestamp\":\"2026-01-01T00:00:00.000Z\"}","error":{"type":"x"},"event":{"id":"1"},"document":{"index":"i"}}`+"\n")
	_, stderr := run(t, 1, "replay", "-c", filepath.Join(dir, "podbeat.yml"), "--path.home", dir, "--give-up", "3s", letters) // a busy machine may take a while to be refused
	wants(t, stderr, "connection refused", "delivers nothing for 3s", "stopped after 0 of 1 lines")
	if entries, err := os.ReadDir(dir); len(entries) != 2 || err != nil {
		t.Errorf("replay has made files: %v (%v)", entries, err)
	}
}

// TestReplayInterrupted: Ctrl-C ends it soon, what was delivered is known, and the same command goes on.
func TestReplayInterrupted(t *testing.T) {
	in := refused(t, "replay-interrupted")
	in.mend(t, `{"mappings":{"properties":{"message":{"type":"text"}}}}`)
	in.Term()
	args := []string{"replay", "-c", filepath.Join(in.Dir, "podbeat.yml"), "--path.home", in.Dir, "--remove", in.letters}
	cmd := exec.Command(harness.Program(t, "podbeat"), append(args, "--rate", "2")...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Minute); len(stored(t, in.url, in.index)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives")
		}
	}
	run(t, 1, args...) // another one is at it
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d\n%s", code, &out)
	}
	there, left := len(stored(t, in.url, in.index)), len(in.lines(t))
	if there+left != refusedLines || left == 0 {
		t.Errorf("%d are delivered, and %d left", there, left)
	}
	wants(t, out.String(), fmt.Sprintf("%d sent: %d delivered", there, there), fmt.Sprintf("interrupted after %d of 100 lines", there))
	run(t, 0, args...)
	in.wantStored(t, refusedLines)
}

// TestReplayKafka: a message that was too large, the limit is raised, it is in its topic with its id.
func TestReplayKafka(t *testing.T) {
	addr := services.Kafka(t)
	logs := t.TempDir()
	write(t, filepath.Join(logs, "a.log"), "small\n"+strings.Repeat("large", 4000)+"\n")
	config := func(limit int, topic string) string {
		return fmt.Sprintf(`
podbeat.inputs: [{type: emptydir, id: x, paths: [%q]}]
output.kafka: {hosts: [%q], topic: %s, version: "2.0.0", max_message_bytes: %d}
`, logs+"/*.log", addr, topic, limit)
	}
	p := harness.New(t, config(10_000, "replay"))
	letters := filepath.Join(p.Dir, "data", "dead-letter.ndjson")
	p.Wait("one is a dead letter", func(harness.Stats) bool {
		text, _ := os.ReadFile(letters)
		return bytes.HasSuffix(text, []byte("\n"))
	})
	text, err := os.ReadFile(letters)
	if err != nil {
		t.Fatal(err)
	}
	letter := decode(t, text)
	p.Configure(config(100_000, "another"))
	args := []string{"replay", "-c", filepath.Join(p.Dir, "podbeat.yml"), "--path.home", p.Dir, letters}
	out, _ := run(t, 0, args...)
	wants(t, out, "1 sent: 1 delivered")

	consumer, err := sarama.NewConsumer([]string{addr}, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	part, err := consumer.ConsumePartition("replay", 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	want := decode(t, []byte(letter["message"].(string)))
	for range 2 {
		select {
		case m := <-part.Messages():
			got := decode(t, m.Value)
			if got["message"] == "small" {
				continue
			}
			id := got["@metadata"].(map[string]any)["_id"]
			if id == "" || id != letter["event"].(map[string]any)["id"] || got["@timestamp"] != letter["@timestamp"] {
				t.Errorf("got id %v and time %v, want those of %v", id, got["@timestamp"], letter["event"])
			}
			for _, doc := range []map[string]any{got, want} {
				delete(doc, "@metadata")
				delete(doc, "@timestamp") // of which the letter's text may have fewer digits
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		case <-time.After(3 * time.Minute):
			t.Fatal("the messages are not there")
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
