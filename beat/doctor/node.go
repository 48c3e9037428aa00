package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A runtime is what is known of docker on the host.
type runtime struct {
	there  bool
	driver string // of its containers' logs, "" without docker
	err    error  // in daemon.json
}

const daemonJSON = "/etc/docker/daemon.json"

func (h host) docker() (r runtime) {
	text, err := h.read(daemonJSON)
	r.there = err == nil || h.exists("/run/docker.sock") || h.exists("/var/run/docker.sock")
	if !r.there {
		return r
	}
	r.driver = "json-file"
	if err == nil {
		var conf struct {
			Driver string `json:"log-driver"`
		}
		r.err = json.Unmarshal(text, &conf)
		r.driver = cmp.Or(conf.Driver, r.driver)
	} else if !errors.Is(err, fs.ErrNotExist) {
		r.err = err
	}
	return r
}

// cri returns the container runtimes of Kubernetes that are there, but for docker.
func (h host) cri() (names []string) {
	for _, r := range []struct{ socket, name string }{
		{"/run/containerd/containerd.sock", "containerd"}, {"/run/k3s/containerd/containerd.sock", "k3s's containerd"}, {"/run/crio/crio.sock", "CRI-O"},
	} {
		if h.exists(r.socket) || h.exists("/var"+r.socket) {
			names = append(names, r.name)
		}
	}
	return names
}

// checkContainerLogs says whether the inputs read where the container runtime writes.
func checkContainerLogs(_ context.Context, s *subject) []Finding {
	journal, files := len(s.of("journal")) > 0, len(s.of("podlogs")) > 0
	if !journal && !files {
		return nil
	}
	docker, cri := s.docker(), s.cri()
	var f findings
	if docker.err != nil {
		f.add(Warning, "mend it; docker does not start with it", "cannot read %s: %v", daemonJSON, docker.err)
	}
	kubelet := s.exists("/var/log/pods")
	switch {
	case docker.driver == "journald" && files && !journal:
		f.add(Problem, "use the input journal, or log-driver json-file in "+daemonJSON+" (for containers that are made from then on)",
			"docker writes containers' logs to the journal, but the inputs are to find them in files")
	case docker.driver == "json-file" && !files && kubelet && len(cri) == 0:
		f.add(Warning, "use the input podlogs; or log-driver journald in "+daemonJSON+" (for containers that are made from then on)",
			"docker writes containers' logs to files, but no input podlogs reads them")
	case docker.there && !slices.Contains([]string{"journald", "json-file"}, docker.driver):
		f.add(Problem, "use log-driver journald or json-file in "+daemonJSON+" (for containers that are made from then on)",
			"docker's log-driver is %q, of which neither the journal nor the kubelet's folder has anything", clip80(docker.driver))
	}
	if len(cri) > 0 && kubelet && !files && docker.driver != "journald" {
		f.add(Warning, "use the input podlogs", "%s writes containers' logs to /var/log/pods, but no input podlogs reads them", strings.Join(cri, " and "))
	}
	switch {
	case docker.there:
		return f.or("docker's log-driver is %s", docker.driver)
	case len(cri) > 0:
		return f.or("the runtime is %s", strings.Join(cri, " and "))
	}
	return f.or("neither docker, containerd nor CRI-O is seen")
}

const kubeletRoot = "/var/lib/kubelet"

// kubeletRoot finds out the kubelet's --root-dir: from the process, else from the files that its options are in.
func (h host) kubeletRoot() (dir, from string) {
	entries, _ := h.list("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := h.read("/proc/" + e.Name() + "/cmdline")
		if args := strings.Split(string(text), "\x00"); err == nil && filepath.Base(args[0]) == "kubelet" {
			return cmp.Or(rootDir(args), kubeletRoot), "the kubelet's command line"
		}
	}
	for _, pattern := range []string{"/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet",
		"/etc/systemd/system/kubelet.service", "/etc/systemd/system/kubelet.service.d/*.conf", "/lib/systemd/system/kubelet.service", "/usr/lib/systemd/system/kubelet.service.d/*.conf"} {
		for _, name := range h.glob(pattern) {
			text, err := h.read(name)
			if dir := rootDir(strings.Fields(strings.NewReplacer(`"`, " ", `'`, " ", "\\\n", " ").Replace(string(text)))); err == nil && dir != "" {
				return dir, name
			}
		}
	}
	return kubeletRoot, "the kubelet's default"
}

func rootDir(args []string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--root-dir="); ok {
			return value
		}
		if arg == "--root-dir" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// fixedPart is the part of a glob before its first wildcard.
func fixedPart(pattern string) string {
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		return filepath.Dir(pattern[:i] + "x")
	}
	return pattern
}

