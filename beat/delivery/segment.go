package delivery

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment's file is a header and records, all numbers little-endian:
//
//	header   "podspill", version (4 bytes), salt (8), CRC-32C of these (4)
//	record   salt (8), length (4), number within the segment (4), CRC-32C of salt, length, number and event (4), event
//
// Whatever byte is damaged, the next record begins where the salt stands next. The salt is random and in the file's
// name as well, so nothing that comes from outside can look like a record, and the header can be done without. The numbers tell
// how many records are missing between two that are whole.
const (
	magic      = "podspill"
	version    = 1
	headerSize = len(magic) + 4 + 8 + 4
	overhead   = 8 + 4 + 4 + 4 // of a record
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errVersion = errors.New("unknown version")
	errNoSpill = errors.New("no record in it is whole")
)

// A name is a segment's: its files are called <number>-<salt>.spill and .acked.
type name struct {
	number uint64
	salt   [8]byte
}

const (
	spillExt = ".spill"
	ackedExt = ".acked" // how many of the first records are acknowledged
)

func newName(number uint64) (n name) {
	n.number = number
	_, _ = rand.Read(n.salt[:]) // never fails
	return n
}

func (n name) file(dir, ext string) string {
	return filepath.Join(dir, fmt.Sprintf("%016d-%x%s", n.number, n.salt, ext))
}

func parseName(file, ext string) (n name, ok bool) {
	base, ok := strings.CutSuffix(file, ext)
	number, salt, dash := strings.Cut(base, "-")
	if !ok || !dash || len(salt) != 2*len(n.salt) {
		return n, false
	}
	var err error
	if n.number, err = strconv.ParseUint(number, 10, 64); err != nil {
		return n, false
	}
	_, err = hex.Decode(n.salt[:], []byte(salt))
	return n, err == nil && n.file("", ext) == file
}

func appendHeader(b []byte, salt [8]byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = append(b, salt[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func headerIsWhole(b []byte) bool {
	return len(b) >= headerSize && string(b[:len(magic)]) == magic &&
		binary.LittleEndian.Uint32(b[headerSize-4:]) == crc32.Checksum(b[:headerSize-4], castagnoli)
}

// checkHeader says whether a segment can be read: a damaged header is no reason not to, another version is.
func checkHeader(b []byte) error {
	if !headerIsWhole(b) {
		return nil
	}
	if v := binary.LittleEndian.Uint32(b[len(magic):]); v != version {
		return fmt.Errorf("%w %d", errVersion, v)
	}
	return nil
}

func appendRecord(b []byte, salt [8]byte, number uint32, event []byte) []byte {
	b = append(b, salt[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(event)))
	b = binary.LittleEndian.AppendUint32(b, number)
	sum := crc32.Update(crc32.Checksum(b[len(b)-16:], castagnoli), castagnoli, event)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, event...)
}

// A scan goes through the records of a segment.
type scan struct {
	data []byte
	salt [8]byte
	pos  int    // where to look for the next
	end  int    // of the last record that is whole
	next uint32 // the number that should come
}

// newScan begins at the beginning of a segment.
func newScan(data []byte, salt [8]byte) *scan {
	start := min(headerSize, len(data))
	return &scan{data: data, salt: salt, pos: start, end: start}
}

// record returns the next record that is whole. What is damaged before it is passed over: numbers are missing.
func (s *scan) record() (number uint32, event []byte, ok bool) {
	for {
		i := bytes.Index(s.data[s.pos:], s.salt[:])
		if i < 0 || len(s.data)-s.pos-i < overhead {
			return 0, nil, false
		}
		at := s.pos + i
		h := s.data[at : at+overhead]
		length, number := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
		rest := s.data[at+overhead:]
		fits := uint64(length) <= uint64(len(rest)) && number >= s.next && uint64(number-s.next) <= uint64(at-s.end)/overhead
		if fits {
			event = rest[:length]
			if crc32.Update(crc32.Checksum(h[:16], castagnoli), castagnoli, event) == binary.LittleEndian.Uint32(h[16:]) {
				s.pos = at + overhead + int(length)
				s.end, s.next = s.pos, number+1
				return number, event, true
			}
		}
		s.pos = at + 1
	}
}

// cut says whether what is left after the last record was cut short while it was written, rather than damaged.
func (s *scan) cut() bool {
	rest := s.data[s.end:]
	return len(rest) < overhead || !bytes.HasPrefix(rest, s.salt[:]) || int(binary.LittleEndian.Uint32(rest[8:])) != len(rest)-overhead
}

// A segment is a file of records, as it is known in memory. It is guarded by its disk's lock.
type segment struct {
	name
	size    int64
	records int
	left    int  // records that are not acknowledged
	untaken int  // records that libbeat has not got
	taken   bits // which it has, or are done with
	acked   bits // which are acknowledged, or lost
	prefix  int  // all before this one are
	noted   int  // the prefix in the .acked file
}

// add takes in n records that are on disk.
func (s *segment) add(n int) {
	s.records += n
	s.left += n
	s.untaken += n
	s.taken = s.taken.grow(s.records)
	s.acked = s.acked.grow(s.records)
}

func (s *segment) take(i int) {
	if s.taken.set(i) {
		s.untaken--
	}
}

func (s *segment) untake(i int) {
	if s.taken.clear(i) {
		s.untaken++
	}
}

func (s *segment) ack(i int) {
	s.take(i)
	if !s.acked.set(i) {
		return
	}
	s.left--
	for s.prefix < s.records && s.acked.has(s.prefix) {
		s.prefix++
	}
}

// note writes down how many of the first records are acknowledged, so that these are not sent again. It is not synced: it
// saves repetitions after a crash of the process, and after one of the machine they do no harm.
func (n name) note(dir string, prefix int) error {
	b := binary.LittleEndian.AppendUint32(nil, uint32(prefix))
	b = binary.LittleEndian.AppendUint32(b, n.sum(b))
	f, err := os.OpenFile(n.file(dir, ackedExt), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Close())
}

// readNote returns what note wrote; 0 if there is nothing.
func (n name) readNote(dir string) int {
	b, err := os.ReadFile(n.file(dir, ackedExt))
	if err != nil || len(b) != 8 || n.sum(b[:4]) != binary.LittleEndian.Uint32(b[4:]) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b))
}

func (n name) sum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(n.salt[:], castagnoli), castagnoli, b)
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) grow(n int) bits {
	for len(b)*64 < n {
		b = append(b, 0)
	}
	return b
}

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// set adds i, and says whether it was not there.
func (b bits) set(i int) bool {
	had := b.has(i)
	b[i/64] |= 1 << (i % 64)
	return !had
}

// clear removes i, and says whether it was there.
func (b bits) clear(i int) bool {
	had := b.has(i)
	b[i/64] &^= 1 << (i % 64)
	return had
}
