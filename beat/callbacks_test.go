package beat

import (
	"sync"
	_ "unsafe" // for go:linkname

	libes "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch"
	"github.com/gofrs/uuid"
)

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
