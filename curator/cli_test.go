package curator

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/serve"
)

// TestFlagsOfCuratorCLI: each flag of curator_cli is here, with its default, and those it needs are needed.
func TestFlagsOfCuratorCLI(t *testing.T) {
	recorded, err := os.ReadFile("testdata/curator_cli.txt")
	if err != nil {
		t.Fatal(err)
	}
	root := newCommand(serve.System{})
	seen := 0
	for l := range strings.Lines(string(recorded)) {
		words := strings.Fields(l)
		if words[0] == "#" {
			continue
		}
		seen++
		path := []string{"cli", words[0]}
		if words[0] == "-" {
			path = path[:1]
		}
		cmd, rest, err := root.Find(path)
		if err != nil || len(rest) > 0 {
			t.Errorf("no command %v", path)
			continue
		}
		flag := cmd.Flag(words[1])
		if flag == nil {
			t.Errorf("%v: no flag --%s", path, words[1])
			continue
		}
		v, ours := flag.Value.(*flagValue)
		def := ""
		for _, w := range words[2:] {
			what, value, _ := strings.Cut(w, "=")
			switch what {
			case "default":
				def = value
			case "no":
				if second := cmd.Flag(value); second == nil || second.NoOptDefVal != "true" {
					t.Errorf("%v: no flag --%s", path, value)
				}
			case "flag":
				if flag.NoOptDefVal != "true" {
					t.Errorf("%v: --%s needs a value", path, words[1])
				}
			case "choices":
				for _, c := range strings.Split(value, ",") {
					if err := v.Set(c); err != nil {
						t.Errorf("%v: --%s %s: %v", path, words[1], c, err)
					}
				}
			case "required":
				if !v.must {
					t.Errorf("%v: --%s is not needed", path, words[1])
				}
			case "multiple":
				if v.kind != listFlag {
					t.Errorf("%v: --%s can be given once only", path, words[1])
				}
			}
		}
		shown := words[0] == "show-indices" && words[1] == "allow_ilm_indices"
		if ours && v.def != def && v.def+def != "false" && !shown {
			t.Errorf("%v: --%s is %q if it is not given, want %q", path, words[1], v.def, def)
		}
	}
	if seen < 150 {
		t.Errorf("only %d flags recorded", seen)
	}
}

// document returns the action file that args make.
func document(t *testing.T, strict bool, args []string) string {
	t.Helper()
	for _, s := range singletons {
		if s.name != args[0] {
			continue
		}
		cmd := &cobra.Command{}
		values := bind(cmd, cmd.Flags(), s.flags)
		if err := cmd.ParseFlags(args[1:]); err != nil {
			return err.Error()
		}
		if err := missing(values); err != nil {
			return err.Error()
		}
		text, err := s.document(values, strict)
		if err != nil {
			t.Fatal(err)
		}
		file, err := action.Parse(text, args[0], action.Options{Strict: strict})
		if err != nil {
			return err.Error()
		}
		if len(file.Actions) != 1 || file.Actions[0].Kind != s.kind {
			t.Errorf("%q makes %+v", args, file.Actions)
		}
		return strings.TrimSuffix(strings.TrimPrefix(string(text), `{"actions":{"1":{`), "}}}")
	}
	t.Fatalf("no command %s", args[0])
	return ""
}

