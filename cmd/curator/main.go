// Command curator expires Elasticsearch's indices: by the action files of Elastic Curator, or by a policy.
package main

import (
	"os"

	"github.com/podbeat/podbeat/curator"
)

func main() { os.Exit(curator.Main(os.Args[1:], os.Stdout, os.Stderr)) }
