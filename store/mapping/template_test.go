package mapping

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/test/services"
)

// templateSession puts templates into both, makes an index of that name by a document, and compares the mappings.
// Each template is "_index_template/name", "_template/name" or "_component_template/name" and its body.
func templateSession(t *testing.T, url, index string, templates [][2]string, docs ...string) {
	t.Helper()
	ts := Templates{Legacy: map[string]body.Value{}, Composable: map[string]body.Value{}, Components: map[string]body.Value{}}
	for _, tmpl := range templates {
		status, answer := ask(t, "PUT", url+"/"+tmpl[0], tmpl[1])
		kind, name, _ := strings.Cut(tmpl[0], "/")
		v := parse(t, tmpl[1])
		err := ts.Check(name, v, kind == "_index_template", kind == "_component_template")
		if (err != nil) != (status != 200) {
			t.Errorf("%s %s\n is %v\nwant %v", tmpl[0], tmpl[1], err, answer)
		}
		if err != nil {
			continue
		}
		switch kind {
		case "_index_template":
			ts.Composable[name] = v
		case "_component_template":
			ts.Components[name] = v
		default:
			ts.Legacy[name] = v
		}
	}
	defer func() {
		ask(t, "DELETE", url+"/"+index, "")
		for i := len(templates) - 1; i >= 0; i-- {
			ask(t, "DELETE", url+"/"+templates[i][0], "")
		}
	}()
	_, created := ask(t, "PUT", url+"/"+index, "")
	made, err := ts.New(index, body.Value{Kind: body.Object})
	if got, want := comparable(ours(err)), comparable(blame(created)); got != want {
		t.Errorf("create %s\n is %s\nwant %s", index, got, want)
	}
	if err != nil {
		return
	}
	m := made.Mapping
	for _, doc := range docs {
		_, answer := ask(t, "PUT", url+"/"+index+"/_doc/7", doc)
		added, err := m.Add("7", []byte(doc))
		if got, want := comparable(ours(err)), comparable(blame(answer)); got != want {
			t.Errorf("%s\n is %s\nwant %s", clip(doc), got, want)
		}
		if err == nil {
			m = added.Mapping
		}
	}
	_, answer := ask(t, "GET", url+"/"+index, "")
	theirs := answer[index].(map[string]any)
	var mine any
	if err := json.Unmarshal(m.JSON().Append(nil), &mine); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mine, theirs["mappings"]); diff != "" {
		t.Errorf("%s: mapping differs (- ours, + Elasticsearch's):\n%s", index, diff)
	}
	var aliases any
	if err := json.Unmarshal(made.Aliases.Append(nil), &aliases); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(aliases, theirs["aliases"]); diff != "" {
		t.Errorf("%s: aliases differ (- ours, + Elasticsearch's):\n%s", index, diff)
	}
	settings := theirs["settings"].(map[string]any)["index"].(map[string]any)
	for _, own := range []string{"creation_date", "uuid", "version", "provided_name", "routing", "number_of_shards", "number_of_replicas"} {
		delete(settings, own)
	}
	var wrapped map[string]map[string]any
	if err := json.Unmarshal(made.Settings.Append(nil), &wrapped); err != nil {
		t.Fatal(err)
	}
	delete(wrapped["index"], "number_of_shards")
	if diff := cmp.Diff(texted(wrapped["index"]), texted(settings)); diff != "" {
		t.Errorf("%s: settings differ (- ours, + Elasticsearch's):\n%s", index, diff)
	}
}

// texted makes text of all scalars, as Elasticsearch shows settings, and nil of nothing.
func texted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			out[name] = texted(inner)
		}
		return out
	case []any:
		out := []any{}
		for _, inner := range v {
			out = append(out, texted(inner))
		}
		return out
	case string:
		return v
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

func TestTemplates(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	raw, err := os.ReadFile("testdata/podbeat-template.json")
	if err != nil {
		t.Fatal(err)
	}
	composable := string(raw)
	inner, _ := parse(t, composable).Get("template")
	legacy := body.Value{Kind: body.Object, Members: append([]body.Member{{Name: "index_patterns", Value: body.Text("logs-*")}, {Name: "order", Value: body.Int(1)}}, inner.Members...)}
	templateSession(t, url, "logs-a", [][2]string{{"_index_template/podbeat", composable}}, podbeatDocs...)
	templateSession(t, url, "logs-b", [][2]string{{"_template/podbeat", legacy.String()}}, podbeatDocs...)
	for _, s := range templateSessions {
		templateSession(t, url, s.index, s.templates, s.docs...)
	}
}

var podbeatDocs = []string{
	`{"@timestamp":"2026-11-21T10:00:00.123456Z","message":"started","log":{"level":"info","offset":12,"file":{"path":"/var/log/pods/a/b/0.log"}},"kubernetes":{"namespace":"ns","pod":{"name":"p-1","uid":"u"},"container":{"name":"c"},"labels":{"app":"x","n":5}},"host":{"name":"h"},"event":{"sequence":5,"created":"2026-11-21T10:00:01Z"},"journal":{"custom":{"n":5,"x":1.5,"b":true,"s":"t"}},"fields":{"team":"a","n":1},"tags":["a","b"],"agent":{"type":"podbeat"},"ecs":{"version":"1.12.0"}}`,
	`{"@timestamp":"2026-11-21T10:00:00Z","message":["a","b"],"new":{"s":"2020-01-01","l":1,"d":1.5,"b":true}}`,
	`{"@timestamp":"x"}`, `{"log":{"offset":"x"}}`, `{"log":"x"}`,
}

