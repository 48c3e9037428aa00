// Package pausedrop drops what pause containers log: Kubernetes starts one for each pod, only to
// hold the pod's namespaces, and its log says nothing. Importing the package registers the
// processor pausedrop in libbeat. It needs no other processor, and works before and after k8sname.
package pausedrop

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/processors"

	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

func init() { processors.RegisterPlugin("pausedrop", New) }

// options are what the processor pausedrop takes, beside libbeat's `when`.
type options struct {
	// Fields that may hold a container's name, as Kubernetes or as the runtime has it, or a log file's path. One of them is enough to drop an event.
	Field []string `config:"field" default:"[container.name, journal.container_name, log.file.path, kubernetes.container.name, container]"`
	// Names of further containers to drop, exactly as in the pod's spec or as the runtime has them.
	Containers []string `config:"containers"`
	// Fields that may hold the name of a container's image.
	ImageField []string `config:"image_field" default:"[container.image.name, journal.image_name, kubernetes.container.image]"`
	// Images whose containers to drop: exact names, or patterns in which `*` stands for any text (`registry.k8s.io/pause:*`).
	Images []string `config:"images"`
}

// Validate refuses what would drop everything or nothing by mistake.
func (o *options) Validate() error {
	if len(o.Field) == 0 && len(o.Images) == 0 {
		return errors.New("neither \"field\" nor \"images\" names anything to look at")
	}
	for _, image := range o.Images {
		if strings.Trim(image, "*") == "" {
			return fmt.Errorf("image %q would drop every container", image)
		}
	}
	if slices.Contains(o.Containers, "") {
		return errors.New("option \"containers\" has an empty name")
	}
	return nil
}

// What was dropped, in libbeat's monitoring below podbeat.pausedrop.
var (
	metrics = monitoring.Default.NewRegistry("podbeat.pausedrop")
	dropped = monitoring.NewUint(metrics, "dropped")
)

type processor struct{ options }

// New makes the processor from its section of the configuration.
func New(cfg *common.Config) (processors.Processor, error) {
	p := &processor{}
	if err := option.Unpack(cfg, &p.options, "processor pausedrop", "when"); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *processor) String() string {
	return fmt.Sprintf("pausedrop=[field=%v, containers=%v, images=%v]", p.Field, p.Containers, p.Images)
}

// DependsOn makes the processor prepared.Pure.
func (p *processor) DependsOn() []string {
	if len(p.Images) == 0 {
		return p.Field
	}
	return slices.Concat(p.Field, p.ImageField)
}

// Run drops the event, or returns it as it is. libbeat acknowledges a dropped event to its input.
func (p *processor) Run(e *beat.Event) (*beat.Event, error) {
	if p.drops(e.Fields) {
		prepared.Count(e, dropped)
		return nil, nil
	}
	return e, nil
}

func (p *processor) drops(m common.MapStr) bool {
	for _, f := range p.Field {
		name := k8sname.Text(m, f)
		if name == "" {
			continue
		}
		if IsPause(name) || len(p.Containers) > 0 && p.named(name) {
			return true
		}
	}
	if len(p.Images) == 0 {
		return false
	}
	for _, f := range p.ImageField {
		image := k8sname.Text(m, f)
		if image != "" && slices.ContainsFunc(p.Images, func(pattern string) bool { return matches(image, pattern) }) {
			return true
		}
	}
	return false
}

// named tells whether the container is one of the further ones.
func (p *processor) named(name string) bool {
	bare := strings.TrimPrefix(name, "/")
	n, _ := k8sname.Parse(name)
	return slices.Contains(p.Containers, bare) || n.Container != "" && slices.Contains(p.Containers, n.Container)
}

// IsPause tells whether name is that of a pause container: POD itself, or a name or path in one of
// Kubernetes' forms whose container is exactly POD, or CRI-O's name of a sandbox. A name that
// only begins with POD is not, nor is one in lower case, which is a container's in a pod's spec.
func IsPause(name string) bool {
	bare := strings.TrimPrefix(name, "/")
	if bare == k8sname.PauseContainer {
		return true
	}
	// The rest costs ten times as much, and few names need it: only a sandbox's does without POD.
	if !strings.Contains(bare, k8sname.PauseContainer) && !(strings.HasPrefix(bare, "k8s_") && strings.Count(bare, "_") == 4) {
		return false
	}
	n, reason := k8sname.Parse(name)
	return reason == "" && n.Pause()
}

// matches tells whether s is pattern, in which each * stands for any text. It takes time
// proportional to the product of their lengths at worst.
func matches(s, pattern string) bool {
	head, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, head)
	for ok {
		var part string
		part, rest, starred = strings.Cut(rest, "*")
		if !starred {
			return strings.HasSuffix(s, part)
		}
		_, s, ok = strings.Cut(s, part) // the first place is as good as any: a * follows
	}
	return false
}
