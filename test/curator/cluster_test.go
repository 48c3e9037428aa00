package curator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

// A cluster is an Elasticsearch that one test at a time fills and looks at. Its one repository is "backup".
type cluster struct {
	url   string
	major int

	spec string // what make made last
	made look   // what it looked like then
	last look   // what it looked like last
}

// A look is what there is in a cluster.
type look struct {
	identities map[string]string // by name: how the index is, and which
	states     map[string]string // by name: how it is
	snapshots  string
	settings   string // of the cluster
}

func newCluster(t *testing.T, major int) *cluster {
	t.Helper()
	c := &cluster{url: services.Elasticsearch(t, major), major: major}
	c.call(t, "PUT", "/_snapshot/backup", `{"type": "fs", "settings": {"location": "backup"}}`)
	return c
}

func (c *cluster) call(t testing.TB, method, path, body string) []byte {
	t.Helper()
	return services.Call(t, method, c.url+path, body, 200)
}

func (c *cluster) get(t testing.TB, path string, to any) {
	t.Helper()
	answer := c.call(t, "GET", path, "")
	if err := json.Unmarshal(answer, to); err != nil {
		t.Fatalf("GET %s: %v: %.500s", path, err, answer)
	}
}

// An index to be made.
type index struct {
	name     string
	closed   bool
	docs     int
	bytes    int // of each document
	segments int
	times    []string // documents with these in @timestamp
	settings map[string]any
	aliases  map[string]any
}

// parse reads indices, one a line: a name and what it is like. `{12..15}` in the name stands for four indices,
// `{D-2}` for the day before yesterday, `{D-0..2}` for three days.
func parse(t testing.TB, spec string, now time.Time) []index {
	t.Helper()
	var all []index
	for _, line := range strings.Split(spec, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		for _, name := range expand(words[0], now) {
			i := index{name: name, bytes: 10, aliases: map[string]any{}, settings: map[string]any{
				"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.store.stats_refresh_interval": "0ms"}}
			for _, word := range words[1:] {
				if err := i.set(word, now); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			all = append(all, i)
		}
	}
	return all
}

func (i *index) set(word string, now time.Time) (err error) {
	key, value, _ := strings.Cut(word, "=")
	number, bad := strconv.Atoi(value)
	switch key {
	case "closed":
		i.closed, bad = true, nil
	case "hidden":
		i.settings["index.hidden"], bad = true, nil
	case "docs":
		i.docs = number
	case "kb": // incompressible
		i.docs, i.bytes = 1, number*1000
	case "segments":
		i.docs, i.segments = number, number
	case "shards":
		i.settings["index.number_of_shards"] = number
	case "ilm":
		i.settings["index.lifecycle.name"], bad = value, nil
	case "alias":
		for _, a := range strings.Split(value, ",") {
			i.aliases[a] = map[string]any{}
		}
		bad = nil
	case "time":
		i.times, bad = strings.Split(value, ","), nil
	case "created": // seconds since 1970
		i.settings["index.creation_date"] = number * 1000
	case "age":
		var d time.Duration
		d, bad = time.ParseDuration(value)
		i.settings["index.creation_date"] = now.Add(-d).UnixMilli()
	default:
		i.settings[key], bad = value, nil
	}
	return bad
}

var (
	dayRange = regexp.MustCompile(`\{D-(\d+)(?:\.\.(\d+))?\}`)
	intRange = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)
)

func expand(name string, now time.Time) []string {
	m, day := dayRange.FindStringSubmatch(name), true
	if m == nil {
		m, day = intRange.FindStringSubmatch(name), false
	}
	if m == nil {
		return []string{name}
	}
	from, _ := strconv.Atoi(m[1])
	to, err := strconv.Atoi(m[2])
	if err != nil {
		to = from
	}
	var all []string
	for n := from; n <= to; n++ {
		text := fmt.Sprintf("%0*d", len(m[1]), n)
		if day {
			text = now.UTC().AddDate(0, 0, -n).Format("2006.01.02")
		}
		all = append(all, expand(strings.Replace(name, m[0], text, 1), now)...)
	}
	return all
}

