package status

import (
	"bytes"
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
		h.Write(append([]byte(name), 0))
	}
	h.Write(appendCanonical(nil, v))
	sum := h.Sum64()
	return uint32(sum^sum>>24^sum>>48) & 0xffffff
}

// appendCanonical appends v in a form that tells what it means: members in order, numbers as doubles, which is all that a
// program in between keeps of them.
func appendCanonical(to []byte, v body.Value) []byte {
	switch v.Kind {
	case body.Number:
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil && !math.IsInf(f, 0) {
			return append(strconv.AppendFloat(to, f+0, 'g', -1, 64), ' ') // + 0: no negative zero
		}
		return append(append(to, v.Text...), ' ')
	case body.String:
		return body.AppendString(to, v.Text)
	case body.Array:
		to = append(to, '[')
		for _, item := range v.Items {
			to = appendCanonical(to, item)
		}
		return append(to, ']')
	case body.Object:
		byName := func(a, b body.Member) int { return strings.Compare(a.Name, b.Name) }
		members := v.Members
		if !slices.IsSortedFunc(members, byName) {
			members = slices.SortedFunc(slices.Values(members), byName)
		}
		to = append(to, '{')
		for _, m := range members {
			to = appendCanonical(body.AppendString(to, m.Name), m.Value)
		}
		return append(to, '}')
	}
	return append(append(to, byte(v.Kind)), v.Text...) // null, true, false
}

// equal says whether two values mean the same.
func equal(a, b body.Value) bool {
	return bytes.Equal(appendCanonical(nil, a), appendCanonical(nil, b))
}
