// Package journalgen makes the journal of a Kubernetes node that never existed: deterministic for
// a seed, as close to what docker, conmon and systemd write as their sources allow, and knowing
// what a reader has to make of it.
//
// A Generator yields journal entries in systemd's export format and, once it is through, the
// logical messages they stand for. A Writer turns entries into real journal files by feeding
// systemd-journal-remote, and rotates and vacuums them as journald does.
//
// Every logical message carries the token sq#NNNNNNNN (its sequence number, eight digits) once,
// near its beginning: a split message carries it in its first part only.
package journalgen

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf8"
)

// Options say what node it is. Shares are between 0 and 1, and 0 means none: start from Defaults.
type Options struct {
	Entries int       // journal entries, exactly
	Seed    uint64    // the same seed and options give the same bytes
	Start   time.Time // the journal's time just before the first entry
	Pause   float64   // share of messages that pause containers write
	System  float64   // share of messages from units, the kernel and containers that are not Kubernetes'
	Partial float64   // share of messages that are split over several entries
	Binary  float64   // share of messages that are not UTF-8
	Large   float64   // share of messages with one field over 64 KiB
}

// Defaults are a node with about 15 % pause messages and a little of everything else, 2 ms between
// two entries and about 1 KiB an entry.
func Defaults(entries int) Options {
	return Options{
		Entries: entries,
		Seed:    1,
		Start:   time.Date(2024, 5, 17, 0, 0, 0, 0, time.UTC),
		Pause:   0.15,
		System:  0.10,
		Partial: 0.002,
		Binary:  0.02,
		Large:   0.0002,
	}
}

// A Message is one logical message: what an application wrote as one line, however many journal
// entries it became. First and Last are ordinals: 0 is the first entry generated, and an entry's
// sequence number in a journal that a Writer began is its ordinal plus one.
type Message struct {
	Seq      int    `json:"seq"`
	First    int    `json:"first"`
	Last     int    `json:"last"`
	Parts    int    `json:"parts"`
	Pause    bool   `json:"pause"`    // written by a pause container: to be dropped
	Binary   bool   `json:"binary"`   // the joined text is not UTF-8
	Bytes    int    `json:"bytes"`    // length of the joined text
	CRC32    uint32 `json:"crc32"`    // IEEE checksum of the joined text
	Source   string `json:"source"`   // the container's or the unit's name
	Producer string `json:"producer"` // who wrote it: docker-24, docker-18.06, conmon, stdout …
}

// A Generator yields one entry after the other. It is not safe for concurrent use.
type Generator struct {
	opts     Options
	node     *node
	r        *rand.Rand
	realtime uint64 // microseconds
	mono     uint64 // microseconds
	ordinal  int    // of the next entry
	open     []*split
	owed     int // entries that the open messages still need
	messages []Message
	text     []byte
	entry    []byte
}

// split is a message of which some parts are still to come. Its stream carries nothing else until
// then: docker and conmon read a stream in order, only other streams come between.
type split struct {
	message int // index into messages
	from    *stream
	parts   [][]byte
	next    int
	id      string // docker's CONTAINER_PARTIAL_ID
}

// New starts the journal that o describes.
func New(o Options) *Generator {
	r := rand.New(rand.NewPCG(o.Seed, 42))
	return &Generator{opts: o, r: r, node: newNode(r), realtime: uint64(o.Start.UnixMicro()), mono: 3600e6}
}

// Hostname is the node's name, as in _HOSTNAME of every entry.
func (g *Generator) Hostname() string { return g.node.host }

// Messages are the logical messages of all entries yielded so far, by Seq, which is also their
// index. They are complete when Next has said false.
func (g *Generator) Messages() []Message { return g.messages }

// Next yields one entry in export format, with the empty line that ends it; false after the last.
// The bytes are valid until the next call.
func (g *Generator) Next() ([]byte, bool) {
	left := g.opts.Entries - g.ordinal
	if left <= 0 {
		return nil, false
	}
	d := uint64(g.r.ExpFloat64()*2000) + 1
	g.realtime += d
	g.mono += d

	if len(g.open) > 0 && (left <= g.owed || g.r.IntN(2) == 0) {
		g.continueSplit(g.r.IntN(len(g.open)))
	} else if from := g.pick(); from.open != nil {
		for i, s := range g.open {
			if s == from.open {
				g.continueSplit(i)
				break
			}
		}
	} else {
		g.begin(from, left-g.owed)
	}
	g.ordinal++
	return g.entry, true
}

// WriteTo writes all remaining entries.
func (g *Generator) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		e, ok := g.Next()
		if !ok {
			return total, nil
		}
		n, err := w.Write(e)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// pick chooses who writes next. Containers are skewed: a few write most, as on a real node.
func (g *Generator) pick() *stream {
	n := g.node
	var s *source
	switch p := g.r.Float64(); {
	case p < g.opts.Pause:
		s = n.pauses[g.r.IntN(len(n.pauses))]
	case p < g.opts.Pause+g.opts.System:
		s = n.system[g.r.IntN(len(n.system))]
	default:
		s = n.apps[int(g.r.Float64()*g.r.Float64()*float64(len(n.apps)))]
	}
	if g.r.IntN(10) == 0 {
		return &s.stderr
	}
	return &s.stdout
}

