package scope

import (
	"strings"
	"testing"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
)

// mapping are types of fields.
type mapping map[string]string

func (m mapping) Type(field string) string { return m[field] }
func (m mapping) Match(string) []string    { return nil }

func TestParse(t *testing.T) {
	f := func(text string, fields kql.Fields, want string) {
		t.Helper()
		q, err := Parse(text, fields, source.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		if got := q.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	podbeat := mapping{"log.level": "keyword", "kubernetes.namespace": "keyword", "stream": "keyword", "host": "object", "host.name": "keyword"}
	f(`namespace: shop`, podbeat, `kubernetes.namespace: shop`)
	f(`namespace: sh*`, podbeat, `kubernetes.namespace: sh*`)
	f(`stream: stdout`, podbeat, `stream: stdout`) // there is such a field
	f(`pod: web-0`, mapping{"pod": "keyword", "kubernetes.pod.name": "keyword"}, `pod: web-0 or kubernetes.pod.name: web-0`)
	f(`host: node-1`, podbeat, `host.name: node-1`)
	f(`region: eu`, podbeat, `region: eu`)
	f(`level: nonsense`, podbeat, `log.level: nonsense`)
	f(`log.level: error`, podbeat, `log.level: error`)
	f(`level: error`, mapping{"level": "keyword"}, `level: error`)
	f(`namespace: shop`, nil, `namespace: shop`) // nothing is known yet

	q, err := Parse(`level: error and namespace: web`, podbeat, source.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`log.level: err`, `log.level: ERROR`, `kubernetes.namespace: web`} {
		if !strings.Contains(strings.ReplaceAll(q.String(), `"`, ""), want) {
			t.Errorf("%s is not in %s", want, q)
		}
	}
}
