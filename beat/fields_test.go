package beat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/asset"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"
	"github.com/elastic/beats/v7/libbeat/template"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func TestFieldsCopied(t *testing.T) {
	copied, err := os.ReadFile("../_meta/fields.yml")
	if err != nil {
		t.Fatal(err)
	}
	if string(copied) != fieldsYAML {
		t.Error("_meta/fields.yml differs: run cp beat/fields.yml _meta/fields.yml")
	}
	registered, err := asset.GetFields(Name)
	if err != nil || string(registered) != fieldsYAML {
		t.Errorf("what libbeat has of podbeat differs: %v", err)
	}
}

// Every field has a type that Elasticsearch knows and one sentence, and is there once.
func TestFieldsDescribed(t *testing.T) {
	seen := map[string]bool{}
	_, sections, err := described()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range slices.Concat(sections...) {
		if !slices.Contains([]string{"keyword", "text", "long", "date", "boolean", "object", "ip"}, f.kind) {
			t.Errorf("%s has the type %q", f.name, f.kind)
		}
		if !strings.HasSuffix(f.description, ".") {
			t.Errorf("%s has the description %q", f.name, f.description)
		}
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
	}
	markdown, err := FieldsMarkdown()
	if err != nil || strings.Count(markdown, "\n| `") != len(seen) {
		t.Errorf("the reference has %d rows for %d fields: %v", strings.Count(markdown, "\n| `"), len(seen), err)
	}
}

// kinds returns the types of all fields; objects end in a dot.
func kinds(t *testing.T) map[string]string {
	_, sections, err := described()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range slices.Concat(sections...) {
		if f.kind == "object" {
			f.name += "."
		}
		out[f.name] = f.kind
	}
	return out
}

// samples are the journal input's golden events, by file name without the schemas whose names the
// user chooses.
func samples(t *testing.T) map[string]common.MapStr {
	t.Helper()
	out := map[string]common.MapStr{}
	paths, err := filepath.Glob("journal/testdata/events/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no sample events", err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".root.json") {
			continue // the journal's own names, at the root
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc common.MapStr
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(path, err)
		}
		delete(doc, "@metadata")
		out[filepath.Base(path)] = doc
	}
	return out
}

func TestSamplesDescribed(t *testing.T) {
	for file, doc := range samples(t) {
		describes(t, file, doc)
	}
}

// What k8sname makes of names is described too.
func TestNamesDescribed(t *testing.T) {
	for _, schema := range []string{"ecs", "legacy", "both"} {
		var config struct{ Processors processors.PluginConfig }
		if err := common.MustNewConfigFrom("processors: [k8sname: {owner: likely, schema: " + schema + "}]").Unpack(&config); err != nil {
			t.Fatal(err)
		}
		names, err := processors.New(config.Processors)
		if err != nil {
			t.Fatal(err)
		}
		const pod, uid = "k8s_web_web-", "_shop_8f6c2a1e-0000-4000-8000-000000000000_0"
		for name, value := range map[string]string{
			"container.name": pod + "7d4b9c8f6-x2v5k" + uid, "a": pod + "0" + uid, "b": pod + "28600000-x2v5k" + uid, "c": pod + "x2v5k" + uid,
			"d":             "k8s_web.905f3855_web-kvm-009660_kube-system_7cc96a847ece6fad70a98b9db56bd08d_01130b8b",
			"log.file.path": "/var/lib/kubelet/pods/8f6c2a1e-0000-4000-8000-000000000000/volumes/kubernetes.io~empty-dir/applog-s-endname-d/a.log",
		} {
			if len(name) == 1 {
				name = "journal.container_name"
			}
			event := &beat.Event{Fields: common.MapStr{}}
			if _, err := event.PutValue(name, value); err != nil {
				t.Fatal(err)
			}
			if event, err = names.Run(event); err != nil || len(event.Fields) < 2 {
				t.Fatalf("%s %s: %v %v", name, value, event, err)
			}
			describes(t, schema+" "+value, event.Fields)
		}
	}
}

