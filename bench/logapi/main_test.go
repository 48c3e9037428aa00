package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// Every kind of search is answered each way, and the table has a line for each.
func TestBenchmark(t *testing.T) {
	b := benchmark{url: services.Elasticsearch(t, 7), docs: 1000, rate: 40, rounds: 1, time: time.Second}
	var out strings.Builder
	if err := b.run(&out); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		if !strings.Contains(out.String(), "| "+k.name+" | ") {
			t.Errorf("%s is missing in\n%s", k.name, out.String())
		}
	}
	b.rate = 0
	if err := b.run(&out); err == nil {
		t.Error("a rate of 0 is taken")
	}
}
