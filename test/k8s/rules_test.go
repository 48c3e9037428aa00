package k8s

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// asRoot are the pods that run as root, and the capability that is all they have: the DaemonSet reads what belongs to
// root and to applications' users.
var asRoot = map[string]corev1.Capability{"DaemonSet/podbeat": "DAC_READ_SEARCH"}

// check returns what is wrong with a system beyond what the API server refuses.
func check(s *system) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, p := range s.pods {
		say := func(format string, args ...any) { say("%s: "+format, append([]any{p.name}, args...)...) }
		checkRights(p, say)
		checkMounts(s, p, say)
		checkContainers(s, p, say)
		if _, there := s.accounts[p.spec().ServiceAccountName]; !there {
			say("no service account %q", p.spec().ServiceAccountName)
		}
		for _, o := range s.pods {
			if labels.SelectorFromSet(p.selector).Matches(labels.Set(o.template.Labels)) != (o == p) {
				say("the selector %v does not tell it from %s", p.selector, o.name)
			}
		}
	}
	for name, a := range s.accounts {
		if !no(a.AutomountServiceAccountToken) {
			say("service account %s: a token is mounted", name)
		}
	}
	checkNetwork(s, say)
	for name, b := range s.budgets {
		if ps := s.selected(b.Spec.Selector); len(ps) != 1 || ps[0].replicas <= b.Spec.MaxUnavailable.IntValue() || b.Spec.MaxUnavailable.IntValue() < 1 {
			say("budget %s: keeps nothing up, or lets no node be drained", name)
		}
	}
	for _, p := range s.pods {
		if p.replicas > 1 && !slices.ContainsFunc(slices.Collect(maps.Keys(s.budgets)), func(b string) bool { return slices.Contains(s.selected(s.budgets[b].Spec.Selector), p) }) && p.name != "Deployment/curator" {
			say("%s: no budget", p.name) // of curator one is enough, and it makes up for what it has missed
		}
	}
	for name, c := range s.jobs {
		job := c.Spec.JobTemplate.Spec
		if c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || c.Spec.StartingDeadlineSeconds == nil || job.ActiveDeadlineSeconds == nil {
			say("job %s: may run twice at once, be missed, or hang", name)
		}
	}
	return wrong
}

type sayer func(format string, args ...any)

func yes(b *bool) bool { return b != nil && *b }
func no(b *bool) bool  { return b != nil && !*b }

// checkRights: what a pod may do.
func checkRights(p *pod, say sayer) {
	spec := p.spec()
	if spec.HostNetwork || spec.HostPID || spec.HostIPC || !no(spec.AutomountServiceAccountToken) || !no(spec.EnableServiceLinks) {
		say("has more of the node or the API than it needs")
	}
	sc := spec.SecurityContext
	if sc == nil || sc.SeccompProfile == nil || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		say("no seccomp profile")
		return
	}
	capability, allowed := asRoot[p.name]
	root := !yes(sc.RunAsNonRoot)
	if root != (sc.RunAsUser != nil && *sc.RunAsUser == 0) || root && !allowed {
		say("runs as root, or says neither")
	}
	for _, c := range spec.Containers {
		s := c.SecurityContext
		if s == nil || !no(s.AllowPrivilegeEscalation) || !yes(s.ReadOnlyRootFilesystem) || yes(s.Privileged) || s.RunAsUser != nil || s.RunAsNonRoot != nil || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			say("container %s may too much", c.Name)
			continue
		}
		// A process of another user than root gets none of them, so to add one would be a mistake.
		if want := map[bool][]corev1.Capability{true: {capability}}[root]; !slices.Equal(s.Capabilities.Add, want) {
			say("container %s has the capabilities %v, want %v", c.Name, s.Capabilities.Add, want)
		}
	}
}

