package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A flow writes lines at a rate, as pods do: some of them late, many at one time.
type flow struct {
	place
	rate    int                // lines a second
	late    float64            // the share of lines that are written later than their time says
	lateBy  time.Duration      // at most
	skew    time.Duration      // how far the writer's clock is ahead
	indices func(n int) string // of a line
	wrote   atomic.Int64       // lines
	failed  atomic.Pointer[error]
}

// Lines of so long have one time: that at which it begins.
const together = 10 * time.Millisecond

// run writes n lines from number from on.
func (f *flow) run(from, n int) {
	type line struct {
		n  int
		at time.Time
	}
	began := time.Now()
	var due []line // later
	var body strings.Builder
	random := rand.New(rand.NewPCG(uint64(from), 7))
	for next := from; next < from+n || len(due) > 0; time.Sleep(50 * time.Millisecond) {
		now := time.Now()
		body.Reset()
		lines := 0
		put := func(l line) {
			fmt.Fprintf(&body, "{\"create\":{\"_index\":%q,\"_id\":\"%d\"}}\n{\"@timestamp\":%q,\"message\":\"line %d\",\"kubernetes\":{\"namespace\":\"shop\"},\"event\":{\"sequence\":%d,\"created\":%d}}\n",
				f.indices(l.n), l.n, l.at.UTC().Format(time.RFC3339Nano), l.n, l.n, now.UnixMilli())
			lines++
		}
		for i := range due {
			l := due[i]
			if !now.Before(l.at.Add(f.lateBy)) || random.IntN(int(f.lateBy/(50*time.Millisecond))+1) == 0 {
				put(l)
				due[i].n = -1
			}
		}
		due = slices.DeleteFunc(due, func(l line) bool { return l.n < 0 })
		for end := min(from+n, from+int(now.Sub(began).Seconds()*float64(f.rate))); next < end; next++ {
			l := line{next, now.Add(f.skew).Truncate(together)}
			if random.Float64() < f.late {
				due = append(due, l)
			} else {
				put(l)
			}
		}
		if lines == 0 {
			continue
		}
		resp, err := http.Post(f.url+"/_bulk", "application/x-ndjson", strings.NewReader(body.String()))
		if err == nil {
			resp.Body.Close()
			f.wrote.Add(int64(lines))
		}
		if err != nil || resp.StatusCode != 200 {
			err = fmt.Errorf("cannot write: %v", err)
			f.failed.Store(&err)
			return
		}
	}
}

// follow polls until want lines have come, and checks what is true of every batch.
func follow(t *testing.T, tail *Tail, want int, bound time.Duration, between func(b Batch, err error)) []*Row {
	t.Helper()
	var rows []*Row
	seen := map[string]bool{}
	var watermark time.Time
	for end := time.Now().Add(bound); len(rows) < want; {
		began := time.Now()
		b, err := tail.Poll(context.Background())
		if between != nil {
			between(b, err)
		} else if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(b.Rows, Compare) {
			t.Fatal("a batch is not in order")
		}
		for _, row := range b.Rows {
			if seen[row.Key()] {
				t.Fatalf("line %s comes twice", row.ID)
			}
			seen[row.Key()] = true
			if late := row.Time.Before(watermark); late != row.Late && !row.Time.Equal(watermark) {
				t.Fatalf("line %s is late: %v, want %v", row.ID, row.Late, late)
			}
			if err == nil && row.Time.Before(began) && row.Time.After(b.Watermark) {
				t.Fatalf("line %s is newer than the watermark", row.ID)
			}
		}
		if err == nil {
			if b.Watermark.Before(watermark) || b.Watermark.After(time.Now()) {
				t.Fatalf("the watermark goes from %v to %v", watermark, b.Watermark)
			}
			watermark = b.Watermark
		}
		rows = append(rows, b.Rows...)
		if time.Now().After(end) {
			break
		}
		time.Sleep(tail.Every())
	}
	slices.SortFunc(rows, Compare)
	return rows
}

