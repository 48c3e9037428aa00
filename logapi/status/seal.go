package status

import (
	"encoding/base64"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// A seal tells, when a document comes back, which of its members are as they were given: it holds 24 bits of a hash of
// each member's path and value. Programs may order members anew and write numbers and texts in other ways.
type seal map[uint32]bool

// sealOf is the seal of a document, as text. Lists are members as a whole.
func sealOf(doc body.Value) string {
	var raw []byte
	eachLeaf(nil, doc, func(path []string, v body.Value) {
		h := leafHash(path, v)
		raw = append(raw, byte(h>>16), byte(h>>8), byte(h))
	})
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readSeal(text string) (seal, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw)%3 != 0 {
		return nil, false
	}
	s := seal{}
	for h := range slices.Chunk(raw, 3) {
		s[uint32(h[0])<<16|uint32(h[1])<<8|uint32(h[2])] = true
	}
	return s, true
}

// has says whether the member was given with this value.
func (s seal) has(path []string, v body.Value) bool { return s[leafHash(path, v)] }

// eachLeaf calls f for each member that is no object, at any depth. Path is good until f returns.
func eachLeaf(path []string, v body.Value, f func(path []string, v body.Value)) {
	if v.Kind != body.Object {
		f(path, v)
		return
	}
	for _, m := range v.Members {
		eachLeaf(append(path, m.Name), m.Value, f)
	}
}

func leafHash(path []string, v body.Value) uint32 {
	h := fnv.New64a()
	for _, name := range path {
		h.Write([]byte(name))
		h.Write([]byte{0})
	}
	h.Write(canonical(v).Append(nil))
	sum := h.Sum64()
	return uint32(sum^sum>>24^sum>>48) & 0xffffff
}

// canonical is v with its members in order and its numbers in one form, as doubles: all that a program in between
// keeps of them.
func canonical(v body.Value) body.Value {
	switch v.Kind {
	case body.Number:
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil && !math.IsInf(f, 0) {
			v.Text = strconv.FormatFloat(f+0, 'g', -1, 64) // + 0: no negative zero
		}
	case body.Array:
		v.Items = slices.Clone(v.Items)
		for i, item := range v.Items {
			v.Items[i] = canonical(item)
		}
	case body.Object:
		v.Members = slices.Clone(v.Members)
		for i, m := range v.Members {
			v.Members[i].Value = canonical(m.Value)
		}
		slices.SortFunc(v.Members, func(a, b body.Member) int { return strings.Compare(a.Name, b.Name) })
	}
	return v
}

// equal says whether two values mean the same.
func equal(a, b body.Value) bool { return canonical(a).String() == canonical(b).String() }
