package kql

import "testing"

func TestRename(t *testing.T) {
	as := func(field, value string) (fields, values []string, too bool) {
		switch {
		case field == "level" && value == "error":
			return []string{"log.level"}, []string{"error", "err"}, false
		case field == "level":
			return []string{"log.level"}, nil, false
		case field == "app":
			return []string{"deployment", "job"}, nil, false
		case field == "pod":
			return []string{"k8s.pod"}, []string{value}, true
		}
		return nil, nil, false
	}
	f := func(text, want string) {
		t.Helper()
		q, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Rename(as).String(); got != wanted.String() {
			t.Errorf("%s: %s, want %s", text, got, wanted)
		}
	}
	f(``, ``)
	f(`lucene: level:error`, `lucene: level:error`)
	f(`level: info`, `log.level: info`)
	f(`level: error`, `log.level: "error" or log.level: "err"`)
	f(`not level: error`, `not (log.level: "error" or log.level: "err")`)
	f(`level: err*`, `log.level: err*`)
	f(`level: *`, `log.level: *`)
	f(`level: /err.*/`, `log.level: /err.*/`)
	f(`level: (error or info) and x: y`, `(log.level: "error" or log.level: "err" or log.level: info) and x: y`)
	f(`app: web`, `deployment: web or job: web`)
	f(`pod: web`, `pod: web or k8s.pod: "web"`)
	f(`app: web or x: y`, `deployment: web or job: web or x: y`)
	f(`app: * and x: y`, `(deployment: * or job: *) and x: y`)
	f(`lev*: error and error`, `lev*: error and error`)
	f(`items: { level: error }`, `items: { level: error }`)
}
