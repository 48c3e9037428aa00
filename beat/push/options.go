package push

import (
	"errors"
	"fmt"
	"net"
	"time"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/token"
)

// options are what `type: push` takes.
type options struct {
	// Address and port to listen on. Without an address (`:8085`) it is every one of the host.
	Listen string `config:"listen" default:"127.0.0.1:8085"`
	// What the paths of the API begin with: `/api` makes the endpoint `/api/apps/<appid>/log`.
	Prefix string `config:"prefix"`
	// The URL under which clients know the API, such as `https://logs.example.com/api`. Without it no absolute URL in a token opens anything.
	PublicURL string `config:"public_url"`
	// File of the keys that tokens are signed with, as `podbeat token keys` makes it; a relative path is below
	// path.config. A changed file is read again.
	Keys string `config:"keys"`
	// The issuer (`iss`) that tokens must name; empty means any or none.
	Issuer string `config:"issuer"`
	// The audience (`aud`) that tokens must be for; empty means any or none.
	Audience string `config:"audience"`
	// TLS. Without it tokens and logs can be read on the way: use it unless a proxy on this host does.
	SSL sslOptions `config:"ssl"`

	// When a request is answered with 202: `queue`, once the queue answers for its entries, which is when `queue.disk` has
	// synced them to disk, and with `queue.mem`, which keeps nothing, when the output has acknowledged them; or `output`, when the output
	// has acknowledged them, which `queue.disk` does not tell: the two together are refused.
	Ack string `config:"ack" default:"queue"`
	// Longest wait for the acknowledgement; then the answer is 503. The entries are still delivered.
	AckTimeout time.Duration `config:"ack_timeout" default:"10s"`
	// What 429 and 503 say in Retry-After, in whole seconds.
	RetryAfter time.Duration `config:"retry_after" default:"5s"`

	// Longest body, once inflated.
	MaxBodyBytes option.Bytes `config:"max_body_bytes" default:"8MiB"`
	// Most entries of one request.
	MaxEntries int `config:"max_entries" default:"10000"`
	// Longest entry, as it stands in the body. A disk queue takes none longer than its `segment_size`, a tenth of its `max_size`.
	MaxEntryBytes option.Bytes `config:"max_entry_bytes" default:"1MiB"`
	// Bounds of an entry's annotations.
	Annotations annotationOptions `config:"annotations"`
	// Oldest time of an entry. The default refuses times in seconds and milliseconds.
	Oldest string `config:"oldest" default:"'2000-01-01T00:00:00Z'"`
	// How far in the future an entry's time may be, to the end of that day (UTC).
	MaxAhead time.Duration `config:"max_ahead" default:"24h"`

	// Most bytes of bodies that are being read or wait for their acknowledgement, all requests together. Beyond it the answer is 429.
	MaxInFlightBytes option.Bytes `config:"max_in_flight_bytes" default:"32MiB"`
	// Most entries that wait for their acknowledgement, all requests together. Beyond it the answer is 429.
	MaxInFlightEntries int `config:"max_in_flight_entries" default:"20000"`
	// Most connections at once. A further one takes the place of the one that has been longest without a request with a valid
	// token, and waits while there is no such.
	MaxConnections int `config:"max_connections" default:"256"`
	// Longest time for a request's headers.
	HeaderTimeout time.Duration `config:"header_timeout" default:"10s"`
	// Longest time for a whole request, from its first byte to its last.
	ReadTimeout time.Duration `config:"read_timeout" default:"30s"`
	// Longest time that a connection may stay open without a request.
	IdleTimeout time.Duration `config:"idle_timeout" default:"60s"`
	// How long a stop waits for the requests that are being answered. What is not acknowledged by then is answered with 503.
	ShutdownTimeout time.Duration `config:"shutdown_timeout" default:"5s"`

	// Namespace (`kubernetes.namespace`) of the events, unless the token says another in `other`.
	Namespace string `config:"namespace"`
	// Region (`region`) of the events, unless the token says another.
	Region string `config:"region"`
	// Zone (`zone`) of the events, unless the token says another.
	Zone string `config:"zone"`
	// Log each request: method, path, status, entries, bytes, user, client, duration; never a token. Of requests without a valid token, at most ten a second.
	AccessLog bool `config:"access_log" default:"true"`
}

type annotationOptions struct {
	// Most annotations of one entry.
	Max int `config:"max" default:"64"`
	// Longest key, in characters.
	MaxKey int `config:"max_key" default:"128"`
	// Longest value, in characters; 8191 at most, as they may have four bytes each and Elasticsearch takes no more than 32766.
	MaxValue int `config:"max_value" default:"8191"`
}

// maxValue is the most that annotations.max_value can be.
const maxValue = 32766 / utf8.UTFMax

// sslOptions are those of libbeat's servers that are of use here, under their names.
type sslOptions struct {
	// The server's certificate, as PEM or a file of it. Without one there is no TLS. A changed file is read again, as are the others here.
	Certificate string `config:"certificate"`
	// Its key.
	Key string `config:"key"`
	// What the key is encrypted with.
	KeyPassphrase string `config:"key_passphrase"`
	// Certificates that client certificates must be signed by.
	CertificateAuthorities []string `config:"certificate_authorities"`
	// Client certificates: `none`, `optional`, `required`; the last is the default with certificate_authorities.
	ClientAuthentication string `config:"client_authentication"`
	// Versions of TLS, by default TLSv1.2 and TLSv1.3.
	SupportedProtocols []string `config:"supported_protocols" default:"[TLSv1.2, TLSv1.3]"`
}

