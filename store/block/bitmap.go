package block

import "math/bits"

// A Bitmap is a set of rows of one segment. Bitmaps that are combined must be of the same length.
type Bitmap struct {
	words []uint64
	n     int
}

// NewBitmap returns an empty set for n rows.
func NewBitmap(n int) *Bitmap { return &Bitmap{words: make([]uint64, (n+63)/64), n: n} }

// FullBitmap returns the set of all n rows.
func FullBitmap(n int) *Bitmap {
	b := NewBitmap(n)
	b.SetRange(0, n)
	return b
}

// Len is the number of rows there are, in the set or not.
func (b *Bitmap) Len() int { return b.n }

// Has says whether row is in the set.
func (b *Bitmap) Has(row int) bool { return b.words[row>>6]&(1<<(row&63)) != 0 }

// Set adds row.
func (b *Bitmap) Set(row int) { b.words[row>>6] |= 1 << (row & 63) }

// Unset takes row out.
func (b *Bitmap) Unset(row int) { b.words[row>>6] &^= 1 << (row & 63) }

// SetRange adds the rows from first to before end.
func (b *Bitmap) SetRange(first, end int) {
	for first < end && first&63 != 0 {
		b.Set(first)
		first++
	}
	for ; first+64 <= end; first += 64 {
		b.words[first>>6] = ^uint64(0)
	}
	for ; first < end; first++ {
		b.Set(first)
	}
}

// setWhere makes b the set of the rows whose code holds (1, not 0); there is a code for each row.
func (b *Bitmap) setWhere(codes []uint8, holds *[1 << 8]uint8) {
	for i := range b.words {
		word := uint64(0)
		for k, c := range codes[i<<6 : min(i<<6+64, len(codes))] {
			word |= uint64(holds[c]) << (k & 63)
		}
		b.words[i] = word
	}
}

// And keeps what is in other too, and returns b.
func (b *Bitmap) And(other *Bitmap) *Bitmap {
	for i, w := range other.words {
		b.words[i] &= w
	}
	return b
}

// Or adds what is in other, and returns b.
func (b *Bitmap) Or(other *Bitmap) *Bitmap {
	for i, w := range other.words {
		b.words[i] |= w
	}
	return b
}

// AndNot takes out what is in other, and returns b.
func (b *Bitmap) AndNot(other *Bitmap) *Bitmap {
	for i, w := range other.words {
		b.words[i] &^= w
	}
	return b
}

// Not turns b into the set of the rows that were not in it, and returns it.
func (b *Bitmap) Not() *Bitmap {
	for i, w := range b.words {
		b.words[i] = ^w
	}
	if rest := b.n & 63; rest != 0 {
		b.words[len(b.words)-1] &= 1<<rest - 1
	}
	return b
}

// Clone returns a set of its own with the same rows.
func (b *Bitmap) Clone() *Bitmap {
	return &Bitmap{words: append([]uint64(nil), b.words...), n: b.n}
}

// Count is the number of rows in the set.
func (b *Bitmap) Count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Empty says whether no row is in the set.
func (b *Bitmap) Empty() bool {
	for _, w := range b.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// Next returns the first row of the set that is not before row, or -1.
func (b *Bitmap) Next(row int) int {
	if row >= b.n {
		return -1
	}
	i := row >> 6
	w := b.words[i] >> (row & 63) << (row & 63)
	for w == 0 {
		if i++; i == len(b.words) {
			return -1
		}
		w = b.words[i]
	}
	return i<<6 + bits.TrailingZeros64(w)
}

// Fill adds rows of the set, from next on, until to has no more room, and returns where to go on: Len when there are no more.
func (b *Bitmap) Fill(to []int32, next int) ([]int32, int) {
	for i := next >> 6; i < len(b.words); i++ {
		w := b.words[i]
		if i == next>>6 {
			w = w >> (next & 63) << (next & 63)
		}
		for ; w != 0; w &= w - 1 {
			row := i<<6 + bits.TrailingZeros64(w)
			if len(to) == cap(to) {
				return to, row
			}
			to = append(to, int32(row))
		}
	}
	return to, b.n
}

// Rows yields the rows of the set in ascending order.
func (b *Bitmap) Rows(yield func(row int) bool) {
	for i, w := range b.words {
		for ; w != 0; w &= w - 1 {
			if !yield(i<<6 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}
