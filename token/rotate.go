package token

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
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
	if r.Delay < 0 || r.Keep < 0 {
		return fmt.Errorf("cannot rotate keys: delay %s and keep %s must not be negative", r.Delay, r.Keep)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // replacing the link would leave the keys as they are
	}
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("cannot rotate keys in %q: %w", path, err)
	}
	defer unlock()

	var old []jwk
	data, err := readFile(path)
	if err == nil {
		old, err = parseKeys(data)
	}
	if errors.Is(err, fs.ErrNotExist) {
		r.Delay = 0 // there is no other key to sign meanwhile
	} else if err != nil {
		return fmt.Errorf("cannot rotate keys in %q: %w", path, err)
	}
	keys, err := rotate(old, newKey(), r, now)
	if err != nil {
		return fmt.Errorf("cannot rotate keys in %q: %w", path, err)
	}
	if err := replace(path, keys); err != nil {
		return fmt.Errorf("cannot write keys to %q: %w", path, err)
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

// lockFolder keeps other rotations out of a folder.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, plain(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// replace writes keys to the file at path, so that a reader finds the old ones or the new ones.
func replace(path string, keys []jwk) (err error) {
	var content bytes.Buffer
	e := json.NewEncoder(&content)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string][]jwk{"keys": keys}); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if st, err := os.Stat(path); err == nil {
		if err := takeAfter(f, st); err != nil {
			return err
		}
	}
	if _, err := f.Write(content.Bytes()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// takeAfter gives f the owner of the file that it replaces, and its group the right to read if it had it.
func takeAfter(f *os.File, st fs.FileInfo) error {
	was, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return err
	}
	return f.Chmod(0o600 | st.Mode().Perm()&0o040)
}
