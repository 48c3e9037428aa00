package elasticsearch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseBulk(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got, err := parseBulk(nil, []byte(body), strings.Count(want, " ")+1)
		if err != nil {
			t.Error(err)
		}
		var b strings.Builder
		for i, r := range got {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%d%s", r.status, r.err)
		}
		if b.String() != want {
			t.Errorf("got %s, want %s", b.String(), want)
		}
	}
	f(`{"errors":false,"items":[{"create":{"status":201}}]}`, `201`)
	f(`{"took":1,"errors":true,"items":[{"create":{"status":201}},{"index":{"status":429,"error":{"type":"x"}}}]}`, `201 429{"type":"x"}`)
	f(` { "items" : [ { "create" : { "_id" : "\"}]" , "status" : 201 , "x":[1,{"y":"\\"}] } } ] , "z" : {"items":[]} } `, `201`)
	f(`{"items":[{"delete":{"status":404,"error":"gone"}}]}`, `404"gone"`)
}

func TestParseBulkRefuses(t *testing.T) {
	f := func(body string, n int, want string) {
		t.Helper()
		_, err := parseBulk(nil, []byte(body), n)
		if !errors.Is(err, errNoBulk) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
	f(``, 1, "no JSON")
	f(`<html>ok</html>`, 1, "no JSON")
	f(`{"errors":false,"items":[{"create":{"status":201}`, 1, "cut off after 49 bytes")
	f(`[]`, 1, "no '{'")
	f(`5`, 1, "no '{'")
	f(`{}`, 1, "0 items for the 1")
	f(`{"errors":false}`, 1, "0 items for the 1")
	f(`{"items":{}}`, 1, "no '['")
	f(`{"items":[{"create":{"status":201}}]}`, 2, "1 items for the 2")
	f(`{"items":[{"create":{"status":201}},{"create":{"status":201}}]}`, 1, "2 items for the 1")
	f(`{"items":[{"create":{"status":201}}],"items":[]}`, 1, "twice")
	f(`{"items":[{}]}`, 1, "0 operations")
	f(`{"items":[201]}`, 1, "no '{'")
	f(`{"items":[{"create":201}]}`, 1, "no '{'")
	f(`{"items":[{"create":{}}]}`, 1, "status 0")
	f(`{"items":[{"create":{"status":"201"}}]}`, 1, "status 0")
	f(`{"items":[{"create":{"status":302}}]}`, 1, "status 302")
	f(`{"items":[{"create":{"status":201},"index":{"status":201}}]}`, 1, "2 operations")
}

func TestReadReason(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := readReason(400, []byte(in)).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(`{"type":"mapper_parsing_exception","reason":"failed","caused_by":{"type":"number_format_exception","reason":"For input \"x\""}}`,
		`400 mapper_parsing_exception: "failed: number_format_exception: For input \"x\""`)
	f(`"plain"`, `400 unknown: "\"plain\""`)
	f(`{"reason":5}`, `400 unknown: "{\"reason\":5}"`)
	f(``, `400 unknown: ""`)
	f(`{"type":"x\ny","reason":"a\nb"}`, `400 x\ny: "a\nb"`)
	f(`{"type":"x","reason":"`+strings.Repeat("é", maxReason)+`"}`, `400 x: "`+strings.Repeat("é", maxReason/2)+`…"`)
}

func FuzzParseBulk(f *testing.F) {
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":201}},{"index":{"status":429,"error":{"type":"x"}}}]}`), 2)
	f.Add([]byte(` {"a":[{}],"items" : [ {"create":{"_id":"\"\\","status":-1}}]} `), 1)
	f.Add([]byte(`{"items":[]`), 0)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		got, err := parseBulk(nil, body, n)
		if err == nil && len(got) != n {
			t.Errorf("%d results for %d items", len(got), n)
		}
		for _, r := range got {
			_ = readReason(r.status, r.err)
		}
	})
}
