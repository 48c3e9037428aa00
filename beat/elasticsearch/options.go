package elasticsearch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/httpcommon"
	"github.com/elastic/beats/v7/libbeat/common/transport/kerberos"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/option"
)

// options are libbeat's for output.elasticsearch, with our defaults, and ours.
type options struct {
	// Elasticsearch nodes to send to: host, host:port or URL. The port is 9200 when none is given.
	Hosts []string `config:"hosts"`
	// Requests under way at a time, for each host. The events of a pod, a file or a systemd unit keep their order all the same.
	Worker int `config:"worker" alias:"workers" default:"2"`
	// Spread the events over all hosts. If false, one host is used until it fails.
	LoadBalance bool `config:"loadbalance" default:"true"`
	// http or https, for hosts that are no URL.
	Protocol string `config:"protocol"`
	// Put before the path of every request, for an Elasticsearch behind a proxy.
	Path string `config:"path"`
	// Added to the query of every bulk request. filter_path is ours and cannot be set.
	Parameters map[string]string `config:"parameters"`
	// Added to every request.
	Headers map[string]string `config:"headers"`
	// User name for basic authentication.
	Username string `config:"username"`
	// Password for basic authentication.
	Password string `config:"password"`
	// API key as id:key; not together with a user name.
	APIKey string `config:"api_key"`
	// How requests are compressed: gzip, zstd or none. Elasticsearch itself takes no zstd so far; other servers with its bulk API and proxies may. One that does not is sent gzip, with an error in the log.
	Compression string `config:"compression" default:"gzip"`
	// Level of the compression: 0 is none, 1 the fastest, 9 the smallest.
	CompressionLevel int `config:"compression_level" default:"1"`
	// Write <, > and & in strings as \u003c, \u003e and \u0026.
	EscapeHTML bool `config:"escape_html" default:"false"`
	// Most events that are taken from the queue at a time.
	BulkMaxSize int `config:"bulk_max_size" default:"1600"`
	// Largest request, before compression; more events go as several requests. A larger single event goes by itself.
	BulkMaxBytes option.Bytes `config:"bulk_max_bytes" default:"10MiB"`
	// How often an event is tried again that was published without the guarantee to be sent; below 0 for ever. The events of podbeat's inputs have the guarantee.
	MaxRetries int `config:"max_retries" default:"3"`
	// How long to wait after a failure.
	Backoff backoffOptions `config:"backoff"`
	// Longest time for one request, from connecting to the last byte of the answer.
	Timeout time.Duration `config:"timeout" default:"90s"`
}

// backoffOptions are a section of options.
type backoffOptions struct {
	// Wait after the first failure. Each further one doubles it, half of it is random, and a successful request ends it.
	Init time.Duration `config:"init" default:"1s"`
	// Longest wait. A longer Retry-After of the server is honoured up to five minutes.
	Max time.Duration `config:"max" default:"60s"`
}

// fileOptions are those of non_indexable_policy.dead_letter_file.
type fileOptions struct {
	// Where refused events are written, one JSON document a line. A relative path is below path.data.
	Path string `config:"path" default:"dead-letter.ndjson"`
	// Size at which the file is renamed to .1 (.2, .3 …) and a new one begun.
	MaxBytes option.Bytes `config:"max_bytes" default:"64MiB"`
	// Number of files kept, the current one among them. What goes with the oldest is counted and logged as an error.
	Files int `config:"files" default:"8"`
}

// indexOptions are those of non_indexable_policy.dead_letter_index.
type indexOptions struct {
	// Index that refused events are created in.
	Index string `config:"index"`
}

// dropOptions are those of non_indexable_policy.drop: none.
type dropOptions struct{}

// theirs are the options that libbeat reads itself, and those read by connection and policy below.
var theirs = []string{"enabled", "index", "indices", "pipeline", "pipelines", "ssl", "proxy_url", "proxy_headers", "proxy_disable", "kerberos", "non_indexable_policy"}

// ours are the options that libbeat's output does not have.
var ours = []string{"bulk_max_bytes", "compression", "non_indexable_policy", "workers"}

func (o options) Validate() error {
	switch {
	case len(o.Hosts) == 0:
		return errors.New("option \"hosts\" is missing: name at least one Elasticsearch node")
	case o.Worker < 1:
		return fmt.Errorf("option \"worker\" must be at least 1, not %d", o.Worker)
	case o.Compression != "gzip" && o.Compression != "zstd" && o.Compression != "none":
		return fmt.Errorf("option \"compression\" must be gzip, zstd or none, not %q", bounded(o.Compression, 64))
	case o.CompressionLevel < 0 || o.CompressionLevel > 9:
		return fmt.Errorf("option \"compression_level\" must be 0 to 9, not %d", o.CompressionLevel)
	case o.BulkMaxBytes < 1:
		return errors.New("option \"bulk_max_bytes\" must be above 0")
	case o.Backoff.Init <= 0 || o.Backoff.Max < o.Backoff.Init:
		return fmt.Errorf("option \"backoff\" needs 0 < init <= max, not %v and %v", o.Backoff.Init, o.Backoff.Max)
	case o.APIKey != "" && (o.Username != "" || o.Password != ""):
		return errors.New("options \"api_key\" and \"username\" exclude each other")
	}
	return nil
}

