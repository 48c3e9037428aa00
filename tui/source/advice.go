package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es"
)

// A Banner is what people are told of an error.
type Banner struct {
	Title string        // what is wrong, in a few words
	Do    string        // what to do about it; that it is asked again, where Retry says so, is for who asks
	Retry bool          // it may pass by itself
	After time.Duration // when to ask again, if so
}

// Advice says what an error of this package means, and what to do. Of nil, and of what was cancelled, it is an empty Banner.
func Advice(err error) Banner {
	var noTime *TimeError
	var file *fs.PathError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return Banner{}
	case errors.As(err, &noTime):
		return noTime.advice()
	case es.Status(err) > 0:
		return adviceOf(err)
	case errors.As(err, &file):
		return Banner{"A file cannot be read or written", short(err.Error()), false, 0}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Banner{"The server does not answer in time", "Ask for less: a shorter time range, a narrower index pattern.", true, 5 * time.Second}
	case distrusts(err):
		return Banner{"The server's certificate is not trusted", "Give the authority that signed it (ca_file) or its fingerprint in this context.", false, 0}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return Banner{"There is no server " + printable(dns.Name), "Check the host name in this context: logtui context show.", true, 10 * time.Second}
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "nothing listens there"):
		return Banner{"Nothing listens at the server's address", "Is it running, and are host and port right?", true, 2 * time.Second}
	case strings.Contains(text, "write http://"):
		return Banner{"The server speaks no TLS", "Write http:// in the host of this context.", false, 0}
	case strings.Contains(text, "invalid character"), errors.Is(err, errOther):
		return Banner{"What answers there is not Elasticsearch", "Check host, port and path in this context: " + short(text), true, 10 * time.Second}
	}
	var broken net.Error
	if errors.As(err, &broken) || strings.Contains(text, "EOF") || strings.Contains(text, "connection reset") || strings.Contains(text, "cannot read the answer") {
		return Banner{"The connection to the server broke", short(text), true, 2 * time.Second}
	}
	return Banner{"The search failed", short(text), true, 5 * time.Second}
}

func (e *TimeError) advice() Banner {
	if len(e.Types) == 0 {
		return Banner{"The documents have no field " + e.Field, "Name the field that holds the time in this context (fields.time), or choose other indices.", false, 0}
	}
	return Banner{e.Field + " is no date, but " + strings.Join(e.Types, ", "), "Map it as date in the index template and index anew, or name another field in this context (fields.time).", false, 0}
}

// adviceOf is for answers that say no.
func adviceOf(err error) Banner {
	var e *es.Error
	errors.As(err, &e)
	reason := short(e.Reason)
	switch e.Status {
	case http.StatusUnauthorized:
		return Banner{"The server does not know who is asking", "Log in anew: check user, API key or token of this context; a token may have expired.", false, 0}
	case http.StatusForbidden:
		return Banner{"This may not be read", "Ask for a role, or a token, that reads these indices: " + reason, false, 0}
	case http.StatusNotFound:
		if e.Type == "index_not_found_exception" {
			return Banner{"There is no such index", "Check the index pattern of this context: " + reason, true, 10 * time.Second}
		}
		return Banner{"Nothing answers there", "Is it the address of Elasticsearch or of logapi's API with its region? " + reason, false, 0}
	case http.StatusTooManyRequests:
		return Banner{"The server has too much to do", "Wait a little. A shorter time range costs less.", true, 10 * time.Second}
	case http.StatusServiceUnavailable:
		return Banner{"The server, or a shard, is not available", "Wait a little. " + reason, true, 5 * time.Second}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return Banner{"What lies before the server cannot reach it", "Is the server up? " + reason, true, 5 * time.Second}
	case http.StatusBadRequest, http.StatusInternalServerError:
		switch {
		case e.Type == "" && strings.Contains(e.Reason, "HTTPS"):
			return Banner{"The server speaks TLS", "Write https:// in the host of this context.", false, 0}
		case strings.Contains(e.Reason, "incompatible sort types"), strings.Contains(e.Reason, "cannot be cast to class"):
			return Banner{"Indices have different types of one field", "Choose an index pattern without those that differ; logtui fields lists the types.", false, 0}
		case e.Status == http.StatusInternalServerError:
			return Banner{"The server failed", "Its log says more. " + reason, true, 5 * time.Second}
		}
		return Banner{"The server refuses the search", reason, false, 0}
	}
	return Banner{"The server answered " + http.StatusText(e.Status), reason, e.Status >= 500, 5 * time.Second}
}

// short is a text on one line.
func short(s string) string {
	const most = 300
	s = printable(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// distrusts says whether err is of certificates.
func distrusts(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify) ||
		strings.Contains(err.Error(), "fingerprint")
}