// checkMounts: what a pod sees, and whether it is there.
func checkMounts(s *system, p *pod, say sayer) {
	volumes := map[string]*corev1.Volume{}
	for i, v := range p.spec().Volumes {
		volumes[v.Name] = &p.spec().Volumes[i]
		switch {
		case v.ConfigMap != nil:
			if _, there := s.configs[v.ConfigMap.Name]; !there {
				say("volume %s: no config map %s", v.Name, v.ConfigMap.Name)
			}
		case v.Secret != nil:
			secret, there := s.secrets[v.Secret.SecretName]
			if !there {
				say("volume %s: no secret %s", v.Name, v.Secret.SecretName)
				continue
			}
			for _, item := range v.Secret.Items {
				if _, there := secret.StringData[item.Key]; !there && !yes(v.Secret.Optional) {
					say("volume %s: the secret has no key %s", v.Name, item.Key)
				}
			}
			if mode := v.Secret.DefaultMode; mode == nil || *mode&0o337 != 0 || *mode&0o040 == 0 && !(p.spec().SecurityContext.RunAsUser != nil && *p.spec().SecurityContext.RunAsUser == 0) {
				say("volume %s: others may read the secret, or the program cannot", v.Name)
			}
		case v.HostPath != nil:
			if p.name != "DaemonSet/podbeat" || v.HostPath.Type == nil || *v.HostPath.Type == "" {
				say("volume %s: is of the node, or does not say what must be there", v.Name)
			}
		case v.EmptyDir != nil:
			if v.EmptyDir.SizeLimit == nil {
				say("volume %s: has no limit", v.Name)
			}
		default:
			say("volume %s: of an unknown kind", v.Name)
		}
	}
	used, paths := map[string]bool{}, map[string]bool{}
	for _, c := range p.spec().Containers {
		for _, m := range c.VolumeMounts {
			v := volumes[m.Name]
			if v == nil || paths[m.MountPath] {
				say("mount %s: no volume %s, or it is there twice", m.MountPath, m.Name)
				continue
			}
			used[m.Name], paths[m.MountPath] = true, true
			if m.ReadOnly == (m.MountPath == "/var/lib/podbeat") || m.SubPath != "" { // a subPath does not follow changes
				say("mount %s: read-only %v, sub-path %q", m.MountPath, m.ReadOnly, m.SubPath)
			}
			if v.HostPath != nil && m.ReadOnly && *v.HostPath.Type != corev1.HostPathFile && (m.MountPropagation == nil || *m.MountPropagation != corev1.MountPropagationHostToContainer) {
				say("mount %s: does not follow what the node mounts and unmounts", m.MountPath)
			}
		}
	}
	for name := range volumes {
		if !used[name] {
			say("volume %s is not mounted", name)
		}
	}
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// checkContainers: resources, probes, ports, and that all a configuration names is given.
func checkContainers(s *system, p *pod, say sayer) {
	for _, c := range p.spec().Containers {
		if !regexp.MustCompile(`^\S+:\d+\.\d+\.\d+$`).MatchString(c.Image) {
			say("image %s has no version", c.Image)
		}
		limit := c.Resources.Limits.Memory()
		if limit.IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
			say("wants requests, a limit of memory, and none of the CPU")
		}
		ports := map[string]int32{}
		for _, port := range c.Ports {
			ports[port.Name] = port.ContainerPort
		}
		for what, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if probe != nil && ports[probe.HTTPGet.Port.StrVal] == 0 {
				say("the %s probe's port %s is none of the container's", what, probe.HTTPGet.Port.String())
			}
		}
		if len(ports) > 0 && c.LivenessProbe == nil {
			say("no liveness probe")
		}
		if a := p.template.Annotations; len(ports) > 0 && (a["prometheus.io/scrape"] != "true" || !slices.Contains(slices.Collect(maps.Values(ports)), number(a["prometheus.io/port"]))) {
			say("Prometheus is not told of its port")
		}
		given := map[string]bool{}
		for _, e := range c.Env {
			given[e.Name] = true
			if e.Name == "GOMEMLIMIT" {
				if q, err := resource.ParseQuantity(strings.TrimSuffix(e.Value, "B")); err != nil || q.Cmp(*limit) >= 0 || 10*q.Value() < 6*limit.Value() {
					say("GOMEMLIMIT %s is not somewhat below the limit %s", e.Value, limit)
				}
			}
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				if ref := e.ValueFrom.SecretKeyRef; s.secrets[ref.Name] == nil || s.secrets[ref.Name].StringData[ref.Key] == "" {
					say("%s is not in the secret %s", e.Name, ref.Name)
				}
			}
		}
		files := s.files(p, &c)
		for name := range files {
			if path.Dir(name) == "/etc/podbeat/secrets" {
				given[path.Base(name)] = true
			}
		}
		for name, text := range files {
			for _, line := range strings.Split(text, "\n") {
				code, _, _ := strings.Cut(line, "#")
				for _, v := range variable.FindAllStringSubmatch(code, -1) {
					if !given[v[1]] {
						say("%s wants %s, which nothing gives", name, v[0])
					}
				}
			}
		}
		for i, a := range c.Args {
			if name := path.Join("/etc/podbeat", a); i > 0 && c.Args[i-1] == "-c" && files[name] == "" || strings.HasSuffix(a, ".yml") && path.IsAbs(a) && files[a] == "" {
				say("no file %s", a)
			}
		}
	}
}

func number(s string) int32 {
	n, _ := strconv.ParseInt(s, 10, 32)
	return int32(n)
}

