package k8s

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// containerEnv tells this test binary to be a container: what is in it is a containerSpec.
const containerEnv = "PODBEAT_TEST_CONTAINER"

// A containerSpec is what a runtime is told of a container. The network is that of the host.
type containerSpec struct {
	Root   string // a directory that becomes /
	Mounts []containerMount
	Args   []string
	Env    []string
	UID    int
	Groups []int // the first is the process's own
	Caps   uint64
}

type containerMount struct {
	From, To string
	ReadOnly bool
}

// contain makes this process the container: mounts, root directory, user, capabilities, no new privileges, in the order
// that runc has, and then the program. Without root's rights on this machine the process is root in a user namespace, and remains it.
func contain(text string) {
	runtime.LockOSThread()
	var s containerSpec
	must := func(err error) {
		if err != nil {
			log.Fatalf("cannot make a container: %v", err)
		}
	}
	must(json.Unmarshal([]byte(text), &s))
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(unix.Mount(s.Root, s.Root, "", unix.MS_BIND|unix.MS_REC, ""))
	for _, m := range s.Mounts {
		to := filepath.Join(s.Root, m.To)
		if err := unix.Mount(m.From, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			must(fmt.Errorf("%s to %s: %w", m.From, m.To, err))
		}
		if m.ReadOnly {
			must(readOnly(to))
		}
	}
	must(readOnly(s.Root))
	must(unix.Chroot(s.Root))
	must(unix.Chdir("/"))
	const last = 63
	for c := range uintptr(last) {
		if s.Caps&(1<<c) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // no such capability
				must(err)
			}
		}
	}
	if uid := os.Getenv("PODBEAT_TEST_NAMESPACE"); uid == "" {
		must(unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0))
		must(syscall.Setgroups(s.Groups))
		must(syscall.Setresgid(s.Groups[0], s.Groups[0], s.Groups[0]))
		must(syscall.Setresuid(s.UID, s.UID, s.UID))
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	sets := [2]unix.CapUserData{}
	for i := range sets {
		sets[i].Effective = uint32(s.Caps >> (32 * i))
		sets[i].Permitted = sets[i].Effective
	}
	must(unix.Capset(&header, &sets[0]))
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	must(fmt.Errorf("%s: %w", s.Args[0], unix.Exec(s.Args[0], s.Args, s.Env)))
}

// readOnly changes a bind mount. What its file system is mounted with must remain: a user namespace may not take it away.
func readOnly(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
	for has, keep := range map[int64]uintptr{unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME} {
		if st.Flags&has != 0 {
			flags |= keep
		}
	}
	return unix.Mount("", path, "", flags, "")
}

// A node is a directory with what a node's file system holds, and what runs there.
type node struct {
	t        *testing.T
	dir      string
	system   *system
	programs map[string]string // by the name of the image
	servers  []string          // addresses in configurations, each followed by that of the test's server
	replace  *strings.Replacer // of the pod that is being started
	at       map[string]string // pod and port → address
	volumes  map[string]string // pod and volume → its directory
}

// run starts the first container of a pod as a kubelet does. What it says goes to the returned buffer once it has ended.
func (n *node) run(p *pod, args ...string) *running {
	n.t.Helper()
	c := p.spec().Containers[0]
	n.replace = n.addresses(p, &c)
	root := filepath.Join(n.t.TempDir(), "root")
	s := containerSpec{Root: root, Env: []string{"PATH=/usr/bin", "HOSTNAME=pod"}, Args: append(append(append([]string{}, c.Command...), c.Args...), args...)}
	for i, a := range s.Args {
		s.Args[i] = n.replace.Replace(a)
	}
	n.base(&s, c.Image)
	n.user(&s, p.spec(), &c)
	for _, e := range c.Env {
		s.Env = append(s.Env, e.Name+"="+n.env(e))
	}
	for _, m := range c.VolumeMounts {
		for _, v := range p.spec().Volumes {
			if v.Name == m.Name {
				from := n.volume(v, &s)
				n.volumes[p.name+" "+v.Name] = from
				s.mount(from, m.MountPath, m.ReadOnly, n)
			}
		}
	}
	return n.start(&s)
}

// base is what an image holds: the program, and here the libraries of this machine.
func (n *node) base(s *containerSpec, image string) {
	n.t.Helper()
	program := s.Args[0]
	for _, dir := range []string{"/usr/lib", "/lib", "/lib64", "/proc", "/dev", "/sys"} {
		if target, err := os.Readlink(dir); err == nil {
			n.must(os.MkdirAll(s.Root, 0o755))
			n.must(os.Symlink(target, filepath.Join(s.Root, dir)))
		} else if _, err := os.Stat(dir); err == nil {
			s.mount(dir, dir, false, n)
		}
	}
	n.must(os.MkdirAll(filepath.Join(s.Root, "usr/lib64"), 0o755)) // where /lib64 may lead
	if _, err := os.Stat("/usr/lib64"); err == nil {
		s.mount("/usr/lib64", "/usr/lib64", false, n)
	}
	from := n.programs[strings.Split(path.Base(image), ":")[0]]
	if from == "" {
		n.t.Fatalf("no program for the image %s", image)
	}
	s.mount(from, program, true, n)
}

