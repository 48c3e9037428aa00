package k8sname

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"
	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// build makes processors from YAML, as a beat does.
func build(t testing.TB, yaml string) *processors.Processors {
	t.Helper()
	p, err := try(yaml)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func try(yaml string) (*processors.Processors, error) {
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		return nil, err
	}
	var list struct{ Processors processors.PluginConfig }
	if err := cfg.Unpack(&list); err != nil {
		return nil, err
	}
	return processors.New(list.Processors)
}

// event makes an event from dotted names and values.
func event(fields ...string) *beat.Event {
	e := &beat.Event{Fields: common.MapStr{}}
	for i := 0; i < len(fields); i += 2 {
		if _, err := e.PutValue(fields[i], fields[i+1]); err != nil {
			panic(err)
		}
	}
	return e
}

// flat is the event's fields and its index in one line.
func flat(e *beat.Event) map[string]any {
	m := map[string]any{}
	for k, v := range e.Fields.Flatten() {
		m[k] = v
	}
	if index, ok := e.Meta[IndexKey]; ok {
		m["@index"] = index
	}
	return m
}

func TestProcessor(t *testing.T) {
	f := func(yaml string, in *beat.Event, want string) {
		t.Helper()
		before := flat(in)
		documents(t, yaml, in)
		private := new(int)
		in.Private = private
		out, err := build(t, "processors: [k8sname: {"+yaml+"}]").Run(in)
		if err != nil {
			t.Fatal(err)
		}
		if out != in || out.Private != private {
			t.Error("the event is not the one that came in")
		}
		got := flat(out)
		for k, v := range before {
			if got[k] == v {
				delete(got, k)
			}
		}
		wanted := map[string]any{}
		for _, field := range strings.Fields(want) {
			name, value, _ := strings.Cut(field, "=")
			wanted[name] = value
		}
		for k, v := range got {
			got[k] = fmt.Sprint(v)
		}
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("%s: %s", yaml, d)
		}
	}

	node := func(name string) *beat.Event {
		return event("journal.container_name", name, "journal.hostname", "kvm-009660.novalocal", "journal.container_id", "abc")
	}
	const web, sys = "k8s_web_web-7d4b9c8f6-x2v5k_shop_" + uid + "_2", "kvm-009660.novalocal"
	const webECS = " kubernetes.namespace=shop kubernetes.pod.name=web-7d4b9c8f6-x2v5k kubernetes.pod.uid=" + uid +
		" kubernetes.container.name=web kubernetes.node.name=" + sys
	const webOwner = " kubernetes.deployment.name=web kubernetes.replicaset.name=web-7d4b9c8f6"
	const index = " @index=logstash-podbeat-kvm-009660_novalocal"

	// ECS
	f(``, node(web), webECS+webOwner+index)
	f(`index: false`, node(web), webECS+webOwner)
	f(`index_beat: journalbeat`, node(web), webECS+webOwner+" @index=logstash-journalbeat-kvm-009660_novalocal")
	f(`owner: none`, node(web), webECS+index)
	f(`field: container.name`, node(web), index)
	f(`field: container.name, host: N1`, event("container.name", "/"+web), strings.ReplaceAll(webECS, sys, "N1")+webOwner+" @index=logstash-podbeat-n1")
	f(`target: a.b`, node(web), strings.ReplaceAll(webECS+webOwner, " ", " a.b.")+index)
	f(``, node(sample), "kubernetes.namespace=kube-system kubernetes.pod.name=kube-controller-manager-kvm-009660 kubernetes.pod.uid="+md5+
		" kubernetes.container.name=kube-controller-manager kubernetes.node.name="+sys+" container.runtime=docker kubernetes.pod.owner_guess.kind=static_pod"+
		" kubernetes.pod.owner_guess.name=kube-controller-manager kubernetes.pod.owner_guess.confidence=unambiguous"+index)
	const db = "k8s_db_db-0_shop_" + uid + "_0"
	const dbECS = " kubernetes.namespace=shop kubernetes.pod.name=db-0 kubernetes.pod.uid=" + uid + " kubernetes.container.name=db kubernetes.node.name=" + sys
	f(``, node(db), dbECS+" kubernetes.pod.owner_guess.kind=statefulset kubernetes.pod.owner_guess.name=db kubernetes.pod.owner_guess.confidence=likely"+index)
	f(`owner: likely`, node(db), dbECS+" kubernetes.statefulset.name=db"+index)
	f(`index: false`, event("log.file.path", "/var/log/containers/db-x_shop_db-"+id64+".log", "host.hostname", "n"),
		"kubernetes.namespace=shop kubernetes.pod.name=db-x kubernetes.container.name=db kubernetes.node.name=n container.id="+id64)
	f(`index: false`, event("log.file.path", "/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/applog-"+uid+"-endname-log/a.log", "host.name", "n"),
		"kubernetes.pod.uid="+uid+" kubernetes.node.name=n kubernetes.volume.name=applog-"+uid+"-endname-log kubernetes.volume.log_dir=log service.id="+uid)
	f(`index: false`, event("journal.container_name", "k8s_w_report-28943520-x2v5k_a_"+uid+"_0", "host.name", "n"),
		"kubernetes.namespace=a kubernetes.pod.name=report-28943520-x2v5k kubernetes.pod.uid="+uid+" kubernetes.container.name=w kubernetes.node.name=n"+
			" kubernetes.cronjob.name=report kubernetes.job.name=report-28943520")

	// legacy
	const webLegacy = " namespace=shop uuid=" + uid + " pod=web-7d4b9c8f6-x2v5k controler=web-7d4b9c8f6 podid=x2v5k containerid=00000000 resourceid=00000002 index=logstash-podbeat-kvm-009660_novalocal"
	f(`schema: legacy`, node(web), "container=web"+webLegacy+index)
	f(`schema: both`, node(web), webLegacy+webECS+webOwner+index)
	f(`schema: legacy`, node(sample), "container=kube-controller-manager containerid=905f3855 controler=kube-controller-manager-kvm podid=009660"+
		" namespace=kube-system uuid="+md5+" resourceid=01130b8b pod=kube-controller-manager-kvm-009660 index=logstash-podbeat-kvm-009660_novalocal"+index)
	f(`schema: legacy, index: false`, node("k8s_web_nodash_shop_"+uid+"_2"), "container=web namespace=shop uuid="+uid+" pod=nodash controler=nodash containerid=00000000 resourceid=00000002")

	// names that are not Kubernetes' (M-124 … M-132)
	const etcd0 = " container=etcd0 controler=etcd0 podid=" + sys + " namespace=default uuid=" + hostUID + " resourceid=00000000 containerid=00000000 pod=etcd0-" + sys
	f(`schema: legacy`, node("etcd0"), etcd0+" journal.container_name=etcd0_"+sys+"_abc index=logstash-podbeat-kvm-009660_novalocal"+index)
	f(`schema: legacy, index: false`, node("etcd0"), etcd0+" journal.container_name=etcd0_"+sys+"_abc")
	f(`schema: legacy, index: false`, event("journal.container_name", "kubelet", "host.name", "a-b"),
		"container=kubelet controler=kubelet podid=a-b namespace=default uuid="+hostUID+" resourceid=00000000 containerid=00000000 pod=kubelet-a-b journal.container_name=kubelet_a-b_00000000")
	f(`index: false`, node("etcd"), "kubernetes.namespace=default kubernetes.pod.name=etcd-"+sys+" kubernetes.pod.uid="+hostUID+" kubernetes.container.name=etcd kubernetes.node.name="+sys)
	f(`hosts_as_static: "^db$"`, node("etcd"), index)
	f(`hosts_as_static: ""`, node("kubelet"), index)
	f(``, node("k8s_etcd0_etcd0-x_a_"+uid+"_0"), "kubernetes.namespace=a kubernetes.pod.name=etcd0-x kubernetes.pod.uid="+uid+" kubernetes.container.name=etcd0 kubernetes.node.name="+sys+index)

	// what passes unchanged
	f(``, node("nginx"), index)
	f(`tag_on_failure: [no_name]`, node("nginx"), "tags=[no_name]"+index)
	f(`tag_on_failure: [no_name]`, node(strings.Repeat("x", 5000)), "tags=[no_name]"+index)
	f(`tag_on_failure: [no_name]`, event("host.name", "n"), "@index=logstash-podbeat-n")
	f(``, &beat.Event{Fields: common.MapStr{"host": common.MapStr{"name": "n"}}, Meta: common.MapStr{IndexKey: "mine"}}, "") // stays as it is
	f(`index_beat: journalbeat`, &beat.Event{Fields: common.MapStr{"host": common.MapStr{"name": "n"}}, Meta: common.MapStr{IndexKey: "logstash-podbeat-n"}}, "@index=logstash-journalbeat-n")

	// what the event has
	f(``, event("container.name", web, "host.name", "n", "kubernetes.node.name", "from-api", "kubernetes.labels.app", "web"),
		strings.ReplaceAll(webECS, " kubernetes.node.name="+sys, "")+webOwner+" @index=logstash-podbeat-n")
	f(`index: false, tag_on_failure: [clash]`, event("container.name", web, "host.name", "n", "kubernetes", "text"), "tags=[clash]")
	f(`schema: legacy, index: false, tag_on_failure: clash`, event("container.name", web, "host.name", "n", "pod", "old"),
		strings.Replace(webLegacy, " index=logstash-podbeat-kvm-009660_novalocal", " container_name=web", 1))
	f(`when.equals.a: b`, node(web), "")
	f(`when.equals.journal.container_id: abc, index: false`, node(web), webECS+webOwner)
}

