package query

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// Queries over one block of 20,000 documents whose columns are decoded.
func BenchmarkSelect(b *testing.B) {
	v, err := body.Parse([]byte(generatedIndex))
	if err != nil {
		b.Fatal(err)
	}
	var none mapping.Templates
	made, err := none.New("x", v)
	if err != nil {
		b.Fatal(err)
	}
	m := made.Mapping
	g := generator{rand.New(rand.NewPCG(7, 17))}
	var docs []block.Doc
	for i := range 20000 {
		doc := []byte(g.document())
		added, err := m.Add("", doc)
		if err != nil {
			b.Fatal(err)
		}
		m = added.Mapping
		docs = append(docs, block.Doc{ID: fmt.Sprint(i), Source: doc, Time: added.Time, Seq: int64(i)})
	}
	parts, err := block.Encode(docs)
	if err != nil {
		b.Fatal(err)
	}
	s, err := block.Open(parts[0], func(n int) ([]byte, error) { return parts[n], nil })
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct{ name, query string }{
		{"term", `{"term":{"kubernetes.namespace":"shop"}}`},
		{"range", `{"range":{"@timestamp":{"gte":"2026-11-20T12:00:00Z","lt":"2026-11-21"}}}`},
		{"word", `{"match":{"message":"timeout"}}`},
		{"rare", `{"match":{"message":"nosuchword"}}`},
		{"phrase", `{"match_phrase":{"message":"connection refused"}}`},
		{"substring", `{"wildcard":{"http.path":"*hit*"}}`},
		{"regexp", `{"regexp":{"message":"time.*"}}`},
		{"both", `{"bool":{"filter":[{"term":{"log.level":"error"}},{"match":{"message":"timeout"}}]}}`},
	} {
		v, err := body.Parse([]byte(q.query))
		if err != nil {
			b.Fatal(err)
		}
		typed, err := Parse(v)
		if err != nil {
			b.Fatal(err)
		}
		plan, err := Compile(typed, Context{Mapping: m})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				plan.Select(s, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Len()), "ns/doc")
		})
	}
}