// make brings about that the cluster holds the indices of the spec and the snapshots, each a line `NAME INDEX,…` (`+NAME`:
// begun in a later second than the one before), and nothing else. What the last make of the same has left as it was stays. Nothing may have changed since the last look.
func (c *cluster) make(t testing.TB, spec, snapshots string, now time.Time) {
	t.Helper()
	if spec+"\x00"+snapshots != c.spec {
		c.made = look{}
		c.see(t)
	}
	there := c.last
	var away []string
	for name, is := range there.identities {
		if c.made.identities[name] != is {
			away = append(away, name)
		}
	}
	if len(away) > 0 {
		slices.Sort(away)
		for part := range slices.Chunk(away, 15) { // the length of URLs is limited
			c.call(t, "DELETE", "/"+strings.Join(part, ","), "")
		}
	}
	var wg sync.WaitGroup
	var fresh []index
	for _, i := range parse(t, spec, now) {
		if is := there.identities[i.name]; is == "" || c.made.identities[i.name] != is {
			fresh = append(fresh, i)
			wg.Go(func() { c.create(t, i) })
		}
	}
	wg.Wait()
	if there.settings != "" {
		c.call(t, "PUT", "/_cluster/settings", `{"transient": {"cluster.routing.*": null}}`)
	}
	if len(fresh) > 0 {
		c.call(t, "GET", "/_cluster/health?wait_for_events=languid&wait_for_no_initializing_shards=true&timeout=30s", "")
		c.fill(t, fresh)
	}
	if c.made.identities == nil || there.snapshots != c.made.snapshots {
		c.snapshot(t, there.snapshots != "", snapshots)
	}
	for _, i := range fresh {
		if i.closed {
			c.call(t, "POST", "/"+i.name+"/_close", "")
		}
	}
	c.spec, c.made = spec+"\x00"+snapshots, c.see(t)
}

func (c *cluster) create(t testing.TB, i index) {
	body, _ := json.Marshal(map[string]any{"settings": i.settings, "aliases": i.aliases, "mappings": map[string]any{
		"properties": map[string]any{"@timestamp": map[string]any{"type": "date"}, "m": map[string]any{"type": "keyword", "index": false, "doc_values": false}}}})
	c.call(t, "PUT", "/"+i.name+"?wait_for_active_shards=0", string(body))
}

// fill writes the documents of all indices at once, but for those whose segments are counted.
func (c *cluster) fill(t testing.TB, indices []index) {
	t.Helper()
	var bulk strings.Builder
	var names []string
	for _, i := range indices {
		if i.docs > 0 || len(i.times) > 0 {
			names = append(names, i.name)
		}
		for n := range i.docs {
			doc := fmt.Sprintf(`{"m": %q}`, noise(i.bytes))
			if i.segments > 0 {
				services.Call(t, "PUT", fmt.Sprintf("%s/%s/_create/%d?refresh=true", c.url, i.name, n), doc, 201)
				continue
			}
			fmt.Fprintf(&bulk, "{\"index\": {\"_index\": %q}}\n%s\n", i.name, doc)
		}
		for _, at := range i.times {
			fmt.Fprintf(&bulk, "{\"index\": {\"_index\": %q}}\n{\"@timestamp\": %q}\n", i.name, at)
		}
	}
	if bulk.Len() > 0 {
		if answer := c.call(t, "POST", "/_bulk?refresh=true", bulk.String()); strings.Contains(string(answer), `"errors":true`) {
			t.Fatalf("bulk: %.2000s", answer)
		}
	}
	if len(names) > 0 {
		c.call(t, "POST", "/"+strings.Join(names, ",")+"/_flush", "")
	}
}

// noise is text that cannot be compressed to much less.
func noise(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[rand.IntN(len(letters))]
	}
	return string(text)
}

func (c *cluster) snapshot(t testing.TB, any bool, snapshots string) {
	t.Helper()
	if any {
		c.call(t, "DELETE", "/_snapshot/backup/*", "")
	}
	for _, line := range strings.Split(snapshots, "\n") {
		if words := strings.Fields(line); len(words) > 0 {
			if name, later := strings.CutPrefix(words[0], "+"); later { // than the second in which the one before began
				words[0] = name
				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1300 * time.Millisecond))) // Elasticsearch's clock ticks every 200 ms
			}
			c.call(t, "PUT", "/_snapshot/backup/"+words[0]+"?wait_for_completion=true",
				fmt.Sprintf(`{"indices": %q, "include_global_state": false}`, strings.Join(words[1:], ",")))
		}
	}
}

