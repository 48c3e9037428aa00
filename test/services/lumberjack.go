package services

import (
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	lumberlog "github.com/elastic/go-lumber/log"
	lumber "github.com/elastic/go-lumber/server/v2"
)

// quiet keeps go-lumber's talk about connections out of the tests' output.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
func (quiet) Print(...any)          {}

func init() { lumberlog.Logger = quiet{} }

// Lumberjack listens as Logstash's beats input does, until the test ends. Every event is handed to take as the
// JSON the client sent; a batch is acknowledged when take has had all its events. Calls to take never overlap.
func Lumberjack(t testing.TB, take func(event []byte)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("cannot listen for lumberjack: %v", err)
	}
	raw := func(data []byte, event any) error {
		*event.(*any) = append(json.RawMessage(nil), data...)
		return nil
	}
	s, err := lumber.NewWithListener(l, lumber.JSONDecoder(raw), lumber.Timeout(30*time.Second))
	if err != nil {
		l.Close()
		t.Fatalf("cannot serve lumberjack: %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for batch := range s.ReceiveChan() {
			for _, event := range batch.Events {
				take(event.(json.RawMessage))
			}
			batch.ACK()
		}
	})
	t.Cleanup(func() {
		s.Close() // closes the channel
		wg.Wait()
	})
	return l.Addr().String()
}
