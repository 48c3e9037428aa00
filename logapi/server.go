package logapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/logapi/search"
	"github.com/podbeat/podbeat/logapi/status"
	"github.com/podbeat/podbeat/token"
)

// A server is logapi at work: the backend, and what answers at each address.
type server struct {
	opts    *options
	log     *slog.Logger
	backend *backend
	keys    *token.Keys
	users   *access.Users
	status  *status.Service
	metrics *metrics
	api     *api
}

// newServer opens what o names. Close must be called unless it fails.
func newServer(o *options, log *slog.Logger) (s *server, err error) {
	s = &server{opts: o, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.openAccess(); err != nil {
		return s, err
	}
	if s.backend, err = openBackend(o, log); err != nil {
		return s, err
	}
	s.metrics = newMetrics(s.backend)
	proxies, err := o.HTTP.proxies()
	if err != nil {
		return s, err
	}
	base, err := token.NewBase(o.Prefix, o.PublicURL)
	if err != nil {
		return s, err
	}
	s.api = &api{region: o.Region, base: base, prefix: segments(o.Prefix), keys: s.keys, client: clientOf(proxies),
		log: log, accessLog: o.HTTP.AccessLog, metrics: s.metrics}
	s.api.issuer = (&access.Issuer{Users: s.users, Keys: s.keys, RootLife: o.Auth.RootLife, AccessLife: o.Auth.AccessLife,
		Limits: o.Auth.Limits, Base: base, Log: log, Client: s.api.client}).Handler()
	if s.api.search, err = s.newSearch(); err != nil {
		return s, err
	}
	return s, s.openStatus()
}

func (s *server) openStatus() (err error) {
	s.status, err = status.New(status.Options{
		Settings: s.opts.Status, Region: s.opts.Region, Peers: s.opts.Peers, ES: s.backend.client, Store: s.backend.store,
		User: userOf, Allowed: s.api.opens, Log: s.log.With("part", "status"),
	})
	if err != nil {
		return err
	}
	s.api.system = system{status: s.status.Status(), configure: s.status.Configure(), history: s.status.History(), heartbeat: s.status.Heartbeat()}
	return nil
}

// openAccess opens the users and the keys, and makes the files that are missing.
func (s *server) openAccess() (err error) {
	a := &s.opts.Auth
	for _, file := range []string{a.Users, a.Keys} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("cannot make the folder of %s: %w", file, err)
		}
	}
	if _, err := os.Stat(a.Keys); errors.Is(err, fs.ErrNotExist) {
		if err := token.Rotate(a.Keys, token.Rotation{}, time.Now()); err != nil {
			return err
		}
		s.log.Info("made a key that signs tokens", "file", a.Keys)
	}
	if s.keys, err = token.OpenKeys(a.Keys); err != nil {
		return err
	}
	s.keys.Rules.Issuer, s.keys.Rules.Audience = a.Issuer, a.Audience
	s.keys.Changed = s.reread("the keys", a.Keys)
	if s.users, err = access.OpenUsers(a.Users); err != nil {
		return err
	}
	s.users.Changed = s.reread("the users", a.Users)
	return nil
}

// reread returns what logs that a file has changed.
func (s *server) reread(what, file string) func(error) {
	return func(err error) {
		if err != nil {
			s.log.Error(what+" stay as they were", "error", err)
			return
		}
		s.log.Info(what+" have been read again", "file", file)
	}
}

func (s *server) newSearch() (http.Handler, error) {
	o := s.opts.Search
	secret, err := o.secret()
	if err != nil {
		return nil, err
	}
	return search.New(search.Options{URL: s.backend.url, Transport: s.backend.client, NamespaceField: o.NamespaceField, AppField: o.AppField,
		Secret: secret, Limits: o.Limits, Log: s.log})
}

// close ends what newServer has opened.
func (s *server) close() error {
	var errs []error
	if s.status != nil {
		errs = append(errs, s.status.Close())
	}
	if s.backend != nil {
		errs = append(errs, s.backend.close())
	}
	return errors.Join(errs...)
}

// A door is an address and what answers there.
type door struct {
	what, address string
	tls           *tls.Config
	handler       http.Handler
	listener      net.Listener
	server        *http.Server
}