// lanes returns how many requests may be under way.
func (o options) lanes() int {
	if !o.LoadBalance { // one host at a time
		return o.Worker
	}
	return o.Worker * len(o.Hosts)
}

func (o fileOptions) Validate() error {
	switch {
	case o.Path == "":
		return errors.New("option \"path\" is empty")
	case o.MaxBytes < 1:
		return errors.New("option \"max_bytes\" must be above 0")
	case o.Files < 1 || o.Files > 1000:
		return fmt.Errorf("option \"files\" must be 1 to 1000, not %d", o.Files)
	}
	return nil
}

func (o indexOptions) Validate() error {
	if o.Index == "" {
		return errors.New("option \"index\" is missing")
	}
	if why := badIndex(o.Index); why != "" {
		return fmt.Errorf("option \"index\" %q is no name of an index: it %s", bounded(o.Index, 256), why)
	}
	return nil
}

// badIndex says what Elasticsearch has against an index of that name, "" if nothing. Source:
// validateIndexOrAliasName of its MetadataCreateIndexService, 7.17.
func badIndex(name string) string {
	switch {
	case name == "." || name == "..":
		return "is . or .."
	case strings.ContainsAny(name, `\/*?"<>| ,#:`):
		return `contains one of \ / * ? " < > | , # : or a space`
	case strings.ContainsAny(name[:1], "_-+"):
		return "begins with _, - or +"
	case len(name) > 255:
		return "is longer than 255 bytes"
	case strings.ToLower(name) != name:
		return "has capital letters"
	}
	return ""
}

const what = "elasticsearch output"

// connection are the settings that go to libbeat's HTTP client as they are.
type connection struct {
	Kerberos  *kerberos.Config                 `config:"kerberos"`
	Transport httpcommon.HTTPTransportSettings `config:",inline"`
}

// unpack reads what cfg says about this output. It leaves cfg alone.
func unpack(cfg *common.Config) (o options, c connection, p policy, err error) {
	if err = option.Unpack(cfg, &o, what, theirs...); err != nil {
		return
	}
	c.Transport = httpcommon.DefaultHTTPTransportSettings()
	if err = cfg.Unpack(&c); err != nil {
		return o, c, p, fmt.Errorf("%s: %w", what, err)
	}
	c.Transport.Timeout = o.Timeout
	p, err = unpackPolicy(cfg)
	return
}

// unpackPolicy reads non_indexable_policy, which has one section named after what is to be done.
// Unlike libbeat's it understands "drop: ~" and "drop:" as well as "drop.enabled: true".
func unpackPolicy(cfg *common.Config) (p policy, err error) {
	name, section := "dead_letter_file", common.NewConfig()
	var given struct {
		Policy *common.Config `config:"non_indexable_policy"`
	}
	if err := cfg.Unpack(&given); err != nil {
		return p, fmt.Errorf("%s: cannot read non_indexable_policy: %w", what, err)
	}
	if given.Policy != nil {
		found := 0
		for _, field := range given.Policy.GetFields() {
			child, err := given.Policy.Child(field, -1)
			if err != nil { // "drop: ~"
				child = common.NewConfig()
			}
			if child.Enabled() {
				name, section = field, child
				found++
			}
		}
		if found > 1 {
			return p, fmt.Errorf("%s: non_indexable_policy wants one of drop, dead_letter_index and dead_letter_file, not %d", what, found)
		}
	}
	var to any
	file, index := fileOptions{}, indexOptions{}
	switch name {
	case "drop":
		p.drop, to = true, &dropOptions{}
	case "dead_letter_index":
		to = &index
	case "dead_letter_file":
		to = &file
	default:
		return p, fmt.Errorf("%s: unknown non_indexable_policy %q; known ones: drop, dead_letter_index, dead_letter_file", what, name)
	}
	where := what + ": non_indexable_policy." + name
	if err := option.Unpack(section, to, where, "enabled"); err != nil {
		return p, err
	}
	if name != "dead_letter_file" { // the index needs a file to fall back on
		if err := option.Unpack(common.NewConfig(), &file, where); err != nil {
			return p, err
		}
	}
	p.index = index.Index
	p.file = deadletter.File{Path: paths.Resolve(paths.Data, file.Path), MaxBytes: int64(file.MaxBytes), Files: file.Files}
	return p, nil
}
