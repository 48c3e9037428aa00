package mapping

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// ask sends a request to Elasticsearch and returns its answer.
func ask(t *testing.T, method, url, content string) (status int, answer map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s %s: %s", method, url, raw)
	}
	return resp.StatusCode, answer
}

// blame returns an answer's error as type and the outer and the innermost reason.
func blame(answer map[string]any) string {
	e, _ := answer["error"].(map[string]any)
	if e == nil {
		return ""
	}
	out := fmt.Sprintf("%v: %v", e["type"], e["reason"])
	if e["type"] == "mapper_parsing_exception" && strings.HasPrefix(e["reason"].(string), "failed to parse") {
		if cause, _ := e["caused_by"].(map[string]any); cause != nil {
			out += fmt.Sprintf(" <- %v", cause["reason"])
		}
	}
	return out
}

func ours(err error) string {
	if err == nil {
		return ""
	}
	e := err.(*Error)
	out := e.Type + ": " + e.Reason
	if strings.HasPrefix(e.Reason, "failed to parse") && e.Cause != nil {
		out += " <- " + e.Cause.Reason
	}
	return out
}

// comparable takes out of an error's text what is the parser's own.
func comparable(s string) string {
	s, _, _ = strings.Cut(s, "\n at [Source")
	for _, own := range []string{"Current token", "Can't get text on a START_OBJECT", "Numeric value (", "Unexpected", "Unrecognized", "unexpected", "invalid", "Duplicate field", "text after", "Non-standard"} {
		if i := strings.Index(s, " <- "+own); i >= 0 {
			return s[:i]
		}
	}
	return s
}

func parse(t *testing.T, s string) body.Value {
	t.Helper()
	v, err := body.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatalf("not JSON: %s, %s", a, b)
	}
	return reflect.DeepEqual(x, y)
}

// session makes an index and puts documents into it one by one, here and in Elasticsearch; both must take and
// refuse the same with the same words, and end with the same mapping.
func session(t *testing.T, url, create string, docs ...string) {
	t.Helper()
	ask(t, "DELETE", url+"/x", "")
	status, answer := ask(t, "PUT", url+"/x", create)
	var none Templates
	index, err := none.New("x", parse(t, create))
	if got, want := comparable(ours(err)), comparable(blame(answer)); got != want {
		t.Errorf("create %s\n is %s\nwant %s", create, got, want)
		return
	}
	if status != 200 {
		return
	}
	m := index.Mapping
	for _, doc := range docs {
		_, answer := ask(t, "PUT", url+"/x/_doc/7", doc)
		grown, err := m.Add("7", []byte(doc))
		if got, want := comparable(ours(err)), comparable(blame(answer)); got != want {
			t.Errorf("%s\n is %s\nwant %s", clip(doc), got, want)
		}
		if err == nil {
			m = grown.Mapping
		}
	}
	_, answer = ask(t, "GET", url+"/x/_mapping", "")
	want, err := json.Marshal(answer["x"].(map[string]any)["mappings"])
	if err != nil {
		t.Fatal(err)
	}
	if got := m.JSON().Append(nil); !sameJSON(t, got, want) {
		var a, b any
		json.Unmarshal(got, &a)
		json.Unmarshal(want, &b)
		t.Errorf("%s: mapping differs (- ours, + Elasticsearch's):\n%s", create, cmp.Diff(a, b))
	}
}

func TestAsElasticsearch(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	t.Run("dynamic", func(t *testing.T) { session(t, url, `{}`, dynamicDocs...) })
	t.Run("typed", func(t *testing.T) { session(t, url, typedIndex, typedDocs...) })
	for _, c := range smallSessions {
		session(t, url, c[0], c[1:]...)
	}
}

