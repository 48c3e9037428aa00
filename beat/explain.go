package beat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/processors/k8sname"
	"github.com/podbeat/podbeat/processors/pausedrop"
)

// An explanation is what podbeat would make of an event with a name. Its fields come from the
// processors themselves, so that it cannot say anything else than what happens.
type explanation struct {
	Name     string         `json:"name"`
	Form     string         `json:"form,omitempty"`
	Pattern  string         `json:"pattern,omitempty"`
	Reason   string         `json:"reason,omitempty"` // why the name is in no known form
	Fields   map[string]any `json:"fields"`
	Owner    *owner         `json:"owner,omitempty"`
	Decision string         `json:"decision"` // keep or drop
	Why      string         `json:"why"`
	Index    string         `json:"index"`
}

type owner struct {
	Kinds      []string `json:"kinds,omitempty"`
	Name       string   `json:"name,omitempty"`
	Confidence string   `json:"confidence"`
	Rule       string   `json:"rule"`
}

func newExplainCmd(beatName string) *cobra.Command {
	var host, schema, output string
	cmd := &cobra.Command{
		Use:   "explain NAME...",
		Short: "Explain container names and log paths: form, fields, owner, keep or drop, index",
		Long: `Explain says what podbeat makes of the name of a container or the path of a log file: the form
it is in, the fields that k8sname writes, which controller the pod belongs to and how sure that
is, whether pausedrop keeps or drops it, and the index it goes to. Both processors have their
default options here.

A controller is unambiguous if only a generated name looks like that, and only then it is written
as kubernetes.deployment.name and the like. It is likely if people write such names too, and
possible if several kinds of controllers generate them; both are written as kubernetes.pod.owner_guess.

A NAME of - reads names from standard input, one a line. The exit code is 1 if a name is in no
known form.`,
		Example: `  podbeat explain k8s_web_web-7d4b9c8f6-x2v5k_shop_8f6c2a1e-0000-4000-8000-000000000000_0
  podbeat explain --host node1 --output json /var/log/containers/*.log
  docker ps --format '{{.Names}}' | podbeat explain -
  podbeat explain --schema legacy --beat journalbeat etcd0`,
		Args:          cobra.MinimumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	thisHost, _ := os.Hostname() // explain needs some host; k8sname refuses one it cannot find out
	flags := cmd.Flags()
	flags.StringVar(&host, "host", thisHost, "the node that the names are from")
	flags.StringVar(&beatName, "beat", beatName, "the beat in the name of the index")
	flags.StringVar(&schema, "schema", "ecs", "names of the fields: ecs, legacy or both")
	flags.StringVar(&output, "output", "text", "text, or json: one object a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		print := printText
		switch output {
		case "text":
		case "json":
			print = printJSON
		default:
			return fmt.Errorf("unknown output %q: want text or json", output)
		}
		names, err := readNames(args, cmd.InOrStdin())
		if err != nil {
			return err
		}
		return explainAll(cmd.OutOrStdout(), print, names, host, map[string]any{"host": host, "host_field": []string{}, "schema": schema, "index_beat": beatName})
	}
	return cmd
}

func explainAll(w io.Writer, print func(io.Writer, explanation) error, names []string, host string, settings map[string]any) error {
	cfg, err := common.NewConfigFrom(settings)
	if err != nil {
		return err
	}
	namer, err := k8sname.New(cfg)
	if err != nil {
		return err
	}
	unknown := 0
	out := bufio.NewWriter(w)
	for _, name := range names {
		e, err := explain(namer, name, host)
		if err != nil {
			return err
		}
		if e.Reason != "" {
			unknown++
		}
		if err := print(out, e); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if unknown > 0 {
		return fmt.Errorf("%d of %d names are in no known form", unknown, len(names))
	}
	return nil
}

func explain(namer processors.Processor, name, host string) (explanation, error) {
	field := "journal.container_name"
	if strings.Contains(strings.TrimPrefix(name, "/"), "/") {
		field = "log.file.path"
	}
	event := &beat.Event{Fields: common.MapStr{}, Meta: common.MapStr{}}
	if _, err := event.PutValue(field, name); err != nil {
		return explanation{}, err
	}
	event, err := namer.Run(event)
	if err != nil {
		return explanation{}, err
	}
	fields := event.Fields.Flatten()
	if fields[field] == name {
		delete(fields, field)
	}
	e := explanation{Name: name, Fields: fields, Decision: "keep", Why: "not a pause container",
		Index: fmt.Sprintf("%s-YYYY.MM.dd", event.Meta[k8sname.IndexKey])}
	n, reason := k8sname.Parse(name)
	_, indexed := fields["index"]
	switch {
	case reason == "":
		o := n.Owner(host)
		e.Form, e.Pattern = string(n.Form), n.Form.Pattern()
		e.Owner = &owner{o.Kinds, o.Name, string(o.Confidence), o.Rule}
	case len(fields) == 0 || indexed && len(fields) == 1:
		e.Reason = string(reason)
	default: // k8sname wrote fields although no form is known
		e.Form, e.Pattern = "host_static", "a name that hosts_as_static lists, not Kubernetes': the host stands for the pod"
	}
	switch {
	case n.Form == k8sname.Sandbox:
		e.Decision, e.Why = "drop", "a pause container: the sandbox of a pod, as CRI-O names it"
	case pausedrop.IsPause(name):
		e.Decision, e.Why = "drop", "a pause container: its name is exactly "+k8sname.PauseContainer
	}
	return e, nil
}

// readNames returns args with - replaced by the lines of in.
func readNames(args []string, in io.Reader) ([]string, error) {
	var names []string
	for _, arg := range args {
		if arg != "-" {
			names = append(names, arg)
			continue
		}
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if line := strings.TrimRight(lines.Text(), "\r"); line != "" {
				names = append(names, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("cannot read names from standard input: %w", err)
		}
	}
	return names, nil
}

func printText(w io.Writer, e explanation) error {
	var b strings.Builder
	line := func(label, text string) { fmt.Fprintf(&b, "  %-9s %s\n", label, visible(text)) }
	fmt.Fprintf(&b, "%s\n", visible(e.Name))
	if e.Reason != "" {
		line("form", "unknown: "+e.Reason)
	} else {
		line("form", e.Form+": "+e.Pattern)
	}
	label := "fields"
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		line(label, fmt.Sprintf("%s: %v", k, e.Fields[k]))
		label = ""
	}
	if o := e.Owner; o != nil && len(o.Kinds) == 0 {
		line("owner", o.Confidence+": "+o.Rule)
	} else if o != nil {
		line("owner", fmt.Sprintf("%s (%s): %s", strings.TrimSpace(strings.Join(o.Kinds, "|")+" "+o.Name), o.Confidence, o.Rule))
	}
	line("decision", e.Decision+": "+e.Why)
	line("index", e.Index)
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

func printJSON(w io.Writer, e explanation) error {
	var text, b bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return err
	}
	for _, r := range text.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r): // the one newline is the encoder's
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// visible escapes what a terminal would obey: others have written the names.
func visible(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
