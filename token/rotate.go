package token

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/podbeat/podbeat/token/secretfile"
)

// A Rotation says when a new key takes over from the others in its file.
type Rotation struct {
	Delay time.Duration // how long the file takes to reach all who verify: only then the new key signs
	Keep  time.Duration // how long the others verify after that: the longest life of a token, or none if they leaked
}

// Rotate puts a new key into the file at path, which it makes if there is none, and gives the others an end.
// Those that have reached theirs it takes out. The file is replaced as a whole, keeps its owner, and is open to
// its owner and at most to the reading of its group.
func Rotate(path string, r Rotation, now time.Time) error {
	return edit(path, r, func(old []jwk, r Rotation) ([]jwk, error) { return rotate(old, newKey(), r, now) })
}

// RotateEvery is Rotate for a key that is to sign no longer than every: it changes nothing while there is a younger one that
// signs, or is about to. It says when it is to be called again. Several processes may do so with one file.
func RotateEvery(path string, every time.Duration, r Rotation, now time.Time) (next time.Time, err error) {
	if most := time.Duration(maxKeys - 2); every < time.Minute || (r.Delay+r.Keep)/most > every {
		return next, fmt.Errorf("cannot rotate keys in %q every %s: want at least a minute, and a %dth of how long keys are kept, %s",
			path, every, most, r.Delay+r.Keep)
	}
	err = edit(path, r, func(old []jwk, r Rotation) ([]jwk, error) {
		var youngest time.Time
		for _, s := range old {
			key := s.key()
			end := key.Made.Add(every)
			if key.Signs && key.Made.After(youngest) && !key.Made.After(now.Add(ahead)) && (key.Until.IsZero() || !key.Until.Before(end)) {
				youngest = key.Made
			}
		}
		if next = youngest.Add(every); next.After(now) {
			return nil, nil
		}
		next = now.Add(every)
		return rotate(old, newKey(), r, now)
	})
	return next, err
}

// ahead is how far the clock of another process with the same file may be before ours. What is made later than that was made by a
// clock that was wrong, and must not keep RotateEvery waiting.
const ahead = 10 * time.Minute

// edit lets change make the new keys of the file at path from the old ones; none leave it as it is.
func edit(path string, r Rotation, change func([]jwk, Rotation) ([]jwk, error)) error {
	if r.Delay < 0 || r.Keep < 0 {
		return fmt.Errorf("cannot rotate keys: delay %s and keep %s must not be negative", r.Delay, r.Keep)
	}
	err := secretfile.Edit(path, maxFile, func(content []byte, exists bool) ([]byte, error) {
		var old []jwk
		if exists {
			var err error
			if old, err = parseKeys(content); err != nil {
				return nil, err
			}
		} else {
			r.Delay = 0 // there is no other key to sign meanwhile
		}
		keys, err := change(old, r)
		if err != nil || keys == nil {
			return nil, err
		}
		text, err := json.MarshalIndent(map[string][]jwk{"keys": keys}, "", "  ")
		return append(text, '\n'), err
	})
	if err != nil {
		return fmt.Errorf("cannot rotate keys in %q: %w", path, err)
	}
	return nil
}

// rotate adds fresh to keys.
func rotate(keys []jwk, fresh jwk, r Rotation, now time.Time) ([]jwk, error) {
	start := now.Add(r.Delay)
	end := start.Add(r.Keep).Unix()
	var next []jwk
	for _, s := range keys {
		if s.Until == 0 || s.Until > end {
			s.Until = end
		}
		if s.Until > now.Unix() {
			next = append(next, s)
		}
	}
	if len(next) >= maxKeys {
		first := slices.MinFunc(next, func(a, b jwk) int { return cmp.Compare(a.Until, b.Until) })
		return nil, fmt.Errorf("%d keys still verify, the first until %s: no more than %d can; rotate less often, or keep them shorter",
			len(next), stamp(first.key().Until), maxKeys)
	}
	fresh.Made = now.Unix()
	if r.Delay > 0 {
		fresh.From = start.Unix()
	}
	return append(next, fresh), nil
}

func newKey() jwk {
	var secret [64]byte // as long as a block of SHA-256
	var id [8]byte
	rand.Read(secret[:]) // never fails
	rand.Read(id[:])
	return jwk{Type: "oct", ID: hex.EncodeToString(id[:]), Use: "sig", Algorithm: "HS256",
		Secret: base64.RawURLEncoding.EncodeToString(secret[:])}
}
