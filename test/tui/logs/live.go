package logs

import (
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"time"
)

// live is the place of pods that write while tests run, in indices of their own.
var live = Pod{Node: Node{"eu-1", "eu-1a", "node-live"}, Namespace: "live"}

// Write has a pod of the namespace live append lines to its file, each of which becomes a document of the time at; it has the level
// that stands in it. Pods are made by their first line. It is for one goroutine.
func (c *Cluster) Write(pod string, at time.Time, lines ...string) error {
	f := c.live[pod]
	if f == nil {
		h := fnv.New64a()
		h.Write([]byte(pod))
		p := live
		p.Name, p.Container = pod, pod
		p.UID = fmt.Sprintf("%08x-0000-4000-8000-%012x", h.Sum64()>>32, h.Sum64()&(1<<48-1))
		p.service = p.UID
		if err := os.MkdirAll(c.consoleDir(&p), 0o755); err != nil {
			return err
		}
		var err error
		if f, err = create(c.filePath(&p)); err != nil {
			return err
		}
		c.live[pod] = f
	}
	var b strings.Builder
	for i, text := range lines {
		fmt.Fprintf(&b, "%s %s\n", stamp(at.Add(time.Duration(i)*time.Microsecond).UTC()), text)
	}
	_, err := f.WriteString(b.String())
	return err
}
