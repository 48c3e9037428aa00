// Package logs makes a day of logs of a small cluster, two regions, three zones, a node in each, and has podbeat bring them into an
// Elasticsearch: consoles of containers, files that applications write into volumes, and what they push.
//
// The same number gives the same lines at the same instants, so that tests can say what stands on a screen. Instants are
// different but within a burst of one file, so that the order does not depend on what was indexed first. What was made is counted
// while it is made, as [Facts], and [Load] compares that with what arrived: a test cannot pass without its data.
package logs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// From is when the day begins, at noon: it has a midnight in it. To is when it ends.
var (
	From = time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)
	To   = From.AddDate(0, 0, 1)
)

// The incident: the ledger has no connection to its database then. A fourth of all errors are in these minutes.
var (
	IncidentFrom = From.Add(15*time.Hour + 10*time.Minute) // 03:10
	IncidentTo   = IncidentFrom.Add(14 * time.Minute)
)

// Streams, as log.stream has them.
const (
	Console = "console"
	File    = "file"
	Push    = "push"
)

// A Node is a machine, with the names of its place.
type Node struct{ Region, Zone, Name string }

// Nodes are all there are.
var Nodes = []Node{
	{"eu-1", "eu-1a", "node-a1"},
	{"eu-1", "eu-1b", "node-b1"},
	{"us-1", "us-1a", "node-u1"},
}

// A Pod is one, with the container whose console it has.
type Pod struct {
	Node
	Namespace, App, Name, UID, Container string

	service string // of its volume; "" if it has none
	weight  int
	write   func(g *generator, p *Pod) line // its next line on the console, or in the file
	file    func(g *generator, p *Pod) line
}

// A Doc is a line, which becomes a document.
type Doc struct {
	N       int // from 0
	Time    time.Time
	Pod     *Pod // nil if it is pushed
	Stream  string
	Level   string // as log.level will have it
	Trace   string // trace.id, "" if it has none
	Message string // as the document will have it

	line
}

// A line is what is written.
type line struct {
	text  string // without its time
	level string
	err   bool // on stderr
	trace string
	json  bool // as an object of ECS, into a file
}

// apps are those of the cluster: name, namespace, kind of the pods' names, pods, and how much each writes.
func (g *generator) apps() {
	for _, a := range []struct {
		namespace, app, kind string
		pods, weight         int
		write, file          func(g *generator, p *Pod) line
	}{
		{"shop", "web", "deployment", 4, 30, access, request},
		{"shop", "orders", "deployment", 3, 14, plain, request},
		{"shop", "cart", "statefulset", 2, 10, plain, nil},
		{"payments", "ledger", "deployment", 2, 12, plain, java},
		{"payments", "fraud", "deployment", 2, 5, python, nil},
		{"search", "indexer", "statefulset", 2, 8, plain, nil},
		{"batch", "nightly-report", "cronjob", 1, 2, plain, java},
		{"monitoring", "exporter", "daemonset", 3, 3, logfmt, nil},
		{"kube-system", "coredns", "deployment", 2, 3, logfmt, nil},
		{"intl", "translator", "plain", 1, 2, worldwide, nil},
	} {
		hash := g.letters("bcdf456789", 9)
		for i := range a.pods {
			p := &Pod{Node: Nodes[i%len(Nodes)], Namespace: a.namespace, App: a.app, Container: a.app, UID: g.uuid(), weight: a.weight, write: a.write, file: a.file}
			switch a.kind {
			case "deployment":
				p.Name = fmt.Sprintf("%s-%s-%s", a.app, hash, g.letters("bcdfghjklmnpqrstvwxz2456789", 5))
			case "statefulset":
				p.Name = fmt.Sprintf("%s-%d", a.app, i)
			case "daemonset":
				p.Name = a.app + "-" + g.letters("bcdfghjklmnpqrstvwxz2456789", 5)
			case "cronjob":
				p.Name = fmt.Sprintf("%s-%d-%s", a.app, From.Unix()/60, g.letters("bcdfghjklmnpqrstvwxz2456789", 5))
			default:
				p.Name = a.app
			}
			if a.file != nil {
				p.service = g.uuid()
			}
			g.pods = append(g.pods, p)
			for range p.weight {
				g.wheel = append(g.wheel, p)
			}
		}
	}
}

// A generator makes the day.
type generator struct {
	r      *rand.Rand
	total  int
	pods   []*Pod
	wheel  []*Pod // each as often as it writes
	n      int
	at     time.Time
	minute int     // of the day, that the document is in
	until  int     // the first document after the minute
	burst  int     // documents still to come at this instant, of this pod
	last   *Pod    // of the document before, with last stream
	stream string  // of the document before
	hops   []hop   // of traces that are under way
	sum    float64 // of all minutes' weights
	sofar  float64
}

