package control

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/token/secretfile"
)

// Options are the section `control:`, at the top level of the configuration.
type Options struct {
	// Where logapi's system API is, such as `https://logs.example.com/api/eu/system/log`. Heartbeats go to `<url>/heartbeat`.
	URL string `config:"url" required:"true"`
	// The access token that opens `POST <url>/heartbeat`.
	Token string `config:"token"`
	// File of the token, instead of `token`. It is read for every heartbeat, so a renewed one needs no restart.
	TokenFile string `config:"token_file"`
	// A user of logapi, instead of a token: podbeat then gets its tokens itself, and renews them. `url` must end in `/<region>/system/log`.
	User string `config:"user"`
	// The user's password.
	Password string `config:"password"`
	// How often a heartbeat is sent, give or take a tenth, from `1s` to `1m`. What logapi answers takes its place.
	Every time.Duration `config:"every" default:"10s"`
	// Longest time for one heartbeat, from connecting to the last byte of the answer.
	Timeout time.Duration `config:"timeout" default:"10s"`
	// TLS, with the options of libbeat's outputs: `certificate_authorities`, `certificate`, `key`, `verification_mode` …
	SSL tlscommon.Config `config:"ssl"`
	// What this podbeat is: `collector`, `shipper` or `parser`. By default `shipper` when it has an input of type kafka, else `collector`.
	Role string `config:"role"`
	// The node it runs on. By default the environment's `NODE_NAME`, and without one the beat's `name`.
	Node string `config:"node"`
	// The UID of its pod. By default the environment's `POD_UID`.
	PodID string `config:"pod_id"`
}

// maxEvery bounds what a podbeat may be told: a collector that is switched off stops soon.
const maxEvery = time.Minute

// Validate says which option has a value that means nothing.
func (o *Options) Validate() error {
	if o.URL == "" {
		return errors.New(`option "url" is missing: want where logapi's system API is, such as https://logs.example.com/api/eu/system/log`)
	}
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New(`cannot use option "url": want an http or https URL such as https://logs.example.com/api/eu/system/log`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New(`option "url" has a user, a query or a fragment: give the token as token or token_file`)
	case o.Token != "" && o.TokenFile != "":
		return errors.New(`options "token" and "token_file" exclude each other`)
	case (o.User == "") != (o.Password == ""):
		return errors.New(`options "user" and "password" belong together`)
	case o.User != "" && (o.Token != "" || o.TokenFile != ""):
		return errors.New(`options "user" and "token" or "token_file" exclude each other`)
	case o.User != "" && strings.Contains(o.User, ":"):
		return errors.New(`option "user" has a colon`)
	case o.Token != "" && !sendable(o.Token):
		return errors.New(`option "token" is no token: it has blanks or control characters, or more than 8 KiB`)
	case o.Every < time.Second || o.Every > maxEvery:
		return fmt.Errorf(`option "every" must be 1s to %v, not %v`, maxEvery, o.Every)
	case o.Timeout <= 0:
		return fmt.Errorf(`option "timeout" must be above 0, not %v`, o.Timeout)
	}
	if _, _, ok := split(o.URL); o.User != "" && !ok {
		return errors.New(`option "url" must end in /<region>/system/log, so that the user can log in beside it`)
	}
	switch o.Role {
	case "", heartbeat.Collector, heartbeat.Shipper, heartbeat.Parser:
		return nil
	}
	return fmt.Errorf(`option "role" must be collector, shipper or parser, not %q`, o.Role)
}

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

func sendable(token string) bool {
	return len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' })
}

// secret returns the token to send now; "" is none. Its errors quote nothing of it.
func (o *Options) secret() (string, error) {
	if o.TokenFile == "" {
		return o.Token, nil
	}
	text, err := secretfile.Read(o.TokenFile, maxToken+2)
	if err != nil {
		return "", fmt.Errorf("cannot read the token in %s: %w", o.TokenFile, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || !sendable(token) {
		return "", fmt.Errorf("cannot use the token in %s: want one line with nothing but the token", o.TokenFile)
	}
	return token, nil
}

// place says where this podbeat runs.
func (o *Options) place(name string) (node, pod, podName string) {
	return cmp.Or(o.Node, os.Getenv("NODE_NAME"), name), cmp.Or(o.PodID, os.Getenv("POD_UID")), cmp.Or(os.Getenv("POD_NAME"), name)
}

// readable says whether others on the way may read the token.
func (o *Options) readable() bool {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme == "https" || o.Token == "" && o.TokenFile == "" && o.User == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}
