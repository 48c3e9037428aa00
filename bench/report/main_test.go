package main

import (
	"strings"
	"testing"
)

const table = `| 10 lines → sink | lines/s | CPU s per million | CPU, first = 1 | peak MiB (heap) | documents | lost | doubled | sink's CPU s per million | clean runs |
|---|---|---|---|---|---|---|---|---|---|
| podbeat | 5 | 1.0 | 1.00 | 9 (3) | 10 | 0 | 0 | 1.1 | 3 of 3 |
| other | | | | | | | | | 0 of 1: no other here |

Medians of the clean runs.

| another | table |
`

const shortTable = `| 10 lines → sink | lines/s | CPU s per million | peak MiB (heap) | clean runs |
|---|---|---|---|---|
| podbeat | 5 | 1.0 | 9 (3) | 3 of 3 |
| other | | | | 0 of 1: no other here |
`

func TestShort(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := short(in); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", in, got, want)
		}
	}
	f("some words\n\n"+table, shortTable)
	f("Not measured: exit status 1.\n", "")
	f("", "")
	f("| a | lost |\n| 1 | 2 | 3 |\n", "| a |\n| 1 |\n")
}

func TestRenew(t *testing.T) {
	parts := []part{{name: "a", text: table}, {name: "b", text: "Not measured: exit status 1.\n"}}
	f := func(in, want string) {
		t.Helper()
		got, err := renew(in, parts)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q\ngot  %q\nwant %q", in, got, want)
		}
	}
	const b = "<!-- results: b -->\nas it was\n<!-- /results -->\n"
	f("# T\n<!-- results: a -->\nold\n<!-- /results -->\nmore\n"+b, "# T\n<!-- results: a -->\n"+shortTable+"<!-- /results -->\nmore\n"+b)
	f(b+"<!-- results: a -->\n<!-- /results -->", b+"<!-- results: a -->\n"+shortTable+"<!-- /results -->")
	f("<!-- results: a -->\n<!-- /results -->", `error: "<!-- results: b -->" … "<!-- /results -->" is not there`)
}

func TestResults(t *testing.T) {
	got := results([][2]string{{"machine", "2 cores"}, {"command", "`go run x`"}},
		[]part{{title: "A", text: "a table\n"}, {title: "B", text: "Not measured: exit status 1.\n"}})
	for _, want := range []string{"| machine | 2 cores |\n| command | `go run x` |\n", "\n## A\n\na table\n\n## B\n\nNot measured"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