// begin writes the first entry of a new message; the message may take up to room entries.
func (g *Generator) begin(from *stream, room int) {
	seq := len(g.messages)
	s := from.source
	p := g.r.Float64()
	var large []byte
	var parts [][]byte
	switch {
	case p < g.opts.Partial && s.producer.partBytes > 0:
		parts = g.splitText(seq, s.producer)
		if len(parts) > room {
			parts = nil
		}
	case p < g.opts.Partial+g.opts.Large:
		// Only a native sender can write so much at once.
		from = &g.node.native.stdout
		s = from.source
		if g.r.IntN(2) == 0 {
			g.longText(seq, 64<<10+1+g.r.IntN(128<<10))
			parts = [][]byte{g.text}
		} else {
			g.longText(seq, 64<<10+1+g.r.IntN(32<<10))
			large = append(large, g.text...)
		}
	case p < g.opts.Partial+g.opts.Large+g.opts.Binary:
		g.message(styleBinary, seq)
		parts = [][]byte{g.text}
	}
	if parts == nil {
		g.message(s.style, seq)
		parts = [][]byte{g.text}
	}

	m := Message{Seq: seq, First: g.ordinal, Last: g.ordinal, Parts: len(parts), Pause: s.pause,
		Binary: !utf8.Valid(g.text), Bytes: len(g.text), CRC32: crc32.ChecksumIEEE(g.text),
		Source: s.name, Producer: s.producer.name}
	g.messages = append(g.messages, m)
	sp := &split{message: seq, from: from, parts: parts}
	if len(parts) > 1 {
		// The parts outlive g.text.
		for i := range parts {
			parts[i] = append([]byte(nil), parts[i]...)
		}
		if s.producer.partIDs {
			sp.id = hexString(g.r, 64)
		}
		from.open = sp
		g.open = append(g.open, sp)
		g.owed += len(parts)
		g.continueSplit(len(g.open) - 1)
		return
	}
	g.write(sp, large)
}

func (g *Generator) continueSplit(i int) {
	s := g.open[i]
	g.write(s, nil)
	s.next++
	g.owed--
	g.messages[s.message].Last = g.ordinal
	if s.next == len(s.parts) {
		s.from.open = nil
		g.open = append(g.open[:i], g.open[i+1:]...)
	}
}

// splitText builds a message in g.text and cuts it as the producer does. Cuts fall anywhere, also
// inside a character: only the joined text is UTF-8.
func (g *Generator) splitText(seq int, p *producer) [][]byte {
	n := 2 + g.r.IntN(3)
	if g.r.IntN(20) == 0 {
		n = 6 + g.r.IntN(10)
	}
	// The last part is never full: an exactly full one is, for docker 18.06, no end at all.
	g.longText(seq, (n-1)*p.partBytes+1+g.r.IntN(p.partBytes-1))
	if g.r.Float64() < g.opts.Binary {
		g.text[len(g.text)-1] = 0xff
	}
	var parts [][]byte
	for rest := g.text; len(rest) > 0; {
		size := p.partBytes
		if p.shortParts && g.r.IntN(4) == 0 {
			size = p.partBytes/2 + g.r.IntN(p.partBytes/2)
		}
		size = min(size, len(rest))
		parts = append(parts, rest[:size])
		rest = rest[size:]
	}
	return parts
}

// write builds the entry of the split's next part in g.entry.
func (g *Generator) write(sp *split, large []byte) {
	s := sp.from.source
	b := g.entry[:0]
	b = fmt.Appendf(b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n", g.realtime, g.mono)
	b = append(b, s.fields...)
	b = append(b, sp.from.fields...)
	if s.producer.name != "kernel" {
		b = fmt.Appendf(b, "_SOURCE_REALTIME_TIMESTAMP=%d\n", g.realtime-uint64(g.r.IntN(400)))
	}
	if s.producer.ordinals {
		s.ordinal++
		written := time.UnixMicro(int64(g.realtime)).Add(-time.Duration(g.r.IntN(400_000))).UTC()
		b = fmt.Appendf(b, "CONTAINER_LOG_ORDINAL=%d\nSYSLOG_TIMESTAMP=%s\n", s.ordinal, written.Format(time.RFC3339Nano))
	}
	if last := sp.next == len(sp.parts)-1; len(sp.parts) > 1 {
		if !last || s.producer.flagsLast {
			b = append(b, s.producer.flag...)
		}
		if s.producer.partIDs {
			b = fmt.Appendf(b, "CONTAINER_PARTIAL_ID=%s\nCONTAINER_PARTIAL_ORDINAL=%d\nCONTAINER_PARTIAL_LAST=%t\n", sp.id, sp.next+1, last)
		}
	}
	if large != nil {
		b = appendField(b, "GOROUTINE_DUMP", large)
	}
	b = appendField(b, "MESSAGE", sp.parts[sp.next])
	g.entry = append(b, '\n')
}

// appendField writes a field as journalctl -o export does: text where it can be, else with a length.
func appendField(b []byte, name string, value []byte) []byte {
	b = append(b, name...)
	if printable(value) {
		b = append(b, '=')
	} else {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	}
	b = append(b, value...)
	return append(b, '\n')
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' {
			return false
		}
	}
	return utf8.Valid(b)
}

func hexString(r *rand.Rand, n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[r.IntN(16)]
	}
	return string(b)
}

func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, '=')
	b = append(b, value...)
	return append(b, '\n')
}

func intField(b []byte, name string, value int) []byte {
	return field(b, name, strconv.Itoa(value))
}
