// Command podbeat ships the logs of a Kubernetes node, every line once.
package main

import (
	"errors"
	"os"

	"github.com/podbeat/podbeat/beat"
	"github.com/podbeat/podbeat/cli"
)

func main() {
	err := beat.NewCommand().Execute()
	var end cli.Exit
	switch {
	case errors.As(err, &end): // the command has said what there is to say
		os.Exit(end.Code)
	case err != nil:
		os.Exit(1)
	}
}
