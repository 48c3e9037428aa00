package elasticsearch

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/test/services"
)

// What real servers make of it: documents, ordinary events, doubles and such as they refuse, by each compression.
func TestElasticsearch7(t *testing.T) { testReal(t, 7) }
func TestElasticsearch8(t *testing.T) { testReal(t, 8) }

func testReal(t *testing.T, major int) {
	url := services.Elasticsearch(t, major)
	kinds := []*prepared.Template{
		prepared.New(common.MapStr{"message": encode.Hole(0), "n": encode.Hole(1), "kubernetes": common.MapStr{"pod": common.MapStr{"uid": "one"}}}, nil),
		prepared.New(common.MapStr{"message": encode.Hole(0), "n": encode.Hole(1), "kubernetes": common.MapStr{"pod": common.MapStr{"uid": "two"}}}, nil),
	}
	at := time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC)
	for _, compression := range []string{"none", "gzip", "zstd"} {
		index := "real-" + compression
		services.Call(t, "PUT", url+"/"+index, `{"mappings":{"properties":{"n":{"type":"long"},"message":{"type":"keyword"}}}}`, 200)
		file := letterPath(t.TempDir())
		yaml := fmt.Sprintf("hosts: [%q]\nindex: %s\nworker: 3\ncompression: %s\nnon_indexable_policy.dead_letter_file.path: %s", url, index, compression, file)
		const n = 1000
		send(t, yaml, n+50, func(i int) beat.Event {
			again := i >= n // from no pod, so by another lane: it may be there before the first one
			i %= n
			id, message := fmt.Sprint("id-", i), fmt.Sprintf("line %d \"<&>\" \x00 é", i)
			switch {
			case again, i%3 == 0:
				return beat.Event{Timestamp: at, Meta: common.MapStr{"_id": id}, Fields: common.MapStr{"message": message, "n": int64(i)}}
			case i == 500:
				return beat.Event{Timestamp: at, Meta: common.MapStr{"_id": id}, Fields: common.MapStr{"message": message, "n": math.NaN()}}
			case i%100 == 50:
				return beat.Event{Timestamp: at, Meta: common.MapStr{"_id": id}, Fields: common.MapStr{"message": message, "n": "no number"}}
			}
			d := processed(&prepared.Document{Template: kinds[i%2], ID: id, Values: []prepared.Value{prepared.String(message), prepared.Int(int64(i))}})
			return beat.Event{Timestamp: at, Private: mark{d}}
		})
		services.Call(t, "POST", url+"/"+index+"/_refresh", "", 200)
		var found struct {
			Hits struct {
				Hits []struct {
					ID     string `json:"_id"`
					Source struct {
						At      string `json:"@timestamp"`
						Message string
						N       int
					} `json:"_source"`
				}
			}
		}
		if err := json.Unmarshal([]byte(services.Call(t, "GET", url+"/"+index+"/_search?size=2000", "", 200)), &found); err != nil {
			t.Fatal(err)
		}
		letters := strings.Count(idsInFile(t, file), "id-")
		for _, h := range found.Hits.Hits {
			s := h.Source
			if h.ID != fmt.Sprint("id-", s.N) || s.Message != fmt.Sprintf("line %d \"<&>\" \x00 é", s.N) || s.At != "2024-05-17T12:00:00.123456Z" {
				t.Errorf("%s: got %s: %+v", compression, h.ID, s)
			}
		}
		refused := 0
		for i := range n {
			if i%3 != 0 && (i%100 == 50 || i == 500) {
				refused++
			}
		}
		if letters != refused || len(found.Hits.Hits) != n-refused {
			t.Errorf("%s: %d documents and %d letters, want %d and %d", compression, len(found.Hits.Hits), letters, n-refused, refused)
		}
	}
}

// A whole index that is blocked keeps its events waiting until somebody has acted, and loses none.
func TestBlockedForReal(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	services.Call(t, "PUT", url+"/blocked", `{"settings":{"index.blocks.write":true}}`, 200)
	retried := counters.retriedItems.Get()
	lifted := make(chan struct{})
	go func() {
		defer close(lifted)
		for counters.retriedItems.Get() < retried+20 {
			time.Sleep(time.Millisecond)
		}
		services.Call(t, "PUT", url+"/blocked/_settings", `{"index.blocks.write":false}`, 200)
	}()
	send(t, fmt.Sprintf("hosts: [%q]\nindex: blocked\nbackoff: {init: 10ms, max: 50ms}\nnon_indexable_policy.drop: ~", url), 10, func(i int) beat.Event {
		return beat.Event{Timestamp: time.Now(), Meta: common.MapStr{"_id": fmt.Sprint(i)}, Fields: common.MapStr{"n": i}}
	})
	<-lifted
	services.Call(t, "POST", url+"/blocked/_refresh", "", 200)
	if got := services.Call(t, "GET", url+"/blocked/_count", "", 200); !strings.Contains(string(got), `"count":10`) {
		t.Errorf("got %s", got)
	}
}
