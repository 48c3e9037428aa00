package push

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// defaultProtocols is ssl.supported_protocols where nothing is said.
var defaultProtocols = []string{"TLSv1.2", "TLSv1.3"}

// load returns the configuration of a TLS server, or nil without TLS.
func (s *sslOptions) load() (*tls.Config, error) {
	if s.Certificate == "" {
		if s.Key != "" || s.KeyPassphrase != "" || len(s.CertificateAuthorities) > 0 || s.ClientAuthentication != "" ||
			!slices.Equal(s.SupportedProtocols, defaultProtocols) {
			return nil, errors.New("cannot use ssl without ssl.certificate and ssl.key")
		}
		return nil, nil
	}
	if s.Key == "" {
		return nil, errors.New("cannot use ssl.certificate without ssl.key")
	}
	if i := slices.IndexFunc(s.SupportedProtocols, func(p string) bool { return strings.HasPrefix(p, "SSL") }); i >= 0 { // libbeat knows it, Go does not
		return nil, fmt.Errorf("cannot use ssl.supported_protocols %q: want TLSv1.2 or TLSv1.3", s.SupportedProtocols[i])
	}
	if !slices.Contains([]string{"", "none", "optional", "required"}, s.ClientAuthentication) {
		return nil, fmt.Errorf("cannot use ssl.client_authentication %q: want none, optional or required", s.ClientAuthentication)
	}
	if len(s.CertificateAuthorities) == 0 && (s.ClientAuthentication == "optional" || s.ClientAuthentication == "required") {
		return nil, fmt.Errorf("cannot use ssl.client_authentication %q without ssl.certificate_authorities", s.ClientAuthentication)
	}
	given := map[string]any{"certificate": s.Certificate, "key": s.Key, "supported_protocols": s.SupportedProtocols}
	if s.KeyPassphrase != "" {
		given["key_passphrase"] = s.KeyPassphrase
	}
	if len(s.CertificateAuthorities) > 0 {
		given["certificate_authorities"] = s.CertificateAuthorities
	}
	if s.ClientAuthentication != "" {
		given["client_authentication"] = s.ClientAuthentication
	}
	cfg, err := common.NewConfigFrom(given)
	if err != nil {
		return nil, fmt.Errorf("cannot use ssl: %w", err)
	}
	var server tlscommon.ServerConfig
	if err := cfg.Unpack(&server); err != nil {
		return nil, fmt.Errorf("cannot use ssl: %w", err)
	}
	loaded, err := tlscommon.LoadTLSServerConfig(&server)
	if err != nil {
		return nil, fmt.Errorf("cannot use ssl: %w", err)
	}
	return loaded.BuildServerConfig(""), nil
}

// serve returns a configuration that follows the files it is of, or nil without TLS. While they do not fit together, as when one of them has
// been replaced and the other has not, what they were before stays in use.
func (s *sslOptions) serve(log *logp.Logger) (*tls.Config, error) {
	held := s.sum()
	current, err := s.load()
	if current == nil {
		return nil, err
	}
	var mu sync.Mutex
	looked := time.Now()
	first := current.Clone()
	first.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(looked) >= time.Second {
			looked = now
			if sum := s.sum(); sum != held {
				held = sum
				if fresh, err := s.load(); err != nil {
					log.Errorf("The certificate stays as it was: %v", err)
				} else {
					current = fresh
					log.Info("The certificate has been read again.")
				}
			}
		}
		return current, nil
	}
	return first, nil
}

// sum tells different contents of the files apart. A name that is no file's is PEM, or load's to complain about.
func (s *sslOptions) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range append([]string{s.Certificate, s.Key}, s.CertificateAuthorities...) {
		text, _ := os.ReadFile(name)
		fmt.Fprintf(h, "%d:", len(text))
		h.Write(text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
