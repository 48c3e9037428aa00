package source

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/services"
)

// A relay stands before a server and does what is asked of it: answers with a status, cuts, hangs, or hands on.
type relay struct {
	url    string
	mode   atomic.Value
	target atomic.Pointer[url.URL]
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{}
	r.mode.Store("")
	r.to(t, to)
	next := &httputil.ReverseProxy{Rewrite: func(req *httputil.ProxyRequest) { req.SetURL(r.target.Load()) }}
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mode := r.mode.Load().(string)
		if mode == "no pit" {
			mode = ""
			if strings.HasSuffix(req.URL.Path, "/_pit") {
				mode = "hang"
			}
		}
		switch mode {
		case "":
			next.ServeHTTP(w, req)
		case "hang":
			select {
			case <-req.Context().Done():
			case <-ended:
			}
		case "cut":
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"took":1,"hits":{"hits":[{"_ind`))
			panic(http.ErrAbortHandler)
		case "close":
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		case "null":
			w.Write([]byte("null"))
		case "text":
			w.Write([]byte("<html>Welcome to \x1b[31mnginx</html>"))
		default:
			status := 0
			fmt.Sscan(mode, &status)
			w.WriteHeader(status)
			w.Write([]byte(`{"error":{"type":"some_exception","reason":"for a \u001b[31mreason"},"status":` + mode + `}`))
		}
	}))
	t.Cleanup(func() { close(ended); s.Close() })
	r.url = s.URL
	return r
}

func (r *relay) to(t *testing.T, to string) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r.target.Store(target)
}

func TestFaultsAreAdvisedOnAndPass(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	p := place{"faults", url, nil}
	pattern, docs := prepared(t, p, 300)
	r := newRelay(t, url)
	open := func(timeout time.Duration) *View {
		return Open(clientOf(t, es.Config{Hosts: []string{r.url}, Timeout: timeout}), Options{Index: pattern + "*"}).View(Query{})
	}
	const usual, hasty = 30 * time.Second, 3 * time.Second // Elasticsearch itself may have much to do
	opened := map[time.Duration]*View{usual: open(usual), hasty: open(hasty)}
	for _, test := range []struct {
		mode, title string
		retry       bool
	}{
		{"401", "who is asking", false},
		{"403", "may not be read", false},
		{"404", "Nothing answers there", false},
		{"429", "too much to do", true},
		{"500", "server failed", true},
		{"502", "cannot reach it", true},
		{"503", "not available", true},
		{"hang", "not answer in time", true},
		{"cut", "connection to the server broke", true},
		{"close", "connection to the server broke", true},
		{"text", "not Elasticsearch", true},
		{"null", "not Elasticsearch", true},
	} {
		for _, fresh := range []bool{true, false} {
			timeout := usual
			if test.mode == "hang" {
				timeout = hasty
			}
			view := opened[timeout]
			if fresh {
				view = open(timeout)
			} else if _, err := view.Before(t.Context(), nil, 10); err != nil {
				t.Fatal(err)
			}
			r.mode.Store(test.mode)
			_, err := view.Before(t.Context(), nil, 10)
			b := Advice(err)
			if err == nil || !strings.Contains(b.Title, test.title) || b.Retry != test.retry || b.Do == "" || b.Retry && b.After <= 0 || strings.Contains(b.Title+b.Do, "\x1b") {
				t.Errorf("%s, %v: %v: %+v", test.mode, fresh, err, b)
			}
			r.mode.Store("")
			check(t, walk(t, view, Older, 100, nil), keys(docs))
			if !view.source.has(pointInTime) {
				t.Errorf("%s: points in time are given up", test.mode)
			}
		}
	}
}

