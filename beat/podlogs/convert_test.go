package podlogs

import (
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// TestConvert: lines of a file become events as by the input, joined, with the fields that its path tells.
func TestConvert(t *testing.T) {
	m := Plugin(logp.NewLogger("test"), nil).Manager.(interface {
		Convert(cfg *common.Config, agent beat.Info, path string, data []byte, now time.Time) ([]beat.Event, error)
	})
	cfg := common.MustNewConfigFrom(map[string]any{"containers": ""})
	const path = "/var/log/pods/shop_web-7d4b9c8f6-x2v5k_8f6c2a1e-0000-4000-8000-000000000000/web/0.log"
	events, err := m.Convert(cfg, beat.Info{Beat: "podbeat", Name: "node"}, path,
		[]byte("2024-05-17T12:00:00.5Z stdout P hel\n2024-05-17T12:00:00.6Z stdout F lo\n2024-05-17T12:00:01Z stderr F bye"), time.Unix(0, 0))
	if err != nil || len(events) != 2 {
		t.Fatalf("got %d events (%v), want 2", len(events), err)
	}
	f := func(field string, want any) {
		t.Helper()
		if got, err := events[0].GetValue(field); err != nil || got != want {
			t.Errorf("%s: got %v (%v), want %v", field, got, err, want)
		}
	}
	f("message", "hello")
	f("stream", "stdout")
	f("kubernetes.namespace", "shop")
	f("kubernetes.pod.name", "web-7d4b9c8f6-x2v5k")
	f("log.file.path", path)
	f("host.name", "node")
	f("@metadata.index_prefix", "logstash-podbeat-node")
	if at := events[1].Timestamp; !at.Equal(time.Date(2024, 5, 17, 12, 0, 1, 0, time.UTC)) {
		t.Errorf("got %v", at)
	}
}