// emptyDirPaths are those of the emptydir inputs.
func (s *subject) emptyDirPaths() (paths []string) {
	for _, in := range s.of("emptydir") {
		if len(in.Paths) == 0 {
			in.Paths = []string{kubeletRoot + "/pods/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"}
		}
		paths = append(paths, in.Paths...)
	}
	return paths
}

func checkKubeletRoot(_ context.Context, s *subject) []Finding {
	patterns := s.emptyDirPaths()
	if len(patterns) == 0 {
		return nil
	}
	var f findings
	dir, from := s.kubeletRoot()
	for _, p := range patterns {
		fixed := fixedPart(p)
		info, err := os.Stat(s.path(fixed))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.add(Problem, "mount the kubelet's "+dir+"/pods there in a container, or give its path as paths of the input", "the emptydir input is to read below %s, which is not there (the kubelet's root is %s, by %s)", fixed, dir, from)
		case err != nil:
			f.add(Problem, "let podbeat's user in: run it as root, or with CAP_DAC_READ_SEARCH", "the emptydir input is to read below %s: %v", fixed, err)
		case !info.IsDir():
			f.add(Problem, "mend paths of the input", "the emptydir input is to read below %s, which is no folder", fixed)
		case within(kubeletRoot, fixed) && dir != kubeletRoot && !s.same(dir, kubeletRoot):
			f.add(Problem, "give paths of the input with "+dir+" instead of "+kubeletRoot, "the emptydir input reads below %s, but the kubelet's root is %s (by %s)", kubeletRoot, dir, from)
		default:
			if _, err := s.list(fixed); err != nil {
				f.add(Problem, "let podbeat's user in: run it as root, or with CAP_DAC_READ_SEARCH", "the emptydir input is to read below %s: %v", fixed, err)
			}
		}
	}
	return f.or("the kubelet's root is %s (by %s)", dir, from)
}