// see looks at the cluster, once no snapshot is under way.
func (c *cluster) see(t testing.TB) look {
	t.Helper()
	var l look
	for {
		if l.snapshots = c.snapshots(t); !strings.Contains(l.snapshots, " IN_PROGRESS ") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	var health struct{ Status string }
	c.get(t, "/_cluster/health?wait_for_no_initializing_shards=true&timeout=20s", &health) // they have no documents before
	l.identities, l.states = c.indices(t)
	var settings struct{ Transient, Persistent map[string]string }
	c.get(t, "/_cluster/settings?flat_settings=true", &settings)
	if len(settings.Transient)+len(settings.Persistent) > 0 {
		l.settings = fmt.Sprintf("cluster %v %v\n", settings.Transient, settings.Persistent)
	}
	c.last = l
	return l
}

// noted are the settings that change from one making to the next, or tell nothing about what a program has done.
var noted = regexp.MustCompile(`^index\.(uuid|creation_date|provided_name|version\..*|history\.uuid|resize\..*|shrink\..*|routing\.allocation\.initial_recovery\..*|store\.stats_refresh_interval|routing\.allocation\.include\._tier_preference)$`)

// indices tells how each index is: with what makes it itself, and without.
func (c *cluster) indices(t testing.TB) (identities, states map[string]string) {
	t.Helper()
	var rows []struct {
		Index, Status, UUID string
		Docs                string `json:"docs.count"`
	}
	c.get(t, "/_cat/indices?format=json&expand_wildcards=all&h=index,status,uuid,docs.count", &rows)
	var details map[string]struct {
		Aliases  map[string]any
		Settings map[string]string
	}
	c.get(t, "/_all?expand_wildcards=all&flat_settings=true&filter_path=*.aliases,*.settings", &details)
	identities, states = map[string]string{}, map[string]string{}
	for _, r := range rows {
		if r.Index == ".tasks" { // where Elasticsearch 7 notes what it has reindexed, some time later
			identities[r.Index] = r.UUID
			continue
		}
		if r.Status == "open" && r.Docs == "" { // its shard is not started yet, or cannot be
			r.Docs = "0"
		}
		d := details[r.Index]
		var settings []string
		for name, value := range d.Settings {
			if !noted.MatchString(name) && value != "" && name+value != "index.blocks.writefalse" {
				settings = append(settings, strings.TrimPrefix(name, "index.")+"="+value)
			}
		}
		slices.Sort(settings)
		aliases, _ := json.Marshal(d.Aliases)
		state := fmt.Sprintf("%s %s docs=%s %s %s", r.Index, r.Status, r.Docs, aliases, strings.Join(settings, " "))
		states[r.Index] = state
		identities[r.Index] = r.UUID + " " + state
	}
	return identities, states
}

func (c *cluster) snapshots(t testing.TB) string {
	t.Helper()
	var answer struct {
		Snapshots []struct {
			Snapshot, State string
			Indices         []string
			Global          bool `json:"include_global_state"`
		}
	}
	c.get(t, "/_snapshot/backup/_all", &answer)
	var lines []string
	for _, s := range answer.Snapshots {
		slices.Sort(s.Indices)
		lines = append(lines, fmt.Sprintf("snapshot %s %s %v global=%v\n", s.Snapshot, s.State, s.Indices, s.Global))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

var timeOfDay = regexp.MustCompile(`20\d{12}`)

// state is all that a program could have changed, as text: indices, how many segments they have if that is asked for,
// snapshots, settings of the cluster.
func (c *cluster) state(t testing.TB, segments bool) string {
	t.Helper()
	return c.text(t, c.see(t), segments)
}

func (c *cluster) text(t testing.TB, l look, segments bool) string {
	t.Helper()
	lines := slices.Collect(maps.Values(l.states))
	if segments {
		var rows []struct{ Index, Segment string }
		c.get(t, "/_cat/segments?format=json&h=index,segment", &rows)
		count := map[string]int{}
		for _, r := range rows {
			count[r.Index]++
		}
		for name, n := range count {
			lines = append(lines, fmt.Sprintf("segments of %s: %d", name, n))
		}
	}
	slices.Sort(lines)
	return timeOfDay.ReplaceAllString(strings.Join(lines, "\n")+"\n"+l.snapshots+l.settings, "TIME")
}
