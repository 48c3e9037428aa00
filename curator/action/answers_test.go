package action

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An answer is a file, and what Elastic Curator 8.0.21 reads from it. See testdata/answers.py.
type answer struct {
	Name, Text string
	Actions    []struct {
		ID, Action string
		Options    map[string]any
		Filters    []string
	} // nil: refused
}

// How the curator differs from an answer, and reasons that several have.
const (
	accepts = "accepts" // what Curator refuses
	refuses = "refuses" // what Curator accepts
	reads   = "reads"   // the same file in another way

	asText     = "a number, a date, = or << where text is wanted is that text, as it is written"
	noNumber   = "yes where a number is wanted is an accident, not the number 1"
	noFraction = "a fraction where a whole number is wanted is refused, not cut off"
	seconds    = "seconds may have a fraction or an exponent"
	notYet     = "older than a moment to come is everything there is"
	emptyList  = "Curator takes an empty list of filters for all"
)

// differences are the answers where the curator means to differ: names as path.Match takes them, and why.
// Where it accepts what Curator refuses, nothing is acted on that the file doesn't say. The last row that
// matches holds.
var differences = []struct {
	names  string
	how    string
	strict bool // also with --strict-curator
	why    string
}{
	{"option/*/*=5", accepts, true, asText},
	{"option/*/*=2017.01", accepts, true, asText},
	{"option/reindex/request_body={'source': {'index': 5}, 'dest': {'index': 'b'}}", accepts, true, asText},
	{"option/rollover/conditions={'max_age': 7}", accepts, true, asText},
	{`option/restore/indices=\['a', 1]`, reads, true, asText},
	{"option/restore/indices='a'", accepts, true, "a list of one may be written without brackets"},
	{"filter/*/*=-3", accepts, true, asText},
	{"yaml/text/*", accepts, true, asText},
	{"key/description number", accepts, true, asText},
	{"key/description null", accepts, true, "an empty description is none"},
	{`yaml/text/"\\ud83d\\ude00"`, refuses, true, "the YAML library knows no surrogates: such characters are written as they are, or as \\U0001F600"},

	{"option/*/timeout_override=True", refuses, true, noNumber},
	{"option/*/max_num_segments=True", refuses, true, noNumber},
	{"option/*/count=True", refuses, true, noNumber},
	{"filter/*/*count=True", refuses, true, noNumber},
	{"filter/*/epoch=True", refuses, true, noNumber},
	{"filter/*/number_of_shards=True", refuses, true, noNumber},
	{"filter/*/max_num_segments=True", refuses, true, noNumber},
	{"filter/*/disk_space=True", refuses, true, noNumber},
	{"filter/*/size_threshold=True", refuses, true, noNumber},
	{"option/*/max_num_segments=2.5", refuses, true, noFraction},
	{"option/*/count=2.5", refuses, true, noFraction},
	{"yaml/days/.5", refuses, true, noFraction},
	{"option/delete_indices/timeout_override=2.5", reads, true, seconds},
	{"yaml/number/.5", reads, true, seconds},
	{"option/delete_indices/timeout_override='5.0'", accepts, true, seconds},
	{"yaml/number/6e1", accepts, true, seconds},
	{"yaml/number/1e3", accepts, true, seconds},
	{"option/delete_indices/timeout_override=-1", refuses, true, "a timeout is not negative"},
	{"yaml/number/-1", refuses, true, "a timeout is not negative"},
	{"yaml/*/99999999999999999999", refuses, true, "no count has 20 digits"},
	{"yaml/*/060", refuses, false, "a leading 0 makes a number octal in YAML 1.1 alone: 010 is neither 8 nor 10 days by accident"},
	{"yaml/octal key", refuses, false, "a leading 0 makes a number octal in YAML 1.1 alone"},
	{"yaml/number/1:*", refuses, false, "base 60 is of YAML 1.1 alone"},
	{"yaml/days/1:*", refuses, false, "base 60 is of YAML 1.1 alone"},
	{"yaml/yes/${YES:a:b}", accepts, false, "a default may have colons, as URLs have"},
	{"yaml/bool key", refuses, true, "a key is a number or a word; yes is quoted if it is one"},
	{"yaml/null key", refuses, true, "a key is a number or a word"},
	{"yaml/duplicate *", refuses, false, "Curator silently takes the last of two equal keys, and so loses filters"},

	{"option/close/ignore_sync_failures=*", accepts, true, "it is of Curator 5, and passed over: Elasticsearch has no synced flush any more"},
	{"option/*/*=''", refuses, true, "what must be given must not be empty"},
	{"option/allocation/search_pattern=''", refuses, false, "no name is all names"},
	{"option/cluster_routing/value='replicas'", refuses, true, "Curator finds out in the middle of the run"},
	{"option/index_settings/index_settings={}", refuses, true, "there is nothing to do"},
	{"option/reindex/remote_filters=None", accepts, true, "as if it were left out: nothing is chosen"},
	{`option/reindex/remote_filters=\[]`, refuses, false, emptyList},
	{"filters/*/empty", refuses, false, emptyList},
	{"filters/alias/missing", refuses, true, "there is nothing to do; Curator finds out in the middle of the run"},
	{"alias/neither", refuses, true, "there is nothing to do; Curator finds out in the middle of the run"},
	{"alias/add unknown", refuses, true, "Curator passes over what it doesn't know there, such as misspelt filters"},
	{"alias/snapshot filter", refuses, true, "filters of snapshots do nothing to indices"},
	{"kind/'cold2frozen'", refuses, true, "not supported"},
	{"filter/count pattern/pattern='x'", refuses, true, "Curator finds out in the middle of the run that the pattern has no group"},
	{"filter/period*/*", refuses, true, "Curator finds out in the middle of the run that the period is incomplete or runs backwards"},
	{"filter/age*/unit_count=-3", refuses, false, notYet},
	{"filter/age negative", refuses, false, notYet},
	{"filter/age negative/of snapshots", refuses, false, notYet},
	{"yaml/days/-1", refuses, false, notYet},
	{"filter/*/timestring='x'", refuses, false, "a date without a year is of the year 1900 to Curator, and so older than everything"},
	{"filter/age pattern/unit_count_pattern='x'", refuses, false, "Curator passes over a pattern that has no group"},
	{"filter/size*/size_threshold=-3", refuses, false, "no index is smaller than nothing"},
	{"filter/space*/disk_space=-3", refuses, false, "Curator takes everything for a limit below nothing"},
	{"filter/period*/field=-3", accepts, true, asText},
}

