package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// documents are all of the indices by index and id, with what the server makes of numbers kept as it is written.
func documents(t *testing.T, url, pattern string) map[string]map[string]any {
	t.Helper()
	services.Call(t, http.MethodPost, url+"/"+pattern+"/_refresh", "", http.StatusOK)
	docs := map[string]map[string]any{}
	after := ""
	for {
		body := services.Call(t, http.MethodPost, url+"/"+pattern+"/_search", `{"size": 5000, "sort": ["_id"]`+after+`}`, http.StatusOK)
		var page struct {
			Hits struct {
				Hits []struct {
					Index  string `json:"_index"`
					ID     string `json:"_id"`
					Source map[string]any
					Sort   json.RawMessage
				}
			}
		}
		decoder := json.NewDecoder(bytes.NewReader(bytes.ReplaceAll(body, []byte(`"_source"`), []byte(`"Source"`))))
		decoder.UseNumber()
		if err := decoder.Decode(&page); err != nil {
			t.Fatal(err)
		}
		if len(page.Hits.Hits) == 0 {
			return docs
		}
		for _, h := range page.Hits.Hits {
			docs[h.Index+"/"+h.ID] = h.Source
			after = `, "search_after": ` + string(h.Sort)
		}
	}
}

// A journal that went through Kafka makes the documents that it makes when it is sent to Elasticsearch: the same ones in
// the same indices, to the last digit. Only who read it, and when, differs.
func TestSameDocuments(t *testing.T) {
	kafka, url := services.Kafka(t), services.Elasticsearch(t, 7)
	const topic, group = "same", "same"
	j, _ := written(t)
	read := strings.Replace(collector(journalInput(j.dir), kafka, topic), "processors:", `processors:
- drop_fields.fields: [agent.id, agent.ephemeral_id, event.created]`, 1)
	direct, _, _ := strings.Cut(read, "output.kafka")

	clear(t, url)
	p := harness.New(t, direct+fmt.Sprintf("output.elasticsearch.hosts: [%q]", url))
	until(t, "the journal is in Elasticsearch", delivered(p, entries))
	p.Term()
	want := documents(t, url, "logstash-*")

	clear(t, url)
	a := admin(t, kafka)
	makeTopic(t, a, topic)
	p = harness.New(t, read)
	until(t, "the journal is in Kafka", delivered(p, entries))
	p.Term()
	p = harness.New(t, shipper(kafka, topic, group, url))
	until(t, "all offsets are committed", shipped(a, topic, group))
	p.Term()
	got := documents(t, url, "logstash-*")

	if len(want) < entries/2 || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("%d documents came straight, %d through Kafka, or others", len(want), len(got))
	}
	different := 0
	for name, doc := range want {
		if d := cmp.Diff(doc, got[name]); d != "" {
			if different++; different <= 3 {
				t.Errorf("%s, straight and through Kafka:\n%s", name, d)
			}
		}
	}
	if different > 0 {
		t.Errorf("%d of %d documents differ", different, len(want))
	}
}

// What is no event goes to the dead letters with the place where it was; what Logstash has written, to its index.
func TestStrangers(t *testing.T) {
	kafka, url := services.Kafka(t), services.Elasticsearch(t, 7)
	clear(t, url)
	const topic, group = "strangers", "strangers"
	a := admin(t, kafka)
	makeTopic(t, a, topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	values := []string{
		`{"@timestamp":"2024-05-17T12:00:00.000Z","index":"logstash-journalbeat-kvm-009660","message":"of Logstash"}`,
		`no JSON`, `{"half":`, `[1]`, `"text"`, ``, "\xff\x00", strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
		`{"@timestamp":"2024-05-17T12:00:01.000Z","index":"logstash-journalbeat-kvm-009660","message":"and one more","n":9223372036854775807,"f":1.5}`,
	}
	for _, value := range values {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: 2, Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	p := harness.New(t, shipper(kafka, topic, group, url))
	until(t, "all offsets are committed", shipped(a, topic, group))
	p.Term()

	docs := documents(t, url, "logstash-*")
	var got []string
	for name, doc := range docs {
		index, _, _ := strings.Cut(name, "/")
		got = append(got, fmt.Sprint(index, " ", doc["message"], " ", doc["n"], " ", doc["f"]))
	}
	slices.Sort(got)
	if want := []string{
		"logstash-journalbeat-kvm-009660-2024.05.17 and one more 9223372036854775807 1.5",
		"logstash-journalbeat-kvm-009660-2024.05.17 of Logstash <nil> <nil>",
	}; !slices.Equal(got, want) {
		t.Errorf("got documents %q, want %q", got, want)
	}

	text, err := os.ReadFile(filepath.Join(p.Dir, "data", "dead-letter.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for line := range strings.Lines(string(text)) {
		var letter struct {
			Error struct{ Type, Message string }
			Kafka struct {
				Topic     string
				Partition *int
				Offset    *int
			}
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil || letter.Kafka.Partition == nil || letter.Kafka.Offset == nil || letter.Error.Message == "" {
			t.Errorf("dead letter %.300q (%v), want topic, partition, offset and the reason", line, err)
			continue
		}
		places = append(places, fmt.Sprintf("%s %d %d", letter.Kafka.Topic, *letter.Kafka.Partition, *letter.Kafka.Offset))
	}
	var want []string
	for i := 1; i < len(values)-1; i++ {
		want = append(want, fmt.Sprintf("strangers 2 %d", i))
	}
	if slices.Sort(places); !slices.Equal(places, want) {
		t.Errorf("dead letters of %q, want %q", places, want)
	}
}
