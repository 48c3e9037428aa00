package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/curator/setting"
)

// None keeps everything.
type None struct{}

func (*None) Type() string { return "none" }

func (*None) check(bool) error { return nil }

func (*None) apply(r *run) error {
	return r.each(false, func(*Item) (verdict, error) { return verdict{match: true, why: "everything"}, nil })
}

// State matches snapshots that ended so.
type State struct {
	// State of the snapshot.
	State string `config:"state" default:"SUCCESS" oneof:"SUCCESS|PARTIAL|FAILED|IN_PROGRESS"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*State) Type() string { return "state" }

func (*State) check(bool) error { return nil }

func (f *State) apply(r *run) error {
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		return verdict{match: it.State == f.State, why: "it is " + printable(it.State)}, nil
	})
}

// Closed matches closed indices.
type Closed struct {
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*Closed) Type() string { return "closed" }

func (*Closed) check(bool) error { return nil }

func (f *Closed) apply(r *run) error {
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		return verdict{match: it.Closed, why: openness(it)}, nil
	})
}

// Opened matches open indices.
type Opened struct {
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*Opened) Type() string { return "opened" }

func (*Opened) check(bool) error { return nil }

func (f *Opened) apply(r *run) error {
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		return verdict{match: !it.Closed, why: openness(it)}, nil
	})
}

func openness(it *Item) string {
	if it.Closed {
		return "it is closed"
	}
	return "it is open"
}

// Empty matches indices without documents. Closed ones leave the list: they cannot be counted.
type Empty struct {
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*Empty) Type() string { return "empty" }

func (*Empty) check(bool) error { return nil }

func (f *Empty) apply(r *run) error {
	r.dropClosed("so its documents cannot be counted")
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		switch {
		case !r.Strict && (it.Docs < 0 || it.Health == "red"): // a red index may have some where nobody answers
			r.warn("%s: the number of its documents is not known: left alone", printable(it.Name))
			return verdict{gone: true, why: "the number of its documents is not known"}, nil
		case it.Docs <= 0:
			return verdict{match: true, why: "it has no documents"}, nil
		}
		return verdict{why: "it has " + amount(it.Docs, "documents")}, nil
	})
}

// Kibana matches Kibana's own indices, `.kibana*`.
type Kibana struct {
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*Kibana) Type() string { return "kibana" }

func (*Kibana) check(bool) error { return nil }

func (f *Kibana) apply(r *run) error {
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		if strings.HasPrefix(it.Name, ".kibana") {
			return verdict{match: true, why: "it is Kibana's"}, nil
		}
		return verdict{why: "it is not Kibana's"}, nil
	})
}

// ILM matches indices that an ILM policy manages.
type ILM struct {
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*ILM) Type() string { return "ilm" }

func (*ILM) check(bool) error { return nil }

func (f *ILM) apply(r *run) error {
	const name = "index.lifecycle.name"
	if err := r.need(Settings, name, func(it *Item) bool { return it.Settings != nil }); err != nil {
		return err
	}
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		policy := it.Settings[name]
		switch {
		case policy != "":
			return verdict{match: true, why: "ILM policy " + printable(policy) + " manages it"}, nil
		case r.place == 0: // it goes without saying
			return verdict{}, nil
		}
		return verdict{why: "no ILM policy manages it"}, nil
	})
}

// Alias matches indices that have one of the aliases.
type Alias struct {
	// Names of aliases; `*` stands for any letters.
	Aliases []string `config:"aliases" required:"true"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*Alias) Type() string { return "alias" }

// Validate refuses a list that names nothing.
func (f *Alias) Validate() error {
	if len(f.names()) == 0 {
		return setting.Wrong("aliases", `option "aliases" names no alias`)
	}
	return nil
}

