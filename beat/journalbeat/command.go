package journalbeat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// NewMigrateCommand is `podbeat migrate`, which prints what Migrate makes of a file.
func NewMigrateCommand() *cobra.Command {
	var output string
	var force bool
	cmd := &cobra.Command{
		Use:   "migrate FILE",
		Short: "Turn a journalbeat.yml into the podbeat.yml that does the same",
		Long: `Turn a journalbeat.yml, mheese's or Elastic's, into the podbeat.yml that does the same.

The section journalbeat becomes podbeat.inputs; the rest stays as it is. What was left out and what
differs is said on standard error and at the top of the new file. Notes that begin with "warning: "
want a decision. FILE is - for standard input.`,
		Example: `  podbeat migrate /etc/journalbeat/journalbeat.yml -o /etc/podbeat/podbeat.yml
  podbeat test config -c /etc/podbeat/podbeat.yml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := readConfig(cmd, args[0])
			if err != nil {
				return err
			}
			out, notes, err := Migrate(in)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if output == "" {
				_, err = cmd.OutOrStdout().Write(out)
			} else {
				err = writeConfig(output, out, force)
			}
			if err != nil {
				return err
			}
			for _, n := range notes {
				fmt.Fprintln(cmd.ErrOrStderr(), n)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file of --output")
	return cmd
}

func readConfig(cmd *cobra.Command, name string) ([]byte, error) {
	if name != "-" {
		in, err := readFile(name, maxConfig)
		if err != nil {
			return nil, fmt.Errorf("cannot read %q: %w", name, err)
		}
		return in, nil
	}
	in, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	}
	return in, nil
}

// writeConfig writes a file that only its owner can read, for it may hold passwords, and which
// libbeat therefore takes.
func writeConfig(name string, text []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE
	if force {
		flags |= os.O_TRUNC
	} else {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %q: it is there already, --force overwrites it", name)
	}
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", name, cause(err))
	}
	return nil
}
