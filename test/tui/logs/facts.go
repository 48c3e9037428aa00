package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Facts are what is true of the documents of a day.
type Facts struct {
	N           int
	First, Last time.Time // of the documents
	// Count is how many documents have a value of a field: of log.level, log.stream, region, zone, kubernetes.namespace,
	// kubernetes.pod.name, and trace.id for those that three documents or more have.
	Count map[string]map[string]int
	// Hour is how many documents there are in an hour, by the time when it begins.
	Hour map[time.Time]int
	// Message is the message of some documents, by their number: the first and the last ten, and those a terminal must not obey.
	Message map[int]string
}

func newFacts() *Facts {
	return &Facts{Count: map[string]map[string]int{}, Hour: map[time.Time]int{}, Message: map[int]string{}}
}

// add counts a document of a day of n.
func (f *Facts) add(d Doc, n int) {
	if f.N == 0 {
		f.First = d.Time
	}
	f.Last = d.Time
	f.N++
	f.Hour[d.Time.Truncate(time.Hour)]++
	count := func(field, value string) {
		if f.Count[field] == nil {
			f.Count[field] = map[string]int{}
		}
		f.Count[field][value]++
	}
	if _, ok := special[d.N]; ok || d.N < 10 || d.N >= n-10 {
		f.Message[d.N] = d.Message
	}
	count("log.level", d.Level)
	count("log.stream", d.Stream)
	if d.Trace != "" {
		count("trace.id", d.Trace)
	}
	if d.Pod == nil {
		count("region", pushed.Region)
		count("zone", pushed.Zone)
		count("kubernetes.namespace", pushed.Namespace)
		return
	}
	count("region", d.Pod.Region)
	count("zone", d.Pod.Zone)
	count("kubernetes.namespace", d.Pod.Namespace)
	count("kubernetes.pod.name", d.Pod.Name)
}

// Errors is how many documents are of level error or above.
func (f *Facts) Errors() int {
	levels := f.Count["log.level"]
	return levels["err"] + levels["error"] + levels["crit"]
}

// finish leaves of the traces those that are worth looking for.
func (f *Facts) finish() {
	maps.DeleteFunc(f.Count["trace.id"], func(_ string, n int) bool { return n < 3 })
}

// Check compares the day in the indices with the facts and returns what differs.
func (f *Facts) Check(ctx context.Context, url, index string) error {
	aggs := map[string]any{"hour": map[string]any{"date_histogram": map[string]any{"field": "@timestamp", "fixed_interval": "1h"}}}
	for field := range f.Count {
		aggs[field] = map[string]any{"terms": map[string]any{"field": field, "size": 1000, "min_doc_count": 1}}
	}
	delete(aggs, "trace.id") // more than can be listed
	var answer struct {
		Hits         struct{ Total struct{ Value int } }
		Aggregations map[string]struct {
			Buckets []struct {
				Key any
				N   int `json:"doc_count"`
			}
		}
	}
	err := call(ctx, "POST", url+"/"+index+"/_search", map[string]any{"size": 0, "track_total_hits": true, "query": Day(), "aggs": aggs}, &answer)
	if err != nil {
		return err
	}
	var errs []error
	if answer.Hits.Total.Value != f.N {
		errs = append(errs, fmt.Errorf("%d documents, want %d", answer.Hits.Total.Value, f.N))
	}
	for name := range aggs {
		want, got := map[string]int{}, map[string]int{}
		if name == "hour" {
			for at, n := range f.Hour {
				want[fmt.Sprint(float64(at.UnixMilli()))] = n
			}
		} else {
			want = f.Count[name]
		}
		for _, b := range answer.Aggregations[name].Buckets {
			got[fmt.Sprint(b.Key)] = b.N
		}
		if !maps.Equal(got, want) {
			errs = append(errs, fmt.Errorf("by %s: %v, want %v", name, got, want))
		}
	}
	for _, trace := range slices.Sorted(maps.Keys(f.Count["trace.id"]))[:min(3, len(f.Count["trace.id"]))] {
		var count struct{ Count int }
		query := map[string]any{"query": map[string]any{"term": map[string]any{"trace.id": trace}}}
		if err := call(ctx, "POST", url+"/"+index+"/_count", query, &count); err != nil || count.Count != f.Count["trace.id"][trace] {
			errs = append(errs, fmt.Errorf("%d documents (%v) of trace %s, want %d", count.Count, err, trace, f.Count["trace.id"][trace]))
		}
	}
	return errors.Join(errs...)
}

// Day is a query of Elasticsearch for the documents of the day.
func Day() map[string]any {
	return map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": From.Format(time.RFC3339), "lt": To.Format(time.RFC3339)}}}
}

// call sends a request to Elasticsearch, with a body of JSON unless it is nil, and reads the answer into into.
func call(ctx context.Context, method, url string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %.500s", method, url, resp.Status, strings.TrimSpace(string(answer)))
	}
	return json.Unmarshal(answer, into)
}

// Plan returns the facts of a day of n documents without writing any.
func Plan(n int) *Facts {
	f, g := newFacts(), newGenerator(n)
	for d, ok := g.next(); ok; d, ok = g.next() {
		f.add(d, n)
	}
	f.finish()
	return f
}
