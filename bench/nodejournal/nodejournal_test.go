package nodejournal

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// A journal is made once; half of one, which has no expect.json, is made anew.
func TestMake(t *testing.T) {
	build := t.TempDir()
	change := func() (*Journal, int64) {
		t.Helper()
		j, err := Make(build, 300)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(j.Dir, "expect.json"))
		if err != nil {
			t.Fatal(err)
		}
		return j, info.ModTime().UnixNano()
	}
	first, made := change()
	if first.Entries != 300 || first.Messages < 200 || first.Messages > 300 || len(first.Pause) == 0 {
		t.Errorf("%+v", first)
	}
	again, then := change()
	if !reflect.DeepEqual(first, again) || made != then {
		t.Errorf("%+v, made again %+v", first, again)
	}
	if err := os.Remove(filepath.Join(first.Dir, "expect.json")); err != nil {
		t.Fatal(err)
	}
	if _, then := change(); made == then {
		t.Error("half a journal was taken for one")
	}
}

func TestFingerprintFollowsTheGenerator(t *testing.T) {
	o := journalgen.Defaults(5000)
	other := o
	other.Pause = 0.2
	first, again, another := fingerprint(o), fingerprint(o), fingerprint(other)
	if first != again || first == another {
		t.Errorf("%08x, again %08x, and another %08x", first, again, another)
	}
}