// Validate says which option has a value that means nothing.
func (o *options) Validate() error {
	_, port, err := net.SplitHostPort(o.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("cannot listen on %q: want an address and a port, such as 127.0.0.1:8085 or :8085", o.Listen)
	}
	for _, said := range []struct{ option, value string }{{"namespace", o.Namespace}, {"region", o.Region}, {"zone", o.Zone}} {
		if err := checkWord(said.value, maxType); err != nil && said.value != "" {
			return fmt.Errorf("cannot use %s %q: %w", said.option, said.value, err)
		}
	}
	if o.Keys == "" {
		return errors.New("cannot verify tokens without keys: give the file that `podbeat token keys FILE` makes as `keys: FILE`")
	}
	if _, err := token.NewBase(o.Prefix, o.PublicURL); err != nil {
		return err
	}
	if _, err := time.Parse(time.RFC3339, o.Oldest); err != nil {
		return fmt.Errorf("cannot use oldest %q: want a time such as 2000-01-01T00:00:00Z", o.Oldest)
	}
	if o.Ack != "queue" && o.Ack != "output" {
		return fmt.Errorf("cannot use ack %q: want queue or output", o.Ack)
	}
	if o.Ack == "output" && queueType() == "disk" {
		return errors.New("cannot use ack: output with queue.disk, which does not tell what the output has acknowledged: " +
			"use ack: queue, which answers once the entries are on disk, or queue.mem")
	}
	if int(o.MaxInFlightEntries) < o.MaxEntries {
		return fmt.Errorf("cannot use max_in_flight_entries %d: want no less than max_entries, %d", o.MaxInFlightEntries, o.MaxEntries)
	}
	if o.MaxInFlightBytes <= o.MaxBodyBytes {
		return fmt.Errorf("cannot use max_in_flight_bytes %v: want more than max_body_bytes, %v", o.MaxInFlightBytes, o.MaxBodyBytes)
	}
	if o.MaxEntryBytes > o.MaxBodyBytes {
		return fmt.Errorf("cannot use max_entry_bytes %v: want no more than max_body_bytes, %v", o.MaxEntryBytes, o.MaxBodyBytes)
	}
	if o.Annotations.Max < 0 || o.MaxAhead < 0 || o.ShutdownTimeout < 0 {
		return errors.New("cannot use a negative annotations.max, max_ahead or shutdown_timeout")
	}
	return errors.Join(
		between("max_body_bytes", o.MaxBodyBytes, 1<<30), between("max_in_flight_bytes", o.MaxInFlightBytes, 1<<40),
		between("max_entries", o.MaxEntries, 1e6), between("max_in_flight_entries", o.MaxInFlightEntries, 1e7),
		between("max_entry_bytes", o.MaxEntryBytes, 1<<30), between("max_connections", o.MaxConnections, 1e6),
		between("annotations.max_key", o.Annotations.MaxKey, 1<<10), between("annotations.max_value", o.Annotations.MaxValue, maxValue),
		atLeast("ack_timeout", o.AckTimeout, time.Millisecond), atLeast("retry_after", o.RetryAfter, time.Second),
		atLeast("header_timeout", o.HeaderTimeout, time.Millisecond), atLeast("read_timeout", o.ReadTimeout, time.Millisecond),
		atLeast("idle_timeout", o.IdleTimeout, time.Millisecond),
	)
}

// between says whether got is between 1 and most.
func between[T ~int | ~int64](option string, got T, most int64) error {
	if 1 <= got && int64(got) <= most {
		return nil
	}
	return fmt.Errorf("cannot use %s %v: want 1 to %d", option, got, most)
}

func atLeast(option string, got, least time.Duration) error {
	if got >= least {
		return nil
	}
	return fmt.Errorf("cannot use %s %v: want at least %v", option, got, least)
}

// queueType is the type of libbeat's queue, mem or disk; empty before there is one.
func queueType() string {
	name, _ := monitoring.GetNamespace("state").GetRegistry().Get("queue.name").(*monitoring.String)
	if name == nil {
		return ""
	}
	return name.Get()
}

// limits are what requests must keep to.
func (o *options) limits() limits {
	oldest, _ := time.Parse(time.RFC3339, o.Oldest) // Validate has looked
	return limits{
		entries: o.MaxEntries, entryBytes: int(o.MaxEntryBytes), oldest: oldest.UTC(), ahead: o.MaxAhead,
		labels: o.Annotations.Max, key: o.Annotations.MaxKey, value: o.Annotations.MaxValue,
	}
}

// openKeys reads the keys.
func (o *options) openKeys() (*token.Keys, error) {
	keys, err := token.OpenKeys(paths.Resolve(paths.Config, o.Keys))
	if err != nil {
		return nil, err
	}
	keys.Rules.Issuer, keys.Rules.Audience = o.Issuer, o.Audience
	return keys, nil
}
