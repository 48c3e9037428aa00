package push

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/token"
)

// slowQueue acknowledges events some at a time from another goroutine, as libbeat's queues do.
type slowQueue struct {
	p      *publisher
	events chan beat.Event
	seen   sync.Map // message → how often
	done   chan struct{}
}

func newSlowQueue(p *publisher) *slowQueue {
	q := &slowQueue{p: p, events: make(chan beat.Event, 64), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		for range q.events {
			n := 1
			for len(q.events) > 0 && n < 7 {
				<-q.events
				n++
			}
			p.ACKEvents(n)
		}
	}()
	return q
}

func (q *slowQueue) Publish(e beat.Event) {
	n, _ := q.seen.LoadOrStore(e.Fields["message"], new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	q.p.AddEvent(e, true)
	q.events <- e
	q.p.Published()
}

func (q *slowQueue) PublishAll([]beat.Event) {}

func (q *slowQueue) Close() error {
	q.p.Closing()
	close(q.events)
	<-q.done
	return nil
}

// Many clients at once, some of which repeat themselves or go away, and a stop among them: each request that is answered with 202 has
// been published, once for each key, and nothing is left in flight.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keyFile, []byte(`{"keys":[{"kty":"oct","k":"`+base64.RawURLEncoding.EncodeToString(make([]byte, 32))+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := newInput(common.MustNewConfigFrom(map[string]any{"type": "push", "id": "serve", "listen": "127.0.0.1:0", "keys": keyFile, "access_log": false}))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := in.opts.openKeys()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := keys.Sign(token.Claims{Expires: time.Now().Add(time.Hour), Access: []token.Access{{Method: []string{"POST"}, URL: []string{"/apps/*/log"}}}})
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(in.id)
	defer m.close()
	p := newPublisher(&in.opts, m)
	m.watch(p)
	queue := newSlowQueue(p)
	p.client = queue
	log := logp.NewLogger("test")
	h, err := newHandler(&in.opts, keys, p, m, log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := in.listen(log, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan struct{})
	go func() { defer close(served); in.serve(ctx, log, h, l) }()

	const clients, requests = 16, 40
	var taken sync.Map
	var count atomic.Int64
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := range requests {
				name := fmt.Sprintf("%d/%d", c/2, i) // every other client repeats its neighbour
				ctx, cancel := context.WithCancel(context.Background())
				if i%10 == 9 {
					time.AfterFunc(time.Millisecond, cancel)
				}
				body := "[" + strings.ReplaceAll(good("")+","+good(""), `"m"`, `"`+name+`"`) + "]"
				req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+l.Addr().String()+"/apps/"+app+"/log", strings.NewReader(body))
				req.Header = http.Header{"Authorization": {raw}, "Content-Type": {"application/json"}, "Idempotency-Key": {name}}
				if resp, err := http.DefaultClient.Do(req); err == nil {
					text, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					switch {
					case resp.StatusCode == 202:
						taken.Store(name, true)
					case resp.StatusCode != 503:
						t.Errorf("%s: %d %s", name, resp.StatusCode, text)
					}
				}
				cancel()
				if count.Add(1) == clients*requests*3/4 {
					stop()
				}
			}
		})
	}
	group.Wait()
	<-served
	n := 0
	taken.Range(func(name, _ any) bool {
		n++
		if got, ok := queue.seen.Load(name); !ok || got.(*atomic.Int64).Load() != 2 {
			t.Errorf("%v was answered with 202 and not published once", name)
		}
		return true
	})
	if n == 0 {
		t.Error("nothing was taken")
	}
	if e, b := p.room.entries.used.Load(), p.room.bytes.used.Load(); e != 0 || b != 0 {
		t.Errorf("%d entries and %d bytes are left in flight", e, b)
	}
	if in, out := m.received.Get(), m.acked.Get()+m.failed.Get(); in != out {
		t.Errorf("%d entries were received, %d are accounted for", in, out)
	}
}
