package journalgen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A producer is a program that puts lines into the journal, with its way of splitting long ones.
type producer struct {
	name       string
	partBytes  int    // longest part; 0: never splits
	flag       string // field that says more parts follow
	flagsLast  bool   // the last part has the flag too
	partIDs    bool   // parts carry CONTAINER_PARTIAL_ID, _ORDINAL and _LAST
	shortParts bool   // parts may be shorter than partBytes: what one read returned
	ordinals   bool   // entries carry CONTAINER_LOG_EPOCH, _ORDINAL and SYSLOG_TIMESTAMP
}

const partial = "CONTAINER_PARTIAL_MESSAGE=true\n"

var (
	docker113  = &producer{name: "docker-1.13", partBytes: 16 << 10, flag: partial}
	docker1806 = &producer{name: "docker-18.06", partBytes: 16 << 10, flag: partial, flagsLast: true} // moby/moby#38045
	docker2010 = &producer{name: "docker-20.10", partBytes: 16 << 10, flag: partial, partIDs: true}
	docker24   = &producer{name: "docker-24", partBytes: 16 << 10, flag: partial, partIDs: true, ordinals: true}
	conmon     = &producer{name: "conmon", partBytes: 8 << 10, flag: partial, shortParts: true}
	stdout     = &producer{name: "stdout", partBytes: 48 << 10, flag: "_LINE_BREAK=line-max\n"}
	syslog     = &producer{name: "syslog"}
	native     = &producer{name: "journal"}
	kernel     = &producer{name: "kernel"}
)

// A source is a container, a unit or the kernel.
type source struct {
	name           string
	producer       *producer
	style          style
	pause          bool
	fields         []byte // constant fields in export format
	ordinal        uint64 // CONTAINER_LOG_ORDINAL of its last entry
	stdout, stderr stream
}

// A stream is one of a source's two outputs; parts of a message never mix within one.
type stream struct {
	source *source
	fields []byte
	open   *split
}

type node struct {
	r        *rand.Rand
	host     string
	identity []byte // fields of every entry
	common   []byte // fields of every entry but the kernel's
	apps     []*source
	pauses   []*source
	system   []*source
	native   *source // the sender of large fields; also in system
}

const pods = 40

func newNode(r *rand.Rand) *node {
	n := &node{r: r, host: "node-" + hexString(r, 6) + ".cluster.local"}
	n.identity = field(n.identity, "_HOSTNAME", n.host)
	n.identity = field(n.identity, "_BOOT_ID", hexString(r, 32))
	n.identity = field(n.identity, "_MACHINE_ID", hexString(r, 32))
	n.common = append(n.common, n.identity...)
	n.common = append(n.common, "_UID=0\n_GID=0\n_CAP_EFFECTIVE=1ffffffffff\n_SELINUX_CONTEXT=unconfined\n"...)

	for i := range pods {
		n.addPod(i)
	}
	n.addStaticPods()
	n.native = n.unit(native, "containerd", styleText)
	n.system = append(n.system, n.native,
		n.unit(stdout, "kubelet", styleKlog),
		n.unit(syslog, "sshd", styleText),
		n.unit(kernel, "kernel", styleText),
		n.container(docker2010, "etcd0", "quay.io/coreos/etcd:v3.4.13", styleJSON),
		n.container(docker113, "kubelet", "quay.io/coreos/hyperkube:v1.5.6", styleKlog),
		n.container(conmon, "registry-mirror", "docker.io/library/registry:2", styleAccess))
	return n
}

// addPod adds a pod with one container and its pause container, named in the i-th form.
func (n *node) addPod(i int) {
	r := n.r
	app := [...]string{"web", "api", "worker", "cart", "db-proxy", "ingress", "indexer", "mailer"}[r.IntN(8)]
	namespace := [...]string{"default", "kube-system", "shop", "monitoring", "batch-jobs"}[r.IntN(5)]
	uid := n.uuid()
	image := fmt.Sprintf("registry.example.com/%s/%s:1.%d", namespace, app, r.IntN(30))
	pod := n.podName(app, i)
	var p *producer
	name, pause := "", ""
	switch i % 8 {
	case 0: // the kubelet's form up to 1.5: container.hash … random
		p, pod = docker113, app+"-"+n.suffix()
		name = fmt.Sprintf("k8s_%s.%s_%s_%s_%s_%s", app, hexString(r, 8), pod, namespace, uid, hexString(r, 8))
		pause = fmt.Sprintf("k8s_POD.%s_%s_%s_%s_%s", hexString(r, 8), pod, namespace, uid, hexString(r, 8))
	case 1: // CRI-O with conmon's journald log
		p = conmon
	case 2:
		p = docker1806
	case 3: // a name was taken: a seventh part
		p = docker2010
		name = fmt.Sprintf("k8s_%s_%s_%s_%s_%d_%s", app, pod, namespace, uid, r.IntN(4), hexString(r, 8))
	case 4: // a container that is called pod is no pause container
		p, app = docker24, "pod"
	case 5:
		p = docker2010
	default:
		p = docker24
	}
	if name == "" {
		name = fmt.Sprintf("k8s_%s_%s_%s_%s_%d", app, pod, namespace, uid, r.IntN(4))
	}
	if pause == "" {
		pause = fmt.Sprintf("k8s_POD_%s_%s_%s_0", pod, namespace, uid)
	}
	n.apps = append(n.apps, n.container(p, name, image, styleAny))
	n.addPause(p, pause)
}

