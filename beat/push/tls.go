package push

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/listen"
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

// serve returns a configuration that follows the files it is of, or nil without TLS.
func (s *sslOptions) serve(log *logp.Logger) (*tls.Config, error) {
	return listen.Follow(append([]string{s.Certificate, s.Key}, s.CertificateAuthorities...), s.load, func(err error) {
		if err != nil {
			log.Errorf("The certificate stays as it was: %v", err)
			return
		}
		log.Info("The certificate has been read again.")
	})
}
