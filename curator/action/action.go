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
	Options any // of its kind, a pointer: *Alias, *Allocation, *Close …; nil if the kind has none

	Filters     []filter.Filter // in the file's order
	Add, Remove []filter.Filter // of an alias action, in place of Filters; nil: not given
}

// Common are the options of every action.
type Common struct {
	AllowILMIndices     bool
	ContinueIfException bool
	DisableAction       bool
	IgnoreEmptyList     bool
	Timeout             time.Duration // of its requests; 0: the client's
	IncludeHidden       bool
	SearchPattern       string // which indices are looked at, as Elasticsearch writes targets
}