func TestAdvice(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for _, test := range []struct {
		host, title string
		retry       bool
	}{
		{"http://" + services.Address(t), "Nothing listens", true},
		{secure.URL, "certificate is not trusted", false},
		{strings.Replace(secure.URL, "https", "http", 1), "speaks TLS", false},
		{"http://no-such-host.invalid:9200", "no server no-such-host.invalid", true},
	} {
		_, err := Open(clientOf(t, es.Config{Hosts: []string{test.host}}), Options{}).View(Query{}).Before(t.Context(), nil, 10)
		if b := Advice(err); !strings.Contains(b.Title, test.title) || b.Retry != test.retry || b.Do == "" {
			t.Errorf("%s: %v: %+v", test.host, err, b)
		}
	}
	_, err := os.Open("/nowhere/else")
	if b := Advice(fmt.Errorf("cannot export: %w", err)); b.Retry || !strings.Contains(b.Title, "file") {
		t.Errorf("%v: %+v", err, b)
	}
	if b := Advice(nil); b != (Banner{}) {
		t.Errorf("%+v", b)
	}
	if b := Advice(context.Canceled); b != (Banner{}) {
		t.Errorf("%+v", b)
	}
}

func TestTimesThatCannotBeOrderedBy(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern := p.pattern()
		none := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
		page, err := none.Before(t.Context(), nil, 10)
		if err != nil || len(page.Rows) > 0 || !page.End {
			t.Errorf("without any index: %+v (%v)", page, err)
		}
		if h, err := none.Histogram(t.Context(), noon, noon.Add(time.Hour), time.Minute, nil); err != nil || len(h.Total) != 60 {
			t.Errorf("without any index: %+v (%v)", h, err)
		}
		if count, _, err := none.Count(t.Context()); err != nil || count.N != 0 {
			t.Errorf("without any index: %v (%v)", count, err)
		}
		p.create(t, pattern+"0", 1, "date")
		page, err = none.Before(t.Context(), nil, 10)
		if err != nil || len(page.Rows) > 0 || !page.End {
			t.Errorf("without any document: %+v (%v)", page, err)
		}
		for _, name := range []string{pattern + "1", pattern + "1," + pattern + "0"} {
			_, err = Open(p.client, Options{Index: name}).View(Query{}).Before(t.Context(), nil, 10)
			if b := Advice(err); !strings.Contains(b.Title, "no such index") {
				t.Errorf("%s: %v: %+v", name, err, b)
			}
		}

		words := p.pattern()
		p.create(t, words+"0", 1, "keyword")
		p.write(t, written{words + "0", "1", `"@timestamp":"2026-11-20T12:00:00Z"`})
		_, err = Open(p.client, Options{Index: words + "*"}).View(Query{}).Before(t.Context(), nil, 10)
		if b := Advice(err); !strings.Contains(b.Title, "no date, but keyword") {
			t.Errorf("%v: %+v", err, b)
		}
		_, err = Open(p.client, Options{Index: words + "*", Fields: Names{Time: "time"}}).View(Query{}).Before(t.Context(), nil, 10)
		if b := Advice(err); !strings.Contains(b.Title, "have no field time") {
			t.Errorf("%v: %+v", err, b)
		}
	})
}

// Documents of an index that maps the time otherwise are missing, and the page says so.
func TestMappingConflict(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern := p.pattern()
		p.create(t, pattern+"0", 1, "date")
		p.create(t, pattern+"1", 1, "keyword")
		p.write(t, written{pattern + "0", "1", `"@timestamp":"2026-11-20T12:00:00Z"`}, written{pattern + "1", "2", `"@timestamp":"2026-11-20T12:00:01Z"`})
		services.Call(t, "POST", p.url+"/_aliases", `{"actions":[{"add":{"index":"`+pattern+`0","alias":"`+pattern+`all"}},{"add":{"index":"`+pattern+`1","alias":"`+pattern+`all"}}]}`, 200)
		for _, index := range []string{pattern + "*", pattern + "0," + pattern + "1", pattern + "all"} {
			v := Open(p.client, Options{Index: index}).View(Query{})
			page, err := v.Before(t.Context(), nil, 10)
			if err != nil || len(page.Rows) != 1 || !page.End || page.Failed || !strings.Contains(page.Partial, "@timestamp is no date in "+pattern+"1: ") {
				t.Errorf("%s: %d rows, %q (%v)", index, len(page.Rows), page.Partial, err)
			}
			if count, meta, err := v.Count(t.Context()); err != nil || count != (Count{1, AtLeast}) || meta.Partial == "" {
				t.Errorf("%s: %v (%v)", index, count, err)
			}
			if err := v.Export(t.Context(), nil, func([]*Row) error { return nil }); err != nil {
				t.Errorf("%s: %v", index, err)
			}
		}
	})
}

