// Command filebeat is filebeat 7.17.29 itself, with its own journald input, for podbeat to be measured against.
//
// It is a module of its own: podbeat imports neither filebeat's beater nor what that brings.
//
//	go build -C bench/filebeat -tags withjournald -o filebeat .
package main

import (
	"os"

	"github.com/elastic/beats/v7/filebeat/cmd"
	inputs "github.com/elastic/beats/v7/filebeat/input/default-inputs"
)

func main() {
	if err := cmd.Filebeat(inputs.Init, cmd.FilebeatSettings()).Execute(); err != nil {
		os.Exit(1)
	}
}
