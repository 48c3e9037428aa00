// Package control is podbeat's section `control:`. It tells logapi every few seconds what this podbeat does, and is
// told which collectors an administrator wants to run:
//
//	inputs, output ──► heartbeat ── POST ──► logapi
//	     ▲                                      │
//	     └── On ◄── path.data/control.json ◄────┘ wanted state
//
// Nothing but a newer wanted state, read whole and checked, switches anything. While logapi is away, slow or wrong,
// the last one holds, over restarts too. Events never wait for it, nor does a stop.
package control

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/option"
)

// A Control speaks with logapi. Its methods may be called concurrently.
type Control struct {
	opts   Options
	info   beat.Info
	log    *logp.Logger
	client *http.Client
	soon   chan struct{}

	state state

	// Of Run alone.
	failures int       // in a row
	said     time.Time // when a failure was logged last
	tokens   tokens
}

// New reads the section. Open is to be called before On and Run.
func New(cfg *common.Config, info beat.Info) (*Control, error) {
	c := &Control{info: info, log: logp.NewLogger("control"), soon: make(chan struct{}, 1)}
	if err := option.Unpack(cfg, &c.opts, "control"); err != nil {
		return nil, err
	}
	if c.opts.TokenFile != "" {
		c.opts.TokenFile = paths.Resolve(paths.Config, c.opts.TokenFile)
	}
	c.opts.URL = strings.TrimSuffix(c.opts.URL, "/")
	ssl, err := tlscommon.LoadTLSConfig(&c.opts.SSL)
	if err != nil {
		return nil, fmt.Errorf("control: cannot use ssl: %w", err)
	}
	u, err := url.Parse(c.opts.URL)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	c.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        ssl.BuildModuleClientConfig(u.Hostname()),
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns:           1,
			IdleConnTimeout:        2 * maxEvery,
			DisableCompression:     true, // an answer is short, unless it is an attack
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Soon has a heartbeat sent within a second, unless logapi does not answer.
func (c *Control) Soon() {
	select {
	case c.soon <- struct{}{}:
	default: // one is to come
	}
}

// Run sends heartbeats until ctx is done. describe fills in the inputs and the output; changed is called when On
// may answer otherwise than before.
func (c *Control) Run(ctx context.Context, describe func(*heartbeat.Beat), changed func()) {
	if c.opts.readable() {
		c.log.Warnf("The token goes to %s without encryption: use https.", c.opts.URL)
	}
	defer c.client.CloseIdleConnections()
	var wait time.Duration // the first one is sent at once
	for c.pause(ctx, wait) {
		wanted, err := c.send(ctx, describe)
		if ctx.Err() != nil {
			return
		}
		c.answered(err)
		if err == nil && c.take(wanted) {
			changed()
		}
		c.keep()
		wait = c.next()
	}
}

// pause waits until the next heartbeat is due, and says whether it is.
func (c *Control) pause(ctx context.Context, wait time.Duration) bool {
	soon := c.soon
	if c.failures > 0 {
		soon = nil
	}
	due := time.After(wait)
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return ctx.Err() == nil
	case <-soon:
	}
	select { // what changes together is told together
	case <-ctx.Done():
		return false
	case <-due:
	case <-time.After(time.Second):
	}
	return true
}

// next is how long to wait for the next heartbeat: random, so that a thousand podbeats do not come at once, and
// longer after failures, up to a minute.
func (c *Control) next() time.Duration {
	every := c.every()
	if c.failures == 0 {
		return every - every/10 + rand.N(every/5)
	}
	wait := max(every, min(maxEvery, every<<min(c.failures-1, 6)))
	return wait/2 + rand.N(wait/2+1)
}

// send sends one heartbeat and returns the answer. Its errors quote nothing of the token, nor of what is no answer.
func (c *Control) send(ctx context.Context, describe func(*heartbeat.Beat)) (heartbeat.Wanted, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	token, err := c.token(ctx)
	if err != nil {
		return heartbeat.Wanted{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.URL+"/heartbeat", bytes.NewReader(c.beat(describe).Append(nil)))
	if err != nil {
		return heartbeat.Wanted{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	text, status, err := c.do(req)
	switch {
	case status >= 300 && status < 400:
		return heartbeat.Wanted{}, fmt.Errorf("it answers %d: a redirection is not followed", status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		c.tokens.access = "" // a user has another one next time
		return heartbeat.Wanted{}, fmt.Errorf("it answers %d: the token is missing, expired or does not open POST %s/heartbeat", status, c.opts.URL)
	case status != http.StatusOK && status != 0:
		return heartbeat.Wanted{}, fmt.Errorf("it answers %d", status)
	case err != nil:
		return heartbeat.Wanted{}, err
	}
	return heartbeat.ReadWanted(text)
}

// beat makes a heartbeat.
func (c *Control) beat(describe func(*heartbeat.Beat)) *heartbeat.Beat {
	b := &heartbeat.Beat{
		Instance: c.info.ID.String(), Role: c.opts.Role, Version: c.info.Version, Started: c.info.StartTime,
		Sent: time.Now(), Every: c.every(), Wanted: c.version(),
	}
	b.Node, b.PodID, b.Name = c.opts.place(c.info.Name)
	describe(b)
	if b.Role == "" {
		b.Role = heartbeat.Collector
		for _, in := range b.Inputs {
			if in.Type == "kafka" {
				b.Role = heartbeat.Shipper
			}
		}
	}
	return b
}

// sayEvery is how often a failure that lasts is logged again.
const sayEvery = 10 * time.Minute

// answered notes how a heartbeat went, and logs what is new.
func (c *Control) answered(err error) {
	switch {
	case err == nil && c.failures > 0:
		c.log.Infof("logapi at %s answers again, after %d heartbeats that failed.", c.opts.URL, c.failures)
		c.failures = 0
	case err != nil:
		c.failures++
		if c.failures == 1 || time.Since(c.said) >= sayEvery {
			c.said = time.Now()
			c.log.Warnf("Heartbeats to logapi at %s fail, nothing is switched until they do not: %v", c.opts.URL, err)
		}
	}
}
