package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// The two programs plan the same, and ours takes a tenth of the requests at the most.
func TestBenchmark(t *testing.T) {
	b := benchmark{url: services.Elasticsearch(t, 7), indices: 60, rounds: 1, progress: t.Output()}
	results, err := b.run(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(results); i += 2 {
		ours, theirs := results[i], results[i+1]
		if ours.Chosen != 24 || ours.Requests*10 > theirs.Requests || ours.CPU == 0 || ours.MaxRSS == 0 {
			t.Errorf("ours is %+v, Elastic Curator's %+v; want 24 indices, and a tenth of its requests", ours, theirs)
		}
	}
	if text := table(60, results); strings.Count(text, "\n") != 6 || strings.Count(text, "| 24 |") != 4 {
		t.Errorf("the table is\n%s", text)
	}
	if err := b.call("PUT", "/another", "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.run(time.Now()); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("with another index in the cluster it says %v", err)
	}
}
