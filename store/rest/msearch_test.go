package rest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// What is read of an _msearch is as many searches as it has pairs of lines, each of which is one search by itself.
func FuzzSearches(f *testing.F) {
	for _, seed := range []string{
		"{}\n{}\n", "\n\n{}\n", "{\"index\":\"a\"}\n{\"size\":0}\n{\"index\":[\"a\",\"b-*\"],\"search_type\":\"query_then_fetch\",\"ignore_unavailable\":true}\n{\"query\":{\"term\":{\"k\":\"v\"}}}\n",
		"{\"index\":[\"a,b\"]}\n{}\n", "{\"index\":null}\n{}\n", "{\"index\":{}}\n{}\n", "{}\r\n{\"size\":1}\r\n", "{}\n{}", "{}\n", "{\"expandWildcards\":\"all\",\"searchType\":\"x\"}\n{}\n",
		"{\"expand_wildcards\":[\"open\",\"hidden\"],\"allow_no_indices\":\"false\",\"types\":[\"_doc\"]}\n{\"pit\":{\"id\":\"x\"}}\n", "[]\n{}\n", "{}\n[]\n", "{\"a\":1,\"a\":2}\n{}\n", "{}\n{\"size\":-2}\n", "{\"preference\":\"_x\"}\n{}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := readSearches(content, "path", searchOptions, (*search.Request).Finish)
		if err != nil {
			var refused *failure
			var wrong *mapping.Error
			var syntax *body.Error
			if !errors.As(err, &refused) && !errors.As(err, &wrong) && !errors.As(err, &syntax) {
				t.Fatalf("%q: an error that is the server's: %v", content, err)
			}
			return
		}
		lines := strings.Split(strings.TrimPrefix(string(content), "\n"), "\n")
		if len(lines)-1 != 2*len(all) || lines[len(lines)-1] != "" {
			t.Fatalf("%q: %d searches of %d lines", content, len(all), len(lines)-1)
		}
		for i, one := range all {
			alone, err := readSearches([]byte(lines[2*i]+" \n"+lines[2*i+1]+"\n"), "path", searchOptions, (*search.Request).Finish)
			if err != nil || len(alone) != 1 || alone[0].expression != one.expression || alone[0].options != one.options {
				t.Fatalf("%q: search %d alone is %+v, %v", content, i+1, alone, err)
			}
			if !bytes.Contains(content, []byte("index")) && !bytes.Contains(content, []byte("indices")) && !bytes.Contains(content, []byte(`\u`)) && one.expression != "path" {
				t.Fatalf("%q: search %d is of %q, which nothing names", content, i+1, one.expression)
			}
		}
	})
}
