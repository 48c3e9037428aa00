// Package source asks whatever speaks the Elasticsearch search API for logs: rows around an anchor by points in time, histograms,
// facets, counts, fields, a tail that misses nothing, exports.
//
// It knows nothing of screens. Every call has a context that ends the search in the server, too, and may be made from any goroutine.
//
// Documents have one order everywhere, that of [Compare]: by time as precise as the index keeps it, by the tie fields, by key. Servers
// sort by the first two; documents alike in these are read together and put in order here, so that a place in the order
// is a value, which no point in time is needed for. What points in time are for is that pages show the same documents.
//
// Documents without the time field are older than all others. They are part of what has no limits of time, and there only: which
// they are in is told by the zero [Row.Time].
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es"
)

// Options say what is read.
type Options struct {
	Index   string // names and patterns, joined with commas, as logstash-*
	Fields  Names  // what is empty is as Defaults has it
	Session string // preference of searches: the same copies of shards answer, and their caches are of use
}

// Names are the fields that mean something to logtui.
type Names struct {
	Time, Message, Level, Stream string
	Region, Zone, Namespace      string
	Pod, PodUID, Container, Host string
	Trace, Created               string

	App []string // what a pod belongs to: the first that a document has is its app
	Tie []string // numbers that order documents of one time: of two documents, one that has an earlier field is first
}

// Defaults are podbeat's names, which are ECS's and Kubernetes'.
func Defaults() Names {
	return Names{
		Time: "@timestamp", Message: "message", Level: "log.level", Stream: "log.stream",
		Region: "region", Zone: "zone", Namespace: "kubernetes.namespace",
		Pod: "kubernetes.pod.name", PodUID: "kubernetes.pod.uid", Container: "kubernetes.container.name", Host: "host.name",
		Trace: "trace.id", Created: "event.created",
		App: []string{"kubernetes.cronjob.name", "kubernetes.deployment.name", "kubernetes.statefulset.name", "kubernetes.daemonset.name",
			"kubernetes.job.name", "kubernetes.replicaset.name", "service.id"},
		Tie: []string{"event.sequence", "log.offset"},
	}
}

// Or fills what n leaves open with other's names.
func (n Names) Or(other Names) Names {
	for mine, theirs := range map[*string]string{
		&n.Time: other.Time, &n.Message: other.Message, &n.Level: other.Level, &n.Stream: other.Stream,
		&n.Region: other.Region, &n.Zone: other.Zone, &n.Namespace: other.Namespace,
		&n.Pod: other.Pod, &n.PodUID: other.PodUID, &n.Container: other.Container, &n.Host: other.Host,
		&n.Trace: other.Trace, &n.Created: other.Created,
	} {
		*mine = cmp.Or(*mine, theirs)
	}
	if n.App == nil {
		n.App = other.App
	}
	if n.Tie == nil {
		n.Tie = other.Tie
	}
	return n
}

// A Source is a cluster, and what was found out about it.
type Source struct {
	client  *es.Client
	names   Names
	index   string
	session string

	mu     sync.Mutex
	lacks  map[feature]bool       // what the server refused
	caps   map[string]*Fields     // by index pattern
	clocks map[string]clockAnswer // by index pattern
}

// Open returns a source. It sends nothing.
func Open(c *es.Client, o Options) *Source {
	return &Source{client: c, names: o.Fields.Or(Defaults()), index: o.Index, session: o.Session,
		lacks: map[feature]bool{}, caps: map[string]*Fields{}, clocks: map[string]clockAnswer{}}
}

// Names are the fields in use.
func (s *Source) Names() Names { return s.names }

// Index is the pattern that is read where a Query names none.
func (s *Source) Index() string { return s.index }

// A Query says which documents are meant.
type Query struct {
	Index    string    // "" is that of the source's options
	Filter   any       // in the query DSL; nil is all documents
	From, To time.Time // of the time field; From is within, To is not; zero is open. If both are, documents without the field are meant, too
	Fields   []string  // of the document that rows have, names with * too; nil is all of it
}

// feature is what some servers do not serve.
type feature uint8

const (
	pointInTime feature = iota
	randomSampler
)

func (s *Source) has(f feature) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.lacks[f]
}

func (s *Source) lack(f feature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lacks[f] = true
}

// pattern is what the path of a search of q names.
func (s *Source) pattern(q Query) string {
	index := cmp.Or(q.Index, s.index, "*")
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.clocks[index].index, index)
}

// matching are the parameters of requests whose path has an index pattern.
func (s *Source) matching() url.Values {
	v := url.Values{"ignore_unavailable": {"true"}, "allow_no_indices": {"true"}, "expand_wildcards": {"open"}}
	if s.session != "" {
		v.Set("preference", s.session)
	}
	return v
}

// always says that q has no limits of time: documents without one are part of it.
func (q Query) always() bool { return q.From.IsZero() && q.To.IsZero() }

// filter is q in the query DSL, with more to hold. The clock is that of q's index.
func (s *Source) filter(q Query, c clock, more ...any) any {
	all := []any{}
	if !q.always() {
		all = append(all, s.between(c, q.From, q.To))
	}
	if q.Filter != nil {
		all = append(all, q.Filter)
	}
	for _, m := range more {
		if m != nil {
			all = append(all, m)
		}
	}
	return map[string]any{"bool": map[string]any{"filter": all}}
}

// between is the filter of documents whose time is in [from, to), open where zero; they have one in any case.
func (s *Source) between(c clock, from, to time.Time) any {
	limits := map[string]any{"format": rangeFormat}
	if !from.IsZero() {
		limits["gte"] = c.floor(from).Format(rangeLayout)
	}
	if !to.IsZero() {
		limits["lt"] = c.ceil(to).Format(rangeLayout)
	}
	if len(limits) == 1 {
		return s.timed()
	}
	return map[string]any{"range": map[string]any{s.names.Time: limits}}
}

// timed is the filter of documents that have a time.
func (s *Source) timed() any { return map[string]any{"exists": map[string]any{"field": s.names.Time}} }

// Of times in requests, which every server reads: nine digits of the second.
const (
	rangeFormat = "strict_date_optional_time"
	rangeLayout = "2006-01-02T15:04:05.999999999Z"
)

// fieldCaps asks what fields there are. Indices that are called by their names have to be there, which searches do not ask for:
// one may go while it is looked at.
func (s *Source) fieldCaps(ctx context.Context, index, fields string) (map[string]map[string]capability, error) {
	var answer struct {
		Fields map[string]map[string]capability `json:"fields"`
	}
	query := url.Values{"fields": {fields}, "ignore_unavailable": {"false"}, "allow_no_indices": {"true"}, "expand_wildcards": {"open"}}
	err := s.client.Do(ctx, "GET", es.Path(index, "_field_caps"), query, nil, &answer)
	if err == nil && answer.Fields == nil {
		err = fmt.Errorf("cannot read which fields there are: %w", errOther)
	}
	return answer.Fields, err
}

// errOther is an answer of something that is no search engine.
var errOther = errors.New("what answers there is not Elasticsearch")

// capability is what _field_caps says of a field of one type.
type capability struct {
	Searchable, Aggregatable bool
	Indices                  []string
	MetadataField            bool `json:"metadata_field"`
}
