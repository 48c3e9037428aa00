package elasticsearch

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/elastic/beats/v7/libbeat/logp"
)

func TestCompression(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		es := newFake(t)
		l, _, _ := newTestLane(t, es, yaml)
		for range 3 { // buffers are used again
			if got, err := publish(l, eventsOf("abcdefgh")...); got != "ack" || err != nil {
				t.Fatal(yaml, got, err)
			}
			if got := strings.Join(es.header.Values("Content-Encoding"), "+"); got != want || len(es.docs) != 8 {
				t.Errorf("%s: got %q, %d documents", yaml, got, len(es.docs))
			}
		}
	}
	f("", "gzip")
	f("compression_level: 9", "gzip")
	f("compression_level: 0", "")
	f("compression: none", "")
	f("compression: zstd", "zstd")
	f("compression: zstd\ncompression_level: 9", "zstd")
	f("compression: zstd\ncompression_level: 0", "")
}

// Whoever does not take zstd is sent gzip, and not asked again; whoever does is trusted.
func TestZstdRefused(t *testing.T) {
	if err := logp.DevelopmentSetup(logp.ToObserverOutput()); err != nil {
		t.Fatal(err)
	}
	f := func(status int, batches, script, requests string, told bool) {
		t.Helper()
		logp.ObserverLogs().TakeAll()
		es := newFake(t, strings.Split(script, " | ")...)
		es.noZstd = status
		l, _, _ := newTestLane(t, es, "compression: zstd")
		for _, ids := range strings.Fields(batches) {
			publish(l, eventsOf(ids)...)
		}
		var logs []string
		for _, e := range logp.ObserverLogs().TakeAll() {
			logs = append(logs, e.Message)
		}
		if got := slices.ContainsFunc(logs, func(s string) bool { return strings.Contains(s, "does not take requests compressed by zstd") }); got != told || es.requests() != requests {
			t.Errorf("%d, %s, %s: got requests %s, told %v", status, batches, script, es.requests(), got)
		}
	}
	f(400, "abc d", "", "zstd abc d", true)
	f(415, "abc d", "", "zstd abc d", true)
	f(500, "abc d", "", "zstd abc d", true)
	f(503, "abc d", "", "zstd zstd", false)
	f(0, "abc d", "", "abc d", false)
	f(0, "abc d abc", " | =400", "abc d abc", false)
	f(0, "abc d", "=400 | =400", "abc abc a bc d", false) // not for zstd
	f(400, "a b", "=400", "zstd a zstd b", true)
}

// What is compressed comes out again, whatever the bytes and whatever came before.
func TestCompressor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, level := range []int{1, 3, 6, 9} {
		c := newCompressor("zstd", level)
		var dst bytes.Buffer
		for _, size := range []int{0, 1, 100, 5000, 3 << 20, 70} {
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(r.IntN(1 + r.IntN(40)))
			}
			for _, encoding := range []string{"gzip", "zstd"} {
				dst.Reset()
				if err := c.compress(&dst, payload, encoding); err != nil {
					t.Fatal(err)
				}
				var from io.Reader
				var err error
				if encoding == "gzip" {
					from, err = gzip.NewReader(&dst)
				} else {
					from, err = zstd.NewReader(&dst)
				}
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(from); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%s %d, %d bytes: got %d, %v", encoding, level, size, len(got), err)
				}
			}
		}
	}
}
