package kafka

import (
	"math"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
)

// What libbeat's JSON codec makes of things, at most and with room to spare.
const (
	escaped   = 6   // bytes of \u0000, for one byte
	scalar    = 64  // number, boolean, null or time
	frame     = 512 // @timestamp and what @metadata has beside the event's own
	maxDepth  = 100
	unlimited = math.MaxInt / 2 // bound cannot tell
)

// eventBound returns a number of bytes that the JSON of ev, pretty even, does not exceed, without
// encoding it: most events are so far from the limit that this is all there is to know.
func eventBound(ev *beat.Event) int {
	return add(frame, add(bound(map[string]any(ev.Meta), 2), bound(map[string]any(ev.Fields), 1)))
}

func bound(v any, depth int) int {
	if depth > maxDepth {
		return unlimited
	}
	switch v := v.(type) {
	case string:
		return add(2, escaped*min(len(v), unlimited/escaped))
	case common.MapStr:
		return bound(map[string]any(v), depth)
	case map[string]any:
		n := element(depth)
		for k, v := range v {
			n = add(n, add(element(depth)+escaped*min(len(k), unlimited/escaped), bound(v, depth+1)))
		}
		return n
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time.Time, common.Time:
		return scalar
	case []string:
		return list(v, depth)
	case []any:
		return list(v, depth)
	case []common.MapStr:
		return list(v, depth)
	case []map[string]any:
		return list(v, depth)
	}
	return unlimited
}

func list[T any](l []T, depth int) int {
	n := element(depth)
	for _, v := range l {
		n = add(n, add(element(depth), bound(v, depth+1)))
	}
	return n
}

// element is the most that stands around a member: quotes, colon, comma, spaces, line break, indentation.
func element(depth int) int { return 16 + 4*depth }

// add adds what is at least 0 and not above unlimited, which no sum exceeds.
func add(a, b int) int { return min(a+b, unlimited) }