// TestDocuments says which action flags make.
func TestDocuments(t *testing.T) {
	f := func(args, want string) {
		t.Helper()
		if got := document(t, false, strings.Split(args, "|")); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", args, got, want)
		}
	}
	const none = `"filters":[{"filtertype":"none"}]`
	const list = `|--filter_list|{"filtertype":"none"}`
	f("open"+list, `"action":"open",`+none+`,"options":{"allow_ilm_indices":false,"ignore_empty_list":false,"include_hidden":false,"search_pattern":"*"}`)
	f(`delete-indices|--filter_list=[{"filtertype":"kibana","exclude":true},{"filtertype":"none"}]|--allow_ilm_indices|--search_pattern|logs-*`,
		`"action":"delete_indices","filters":[{"filtertype":"kibana","exclude":true},{"filtertype":"none"}],"options":{"allow_ilm_indices":true,"ignore_empty_list":false,"search_pattern":"logs-*"}`)
	f("close|--skip_flush|--allow_ilm_indices|--no-allow_ilm_indices"+list,
		`"action":"close",`+none+`,"options":{"allow_ilm_indices":false,"delete_aliases":false,"ignore_empty_list":false,"include_hidden":false,"search_pattern":"*","skip_flush":true}`)
	f("replicas|--count|2|--no-wait_for_completion=false"+list,
		`"action":"replicas",`+none+`,"options":{"allow_ilm_indices":false,"count":2,"ignore_empty_list":false,"include_hidden":false,"search_pattern":"*","wait_for_completion":true}`)
	f(`alias|--name|a|--add|{"filtertype":"none"}|--warn_if_no_indices`,
		`"action":"alias","add":{`+none+`},"options":{"allow_ilm_indices":false,"ignore_empty_list":true,"include_hidden":false,"name":"a","warn_if_no_indices":true}`)
	f("rollover|--name|logs|--max_docs|1000|--max_age|7d|--extra_settings|{\"index.number_of_shards\": 1}",
		`"action":"rollover","options":{"allow_ilm_indices":false,"conditions":{"max_age":"7d","max_docs":"1000"},"extra_settings":{"index.number_of_shards":1},"include_hidden":false,"name":"logs","wait_for_active_shards":1}`)
	f("restore|--repository|r|--index|a|--index|b,c|--no-wait_for_completion"+list,
		`"action":"restore",`+none+`,"options":{"allow_ilm_indices":false,"ignore_empty_list":false,"ignore_unavailable":false,"include_aliases":false,"include_global_state":false,`+
			`"include_hidden":false,"indices":["a","b,c"],"max_wait":-1,"partial":false,"repository":"r","skip_repo_fs_check":false,"wait_for_completion":false,"wait_interval":9}`)
	f("allocation|--key|box|--value|hot|--allocation_type|include"+list,
		`"action":"allocation",`+none+`,"options":{"allocation_type":"include","allow_ilm_indices":false,"ignore_empty_list":false,"include_hidden":false,"key":"box","max_wait":-1,`+
			`"search_pattern":"*","value":"hot","wait_for_completion":false,"wait_interval":9}`)
	f("forcemerge|--max_num_segments|1|--delay|0.5"+list,
		`"action":"forcemerge",`+none+`,"options":{"allow_ilm_indices":false,"delay":0.5,"ignore_empty_list":false,"include_hidden":false,"max_num_segments":1,"search_pattern":"*"}`)
	f(`close|--filter_list|{"filtertype":"pattern","kind":"prefix","value":"\ud83d\uDE00\\d\/\u00e9<"}`,
		`"action":"close","filters":[{"filtertype":"pattern","kind":"prefix","value":"😀\\d/\u00e9\u003c"}],`+
			`"options":{"allow_ilm_indices":false,"delete_aliases":false,"ignore_empty_list":false,"include_hidden":false,"search_pattern":"*","skip_flush":false}`)
	f("delete-snapshots|--repository|${R}"+list,
		`"action":"delete_snapshots",`+none+`,"options":{"allow_ilm_indices":false,"ignore_empty_list":false,"include_hidden":false,"repository":"${R}"}`)
}

// TestExamples: the example of each command is taken.
func TestExamples(t *testing.T) {
	for _, s := range singletons {
		args := strings.Split(s.name+" "+s.example, " ")
		for i, a := range args {
			if a == "FILTER" {
				args[i] = `{"filtertype":"pattern","kind":"prefix","value":"logs-"}`
			}
		}
		if got := document(t, false, args); !strings.HasPrefix(got, `"action":`) {
			t.Errorf("%q: %s", args, got)
		}
	}
}

