package take

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A Discover is what Kibana's page of logs is to show.
type Discover struct {
	Base     string // of Kibana, with the space if it is not the default one: https://kibana.example.com:5601/s/ops
	View     string // id of the data view (index pattern); "": Kibana's default
	Query    string
	Lucene   bool     // the query's language; otherwise KQL
	From, To string   // times as 2006-01-02T15:04:05.999Z, or relative ones as now-15m
	Columns  []string // none: the whole document
	Time     string   // the field to sort by; "": @timestamp
	Filters  []Filter
}

// A Filter is one of the chips under Kibana's query.
type Filter struct {
	Field, Value string
	Exists       bool // any value of the field
	Not          bool
	Off          bool // shown, and not applied
	Pinned       bool // goes with the reader to other pages
}

// Kibana is the address at which Kibana shows what d says. Kibana 7 and 8 read it.
func Kibana(d Discover) (string, error) {
	base, err := url.Parse(d.Base)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return "", fmt.Errorf("cannot use %q as the address of Kibana: write http[s]://HOST[:PORT][/PATH][/s/SPACE], without a user", bare(d.Base))
	}
	language := "kuery"
	if d.Lucene {
		language = "lucene"
	}
	pinned, own := []any{}, []any{}
	for _, f := range d.Filters {
		if f.Pinned {
			pinned = append(pinned, f.kibana(d.View))
		} else {
			own = append(own, f.kibana(d.View))
		}
	}
	columns := []any{}
	for _, c := range d.Columns {
		columns = append(columns, c)
	}
	app := object{{"columns", columns}, {"filters", own}}
	if d.View != "" {
		app = append(app, member{"index", d.View})
	}
	app = append(app, member{"interval", "auto"}, member{"query", object{{"language", language}, {"query", d.Query}}},
		member{"sort", []any{[]any{cmp.Or(d.Time, "@timestamp"), "desc"}}})
	global := object{{"filters", pinned}, {"refreshInterval", object{{"pause", true}, {"value", 0}}},
		{"time", object{{"from", d.From}, {"to", d.To}}}}
	return strings.TrimRight(base.String(), "/") + "/app/discover#/?_g=" + inFragment(rison(global)) + "&_a=" + inFragment(rison(app)), nil
}

func (f Filter) kibana(view string) object {
	store := "appState"
	if f.Pinned {
		store = "globalState"
	}
	meta := object{{"alias", nil}, {"disabled", f.Off}}
	if view != "" {
		meta = append(meta, member{"index", view})
	}
	meta = append(meta, member{"key", f.Field}, member{"negate", f.Not})
	query := object{{"match_phrase", object{{f.Field, f.Value}}}}
	if f.Exists {
		meta = append(meta, member{"type", "exists"}, member{"value", "exists"})
		query = object{{"exists", object{{"field", f.Field}}}}
	} else {
		meta = append(meta, member{"params", object{{"query", f.Value}}}, member{"type", "phrase"})
	}
	return object{{"$state", object{{"store", store}}}, {"meta", meta}, {"query", query}}
}

// bare cuts what may be a user and password off an address that may not be one.
func bare(address string) string {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "…" + address[at:]
	}
	return address
}

type (
	object []member
	member struct {
		key   string
		value any
	}
)

// rison writes a value as Kibana's addresses hold it: https://github.com/Nanonid/rison.
func rison(value any) string {
	switch v := value.(type) {
	case nil:
		return "!n"
	case bool:
		return map[bool]string{true: "!t", false: "!f"}[v]
	case int:
		return strconv.Itoa(v)
	case string:
		if plain.MatchString(v) {
			return v
		}
		return "'" + strings.NewReplacer("!", "!!", "'", "!'").Replace(v) + "'"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, rison(e))
		}
		return "!(" + strings.Join(parts, ",") + ")"
	case object:
		var parts []string
		for _, m := range v {
			parts = append(parts, rison(m.key)+":"+rison(m.value))
		}
		return "(" + strings.Join(parts, ",") + ")"
	}
	panic(fmt.Sprintf("no rison for a %T", value))
}

// plain strings need no quotes.
var plain = regexp.MustCompile(`^[^-0-9 '!:(),*@$\x00-\x1f][^ '!:(),*@$\x00-\x1f]*$`)

// inFragment escapes what has a meaning in the fragment of an address, and what terminals and chats do not take for a part of it.
func inFragment(s string) string {
	return strings.NewReplacer("+", "%20", "%28", "(", "%29", ")", "%21", "!", "%2C", ",", "%3A", ":", "%27", "'").Replace(url.QueryEscape(s))
}
