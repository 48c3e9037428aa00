package k8sname

import (
	"strings"
)

// MaxLength is the longest name that is looked at, in bytes: Linux' PATH_MAX. A longer one is TooLong.
const MaxLength = 4096

// A Form is a way in which Kubernetes' names are put together. Its text is what the counters and
// `podbeat explain` call it.
type Form string

// The forms. Part names in their patterns are those of Name.
const (
	// The kubelet's own docker code, up to Kubernetes 1.5: hash is that of the container's spec, random a number.
	Dockertools Form = "dockertools"
	// dockershim, cri-dockerd and CRI-O: attempt counts the container's restarts.
	Dockershim Form = "dockershim"
	// dockershim and cri-dockerd when the plain name was taken.
	DockershimConflict Form = "dockershim_conflict"
	// CRI-O's pod sandbox, which is a pause container.
	Sandbox Form = "crio_sandbox"
	// The kubelet's symbolic links in /var/log/containers.
	ContainersLog Form = "containers_log"
	// The kubelet's log files from Kubernetes 1.14 on.
	PodsLog Form = "pods_log"
	// The same up to 1.13: the directory is the pod's uid alone.
	PodsLogUID Form = "pods_log_uid"
	// A file in an emptyDir volume of a pod, below any root directory of the kubelet.
	EmptyDir Form = "empty_dir"
)

var patterns = map[Form]string{
	Dockertools:        "k8s_<container>.<hash>_<pod>_<namespace>_<uid>_<random>",
	Dockershim:         "k8s_<container>_<pod>_<namespace>_<uid>_<attempt>",
	DockershimConflict: "k8s_<container>_<pod>_<namespace>_<uid>_<attempt>_<random>",
	Sandbox:            "k8s_<pod>_<namespace>_<uid>_<attempt>",
	ContainersLog:      "…/containers/<pod>_<namespace>_<container>-<container id>.log",
	PodsLog:            "…/pods/<namespace>_<pod>_<uid>/<container>/<attempt>.log",
	PodsLogUID:         "…/pods/<uid>/<container>_<attempt>.log",
	EmptyDir:           "…/<uid>/volumes/kubernetes.io~empty-dir/<volume>/…",
}

// Pattern returns how names of this form are put together.
func (f Form) Pattern() string { return patterns[f] }

// A Reason says why a name is in no known form; it is empty for one that is.
type Reason string

// The reasons. All of them are counted under podbeat.k8sname.unparsed.
const (
	NotKubernetes Reason = "not_kubernetes" // neither starts with k8s_ nor looks like a path of the kubelet's
	TooLong       Reason = "too_long"       // more than MaxLength bytes
	WrongParts    Reason = "wrong_parts"    // starts with k8s_, but has not 5, 6 or 7 parts
	BadContainer  Reason = "bad_container"  // not a DNS label, nor POD
	BadHash       Reason = "bad_hash"       // not 6 to 8 hex digits
	BadPod        Reason = "bad_pod"        // not a DNS subdomain
	BadNamespace  Reason = "bad_namespace"  // not a DNS label
	BadUID        Reason = "bad_uid"        // neither a UUID nor 32 hex digits
	BadAttempt    Reason = "bad_attempt"    // not a decimal number
	BadRandom     Reason = "bad_random"     // not 8 hex digits
	BadID         Reason = "bad_id"         // no container id where one belongs
	BadVolume     Reason = "bad_volume"     // not a DNS label
	OtherVolume   Reason = "other_volume"   // in a volume of a pod, but not in an emptyDir
	Cut           Reason = "cut"            // so long that the kubelet cut off what tells the container
)

// Reasons lists every Reason a name can fail for.
var Reasons = []Reason{NotKubernetes, TooLong, WrongParts, BadContainer, BadHash, BadPod, BadNamespace, BadUID,
	BadAttempt, BadRandom, BadID, BadVolume, OtherVolume, Cut}

// A Name is what a container's name or a file's path says about its pod. Parts which a form does
// not have are empty. All parts are substrings of the text they were parsed from.
type Name struct {
	Form        Form
	Container   string // in the pod's spec; "POD" for a pause container
	Hash        string // hex, of the container's spec
	Pod         string
	Namespace   string
	UID         string // a UUID, or 32 hex digits for a static pod
	Attempt     string // decimal: how often the container was started again
	Random      string // 8 hex digits
	ContainerID string // hex; shorter than 64 digits if the kubelet cut it
	Volume      string
}

// PauseContainer is what Kubernetes calls a pod's pause container. It cannot be the name of a
// container in a pod's spec, for those are in lower case.
const PauseContainer = "POD"

// Parse reads the name of a container as its runtime has it, or the path of a log file. A leading
// slash of a container's name is passed over. It allocates nothing.
//
// What M-133's regular expression matches from end to end is parsed with that expression's
// captures, also where Kubernetes would not allow it; all else has to be as Kubernetes checks it.
func Parse(name string) (Name, Reason) {
	if len(name) > MaxLength {
		return Name{}, TooLong
	}
	bare := strings.TrimPrefix(name, "/")
	if strings.IndexByte(bare, '/') >= 0 || strings.HasSuffix(bare, ".log") {
		return parsePath(name)
	}
	if rest, ok := strings.CutPrefix(bare, "k8s_"); ok {
		return parseDocker(rest)
	}
	return Name{}, NotKubernetes
}

