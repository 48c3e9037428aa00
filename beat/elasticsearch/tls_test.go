package elasticsearch

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestTLS: requests go through TLS to a server whose certificate is known, and through a proxy.
func TestTLS(t *testing.T) {
	f := newFake(t)
	s := httptest.NewTLSServer(http.HandlerFunc(f.handle))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var proxied atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) { proxied.Add(1) }})
	t.Cleanup(proxy.Close)
	plain, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := func(server *url.URL, yaml string) {
		t.Helper()
		f.docs = map[string]string{}
		at := &fake{Server: &httptest.Server{URL: server.String()}}
		l, _, _ := newTestLane(t, at, yaml)
		got, err := publish(l, eventsOf("ab")...)
		if err != nil || len(f.docs) != 2 {
			t.Errorf("%s %s: %s, %v, %d documents", server, yaml, got, err, len(f.docs))
		}
	}
	secure, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	g(secure, fmt.Sprintf("ssl.certificate_authorities: [%q]", ca))
	g(secure, "ssl.verification_mode: none")
	g(plain, fmt.Sprintf("proxy_url: %q", proxy.URL))
	if proxied.Load() == 0 {
		t.Error("the proxy was passed by")
	}
}
