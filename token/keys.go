package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/token/secretfile"
)

// Bounds of a file of keys. With 64 keys, a year of tokens outlives a new key every week; without a
// kid, all of them are tried.
const (
	maxKeys   = 64
	maxFile   = 256 << 10
	minSecret = 32 // what HS256 asks for
	maxSecret = 1 << 10
	lookAgain = time.Second
)

// Keys are the keys of a file, which is a JSON Web Key Set (RFC 7517) of symmetric keys:
//
//	{"keys": [{"kty": "oct", "kid": "5f0c…", "k": "…", "alg": "HS256", "use": "sig",
//	           "iat": 1516792419, "nbf": 1516792419, "exp": 1548334419}]}
//
// k holds 32 to 1024 bytes in base64url; kid is what tokens name the key by. The other members may be
// missing: iat says when the key was made, nbf from when on it signs, exp until when it verifies; key_ops
// without "sign" makes a key that only verifies. The youngest key that may sign does.
//
// The file is looked at again when the keys are used, at most once a second. While it cannot be read or holds
// anything else, the keys it held before stay in use. Keys may be used by several goroutines.
type Keys struct {
	Rules Rules // what Verify and Sign ask of a token; set it before the first use

	// Changed, if set before the first use, is called after the file has changed, with nil if its keys are now in
	// use, or with what is wrong with it. It is called once for each change.
	Changed func(error)

	path  string
	clock func() time.Time
	keys  atomic.Pointer[[]Key]

	mu     sync.Mutex // held by whoever looks at the file; guards the rest
	looked time.Time
	held   [sha256.Size]byte // the hash of the content that keys are from
	said   string            // what Changed was told last
}

// A Key is one key of a file. Its secret is behind a function, where no print can show it.
type Key struct {
	ID     string    // its kid; empty: none
	Made   time.Time // zero: not given
	From   time.Time // when it begins to sign; zero: at once
	Until  time.Time // when it ceases to verify; zero: never
	Signs  bool      // false: it only verifies
	secret func() []byte
}

// OpenKeys reads the keys in the file at path. Tokens are held to DefaultRules until other Rules are set.
func OpenKeys(path string) (*Keys, error) {
	k := &Keys{Rules: DefaultRules(), path: path, clock: time.Now}
	keys, held, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	k.keys.Store(&keys)
	k.held, k.looked = held, k.clock()
	return k, nil
}

// List returns the keys, the youngest first.
func (k *Keys) List() []Key {
	return slices.Clone(k.current())
}

// current returns the keys of the file, the youngest first.
func (k *Keys) current() []Key {
	if k.mu.TryLock() { // otherwise somebody is looking already
		if now := k.clock(); now.Sub(k.looked) >= lookAgain || now.Before(k.looked) {
			k.looked = now
			k.look()
		}
		k.mu.Unlock()
	}
	return *k.keys.Load()
}

func (k *Keys) look() {
	keys, held, err := readKeys(k.path)
	said := ""
	if err != nil {
		said = err.Error()
	} else if held != k.held {
		k.keys.Store(&keys)
		k.held = held
		k.said = "" // to be told of even if the file before this was fine
		if k.Changed != nil {
			k.Changed(nil)
		}
		return
	}
	if said != k.said {
		k.said = said
		if k.Changed != nil {
			k.Changed(err)
		}
	}
}

// verifying returns the keys to try on a token with this kid at now.
func (k *Keys) verifying(kid *string, now time.Time) []Key {
	var fit []Key
	for _, key := range k.current() {
		if (kid == nil || key.ID != "" && key.ID == *kid) && key.holds(now) {
			fit = append(fit, key)
		}
	}
	return fit
}

// signing returns the key to sign with at now.
func (k *Keys) signing(now time.Time) (Key, error) {
	for _, key := range k.current() {
		if key.Signs && !key.From.After(now) && key.holds(now) {
			return key, nil
		}
	}
	return Key{}, fmt.Errorf("cannot sign token: no key in %s signs now: make one with podbeat token keys", k.path)
}

func (key Key) holds(now time.Time) bool {
	return key.Until.IsZero() || now.Before(key.Until)
}

// since is when key became or becomes the one that signs.
func (key Key) since() time.Time {
	if key.From.After(key.Made) {
		return key.From
	}
	return key.Made
}

// readKeys returns the keys in the file at path, the youngest first, and the hash of its content.
func readKeys(path string) (keys []Key, held [sha256.Size]byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot read keys from %q: %w", path, err)
		}
	}()
	data, err := secretfile.Read(path, maxFile)
	if err != nil {
		return nil, held, err
	}
	stored, err := parseKeys(data)
	if err != nil {
		return nil, held, err
	}
	for _, s := range slices.Backward(stored) { // of keys of one age, the last is the youngest
		keys = append(keys, s.key())
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return b.since().Compare(a.since()) })
	return keys, sha256.Sum256(data), nil
}

