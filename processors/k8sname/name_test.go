package k8sname

import (
	"regexp"
	"strings"
	"testing"
)

const (
	uid    = "8f6c2a1e-3b4d-4c5e-9f60-718293a4b5c6"
	md5    = "7cc96a847ece6fad70a98b9db56bd08d"
	id64   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	sample = "k8s_kube-controller-manager.905f3855_kube-controller-manager-kvm-009660_kube-system_" + md5 + "_01130b8b"
)

func TestParse(t *testing.T) {
	f := func(in string, want Name) {
		t.Helper()
		got, reason := Parse(in)
		if got != want || reason != "" {
			t.Errorf("Parse(%q)\n got %+v %s\nwant %+v", in, got, reason, want)
		}
		if again, _ := Parse(got.String()); again != got {
			t.Errorf("Parse(%q.String()) = %+v", in, again)
		}
	}
	// the requirement's own sample (M-37)
	f(sample, Name{Form: Dockertools, Container: "kube-controller-manager", Hash: "905f3855", Pod: "kube-controller-manager-kvm-009660", Namespace: "kube-system", UID: md5, Random: "01130b8b"})
	// dockertools
	f("k8s_web.d8dbe16c_web-1234567890-a1b2c_shop_"+uid+"_0a1b2c3d", Name{Form: Dockertools, Container: "web", Hash: "d8dbe16c", Pod: "web-1234567890-a1b2c", Namespace: "shop", UID: uid, Random: "0a1b2c3d"})
	f("/k8s_POD.d8dbe16_web-1-x_shop_"+uid+"_0a1b2c3d", Name{Form: Dockertools, Container: "POD", Hash: "d8dbe16", Pod: "web-1-x", Namespace: "shop", UID: uid, Random: "0a1b2c3d"})
	f("k8s_web.abcdef_nodash_shop_"+uid+"_0a1b2c3d", Name{Form: Dockertools, Container: "web", Hash: "abcdef", Pod: "nodash", Namespace: "shop", UID: uid, Random: "0a1b2c3d"})
	f("k8s_web.abcdef_etcd-node1.example.com_shop_"+uid+"_0a1b2c3d", Name{Form: Dockertools, Container: "web", Hash: "abcdef", Pod: "etcd-node1.example.com", Namespace: "shop", UID: uid, Random: "0a1b2c3d"})
	f("k8s_Web-.abcdef_-A--b_-S_8f6c2a1e3b4d-4c5e9f60-718293a4b5c6_0a1b2c3d", Name{Form: Dockertools, Container: "Web-", Hash: "abcdef", Pod: "-A--b", Namespace: "-S", UID: "8f6c2a1e3b4d-4c5e9f60-718293a4b5c6", Random: "0a1b2c3d"})
	f("k8s_PODinfo.abcdef_a-b_c_"+uid+"_0a1b2c3d", Name{Form: Dockertools, Container: "PODinfo", Hash: "abcdef", Pod: "a-b", Namespace: "c", UID: uid, Random: "0a1b2c3d"})
	// dockershim, cri-dockerd, CRI-O
	f("k8s_web_web-7d4b9c8f6-x2v5k_shop_"+uid+"_0", Name{Form: Dockershim, Container: "web", Pod: "web-7d4b9c8f6-x2v5k", Namespace: "shop", UID: uid, Attempt: "0"})
	f("/k8s_web_web-0_shop_"+uid+"_12", Name{Form: Dockershim, Container: "web", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "12"})
	f("k8s_POD_web-0_shop_"+uid+"_0", Name{Form: Dockershim, Container: "POD", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "0"})
	f("k8s_pod_web-0_shop_"+uid+"_0", Name{Form: Dockershim, Container: "pod", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "0"})
	f("k8s_podinfo_a.b.c-0_shop_"+uid+"_0", Name{Form: Dockershim, Container: "podinfo", Pod: "a.b.c-0", Namespace: "shop", UID: uid, Attempt: "0"})
	f("k8s_etcd_etcd-node1_kube-system_"+md5+"_3", Name{Form: Dockershim, Container: "etcd", Pod: "etcd-node1", Namespace: "kube-system", UID: md5, Attempt: "3"})
	f("k8s_web_web-0_shop_"+uid+"_1_deadbeef", Name{Form: DockershimConflict, Container: "web", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "1", Random: "deadbeef"})
	f("k8s_web-0_shop_"+uid+"_0", Name{Form: Sandbox, Container: "POD", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "0"})
	f("k8s_a.b-0_shop_"+uid+"_0", Name{Form: Sandbox, Container: "POD", Pod: "a.b-0", Namespace: "shop", UID: uid, Attempt: "0"})
	// /var/log/containers
	f("/var/log/containers/web-0_shop_web-"+id64+".log", Name{Form: ContainersLog, Container: "web", Pod: "web-0", Namespace: "shop", ContainerID: id64})
	f("/host/var/log/containers/a.b_shop_my-web-"+id64+".log", Name{Form: ContainersLog, Container: "my-web", Pod: "a.b", Namespace: "shop", ContainerID: id64})
	f("/var/log/containers/web-0_shop_POD-"+id64+".log", Name{Form: ContainersLog, Container: "POD", Pod: "web-0", Namespace: "shop", ContainerID: id64})
	f("/var/log/containers/web-0_shop_web-"+id64[:20]+".log", Name{Form: ContainersLog, Container: "web", Pod: "web-0", Namespace: "shop", ContainerID: id64[:20]})
	f("elsewhere/web-0_shop_web-"+id64+".log", Name{Form: ContainersLog, Container: "web", Pod: "web-0", Namespace: "shop", ContainerID: id64})
	long := strings.Repeat("p", 200)
	f("/var/log/containers/"+long+"_shop_web-"+id64[:37]+".log", Name{Form: ContainersLog, Container: "web", Pod: long, Namespace: "shop", ContainerID: id64[:37]})
	// /var/log/pods
	pods := Name{Form: PodsLog, Container: "web", Pod: "web-0", Namespace: "shop", UID: uid, Attempt: "0"}
	f("/var/log/pods/shop_web-0_"+uid+"/web/0.log", pods)
	f("/podlogs/shop_web-0_"+uid+"/web/0.log", pods)
	f("/var/log/pods/shop_web-0_"+uid+"/web/0.log.20240517-120000", pods)
	f("/var/log/pods/shop_web-0_"+uid+"/web/0.log.20240517-120000.gz", pods)
	f("/var/log/pods/shop_web-0_"+uid+"/web/0.log.20240517-120000.tmp", pods)
	f("/var/log/pods/kube-system_etcd-node1_"+md5+"/etcd/17.log", Name{Form: PodsLog, Container: "etcd", Pod: "etcd-node1", Namespace: "kube-system", UID: md5, Attempt: "17"})
	f("/var/log/pods/"+uid+"/web_2.log", Name{Form: PodsLogUID, Container: "web", UID: uid, Attempt: "2"})
	f("/var/log/pods/"+uid+"/web/2.log", Name{Form: PodsLogUID, Container: "web", UID: uid, Attempt: "2"})
	// emptyDir
	dir := Name{Form: EmptyDir, UID: uid, Volume: "applog-" + uid[:8] + "-endname-log"}
	f("/var/lib/kubelet/pods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume+"/app.log", dir)
	f("/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume+"/deep/er/app.txt", dir)
	f("/mnt/volumes/kubelet/pods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume, dir)
	// what an application makes in its own volume names nobody else
	f("/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume+"/pods/kube-system_etcd-node1_"+md5+"/etcd/0.log", dir)
	f("/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume+"/containers/a_b_c-"+id64+".log", dir)
	f("/k8spods/"+uid+"/volumes/kubernetes.io~empty-dir/"+dir.Volume+"/"+md5+"/volumes/kubernetes.io~empty-dir/x/y.log", dir)
}

func TestParseRefuses(t *testing.T) {
	f := func(in string, want Reason) {
		t.Helper()
		if got, reason := Parse(in); got != (Name{}) || reason != want {
			t.Errorf("Parse(%q) = %+v %q, want %q", in, got, reason, want)
		}
	}
	f("", NotKubernetes)
	f("/", NotKubernetes)
	f("etcd", NotKubernetes)
	f("K8S_web_web-0_shop_"+uid+"_0", NotKubernetes)
	f("x"+sample, NotKubernetes)
	f("//"+sample, NotKubernetes)
	f("k8s://shop/web-0/web", NotKubernetes)
	f("/var/log/syslog", NotKubernetes)
	f("/var/log/nginx/access.log", NotKubernetes)
	f("/var/lib/docker/containers/"+id64+"/"+id64+"-json.log", NotKubernetes)
	f("/data/"+uid+"/web_0.log", NotKubernetes)
	f(strings.Repeat("k", MaxLength+1), TooLong)
	f("k8s_", WrongParts)
	f("k8s_POD", WrongParts)
	f("k8s_web_web-0_shop", WrongParts)
	f("k8s_web_web-0_shop_"+uid+"_0_deadbeef_x", WrongParts)
	f("k8s_Web_web-0_shop_"+uid+"_0", BadContainer)
	f("k8s__web-0_shop_"+uid+"_0", BadContainer)
	f("k8s_PODinfo_web-0_shop_"+uid+"_0", BadContainer)
	f("k8s_"+strings.Repeat("a", 64)+"_web-0_shop_"+uid+"_0", BadContainer)
	f("k8s_we\x00b_web-0_shop_"+uid+"_0", BadContainer)
	f("k8s_web.12345_web-0_shop_"+uid+"_01130b8b", BadHash)
	f("k8s_web.123456789_web-0_shop_"+uid+"_01130b8b", BadHash)
	f("k8s_web.ABCDEF_web-0_shop_"+uid+"_01130b8b", BadHash)
	f("k8s_web_web-_shop_"+uid+"_0", BadPod)
	f("k8s_web_.web_shop_"+uid+"_0", BadPod)
	f("k8s_web_we..b_shop_"+uid+"_0", BadPod)
	f("k8s_web_we-.b_shop_"+uid+"_0", BadPod)
	f("k8s_web_"+strings.Repeat("p", 254)+"_shop_"+uid+"_0", BadPod)
	f("k8s_web.abcdef_Web_shop_"+uid+"_01130b8b", BadPod)
	f("k8s_web_web-0_sh.op_"+uid+"_0", BadNamespace)
	f("k8s_web_web-0__"+uid+"_0", BadNamespace)
	f("k8s_web_web-0_shop_"+uid[1:]+"_0", BadUID)
	f("k8s_web_web-0_shop_"+strings.ToUpper(uid)+"_0", BadUID)
	f("k8s_web_web-0_shop_"+strings.ReplaceAll(uid, "-", ":")+"_0", BadUID)
	f("k8s_web.abcdef_web-0_shop_"+uid+"0_01130b8b", BadUID)
	f("k8s_web_web-0_shop_"+uid+"_", BadAttempt)
	f("k8s_web_web-0_shop_"+uid+"_x", BadAttempt)
	f("k8s_web_web-0_shop_"+uid+"_01", BadAttempt)
	f("k8s_web_web-0_shop_"+uid+"_12345678901", BadAttempt)
	f("k8s_web-0_shop_"+uid+"_-1", BadAttempt)
	f("k8s_web_web-0_shop_"+uid+"_0_deadbee", BadRandom)
	f("k8s_web.abcdef_web-0_shop_"+uid+"_1130b8b", BadRandom)
	f("/var/log/containers/web-0_shop_web.log", BadID)
	f("/var/log/containers/web-0_shop_web-"+id64+"0.log", BadID)
	f("/var/log/containers/"+strings.Repeat("p", 240)+"_shop_webby"+".log", Cut)
	f("/var/log/containers/"+strings.Repeat("p", 237)+"_shop_web-cafe"[:13]+"e.log", Cut)
	f("/var/log/containers/"+strings.Repeat("p", 251)+".log", Cut)
	f("/var/log/pods/shop_web-0_x/web/0.log", BadUID)
	f("/var/log/pods/shop_web-0_"+uid+"/Web/0.log", BadContainer)
	f("/var/log/pods/shop_web-0_"+uid+"/web/x.log", BadAttempt)
	f("/var/log/pods/shop_web-0_"+uid+"/web/0.log.1", NotKubernetes)
	f("/var/log/pods/"+uid+"/web_x.log", BadAttempt)
	f("/var/lib/kubelet/pods/"+uid+"/volumes/kubernetes.io~empty-dir/", BadVolume)
	f("/var/lib/kubelet/pods/"+uid+"/volumes/kubernetes.io~empty-dir/A_b/app.log", BadVolume)
	f("/var/lib/kubelet/pods/"+uid+"/volumes/kubernetes.io~nfs/data/kube-system_etcd_"+md5+"/etcd/0.log", OtherVolume)
	f("/var/lib/kubelet/pods/"+uid+"/volume-subpaths/data/web/0/kube-system_etcd_"+md5+"/etcd/0.log", OtherVolume)
}

func TestService(t *testing.T) {
	f := func(volume, id, logDir string) {
		t.Helper()
		if gotID, gotDir := (Name{Volume: volume}).Service(); gotID != id || gotDir != logDir {
			t.Errorf("Service of %q = %q, %q, want %q, %q", volume, gotID, gotDir, id, logDir)
		}
	}
	f("applog-"+uid+"-endname-log", uid, "log")
	f("applog-a-endname-b-endname-c", "a", "b-endname-c")
	f("applog-a-endname-", "", "")
	f("applog--endname-b", "", "")
	f("applog-a", "", "")
	f("data", "", "")
}

// verbatim is M-133's regular expression, anchored.
var verbatim = regexp.MustCompile(`^k8s_(?P<container>[a-zA-Z0-9\-]+)\.(?P<containerid>[0-9a-f]{6,8})_(?P<controler>[a-zA-Z0-9\-]+)-(?P<podid>[a-z0-9]+)_(?P<namespace>[a-zA-Z0-9\-]+)_(?P<uuid>[0-9a-f]{8}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{12})_(?P<resourceid>[0-9a-f]{8})$`)

// checkVerbatim fails t if the regular expression matches in and the legacy fields are not its captures.
func checkVerbatim(t *testing.T, in string) (matched bool) {
	t.Helper()
	m := verbatim.FindStringSubmatch(in)
	if m == nil || len(in) > MaxLength {
		return false
	}
	o := options{Schema: "legacy"}
	n, reason := Parse(in)
	got := o.fields(n, "host", "").clone()
	for i, name := range verbatim.SubexpNames() {
		if i > 0 && got[name] != m[i] {
			t.Errorf("%q: %s is %v, want %q (%s)", in, name, got[name], m[i], reason)
		}
	}
	return true
}

func TestVerbatimIsASubset(t *testing.T) {
	f := func(in string) {
		t.Helper()
		if !checkVerbatim(t, in) {
			t.Errorf("%q is not what the regular expression matches", in)
		}
	}
	f(sample)
	f("k8s_web.d8dbe16c_web-1234567890-a1b2c_shop_" + uid + "_0a1b2c3d")
	f("k8s_POD.d8dbe1_a--b_c_" + uid + "_0a1b2c3d")
	f("k8s_-.abcdef_--0_-_8f6c2a1e3b4d-4c5e9f60-718293a4b5c6_00000000")
	f("k8s_" + strings.Repeat("A", 300) + ".abcdef_" + strings.Repeat("B-", 300) + "c_" + strings.Repeat("D", 300) + "_" + uid + "_00000000")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{sample, "k8s_web_web-0_shop_" + uid + "_1_deadbeef", "k8s_web-0_shop_" + uid + "_0",
		"/var/log/containers/web-0_shop_web-" + id64 + ".log", "/var/log/pods/shop_web-0_" + uid + "/web/0.log.20240517-120000.gz",
		"/var/log/pods/" + uid + "/web_2.log", "/k8spods/" + uid + "/volumes/kubernetes.io~empty-dir/applog-a-endname-b/x.log"} {
		f.Add(seed, "kvm-009660.novalocal")
	}
	f.Fuzz(func(t *testing.T, in, host string) {
		n, reason := Parse(in)
		if (reason == "") != (n.Form != "") || reason != "" && n != (Name{}) {
			t.Fatalf("Parse(%q) = %+v %q", in, n, reason)
		}
		checkVerbatim(t, in)
		o := n.Owner(host)
		if len(o.Name) > len(n.Pod) || (o.Confidence == None) != (len(o.Kinds) == 0) || o.Rule == "" {
			t.Errorf("%q: owner %+v", in, o)
		}
		if reason != "" {
			return
		}
		if again, why := Parse(n.String()); again != n {
			t.Errorf("Parse(%q) = %+v\nParse(%q) = %+v %s", in, n, n.String(), again, why)
		}
		if index := IndexName("podbeat", host); len(index) > maxIndex || strings.Trim(index, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("IndexName(%q) = %q", host, index)
		}
	})
}

func TestIndexName(t *testing.T) {
	f := func(beat, host, want string) {
		t.Helper()
		for range 2 { // the second answer is a kept one
			if got := IndexName(beat, host); got != want {
				t.Errorf("IndexName(%q, %q) = %q, want %q", beat, host, got, want)
			}
		}
	}
	f("journalbeat", "kvm-009660.novalocal", "logstash-journalbeat-kvm-009660_novalocal")
	f("podbeat", "Node1.Example.COM", "logstash-podbeat-node1_example_com")
	f("podbeat", "a_b-c", "logstash-podbeat-a_b-c")
	f("podbeat", "é/\xff*", "logstash-podbeat-____")
	f("podbeat", "", "logstash-podbeat-unknown")
	f("podbeat", strings.Repeat("h", 1000), "logstash-podbeat-"+strings.Repeat("h", 227))
}

func BenchmarkParse(b *testing.B) {
	run := func(name, in string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(in)
			}
		})
	}
	run("dockertools", sample)
	run("dockershim", "k8s_web_web-7d4b9c8f6-x2v5k_shop_"+uid+"_0")
	run("pods_log", "/var/log/pods/shop_web-0_"+uid+"/web/0.log")
	run("other", "etcd0")
}
