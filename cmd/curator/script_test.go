package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// tests stops the servers when they have run.
type tests struct{ *testing.M }

func (t tests) Run() int { return services.Main(t.M) }

// TestMain makes this test binary be curator when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"curator": main})
}

// TestScripts runs the scripts in testdata/script against the program: one behaviour each, without a cluster.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: commands})
}

// TestOnElasticsearch runs those in testdata/elasticsearch with each Elasticsearch: $ES is its URL, $TODAY,
// $DAYS3, $DAYS10 … are days as names of indices have them, and each script keeps to indices of its own.
// Before them it runs those in testdata/closing: while an index is being closed or opened the cluster is red, and curator
// deletes nothing.
func TestOnElasticsearch(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := services.Elasticsearch(t, major)
			now := time.Now().UTC()
			for _, dir := range []string{"closing", "elasticsearch"} {
				t.Run(dir, func(t *testing.T) { // which ends when all its scripts have
					testscript.Run(t, testscript.Params{
						Dir: "testdata/" + dir,
						Setup: func(env *testscript.Env) error {
							env.Setenv("ES", url)
							env.Setenv("ESCLIENT_HOSTS", url)
							env.Setenv("TODAY", now.Format("2006.01.02"))
							for _, days := range []int{1, 3, 10, 20, 30, 40} {
								env.Setenv(fmt.Sprintf("DAYS%d", days), now.AddDate(0, 0, -days).Format("2006.01.02"))
							}
							return nil
						},
						Cmds: commands,
					})
				})
			}
		})
	}
}

// commands are those that scripts have beyond testscript's.
var commands = map[string]func(*testscript.TestScript, bool, []string){"es": call, "exits": harness.Exits}

// call is `es METHOD PATH [BODY]`: a request that has to succeed, or with ! to fail. Its answer is in the
// file answer.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: es METHOD PATH [BODY]")
	}
	harness.Request(ts, neg, args[0], ts.Getenv("ES")+args[1], strings.Join(args[2:], " "))
}
