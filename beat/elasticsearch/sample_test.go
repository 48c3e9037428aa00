package elasticsearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// sampleEvent is a journal entry of a container, 27 fields, about 900 bytes as JSON.
func sampleEvent(n int) beat.Event {
	return beat.Event{
		Timestamp: time.Date(2024, 5, 17, 12, 0, n/1000%60, n%1000*1e6+1000, time.UTC),
		Meta:      common.MapStr{"_id": "5f0b1f6e7c0a4f0f9a3e2d1c0b9a8f7e-" + fmt.Sprintf("%08d", n), "raw_index": "logstash-podbeat-node-1-2024.05.17"},
		Fields: common.MapStr{
			"message": "time=\"2024-05-17T12:00:00Z\" level=info msg=\"handled request\" method=GET path=/api/v1/items status=200 duration=12.3ms",
			"host":    common.MapStr{"name": "node-1", "id": "0123456789abcdef0123456789abcdef"},
			"event":   common.MapStr{"sequence": uint64(n), "created": time.Date(2024, 5, 17, 12, 0, 1, 0, time.UTC), "kind": "event"},
			"log":     common.MapStr{"level": "info", "stream": "console", "syslog": common.MapStr{"priority": 6, "facility": common.MapStr{"code": 3}}},
			"container": common.MapStr{
				"id": "d3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33f", "name": "k8s_app_web-7d4b9c6f5-x2x7k_prod_uid_0",
				"image": common.MapStr{"name": "registry.example.com/team/web:1.2.3"},
			},
			"kubernetes": common.MapStr{
				"namespace": "prod", "node": common.MapStr{"name": "node-1"}, "container": common.MapStr{"name": "app"}, "deployment": common.MapStr{"name": "web"},
				"pod": common.MapStr{"name": "web-7d4b9c6f5-x2x7k", "uid": "1f0e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
			},
			"process": common.MapStr{"pid": 4242, "name": "dockerd", "executable": "/usr/bin/dockerd"},
			"systemd": common.MapStr{"unit": "docker.service", "cgroup": "/system.slice/docker.service", "transport": "journal"},
			"region":  "eu", "zone": "eu-1", "tags": []string{"k8s", "journal"},
			"ecs": common.MapStr{"version": "1.12.0"}, "agent": common.MapStr{"name": "node-1", "type": "podbeat", "version": "0.1.0"},
		},
	}
}

// A mark is what an input puts into the Private of an event that is a document.
type mark struct{ *prepared.Document }

func (m mark) Prepared() *prepared.Document { return m.Document }

// processed returns a document that no processor has anything to do with.
func processed(d *prepared.Document) *prepared.Document {
	d.Process(nothing)
	return d
}

var nothing = &prepared.Chain{Run: func(e *beat.Event) (*beat.Event, error) { return e, nil }}

// sampleKinds makes templates of sampleEvent, n of them.
func sampleKinds(n int) (kinds []*prepared.Template) {
	for i := range n {
		ev := sampleEvent(i)
		ev.Fields["message"] = encode.Hole(0)
		ev.Fields["event"] = common.MapStr{"sequence": encode.Hole(1), "created": encode.Hole(2), "kind": "event"}
		ev.Fields["kubernetes"].(common.MapStr)["pod"] = common.MapStr{"name": fmt.Sprint("web-", i), "uid": fmt.Sprintf("%08x-4b5a-6978-8796-a5b4c3d2e1f0", i)}
		delete(ev.Meta, "_id")
		kinds = append(kinds, prepared.New(ev.Fields, ev.Meta))
	}
	return kinds
}

func sampleDocument(kinds []*prepared.Template, n int) beat.Event {
	ev := sampleEvent(n)
	d := &prepared.Document{Template: kinds[n%len(kinds)], ID: ev.Meta["_id"].(string), Values: []prepared.Value{
		prepared.String(ev.Fields["message"].(string)), prepared.Int(int64(n)), prepared.Time(time.Date(2024, 5, 17, 12, 0, 1, 0, time.UTC)),
	}}
	return beat.Event{Timestamp: ev.Timestamp, Private: mark{processed(d)}}
}

func BenchmarkEncode(b *testing.B) {
	ev := sampleEvent(1)
	b.Run("podbeat", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf, _ = encode.Encoder{}.Event(buf[:0], &ev)
		}
		b.SetBytes(int64(len(buf)))
		b.ReportAllocs()
	})
	b.Run("libbeat", func(b *testing.B) {
		enc := eslegclient.NewJSONEncoder(nil, false)
		for b.Loop() {
			enc.Reset()
			if err := enc.AddRaw(&ev); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
}

func decode(t *testing.T, b []byte) (v map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("cannot decode %s: %v", b, err)
	}
	return v
}
