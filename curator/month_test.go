package curator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// keep is how many days logs are kept in these tests.
const keep = 3

// The action file of the logging system's manual.
var manual = fmt.Sprintf(`actions:
  1:
    action: delete_indices
    description: "Delete selected indices"
    options:
      timeout_override: 300
      continue_if_exception: True
    filters:
    - filtertype: pattern
      kind: regex
      value: '%s'
    - filtertype: age
      source: field_stats
      direction: older
      unit: days
      unit_count: %d
      field: '@timestamp'
      stats_result: max_value
`, manualExpression, keep)

const manualExpression = `^logstash-journalbeat-(([a-zA-Z]|[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z]|[A-Za-z][A-Za-z0-9\-]*[A-Za-z0-9])-.*$`

// Hosts as they are in the names of indices. The manual's expression matches those expected alone.
var (
	expected = []string{"node1", "kvm-009660_novalocal", "web-2026-01-01"}
	odd      = []string{"node1_example_com", "10_0_0_1", "10-0-0-1", "host_"}
)

// The action file of the manual, run daily, leaves the last days of the hosts that it is about, and all of others.
func TestMonthOfActions(t *testing.T) {
	m := newMonth(t)
	m.run(t, []string{tempFile(t, "actions.yml", manual)}, func(day time.Time, left map[string]int) {
		for _, host := range expected {
			if got, want := left["logstash-journalbeat-"+host+"-"], min(m.day, keep)+1; got != want {
				t.Errorf("%s: %d indices of %s are left, want %d", day.Format(time.DateOnly), got, host, want)
			}
		}
		for _, host := range odd {
			if got, want := left["logstash-journalbeat-"+host+"-"], m.day+1; got != want {
				t.Errorf("%s: %d indices of %s are left, want all %d", day.Format(time.DateOnly), got, host, want)
			}
		}
	})
}

// The default of a policy is about all hosts, and about what other beats write. A policy with the manual's expression names
// those that it can never match.
func TestMonthOfPolicy(t *testing.T) {
	m := newMonth(t)
	policy := fmt.Sprintf("version: 1\ndefault: %dd\nindices:\n  '%s': %dd\n", keep, manualExpression, keep)
	log := m.run(t, []string{"--policy", tempFile(t, "retention.yml", policy)}, func(day time.Time, left map[string]int) {
		for series, got := range left {
			want := min(m.day, keep) + 1
			if series == "audit-" {
				want = m.day + 1 // no rule is about it
			}
			if got != want {
				t.Errorf("%s: %d indices %s are left, want %d", day.Format(time.DateOnly), got, series, want)
			}
		}
	})
	i := strings.Index(log, "can never match")
	if i < 0 {
		t.Fatalf("no word of what the expression can never match in\n%s", log)
	}
	warning, _, _ := strings.Cut(log[i:], "\n")
	for _, host := range odd {
		if !strings.Contains(warning, "journalbeat-"+host+"-") {
			t.Errorf("%s is not named in %q", host, warning)
		}
	}
	for _, host := range expected {
		if strings.Contains(warning, "journalbeat-"+host+"-") {
			t.Errorf("%s is named in %q", host, warning)
		}
	}
}

// A month is a cluster into which hosts write every day, and `curator serve` that runs at half past two. All clocks are moved
// from one run to the next.
type month struct {
	url     string // of the proxy that has Elasticsearch tell the time of the clock
	elastic string
	clock   *movedClock
	first   time.Time
	day     int // since first
}