// What some shards fail to answer does not hide what the others answer.
func TestShardsThatFail(t *testing.T) {
	for _, major := range []int{7, 8} {
		url := services.Elasticsearch(t, major)
		p := place{fmt.Sprint("failing", major), url, clientOf(t, es.Config{Hosts: []string{url}})}
		pattern := p.pattern()
		services.Call(t, "PUT", p.url+"/"+pattern+"0", `{"mappings":{"properties":{"@timestamp":{"type":"date"},"took":{"type":"keyword"}}}}`, 200)
		t.Cleanup(func() { services.Call(t, "DELETE", p.url+"/"+pattern+"0", "", 200) })
		p.create(t, pattern+"1", 1, "date")
		p.write(t, written{pattern + "0", "1", `"@timestamp":"2026-11-20T12:00:00Z","took":"long"`}, written{pattern + "1", "2", `"@timestamp":"2026-11-20T12:00:01Z","took":1`})
		for _, query := range []Query{{}, {From: noon, To: noon.Add(time.Hour)}} {
			query.Filter = map[string]any{"range": map[string]any{"took": map[string]any{"gte": "long"}}}
			v := Open(p.client, Options{Index: pattern + "*"}).View(query)
			for range 2 {
				older, err := v.Before(t.Context(), nil, 10)
				newer, failed := v.After(t.Context(), nil, 10)
				for _, page := range []Page{older, newer} {
					if len(page.Rows) != 1 || page.Rows[0].ID != "1" || !page.End || !page.Failed || !strings.Contains(page.Partial, "1 of 2 shards failed") {
						t.Errorf("%d rows, %q (%v, %v)", len(page.Rows), page.Partial, err, failed)
					}
				}
			}
			if err := v.Export(t.Context(), nil, func([]*Row) error { return nil }); err == nil {
				t.Error("an export that is not whole")
			}
			if _, err := Open(p.client, Options{Index: pattern + "1"}).View(query).Before(t.Context(), nil, 10); err == nil {
				t.Error("all shards failed")
			}
		}
	}
}

func TestTimesAreAsPreciseAsIndicesKeepThem(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		parts := []string{"000000000", "000000001", "000001", "0009", "001", "123456789", "123456790", "9", "999999999"}
		for _, types := range [][]string{{"date"}, {"date_nanos"}, {"date", "date_nanos"}} {
			pattern := p.pattern()
			var docs []written
			for i, date := range types {
				p.create(t, fmt.Sprintf("%s%d", pattern, i), 1, date)
			}
			for i, part := range parts {
				docs = append(docs, written{fmt.Sprintf("%s%d", pattern, i%len(types)), fmt.Sprint(i), `"@timestamp":"2026-11-20T12:00:00.` + part + `Z"`})
			}
			p.write(t, docs...)
			v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
			for _, dir := range []Direction{Older, Newer} {
				rows := walk(t, v, dir, 2, nil)
				check(t, rows, keys(docs))
				for i, row := range rows {
					want, _ := time.Parse(time.RFC3339Nano, "2026-11-20T12:00:00."+parts[i]+"Z")
					if types[len(types)-1] == "date" || len(types) == 2 && p.name == "store" || len(types) == 2 && i%2 == 0 {
						want = want.Truncate(time.Millisecond)
					}
					if row.ID == fmt.Sprint(i) && !row.Time.Equal(want) {
						t.Errorf("%v: %s is %v, want %v", types, row.ID, row.Time, want)
					} else if row.ID != fmt.Sprint(i) && len(types) == 1 {
						t.Errorf("%v: row %d is %s", types, i, row.ID)
					}
				}
			}
			from := time.Date(2026, 11, 20, 12, 0, 0, 123456790, time.UTC)
			older, newer, err := v.At(t.Context(), from, 20)
			if err != nil || len(older.Rows)+len(newer.Rows) != len(parts) {
				t.Errorf("%v: %d older, %d newer (%v)", types, len(older.Rows), len(newer.Rows), err)
			}
			if types[0] == "date_nanos" && len(newer.Rows) != 3 {
				t.Errorf("%v: %d newer", types, len(newer.Rows))
			}
		}
	})
}

