package kafka

import (
	"math"

	"github.com/eapache/go-resiliency/breaker"
)

// While brokers are away sarama answers with breaker.ErrBreakerOpen for ten seconds at a time, and
// libbeat's client acknowledges a batch that hears nothing else, unsent (beats#35755). It handles
// any other error well: it hands the events back. So the error, a variable, becomes one that no
// comparison finds; sarama, the only one to use it, compares it with nothing. libbeat's pause for
// that error goes with it: see client.pause.
func init() { breaker.ErrBreakerOpen = breakerOpen(math.NaN()) }

// A breakerOpen is not equal to itself, being NaN.
type breakerOpen float64

func (breakerOpen) Error() string { return "circuit breaker is open" }
