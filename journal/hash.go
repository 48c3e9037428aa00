package journal

import "math/bits"

// hash is how the file hashes what it keeps in its tables.
func (f *File) hash(b []byte) uint64 {
	if f.h.Incompatible&FlagKeyedHash != 0 {
		return siphash24(f.h.FileID, b)
	}
	return jenkins64(b)
}

// siphash24 is SipHash-2-4 (Aumasson and Bernstein).
func siphash24(key ID, b []byte) uint64 {
	k0, k1 := le.Uint64(key[:]), le.Uint64(key[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	rounds := func(n int) {
		for range n {
			v0 += v1
			v1 = bits.RotateLeft64(v1, 13) ^ v0
			v0 = bits.RotateLeft64(v0, 32)
			v2 += v3
			v3 = bits.RotateLeft64(v3, 16) ^ v2
			v0 += v3
			v3 = bits.RotateLeft64(v3, 21) ^ v0
			v2 += v1
			v1 = bits.RotateLeft64(v1, 17) ^ v2
			v2 = bits.RotateLeft64(v2, 32)
		}
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := le.Uint64(b)
		v3 ^= m
		rounds(2)
		v0 ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	v3 ^= last
	rounds(2)
	v0 ^= last
	v2 ^= 0xff
	rounds(4)
	return v0 ^ v1 ^ v2 ^ v3
}

// jenkins64 is both results of Bob Jenkins' lookup3 (hashlittle2), the first one high.
func jenkins64(data []byte) uint64 {
	a := 0xdeadbeef + uint32(len(data))
	b, c := a, a
	rot := bits.RotateLeft32
	if len(data) == 0 {
		return uint64(c)<<32 | uint64(b)
	}
	for ; len(data) > 12; data = data[12:] {
		a, b, c = a+le.Uint32(data), b+le.Uint32(data[4:]), c+le.Uint32(data[8:])
		a = (a - c) ^ rot(c, 4)
		c += b
		b = (b - a) ^ rot(a, 6)
		a += c
		c = (c - b) ^ rot(b, 8)
		b += a
		a = (a - c) ^ rot(c, 16)
		c += b
		b = (b - a) ^ rot(a, 19)
		a += c
		c = (c - b) ^ rot(b, 4)
		b += a
	}
	var rest [12]byte
	copy(rest[:], data)
	a, b, c = a+le.Uint32(rest[:]), b+le.Uint32(rest[4:]), c+le.Uint32(rest[8:])
	c = (c ^ b) - rot(b, 14)
	a = (a ^ c) - rot(c, 11)
	b = (b ^ a) - rot(a, 25)
	c = (c ^ b) - rot(b, 16)
	a = (a ^ c) - rot(c, 4)
	b = (b ^ a) - rot(a, 14)
	c = (c ^ b) - rot(b, 24)
	return uint64(c)<<32 | uint64(b)
}
