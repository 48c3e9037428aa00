package rest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/store"
)

func TestBackupAndVerify(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	h, err := New(Options{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		r, w := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s: got %d %s, want %d %s", method, path, w.Code, w.Body, status, want)
		}
	}
	const ok, wrong = http.StatusOK, http.StatusBadRequest
	f("PUT", "/a/_doc/1", `{"n":1}`, http.StatusCreated, "created")
	f("POST", "/_podbeat/verify/*", "", ok, `{"indices":[{"index":"a","documents":1,"blocks":0,"problems":[]}]}`)
	f("POST", "/_podbeat/verify/b", "", http.StatusNotFound, "no such index [b]")
	f("POST", "/_podbeat/verify/a?x=1", "", wrong, "unrecognized parameter")
	f("POST", "/_podbeat/backup/2026.11.21", "", ok, `"path":"`)
	f("POST", "/_podbeat/backup/2026.11.21", "", wrong, "is there already")
	for _, name := range []string{"..", "%2e%2e", "a%2fb", "..%2f..%2fx", "a%5cb", "A", "-a", ".a", "a..b", "a.", "a%00", strings.Repeat("a", 200), "a%20b", "c:"} {
		f("POST", "/_podbeat/backup/"+name, "", wrong, "as the name of a backup")
	}
	f("POST", "/_podbeat/backup/b", "{}", wrong, "does not support having a body")
	f("GET", "/_podbeat/backup/b", "", http.StatusMethodNotAllowed, "")
	if files, err := os.ReadDir(filepath.Join(dir, "backups")); err != nil || len(files) != 1 {
		t.Errorf("backups: %v, error %v", files, err)
	}
	copied, err := store.Open(filepath.Join(dir, "backups", "2026.11.21"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if d, found, err := copied.Get(t.Context(), "a", "1"); err != nil || !found || string(d.Source) != `{"n":1}` {
		t.Errorf("got %s, %v and error %v", d.Source, found, err)
	}
}
