package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// report looks in the store for everything that was given in, and says what became of it.
func (d *demo) report(ctx context.Context) error {
	for _, s := range d.sources {
		if err := d.count(ctx, s); err != nil {
			return err
		}
	}
	fmt.Print("\nwhat became of it, the documents counted over the API:\n")
	row := func(what string, value func(*source) any) {
		fmt.Printf("  %-44s", what)
		for _, s := range d.sources {
			fmt.Printf(" %8v", value(s))
		}
		fmt.Println()
	}
	row("", func(s *source) any { return s.name })
	row("journal entries and messages read", func(s *source) any { return s.read })
	row("parts joined to another entry's message", func(s *source) any { return s.joined })
	row("entries missing from the journal (gaps)", func(s *source) any { return s.gaps })
	row("messages acknowledged", func(s *source) any { return s.acked })
	row("of them dropped, from pause containers", func(s *source) any { return s.dropped })
	row("documents in the store", func(s *source) any { return s.documents })
	row("lost", func(s *source) any { return s.lost })
	row("doubled", func(s *source) any { return s.doubled })
	for _, s := range d.sources {
		if s.lost+s.doubled > 0 {
			return fmt.Errorf("of %s %d messages are lost and %d doubled: that must not be; see %s and logapi.log beside it",
				s.name, s.lost, s.doubled, typed(d.podbeat.log))
		}
	}
	return nil
}

// count compares a source's documents in the store with what has to be there.
func (d *demo) count(ctx context.Context, s *source) error {
	found := map[string]bool{}
	s.documents = 0
	var fields any = false
	if !s.byID {
		fields = "message"
	}
	err := d.api.all(ctx, s.name, fields, func(h *hit) {
		s.documents++
		if s.byID {
			found[h.ID] = true
		} else {
			found[h.Source.Message] = true
		}
	})
	if s.want == nil {
		s.lost, s.doubled = max(0, s.acked-s.dropped-len(found)), s.documents-len(found)
		return err
	}
	there := 0
	for message := range s.want {
		if found[message] {
			there++
		}
	}
	s.lost, s.doubled = len(s.want)-there, s.documents-there
	return err
}

// What is searched for: the newest errors of the last hour; and how many documents and errors each namespace has.
var (
	isError     = map[string]any{"terms": map[string]any{"log.level": []string{"emerg", "alert", "crit", "err"}}}
	latestError = map[string]any{
		"size": 5, "sort": []any{map[string]any{"@timestamp": "desc"}},
		"query": map[string]any{"bool": map[string]any{"filter": []any{isError, map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": "now-1h"}}}}}},
	}
	byNamespace = map[string]any{
		"size": 0, "track_total_hits": true,
		"aggs": map[string]any{"namespaces": map[string]any{
			"terms": map[string]any{"field": "kubernetes.namespace"}, "aggs": map[string]any{"errors": map[string]any{"filter": isError}},
		}},
	}
)

// searches shows what the API finds, with a token for everything and with one for a namespace.
func (d *demo) searches(ctx context.Context) error {
	const path = "logstash-*/_search"
	fmt.Printf("\nthe newest errors of the last hour, POST http://%s/default/es/%s:\n", d.API, path)
	found, err := d.api.search(ctx, d.api.token, path, latestError)
	if err != nil {
		return err
	}
	for _, h := range found.Hits.Hits {
		k := h.Source.Kubernetes
		from := strings.TrimSuffix(k.Namespace+"/"+k.Pod.Name, "/")
		from = cmp.Or(from, h.Source.Log.Syslog.Appname, "-")
		fmt.Printf("  %s  %-32s %s\n", h.Source.Time.Local().Format("15:04:05.000"), plain(from, 32), plain(h.Source.Message, 74))
	}
	everything, err := d.namespaces(ctx, d.api.token, "all documents")
	if err != nil {
		return err
	}
	narrow := searching
	narrow.Other = map[string]any{"namespaces": []string{"shop"}}
	token, err := d.api.access(ctx, narrow)
	if err != nil {
		return err
	}
	some, err := d.namespaces(ctx, token, `the same search with a token for {"namespaces": ["shop"]}`)
	if err != nil {
		return err
	}
	if len(everything) < 2 || len(some) != 1 || some["shop"] == 0 || some["shop"] < everything["shop"] {
		return fmt.Errorf("the token for the namespace shop shows %v of %v: see %s", some, everything, typed(d.logapi.log))
	}
	return nil
}

// namespaces prints how many documents the namespaces have that a token shows.
func (d *demo) namespaces(ctx context.Context, token, what string) (map[string]int, error) {
	found, err := d.api.search(ctx, token, "logstash-*/_search", byNamespace)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	fmt.Printf("\n%s, %d, by namespace:\n", what, found.Hits.Total.Value)
	for _, b := range found.Aggregations.Namespaces.Buckets {
		counts[b.Key] = b.Count
		fmt.Printf("  %-44s %8d, %d errors\n", plain(b.Key, 44), b.Count, b.Errors.Count)
	}
	return counts, nil
}

// status prints the status of the whole system in short.
func (d *demo) status(ctx context.Context) error {
	type part struct {
		Status struct{ Scheduled, Up int }
	}
	type document struct {
		Status        string
		Detail        []string
		Collector     map[string]part
		Elasticsearch struct {
			Health struct {
				Status string
			}
		}
		Store struct {
			Indices   int
			Documents int
			Bytes     int
		}
	}
	url := d.api.url + "/default/system/log/status"
	var regions []document
	// podbeat reports when it begins, and then every ten seconds.
	if err := d.until(ctx, "the status knows of podbeat", func() bool {
		err := d.api.do(ctx, "GET", url, d.api.token, nil, &regions)
		return err == nil && len(regions) == 1 && regions[0].Collector["journalbeat"].Status.Up == 1
	}); err != nil {
		return err
	}
	s := regions[0]
	fmt.Printf("\nthe status, GET %s: %s\n ", url, s.Status)
	for _, why := range s.Detail {
		fmt.Printf(" %s\n ", plain(why, 120))
	}
	for _, name := range []string{"journalbeat", "filebeat", "http_gateway"} {
		c := s.Collector[name].Status
		fmt.Printf(" %s %d of %d up,", name, c.Up, c.Scheduled)
	}
	fmt.Printf(" elasticsearch %s\n  store: %d indices, %d documents, %.1f MiB\n", s.Elasticsearch.Health.Status, s.Store.Indices, s.Store.Documents, float64(s.Store.Bytes)/(1<<20))
	return nil
}
