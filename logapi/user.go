package logapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gofrs/uuid"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/token"
)

// A userCommand is the commands below `logapi user`. They change the file of users as a whole, or not at all; a logapi that runs reads
// it anew.
type userCommand struct {
	file func() (string, error) // the path of users.yml
}

// newUserCommand makes `logapi user`; file says where the users are.
func newUserCommand(file func() (string, error)) *cobra.Command {
	u := userCommand{file}
	return cli.Group(&cobra.Command{
		Use:   "user",
		Short: "Add users, set their passwords, say what is granted to them",
		Long: `User edits users.yml, the file of those who may ask for tokens: who they are, the hashes of their passwords, and what is granted to
them. It may be edited by hand, too. A logapi that runs has the change within a second.

A password is asked for on the terminal, or read from standard input with --password-stdin; never given as an argument.`,
		Example: `  logapi user add user@example.com --role tenant --grant 'GET,POST {mscp_api_url}/*/es/**' --namespaces 'shop,shop-*'
  logapi user passwd user@example.com
  logapi user grant user@example.com POST '{mscp_api_url}/apps/{appid:UUID}/log' --namespace shop
  logapi user revoke user@example.com POST '{mscp_api_url}/apps/{appid:UUID}/log'
  logapi user list`,
	}, u.add(), u.passwd(), u.grant(), u.revoke(), u.disable(true), u.disable(false), u.remove(), u.list())
}