// arrived checks that lines 0 … n-1 are there, in order of their times.
func arrived(t *testing.T, rows []*Row, n int) {
	t.Helper()
	have := make([]int, n)
	for i, row := range rows {
		var number int
		fmt.Sscan(row.ID, &number)
		if number < 0 || number >= n {
			t.Fatalf("there was no line %s", row.ID)
		}
		have[number]++
		if i > 0 && row.Time.Before(rows[i-1].Time) {
			t.Fatal("not in order of time")
		}
	}
	var missing []int
	for i, times := range have {
		if times != 1 {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		t.Fatalf("%d of %d lines did not come: %v …", len(missing), n, missing[:min(len(missing), 20)])
	}
}

// Under a writer of which a part becomes visible late, every line comes once and can be placed.
func TestTail(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := &flow{place: p, rate: 500, late: 0.05, lateBy: 5 * time.Second}
		seconds := 5
		if p.name == "es7" {
			f.rate, f.lateBy, seconds = 2000, 20*time.Second, 20
			if harness.Soak() {
				seconds = 60
			}
		}
		pattern := p.pattern()
		p.create(t, pattern+"0", 2, "date")
		p.create(t, pattern+"1", 1, "date")
		f.indices = func(n int) string { return fmt.Sprint(pattern, n%2) }
		tail := Open(p.client, Options{Index: pattern + "*", Session: "tail"}).Tail(Query{}, time.Now().Truncate(together))
		n := f.rate * seconds
		var done sync.WaitGroup
		done.Go(func() { f.run(0, n) })
		rows := follow(t, tail, n, 3*time.Minute, func(b Batch, err error) {
			if err != nil || b.Skipped != 0 {
				t.Errorf("%d were left out, %v", b.Skipped, err)
			}
		})
		done.Wait()
		if err := f.failed.Load(); err != nil {
			t.Fatal(*err)
		}
		arrived(t, rows, n)
	})
}

// A tailed test writes documents one by one, with times around the present.
type tailed struct {
	*testing.T
	place
	pattern string
	now     time.Time
	tail    *Tail
}

// put writes documents of times that far from now, as id=duration, to one of the indices.
func (t *tailed) put(index int, docs ...string) {
	t.Helper()
	var all []written
	for _, doc := range docs {
		id, after, _ := strings.Cut(doc, "=")
		d, err := time.ParseDuration(after)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, written{fmt.Sprint(t.pattern, index), id, fmt.Sprintf(`"@timestamp":%q,"log":{"level":"info"}`, t.now.Add(d).Format(time.RFC3339Nano))})
	}
	t.write(t.T, all...)
}

// comes polls until documents have come, and says which, late ones with a !. A look far behind is part of each poll.
func (t *tailed) comes(want string) {
	t.Helper()
	var got []string
	var err error
	var b Batch
	for range 20 {
		t.tail.farAt = time.Time{}
		if b, err = t.tail.Poll(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, row := range b.Rows {
			name := row.ID
			if row.Late {
				name += "!"
			}
			got = append(got, name)
		}
		if len(got) >= len(strings.Fields(want)) && !b.More {
			break
		}
	}
	if strings.Join(got, " ") != want || b.Skipped != 0 || b.Watermark.After(time.Now()) {
		t.Fatalf("there come %q, want %q; batch %+v", got, want, b)
	}
}

// quiet says that nothing comes, in some looks.
func (t *tailed) quiet() {
	t.Helper()
	for range 4 {
		t.comes("")
	}
	if b, err := t.tail.Poll(context.Background()); err != nil || b.Behind != 0 || b.More {
		t.Fatalf("there is more: %+v, %v", b, err)
	}
}

func newTailed(t *testing.T, p place, shards int, date string) *tailed {
	e := &tailed{T: t, place: p, pattern: p.pattern(), now: time.Now().UTC().Truncate(time.Millisecond)}
	p.create(t, e.pattern+"0", shards, date)
	return e
}

func TestTailBringsWhatBecomesVisible(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		for _, date := range []string{"date", "date_nanos"} {
			e := newTailed(t, p, 3, date)
			s := Open(p.client, Options{Index: e.pattern + "*"})
			e.put(0, "old=-20m", "a=-5m", "b=-3s", "c=-1s", "c2=-1s")
			e.tail = s.Tail(Query{Filter: map[string]any{"term": map[string]any{"kubernetes.namespace": "shop"}}}, time.Time{})
			e.quiet()
			e.put(0, "d=-1s") // at the instant of others
			e.comes("d")
			e.put(0, "e=0s", "f=-2s", "g=-9s", "h=-61s", "i=-9m", "lost=-11m")
			e.comes("i! h! g! f! e")
			e.put(0, "j=0s", "k=-2s")
			e.comes("k! j")
			e.quiet()

			// A clock that is ahead keeps nothing else from coming.
			e.put(0, "ahead=5m", "wrong=1h", "far=200000h")
			e.comes("ahead wrong far")
			time.Sleep(time.Until(e.now.Add(20 * time.Millisecond)))
			e.put(0, "l=10ms", "m=6m", "n=61m", "o=-5m")
			e.comes("o! l m n")
			e.quiet()

			// An index that is new, and one that goes away.
			p.create(t, e.pattern+"1", 1, date)
			e.put(1, "p=-4s", "q=11ms")
			e.comes("p! q")
			services.Call(t, "DELETE", p.url+"/"+e.pattern+"1", "", 200)
			e.quiet()
			e.put(0, "r=-4s", "r2=11ms") // as many as there were in its place
			e.comes("r! r2!")

			// All of them go, and others come.
			services.Call(t, "DELETE", p.url+"/"+e.pattern+"0", "", 200)
			e.quiet()
			p.create(t, e.pattern+"0", 3, date)
			e.put(0, "v=-1s", "w=13ms")
			e.comes("v! w")

			// A document of several times, of which no count is right. The store refuses it.
			if p.name == "store" {
				continue
			}
			e.write(t, written{e.pattern + "0", "s", fmt.Sprintf(`"@timestamp":[%q,%q]`, e.now.Add(-3*time.Second).Format(time.RFC3339Nano), e.now.Add(-1500*time.Millisecond).Format(time.RFC3339Nano))})
			e.comes("s!")
			e.quiet()
			e.put(0, "t=-1500ms", "u=14ms")
			e.comes("t! u")
		}
	})
}

