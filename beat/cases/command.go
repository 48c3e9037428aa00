package cases

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/cli"
)

// Hook makes cmd, which is `podbeat test`, run the cases in the files that are its arguments. What is no file is left to the RunE
// that it has.
func Hook(cmd *cobra.Command, s instance.Settings, p Pipeline) {
	cmd.Use = "test [flags] [CASES.yml...]"
	cmd.Short = "Test the configuration: its form, its output, or what it makes of given events"
	cmd.Long = `Test config and test output look at the configuration. With files as arguments, test runs the cases in them: a case gives an
event, an entry of the journal or lines of a log file, and says what comes out of the input's and the global processors.

  - name: a shop's error                 # cases.yml
    journal: {MESSAGE: "boom", PRIORITY: 3, CONTAINER_NAME: k8s_web_web-1_shop_8f6c2a1e-0000-4000-8000-000000000000_0}
    want: {kubernetes.namespace: shop, log.level: err, message: /^bo+m$/}
    absent: [error]
    index: /^logstash-podbeat-/

The exit code is 1 if a case fails. docs/test-cases.md says more.`
	cmd.Example = `  podbeat test config -c podbeat.yml
  podbeat test output -c podbeat.yml
  podbeat test -c podbeat.yml cases.yml
  podbeat test -c podbeat.yml -v --run 'shop.*error' cases/*.yml`
	cmd.SilenceUsage = true
	run := cmd.Flags().String("run", "", "run only the cases whose name this `REGEXP` finds")
	others := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || !isFile(args[0]) {
			return others(cmd, args)
		}
		only, err := regexp.Compile(*run)
		if err != nil {
			return fmt.Errorf("cannot read --run: %w", err)
		}
		verbose, _ := cmd.Flags().GetBool("v") // libbeat's flag, for its own log
		return test(s, p, args, only, verbose, cmd.OutOrStdout())
	}
}

func isFile(arg string) bool {
	_, err := os.Stat(arg)
	return err == nil || strings.ContainsAny(arg, "./")
}

// test runs the cases of files whose name only finds.
func test(s instance.Settings, p Pipeline, files []string, only *regexp.Regexp, verbose bool, stdout io.Writer) error {
	var list []*testCase
	for _, file := range files {
		cases, err := read(file)
		if err != nil {
			return err
		}
		for _, c := range cases {
			if only.MatchString(c.name) {
				list = append(list, c)
			}
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("no test case has a name that %q finds", only)
	}
	cfg, err := offline.Load(s)
	if err != nil {
		return err
	}
	b, err := newBench(cfg, p)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	failed := 0
	for _, c := range list {
		if !b.report(out, c, verbose) {
			failed++
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d test cases failed", failed, len(list))
	}
	fmt.Fprintf(out, "all %d test cases are ok\n", len(list))
	return out.Flush()
}

// report runs a case, prints how it went, and says whether it was as wanted.
func (b *bench) report(w io.Writer, c *testCase, verbose bool) bool {
	offline.Log() // what the case before has left
	out, err := b.run(c)
	var differences []string
	if err != nil {
		differences = []string{cli.Printable(err.Error())}
	} else {
		differences = b.check(c, out)
	}
	if len(differences) == 0 {
		fmt.Fprintf(w, "ok    %s\n", cli.Printable(c.name))
	} else {
		fmt.Fprintf(w, "FAIL  %s (%s:%d)\n", cli.Printable(c.name), cli.Printable(c.file), c.line)
		for _, d := range differences {
			fmt.Fprintf(w, "      %s\n", d)
		}
		for _, text := range offline.Log() {
			fmt.Fprintf(w, "      log: %s\n", cli.Printable(text))
		}
	}
	if verbose {
		for _, o := range out {
			b.print(w, o)
		}
	}
	return len(differences) == 0
}

// print prints what has become of an event.
func (b *bench) print(w io.Writer, o outcome) {
	if o.event == nil {
		fmt.Fprintln(w, "      dropped")
		return
	}
	fields := fieldsOf(o.event)
	text, err := json.MarshalIndent(fields, "      ", "  ")
	if err != nil {
		text = []byte(err.Error())
	}
	for line := range strings.Lines("      " + string(text) + "\n") {
		fmt.Fprintln(w, cli.Printable(strings.TrimSuffix(line, "\n")))
	}
	if index, err := b.indexOf(o.event); err == nil {
		fmt.Fprintf(w, "      index %s\n", cli.Printable(index))
	}
}