func (u userCommand) add() *cobra.Command {
	var id string
	var roles []string
	var given grants
	var p passwordFlags
	cmd := &cobra.Command{
		Use:   "add EMAIL [--role ROLE]... [--grant 'METHODS URL'...]...",
		Short: "Add a user",
		Long: `Add adds a user, and makes the file if there is none. What a --grant is narrowed to follows it:

  --grant 'GET,POST {mscp_api_url}/*/es/**' --namespaces 'shop,shop-*' --grant '* {mscp_api_url}/eu/system/log'

` + grantHelp,
		Example: `  logapi user add user@example.com --role tenant --grant 'GET,POST {mscp_api_url}/*/es/**' --namespaces shop
  logapi user add admin@example.com --grant '* {mscp_api_url}/**'
  logapi user add robot@example.com --password-stdin --grant 'POST {mscp_api_url}/apps/*/log' < password`,
		Args: exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			granted, err := given.access()
			if err != nil {
				return err
			}
			return u.addUser(cmd, access.User{ID: id, Email: args[0], Role: roles, Access: granted}, p)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.StringVar(&id, "id", "", "the user's `id` in tokens, never given to anybody else (default a new UUID)")
	flags.StringArrayVar(&roles, "role", nil, "a `role` of the user, for services that ask for one; may be repeated")
	given.flags(cmd, true)
	p.flags(cmd)
	flags.BoolVar(&p.none, "no-password", false, "no password: the user cannot log in until there is one")
	return cmd
}

func (u userCommand) addUser(cmd *cobra.Command, user access.User, p passwordFlags) error {
	if err := access.CheckEmail(user.Email); err != nil {
		return cli.Usage("%w", err)
	}
	path, err := u.file()
	if err != nil {
		return err
	}
	// Nobody is to think of a password for what cannot be.
	switch _, err := access.Find(path, user.Email); {
	case err == nil:
		return fmt.Errorf("cannot add user %q to %q: it is there already; change it with `logapi user passwd`, grant or enable", user.Email, path)
	case !errors.Is(err, access.ErrNoUser) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if user.ID == "" {
		id, err := uuid.NewV4()
		if err != nil {
			return fmt.Errorf("cannot make an id: %w", err)
		}
		user.ID = id.String()
	}
	password, err := p.read(cmd)
	if err != nil {
		return err
	}
	if err := makeFolder(path); err != nil {
		return err
	}
	if err := access.Add(path, user, password); err != nil {
		return err
	}
	return u.say(cmd, "added %s with the id %s to %s", user.Email, user.ID, path)
}

func (u userCommand) passwd() *cobra.Command {
	var p passwordFlags
	cmd := &cobra.Command{
		Use:     "passwd EMAIL",
		Short:   "Set a user's password",
		Long:    "Passwd sets a user's password. The user's root tokens hold no longer; access tokens hold until they expire.",
		Example: "  logapi user passwd user@example.com\n  pwgen -s 20 1 | tee /dev/tty | logapi user passwd user@example.com --password-stdin",
	}
	p.flags(cmd)
	return u.one(cmd, nil, func(cmd *cobra.Command, path string, args []string) error {
		if _, err := access.Find(path, args[0]); err != nil {
			return err
		}
		password, err := p.read(cmd)
		if err != nil {
			return err
		}
		if err := access.SetPassword(path, args[0], password); err != nil {
			return err
		}
		return u.say(cmd, "set the password of %s", args[0])
	})
}

func (u userCommand) grant() *cobra.Command {
	given := grants{list: []grant{{}}}
	cmd := &cobra.Command{
		Use:   "grant EMAIL METHODS URL...",
		Short: "Grant something to a user, beside what is granted already",
		Long: `Grant lets a user have tokens for URLs, with what flags narrow them to. It holds for the tokens that are asked for from now on.

` + grantHelp,
		Example: `  logapi user grant user@example.com GET,POST '{mscp_api_url}/eu/es/**' --indices 'logstash-*' --namespaces shop
  logapi user grant user@example.com '*' '{mscp_api_url}/eu/system/log' '{mscp_api_url}/eu/system/log/status'`,
	}
	given.flags(cmd, false)
	return u.one(cmd, []string{"METHODS", "URL..."}, func(cmd *cobra.Command, path string, args []string) error {
		given.list[0].methods, given.list[0].urls = strings.Split(args[1], ","), args[2:]
		list, err := given.access()
		if err != nil {
			return err
		}
		user, err := access.Find(path, args[0])
		if err != nil {
			return err
		}
		if slices.ContainsFunc(user.Access, func(a token.Access) bool { return accessLine(a) == accessLine(list[0]) }) {
			return u.say(cmd, "%s has that already", user.Email)
		}
		if err := access.Grant(path, args[0], list[0]); err != nil {
			return err
		}
		return u.say(cmd, "granted to %s: %s", user.Email, accessLine(list[0]))
	})
}

func (u userCommand) revoke() *cobra.Command {
	return u.one(&cobra.Command{
		Use:   "revoke EMAIL METHODS URL...",
		Short: "Take from a user what is granted",
		Long: `Revoke takes methods (* is all of them) of URLs from what is granted to a user, whatever they are narrowed to. A URL is one that
"logapi user list" shows: of /a/** nothing can be taken but all of it. What the user could still reach by other grants is said.

It holds for the tokens that are asked for from now on: access tokens hold until they expire.`,
		Example: "  logapi user revoke user@example.com POST '{mscp_api_url}/eu/es/**'\n  logapi user revoke user@example.com '*' '{mscp_api_url}/eu/system/log'",
	}, []string{"METHODS", "URL..."}, func(cmd *cobra.Command, path string, args []string) error {
		methods, urls := strings.Split(args[1], ","), args[2:]
		for _, url := range urls {
			if err := access.CheckGrant(token.Access{Method: methods, URL: []string{url}}); err != nil {
				return cli.Usage("cannot revoke: %w", err)
			}
		}
		if err := access.Revoke(path, args[0], methods, urls); err != nil {
			return err
		}
		user, err := access.Find(path, args[0])
		if err != nil {
			return err
		}
		for _, a := range user.Access {
			if url := stillOpen(a, methods, urls); url != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %s is still open by another grant: %s\n", cli.Printable(url), accessLine(a))
			}
		}
		return u.say(cmd, "revoked from %s: %s %s", user.Email, strings.Join(methods, ","), strings.Join(urls, " "))
	})
}

// stillOpen returns the first URL that a opens to one of the methods.
func stillOpen(a token.Access, methods, urls []string) string {
	if slices.Contains(methods, "*") {
		methods = a.Method
	}
	for _, url := range urls {
		for _, method := range methods {
			if access.Covers(token.Base{}, []token.Access{a}, []token.Access{{Method: []string{method}, URL: []string{url}}}) != nil {
				return url
			}
		}
	}
	return ""
}

func (u userCommand) disable(disabled bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "disable EMAIL",
		Short:   "Give a user no more tokens",
		Long:    "Disable says that a user gets no tokens. Root tokens hold no longer, also when the user is enabled again; access tokens hold until they expire.",
		Example: "  logapi user disable user@example.com",
	}
	word := "disabled"
	if !disabled {
		word = "enabled"
		cmd.Use, cmd.Short, cmd.Long = "enable EMAIL", "Give a disabled user tokens again", "Enable says that a user who was disabled gets tokens again."
		cmd.Example = "  logapi user enable user@example.com"
	}
	return u.one(cmd, nil, func(cmd *cobra.Command, path string, args []string) error {
		if err := access.SetDisabled(path, args[0], disabled); err != nil {
			return err
		}
		return u.say(cmd, "%s %s", word, args[0])
	})
}