// documents checks that documents become what ordinary events become: e, each time with another of its fields in a hole.
func documents(t *testing.T, yaml string, e *beat.Event) {
	t.Helper()
	p := build(t, "processors: [k8sname: {"+yaml+"}]").List[0]
	pure, ok := p.(prepared.Pure)
	if !ok { // it has a condition
		return
	}
	chain := &prepared.Chain{Run: p.Run, Reads: pure.DependsOn()}
	done := 0
	e.Fields["message"] = "x"
	defer delete(e.Fields, "message")
	for path, value := range e.Fields.Flatten() {
		fields := e.Fields.Clone()
		_, _ = fields.Put(path, encode.Hole(0))
		template := prepared.New(fields, e.Meta.Clone())
		for _, text := range []string{value.(string), "other"} {
			d := &prepared.Document{Template: template, Values: []prepared.Value{prepared.String(text)}}
			ordinary := &beat.Event{Fields: e.Fields.Clone(), Meta: e.Meta.Clone()}
			_, _ = ordinary.Fields.Put(path, text)
			before := counts()
			ordinary, err := p.Run(ordinary)
			counted := counts() - before
			before = counts()
			switch fate := d.Process(chain); {
			case fate == prepared.Unsure:
				continue
			case fate != prepared.Done || err != nil:
				t.Fatalf("%s: %s: %v, the ordinary event: %v", yaml, path, fate, err)
			}
			if got := counts() - before; got != counted {
				t.Errorf("%s: %s: %d counted, and %d for an ordinary event", yaml, path, got, counted)
			}
			var filled beat.Event
			d.Fill(&filled)
			if d := cmp.Diff(flat(ordinary), flat(&filled)); d != "" {
				t.Errorf("%s: %s is %q: %s", yaml, path, text, d)
			}
			done++
		}
	}
	if done == 0 {
		t.Errorf("%s: none is done as a document", yaml)
	}
}

