package journal

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/journal"
)

// A shape is what is known of all entries that have the same values but for the holes: a container's lines, a unit's. What follows from the
// values is found out once, and an event of the shape is made by filling in the rest (see prepared).
type shape struct {
	hash uint64
	ids  []uint64 // of the fields in their order: of the value that the file keeps once, or of the name of a hole
	used bool     // since the hand came by

	ordinary bool // there is something about these entries that nothing is prepared for
	part     part // without the text
	text     int  // index of MESSAGE, -1 is none
	excluded bool
	notice   bool // journald's own of a loss
	ordinal  int  // index of CONTAINER_LOG_ORDINAL, -1 is none …
	counted  counted

	template *prepared.Template // nil until the first event
	slots    []slot
}

const (
	// maxShapes bounds the shapes that are kept; those in use stay.
	maxShapes = 1024
	// maxShapeFields bounds the fields of an entry that a shape is looked for.
	maxShapeFields = 64
	// maxOnce bounds what is kept of shapes that were seen once. A power of two.
	maxOnce = 8192
	// A name that has had this many values, and one in so few entries, is a hole: its values make no shapes.
	manyValues, fewEntries = 256, 16
)

// shapes keeps the shapes by their hash. It is not safe for concurrent use.
type shapes struct {
	seed   uint64
	known  map[uint64]*shape
	ring   []*shape
	hand   int
	once   []uint64 // hashes seen
	ids    [maxShapeFields]uint64
	recent [128]*field // names looked up, by a rough hash
}

func newShapes() *shapes {
	return &shapes{seed: maphash.Bytes(maphash.MakeSeed(), nil), known: map[uint64]*shape{}, once: make([]uint64, maxOnce)}
}

// shared is what a converter knows of a value that the file keeps once, in its journal.Data.
type shared struct {
	field  *field
	boxed  any // the value as it is written; nil if it cannot be so
	number any // of a field that wants a number, if it is one
}

// learn finds out what there is to know of a value.
func (c *converter) learn(d *journal.Data) *shared {
	f := c.field(d.Name)
	s := &shared{field: f}
	d.Any = s
	if len(d.Value) <= int(c.opts.MaxMessageBytes) && utf8.ValidString(d.Value) {
		s.boxed = d.Value
	}
	if f.isLong() {
		if n, ok := parseLong(d.Value); ok {
			s.number = n
		}
	}
	if f.values++; !f.fixed && f.values > manyValues && f.values*fewEntries > c.entries {
		f.hole = true
	}
	return s
}

// fieldOf returns what is known of a field by its name and, if others have it too, by its value.
func (c *converter) fieldOf(f *Field) (*field, *shared) {
	if d := f.Data; d != nil {
		s, ok := d.Any.(*shared)
		if !ok {
			s = c.learn(d)
		}
		return s.field, s
	}
	return c.named(f.Name), nil
}

// named is field for names that come again and again.
func (c *converter) named(name string) *field {
	if name == "" {
		return c.field(name)
	}
	slot := &c.shapes.recent[(len(name)*37+int(name[0])*5+int(name[len(name)-1]))%len(c.shapes.recent)]
	if *slot == nil || (*slot).key != name {
		*slot = c.field(name)
	}
	return *slot
}

// know sets the entry's shape, if it has one that has been seen before.
func (c *converter) know(e *Entry) {
	c.entries++
	e.shape = nil
	if len(e.Fields) > maxShapeFields {
		return
	}
	ids := c.shapes.ids[:len(e.Fields)]
	hash := c.shapes.seed
	for i := range e.Fields {
		var id uint64
		if d := e.Fields[i].Data; d != nil {
			s, ok := d.Any.(*shared)
			if !ok {
				s = c.learn(d)
			}
			if id = d.ID; s.field.hole {
				id = s.field.id
			}
		} else {
			f := c.named(e.Fields[i].Name)
			if f.fixed || f.id == 0 {
				return
			}
			id = f.id
		}
		ids[i] = id
		hi, lo := bits.Mul64(hash^id, 0x9e3779b97f4a7c15)
		hash = hi ^ lo
	}
	if k := c.shapes.known[hash]; k != nil && slices.Equal(k.ids, ids) {
		k.used = true
		e.shape = k
	} else if once := &c.shapes.once[hash%maxOnce]; *once != hash {
		*once = hash
	} else {
		e.shape = c.newShape(e, hash, ids)
	}
	if e.shape != nil && e.shape.ordinary {
		e.shape = nil
	}
}

// newShape finds out what follows from the values of e that are no holes.
func (c *converter) newShape(e *Entry, hash uint64, ids []uint64) *shape {
	k := &shape{hash: hash, ids: slices.Clone(ids), used: true, text: -1, ordinal: -1}
	c.shapes.add(k)
	seen := map[string]bool{}
	for i := range e.Fields {
		name := e.Fields[i].Name
		f := c.named(name)
		// Repeated names become lists; parts of messages are joined.
		if seen[name] || f.role == rolePart {
			k.ordinary = true
		}
		seen[name] = true
		switch {
		case f.role == roleMessage:
			k.text = i
		case name == "CONTAINER_LOG_ORDINAL":
			k.ordinal = i
		case name == "MESSAGE_ID":
			k.notice = isNotice(e.Fields[i].Value)
		}
		if !c.isHole(&e.Fields[i]) {
			k.excluded = k.excluded || slices.Contains(c.exclude, exclusion{name, e.Fields[i].Value})
		} else if slices.ContainsFunc(c.exclude, func(x exclusion) bool { return x.name == name }) {
			k.ordinary = true
		}
	}
	k.part = partOf(e)
	k.part.text = ""
	for i, n := range k.part.names {
		k.part.names[i] = strings.Clone(n)
	}
	k.counted = countedOf(e)
	return k
}

// isHole says whether entries of a shape have values of their own here.
func (c *converter) isHole(f *Field) bool {
	known, s := c.fieldOf(f)
	return s == nil || known.hole
}

func (ks *shapes) add(k *shape) {
	if old := ks.known[k.hash]; old != nil { // two shapes with one hash
		*old = *k
		return
	}
	if len(ks.ring) < maxShapes {
		ks.ring = append(ks.ring, k)
	} else {
		for ks.ring[ks.hand].used {
			ks.ring[ks.hand].used = false
			ks.hand = (ks.hand + 1) % maxShapes
		}
		delete(ks.known, ks.ring[ks.hand].hash)
		ks.ring[ks.hand] = k
		ks.hand = (ks.hand + 1) % maxShapes
	}
	ks.known[k.hash] = k
}