// mount adds a mount and makes the place for it.
func (s *containerSpec) mount(from, to string, readOnly bool, n *node) {
	n.t.Helper()
	st, err := os.Stat(from)
	n.must(err)
	at := filepath.Join(s.Root, to)
	for _, m := range s.Mounts { // in another mount, as the kubelet makes them in config maps
		if rest, inside := strings.CutPrefix(to, m.To+"/"); inside {
			at = filepath.Join(m.From, rest)
		}
	}
	if st.IsDir() {
		n.must(os.MkdirAll(at, 0o755))
	} else {
		n.must(os.MkdirAll(filepath.Dir(at), 0o755))
		n.must(os.WriteFile(at, nil, 0o644))
	}
	s.Mounts = append(s.Mounts, containerMount{from, to, readOnly})
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) user(s *containerSpec, spec *corev1.PodSpec, c *corev1.Container) {
	sc := spec.SecurityContext
	s.UID = int(*sc.RunAsUser)
	s.Groups = append(s.Groups, int(*sc.RunAsGroup))
	for _, g := range sc.SupplementalGroups {
		s.Groups = append(s.Groups, int(g))
	}
	if sc.FSGroup != nil {
		s.Groups = append(s.Groups, int(*sc.FSGroup))
	}
	for _, name := range c.SecurityContext.Capabilities.Add {
		if name != "DAC_READ_SEARCH" {
			n.t.Fatalf("capability %s", name)
		}
		s.Caps |= 1 << unix.CAP_DAC_READ_SEARCH
	}
}

func (n *node) env(e corev1.EnvVar) string {
	switch {
	case e.ValueFrom == nil:
		return e.Value
	case e.ValueFrom.SecretKeyRef != nil:
		return n.system.secrets[e.ValueFrom.SecretKeyRef.Name].StringData[e.ValueFrom.SecretKeyRef.Key]
	}
	return map[string]string{"spec.nodeName": "node1", "metadata.name": "pod-x2v5k", "metadata.uid": "8f6c2a1e-0000-4000-8000-000000000001"}[e.ValueFrom.FieldRef.FieldPath]
}

// volume is the directory of a volume, laid out as the kubelet does it.
func (n *node) volume(v corev1.Volume, s *containerSpec) string {
	n.t.Helper()
	switch {
	case v.HostPath != nil:
		from := filepath.Join(n.dir, v.HostPath.Path)
		if *v.HostPath.Type == corev1.HostPathDirectoryOrCreate {
			n.must(os.MkdirAll(from, 0o755))
		}
		return from
	case v.ConfigMap != nil:
		return n.atomic(n.system.configs[v.ConfigMap.Name].Data, 0o644, s, v.Name)
	case v.Secret != nil:
		data := n.system.secrets[v.Secret.SecretName].StringData
		if len(v.Secret.Items) > 0 {
			data = map[string]string{}
		}
		return n.atomic(data, os.FileMode(*v.Secret.DefaultMode), s, v.Name)
	}
	dir := filepath.Join(filepath.Dir(s.Root), v.Name)
	n.must(os.Mkdir(dir, 0o777))
	n.must(os.Chmod(dir, 0o777))
	return dir
}

// atomic writes files as the kubelet does: links through ..data to a directory that is replaced as a whole.
func (n *node) atomic(files map[string]string, mode os.FileMode, s *containerSpec, name string) string {
	n.t.Helper()
	dir := filepath.Join(filepath.Dir(s.Root), name)
	n.must(os.MkdirAll(dir, 0o755))
	n.write(dir, files, mode, s.Groups[len(s.Groups)-1]) // fsGroup
	for key := range files {
		n.must(os.Symlink("..data/"+key, filepath.Join(dir, key)))
	}
	return dir
}

// write replaces the files of such a directory, in one step.
func (n *node) write(dir string, files map[string]string, mode os.FileMode, group int) {
	n.t.Helper()
	data, err := os.MkdirTemp(dir, "..2026_11_21_")
	n.must(err)
	n.must(os.Chmod(data, 0o755))
	for key, text := range files {
		file := filepath.Join(data, key)
		n.must(os.WriteFile(file, []byte(n.replace.Replace(text)), 0o600))
		if os.Geteuid() == 0 {
			n.must(os.Chown(file, 0, group))
		}
		n.must(os.Chmod(file, mode))
	}
	n.must(os.Symlink(filepath.Base(data), filepath.Join(dir, "..data_tmp")))
	n.must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

// running is a container that runs.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    bytes.Buffer
	exited chan struct{}
}

func (n *node) start(s *containerSpec) *running {
	n.t.Helper()
	text, err := json.Marshal(s)
	n.must(err)
	self, err := os.Executable()
	n.must(err)
	r := &running{t: n.t, cmd: exec.Command(self), exited: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), containerEnv+"="+string(text))
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		r.cmd.Env = append(r.cmd.Env, "PODBEAT_TEST_NAMESPACE=1")
		r.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		r.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		r.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	n.must(r.cmd.Start())
	go func() { // ends with the process, which the end of the test kills
		defer close(r.exited)
		r.cmd.Wait()
	}()
	n.t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.exited
	})
	return r
}

// end waits for the container to end and returns its exit code and what it has said.
func (r *running) end(longest time.Duration) (code int, said string) {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(longest):
		r.cmd.Process.Kill()
		<-r.exited
		r.t.Fatalf("has not ended within %v: %s", longest, &r.out)
	}
	return r.cmd.ProcessState.ExitCode(), r.out.String()
}

// stop is what Kubernetes does: SIGTERM, and an end within the pod's time.
func (r *running) stop(p *pod) {
	r.t.Helper()
	r.cmd.Process.Signal(syscall.SIGTERM)
	if code, said := r.end(time.Duration(*p.spec().TerminationGracePeriodSeconds) * time.Second); code != 0 {
		r.t.Errorf("%s: stopped with %d: %s", p.name, code, said)
	}
}
