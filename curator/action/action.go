// Package action reads what the curator is told to do: the action files of Elastic Curator 5 and 8, and the
// client files that say which cluster is meant.
//
//	text ─► values (yaml.go) ─► actions with their options (file.go, options.go) and filters
//	     └► environment variables, booleans and numbers as Curator's YAML 1.1 reader has them
//
// The whole of a file is checked before anything is done, and all that is wrong with it is said at once:
// an unknown name, a wrong value or a missing filter is an error and never a default.
package action

import (
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// An Action is one entry of an action file, checked and with its defaults.
type Action struct {
	ID          string // its key in the file
	Kind        string // "delete_indices"
	Description string
	Line        int // where it begins in the file

	Common
	Options any // of its kind, a pointer: *Alias, *Allocation, *Close …

	Filters     []filter.Filter // in the file's order; nil: the kind has none
	Add, Remove []filter.Filter // of an alias action, in place of Filters; nil: not given
}

// Common are the options of every action.
type Common struct {
	// Take indices that index lifecycle management (ILM) looks after, too.
	AllowILMIndices bool `config:"allow_ilm_indices" default:"false"`
	// Go on with the next action if this one fails. An empty list is no failure in this sense: see `ignore_empty_list`.
	ContinueIfException bool `config:"continue_if_exception" default:"false"`
	// Pass over this action.
	DisableAction bool `config:"disable_action" default:"false"`
	// Do nothing if the filters leave nothing, instead of ending the run with exit code 1.
	IgnoreEmptyList bool `config:"ignore_empty_list" default:"false"`
	// Seconds after which a request of this action is given up. Without it, the client's timeout holds, but
	// 21600 for forcemerge, restore and snapshot, 300 for delete_snapshots and 180 for close.
	Timeout time.Duration `config:"timeout_override" min:"0"`
	// Look at hidden indices, too.
	IncludeHidden bool `config:"include_hidden" default:"false"`

	SearchPattern string // that of Search, "" if the kind has none
}

// Search is the option of the actions that choose among indices on the server already.
type Search struct {
	// Which indices are looked at, before any filter: names with `*`, several separated by commas, with `-` in front those left out.
	SearchPattern string `config:"search_pattern" default:"'*'"`
}

func (s Search) pattern() string { return s.SearchPattern }