// Rows that are shown are not brought, what comes late among them is, and what is older than them is not.
func TestTailGoesOnFromRowsThatAreShown(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		e := newTailed(t, p, 2, "date")
		s := Open(p.client, Options{Index: e.pattern + "*", Session: "x"})
		e.put(0, "a=-9s", "b=-8s", "c0=-7s", "c1=-7s", "c2=-7s", "d=-6s", "e=-5s")
		page, err := s.View(Query{}).Before(context.Background(), nil, 5)
		if err != nil || len(page.Rows) != 5 || page.Rows[0].ID != "c0" {
			t.Fatal(len(page.Rows), err)
		}
		e.put(0, "c3=-7s", "f=-6s", "b2=-8s", "g=-4s")
		e.tail = s.Tail(Query{Fields: []string{"log"}}, page.Rows[4].Time)
		e.tail.Known(page.Rows)
		e.comes("c3! f! g")
		e.put(0, "h=-8500ms", "i=-3s")
		e.comes("h! i")
		more, err := s.View(Query{}).Before(context.Background(), page.Rows[0], 5)
		if err != nil {
			t.Fatal(err)
		}
		e.tail.Known(more.Rows)
		e.put(0, "j=-3s")
		shown, _, err := s.View(Query{}).At(context.Background(), e.now, 1)
		if err != nil {
			t.Fatal(err)
		}
		e.tail.Known(shown.Rows) // j, by a page that was read meanwhile
		e.quiet()

		// With a beginning and without rows, what is there from it on comes; the query's own times bound it.
		e.tail = s.Tail(Query{To: e.now.Add(-3 * time.Second)}, e.now.Add(-7*time.Second))
		e.comes("c0 c1 c2 c3 d f e g")
		e.put(0, "k=-8s", "l=-2s", "m=-4s")
		e.comes("k! m")
	})
}

