package sink

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkBulk stores a bulk request of 1,600 documents of 2 KiB: what the sink costs beside a shipper.
func BenchmarkBulk(b *testing.B) {
	const docs = 1600
	var plain bytes.Buffer
	for i := range docs {
		fmt.Fprintf(&plain, `{"create":{"_index":"podbeat-7.17.29-2026.11.22","_id":"%032x-%d"}}`+"\n", 7, i)
		fmt.Fprintf(&plain, `{"@timestamp":"2026-11-22T06:51:18.%06dZ","message":"GET /api/v2/orders sq#%08d 200 in %d ms","kubernetes":{%s"pod":{"uid":"%032x"}}}`+"\n",
			i, i, i%900, strings.Repeat(`"labels.app.kubernetes.io/name":"orders-service","s":"s",`, 32), i%40)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, 1)
	z.Write(plain.Bytes())
	z.Close()
	for _, c := range []struct{ name, encoding, query string }{
		{"plain", "", ""}, {"terse", "", "?filter_path=errors,items.*.status,items.*.error"}, {"gzip", "gzip", "?filter_path=errors,items.*.status,items.*.error"},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := plain.Bytes()
			if c.encoding != "" {
				body = packed.Bytes()
			}
			s := New(Options{Unchecked: true})
			b.SetBytes(int64(plain.Len()))
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/_bulk"+c.query, bytes.NewReader(body))
				r.Header.Set("Content-Encoding", c.encoding)
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*docs), "ns/doc")
		})
	}
}
