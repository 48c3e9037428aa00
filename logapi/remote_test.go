package logapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/token"
)

// serveStore serves a store as logapi does, behind what wrap makes of it.
func serveStore(t *testing.T, limits rest.Limits, wrap func(http.Handler) http.Handler) (url string, st *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{FlushAfter: time.Hour}) // how many blocks there are is not to depend on the clock
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.New(rest.Options{Store: st, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wrap(h))
	t.Cleanup(func() {
		server.Close()
		if err := errors.Join(h.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return server.URL, st
}

func plain(h http.Handler) http.Handler { return h }

// nowhere is a shop without a store: what is asked of it goes to a URL.
func nowhere(t *testing.T) *shop {
	return &shop{t: t, dir: filepath.Join(t.TempDir(), "none")}
}

func TestStoreAtURL(t *testing.T) {
	url, _ := serveStore(t, rest.Limits{}, plain)
	s := nowhere(t)
	given := filled(2500, "logs-1", "logs-2")
	n := 2 * (2500 + len(sources))
	s.run(given, fmt.Sprintf("imported %d documents", n), "import", "--url", url, "-")
	if out := s.run("", "", "list", "--url", url); !strings.Contains(out, "logs-1     2506 documents") || !strings.Contains(out, fmt.Sprintf("2 indices  %d documents", n)) {
		t.Errorf("printed %s", out)
	}
	if got, want := documentsOf(s.run("", "", "export", "--url", url)), documentsOf(given); !slices.Equal(got, want) {
		t.Errorf("%d documents came back of %d: %.300q", len(got), len(want), difference(got, want))
	}
	if out := s.run("", "", "verify", "--url", url); out != "logs-1: 2506 documents in 0 blocks: ok\nlogs-2: 2506 documents in 0 blocks: ok\n" {
		t.Errorf("printed %s", out)
	}
	if out := s.run("", "", "compact", "--url", url, "logs-1"); !strings.HasPrefix(out, "logs-1: ") || !strings.Contains(out, "\nall: ") {
		t.Errorf("printed %s", out)
	}
	s.run("", "logs-1: 2506 documents in 1 blocks: ok", "verify", "--url", url, "logs-*")
	path := strings.TrimSuffix(strings.TrimPrefix(s.run("", "copied to ", "backup", "--url", url, "first"), "copied to "), "\n")
	(&shop{t: t, dir: path}).run("", fmt.Sprintf("2 indices  %d documents", n), "list")
	s.fail("", "is there already", 1, "backup", "--url", url, "first")
	s.fail("", "as the name of a backup", 1, "backup", "--url", url, "..")
	s.fail("", `try "b"`, 2, "backup", "--url", url, "/a/b")
	s.fail("", "no such index [none]", 1, "verify", "--url", url, "none")
	// Aliases, patterns and parts.
	if got := documentsOf(s.run("", "", "export", "--url", url, "logs-1-alias")); len(got) != n/2 {
		t.Errorf("%d documents of an alias", len(got))
	}
	if got := strings.Count(s.run("", "", "export", "--url", url, "--form", "documents", "--query", "level:ERROR", "--since", "2026-11-03", "--until", "2026-11-05", "logs-*,-logs-2"), "\n"); got != 125 {
		t.Errorf("%d documents, want 125: those of the 4th", got)
	}
	s.fail("", "there is no such index that is open", 1, "export", "--url", url, "none-*")
	s.fail("", "no such index [none]", 1, "export", "--url", url, "none")
	s.fail("", "parse", 1, "export", "--url", url, "--query", "a:(b")
	s.fail("", "write http", 2, "list", "--url", "127.0.0.1:9200")
	s.fail("", "no such file", 1, "list", "--url", url, "--token-file", "none")
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("the folder of the store was made")
	}
}

// TestStoreAtURLWithToken: --store.tokens.
func TestStoreAtURLWithToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := token.Rotate(path, token.Rotation{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	keys, err := token.OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	url, _ := serveStore(t, rest.Limits{}, func(h http.Handler) http.Handler { return newRoot(h, keys, func(*http.Request, error) {}) })
	s := nowhere(t)
	s.fail("{}", "401", 1, "import", "--url", url, "--index", "a", "-")
	raw, err := keys.Sign(token.Claims{UserID: "1", Expires: time.Now().Add(time.Hour), Access: []token.Access{{Method: []string{"*"}, URL: []string{"/**"}}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(raw+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("{}", "imported 1 documents", "import", "--url", url, "--token-file", file, "--index", "a", "-")
	s.run("", "{}\n", "export", "--url", url, "--token-file", file, "--form", "documents")
}

// TestImportInterrupted: what a Ctrl-C has cut off is done by the next import, and nothing is there twice.
func TestImportInterrupted(t *testing.T) {
	var bulks atomic.Int32
	var interrupt context.CancelFunc
	url, _ := serveStore(t, rest.Limits{}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_bulk" && bulks.Add(1) == 2 {
				interrupt()
			}
			h.ServeHTTP(w, r)
		})
	})
	given := filled(12_000, "a")
	cmd := newStoreCommand(func() (string, store.Options, error) { return "", store.Options{}, errors.New("not to be opened") })
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetIn(strings.NewReader(given))
	cmd.SetArgs([]string{"import", "--url", url, "-"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupt = cancel
	if err := cmd.ExecuteContext(ctx); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("printed %s, error %v", &out, err)
	}
	s := nowhere(t)
	said := s.run(given, " documents; ", "import", "--url", url, "-")
	var added, there, failed int
	if _, err := fmt.Sscanf(said, "imported %d documents; %d were there already, %d failed", &added, &there, &failed); err != nil || added+there != 12_000+len(sources) || there < batchDocs || failed != 0 {
		t.Errorf("printed %s", said)
	}
	if got, want := documentsOf(s.run("", "", "export", "--url", url)), documentsOf(given); !slices.Equal(got, want) {
		t.Errorf("%d documents are there of %d", len(got), len(want))
	}
}

// TestImportServerRefuses: a server without room is asked again, and one that takes no long requests gets shorter ones.
func TestImportServerRefuses(t *testing.T) {
	var bulks atomic.Int32
	url, _ := serveStore(t, rest.Limits{}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_bulk" && bulks.Add(1) == 1 {
				w.Header().Set("X-elastic-product", "Elasticsearch")
				fmt.Fprint(w, `{"items":[{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},{"create":{"status":201}}]}`)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	s := nowhere(t)
	s.run("{\"n\":1}\n{\"n\":2}", "imported 2 documents; 0 were there already, 0 failed", "import", "--url", url, "--index", "a", "-")
	s.run("", "{\"n\":1}\n", "export", "--url", url, "--form", "documents") // the other one the server has only said to have

	url, st := serveStore(t, rest.Limits{Body: 100_000}, plain)
	var text strings.Builder
	for i := range 10 {
		fmt.Fprintf(&text, "{\"create\":{\"_id\":\"%d\"}}\n{\"m\":\"%s\"}\n", i, strings.Repeat("x", 30_000*(i/8*3+1)))
	}
	said := s.fail(text.String(), "2 lines could not be imported", 1, "import", "--url", url, "--index", "a", "-")
	if !strings.Contains(said, "line 18: ") || !strings.Contains(said, "line 20: ") {
		t.Errorf("printed %s", said)
	}
	if info, err := st.Info("a"); err != nil || info.Docs != 8 {
		t.Errorf("got %+v and error %v", info, err)
	}
}

// TestExportWhileWritten: an index is exported as it was at one moment.
func TestExportWhileWritten(t *testing.T) {
	url, st := serveStore(t, rest.Limits{}, plain)
	s := nowhere(t)
	s.run(filled(3000, "a"), "imported", "import", "--url", url, "-")
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			if ctx.Err() != nil {
				written <- nil
				return
			}
			_, err := st.Bulk(context.Background(), "a", []store.Op{{Kind: store.Create, ID: fmt.Sprint(3000 + len(sources) + i), Source: []byte(`{}`)}, {Kind: store.Delete, ID: fmt.Sprint(i)}})
			if err != nil {
				written <- err
				return
			}
		}
	}()
	for range 5 {
		if got := documentsOf(s.run("", "", "export", "--url", url, "a")); len(slices.Compact(got)) != 3000+len(sources) {
			t.Errorf("%d documents, want %d: each write adds one and deletes one", len(got), 3000+len(sources))
		}
	}
	stop()
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestExportFails: nothing is left of a file that could not be finished, and nothing replaced.
func TestExportFails(t *testing.T) {
	var searches atomic.Int32
	url, _ := serveStore(t, rest.Limits{}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/_search" && searches.Add(1) == 2 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	s := nowhere(t)
	s.run(filled(3000, "a"), "imported", "import", "--url", url, "-")
	dir := t.TempDir()
	file := filepath.Join(dir, "a.ndjson")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fail("", "500", 1, "export", "--url", url, "-o", file, "--force")
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
	if text, _ := os.ReadFile(file); string(text) != "old" {
		t.Errorf("the file is %.100q", text)
	}
	searches.Store(0)
	out, _, err := s.try("", "export", "--url", url)
	if err == nil || strings.Contains(out, "podbeat_end") || !strings.Contains(out, `{"create":`) {
		t.Errorf("printed %.200q, error %v", out, err)
	}
	nowhere(t).fail(out, "the export was cut off", 1, "import", "--dry-run", "-")
	s.fail("", "no regular file", 1, "export", "--url", url, "-o", os.DevNull, "--force")
	s.fail("", "no such file", 1, "export", "--url", url, "-o", filepath.Join(dir, "none", "x"))
}
