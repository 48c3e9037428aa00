package retention

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// each runs a test on both versions of Elasticsearch, with nothing of podbeat's there.
func each(t *testing.T, f func(t *testing.T, c *es.Client)) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			c, err := es.New(es.Config{Hosts: []string{services.Elasticsearch(t, major)}})
			if err != nil {
				t.Fatal(err)
			}
			remove := func() { _ = c.Do(context.Background(), "DELETE", es.Path(system.Index), nil, nil, nil) }
			remove()
			t.Cleanup(remove)
			f(t, c)
		})
	}
}

func TestStore(t *testing.T) {
	each(t, func(t *testing.T, c *es.Client) {
		ctx := t.Context()
		if _, err := Load(ctx, c); !errors.Is(err, ErrNoPolicy) {
			t.Fatalf("without a policy: %v", err)
		}
		// Names that a mapping would choke on, and two that would contradict each other as fields.
		policy, err := YAMLToJSON([]byte("version: 1\ndefault: 7d # a week\nindices: {'a..b*': 1d, '.x*': never, 'x': 1d, 'x.y': 2w}"), "p.yml")
		if err != nil {
			t.Fatal(err)
		}
		d := &Document{Policy: policy, UpdatedBy: "anna"}
		if err := Store(ctx, c, d, now); err != nil {
			t.Fatal(err)
		}
		if err := Store(ctx, c, &Document{Policy: policy}, now); !errors.Is(err, ErrChanged) {
			t.Errorf("a second new document: %v", err)
		}
		read, err := Load(ctx, c)
		if err != nil || read.UpdatedBy != "anna" || !read.UpdatedAt.Equal(now) || read.Version != 1 {
			t.Fatalf("%+v %v", read, err)
		}
		if p, err := read.Read(); err != nil || len(p.rules) != 5 {
			t.Errorf("policy %+v %v", p, err)
		}
		// Of two writers one is refused, and may try again.
		other, err := Load(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		read.Rotate = &Rotate{Enabled: true, Age: 3}
		if err := Store(ctx, c, read, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		read.Rotate.Age = 4
		if err := Store(ctx, c, read, now.Add(2*time.Hour)); err != nil {
			t.Errorf("the same writer again: %v", err)
		}
		other.Rotate = &Rotate{}
		if err := Store(ctx, c, other, now); !errors.Is(err, ErrChanged) {
			t.Errorf("the slower writer: %v", err)
		}
		if other, err = Load(ctx, c); err != nil || other.Rotate.Age != 4 {
			t.Errorf("%+v %v", other, err)
		}
		// An invalid one is not stored.
		other.Policy = []byte(`{"version": 1, "default": "7 days"}`)
		if err := Store(ctx, c, other, now); err == nil || !strings.Contains(err.Error(), "7d") {
			t.Errorf("an invalid policy: %v", err)
		}
		if again, err := Load(ctx, c); err != nil || string(again.Policy) != string(policy) {
			t.Errorf("stored %s, want %s (%v)", again.Policy, policy, err)
		}
		// One of a later version of this program is not guessed at.
		for _, doc := range []string{`{"version": 2, "policy": {"version": 2}}`, `{"policy": 1}`, `{"version": "x"}`} {
			if err := c.Do(ctx, "PUT", es.Path(system.Index, "_doc", DocumentID), nil, []byte(doc), nil); err != nil {
				t.Fatal(err)
			}
			if d, err := Load(ctx, c); err == nil {
				t.Errorf("%s was read as %+v", doc, d)
			}
		}
		// The index is not among those that people look at.
		var rows []struct{ Index string }
		if err := c.Do(ctx, "GET", "/_cat/indices/*", map[string][]string{"format": {"json"}}, nil, &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Index == system.Index {
				t.Error("the index is not hidden")
			}
		}
	})
}

func TestDisks(t *testing.T) {
	each(t, func(t *testing.T, c *es.Client) {
		ctx := t.Context()
		name := "disks-2026.11.01"
		defer c.Do(context.Background(), "DELETE", es.Path(name), nil, nil, nil)
		if err := c.Do(ctx, "PUT", es.Path(name, "_doc", "1"), map[string][]string{"refresh": {"true"}}, []byte(`{"a": "b"}`), nil); err != nil {
			t.Fatal(err)
		}
		disks, err := Disks(ctx, c)
		if err != nil || len(disks) != 1 || disks[0].Total <= 0 || disks[0].Used <= 0 || disks[0].Used > disks[0].Total || disks[0].Held[name] <= 0 {
			t.Fatalf("disks %+v %v", disks, err)
		}
		// Whatever the machine's disk, it is fuller than this.
		p := mustParse(t, "version: 1\nindices: {disks-*: 300d}\ndisk: {high: 0.0000001%, low: 0.00000001%, keep_at_least: 1d}")
		d := p.Decide(indices(name), disks, now)
		if names(d.Delete) != name || len(d.Warnings) != 1 {
			t.Errorf("deletes %q, warnings %q", names(d.Delete), d.Warnings)
		}
	})
}
