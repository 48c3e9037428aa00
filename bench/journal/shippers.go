package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A shipper is a program with a configuration in which ${JOURNAL} and ${SINK} are to be filled in.
type shipper struct {
	label      string
	binary     string // in build/bench
	dropsPause bool
	config     string
	make       func(ctx context.Context) error
}

const podbeatConfig = `
podbeat.inputs:
- type: journal
  id: node
  paths: ["${JOURNAL}"]
  seek: head
processors:
- k8sname: ~
- pausedrop: ~
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const filebeatConfig = `
filebeat.inputs:
- type: journald
  id: node
  paths: ["${JOURNAL}"]
  seek: head
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const tuned = `
output.elasticsearch.bulk_max_size: 2048
queue.mem: {events: 16384, flush.min_events: 2048, flush.timeout: 1s}
`

// shippers are those that b.only names. The first is what the others are compared with.
func (b *benchmark) shippers() []shipper {
	podbeat := func(ctx context.Context) error { return b.compile(ctx, "podbeat", ".", "./cmd/podbeat") }
	filebeat := func(ctx context.Context) error {
		return b.compile(ctx, "filebeat", "bench/filebeat", "-tags", "withjournald", ".")
	}
	all := []shipper{
		{"podbeat", "podbeat", true, podbeatConfig, podbeat},
		{"filebeat 7.17.29 defaults", "filebeat", false, filebeatConfig, filebeat},
		{"filebeat 7.17.29 bulk 2048", "filebeat", false, filebeatConfig + tuned, filebeat},
	}
	return slices.DeleteFunc(all, func(s shipper) bool {
		return !slices.ContainsFunc(b.only, func(o string) bool { return strings.HasPrefix(s.label, o) })
	})
}

// compile builds a binary of a module below b.root; the go command knows when there is nothing to do.
func (b *benchmark) compile(ctx context.Context, binary, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", filepath.Join(b.build, binary)}, args...)...)
	cmd.Dir = filepath.Join(b.root, dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot build %s: %w", binary, err)
	}
	return nil
}
