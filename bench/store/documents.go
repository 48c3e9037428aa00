package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// generator makes documents as podbeat's podlogs input does, about 850 bytes each: the same for the same seed. Some pods write most.
type generator struct {
	r    *rand.Rand
	at   time.Time
	n    int
	pods []pod
	zipf *rand.Zipf
	text []byte
}

type pod struct {
	namespace, app, name, uid, container, id, node string
	offset                                         int
}

// firstTime is the time of the first document; they are 20 ms apart.
var firstTime = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

const interval = 20 * time.Millisecond

var vocabulary = strings.Fields(`request handled upstream connection closed by peer timeout waiting for lock cache miss
key user session created order shipped payment accepted retry attempt backend healthy probe failed reconcile object
updated version leader election renewed lease watch started index built segment merged flushing buffer batch records
committed offset partition consumer group rebalanced token refreshed certificate expires in days config reloaded
größe überschritten 接続が切断されました`)

var levels = []string{"info", "info", "info", "info", "info", "info", "debug", "debug", "warn", "error"}

func newGenerator(seed uint64) *generator {
	r := rand.New(rand.NewPCG(seed, 3))
	g := &generator{r: r, at: firstTime, zipf: rand.NewZipf(r, 1.2, 4, 199)}
	for i := range 200 {
		app := fmt.Sprintf("%s-%s", vocabulary[i%40], []string{"api", "worker", "web", "db"}[i%4])
		hash := fmt.Sprintf("%09x", r.Uint64N(1<<36))
		g.pods = append(g.pods, pod{
			namespace: fmt.Sprintf("team-%d", i%20), app: app, name: app + "-" + hash + "-" + fmt.Sprintf("%05x", r.IntN(1<<20)),
			uid:       fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64N(1<<48)),
			container: app, id: fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()), node: fmt.Sprintf("node-%d", i%3),
		})
	}
	return g
}

// next yields a document and its id.
func (g *generator) next() (id string, source []byte, at time.Time) {
	g.at = g.at.Add(time.Duration(float64(interval) * g.r.ExpFloat64()))
	p := &g.pods[g.zipf.Uint64()]
	level := levels[g.r.IntN(len(levels))]
	g.message(level)
	p.offset += len(g.text) + 40
	stamp := g.at.Format("2006-01-02T15:04:05.000000000Z")
	source = fmt.Appendf(nil, `{"@timestamp":"%s","message":"%s","log":{"level":"%s","offset":%d,"stream":"console","file":{"path":"/var/log/pods/%s_%s_%s/%s/0.log"}},`+
		`"stream":"stdout","input":{"type":"podlogs"},"kubernetes":{"namespace":"%s","node":{"name":"%s"},"pod":{"name":"%s","uid":"%s"},"container":{"name":"%s"},"deployment":{"name":"%s"}},`+
		`"container":{"id":"%s"},"host":{"name":"%s"},"event":{"kind":"event","created":"%s","sequence":%d},"ecs":{"version":"1.12.0"},"region":"eu-1","zone":"a"}`,
		stamp, g.text, level, p.offset, p.namespace, p.name, p.uid, p.container, p.namespace, p.node, p.name, p.uid, p.container, p.app, p.id, p.node,
		g.at.Add(time.Second).Format("2006-01-02T15:04:05.000Z"), g.n)
	g.n++
	return fmt.Sprintf("%s-%d", p.uid[:8]+p.id[:24], p.offset), source, g.at
}

// message makes the text of a JSON string.
func (g *generator) message(level string) {
	r := g.r
	size := 60 + int(r.Float64()*r.Float64()*260)
	b := g.text[:0]
	switch p := r.IntN(100); {
	case p < 40:
		b = fmt.Appendf(b, "%s %s sq#%08d ", g.at.Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(level), g.n)
		b = g.words(b, size)
	case p < 70:
		b = fmt.Appendf(b, `{\"ts\":\"%s\",\"level\":\"%s\",\"caller\":\"server/handler.go:%d\",\"trace_id\":\"%016x\",\"msg\":\"`,
			g.at.Format("2006-01-02T15:04:05.000Z"), level, r.IntN(900), r.Uint64())
		b = append(g.words(b, max(size, len(b)+20)), `\"}`...)
	case p < 90:
		b = fmt.Appendf(b, `10.%d.%d.%d - - [%s] \"GET /api/v1/items/%d?q=%d HTTP/1.1\" %d %d \"-\" \"curl/7.88\"`,
			r.IntN(256), r.IntN(256), r.IntN(256), g.at.Format("02/Jan/2006:15:04:05 -0700"), r.IntN(100000), g.n, []int{200, 200, 200, 304, 404, 500}[r.IntN(6)], r.IntN(50000))
	default:
		b = fmt.Appendf(b, `java.lang.IllegalStateException: sq#%08d`, g.n)
		for len(b) < size+60 {
			b = fmt.Appendf(b, `\n\tat com.example.svc%d.Handler%d.invoke(Handler.java:%d)`, r.IntN(20), r.IntN(40), r.IntN(900))
		}
	}
	g.text = b
}

func (g *generator) words(b []byte, size int) []byte {
	for len(b) < size {
		b = append(append(b, vocabulary[g.r.IntN(len(vocabulary))]...), ' ')
	}
	return b[:len(b)-1]
}
