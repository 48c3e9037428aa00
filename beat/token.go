package beat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/token"
)

func newTokenCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and rotate keys, sign and check the tokens of the push input",
		Long: `Token makes the keys and the tokens (JWT, HS256) that the push input asks its clients for. The keys are
in a file, a JSON Web Key Set, which podbeat reads again when it changes.`,
		Args: cobra.ArbitraryArgs,
		RunE: refuseUnknown,
	}
	cmd.AddCommand(newTokenKeysCmd(), newTokenSignCmd(), newTokenCheckCmd())
	return cmd
}

func newTokenKeysCmd() *cobra.Command {
	delay, keep := cli.Days(0), cli.Days(token.DefaultRules().MaxLife)
	var listOnly bool
	cmd := &cobra.Command{
		Use:   "keys FILE",
		Short: "Make a file of keys, or add a new key to it and retire the others",
		Long: `Keys puts a new key into FILE, which it makes if there is none, and lists the keys. The new key signs; the
others verify for --keep longer, so that the tokens they have signed hold until they expire.

Where FILE is copied to other nodes, a --delay gives it the time to arrive before the new key signs. A
key that may be known to others is replaced with --keep 0s: its tokens end at once.

The file is replaced as a whole; only its owner, and its group if it could before, may read it.`,
		Example: `  podbeat token keys /etc/podbeat/keys.json
  podbeat token keys --delay 10m --keep 31d /etc/podbeat/keys.json
  podbeat token keys --keep 0s /etc/podbeat/keys.json
  podbeat token keys --list /etc/podbeat/keys.json`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.Var(&delay, "delay", "when the new key begins to sign, from now")
	flags.Var(&keep, "keep", "how long the other keys verify after that: the longest life of a token")
	flags.BoolVar(&listOnly, "list", false, "only list the keys")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		now := time.Now()
		if listOnly && (flags.Changed("delay") || flags.Changed("keep")) {
			return errors.New("--list changes nothing: give it without --delay and --keep")
		}
		if !listOnly {
			rotation := token.Rotation{Delay: time.Duration(delay), Keep: time.Duration(keep)}
			if err := token.Rotate(args[0], rotation, now); err != nil {
				return err
			}
		}
		keys, err := token.OpenKeys(args[0])
		if err != nil {
			return err
		}
		return printKeys(cmd.OutOrStdout(), keys.List(), now)
	}
	return cmd
}

func printKeys(w io.Writer, keys []token.Key, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	signer := false // the youngest that may sign does
	for _, key := range keys {
		id, made, until, state := key.ID, "-", "-", "verifies"
		switch {
		case !key.Until.IsZero() && !now.Before(key.Until):
			state = "ended"
		case key.Signs && key.From.After(now):
			state = "signs from " + stamp(key.From)
		case key.Signs && !signer:
			state, signer = "signs", true
		}
		if id == "" {
			id = "-"
		}
		if !key.Made.IsZero() {
			made = stamp(key.Made)
		}
		if !key.Until.IsZero() {
			until = stamp(key.Until)
		}
		fmt.Fprintf(table, "%s\tmade %s\tuntil %s\t%s\n", id, made, until, state)
	}
	return table.Flush()
}

func newTokenSignCmd() *cobra.Command {
	var file string
	var allow []string
	claims, life := token.Claims{}, cli.Days(24*time.Hour)
	cmd := &cobra.Command{
		Use:   "sign --keys FILE --allow 'METHOD URL'",
		Short: "Sign a token and print it",
		Long: `Sign prints a token, signed with the youngest key in FILE that signs.

--allow says what the token opens: a method, several with commas, or * for any; and a URL. A URL is the whole path
of a request; or a path after {mscp_api_url}, which stands for the prefix of the API; or an absolute
URL below the API's public one. * or {name} in it is any one segment, {name:UUID} is a UUID, and ** at its end is one
segment or more. Without --allow, the token says who its bearer is and opens nothing.`,
		Example: `  podbeat token sign --keys keys.json --user 12203 --email user@example.com --role tenant \
    --allow 'POST /apps/7b0a6c51-3f0e-4f0c-8d7e-0f6f0a2b9c11/log' --for 30d
  podbeat token sign --keys keys.json --user collector --allow 'POST {mscp_api_url}/apps/{appid:UUID}/log' --for 24h
  podbeat token sign --keys keys.json --user 1 --allow 'GET,DELETE /apps/**' --allow '* /status'`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	keysFlag(cmd, &file)
	flags.StringVar(&claims.UserID, "user", "", "the user's id")
	flags.StringVar(&claims.Email, "email", "", "the user's e-mail address")
	flags.StringArrayVar(&claims.Role, "role", nil, "a role of the user; may be repeated")
	flags.StringArrayVar(&allow, "allow", nil, "a method and a URL that the token opens; may be repeated")
	flags.Var(&life, "for", "how long the token holds, from now")
	flags.StringVar(&claims.Issuer, "issuer", "", "who issues the token (iss)")
	flags.StringArrayVar(&claims.Audience, "audience", nil, "whom the token is for (aud); may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, text := range allow {
			words := strings.Fields(text)
			if len(words) != 2 {
				return fmt.Errorf("cannot read --allow %q: want a method and a URL, such as 'POST /apps/*/log'", text)
			}
			claims.Access = append(claims.Access, token.Access{Method: strings.Split(words[0], ","), URL: words[1:]})
		}
		keys, err := token.OpenKeys(file)
		if err != nil {
			return err
		}
		claims.IssuedAt = time.Now()
		claims.Expires = claims.IssuedAt.Add(time.Duration(life))
		raw, err := keys.Sign(claims)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), raw)
		return err
	}
	return cmd
}

