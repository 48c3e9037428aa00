package k8sname

import "strings"

// maxBase is the longest name of a file that Linux allows. The kubelet cuts the names of its links
// in /var/log/containers to it: to 251 bytes and .log.
const maxBase = 255

// parsePath reads the path of a file. What belongs to the kubelet stands left of what an
// application can choose, so the leftmost volume decides: a pod cannot pass for another one by
// directories it makes in its own volume.
func parsePath(path string) (Name, Reason) {
	if name, reason := parseVolume(path); reason != NotKubernetes {
		return name, reason
	}
	dir, base := cutLast(path)
	if strings.HasSuffix(base, ".log") {
		if name, reason := parseContainersLog(dir, base); reason != NotKubernetes {
			return name, reason
		}
	}
	return parsePodsLog(dir, base)
}

// parseVolume reads …/<uid>/volumes/<plugin>/<volume>/….
func parseVolume(path string) (Name, Reason) {
	for at := 0; ; {
		i := strings.Index(path[at:], "/volume")
		if i < 0 {
			return Name{}, NotKubernetes
		}
		at += i
		_, uid := cutLast(path[:at])
		rest := path[at+1:]
		at++
		if !isUID(uid) {
			continue
		}
		kind, rest, _ := strings.Cut(rest, "/")
		plugin, rest, _ := strings.Cut(rest, "/")
		volume, _, _ := strings.Cut(rest, "/")
		switch {
		case kind == "volume-subpaths", kind == "volumes" && plugin != "kubernetes.io~empty-dir":
			return Name{}, OtherVolume
		case kind != "volumes":
			continue
		case !isLabel(volume):
			return Name{}, BadVolume
		}
		return Name{Form: EmptyDir, UID: uid, Volume: volume}, ""
	}
}

// parseContainersLog reads <pod>_<namespace>_<container>-<id>.log. Outside a directory called
// containers only a whole id makes such a name.
func parseContainersLog(dir, base string) (Name, Reason) {
	var parts [3]string
	stem := strings.TrimSuffix(base, ".log")
	_, parent := cutLast(dir)
	switch n := split(stem, parts[:]); {
	case n == 3:
	case n > 0 && len(base) == maxBase && parent == "containers":
		return Name{}, Cut
	default:
		return Name{}, NotKubernetes
	}
	container, id := "", ""
	if i := strings.LastIndexByte(parts[2], '-'); i >= 0 {
		container, id = parts[2][:i], parts[2][i+1:]
	}
	if parent != "containers" && !isHex(id, 64, 64) {
		return Name{}, NotKubernetes
	}
	name := Name{Form: ContainersLog, Pod: parts[0], Namespace: parts[1], Container: container, ContainerID: id}
	switch {
	case len(base) == maxBase && !isHex(id, 6, 64):
		return Name{}, Cut // few hex digits, if any, may as well be the container's: web-cafe
	case !isHex(id, 1, 64):
		return Name{}, BadID
	}
	return check(name)
}

// parsePodsLog reads <namespace>_<pod>_<uid>/<container>/<attempt>.log below any directory, and
// below …pods the older <uid>/<container>/<attempt>.log and <uid>/<container>_<attempt>.log.
func parsePodsLog(dir, base string) (Name, Reason) {
	stem, ok := cutLogSuffix(base)
	if !ok {
		return Name{}, NotKubernetes
	}
	up, container := cutLast(dir)
	if isUID(container) && strings.HasSuffix(up, "pods") {
		name := Name{Form: PodsLogUID, UID: container}
		name.Container, name.Attempt, _ = strings.Cut(stem, "_")
		return check(name)
	}
	above, pod := cutLast(up)
	if isUID(pod) && strings.HasSuffix(above, "pods") {
		return check(Name{Form: PodsLogUID, UID: pod, Container: container, Attempt: stem})
	}
	var parts [3]string
	if split(pod, parts[:]) != 3 {
		return Name{}, NotKubernetes
	}
	return check(Name{Form: PodsLog, Namespace: parts[0], Pod: parts[1], UID: parts[2], Container: container, Attempt: stem})
}

// cutLogSuffix cuts .log off, and what the kubelet appends when it rotates (.20060102-150405)
// and compresses (.gz, .tmp while at it).
func cutLogSuffix(base string) (string, bool) {
	stem, rest, ok := strings.Cut(base, ".log")
	if rest == "" {
		return stem, ok
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, ".gz"), ".tmp")
	const stamp = len(".20060102-150405")
	ok = len(rest) == stamp && rest[0] == '.' && rest[9] == '-' && isDigits(rest[1:9]) && isDigits(rest[10:])
	return stem, ok
}

// cutLast splits a path into what is before its last slash and after it.
func cutLast(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
