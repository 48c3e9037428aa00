package k8sname

import (
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// maxIndex keeps an index and the day that is appended (-2006.01.02) within Elasticsearch's 255 bytes.
const maxIndex = 255 - len("-2006.01.02")

var lastIndex atomic.Pointer[struct{ beat, host, index string }]

// IndexKey is where an event's @metadata has what IndexName returns. It is not libbeat's own "index",
// which would win over output.elasticsearch.index and so take the choice from the user.
const IndexKey = "index_prefix"

// IndexName returns the index of a host's logs without the day: logstash-<beat>-<host> in lower
// case, each character outside [a-z0-9-_] turned into an underscore (M-137 … M-139). A host
// without a name is "unknown". It may be called for each event: the last answer is kept.
func IndexName(beat, host string) string {
	if l := lastIndex.Load(); l != nil && l.beat == beat && l.host == host {
		return l.index
	}
	named := host
	if named == "" {
		named = "unknown"
	}
	var b strings.Builder
	for _, r := range "logstash-" + beat + "-" + named {
		switch {
		case 'A' <= r && r <= 'Z':
			b.WriteByte(byte(r) - 'A' + 'a')
		case r < utf8.RuneSelf && (isLowerAlnum(byte(r)) || r == '-' || r == '_'):
			b.WriteByte(byte(r))
		default:
			b.WriteByte('_')
		}
		if b.Len() == maxIndex {
			break
		}
	}
	index := b.String()
	lastIndex.Store(&struct{ beat, host, index string }{strings.Clone(beat), strings.Clone(host), index})
	return index
}
