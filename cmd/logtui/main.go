// Command logtui is the terminal in which people read the logs.
package main

import (
	"os"
	_ "time/tzdata" // names of zones, where the system has none

	"github.com/podbeat/podbeat/tui"
	"github.com/podbeat/podbeat/tui/command"
)

func main() { os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, tui.Open)) }
