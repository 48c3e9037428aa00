package journal

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/option"
)

// behind is the position behind the first n entries, as a reader's tracker has it.
func behind(entries []Entry, n int) position {
	p := position{Cursor: strconv.Itoa(n), Chains: map[string]uint64{}, Whole: true}
	for i := range entries[:n] {
		p.Chains[entries[i].SeqnumID] = entries[i].Seqnum
	}
	return p
}

// Reading again from any position that was handed out gives what came after it once more, with
// the same ids and the same texts, and nothing else: however often podbeat is killed.
func TestJoinAgain(t *testing.T) {
	limits := []joinOptions{
		joinDefaults,
		{Enabled: true, MaxBytes: 40_000, MaxAge: 5 * time.Second, MaxOpen: 1000},
		{Enabled: true, MaxBytes: 1 << 20, MaxAge: 5 * time.Second, MaxOpen: 2},
		{Enabled: true, MaxBytes: 20_000, MaxAge: 10 * time.Millisecond, MaxOpen: 3},
	}
	m := testMetrics(t)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		o := limits[int(seed)%len(limits)]
		entries := randomJournal(r, 120)
		read := func(from position, upTo int) (out []message) {
			first := 0
			if from.Cursor != "" {
				first, _ = strconv.Atoi(from.Cursor)
			}
			j := newJoiner(o, m, 1<<20, from)
			for i := first; i < upTo; i++ {
				out = append(out, j.add(&entries[i], behind(entries, i+1))...)
			}
			if upTo == len(entries) {
				out = append(out, expireAll(j)...)
				if end := j.position(); len(end.Joined) > 0 || end.ahead != nil {
					t.Errorf("seed %d: at the end the position still lists %v, %+v", seed, end.Joined, end.ahead)
				}
			}
			return slices.Clone(out)
		}
		want := read(position{}, len(entries))
		var from position
		delivered, settled := map[uint64]string{}, map[uint64]bool{}
		deliver := func(messages []message) {
			for _, m := range messages {
				text, ok := delivered[m.Entry.Seqnum]
				if ok && text != show(m) {
					t.Fatalf("seed %d: %.80q arrives again as %.80q", seed, text, show(m))
				}
				if settled[m.Entry.Seqnum] {
					t.Fatalf("seed %d: %.80q arrives again, though a position behind it was stored", seed, show(m))
				}
				delivered[m.Entry.Seqnum] = show(m)
			}
		}
		for range 6 { // killed each time: some of what came out is delivered, the position of some of that is stored
			out := read(from, r.IntN(len(entries)+1))
			n := r.IntN(len(out) + 1)
			deliver(out[:n])
			if stored := r.IntN(n + 1); stored > 0 {
				from = out[stored-1].Position.written()
				for _, m := range out[:stored] {
					settled[m.Entry.Seqnum] = true
				}
			}
		}
		deliver(read(from, len(entries)))
		wanted := map[uint64]string{}
		for _, m := range want {
			wanted[m.Entry.Seqnum] = show(m)
		}
		if !reflect.DeepEqual(delivered, wanted) {
			for id, text := range delivered {
				if wanted[id] != text {
					t.Errorf("seed %d: %d delivered as %.80q, want %.80q", seed, id, text, wanted[id])
				}
			}
			for id, text := range wanted {
				if delivered[id] == "" {
					t.Errorf("seed %d: %d is missing: %.80q", seed, id, text)
				}
			}
			t.FailNow()
		}
	}
}

// Whatever the options are each time reading starts again, and whatever was vacuumed meanwhile, no text that is there is left out.
func TestJoinAgainOtherwise(t *testing.T) {
	m := testMetrics(t)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		entries := randomJournal(r, 120)
		for i := range entries { // what writes a message writes to one journal
			entries[i].SeqnumID = chainA
			if p := partOf(&entries[i]); p.names[0] >= "p" {
				entries[i].SeqnumID = chainB
			}
		}
		there, arrived := map[string]bool{}, map[string]bool{}
		var from position
		for end, gone := 0, 0; end < len(entries); {
			o := joinOptions{Enabled: r.IntN(4) > 0, MaxBytes: option.Bytes(1 + r.IntN(50_000)), MaxAge: 5 * time.Second, MaxOpen: 1 + r.IntN(5)}
			first, _ := strconv.Atoi(from.Cursor)
			if r.IntN(3) == 0 {
				gone = max(gone, first+r.IntN(6))
				for _, e := range entries[:min(gone, len(entries))] { // also what had been read and waited
					delete(there, e.Get("MESSAGE"))
				}
			}
			j := newJoiner(o, m, 1<<20, from)
			end = min(len(entries), max(first, gone)+r.IntN(60))
			var out []message
			for i := max(first, gone); i < end; i++ {
				there[entries[i].Get("MESSAGE")] = true
				out = append(out, j.add(&entries[i], behind(entries, i+1))...)
			}
			if end == len(entries) {
				out = append(out, expireAll(j)...)
			}
			for _, m := range out {
				from = m.Position.written()
				for text := range strings.SplitAfterSeq(m.Text, ".") {
					arrived[strings.TrimLeft(text, "x")] = true
				}
			}
		}
		for text := range there {
			if text, _, _ = strings.Cut(text, "x"); !arrived[text] {
				t.Errorf("seed %d: %q has not arrived", seed, text)
			}
		}
	}
}

