package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/filter"
)

// maxAge is how old a plan may be when it is applied.
const maxAge = 24 * time.Hour

// Write keeps the plan in a file, for its owner's eyes only, and replaces what was there as a whole.
func (p *Plan) Write(path string) error {
	text, err := p.JSON()
	if err != nil {
		return fmt.Errorf("cannot write plan to %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plan-*")
	if err != nil {
		return fmt.Errorf("cannot write plan to %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("cannot write plan to %s: %w", path, err)
	}
	return nil
}

// Read reads a plan from a file and refuses what is none.
func Read(path string) (*Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read plan: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var p Plan
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("cannot read plan %s: %w: make it anew with --plan --plan-file", path, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("cannot read plan %s: there is more behind its end", path)
	}
	if err := p.distinct(); err != nil {
		return nil, fmt.Errorf("cannot read plan %s: %w", path, err)
	}
	if p.Version != Version {
		return nil, fmt.Errorf("cannot read plan %s: it has version %d, this program knows %d: make it anew", path, p.Version, Version)
	}
	return &p, nil
}

// distinct refuses an action with a name in it twice.
func (p *Plan) distinct() error {
	for _, a := range p.Actions {
		for _, list := range [][]Choice{a.Choices, a.Removes} {
			seen := map[string]bool{}
			for _, c := range list {
				if seen[c.Name] {
					return fmt.Errorf("action %s has %s twice", cli.Printable(a.ID), cli.Printable(c.Name))
				}
				seen[c.Name] = true
			}
		}
	}
	return nil
}

// Fits says whether the plan was made from this source, for this cluster, and lately.
func (p *Plan) Fits(c Cluster, source, sha256 string, now time.Time) error {
	switch {
	case p.SHA256 != sha256:
		return fmt.Errorf("it was made from %s, and %s has another text: make it anew", cli.Printable(p.Source), cli.Printable(source))
	case p.Cluster.UUID != c.UUID:
		return fmt.Errorf("the plan is for cluster %s (%s), this is %s (%s)", cli.Printable(p.Cluster.Name), cli.Printable(p.Cluster.UUID), cli.Printable(c.Name), cli.Printable(c.UUID))
	case now.Sub(p.Made) > maxAge:
		return fmt.Errorf("the plan is %s old, more than %s: make it anew", age(now.Sub(p.Made)), age(maxAge))
	}
	return nil
}

// Follow gives the action what an earlier plan of it has chosen, as the items are now. It refuses when one of
// them has changed in a way that matters: another index has taken its name, it was written to, opened or closed.
// What is gone is left out and returned, as it needs no deletion any more.
func (a *Action) Follow(earlier *Action, now []filter.Item) (gone []string, err error) {
	if earlier.ID != a.ID || earlier.Kind != a.Kind {
		return nil, fmt.Errorf("the plan has action %s %s where the file has %s %s: make it anew", cli.Printable(earlier.ID), earlier.Kind, cli.Printable(a.ID), a.Kind)
	}
	byName := map[string]filter.Item{}
	for _, it := range now {
		byName[it.Name] = it
	}
	pick := func(choices []Choice) (items []filter.Item, kept []Choice, err error) {
		kept = []Choice{}
		for _, c := range choices {
			it, there := byName[c.Name]
			switch {
			case !there:
				gone = append(gone, c.Name)
				continue
			case it.UUID != c.UUID || !it.Created.Equal(c.Created):
				return nil, nil, fmt.Errorf("%s is another one than when the plan was made: make the plan anew", cli.Printable(c.Name))
			case it.Closed != c.Closed:
				return nil, nil, fmt.Errorf("%s was opened or closed since the plan was made: make the plan anew", cli.Printable(c.Name))
			case it.Docs != c.Docs:
				return nil, nil, fmt.Errorf("%s had %s when the plan was made, now it has %s: make the plan anew", cli.Printable(c.Name), docsText(c.Docs), docsText(it.Docs))
			}
			items, kept = append(items, it), append(kept, c)
		}
		return items, kept, nil
	}
	if a.items, a.Choices, err = pick(earlier.Choices); err != nil {
		return nil, err
	}
	if a.gone, a.Removes, err = pick(earlier.Removes); err != nil {
		return nil, err
	}
	return gone, nil
}

// After is what the list will be once the action was done, for planning the next one. Where it cannot be told
// (sizes, segments) the items stay as they are.
func (a *Action) After(items []filter.Item) []filter.Item {
	chosen := map[string]bool{}
	for _, it := range a.items {
		chosen[it.Name] = true
	}
	if a.HeldAll() || a.Disabled {
		return items
	}
	var after []filter.Item
	for _, it := range items {
		if !chosen[it.Name] {
			after = append(after, it)
			continue
		}
		switch a.Kind {
		case "delete_indices", "delete_snapshots":
			continue
		case "close":
			it.Closed, it.Docs, it.Size, it.PrimarySize = true, -1, -1, -1
		case "open":
			it.Closed = false
		}
		after = append(after, it)
	}
	return after
}
