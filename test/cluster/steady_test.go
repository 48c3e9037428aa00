package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A steady is how long the chain runs at which rate, how often it is looked at, and how late it may be.
type steady struct {
	long, every time.Duration
	perSecond   int           // of the journal, and again of files
	late        time.Duration // 0: is not looked at
}

func steadily() steady {
	if harness.Soak() {
		return steady{long: 30 * time.Minute, every: 15 * time.Second, perSecond: 2500, late: 5 * time.Second}
	}
	// In 30 seconds memory is not level yet, and who runs the tests may do something else beside: what is looked at is
	// that everything arrives, and that nothing but memory grows.
	return steady{long: 30 * time.Second, every: time.Second, perSecond: 500}
}

// The chain at a steady rate: podbeat (journal), podbeat (files), Kafka, two shippers, Elasticsearch. Memory, descriptors and
// goroutines of each podbeat stay level, and the newest document is seconds old. docs/soak.md has the figures of
//
//	PODBEAT_SOAK=1 go test -timeout 60m -v -run TestSteady ./test/cluster
func TestSteady(t *testing.T) {
	o := steadily()
	kafka, es := services.OwnKafka(t), services.OwnElasticsearch(t, 7)
	const topic, group = "logstash-journal", "podbeat-shipper"
	a := admin(t, kafka.Addr)
	text := func(s string) *string { return &s }
	limits := map[string]*string{"retention.bytes": text("1000000000"), "segment.bytes": text("100000000")}
	if _, err := a.CreateTopic(t.Context(), partitions, 1, limits, topic); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := &feed{steady: o, journal: t.TempDir(), files: t.TempDir()}
	names := []string{"podbeat, journal", "podbeat, files", "shipper 1", "shipper 2"}
	podbeats := []*harness.Podbeat{
		harness.New(t, collector(journalInput(f.journal), kafka.Addr, topic)),
		harness.New(t, collector(fmt.Sprintf("- {type: emptydir, id: node, host: files, pod_logs: %q, paths: [%q]}", f.files, f.files+"/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"), kafka.Addr, topic)),
		harness.New(t, templated(shipper(kafka.Addr, topic, group, "http://"+es.Addr))),
		harness.New(t, templated(shipper(kafka.Addr, topic, group, "http://"+es.Addr))),
	}
	for _, p := range podbeats {
		p.Wait("it answers", func(s harness.Stats) bool { return s != nil })
	}
	ended := f.start(t, ctx)
	for i, p := range podbeats { // what they need to get on with their work is no growth
		p.Wait(names[i]+" is at work", func(s harness.Stats) bool {
			return s["libbeat.output.events.acked"] > 0 && (i < 2 || s["podbeat.kafka.shipper.partitions"] == partitions/2)
		})
	}
	url := "http://" + es.Addr
	var seen []look
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < o.long; {
		<-tick.C
		l := look{at: time.Since(began).Round(time.Second), behind: f.behind(t, url)}
		for i, p := range podbeats {
			s := p.Stats()
			if s == nil {
				t.Fatalf("%s does not answer", names[i])
			}
			l.podbeats = append(l.podbeats, s)
		}
		seen = append(seen, l)
		t.Logf("after %v the newest of the journal is %v late, of files %v", l.at, l.behind[0].Round(100*time.Millisecond), l.behind[1].Round(100*time.Millisecond))
	}
	cancel()
	for _, e := range ended {
		if err := <-e; err != nil {
			t.Error(err)
		}
	}
	until(t, "it is all in Elasticsearch", stored(url, "logstash-*", int(f.kept.Load()+f.lines.Load())))
	until(t, "the offset of every record is committed", shipped(a, topic, group))
	for i, p := range podbeats {
		wantReceipt(t, names[i], p)
	}
	if n, _ := countDocuments(url); n != f.kept.Load()+f.lines.Load() {
		t.Errorf("Elasticsearch has %d documents of %d", n, f.kept.Load()+f.lines.Load())
	}
	judge(t, o, names, seen, f)
}

// templated has podbeat load its index template, as it does by default: without it Elasticsearch makes two fields of each text,
// and has no time for more than half of the events on two cores.
func templated(config string) string {
	return strings.Replace(config, "setup.template.enabled: false", "setup.template.settings.index: {number_of_replicas: 0, refresh_interval: 1s}", 1)
}

