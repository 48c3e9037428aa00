package mapping

import (
	"testing"

	"github.com/podbeat/podbeat/es/body"
)

// A document of 800 bytes whose fields are all known.
func BenchmarkAdd(b *testing.B) {
	doc := []byte(`{"@timestamp":"2026-11-21T10:00:00.123456Z","agent":{"ephemeral_id":"8a7c7e7c-1111-2222-3333-444455556666","hostname":"node-17","id":"0d3c9d3e-aaaa-bbbb-cccc-ddddeeeeffff","name":"node-17","type":"podbeat","version":"0.1.0"},"container":{"id":"4f2d8c9be1a34c55b1d2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4","name":"api"},"ecs":{"version":"1.12.0"},"event":{"sequence":123456,"created":"2026-11-21T10:00:01.000Z"},"host":{"name":"node-17"},"input":{"type":"podlogs"},"kubernetes":{"namespace":"shop","pod":{"name":"api-5d4f8c7b9-x2x1z","uid":"3f8a6f0e-6c1d-4b8e-9d7a-1c2b3a4d5e6f"},"container":{"name":"api"},"node":{"name":"node-17"}},"log":{"level":"info","offset":1048576,"file":{"path":"/var/log/pods/shop_api-5d4f8c7b9-x2x1z_3f8a6f0e/api/0.log"}},"message":"GET /api/v1/users?id=42 HTTP/1.1 200 17ms trace=4bf92f3577b34da6a3ce929d0e0e4736"}`)
	v, err := body.Parse([]byte(`{"date_detection":false,"dynamic_templates":[{"s":{"match_mapping_type":"string","mapping":{"type":"keyword","ignore_above":1024}}}],"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"}}}`))
	if err != nil {
		b.Fatal(err)
	}
	m, err := Parse(v, DefaultSettings)
	if err != nil {
		b.Fatal(err)
	}
	added, err := m.Add("1", doc)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := added.Mapping.Add("1", doc); err != nil {
			b.Fatal(err)
		}
	}
}