// A hop is a request's line that is still to come.
type hop struct{ app, trace string }

func newGenerator(n int) *generator {
	g := &generator{r: rand.New(rand.NewPCG(7, 7)), total: n, at: From, minute: -1}
	g.apps()
	for m := range minutes {
		g.sum += weight(m)
	}
	return g
}

const minutes = 24 * 60

// weight is how much is written in a minute of the day: most in the evening, least at night, much in the incident.
func weight(minute int) float64 {
	hour := float64(minute)/60 + float64(From.Hour())
	w := []float64{0.35, 0.25, 0.2, 0.2, 0.25, 0.4, 0.7, 1, 1.2, 1.3, 1.3, 1.3, 1.4, 1.4, 1.3, 1.3, 1.4, 1.6, 1.9, 2.2, 2.1, 1.6, 1, 0.6, 0.35}
	h := int(hour) % 24
	frac := hour - float64(int(hour))
	value := w[h]*(1-frac) + w[h+1]*frac
	if at := From.Add(time.Duration(minute) * time.Minute); !at.Before(IncidentFrom) && at.Before(IncidentTo) {
		value *= 7
	}
	return value
}

// incident says whether the next document is in it.
func (g *generator) incident() bool { return !g.at.Before(IncidentFrom) && g.at.Before(IncidentTo) }

// tick moves the time on to that of the next document.
func (g *generator) tick() {
	if g.burst > 0 {
		g.burst--
		return
	}
	for g.n >= g.until && g.minute < minutes-1 {
		g.minute++
		g.sofar += weight(g.minute)
		g.until = int(float64(g.total) * g.sofar / g.sum)
	}
	begin := From.Add(time.Duration(g.minute) * time.Minute)
	end := begin.Add(time.Minute)
	if g.at.Before(begin) {
		g.at = begin
	}
	left := max(1, g.until-g.n)
	step := int64(end.Sub(g.at)/time.Microsecond) / int64(left+1)
	g.at = g.at.Add(time.Duration(1+g.r.Int64N(max(1, 2*step-1))) * time.Microsecond)
	if !g.at.Before(end) {
		g.at = end.Add(-time.Microsecond * time.Duration(left))
	}
	g.last = nil
	if g.r.IntN(400) == 0 {
		g.burst = 2 + g.r.IntN(4)
	}
}

// next makes the next document; ok is false after the last.
func (g *generator) next() (d Doc, ok bool) {
	if g.n >= g.total {
		return d, false
	}
	g.tick()
	d = Doc{N: g.n, Time: g.at}
	p, stream := g.last, g.stream
	if p == nil {
		p, stream = g.choose()
	}
	special, isSpecial := g.special()
	switch {
	case isSpecial:
		p, stream = g.one("orders"), Console
		d.Pod, d.line = p, special
	case stream == Push:
		d.line = mobile(g)
	case stream == File:
		d.Pod, d.line = p, p.file(g, p)
	default:
		d.Pod, d.line = p, p.write(g, p)
	}
	d.Stream, d.Level, d.Trace = stream, d.line.level, d.line.trace
	d.Message = d.text
	if stream == File && !d.json {
		d.Message = stamp(d.Time) + " " + d.text
	}
	g.n++
	if g.burst > 0 && stream != Push {
		g.last, g.stream = p, stream
	} else {
		g.burst = 0
	}
	return d, true
}

// choose says who writes next, and where.
func (g *generator) choose() (p *Pod, stream string) {
	switch r := g.r.IntN(100); {
	case r < 5 && !g.incident():
		return g.pods[0], Push
	case g.incident() && r < 60:
		return g.one("ledger"), File
	case len(g.hops) > 0 && r < 30:
		return g.one(g.hops[0].app), File
	}
	p = g.wheel[g.r.IntN(len(g.wheel))]
	if p.file != nil && g.r.IntN(100) < 30 {
		return p, File
	}
	return p, Console
}

// one is any pod of the app.
func (g *generator) one(app string) *Pod {
	for i := g.r.IntN(len(g.pods)); ; i++ {
		if p := g.pods[i%len(g.pods)]; p.App == app {
			return p
		}
	}
}

func (g *generator) letters(of string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(of[g.r.IntN(len(of))])
	}
	return b.String()
}

func (g *generator) uuid() string {
	a, b := g.r.Uint64(), g.r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&(1<<48-1))
}

// stamp is how applications write a time at the beginning of a line.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }
