package status

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/store"
)

// What is told of the embedded store is so, also when nobody waits for the count; and a full disk is seen.
func TestStore(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"a", "b"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bulk(t.Context(), name, []store.Op{{Kind: store.Create, ID: "1", Source: []byte(`{"message":"hello"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	p := &storeProbe{store: s}
	f, err := p.probe(t.Context())
	if err != nil || f.Indices != 2 || f.Documents != 2 || f.Bytes == 0 || f.FreeBytes == 0 || f.Error != "" {
		t.Errorf("got %+v, %v", f, err)
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err = p.probe(late); err != nil || f.Indices != 2 || f.Documents != 2 {
		t.Errorf("nobody waits: got %+v, %v", f, err)
	}
	p.wait()

	full, err := store.Open(t.TempDir(), store.Options{MinFree: option.Bytes(1) << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	p = &storeProbe{store: full}
	until(t, "the disk is full", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f, err := p.probe(ctx)
		return err == nil && strings.Contains(f.Error, "min_free")
	})
	p.wait()
}
