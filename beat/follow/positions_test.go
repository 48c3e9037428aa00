package follow

import (
	"sync"
	"testing"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
)

// What the registry holds in the end is the newest record, however its writers meet: the end of a compressed file is noted at once, while the
// last acknowledgements come.
func TestNewestPositionStays(t *testing.T) {
	backend, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: t.TempDir(), FileMode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	registry := statestore.NewRegistry(backend)
	defer registry.Close()
	p, err := openPositions(storeOf{registry}, "p::", logp.NewLogger("test"), &metrics{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c := &content{rec: record{Key: "k"}}
	for i := int64(1); i <= 3000; i++ {
		var both sync.WaitGroup
		both.Go(func() { p.set(c) })
		both.Go(func() {
			c.mu.Lock()
			c.rec.Done = i
			p.changed(c)
			c.mu.Unlock()
			p.flush()
		})
		both.Wait()
		p.flush()
		all, err := p.load()
		if err != nil || len(all) != 1 || all[0].Done != i {
			t.Fatalf("got %+v (%v), want the position %d", all, err, i)
		}
	}
}