// names are the aliases; several may be in one text, with commas.
func (f *Alias) names() []string {
	all := strings.FieldsFunc(strings.Join(f.Aliases, ","), func(c rune) bool { return c == ',' })
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

func (*Alias) check(bool) error { return nil }

func (f *Alias) apply(r *run) error {
	r.looks()
	if err := r.need(Aliases, "", func(it *Item) bool { return it.Aliases != nil }); err != nil {
		return err
	}
	// Elasticsearch answers for several indices at once, and with "missing" if one of the aliases is on none of
	// them: then none of them matches to Curator, which asks in pieces.
	pieces := [][]Item{r.left}
	if r.Strict {
		pieces = chunks(r.left)
	}
	has, missing := map[string]string{}, map[string]string{}
	for _, piece := range pieces {
		lacks := ""
		for _, name := range f.names() {
			on := slices.ContainsFunc(piece, func(it Item) bool { return hasAlias(&it, name) })
			if !on && !strings.Contains(name, "*") && name != "_all" {
				lacks = name
			}
		}
		for i := range piece {
			for _, name := range f.names() {
				if hasAlias(&piece[i], name) {
					has[piece[i].Name] = name
				}
			}
			missing[piece[i].Name] = lacks
		}
		if lacks != "" && !r.Strict && len(piece) > 0 {
			r.warn("no index of the list has the alias %s", printable(lacks))
		}
	}
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		name, on := has[it.Name]
		switch lacks := missing[it.Name]; {
		case lacks != "" && (r.Strict || !f.Exclude):
			return verdict{why: "no index has the alias " + printable(lacks)}, nil
		case on:
			return verdict{match: true, why: "it has the alias " + printable(name)}, nil
		}
		return verdict{why: "it has none of the aliases " + printable(strings.Join(f.names(), ", "))}, nil
	})
}

// chunks splits a list where Curator does: after some 3 KiB of names.
func chunks(items []Item) (pieces [][]Item) {
	size, from := 0, 0
	for i, it := range items {
		if i > from && size >= 3072 {
			pieces, from, size = append(pieces, items[from:i]), i, 0
		}
		if i > from {
			size++ // the comma
		}
		size += len([]rune(it.Name))
	}
	return append(pieces, items[from:])
}

func hasAlias(it *Item, name string) bool {
	if name == "_all" {
		name = "*"
	}
	return slices.ContainsFunc(it.Aliases, func(a string) bool { return wild(name, a) })
}

