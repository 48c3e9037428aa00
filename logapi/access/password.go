package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Bounds of passwords, in characters and in bytes.
const (
	minPassword = 8
	maxPassword = 1 << 10
)

// Bounds of the hashes that are accepted; memory in KiB. maxMemory times maxHashes is what logins take at most.
const (
	minMemory, maxMemory   = 8 << 10, 64 << 10
	maxPasses, maxLanes    = 16, 8
	minSalt, maxSalt       = 8, 64
	minHashLen, maxHashLen = 16, 64
)

// A hash is the Argon2id hash of a password. As text it is a PHC string with its parameters:
//
//	$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$…
//
// Its printed form shows nothing of it.
type hash struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   []byte
	sum    []byte
}

// ordinary are the parameters of new hashes: those that OWASP recommends where many log in.
var ordinary = hash{memory: 19 << 10, passes: 2, lanes: 1, salt: make([]byte, 16), sum: make([]byte, 32)}

var base64phc = base64.RawStdEncoding.Strict()

// newHash hashes a password as normalPassword returns it.
func newHash(password string) hash {
	h := ordinary
	h.salt = make([]byte, len(ordinary.salt))
	rand.Read(h.salt) // never fails
	h.sum = h.of(password)
	return h
}

func (h hash) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum)))
}

// fits says whether h is the hash of password. It takes as long for one as for another.
func (h hash) fits(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password), h.sum) == 1
}

// String shows h's parameters.
func (h hash) String() string {
	return fmt.Sprintf("argon2id m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes)
}

// GoString is String, for %#v.
func (h hash) GoString() string { return h.String() }

func (h hash) encode() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		base64phc.EncodeToString(h.salt), base64phc.EncodeToString(h.sum))
}

// parseHash reads a PHC string. Its errors quote nothing of it.
func parseHash(text string) (h hash, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return h, errors.New("want $argon2id$v=19$m=…,t=…,p=…$salt$hash, as `logapi user passwd` writes it; never the password itself")
	}
	params := strings.Split(parts[3], ",")
	if len(params) != 3 {
		return h, errors.New("want the parameters m, t and p, in this order")
	}
	var values [3]uint32
	for i, want := range []struct {
		name     string
		min, max uint64
	}{{"m=", minMemory, maxMemory}, {"t=", 1, maxPasses}, {"p=", 1, maxLanes}} {
		digits, ok := strings.CutPrefix(params[i], want.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits || n < want.min || n > want.max {
			return h, fmt.Errorf("want %s%d to %d as parameter %d", want.name, want.min, want.max, i+1)
		}
		values[i] = uint32(n)
	}
	h.memory, h.passes, h.lanes = values[0], values[1], uint8(values[2])
	if h.salt, err = phcBytes(parts[4], minSalt, maxSalt); err != nil {
		return h, fmt.Errorf("salt: %w", err)
	}
	if h.sum, err = phcBytes(parts[5], minHashLen, maxHashLen); err != nil {
		return h, fmt.Errorf("hash: %w", err)
	}
	return h, nil
}

func phcBytes(text string, least, most int) ([]byte, error) {
	data, err := base64phc.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder passes over line ends
		return nil, errors.New("not base64 without padding")
	}
	if len(data) < least || len(data) > most {
		return nil, fmt.Errorf("%d bytes, want %d to %d", len(data), least, most)
	}
	return data, nil
}

// normalPassword returns the form in which a password is hashed and compared: Unicode's NFC, so that it does not matter how a keyboard
// composes ü. Case and spaces count.
func normalPassword(password string) (string, error) {
	switch {
	case !utf8.ValidString(password):
		return "", errors.New("it is not UTF-8")
	case len(password) > maxPassword:
		return "", fmt.Errorf("it has more than %d bytes", maxPassword)
	case strings.ContainsFunc(password, unicode.IsControl):
		return "", errors.New("it holds a control character")
	}
	return norm.NFC.String(password), nil
}

// normalEmail returns the form in which e-mail addresses are compared: NFC, with A to Z in lower case. Other letters are not folded, as
// some fold to those of other addresses.
func normalEmail(email string) (string, error) {
	local, domain, ok := strings.Cut(email, "@")
	switch {
	case !utf8.ValidString(email):
		return "", errors.New("it is not UTF-8")
	case len(email) > 254:
		return "", errors.New("it has more than 254 bytes")
	case !ok || local == "" || domain == "" || strings.Contains(domain, "@"):
		return "", errors.New("want name@domain")
	case strings.ContainsFunc(email, func(r rune) bool { return r == ':' || unicode.IsSpace(r) || !unicode.IsGraphic(r) }):
		return "", errors.New("it holds a colon, a space or a character that is not shown")
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, norm.NFC.String(email)), nil
}
