package k8sname

import "strings"

// The host branch of M-123 for containers that are not Kubernetes': M-127 … M-131.
const (
	hostNamespace = "default"
	hostUID       = "00000000-0000-0000-0000-000000000000"
	noID          = "00000000"
)

// fields returns what the name means, in the names that the options ask for. Legacy fields
// replace what the event has, as the Logstash filter's did; ECS fields fill in what it has not,
// so that what add_kubernetes_metadata knows from the API stays.
func (o *options) fields(n Name, host, index string) *tree {
	t, prefix := new(tree), ""
	if o.Target != "" {
		prefix = o.Target + "."
	}
	if o.Schema != "legacy" && n.Form != "" {
		t.ecs(prefix, n, host, o.Owner)
	}
	if o.Schema != "ecs" {
		if n.Form != "" {
			t.legacy(prefix, n, o.Schema == "legacy")
		}
		t.put(prefix+"index", index, true)
	}
	return t
}

func (t *tree) ecs(prefix string, n Name, host, owner string) {
	put := func(name, value string) { t.put(prefix+name, value, false) }
	put("kubernetes.namespace", n.Namespace)
	put("kubernetes.pod.name", n.Pod)
	put("kubernetes.pod.uid", n.UID)
	put("kubernetes.container.name", n.Container)
	put("kubernetes.node.name", host)
	put("kubernetes.volume.name", n.Volume)
	service, logDir := n.Service()
	put("kubernetes.volume.log_dir", logDir)
	put("service.id", service)
	if n.Form == Dockertools || n.Form == DockershimConflict {
		put("container.runtime", "docker") // the others' forms are CRI-O's as well
	}
	if len(n.ContainerID) == 64 {
		put("container.id", n.ContainerID)
	}
	if n.Form != hostForm && owner != "none" {
		t.owner(prefix+"kubernetes.", n.Owner(host), owner == "likely")
	}
}

// owner writes an unambiguous controller, and with likely also a likely one, as Beats do from the
// API; others as a guess.
func (t *tree) owner(prefix string, o Owner, likely bool) {
	put := func(name, value string) { t.put(prefix+name, value, false) }
	if o.Confidence == None {
		return
	}
	trusted := o.Confidence == Unambiguous || likely && o.Confidence == Likely
	if !trusted || o.Kinds[0] == "static_pod" { // Beats have no name for a static pod's manifest
		put("pod.owner_guess.name", o.Name)
		put("pod.owner_guess.confidence", string(o.Confidence))
		if len(o.Kinds) == 1 {
			put("pod.owner_guess.kind", o.Kinds[0])
		} else {
			t.putAny(prefix+"pod.owner_guess.kind", o.Kinds, false)
		}
		return
	}
	put(o.Kinds[0]+".name", o.Name)
	switch o.Kinds[0] {
	case "deployment":
		put("replicaset.name", o.Under)
	case "cronjob":
		put("job.name", o.Under)
	}
}

// legacy writes the fields of the Logstash filter in M-123. The field container is a text there
// and an object in ECS. Where the event has the object, the text becomes container_name, as M-118
// calls it.
func (t *tree) legacy(prefix string, n Name, withContainer bool) {
	put := func(name, value string) { t.put(prefix+name, value, true) }
	if withContainer {
		t.put(prefix+"container", n.Container, true)
		t.instead("container", "container_name")
	}
	put("namespace", n.Namespace)
	put("uuid", n.UID)
	if n.Pod == "" {
		return
	}
	put("pod", n.Pod)
	containerID, resource := noID, noID
	switch {
	case n.Hash != "":
		containerID = n.Hash
	case len(n.ContainerID) >= len(noID):
		containerID = n.ContainerID[:len(noID)]
	}
	switch {
	case n.Random != "":
		resource = n.Random
	case n.Attempt != "":
		resource = strings.Repeat("0", max(0, len(noID)-len(n.Attempt))) + n.Attempt
	}
	put("containerid", containerID)
	put("resourceid", resource)
	controler, podID, ok := cutDash(n.Pod)
	switch {
	case n.Form == hostForm: // M-126 and M-127: the host's name may have dashes itself
		put("controler", n.Container)
		put("podid", strings.TrimPrefix(n.Pod, n.Container+"-"))
	case ok:
		put("controler", controler)
		put("podid", podID)
	default:
		put("controler", n.Pod)
	}
}

// hostForm is the form of names in hosts_as_static, which Parse does not know.
const hostForm Form = "host_static"

// hostName makes what M-123 makes of a container that Kubernetes does not manage.
func hostName(name, host string) Name {
	return Name{Form: hostForm, Container: name, Pod: name + "-" + host, Namespace: hostNamespace, UID: hostUID}
}