func (u userCommand) remove() *cobra.Command {
	return u.one(&cobra.Command{
		Use:   "delete EMAIL",
		Short: "Take a user out of the file",
		Long: `Delete takes a user out of the file, with all that is granted. Root tokens hold no longer; access tokens hold until they expire. To keep who
had an id on record, disable the user instead.`,
		Example: "  logapi user delete user@example.com",
	}, nil, func(cmd *cobra.Command, path string, args []string) error {
		if err := access.Delete(path, args[0]); err != nil {
			return err
		}
		return u.say(cmd, "deleted %s", args[0])
	})
}

func (u userCommand) list() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Show the users and what is granted to them",
		Long:    "List shows all users and what is granted to them; never a hash.",
		Example: "  logapi user list\n  logapi user list -o json | jq -r '.[] | select(.disabled) | .email'",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkForm(form); err != nil {
				return err
			}
			path, err := u.file()
			if err != nil {
				return err
			}
			users, err := access.List(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w; `logapi user add` makes it", err)
			}
			if err != nil {
				return err
			}
			if form == "json" {
				return usersJSON(cmd.OutOrStdout(), users)
			}
			return usersText(cmd.OutOrStdout(), users)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	formFlag(cmd, &form)
	return cmd
}

func usersText(w io.Writer, users []access.User) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, user := range users {
		state := "enabled"
		switch {
		case user.Disabled:
			state = "disabled"
		case !user.HasPassword():
			state = "no password"
		}
		role := "-"
		if len(user.Role) > 0 {
			role = "role " + strings.Join(user.Role, ",")
		}
		fmt.Fprintf(table, "%s\tid %s\t%s\t%s\n", cli.Printable(user.Email), cli.Printable(user.ID), state, cli.Printable(role))
		for _, a := range user.Access {
			fmt.Fprintf(table, "  %s\n", accessLine(a))
		}
	}
	return table.Flush()
}

// accessLine is a grant on one line, as `logapi user grant` takes it.
func accessLine(a token.Access) string {
	line := strings.Join(a.Method, ",") + " " + strings.Join(a.URL, " ")
	if len(a.Other) > 2 { // not {}
		line += " " + string(a.Other)
	}
	return cli.Printable(line)
}

func usersJSON(w io.Writer, users []access.User) error {
	type entry struct {
		ID        string         `json:"id"`
		Email     string         `json:"email"`
		Role      []string       `json:"role"`
		Disabled  bool           `json:"disabled"`
		Password  bool           `json:"password"` // whether there is one
		ValidFrom *time.Time     `json:"valid_from"`
		Access    []token.Access `json:"access"`
	}
	list := make([]entry, len(users))
	for i, u := range users {
		list[i] = entry{u.ID, u.Email, append([]string{}, u.Role...), u.Disabled, u.HasPassword(), nil, append([]token.Access{}, u.Access...)}
		if !u.ValidFrom.IsZero() {
			list[i].ValidFrom = &u.ValidFrom
		}
	}
	return writeJSON(w, list)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// one completes a command about one user: its arguments are EMAIL and those named.
func (u userCommand) one(cmd *cobra.Command, names []string, do func(cmd *cobra.Command, path string, args []string) error) *cobra.Command {
	cmd.Args = exactly(append([]string{"EMAIL"}, names...)...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := access.CheckEmail(args[0]); err != nil {
			return cli.Usage("%w", err)
		}
		path, err := u.file()
		if err != nil {
			return err
		}
		return do(cmd, path, args)
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var emails []string
		if path, err := u.file(); err == nil && len(args) == 0 {
			users, _ := access.List(path)
			for _, user := range users {
				emails = append(emails, cli.Printable(user.Email))
			}
		}
		return emails, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// say says what was done.
func (u userCommand) say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), cli.Printable(fmt.Sprintf(format, args...)))
	return err
}