var dynamicDocs = []string{
	`{"s":"abc","d":"2020-01-01","d2":"2020/01/01","d3":"2020/01/01 10:00:00","i":1,"f":1.5,"b":true,"big":123456789012345678,"o":{},"oo":{"x":{}},"e":[],"n":null,"num":"12","ds":"2020","dt":"2020-01","ii":1e3,"dotted.name.x":3,"d4":"2020-01-01T00:00","w":"2020-W01-1","t":"10:00","dz":"2020-01-01T00:00:00.123456789+01:00","d5":"2020-01-01T10","d6":"2020-1-1","d7":"2020-01-01 10:00:00"}`,
	`{"n2":12345678901234567890}`, `{"a":[1,"2"]}`, `{"mix":[1,1.5]}`, `{"mix2":[1.5,1]}`, `{"mix3":["a",{"b":1}]}`, `{"mix4":[true,"x"]}`,
	`{"mix5":[{"b":1},"a"]}`, `{"mix6":[{"b":1},{"b":"x"}]}`, `{"mix7":[{"b":1},{"b":2,"c":3}]}`, `{"s":{"a":1}}`, `{"s.x":1}`, `{"oo":3}`,
	`{"a..b":1}`, `{"":1}`, `{".a":1}`, `{"x.y":{"z.w":1}}`, `{" ":1}`, `{"f":1e400}`, `{"g":1e39}`, `[1]`, `1`, `{"q":1,"q":2}`, `{"q":1}x`, `{"q":NaN}`,
	`{"z9":"a`, `{"_foo":1}`, `{"i":[[1],[2]]}`, `{"i":[{"x":1}]}`, `{"i":{"x":[1,"2",{"z":null}]}}`, `{"l1":1e2,"l2":1.0,"l3":-0}`, `{"p":{"_id":"x"}}`,
	`{"deep":{"a":{"b":{"c":{"d":[[{"e":"x"}]]}}}}}`, `{"nan":"NaN","inf":"-Infinity","fl":"1.5","hex":"0x12","sp":" 12"}`,
	`{"year":"12020-01-01","plus":"+12020-01-01","minus":"-2020-01-01","comma":"2020-01-01T00:00:00,5Z","zone":"2020-01-01T00:00:00Europe/Paris","off":"2020-01-01T00:00+0100","em":"1577836800000"}`,
	`{"d":"zzz"}`, `{"d":12}`, `{"d2":"2020-01-01"}`, `{"d2":"1577836800000"}`, `{"d3":"2020/01/01"}`, `{"b":"false"}`, `{"b":1}`,
	`{"a1.b1":1,"a1":{"b1":2}}`, `{"a2.b2":1,"a2":{"b2":"x"}}`, `{"a3.b3":1,"a3":2}`, `{"a4":2,"a4.b":1}`,
}

const typedIndex = `{"settings":{"index.mapping.total_fields.limit":40},"mappings":{"properties":{"l":{"type":"long"},"i":{"type":"integer"},"sh":{"type":"short"},"by":{"type":"byte"},
"f":{"type":"float"},"hf":{"type":"half_float"},"db":{"type":"double"},"sf":{"type":"scaled_float","scaling_factor":100},"b":{"type":"boolean"},
"d":{"type":"date"},"dn":{"type":"date_nanos"},"dd":{"type":"date","format":"yyyy-MM-dd HH:mm:ss||epoch_second"},"ip":{"type":"ip"},
"k":{"type":"keyword","ignore_above":5,"index":true,"norms":false},"t":{"type":"text","fields":{"k":{"type":"keyword"},"len":{"type":"keyword","ignore_above":3,"normalizer":"lowercase"}}},
"o":{"type":"object"},"fl":{"type":"flattened"},"al":{"type":"alias","path":"k"},"off":{"type":"object","enabled":false},
"str":{"dynamic":"strict","properties":{"x":{"type":"long"}}},"dyn":{"dynamic":false,"properties":{"x":{"type":"long"},"in":{"type":"object","dynamic":true}}},"bin":{"type":"binary"},
"lm":{"type":"long","ignore_malformed":true},"lc":{"type":"long","coerce":false},"nv":{"type":"long","null_value":"5"},"p.q.r":{"type":"keyword"},"big":{"type":"keyword"}}}}`

