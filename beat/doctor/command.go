package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/cli"
)

// A report is all that was found, as --json prints it.
type report struct {
	Findings []Finding `json:"findings"`
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
}

// NewCommand is `podbeat doctor`, for a beat of these settings. create makes the beater, and thereby refuses wrong inputs.
func NewCommand(settings instance.Settings, create beat.Creator) *cobra.Command {
	var root string
	var asJSON bool
	var only []string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps podbeat from working, and say what to do",
		Long: `Doctor looks at the machine, at what podbeat has on disk and at the output, as far as the configuration's inputs are concerned: rights,
the journal's folder and format, journald's limits, the container runtime, the kubelet, inotify, the clock, the output and its template,
dead letters, the registry, the disk. It changes nothing. Run it as the user that podbeat runs as.

Each line is ok, a warning (podbeat works, but something may be lost), a problem (podbeat does not do what its configuration says) or not
checked. The names are explained in docs/doctor.md. The exit code is 1 if there is a problem; warnings leave it at 0.`,
		Example: `  podbeat doctor -c /etc/podbeat/podbeat.yml
  podbeat doctor -c /etc/podbeat/podbeat.yml --json | jq '.findings[] | select(.state == "problem")'
  podbeat doctor -c /etc/podbeat/podbeat.yml --only output,clock
  podbeat doctor -c /etc/podbeat/podbeat.yml --root /host`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringSliceVar(&only, "only", nil, "check only these, by their names")
	cmd.Flags().StringVar(&root, "root", "", "where the root of the node is mounted, in a container")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if root != "" {
			full, err := filepath.Abs(root)
			if info, e := os.Stat(full); err == nil && (e != nil || !info.IsDir()) {
				err = fmt.Errorf("--root: %s is no folder", full)
			}
			if err != nil {
				return err
			}
			root = strings.TrimSuffix(full, "/")
		}
		for _, id := range only {
			if !slices.Contains(IDs(), id) {
				return fmt.Errorf("--only: there is no check %q; there are %s", id, strings.Join(IDs(), ", "))
			}
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop)
		names := []string{}
		if f := cmd.Flag("c"); f != nil {
			names = strings.Split(f.Value.String(), ", ")
		}
		r := report{Findings: []Finding{}}
		p := newPrinter(cmd.OutOrStdout())
		want := func(id string) bool { return len(only) == 0 || slices.Contains(only, id) }
		diagnose(ctx, settings, create, root, names, want, func(f Finding) {
			f.Found, f.Do = cli.Printable(f.Found), cli.Printable(f.Do)
			r.Findings = append(r.Findings, f)
			switch f.State {
			case Problem:
				r.Problems++
			case Warning:
				r.Warnings++
			}
			if !asJSON {
				p.print(f)
			}
		})
		if asJSON {
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(r); err != nil {
				return err
			}
		} else {
			p.sum(&r)
		}
		if r.Problems > 0 || ctx.Err() != nil {
			cmd.SilenceErrors = true
			return cli.Exit{Code: 1}
		}
		return nil
	}
	return cmd
}

// diagnose reads the configuration and runs the checks.
func diagnose(ctx context.Context, settings instance.Settings, create beat.Creator, root string, names []string, want func(id string) bool, tell func(Finding)) {
	config, err := offline.Load(settings)
	if err != nil {
		tell(badConfig(err))
		return
	}
	for i, name := range names {
		if !filepath.IsAbs(name) {
			names[i] = filepath.Join(cfgfile.GetPathConfig(), name)
		}
	}
	s, err := newSubject(config, settings.Name, root, names)
	if err == nil {
		err = refused(config, create)
	}
	if err != nil {
		tell(badConfig(err))
	} else if want("config") {
		tell(Finding{ID: "config", State: OK, Found: fmt.Sprintf("%d inputs, output.%s", len(s.inputs), config.Output.Name())})
	}
	examine(ctx, s, want, tell)
}

// refused says why podbeat would not start with a configuration.
func refused(config *offline.Config, create beat.Creator) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the configuration cannot be tested: %v", r)
		}
	}()
	section := common.NewConfig()
	if config.Root.HasField(config.Info.Beat) {
		if section, err = config.Root.Child(config.Info.Beat, -1); err != nil {
			return err
		}
	}
	_, err = create(&beat.Beat{Info: config.Info, BeatConfig: section, Config: &beat.BeatConfig{Output: config.Output}}, section)
	return err
}

// A printer writes findings for people.
type printer struct {
	w       io.Writer
	colours bool
}

func newPrinter(w io.Writer) *printer { return &printer{w, cli.Terminal(w) != nil && cli.Colours()} }

var colourOf = map[State]string{OK: "32", Warning: "33", Problem: "31", NotChecked: "2"}

func (p *printer) paint(state State, text string) string {
	if !p.colours {
		return text
	}
	return "\x1b[" + colourOf[state] + "m" + text + "\x1b[0m"
}

func (p *printer) print(f Finding) {
	fmt.Fprintf(p.w, "%s  %-18s  %s\n", p.paint(f.State, fmt.Sprintf("%-11s", f.State)), f.ID, f.Found)
	if f.Do != "" {
		fmt.Fprintf(p.w, "%33s→ %s\n", "", f.Do)
	}
}

func (p *printer) sum(r *report) {
	fmt.Fprintf(p.w, "\n%d problems, %d warnings; each name is explained in docs/doctor.md\n", r.Problems, r.Warnings)
}