// What a tail was told holds although its first polls fail.
func TestTailRemembersWhatItWasTold(t *testing.T) {
	p := place{name: "store", url: embedded(t)}
	v := newValve(t, p.url)
	p.client = clientOf(t, es.Config{Hosts: []string{v.URL}})
	e := newTailed(t, p, 1, "date")
	s := Open(p.client, Options{Index: e.pattern + "*"})
	e.put(0, "a=-3s", "b=-2s", "c=-1s")
	page, err := s.View(Query{}).Before(context.Background(), nil, 2)
	if err != nil || len(page.Rows) != 2 {
		t.Fatal(page, err)
	}
	e.tail = s.Tail(Query{}, time.Time{})
	e.tail.Known(page.Rows)
	v.set(func(w http.ResponseWriter, r *http.Request) bool {
		search := strings.HasSuffix(r.URL.Path, "/_search")
		if search {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return search
	})
	for range 2 {
		if b, err := e.tail.Poll(context.Background()); es.Status(err) != http.StatusServiceUnavailable || len(b.Rows) > 0 {
			t.Fatal(b, err)
		}
	}
	if d := e.tail.Every(); d < 2*time.Second || d > 3*time.Second {
		t.Error("it waits for", d)
	}
	v.set(nil)
	e.put(0, "d=-2s")
	e.comes("d!")
	e.quiet()
	if d := e.tail.Every(); d != time.Second {
		t.Error("it waits for", d)
	}
}

// Rows of a new index that keeps times in another way come once that is known, with the right times.
func TestTailOfTimesKeptOtherwise(t *testing.T) {
	p := place{name: "es7", url: services.Elasticsearch(t, 7)}
	p.client = clientOf(t, es.Config{Hosts: []string{p.url}})
	e := newTailed(t, p, 1, "date")
	e.tail = Open(p.client, Options{Index: e.pattern + "*"}).Tail(Query{}, time.Time{})
	e.quiet()
	p.create(t, e.pattern+"1", 1, "date_nanos")
	e.put(1, "a=0s")
	e.put(0, "b=0s")
	var rows []*Row
	for i := range 6 {
		if i == 3 { // a minute later
			e.tail.source.clocks, e.tail.odd = map[string]clockAnswer{}, map[[2]int64]oddity{}
		}
		b, err := e.tail.Poll(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, b.Rows...)
	}
	for _, row := range rows {
		if !row.Time.Equal(e.now) {
			t.Errorf("%s has the time %v", row.ID, row.Time)
		}
	}
	if len(rows) != 2 {
		t.Errorf("%d rows come", len(rows))
	}
}

// Of what gathered, the newest comes, and what is left out is counted; more documents of one instant than a page has all come.
func TestTailBoundsWhatGathered(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		if p.name == "es8" || p.name == "logapi" && !harness.Soak() {
			return
		}
		e := newTailed(t, p, 2, "date")
		s := Open(p.client, Options{Index: e.pattern + "*", Session: "x"})
		put := func(prefix string, n int, at func(i int) time.Duration) {
			docs := make([]string, n)
			for i := range docs {
				docs[i] = fmt.Sprintf("%s%d=%v", prefix, i, at(i))
			}
			e.put(0, docs...)
		}
		e.tail = s.Tail(Query{Fields: []string{}}, e.now.Add(-2*time.Hour))
		put("instant", 9_000, func(int) time.Duration { return -time.Minute })
		put("early", 20_500, func(i int) time.Duration { return -time.Hour + time.Duration(i/10)*time.Millisecond })
		put("late", 40_000, func(i int) time.Duration { return -50*time.Second + time.Duration(i)*time.Millisecond })
		seen, skipped, early := map[string]bool{}, int64(0), 0
		var last *Row
		for {
			b, err := e.tail.Poll(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			skipped += b.Skipped
			for _, row := range b.Rows {
				if seen[row.ID] || last != nil && Compare(row, last) < 0 {
					t.Fatalf("%s comes twice, or out of order", row.ID)
				}
				seen[row.ID], last = true, row
				if strings.HasPrefix(row.ID, "early") {
					early++
				}
			}
			if int64(len(seen))+b.Behind+skipped != 69_500 {
				t.Fatalf("%d came, %d are to come, %d were left out", len(seen), b.Behind, skipped)
			}
			if !b.More {
				break
			}
		}
		if len(seen) != 50_000 || skipped != 19_500 || early != 1000 {
			t.Errorf("%d came, %d of them early ones; %d were left out", len(seen), early, skipped)
		}
	})
}

// A valve is a server's other address, at which it may be made to answer otherwise.
type valve struct {
	*httptest.Server
	otherwise atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool] // says that it answered
}

