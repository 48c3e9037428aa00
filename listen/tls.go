package listen

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// Follow returns a server's TLS configuration that follows the files it is of, which load reads; or nil if load
// returns nil. They are looked at when a client comes, at most once a second. While they do not fit together, as when one of
// them has been replaced and the other has not, what they were before stays in use. changed is told of each change: nil, or what is wrong.
func Follow(files []string, load func() (*tls.Config, error), changed func(error)) (*tls.Config, error) {
	held := sum(files)
	current, err := load()
	if current == nil || err != nil {
		return nil, err
	}
	var mu sync.Mutex
	looked := time.Now()
	first := current.Clone()
	first.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(looked) >= time.Second {
			looked = now
			if now := sum(files); now != held {
				held = now
				fresh, err := load()
				if err == nil {
					current = fresh
				}
				changed(err)
			}
		}
		return current, nil
	}
	return first, nil
}

// sum tells different contents of the files apart. A name that is no file's is PEM, or load's to complain about.
func sum(files []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range files {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(h, "%d:", len(text))
		h.Write(text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
