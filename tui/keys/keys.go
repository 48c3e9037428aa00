// Package keys has every action of logtui, and the keys that are bound to it.
package keys

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Place is where a binding holds: everywhere, or in the part that has the focus.
type Place uint8

// The places.
const (
	Anywhere Place = iota // but in a line that is typed
	List
	Chart
	Facets
	Detail
	Rail
	Patterns
	places int = iota
)

// String is the place's heading in the help.
func (p Place) String() string {
	return [places]string{"Everywhere", "In the list", "In the histogram", "In the fields", "In the detail", "In the breadcrumb", "In the patterns"}[p]
}

// A Binding is an action that keys may be bound to. What it does is in actions.
type Binding struct {
	Action string   // its name in the configuration
	Keys   []string // as Bubble Tea names them
	Help   string
	Place  Place
	Foot   string // its word in the line at the bottom; "" if it is not there
}

// bindings are all there are: the help, the line at the bottom, the palette, `logtui keys` and the manual are made of them.
var bindings = []Binding{
	{"query", []string{"f"}, "type a query: which lines there are", Anywhere, "filter"},
	{"search", []string{"/"}, "search in the lines that there are", Anywhere, "search"},
	{"search-next", []string{"n"}, "next line that was searched for", Anywhere, ""},
	{"search-previous", []string{"N"}, "previous line that was searched for", Anywhere, ""},
	{"range", []string{"r"}, "type a time range: 15m, today, 10:00 to 11:00", Anywhere, "range"},
	{"goto", []string{"@"}, "go to an instant", Anywhere, ""},
	{"lens", []string{"v"}, "all logs, container logs, application logs", Anywhere, "lens"},
	{"tail", []string{"F"}, "tail: show new lines as they come, or stop", Anywhere, "tail"},
	{"pause", []string{"p"}, "hold new lines back, or show them", Anywhere, ""},
	{"back", []string{"backspace", "<", "alt+left"}, "back to the search before", Anywhere, ""},
	{"forward", []string{">", "alt+right"}, "forward again", Anywhere, ""},
	{"refresh", []string{"R"}, "ask again", Anywhere, ""},
	{"exact", []string{"!"}, "count exactly what was estimated", Anywhere, ""},
	{"shift-back", []string{"["}, "a quarter of the range back", Anywhere, ""},
	{"shift-forward", []string{"]"}, "a quarter of the range forward", Anywhere, ""},
	{"window-back", []string{"{"}, "a whole range back", Anywhere, ""},
	{"window-forward", []string{"}"}, "a whole range forward", Anywhere, ""},
	{"zoom-in", []string{"z"}, "half the range, around the cursor", Anywhere, ""},
	{"zoom-out", []string{"Z"}, "twice the range", Anywhere, ""},
	{"preset", []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, "the last 5m, 15m, 1h, 4h, 12h, 24h, 7d, 30d; all time", Anywhere, ""},
	{"climb", []string{"0"}, "one level up in the breadcrumb", Anywhere, ""},
	{"rail", []string{"b"}, "choose region, zone, namespace, app, pod", Anywhere, "place"},
	{"chips", []string{","}, "the filters: switch off, invert, pin, remove", Anywhere, ""},
	{"facets", []string{"a"}, "fields and their top values", Anywhere, "fields"},
	{"patterns", []string{"P"}, "patterns of the lines", Anywhere, "patterns"},
	{"stats", []string{"i"}, "statistics of a field", Anywhere, ""},
	{"histogram", []string{"H"}, "show or hide the histogram", Anywhere, ""},
	{"explain", []string{"D"}, "what is sent to the server, and what it costs", Anywhere, ""},
	{"saved", []string{"s"}, "saved queries", Anywhere, ""},
	{"save", []string{"S"}, "save the query", Anywhere, ""},
	{"history", []string{"ctrl+r"}, "queries typed before", Anywhere, ""},
	{"context", []string{"C"}, "another context: cluster and login", Anywhere, ""},
	{"theme", []string{"ctrl+t"}, "another theme", Anywhere, ""},
	{"zone", []string{"u"}, "times in the local zone, UTC, or each line's own", Anywhere, ""},
	{"columns", []string{"o"}, "choose and order columns", Anywhere, ""},
	{"export", []string{"x"}, "export all lines as NDJSON or CSV", Anywhere, ""},
	{"copy", []string{"y"}, "copy row, cell, JSON, selection, query …", Anywhere, "copy"},
	{"copy-row", []string{"Y"}, "copy the row", Anywhere, ""},
	{"editor", []string{"ctrl+e"}, "open the document, or the selection, in the editor", Anywhere, ""},
	{"pager", []string{"ctrl+v"}, "open it in the pager", Anywhere, ""},
	{"pipe", []string{"|"}, "pipe it into a command", Anywhere, ""},
	{"focus-next", []string{"tab"}, "next part", Anywhere, ""},
	{"focus-previous", []string{"shift+tab"}, "previous part", Anywhere, ""},
	{"palette", []string{":"}, "all actions by name", Anywhere, ""},
	{"help", []string{"?"}, "this help", Anywhere, "help"},
	{"escape", []string{"esc"}, "close, cancel, clear", Anywhere, ""},
	{"redraw", []string{"ctrl+l"}, "draw the screen anew", Anywhere, ""},
	{"suspend", []string{"ctrl+z"}, "back to the shell for a while", Anywhere, ""},
	{"quit", []string{"q"}, "quit", Anywhere, "quit"},

	{"down", []string{"j", "down"}, "a line down", List, ""},
	{"up", []string{"k", "up"}, "a line up", List, ""},
	{"page-down", []string{"space", "pgdown", "ctrl+f"}, "a page down", List, ""},
	{"page-up", []string{"pgup", "ctrl+b"}, "a page up", List, ""},
	{"half-down", []string{"ctrl+d"}, "half a page down", List, ""},
	{"half-up", []string{"ctrl+u"}, "half a page up", List, ""},
	{"oldest", []string{"g", "home"}, "to the oldest line", List, ""},
	{"newest", []string{"G", "end"}, "to the newest line, and stay there", List, ""},
	{"open", []string{"enter"}, "the whole document", List, ""},
	{"cell-left", []string{"h"}, "the cell to the left", List, ""},
	{"cell-right", []string{"l"}, "the cell to the right", List, ""},
	{"pan-left", []string{"left"}, "to the left along long lines", List, ""},
	{"pan-right", []string{"right"}, "to the right along long lines", List, ""},
	{"wrap", []string{"w"}, "wrap long lines", List, ""},
	{"fold", []string{"d"}, "unfold or fold a line of several lines", List, ""},
	{"fold-all", []string{")"}, "unfold or fold all lines", List, ""},
	{"clock", []string{"T"}, "times in milliseconds, microseconds, with the day, or since the line above", List, ""},
	{"filter-in", []string{"+", "="}, "only lines with the value in this cell", List, ""},
	{"filter-out", []string{"-"}, "no lines with the value in this cell", List, ""},
	{"surroundings", []string{"c"}, "what stood around this line in its pod", List, "context"},
	{"trace", []string{"t"}, "lines of the same trace", List, ""},
	{"error-next", []string{"e"}, "next error", List, ""},
	{"error-previous", []string{"E"}, "previous error", List, ""},
	{"mark", []string{"m"}, "mark the line", List, ""},
	{"mark-next", []string{"'"}, "next mark", List, ""},
	{"mark-previous", []string{"\""}, "previous mark", List, ""},
	{"select-down", []string{"shift+down"}, "select the next line, too", List, ""},
	{"select-up", []string{"shift+up"}, "select the previous line, too", List, ""},
	{"select", []string{"V"}, "begin a selection of lines here, or end it", List, ""},

	{"chart-left", []string{"left", "h"}, "a bucket earlier", Chart, ""},
	{"chart-right", []string{"right", "l"}, "a bucket later", Chart, ""},
	{"chart-select", []string{"space", "V"}, "begin to select here", Chart, ""},
	{"chart-zoom", []string{"enter"}, "zoom into what is selected", Chart, ""},

	{"facet-down", []string{"j", "down"}, "down", Facets, ""},
	{"facet-up", []string{"k", "up"}, "up", Facets, ""},
	{"facet-open", []string{"enter", "right", "l"}, "show or hide the top values of a field", Facets, ""},
	{"facet-in", []string{"+", "="}, "only lines with this value", Facets, ""},
	{"facet-out", []string{"-"}, "no lines with this value", Facets, ""},
	{"facet-column", []string{"c"}, "the field as a column, or no longer", Facets, ""},
	{"facet-find", []string{"."}, "fields whose name has …", Facets, ""},

	{"detail-down", []string{"j", "down"}, "down", Detail, ""},
	{"detail-up", []string{"k", "up"}, "up", Detail, ""},
	{"detail-page-down", []string{"space", "pgdown"}, "a page down", Detail, ""},
	{"detail-page-up", []string{"pgup"}, "a page up", Detail, ""},
	{"detail-top", []string{"g", "home"}, "to the top", Detail, ""},
	{"detail-bottom", []string{"G", "end"}, "to the bottom", Detail, ""},
	{"detail-fold", []string{"enter", "d"}, "fold or unfold", Detail, ""},
	{"detail-fold-all", []string{"("}, "fold all", Detail, ""},
	{"detail-unfold-all", []string{")"}, "unfold all", Detail, ""},
	{"detail-mode", []string{"J"}, "tree, table, JSON, raw", Detail, ""},
	{"detail-in", []string{"+", "="}, "only lines with this value", Detail, ""},
	{"detail-out", []string{"-"}, "no lines with this value", Detail, ""},
	{"detail-exists", []string{"*"}, "only lines with this field", Detail, ""},
	{"detail-column", []string{"c"}, "the field as a column, or no longer", Detail, ""},
	{"detail-wrap", []string{"w"}, "wrap long values", Detail, ""},
	{"detail-next", []string{"right", "l"}, "the next line's document", Detail, ""},
	{"detail-previous", []string{"left", "h"}, "the previous line's document", Detail, ""},

	{"rail-left", []string{"left", "h"}, "a level up", Rail, ""},
	{"rail-right", []string{"right", "l"}, "a level down", Rail, ""},
	{"rail-choose", []string{"enter", "down", "j"}, "choose a value of the level", Rail, ""},
	{"rail-clear", []string{"-", "delete"}, "any value of the level", Rail, ""},

	{"pattern-down", []string{"j", "down"}, "down", Patterns, ""},
	{"pattern-up", []string{"k", "up"}, "up", Patterns, ""},
	{"pattern-page-down", []string{"space", "pgdown"}, "a page down", Patterns, ""},
	{"pattern-page-up", []string{"pgup"}, "a page up", Patterns, ""},
	{"pattern-open", []string{"enter", "+"}, "only lines of this pattern", Patterns, ""},
	{"pattern-out", []string{"-"}, "no lines of this pattern", Patterns, ""},
	{"pattern-sort", []string{"o"}, "sort by another column", Patterns, ""},
}

