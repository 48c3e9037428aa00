package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// TestInputFiles is the life of input files: each step changes the folder, then says what runs.
func TestInputFiles(t *testing.T) {
	dir := t.TempDir()
	r := &Reloader{log: logp.NewLogger("test"), now: &state{}, parts: Parts{
		Secrets: &Secrets{},
		Files:   Files{Path: filepath.Join(dir, "*.yml")},
		CheckInputs: func(list []*common.Config) error {
			seen := map[string]bool{}
			for _, c := range list {
				if typ, _ := c.String("type", -1); typ != "journal" {
					return errors.New("unknown input type")
				}
				id, _ := c.String("id", -1)
				if seen[id] {
					return errors.New("two of one id")
				}
				seen[id] = true
			}
			return nil
		},
	}}
	var known map[string]*inputFile
	var others []*common.Config
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	step := func(what string, wantChanged bool, wantRefused int, want ...string) {
		t.Helper()
		was := refused.Get()
		next := r.scan(r.read(), known, others)
		changed := r.tell(known, next)
		known = next
		var got []string
		for _, c := range (&state{files: known}).enabled() {
			id, _ := c.String("id", -1)
			got = append(got, id)
		}
		slices.Sort(got)
		if changed != wantChanged || int(refused.Get()-was) != wantRefused || !slices.Equal(got, want) {
			t.Errorf("%s: changed %v, refused %d, runs %v; want %v, %d, %v", what, changed, refused.Get()-was, got, wantChanged, wantRefused, want)
		}
	}
	input := func(id string) string { return fmt.Sprintf("- type: journal\n  id: %s\n", id) }
	main := func(id string) *common.Config {
		return common.MustNewConfigFrom(map[string]any{"type": "journal", "id": id})
	}

	step("empty folder", false, 0)
	write("a.yml", input("a"), 0o600)
	step("a file comes", true, 0, "a")
	step("nothing changes", false, 0, "a")
	write("a.yml", input("a"), 0o600)
	step("written again, same content", false, 0, "a")
	write("b.yml", input("b1")+input("b2"), 0o600)
	step("two inputs in one file", true, 0, "a", "b1", "b2")
	write("b.yml", "- type: [", 0o600)
	step("a broken file keeps what it ran", false, 1, "a", "b1", "b2")
	step("and is told of once", false, 0, "a", "b1", "b2")
	write("b.yml", input("b1")+"- type: journey\n", 0o600)
	step("so does a wrong input", false, 1, "a", "b1", "b2")
	write("b.yml", "type: journal\nid: b\n", 0o600)
	step("so does an input that is no list", false, 1, "a", "b1", "b2")
	write("b.yml", input("b1")+input("a"), 0o600)
	step("so does an id that another file has", false, 1, "a", "b1", "b2")
	write("b.yml", input("b3"), 0o666)
	step("so does a file that others may write", false, 1, "a", "b1", "b2")
	write("b.yml", input("b3")+"---\n"+input("b4"), 0o600)
	step("so does a file of two documents", false, 1, "a", "b1", "b2")
	write("b.yml", input("b3")+"  fields: {n: 1}\n", 0o600)
	step("so does a file with a key that is no text", false, 1, "a", "b1", "b2")
	step("and is told of once, too", false, 0, "a", "b1", "b2")
	write("b.yml", input("b4"), 0o600)
	step("mended", true, 0, "a", "b4")
	write("a.yml", input("b4"), 0o600)
	write("b.yml", input("a"), 0o600)
	step("two files that exchange their inputs", true, 0, "a", "b4")
	write("a.yml", input("b5"), 0o600)
	write("b.yml", input("b5"), 0o600)
	step("of two new ones that clash, the first is taken", true, 1, "a", "b5")
	write("a.yml", input("b4"), 0o600)
	step("the other is taken once it can be", true, 0, "b4", "b5")
	others = []*common.Config{main("m")}
	write("a.yml", input("m"), 0o600)
	step("an input of the configuration itself has the id", false, 1, "b4", "b5")
	others = nil
	step("it has moved here", true, 0, "b5", "m")
	write("a.yml", input("a")+"  enabled: false\n", 0o600)
	step("switched off", true, 0, "b5")
	remove("b.yml")
	step("a file goes", true, 0)
	write("c.yml", "", 0o600)
	step("an empty file", true, 0)
	write("c.yml", input("c"), 0o600)
	step("filled", true, 0, "c")
	remove("c.yml")
	if err := os.Symlink("/nowhere", filepath.Join(dir, "c.yml")); err != nil {
		t.Fatal(err)
	}
	step("a link to nothing keeps what it ran", false, 1, "c")
	remove("c.yml")
	if err := os.Mkdir(filepath.Join(dir, "c.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	step("a folder is no file", true, 0)
}