// Nanoseconds begin in 1970: what is older is listed with milliseconds.
func TestOldDocumentsBesideNanoseconds(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern := p.pattern()
		p.create(t, pattern+"0", 1, "date")
		p.create(t, pattern+"1", 1, "date_nanos")
		docs := []written{{pattern + "0", "1", `"@timestamp":"1960-01-01T00:00:00Z"`}, {pattern + "0", "2", `"@timestamp":"2026-11-20T12:00:00Z"`},
			{pattern + "1", "3", `"@timestamp":"2026-11-20T12:00:00.000000001Z"`}}
		p.write(t, docs...)
		for _, dir := range []Direction{Older, Newer} {
			check(t, walk(t, Open(p.client, Options{Index: pattern + "*"}).View(Query{}), dir, 2, nil), keys(docs))
		}
	})
}

func TestIndexIsGone(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, _ := prepared(t, p, 10)
		s := Open(p.client, Options{Index: pattern + "0"})
		v := s.View(Query{})
		if page, err := v.Before(t.Context(), nil, 5); err != nil || len(page.Rows) == 0 {
			t.Fatalf("%+v (%v)", page, err)
		}
		services.Call(t, "DELETE", p.url+"/"+pattern+"0", "", 200)
		views := []*View{s.View(Query{})}
		if p.name != "store" { // which keeps deleted indices in points in time
			views = append(views, v)
		}
		for _, v := range views {
			_, err := v.Before(t.Context(), nil, 5)
			if b := Advice(err); !strings.Contains(b.Title, "no such index") || !b.Retry {
				t.Errorf("%v: %+v", err, b)
			}
		}
		p.create(t, pattern+"0", 1, "date")
		p.write(t, written{pattern + "0", "1", `"@timestamp":"2026-11-20T12:00:00Z"`})
		for _, v := range views {
			if page, err := v.Before(t.Context(), nil, 5); err != nil || len(page.Rows) != 1 {
				t.Errorf("it is there again: %d rows (%v)", len(page.Rows), err)
			}
		}
	})
}

// An index that dynamic mapping made has texts with keywords below them.
func TestDynamicMapping(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern := p.pattern()
		services.Call(t, "PUT", p.url+"/"+pattern+"0", `{"mappings":{"properties":{"kubernetes":{"properties":{"namespace":{"type":"keyword"}}}}}}`, 200)
		t.Cleanup(func() { services.Call(t, "DELETE", p.url+"/"+pattern+"0", "", 200) })
		p.write(t, written{pattern + "0", "1", `"@timestamp":"2026-11-20T12:00:00Z","log":{"level":"error"},"kubernetes":{"namespace":"shop","pod":{"name":"web-1"}}`})
		v := Open(p.client, Options{Index: pattern + "0"}).View(Query{})
		h, err := v.LevelHistogram(t.Context(), noon, noon.Add(time.Hour), time.Hour, nil)
		if err != nil || h.Total[0] != 1 || h.Levels[0][Error] != 1 {
			t.Errorf("%+v (%v)", h, err)
		}
		nodes, err := v.Topology(t.Context(), Pod, 5)
		if err != nil || len(nodes) != 1 || nodes[0].Errors != 1 {
			t.Errorf("%+v (%v)", nodes, err)
		}
	})
}

