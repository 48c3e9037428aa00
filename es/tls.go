package es

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// connections returns what carries the requests, with TLS as configured. A proxy is taken from
// the environment (HTTPS_PROXY, NO_PROXY).
func (c *Config) connections() (*http.Transport, error) {
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     !c.Compress,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}, nil
}

func (c *Config) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.VerifyNone}
	if c.CACerts != "" {
		pem, err := os.ReadFile(c.CACerts)
		if err != nil {
			return nil, fmt.Errorf("cannot read the authorities to trust: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot use %s as authorities to trust: no certificate in PEM is in it", c.CACerts)
		}
	}
	if c.ClientKey != "" && c.ClientCert == "" {
		return nil, fmt.Errorf("cannot use the key %s: the client certificate that it belongs to is missing", c.ClientKey)
	}
	if c.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, cmp.Or(c.ClientKey, c.ClientCert))
		if err != nil {
			return nil, fmt.Errorf("cannot use %s as client certificate: %w", c.ClientCert, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if c.Fingerprint != "" {
		want, err := hex.DecodeString(strings.ReplaceAll(c.Fingerprint, ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, fmt.Errorf("cannot use %.200q as the fingerprint of a certificate: write its SHA-256, 64 hexadecimal digits", c.Fingerprint)
		}
		config.InsecureSkipVerify = true // the fingerprint says more
		config.VerifyConnection = func(state tls.ConnectionState) error {
			for _, certificate := range state.PeerCertificates {
				if sum := sha256.Sum256(certificate.Raw); bytes.Equal(sum[:], want) {
					return nil
				}
			}
			return errFingerprint
		}
	}
	return config, nil
}

var errFingerprint = errors.New("no certificate of the server has the fingerprint given")

// distrust reports whether err says that one side does not trust the other's certificate.
func distrust(err error) bool {
	var verification *tls.CertificateVerificationError
	var op *net.OpError
	return errors.As(err, &verification) || errors.Is(err, errFingerprint) || errors.As(err, &op) && op.Op == "remote error"
}

// plainServer reports whether err says that the server does not speak TLS.
func plainServer(err error) bool {
	var header tls.RecordHeaderError
	return errors.As(err, &header) || errors.Is(err, http.ErrSchemeMismatch)
}
