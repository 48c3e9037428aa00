// Command runsink serves a sink (see package sink): an Elasticsearch that counts, and fails as it is told.
//
//	runsink -listen 127.0.0.1:9299 -item429 0.02 -reset-after 0.02
//	curl 127.0.0.1:9299/_sink/stats
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/podbeat/podbeat/bench/sink"
)

func main() {
	var o sink.Options
	listen := flag.String("listen", "127.0.0.1:9299", "address; port 0 takes a free one")
	flag.StringVar(&o.Version, "version", "7.17.29", "version reported by GET /")
	flag.BoolVar(&o.License, "license", false, "answer GET /_license, as filebeat 7.17 wants")
	flag.BoolVar(&o.IDs, "ids", false, "keep every index and _id; create of a known one is a 409")
	flag.BoolVar(&o.Unchecked, "unchecked", false, "do not check that documents are JSON")
	flag.BoolVar(&o.Zstd, "zstd", false, "take bodies packed by zstd")
	flag.Int64Var(&o.MaxBody, "max-body", 0, "bytes of a bulk body beyond which it is a 413; 0 is any")
	flag.Uint64Var(&o.Seed, "seed", 0, "seed of the faults")
	f := &o.Faults
	flag.Float64Var(&f.Request429, "request429", 0, "share of bulk requests answered 429")
	flag.Float64Var(&f.Request503, "request503", 0, "share of bulk requests answered 503")
	flag.Float64Var(&f.ResetBefore, "reset-before", 0, "share of bulk requests reset before anything is stored")
	flag.Float64Var(&f.ResetAfter, "reset-after", 0, "share of bulk requests stored, then reset")
	flag.Float64Var(&f.TruncateAfter, "truncate-after", 0, "share of bulk requests stored, then answered with half a body")
	flag.Float64Var(&f.Item429, "item429", 0, "share of items answered 429")
	flag.Float64Var(&f.Item400, "item400", 0, "share of documents refused with 400")
	flag.StringVar(&f.DeadLetter, "dead-letter", "dead-letter", "beginning of the names of indices that take what -item400 refuses")
	flag.DurationVar(&f.Latency, "latency", 0, "wait before each bulk answer")
	flag.DurationVar(&f.LatencyDocument, "latency-document", 0, "further wait for each document stored")
	flag.Parse()
	if err := serve(*listen, sink.New(o)); err != nil {
		fmt.Fprintln(os.Stderr, "runsink:", err)
		os.Exit(1)
	}
}

func serve(listen string, s *sink.Sink) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := &http.Server{Handler: s, ConnState: s.ConnState}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
