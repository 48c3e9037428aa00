package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Days is a duration that may be given in days: 30d. It is a flag's value.
type Days time.Duration

// Set reads a duration.
func (d *Days) Set(s string) error {
	if number, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil {
			*d = Days(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return errors.New("want a duration such as 90m, 24h or 30d")
	}
	*d = Days(v)
	return nil
}

// String writes it as it may be given.
func (d *Days) String() string {
	const day = Days(24 * time.Hour)
	switch {
	case *d >= day && *d%day == 0:
		return strconv.Itoa(int(*d/day)) + "d"
	default:
		return time.Duration(*d).String()
	}
}

// Type is what the help calls its value.
func (d *Days) Type() string { return "duration" }