// wild says whether text is like pattern, in which `*` stands for any letters.
func wild(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// Allocated matches indices with a rule of shard allocation.
type Allocated struct {
	// Attribute of nodes.
	Key string `config:"key" required:"true"`
	// Value of the attribute.
	Value string `config:"value" required:"true"`
	// Kind of the rule.
	AllocationType string `config:"allocation_type" default:"require" oneof:"require|include|exclude"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*Allocated) Type() string { return "allocated" }

func (*Allocated) check(bool) error { return nil }

func (f *Allocated) apply(r *run) error {
	r.looks()
	name := "index.routing.allocation." + f.AllocationType + "." + f.Key
	if err := r.need(Settings, name, func(it *Item) bool { _, asked := it.Settings[name]; return asked }); err != nil {
		return err
	}
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		value := it.Settings[name]
		why := printable(name) + " is " + printable(value)
		if value == "" {
			why = printable(name) + " is not set"
		}
		return verdict{match: value == f.Value, why: why}, nil
	})
}

// ForceMerged matches indices with at most so many segments in each copy of a shard. Closed ones leave the list.
type ForceMerged struct {
	// Most segments of a copy of a shard, on average.
	MaxNumSegments int64 `config:"max_num_segments" required:"true" min:"1"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`
}

func (*ForceMerged) Type() string { return "forcemerged" }

func (*ForceMerged) check(bool) error { return nil }

func (f *ForceMerged) apply(r *run) error {
	r.dropClosed("so its segments cannot be counted")
	r.looks()
	if err := r.need(Segments, "", func(it *Item) bool { return it.Segments >= 0 }); err != nil {
		return err
	}
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		copies := int64(it.Shards) * int64(1+it.Replicas)
		match := copies > 0 && int64(it.Segments)/copies < f.MaxNumSegments || int64(it.Segments) == copies*f.MaxNumSegments
		return verdict{match: match, why: fmt.Sprintf("%d segments in %d shards and replicas, at most %d in each wanted", it.Segments, copies, f.MaxNumSegments)}, nil
	})
}

// Shards matches indices by their number of primary shards.
type Shards struct {
	// Number to compare with.
	NumberOfShards int64 `config:"number_of_shards" required:"true" min:"1"`
	// How to compare.
	ShardFilterBehavior string `config:"shard_filter_behavior" default:"greater_than" oneof:"greater_than|greater_than_or_equal|less_than|less_than_or_equal|equal"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*Shards) Type() string { return "shards" }

// Validate refuses what no index can be.
func (f *Shards) Validate() error {
	if f.ShardFilterBehavior == "less_than" && f.NumberOfShards == 1 {
		return setting.Wrong("number_of_shards", "no index has less than 1 shard: write number_of_shards: 2 or more")
	}
	return nil
}

func (*Shards) check(bool) error { return nil }

func (f *Shards) apply(r *run) error {
	r.looks()
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		n, m := int64(it.Shards), f.NumberOfShards
		match := map[string]bool{"greater_than": n > m, "greater_than_or_equal": n >= m, "less_than": n < m, "less_than_or_equal": n <= m, "equal": n == m}[f.ShardFilterBehavior]
		not := ""
		if !match {
			not = "not "
		}
		return verdict{match: match, why: fmt.Sprintf("%s, %s%s %d", amount(n, "shards"), not, strings.ReplaceAll(f.ShardFilterBehavior, "_", " "), m)}, nil
	})
}

// Size matches single indices by their size. Closed ones leave the list.
type Size struct {
	// Size in GiB.
	SizeThreshold float64 `config:"size_threshold" required:"true"`
	// Whether the larger or the smaller ones match.
	ThresholdBehavior string `config:"threshold_behavior" default:"greater_than" oneof:"greater_than|less_than"`
	// What is measured: the primary shards, or all copies.
	SizeBehavior string `config:"size_behavior" default:"primary" oneof:"primary|total"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*Size) Type() string { return "size" }

// Validate refuses 0, as Curator does.
func (f *Size) Validate() error {
	if f.SizeThreshold == 0 {
		return setting.Wrong("size_threshold", "size_threshold must not be 0")
	}
	return nil
}

func (f *Size) check(strict bool) error {
	if f.SizeThreshold < 0 && !strict {
		return setting.Wrong("size_threshold", "size_threshold must be above 0, not %v", f.SizeThreshold)
	}
	return nil
}

func (f *Size) apply(r *run) error {
	r.dropClosed("so its size is not known")
	return r.each(f.Exclude, func(it *Item) (verdict, error) {
		size, what := it.PrimarySize, "its primary shards are "
		if f.SizeBehavior == "total" {
			size, what = it.Size, "its shards are "
		}
		if !r.Strict && (size < 0 || it.Health == "red") {
			r.warn("%s: its size is not known: left alone", printable(it.Name))
			return verdict{gone: true, why: "its size is not known"}, nil
		}
		return compare(float64(max(size, 0)), f.SizeThreshold, f.ThresholdBehavior, what), nil
	})
}

// compare says how bytes stand to a limit in GiB.
func compare(bytes, limit float64, behavior, what string) verdict {
	match, word := bytes > limit*gib, "above"
	if behavior == "less_than" {
		match, word = bytes < limit*gib, "below"
	}
	if !match {
		word = "not " + word
	}
	return verdict{match: match, why: fmt.Sprintf("%s%s, %s %g GiB", what, byteSize(bytes), word, limit)}
}

const gib = 1 << 30

func byteSize(n float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", n)
}
