package elasticsearch

import (
	"errors"
	"fmt"
	"slices"
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

// What is recognised at a glance must be what parseBulk makes of it.
func TestAllCreated(t *testing.T) {
	f := func(body string, n int, want bool) {
		t.Helper()
		if got := allCreated([]byte(body), make([]item, n)); got != want {
			t.Errorf("%s: got %v", body, got)
		}
		results, err := parseBulk(nil, []byte(body), n)
		if want && (err != nil || slices.ContainsFunc(results, func(r result) bool { return r.status != 201 })) {
			t.Errorf("%s: it is %v, %v", body, results, err)
		}
	}
	const one, begin = `{"create":{"status":201}}`, `{"errors":false,"items":[`
	f(begin+one+`]}`, 1, true)
	f(begin+one+`,`+one+`]}`, 2, true)
	f(`{"took":12,"errors":false,"items":[`+one+`]}`, 1, true)
	f(begin+one+`]}`, 2, false)
	f(begin+one+`,`+one+`]}`, 1, false)
	f(begin+one+`,`+one+`,]}`, 2, false)
	f(begin+one+`,`+one+`]`, 2, false)
	f(begin+one+` ]}`, 1, false)
	f(begin+one+`]]`, 1, false)
	f(begin+`{"create":{"status":200}}]}`, 1, false)
	f(begin+`{"index":{"status":201}}]}`, 1, false)
	f(begin+`]}`, 0, false)
	f(begin+`}`, 0, false)
	f(`{"errors":true,"items":[`+one+`]}`, 1, false)
	f(`{"took":,"errors":false,"items":[`+one+`]}`, 1, false)
	f(`{"took":1-2,"errors":false,"items":[`+one+`]}`, 1, false)
	f(`["errors":false,"items":[`+one+`]}`, 1, false)
	f(``, 1, false)
	if allCreated([]byte(begin+one+`]}`), []item{{op: opIndex}}) {
		t.Error("what was not a create has been answered as if it were")
	}
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
	f.Add([]byte(`{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`), 2)
	f.Add([]byte(`{"items":[]`), 0)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		got, err := parseBulk(nil, body, n)
		if err == nil && len(got) != n {
			t.Errorf("%d results for %d items", len(got), n)
		}
		if n >= 0 && n < 100 && allCreated(body, make([]item, n)) && err != nil {
			t.Error("recognised, but:", err)
		}
		for _, r := range got {
			_ = readReason(r.status, r.err)
		}
	})
}
