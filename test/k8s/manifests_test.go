package k8s

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// renderings are what the chart makes of values, and the overlay and components that make the same, if any do.
var renderings = []struct {
	name       string
	values     []string
	overlay    string
	components []string
}{
	{"kafka", nil, "kafka", nil},
	{"direct", []string{"kafka.enabled=false"}, "direct", nil},
	{"serve", []string{"curator.serve=true"}, "kafka", []string{"serve"}},
	{"docker", []string{"podbeat.docker=true"}, "kafka", []string{"docker"}},
	{"critical", []string{"podbeat.priorityClassName=system-node-critical"}, "kafka", []string{"critical"}},
	{"journal-only", []string{"podbeat.journalOnly.enabled=true"}, "kafka", []string{"journal-only"}},
	{"journalbeat", []string{"podbeat.journalbeatDir=/var/journalBeatContainerData"}, "kafka", []string{"journalbeat"}},
	{"all components", []string{"kafka.enabled=false", "curator.serve=true", "podbeat.journalOnly.enabled=true", "podbeat.priorityClassName=system-node-critical"},
		"direct", []string{"journal-only", "critical", "serve"}},
	{"TLS and logins", []string{"elasticsearch.ca=true", "elasticsearch.hosts={https://es-1:9200,https://es-2:9200}", "kafka.tls=true", "kafka.mechanism=SCRAM-SHA-512", "kafka.topic=logs", "kafka.group=ours"}, "", nil},
	{"TLS without Kafka", []string{"elasticsearch.ca=true", "kafka.enabled=false"}, "", nil},
	{"another kubelet", []string{"podbeat.kubeletDir=/data/kubelet/", "podbeat.stateDir=/data/podbeat", "podbeat.seLinuxOptions.type=spc_t", "podbeat.nodeSelector.disk=ssd", "images.pullSecrets={registry}", "images.pullPolicy=Always"}, "", nil},
	{"nothing but the nodes", []string{"kafka.enabled=false", "push.enabled=false", "logapi.enabled=false", "curator.enabled=false"}, "", nil},
	{"no policies", []string{"networkPolicies.enabled=false", "logapi.publicUrl=https://logs.example.com/api", "logapi.region=eu", "logapi.replicas=3"}, "", nil},
}

func chartOf(t *testing.T, values []string) []byte {
	var args []string
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return helm(t, args...)
}

// TestManifests holds every rendering against the API server's validation and our rules.
func TestManifests(t *testing.T) {
	for _, r := range renderings {
		t.Run(r.name, func(t *testing.T) {
			texts := map[string][]byte{"chart": chartOf(t, r.values)}
			if r.overlay != "" {
				texts["overlay"] = kustomize(t, r.overlay, r.components...)
			}
			for from, text := range texts {
				s := mustDecode(t, text)
				if strings.HasPrefix(r.name, "TLS") { // which these settings want
					for _, secret := range s.secrets {
						secret.StringData["KAFKA_USERNAME"], secret.StringData["KAFKA_PASSWORD"], secret.StringData["ca.crt"] = "u", "p", "c"
					}
				}
				for _, wrong := range check(s) {
					t.Errorf("%s: %s", from, wrong)
				}
				levels, err := tool(t, text, "validate")
				if err != nil {
					t.Errorf("%s: %v", from, err)
				}
				lines := strings.Split(strings.TrimSpace(string(levels)), "\n")
				if len(lines) != len(s.pods) {
					t.Errorf("%s: %d pods, levels %q", from, len(s.pods), lines)
				}
				for _, line := range lines {
					if strings.HasSuffix(line, " restricted") == strings.HasPrefix(line, "v1.DaemonSet ") {
						t.Errorf("%s: level of the Pod Security Standards: %s", from, line)
					}
				}
			}
		})
	}
}