// A look is what was found at one time.
type look struct {
	at       time.Duration
	behind   [2]time.Duration // of the newest document: journal, files
	podbeats []harness.Stats
}

// judge compares the second quarter of what was seen with the last: what leaks would be more there.
func judge(t *testing.T, o steady, names []string, seen []look, f *feed) {
	n := len(seen)
	early, late := seen[n/4:n/2], seen[n-n/4:]
	median := func(looks []look, of func(look) float64) float64 {
		var all []float64
		for _, l := range looks {
			all = append(all, of(l))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	t.Logf("%v, %d journal entries and %d lines of files; second quarter and last quarter, medians:", seen[n-1].at, f.entries.Load(), f.lines.Load())
	for i, name := range names {
		for _, g := range []struct {
			figure, unit string
			scale        float64
			more         float64 // how much more may be there at the end
		}{
			{"beat.memstats.rss", "MiB", 1 << 20, 0.15},
			{"beat.runtime.goroutines", "goroutines", 1, 0.05},
			{"beat.handles.open", "descriptors", 1, 0.05},
		} {
			of := func(l look) float64 { return l.podbeats[i][g.figure] / g.scale }
			before, after := median(early, of), median(late, of)
			t.Logf("  %-18s %-12s %8.0f %8.0f", name, g.unit, before, after)
			if before == 0 || harness.Soak() && after > before*(1+g.more)+3 || g.unit != "MiB" && after > before*1.1+8 {
				t.Errorf("%s: %s grow from %.0f to %.0f", name, g.unit, before, after)
			}
		}
		cpu := (seen[n-1].podbeats[i]["beat.cpu.total.time.ms"] - seen[0].podbeats[i]["beat.cpu.total.time.ms"]) / 1000
		t.Logf("  %-18s %-12s %17.2f", name, "cores", cpu/(seen[n-1].at-seen[0].at).Seconds())
	}
	for i, of := range []string{"journal", "files"} {
		var all []time.Duration
		for _, l := range seen[n/10:] { // what comes before has shippers joining their group
			all = append(all, l.behind[i])
		}
		slices.Sort(all)
		t.Logf("  the newest document of the %s is late by %v, at most %v", of, all[len(all)/2].Round(10*time.Millisecond), all[len(all)-1].Round(10*time.Millisecond))
		if o.late > 0 && all[len(all)-1] > o.late {
			t.Errorf("%s are %v late, want at most %v", of, all[len(all)-1], o.late)
		}
	}
}

// A feed writes a journal and log files of pods at a steady rate.
type feed struct {
	steady
	journal, files string
	begun          atomic.Int64 // when the journal's first entry was written, Unix nanoseconds
	entries        atomic.Int64 // of the journal
	kept           atomic.Int64 // messages in them which are to arrive; known at the end
	lines          atomic.Int64 // of files
}

func (f *feed) start(t *testing.T, ctx context.Context) (ended []chan error) {
	t.Helper()
	options := journalgen.Defaults(1 << 30) // more than will be
	options.Partial = 0                     // an entry that waits for its next part is not late
	options.Start = time.Now()
	w, err := journalgen.Open(f.journal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	for _, write := range []func() error{
		func() error { return f.writeJournal(ctx, w, journalgen.New(options)) },
		func() error { return f.writeFiles(ctx) },
	} {
		e := make(chan error, 1)
		ended = append(ended, e)
		go func() { e <- write() }()
	}
	return ended
}

// perFile is how many entries a journal file has; of the files that have been rotated the newest are kept.
const perFile, keepFiles = 200_000, 4

func (f *feed) writeJournal(ctx context.Context, w *journalgen.Writer, g *journalgen.Generator) error {
	f.begun.Store(time.Now().UnixNano())
	for f.pace(ctx, &f.entries) {
		e, _ := g.Next()
		if err := w.Append(e); err != nil {
			return err
		}
		if n := f.entries.Add(1); n%perFile == 0 {
			if _, err := w.Rotate(); err != nil {
				return err
			}
			if _, err := journalgen.Vacuum(f.journal, keepFiles); err != nil {
				return err
			}
		} else if n%50 == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	for _, m := range g.Messages() {
		if !m.Pause {
			f.kept.Add(1)
		}
	}
	return w.Sync()
}

// pace waits until it is time for the next of n; it returns false when ctx is done.
func (f *feed) pace(ctx context.Context, n *atomic.Int64) bool {
	due := time.Unix(0, f.begun.Load()).Add(time.Duration(n.Load()) * time.Second / time.Duration(f.perSecond))
	if ahead := time.Until(due); ahead > 5*time.Millisecond {
		select {
		case <-ctx.Done():
		case <-time.After(ahead):
		}
	}
	return ctx.Err() == nil
}

// writeFiles writes into the volumes of 20 pods, each of which rotates its file at 20 MiB and keeps two.
func (f *feed) writeFiles(ctx context.Context) error {
	for f.begun.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	const pods, size, kept = 20, 20 << 20, 2
	type file struct {
		*os.File
		*bufio.Writer
		path    string
		written int
	}
	files := make([]*file, pods)
	open := func(path string) (*file, error) {
		o, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		return &file{o, bufio.NewWriterSize(o, 4096), path, 0}, err
	}
	for i := range files {
		dir := filepath.Join(f.files, fmt.Sprintf("8f6c2a1e-0000-4000-8000-%012d/volumes/kubernetes.io~empty-dir/applog-web-endname-logs", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var err error
		if files[i], err = open(filepath.Join(dir, "web.log")); err != nil {
			return err
		}
	}
	pad := strings.Repeat("x", 120)
	for f.pace(ctx, &f.lines) {
		n := f.lines.Load()
		to := files[n%pods]
		wrote, err := fmt.Fprintf(to.Writer, "%d INFO served request=%d %s\n", time.Now().UnixNano(), n, pad)
		if err != nil {
			return err
		}
		to.written += wrote
		if n/pods%10 == 9 {
			if err := to.Flush(); err != nil {
				return err
			}
		}
		if to.written > size {
			if err := to.Flush(); err != nil {
				return err
			}
			to.File.Close()
			for k := kept; k > 0; k-- {
				from := to.path
				if k > 1 {
					from += "." + strconv.Itoa(k-1)
				}
				if err := os.Rename(from, to.path+"."+strconv.Itoa(k)); err != nil && !os.IsNotExist(err) {
					return err
				}
			}
			if files[n%pods], err = open(to.path); err != nil {
				return err
			}
		}
		f.lines.Add(1)
	}
	for _, to := range files {
		if err := to.Flush(); err != nil {
			return err
		}
		to.File.Close()
	}
	return nil
}

// behind says how old the newest documents of the journal and of files are, by when they were written. What is not there at
// all is as old as the feed.
func (f *feed) behind(t *testing.T, url string) (late [2]time.Duration) {
	now := time.Now()
	late[0], late[1] = now.Sub(time.Unix(0, f.begun.Load())), now.Sub(time.Unix(0, f.begun.Load()))
	newest := func(pattern, sort string) (source struct {
		Message string
		Event   struct{ Sequence int64 }
	}) {
		body := fmt.Sprintf(`{"size":1,"sort":[{%q:{"order":"desc","unmapped_type":"long"}}],"_source":["message","event.sequence"]}`, sort)
		resp, err := http.Post(url+"/"+pattern+"/_search?ignore_unavailable=true", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			Hits struct {
				Hits []struct {
					Source json.RawMessage `json:"_source"`
				}
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Hits.Hits) > 0 {
			_ = json.Unmarshal(answer.Hits.Hits[0].Source, &source)
		}
		return source
	}
	if n := newest("logstash-*,-logstash-podbeat-files-*", "event.sequence").Event.Sequence; n > 0 {
		late[0] = now.Sub(time.Unix(0, f.begun.Load()).Add(time.Duration(n) * time.Second / time.Duration(f.perSecond)))
	}
	if sent, _, ok := strings.Cut(newest("logstash-podbeat-files-*", "@timestamp").Message, " "); ok {
		if n, err := strconv.ParseInt(sent, 10, 64); err == nil {
			late[1] = now.Sub(time.Unix(0, n))
		}
	}
	return late
}

// countDocuments counts what is there, after a refresh.
func countDocuments(url string) (int64, error) {
	resp, err := http.Get(url + "/logstash-*/_count")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct{ Count int64 }
	return answer.Count, json.NewDecoder(resp.Body).Decode(&answer)
}
