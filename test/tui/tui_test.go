// Package tui tests logtui as people use it: the built program in a terminal, keys, and what is on the screen, over logs that
// podbeat has brought into a real Elasticsearch.
package tui

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/tui/logs"
)

var patience = flag.Duration("patience", 30*time.Second, "how long a scenario waits for what has to come")

// patient is that; over a million documents more of it.
func patient() time.Duration {
	if harness.Soak() {
		return 4 * *patience
	}
	return *patience
}

var update = flag.Bool("update", false, "write the golden files and pictures anew; look at what has changed before you keep it")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// documents is how many the day has.
func documents() int {
	if harness.Soak() {
		return 1_000_000
	}
	return 20_000
}

// load has podbeat bring the day into the Elasticsearch of that version, and keeps podbeat running until the test ends.
func load(t *testing.T, major int) (c *logs.Cluster, url string) {
	t.Helper()
	url = services.Elasticsearch(t, major)
	dir, err := os.MkdirTemp("", "podbeat-day-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err = logs.Load(context.Background(), logs.Options{URL: url, Podbeat: harness.Program(t, "podbeat"), Dir: dir, N: documents()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, url
}

// TestScenarios runs the scenarios in testdata, and the tail against a pod that writes without end.
func TestScenarios(t *testing.T) {
	program := harness.Program(t, "logtui")
	c, url := load(t, 7)
	scenarios(t, "testdata", c, url, program)
	t.Run("tail", func(t *testing.T) { testTail(t, c, url, program) })
}

// The same number gives the same day, and Check notices when it is not the one that is there.
func TestDay(t *testing.T) {
	c, url := load(t, 8)
	if len(c.Message) < 20+8 || c.Errors() == 0 || len(c.Count["trace.id"]) < 3 || len(c.Hour) != 24 {
		t.Errorf("%d messages, %d errors, %d traces, %d hours", len(c.Message), c.Errors(), len(c.Count["trace.id"]), len(c.Hour))
	}
	if !reflect.DeepEqual(logs.Plan(c.N), c.Facts) {
		t.Error("another day with the same number is another one")
	}
	for n, message := range c.Message { // raw, whatever it is
		query := fmt.Sprintf(`{"query": {"match_phrase": {"message": "req-%07d"}}, "_source": ["message"]}`, n)
		var found struct {
			Hits struct {
				Hits []struct {
					Source struct{ Message string } `json:"_source"`
				}
			}
		}
		decode(t, services.Call(t, "POST", url+"/"+logs.Index+"/_search", query, 200), &found)
		if hits := found.Hits.Hits; len(hits) != 1 || hits[0].Source.Message != message {
			t.Errorf("document %d: %.300q, want %.300q", n, hits, message)
		}
	}
	var any struct {
		Hits struct{ Hits []struct{ Index, ID string } }
	}
	decode(t, bytes.ReplaceAll(services.Call(t, "GET", url+"/"+logs.Index+"/_search?size=1", "", 200), []byte(`"_i`), []byte(`"i`)), &any)
	services.Call(t, "DELETE", url+"/"+any.Hits.Hits[0].Index+"/_doc/"+any.Hits.Hits[0].ID+"?refresh=true", "", 200)
	if err := c.Check(context.Background(), url, logs.Index); err == nil {
		t.Error("a document less is not noticed")
	}
}
