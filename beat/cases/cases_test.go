package cases

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/journal"
	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/beat/podlogs"

	_ "github.com/podbeat/podbeat/processors/k8sname"
	_ "github.com/podbeat/podbeat/processors/pausedrop"
)

const configuration = `
podbeat.inputs:
- {type: journal, id: node, tags: [journal], processors: [{drop_event.when.equals.message: noise}]}
- {type: journal, id: kernel, kernel: true, fields: {a: 1}, index: "kernel-%{+yyyy}"}
- {type: podlogs, id: pods}
- {type: kafka, id: shipper, fields_under_root: true, fields: {via: kafka}}
fields.region: eu
processors:
- k8sname: ~
- pausedrop: ~
- rename: {fields: [{from: old, to: new}], ignore_missing: true}
output.elasticsearch.index: "%{[@metadata.index_prefix]:none}-%{+yyyy.MM.dd}"
setup.ilm.enabled: false
setup.template: {name: x, pattern: x}
`

// benchOf makes a bench for a configuration.
func benchOf(t *testing.T, configuration string) *bench {
	t.Helper()
	root, err := common.NewConfigWithYAML([]byte(configuration), "test")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &offline.Config{Info: beat.Info{Beat: "podbeat", Version: "1", Name: "vm", Hostname: "vm"}, Root: root}
	out := struct {
		Output common.ConfigNamespace `config:"output"`
	}{}
	if err := root.Unpack(&out); err != nil {
		t.Fatal(err)
	}
	cfg.Output = out.Output
	b, err := newBench(cfg, Pipeline{
		Edit: func(c beat.ClientConfig) beat.ClientConfig { return c },
		Inputs: func(beat.Info) []v2.Plugin {
			log := logp.NewLogger("test")
			return []v2.Plugin{journal.Plugin(log, nil), podlogs.Plugin(log, nil)}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// report runs the cases of a text and returns what is printed.
func report(t *testing.T, b *bench, text string) string {
	t.Helper()
	list, err := parse("cases.yml", []byte(text))
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, c := range list {
		b.report(&out, c, false)
	}
	return out.String()
}

const container = `CONTAINER_NAME: k8s_web_web-7d4b9c8f6-x2v5k_shop_8f6c2a1e-0000-4000-8000-000000000000_0`

// TestCases says which expectations hold.
func TestCases(t *testing.T) {
	b := benchOf(t, configuration)
	ok := func(text string) {
		t.Helper()
		if got := report(t, b, text); got == "" || strings.Contains(got, "FAIL") || !strings.HasPrefix(got, "ok ") {
			t.Errorf("got %s", got)
		}
	}
	ok(`[{name: a, event: {message: hi, x: 1, y: 1.50, z: [1, {a: b}], t: true}, want: {message: hi, x: 1, y: 1.5, z: [1, {a: b}], t: true, fields.region: eu}}]`)
	ok(`[{name: patterns, event: {message: hello, n: 42}, want: {message: /^hel+o$/, n: /^4/}, absent: [journald, input.type]}]`)
	ok(`[{name: given time, event: {'@timestamp': 2020-02-03T04:05:06.5+01:00, m: 1}, want: {'@timestamp': 2020-02-03T03:05:06.5Z}, index: /-2020.02.03$/}]`)
	ok(`[{name: usual time and host, event: {m: 1}, want: {'@timestamp': 2024-05-17T12:00:00Z, host.name: node-1}}]`)
	ok(`[{name: host and time, host: n7, time: 2021-01-01T00:00:00Z, event: {m: 1}, want: {'@timestamp': 2021-01-01T00:00:00Z, host.name: n7, agent.name: n7}}]`)
	ok(`[{name: meta, event: {'@metadata': {index_prefix: p, a.b: 1}, '@metadata.c': 2, m: 1}, want: {'@metadata': {a.b: 1, c: 2}}, index: /^p-/}]`)
	ok(`[{name: entry, input: node, journal: {MESSAGE: boom, PRIORITY: 3, ` + container + `}, want: {message: boom, log.level: err, kubernetes: {namespace: shop, deployment.name: web}, tags: [journal], input.type: journal}, index: logstash-podbeat-node-1-2024.05.17}]`)
	ok(`[{name: entry as journalctl has it, input: node, journal: {"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1577836800000000","_BOOT_ID":"b","_HOSTNAME":"h","MESSAGE":[104,105],"X":["a","b"]}, want: {message: hi, journald.custom.x: [a, b], '@timestamp': 2020-01-01T00:00:00Z}}]`)
	ok(`[{name: dropped by the input's processor, input: node, journal: {MESSAGE: noise}, drop: true}]`)
	ok(`[{name: another input's, input: kernel, journal: {MESSAGE: noise, _TRANSPORT: kernel}, want: {fields.a: 1}, index: kernel-2024}]`)
	ok(`[{name: not read, input: kernel, journal: {MESSAGE: noise, _TRANSPORT: stdout}, drop: true}]`)
	ok(`[{name: pause, input: node, journal: {MESSAGE: x, CONTAINER_NAME: k8s_POD_web-1_shop_8f6c2a1e-0000-4000-8000-000000000000_0}, drop: true}]`)
	ok(`[{name: joined, input: node, journal: [{MESSAGE: a, CONTAINER_ID_FULL: 01e5, CONTAINER_PARTIAL_MESSAGE: true, CONTAINER_PARTIAL_ID: p, CONTAINER_PARTIAL_ORDINAL: 1, CONTAINER_PARTIAL_LAST: false}, {MESSAGE: b, CONTAINER_ID_FULL: 01e5, CONTAINER_PARTIAL_MESSAGE: true, CONTAINER_PARTIAL_ID: p, CONTAINER_PARTIAL_ORDINAL: 2, CONTAINER_PARTIAL_LAST: true}], want: {message: ab, container.id: '01e5'}}]`)
	ok(`[{name: several, input: node, journal: [{MESSAGE: a}, {MESSAGE: b}], want: [{message: a}, {message: b}]}]`)
	ok(`[{name: line, line: "2024-05-17T12:00:00.5Z stderr F hello", path: /var/log/pods/shop_web-7d4b9c8f6-x2v5k_8f6c2a1e-0000-4000-8000-000000000000/web/0.log, want: {message: hello, kubernetes.namespace: shop, stream: stderr}}]`)
	ok(`[{name: event of an input, input: kernel, event: {message: x}, want: {input.type: journal, fields.a: 1}}]`)
	ok(`[{name: through Kafka, input: shipper, event: {message: x, host.name: far}, want: {host.name: far, via: kafka}, absent: [agent, ecs, input]}]`)
	ok("- &a\n  name: one\n  event: &e {old: 1}\n  want: {new: 1}\n  absent: old\n- name: two\n  event: *e\n  want: {new: 1}\n---\n- {name: three, event: {m: 1}, want: {}}")
}

// TestDifferences says what is printed when they do not hold.
func TestDifferences(t *testing.T) {
	b := benchOf(t, configuration)
	f := func(text string, want ...string) {
		t.Helper()
		got := report(t, b, text)
		if !strings.HasPrefix(got, "FAIL  a (cases.yml:1)\n") {
			t.Errorf("got %s", got)
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("got %s\nwant %s", got, w)
			}
		}
	}
	f(`[{name: a, event: {message: hi}, want: {message: ho, x.message: 1}, absent: [host.name], index: x}]`,
		`message: want "ho", got "hi"`, "x.message: want 1, is not there, but message", `host.name: want it absent, got "node-1"`, `index: want "x", got "logstash-podbeat-node-1-2024.05.17"`)
	f(`[{name: a, event: {message: hi}, drop: true}]`, `want it dropped, got it with message "hi"`)
	f(`[{name: a, input: node, journal: {MESSAGE: noise}, want: {message: noise}}]`, "want 1 event, got none: dropped")
	f(`[{name: a, input: kernel, journal: {MESSAGE: noise}, want: {message: noise}}]`, "want 1 event, got none: the input does not read it")
	f(`[{name: a, input: node, journal: [{MESSAGE: a}, {MESSAGE: b}], want: {message: ab}}]`, "want 1 event, got 2")
	f(`[{name: a, input: node, journal: [{MESSAGE: a}, {MESSAGE: b}], want: [{message: a}, {message: /x/}]}]`, `event 2: message: want /x/, got "b"`)
	f(`[{name: a, journal: {MESSAGE: a}, want: {}}]`, "there is more than one input that it may be of", "there are kernel, node, pods, shipper")
	f(`[{name: a, input: nod, event: {m: 1}, want: {}}]`, `there is no input "nod"`)
	f(`[{name: a, input: pods, journal: {MESSAGE: a}, want: {}}]`, `input "pods" does not read this`)
	f(`[{name: a, event: {n: 9007199254740993, s: "1", l: [1], b: true, z: ~}, want: {n: 9007199254740992, s: 1, l: [1, 2], b: "true", z: 0}}]`,
		"n: want 9007199254740992, got 9007199254740993", `s: want 1, got "1"`, "l: want [1, 2], got [1]", `b: want "true", got true`, "z: want 0, got null")
	f(`[{name: a, event: {message: "a\e[2J\u202e"}, want: {message: x}}]`, `got "a\u001b[2J\u202e"`)
}

// TestRefused: a file that says something else than it means is refused, with its line.
func TestRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parse("cases.yml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	f("- name: a\n  evnt: {}", `cases.yml:2: unknown key "evnt", did you mean "event"? known keys: absent, drop,`)
	f("name: a", "cases.yml:1: want a list of test cases")
	f("", "has no test cases")
	f("- name: a\n  name: b", `cases.yml:2: key "name" is given twice`)
	f("- name: a\n  event: {m: 1}", "expects nothing")
	f("- event: {m: 1}\n  want: {}", "has no name")
	f("- {name: a, want: {}}", "wants one of event, journal, and line")
	f("- {name: a, event: {}, journal: {MESSAGE: a}, want: {}}", "wants one of event, journal, and line")
	f("- {name: a, line: x, want: {}}", "wants line and path together")
	f("- {name: a, event: {}, drop: true, index: x}", "leave out want, absent and index")
	f("- {name: a, event: {}, drop: maybe}", "cannot read drop")
	f("- {name: a, event: [], want: {}}", "event wants fields with their values")
	f("- {name: a, event: {}, want: {a: /(/}}", "cannot read the regular expression /(/")
	f("- {name: a, event: {}, want: {a.b: 1, a: {b: 2}}}", `field "a.b" is wanted twice`)
	f("- {name: a, event: {a: 1, a: 2}, want: {}}", `field "a" is given twice`)
	f("- {name: a, event: {}, want: {}, time: today}", `cannot read time "today"`)
	f("- {name: a, event: {}, absent: []}", "absent wants a list")
	f("- {name: a, event: {}, absent: {a: b}}", "absent wants a list")
	f("- {name: a, journal: {}, want: {}}", "journal wants fields")
	f("- {name: a, journal: {__SEQNUM: x}, want: {}}", "cannot read __SEQNUM")
	f("- {name: a, journal: {M: {a: b}}, want: {}}", "cannot use this value of M")
	f("- a", "want a test case with name")
	f("- {name: a, want: {}, event: {a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a], c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b], "+
		"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c], e: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]}}", "the test case is too large")
	f("- [", "cannot read test cases of cases.yml")
}

// TestInputFiles: inputs in files of their own may be named, too.
func TestInputFiles(t *testing.T) {
	dir := t.TempDir()
	before := paths.Paths.Config
	paths.Paths.Config = dir
	defer func() { paths.Paths.Config = before }()
	if err := os.WriteFile(filepath.Join(dir, "more.yml"), []byte("- {type: journal, id: more, tags: [x]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := benchOf(t, "podbeat.config.inputs.path: \"*.yml\"\noutput.console: ~\n")
	if got := report(t, b, `[{name: a, journal: {MESSAGE: m}, want: {tags: [x]}, index: x}]`); !strings.Contains(got, "output.console has no index") || strings.Contains(got, "tags") {
		t.Errorf("got %s", got)
	}
}

// FuzzParse: whatever is in a file, reading it ends, and what is read can be run.
func FuzzParse(f *testing.F) {
	f.Add("- {name: a, event: {m: 1}, want: {m: /1/}}")
	f.Add("- &a {name: a, journal: [{MESSAGE: [1, 2]}], absent: x, index: /a/}\n- *a")
	f.Add("- {name: a, line: x, path: /p, drop: true}\n---\n- 1")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parse("f", []byte(text))
		if err != nil {
			return
		}
		for _, c := range list {
			if c.event != nil {
				if e, err := eventOf(c); err == nil {
					fieldsOf(&e)
				}
			}
			if c.name == "" || slices.Contains(c.absent, "") {
				t.Errorf("%q is taken", text)
			}
		}
	})
}
