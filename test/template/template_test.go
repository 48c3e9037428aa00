// Package template tests podbeat's defaults against real Elasticsearch servers: the index template
// in both of its forms, its loading on the first connection, and the index the documents go to.
package template

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestElasticsearch7(t *testing.T) { testDefaults(t, 7, "7.17.29") }
func TestElasticsearch8(t *testing.T) { testDefaults(t, 8, "8.7.1") }

func testDefaults(t *testing.T, major int, version string) {
	url := services.Elasticsearch(t, major)
	exported(t, url, version, "index", "/_index_template/exported")
	exported(t, url, version, "legacy", "/_template/exported")

	dir := filepath.Join(t.TempDir(), "journal")
	messages, err := journalgen.Write(dir, journalgen.Defaults(2000))
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, m := range messages {
		if !m.Pause {
			want++
		}
	}
	// Nothing is set but where to: no index, no template, no ILM.
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs: [{type: journal, id: node, paths: [%q]}]
processors: [{k8sname: ~}, {pausedrop: ~}]
output.elasticsearch.hosts: [%q]
`, dir, url))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return int(s["libbeat.output.events.acked"]) >= want })
	p.Term()

	services.Call(t, "POST", url+"/_refresh", "", 200)
	n, err := verify.Count(url, "logstash-podbeat-*")
	if err != nil || n != want {
		t.Errorf("%d documents in logstash-podbeat-* (%v), want %d", n, err, want)
	}
	var indices []struct{ Index string }
	decode(t, services.Call(t, "GET", url+"/_cat/indices/logstash-podbeat-*?format=json", "", 200), &indices)
	for _, i := range indices {
		if !strings.HasSuffix(i.Index, "-2024.05.17") {
			t.Errorf("index %s: want the day of the events, 2024.05.17", i.Index)
		}
	}
	for field, want := range map[string]string{"message": "text", "@timestamp": "date", "kubernetes.pod.name": "keyword",
		"container.id": "keyword", "event.sequence": "long", "log.level": "keyword", "process.pid": "long"} {
		var mapping map[string]struct {
			Mappings map[string]struct {
				Mapping map[string]struct{ Type string }
			}
		}
		decode(t, services.Call(t, "GET", url+"/logstash-podbeat-*/_mapping/field/"+field, "", 200), &mapping)
		for index, m := range mapping {
			leaf := field[strings.LastIndexByte(field, '.')+1:]
			if got := m.Mappings[field].Mapping[leaf].Type; got != want {
				t.Errorf("%s in %s is a %q, want %s", field, index, got, want)
			}
		}
	}
}

// exported sees that the server takes what `podbeat export template` prints.
func exported(t *testing.T, url, version, form, path string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "podbeat.yml")
	text := "podbeat.inputs: [{type: journal}]\noutput.elasticsearch.hosts: [localhost]\nsetup.template.priority: 1\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(harness.Program(t, "podbeat"), "export", "template", "--es.version", version, "-E", "setup.template.type="+form,
		"-c", config, "--path.home", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	services.Call(t, "PUT", url+path, string(out), 200)
	services.Call(t, "DELETE", url+path, "", 200)
}

func decode(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
