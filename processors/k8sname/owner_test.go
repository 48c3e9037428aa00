package k8sname

import (
	"strconv"
	"strings"
	"testing"
)

func TestOwner(t *testing.T) {
	f := func(n Name, host, want string) {
		t.Helper()
		o := n.Owner(host)
		got := strings.Join([]string{string(o.Confidence), strings.Join(o.Kinds, "|"), o.Name, o.Under}, " ")
		if got = strings.TrimRight(got, " "); got != want {
			t.Errorf("%+v on %s: %q, want %q", n, host, got, want)
		}
	}
	pod := func(name, want string) { t.Helper(); f(Name{Form: Dockershim, Pod: name, UID: uid}, "node1", want) }
	old := func(name, want string) { t.Helper(); f(Name{Form: Dockertools, Pod: name, UID: uid}, "node1", want) }
	static := func(name, host, want string) {
		t.Helper()
		f(Name{Form: Dockertools, Pod: name, UID: md5}, host, want)
	}

	pod("web-7d4b9c8f6-x2v5k", "unambiguous deployment web web-7d4b9c8f6")
	pod("my-web-5689bcdf44-x2v5k", "unambiguous deployment my-web my-web-5689bcdf44")
	pod("my.web-5689bcdf-x2v5k", "unambiguous deployment my.web my.web-5689bcdf")
	pod("web-5dbc698-x2v5k", "likely deployment web web-5dbc698")
	pod("web-bd-x2v5k", "possible daemonset|job|replicaset web-bd")
	pod("web-4d4b9c8f6-x2v5k", "possible daemonset|job|replicaset web-4d4b9c8f6") // no number begins with 0
	pod("web-ffffffffff-x2v5k", "possible daemonset|job|replicaset web-ffffffffff")
	pod("web-7d4b9c8f6-x2v5a", "none")
	pod("web-7d4b9c8f6x2v5k", "none")
	pod("7d4b9c8f6-x2v5k", "possible daemonset|job|replicaset 7d4b9c8f6")
	pod("web-3456789012-x2v5k", "possible deployment web web-3456789012")
	old("web-3456789012-a1b0e", "unambiguous deployment web web-3456789012")
	old("web-1494323940-a1b0e", "unambiguous deployment web web-1494323940")
	old("web-a1b0e", "possible daemonset|job|replicaset web")
	old("web-proxy", "none")
	pod("fluentd-x2v5k", "possible daemonset|job|replicaset fluentd")
	pod("backup-28943520-x2v5k", "unambiguous cronjob backup backup-28943520")
	pod("backup-28943520-7-x2v5k", "unambiguous cronjob backup backup-28943520")
	pod("backup-1609459200-x2v5k", "unambiguous cronjob backup backup-1609459200")
	pod("backup-1609459201-x2v5k", "possible deployment backup backup-1609459201")
	pod("backup-20240517-x2v5k", "possible daemonset|job|replicaset backup-20240517")
	pod("calc-3-x2v5k", "possible job calc")
	pod("calc-03-x2v5k", "possible daemonset|job|replicaset calc-03")
	pod("web-0", "likely statefulset web")
	pod("web-007", "none")
	pod("web", "none")
	pod("-", "none")
	f(Name{Form: EmptyDir, UID: uid}, "node1", "none")

	//
	static("kube-controller-manager-kvm-009660", "kvm-009660.novalocal", "unambiguous static_pod kube-controller-manager")
	static("kube-controller-manager-kvm-009660", "KVM-009660", "unambiguous static_pod kube-controller-manager")
	static("kube-controller-manager-kvm-009660", "kvm-009661", "likely static_pod")
	static("kube-controller-manager-kvm-009660", "", "likely static_pod")
	static("etcd-node1.example.com", "node1", "unambiguous static_pod etcd")
	static("etcd-node1.example.com", "node1.example.com", "unambiguous static_pod etcd")
	static("-node1", "node1", "likely static_pod")
	f(Name{Form: ContainersLog, Pod: "etcd-node1"}, "node1", "likely static_pod etcd")
	f(Name{Form: Dockershim, Pod: "etcd-node1", UID: uid}, "node1", "none")

	// 63 letters: what is left of the base is 58
	base := strings.Repeat("d", 48)
	pod(base+"-7d4b9c8f-x2v5k", "unambiguous deployment "+base+" "+base+"-7d4b9c8f")
	pod(base+"d-7d4b9c8fx2v5k", "none")
	pod(base+"-dddddddd-x2v5k", "unambiguous deployment "+base+" "+base+"-dddddddd")
	pod(base+"-webwebwe-x2v5k", "none")
	pod(base+"ddddddddddddd-0", "likely statefulset "+base+"ddddddddddddd")
}

// safeEncode is rand.SafeEncodeString of k8s.io/apimachinery.
func safeEncode(n uint32) string {
	s := []byte(strconv.FormatUint(uint64(n), 10))
	for i, c := range s {
		s[i] = "bcdfghjklmnpqrstvwxz2456789"[int(c)%27]
	}
	return string(s)
}

func TestTemplateHash(t *testing.T) {
	n := uint32(1)
	for range 100_000 {
		n = n*1664525 + 1013904223
		if s := safeEncode(n); !isTemplateHash(s) {
			t.Fatalf("%q is the hash %d", s, n)
		}
	}
	f := func(in string, want bool) {
		t.Helper()
		if isTemplateHash(in) != want {
			t.Errorf("isTemplateHash(%q) = %v", in, !want)
		}
	}
	f(safeEncode(0), true)
	f(safeEncode(1<<32-1), true)
	f("86f8fbc6fb", false) // 1<<32
	f("44", false)
	f("", false)
	f("5555555555b", false)
	f("hello", false)
}