// run serves until ctx is done, and then finishes what has begun. opened is called once every address is open.
func (s *server) run(ctx context.Context, opened func(doors []*door)) error {
	secure, err := s.opts.SSL.serve(s.log)
	if err != nil {
		return err
	}
	doors := []*door{{what: "API", address: s.opts.Listen, tls: secure, handler: s.api}}
	if s.backend.rest != nil && s.opts.Store.Listen != "" {
		d := &door{what: "store", address: s.opts.Store.Listen, handler: s.root()}
		if !loopback(d.address) {
			d.tls = secure
		}
		doors = append(doors, d)
	}
	if s.opts.Monitoring.Listen != "" {
		doors = append(doors, &door{what: "monitoring", address: s.opts.Monitoring.Listen, handler: s.metrics.monitoring(s.status.Ready)})
	}
	defer func() {
		for _, d := range doors {
			if d.listener != nil {
				_ = d.listener.Close()
			}
		}
	}()
	for _, d := range doors {
		if err := s.open(d); err != nil {
			return err
		}
	}
	var background sync.WaitGroup
	defer background.Wait()
	if s.opts.Auth.RotateEvery > 0 {
		background.Go(func() {
			access.RotateKeys(ctx, s.opts.Auth.Keys, s.opts.Auth.RotateEvery, s.opts.Auth.rotation(), s.log)
		})
	}
	opened(doors)
	return s.serve(ctx, doors)
}

// root is what answers at the store's own address.
func (s *server) root() http.Handler {
	keys := s.keys
	if !s.opts.Store.Tokens {
		keys = nil
	}
	return newRoot(s.backend.rest, keys, func(r *http.Request, err error) {
		s.log.Info("request", "at", "store", "method", clip(r.Method), "path", clip(r.URL.EscapedPath()), "status", http.StatusUnauthorized, "client", s.api.client(r).String(), "detail", clip(err.Error()))
	})
}

func (s *server) open(d *door) error {
	raw, err := net.Listen("tcp", d.address)
	if err != nil {
		return fmt.Errorf("cannot listen for the %s: %w", d.what, err)
	}
	var changed func(int)
	if d.what == "API" {
		changed = func(by int) { s.metrics.connections.Add(float64(by)) }
	}
	h := s.opts.HTTP
	d.listener = listen.Bounded(raw, d.tls, h.MaxConnections, changed)
	d.server = &http.Server{
		Handler:           d.handler,
		ReadHeaderTimeout: h.HeaderTimeout,
		ReadTimeout:       h.ReadTimeout,
		WriteTimeout:      h.ReadTimeout + max(s.opts.Search.Limits.Time, 2*time.Minute) + 10*time.Second,
		IdleTimeout:       h.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(serverLog{s.log}, "", 0),
		Protocols:         new(http.Protocols),
		ConnContext:       listen.Context,
		ConnState:         listen.State,

		DisableGeneralOptionsHandler: true, // OPTIONS * wants a token too
	}
	d.server.Protocols.SetHTTP1(true)
	if !loopback(d.address) && d.tls == nil && d.what != "monitoring" {
		s.log.Warn("what comes here is not encrypted, tokens and passwords too: give an ssl.certificate, or listen on 127.0.0.1 behind a proxy that has one", "address", raw.Addr().String())
	}
	return nil
}

// maxHeader bounds a request's line and headers, in bytes: a token has at most 8 KiB, a path too.
const maxHeader = 32 << 10

// serve serves at all doors until ctx is done, or one of them fails.
func (s *server) serve(ctx context.Context, doors []*door) error {
	failed := make(chan error, len(doors))
	for _, d := range doors {
		s.log.Info("listening", "for", d.what, "address", d.listener.Addr().String())
		go func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("cannot serve the %s at %s any more: %w", d.what, d.address, err)
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	inTime, cancel := context.WithTimeout(context.Background(), s.opts.HTTP.ShutdownTimeout)
	defer cancel()
	var closing sync.WaitGroup
	for _, d := range doors {
		closing.Go(func() {
			if d.server.Shutdown(inTime) != nil {
				_ = d.server.Close()
			}
		})
	}
	closing.Wait()
	return err
}

// serverLog is where net/http tells of broken connections, which anybody can cause, and of panics.
type serverLog struct{ log *slog.Logger }

func (s serverLog) Write(text []byte) (int, error) {
	if line := strings.TrimSpace(string(text)); strings.HasPrefix(line, "http: panic") {
		s.log.Error(line)
	} else {
		s.log.Debug(clip(line))
	}
	return len(text), nil
}

// segments of a path that NewBase has found nothing wrong with.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