func newMonth(t *testing.T) *month {
	t.Helper()
	m := &month{elastic: services.Elasticsearch(t, 7), first: time.Date(2026, 2, 10, 0, 0, 0, 0, time.UTC)}
	m.clock = &movedClock{now: m.first.Add(time.Hour), asleep: make(chan time.Time), wake: make(chan struct{})}
	to, err := url.Parse(m.elastic)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		now := m.clock.Now().UTC()
		r.Header.Set("Date", now.Format(http.TimeFormat))
		if r.Request.URL.Path != "/_cat/health" {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		body = regexp.MustCompile(`"epoch":"\d+"`).ReplaceAll(body, fmt.Appendf(nil, `"epoch":"%d"`, now.Unix()))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	m.url = server.URL
	for names := range slices.Chunk(m.names(t), 50) { // the length of URLs is limited
		services.Call(t, "DELETE", m.elastic+"/"+strings.Join(names, ","), "", 200)
	}
	return m
}

// run runs `curator serve` for 30 days, and has check look at how many indices of each series are left after each run.
func (m *month) run(t *testing.T, args []string, check func(day time.Time, left map[string]int)) (log string) {
	t.Helper()
	cmd := newCommand(m.clock)
	cmd.SetArgs(append([]string{"serve", "--at", "02:30", "--jitter", "0s", "--listen", "", "--config",
		tempFile(t, "client.yml", "elasticsearch:\n  client:\n    hosts: "+m.url+"\n")}, args...))
	var out safeBuffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- cmd.ExecuteContext(ctx) }()
	wait := func() time.Time {
		select {
		case until := <-m.clock.asleep:
			return until
		case err := <-over:
			t.Fatalf("serve ends with %v: %s", err, out.String())
		case <-time.After(3 * time.Minute):
			t.Fatalf("serve does not end its run: %s", out.String())
		}
		panic("not reached")
	}
	until := wait()
	for m.day = 0; m.day < 30; m.day++ {
		today := m.first.AddDate(0, 0, m.day)
		if want := today.Add(2*time.Hour + 30*time.Minute); !until.Equal(want) {
			t.Fatalf("the next run is to be at %s, want %s: %s", until, want, out.String())
		}
		m.write(t, today)
		m.clock.set(until)
		m.clock.wake <- struct{}{}
		until = wait()
		left := map[string]int{}
		for _, name := range m.names(t) {
			if !strings.HasPrefix(name, ".") {
				left[name[:len(name)-len("2006.01.02")]]++
			}
		}
		check(today, left)
		if t.Failed() {
			t.Fatalf("it says\n%s", out.String())
		}
	}
	stop()
	if err := <-over; err != nil {
		t.Errorf("serve ends with %v", err)
	}
	return out.String()
}

// write has every host fill the day before and begin the day.
func (m *month) write(t *testing.T, today time.Time) {
	t.Helper()
	var bulk strings.Builder
	doc := func(series string, at time.Time) {
		fmt.Fprintf(&bulk, "{\"index\": {\"_index\": %q}}\n{\"@timestamp\": %q}\n", series+at.Format("2006.01.02"), at.Format(time.RFC3339))
	}
	all := []string{"audit-", "logstash-filebeat-node1-"}
	for _, host := range slices.Concat(expected, odd) {
		all = append(all, "logstash-journalbeat-"+host+"-")
	}
	for _, series := range all {
		if m.day > 0 {
			doc(series, today.Add(-time.Second))
		}
		doc(series, today)
		doc(series, today.Add(2*time.Hour))
	}
	answer := services.Call(t, "POST", m.elastic+"/_bulk?refresh=true", bulk.String(), 200)
	if bytes.Contains(answer, []byte(`"errors":true`)) {
		t.Fatalf("bulk: %.1000s", answer)
	}
}

func (m *month) names(t *testing.T) []string {
	t.Helper()
	return strings.Fields(string(services.Call(t, "GET", m.elastic+"/_cat/indices?h=index&expand_wildcards=all", "", 200)))
}

// A movedClock stands still, and hands whoever sleeps by it to the test.
type movedClock struct {
	asleep chan time.Time // until when
	wake   chan struct{}

	mu  sync.Mutex
	now time.Time
}

func (c *movedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movedClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *movedClock) Sleep(ctx context.Context, until time.Time) error {
	select {
	case c.asleep <- until:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-c.wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A safeBuffer may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

var _ io.Writer = (*safeBuffer)(nil)

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func tempFile(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