// files are those that a container sees of its config maps and secrets, by their paths.
func (s *system) files(p *pod, c *corev1.Container) map[string]string {
	files := map[string]string{}
	for _, m := range c.VolumeMounts {
		for _, v := range p.spec().Volumes {
			if v.Name != m.Name {
				continue
			}
			if v.ConfigMap != nil && s.configs[v.ConfigMap.Name] != nil {
				for key, text := range s.configs[v.ConfigMap.Name].Data {
					files[path.Join(m.MountPath, key)] = text
				}
			}
			if v.Secret != nil && s.secrets[v.Secret.SecretName] != nil {
				for key, text := range s.secrets[v.Secret.SecretName].StringData {
					if len(v.Secret.Items) == 0 || slices.ContainsFunc(v.Secret.Items, func(i corev1.KeyToPath) bool { return i.Key == key }) {
						files[path.Join(m.MountPath, key)] = text
					}
				}
			}
		}
	}
	return files
}

// selected are the pods that a selector selects.
func (s *system) selected(by *metav1.LabelSelector) (ps []*pod) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return nil
	}
	for _, p := range s.pods {
		if selector.Matches(labels.Set(p.template.Labels)) {
			ps = append(ps, p)
		}
	}
	return ps
}

// checkNetwork: services and policies lead to pods and ports that are there, and every port that listens can be reached.
func checkNetwork(s *system, say sayer) {
	has := func(p *pod, port intstr.IntOrString) bool {
		for _, c := range p.spec().Containers {
			for _, o := range c.Ports {
				if o.Name == port.StrVal || port.Type == intstr.Int && o.ContainerPort == port.IntVal {
					return true
				}
			}
		}
		return false
	}
	for name, svc := range s.services {
		ps := s.selected(&metav1.LabelSelector{MatchLabels: svc.Spec.Selector})
		for _, port := range svc.Spec.Ports {
			if len(ps) != 1 || !has(ps[0], port.TargetPort) {
				say("service %s: leads to no port of one workload", name)
			}
		}
	}
	denied := map[*pod]bool{} // what nobody may reach unless it is allowed
	reached := map[string]bool{}
	for name, np := range s.policies {
		ps := s.selected(&np.Spec.PodSelector)
		if len(ps) == 0 {
			say("network policy %s: selects nothing", name)
		}
		for _, p := range ps {
			denied[p] = denied[p] || slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
			for _, rule := range np.Spec.Ingress {
				for _, port := range rule.Ports {
					if has(p, *port.Port) {
						reached[p.name+port.Port.String()] = true
					}
				}
			}
		}
		for _, rule := range np.Spec.Egress {
			for _, to := range rule.To {
				for _, p := range s.selected(to.PodSelector) {
					for _, port := range rule.Ports {
						if !has(p, *port.Port) {
							say("network policy %s: no port %s at %s", name, port.Port, p.name)
						}
					}
				}
				if len(s.selected(to.PodSelector)) == 0 {
					say("network policy %s: leads to nothing", name)
				}
			}
		}
	}
	for _, p := range s.pods {
		if !denied[p] && len(s.policies) > 0 {
			say("%s: no network policy", p.name)
		}
		for _, c := range p.spec().Containers {
			for _, port := range c.Ports {
				if len(s.policies) > 0 && !reached[fmt.Sprint(p.name, port.ContainerPort)] {
					say("%s: nobody may reach port %s", p.name, port.Name)
				}
			}
		}
	}
}

