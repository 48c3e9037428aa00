package curator

// Flags as Curator has them: spelled with _, some with a second spelling that says no (--no-verify_certs),
// some holding JSON. Those of the client stand for the variables ESCLIENT_* that have their names.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podbeat/podbeat/cli"
)

// A flag describes one flag.
type flag struct {
	name, kind string
	letter     string // its short name, if it has one
	def        string // "": the flag says nothing unless it is given
	use        string
	at         string   // where in an action the value belongs, if not at options.NAME
	must       bool     // it has to be given
	oneof      []string // the values it may have, if not any
}

// Kinds of flags.
const (
	textFlag    = "text"
	numberFlag  = "number"
	secondsFlag = "seconds"
	fileFlag    = "file"   // which has to exist
	yesFlag     = "yes"    // --name is true; it says false unless it is given
	eitherFlag  = "either" // --name is true, --no-name is false
	listFlag    = "list"   // may be given several times
	jsonFlag    = "json"
	filtersFlag = "filters" // JSON as well: a filter, or an array of them
)

// A flagValue is what a flag was set to.
type flagValue struct {
	flag
	text  string
	texts []string // of a list
	set   bool
}

func (v *flagValue) String() string { return v.text }

func (v *flagValue) Type() string {
	switch v.kind {
	case yesFlag, eitherFlag:
		return "bool"
	case filtersFlag:
		return jsonFlag
	case listFlag:
		return textFlag
	}
	return v.kind
}

// Set checks that s is of the flag's kind.
func (v *flagValue) Set(s string) error {
	var err error
	switch v.kind {
	case numberFlag:
		_, err = strconv.Atoi(s)
	case secondsFlag:
		_, err = strconv.ParseFloat(s, 64)
	case yesFlag, eitherFlag:
		var b bool
		if b, err = strconv.ParseBool(s); err == nil {
			s = strconv.FormatBool(b)
		}
	case fileFlag:
		_, err = os.Stat(s)
	case jsonFlag, filtersFlag:
		if !json.Valid([]byte(s)) {
			err = errors.New("it is not JSON")
		}
	case listFlag:
		v.texts = append(v.texts, s)
	}
	if err == nil && v.oneof != nil {
		i := slices.IndexFunc(v.oneof, func(o string) bool { return strings.EqualFold(o, s) })
		if i < 0 {
			return errors.New("want one of " + strings.Join(v.oneof, ", "))
		}
		s = v.oneof[i]
	}
	if n := (*strconv.NumError)(nil); errors.As(err, &n) {
		err = fmt.Errorf("it is not a %s", map[string]string{numberFlag: "whole number", secondsFlag: "number"}[v.kind])
	}
	if err == nil {
		v.text, v.set = s, true
	}
	return err
}

// path is where the value belongs in an action.
func (v *flagValue) path() string {
	if v.at != "" {
		return v.at
	}
	return "options." + v.name
}

// value returns what the flag says, and whether it says anything.
func (v *flagValue) value() (any, bool) {
	switch {
	case v.kind == yesFlag || v.kind == eitherFlag:
		return v.text == "true", v.set || v.kind == yesFlag || v.def != ""
	case !v.set && v.def == "":
		return nil, false
	case v.kind == numberFlag || v.kind == secondsFlag:
		return json.Number(v.text), true
	case v.kind == jsonFlag:
		return yamlEscapes(v.text), true
	case v.kind == filtersFlag:
		if t := strings.TrimSpace(v.text); !strings.HasPrefix(t, "[") {
			return []json.RawMessage{yamlEscapes(t)}, true
		}
		return yamlEscapes(v.text), true
	case v.kind == listFlag:
		return v.texts, true
	}
	return v.text, true
}

// escapes finds what begins with a backslash in a JSON text, and both halves of a character together.
var escapes = regexp.MustCompile(`(?i)\\u(d[89ab]..)\\u(d[c-f]..)|\\.`)

// yamlEscapes writes as it is what JSON has escapes for and YAML, which reads the text next, has not: slashes
// and characters of two halves. The rest of the text stays, with names that are in it twice.
func yamlEscapes(text string) json.RawMessage {
	return json.RawMessage(escapes.ReplaceAllStringFunc(text, func(m string) string {
		var plain string
		if len(m) == 2 && m[1] != '/' || json.Unmarshal([]byte(`"`+m+`"`), &plain) != nil {
			return m
		}
		return plain
	}))
}

// no is the second spelling of a flag.
type no struct{ *flagValue }

func (n no) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return err
	}
	return n.flagValue.Set(strconv.FormatBool(!b))
}

