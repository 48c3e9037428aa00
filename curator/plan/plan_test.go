package plan

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// deletion is the plan of an action that deletes what is old of the three.
func deletion() (*Plan, []filter.Item) {
	looked := []filter.Item{
		{Name: "l-2026.11.01", UUID: "u1", Created: now.AddDate(0, 0, -20), Docs: 1234567, Size: 3 << 30},
		{Name: "l-2026.11.02", UUID: "u2", Created: now.AddDate(0, 0, -19), Docs: -1, Size: -1, Closed: true},
		{Name: "l-2026.11.21", UUID: "u3", Created: now, Docs: 1, Size: 10},
	}
	a := Of(&action.Action{ID: "1", Kind: "delete_indices", Description: "old\x1b[2J ones"}, len(looked))
	a.Choose(filter.Outcome{
		Left:    looked[:2],
		Why:     map[string]string{"l-2026.11.01": "age: 20 days old", "l-2026.11.02": "age: 19 days old"},
		Dropped: []filter.Dropped{{Name: "l-2026.11.21", Filter: 1, Why: "age: 0 days old"}},
	}, now)
	p := &Plan{Version: Version, Made: now, Source: "old.yml", SHA256: "aa", Cluster: Cluster{Name: "test", UUID: "c1", Version: "7.17.29"}}
	p.Add(a)
	return p, looked
}

func TestText(t *testing.T) {
	p, _ := deletion()
	var out bytes.Buffer
	if err := p.Text(&out, true); err != nil {
		t.Fatal(err)
	}
	want := `plan for cluster test (7.17.29), made 2026-11-21T12:00:00Z from old.yml

1 delete_indices: old\x1b[2J ones
  - l-2026.11.01           20d  3.0 GiB  1,234,567 documents  age: 20 days old
  - l-2026.11.02 (CLOSED)  19d  -        -                    age: 19 days old
    l-2026.11.21  left alone: age: 0 days old
  2 chosen, 3.0 GiB, 1,234,567 documents (1 of unknown size), of 3 looked at
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestFile(t *testing.T) {
	p, _ := deletion()
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	back, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := p.JSON()
	is, _ := back.JSON()
	if diff := cmp.Diff(string(was), string(is)); diff != "" {
		t.Error(diff)
	}
	if !json.Valid(is) {
		t.Error("no JSON")
	}
}

func TestFits(t *testing.T) {
	p, _ := deletion()
	f := func(c Cluster, sha string, at time.Time, want string) {
		t.Helper()
		err := p.Fits(c, "new.yml", sha, at)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Fits: %v, want %q", err, want)
		}
	}
	f(p.Cluster, "aa", now, "")
	f(p.Cluster, "bb", now, "made from old.yml, and new.yml has another text")
	f(Cluster{Name: "other", UUID: "c2"}, "aa", now, "is for cluster test (c1), this is other (c2)")
	f(p.Cluster, "aa", now.Add(25*time.Hour), "25h old")
}

func TestFollow(t *testing.T) {
	f := func(change func([]filter.Item) []filter.Item, wantGone, wantErr string) {
		t.Helper()
		p, items := deletion()
		a := Action{ID: "1", Kind: "delete_indices"}
		gone, err := a.Follow(&p.Actions[0], change(items))
		if g := strings.Join(gone, " "); g != wantGone {
			t.Errorf("gone: %s, want %s", g, wantGone)
		}
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("Follow: %v, want %q", err, wantErr)
		}
		if chosen, _ := a.Items(); err != nil && len(chosen) > 0 {
			t.Errorf("refused, and yet chosen: %v", chosen)
		}
	}
	f(func(i []filter.Item) []filter.Item { return i }, "", "")
	f(func(i []filter.Item) []filter.Item { return i[1:] }, "l-2026.11.01", "")
	f(func(i []filter.Item) []filter.Item { i[0].UUID = "new"; return i }, "", "another one")
	f(func(i []filter.Item) []filter.Item { i[0].Docs++; return i }, "", "had 1,234,567 documents")
	f(func(i []filter.Item) []filter.Item { i[1].Closed = false; return i }, "", "opened or closed")
	f(func(i []filter.Item) []filter.Item { i[2].Docs = 99; return i }, "", "") // what it leaves alone may change
}

// TestAfter: a second action is planned on what the first one leaves.
func TestAfter(t *testing.T) {
	f := func(kind string, want string) {
		t.Helper()
		p, items := deletion()
		a := p.Actions[0]
		a.Kind = kind
		var got []string
		for _, it := range a.After(items) {
			name := it.Name
			if it.Closed {
				name += " closed"
			}
			got = append(got, name)
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("after %s: %s, want %s", kind, g, want)
		}
	}
	f("delete_indices", "l-2026.11.21")
	f("close", "l-2026.11.01 closed, l-2026.11.02 closed, l-2026.11.21")
	f("open", "l-2026.11.01, l-2026.11.02, l-2026.11.21")
	f("replicas", "l-2026.11.01, l-2026.11.02 closed, l-2026.11.21")
}
