package beat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// TestInputFiles is the life of input files: each step changes the folder, then says what runs.
func TestInputFiles(t *testing.T) {
	dir := t.TempDir()
	f := inputFiles{Path: filepath.Join(dir, "*.yml")}
	known := map[string]*inputFile{}
	plugins := inputs(info, logp.NewLogger("test"), &registry{})
	check := func(c *common.Config) error {
		if typ, _ := c.String("type", -1); typ != "journal" {
			return errors.New("unknown input type")
		}
		return nil
	}
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	step := func(what string, wantChanged bool, want ...string) {
		t.Helper()
		changed := f.scan(logp.NewLogger("test"), known, check, func(list []*common.Config) error { return distinct(plugins, list) })
		var got []string
		for _, c := range wanted(known) {
			id, _ := c.Config.String("id", -1)
			got = append(got, id)
		}
		slices.Sort(got)
		if changed != wantChanged || !slices.Equal(got, want) {
			t.Errorf("%s: changed %v, runs %v; want %v, %v", what, changed, got, wantChanged, want)
		}
	}
	input := func(id string) string { return fmt.Sprintf("- type: journal\n  id: %s\n", id) }

	step("empty folder", false)
	write("a.yml", input("a"), 0o600)
	step("a file comes", true, "a")
	step("nothing changes", false, "a")
	write("a.yml", input("a"), 0o600)
	step("written again, same content", false, "a")
	write("b.yml", input("b1")+input("b2"), 0o600)
	step("two inputs in one file", true, "a", "b1", "b2")
	write("b.yml", "- type: [", 0o600)
	step("a broken file keeps what it ran", false, "a", "b1", "b2")
	write("b.yml", input("b1")+"- type: journey\n", 0o600)
	step("so does a wrong input", false, "a", "b1", "b2")
	write("b.yml", "type: journal\nid: b\n", 0o600)
	step("so does an input that is no list", false, "a", "b1", "b2")
	write("b.yml", input("b1")+input("a"), 0o600)
	step("so does an id that another file has", false, "a", "b1", "b2")
	write("b.yml", input("b3"), 0o666)
	step("so does a file that others may write", false, "a", "b1", "b2")
	write("b.yml", input("b4"), 0o600)
	step("mended", true, "a", "b4")
	write("a.yml", input("a")+"  enabled: false\n", 0o600)
	step("switched off", true, "b4")
	if err := os.Remove(filepath.Join(dir, "b.yml")); err != nil {
		t.Fatal(err)
	}
	step("a file goes", true)
}

func TestCheck(t *testing.T) {
	plugins := inputs(info, logp.NewLogger("test"), &registry{})
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "test")
		if err != nil {
			t.Fatal(err)
		}
		switch err := check(plugins, cfg); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", yaml, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	f("{type: journal}", "")
	f("{type: filestream, id: x, paths: [/var/log/x]}", "")
	f("{type: journal, id: x, tags: [a], fields: {b: c}, processors: [{k8sname: ~}], index: x}", "")
	f("{id: x}", "the input has no type; known types: emptydir, filestream, journal, kafka, podlogs, push")
	f("{type: journald}", `unknown input type "journald"; known types: emptydir, filestream, journal, kafka, podlogs, push`)
	f("{type: journal, sek: head}", `journal input: unknown option "sek", did you mean "seek"?`)
	f("{type: journal, seek: middle}", `cannot read seek from "middle"`)
	f("{type: journal, paths: [x], journal_paths: [y]}", `options "journal_paths" and "paths" are the same one`)
	f("{type: journal, boot: last}", `cannot use boot "last": want one of all, current`)
	f("{type: journal, include_matches: [x]}", `cannot use match "x": want FIELD=value`)
	f("{type: journal, include_matches: [lower=x]}", `cannot use match "lower=x"`)
	f("{type: journal, include_matches: [A=1, +]}", "cannot use `+` in include_matches without a match")
	f("{type: journal, units: ['']}", "cannot use units with an empty element")
	f("{type: journal, paths: ['/x/[a']}", `cannot use path "/x/[a": syntax error in pattern`)
	f("{type: journal, paths: [/x], namespace: a}", "cannot use both paths and namespace")
	f("{type: journal, namespace: ../x}", `cannot use namespace "../x"`)
	f("{type: journal, join: {max_age: -1s}}", "cannot use join.max_age -1s: want more than 0")
	f("{type: journal, max_message_bytes: 0}", "cannot use max_message_bytes 0: want more than 0")
	f("{type: journal, join: {max_agee: 1s}}", `unknown option "join.max_agee", did you mean "join.max_age"?`)
}
