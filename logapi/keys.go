package logapi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/token"
)

// newKeysCommand makes `logapi keys`; file says where the keys are, and how old keys are kept and how often a new one is made unless flags say
// otherwise.
func newKeysCommand(file func() (path string, r token.Rotation, every time.Duration, err error)) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "keys",
		Short: "Make a new key to sign tokens with, list the keys",
		Long: `Keys tends the file of keys that tokens are signed with, a JSON Web Key Set. A logapi that runs makes new keys by itself; all who
have the file, podbeat's push input among them, read it again when it changes. Secrets are never shown.`,
		Example: "  logapi keys list\n  logapi keys rotate\n  logapi keys rotate --leaked",
	}, newRotateCommand(file), newListKeysCommand(file))
}

func newRotateCommand(file func() (string, token.Rotation, time.Duration, error)) *cobra.Command {
	var delay, keep cli.Days
	var leaked bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Add a new key, which signs from now on, and retire the others",
		Long: `Rotate puts a new key into the file, which it makes if there is none, and lists the keys. The others verify for --keep longer, so that
the tokens they have signed hold until they expire. Where the file is copied to other nodes, a --delay gives it the time to arrive before
the new key signs.

A key that may be known to others is replaced with --leaked: all others end at once, and all tokens with them.`,
		Example: `  logapi keys rotate
  logapi keys rotate --delay 10m --keep 31d
  logapi keys rotate --leaked`,
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.Var(&delay, "delay", "when the new key begins to sign, from now (default as configured)")
	flags.Var(&keep, "keep", "how long the others verify after that: the longest life of a token (default as configured)")
	flags.BoolVar(&leaked, "leaked", false, "the others end at once, with all tokens")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if leaked && (flags.Changed("delay") || flags.Changed("keep")) {
			return cli.Usage("with --leaked the others end at once: give it without --delay and --keep")
		}
		path, r, _, err := file()
		if err != nil {
			return err
		}
		if longest := r.Keep; flags.Changed("keep") && time.Duration(keep) < longest {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: tokens that hold longer than %s end with the key that signed them\n", keep.String())
		}
		if flags.Changed("delay") {
			r.Delay = time.Duration(delay)
		}
		if flags.Changed("keep") {
			r.Keep = time.Duration(keep)
		}
		if leaked {
			r = token.Rotation{}
		}
		if err := makeFolder(path); err != nil {
			return err
		}
		now := time.Now()
		if err := token.Rotate(path, r, now); err != nil {
			return err
		}
		keys, err := token.OpenKeys(path)
		if err != nil {
			return err
		}
		return keysText(cmd.OutOrStdout(), keys.List(), now)
	}
	return cmd
}

func newListKeysCommand(file func() (string, token.Rotation, time.Duration, error)) *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List the keys, without their secrets",
		Long:              "List shows the keys, the youngest first: when each was made, until when it verifies, and which one signs. Never a secret.",
		Example:           "  logapi keys list\n  logapi keys list -o json",
		Args:              exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	formFlag(cmd, &form)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkForm(form); err != nil {
			return err
		}
		path, _, every, err := file()
		if err != nil {
			return err
		}
		keys, err := token.OpenKeys(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; `logapi keys rotate` makes it", err)
		}
		if err != nil {
			return err
		}
		now, list := time.Now(), keys.List()
		if form == "json" {
			return keysJSON(cmd.OutOrStdout(), list, now)
		}
		if err := keysText(cmd.OutOrStdout(), list, now); err != nil || every <= 0 {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "logapi makes the next key when the youngest is %s old\n", (*cli.Days)(&every))
		return err
	}
	return cmd
}

// states says of each key what it does now. The list has the youngest first, and the first that may sign does.
func states(keys []token.Key, now time.Time) []string {
	list := make([]string, len(keys))
	signer := false
	for i, key := range keys {
		switch {
		case !key.Until.IsZero() && !now.Before(key.Until):
			list[i] = "ended"
		case key.Signs && key.From.After(now):
			list[i] = "waits"
		case key.Signs && !signer:
			list[i], signer = "signs", true
		default:
			list[i] = "verifies"
		}
	}
	return list
}

func keysText(w io.Writer, keys []token.Key, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format(time.RFC3339)
	}
	for i, state := range states(keys, now) {
		key := keys[i]
		id := key.ID
		if id == "" {
			id = "-"
		}
		if state == "waits" {
			state = "signs from " + stamp(key.From)
		}
		fmt.Fprintf(table, "%s\tmade %s\tuntil %s\t%s\n", id, stamp(key.Made), stamp(key.Until), state)
	}
	return table.Flush()
}

func keysJSON(w io.Writer, keys []token.Key, now time.Time) error {
	type entry struct {
		ID    string     `json:"id"`
		State string     `json:"state"` // signs, verifies, waits, ended
		Made  *time.Time `json:"made"`
		From  *time.Time `json:"from"`
		Until *time.Time `json:"until"`
	}
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	list := make([]entry, len(keys))
	for i, state := range states(keys, now) {
		list[i] = entry{keys[i].ID, state, given(keys[i].Made), given(keys[i].From), given(keys[i].Until)}
	}
	return writeJSON(w, list)
}