// TestValidate sees that the API server's validation refuses what it should.
func TestValidate(t *testing.T) {
	text := string(kustomize(t, "kafka"))
	f := func(want, old, new string) {
		t.Helper()
		spoilt := strings.Replace(text, old, new, 1)
		if spoilt == text {
			t.Fatalf("there is no %q", old)
		}
		if _, err := tool(t, []byte(spoilt), "validate"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", new, err, want)
		}
	}
	f(`unknown field "spec.template.spec.containers[0].imge"`, "image: podbeat/logapi:0.1.0", "imge: podbeat/logapi:0.1.0")
	f("must be no more than 15 characters", "name: monitoring\n", "name: monitoring-of-logapi\n")
	f("Not found: \"config\"", "name: config\n      - name: secrets", "name: confi\n      - name: secrets")
	f("quantities must match", "memory: 1Gi", "memory: 1 GB")
	f("maxUnavailable", "maxUnavailable: 10%", "maxUnavailable: 110%")
	f("concurrencyPolicy", "concurrencyPolicy: Forbid", "concurrencyPolicy: Never")
	f("Invalid value: \"30 2 * *\"", "30 2 * * *", "30 2 * *")
	f("podSelector", "operator: In", "operator: Im")
}

// TestChart sees that the chart and the overlays make the same, object by object.
func TestChart(t *testing.T) {
	for _, r := range renderings {
		if r.overlay == "" {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			chart, overlay := objects(t, chartOf(t, r.values)), objects(t, kustomize(t, r.overlay, r.components...))
			delete(overlay, "Namespace/logging") // helm makes the namespace
			for name := range overlay {
				if chart[name] == nil {
					t.Errorf("the chart lacks %s", name)
				}
			}
			for name, got := range chart {
				if want := overlay[name]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s of the chart:\n%s\nof the overlay:\n%s", name, pretty(got), pretty(want))
				}
			}
			if len(overlay) < 15 {
				t.Errorf("only %d objects", len(overlay))
			}
		})
	}
}

// objects are those of a rendering by kind and name, lists of named things in the order of their names.
func objects(t *testing.T, text []byte) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, doc := range documents(text) {
		var o map[string]any
		if err := yaml.Unmarshal(doc, &o); err != nil {
			t.Fatal(err)
		}
		sortNamed(o)
		found[fmt.Sprint(o["kind"], "/", o["metadata"].(map[string]any)["name"])] = o
	}
	return found
}

func sortNamed(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, each := range v {
			sortNamed(each)
		}
	case []any:
		slices.SortStableFunc(v, func(a, b any) int { return cmp.Compare(nameOf(a), nameOf(b)) })
		for _, each := range v {
			sortNamed(each)
		}
	}
}

func nameOf(v any) string {
	m, _ := v.(map[string]any)
	name, _ := m["name"].(string)
	return name
}

func pretty(v any) string {
	text, _ := yaml.Marshal(v)
	return string(text)
}

// TestValues: a value that is misspelt, or of the wrong kind, is refused with its name.
func TestValues(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		_, err := tool(t, nil, "helm", "template", "podbeat", chart, "--kube-version", "1.33.0", "--set", value)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", value, err, want)
		}
	}
	f("podbaet.docker=true", "podbaet")
	f("podbeat.doker=true", "doker")
	f("podbeat.docker=maybe", "docker")
	f("kafka.hosts=scale-kafka-service:9092", "hosts")
	f("kafka.hosts={}", "hosts")
	f("kafka.mechanism=GSSAPI", "mechanism")
	f("elasticsearch.hosts={elasticsearch:9200}", "hosts")
	f("shipper.replicas=two", "replicas")
	f("curator.at=2.30", "at")
	f("podbeat.stateDir=podbeat", "stateDir")
	f("logapi.prefix=api", "prefix")
	f("podbeat.memoryLimit=800MB", "memoryLimit")
	f("networkPolicies.kafkaPorts={0}", "kafkaPorts")

	text, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values, schema map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(filepath.Join(chart, "values.schema.json")); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &schema); err != nil {
		t.Fatal(err)
	}
	same(t, "", values, schema)
}

// same wants in the schema what is in the values, and nothing else.
func same(t *testing.T, path string, values, schema map[string]any) {
	t.Helper()
	if schema["additionalProperties"] != false {
		return // anything goes, such as in tolerations
	}
	properties, _ := schema["properties"].(map[string]any)
	want, got := slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(properties))
	if !slices.Equal(got, want) {
		t.Errorf("the schema of %q has %v, the values have %v", path, got, want)
	}
	for name, v := range values {
		if v, ok := v.(map[string]any); ok {
			sub, _ := properties[name].(map[string]any)
			same(t, path+"."+name, v, sub)
		}
	}
}
