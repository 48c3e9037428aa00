package block

import (
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// longestWord is the longest word that a bloom filter is asked for: analysis cuts longer ones.
const longestWord = 128

// words calls f with each run of ASCII letters and digits in s, in lower case; false ends it. What f gets is valid
// during the call. Other letters divide words: whatever an analyzer makes of a text, each such run within one of its tokens is a run
// of the text.
func words(s string, f func(word []byte) bool) {
	var buf [64]byte
	word := buf[:0]
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c-'a' < 26 || c-'0' < 10:
			word = append(word, c)
			i++
			continue
		case c-'A' < 26:
			word = append(word, c+'a'-'A')
			i++
			continue
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			i += n
			// The Kelvin sign is a k in lower case.
			if r = unicode.ToLower(r); r < utf8.RuneSelf {
				word = append(word, byte(r))
				continue
			}
		}
		if len(word) > 0 && !f(word) {
			return
		}
		word = word[:0]
	}
	if len(word) > 0 {
		f(word)
	}
}

// The hashes of whole values and of words differ, so that a value is not found by a word that another has.
func valueHash(s string) uint64 { return xxhash.Sum64String(s) }
func wordHash(w []byte) uint64  { return xxhash.Sum64(w) ^ 0x9e3779b97f4a7c15 }

// hashSet collects distinct hashes. The zero value is empty.
type hashSet struct {
	slots []uint64 // 0 is free; a hash of 0 is kept as 1
	n     int
}

func (s *hashSet) reset() {
	clear(s.slots)
	s.n = 0
}

func (s *hashSet) add(h uint64) {
	if h == 0 {
		h = 1
	}
	if s.n*2 >= len(s.slots) {
		old := s.slots
		s.slots = make([]uint64, max(1024, len(old)*2))
		s.n = 0
		for _, h := range old {
			if h != 0 {
				s.add(h)
			}
		}
	}
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case h:
			return
		case 0:
			s.slots[i] = h
			s.n++
			return
		}
	}
}

// A bloom is a filter of 64-bit words: about 9 bits and 6 probes a hash, 1.3 % false answers.
type bloom []uint64

const bloomBits, bloomProbes = 9, 6

func (s *hashSet) bloom() bloom {
	b := make(bloom, (s.n*bloomBits+63)/64+1)
	for _, h := range s.slots {
		if h != 0 {
			b.add(h)
		}
	}
	return b
}

// The probes of a hash are in one run of eight words, mostly one cache line.
func (b bloom) probe(h uint64) (base uint64, step uint64) {
	base, _ = bits.Mul64(h, uint64(len(b)))
	return base, h * 0xff51afd7ed558ccd
}

func (b bloom) add(h uint64) {
	base, x := b.probe(h)
	for range bloomProbes {
		b[(base+x>>61)%uint64(len(b))] |= 1 << (x >> 55 & 63)
		x = x*0xc4ceb9fe1a85ec53 + 1
	}
}

func (b bloom) has(h uint64) bool {
	if len(b) == 0 {
		return true
	}
	if h == 0 {
		h = 1
	}
	base, x := b.probe(h)
	for range bloomProbes {
		if b[(base+x>>61)%uint64(len(b))]&(1<<(x>>55&63)) == 0 {
			return false
		}
		x = x*0xc4ceb9fe1a85ec53 + 1
	}
	return true
}