// A jwk is a Key as it is stored. Zero times are left out.
type jwk struct {
	Type      string   `json:"kty"`
	ID        string   `json:"kid,omitempty"`
	Use       string   `json:"use,omitempty"`
	Tasks     []string `json:"key_ops,omitempty"`
	Algorithm string   `json:"alg,omitempty"`
	Made      int64    `json:"iat,omitempty"`
	From      int64    `json:"nbf,omitempty"`
	Until     int64    `json:"exp,omitempty"`
	Secret    string   `json:"k"`
}

func (s jwk) key() Key {
	secret, _ := base64url.DecodeString(s.Secret) // parseKeys has seen that it can
	at := func(second int64) time.Time {
		if second == 0 {
			return time.Time{}
		}
		return time.Unix(second, 0).UTC()
	}
	return Key{ID: s.ID, Made: at(s.Made), From: at(s.From), Until: at(s.Until),
		Signs:  len(s.Tasks) == 0 || slices.Contains(s.Tasks, "sign"),
		secret: func() []byte { return secret }}
}

// parseKeys reads a key set. Its errors say which key they are about by its place, and quote nothing of it.
func parseKeys(data []byte) ([]jwk, error) {
	file, err := members(data)
	if err != nil {
		return nil, err
	}
	if len(file) != 1 || file["keys"] == nil {
		return nil, errors.New(`want {"keys": […]} and nothing beside it`)
	}
	raws, err := list(file["keys"], maxKeys)
	if err != nil {
		return nil, fmt.Errorf("keys %w", err)
	}
	if len(raws) == 0 {
		return nil, errors.New("it holds no key; to make one that takes the place of all others: podbeat token keys --keep 0s")
	}
	stored := make([]jwk, len(raws))
	for i, raw := range raws {
		if stored[i], err = parseKey(raw); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		for j, other := range stored[:i] {
			switch {
			case other.ID != "" && other.ID == stored[i].ID:
				return nil, fmt.Errorf("keys %d and %d have the same kid", j, i)
			case subtle.ConstantTimeCompare([]byte(other.Secret), []byte(stored[i].Secret)) == 1:
				return nil, fmt.Errorf("keys %d and %d are the same key", j, i)
			}
		}
	}
	return stored, nil
}

func parseKey(raw json.RawMessage) (s jwk, err error) {
	given, err := members(raw)
	if err != nil {
		return s, err
	}
	for name, value := range given {
		switch name {
		case "kty":
			s.Type, err = text(value)
		case "kid":
			if s.ID, err = text(value); err == nil && !isKid(s.ID) {
				err = errors.New("is not 1 to 64 letters, digits, dots, hyphens and underscores")
			}
		case "use":
			s.Use, err = text(value)
		case "key_ops":
			s.Tasks, err = texts(value, 8)
		case "alg":
			s.Algorithm, err = text(value)
		case "iat":
			s.Made, err = unix(value)
		case "nbf":
			s.From, err = unix(value)
		case "exp":
			s.Until, err = unix(value)
		case "k":
			s.Secret, err = text(value)
		default:
			return s, errors.New("it has a member other than kty, kid, use, key_ops, alg, iat, nbf, exp and k")
		}
		if err != nil {
			return s, fmt.Errorf("%s %w", name, err)
		}
	}
	return s, s.check(given["use"] != nil, given["alg"] != nil, given["key_ops"] != nil)
}

// check says whether s is a key for HS256. The arguments say which optional members are given.
func (s jwk) check(use, alg, tasks bool) error {
	if s.Type != "oct" {
		return errors.New(`kty is not "oct": only symmetric keys are taken`)
	}
	if use && s.Use != "sig" {
		return errors.New(`use is not "sig"`)
	}
	if alg && s.Algorithm != "HS256" {
		return errors.New(`alg is not "HS256"`)
	}
	if tasks && !slices.Contains(s.Tasks, "verify") {
		return errors.New(`key_ops lacks "verify"`)
	}
	secret, err := base64url.DecodeString(s.Secret)
	if err != nil || !isBase64url(s.Secret) {
		return errors.New("k is not base64url without padding")
	}
	if len(secret) < minSecret || len(secret) > maxSecret {
		return fmt.Errorf("k has %d bytes, want %d to %d", len(secret), minSecret, maxSecret)
	}
	return nil
}

func unix(value json.RawMessage) (int64, error) {
	t, err := second(value)
	return t.Unix(), err
}

func isKid(s string) bool {
	return s != "" && len(s) <= 64 && isBase64url(strings.ReplaceAll(s, ".", "_"))
}
