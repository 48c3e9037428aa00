package push

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
)

// An authority signs certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(name, true)
	return a
}

// sign makes a certificate and leaves name.crt and name.key in a's folder.
func (a *authority) sign(name string, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature, IsCA: ca, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, a.key
	if ca {
		template.KeyUsage |= x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return cert, key
}

// client trusts a, and shows the certificate of this name, if any.
func (a *authority) client(change func(*tls.Config), name string) *http.Client {
	a.t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"))
		if err != nil {
			a.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if change != nil {
		change(c)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	ours.sign("server", false)
	ours.sign("client", false)
	theirs.sign("client", false)
	stranger := func(c *tls.Config) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(theirs.dir, "client.crt"), filepath.Join(theirs.dir, "client.key"))
		if err != nil {
			t.Fatal(err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	old := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	server := "  ssl.certificate: " + ours.dir + "/server.crt\n  ssl.key: " + ours.dir + "/server.key\n"
	authorities := "  ssl.certificate_authorities: [" + ours.dir + "/ours.crt]\n"

	f := func(options string, want map[string]bool) {
		t.Helper()
		a := start(t, options, quick)
		for name, client := range map[string]*http.Client{"none": ours.client(nil, ""), "ours": ours.client(nil, "client"), "theirs": ours.client(stranger, ""), "old": ours.client(old, "client")} {
			r, err := a.try(client, "POST", "/apps/"+app+"/log", body(name), "Authorization: "+a.pusher(), "Content-Type: application/json")
			if (err == nil && r.status == 202) != want[name] {
				t.Errorf("%s\na client with certificate %s: %d %s %v, want %v", options, name, r.status, r.body, err, want[name])
			}
		}
		if r, err := a.try(ours.client(nil, "client"), "POST", "/apps/"+app+"/log", body("x"), "Content-Type: application/json"); err != nil || r.status != 401 {
			t.Errorf("a certificate stands for a token: %d %v", r.status, err)
		}
		resp, err := http.Get("http://" + a.addr + "/api/health")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				t.Error("without TLS: answered")
			}
		}
	}
	f(server, map[string]bool{"none": true, "ours": true, "theirs": true})
	f(server+authorities, map[string]bool{"ours": true})
	f(server+authorities+"  ssl.client_authentication: required\n", map[string]bool{"ours": true})
	f(server+authorities+"  ssl.client_authentication: optional\n", map[string]bool{"none": true, "ours": true})
}

// A new certificate is used without a restart; one that does not fit its key is not.
func TestNewCertificate(t *testing.T) {
	ours := newAuthority(t, "ours")
	ours.sign("server", false)
	a := start(t, "  ssl.certificate: "+ours.dir+"/server.crt\n  ssl.key: "+ours.dir+"/server.key\n", quick)
	serial := func() string {
		t.Helper()
		resp, err := ours.client(nil, "").Get(a.url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	old := serial()
	key, err := os.ReadFile(ours.dir + "/server.key")
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := ours.sign("server", false)
	good, err := os.ReadFile(ours.dir + "/server.key")
	if err != nil {
		t.Fatal(err)
	}
	write := func(key []byte) {
		if err := os.WriteFile(ours.dir+"/server.key", key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(key)
	a.Wait("podbeat has seen it", func(harness.Stats) bool {
		return serial() == old && strings.Contains(a.Log(), "The certificate stays as it was")
	})
	write(good)
	a.Wait("the new certificate is used", func(harness.Stats) bool { return serial() == fresh.SerialNumber.String() })
}