// addStaticPods adds the control plane: uids of 32 digits, pods that end in the node's name.
func (n *node) addStaticPods() {
	static := func(p *producer, app string, name func(container string) string) {
		n.apps = append(n.apps, n.container(p, name(app), "registry.k8s.io/"+app+":v1.29.4", styleKlog))
		n.addPause(p, name("POD"))
	}
	for _, app := range []string{"kube-apiserver", "kube-scheduler"} {
		uid := hexString(n.r, 32)
		static(docker24, app, func(container string) string {
			return fmt.Sprintf("k8s_%s_%s-%s_kube-system_%s_2", container, app, n.host, uid)
		})
	}
	short, _, _ := strings.Cut(n.host, ".")
	app, uid := "kube-controller-manager", hexString(n.r, 32)
	static(docker113, app, func(container string) string {
		return fmt.Sprintf("k8s_%s.%s_%s-%s_kube-system_%s_%s", container, hexString(n.r, 8), app, short, uid, hexString(n.r, 8))
	})
}

func (n *node) addPause(p *producer, name string) {
	s := n.container(p, name, "registry.k8s.io/pause:3.9", styleText)
	s.pause = true
	n.pauses = append(n.pauses, s)
}

// podName is the name a controller gives: Deployment, StatefulSet, DaemonSet or CronJob.
func (n *node) podName(app string, i int) string {
	switch i / 8 % 4 {
	case 1:
		return fmt.Sprintf("%s-%d", app, n.r.IntN(3))
	case 2:
		return app + "-" + n.suffix()
	case 3:
		return fmt.Sprintf("%s-%d-%s", app, 28_600_000+n.r.IntN(1000), n.suffix())
	}
	// A ReplicaSet's hash is a number whose digits are written as these letters.
	return app + "-" + n.letters("bcdf56789", 1) + n.letters("bcdf456789", 8) + "-" + n.suffix()
}

// suffix is what the API server appends to make a name unique.
func (n *node) suffix() string { return n.letters("bcdfghjklmnpqrstvwxz2456789", 5) }

func (n *node) letters(from string, count int) string {
	b := make([]byte, count)
	for i := range b {
		b[i] = from[n.r.IntN(len(from))]
	}
	return string(b)
}

func (n *node) uuid() string {
	h := hexString(n.r, 32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// container is a source with the fields of docker's journald driver, or of conmon.
func (n *node) container(p *producer, name, image string, st style) *source {
	id := hexString(n.r, 64)
	s := &source{name: name, producer: p, style: st}
	b := field(nil, "CONTAINER_ID", id[:12])
	b = field(b, "CONTAINER_ID_FULL", id)
	b = field(b, "CONTAINER_NAME", name)
	b = field(b, "_TRANSPORT", "journal")
	b = append(b, n.common...)
	if p == conmon {
		b = field(b, "SYSLOG_IDENTIFIER", name)
		b = intField(b, "_PID", 3000+n.r.IntN(20000))
		b = append(b, "_COMM=conmon\n_EXE=/usr/bin/conmon\n"...)
		b = field(b, "_CMDLINE", "/usr/bin/conmon -c "+id+" -l journald:")
		b = field(b, "_SYSTEMD_CGROUP", "/machine.slice/crio-conmon-"+id+".scope")
		b = field(b, "_SYSTEMD_UNIT", "crio-conmon-"+id+".scope")
	} else {
		b = field(b, "CONTAINER_TAG", id[:12])
		b = field(b, "IMAGE_NAME", image)
		b = field(b, "SYSLOG_IDENTIFIER", id[:12])
		b = append(b, "_PID=1187\n_COMM=dockerd\n_EXE=/usr/bin/dockerd\n"+
			"_CMDLINE=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --log-driver=journald\n"+
			"_SYSTEMD_CGROUP=/system.slice/docker.service\n_SYSTEMD_UNIT=docker.service\n_SYSTEMD_SLICE=system.slice\n"...)
	}
	if p.ordinals {
		b = field(b, "CONTAINER_LOG_EPOCH", hexString(n.r, 64))
	}
	s.fields = b
	s.stdout = stream{source: s, fields: []byte("PRIORITY=6\n")}
	s.stderr = stream{source: s, fields: []byte("PRIORITY=3\n")}
	return s
}

// unit is a source that is no container.
func (n *node) unit(p *producer, name string, st style) *source {
	s := &source{name: name, producer: p, style: st}
	b := field(nil, "_TRANSPORT", p.name)
	b = field(b, "SYSLOG_IDENTIFIER", name)
	if p == kernel {
		b = append(b, n.identity...)
		s.fields = append(b, "SYSLOG_FACILITY=0\n_KERNEL_SUBSYSTEM=net\n_KERNEL_DEVICE=n2\n"...)
	} else {
		pid := 400 + n.r.IntN(3000)
		b = append(b, n.common...)
		b = append(b, "SYSLOG_FACILITY=3\n_SYSTEMD_SLICE=system.slice\n"...)
		b = intField(b, "_PID", pid)
		b = field(b, "_COMM", name)
		b = field(b, "_EXE", "/usr/bin/"+name)
		b = field(b, "_CMDLINE", "/usr/bin/"+name+" --config=/etc/"+name+"/config.yaml")
		b = field(b, "_SYSTEMD_CGROUP", "/system.slice/"+name+".service")
		b = field(b, "_SYSTEMD_UNIT", name+".service")
		b = field(b, "_SYSTEMD_INVOCATION_ID", hexString(n.r, 32))
		if p == syslog {
			b = intField(b, "SYSLOG_PID", pid)
		}
		s.fields = b
	}
	s.stdout = stream{source: s, fields: []byte("PRIORITY=6\n")}
	s.stderr = stream{source: s, fields: []byte("PRIORITY=4\n")}
	if p == stdout {
		// journald gives each connected stream its own id.
		s.stdout.fields = field(s.stdout.fields, "_STREAM_ID", hexString(n.r, 32))
		s.stderr.fields = field(s.stderr.fields, "_STREAM_ID", hexString(n.r, 32))
	}
	return s
}
