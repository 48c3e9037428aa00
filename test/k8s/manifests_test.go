// Package k8s checks the manifests in _meta/k8s: by the types of the Kubernetes API, and by running the program as
// they say.
package k8s

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// objects reads all manifests, each as what it says it is; what its type does not know is an error.
func objects(t *testing.T) (config corev1.ConfigMap, secret corev1.Secret, cron batchv1.CronJob, deploy appsv1.Deployment) {
	t.Helper()
	files, err := filepath.Glob("../../_meta/k8s/curator-*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("manifests %v %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range bytes.Split(text, []byte("\n---\n")) {
			var kind struct{ Kind, APIVersion string }
			if err := yaml.Unmarshal(doc, &kind); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			to := map[string]any{"v1 ServiceAccount": &corev1.ServiceAccount{}, "v1 ConfigMap": &config, "v1 Secret": &secret, "batch/v1 CronJob": &cron, "apps/v1 Deployment": &deploy}[kind.APIVersion+" "+kind.Kind]
			if to == nil {
				t.Fatalf("%s: unknown kind %+v", name, kind)
			}
			if err := yaml.UnmarshalStrict(doc, to); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	return config, secret, cron, deploy
}

// TestManifests: what the API would refuse, and what the programs must not be allowed.
func TestManifests(t *testing.T) {
	config, secret, cron, deploy := objects(t)
	job := cron.Spec.JobTemplate.Spec
	if cron.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || cron.Spec.StartingDeadlineSeconds == nil || job.ActiveDeadlineSeconds == nil ||
		job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever || cron.Spec.Schedule == "" {
		t.Errorf("cron job %+v", cron.Spec)
	}
	for k, v := range deploy.Spec.Selector.MatchLabels {
		if deploy.Spec.Template.Labels[k] != v {
			t.Errorf("the selector %s=%s does not select the pods", k, v)
		}
	}
	for name, pod := range map[string]corev1.PodSpec{"cron job": job.Template.Spec, "deployment": deploy.Spec.Template.Spec} {
		yes := func(b *bool) bool { return b != nil && *b }
		if p := pod.SecurityContext; !yes(p.RunAsNonRoot) || *p.RunAsUser == 0 || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || pod.AutomountServiceAccountToken == nil || yes(pod.AutomountServiceAccountToken) {
			t.Errorf("%s: pod may too much: %+v", name, p)
		}
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = true
			if v.ConfigMap != nil && v.ConfigMap.Name != config.Name || v.Secret != nil && v.Secret.SecretName != secret.Name {
				t.Errorf("%s: volume %s is of something else", name, v.Name)
			}
		}
		for _, c := range pod.Containers {
			if s := c.SecurityContext; !yes(s.ReadOnlyRootFilesystem) || s.AllowPrivilegeEscalation == nil || yes(s.AllowPrivilegeEscalation) || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: container may too much: %+v", name, s)
			}
			if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: no resources", name)
			}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] || !m.ReadOnly {
					t.Errorf("%s: mount %+v", name, m)
				}
			}
			for _, e := range c.Env {
				if ref := e.ValueFrom.SecretKeyRef; ref.Name != secret.Name || secret.StringData[ref.Key] == "" {
					t.Errorf("%s: %s is not in the secret", name, e.Name)
				}
			}
		}
	}
}

// prepare builds the program and lays out what the manifests mount, with the address of a real Elasticsearch. It
// returns how to run a container.
func prepare(t *testing.T, url string) func(c corev1.Container) *exec.Cmd {
	t.Helper()
	config, secret, _, _ := objects(t)
	dir := t.TempDir()
	for name, text := range config.Data {
		text = strings.ReplaceAll(text, "https://elasticsearch:9200", url)
		text = strings.ReplaceAll(text, "        ca_certs: /etc/curator/tls/ca.crt\n", "")
		text = strings.ReplaceAll(text, "    ca_certs: /etc/curator/tls/ca.crt\n", "")
		// The disk of whoever tests may be full.
		text = strings.ReplaceAll(text, "high: 85%, low: 80%", "high: 99.9%, low: 99.8%")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "curator")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/curator").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(c corev1.Container) *exec.Cmd {
		var args []string
		for _, a := range c.Args {
			args = append(args, strings.ReplaceAll(a, "/etc/curator", dir))
		}
		cmd := exec.Command(program, args...)
		for _, e := range c.Env {
			cmd.Env = append(cmd.Env, e.Name+"="+secret.StringData[e.ValueFrom.SecretKeyRef.Key])
		}
		return cmd
	}
}

// fill makes daily indices of a host, from 20 days ago to today.
func fill(t *testing.T, url string) (names []string) {
	t.Helper()
	for d := 20; d >= 0; d-- {
		name := "logstash-podbeat-node1_example_com-" + time.Now().UTC().AddDate(0, 0, -d).Format("2006.01.02")
		services.Call(t, "PUT", url+"/"+name, `{"settings": {"number_of_replicas": 0}}`, 200)
		t.Cleanup(func() {
			req, _ := http.NewRequestWithContext(context.Background(), "DELETE", url+"/"+name, nil)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		})
		names = append(names, name)
	}
	return names
}

// TestCronJob runs the container of the cron job as it stands there.
func TestCronJob(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := services.Elasticsearch(t, major)
			_, _, cron, _ := objects(t)
			fill(t, url)
			cmd := prepare(t, url)(cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0])
			cmd.Args = append(cmd.Args, "--max-delete-ratio", "1") // it is the first run, of three weeks
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
			}
			left := strings.Fields(string(services.Call(t, "GET", url+"/_cat/indices/logstash-podbeat-*?h=index", "", 200)))
			if len(left) != 8 { // seven whole days, and today
				t.Errorf("%d indices are left: %v", len(left), left)
			}
			if n := strings.Count(stdout.String(), `"result":"ok"`); n != 13 {
				t.Errorf("%d lines in the audit log: %s", n, &stdout)
			}
		})
	}
}

// TestServe starts the container of the deployment, asks it how it is, and stops it as Kubernetes does.
func TestServe(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	_, _, _, deploy := objects(t)
	c := deploy.Spec.Template.Spec.Containers[0]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for i, a := range c.Args {
		if a == ":9108" {
			c.Args[i] = addr
		}
	}
	cmd := prepare(t, url)(c)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	get := func(path string) string {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			resp, err := http.Get("http://" + addr + path)
			if err != nil {
				continue
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode == 200 {
				return string(body)
			}
		}
		return ""
	}
	if got := get(c.LivenessProbe.HTTPGet.Path); !strings.Contains(got, `"ok"`) {
		t.Errorf("health: %q", got)
	}
	if got := get("/metrics"); !strings.Contains(got, "\ncurator_lease_held 0\n") {
		t.Errorf("metrics: %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("a stop ends with %v: %s", err, &out)
	}
}
