// Command run plays a kubelet at the keyboard: pods live, write and rotate logs, and are deleted.
//
//	go run ./test/kubelet/run -dir /tmp/pods
//	go run ./test/kubelet/run -dir /tmp/logs/pods -shape docker
//
// It says what was written; with -keep the files stay.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/test/kubelet"
)

func main() {
	dir := flag.String("dir", "", "directory for the pods' directories")
	shape := flag.String("shape", "emptydir", "emptydir, cri or docker (whose files are in DIR/../containers)")
	pods := flag.Int("pods", 60, "pods, one after the other")
	atOnce := flag.Int("at-once", 20, "pods that live at the same time")
	lines := flag.Int("lines", 20_000, "lines of all together")
	shortest := flag.Duration("min-life", 2*time.Second, "shortest life of a pod")
	longest := flag.Duration("max-life", 10*time.Second, "longest life of a pod")
	seed := flag.Uint64("seed", 1, "the same seed gives the same pods")
	keep := flag.Bool("keep", false, "do not delete the pods")
	flag.Parse()
	shapes := map[string]kubelet.Shape{"emptydir": kubelet.EmptyDir, "cri": kubelet.CRI, "docker": kubelet.Docker}
	s, ok := shapes[*shape]
	if *dir == "" || !ok {
		flag.Usage()
		os.Exit(2)
	}
	o := kubelet.Defaults(s, *dir, *pods, *lines)
	o.AtOnce, o.MinLife, o.MaxLife, o.Seed, o.Keep = *atOnce, *shortest, *longest, *seed, *keep
	o.Containers = filepath.Join(filepath.Dir(filepath.Clean(*dir)), "containers")
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "kubelet:", err)
		os.Exit(1)
	}
}

func run(o kubelet.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	n, err := kubelet.New(o)
	if err != nil {
		return err
	}
	if err := n.Run(ctx); err != nil {
		return err
	}
	fmt.Println(n.Ledger())
	return nil
}