// A view is closed at once, also while the server does not answer.
func TestCloseDoesNotWait(t *testing.T) {
	r := newRelay(t, services.Elasticsearch(t, 8))
	p := place{"hang", services.Elasticsearch(t, 8), clientOf(t, es.Config{Hosts: []string{r.url}})}
	pattern, _ := prepared(t, p, 10)
	v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
	r.mode.Store("no pit")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := v.Before(ctx, nil, 5)
		ended <- err
	}()
	for opening := false; !opening; time.Sleep(time.Millisecond) {
		v.mu.Lock()
		opening = v.opening != nil
		v.mu.Unlock()
	}
	v.Close(t.Context())
	select {
	case err := <-ended:
		t.Errorf("it waited: %v", err)
	default:
		cancel()
		if err := <-ended; err == nil {
			t.Error("there was an answer")
		}
	}
}

// A restart ends all points in time.
func TestPagesGoOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	url, stop := served(t, dir)
	r := newRelay(t, url)
	p := place{"restart", r.url, clientOf(t, es.Config{Hosts: []string{r.url}})}
	pattern, docs := prepared(t, p, 1000)
	v := Open(p.client, Options{Index: pattern + "*"}).View(Query{})
	rows := walk(t, v, Older, 100, func(page int) {
		if page%3 == 0 {
			stop()
			url, stop = served(t, dir)
			r.to(t, url)
		}
	})
	check(t, rows, keys(docs))
}

// Where the whole answer takes too long, the newest rows come in pages from smaller searches.
func TestFirstRowsComeBeforeTheWholeAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern, docs := prepared(t, p, 600)
		r := newRelay(t, p.url)
		slow := Open(clientOf(t, es.Config{Hosts: []string{r.url}}), Options{Index: pattern + "*"})
		quick := Open(p.client, Options{Index: pattern + "*"})
		for _, test := range []struct {
			s     *Source
			query Query
			n     int
			mode  string
		}{
			{quick, Query{}, 50, ""},
			{quick, Query{}, 5000, ""},
			{slow, Query{To: noon.Add(2 * time.Minute)}, 50, "no pit"},
			{slow, Query{}, 250, "no pit"},
		} {
			r.mode.Store(test.mode)
			var rows []*Row
			err := test.s.View(test.query).First(t.Context(), test.n, func(page Page) { rows = append(page.Rows, rows...) })
			if err != nil {
				t.Fatal(err)
			}
			if test.n > len(docs) {
				check(t, rows, keys(docs))
			}
			all := walk(t, quick.View(Query{}), Newer, 1000, nil)
			if len(rows) < min(test.n-40, len(docs)) {
				t.Errorf("%d rows, want %d", len(rows), test.n)
			}
			same(t, rows, all[len(all)-len(rows):])
		}
	})
}

func TestLimitsOfNanoseconds(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		pattern := p.pattern()
		p.create(t, pattern+"0", 1, "date_nanos")
		p.write(t, written{pattern + "0", "1", `"@timestamp":"2026-11-20T12:00:00.000000001Z"`})
		s := Open(p.client, Options{Index: pattern + "*"})
		year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
		for _, test := range []struct {
			from, to time.Time
			want     int64
		}{
			{year(1900), year(3000), 1}, {year(1900), time.Time{}, 1}, {time.Time{}, year(3000), 1}, {year(1), year(1900), 0}, {year(2500), year(9999), 0},
		} {
			v := s.View(Query{From: test.from, To: test.to})
			page, err := v.Before(t.Context(), nil, 10)
			count, _, failed := v.Count(t.Context())
			if err != nil || failed != nil || int64(len(page.Rows)) != test.want || count != (Count{N: test.want}) || page.Partial != "" {
				t.Errorf("%v to %v: %d rows, %v (%v, %v)", test.from, test.to, len(page.Rows), count, err, failed)
			}
		}
	})
}