// Pause tells whether the container is a pod's pause container.
func (n Name) Pause() bool { return n.Container == PauseContainer }

// Service splits the name of a volume applog-<service>-endname-<log directory> at the first
// -endname-. Both are empty for other names.
func (n Name) Service() (id, logDir string) {
	rest, ok := strings.CutPrefix(n.Volume, "applog-")
	if !ok {
		return "", ""
	}
	id, logDir, ok = strings.Cut(rest, "-endname-")
	if !ok || id == "" || logDir == "" {
		return "", ""
	}
	return id, logDir
}

// String puts the name together again, so that Parse(n.String()) is n. Paths get the kubelet's
// default directories.
func (n Name) String() string {
	switch n.Form {
	case Dockertools:
		return "k8s_" + n.Container + "." + n.Hash + "_" + n.Pod + "_" + n.Namespace + "_" + n.UID + "_" + n.Random
	case Dockershim:
		return "k8s_" + n.Container + "_" + n.Pod + "_" + n.Namespace + "_" + n.UID + "_" + n.Attempt
	case DockershimConflict:
		return "k8s_" + n.Container + "_" + n.Pod + "_" + n.Namespace + "_" + n.UID + "_" + n.Attempt + "_" + n.Random
	case Sandbox:
		return "k8s_" + n.Pod + "_" + n.Namespace + "_" + n.UID + "_" + n.Attempt
	case ContainersLog:
		return "/var/log/containers/" + n.Pod + "_" + n.Namespace + "_" + n.Container + "-" + n.ContainerID + ".log"
	case PodsLog:
		return "/var/log/pods/" + n.Namespace + "_" + n.Pod + "_" + n.UID + "/" + n.Container + "/" + n.Attempt + ".log"
	case PodsLogUID:
		return "/var/log/pods/" + n.UID + "/" + n.Container + "_" + n.Attempt + ".log"
	case EmptyDir:
		return "/var/lib/kubelet/pods/" + n.UID + "/volumes/kubernetes.io~empty-dir/" + n.Volume
	}
	return ""
}

// parseDocker reads what follows k8s_. No part can contain an underscore, so their number tells
// the form, and a dot in the first part (container names have none) tells dockertools'.
func parseDocker(s string) (Name, Reason) {
	var parts [6]string
	n := split(s, parts[:])
	switch n {
	case 4:
		return check(Name{Form: Sandbox, Container: PauseContainer, Pod: parts[0], Namespace: parts[1], UID: parts[2], Attempt: parts[3]})
	case 5:
		if container, hash, ok := strings.Cut(parts[0], "."); ok {
			return parseDockertools(container, hash, parts)
		}
	case 6:
	default:
		return Name{}, WrongParts
	}
	name := Name{Form: Dockershim, Container: parts[0], Pod: parts[1], Namespace: parts[2], UID: parts[3], Attempt: parts[4]}
	if n == 6 {
		name.Form, name.Random = DockershimConflict, parts[5]
	}
	return check(name)
}

// check returns the name if what its form has is as Kubernetes checks it.
func check(name Name) (Name, Reason) {
	hasPod, hasUID := name.Form != PodsLogUID, name.Form != ContainersLog
	switch {
	case !isContainer(name.Container):
		return Name{}, BadContainer
	case hasPod && !isSubdomain(name.Pod):
		return Name{}, BadPod
	case hasPod && !isLabel(name.Namespace):
		return Name{}, BadNamespace
	case hasUID && !isUID(name.UID):
		return Name{}, BadUID
	case hasUID && !isAttempt(name.Attempt):
		return Name{}, BadAttempt
	case name.Form == DockershimConflict && !isHex(name.Random, 8, 8):
		return Name{}, BadRandom
	}
	return name, ""
}

// parseDockertools takes whatever M-133 takes, and besides it the pod names that expression
// forgets: those without a dash and those with dots.
func parseDockertools(container, hash string, parts [6]string) (Name, Reason) {
	name := Name{Form: Dockertools, Container: container, Hash: hash, Pod: parts[1], Namespace: parts[2], UID: parts[3], Random: parts[4]}
	switch {
	case !isAlnumDash(name.Container):
		return Name{}, BadContainer
	case !isHex(name.Hash, 6, 8):
		return Name{}, BadHash
	case !isSubdomain(name.Pod) && !isLegacyPod(name.Pod):
		return Name{}, BadPod
	case !isAlnumDash(name.Namespace):
		return Name{}, BadNamespace
	case !isLegacyUID(name.UID):
		return Name{}, BadUID
	case !isHex(name.Random, 8, 8):
		return Name{}, BadRandom
	}
	return name, ""
}

// split cuts s at its underscores into parts and returns their number, or 0 if parts are too few.
func split(s string, parts []string) int {
	for n := range parts {
		i := strings.IndexByte(s, '_')
		if i < 0 {
			parts[n] = s
			return n + 1
		}
		parts[n], s = s[:i], s[i+1:]
	}
	return 0
}
