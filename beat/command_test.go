package beat

import (
	"reflect"
	"sync"
	"testing"
	_ "unsafe" // for go:linkname

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	libes "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch"
	"github.com/gofrs/uuid"

	"github.com/elastic/beats/v7/libbeat/cmd/instance"
)

var info = beat.Info{Beat: Name, Version: Version}

//go:linkname globalCallbackRegistry github.com/elastic/beats/v7/libbeat/outputs/elasticsearch.globalCallbackRegistry
var globalCallbackRegistry struct {
	callbacks map[uuid.UUID]libes.ConnectCallback
	mutex     sync.Mutex
}

// callbacks counts what libbeat runs on every connection to Elasticsearch.
func callbacks() int {
	globalCallbackRegistry.mutex.Lock()
	defer globalCallbackRegistry.mutex.Unlock()
	return len(globalCallbackRegistry.callbacks)
}

// TestLicenseCheckIsOut sees that libbeat registers its check and that we have deregistered it: the
// key we note is the key libbeat used.
func TestLicenseCheckIsOut(t *testing.T) {
	before := uuid.DefaultGenerator
	root := withoutLicenseCheck(nil, instance.Settings{Name: Name, Version: Version})
	if uuid.DefaultGenerator != before {
		t.Error("libbeat's generator of keys has not been put back")
	}
	if root == nil {
		t.Fatal("no command")
	}
	// A fresh registration gets a key of its own; deregistering it must not disturb.
	key, err := libes.RegisterGlobalCallback(nil)
	if err != nil {
		t.Fatal(err)
	}
	libes.DeregisterGlobalCallback(key)
	if n := callbacks(); n != 0 {
		t.Errorf("%d global callbacks are left, want 0", n)
	}
}

func TestDefaults(t *testing.T) {
	f := func(yaml, option string, want any) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "test")
		if err != nil {
			t.Fatal(err)
		}
		merged := common.NewConfig()
		for _, o := range defaults() {
			if o.Check(cfg) {
				if merged, err = common.MergeConfigs(merged, o.Config); err != nil {
					t.Fatal(err)
				}
			}
		}
		if merged, err = common.MergeConfigs(merged, cfg); err != nil {
			t.Fatal(err)
		}
		var got any
		switch want.(type) {
		case string:
			got, _ = merged.String(option, -1)
		case bool:
			got, _ = merged.Bool(option, -1)
		case int64:
			got, _ = merged.Int(option, -1)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %s is %v, want %v", yaml, option, got, want)
		}
	}
	f("output.elasticsearch.hosts: [x]", "output.elasticsearch.index", indexPattern)
	f("output.elasticsearch.hosts: [x]", "setup.template.pattern", "logstash-podbeat-*")
	f("output.elasticsearch: {hosts: [x], index: mine}", "output.elasticsearch.index", "mine")
	f("output.elasticsearch: {hosts: [x], indices: [{index: mine}]}", "output.elasticsearch.index", indexPattern)
	f("output.elasticsearch: {hosts: [x], index: mine}", "setup.template.pattern", "")
	f("output.console: ~", "output.elasticsearch.index", "")
	f("output.elasticsearch.hosts: [x]", "setup.ilm.enabled", false)
	f("setup.ilm.enabled: auto", "setup.ilm.enabled", "auto")
	f("output.console: ~", "queue.mem.events", int64(4800))
	f("queue.mem.events: 100", "queue.mem.events", int64(100))
}
