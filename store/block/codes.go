package block

import "encoding/binary"

// Codes say which of a column's distinct values each value is. The zero Codes have none: every value is the first.
type Codes struct {
	narrow []uint8  // of up to 256 distinct values
	wide   []uint16 // of more
}

// None says whether every value is the first.
func (c Codes) None() bool { return c.narrow == nil && c.wide == nil }

// At is the code of a value; there must be codes.
func (c Codes) At(i int) int {
	if c.wide != nil {
		return int(c.wide[i])
	}
	return int(c.narrow[i])
}

// Narrow are the codes where they have a byte each, or nil.
func (c Codes) Narrow() []uint8 { return c.narrow }

// size is how many bytes of memory they take.
func (c Codes) size() int { return len(c.narrow) + 2*len(c.wide) }

// newCodes keeps codes below n.
func newCodes(list []uint16, n int) Codes {
	if n > 1<<8 {
		return Codes{wide: list}
	}
	c := Codes{narrow: make([]uint8, len(list))}
	for i, code := range list {
		c.narrow[i] = uint8(code)
	}
	return c
}

// appendCodes adds numbers below n, in as many bytes each as that takes.
func appendCodes[T uint16 | uint32](to []byte, codes []T, n int) []byte {
	width := codeWidth(n)
	b := make([]byte, 0, len(codes)*width)
	for _, c := range codes {
		switch width {
		case 1:
			b = append(b, byte(c))
		case 2:
			b = binary.LittleEndian.AppendUint16(b, uint16(c))
		default:
			b = binary.LittleEndian.AppendUint32(b, uint32(c))
		}
	}
	return appendPacked(to, b)
}

func codeWidth(n int) int {
	switch {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	}
	return 4
}

// packedCodes reads the bytes of so many codes, which are all of r.
func packedCodes(r *reader, count, n int) ([]byte, error) {
	b := r.packed()
	if r.bad || len(r.b) > 0 || len(b) != count*codeWidth(n) {
		return nil, errDamaged
	}
	return b, nil
}

// readCodes reads what appendCodes has written of a dictionary of n values.
func readCodes(r *reader, count, n int) (Codes, error) {
	b, err := packedCodes(r, count, n)
	if err != nil {
		return Codes{}, err
	}
	greatest := 0
	if codeWidth(n) == 1 {
		for _, c := range b {
			greatest = max(greatest, int(c))
		}
		if greatest >= n {
			return Codes{}, errDamaged
		}
		return Codes{narrow: b}, nil
	}
	wide := make([]uint16, count)
	for i := range wide {
		wide[i] = binary.LittleEndian.Uint16(b[2*i:])
		greatest = max(greatest, int(wide[i]))
	}
	if greatest >= n {
		return Codes{}, errDamaged
	}
	return Codes{wide: wide}, nil
}

// readShapeCodes reads the shapes of rows; nil if all are the first.
func readShapeCodes(r *reader, rows, n int) ([]uint32, error) {
	b, err := packedCodes(r, rows, n)
	if err != nil {
		return nil, err
	}
	codes, all := make([]uint32, rows), uint32(0)
	for i := range codes {
		switch codeWidth(n) {
		case 1:
			codes[i] = uint32(b[i])
		case 2:
			codes[i] = uint32(binary.LittleEndian.Uint16(b[2*i:]))
		default:
			codes[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		if all |= codes[i]; codes[i] >= uint32(n) {
			return nil, errDamaged
		}
	}
	if all == 0 {
		return nil, nil
	}
	return codes, nil
}
