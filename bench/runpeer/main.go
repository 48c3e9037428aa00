// Command runpeer runs one log shipper against a running sink (see package peer) and prints the result as one line of JSON.
//
//	runpeer -sink http://127.0.0.1:9299 -n 1000000 -label filebeat -- filebeat -c filebeat.yml
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/peer"
)

func main() {
	var r peer.Run
	flag.StringVar(&r.Label, "label", "peer", "name in the result")
	flag.StringVar(&r.Sink, "sink", "http://127.0.0.1:9299", "base URL of the sink")
	flag.StringVar(&r.Dir, "dir", "", "working directory of the shipper")
	flag.StringVar(&r.Log, "log", "", "file for the shipper's output")
	flag.Int64Var(&r.Docs, "n", 1_000_000, "documents with different tokens to wait for")
	flag.DurationVar(&r.Timeout, "timeout", 10*time.Minute, "end the run after so long")
	flag.DurationVar(&r.Stall, "stall", 30*time.Second, "end the run when nothing has come for so long")
	flag.Parse()
	if r.Command = flag.Args(); len(r.Command) == 0 {
		fmt.Fprintln(os.Stderr, "runpeer: which shipper? write its command line after --")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	res, err := r.Start(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(res)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "runpeer:", err)
		os.Exit(1)
	}
}