// Chains come late, and go for good, while podbeat is stopped again and again: what came out does not come out again, and
// what is there comes out.
func TestJoinAgainChains(t *testing.T) {
	m := testMetrics(t)
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 13))
		chains := map[string][]Entry{}
		ids := []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}
		for i, e := range randomJournal(r, 150) {
			id := ids[r.IntN(3)]
			if i > 75 && id == ids[0] {
				id = ids[2] // a ends
			}
			e.SeqnumID, e.Seqnum, e.Realtime = id, uint64(len(chains[id])+1), uint64(i)
			for j := range e.Fields {
				if n := e.Fields[j].Name; n == "CONTAINER_ID_FULL" || n == "_STREAM_ID" {
					e.Fields[j].Value += id[:1] // what writes a message writes to one journal
				}
			}
			chains[id] = append(chains[id], e)
		}
		o := joinOptions{Enabled: true, MaxBytes: 1 << 20, MaxAge: 5 * time.Second, MaxOpen: 1000}
		var from position
		came := map[string]int{}
		out := func(messages []message) {
			for _, m := range messages {
				from = m.Position.written()
				for text := range strings.SplitAfterSeq(m.Text, ".") {
					if text = strings.TrimLeft(text, "x"); text != "" {
						came[text]++
					}
				}
			}
		}
		gone := map[string]bool{}
		for run := range 12 {
			read := from.numbers()
			j := newJoiner(o, m, 1<<20, from)
			stop := r.IntN(60)
			if run == 11 {
				stop = math.MaxInt
			}
			for range stop {
				var ready []string // with something to read
				for _, id := range ids {
					if !gone[id] && read[id] < uint64(len(chains[id])) {
						ready = append(ready, id)
					}
				}
				if len(ready) == 0 {
					break
				}
				e := &chains[ready[r.IntN(len(ready))]][0]
				e = &chains[e.SeqnumID][read[e.SeqnumID]]
				read[e.SeqnumID]++
				out(j.add(e, position{Chains: maps.Clone(read), Whole: true}))
			}
			if run == 11 {
				out(expireAll(j))
			}
			if run == 6 {
				gone[ids[r.IntN(3)]] = true
			}
			if n := strings.Count(from.Ahead, "key"); n > 40 {
				t.Fatalf("seed %d: %d messages are said to wait", seed, n)
			}
		}
		for text, n := range came {
			if n > 1 {
				t.Errorf("seed %d: %q came %d times", seed, text, n)
			}
		}
		for id, list := range chains {
			for _, e := range list {
				if text, _, _ := strings.Cut(e.Get("MESSAGE"), "x"); !gone[id] && came[text] == 0 {
					t.Errorf("seed %d: %q of chain %s has not come", seed, text, id[:1])
				}
			}
		}
	}
}

// A journal that was set back, as a machine is to a snapshot, uses its numbers again: what has a later time than all that
// had come out is new.
func TestJoinNumbersAgain(t *testing.T) {
	run := func(from position, entries []Entry) (got []string, last position) {
		j := newJoiner(joinDefaults, testMetrics(t), 1<<20, from)
		for i := range entries {
			for _, m := range j.add(&entries[i], behind(entries, i+1)) {
				got, last = append(got, show(m)), m.Position.written()
			}
		}
		return got, last
	}
	first := journalOf("c1 a", "c2 b", "p1 P c", "c1 d", "c1 e", "c1 f")
	_, from := run(position{}, first)
	f := func(want string, in ...string) {
		t.Helper()
		entries := journalOf(in...)
		got, _ := run(from, entries[2:])
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	f("7x1 g, 3x2 cg", "c1 a", "c2 b", "p1 P c", "c1 d", "c1 e", "c1 f", "c1 g", "p1 g")
	f("3x1 C, 4x1 D, 5x1 E, 6x1 F, 7x1 G", "c1 a", "c2 b", "+1m c1 C", "c1 D", "c1 E", "c1 F", "c1 G")
	f("4x1 D, 3x2 cE, 6x1 F", "c1 a", "c2 b", "p1 P c", "+1s c1 D", "p1 E", "c1 F")
}