// A Map says which action a key means in a place.
type Map struct {
	all []Binding
	by  [places]map[string]string
}

// New returns the bindings with those of the configuration, which replace the keys of their actions. An action or a clash that
// cannot be is an error that says what is there.
func New(own map[string][]string) (*Map, error) {
	k := &Map{all: slices.Clone(bindings)}
	known := map[string]*Binding{}
	for i := range k.all {
		known[k.all[i].Action] = &k.all[i]
	}
	for _, action := range slices.Sorted(maps.Keys(own)) {
		b := known[action]
		if b == nil {
			return nil, fmt.Errorf("cannot bind keys to %q: there is no such action; `logtui keys` lists them", action)
		}
		b.Keys = own[action]
		for _, key := range b.Keys {
			if key == "ctrl+c" || key == "" {
				return nil, fmt.Errorf("cannot bind %q to %s: that key is not free", key, action)
			}
		}
	}
	for p := range k.by {
		k.by[p] = map[string]string{}
	}
	for _, b := range k.all {
		for _, key := range b.Keys {
			if other, taken := k.by[b.Place][key]; taken {
				return nil, fmt.Errorf("cannot bind %q to %s: %s has it; give that another one, or none with []", key, b.Action, other)
			}
			k.by[b.Place][key] = b.Action
		}
	}
	for _, b := range k.all { // a key of a part hides one that holds everywhere, which is meant where both are ours
		for _, key := range b.Keys {
			if other := k.by[Anywhere][key]; b.Place != Anywhere && other != "" && (own[b.Action] != nil || own[other] != nil) {
				return nil, fmt.Errorf("cannot bind %q to %s: %s has it; give that another one, or none with []", key, b.Action, other)
			}
		}
	}
	return k, nil
}

// Action is what key means in p; "" if nothing.
func (k *Map) Action(p Place, key string) string {
	if a := k.by[p][key]; a != "" {
		return a
	}
	return k.by[Anywhere][key]
}

// Key is the first key of an action, for hints; "" if it has none.
func (k *Map) Key(action string) string {
	for _, b := range k.all {
		if b.Action == action && len(b.Keys) > 0 {
			return Shown(b.Keys[0])
		}
	}
	return ""
}

// Shown is how a key is written for people.
func Shown(key string) string {
	named := map[string]string{"up": "↑", "down": "↓", "left": "←", "right": "→", "pgdown": "PgDn", "pgup": "PgUp", "space": "Space", "enter": "Enter",
		"backspace": "Backspace", "tab": "Tab", "shift+tab": "Shift-Tab", "esc": "Esc", "home": "Home", "end": "End", "delete": "Del", "alt+left": "Alt-←", "alt+right": "Alt-→", "shift+up": "Shift-↑", "shift+down": "Shift-↓"}
	if s := named[key]; s != "" {
		return s
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "Ctrl-" + strings.ToUpper(rest)
	}
	return key
}

// Bindings lists them in the order of the help.
func (k *Map) Bindings() []Binding { return slices.Clone(k.all) }