// TestDocumentsRefused says what is wrong with flags, before or by the checks of action files.
func TestDocumentsRefused(t *testing.T) {
	f := func(args string, want ...string) {
		t.Helper()
		got := document(t, false, strings.Split(args, "|"))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s\ngot  %s\nwant %s", args, got, w)
			}
		}
	}
	const list = `|--filter_list|{"filtertype":"none"}`
	f("close", "missing --filter_list")
	f("forcemerge", "missing --max_num_segments, --filter_list")
	f(`close|--filter_list|{"filtertype":"pattern","kind":"prefix","value":"\ud83d"}`, "found invalid Unicode")
	f("close|--filter_list|{x", "filter_list", "it is not JSON")
	f(`close|--filter_list|{"filtertype":"none"} {}`, "it is not JSON")
	f(`close|--filter_list|{"filtertype":"nome"}`, "nome")
	f(`close|--filter_list|"none"`, "close:1")
	f(`close|--filter_list|null`, "close:1")
	f(`close|--filter_list|{"filtertype":"pattern","kind":"prefix","value":"a","value":""}`, "value")
	f("replicas|--count|many"+list, "it is not a whole number")
	f("rollover|--name|a|--max_docs|many", "max_docs", "whole number")
	f("close|--filter_list|[]", "filters is empty")
	f("replicas|--count|11"+list, "count", "10")
	f("forcemerge|--max_num_segments|1|--delay|long"+list, "it is not a number")
	f("allocation|--key|a|--allocation_type|never"+list, "want one of require, include, exclude")
	f("close|--skip_flush=maybe"+list, "skip_flush")
	f("snapshot|--repository|r|--no-wait_for_completion=x"+list, "no-wait_for_completion")
	f("close|--skipflush"+list, "unknown flag: --skipflush")
}

// TestStrictDocuments: with --strict-curator ILM's indices are taken unless the flag says that they may be.
func TestStrictDocuments(t *testing.T) {
	f := func(args string, want string) {
		t.Helper()
		if got := document(t, true, strings.Split(args, "|")); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", args, got, want)
		}
	}
	const list = `|--filter_list|{"filtertype":"none"}`
	f("open"+list, `"allow_ilm_indices":true`)
	f("open|--allow_ilm_indices"+list, `"allow_ilm_indices":false`)
	f("rollover|--name|a|--new_index|b|--max_docs|1", `"options":{"allow_ilm_indices":true,"conditions":{"max_docs":"1"},"include_hidden":false,"name":"a"}`)
}

// TestClientEnv: flags come before the variables with their names.
func TestClientEnv(t *testing.T) {
	f := func(args, vars, name, want string, wantOK bool) {
		t.Helper()
		cmd := &cobra.Command{}
		c := newClientFlags(cmd)
		if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		env := c.env(func(name string) (string, bool) {
			for _, v := range strings.Fields(vars) {
				if value, ok := strings.CutPrefix(v, name+"="); ok {
					return value, true
				}
			}
			return "", false
		})
		if got, ok := env(name); got != want || ok != wantOK {
			t.Errorf("%s with %s: %s is %q, %v, want %q, %v", args, vars, name, got, ok, want, wantOK)
		}
	}
	f("", "", "ESCLIENT_HOSTS", "", false)
	f("", "ESCLIENT_HOSTS=http://a", "ESCLIENT_HOSTS", "http://a", true)
	f("--hosts http://b --hosts http://c", "ESCLIENT_HOSTS=http://a", "ESCLIENT_HOSTS", "http://b http://c", true)
	f("--master-only", "", "ESCLIENT_MASTER_ONLY", "true", true)
	f("--no-verify_certs", "ESCLIENT_VERIFY_CERTS=true", "ESCLIENT_VERIFY_CERTS", "false", true)
	f("--password secret", "ESCLIENT_PASSWORD_FILE=/p", "ESCLIENT_PASSWORD", "secret", true)
	f("--password secret", "ESCLIENT_PASSWORD_FILE=/p", "ESCLIENT_PASSWORD_FILE", "", false)
	f("--username me", "ESCLIENT_PASSWORD_FILE=/p", "ESCLIENT_PASSWORD_FILE", "/p", true)
	f("--request_timeout 1.5 --loglevel DEBUG", "", "ESCLIENT_REQUEST_TIMEOUT", "1.5", true)
}

