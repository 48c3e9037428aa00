package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
)

// A backend is what keeps the logs: Elasticsearch, or the embedded store, which is spoken to in the same way without a
// connection. All but the store's own part of the status comes through client.
type backend struct {
	client *es.Client
	url    *url.URL      // for logapi/search; client goes to hosts of its own
	store  *store.Store  // nil with Elasticsearch
	rest   *rest.Handler // likewise
}

// openBackend opens what o names.
func openBackend(o *options, log *slog.Logger) (*backend, error) {
	b := &backend{url: &url.URL{Scheme: "http", Host: "elasticsearch"}}
	config := o.Elasticsearch.config()
	if o.ownStore() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(store.GCPercent)
		}
		so := o.Store.Options
		so.Log = log.With("part", "store")
		var err error
		if b.store, err = store.Open(o.Store.Path, so); err != nil {
			return nil, err
		}
		b.rest, err = rest.New(rest.Options{Store: b.store, Cluster: o.Store.Cluster, Limits: o.Store.Limits, Log: so.Log})
		if err != nil {
			return nil, errors.Join(err, b.store.Close())
		}
		config.Hosts, config.Transport = []string{b.url.String()}, within{b.rest}
	}
	var err error
	if b.client, err = es.New(config); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *backend) close() error {
	if b.store == nil {
		return nil
	}
	return errors.Join(b.rest.Close(), b.store.Close())
}

// within is an http.RoundTripper to a handler of this program. The answer is handed on while it is written.
type within struct{ http.Handler }

// RoundTrip has the handler answer r.
func (t within) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "127.0.0.1:0", r.URL.Host
	in.URL.Scheme, in.URL.Host = "", ""
	if in.Body == nil {
		in.Body = http.NoBody
	}
	read, write := io.Pipe()
	w := &writer{header: http.Header{}, silent: r.Method == http.MethodHead, pipe: write, begun: make(chan *http.Response, 1)}
	go func() {
		defer in.Body.Close()
		defer func() {
			if p := recover(); p != nil { // as a server would cut the connection
				w.end(fmt.Errorf("the store has given up: %v", p))
				return
			}
			w.WriteHeader(http.StatusOK) // if nothing has been written
			w.end(nil)
		}()
		t.ServeHTTP(w, in)
	}()
	select {
	case resp := <-w.begun:
		if resp == nil {
			cancel()
			return nil, w.err
		}
		resp.Request, resp.Body = r, &answer{read, cancel}
		return resp, nil
	case <-ctx.Done():
		cancel()
		_ = read.CloseWithError(ctx.Err())
		return nil, context.Cause(ctx)
	}
}

// An answer is a response's body. Closing it ends the request.
type answer struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (a *answer) Close() error {
	a.cancel()
	return a.PipeReader.Close()
}

// A writer is the handler's end of an answer.
type writer struct {
	header http.Header
	silent bool // HEAD is answered without a body
	pipe   *io.PipeWriter
	begun  chan *http.Response // gets the response, or nil and err, once
	wrote  bool
	err    error
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.wrote || status < 200 {
		return
	}
	w.wrote = true
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header.Clone(), ContentLength: -1,
	}
	if length := w.header.Get("Content-Length"); length != "" {
		_, _ = fmt.Sscan(length, &resp.ContentLength)
	}
	w.begun <- resp
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.silent {
		return len(b), nil
	}
	return w.pipe.Write(b)
}

// Flush does nothing: what is written is read at once.
func (w *writer) Flush() {}

func (w *writer) end(err error) {
	if err != nil && !w.wrote {
		w.wrote, w.err = true, err
		w.begun <- nil
	}
	_ = w.pipe.CloseWithError(err)
}
