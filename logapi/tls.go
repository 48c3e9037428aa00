package logapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/podbeat/podbeat/listen"
)

// serverTLS are the options of the beats' servers that are of use here, under their names.
type serverTLS struct {
	// File of the server's certificate and those between it and the authority, PEM. Without one there is no TLS. A changed file is read again, as are the others here.
	Certificate string `config:"certificate"`
	// File of its key.
	Key string `config:"key"`
	// Files of certificates that client certificates must be signed by.
	CertificateAuthorities []string `config:"certificate_authorities"`
	// Client certificates: `none`, `optional`, `required`; the last is the default with certificate_authorities.
	ClientAuthentication string `config:"client_authentication"`
	// Lowest version of TLS: TLSv1.2 or TLSv1.3.
	MinVersion string `config:"min_version" default:"TLSv1.2"`
}

const lowestTLS = "TLSv1.2" // by default

// load returns the configuration of a TLS server, or nil without TLS.
func (o *serverTLS) load() (*tls.Config, error) {
	if o.Certificate == "" && o.Key == "" {
		if len(o.CertificateAuthorities) > 0 || o.ClientAuthentication != "" || o.MinVersion != lowestTLS {
			return nil, errors.New("cannot use ssl without ssl.certificate and ssl.key")
		}
		return nil, nil
	}
	if o.Certificate == "" || o.Key == "" {
		return nil, errors.New("cannot use ssl: ssl.certificate and ssl.key go together, and one is missing")
	}
	pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot use ssl.certificate %s with ssl.key %s: %w", o.Certificate, o.Key, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	switch o.MinVersion {
	case "TLSv1.2":
		config.MinVersion = tls.VersionTLS12
	case "TLSv1.3":
		config.MinVersion = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("cannot use ssl.min_version %q: want TLSv1.2 or TLSv1.3", o.MinVersion)
	}
	if err := o.clients(config); err != nil {
		return nil, err
	}
	return config, nil
}

// clients puts into config which client certificates are wanted.
func (o *serverTLS) clients(config *tls.Config) error {
	wants := o.ClientAuthentication
	if wants == "" && len(o.CertificateAuthorities) > 0 {
		wants = "required"
	}
	modes := map[string]tls.ClientAuthType{"": tls.NoClientCert, "none": tls.NoClientCert,
		"optional": tls.VerifyClientCertIfGiven, "required": tls.RequireAndVerifyClientCert}
	mode, ok := modes[wants]
	if !ok {
		return fmt.Errorf("cannot use ssl.client_authentication %q: want none, optional or required", wants)
	}
	config.ClientAuth = mode
	if mode != tls.NoClientCert && len(o.CertificateAuthorities) == 0 {
		return fmt.Errorf("cannot use ssl.client_authentication %q without ssl.certificate_authorities", wants)
	}
	config.ClientCAs = x509.NewCertPool()
	for _, name := range o.CertificateAuthorities {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read ssl.certificate_authorities: %w", err)
		}
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("cannot use ssl.certificate_authorities %s: no certificate in PEM is in it", name)
		}
	}
	return nil
}

// serve returns a configuration that follows its files, or nil without TLS.
func (o *serverTLS) serve(log *slog.Logger) (*tls.Config, error) {
	return listen.Follow(append([]string{o.Certificate, o.Key}, o.CertificateAuthorities...), o.load, func(err error) {
		if err != nil {
			log.Error("the certificate stays as it was", "error", err)
			return
		}
		log.Info("the certificate has been read again", "file", strings.TrimSpace(o.Certificate))
	})
}
