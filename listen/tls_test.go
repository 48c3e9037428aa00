package listen

import (
	"crypto/tls"
	"errors"
	"testing"
)

// A configuration that load finds fault with is not served, even if load returns it.
func TestFollowRefuses(t *testing.T) {
	bad := errors.New("no authorities")
	if config, err := Follow(nil, func() (*tls.Config, error) { return &tls.Config{}, bad }, func(error) {}); config != nil || err != bad {
		t.Errorf("got %v, %v", config, err)
	}
	if config, err := Follow(nil, func() (*tls.Config, error) { return nil, nil }, func(error) {}); config != nil || err != nil {
		t.Errorf("got %v, %v without TLS", config, err)
	}
}
