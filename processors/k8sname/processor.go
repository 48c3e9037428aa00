// Package k8sname says which pod, container and controller an event comes from, by the name of
// the container or the path of the log file alone: it asks neither the API server nor the kubelet.
// Importing it registers the processor k8sname in libbeat.
//
// Parse and Name.Owner are the knowledge, and know nothing of events. The processor in front of
// them finds the name in the event, keeps what names meant in a cache, writes the fields, and
// sets the event's index.
package k8sname

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/processors"

	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/option"
)

func init() { processors.RegisterPlugin("k8sname", New) }

// options are what the processor k8sname takes, beside libbeat's `when`.
type options struct {
	// Fields that may hold a container's name or a log file's path; the first that an event has counts.
	Field []string `config:"field" default:"[container.name, journal.container_name, log.file.path]"`
	// Fields that may hold the name of the host the event is from; the first that an event has counts.
	HostField []string `config:"host_field" default:"[host.hostname, journal.hostname, host.name]"`
	// The host's name for events that do not name theirs; empty means this machine's.
	Host string `config:"host"`
	// Field under which all others are written; empty means at the root.
	Target string `config:"target"`
	// Names of the fields: `ecs` (ECS and the Beats' kubernetes.*), `legacy` (the Logstash filter's) or `both`, which leaves out the legacy `container`.
	Schema string `config:"schema" default:"ecs"`
	// Controllers to write as kubernetes.deployment.name and the like: `unambiguous` ones, `likely` ones too, or `none`.
	Owner string `config:"owner" default:"unambiguous"`
	// Regular expression of names that are not Kubernetes' and get the namespace `default` and the host as their pod; empty means no name.
	HostsAsStatic string `config:"hosts_as_static" default:"'^(kubelet|etcd[0-9]*)$'"`
	// Write the name of the event's index without its day, `logstash-<beat>-<host>`, to `@metadata.index_prefix`, unless it is there already.
	Index bool `config:"index" default:"true"`
	// The beat in the name of the index; empty means `podbeat`, or what the input has written. A name given here is written over that.
	IndexBeat string `config:"index_beat"`
	// Pass events without any of the fields in silence, instead of with an error in the log and the tags of `tag_on_failure`.
	IgnoreMissing bool `config:"ignore_missing" default:"true"`
	// Tags for events whose name is in no known form, or whose fields clash with those to be written.
	TagOnFailure []string `config:"tag_on_failure"`
	// How many names to keep in memory.
	CacheSize int `config:"cache_size" default:"4096"`
}

// Validate refuses what cannot work.
func (o *options) Validate() error {
	switch {
	case len(o.Field) == 0:
		return errors.New("option \"field\" names no field")
	case !slices.Contains([]string{"ecs", "legacy", "both"}, o.Schema):
		return fmt.Errorf("unknown schema %q: want ecs, legacy or both", o.Schema)
	case !slices.Contains([]string{"unambiguous", "likely", "none"}, o.Owner):
		return fmt.Errorf("unknown owner %q: want unambiguous, likely or none", o.Owner)
	case o.CacheSize < 1 || o.CacheSize > 1<<20:
		return fmt.Errorf("cannot cache %d names: want 1 to 1048576", o.CacheSize)
	case strings.HasPrefix(o.Target, "@") || o.Target != "" && slices.Contains(strings.Split(o.Target, "."), ""):
		return fmt.Errorf("cannot write fields under %q", o.Target)
	}
	return nil
}

// What happened, in libbeat's monitoring below podbeat.k8sname.
var (
	metrics   = monitoring.Default.NewRegistry("podbeat.k8sname")
	missing   = monitoring.NewUint(metrics, "missing")
	conflicts = monitoring.NewUint(metrics, "conflicts")
	hits      = monitoring.NewUint(metrics, "cache.hits")
	misses    = monitoring.NewUint(metrics, "cache.misses")
	parsed    = counters("parsed", append(formNames(), hostForm))
	unparsed  = counters("unparsed", Reasons)
)

func counters[T ~string](section string, names []T) map[T]*monitoring.Uint {
	m := map[T]*monitoring.Uint{}
	for _, name := range names {
		m[name] = monitoring.NewUint(metrics, section+"."+string(name))
	}
	return m
}

func formNames() []Form {
	var names []Form
	for f := range patterns {
		names = append(names, f)
	}
	return names
}

type processor struct {
	options
	static *regexp.Regexp // nil for none
	cache  *cache
}

