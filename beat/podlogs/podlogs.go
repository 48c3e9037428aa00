// Package podlogs is podbeat's input `podlogs`: it reads the log files that the kubelet and its container
// runtime write for pods' containers, and says by their paths which container a line is from, in the
// fields that the input journal and k8sname have for the same container where docker logs into the
// journal. How files are followed is beat/follow's; what runtimes write into lines, beat/lines'.
//
// Kubernetes from 1.14 on has /var/log/pods/<namespace>_<pod>_<uid>/<container>/<attempt>.log, older ones
// /var/log/pods/<uid>/<container>_<attempt>.log. With docker these are symbolic links to docker's own
// files. /var/log/containers has a link to the newest of each container; its name has the container's id.
package podlogs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/follow"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// options are what `type: podlogs` takes.
type options struct {
	// Globs of the files. `/var/log/containers/*.log` works too, instead of these.
	Paths []string `config:"paths" default:"[/var/log/pods/*/*/*.log, /var/log/pods/*/*.log]"`
	// Directories into which files that are symbolic links may lead, as docker's do; a link that leads elsewhere is not read.
	LinkRoots []string `config:"link_roots" default:"[/var/log/pods, /var/lib/docker/containers]"`
	// Directory with the kubelet's links whose names have the containers' ids, for `container.id`. Empty, or not there: no ids.
	Containers string `config:"containers" default:"/var/log/containers"`
	// Which of a container's outputs to read: `all`, `stdout` or `stderr`.
	Stream string `config:"stream" default:"all"`

	follow.Options `config:",inline"`
}

// Validate says which option has a value that means nothing.
func (o *options) Validate() error {
	if len(o.Paths) == 0 {
		return errors.New("paths is empty: name at least one glob")
	}
	return nil
}

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger, store follow.Store) v2.Plugin {
	return follow.Plugin(log, store, follow.Kind{
		Name:      "podlogs",
		Info:      "log files of pods' containers",
		Doc:       "The podlogs input reads the log files that the kubelet keeps of pods' containers.",
		Configure: configure,
	})
}

func configure(cfg *common.Config) (*follow.Config, error) {
	var o options
	if err := option.Unpack(cfg, &o, "podlogs input", option.InputSettings...); err != nil {
		return nil, err
	}
	var container lines.Parser
	if err := container.Unpack(map[string]any{"container": map[string]any{"stream": o.Stream}}); err != nil {
		return nil, err
	}
	o.Parsers = append([]lines.Parser{container}, o.Parsers...)
	links := &links{dir: o.Containers, now: time.Now}
	return &follow.Config{
		Options: o.Options, Paths: o.Paths, LinkRoots: o.LinkRoots, Format: lines.Container,
		Source: func(path, node string) follow.Source { return source(links, path, node) },
	}, nil
}

// source says whose the file at path is.
func source(links *links, path, node string) follow.Source {
	name := parse(path)
	c := &container{links: links, node: node, name: name, path: path}
	c.put(name)
	return follow.Source{
		Volume: follow.Volume{Pod: name.UID, Name: name.Container},
		Stream: "console",
		Fields: c.fields,
	}
}

// parse returns what the path says, and where it is a link of /var/log/containers, also what its target's
// path says: the pod's uid. A path that says nothing gives nothing.
func parse(path string) k8sname.Name {
	if i := strings.LastIndex(path, ".log"); i > strings.LastIndexByte(path, '/') {
		path = path[:i+len(".log")] // the name before a rotation
	}
	name, reason := k8sname.Parse(path)
	if reason != "" {
		return k8sname.Name{}
	}
	if name.Form != k8sname.ContainersLog {
		return name
	}
	target, err := os.Readlink(path)
	if err != nil {
		return name
	}
	full, reason := k8sname.Parse(target)
	if reason != "" || full.Form != k8sname.PodsLog || full.Namespace != name.Namespace || full.Pod != name.Pod || full.Container != name.Container {
		return name
	}
	full.ContainerID = name.ContainerID
	return full
}

// A container is what is known of the container that a file is of.
type container struct {
	links *links
	node  string
	name  k8sname.Name
	path  string

	known atomic.Pointer[k8sname.Fields]
	asked atomic.Int32 // times its id was looked for
}

// maxAsked is how often a container's id is looked for: the kubelet makes the link just after the file.
const maxAsked = 50

func (c *container) put(name k8sname.Name) {
	fields := name.Fields(c.node)
	c.known.Store(&fields)
	if name.ContainerID != "" {
		c.asked.Store(maxAsked)
	}
}

// fields returns what events of the file get.
func (c *container) fields() *k8sname.Fields {
	if n := c.asked.Load(); n < maxAsked {
		id, fresh := c.links.id(c.path)
		switch name := c.name; {
		case id != "":
			name.ContainerID = id
			c.put(name)
		case fresh:
			c.asked.CompareAndSwap(n, n+1)
		}
	}
	return c.known.Load()
}

// links knows the ids of containers by the files that the kubelet's links to them lead to.
type links struct {
	dir string
	now func() time.Time

	mu   sync.Mutex
	ids  map[string]string // what file returns → id
	read time.Time
}

// readAgain bounds how often the directory is read for a container that is not in it.
const readAgain = 200 * time.Millisecond

// id returns the id of the container that the file at path is of, or ""; fresh says that the
// directory was read for it.
func (l *links) id(path string) (id string, fresh bool) {
	if l.dir == "" {
		return "", true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := file(path)
	if l.ids[key] == "" && l.now().Sub(l.read) > readAgain {
		l.look()
		fresh = true
	}
	return l.ids[key], fresh
}

// look reads the directory.
func (l *links) look() {
	l.read = l.now()
	l.ids = map[string]string{}
	dir, err := os.Open(l.dir)
	if err != nil {
		return // it is no business of a node without it
	}
	defer dir.Close()
	entries, _ := dir.Readdirnames(-1)
	for _, entry := range entries {
		name, reason := k8sname.Parse("/var/log/containers/" + entry)
		if reason != "" || name.ContainerID == "" {
			continue
		}
		if target, err := os.Readlink(filepath.Join(l.dir, entry)); err == nil {
			l.ids[file(target)] = name.ContainerID
		}
	}
}

// file returns what is the same in all paths of a container's log file: the last two or three parts of
// its path, without what a rotation has appended.
func file(path string) string {
	dir, base := filepath.Split(path)
	base, _, _ = strings.Cut(base, ".log")
	parts := strings.Split(strings.Trim(dir, "/"), "/")
	return strings.Join(append(parts[max(0, len(parts)-2):], base), "/")
}
