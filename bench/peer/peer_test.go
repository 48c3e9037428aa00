package peer

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
)

// The test binary is the shipper too: SHIP_URL, SHIP_DOCS, and SHIP_THEN what it does afterwards.
func TestMain(m *testing.M) {
	if url := os.Getenv("SHIP_URL"); url != "" {
		ship(url)
		return
	}
	os.Exit(m.Run())
}

// ship spends 200 ms of CPU and 32 MiB of memory on sending its documents.
func ship(url string) {
	memory := bytes.Repeat([]byte{1}, 32<<20)
	for treeUsage(os.Getpid()).user < 0.2 {
		for i := range memory {
			memory[i]++
		}
	}
	n, _ := strconv.Atoi(os.Getenv("SHIP_DOCS"))
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "{\"create\":{}}\n{\"message\":\"sq#%08d\"}\n", i)
	}
	if n > 0 {
		resp, err := http.Post(url+"/x/_bulk", "application/x-ndjson", strings.NewReader(body.String()))
		if err != nil {
			panic(err)
		}
		resp.Body.Close()
	}
	if os.Getenv("SHIP_THEN") == "wait" {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		<-c
	}
}

// run runs it; what stalls has to stall so long.
func run(t *testing.T, docs int, then string, stall time.Duration) Result {
	t.Helper()
	srv := httptest.NewServer(sink.New(sink.Options{}))
	defer srv.Close()
	t.Setenv("SHIP_URL", srv.URL)
	t.Setenv("SHIP_DOCS", strconv.Itoa(docs))
	t.Setenv("SHIP_THEN", then)
	// A shell between us and the shipper: what counts is the tree.
	r := Run{Label: "test", Command: []string{"sh", "-c", os.Args[0] + "; exit 3"}, Sink: srv.URL,
		Docs: 100, Timeout: time.Minute, Stall: stall}
	res, err := r.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestCosts(t *testing.T) {
	res := run(t, 100, "wait", time.Minute)
	if res.Note != "" || res.Sink.Docs != 100 || res.Seconds < 0.1 || res.DocsPerSecond <= 0 || res.FirstSeconds > res.Seconds {
		t.Errorf("%+v", res)
	}
	if c := res.CPUSeconds(); c < 0.2 || c > 20 {
		t.Errorf("%v CPU seconds, want 0.2 and a little", c)
	}
	if res.PeakMiB < 32 || res.PeakMiB > 500 || res.PeakAnonMiB < 32 {
		t.Errorf("peak %v MiB, %v MiB anonymous, want 32 and a little", res.PeakMiB, res.PeakAnonMiB)
	}
}

func TestSaysWhyItIsNoCleanRun(t *testing.T) {
	f := func(docs int, then, want string, stall time.Duration) {
		t.Helper()
		res := run(t, docs, then, stall)
		if !strings.Contains(res.Note, want) || res.Sink.Docs != int64(docs) {
			t.Errorf("%d documents, then %s: %+v, want %q", docs, then, res, want)
		}
	}
	f(99, "wait", "stalled at 99 documents", 10*time.Second) // in which they come, however busy the machine is
	f(0, "wait", "stalled at 0 documents", time.Second)
	f(99, "end", "ended by itself: exit status 3", time.Minute)
}

func TestParseStat(t *testing.T) {
	f := func(in string, want process, wantOK bool) {
		t.Helper()
		if got, ok := parseStat([]byte(in)); got != want || ok != wantOK {
			t.Errorf("%q: %+v %t, want %+v %t", in, got, ok, want, wantOK)
		}
	}
	const rest = " S 7 9 9 0 -1 4194560 1 2 3 4 100 50 20 10 20 0 1 0 55"
	f("12 (sh)"+rest, process{12, 7, 1.2, 0.6}, true)
	f("12 (a) b (c)"+rest, process{12, 7, 1.2, 0.6}, true)
	f("12 (sh) S 7", process{}, false)
	f("12 )(", process{}, false)
	f("", process{}, false)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("12 (sh) S 7 9 9 0 -1 4194560 1 2 3 4 100 50 20 10 20 0 1 0 55"))
	f.Add([]byte("VmHWM:\t  1024 kB\nRssAnon: x kB\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		if peak, anon := parseStatus(b); peak != 0 && !bytes.Contains(b, []byte("VmHWM")) || anon != 0 && !bytes.Contains(b, []byte("RssAnon")) {
			t.Errorf("%q: %v and %v MiB", b, peak, anon)
		}
	})
}
