package search

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Failure says why an index could not be searched.
type Failure struct {
	Index string
	Err   *Error
}

// A PhaseError says that none of the indices could be searched, or not all where all are wanted.
type PhaseError struct {
	Failures []Failure // at least one
	Partial  bool      // others could be searched
}

func (e *PhaseError) Error() string {
	return fmt.Sprintf("cannot search index %s: %s", e.Failures[0].Index, e.Failures[0].Err)
}

// Unwrap returns what was wrong with the first of them.
func (e *PhaseError) Unwrap() error { return e.Failures[0].Err }

// begin readies a search. Indices of which it cannot be asked, as they lack a field that is sorted by or have it with
// another type, are left out and named.
func begin(ctx context.Context, over []Index, r *Request, now time.Time) (*running, []Failure, error) {
	ready := func(over ...Index) (*running, *Error, error) {
		x := &running{ctx: ctx, request: r, now: now}
		var refused *Error
		if err := x.prepare(over); errors.As(err, &refused) {
			return nil, refused, nil
		} else if err != nil {
			return nil, nil, err
		}
		return x, nil, nil
	}
	x, refused, err := ready(over...)
	if refused == nil {
		return x, nil, err
	}
	var good []Index
	var failures []Failure
	for _, one := range over {
		_, why, err := ready(one)
		switch {
		case err != nil:
			return nil, nil, err
		case why != nil:
			failures = append(failures, Failure{one.View.Index(), why})
		default:
			good = append(good, one)
		}
	}
	if len(failures) == 0 { // each would do, but not all together
		return nil, nil, refused
	}
	if len(good) == 0 || r.Whole {
		return nil, nil, &PhaseError{failures, len(good) > 0}
	}
	x, refused, err = ready(good...)
	if refused != nil {
		return nil, nil, refused
	}
	return x, failures, err
}
