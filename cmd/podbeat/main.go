// Command podbeat ships the logs of a Kubernetes node, every line once.
package main

import (
	"os"

	"github.com/podbeat/podbeat/beat"
)

func main() {
	if err := beat.NewCommand().Execute(); err != nil {
		os.Exit(1)
	}
}