// describes checks that fields.yml has all fields of a document, with types that fit.
func describes(t *testing.T, file string, doc common.MapStr) {
	t.Helper()
	known := kinds(t)
	kindOf := func(name string) string {
		if kind, ok := known[name]; ok {
			return kind
		}
		for prefix, kind := range known {
			if kind == "object" && strings.HasPrefix(name, prefix) {
				return kind
			}
		}
		return ""
	}
	for name, value := range doc.Flatten() {
		var values []any
		switch v := value.(type) {
		case []any:
			values = v
		case []string:
			for _, s := range v {
				values = append(values, s)
			}
		default:
			values = []any{v}
		}
		for _, v := range values {
			fits := false
			switch kind := kindOf(name); v := v.(type) {
			case string:
				_, noTime := time.Parse(time.RFC3339Nano, v)
				fits = kind == "keyword" || kind == "text" || kind == "object" || kind == "date" && noTime == nil
			case json.Number:
				_, noLong := v.Int64()
				fits = kind == "object" || kind == "long" && noLong == nil
			case bool:
				fits = kind == "boolean" || kind == "object"
			}
			if !fits {
				t.Errorf("%s: %s is %T %v, fields.yml says %q", file, name, v, v, kindOf(name))
			}
		}
	}
}

// Real servers take the template in both forms, and with it every event in every schema; what they
// map the fields to is what fields.yml says.
func TestTemplate(t *testing.T) {
	for major, version := range map[int]string{7: "7.17.29", 8: "8.7.1"} {
		url := services.Elasticsearch(t, major)
		for _, form := range []template.IndexTemplateType{template.IndexTemplateLegacy, template.IndexTemplateIndex} {
			path, index := "/_template/podbeat", fmt.Sprintf("logstash-podbeat-fields%d", form)
			if form == template.IndexTemplateIndex {
				path = "/_index_template/podbeat"
			}
			services.Call(t, "PUT", url+path, templateOf(t, version, index+"-*", form).String(), 200)
			for file, doc := range samples(t) {
				schema := strings.Split(file, ".")[1]
				services.Call(t, "POST", url+"/"+index+"-"+schema+"/_doc?refresh=true", doc.String(), 201)
			}
			// What k8sname writes with schema: legacy has a text where ECS has an object.
			services.Call(t, "POST", url+"/"+index+"-legacy/_doc", `{"container": "web", "journal": {"priority": "none"}}`, 201)
			for name, kind := range mapped(t, url, index+"-ecs") {
				want := kinds(t)[name]
				if strings.HasPrefix(name, "journald.custom.") {
					want = "keyword"
				}
				if kind != want && want != "object" && name != "fields" {
					t.Errorf("Elasticsearch %d: %s is mapped to %q, fields.yml says %q", major, name, kind, want)
				}
			}
			for name, kind := range mapped(t, url, index+"-legacy") {
				if under, ok := strings.CutPrefix(name, "journal."); ok && kind != "keyword" && under != "realtime_timestamp" && under != "monotonic_timestamp" {
					t.Errorf("Elasticsearch %d: %s is mapped to %q", major, name, kind)
				}
			}
			services.Call(t, "DELETE", url+path, "", 200)
		}
	}
}

func templateOf(t *testing.T, version, pattern string, form template.IndexTemplateType) common.MapStr {
	t.Helper()
	v, err := common.NewVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	made, err := template.New(Version, Name, false, *v, template.TemplateConfig{Name: Name, Pattern: pattern, Type: form, Order: 1, Priority: 150}, false)
	if err != nil {
		t.Fatal(err)
	}
	body, err := made.LoadBytes([]byte(fieldsYAML))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// mapped returns the types of an index' fields by their full names.
func mapped(t *testing.T, url, index string) map[string]string {
	t.Helper()
	type properties map[string]json.RawMessage
	type node struct {
		Type       string
		Properties properties
	}
	var answer map[string]struct{ Mappings node }
	if err := json.Unmarshal(services.Call(t, "GET", url+"/"+index+"/_mapping", "", 200), &answer); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(prefix string, p properties)
	walk = func(prefix string, p properties) {
		for name, raw := range p {
			var n node
			if err := json.Unmarshal(raw, &n); err != nil {
				t.Fatal(err)
			}
			if n.Properties != nil || n.Type == "object" {
				walk(prefix+name+".", n.Properties)
			} else {
				out[prefix+name] = n.Type
			}
		}
	}
	walk("", answer[index].Mappings.Properties)
	if len(out) == 0 {
		t.Fatalf("%s has no fields", index)
	}
	return out
}
