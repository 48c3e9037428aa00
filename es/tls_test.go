package es

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write writes PEM blocks to a file.
func write(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair makes a certificate that signs itself, and its key.
func pair(t *testing.T) (certificate, key *pem.Block) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"client"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}
}

func TestTLS(t *testing.T) {
	start := func(config *tls.Config) *httptest.Server {
		s := httptest.NewUnstartedServer(status(200, "{}"))
		s.TLS = config
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	plain := start(nil)
	strict := start(&tls.Config{ClientAuth: tls.RequireAnyClientCert})
	ca := write(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: plain.Certificate().Raw})
	sum := sha256.Sum256(plain.Certificate().Raw)
	fingerprint := hex.EncodeToString(sum[:])
	cert, key := pair(t)
	certFile, keyFile, bothFile := write(t, "cert.pem", cert), write(t, "key.pem", key), write(t, "both.pem", cert, key)
	otherCA := write(t, "other.pem", cert)

	f := func(url string, config Config, want string) {
		t.Helper()
		config.Hosts = []string{url}
		config.Retries = 5 // none of these is worth one
		c := client(t, config)
		began := time.Now()
		err := c.Do(context.Background(), "GET", "/x", nil, nil, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
		if time.Since(began) > 10*time.Second {
			t.Errorf("%+v: was tried again", config)
		}
	}
	distrust := ": give the authority that signed the server's certificate (ca_certs) or its fingerprint"
	f(plain.URL, Config{}, distrust)
	f(plain.URL, Config{CACerts: ca}, "")
	f(plain.URL, Config{CACerts: otherCA}, distrust)
	f(strings.Replace(plain.URL, "127.0.0.1", "localhost", 1), Config{CACerts: ca}, distrust) // not a name of the certificate's
	f(plain.URL, Config{VerifyNone: true}, "")
	f(plain.URL, Config{Fingerprint: fingerprint}, "")
	f(plain.URL, Config{Fingerprint: strings.ToUpper(fingerprint[:2] + ":" + fingerprint[2:])}, "")
	f(plain.URL, Config{Fingerprint: strings.Repeat("00", 32), VerifyNone: true}, "no certificate of the server has the fingerprint given")
	f(strict.URL, Config{CACerts: ca, ClientCert: certFile, ClientKey: keyFile}, "")
	f(strict.URL, Config{CACerts: ca, ClientCert: bothFile}, "")
	f(strict.URL, Config{CACerts: ca}, "certificate required")
	f(strings.Replace(plain.URL, "https", "http", 1), Config{}, "400 Bad Request: Client sent an HTTP request to an HTTPS server.: write https:// in the host")
	f(strings.Replace(newFake(t, status(200, "")).URL, "http", "https", 1), Config{}, "write http:// in the host")

	refuse := func(config Config, want string) {
		t.Helper()
		config.Hosts = []string{"https://h"}
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
	}
	refuse(Config{CACerts: "absent.pem"}, "cannot read the authorities to trust: open absent.pem")
	refuse(Config{CACerts: keyFile}, "no certificate in PEM is in it")
	refuse(Config{ClientKey: keyFile}, "the client certificate that it belongs to is missing")
	refuse(Config{ClientCert: certFile}, "cannot use "+certFile+" as client certificate")
	refuse(Config{Fingerprint: "abc"}, "64 hexadecimal digits")
}
