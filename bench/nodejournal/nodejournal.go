// Package nodejournal keeps the journals that benchmarks read: those of package journalgen, made once and found again.
package nodejournal

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/peer"
)

// A Journal is a directory of journal files, and what is in them.
type Journal struct {
	Dir      string `json:"-"`
	Entries  int    // journal entries
	Messages int    // logical messages
	Pause    []int  // tokens of those that pause containers wrote, in order
}

// Make gives the journal of so many entries below the directory build, which it writes unless it is there already. It has read the files:
// whoever is measured first finds them in memory as the others do.
func Make(build string, entries int) (*Journal, error) {
	o := journalgen.Defaults(entries)
	j := &Journal{Dir: filepath.Join(build, fmt.Sprintf("journal-%d-%08x", entries, fingerprint(o)))}
	known := filepath.Join(j.Dir, "expect.json")
	text, err := os.ReadFile(known)
	if err != nil || json.Unmarshal(text, j) != nil {
		if err := j.write(o, known); err != nil {
			return nil, err
		}
	}
	return j, j.warm()
}

func (j *Journal) write(o journalgen.Options, known string) error {
	fmt.Fprintf(os.Stderr, "writing a journal of %d entries\n", o.Entries)
	if err := os.RemoveAll(j.Dir); err != nil {
		return err
	}
	messages, err := journalgen.Write(j.Dir, o)
	if err != nil {
		return err
	}
	*j = Journal{Dir: j.Dir, Entries: o.Entries, Messages: len(messages)}
	for _, m := range messages {
		if m.Pause {
			j.Pause = append(j.Pause, m.Seq)
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return os.WriteFile(known, text, 0o644) // the last file: a journal without it is half written
}

// fingerprint changes when the generator writes something else than it did.
func fingerprint(o journalgen.Options) uint32 {
	o.Entries = min(o.Entries, 1000)
	h := crc32.NewIEEE()
	if _, err := journalgen.New(o).WriteTo(h); err != nil {
		panic(err) // a hash takes everything
	}
	return h.Sum32()
}

func (j *Journal) warm() error {
	hs, err := journalgen.Headers(j.Dir)
	if err != nil {
		return err
	}
	var paths []string
	for _, h := range hs {
		paths = append(paths, h.Path)
	}
	return peer.Warm(paths...)
}