// counts is the sum of what has been counted.
func counts() (n uint64) {
	for _, c := range parsed {
		n += c.Get()
	}
	for _, c := range unparsed {
		n += c.Get()
	}
	return n + missing.Get() + conflicts.Get() + hits.Get()
}

func TestProcessorIgnoreMissing(t *testing.T) {
	p := build(t, "processors: [k8sname: {ignore_missing: false, tag_on_failure: [lost]}]")
	e, err := p.Run(event("message", "x"))
	if e == nil || err == nil || !strings.Contains(err.Error(), "journal.container_name") {
		t.Errorf("event %v, error %v", e, err)
	} else if d := cmp.Diff([]string{"lost"}, e.Fields["tags"]); d != "" {
		t.Error(d)
	}
	if _, err := build(t, "processors: [k8sname: ~]").Run(&beat.Event{}); err != nil {
		t.Error(err)
	}
}

func TestProcessorRefuses(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		if _, err := try("processors: [k8sname: {" + yaml + "}]"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", yaml, err, want)
		}
	}
	f(`schma: ecs`, `did you mean "schema"`)
	f(`schema: elastic`, `unknown schema "elastic"`)
	f(`owner: maybe`, `unknown owner "maybe"`)
	f(`hosts_as_static: "("`, "cannot read hosts_as_static")
	f(`cache_size: 0`, "cannot cache 0 names")
	f(`target: "@metadata"`, `cannot write fields under "@metadata"`)
	f(`target: "a..b"`, `cannot write fields under "a..b"`)
}

