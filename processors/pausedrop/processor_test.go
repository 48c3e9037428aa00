package pausedrop

import (
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"
	_ "github.com/elastic/beats/v7/libbeat/processors/actions" // drop_fields

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

const (
	uid  = "8f6c2a1e-3b4d-4c5e-9f60-718293a4b5c6"
	id64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestIsPause(t *testing.T) {
	f := func(name string, want bool) {
		t.Helper()
		if IsPause(name) != want {
			t.Errorf("IsPause(%q) = %v", name, !want)
		}
	}
	f("POD", true)
	f("/POD", true)
	f("k8s_POD_web-0_shop_"+uid+"_0", true)
	f("/k8s_POD_web-0_shop_"+uid+"_0", true)
	f("k8s_POD_web-0_shop_"+uid+"_0_deadbeef", true)
	f("k8s_POD.d8dbe16c_web-0_shop_"+uid+"_01130b8b", true)
	f("/k8s_POD.d8dbe16c_web-0_shop_"+uid+"_01130b8b", true)
	f("k8s_web-0_shop_"+uid+"_0", true) // CRI-O's sandbox
	f("/var/log/containers/web-0_shop_POD-"+id64+".log", true)

	f("", false)
	f("pod", false)
	f("PODinfo", false)
	f("k8s_POD", false)
	f("k8s_POD_web", false)
	f("k8s_PODinfo_web-0_shop_"+uid+"_0", false)
	f("k8s_PODinfo.d8dbe16c_web-0_shop_"+uid+"_01130b8b", false)
	f("k8s_podinfo_web-0_shop_"+uid+"_0", false)
	f("k8s_pod_web-0_shop_"+uid+"_0", false)
	f("k8s_web_POD_shop_"+uid+"_0", false)
	f("k8s_web.d8dbe16c_POD-x_POD_"+uid+"_01130b8b", false)
	f("k8s_web_pod-0_shop_"+uid+"_0", false)
	f("k8s_POD_web-0_shop_nouid_0", false)
	f("k8s_web-0_shop_nouid_0", false)
	f("my k8s_POD_web-0_shop_"+uid+"_0", false)
	f("/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/applog-a-endname-b/POD.log", false)
}

func build(t testing.TB, yaml string) (*processors.Processors, error) {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte("processors: "+yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Processors processors.PluginConfig }
	if err := cfg.Unpack(&list); err != nil {
		t.Fatal(err)
	}
	return processors.New(list.Processors)
}

func TestProcessor(t *testing.T) {
	f := func(yaml string, drop bool, fields ...string) {
		t.Helper()
		p, err := build(t, yaml)
		if err != nil {
			t.Fatal(err)
		}
		e := &beat.Event{Fields: common.MapStr{}}
		for i := 0; i < len(fields); i += 2 {
			_, _ = e.Fields.Put(fields[i], fields[i+1])
		}
		before := dropped.Get()
		out, err := p.Run(e)
		if err != nil {
			t.Fatal(err)
		}
		if (out == nil) != drop || (dropped.Get() == before+1) != drop {
			t.Errorf("%s: %v became %v, %d more dropped", yaml, fields, out, dropped.Get()-before)
		}
	}
	const pause, web = "k8s_POD_web-0_shop_" + uid + "_0", "k8s_web_web-0_shop_" + uid + "_0"
	const sandbox = "k8s_web-0_shop_" + uid + "_0"

	// alone, with the raw name
	f("[pausedrop: ~]", true, "container.name", pause)
	f("[pausedrop: ~]", true, "journal.container_name", "/"+pause)
	f("[pausedrop: ~]", true, "journal.container_name", sandbox)
	f("[pausedrop: ~]", false, "container.name", web)
	f("[pausedrop: ~]", false, "container.name", "k8s_PODinfo_web-0_shop_"+uid+"_0")
	f("[pausedrop: ~]", false, "message", pause)
	f("[pausedrop: ~]", false)
	// with what k8sname or another processor found out
	f("[pausedrop: ~]", true, "container.name", web, "kubernetes.container.name", "POD")
	f("[pausedrop: ~]", true, "container", "POD")
	f("[pausedrop: ~]", false, "kubernetes.container.name", "pod")
	// before and after k8sname, in each schema
	for _, schema := range []string{"ecs", "legacy", "both"} {
		name := "k8sname: {schema: " + schema + "}"
		for _, field := range []string{"container.name", "journal.container_name"} {
			f("["+name+", pausedrop: ~]", true, field, pause)
			f("[pausedrop: ~, "+name+"]", true, field, pause)
			f("["+name+", pausedrop: ~]", true, field, sandbox)
			f("["+name+", pausedrop: ~]", false, field, web)
		}
	}
	f("[k8sname: ~, drop_fields: {fields: [container]}, pausedrop: ~]", true, "container.name", pause)
	f("[k8sname: {schema: legacy}, drop_fields: {fields: [journal]}, pausedrop: ~]", true, "journal.container_name", pause)
	// options
	f("[pausedrop: {field: name}]", false, "container.name", pause)
	f("[pausedrop: {field: name}]", true, "name", pause)
	f("[pausedrop: {containers: [istio-proxy]}]", true, "container.name", "k8s_istio-proxy_web-0_shop_"+uid+"_0")
	f("[pausedrop: {containers: [istio-proxy]}]", true, "container.name", "/istio-proxy")
	f("[pausedrop: {containers: [istio-proxy]}]", true, "kubernetes.container.name", "istio-proxy")
	f("[pausedrop: {containers: [istio]}]", false, "container.name", "k8s_istio-proxy_web-0_shop_"+uid+"_0")
	f("[pausedrop: {containers: [istio]}]", true, "container.name", pause)
	f("[pausedrop: {images: ['registry.k8s.io/pause:*']}]", true, "container.image.name", "registry.k8s.io/pause:3.9")
	f("[pausedrop: {images: ['registry.k8s.io/pause:*']}]", true, "journal.image_name", "registry.k8s.io/pause:3.9")
	f("[pausedrop: {images: ['registry.k8s.io/pause:*']}]", false, "container.image.name", "registry.k8s.io/pauses:3.9")
	f("[pausedrop: {field: [], images: ['a']}]", true, "container.image.name", "a")
	f("[pausedrop: {when.equals.zone: a}]", false, "container.name", pause, "zone", "b")
	f("[pausedrop: {when.equals.zone: a}]", true, "container.name", pause, "zone", "a")
}

// Documents of a pause container are dropped, and counted, one by one; those whose name is in a hole are looked at.
func TestDocuments(t *testing.T) {
	f := func(yaml, name string, hole string, want prepared.Fate) {
		t.Helper()
		list, err := build(t, "[pausedrop: "+yaml+"]")
		if err != nil {
			t.Fatal(err)
		}
		p := list.List[0]
		fields := common.MapStr{"message": "x", "container": common.MapStr{"name": name, "image": common.MapStr{"name": "registry.k8s.io/pause:3.9"}}}
		_, _ = fields.Put(hole, encode.Hole(0))
		template := prepared.New(fields, nil)
		chain := &prepared.Chain{Run: p.Run, Reads: p.(prepared.Pure).DependsOn()}
		for range 2 {
			before := dropped.Get()
			d := &prepared.Document{Template: template, Values: []prepared.Value{prepared.String(name)}}
			got := d.Process(chain)
			if n := dropped.Get() - before; got != want || (n == 1) != (want == prepared.Dropped) || n > 1 {
				t.Errorf("%s: %q with %s in a hole: got %v, want %v; %d more dropped", yaml, name, hole, got, want, n)
			}
		}
	}
	const pause, web = "k8s_POD_web-0_shop_" + uid + "_0", "k8s_web_web-0_shop_" + uid + "_0"
	f("~", pause, "message", prepared.Dropped)
	f("~", web, "message", prepared.Done)
	f("~", pause, "container.name", prepared.Unsure)
	f("~", pause, "container", prepared.Unsure)
	f("{images: ['*/pause:*']}", web, "message", prepared.Dropped)
	f("{images: ['*/pause:*']}", web, "container.image.name", prepared.Unsure)
}

func TestProcessorRefuses(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		if _, err := build(t, "[pausedrop: {"+yaml+"}]"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", yaml, err, want)
		}
	}
	f("container: [a]", `did you mean "containers"`)
	f("images: ['**']", "would drop every container")
	f("images: ['']", "would drop every container")
	f("containers: ['']", "empty name")
	f("field: []", "anything to look at")
}

func TestMatches(t *testing.T) {
	f := func(s, pattern string, want bool) {
		t.Helper()
		if matches(s, pattern) != want {
			t.Errorf("matches(%q, %q) = %v", s, pattern, !want)
		}
	}
	f("a", "a", true)
	f("a", "b", false)
	f("a/b:1", "a/b:*", true)
	f("a/b", "a/b:*", false)
	f("x/pause:3", "*/pause:*", true)
	f("x/y/pause", "*/pause", true)
	f("pause/y", "*/pause", false)
	f("abab", "*ab", true)
	f("aXbXc", "a*b*c", true)
	f("aXc", "a*b*c", false)
	f("ab", "ab*b", false)
	f("", "*", true)
	f("abc", "a**c", true)
}

func BenchmarkProcessor(b *testing.B) {
	for _, name := range []string{"k8s_web_web-7d4b9c8f6-x2v5k_shop_" + uid + "_0", "k8s_POD_web-7d4b9c8f6-x2v5k_shop_" + uid + "_0"} {
		b.Run(name[4:7], func(b *testing.B) {
			p, err := build(b, "[pausedrop: ~]")
			if err != nil {
				b.Fatal(err)
			}
			e := &beat.Event{Fields: common.MapStr{"container": common.MapStr{"name": name, "id": id64}, "message": "x"}}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Run(e)
			}
		})
	}
}