// same says whether two names of the host lead to one folder.
func (h host) same(a, b string) bool {
	one, err1 := os.Stat(h.path(a))
	other, err2 := os.Stat(h.path(b))
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

func checkEmptyDirs(_ context.Context, s *subject) []Finding {
	patterns := s.emptyDirPaths()
	if len(patterns) == 0 {
		return nil
	}
	volumes, files, deniedDirs := 0, 0, 0
	for _, p := range patterns {
		for _, dir := range s.glob(filepath.Dir(p)) {
			volumes++
			if _, err := s.list(dir); errors.Is(err, fs.ErrPermission) {
				deniedDirs++
			}
		}
		files += len(s.glob(p))
	}
	var f findings
	if deniedDirs > 0 {
		f.add(Problem, "run podbeat as root, or with CAP_DAC_READ_SEARCH", "%d of %d volumes cannot be read", deniedDirs, volumes)
	}
	if volumes == 0 {
		f.add(Warning, "see that pods have emptyDir volumes that the input's paths match, by default applog-*: podbeat explain PATH", "no volume matches %s", few(patterns))
	}
	return f.or("%d volumes with %d files", volumes, files)
}

func checkPodLogs(_ context.Context, s *subject) []Finding {
	var patterns []string
	for _, in := range s.of("podlogs") {
		if len(in.Paths) == 0 {
			in.Paths = []string{"/var/log/pods/*/*/*.log", "/var/log/pods/*/*.log"}
		}
		patterns = append(patterns, in.Paths...)
	}
	if len(patterns) == 0 {
		return nil
	}
	var f findings
	files, dangling, denied, seen := 0, []string{}, []string{}, map[string]bool{}
	for _, p := range patterns {
		fixed := fixedPart(p)
		if _, err := s.list(fixed); seen[fixed] {
		} else if errors.Is(err, fs.ErrNotExist) {
			f.add(Problem, "mount it in a container; mend paths of the input where the kubelet's folder is another", "the podlogs input is to read below %s, which is not there", fixed)
		} else if err != nil {
			f.add(Problem, "run podbeat as root, or with CAP_DAC_READ_SEARCH", "the podlogs input is to read below %s: %v", fixed, err)
		}
		seen[fixed] = true
		for _, name := range s.glob(p) {
			files++
			f, err := os.OpenFile(s.path(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
			switch {
			case err == nil:
				f.Close()
			case errors.Is(err, fs.ErrPermission):
				denied = append(denied, name)
			case errors.Is(err, fs.ErrNotExist):
				dangling = append(dangling, name)
			}
		}
	}
	if len(denied) > 0 {
		f.add(Problem, "run podbeat as root, or with CAP_DAC_READ_SEARCH", "cannot read %s", few(denied))
	}
	if len(dangling) > 0 {
		f.add(Problem, "with docker, mount /var/lib/docker/containers too, where podbeat runs in a container; with log-driver journald, use the input journal",
			"links lead to files that are not there: %s", few(dangling))
	}
	return f.or("%d files", files)
}

// number reads a setting of the kernel.
func (h host) number(name string) (int, bool) {
	text, err := h.read(name)
	if err != nil && h.root != "" { // a mounted root has no /proc, and the kernel is the same
		text, err = readFile(name)
	}
	n, err2 := strconv.Atoi(strings.TrimSpace(string(text)))
	return n, err == nil && err2 == nil
}

func checkInotify(_ context.Context, s *subject) []Finding {
	if len(s.of("emptydir", "podlogs")) == 0 {
		return nil
	}
	folders := map[string]bool{}
	patterns := s.emptyDirPaths()
	for _, in := range s.of("podlogs") {
		patterns = append(patterns, in.Paths...)
		if len(in.Paths) == 0 {
			patterns = append(patterns, "/var/log/pods/*/*/*.log")
		}
	}
	for _, p := range patterns { // each folder on the way from the first wildcard
		for dir := filepath.Dir(p); len(dir) >= len(fixedPart(p)) && dir != "/" && dir != "."; dir = filepath.Dir(dir) {
			for _, name := range s.glob(dir) {
				folders[name] = true
			}
		}
	}
	need := len(folders)
	const usual = 16 // instances that others of the same user may have
	instances := len(s.of("emptydir", "podlogs")) + usual
	var f findings
	if watches, ok := s.number("/proc/sys/fs/inotify/max_user_watches"); !ok {
		return one(NotChecked, "cannot read the limits of inotify")
	} else if watches < need {
		f.add(Problem, "sysctl fs.inotify.max_user_watches=1048576, and the same in /etc/sysctl.d/podbeat.conf", "%d folders are to be watched, but a user may watch %d: the others are read every second", need, watches)
	} else if watches < 2*need+1000 {
		f.add(Warning, "sysctl fs.inotify.max_user_watches=1048576, and the same in /etc/sysctl.d/podbeat.conf", "%d folders are to be watched, and a user may watch %d, which the kubelet and others share if they are the same user's", need, watches)
	}
	if most, ok := s.number("/proc/sys/fs/inotify/max_user_instances"); ok && most < instances {
		f.add(Warning, "sysctl fs.inotify.max_user_instances=1024, and the same in /etc/sysctl.d/podbeat.conf", "a user may have %d instances of inotify, and may need %d", most, instances)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	} else {
		f.add(Problem, "sysctl fs.inotify.max_user_instances=1024, and the same in /etc/sysctl.d/podbeat.conf; or raise the limit of open files", "there is no inotify to be had now: %v", err)
	}
	return f.or("%d folders are to be watched", need)
}

// checkOpenFiles looks at the limit of the podbeat that runs, or at this process's, which the same shell or unit would give it.
func checkOpenFiles(_ context.Context, s *subject) []Finding {
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own); err != nil {
		return one(NotChecked, "cannot read the limit of open files: %v", err)
	}
	limit, whose := own.Max, "a process started like this one"
	if n, ok := s.limitOfRunning(); ok {
		limit, whose = n, "the podbeat that runs"
	}
	const usual = 256 // connections, the registry, the log
	need, forFiles := uint64(usual), 0
	for _, in := range s.of("emptydir", "podlogs") {
		forFiles += cmp.Or(in.MaxOpenFiles, 4096)
	}
	need += uint64(len(s.journals().files))
	var f findings
	const do = "LimitNOFILE=65536 in podbeat.service; ulimit -n in a shell; max_open_files of the inputs is what they may have open"
	switch {
	case limit < need:
		f.add(Problem, do, "%s may have %d files open, and needs %d at least", whose, limit, need)
	case limit < need+uint64(forFiles):
		f.add(Warning, do, "%s may have %d files open, and its inputs up to %d", whose, limit, need+uint64(forFiles))
	}
	return f.or("%s may have %d files open, and needs %d at most", whose, limit, need+uint64(forFiles))
}

// limitOfRunning is the limit of open files of the podbeat that has the lock.
func (s *subject) limitOfRunning() (uint64, bool) {
	if !s.running {
		return 0, false
	}
	lock, err := os.Stat(data(s.name + ".lock"))
	if err != nil {
		return 0, false
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		if comm, err := readFile("/proc/" + e.Name() + "/comm"); err != nil || strings.TrimSpace(string(comm)) != s.name || e.Name() == strconv.Itoa(os.Getpid()) {
			continue
		}
		links, _ := filepath.Glob("/proc/" + e.Name() + "/fd/*")
		if !slices.ContainsFunc(links, func(link string) bool {
			info, err := os.Stat(link)
			return err == nil && os.SameFile(info, lock)
		}) {
			continue
		}
		limits, _ := readFile("/proc/" + e.Name() + "/limits")
		for line := range strings.Lines(string(limits)) {
			if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
				if words := strings.Fields(rest); len(words) > 1 {
					n, err := strconv.ParseUint(words[1], 10, 64)
					return n, err == nil
				}
			}
		}
	}
	return 0, false
}
