// Package push is podbeat's input `push`: it takes logs over HTTP, as
//
//	POST {prefix}/apps/{appid}/log
//	Authorization: Bearer <token>
//
// with a JSON array of entries, and answers 202 once every one of them is acknowledged. A request's way is handler's:
//
//	token → path → form → body → entries, all or nothing → publisher → libbeat … queue or output
//	                                                          │                      │
//	client ◄── 202 ◄── every entry is acknowledged ◄──────────┴──────────────────────┘
//
// It keeps no position: what is not answered with 202 is the client's to send again, and an Idempotency-Key or
// ids of the entries make that harmless.
package push

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/go-concert/ctxtool"
	"github.com/elastic/go-concert/unison"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/token"
)

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger) v2.Plugin {
	return v2.Plugin{
		Name:      "push",
		Stability: feature.Stable,
		Info:      "logs over HTTP",
		Doc:       "The push input takes logs that programs send over HTTP.",
		Manager:   &manager{log: log.Named("push")},
	}
}

type manager struct{ log *logp.Logger }

// Init has nothing to start.
func (m *manager) Init(unison.Group, v2.Mode) error { return nil }

// CheckConfig says what is wrong with an input's configuration, its keys and its certificate, without listening.
func (m *manager) CheckConfig(cfg *common.Config) error {
	in, err := newInput(cfg)
	if err != nil {
		return err
	}
	if _, err := in.opts.openKeys(); err != nil {
		return fmt.Errorf("push input: %w", err)
	}
	if _, err := in.opts.SSL.load(); err != nil {
		return fmt.Errorf("push input: %w", err)
	}
	return nil
}

// Create makes an input of its configuration.
func (m *manager) Create(cfg *common.Config) (v2.Input, error) { return newInput(cfg) }

// ID returns the address that the input which cfg describes listens on. No two may have the same.
func (m *manager) ID(cfg *common.Config) (string, error) {
	in, err := newInput(cfg)
	if err != nil {
		return "", err
	}
	return in.opts.Listen, nil
}

// Clash says what is wrong with two inputs that have the ID id.
func (m *manager) Clash(id string) error {
	return fmt.Errorf("two push inputs listen on %s: give each another `listen`", id)
}

type input struct {
	opts options
	id   string
}

func newInput(cfg *common.Config) (*input, error) {
	var common struct {
		ID string `config:"id"`
	}
	if err := cfg.Unpack(&common); err != nil {
		return nil, err
	}
	in := &input{id: common.ID}
	if err := option.Unpack(cfg, &in.opts, "push input", option.InputSettings...); err != nil {
		return nil, err
	}
	if in.id == "" {
		in.id = in.opts.Listen
	}
	return in, nil
}

// Name is the input's type.
func (in *input) Name() string { return "push" }

// Test listens, and stops.
func (in *input) Test(v2.TestContext) error {
	l, err := net.Listen("tcp", in.opts.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	return l.Close()
}

// Run serves until ctx is cancelled. It survives whatever may pass.
func (in *input) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	log, stop := ctx.Logger, ctxtool.FromCanceller(ctx.Cancelation)
	m := newMetrics(in.id)
	defer m.close()

	var keys *token.Keys
	var listener net.Listener
	err := persist(stop, log, func() (err error) {
		keys, err = in.opts.openKeys()
		return err
	})
	if err == nil {
		err = persist(stop, log, func() (err error) {
			listener, err = in.listen(log, m)
			return err
		})
	}
	if err != nil {
		return nil // stopped
	}
	m.listening.Set(true)
	keys.Changed = func(err error) {
		if err != nil {
			log.Errorf("The keys stay as they were: %v", err)
			return
		}
		log.Info("The keys have been read again.")
	}

	p := newPublisher(&in.opts, m)
	m.watch(p)
	p.events = newEventMaker(ctx.Agent)
	p.client, err = pipeline.ConnectWith(beat.ClientConfig{ACKHandler: p, Events: p})
	if err != nil {
		_ = listener.Close()
		return fmt.Errorf("cannot connect to the publisher: %w", err)
	}
	h, err := newHandler(&in.opts, keys, p, m, log)
	if err != nil {
		_ = listener.Close()
		_ = p.client.Close()
		return err
	}
	in.serve(stop, log, h, listener)
	return nil
}

// persist does what may fail, as often as it takes. Its error is the context's.
func persist(ctx context.Context, log *logp.Logger, do func() error) error {
	const wait = 10 * time.Second
	for {
		err := do()
		if err == nil {
			return nil
		}
		log.Errorf("Cannot take logs, trying again in %v: %v", wait, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// listen opens the address, and puts TLS and the bound of connections over it.
func (in *input) listen(log *logp.Logger, m *metrics) (net.Listener, error) {
	tls, err := in.opts.SSL.serve(log)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", in.opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return listen.Bounded(l, tls, in.opts.MaxConnections, func(by int) { m.conns.Add(uint64(by)) }), nil
}

// serve serves until ctx is done, and then finishes what has begun.
func (in *input) serve(ctx context.Context, log *logp.Logger, h *handler, l net.Listener) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: in.opts.HeaderTimeout,
		ReadTimeout:       in.opts.ReadTimeout,
		IdleTimeout:       in.opts.IdleTimeout,
		WriteTimeout:      in.opts.ReadTimeout + in.opts.AckTimeout + 10*time.Second,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(serverLog{log}, "", 0),
		Protocols:         new(http.Protocols),
		ConnContext:       listen.Context,
		ConnState:         listen.State,

		DisableGeneralOptionsHandler: true, // OPTIONS * wants a token too
	}
	server.Protocols.SetHTTP1(true)
	var running sync.WaitGroup
	go h.publisher.run()
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Errorf("No more requests are taken: %v", err)
		}
	})
	log.Infof("Taking logs on %s%s.", l.Addr(), strings.TrimSuffix(in.opts.Prefix, "/"))
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil && in.opts.SSL.Certificate == "" && !net.ParseIP(host).IsLoopback() {
		log.Warnf("Tokens and logs that come to %s are not encrypted: give the input an ssl.certificate, or let it listen on 127.0.0.1 behind a proxy that has one.", l.Addr())
	}
	<-ctx.Done()

	// The requests that have begun are answered, and what was taken is published …
	close(h.stopping)
	inTime, cancel := context.WithTimeout(context.Background(), in.opts.ShutdownTimeout)
	defer cancel()
	_ = server.Shutdown(inTime)
	h.publisher.queue <- nil
	select {
	case <-h.publisher.ended:
	case <-inTime.Done():
	}
	// … or given up: closing the client ends a publishing that waits for room in memory. In a disk queue it waits on, until there is
	// room or the queue is closed, and nobody waits for it: the requests have been answered.
	close(h.stopped)
	_ = h.publisher.client.Close()
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(last)
	_ = server.Close()
	running.Wait()
	select {
	case <-h.publisher.ended:
	case <-last.Done():
	}
}

// maxHeader bounds a request's line and headers, in bytes: a token has at most 8 KiB.
const maxHeader = 32 << 10

// serverLog is where net/http tells of broken connections, which anybody can cause, and of panics.
type serverLog struct{ log *logp.Logger }

func (s serverLog) Write(text []byte) (int, error) {
	if line := strings.TrimSpace(string(text)); strings.HasPrefix(line, "http: panic") {
		s.log.Error(line)
	} else {
		s.log.Debug(clip(line))
	}
	return len(text), nil
}