// bind adds flags to fs.
func bind(cmd *cobra.Command, fs *pflag.FlagSet, flags []flag) []*flagValue {
	values := make([]*flagValue, 0, len(flags))
	for _, f := range flags {
		v := &flagValue{flag: f, text: f.def}
		use := f.use
		if f.kind == eitherFlag {
			use += "; or --no-" + f.name
		}
		if f.must {
			use += " (required)"
		}
		added := fs.VarPF(v, f.name, f.letter, use)
		if f.kind == yesFlag || f.kind == eitherFlag {
			added.NoOptDefVal = "true"
		}
		if f.kind == eitherFlag {
			second := fs.VarPF(no{v}, "no-"+f.name, "", "")
			second.NoOptDefVal, second.Hidden = "true", true
		}
		if f.oneof != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.name, cobra.FixedCompletions(f.oneof, cobra.ShellCompDirectiveNoFileComp))
		}
		values = append(values, v)
	}
	return values
}

// clientFlags are the flags that say where the cluster is, who asks, and what becomes of the log.
type clientFlags []*flagValue

// newClientFlags adds them to cmd and to all commands below it.
func newClientFlags(cmd *cobra.Command) clientFlags {
	return bind(cmd, cmd.PersistentFlags(), []flag{
		{name: "config", kind: fileFlag, use: "client configuration file (default ~/.curator/curator.yml, if there is one)"},
		{name: "hosts", kind: listFlag, use: "URL of Elasticsearch, may be given several times (default http://127.0.0.1:9200)"},
		{name: "cloud_id", kind: textFlag, use: "id of a deployment in Elastic Cloud"},
		{name: "api_token", kind: textFlag, use: "API key, as the base64 of id:key"},
		{name: "id", kind: textFlag, use: "id of the API key"},
		{name: "api_key", kind: textFlag, use: "API key that belongs to --id"},
		{name: "username", kind: textFlag, use: "user"},
		{name: "password", kind: textFlag, use: "the user's password; ESCLIENT_PASSWORD or ESCLIENT_PASSWORD_FILE hide it from the list of processes"},
		{name: "bearer_auth", kind: textFlag, use: "bearer token"},
		{name: "opaque_id", kind: textFlag, use: "X-Opaque-Id of the requests"},
		{name: "request_timeout", kind: secondsFlag, use: "seconds a request may take (default 30)"},
		{name: "http_compress", kind: eitherFlag, use: "compress requests"},
		{name: "verify_certs", kind: eitherFlag, use: "check certificates"},
		{name: "ca_certs", kind: textFlag, use: "file with the authorities that may have signed them"},
		{name: "client_cert", kind: textFlag, use: "file with the client's certificate"},
		{name: "client_key", kind: textFlag, use: "file with its key"},
		{name: "ssl_assert_hostname", kind: textFlag, use: "refused: use ssl_assert_fingerprint"},
		{name: "ssl_assert_fingerprint", kind: textFlag, use: "SHA-256 that the certificate has to have, whoever signed it"},
		{name: "ssl_version", kind: textFlag, use: "least version of TLS"},
		{name: "master-only", kind: eitherFlag, use: "do nothing unless the node asked is the elected master"},
		{name: "skip_version_test", kind: eitherFlag, use: "don't look at the version of Elasticsearch"},
		{name: "loglevel", kind: textFlag, oneof: []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}, use: "least level of the messages logged (default INFO)"},
		{name: "logfile", kind: textFlag, use: "file to log to, instead of standard output and error"},
		{name: "logformat", kind: textFlag, oneof: []string{"default", "json", "logstash", "ecs"}, use: "default, json, logstash or ecs"},
		{name: "blacklist", kind: listFlag, use: "logger whose messages are left out, may be given several times"},
	})
}

// config is the client configuration file that was asked for, "" if none was.
func (c clientFlags) config() string {
	name, _ := c.env(os.LookupEnv)("ESCLIENT_CONFIG")
	return name
}

// env is the environment with the flags in the place of the variables that have their names.
func (c clientFlags) env(lookup func(string) (string, bool)) func(string) (string, bool) {
	given := map[string]string{}
	for _, v := range c {
		if v.set {
			name := "ESCLIENT_" + strings.ToUpper(strings.ReplaceAll(v.name, "-", "_"))
			given[name] = v.text
			if v.kind == listFlag {
				given[name] = strings.Join(v.texts, " ")
			}
		}
	}
	return func(name string) (string, bool) {
		if value, ok := given[name]; ok {
			return value, true
		}
		if _, ok := given[strings.TrimSuffix(name, "_FILE")]; ok {
			return "", false // ESCLIENT_PASSWORD_FILE gives way to --password
		}
		return lookup(name)
	}
}

// missing says which flags have to be given and were not.
func missing(values []*flagValue) error {
	var names []string
	for _, v := range values {
		if v.must && !v.set {
			names = append(names, "--"+v.name)
		}
	}
	if names != nil {
		return cli.Usage("missing %s", strings.Join(names, ", "))
	}
	return nil
}

// eitherSpelling has --filter-list mean --filter_list, and --dry_run --dry-run.
func eitherSpelling(fs *pflag.FlagSet, name string) pflag.NormalizedName {
	found := name
	fs.VisitAll(func(f *pflag.Flag) {
		if strings.ReplaceAll(f.Name, "-", "_") == strings.ReplaceAll(name, "-", "_") {
			found = f.Name
		}
	})
	return pflag.NormalizedName(found)
}
