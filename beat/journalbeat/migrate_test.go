package journalbeat

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/elastic/go-ucfg"
	ucfgyaml "github.com/elastic/go-ucfg/yaml"
	"gopkg.in/yaml.v3"

	"github.com/podbeat/podbeat/option"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMigrateGolden compares all of the output; m56 is the configuration podbeat has to take over.
func TestMigrateGolden(t *testing.T) {
	for _, name := range configs(t) {
		golden := strings.TrimSuffix(name, ".yml") + ".golden"
		got, _, err := Migrate(read(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := started(got); err != nil {
			t.Errorf("%s is migrated to what podbeat refuses: %v", name, err)
		}
		if want := read(t, golden); !bytes.Equal(got, want) {
			t.Errorf("%s is migrated to\n%s\nwant\n%s", name, got, want)
		}
	}
}

// accepted reads a configuration as libbeat does: YAML 1.1, dotted names merged.
func accepted(text []byte) error {
	_, err := ucfgyaml.NewConfig(text, ucfg.PathSep("."), ucfg.VarExp)
	return err
}

// started checks that podbeat knows all names at the top level.
func started(text []byte) error {
	cfg, err := ucfgyaml.NewConfig(text, ucfg.PathSep("."), ucfg.VarExp)
	if err != nil {
		return err
	}
	for _, name := range cfg.GetFields() {
		if !option.IsTopLevel(name) {
			return option.Unknown("option", "", name, option.TopLevel)
		}
	}
	return nil
}

// TestMigrateOptions sees that the input journal knows every option that is written.
func TestMigrateOptions(t *testing.T) {
	docs, err := option.Describe("../journal", "options")
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"type", "id", "fields", "fields_under_root", "tags", "processors"} // libbeat's
	for _, d := range docs {
		known = append(known, d.Name)
	}
	for _, name := range configs(t) {
		out, _, err := Migrate(read(t, name))
		if err != nil {
			t.Fatal(name, err)
		}
		var got struct {
			Inputs []map[string]any `yaml:"podbeat.inputs"`
		}
		if err := yaml.Unmarshal(out, &got); err != nil || len(got.Inputs) == 0 {
			t.Errorf("%s: %d inputs, %v", name, len(got.Inputs), err)
		}
		for _, in := range got.Inputs {
			for option := range in {
				if !slices.Contains(known, option) {
					t.Errorf("%s: the input journal has no option %s", name, option)
				}
			}
		}
	}
}

func configs(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(names) < 5 {
		t.Fatal("testdata is incomplete", names, err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMigrateParts sees that out has want, or has not what follows a "!".
func TestMigrateParts(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		out, _, err := Migrate([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
			return
		}
		for _, w := range want {
			w, not := strings.CutPrefix(w, "!")
			if strings.Contains(string(out), w) == not {
				t.Errorf("%q is migrated to\n%s\nwith %q: %v", in, out, w, not)
			}
		}
	}
	const cursor = "journalbeat: {seek_position: cursor}\n"
	// What journalbeat did when nothing was said, and the behaviour that changes.
	f("journalbeat:\n", "seek: tail", "warning: seek: tail", "!cursor_state_file", "!cursor_seek_fallback", "clean_field_names: false", "parse_priority: false", "schema: legacy", "!fields:")
	f(cursor, "cursor_seek_fallback: tail\n", "warning: cursor_seek_fallback: tail", "cursor_state_file: .journalbeat-cursor-state", "warning: journalbeat did not save its position")
	f("journalbeat: {seek_position: cursor, write_cursor_state: false}", "warning: journalbeat did not save")
	f("journalbeat: {seek_position: cursor, write_cursor_state: yes}", "!did not save")
	f("journalbeat: {seek_position: cursor, cursor_seek_fallback: head}", "cursor_seek_fallback: head", "!warning: cursor_seek_fallback")
	f("journalbeat: {seek_position: tail, cursor_state_file: /c}", "!cursor_state_file: /c")
	f("journalbeat: {default_type: journal}", "!fields:")
	f("journalbeat: {default_type: log}", "fields:\n      type: log\n    fields_under_root: true")
	f("journalbeat: {pending_queue.file: /p}", "pending_queue_file: /p\n", "!full path")
	f("journalbeat: {pending_queue: {file: p}}", "pending_queue_file: p\n", `"p" was relative`)
	f("journalbeat.pending_queue.file: ${DATA}/p", "pending_queue_file: ${DATA}/p\n", "!relative")
	// The kernel's messages come beside units', which podbeat wants to be told.
	f("journalbeat: {kernel: true}", "!kernel: true")
	f("journalbeat: {units: [a]}", `units: ["a"]`, "kernel: true")
	f("journalbeat: {units: [a], kernel: no}", `units: ["a"]`, "!kernel: true")
	f("journalbeat: {units: ['a*']}", `warning: units has the pattern "a*"`)
	// One match sufficed.
	f("journalbeat: {match_patterns: [A=1, A=2]}", `include_matches: ["A=1", "A=2"]`)
	f("journalbeat: {match_patterns: [A=1, B=2]}", `include_matches: ["A=1", "+", "B=2"]`)
	f("journalbeat: {match_patterns: [A=1], identifiers: [sshd]}", `include_matches: ["A=1", "+", "SYSLOG_IDENTIFIER=sshd"]`, "!identifiers:")
	f("journalbeat: {match_patterns: '${M}'}", `include_matches: ["${M}"]`, "warning: match_patterns is")
	f("journalbeat: {units: [x.slice], identifiers: [a], kernel: false}", `"_SYSTEMD_SLICE=x.slice"`, "!_TRANSPORT")
	// Everything else keeps its bytes.
	f("tags:   [1,2]   # why\n# b\njournalbeat:\nname:  'x'\n\n\nx-d: |\n  # no comment\n", "tags:   [1,2]   # why\n# b\npodbeat.inputs:\n", "\nname:  'x'\n\n\nx-d: |\n  # no comment\n")
	f("journalbeat:\nname: ${VAR:de fault}\n", "\nname: ${VAR:de fault}\n")
	f("\ufeffjournalbeat:\r\n  seek_position: head\r\nname: 1\r\n", "seek: head\n", "\nname: 1\n", "!\r")
	f("---\njournalbeat:\n...\n", "podbeat.inputs:")
	f("x-a: &x [a]\njournalbeat: {units: *x}\ntags: *x\n", `units: ["a"]`, "x-a: &x [a]", "tags: *x")
	f("  journalbeat:\n    seek_position: head\n  name: 1\n", "seek: head", "\nname: 1\n")
	// Names that would be podbeat's.
	f("journalbeat:\noutput.logstash:\n  hosts: [a]\n", "\noutput.logstash.index: journalbeat\n", "[@metadata][_id]")
	f("journalbeat:\noutput:\n  logstash:\n    index: mine\n", "!logstash.index: journalbeat")
	f("x: &x {index: mine}\njournalbeat:\noutput.logstash: {<<: *x}\n", "!logstash.index: journalbeat")
	f("x: &x {index: mine, more: {z: 1}}\njournalbeat:\noutput.logstash: *x\n", "!logstash.index: journalbeat")
	f("journalbeat:\noutput.logstash.enabled: false\noutput.console: {}", "!logstash.index", "!warning: podbeat sends to one")
	f("journalbeat:\noutput.redis: {hosts: [a]}", "\noutput.redis.key: journalbeat\n")
	f("journalbeat:\noutput.redis: {hosts: [a], index: x}", "!output.redis.key")
	f("journalbeat:\noutput.file.path: /x", "\noutput.file.filename: journalbeat\n")
	f("journalbeat:\noutput.elasticsearch.hosts: [a]", "\noutput.elasticsearch.index: \"journalbeat-%{+yyyy.MM.dd}\"\nsetup.template.name: journalbeat\nsetup.template.pattern: journalbeat-*\n")
	f("journalbeat:\noutput.elasticsearch: {index: 'logs-%{+yyyy}'}", "setup.template.name: logs\nsetup.template.pattern: logs-*\n", "!elasticsearch.index: ")
	f("journalbeat:\noutput.elasticsearch: {index: '%{[a]}'}", "setup.template.enabled: false")
	f("journalbeat:\noutput.elasticsearch: {indices: [{index: a}]}", "!elasticsearch.index: ", "!setup.template")
	f("journalbeat:\nsetup.template.enabled: false\noutput.elasticsearch: {}", "!setup.template.name")
	f("journalbeat:\nsetup.ilm.enabled: auto\noutput.elasticsearch: {}", "warning: setup.ilm")
	f("journalbeat:\noutput.console: {}\noutput.file: {path: x}", `warning: podbeat sends to one output only, here are "console, file"`)
	// What libbeat 7 has no more.
	f("journalbeat:\noutput.elasticsearch:\n  template:\n    name: x\n  hosts: [a] # keep\n", "warning: took out output.elasticsearch.template", "!\n  template:", "hosts: [a] # keep")
	f("journalbeat:\nprocessors: [{drop_fields: {fields: [beat.hostname]}}]", "warning: the field beat.hostname is called agent.hostname now")
	f("journalbeat:\nprocessors:\n- include_fields.fields: ['@metadata', a]\n", "took @metadata out", "include_fields.fields: [a]")
	// Elastic's.
	f("journalbeat.inputs: [{paths: []}]", `cursor_state_file: "/var/lib/journalbeat/registry#LOCAL_SYSTEM_JOURNAL"`, "warning: cursor_state_file", "!schema", "!paths:")
	f("journalbeat: {registry_file: /r, inputs: [{paths: [/j]}]}", `cursor_state_file: "/r#/j"`, `paths: ["/j"]`, "!warning", "!podbeat.registry")
	f("journalbeat: {registry_file: r, inputs: [{seek: tail}], backoff: 3s}", "!cursor_state_file: ", "poll_interval: 3s", "id: journal\n")
	f("journalbeat.inputs: [{id: mine}]\npath.home: /h", "id: mine", `"/h/data/registry#LOCAL`, "podbeat.registry.path: podbeat-registry")
	// What podbeat would not start with.
	f("journalbeat:\nshipper.name: x\ngeoip: {paths: [/x]}\nnam: y", "warning: took out shipper, which podbeat does not have: use name, tags",
		"- took out geoip, which", "warning: took out nam: podbeat has no such section", "!shipper.name", "!/x", "!nam: y")
	f("journalbeat:\nes.host: h\noutput.elasticsearch.hosts: ['http://${es.host}:9200']", "es.host: h", "!no such section")
	f("all: &all {a: b}\njournalbeat:\nfields: *all", "called all x-all", "x-all: &all")
	f("journalbeat.inputs: [{}, {paths: /x}]", "id: journal-1", "id: journal-2")
	f("journalbeat.inputs: [{include_matches: [container.image.tag=redis, FOO=a=b]}]", `["CONTAINER_TAG=redis", "+", "FOO=a=b"]`)
}

// TestMigrateErrors sees that the error has want.
func TestMigrateErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		out, _, err := Migrate([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) || out != nil {
			t.Errorf("%.100q gives %q and %v, want %q", in, out, err, want)
		}
	}
	f("", "it is empty")
	f("a: b", "it has no section journalbeat")
	f("[a]", "it is no mapping")
	f("a: [", "yaml: line 1")
	f("journalbeat:\n---\na: b", "more than one document")
	f("journalbeat: x", "journalbeat is no section")
	f("journalbeat:\nx: 1\nx: 2", `"x" already defined`)
	f("journalbeat:\njournalbeat:\n  kernel: true", `"journalbeat" already defined`)
	f("journalbeat: {kernel: true}\njournalbeat.kernel: false", "option journalbeat.kernel is there twice")
	f("journalbeat: {seek_positon: tail}", `journalbeat: unknown option "seek_positon", did you mean "seek_position"? known options: clean_field_names, convert_to_numbers, cursor_flush_period`)
	f("journalbeat: {pending_queue: {fiel: x}}", `unknown option "pending_queue.fiel", did you mean "pending_queue.file"?`)
	f("journalbeat: {'': x}", "unknown option")
	f("journalbeat: {seek_position: top}", `journalbeat does not know seek_position "top": want cursor, head, tail`)
	f("journalbeat: {cursor_seek_fallback: cursor}", "want head, tail, none")
	f("journalbeat: {units: {a: b}}", "option units is no list of texts")
	f("journalbeat: {units: ['a*'], identifiers: [b]}", `units has the pattern "a*" beside other matches`)
	f("journalbeat: {units: &u [a]}\ntags: *u", "without what podbeat does not have")
	f("journalbeat.inputs: x", "no list of inputs")
	f("journalbeat.inputs: [x]", "journalbeat.inputs.0: it is no input")
	f("journalbeat.inputs: [{}, {path: x}]", `journalbeat.inputs.1: journalbeat input: unknown option "path", did you mean "paths"?`)
	f("journalbeat: {inputs: [{}], kernel: true}", `unknown option "kernel"`)
	f(strings.Repeat("#", maxConfig)+"\njournalbeat:\n", "more than 4194304 bytes")
}

// FuzzMigrate sees that whatever is migrated is YAML with inputs, and says the same notes twice.
func FuzzMigrate(f *testing.F) {
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("journalbeat:\n  # a\n  units: [\"a\nb\"]\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, notes, err := Migrate(in)
		if err != nil {
			return
		}
		if accepted(in) == nil && accepted(out) != nil {
			t.Fatalf("%q gives what libbeat refuses: %v\n%s", in, accepted(out), out)
		}
		var got map[any]any
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q gives no YAML: %v\n%s", in, err, out)
		}
		if inputs, ok := got["podbeat.inputs"].([]any); !ok || len(inputs) == 0 {
			t.Fatalf("%q gives no inputs:\n%s", in, out)
		}
		for _, n := range notes {
			if strings.ContainsAny(n, "\n\r\x1b") {
				t.Errorf("%q gives the note %q", in, n)
			}
		}
	})
}