// TestRules breaks what is right, in each way that a rule is there for.
func TestRules(t *testing.T) {
	text := kustomize(t, "kafka")
	if wrong := check(mustDecode(t, text)); len(wrong) > 0 {
		t.Fatal(strings.Join(wrong, "\n"))
	}
	f := func(want string, spoil func(s *system)) {
		t.Helper()
		s := mustDecode(t, text)
		spoil(s)
		if wrong := check(s); !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("got %q, want %q", wrong, want)
		}
	}
	node := func(s *system) *corev1.PodSpec { return s.pod("DaemonSet/podbeat").spec() }
	first := func(s *system) *corev1.Container { return &node(s).Containers[0] }
	push := func(s *system) *corev1.PodSpec { return s.pod("Deployment/push").spec() }
	on, off, zero := true, false, int64(0)

	f("more of the node", func(s *system) { node(s).HostPID = true })
	f("more of the node", func(s *system) { node(s).AutomountServiceAccountToken = nil })
	f("no seccomp profile", func(s *system) { push(s).SecurityContext.SeccompProfile = nil })
	f("runs as root", func(s *system) { push(s).SecurityContext.RunAsNonRoot, push(s).SecurityContext.RunAsUser = nil, &zero })
	f("runs as root", func(s *system) { node(s).SecurityContext.RunAsUser = nil })
	f("may too much", func(s *system) { first(s).SecurityContext.AllowPrivilegeEscalation = &on })
	f("may too much", func(s *system) { first(s).SecurityContext.ReadOnlyRootFilesystem = &off })
	f("may too much", func(s *system) { first(s).SecurityContext.Capabilities.Drop = nil })
	f("has the capabilities [CAP_DAC_READ_SEARCH]", func(s *system) {
		first(s).SecurityContext.Capabilities.Add = []corev1.Capability{"CAP_DAC_READ_SEARCH"}
	})
	f("has the capabilities [DAC_READ_SEARCH], want []", func(s *system) {
		push(s).Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"DAC_READ_SEARCH"}
	})
	f("no config map nobody", func(s *system) { node(s).Volumes[0].ConfigMap.Name = "nobody" })
	f("no secret nobody", func(s *system) { node(s).Volumes[1].Secret.SecretName = "nobody" })
	f("others may read the secret", func(s *system) { *node(s).Volumes[1].Secret.DefaultMode = 0o444 })
	f("the program cannot", func(s *system) { *push(s).Volumes[1].Secret.DefaultMode = 0o400 })
	f("is of the node", func(s *system) { node(s).Volumes[2].HostPath.Type = nil })
	f("has no limit", func(s *system) { push(s).Volumes[3].EmptyDir.SizeLimit = nil })
	f("no volume nobody", func(s *system) { first(s).VolumeMounts[0].Name = "nobody" })
	f("volume config is not mounted", func(s *system) { first(s).VolumeMounts = first(s).VolumeMounts[1:] })
	f("mount /etc/podbeat: read-only false", func(s *system) { first(s).VolumeMounts[0].ReadOnly = false })
	f("what the node mounts", func(s *system) { first(s).VolumeMounts[6].MountPropagation = nil })
	f("has no version", func(s *system) { first(s).Image = "podbeat/podbeat:latest" })
	f("wants requests", func(s *system) { first(s).Resources.Requests = nil })
	f("GOMEMLIMIT 2GiB", func(s *system) { first(s).Env[3].Value = "2GiB" })
	f("port htp is none", func(s *system) { first(s).LivenessProbe.HTTPGet.Port.StrVal = "htp" })
	f("no liveness probe", func(s *system) { first(s).LivenessProbe = nil })
	f("Prometheus is not told", func(s *system) { s.pod("DaemonSet/podbeat").template.Annotations["prometheus.io/port"] = "5067" })
	f("is not in the secret curator", func(s *system) { delete(s.secrets["curator"].StringData, "ES_PASSWORD") })
	f("wants ${ES_PASSWORD}", func(s *system) { delete(s.secrets["shipper"].StringData, "ES_PASSWORD") })
	f("wants ${NODE_NAME}", func(s *system) { first(s).Env = nil })
	f("no file output.yml", func(s *system) { delete(s.configs["podbeat"].Data, "output.yml") })
	f("no file /etc/logapi/logapi.yml", func(s *system) { delete(s.configs["logapi"].Data, "logapi.yml") })
	f("no service account", func(s *system) { delete(s.accounts, "podbeat") })
	f("a token is mounted", func(s *system) { s.accounts["podbeat"].AutomountServiceAccountToken = nil })
	f("does not tell it from", func(s *system) {
		s.pod("Deployment/push").selector = map[string]string{"app.kubernetes.io/part-of": "podbeat"}
	})
	f("does not tell it from", func(s *system) { s.pod("DaemonSet/podbeat").template.Labels = nil })
	f("budget push: keeps nothing", func(s *system) { s.pod("Deployment/push").replicas = 1 })
	f("push: no budget", func(s *system) { delete(s.budgets, "push") })
	f("may run twice", func(s *system) { s.jobs["curator"].Spec.ConcurrencyPolicy = batchv1.AllowConcurrent })
	f("service push: leads to no port", func(s *system) { s.services["push"].Spec.Ports[0].TargetPort = intstr.FromString("htp") })
	f("policy push: selects nothing", func(s *system) { s.policies["push"].Spec.PodSelector.MatchLabels["app.kubernetes.io/name"] = "psh" })
	f("nobody may reach port push", func(s *system) { delete(s.policies, "push") })
	f("policy podbeat-control: leads to nothing", func(s *system) {
		s.policies["podbeat-control"].Spec.Egress[0].To[0].PodSelector.MatchLabels["app.kubernetes.io/name"] = "x"
	})
	f("no network policy", func(s *system) {
		for _, name := range []string{"podbeat-dns", "podbeat-metrics"} {
			delete(s.policies, name)
		}
	})
}
