package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A source is one input of podbeat, and what became of what it read.
type source struct {
	name  string // the tag of its documents
	input string // its figures in /stats
	// want are the messages that have to be in the store, and byID says whether they are known by their ids or their texts. Of nil only
	// their number is known: as many as podbeat has delivered.
	want   map[string]bool
	byID   bool
	pauses int // messages of pause containers beside want, which pausedrop drops

	read, joined, gaps, dropped, acked int // as podbeat counts them
	documents, lost, doubled           int // as the store has them
}

//go:embed sample.journal.gz
var sampleJournal []byte

// sampleMessages has a line for each message of the journal; the generator of the journal wrote it.
//
//go:embed expect.ndjson.gz
var sampleMessages []byte

// writeInputs writes what podbeat will find when it starts.
func (d *demo) writeInputs(context.Context) error {
	sample, err := d.writeSample()
	if err != nil {
		return err
	}
	d.sources = append(d.sources, sample)
	if d.Machine != "" {
		d.sources = append(d.sources, &source{name: "machine", input: "podbeat.journal.machine.", byID: true})
	}
	pods := &source{name: "pods", input: "podbeat.emptydir.pods.", want: map[string]bool{}}
	d.sources = append(d.sources, pods)
	d.pods = newPods(d.Dir, pods.want)
	for _, p := range d.pods {
		if err := p.begin(); err != nil {
			return err
		}
	}
	return nil
}

// writeMore has the pods write on while podbeat reads, and rotate their logs.
func (d *demo) writeMore(ctx context.Context) error {
	if err := d.until(ctx, "podbeat reads the files of the pods", func() bool { return d.stats(ctx)["podbeat.emptydir.pods.read.messages"] > 0 }); err != nil {
		return err
	}
	for _, p := range d.pods {
		if err := errors.Join(p.write(), p.rotate(), p.write()); err != nil {
			return err
		}
	}
	return nil
}

// writeSample writes the sample journal. The id of a message is the journal's chain and the number in it of the message's first entry.
func (d *demo) writeSample() (*source, error) {
	journal, err := unzip(sampleJournal)
	if err != nil {
		return nil, err
	}
	messages, err := unzip(sampleMessages)
	if err != nil {
		return nil, err
	}
	chain := journal[72:88] // seqnum_id, see systemd's JOURNAL_FILE_FORMAT
	s := &source{name: "sample", input: "podbeat.journal.sample.", want: map[string]bool{}, byID: true}
	for line := range bytes.Lines(messages) {
		var m struct {
			First uint64 // from 0
			Pause bool   // of a pause container
		}
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, err
		}
		if m.Pause {
			s.pauses++
		} else {
			s.want[fmt.Sprintf("%x-%d", chain, m.First+1)] = true
		}
	}
	return s, write(filepath.Join(d.Dir, "journal/system.journal"), journal)
}

// machineJournal is the folder of this machine's journal, if there is one that may be read.
func machineJournal() string {
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		files, _ := filepath.Glob(dir + "/*/system.journal")
		for _, name := range files {
			if f, err := os.Open(name); err == nil {
				f.Close()
				return dir
			}
		}
	}
	return ""
}

// push sends what an application might, with a token for it.
func (d *demo) push(ctx context.Context) error {
	const app = "caa0c2f0-1116-495f-8f09-3cd023cc14a2"
	token, err := d.api.access(ctx, access{Method: []string{"POST"}, URL: []string{"{mscp_api_url}/apps/" + app + "/log"}})
	if err != nil {
		return err
	}
	type annotation struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	type entry struct {
		ID          string       `json:"id"`
		Timestemp   int64        `json:"timestemp"`
		AppID       string       `json:"appid"`
		Type        string       `json:"type"`
		Message     string       `json:"message"`
		Annotations []annotation `json:"annotations"`
	}
	pushed := &source{name: "pushed", input: "podbeat.push.apps.entries.", want: map[string]bool{}}
	d.sources = append(d.sources, pushed)
	var entries []entry
	for i := range 20 {
		level, text := "info", fmt.Sprintf("order %04d paid", i)
		if i%7 == 6 {
			level, text = "err", fmt.Sprintf("order %04d refused: the card has expired", i)
		}
		pushed.want[text] = true
		entries = append(entries, entry{ID: fmt.Sprintf("order-%d", i), Timestemp: time.Now().UnixMicro(), AppID: app, Type: "applog",
			Message: text, Annotations: []annotation{{"level", level}}})
	}
	// The answer comes when all of them are in the store.
	return d.api.do(ctx, "POST", "http://"+d.Push+"/apps/"+app+"/log", token, entries, nil)
}

// settle waits until everything is acknowledged, and keeps podbeat's figures.
func (d *demo) settle(ctx context.Context) error {
	began := time.Now()
	return d.until(ctx, "everything is acknowledged", func() bool {
		stats := d.stats(ctx)
		dropped := stats["podbeat.pausedrop.dropped"] // of all sources
		for _, s := range d.sources {
			s.read = stats[s.input+"read"] + stats[s.input+"read.messages"] + stats[s.input+"received"]
			s.joined, s.gaps, s.acked = stats[s.input+"joined"], stats[s.input+"gaps.seqnum"], stats[s.input+"acked"]
			if s.dropped = dropped; s.want != nil {
				s.dropped = min(dropped, s.pauses)
			}
			dropped -= s.dropped
			switch waiting := s.read == 0 || s.read != s.joined+s.acked; {
			case s.want != nil && (waiting || s.acked-s.dropped < len(s.want)):
				return false
			case s.want == nil && waiting && time.Since(began) < 20*time.Second: // this machine may be one that never rests
				return false
			}
		}
		return true
	})
}

// stats are podbeat's figures by their dotted names; nil while it does not answer.
func (d *demo) stats(ctx context.Context) map[string]int {
	var tree map[string]any
	if d.api.get(ctx, "http://"+d.Stats+"/stats", &tree) != nil {
		return nil
	}
	flat := map[string]int{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for name, value := range tree {
			switch v := value.(type) {
			case float64:
				flat[prefix+name] = int(v)
			case map[string]any:
				walk(prefix+name+".", v)
			}
		}
	}
	walk("", tree)
	return flat
}

func unzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
