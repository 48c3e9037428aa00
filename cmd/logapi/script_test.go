package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

// tests stops the servers when they have run.
type tests struct{ *testing.M }

func (t tests) Run() int { return services.Main(t.M) }

// TestMain makes this test binary be logapi when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"logapi": main})
}

// TestScripts runs the scripts in testdata/script against the program: one behaviour each.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: commands})
}

// TestOnElasticsearch runs those in testdata/elasticsearch with each Elasticsearch: $ES is its URL, and each script keeps to indices
// of its own.
func TestOnElasticsearch(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := services.Elasticsearch(t, major)
			testscript.Run(t, testscript.Params{
				Dir:   "testdata/elasticsearch",
				Setup: func(env *testscript.Env) error { env.Setenv("ES", url); return nil },
				Cmds:  commands,
			})
		})
	}
}

// TestOnRunning runs those in testdata/running while a logapi runs whose store wants tokens: $CONFIG is its configuration, $API and $STORE are URLs,
// and the file token in each script's folder holds a token for all of it.
func TestOnRunning(t *testing.T) {
	l := harness.NewLogapi(t, "store.tokens: true\n")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/running",
		Setup: func(env *testscript.Env) error {
			env.Setenv("STORE", l.Store)
			env.Setenv("API", l.URL)
			env.Setenv("CONFIG", filepath.Join(l.Dir, "logapi.yml"))
			raw := l.Token("", token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/**"}})
			return os.WriteFile(filepath.Join(env.WorkDir, "token"), []byte(raw), 0o600)
		},
		Cmds: commands,
	})
}

// commands are those that scripts have beyond testscript's.
var commands = map[string]func(*testscript.TestScript, bool, []string){"http": call, "exits": harness.Exits}

// call is `http METHOD URL [FILE]`: a request, with the file as body, that has to succeed, or with ! to fail. Its answer is in the
// file answer.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [FILE]")
	}
	body := ""
	if len(args) > 2 {
		body = ts.ReadFile(args[2])
	}
	harness.Request(ts, neg, args[0], args[1], body)
}