// TestSpellings: - and _ are the same in names of flags.
func TestSpellings(t *testing.T) {
	f := func(args string, want int, text string) {
		t.Helper()
		var out bytes.Buffer
		if got := Main(strings.Fields(args), &out, &out); got != want || !strings.Contains(out.String(), text) {
			t.Errorf("%s: exit %d, %s, want %d, %s", args, got, out.String(), want, text)
		}
	}
	f("cli --dry_run close --filter-list {x", 2, "it is not JSON")
	f("cli close --filter_list {x --dry-run", 2, "it is not JSON")
	f("cli close", 2, "missing --filter_list")
	f("cli close --filter-lists {}", 2, "unknown flag: --filter-lists")
	f("cli close --skip_flush it", 2, `takes no arguments, got ["it"]`)
	f("cli clos", 2, `unknown command "clos" for "curator cli"`)
	f("cli clos", 2, "close")
	f("cli open --policy x --filter_list {}", 2, `"curator cli open" takes no --policy`)
	f("cli --config /no/such/file close", 2, "/no/such/file")
	f("cli --loglevel debug close", 2, "missing --filter_list")
	f("cli --loglevel LOUD close", 2, "want one of DEBUG")
	f("cli", 0, "show-indices")
	f("cli close --help", 0, "--filter_list json")
}

// TestDocumented: docs/curator-cli.md has a row for each command, and one for each flag of the client.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/curator-cli.md")
	if err != nil {
		t.Fatal(err)
	}
	f := func(row string) {
		if !strings.Contains(string(text), "\n"+row+"\n") {
			t.Errorf("docs/curator-cli.md has no row\n%s", row)
		}
	}
	for _, s := range singletons {
		shared := singleton{flags: onIndices()}.names()
		var own []string
		for _, name := range s.names() {
			if !slices.Contains(shared, name) {
				own = append(own, name)
			}
		}
		f("| `" + s.name + "` | " + strings.Join(own, ", ") + " |")
	}
	for _, v := range newClientFlags(&cobra.Command{}) {
		f("| `--" + v.name + "` | " + v.use + " |")
	}
}

func (s singleton) names() []string {
	var names []string
	for _, f := range s.flags {
		name := "`--" + f.name + "`"
		if f.must {
			name = "**" + name + "**"
		}
		names = append(names, name)
	}
	return names
}

// FuzzFilterList: whatever stands in --filter_list, no filter is lost on the way to the action, and text comes
// out as JSON has it.
func FuzzFilterList(f *testing.F) {
	f.Add(`{"filtertype":"none"}`)
	f.Add(`[{"filtertype":"pattern","kind":"prefix","value":"\ud83d\ude00\\\/"},{"filtertype":"kibana","exclude":false}]`)
	f.Add(`{"filtertype":"pattern","kind":"regex","value":"^(?!\\.).*$","exclude":"yes"}`)
	f.Add(`{"filtertype":"none","filtertype":"kibana"}`)
	f.Add(` [ ] `)
	f.Fuzz(func(t *testing.T, text string) {
		v := &flagValue{flag: filterFlag}
		if v.Set(text) != nil {
			return
		}
		s := singleton{name: "close", kind: "close"}
		doc, err := s.document([]*flagValue{v}, false)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		file, err := action.Parse(doc, "fuzz", action.Options{})
		if err != nil {
			return
		}
		var list []struct{ FilterType string }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			list = make([]struct{ FilterType string }, 1)
		}
		if got := len(file.Actions[0].Filters); got != len(list) {
			t.Errorf("%s has %d filters, the action %d", text, len(list), got)
		}
	})
}
