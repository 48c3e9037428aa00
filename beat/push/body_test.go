package push

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func member(text string, level int) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, level)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func TestReadBody(t *testing.T) {
	const limit = 50_000
	f := func(name, sent string, zipped, chunked bool, room int64, want string, status int) {
		t.Helper()
		r := httptest.NewRequest("POST", "/", strings.NewReader(sent))
		if chunked {
			r.ContentLength = -1
		}
		b := &budget{most: room}
		body, taken, bad := readBody(r, format{gzip: zipped}, limit, b)
		switch {
		case bad == nil && (status != http.StatusOK || string(body) != want):
			t.Errorf("%s: %d bytes are taken, want %d", name, len(body), status)
		case bad != nil && bad.status != status:
			t.Errorf("%s: %d %s, want %d", name, bad.status, bad.Error, status)
		}
		if b.used.Load() != taken || taken < int64(len(body)) || taken > limit+1 {
			t.Errorf("%s: %d bytes are counted, %d are to be given back", name, b.used.Load(), taken)
		}
	}
	const plenty = 1 << 20
	most := strings.Repeat("x", limit)
	for _, chunked := range []bool{false, true} {
		f("empty", "", false, chunked, plenty, "", 200)
		f("short", "x", false, chunked, plenty, "x", 200)
		f("longest", most, false, chunked, plenty, most, 200)
		f("longer", most+"x", false, chunked, plenty, "", 413)
		f("longest, gzip", member(most, 9), true, chunked, plenty, most, 200)
		f("longer, gzip", member(most+"x", 9), true, chunked, plenty, "", 413)
		f("longer, in two members", member(most, 9)+member("x", 9), true, chunked, plenty, "", 413)
		f("no room", most, false, chunked, 40_000, "", 429)
		f("no room at all", "x", false, chunked, 10, "", 429)
		f("no gzip", most, true, chunked, plenty, "", 400)
		f("half", member(most, 9)[:60], true, chunked, plenty, "", 400)
	}
	// What is cut off at the limit is not taken for the end, even where one member ends and the next begins.
	for n := range 100 {
		first := member(most[:limit-n], gzip.NoCompression)
		if len(first) == limit+1 {
			f("cut between members", first+member("x", 9), true, true, plenty, "", 413)
			return
		}
	}
	t.Error("no member has the length that was looked for")
}

func TestFormat(t *testing.T) {
	f := func(kind, coding string, want format, status int) {
		t.Helper()
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", kind)
		if coding != "-" {
			r.Header.Set("Content-Encoding", coding)
		}
		got, bad := formatOf(r)
		if bad == nil && (status != 200 || got != want) || bad != nil && bad.status != status {
			t.Errorf("%s, %s is %+v (%+v), want %+v and %d", kind, coding, got, bad, want, status)
		}
	}
	f("application/json", "-", format{}, 200)
	f("Application/JSON ; Charset=\"utf-8\"", "-", format{}, 200)
	f("application/x-ndjson;charset=utf-8", "Gzip", format{lines: true, gzip: true}, 200)
	f("application/json", "identity", format{}, 200)
	for _, kind := range []string{"", "json", "application/json, text/plain", "application/json; charset=latin1", "application/json; charset=utf-8; charset=latin1",
		"application/json; profile=x", "application/jsonx", "application/vnd.api+json", "multipart/form-data; boundary=x", "*/*"} {
		f(kind, "-", format{}, 415)
	}
	for _, coding := range []string{"", "deflate", "gzip,gzip", "gzip, identity", "gzip ;q=1", "compress"} {
		f("application/json", coding, format{}, 415)
	}
}