// Processors run in several of the pipeline's clients at once, and later ones change what earlier
// ones wrote: no two events may share a map.
func TestProcessorSharesNothing(t *testing.T) {
	p := build(t, "processors: [k8sname: {schema: both, cache_size: 3}]")
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := range 500 {
				pod := fmt.Sprintf("web-%d", (c+i)%7)
				e, _ := p.Run(event("container.name", "k8s_web_"+pod+"_shop_"+uid+"_0", "host.name", "n"))
				got, _ := e.GetValue("kubernetes.pod.name")
				if got != pod || e.Fields["pod"] != pod {
					t.Errorf("pod is %v, want %s", got, pod)
				}
				_, _ = e.PutValue("kubernetes.pod.name", "changed")
				_, _ = e.PutValue("kubernetes.pod.owner_guess.kind", "changed")
				e.Fields["pod"] = "changed"
			}
		})
	}
	wg.Wait()
}

func TestCache(t *testing.T) {
	c := newCache(2)
	v := func(i int) key { return key{fmt.Sprint(i), "h"} }
	have := func(want ...bool) {
		t.Helper()
		for i, w := range want {
			if c.seen[v(i)] != nil != w {
				t.Errorf("name %d is kept: %v", i, !w)
			}
		}
		if len(c.seen) > 2 || len(c.ring) > 2 {
			t.Errorf("%d names in %d slots", len(c.seen), len(c.ring))
		}
	}
	for i := range 2 {
		c.put(v(i), new(verdict))
	}
	have(true, true)
	c.get(v(0))
	c.put(v(2), new(verdict))
	have(true, false, true)
	c.put(v(2), new(verdict))
	have(true, false, true)
	c.get(v(0))
	c.put(v(3), new(verdict))
	have(true, false, false, true)
}

func TestCounters(t *testing.T) {
	p := build(t, "processors: [k8sname: ~]")
	f := func(name string, counter interface{ Get() uint64 }) {
		t.Helper()
		for range 2 { // the second name is from the cache
			before := counter.Get()
			_, _ = p.Run(event("container.name", name, "host.name", "counters"))
			if got := counter.Get() - before; got != 1 {
				t.Errorf("%.40q counted %d times", name, got)
			}
		}
	}
	f(sample, parsed[Dockertools])
	f("etcd1", parsed[hostForm])
	f("nginx", unparsed[NotKubernetes])
	f(strings.Repeat("x", 5000), unparsed[TooLong])
	f("k8s_a_b_c_d_0", unparsed[BadUID])
	f("", missing)
	before := hits.Get()
	_, _ = p.Run(event("container.name", sample, "host.name", "counters"))
	if hits.Get() != before+1 {
		t.Error("a known name is not from the cache")
	}
}

func BenchmarkProcessor(b *testing.B) {
	run := func(name, yaml string) {
		b.Run(name, func(b *testing.B) {
			p := build(b, "processors: [k8sname: {"+yaml+"}]").List[0]
			container := common.MapStr{"name": "k8s_web_web-7d4b9c8f6-x2v5k_shop_" + uid + "_0", "id": id64}
			host := common.MapStr{"hostname": "kvm-009660.novalocal"}
			e := &beat.Event{Fields: common.MapStr{"container": container, "host": host, "message": "x"}, Meta: common.MapStr{"_id": "1"}}
			b.ReportAllocs()
			for b.Loop() {
				clear(e.Fields)
				e.Fields["container"], e.Fields["host"] = container, host
				delete(e.Meta, IndexKey)
				_, _ = p.Run(e)
			}
		})
	}
	run("baseline", "when.equals.nothing: x")
	run("ecs", "")
	run("ecs-no-owner", "owner: none")
	run("legacy", "schema: legacy, target: l")
	run("both", "schema: both")
	run("none", "field: nothing")
	b.Run("document", func(b *testing.B) {
		p := build(b, "processors: [k8sname: ~]").List[0]
		chain := &prepared.Chain{Run: p.Run, Reads: p.(prepared.Pure).DependsOn()}
		fields := event("container.name", "k8s_web_web-7d4b9c8f6-x2v5k_shop_"+uid+"_0", "host.hostname", "kvm-009660.novalocal").Fields
		fields["message"] = encode.Hole(0)
		d := &prepared.Document{Template: prepared.New(fields, common.MapStr{}), Values: []prepared.Value{prepared.String("x")}}
		b.ReportAllocs()
		for b.Loop() {
			d.Process(chain)
		}
	})
}
