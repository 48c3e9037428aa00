// Package elasticsearch is podbeat's output.elasticsearch: importing it puts it in the place of
// libbeat's output of that name. It takes libbeat's options and a few of its own, connects with
// libbeat's client (version, templates, index management, "test output") and publishes itself, so
// that each event ends in exactly one of three places: in Elasticsearch, in the dead letter with
// the reason, or back in the queue; and so that a pod's events are sent in the order of the queue. What 7.17's own client does instead, and what was tried, is in
// docs/decisions/004-elasticsearch-output.md.
//
//	queue → client: deal by source ─┬→ lane
//	                                ├→ lane: fill: encode, cut at bulk_max_bytes → send → answer → classify each item
//	                                └→ lane     ↑                                       │
//	                                            │          413, 400: halve and send ────┤
//	                                            └── wait ← 429, 5xx, block, no answer ──┤
//	                                                       2xx, 409: delivered ─────────┤
//	                                                       other 4xx: dead letter ──────┘
//
// An event with an id is sent with op_type create, so sending it twice is harmless. An event
// without one may be stored twice when an answer is lost.
package elasticsearch

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	_ "unsafe" // for go:linkname

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/outputs"
	_ "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch" // registers first, to be replaced
	"github.com/elastic/beats/v7/libbeat/outputs/outil"
)

// outputReg is libbeat's table of outputs. outputs.RegisterType panics on a name that is taken.
//
//go:linkname outputReg github.com/elastic/beats/v7/libbeat/outputs.outputReg
var outputReg map[string]outputs.Factory

// libbeatOutput makes libbeat's own clients, whose Connect and Test ours use.
var libbeatOutput outputs.Factory

func init() {
	libbeatOutput = outputs.FindFactory("elasticsearch")
	outputReg["elasticsearch"] = makeOutput
}

// makeOutput is an outputs.Factory.
func makeOutput(im outputs.IndexManager, info beat.Info, observer outputs.Observer, cfg *common.Config) (outputs.Group, error) {
	o, conn, policy, err := unpack(cfg)
	if err != nil {
		return outputs.Fail(err)
	}
	c := newClient(o)
	c.policy, c.observer = policy, observer
	if c.index, err = im.BuildSelector(cfg); err != nil {
		return outputs.Fail(fmt.Errorf("%s: %w", what, err))
	}
	c.pipeline, err = outil.BuildSelectorFromConfig(cfg, outil.Settings{
		Key: "pipeline", MultiKey: "pipelines", EnableSingleOnly: true, Case: outil.SelectorLowerCase,
	})
	if err != nil {
		return outputs.Fail(fmt.Errorf("%s: %w", what, err))
	}
	if c.daily, err = dailyOf(cfg); err != nil {
		return outputs.Fail(fmt.Errorf("%s: %w", what, err))
	}
	libbeats, err := libbeatClients(o, info, observer, cfg)
	if err != nil {
		return outputs.Fail(err)
	}
	for i, libbeat := range libbeats {
		at, err := common.MakeURL(o.Protocol, o.Path, o.Hosts[i], 9200)
		if err != nil {
			return outputs.Fail(fmt.Errorf("%s: host %q: %w", what, o.Hosts[i], err))
		}
		settings := eslegclient.ConnectionSettings{
			URL: at, Beatname: info.Beat, Kerberos: conn.Kerberos, Username: o.Username, Password: o.Password, APIKey: o.APIKey,
			Headers: o.Headers, CompressionLevel: o.CompressionLevel, Observer: observer, Transport: conn.Transport,
		}
		h, err := newHost(o, libbeat, settings, info)
		if err != nil {
			return outputs.Fail(err)
		}
		c.hosts = append(c.hosts, h)
	}
	c.active = rand.IntN(len(c.hosts)) // so that many podbeats without loadbalance do not all begin with the same
	for i := range o.lanes() {
		c.lanes = append(c.lanes, newLane(c, i%len(c.hosts)))
	}
	c.parts = make([][]parcel, groups*len(c.lanes))
	if !policy.drop {
		c.letGo = policy.file.UseFor(observer)
	}
	return outputs.Success(o.BulkMaxSize, o.MaxRetries, c)
}

// libbeatClients returns libbeat's client for each host, bare of its back-off.
func libbeatClients(o options, info beat.Info, observer outputs.Observer, cfg *common.Config) ([]outputs.NetworkClient, error) {
	own, err := common.MergeConfigs(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	for _, name := range ours {
		if !own.HasField(name) {
			continue
		}
		if _, err := own.Remove(name, -1); err != nil {
			return nil, fmt.Errorf("%s: cannot take out %q: %w", what, name, err)
		}
	}
	err = own.Merge(map[string]any{"loadbalance": true, "worker": 1})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	group, err := libbeatOutput(noIndex{}, info, observer, own)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	clients := make([]outputs.NetworkClient, len(group.Clients))
	for i, c := range group.Clients {
		if b, ok := c.(interface{ Client() outputs.NetworkClient }); ok {
			clients[i] = b.Client()
		} else if n, ok := c.(outputs.NetworkClient); ok {
			clients[i] = n
		} else {
			return nil, fmt.Errorf("%s: libbeat's client %T cannot connect", what, c)
		}
	}
	if len(clients) != len(o.Hosts) {
		return nil, fmt.Errorf("%s: libbeat made %d clients for %d hosts", what, len(clients), len(o.Hosts))
	}
	return clients, nil
}

// noIndex is the index manager and selector of libbeat's clients, which never publish.
type noIndex struct{}

func (noIndex) BuildSelector(*common.Config) (outputs.IndexSelector, error) { return noIndex{}, nil }
func (noIndex) Select(*beat.Event) (string, error)                          { return "", nil }

// header makes what every bulk request carries: what libbeat's client sends, under our name.
func header(s eslegclient.ConnectionSettings, info beat.Info) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", fmt.Sprintf("%s/%s (%s; %s)", info.Beat, info.Version, runtime.GOOS, runtime.GOARCH))
	if s.Username != "" || s.Password != "" {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.Username+":"+s.Password)))
	}
	if s.APIKey != "" {
		h.Set("Authorization", "ApiKey "+base64.StdEncoding.EncodeToString([]byte(s.APIKey)))
	}
	for name, value := range s.Headers {
		switch strings.ToLower(name) {
		case "content-type", "accept", "user-agent":
			h.Set(name, value)
		default:
			h.Add(name, value)
		}
	}
	return h
}
