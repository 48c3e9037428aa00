// Package emptydir is podbeat's input `emptydir`: it reads log files that applications write into
// emptyDir volumes, and says by their paths alone which pod and service they are from. How files are
// followed is beat/follow's.
//
// A volume for logs is called applog-<service>-endname-<log directory>. The kubelet makes it with
// its pod below <root>/pods/<uid>/volumes/kubernetes.io~empty-dir, and removes it with the pod.
package emptydir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/follow"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// options are what `type: emptydir` takes.
type options struct {
	// Globs of the files, in which `**` stands for any directories. The kubelet's directory may be another one (its `--root-dir`), and may be mounted elsewhere: `/k8spods/*/volumes/…`.
	Paths []string `config:"paths" default:"[/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/applog-*/*.log]"`
	// Look into the directories inside the volumes as well, 16 deep.
	Recursive bool `config:"recursive" alias:"recursive_glob"`
	// Follow symbolic links to files inside the same volume, such as `current.log` to `app-2026-01-02.log`. A link that leads anywhere else, or whose target is absolute as the container sees it, is never followed.
	Symlinks bool `config:"symlinks"`
	// Directory in which the kubelet keeps a directory `<namespace>_<pod>_<uid>` for each pod: it tells the names of the pod and its namespace, which the volume's path has not. Empty, or not there: no names.
	PodLogs string `config:"pod_logs" default:"/var/log/pods"`

	follow.Options `config:",inline"`
}

// Validate says which option has a value that means nothing.
func (o *options) Validate() error {
	if len(o.Paths) == 0 {
		return errors.New("paths is empty: name at least one glob")
	}
	if o.PodLogs != "" && !filepath.IsAbs(o.PodLogs) {
		return fmt.Errorf("cannot use pod_logs %q: it must begin with /", o.PodLogs)
	}
	return nil
}

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger, store follow.Store) v2.Plugin {
	return follow.Plugin(log, store, follow.Kind{
		Name:      "emptydir",
		Info:      "log files in emptyDir volumes",
		Doc:       "The emptydir input reads log files that applications write into emptyDir volumes of their pods.",
		Configure: configure,
	})
}

func configure(cfg *common.Config) (*follow.Config, error) {
	var o options
	if err := option.Unpack(cfg, &o, "emptydir input", option.InputSettings...); err != nil {
		return nil, err
	}
	pods := &pods{dir: o.PodLogs}
	c := &follow.Config{
		Options: o.Options, Paths: o.Paths, Recursive: o.Recursive, Format: lines.Plain,
		Source: func(path, node string) follow.Source { return source(pods, path, node) },
	}
	if o.Symlinks {
		c.LinkRoot = volumeOf
	}
	return c, nil
}

// volumeOf is the directory of the volume that the file at path is in, or "".
func volumeOf(path string) string {
	name, reason := k8sname.Parse(path)
	if reason != "" || name.Volume == "" {
		return ""
	}
	begin := "/" + name.UID + "/volumes/kubernetes.io~empty-dir/" + name.Volume + "/"
	if i := strings.Index(path, begin); i >= 0 {
		return path[:i+len(begin)-1]
	}
	return ""
}

// source says whose the file at path is.
func source(pods *pods, path, node string) follow.Source {
	name, reason := k8sname.Parse(path)
	if reason != "" {
		name = k8sname.Name{}
	}
	name.Namespace, name.Pod = pods.name(name.UID)
	fields := name.Fields(node)
	return follow.Source{
		Volume: follow.Volume{Pod: name.UID, Name: name.Volume},
		Stream: "file",
		Fields: func() *k8sname.Fields { return &fields },
	}
}

// pods knows the names of pods by their uids, from the directories that the kubelet makes for their
// containers' logs before the containers start.
type pods struct {
	dir string

	mu    sync.Mutex
	names map[string]string // uid → <namespace>_<pod>
	as    time.Time         // the directory's time of change when it was read, or zero if it may change at that time once more
}

// name returns the names of a pod and its namespace, or nothing.
func (p *pods) name(uid string) (namespace, pod string) {
	if p.dir == "" || uid == "" {
		return "", ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names[uid] == "" {
		p.look()
	}
	namespace, pod, _ = strings.Cut(p.names[uid], "_")
	return namespace, pod
}

// look reads the directory, if it has changed.
func (p *pods) look() {
	dir, err := os.Open(p.dir)
	if err != nil {
		return // it is no business of a node without it
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil || info.ModTime().Equal(p.as) {
		return
	}
	const tick = 50 * time.Millisecond // file systems' clocks are coarse
	p.as = time.Time{}
	if time.Since(info.ModTime()) > tick {
		p.as = info.ModTime()
	}
	p.names = map[string]string{}
	entries, _ := dir.Readdirnames(-1)
	for _, entry := range entries {
		i := strings.LastIndexByte(entry, '_')
		if n, reason := k8sname.Parse("/var/log/pods/" + entry + "/c/0.log"); i > 0 && reason == "" && n.Form == k8sname.PodsLog {
			p.names[n.UID] = n.Namespace + "_" + n.Pod
		}
	}
}
