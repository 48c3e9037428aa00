// Package verify says whether what arrived is what had to arrive: how many documents were lost, doubled,
// changed, out of order, or never expected.
//
// What must arrive is told to a [Check] beforehand (see [Journal] for a judge of journal files other than
// podbeat), what arrived afterwards, from whatever the output was: [Elasticsearch], [Kafka], [Redis],
// [Lines] of a file, or single events ([Event]).
package verify

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Doc is one document that arrived: its id and its message.
type Doc struct {
	ID     string
	Text   string
	IDOnly bool // neither text nor order were kept, so they are not compared
}

// A Want is one document that must arrive.
type Want struct {
	ID    string
	CRC32 uint32 // IEEE checksum of its message
	// Token, if not empty, must be in the message, and CRC32 is not looked at: for messages that are not
	// UTF-8, which every output writes in its own way.
	Token string
	Rank  uint64 // its place in the order of its chain's documents; 0: its sequence number
}

// ID is the document id of the event whose first part is the journal entry with this sequence number in the
// chain of numbers seqnumID (32 hexadecimal digits). It is the one place that repeats podbeat's rule.
func ID(seqnumID string, seqnum uint64) string {
	return seqnumID + "-" + strconv.FormatUint(seqnum, 10)
}

// splitID undoes ID; ok is false for an id of any other form.
func splitID(id string) (chain string, seqnum uint64, ok bool) {
	chain, n, _ := strings.Cut(id, "-")
	seqnum, err := strconv.ParseUint(n, 10, 64)
	return chain, seqnum, err == nil && len(chain) == 32
}

// A Check compares documents that arrive with those expected. Its methods may be called concurrently.
type Check struct {
	mu        sync.Mutex
	want      map[string]*state
	last      map[string]uint64 // by chain, the highest sequence number that has arrived
	report    Report
	strangers map[string]bool
}

type state struct {
	crc   uint32
	token string
	rank  uint64
	seen  bool
}

// New returns a Check that expects nothing yet.
func New() *Check {
	return &Check{want: map[string]*state{}, last: map[string]uint64{}, strangers: map[string]bool{}}
}

// Expect adds a document that must arrive once.
func (c *Check) Expect(w Want) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.Rank == 0 {
		_, w.Rank, _ = splitID(w.ID)
	}
	c.want[w.ID] = &state{crc: w.CRC32, token: w.Token, rank: w.Rank}
}

// Expected returns how many documents must arrive.
func (c *Check) Expected() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.want)
}

// Arrived takes a document that did arrive.
func (c *Check) Arrived(d Doc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.report
	s := c.want[d.ID]
	switch {
	case s == nil && c.strangers[d.ID]:
		r.Doubled++
		r.example("doubled", d.ID)
		return
	case s == nil:
		c.strangers[d.ID] = true
		r.Unexpected++
		r.example("unexpected", fmt.Sprintf("%s %.80q", d.ID, d.Text))
		return
	case s.seen:
		r.Doubled++
		r.example("doubled", d.ID)
		return
	}
	s.seen = true
	r.Arrived++
	if d.IDOnly {
		return
	}
	if !s.same(d.Text) {
		r.Changed++
		r.example("changed", fmt.Sprintf("%s is now %.80q", d.ID, d.Text))
	}
	chain, _, _ := splitID(d.ID)
	if s.rank < c.last[chain] {
		r.Reordered++
		r.example("reordered", fmt.Sprintf("%s, number %d in the order, came after number %d", d.ID, s.rank, c.last[chain]))
	}
	c.last[chain] = max(c.last[chain], s.rank)
}

// Missing returns the ids that have not arrived yet, sorted by chain and number.
func (c *Check) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for id, s := range c.want {
		if !s.seen {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		chainA, numberA, _ := splitID(a)
		chainB, numberB, _ := splitID(b)
		return cmp.Or(strings.Compare(chainA, chainB), cmp.Compare(numberA, numberB))
	})
	return ids
}

// Report says how things stand.
func (c *Check) Report() Report {
	missing := c.Missing()
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.report
	r.Expected = len(c.want)
	r.Lost = len(missing)
	r.Examples = slices.Clone(r.Examples)
	for _, id := range missing {
		r.example("lost", id)
	}
	return r
}

// A Report counts documents. Expected = Arrived + Lost.
type Report struct {
	Expected   int
	Arrived    int      // expected documents that arrived, each counted once
	Lost       int      // expected, but never arrived
	Doubled    int      // arrivals of an id that had arrived before
	Unexpected int      // arrivals of an id that was not expected
	Changed    int      // arrived with another text
	Reordered  int      // arrived after a later one of the same chain
	Examples   []string // a few of each of the bad ones
}

// Exact says whether every expected document arrived once and unchanged, and nothing else did. It does not
// look at the order: not every way has one.
func (r Report) Exact() bool {
	return r.Lost+r.Doubled+r.Unexpected+r.Changed == 0
}

func (r Report) String() string {
	s := fmt.Sprintf("%d expected, %d arrived, %d lost, %d doubled, %d unexpected, %d changed, %d reordered",
		r.Expected, r.Arrived, r.Lost, r.Doubled, r.Unexpected, r.Changed, r.Reordered)
	return strings.Join(append([]string{s}, r.Examples...), "\n\t")
}

func (r *Report) example(kind, text string) {
	const few = 5
	n := 0
	for _, e := range r.Examples {
		if strings.HasPrefix(e, kind) {
			n++
		}
	}
	if n < few {
		r.Examples = append(r.Examples, kind+": "+text)
	}
}

func (s *state) same(text string) bool {
	if s.token != "" {
		return strings.Contains(text, s.token)
	}
	return crc32.ChecksumIEEE([]byte(text)) == s.crc
}