// New makes the processor from its section of the configuration.
func New(cfg *common.Config) (processors.Processor, error) {
	p := &processor{}
	if err := option.Unpack(cfg, &p.options, "processor k8sname", "when"); err != nil {
		return nil, err
	}
	var err error
	if p.HostsAsStatic != "" {
		if p.static, err = regexp.Compile(p.HostsAsStatic); err != nil {
			return nil, fmt.Errorf("processor k8sname: cannot read hosts_as_static %q: %w", p.HostsAsStatic, err)
		}
	}
	if p.Host == "" {
		if p.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("processor k8sname: cannot find out this host's name: %w", err)
		}
	}
	p.cache = newCache(p.CacheSize)
	return p, nil
}

func (p *processor) String() string {
	return fmt.Sprintf("k8sname=[field=%v, schema=%s, owner=%s]", p.Field, p.Schema, p.Owner)
}

// DependsOn makes the processor prepared.Pure. What it finds where it writes decides, too, but only by being there.
func (p *processor) DependsOn() []string {
	reads := slices.Concat(p.Field, p.HostField)
	if p.Schema != "ecs" {
		reads = append(reads, "journal.container_id", "container.id")
	}
	return reads
}

// Run adds the fields. The event stays the same event: it carries the input's position.
func (p *processor) Run(e *beat.Event) (*beat.Event, error) {
	if e.Fields == nil {
		e.Fields = common.MapStr{}
	}
	name, field := p.name(e.Fields)
	host := p.host(e.Fields)
	v := p.judge(name, host)
	prepared.Count(e, hits)
	prepared.Count(e, v.counter)
	clashes := v.fields.merge(e.Fields)
	if v.static && field == "journal.container_name" && p.Schema != "ecs" {
		renameStatic(e.Fields, name, host)
	}
	if _, chosen := e.Meta[IndexKey]; v.index != nil && (!chosen || p.IndexBeat != "") {
		if e.Meta == nil {
			e.Meta = common.MapStr{}
		}
		e.Meta[IndexKey] = v.index
	}
	for range clashes {
		prepared.Count(e, conflicts)
	}
	isMissing := field == "" && !p.IgnoreMissing
	if (isMissing || clashes > 0 || v.failed) && len(p.TagOnFailure) > 0 {
		_ = common.AddTags(e.Fields, slices.Clone(p.TagOnFailure)) // tags that are no list stay as they are
	}
	if isMissing {
		return e, fmt.Errorf("cannot find a name in the event: it has none of the fields %v", p.Field)
	}
	return e, nil
}

// name returns the name and the field it was found in.
func (p *processor) name(m common.MapStr) (name, field string) {
	for _, f := range p.Field {
		if s := Text(m, f); s != "" {
			return s, f
		}
	}
	return "", ""
}

func (p *processor) host(m common.MapStr) string {
	for _, f := range p.HostField {
		if s := Text(m, f); s != "" {
			return s[:min(len(s), 253)] // the longest name there can be
		}
	}
	return p.Host
}

// judge says what the name means, from the cache if it can.
func (p *processor) judge(name, host string) *verdict {
	if v := p.cache.get(key{name, host}); v != nil {
		return v
	}
	if len(name) > MaxLength {
		v := *p.judge("", host)
		v.failed, v.counter = true, unparsed[TooLong]
		return &v
	}
	misses.Inc()
	k := key{strings.Clone(name), strings.Clone(host)}
	v := p.think(k.name, k.host)
	p.cache.put(k, v)
	return v
}

func (p *processor) think(name, host string) *verdict {
	v := &verdict{counter: missing}
	index := ""
	if p.Index {
		index = IndexName(cmp.Or(p.IndexBeat, "podbeat"), host)
		v.index = index
	}
	var n Name
	switch bare := strings.TrimPrefix(name, "/"); {
	case name == "":
	case p.static != nil && p.static.MatchString(bare):
		n = hostName(bare, host)
		v.static, v.counter = true, parsed[hostForm]
	default:
		var reason Reason
		if n, reason = Parse(name); reason != "" {
			v.failed, v.counter = true, unparsed[reason]
		} else {
			v.counter = parsed[n.Form]
		}
	}
	v.fields = p.fields(n, host, index)
	return v
}

// renameStatic makes a container's name unique among hosts: <name>_<host>_<container id> (M-132).
func renameStatic(m common.MapStr, name, host string) {
	id := Text(m, "journal.container_id")
	if id == "" {
		id = Text(m, "container.id")
	}
	if id == "" {
		id = noID
	}
	_, _ = m.Put("journal.container_name", name+"_"+host+"_"+id) // it was found there
}