func newTokenCheckCmd() *cobra.Command {
	var file, prefix, public string
	rules := token.DefaultRules()
	cmd := &cobra.Command{
		Use:   "check --keys FILE TOKEN|- [METHOD PATH]",
		Short: "Say whether a token is accepted and what it opens",
		Long: `Check says whether TOKEN is accepted, who its bearer is and what it opens; with a METHOD and a PATH, whether it opens
that one. A TOKEN of - is read from standard input, where no list of processes shows it.

The exit code is 1 if the token is refused (an API answers 401) or does not open PATH to METHOD (403). The
reason is printed.`,
		Example: `  podbeat token check --keys keys.json - < token
  podbeat token check --keys keys.json "$TOKEN" POST /apps/7b0a6c51-3f0e-4f0c-8d7e-0f6f0a2b9c11/log
  podbeat token check --keys keys.json --public-url https://logs.example.com/api --prefix /api "$TOKEN" GET /api/status`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 3 {
				return errors.New("want a token, or a token, a method and a path")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	keysFlag(cmd, &file)
	flags.StringVar(&prefix, "prefix", "", "what the paths of the API begin with")
	flags.StringVar(&public, "public-url", "", "the URL that clients know the API by")
	flags.StringVar(&rules.Issuer, "issuer", "", "who must have issued the token")
	flags.StringVar(&rules.Audience, "audience", "", "whom the token must be for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys, err := token.OpenKeys(file)
		if err != nil {
			return err
		}
		keys.Rules = rules
		base, err := token.NewBase(prefix, public)
		if err != nil {
			return err
		}
		raw, err := readToken(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		claims, err := keys.Verify(raw, time.Now())
		if err != nil {
			return fmt.Errorf("refused (401): %w", err)
		}
		if err := printClaims(cmd.OutOrStdout(), claims); err != nil || len(args) == 1 {
			return err
		}
		return checkAccess(cmd.OutOrStdout(), claims, base, args[1], args[2])
	}
	return cmd
}

func keysFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "keys", "", "the file of keys")
	if err := cmd.MarkFlagRequired("keys"); err != nil {
		panic(err) // the flag is defined above
	}
}

func readToken(arg string, in io.Reader) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	data, err := io.ReadAll(io.LimitReader(in, 64<<10)) // many times the longest token
	if err != nil {
		return "", fmt.Errorf("cannot read token from standard input: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func printClaims(w io.Writer, c *token.Claims) error {
	out := bufio.NewWriter(w)
	line := func(label, text string) { fmt.Fprintf(out, "  %-9s %s\n", label, visible(text)) }
	fmt.Fprintln(out, "accepted")
	line("user", strings.TrimSpace(c.UserID+" "+c.Email))
	line("role", strings.Join(c.Role, ", "))
	if !c.IssuedAt.IsZero() {
		line("issued", stamp(c.IssuedAt))
	}
	line("expires", stamp(c.Expires))
	for _, a := range c.Access {
		line("opens", fmt.Sprintf("%s %s", strings.Join(a.Method, ","), strings.Join(a.URL, " ")))
		if err := a.Check(); err != nil {
			line("", "of this, nothing that is miswritten: "+err.Error())
		}
	}
	if len(c.Access) == 0 {
		line("opens", "nothing")
	}
	return out.Flush()
}

func checkAccess(w io.Writer, claims *token.Claims, base token.Base, method, path string) error {
	u, err := url.ParseRequestURI(path)
	if err != nil || !strings.HasPrefix(path, "/") {
		return fmt.Errorf("cannot read path %q: want the path of a request, such as /apps/42/log", path)
	}
	if _, err := token.Segments(u); err != nil {
		return fmt.Errorf("not allowed (403): no token opens %q: %w", path, err)
	}
	if !claims.Allows(base, method, u) {
		return fmt.Errorf("not allowed (403): the token does not open %q to method %q", path, method)
	}
	_, err = fmt.Fprintf(w, "  %-9s %s\n", "allowed", visible(method+" "+path))
	return err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
