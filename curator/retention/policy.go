// Package retention decides by a policy, in place of an action file, how long each index is kept.
//
//	version: 1
//	default: 7d
//	namespaces:
//	  payments: {age: 90d, size: 200GiB, keep_at_least: 7d}
//	indices:
//	  "audit-*": never
//	disk: {high: 85%, low: 80%, keep_at_least: 2d}
//
// Deciding is a pure function of the policy, the indices, the disks and the clock ([Policy.Decide]). An index
// that no rule holds for is kept, and so is one that two rules could be meant for, as long as the longer
// says. The policy is a file ([Read]) or a document in Elasticsearch ([Load], [Store]).
package retention

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/option"
)

// Version is the version of the form of policies and of the document that holds one.
const Version = 1

// Bounds of a policy's text. What is larger is no policy.
const (
	maxText  = 1 << 20
	maxNodes = 50_000
	maxRules = 2_000
	maxName  = 255 // of an index, in bytes; Elasticsearch allows no more
)

// A Policy says how long indices are kept.
type Policy struct {
	Name   string // of the file or document it was read from
	SHA256 string // of its text

	rules    []*rule // the most specific first; the default is the last
	names    []template
	by       string
	field    string
	allowILM bool
	disk     *disk
	off      string // why nothing is deleted at all; "" if that is not so
	warnings []string
}

// options are what a policy may say. An age is a number with h, d or w (hours, days, weeks): `7d`.
type options struct {
	// The version of this form: 1.
	Version int `config:"version" required:"true"`
	// The rule for every index that `names` reads, unless one below holds for it. A rule is an age (`7d`), `never` (it
	// is never deleted), or a section of `age`, `size` and `keep_at_least`. Without a default such indices are kept.
	Default any `config:"default"`
	// Rules by namespace, as `names` reads it. A `*` stands for any text: `team-*: 14d`.
	Namespaces map[string]any `config:"namespaces"`
	// Rules by app, as `names` reads it, in every namespace (`nginx: 3d`) or in one (`payments/nginx: 30d`).
	Apps map[string]any `config:"apps"`
	// Rules by the name of the index: whole, with `*` for any text, or as a regular expression that begins with
	// `^`. They hold also for indices that `names` does not read.
	Indices map[string]any `config:"indices"`
	// How the names of indices are read: `logs-{namespace}-{app}-{date}`. The first that fits is taken. `{date}` is
	// `{date:%Y.%m.%d}`; `*`, `{beat}` and `{host}` stand for any text. What none of them fits is not the
	// business of `default`, `namespaces` and `apps`. The default reads all that podbeat writes by default.
	Names []string `config:"names" default:"['logstash-{beat}-{host}-{date}', 'logstash-{beat}-{date}']"`
	// What an index's age counts from: `name` (the end of the day, month … in it; of a name without a date
	// the creation of the index), `creation_date`, or `field_stats` (the newest value of `field`; of an
	// index without one as with `name`).
	By string `config:"by" default:"name" oneof:"name|creation_date|field_stats"`
	// The field that `by: field_stats` looks at.
	Field string `config:"field" default:"'@timestamp'"`
	// Also delete indices that have an ILM policy of their own.
	AllowILM bool `config:"allow_ilm_indices"`
	// What to do when disks run full; nothing if left out.
	Disk *diskOptions `config:"disk"`
}

// ruleOptions are what a rule may say as a section.
type ruleOptions struct {
	// How old an index becomes; then it is deleted. Without one it is not deleted for its age.
	Age string `config:"age"`
	// How large the indices that the rule holds for may be together, with all copies: `200GiB`. Beyond it the
	// oldest go first, never the newest.
	Size string `config:"size"`
	// How old an index becomes in any case, whatever `size` and `disk` say.
	KeepAtLeast string `config:"keep_at_least"`
}

// diskOptions are what a policy may say about full disks.
type diskOptions struct {
	// How full a node's disk may get; when it is fuller, the oldest indices on it are deleted.
	High string `config:"high" default:"85%"`
	// How full it may be when they have gone.
	Low string `config:"low" default:"80%"`
	// How old an index becomes in any case: what is younger stays, however full the disk.
	KeepAtLeast string `config:"keep_at_least" required:"true"`
}

// disk is diskOptions, read. high and low are shares.
type disk struct {
	high, low float64
	keep      time.Duration
}

// Read reads the policy in a file.
func Read(path string) (*Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read policy: %w", err)
	}
	return Parse(text, path)
}

