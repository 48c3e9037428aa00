package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// tests stops the servers when they have run.
type tests struct{ *testing.M }

func (t tests) Run() int { return services.Main(t.M) }

// TestMain makes this test binary be logtui when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"logtui": main})
}

// home gives a script a home directory of its own.
func home(env *testscript.Env) {
	env.Setenv("HOME", env.WorkDir)
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		env.Setenv(name, "")
	}
}

// TestScripts runs the scripts in testdata/script against the program: one behaviour each, without a server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: commands, Setup: func(env *testscript.Env) error { home(env); return nil }})
}

// TestOnElasticsearch runs those in testdata/elasticsearch with each Elasticsearch: $ES is its URL, and each script keeps to indices
// of its own.
func TestOnElasticsearch(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := services.Elasticsearch(t, major)
			testscript.Run(t, testscript.Params{Dir: "testdata/elasticsearch", Cmds: commands, Setup: func(env *testscript.Env) error {
				home(env)
				env.Setenv("ES", url)
				return nil
			}})
		})
	}
}

// commands are those that scripts have beyond testscript's.
var commands = map[string]func(*testscript.TestScript, bool, []string){"es": call, "exits": harness.Exits}

// call is `es METHOD PATH [FILE]`: a request, with the file as body, that has to succeed, or with ! to fail.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: es METHOD PATH [FILE]")
	}
	body := ""
	if len(args) > 2 {
		body = ts.ReadFile(args[2])
	}
	harness.Request(ts, neg, args[0], strings.TrimRight(ts.Getenv("ES"), "/")+args[1], body)
}
