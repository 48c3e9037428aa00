package journal

import "strings"

// Bounds of what is kept of a file's shared data: this twice.
const (
	cacheData  = 32 << 10
	cacheBytes = 8 << 20
)

// A cache keeps what many entries share, by its offset. When it is full it becomes the old one, and is
// forgotten when the next is full, but for what has been asked for meanwhile.
type cache struct {
	young, old table
	bytes      int
}

// get returns nil if there is nothing at off.
func (c *cache) get(off uint64) *Data {
	if d := c.young.get(off); d != nil {
		return d
	}
	return c.getOld(off)
}

// getOld is get for what is not among the young.
func (c *cache) getOld(off uint64) *Data {
	if c.old.n == 0 {
		return nil
	}
	d := c.old.get(off)
	if d != nil {
		c.put(off, d)
	}
	return d
}

func (c *cache) put(off uint64, d *Data) {
	c.bytes += len(d.Name) + len(d.Value)
	if c.young.n >= cacheData || c.bytes > cacheBytes {
		c.old, c.young, c.bytes = c.young, table{}, 0
	}
	c.young.put(off, d)
}

// A table finds data by offset, which is never 0. At most half of its slots are in use.
type table struct {
	slots []slot // a power of 2
	shift uint8
	n     int
}

type slot struct {
	off  uint64
	data *Data
}

// row is where to begin looking for off.
func (t *table) row(off uint64) uint64 { return off * 0x9e3779b97f4a7c15 >> t.shift }

func (t *table) get(off uint64) *Data {
	mask := uint64(len(t.slots) - 1)
	if t.n == 0 {
		return nil
	}
	for i := t.row(off); ; i = (i + 1) & mask {
		if s := &t.slots[i&mask]; s.off == off || s.off == 0 {
			return s.data
		}
	}
}

func (t *table) put(off uint64, d *Data) {
	if 2*t.n >= len(t.slots) {
		was := t.slots
		t.slots = make([]slot, max(64, 2*len(was)))
		t.shift = 64
		for n := len(t.slots); n > 1; n /= 2 {
			t.shift--
		}
		t.n = 0
		for _, s := range was {
			if s.off != 0 {
				t.put(s.off, s.data)
			}
		}
	}
	mask := uint64(len(t.slots) - 1)
	i := t.row(off)
	for t.slots[i].off != 0 && t.slots[i].off != off {
		i = (i + 1) & mask
	}
	if t.slots[i].off == 0 {
		t.n++
	}
	t.slots[i] = slot{off, d}
}

// textBlock is how much text of entries' own is kept or forgotten together.
const textBlock = 32 << 10

// A text makes strings many at a time. They never change: a full block is left to those who have strings in it.
type text struct{ block strings.Builder }

func (t *text) add(b []byte) string {
	if len(b) > textBlock/8 {
		return string(b)
	}
	if t.block.Cap()-t.block.Len() < len(b) {
		t.block = strings.Builder{}
		t.block.Grow(textBlock)
	}
	n := t.block.Len()
	t.block.Write(b)
	return t.block.String()[n:]
}