func newValve(t *testing.T, target string) *valve {
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := v.otherwise.Load(); h == nil || !(*h)(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *valve) set(h func(w http.ResponseWriter, r *http.Request) bool) {
	if h == nil {
		v.otherwise.Store(nil)
		return
	}
	v.otherwise.Store(&h)
}

// While the server is away, busy or breaks off answers nothing is lost, and it is asked less and less often.
func TestTailGetsOverTrouble(t *testing.T) {
	p := place{name: "es7", url: services.Elasticsearch(t, 7)}
	v := newValve(t, p.url)
	p.client = clientOf(t, es.Config{Hosts: []string{v.URL}})
	pattern := p.pattern()
	p.create(t, pattern+"0", 3, "date")
	p.create(t, pattern+"1", 1, "date")
	f := &flow{place: p, rate: 1000, late: 0.05, lateBy: 5 * time.Second, indices: func(n int) string { return fmt.Sprint(pattern, n%2) }}
	tail := Open(p.client, Options{Index: pattern + "*"}).Tail(Query{Fields: []string{}}, time.Now().Truncate(together))
	n := 10_000
	var done sync.WaitGroup
	done.Go(func() { f.run(0, n) })
	defer done.Wait()
	breakOff := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	answer := func(status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(status); return true }
	}
	var asked atomic.Int64
	everySecond := func(w http.ResponseWriter, r *http.Request) bool { // some requests of each poll fail
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(500)
			return true
		}
		return false
	}
	polls, outage := 0, time.Now()
	failed := map[int]int{}
	longest := time.Duration(0)
	rows := follow(t, tail, n, 3*time.Minute, func(b Batch, err error) {
		if b.Skipped != 0 {
			t.Error(b.Skipped, "were left out")
		}
		if err != nil {
			failed[es.Status(err)]++
			longest = max(longest, tail.Every())
			if b.Rows != nil {
				t.Error("rows with an error")
			}
		}
		switch polls++; {
		case polls == 2:
			v.set(breakOff)
			outage = time.Now()
		case failed[0] > 0 && time.Since(outage) < 10*time.Second:
			polls = 3
		case polls == 4:
			v.set(answer(429))
		case polls == 5 || polls == 6:
			v.set(everySecond)
		case polls > 3:
			v.set(nil)
		}
	})
	done.Wait()
	if err := f.failed.Load(); err != nil {
		t.Fatal(*err)
	}
	arrived(t, rows, n)
	if failed[0] < 3 || failed[0] > 6 || failed[429] < 1 || failed[500] < 1 || longest < 4*time.Second {
		t.Errorf("failed %v times, waited %v", failed, longest)
	}
}

// Copies of a shard that have not yet, in turns, what others have, lose and double nothing. Writers' clocks are ahead and behind.
func TestTailOfCopiesThatDiffer(t *testing.T) {
	p := place{name: "es7", url: services.Elasticsearch(t, 7)}
	v := newValve(t, p.url)
	p.client = clientOf(t, es.Config{Hosts: []string{v.URL}})
	var turn atomic.Int64
	v.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_search") || turn.Add(1)%3 != 0 {
			return false
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		body["query"] = map[string]any{"bool": map[string]any{"filter": []any{body["query"],
			map[string]any{"range": map[string]any{"event.created": map[string]any{"lt": time.Now().Add(-2 * time.Second).UnixMilli(), "format": "epoch_millis"}}}}}}
		data, _ := json.Marshal(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
		return false
	})
	pattern := p.pattern()
	p.create(t, pattern+"0", 2, "date")
	tail := Open(p.client, Options{Index: pattern + "*"}).Tail(Query{}, time.Now().Add(-4*time.Minute))
	index := func(int) string { return pattern + "0" }
	ahead := &flow{place: p, rate: 200, late: 0.05, lateBy: 2 * time.Second, skew: 4 * time.Second, indices: index}
	behind := &flow{place: p, rate: 200, late: 0.05, lateBy: 2 * time.Second, skew: -3 * time.Minute, indices: index}
	right := &flow{place: p, rate: 200, late: 0.05, lateBy: 2 * time.Second, indices: index}
	var done sync.WaitGroup
	for i, f := range []*flow{ahead, behind, right} {
		done.Go(func() { f.run(i*1000, 1000) })
	}
	rows := follow(t, tail, 3000, 2*time.Minute, nil)
	done.Wait()
	arrived(t, rows, 3000)
}
