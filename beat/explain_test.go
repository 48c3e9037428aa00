package beat

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const explainUID = "8f6c2a1e-3b4d-4c5e-9f60-718293a4b5c6"

func runExplain(in string, args ...string) (out string, err error) {
	var stdout bytes.Buffer
	cmd := newExplainCmd("podbeat")
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&stdout)
	cmd.SetErr(&bytes.Buffer{})
	err = cmd.Execute()
	return stdout.String(), err
}

func TestExplain(t *testing.T) {
	f := func(in, args string, wantErr string, want ...string) {
		t.Helper()
		out, err := runExplain(in, strings.Split(args, "|")...)
		if message := ""; err != nil {
			message = err.Error()
			if wantErr == "" || !strings.Contains(message, wantErr) {
				t.Errorf("%s: %v", args, err)
			}
		} else if wantErr != "" {
			t.Errorf("%s: no error, want %q", args, wantErr)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", args, w, out)
			}
		}
	}
	const host = "--host|kvm-009660.novalocal|"
	f("", host+"k8s_kube-controller-manager.905f3855_kube-controller-manager-kvm-009660_kube-system_7cc96a847ece6fad70a98b9db56bd08d_01130b8b", "",
		"form      dockertools: k8s_<container>.<hash>_<pod>_<namespace>_<uid>_<random>\n",
		"kubernetes.container.name: kube-controller-manager\n",
		"owner     static_pod kube-controller-manager (unambiguous): ",
		"decision  keep: not a pause container\n",
		"index     logstash-podbeat-kvm-009660_novalocal-YYYY.MM.dd\n")
	f("", host+"k8s_POD_web-0_shop_"+explainUID+"_0", "", "decision  drop: a pause container: its name is exactly POD\n", "owner     statefulset web (likely): ")
	f("", host+"k8s_web-0_shop_"+explainUID+"_0", "", "form      crio_sandbox: ", "decision  drop: a pause container: the sandbox")
	f("", host+"k8s_web_web-7d4b9c8f6-x2v5k_shop_"+explainUID+"_0", "", "kubernetes.deployment.name: web\n", "kubernetes.replicaset.name: web-7d4b9c8f6\n")
	f("", host+"/k8spods/"+explainUID+"/volumes/kubernetes.io~empty-dir/applog-a-endname-b/x.log", "", "form      empty_dir: ", "service.id: a\n", "owner     none: the name does not hold the pod's name\n")
	f("", host+"--beat|journalbeat|--schema|legacy|etcd0", "",
		"form      host_static: ", "pod: etcd0-kvm-009660.novalocal\n", "journal.container_name: etcd0_kvm-009660.novalocal_00000000\n",
		"index     logstash-journalbeat-kvm-009660_novalocal-YYYY.MM.dd\n")
	f("", host+"--schema|legacy|nginx", "1 of 1 names are in no known form", "form      unknown: not_kubernetes\n", "decision  keep")
	f("", host+"etcd|nginx|k8s_web", "2 of 3 names are in no known form", "unknown: wrong_parts")
	f("etcd0\r\n\nnginx\n", host+"-|kubelet", "1 of 3 names", "etcd0\n", "nginx\n", "kubelet\n")
	f("", host+"a\x1b[31m\u202e", "1 of 1", `a\x1b[31m\u202e`+"\n")
	f("", "--output|yaml|x", `unknown output "yaml"`)
	f("", "--schema|x|etcd", `unknown schema "x"`)
	f("", "--help", "", "docker ps --format", "exit code is 1")
	f("", "--host|n", "requires at least 1 arg")
}

func TestExplainJSON(t *testing.T) {
	hostile := "k8s_\x1b[2J\u0085\u202e\U000e0041\"\\<&>\x7f"
	out, err := runExplain("", "--host", "n1", "--output", "json", "k8s_web_web-7d4b9c8f6-x2v5k_shop_"+explainUID+"_0", hostile)
	if err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("error %v", err)
	}
	for _, r := range strings.ReplaceAll(out, "\n", "") {
		if r < ' ' || r > '~' {
			t.Errorf("%q is printed as it is", r)
		}
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	var first, second explanation
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil {
		t.Fatal(err)
	}
	if first.Form != "dockershim" || first.Fields["kubernetes.pod.uid"] != explainUID || first.Owner.Name != "web" ||
		first.Owner.Confidence != "unambiguous" || first.Decision != "keep" || first.Index != "logstash-podbeat-n1-YYYY.MM.dd" {
		t.Errorf("%+v %+v", first, first.Owner)
	}
	if second.Name != hostile || second.Reason != "wrong_parts" || second.Decision != "keep" {
		t.Errorf("%+v", second)
	}
}