var typedDocs = []string{
	`{"l":"abc"}`, `{"l":1.7}`, `{"l":"1.7"}`, `{"l":{"a":1}}`, `{"l":true}`, `{"l":""}`, `{"l":9223372036854775808}`, `{"l":1e18}`, `{"l":1e19}`, `{"l":"1e19"}`,
	`{"l":"9223372036854775808"}`, `{"l":"9223372036854775807.5"}`, `{"l":"0x10"}`, `{"l":" 1"}`, `{"l":-0}`, `{"l":1.0e2}`, `{"l":"1e2"}`, `{"l":[1,[2,[null]]]}`, `{"l.x.y":1}`, `{"l":"+5"}`, `{"l":"-"}`, `{"l":"1.e"}`, `{"l":"1."}`,
	`{"i":3000000000}`, `{"i":"3000000000"}`, `{"i":1e10}`, `{"sh":40000}`, `{"sh":"-32768"}`, `{"by":128}`, `{"by":1.9}`, `{"by":"200"}`,
	`{"f":1e39}`, `{"f":"x"}`, `{"f":"1f"}`, `{"f":"NaN"}`, `{"f":"Infinity"}`, `{"f":""}`, `{"f":" 1.5 "}`, `{"f":true}`, `{"f":"1_0"}`, `{"f":"inf"}`, `{"hf":65520}`, `{"hf":65519}`, `{"db":1e400}`, `{"db":"1e400"}`,
	`{"sf":"1.005"}`, `{"sf":"x"}`, `{"sf":1e400}`, `{"b":"x"}`, `{"b":""}`, `{"b":1}`, `{"b":"TRUE"}`, `{"b":"true"}`, `{"b":[]}`, `{"b":null}`,
	`{"d":"zzz"}`, `{"d":12}`, `{"d":"12"}`, `{"d":"2020-13-01"}`, `{"d":true}`, `{"d":""}`, `{"d":1.5}`, `{"d":{"a":1}}`, `{"d":["2020-01-01",null]}`, `{"d":"2020-01-01T00:00:00Z "}`, `{"d":"+2020-01-01"}`, `{"d":"12020-01-01"}`,
	`{"d":-5}`, `{"d":-5000}`, `{"d":-5000.5}`, `{"d":"-86400000"}`, `{"d":"-5000.0"}`, `{"dd":-5}`, `{"dd":"-5.5"}`, `{"dd":"-5.0"}`, `{"d":"2020-01-01T24:00:00Z"}`, `{"d":"2020-06-30T23:59:60Z"}`, `{"d":"2020-02-30"}`, `{"d":"2020-02-29"}`, `{"d":"2021-02-29"}`, `{"d":"2020-01-01T00:00:00,123Z"}`, `{"d":"2020-01-01T00:00:00+0100"}`, `{"d":"2020-01-01T00:00:00+01"}`,
	`{"d":"2020-01-01t00:00:00z"}`, `{"d":"2020-1-1"}`, `{"d":"2020-W01-1"}`, `{"d":"2020-001"}`, `{"d":"2020-01-01T1"}`, `{"d":"2020-01-01T00:00:00.1234567891Z"}`, `{"d":"-2020-01-01"}`, `{"d":"2020-01-01T"}`,
	`{"d":"2020-01-01T00:00[Europe/Paris]"}`, `{"d":"2020-01-01T00:00:00 Europe/Paris"}`, `{"d":"2020-01-01T00:00:00Europe/Paris"}`, `{"d":99999999999999999}`, `{"d":"2020-01-01T10:00:00GMT+1"}`, `{"d":"2020-01-01T10:00:00+25:00"}`,
	`{"d":"2020T10:00Z"}`, `{"d":"2020-01T10"}`, `{"d":"20200101"}`, `{"d":"2020-01-01Z"}`, `{"d":"2020-01-01T10:00:00+1"}`, `{"d":"2020-01-01T10:00:00X"}`, `{"d":"2020-01-01T10:00:00.Z"}`, `{"d":1e3}`,
	`{"dn":"1960-01-01"}`, `{"dn":-1}`, `{"dn":"2300-01-01"}`, `{"dn":"2020-01-01T00:00:00.123456789Z"}`, `{"dd":"2020-01-01"}`, `{"dd":12345}`, `{"dd":"2020-01-01 10:00:00"}`, `{"dd":"2020-1-01 10:00:00"}`, `{"dd":"12345.5"}`,
	`{"ip":"x"}`, `{"ip":"::1"}`, `{"ip":12}`, `{"ip":""}`, `{"ip":"1.2.3.4/8"}`, `{"ip":"01.2.3.4"}`, `{"ip":"::ffff:1.2.3.4"}`, `{"ip":"1.2.3"}`, `{"ip":["1.2.3.4","::"]}`,
	`{"k":{"a":1}}`, `{"k":[[1,[true]]]}`, `{"k.x":1}`, `{"k.x":{"y":1}}`, `{"t":{"a":1}}`, `{"t":1.0}`, `{"t":["a",null,{"x":[1,null,{"y":true}]}]}`, `{"t.k":"x"}`,
	`{"o":3}`, `{"o":null}`, `{"o":[]}`, `{"o":["x"]}`, `{"o":[{"n1":1},null]}`, `{"fl":3}`, `{"fl":{"a":{"b":[1,null,{"c":2}]}}}`, `{"fl":null}`, `{"fl":[{"x":1},{"y":2}]}`, `{"al":3}`, `{"al.x":3}`,
	`{"off":3}`, `{"off":{"a":{"a":1}}}`, `{"off.x":5}`, `{"str":{"y":1}}`, `{"str":{"y":null}}`, `{"str.y":1}`, `{"str":{"y":{}}}`, `{"str":{"x":1}}`, `{"dyn":{"y":"z","x":"q"}}`, `{"dyn":{"y":"z","in":{"new":1}}}`, `{"dyn.q.r":1}`,
	`{"bin":"U29tZQ=="}`, `{"lm":"x"}`, `{"lm":{"x":1}}`, `{"lc":"5"}`, `{"lc":5.5}`, `{"lc":5}`, `{"nv":null}`, `{"p":{"q":{"r":"x","s":1}}}`,
	`{"big":"` + strings.Repeat("x", 32766) + `"}`, `{"big":"` + strings.Repeat("x", 32767) + `"}`, `{"k":"` + strings.Repeat("x", 40000) + `"}`,
	`{"m1":1,"m2":1,"m3":1,"m4":"x","m5":1}`, `{"l":1}`,
	`{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":{"k":{"l":{"m":{"n":{"o":{"p":{"q":{"r":{"s":{"t":{"u":1}}}}}}}}}}}}}}}}}}}}}`,
}

