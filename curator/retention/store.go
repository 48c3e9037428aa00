package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
)

// DocumentID is the id of the document that holds the policy, in [system.Index].
const DocumentID = "retention"

// A Document is the policy as Elasticsearch keeps it:
//
//	{"version": 1, "policy": {"version": 1, "default": "7d"}, "rotate": {"enabled": true, "age": 7},
//	 "updated_at": "2026-11-21T08:00:00Z", "updated_by": "anna"}
type Document struct {
	Version   int             `json:"version"`          // of this form: 1
	Policy    json.RawMessage `json:"policy,omitempty"` // as a retention.yml, in JSON; none: what Rotate says, for all that podbeat writes
	Rotate    *Rotate         `json:"rotate,omitempty"` // what the configuration API has set
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	UpdatedBy string          `json:"updated_by,omitempty"`

	at system.Place
}

// Rotate is the part of the policy that the HTTP API of the cluster's configuration shows and changes.
type Rotate struct {
	// Enabled says whether anything is deleted at all.
	Enabled bool `json:"enabled"`
	// Age in days takes the place of the age in the policy's default; 0: it stays.
	Age float64 `json:"age,omitempty"`
}

// ErrNoPolicy is that of a cluster without the document.
var ErrNoPolicy = errors.New("there is no policy in Elasticsearch, and without one nothing is deleted: store one with \"curator policy put retention.yml\"")

// ErrChanged is that of Store when the document has changed since it was loaded.
var ErrChanged = errors.New("the policy in Elasticsearch has been changed by somebody else: load it again")

// Load fetches the document.
func Load(ctx context.Context, client *es.Client) (*Document, error) {
	d := &Document{}
	at, err := system.Get(ctx, client, DocumentID, d)
	if errors.Is(err, system.ErrNone) {
		return nil, ErrNoPolicy
	}
	if err != nil {
		return nil, fmt.Errorf("cannot load the policy: %w", err)
	}
	if d.Version != Version {
		return nil, fmt.Errorf("cannot read the policy in Elasticsearch: it has version %d, this program knows %d", d.Version, Version)
	}
	d.at = at
	return d, nil
}

// Store writes the document: a new one if it was not loaded, else in place of what was loaded. An
// invalid policy is refused. It sets Version and UpdatedAt. The error is ErrChanged if somebody else was faster.
func Store(ctx context.Context, client *es.Client, d *Document, now time.Time) error {
	d.Version, d.UpdatedAt = Version, now.UTC().Truncate(time.Second)
	if _, err := d.Read(); err != nil {
		return err
	}
	at, err := system.Put(ctx, client, DocumentID, d, d.at)
	if errors.Is(err, system.ErrChanged) {
		return ErrChanged
	}
	if err != nil {
		return fmt.Errorf("cannot store the policy: %w", err)
	}
	d.at = at
	return nil
}

// Read returns the policy of the document, with what Rotate says of it.
func (d *Document) Read() (*Policy, error) {
	const name = "the policy in Elasticsearch"
	text := []byte(d.Policy)
	switch {
	case len(text) > 0 && string(text) != "null":
	case d.Rotate == nil || d.Rotate.Age == 0:
		return nil, fmt.Errorf("cannot read %s: it has neither \"policy\" nor \"rotate\" with an age", name)
	default:
		text = []byte(`{"version": 1, "default": "1d"}`) // the age is Rotate's
	}
	p, err := Parse(text, name)
	if err != nil || d.Rotate == nil {
		return p, err
	}
	p.SHA256 = sum(fmt.Appendf(text, "\nrotate %v %v", d.Rotate.Enabled, d.Rotate.Age))
	return p, p.overlay(d.Rotate, d.off())
}

// Rotation is what of the policy a Rotate changes: whether anything is deleted at all, and the age of the default; 0: it has none.
func (p *Policy) Rotation() Rotate {
	r := Rotate{Enabled: p.off == ""}
	for _, rule := range p.rules {
		if rule.level == byDefault && !rule.never {
			r.Age = float64(rule.age) / float64(day)
		}
	}
	return r
}

// off is why nothing is deleted when rotation is switched off.
func (d *Document) off() string {
	text := "rotation is switched off"
	if !d.UpdatedAt.IsZero() {
		text += " since " + stamp(d.UpdatedAt)
	}
	if d.UpdatedBy != "" {
		text += " by " + clean(d.UpdatedBy)
	}
	return text
}

// overlay applies what the API says. off is why nothing is deleted when it is switched off.
func (p *Policy) overlay(r *Rotate, off string) error {
	if !r.Enabled {
		p.off = off
	}
	if r.Age == 0 {
		return nil
	}
	age := time.Duration(r.Age * float64(day))
	if !(r.Age > 0 && r.Age <= maxAge.Hours()/24) || age < time.Hour {
		return fmt.Errorf("cannot read %s: option \"rotate.age\" must be a number of days from 1 hour to 100 years, not %v", p.Name, r.Age)
	}
	for _, rule := range p.rules {
		if rule.level == byDefault {
			if rule.keep > age {
				return fmt.Errorf("cannot read %s: option \"rotate.age\" (%v days) is less than \"keep_at_least\" of the default (%s)", p.Name, r.Age, Age(rule.keep))
			}
			rule.age, rule.never = age, false
			return nil
		}
	}
	p.rules = append(p.rules, &rule{level: byDefault, name: "default", pattern: "*", age: age})
	return nil
}

// YAMLToJSON turns the text of a retention.yml into what a Document holds, and refuses an invalid one.
func YAMLToJSON(text []byte, name string) (json.RawMessage, error) {
	if _, err := Parse(text, name); err != nil {
		return nil, err
	}
	values, err := decode(text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(values)
}

// Disks asks how full the disks of the nodes are, and what each index has on them.
func Disks(ctx context.Context, client *es.Client) ([]Disk, error) {
	var nodes []struct {
		Node  string `json:"node"`
		Used  string `json:"disk.used"`
		Total string `json:"disk.total"`
	}
	if err := client.Do(ctx, http.MethodGet, "/_cat/allocation", url.Values{"format": {"json"}, "bytes": {"b"}, "h": {"node,disk.used,disk.total"}}, nil, &nodes); err != nil {
		return nil, fmt.Errorf("cannot learn how full the disks are: %w", err)
	}
	var shards []struct {
		Index string `json:"index"`
		Node  string `json:"node"`
		Store string `json:"store"`
	}
	if err := client.Do(ctx, http.MethodGet, "/_cat/shards", url.Values{"format": {"json"}, "bytes": {"b"}, "h": {"index,node,store"}}, nil, &shards); err != nil {
		return nil, fmt.Errorf("cannot learn where shards are: %w", err)
	}
	held := map[string]map[string]int64{}
	for _, s := range shards {
		node, _, _ := strings.Cut(s.Node, " -> ") // a shard that moves is on its first node
		size, err := strconv.ParseInt(s.Store, 10, 64)
		if err != nil || node == "" {
			continue // not started
		}
		if held[node] == nil {
			held[node] = map[string]int64{}
		}
		held[node][s.Index] += size
	}
	var disks []Disk
	for _, n := range nodes {
		used, err1 := strconv.ParseInt(n.Used, 10, 64)
		total, err2 := strconv.ParseInt(n.Total, 10, 64)
		if err1 != nil || err2 != nil {
			continue // the row of what is unassigned
		}
		disks = append(disks, Disk{Node: n.Node, Used: used, Total: total, Held: held[n.Node]})
	}
	return disks, nil
}