// Parse reads a policy from YAML or JSON; name says in errors where it is from. All that is wrong
// with it is reported.
func Parse(text []byte, name string) (*Policy, error) {
	values, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	var o options
	if err := setting.Unpack(values, &o, name); err != nil {
		return nil, err
	}
	p := &Policy{Name: name, SHA256: sum(text), by: o.By, field: o.Field, allowILM: o.AllowILM}
	var errs []error
	wrong := func(err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if o.Version != Version {
		wrong(fmt.Errorf("option \"version\" is %d, this program knows %d", o.Version, Version))
	}
	if o.Disk != nil {
		p.disk, err = o.Disk.read()
		wrong(err)
	}
	wrong(p.readNames(o.Names))
	errs = append(errs, p.readRules(&o)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	p.look()
	return p, nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

func (o *diskOptions) read() (*disk, error) {
	d, errs := &disk{}, [3]error{}
	d.high, errs[0] = parseShare(o.High)
	d.low, errs[1] = parseShare(o.Low)
	d.keep, errs[2] = parseAge(o.KeepAtLeast)
	for i, name := range []string{"high", "low", "keep_at_least"} {
		if errs[i] != nil {
			return nil, fmt.Errorf("option \"disk.%s\" %w", name, errs[i])
		}
	}
	if d.low >= d.high {
		return nil, fmt.Errorf("option \"disk.low\" must be less than \"disk.high\": %s is not less than %s", o.Low, o.High)
	}
	return d, nil
}

// decode reads YAML into what setting.Unpack takes. A key is the text that is written, whatever it looks like.
func decode(text []byte) (map[string]any, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("it is larger than %d KiB", maxText>>10)
	}
	var doc, more yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&doc); err != nil && err != io.EOF {
		return nil, err
	}
	if err := documents.Decode(&more); err == nil {
		return nil, fmt.Errorf("line %d: a second document begins: a policy is one", more.Line)
	}
	if len(doc.Content) == 0 {
		return nil, errors.New("it is empty: write at least \"version: 1\" and \"default: 7d\"")
	}
	nodes := 0
	v, err := value(doc.Content[0], &nodes)
	if err != nil {
		return nil, err
	}
	values, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("it must be a section that begins with \"version: 1\"")
	}
	return values, nil
}

func value(n *yaml.Node, nodes *int) (any, error) {
	if *nodes++; *nodes > maxNodes {
		return nil, fmt.Errorf("line %d: it has more than %d values", n.Line, maxNodes)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return value(n.Alias, nodes)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := value(c, nodes)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a name must be text", k.Line)
			}
			if _, twice := m[k.Value]; twice {
				return nil, fmt.Errorf("line %d: %q is given twice", k.Line, k.Value)
			}
			v, err := value(n.Content[i+1], nodes)
			if err != nil {
				return nil, err
			}
			m[k.Value] = v
		}
		return m, nil
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int", "!!float":
		return json.Number(n.Value), nil
	}
	return n.Value, nil
}

var ageForm = regexp.MustCompile(`^([0-9]{1,6})([hdw])$`)

const (
	day    = 24 * time.Hour
	maxAge = 36525 * day
)

// parseAge reads 12h, 7d or 2w. Months and years have no fixed length.
func parseAge(s string) (time.Duration, error) {
	m := ageForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("must be a number with h, d or w (hours, days, weeks) such as 7d, not %s; for months and years write days: 30d, 365d", setting.Show(s))
	}
	n, _ := strconv.Atoi(m[1])
	d := time.Duration(n) * map[string]time.Duration{"h": time.Hour, "d": day, "w": 7 * day}[m[2]]
	if d <= 0 || d > maxAge {
		return 0, fmt.Errorf("must be from 1h to 100 years (36525d), not %s", setting.Show(s))
	}
	return d, nil
}

// Age writes a length of time as a policy does: 7d, 36h.
func Age(d time.Duration) string {
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

func parseShare(s string) (float64, error) {
	text, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(n > 0 && n < 100) || strings.ContainsAny(text, "xXpP_eE") {
		return 0, fmt.Errorf("must be a share of the disk such as 85%%, not %s", setting.Show(s))
	}
	return n / 100, nil
}

func parseSize(s string) (int64, error) {
	var b option.Bytes
	if err := b.Unpack(s); err != nil || b <= 0 || !strings.ContainsAny(s, "bBkKmMgGtT") {
		return 0, fmt.Errorf("must be a size such as 200GiB, not %s", setting.Show(s))
	}
	return int64(b), nil
}

// Warnings are what is odd about the policy itself, whatever the indices.
func (p *Policy) Warnings() []string { return slices.Clone(p.warnings) }

// ReadsDisks says whether [Policy.Decide] looks at disks; they need not be asked for otherwise.
func (p *Policy) ReadsDisks() bool { return p.disk != nil && p.off == "" }