// Each is a request to create an index and documents for it.
var smallSessions = [][]string{
	{`{"mappings":{"date_detection":false,"numeric_detection":true}}`, `{"d":"2020-01-01","n":"12","x":"1.5","t":"a"}`},
	{`{"mappings":{"dynamic_date_formats":["yyyy-MM"]}}`, `{"d":"2020-01-01","e":"2020-01"}`, `{"e":"2020-02"}`, `{"e":"2020-01-01"}`},
	{`{"mappings":{"dynamic":"strict"}}`, `{"a":1}`, `{"a":null}`, `{"a":{}}`, `{}`},
	{`{"mappings":{"dynamic":false}}`, `{"a":1,"b":{"c":1}}`},
	{`{"mappings":{"dynamic":"maybe"}}`},
	{`{"mappings":{"enabled":false}}`, `{"a":1}`},
	{`{"mappings":{"properties":{"a":{"type":"nosuch"}}}}`},
	{`{"mappings":{"properties":{"a":{"type":"long","analyzer":"standard"}}}}`},
	{`{"mappings":{"properties":{"a":{"type":"text","analyzer":"nosuch"}}}}`},
	{`{"mappings":{"properties":{"a":{"type":"scaled_float"}}}}`},
	{`{"mappings":{"properties":{"a":{"type":"alias","path":"b"}}}}`},
	{`{"mappings":{"properties":{"a":{"foo":"b"}}}}`},
	{`{"mappings":{"properties":{"a":{"type":"date","format":"yyyy-MM-dd'T'HH:mm[:ss][.SSS]XXX||dd/MMM/yyyy:HH:mm:ss Z||hh:mm a"}}}}`,
		`{"a":"2020-01-01T10:00Z"}`, `{"a":"2020-01-01T10:00:30.123+02:00"}`, `{"a":"10/Oct/2000:13:55:36 -0700"}`, `{"a":"10:30 PM"}`, `{"a":"10:30"}`, `{"a":"2020-01-01"}`},
	{`{"mappings":{"properties":{"a":{"type":"date","format":"basic_date||date_hour_minute_second_millis||year_month||basic_date_time_no_millis"}}}}`,
		`{"a":"20200131"}`, `{"a":"2020-01-01T10:00:00.123"}`, `{"a":"2020-05"}`, `{"a":"20200131T101010Z"}`, `{"a":"2020-05-01"}`},
	{`{"mappings":{"properties":{"a":{"type":"text","fields":{"raw":{"type":"keyword","ignore_above":10},"n":{"type":"long","ignore_malformed":true}}}}}}`, `{"a":"x"}`, `{"a":5}`, `{"a.raw":5}`},
	{`{"mappings":{"dynamic_templates":[{"ids":{"match":"*_id","unmatch":"no_*","mapping":{"type":"keyword"}}},{"l":{"match_mapping_type":"long","mapping":{"type":"integer"}}},
		{"nums":{"path_match":"m.*.n","match_mapping_type":"*","mapping":{"type":"{dynamic_type}","index":false}}},{"re":{"match":"^r[0-9]+$","match_pattern":"regex","mapping":{"type":"keyword","meta":{"n":"{name}"}}}},
		{"obj":{"match_mapping_type":"object","match":"fl_*","mapping":{"type":"flattened"}}},{"off":{"match_mapping_type":"object","match":"off_*","mapping":{"enabled":false}}},{"str":{"match_mapping_type":"string","mapping":{"type":"keyword","ignore_above":20,"fields":{"text":{"type":"text"}}}}}]}}`,
		`{"a_id":1,"no_id":1,"r12":true,"r1x":true,"s":"x","d":"2020-01-01","m":{"x":{"n":1.5},"y":{"n":"t"},"z":{"n":true},"w":{"n":5},"v":{"n":"2020-01-01"}}}`,
		`{"fl_a":{"x":{"y":1}},"off_b":{"z":1}}`, `{"fl_a":1}`, `{"off_b":[1]}`, `{"big":3000000000}`},
	{`{"mappings":{"dynamic_templates":[{"all":{"match":"*","mapping":{"index":false}}}]}}`, `{"a":1,"b":"x","c":1.5,"d":true,"e":"2020-01-01"}`},
	{`{"mappings":{"dynamic_templates":[{"x":{"mapping":{"type":"keyword"}}}]}}`, `{"a":"x"}`},
	{`{"mappings":{"properties":{"a":{"properties":{"b":{"type":"keyword"}}},"a.c":{"type":"long"}}}}`, `{"a.b":"x","a":{"c":5}}`},
	{`{"mappings":{"properties":{"ts":{"type":"date","ignore_malformed":true},"ip":{"type":"ip","ignore_malformed":true},"f":{"type":"double","ignore_malformed":true},"b":{"type":"boolean"}}}}`, `{"ts":"x","ip":"y","f":"z"}`, `{"ts":{"a":1}}`, `{"f":[1,"x"]}`, `{"b":"x"}`},
	{`{"settings":{"index":{"mapping":{"ignore_malformed":true,"coerce":false}}},"mappings":{"properties":{"l":{"type":"long"},"d":{"type":"date"},"m":{"type":"long","ignore_malformed":false}}}}`, `{"l":"x","d":"y"}`, `{"l":"5"}`, `{"m":"5"}`, `{"m":"x"}`},
	{`{"mappings":{"properties":{"m":{"type":"match_only_text"},"k":{"type":"keyword","null_value":"none","doc_values":false,"index":false}}}}`, `{"m":"a b","k":null}`},
	{`{"mappings":{"_source":{"enabled":true},"_meta":{"a":1},"properties":{}}}`, `{}`},
	{`{"mappings":{"foo":1}}`},
}