func TestAnswers(t *testing.T) {
	f, err := os.Open("testdata/answers.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var answers []answer
	if err := json.NewDecoder(z).Decode(&answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) < 300 {
		t.Errorf("%d answers are too few", len(answers))
	}
	used := make([]bool, len(differences))
	for _, a := range answers {
		row := -1
		for i, d := range differences {
			if ok, err := path.Match(d.names, a.Name); err != nil {
				t.Fatal(d.names, err)
			} else if ok {
				row = i
			}
		}
		if how, what := a.differs(false); how != "" && (row < 0 || differences[row].how != how) {
			t.Errorf("%s: %s %s", a.Name, how, what)
		} else if how != "" {
			used[row] = true
		}
		if how, what := a.differs(true); how != "" && (row < 0 || !differences[row].strict || differences[row].how != how) {
			t.Errorf("%s with --strict-curator: %s %s", a.Name, how, what)
		}
	}
	for i, d := range differences {
		if !used[i] {
			t.Errorf("no answer differs as the row of %s says", d.names)
		}
	}
}

// differs says how the curator differs from a, "" if it doesn't, and in what.
func (a answer) differs(strict bool) (how, what string) {
	got, err := Parse([]byte(a.Text), "f", Options{strict, env("DAYS", "7", "YES", "true", "EMPTY", "", "NONE", "None", "WORD", "word")})
	switch {
	case err != nil && a.Actions == nil:
		return "", ""
	case err != nil:
		return refuses, err.Error()
	case a.Actions == nil:
		return accepts, ""
	case len(got.Actions) != len(a.Actions):
		return reads, fmt.Sprintf("%d actions, not %d", len(got.Actions), len(a.Actions))
	}
	for i, want := range a.Actions {
		g := got.Actions[i]
		var filters []string
		for _, f := range g.Filters {
			filters = append(filters, f.Type())
		}
		if g.ID != want.ID || g.Kind != want.Action || strings.Join(filters, " ") != strings.Join(want.Filters, " ") {
			return reads, fmt.Sprintf("action %d as %s %s %v, not %v", i+1, g.ID, g.Kind, filters, want)
		}
		have := optionsOf(&g.Common)
		for name, v := range optionsOf(g.Options) {
			have[name] = v
		}
		delete(have, "remote_filters") // they are compared where filters are
		theirs := map[string]any{}
		for name, v := range want.Options {
			if name != "remote_filters" {
				theirs[name] = asOurs(name, v)
			}
		}
		if d := cmp.Diff(tidy(theirs), tidy(have)); d != "" {
			return reads, "options in another way (-Curator +curator): " + d
		}
	}
	return "", ""
}

// optionsOf returns the options in a struct by their names, as JSON has them.
func optionsOf(options any) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(options).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, isOption := f.Tag.Lookup("config")
		switch value := v.Field(i); {
		case name == ",inline":
			for n, v := range optionsOf(value.Addr().Interface()) {
				out[n] = v
			}
		case !isOption || name == "-":
		case f.Type == reflect.TypeFor[time.Duration]():
			out[name] = value.Interface().(time.Duration).Seconds()
		case value.Kind() == reflect.Pointer && value.IsNil():
			out[name] = nil
		case value.Kind() == reflect.Pointer && value.Elem().Kind() == reflect.Struct:
			out[name] = optionsOf(value.Interface())
		case value.Kind() == reflect.Struct:
			out[name] = optionsOf(value.Addr().Interface())
		default:
			out[name] = value.Interface()
		}
	}
	return out
}

// asOurs returns Curator's value of an option as ours is written: numbers of seconds and shards, one text as a list.
func asOurs(name string, v any) any {
	switch {
	case name == "wait_for_active_shards":
		return fmt.Sprint(v)
	case name == "timeout_override" && v == nil:
		return 0.0
	case name == "request_body":
		source := v.(map[string]any)["source"].(map[string]any)
		if s, ok := source["index"].(string); ok {
			source["index"] = []any{s} // for the next comparison too
		}
	}
	return v
}

// tidy returns v as JSON has it, without what is empty: ours has no difference between that and what is left out.
func tidy(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return strconv.Quote(err.Error())
	}
	var out any
	_ = json.Unmarshal(text, &out)
	m, ok := out.(map[string]any)
	if !ok {
		return out
	}
	for name, inner := range m {
		inner = tidy(inner)
		m[name] = inner
		if l, ok := inner.([]any); inner == nil || inner == "" || ok && len(l) == 0 {
			delete(m, name)
		}
		if l, ok := inner.(map[string]any); ok && len(l) == 0 {
			delete(m, name)
		}
	}
	return m
}
