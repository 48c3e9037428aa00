package beat

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
)

func TestTopLevel(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "test")
		if err != nil {
			t.Fatal(err)
		}
		switch err := checkTopLevel(cfg); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", yaml, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	f("proccessors: []", `unknown option "proccessors", did you mean "processors"?`)
	f("outputs.console: {}", `unknown option "outputs", did you mean "output"?`)
	f("filebeat.inputs: []", `unknown option "filebeat"; known options: cloud, control, `)
	f("x-defaults: {a: b}", "")
	f("es.host: h\noutput.elasticsearch.hosts: ['http://${es.host}:9200']", "")
	f("es.host: h\noutput.elasticsearch.hosts: ['http://${es.host:localhost}:9200']", "")
	f("es.host: h\nother: x\noutput.elasticsearch.hosts: ['http://${es.host}:9200']", `unknown option "other"`)
	f("output.console: {}\npodbeat.inputs: []\nname:\ntags: [a]\nfields: {a: b}\nfields_under_root: true\nprocessors: ~\ntimeseries.enabled: true", "")
	f("queue.mem: {}\ncloud.id: x\nsetup.template.enabled: false\nmigration.6_to_7.enabled: true\npath.data: /x\nkeystore.path: x\nmanagement.enabled: false", "")
	f("system.hostfs: /\nlogging.level: info\nhttp.enabled: true\nmonitoring.enabled: false\nxpack.monitoring.enabled: false\ninstrumentation.enabled: false", "")
	f("max_procs: 1\ngc_percent: 40\nseccomp.enabled: true\ncontrol: {}", "")
}

// No configuration that podbeat is delivered or described with is refused: a name at the beginning of a line beside podbeat's own,
// also one that is commented out in the reference.
func TestTopLevelOfExamples(t *testing.T) {
	ours, name := regexp.MustCompile(`(?m)^ *podbeat(\.\w+)*:`), regexp.MustCompile(`^#?([a-z_0-9]+)(\.[\w.]+)?:( |$)`)
	found := 0
	check := func(path, text string) {
		if !ours.MatchString(text) {
			return
		}
		indent := strings.Repeat(" ", strings.Index(strings.TrimLeft(ours.FindString(text), "\n"), "podbeat"))
		for line := range strings.Lines(text) {
			line, below := strings.CutPrefix(line, indent)
			m := name.FindStringSubmatch(strings.TrimRight(line, "\n"))
			if !below || m == nil {
				continue
			}
			found++
			if err := checkTopLevel(common.MustNewConfigFrom(map[string]any{m[1]: nil})); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	fences := regexp.MustCompile("(?s)```ya?ml\n(.*?)```")
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		ext := filepath.Ext(path)
		if ext != ".yml" && ext != ".md" && ext != ".tmpl" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if ext != ".md" {
			check(path, string(text))
			return nil
		}
		for _, block := range fences.FindAllStringSubmatch(string(text), -1) {
			check(path, block[1])
		}
		return nil
	})
	if err != nil || found < 100 {
		t.Errorf("only %d names have been found: %v", found, err)
	}
}
