// Command logapi is the HTTP front of the logs: tokens, search, status, configuration, and an embedded store.
package main

import (
	"os"

	"github.com/podbeat/podbeat/logapi"
)

func main() { os.Exit(logapi.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