type templated struct {
	index     string
	templates [][2]string
	docs      []string
}

var templateSessions = []templated{
	{"ta-1", [][2]string{
		{"_template/low", `{"index_patterns":["ta-*"],"order":0,"settings":{"refresh_interval":"1s","index.mapping.total_fields.limit":50},"mappings":{"properties":{"a":{"type":"keyword","ignore_above":5},"o":{"properties":{"x":{"type":"long"}}}},"dynamic_templates":[{"s":{"match_mapping_type":"string","mapping":{"type":"keyword"}}}]},"aliases":{"all":{}}}`},
		{"_template/high", `{"index_patterns":["ta-1*","z"],"order":5,"settings":{"index":{"refresh_interval":"7s"}},"mappings":{"_meta":{"x":1},"properties":{"a":{"type":"keyword","ignore_above":9},"o":{"properties":{"y":{"type":"long"}}}},"dynamic_templates":[{"l":{"match_mapping_type":"long","mapping":{"type":"integer"}}}]},"aliases":{"some":{"filter":{"term":{"a":"b"}}}}}`},
		{"_template/other", `{"index_patterns":["tb-*"],"mappings":{"properties":{"zz":{"type":"long"}}}}`},
	}, []string{`{"n":5,"s":"x","o":{"x":1,"y":2,"z":3}}`}},
	{"tc-1", [][2]string{
		{"_template/old", `{"index_patterns":["tc-*"],"mappings":{"properties":{"old":{"type":"long"}}}}`},
		{"_component_template/one", `{"template":{"settings":{"refresh_interval":"3s"},"mappings":{"properties":{"a":{"type":"keyword","ignore_above":5},"b":{"type":"long"},"o":{"properties":{"x":{"type":"long"}}}},"dynamic_templates":[{"s":{"match_mapping_type":"string","mapping":{"type":"keyword"}}},{"t":{"match":"t_*","mapping":{"type":"text"}}}]}},"version":3,"_meta":{"d":"x"}}`},
		{"_component_template/two", `{"template":{"mappings":{"properties":{"a":{"type":"text"},"o":{"properties":{"y":{"type":"long"}}}},"dynamic_templates":[{"s":{"match_mapping_type":"string","mapping":{"type":"text"}}}]},"aliases":{"c":{}}}}`},
		{"_index_template/both", `{"index_patterns":["tc-*"],"priority":10,"composed_of":["one","two"],"template":{"settings":{"index.query.default_field":["a","o.*"]},"mappings":{"properties":{"b":{"type":"keyword"}}}}}`},
		{"_index_template/less", `{"index_patterns":["tc-1"],"priority":9,"template":{"mappings":{"properties":{"less":{"type":"keyword"}}}}}`},
		{"_index_template/same", `{"index_patterns":["t*-1"],"priority":10}`},
		{"_index_template/missing", `{"index_patterns":["q-*"],"composed_of":["nosuch"]}`},
		{"_index_template/none", `{"template":{}}`},
		{"_index_template/bad", `{"index_patterns":["q-*"],"template":{"mappings":{"properties":{"a":{"type":"nosuch"}}}}}`},
		{"_template/bad", `{"index_patterns":["q-*"],"mappings":{"properties":{"a":{"type":"nosuch"}}}}`},
		{"_index_template/unknown", `{"index_patterns":["q-*"],"nosuch":1}`},
		{"_template/unknown", `{"index_patterns":["q-*"],"nosuch":1}`},
		{"_component_template/unknown", `{"template":{},"nosuch":1}`},
	}, []string{`{"a":"x","b":"y","s":"t","t_x":"u","o":{"x":1,"y":2,"s":"t"}}`}},
	{"td-1", nil, []string{`{"a":"x"}`}},
}

// A mapping that is larger than may be is loaded, and grows no more.
func TestLoad(t *testing.T) {
	settings := DefaultSettings
	settings.TotalFields = 2
	m, err := Load(parse(t, `{"properties":{"a":{"type":"long"},"b":{"type":"long"},"c":{"properties":{"d":{"type":"keyword"}}}}}`), settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Add("1", []byte(`{"a":1,"c.d":"x"}`)); err != nil {
		t.Fatal(err)
	}
	const want = "Limit of total fields [2] has been exceeded"
	if _, err := m.Add("1", []byte(`{"e":1}`)); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("a field more: %v, want %s", err, want)
	}
	var doc strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&doc, `,"f%d":1`, i)
	}
	if _, err := m.Add("1", []byte("{"+doc.String()[1:]+"}")); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("100,000 fields more: %v, want %s", err, want)
	}
}
