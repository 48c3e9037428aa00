package lines

import (
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
)

func BenchmarkRead(b *testing.B) {
	const (
		text = "2026-05-17 10:00:00,123 INFO  [main] com.example.Service - request 4711 took 12 ms"
		cri  = "2026-05-17T10:00:00.123456789+02:00 stdout F " + text + "\n"
	)
	for _, c := range []struct {
		name, config string
		format       Format
		line         string
	}{
		{"plain", "", Plain, text + "\n"},
		{"cri", "", Container, cri},
		{"docker", "", Container, `{"log":"` + text + `\n","stream":"stdout","time":"2026-05-17T10:00:00.123456789Z"}` + "\n"},
		{"multiline", "multiline: {pattern: '^2026', negate: true, match: after}", Plain, text + "\n"},
		{"latin1", "encoding: latin1", Plain, text + "\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			const n = 1000
			r, data, got := opts(b, c.config).NewReader(c.format), []byte(strings.Repeat(c.line, n)), 0
			b.ReportAllocs()
			b.SetBytes(int64(len(c.line)))
			at := int64(len(data))
			for i := 0; i < b.N; i += n {
				consumed, _ := r.Read(data, at, false, start, func(*Message) { got++ })
				at += int64(consumed)
			}
			if got < b.N-n {
				b.Fatalf("%d messages, want %d", got, b.N)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	for _, c := range []struct{ name, config, line string }{
		{"plain", "", "2026-05-17 10:00:00,123 INFO  [main] com.example.Service - request 4711 took 12 ms\n"},
		{"ndjson", "ndjson: {overwrite_keys: true, expand_keys: true}", `{"@timestamp":"2026-05-17T10:00:00.123Z","log.level":"INFO","message":"request took 12 ms","service.name":"shop","process.thread.name":"main","log.logger":"com.example.Service","http":{"status":200,"bytes":1234}}` + "\n"},
		{"level", "level: {from: message}", "2026-05-17 10:00:00,123 INFO  [main] com.example.Service - request 4711 took 12 ms\n"},
		{"time", "timestamp: {from: message}", "2026-05-17 10:00:00,123 INFO  [main] com.example.Service - request 4711 took 12 ms\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := opts(b, c.config).NewReader(Plain)
			b.ReportAllocs()
			for b.Loop() {
				r.Read([]byte(c.line), 0, false, start, func(m *Message) {
					r.Put(m, common.MapStr{})
				})
			}
		})
	}
}
