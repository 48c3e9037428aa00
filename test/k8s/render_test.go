// Package k8s checks the manifests in _meta/k8s and the chart in _meta/helm: rendered by kustomize and helm, validated
// by the API server's own code and by rules of ours, compared with each other, and run as a node would run them.
package k8s

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/podbeat/podbeat/test/harness"
)

const (
	meta  = "../../_meta/"
	chart = meta + "helm/podbeat"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(containerEnv); spec != "" {
		contain(spec)
	}
	os.Exit(func() int {
		defer func() { os.RemoveAll(toolsDir) }()
		return harness.Main(m)
	}())
}

var toolsDir string

// tools builds kustomize, helm and validate, which are of a module of their own.
var tools = sync.OnceValue(func() (err error) {
	if toolsDir, err = os.MkdirTemp("", "podbeat-k8s-"); err != nil {
		return err
	}
	for _, pkg := range []string{"sigs.k8s.io/kustomize/kustomize/v5", "helm.sh/helm/v3/cmd/helm", "./validate"} {
		cmd := exec.Command("go", "build", "-o", toolsDir+"/", pkg)
		cmd.Dir = "tools"
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %w: %s", pkg, err, out)
		}
	}
	return nil
})

// tool runs one of the tools and returns what it prints; an error has what it says.
func tool(t *testing.T, in []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	if err := tools(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(toolsDir, name), args...)
	var out, say bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &say
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, &say)
	}
	return out.Bytes(), nil
}

// kustomize renders an overlay with components, as a kustomization of a user's own does.
func kustomize(t *testing.T, overlay string, components ...string) []byte {
	t.Helper()
	dir, err := os.MkdirTemp(".", "kustomize-") // resources must be relative
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../" + meta + "k8s/overlays/" + overlay + "]\ncomponents:\n"
	for _, c := range components {
		text += "- ../" + meta + "k8s/components/" + c + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := tool(t, nil, "kustomize", "build", dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func helm(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := tool(t, nil, "helm", append([]string{"template", "podbeat", chart, "--namespace", "logging", "--kube-version", "1.33.0"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A pod is a workload's pod.
type pod struct {
	name     string // kind/name
	selector map[string]string
	replicas int // 0: as many as there are nodes, or runs
	template corev1.PodTemplateSpec
}

func (p *pod) spec() *corev1.PodSpec { return &p.template.Spec }

// A system is what a rendering holds, by name.
type system struct {
	pods     []*pod
	configs  map[string]*corev1.ConfigMap
	secrets  map[string]*corev1.Secret // those of secrets.example.yaml
	accounts map[string]*corev1.ServiceAccount
	services map[string]*corev1.Service
	budgets  map[string]*policyv1.PodDisruptionBudget
	policies map[string]*networkingv1.NetworkPolicy
	jobs     map[string]*batchv1.CronJob
}

func (s *system) pod(name string) *pod {
	for _, p := range s.pods {
		if p.name == name {
			return p
		}
	}
	return nil
}

// decode reads a rendering, each object as what it says it is; what its type does not know is an error.
func decode(text []byte) (*system, error) {
	s := &system{configs: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}, accounts: map[string]*corev1.ServiceAccount{}, services: map[string]*corev1.Service{},
		budgets: map[string]*policyv1.PodDisruptionBudget{}, policies: map[string]*networkingv1.NetworkPolicy{}, jobs: map[string]*batchv1.CronJob{}}
	for _, doc := range documents(text) {
		if err := s.take(doc); err != nil {
			return nil, fmt.Errorf("%w:\n%s", err, doc)
		}
	}
	secrets, err := os.ReadFile(meta + "k8s/secrets.example.yaml")
	if err != nil {
		return nil, err
	}
	for _, doc := range documents(secrets) {
		if err := s.take(doc); err != nil {
			return nil, fmt.Errorf("secrets.example.yaml: %w", err)
		}
	}
	return s, nil
}

func documents(text []byte) (docs [][]byte) {
	for _, doc := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		var object map[string]any
		if yaml.Unmarshal(doc, &object); len(object) > 0 {
			docs = append(docs, append(doc[:len(doc):len(doc)], '\n')) // which may end a text
		}
	}
	return docs
}

func (s *system) take(doc []byte) error {
	var kind struct{ Kind, APIVersion string }
	if err := yaml.Unmarshal(doc, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		return yaml.UnmarshalStrict(doc, &corev1.Namespace{})
	case "v1 ConfigMap":
		return into(s.configs, doc, &corev1.ConfigMap{})
	case "v1 Secret":
		return into(s.secrets, doc, &corev1.Secret{})
	case "v1 ServiceAccount":
		return into(s.accounts, doc, &corev1.ServiceAccount{})
	case "v1 Service":
		return into(s.services, doc, &corev1.Service{})
	case "policy/v1 PodDisruptionBudget":
		return into(s.budgets, doc, &policyv1.PodDisruptionBudget{})
	case "networking.k8s.io/v1 NetworkPolicy":
		return into(s.policies, doc, &networkingv1.NetworkPolicy{})
	case "apps/v1 DaemonSet":
		o := &appsv1.DaemonSet{}
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			return err
		}
		s.pods = append(s.pods, &pod{"DaemonSet/" + o.Name, o.Spec.Selector.MatchLabels, 0, o.Spec.Template})
	case "apps/v1 Deployment":
		o := &appsv1.Deployment{}
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			return err
		}
		s.pods = append(s.pods, &pod{"Deployment/" + o.Name, o.Spec.Selector.MatchLabels, int(*o.Spec.Replicas), o.Spec.Template})
	case "batch/v1 CronJob":
		o := &batchv1.CronJob{}
		if err := into(s.jobs, doc, o); err != nil {
			return err
		}
		t := o.Spec.JobTemplate.Spec.Template
		s.pods = append(s.pods, &pod{"CronJob/" + o.Name, t.Labels, 0, t})
	default:
		return fmt.Errorf("unknown kind %+v", kind)
	}
	return nil
}

func into[T interface{ GetName() string }](to map[string]T, doc []byte, o T) error {
	if err := yaml.UnmarshalStrict(doc, o); err != nil {
		return err
	}
	if _, there := to[o.GetName()]; there {
		return fmt.Errorf("%s is there twice", o.GetName())
	}
	to[o.GetName()] = o
	return nil
}

func mustDecode(t *testing.T, text []byte) *system {
	t.Helper()
	s, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
